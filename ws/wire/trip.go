package wire

// Arrive says that the driver is at the pickup.
//
// At and Seq, here and below, are of what was done while there was no connection: when
// it was done, Unix ms by the phone's clock, and its number among what this driver has
// done, rising. Absent: now, and not numbered.
type Arrive struct {
	Trip string `json:"trip"`
	At   int64  `json:"at,omitzero"`
	Seq  int64  `json:"seq,omitzero"`
}

// Start says that the party is on board.
type Start struct {
	Trip string `json:"trip"`
	// Code is the party's start code, four digits, where the county wants one.
	Code string `json:"code,omitzero"`
	At   int64  `json:"at,omitzero"`
	Seq  int64  `json:"seq,omitzero"`
}

// Complete says that the party has been set down.
type Complete struct {
	Trip string `json:"trip"`
	At   int64  `json:"at,omitzero"`
	Seq  int64  `json:"seq,omitzero"`
}

// Release gives a trip back before the ride: another driver is sought.
type Release struct {
	Trip string `json:"trip"`
	// Why is one of [Reasons].
	Why string `json:"why"`
	At  int64  `json:"at,omitzero"`
	Seq int64  `json:"seq,omitzero"`
}

// Cancel ends a trip.
type Cancel struct {
	Trip string `json:"trip"`
	// Why is one of [Reasons].
	Why string `json:"why"`
	At  int64  `json:"at,omitzero"`
	Seq int64  `json:"seq,omitzero"`
}

// Paid says that the driver has taken cash for a trip.
type Paid struct {
	Trip string `json:"trip"`
	// Fen is the amount, a hundredth of a yuan each; at most [MaxFen].
	Fen int64 `json:"fen"`
	At  int64 `json:"at,omitzero"`
	Seq int64 `json:"seq,omitzero"`
}

// Trip tells a party where a trip stands. Each party sees what concerns it: a
// field that it may not see is absent. A lean one is without its order, which are the
// fields from Pickup to Channel, RequestedAt, PickupFrom to Traveller, and Ride if it
// is as before.
type Trip struct {
	Trip string `json:"trip"`
	// Version rises by one with everything that happens to the trip. A client
	// ignores a version that is not newer than the one it has.
	Version     int64    `json:"version"`
	State       string   `json:"state"`
	Pickup      PlaceOut `json:"pickup,omitzero"`
	Dropoff     PlaceOut `json:"dropoff,omitzero"`
	Seats       int      `json:"seats,omitzero"`
	Wheelchairs int      `json:"wheelchairs,omitzero"`
	GoodsL      int      `json:"goods_l,omitzero"`
	Channel     string   `json:"channel,omitzero"`
	// RequestedAt is the trip's place in the queue, Since when it came into its state; Unix ms.
	RequestedAt int64 `json:"requested_at,omitzero"`
	Since       int64 `json:"since"`
	// PickupFrom, PickupTo and ArriveBy are as requested, Unix ms.
	PickupFrom int64       `json:"pickup_from,omitzero"`
	PickupTo   int64       `json:"pickup_to,omitzero"`
	ArriveBy   int64       `json:"arrive_by,omitzero"`
	Booker     *Party      `json:"booker,omitzero"`
	Traveller  *Traveller  `json:"traveller,omitzero"`
	Driver     *TripDriver `json:"driver,omitzero"`
	// PickupETA is when the driver is expected at the pickup, Unix ms; while parked,
	// one who is busy now and in sight.
	PickupETA int64 `json:"pickup_eta,omitzero"`
	// Ride is the drive from pickup to drop-off.
	Ride *Leg `json:"ride,omitzero"`
	// Queue is there while the trip is parked.
	Queue *QueuePlace `json:"queue,omitzero"`
	// GivesUpAt is when the trip ends unserved if it still has no driver, Unix ms.
	GivesUpAt int64 `json:"gives_up_at,omitzero"`
	// Overdue counts the deadlines missed in the present state.
	Overdue int `json:"overdue,omitzero"`
	// Cut says that no road leads to where the trip has to go now; of a parked one,
	// from its pickup to its drop-off.
	Cut bool `json:"cut,omitzero"`
	// Ended is there when the trip is cancelled or unserved.
	Ended *Ended `json:"ended,omitzero"`
	// Position is the driver's newest, while one is bound and heard of.
	Position *Fix `json:"position,omitzero"`
	// ArrivedAt and StartedAt are when the driver was at the pickup and when the ride
	// began, Unix ms.
	ArrivedAt int64 `json:"arrived_at,omitzero"`
	StartedAt int64 `json:"started_at,omitzero"`
	// DrivenM is how far the party was driven, by the positions of the driver's phone,
	// once the trip is completed.
	DrivenM int64 `json:"driven_m,omitzero"`
	// PaidFen is the cash that the driver has taken.
	PaidFen int64 `json:"paid_fen,omitzero"`
	// StartCode is what the party tells the driver, four digits.
	StartCode string `json:"start_code,omitzero"`
	// StartCheck lets the driver's program check the code without a connection.
	StartCheck string `json:"start_check,omitzero"`
	// Receipt says all this in a form that only the server can make. Whoever takes part
	// in the trip keeps the newest and gives it back in hello.
	Receipt string `json:"receipt,omitzero"`
}

// The states of a trip.
const (
	StateRequested = "requested"
	StateOffered   = "offered"
	StateParked    = "parked"
	StateAssigned  = "assigned"
	StateArrived   = "arrived"
	StateRiding    = "riding"
	StateCompleted = "completed"
	StateCancelled = "cancelled"
	StateUnserved  = "unserved"
)

// Party is somebody with an account.
type Party struct {
	Role string `json:"role"`
	ID   string `json:"id"`
}

// TripDriver is the driver of a trip and what he drives.
type TripDriver struct {
	ID      string   `json:"id"`
	Vehicle *Vehicle `json:"vehicle,omitzero"`
}

// QueuePlace is a parked trip's place among those that wait. Place 1 is next.
type QueuePlace struct {
	Place int `json:"place"`
	Of    int `json:"of"`
}

// Ended says who ended a trip and why. ByRole is a role or "system".
type Ended struct {
	ByRole string `json:"by_role"`
	Why    string `json:"why"`
}

// Queue tells the party of a parked trip its new place. Newest wins.
type Queue struct {
	Trip  string `json:"trip"`
	Place int    `json:"place"`
	Of    int    `json:"of"`
}

// The reasons that a client may give for a cancel or a release.
const (
	WhyChangedMind = "changed_mind"
	WhyFoundOther  = "found_other"
	WhyTooLong     = "too_long"
	WhyMistake     = "mistake"
	WhyNoShow      = "no_show"
	WhyBreakdown   = "breakdown"
	WhyRoad        = "road"
	WhyOther       = "other"
)

// Reasons lists the reasons that a client may give.
func Reasons() []string {
	return []string{WhyChangedMind, WhyFoundOther, WhyTooLong, WhyMistake, WhyNoShow, WhyBreakdown, WhyRoad, WhyOther}
}
