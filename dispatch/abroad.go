package dispatch

import (
	"time"

	"cuntong/geo"
)

// AreaLetter is what the core of one area says to that of another. It arrives there
// as an input; it may be lost, late, or come twice.
type AreaLetter struct {
	To   geo.AreaID
	Body Input
}

// Postman passes letters between areas on, wherever their writers are. Post is called
// from the engine's goroutine after the facts are durable, and must not block: what
// cannot be sent is dropped, because the core repeats what matters until it is
// acknowledged.
type Postman interface {
	Post(from geo.AreaID, letters []AreaLetter)
}

// TransferID numbers the drivers whom one area has released to another. A later one
// has a higher number, and none is used twice, not even after the journal lost its
// end: it is the moment of the release, or one more than the last.
type TransferID uint64

// AskQuote asks a neighbour how soon one of its free drivers could be at a pickup.
type AskQuote struct {
	From geo.AreaID // who asks
	Trip TripID
	// At is when it was asked; the answer repeats it.
	At      Instant
	Pickup  Place
	Dropoff Place
	Load    Load
	// Before is when the party wants to have been fetched; 0: it has not said.
	Before Instant
	// Avoid are the drivers who are not to be asked for this trip; at most [MaxAvoid].
	Avoid []DriverID
}

// MaxAvoid bounds the drivers named in an [AskQuote]: those asked last.
const MaxAvoid = 50

// Quote answers [AskQuote]. Nobody is held for it.
type Quote struct {
	From geo.AreaID // who answers
	Trip TripID
	At   Instant // of the question
	// Driver is who could be there soonest; empty: nobody.
	Driver DriverID
	// Wait is from the answer until he is expected at the pickup.
	Wait time.Duration
	// Trust is how far his positions are believed there; empty: fully.
	Trust TrustBand
}

// Borrow asks for the driver of a quote.
type Borrow struct {
	From   geo.AreaID // who asks
	Trip   TripID
	Driver DriverID
	// At is when it was asked. A loan that is asked for late is not given.
	At Instant
}

// NoLoan answers [Borrow] when the driver cannot be had. When he can, [Admit] does.
type NoLoan struct {
	From   geo.AreaID // who answers
	Trip   TripID
	Driver DriverID
}

// Admit hands a driver over. It is repeated until [Settled] comes.
type Admit struct {
	From     geo.AreaID // who has released him
	Transfer TransferID
	// Done: all transfers to the receiver up to this one are settled.
	Done    TransferID
	Driver  DriverID
	Vehicle Vehicle
	Since   Instant    // when his duty began
	Home    geo.AreaID // where
	// For is the trip of the receiver that he was asked for; empty: he came by himself.
	For TripID
	// Fix is where he was last; its At is 0 when that is not known.
	Fix Fix
	// Doubt is how far his positions are believed.
	Doubt Doubt
	// SignedOut: tokens of his that were issued up to then count no more; 0: all do.
	SignedOut Instant
}

// Settled says that a driver has been admitted, now or before.
type Settled struct {
	From     geo.AreaID // who has admitted him
	Transfer TransferID
}

func (AskQuote) isInput() {}
func (Quote) isInput()    {}
func (Borrow) isInput()   {}
func (NoLoan) isInput()   {}
func (Admit) isInput()    {}
func (Settled) isInput()  {}

// DriverElsewhere tells the connections of a driver that he belongs to another area
// now, which has him. It is for the hub, which says hello there for him, and does not
// go to the phone.
type DriverElsewhere struct {
	Driver DriverID
	Area   geo.AreaID
	// Since is when he was released: what he did before is a matter of the area he left.
	Since Instant
}

func (DriverElsewhere) isNotice() {}

// Lossy reports false: whoever misses it asks the wrong area.
func (DriverElsewhere) Lossy() bool { return false }
