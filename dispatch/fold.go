package dispatch

import (
	"fmt"
	"slices"

	"cuntong/geo"
)

func gapError(have, got Seq) error {
	return fmt.Errorf("the journal has a gap: fact %d follows %d", got, have)
}

// admissible says whether a fact from the journal fits the state. Facts that the
// core has just decided fit by construction.
func (c *Core) admissible(f Fact) error {
	misfit := func(why string, args ...any) error {
		return fmt.Errorf("fact %d (%s) cannot follow: %w", f.Seq, f.Body.kind(), fmt.Errorf(why, args...))
	}
	switch b := f.Body.(type) {
	case DutyStarted:
		if d := c.drivers[b.Driver]; d != nil && !d.Free() {
			return misfit("driver %s is not free", b.Driver)
		}
		return nil
	case DutyEnded:
		if d := c.drivers[b.Driver]; d == nil || !d.Free() {
			return misfit("driver %s is not on duty or not free", b.Driver)
		}
		return nil
	case TripRequested:
		if c.trips[b.Trip] != nil {
			return misfit("trip %s exists", b.Trip)
		}
		return nil
	case RoadChanged, PartyBarred, BarLifted, PartySignedOut, TrustChanged:
		return nil
	case RoadRestored:
		if _, exists := c.changes[b.ID]; !exists {
			return misfit("no change %s to the roads holds", b.ID)
		}
		return nil
	case OfferDelivered:
		if t := c.trips[b.Trip]; t == nil || t.Offer == nil || t.Offer.ID != b.Offer {
			return misfit("trip %s is not offered as %s", b.Trip, b.Offer)
		}
		return nil
	case DriverReleased, TransferSettled, DriverAdmitted:
		if err := c.fitsTransfer(b); err != nil {
			return misfit("%w", err)
		}
		return nil
	}
	id, next := TripOf(f.Body)
	t := c.trips[id]
	if t == nil {
		return misfit("trip %s does not exist", id)
	}
	if !c.mayFollow(t, f.Body, next) {
		return misfit("trip %s is %s", id, t.State)
	}
	return nil
}

// mayFollow says whether t, which exists, may have a fact that takes it to next.
func (c *Core) mayFollow(t *Trip, body FactBody, next State) bool {
	switch b := body.(type) {
	case OfferMade:
		d := c.drivers[b.Driver]
		return d != nil && d.Free() && t.State.CanBecome(Offered)
	case OfferClosed:
		return t.State == Offered
	case TripParked:
		return t.State == Parked || t.State.CanBecome(Parked)
	case TripReleased:
		return t.State == Assigned || t.State == Arrived
	case TripOverdue, TripRetimed:
		return t.State.HasDriver()
	case TripReclaimed:
		return c.mayReclaim(t, b.Driver) && (c.drivers[b.Driver].Offer == "" || c.drivers[b.Driver].Offer == t.ID)
	case TripMeasured:
		return t.State == Completed
	case StartMissed:
		return t.State == Arrived
	case TripPaid:
		return t.State.HasDriver() || t.State == Completed
	case TripRecovered:
		return b.Version > t.Version && (b.State == "" || c.mayRecover(t, b.State, b.Driver))
	}
	return t.State.CanBecome(next)
}

// TripOf returns the trip a fact speaks of, if any, and the state it takes it to;
// an empty state means that the trip stays in the one it is in. That an offer was
// delivered is between the server and one phone: it changes nothing that is told of the
// trip, and so is no fact about it.
func TripOf(body FactBody) (TripID, State) {
	switch b := body.(type) {
	case TripRequested:
		return b.Trip, Requested
	case OfferMade:
		return b.Trip, Offered
	case OfferClosed:
		return b.Trip, Requested
	case TripParked:
		return b.Trip, Parked
	case TripAssigned:
		return b.Trip, Assigned
	case DriverArrived:
		return b.Trip, Arrived
	case RideStarted:
		return b.Trip, Riding
	case TripCompleted:
		return b.Trip, Completed
	case TripReleased:
		return b.Trip, Requested
	case TripOverdue:
		return b.Trip, ""
	case TripRetimed:
		return b.Trip, ""
	case TripCancelled:
		return b.Trip, Cancelled
	case TripUnserved:
		return b.Trip, Unserved
	case TripReclaimed:
		return b.Trip, Assigned
	case TripMeasured:
		return b.Trip, ""
	case StartMissed:
		return b.Trip, ""
	case TripPaid:
		return b.Trip, ""
	case TripRecovered:
		return b.Trip, b.State
	}
	return "", ""
}

// fold changes the durable state by one fact, and what is derived from it. It is
// the only code that does, live and on replay.
func (c *Core) fold(f Fact) {
	c.seq, c.last = f.Seq, max(c.last, f.At)
	switch b := f.Body.(type) {
	case DutyStarted:
		c.free.Remove(b.Driver) // another vehicle is another chance
		c.drivers[b.Driver] = &Driver{ID: b.Driver, Vehicle: b.Vehicle, Since: f.At}
		if c.fixes[b.Driver] == nil {
			c.quiet.add(b.Driver, f.At)
		}
		c.settle(b.Driver)
	case DutyEnded:
		delete(c.drivers, b.Driver)
		delete(c.links, b.Driver)
		c.forget(b.Driver)
		c.quiet.remove(b.Driver)
	case TripRequested:
		c.foldRequested(f.At, b)
	case RoadChanged, RoadRestored:
		c.foldRoad(b)
	case PartyBarred, BarLifted, PartySignedOut:
		c.shut.fold(f.At, b)
	case OfferDelivered:
		c.foldOfferDelivered(b)
	case TrustChanged:
		c.foldTrust(f.At, b)
	case DriverReleased:
		c.foldDriverReleased(f.Seq, b)
	case TransferSettled:
		c.foldTransferSettled(b)
	case DriverAdmitted:
		c.foldDriverAdmitted(f.At, b)
	default:
		c.foldTrip(f)
	}
	if f.Cause != nil {
		c.remember(f)
	}
}

func (c *Core) foldRequested(at Instant, b TripRequested) {
	t := &Trip{ID: b.Trip, Order: b.Order, RequestedAt: at, Patience: b.Patience, Direct: b.Direct, StartCode: b.StartCode, Begun: b.Version}
	c.admit(t)
	c.noteOrder(at, t)
	t.Version = max(1, b.Version)
	c.become(t, Requested, at, b.Patience)
}

// foldTrip folds a fact about a trip that exists.
func (c *Core) foldTrip(f Fact) {
	id, next := TripOf(f.Body)
	t := c.trips[id]
	t.Version++
	switch b := f.Body.(type) {
	case OfferMade:
		t.Offer = &Offer{ID: b.Offer, Driver: b.Driver, MadeAt: f.At, Until: b.Until, Confirm: b.Confirm, Approach: b.Approach, Ride: b.Ride}
		t.Offers++
		t.PickupETA, t.Cut = 0, false
		c.drivers[b.Driver].Offer = id
		c.become(t, next, f.At, t.Offer.due())
		c.settle(b.Driver)
	case OfferClosed:
		c.foldOfferClosed(t, f.At, b)
	case TripParked:
		t.PickupETA, t.Cut = b.ETA, b.Cut
		c.become(t, next, f.At, b.Deadline)
	case TripAssigned:
		c.foldAssigned(t, f.At, b)
	case DriverArrived:
		t.ArrivedAt, t.DeedSeq = b.at(f.At), max(t.DeedSeq, b.DeedSeq)
		c.become(t, next, t.ArrivedAt, b.Deadline)
	case RideStarted:
		t.StartedAt, t.DeedSeq = b.at(f.At), max(t.DeedSeq, b.DeedSeq)
		d := c.drivers[t.Driver]
		d.Plan = slices.DeleteFunc(d.Plan, func(s Stop) bool { return s.Trip == id && s.Kind == StopPickup })
		c.become(t, next, t.StartedAt, b.Deadline)
	case TripReleased:
		c.foldReleased(t, f.At, b)
	case TripOverdue:
		t.Overdue++
		t.Deadline = b.Deadline
		c.deadlines.set(id, b.Deadline)
	case TripRetimed:
		t.PickupETA, t.Ride, t.Cut, t.Deadline = b.ETA, b.Ride, b.Cut, b.Deadline
		c.deadlines.set(id, b.Deadline)
	case TripCompleted:
		t.DeedSeq, t.DrivenM = max(t.DeedSeq, b.DeedSeq), b.DrivenM
		c.foldEnd(t, next, f.At, b.at(f.At), Actor{}, "")
	case TripCancelled:
		t.DeedSeq = max(t.DeedSeq, b.DeedSeq)
		c.foldEnd(t, next, f.At, b.at(f.At), b.By, b.Why)
	case TripUnserved:
		c.foldEnd(t, next, f.At, f.At, Actor{Role: RoleSystem}, b.Why)
	case TripReclaimed:
		c.foldReclaimed(t, b)
	case StartMissed:
		t.Missed = append(t.Missed, codeSum(b.Sum))
	case TripMeasured:
		t.DrivenM = b.DrivenM
		c.amended(t, f.At)
	case TripPaid:
		t.foldPaid(b)
		c.amended(t, f.At)
	case TripRecovered:
		c.foldRecovered(t, f.At, b)
	}
}

func (c *Core) foldOfferClosed(t *Trip, at Instant, b OfferClosed) {
	driver := t.Offer.Driver
	t.Offer = nil
	if b.End != OfferWithdrawn {
		t.askedInVain(driver, b.Rest)
	}
	if b.End == OfferUnseen {
		t.asked(driver).Unseen = at
	}
	c.drivers[driver].Offer = ""
	c.become(t, Requested, at, t.Patience)
	c.settle(driver)
}

// askedInVain notes that a driver was asked, until when he is left alone.
func (t *Trip) askedInVain(driver DriverID, until Instant) {
	if a := t.asked(driver); a != nil {
		a.Until, a.Unseen = until, 0
		return
	}
	t.Asked = append(t.Asked, Asked{Driver: driver, Until: until})
}

// asked returns what is noted of a driver who was asked in vain, or nil.
func (t *Trip) asked(driver DriverID) *Asked {
	i := slices.IndexFunc(t.Asked, func(a Asked) bool { return a.Driver == driver })
	if i < 0 {
		return nil
	}
	return &t.Asked[i]
}

func (c *Core) foldAssigned(t *Trip, at Instant, b TripAssigned) {
	d := c.drivers[t.Offer.Driver]
	t.Driver, t.Vehicle, t.PickupETA, t.Ride = d.ID, d.Vehicle, b.ETA, t.Offer.Ride
	if b.Ride != (geo.Leg{}) {
		t.Ride = b.Ride
	}
	t.Offer, d.Offer = nil, ""
	t.AssignedAt, t.LetGoAt = at, 0
	if t.Taken.from(DriverActor(d.ID)) { // a road had kept him away, and he has accepted again
		t.Taken = nil
	}
	d.Plan = t.plan()
	c.become(t, Assigned, at, b.Deadline)
	c.settle(d.ID)
}

func (c *Core) foldReleased(t *Trip, at Instant, b TripReleased) {
	driver := t.Driver
	if b.By.Role != RoleSystem || b.Why != ReasonRoad { // it was not his doing: when the road is open he may come
		t.askedInVain(driver, 0)
	}
	if b.By.Role == RoleSystem {
		t.Taken = &Taken{Driver: driver, Since: t.assignedAt(), At: at, ETA: t.PickupETA, Ride: t.Ride, DeedSeq: t.DeedSeq}
	}
	t.unassign()
	t.Driver, t.Vehicle, t.PickupETA, t.Ride, t.Cut, t.LetGoAt = "", Vehicle{}, 0, geo.Leg{}, false, at
	done := b.at(at)
	// A trip given back late deserves another try even when its patience is used up.
	t.Patience = max(t.Patience, at.Add(c.rules.Patience))
	c.become(t, Requested, done, t.Patience)
	c.unbind(driver, t.ID)
}

// foldEnd ends a trip, which came at a moment and was recorded at another.
func (c *Core) foldEnd(t *Trip, next State, at, done Instant, by Actor, why Reason) {
	offered, before := t.Offer, t.State
	t.Offer, t.EndedBy, t.EndedWhy = nil, by, why
	if done < at {
		t.OverAt = at
	}
	c.become(t, next, done, 0)
	c.noteEnd(at, t, before)
	if offered != nil {
		c.drivers[offered.Driver].Offer = ""
		c.settle(offered.Driver)
	}
	if t.Driver != "" {
		c.unbind(t.Driver, t.ID)
	}
	if c.watchEnd != nil {
		c.watchEnd(c.seq, at, t)
	}
	c.retire(t)
}

// amended shows a trip that has ended anew to whoever saw it end.
func (c *Core) amended(t *Trip, at Instant) {
	if c.watchAmend != nil && !t.State.Open() {
		c.watchAmend(c.seq, at, t)
	}
}

// unbind takes the stops of a trip out of its driver's plan.
func (c *Core) unbind(driver DriverID, trip TripID) {
	d := c.drivers[driver]
	d.Plan = slices.DeleteFunc(d.Plan, func(s Stop) bool { return s.Trip == trip })
	c.settle(driver)
	if _, barred := c.shut.bars[DriverActor(driver)]; barred { // or was: he may have to go off duty
		c.freed = append(c.freed, driver)
	}
}

// become moves t to a state with a deadline, and keeps what is derived from it.
// A state that is over has none.
func (c *Core) become(t *Trip, next State, at Instant, deadline Instant) {
	if t.State == Parked && next != Parked {
		c.queue.remove(t)
	}
	if t.State == Requested && next != Requested {
		c.gathering = slices.DeleteFunc(c.gathering, func(id TripID) bool { return id == t.ID })
	}
	if next != Requested && next != Parked {
		c.wants.clear(t.ID)
		delete(c.inquiries, t.ID)
		if p := c.paves[t.ID]; p != nil {
			p.asked = 0 // when it waits again it may ask again
		}
	}
	c.counts[t.State]--
	c.counts[next]++
	if next == Riding && t.State != Riding {
		c.noteRide(at, t)
	}
	if next != t.State {
		t.Since, t.Overdue = at, 0
	}
	t.State, t.Deadline = next, deadline
	switch {
	case !next.Open():
		c.deadlines.clear(t.ID)
		delete(c.paves, t.ID)
	default:
		c.deadlines.set(t.ID, deadline)
	}
	switch next {
	case Parked:
		c.queue.add(t)
	case Requested:
		c.wanting = append(c.wanting, t.ID)
	}
}

// admit takes a new trip into memory.
func (c *Core) admit(t *Trip) {
	c.trips[t.ID] = t
	c.counts[t.State]++
	for _, who := range t.parties() {
		c.parties[who] = append(c.parties[who], t.ID)
	}
	c.booked[t.Order.Booker]++
}

// parties returns the booker and, when he is somebody else with an account, the traveller.
func (t *Trip) parties() []Actor {
	traveller := t.Order.traveller()
	if traveller == (Actor{}) || traveller == t.Order.Booker {
		return []Actor{t.Order.Booker}
	}
	return []Actor{t.Order.Booker, traveller}
}

// retire puts an ended trip where late and repeated commands still find it, and
// forgets the oldest one there when there are too many.
func (c *Core) retire(t *Trip) {
	c.leaveBooked(t.Order.Booker)
	c.ended = append(c.ended, t.ID)
	c.drives(t)
	for len(c.ended) > c.rules.KeepEnded {
		c.forgetTrip(c.trips[c.ended[0]])
		c.ended = c.ended[1:]
	}
}

func (c *Core) leaveBooked(booker Actor) {
	if c.booked[booker]--; c.booked[booker] == 0 {
		delete(c.booked, booker)
	}
}

func (c *Core) forgetTrip(t *Trip) {
	c.counts[t.State]--
	delete(c.trips, t.ID)
	c.forgetWay(t)
	for _, who := range t.parties() {
		c.parties[who] = without(c.parties[who], t.ID)
		if len(c.parties[who]) == 0 {
			delete(c.parties, who)
		}
	}
}

// without takes id out of trips. It is nearly always the first: trips are forgotten
// in about the order they were asked for, and an agent may have thousands.
func without(trips []TripID, id TripID) []TripID {
	switch i := slices.Index(trips, id); i {
	case -1:
		return trips
	case 0:
		return trips[1:]
	default:
		return slices.Delete(trips, i, i+1)
	}
}

// remember keeps the answer to the command that caused f.
func (c *Core) remember(f Fact) {
	a := answer{commandKey: commandKey{f.Cause.By, f.Cause.ID}, Sum: f.Cause.Sum}
	if id, _ := TripOf(f.Body); id != "" && c.trips[id] != nil {
		a.Trip, a.Version, a.State = id, c.trips[id].Version, c.trips[id].State
	}
	c.commands.keep(a)
}
