package dispatch

import "cuntong/geo"

// Notice is something somebody is to be told. It leaves the engine only after the
// facts it rests on are in the journal. Everything in it is a copy.
type Notice struct {
	To   Actor
	Body NoticeBody
}

// NoticeBody is one of the types below.
type NoticeBody interface {
	isNotice()
	// Lossy says that a newer notice of the same type to the same party about the
	// same trip makes this one worthless, so that it may be dropped on a slow link.
	Lossy() bool
}

// Done answers a command that took effect, now or when it first came.
type Done struct {
	ID      CommandID
	Trip    TripID // empty for duty commands
	Version Version
	State   State
}

// Refused answers a command that did not take effect.
type Refused struct {
	ID      CommandID
	Trip    TripID
	Refusal Refusal
}

// Truth is everything that concerns one party at this moment. It answers Hello.
type Truth struct {
	At    Instant
	For   string     // the session whose hello it answers; empty: any of the party
	Duty  *DutyView  // drivers only; nil when off duty
	Offer *OfferView // drivers only; the live offer, if any
	Trips []TripView // open trips of the party, oldest first
}

// OfferTold asks a driver.
type OfferTold struct{ Offer OfferView }

// OfferGone tells a driver that he is no longer asked.
type OfferGone struct {
	Trip  TripID
	Offer OfferID
	End   OfferEnd
}

// TripTold tells a party where a trip stands.
type TripTold struct{ Trip TripView }

// QueueTold tells the booker and the traveller of a parked trip their place.
type QueueTold struct {
	Trip  TripID
	Place int // 1 is next
	Of    int
}

// DriverAt tells the party of a trip where its driver is. Lossy.
type DriverAt struct {
	Trip TripID
	Fix  Fix
	// ETA is when the driver is expected at his next stop; 0: not known.
	ETA Instant
	// Left is how far it is to there by road.
	Left geo.Meters
}

// DutyTold tells a driver whether he is on duty.
type DutyTold struct {
	On   bool
	Duty DutyView // zero when off
}

// BoardTold shows an operator the area. Lossy.
type BoardTold struct {
	Board Board
	// Matching is how quick matching has been; nil before the first offer.
	Matching *MatchingView
}

func (Done) isNotice()      {}
func (Refused) isNotice()   {}
func (Truth) isNotice()     {}
func (OfferTold) isNotice() {}
func (OfferGone) isNotice() {}
func (TripTold) isNotice()  {}
func (QueueTold) isNotice() {}
func (DriverAt) isNotice()  {}
func (DutyTold) isNotice()  {}
func (BoardTold) isNotice() {}
func (RouteTold) isNotice() {}
func (RoadTold) isNotice()  {}

func (NearbyTold) isNotice() {}
func (LookTold) isNotice()   {}

// Lossy reports false: an answer must arrive.
func (Done) Lossy() bool { return false }

// Lossy reports false: an answer must arrive.
func (Refused) Lossy() bool { return false }

// Lossy reports false: it is what a client builds on.
func (Truth) Lossy() bool { return false }

// Lossy reports false: an offer must arrive.
func (OfferTold) Lossy() bool { return false }

// Lossy reports false: a driver must not chase a trip that is gone.
func (OfferGone) Lossy() bool { return false }

// Lossy reports false: the state of a trip must arrive.
func (TripTold) Lossy() bool { return false }

// Lossy reports true: only the newest place counts.
func (QueueTold) Lossy() bool { return true }

// Lossy reports true: only the newest position counts.
func (DriverAt) Lossy() bool { return true }

// Lossy reports false: a driver must know whether he is on duty.
func (DutyTold) Lossy() bool { return false }

// Lossy reports false: it answers a question.
func (RouteTold) Lossy() bool { return false }

// Lossy reports false: it answers a command.
func (RoadTold) Lossy() bool { return false }

// Lossy reports false: it answers a question.
func (NearbyTold) Lossy() bool { return false }

// Lossy reports false: it answers a command.
func (LookTold) Lossy() bool { return false }

// Lossy reports true: only the newest board counts.
func (BoardTold) Lossy() bool { return true }

// TripView is a trip as told to a party. Who sees which field is decided at the
// edge: a driver sees the traveller's phone only once he has accepted, a
// passenger his driver's vehicle only while he has one.
type TripView struct {
	ID           TripID
	Version      Version
	Begun        Version // below it the order may have been another one; zero: never
	State        State
	Order        Order
	RequestedAt  Instant
	Since        Instant
	Driver       DriverID
	Vehicle      Vehicle
	Direct       geo.Leg
	ArrivedAt    Instant // when the driver was at the pickup
	StartedAt    Instant // when the ride began
	DrivenM      int64   // once completed, if known: how far the party was driven, in metres
	StartCode    string  // until the ride starts, where there is one
	PaidFen      int64   // the cash that was taken
	PickupETA    Instant // while assigned; while parked, if a busy driver is in sight
	Cut          bool    // no road leads to where the trip has to go now
	QueuePlace   int     // while parked: 1 is next
	QueueOf      int
	Overdue      int
	LetGoAt      Instant // when its last driver was let go, until another accepts
	GivesUpAt    Instant // while it has no driver
	EndedBy      Actor
	EndedWhy     Reason
	LastPosition *Fix // the driver's newest position while one is bound, if fresh
}

// OfferView is an offer as told to its driver.
type OfferView struct {
	ID          OfferID
	Trip        TripID
	TripVersion Version
	Until       Instant
	// Confirm is when his phone's word that it has the offer is due; 0: it has come. Until
	// then Until is the least that he has: the time to answer begins when it comes.
	Confirm Instant
	// Wait is how long the driver has from now: his clock may be wrong.
	WaitSeconds float64
	Approach    geo.Leg // to the pickup
	Direct      geo.Leg // pickup to drop-off
	Pickup      Place
	Dropoff     Place
	Load        Load
}

// DutyView is a driver's own duty.
type DutyView struct {
	Driver  DriverID
	Vehicle Vehicle
	Since   Instant
	Plan    Plan
}

// Board is an operator's view of an area.
type Board struct {
	At      Instant
	Area    geo.AreaID
	Counts  map[State]int // open trips by state
	Waiting []TripView    // trips without a driver, first in the queue first; at most BoardRows
	Driving []TripView    // trips with a driver, newest first; at most BoardRows
	Ended   []TripView    // the last trips that ended, newest first; at most BoardRows
	Drivers []DriverView  // drivers on duty, those last heard of first; at most BoardDrivers
	Roads   []RoadView    // changes to the roads, by id; at most BoardRows
	Bars    []BarView     // who is kept out, the newest first; at most BoardRows
	OnDuty  int
	Free    int // on duty, free, and reachable
	Silent  int // on duty, and not heard of within the freshness limit or without a link
}

// DriverView is one driver on the board.
type DriverView struct {
	ID      DriverID
	Vehicle Vehicle
	Trip    TripID // being driven, or asked for
	State   State  // of that trip; empty when free
	Fix     *Fix   // nil when not heard of within the freshness limit
	// Trust is how far his positions are believed, and Signs are why not fully.
	Trust TrustBand
	Signs []Sign
	// LostAt is when he was last heard of, once the link to his phone is known to be
	// lost; 0: it is not.
	LostAt Instant
	// Unseen: an offer has not reached him since he last said hello.
	Unseen bool
}

// BarView is one party who is kept out.
type BarView struct {
	Party  Actor
	Until  Instant // 0: until it is lifted
	At     Instant // when it began
	Reason string
}

// Limits of a Board.
const (
	BoardRows    = 50
	BoardDrivers = 500
)
