package dispatch

// Input is something that happened to an area: a command, a position, a deadline.
// Positions go through [Slot.Put] on their way to the core; all else through
// [Engine.Submit].
type Input interface{ isInput() }

// Command is who asks, and under what id. It is embedded in every command.
type Command struct {
	By Actor
	// ID may be empty; then a repeat is judged by the state alone.
	ID CommandID
}

// Hello is a party that (re)connected and wants the present truth. It changes
// nothing, unless its receipts show that the ledger has lost something.
type Hello struct {
	By Actor
	// Receipts are what the party was told before, as the hub has verified; at most [MaxReceipts].
	Receipts []Receipt
	// Issued is when the token that the party showed was made; 0: not known, which is before any sign-out.
	Issued Instant
	// Session names the connection; empty: none that a newer one could replace.
	Session string
	// Began is when the connection said its first hello, by the shared clock; 0: not known.
	Began Instant
}

// Deed is when something was done that is reported now. It is embedded in what a driver
// reports, where it is no part of what a repeat is compared by and counts for nobody but
// the driver, and in the facts that come of it.
type Deed struct {
	// DoneAt is when it was done, by the server's clock; 0: now, and of a fact, when it was recorded.
	DoneAt Instant `json:"done_at,omitempty"`
	// DeedSeq is its number among what this party has done, rising; 0: not numbered.
	DeedSeq uint64 `json:"deed_seq,omitempty"`
}

// StartDuty puts a driver to work with the vehicle of his token. It may be
// repeated; a repeat with another vehicle changes the vehicle if he is free.
type StartDuty struct {
	Command
	Driver  DriverID
	Vehicle Vehicle
}

// EndDuty takes a driver off work. A live offer to him is withdrawn; it is
// refused while he has a trip.
type EndDuty struct {
	Command
	Driver DriverID
}

// Moved is a driver's newest position.
type Moved struct{ Fix Fix }

// Request asks for a trip. The id is the client's; asking again with the same
// id and the same order is the same trip.
type Request struct {
	Command
	Trip  TripID
	Order Order
	// Device names the phone or desk; it may be empty. It is no part of what a repeat is
	// compared by.
	Device string
}

// Accept takes an offer.
type Accept struct {
	Command
	Trip  TripID
	Offer OfferID
}

// Decline turns an offer down. The driver is not asked for that trip again.
type Decline struct {
	Command
	Trip  TripID
	Offer OfferID
}

// Arrive says that the driver is at the pickup.
type Arrive struct {
	Command
	Trip TripID
	Deed
}

// Start says that the party is on board. It may come without Arrive when that
// was lost on the way: it is then refused, and the client sends both in order.
type Start struct {
	Command
	Trip TripID
	// Code is the party's start code; it may be empty.
	Code string
	Deed
}

// Complete says that the party has been set down.
type Complete struct {
	Command
	Trip TripID
	Deed
}

// Release gives an assigned or arrived trip back: it is matched again, with its
// old place in the queue, and not to this driver.
type Release struct {
	Command
	Trip TripID
	Why  Reason
	Deed
}

// Cancel ends a trip. Bookers and travellers may until the ride starts, a driver
// only with [ReasonNoShow] after waiting at the pickup, operators always.
type Cancel struct {
	Command
	Trip TripID
	Why  Reason
	Deed
}

// Paid says that the driver has taken cash for a trip.
type Paid struct {
	Command
	Trip TripID
	// Fen is the amount in hundredths of a yuan, 1 to [MaxFen].
	Fen int64
	Deed
}

// Tracked is where a driver was while his phone could not say so, oldest first. It
// mends how far a trip has gone and nothing else: it moves nobody's marker, makes
// nobody heard of, and may be repeated.
type Tracked struct {
	Command
	Driver DriverID
	// Fixes are at most [MaxTrack]; the rest is not looked at.
	Fixes []Fix
}

// MaxTrack bounds the positions of one [Tracked].
const MaxTrack = 60

// Watch asks for the board: an operator's view of the whole area. It changes nothing.
type Watch struct {
	By Actor
}

// Tick says that time has passed. The engine sends it when the next deadline is
// due, and once after a replay.
type Tick struct{}

func (OfferSeen) isInput() {}
func (LinkLost) isInput()  {}
func (Hello) isInput()     {}
func (StartDuty) isInput() {}
func (EndDuty) isInput()   {}
func (Moved) isInput()     {}
func (Request) isInput()   {}
func (Accept) isInput()    {}
func (Decline) isInput()   {}
func (Arrive) isInput()    {}
func (Start) isInput()     {}
func (Complete) isInput()  {}
func (Release) isInput()   {}
func (Cancel) isInput()    {}
func (Paid) isInput()      {}
func (Tracked) isInput()   {}
func (Watch) isInput()     {}
func (Tick) isInput()      {}

func (AskRoute) isInput()    {}
func (AskNearby) isInput()   {}
func (Look) isInput()        {}
func (ChangeRoad) isInput()  {}
func (RestoreRoad) isInput() {}
