package dispatch

import (
	"slices"

	"cuntong/geo"
)

// State is where a trip is in its life. See docs/DESIGN.md for the picture.
type State string

// The states.
const (
	Requested State = "requested" // wants a driver now
	Offered   State = "offered"   // one driver is being asked
	Parked    State = "parked"    // nobody can take it; waits for an event that changes its luck
	Assigned  State = "assigned"  // a driver has accepted and is on his way
	Arrived   State = "arrived"   // the driver is at the pickup
	Riding    State = "riding"    // the party is on board
	Completed State = "completed"
	Cancelled State = "cancelled"
	Unserved  State = "unserved" // nobody could take it in time
)

// transitions is the whole life of a trip: from each state, the states that may
// follow. A fact that keeps the state (a trip overdue) is always allowed while
// the trip is open. A test holds this table against the diagram in docs/DESIGN.md.
var transitions = map[State][]State{
	"":        {Requested},
	Requested: {Offered, Parked, Cancelled, Unserved},
	Offered:   {Assigned, Requested, Cancelled},
	Parked:    {Offered, Cancelled, Unserved},
	Assigned:  {Arrived, Requested, Cancelled},
	Arrived:   {Riding, Requested, Cancelled},
	Riding:    {Completed, Cancelled},
	Completed: nil,
	Cancelled: nil,
	Unserved:  nil,
}

// CanBecome says whether a trip may go from s to next in one fact.
func (s State) CanBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Open says whether the trip is still going on.
func (s State) Open() bool { return s != "" && len(transitions[s]) > 0 }

// HasDriver says whether a driver is bound to the trip.
func (s State) HasDriver() bool { return s == Assigned || s == Arrived || s == Riding }

// States lists every state in the order of a trip's life.
func States() []State {
	return []State{Requested, Offered, Parked, Assigned, Arrived, Riding, Completed, Cancelled, Unserved}
}

// Channel is how a booking came in.
type Channel string

// The channels.
const (
	ChannelApp   Channel = "app"
	ChannelAgent Channel = "agent"
	ChannelDesk  Channel = "desk"
	ChannelText  Channel = "text"
	ChannelOrder Channel = "standing_order"
)

// Product is what is being asked for.
type Product string

// ProductSolo is one party alone in the vehicle. The other products of the design
// (shared, charter, parcel, school, line) are refused until they are served.
const ProductSolo Product = "solo"

// Load is what a party needs or a vehicle holds.
type Load struct {
	Seats       int `json:"seats"`
	Wheelchairs int `json:"wheelchairs,omitempty"`
	GoodsLitres int `json:"goods_l,omitempty"` // baskets, sacks, live animals
}

// Fits says whether l fits into what a vehicle has left.
func (l Load) Fits(in Load) bool {
	return l.Seats <= in.Seats && l.Wheelchairs <= in.Wheelchairs && l.GoodsLitres <= in.GoodsLitres
}

// Place is where a stop is: a village pickup point, or a point somebody gave.
type Place struct {
	Village geo.VillageID `json:"village,omitempty"`
	Pickup  geo.PickupID  `json:"pickup,omitempty"`
	Name    string        `json:"name,omitempty"`
	Point   geo.Point     `json:"point"`
	// Note is what the booker adds in words, such as "by the big tree".
	Note string `json:"note,omitempty"`
}

// Window is a span of time. A zero end is open.
type Window struct {
	From Instant `json:"from"`
	To   Instant `json:"to,omitempty"`
}

// Traveller is the person who rides, who need not be the one who books and need
// not have a phone.
type Traveller struct {
	// ID is the traveller's own account, or empty.
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// Order is what the booker asks for. It does not change after the request.
type Order struct {
	Booker    Actor     `json:"booker"`
	Traveller Traveller `json:"traveller"`
	Channel   Channel   `json:"channel"`
	Product   Product   `json:"product"`
	Load      Load      `json:"load"`
	Pickup    Place     `json:"pickup"`
	Dropoff   Place     `json:"dropoff"`
	// PickupWindow is when the party wants to be fetched. "Now" is a window that starts now.
	PickupWindow Window `json:"pickup_window"`
	// ArriveBy is when the party must be there, or zero.
	ArriveBy Instant `json:"arrive_by,omitempty"`
}

// Trip is one party's journey from a pickup to a drop-off.
type Trip struct {
	ID      TripID  `json:"id"`
	Order   Order   `json:"order"`
	State   State   `json:"state"`
	Version Version `json:"version"`
	// Begun is the version that the trip began with when the ledger had lost it and it
	// was asked for again; zero: 1. What was told of older ones may have been another order.
	Begun Version `json:"begun,omitempty"`
	// RequestedAt is the trip's place in the queue, and its age when rivals are judged.
	RequestedAt Instant `json:"requested_at"`
	// Deadline is when something must happen if nothing else has. Every open trip has exactly one.
	Deadline Instant `json:"deadline"`
	// Patience is when a trip that has no driver gives up.
	Patience Instant `json:"patience"`
	// Offer is the live offer while Offered, else nil.
	Offer *Offer `json:"offer,omitempty"`
	// Offers counts the offers made so far.
	Offers int `json:"offers,omitempty"`
	// Asked holds the drivers who were asked in vain. A driver who declined is not asked again.
	Asked []Asked `json:"asked,omitempty"`
	// Driver and Vehicle are set while a driver is bound and stay after the end.
	Driver  DriverID `json:"driver,omitempty"`
	Vehicle Vehicle  `json:"vehicle"`
	// Direct is the estimate from pickup to drop-off, in a car.
	Direct geo.Leg `json:"direct"`
	// Ride is the drive from pickup to drop-off by the vehicle at hand, as estimated
	// when its driver was asked or the roads last changed. Zero while there is none.
	Ride geo.Leg `json:"ride,omitzero"`
	// Cut says that no road leads to where the trip has to go now.
	Cut bool `json:"cut,omitempty"`
	// PickupETA is when the driver is expected at the pickup, as estimated when he
	// accepted or the roads last changed; of a parked trip, when one who is busy now is.
	PickupETA Instant `json:"pickup_eta,omitempty"`
	// Since is when the trip came into its present state.
	Since Instant `json:"since"`
	// AssignedAt, ArrivedAt and StartedAt are when the driver at hand accepted, was at the
	// pickup and had the party on board; zero: not yet, or from before such moments were kept.
	AssignedAt Instant `json:"assigned_at,omitempty"`
	ArrivedAt  Instant `json:"arrived_at,omitempty"`
	StartedAt  Instant `json:"started_at,omitempty"`
	// OverAt is when the end was recorded, if that was later than it came.
	OverAt Instant `json:"over_at,omitempty"`
	// DeedSeq is the highest number of what the driver at hand has done for the trip.
	DeedSeq uint64 `json:"deed_seq,omitempty"`
	// Taken is from whom the server took the trip last, because he was not heard of in time.
	Taken *Taken `json:"taken,omitempty"`
	// LetGoAt is when its last driver gave it back or was let go, until another accepts; zero: none was.
	LetGoAt Instant `json:"let_go_at,omitempty"`
	// StartCode is what the party tells the driver; empty: it needs none. Missed are the
	// wrong ones that were given.
	StartCode string    `json:"start_code,omitempty"`
	Missed    []codeSum `json:"missed,omitempty"`
	// DrivenM is how far the party was driven, in metres; 0: not known.
	DrivenM int64 `json:"driven_m,omitempty"`
	// PaidFen is the cash that was taken for it, in Payments pieces.
	PaidFen  int64 `json:"paid_fen,omitempty"`
	Payments int   `json:"payments,omitempty"`
	// Overdue counts the deadlines missed in the present state.
	Overdue int `json:"overdue,omitempty"`
	// EndedBy and EndedWhy say who ended the trip and why, when it did not complete.
	EndedBy  Actor  `json:"ended_by"`
	EndedWhy Reason `json:"ended_why,omitempty"`

	// unknown says that the brake of its cell counts it. It is derived.
	unknown bool
}

// Asked is a driver who was asked in vain.
type Asked struct {
	Driver DriverID `json:"driver"`
	// Until is when he may be asked again; zero means never.
	Until Instant `json:"until,omitempty"`
	// Unseen is when he was given up because the offer had not reached him; zero: it had.
	// He may be asked again as soon as he has said hello since.
	Unseen Instant `json:"unseen,omitempty"`
}

// Reason says why a trip ended or went back to the queue. The names travel on the wire.
type Reason string

// The reasons.
const (
	ReasonChanged    Reason = "changed_mind"
	ReasonFoundOther Reason = "found_other"
	ReasonTooLong    Reason = "too_long"
	ReasonMistake    Reason = "mistake"
	ReasonNoShow     Reason = "no_show"
	ReasonBreakdown  Reason = "breakdown"
	ReasonRoad       Reason = "road"
	ReasonOverdue    Reason = "overdue"
	ReasonNoDriver   Reason = "no_driver"
	ReasonOther      Reason = "other"
)

// ParseReason reads a reason that a client may give.
func ParseReason(s string) (Reason, bool) {
	switch r := Reason(s); r {
	case ReasonChanged, ReasonFoundOther, ReasonTooLong, ReasonMistake, ReasonNoShow, ReasonBreakdown, ReasonRoad, ReasonOther:
		return r, true
	}
	return "", false
}
