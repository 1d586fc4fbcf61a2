package dispatch

import (
	"slices"
	"time"
)

// Receipt is what a party was told of a trip, as its phone kept it. The hub has
// checked that this server said so.
type Receipt struct {
	Trip    TripID
	Version Version
	State   State
	Driver  DriverID // bound to it then; empty: nobody
	At      Instant  // when it was told
}

// MaxReceipts bounds the receipts of a [Hello]; more are not looked at.
const MaxReceipts = 20

// ReceiptResult says what came of a receipt. The names are metric labels.
type ReceiptResult string

// The results.
const (
	ReceiptKnown     ReceiptResult = "known"         // the ledger knows as much
	ReceiptLifted    ReceiptResult = "behind_lifted" // the ledger had lost something; the version was put right
	ReceiptRecovered ReceiptResult = "recovered"     // the ledger had lost something; state and driver were put right as well
	ReceiptConflict  ReceiptResult = "conflict"      // the ledger had lost something that cannot be put right any more
	ReceiptUnknown   ReceiptResult = "unknown"       // the ledger has lost the trip
)

// TripRecovered: a party has shown that the ledger had lost facts about a trip. It
// is the one fact that raises a version by more than one.
type TripRecovered struct {
	Trip TripID `json:"trip"`
	// Version is what the trip has from now on: above that of the receipt.
	Version Version `json:"version"`
	// State is what the trip goes forward to; empty: it stays in the one it is in.
	State State `json:"state,omitempty"`
	// Driver drives it, or has driven it.
	Driver DriverID `json:"driver,omitempty"`
	// ETA is when he is expected at the pickup.
	ETA Instant `json:"eta,omitempty"`
	// Deadline is the trip's in the new state.
	Deadline Instant `json:"deadline,omitempty"`
	// Since is when it was told that the trip was in that state; zero: when this was recorded.
	// What its driver did in the dark after that is still to come.
	Since Instant `json:"since,omitempty"`
	// By is whose receipt it was.
	By Actor `json:"by"`
}

func (TripRecovered) kind() string { return "trip_recovered" }

// maxLift bounds by how much one receipt may raise a version. A ledger that lost
// more than a moment is restored by hand, and no trip has so many facts.
const maxLift = 1000

// present looks at what a party was told before the ledger lost it.
func (r *run) present(in Hello) {
	for _, receipt := range in.Receipts[:min(len(in.Receipts), MaxReceipts)] {
		r.out.Receipts = append(r.out.Receipts, r.judgeReceipt(in.By, receipt))
	}
}

func (r *run) judgeReceipt(by Actor, in Receipt) ReceiptResult {
	c := r.core
	t := c.trips[in.Trip]
	switch {
	case t == nil && in.State.Open() && !c.mayHaveForgotten(in.At):
		c.missed.add(in.Trip, in.Version)
		r.tell(by, Refused{Trip: in.Trip, Refusal: *refuse(NotFound, "trip_unknown", "The server has lost this trip. Ask for it again.")})
		return ReceiptUnknown
	case t == nil || in.Version <= t.Version:
		return ReceiptKnown // a trip that is over, in memory or not, is nobody's loss
	case in.Version-t.Version > maxLift:
		return ReceiptConflict
	}
	lift := TripRecovered{Trip: t.ID, Version: in.Version + 1, By: by}
	result := ReceiptLifted
	if more := in.State.progress() - t.State.progress(); more > 0 && c.mayRecover(t, in.State, in.Driver) {
		result = ReceiptRecovered
		lift.State, lift.Driver = in.State, in.Driver
		lift.ETA, lift.Deadline = c.recoveredTimes(r.now, t, in)
		if since := max(in.At, t.Since); in.State.HasDriver() && in.At != 0 && since < r.now {
			lift.Since = since
		}
	} else if more != 0 || in.State.HasDriver() && in.Driver != t.Driver || !in.State.Open() && in.State != t.State {
		result = ReceiptConflict
	}
	r.record(lift, nil)
	return result
}

// toldLate is by how much a phone may have been told of a state that was no more.
const toldLate = time.Minute

// mayHaveForgotten says whether a trip that was open at a moment may have ended since
// and not be in memory any more: ended trips are forgotten in the order of their ends.
// Somebody whose phone was off while he rode home must not be told to ask again.
func (c *Core) mayHaveForgotten(at Instant) bool {
	if len(c.ended) < c.rules.KeepEnded {
		return false // none ever was
	}
	return len(c.ended) == 0 || at <= c.trips[c.ended[0]].overAt().Add(toldLate)
}

// maxLost bounds the lost trips that are remembered; beyond it the first is forgotten.
const maxLost = 1000

// lostTrips remembers the versions that parties were told of trips which the ledger has
// lost, for when they are asked for again: their versions go on. It is soft: phones
// say it again. The zero value is ready.
type lostTrips struct {
	versions map[TripID]Version
	order    []TripID // first come first
}

func (l *lostTrips) add(id TripID, told Version) {
	old, known := l.versions[id]
	if !known {
		l.order = append(l.order, id)
	}
	if l.versions == nil {
		l.versions = map[TripID]Version{}
	}
	l.versions[id] = max(old, told)
	if len(l.order) > maxLost {
		delete(l.versions, l.order[0])
		l.order = l.order[1:]
	}
}

// after is the version with which a trip begins; 0: with the first.
func (l *lostTrips) after(id TripID) Version {
	if told, known := l.versions[id]; known {
		return told + 1
	}
	return 0
}

// progress is how far a trip in state s has come: a receipt takes a trip forward only.
func (s State) progress() int {
	switch {
	case s == Assigned:
		return 1
	case s == Arrived:
		return 2
	case s == Riding:
		return 3
	case !s.Open():
		return 4
	}
	return 0
}

// mayRecover says whether t can go forward to a state, driven by a driver, without
// breaking a promise: an end can always be put right; a driver must be on duty here,
// be free or bound to this trip already, and the trip must not be another's.
func (c *Core) mayRecover(t *Trip, state State, driver DriverID) bool {
	if !slices.Contains(States(), state) || !t.State.Open() || state.progress() <= t.State.progress() {
		return false
	}
	if !state.HasDriver() {
		return true
	}
	d := c.drivers[driver]
	return d != nil && (d.Free() || d.Offer == t.ID || d.Plan.Trip() == t.ID) &&
		(!t.State.HasDriver() || t.Driver == driver) && t.Order.Load.Fits(d.Vehicle.Load)
}

// recoveredTimes is when the driver of a trip put right is expected at the pickup, and
// when the trip is overdue in its new state.
func (c *Core) recoveredTimes(now Instant, t *Trip, in Receipt) (eta, deadline Instant) {
	d := c.drivers[in.Driver]
	if !in.State.HasDriver() || d == nil {
		return 0, 0
	}
	eta = max(t.PickupETA, now)
	switch in.State {
	case Arrived:
		return eta, now.Add(c.rules.FreeWait + c.rules.PickupGrace)
	case Riding:
		return eta, now.Add(c.ride(t).Duration + c.rules.RideGrace)
	}
	if f := c.fixes[in.Driver]; f != nil {
		if leg, ok := c.router.Travel(f.spot, c.spot(t.Order.Pickup), c.leaving(now, d.Vehicle)); ok {
			eta = now.Add(leg.Duration)
		}
	}
	return eta, eta.Add(c.rules.PickupGrace)
}

// foldRecovered puts a trip right.
func (c *Core) foldRecovered(t *Trip, at Instant, b TripRecovered) {
	t.Version = b.Version
	switch {
	case b.State == "":
	case b.State.HasDriver():
		if b.Since != 0 {
			at = b.Since
		}
		c.bindAgain(t, at, b)
	default:
		by, why := Actor{Role: RoleSystem}, ReasonOther
		if b.State == Completed {
			by, why = Actor{}, ""
		}
		c.foldEnd(t, b.State, at, at, by, why)
		if b.Driver != "" && b.Driver != t.Driver {
			c.forgetWay(t)
			t.unassign()
			t.Driver, t.Vehicle = b.Driver, Vehicle{} // his vehicle is not known
		}
	}
}

// bindAgain binds t to the driver who had accepted it.
func (c *Core) bindAgain(t *Trip, at Instant, b TripRecovered) {
	d := c.drivers[b.Driver]
	if o := t.Offer; o != nil {
		t.Offer = nil
		c.drivers[o.Driver].Offer = ""
		c.settle(o.Driver)
	}
	c.doneAgain(t, at, b)
	t.Driver, t.Vehicle, t.PickupETA, t.Cut, t.LetGoAt = d.ID, d.Vehicle, b.ETA, false, 0
	d.Plan = Plan{{Kind: StopDropoff, Trip: t.ID, Place: t.Order.Dropoff}}
	if b.State != Riding {
		d.Plan = slices.Insert(d.Plan, 0, Stop{Kind: StopPickup, Trip: t.ID, Place: t.Order.Pickup})
	}
	c.become(t, b.State, at, b.Deadline)
	c.settle(d.ID)
}

// doneAgain takes what the driver had done for t from the state that it is put right to:
// nobody knows when.
func (c *Core) doneAgain(t *Trip, at Instant, b TripRecovered) {
	if t.Driver != b.Driver {
		t.unassign()
		t.AssignedAt = at
	}
	if t.Taken != nil && t.Taken.Driver == b.Driver {
		t.Taken = nil
	}
	if b.State == Arrived || b.State == Riding && t.ArrivedAt == 0 {
		t.ArrivedAt = at
	}
	if b.State == Riding {
		t.StartedAt = at
	}
}
