package dispatch

import (
	"slices"
	"time"

	"cuntong/geo"
)

// Bounds of what may be reported late.
const (
	// deedHorizon is how long ago something may have been done. A county's valleys are
	// dark for an hour at most; a day lets a phone be charged overnight.
	deedHorizon = 24 * time.Hour
	// deedSlack is how much earlier than it can have been something may seem to have been
	// done: a phone whose clock is off by less than 5 s is not corrected, and its clock
	// may drift in the dark. It then counts as done at the first moment it could be.
	deedSlack = 10 * time.Second
	// syncGrace is how long what follows on a late deed may take to come, before a
	// deadline that has passed meanwhile counts: the phone sends one after the other.
	syncGrace = time.Minute
)

// at is when the deed was done, which was recorded at a moment or is judged then.
func (d Deed) at(moment Instant) Instant {
	if d.DoneAt == 0 {
		return moment
	}
	return d.DoneAt
}

// by is the deed of who reports it: only a driver's own has a time.
func (d Deed) by(who Actor) Deed {
	if who.Role != RoleDriver {
		return Deed{}
	}
	return d
}

// judgeDeed says when a deed for t was done, or why it cannot have been done then.
// Legal since is the moment before which it was not: that of the driver's assignment,
// or of what he did before. What was done just now has no time of its own.
func (c *Core) judgeDeed(now Instant, t *Trip, since Instant, d Deed) (Deed, *Refusal) {
	done := min(d.at(now), now) // in the future is now
	switch {
	case done < now.Add(-deedHorizon):
		return Deed{}, refuse(Lapsed, "deed_too_old", "This was done more than a day ago. Tell the operator.")
	case d.DeedSeq != 0 && d.DeedSeq <= t.DeedSeq:
		return Deed{}, refuse(Conflict, "deed_out_of_order", "Something that was done later has been taken already. Look at the trip as it is.")
	case done < since.Add(-deedSlack):
		return Deed{}, refuse(Conflict, "deed_too_early", "This was done before the trip was yours, or before what must come first. Look at your phone's clock.")
	}
	if done >= now {
		return Deed{DeedSeq: d.DeedSeq}, nil
	}
	return Deed{DoneAt: max(done, since), DeedSeq: d.DeedSeq}, nil
}

// next is a deadline that is still to come: what was to follow on a late deed may be
// on its way.
func next(now, deadline Instant) Instant {
	if deadline <= now {
		return now.Add(syncGrace)
	}
	return deadline
}

// Taken is a driver from whom the server took a trip because he was not heard of in
// time. He may have been in a dead valley, and have done what he had to.
type Taken struct {
	Driver DriverID `json:"driver"`
	// Since is when he accepted, At when it was taken from him.
	Since Instant `json:"since"`
	At    Instant `json:"at"`
	// ETA is when he was expected at the pickup, Ride the drive from there by his vehicle.
	ETA  Instant `json:"eta"`
	Ride geo.Leg `json:"ride,omitzero"`
	// DeedSeq is the highest number of what he had done for the trip.
	DeedSeq uint64 `json:"deed_seq,omitempty"`
}

// from says whether the trip was taken from who. It may be asked of nobody.
func (t *Taken) from(who Actor) bool { return t != nil && t.Driver == who.Driver() }

// TripReclaimed: a driver from whom the server had taken a trip has shown that he had
// come in time. It is his again, as it was.
type TripReclaimed struct {
	Trip   TripID   `json:"trip"`
	Driver DriverID `json:"driver"`
	// Since is when he had accepted it.
	Since Instant `json:"since"`
	ETA   Instant `json:"eta"`
	// Ride is the drive from pickup to drop-off by his vehicle.
	Ride     geo.Leg `json:"ride,omitzero"`
	Deadline Instant `json:"deadline"`
}

func (TripReclaimed) kind() string { return "trip_reclaimed" }

// whyTaken says why a trip that was taken from its driver is not his to report on.
func (t *Trip) whyTaken() *Refusal {
	switch {
	case !t.State.Open():
		return refuse(Lapsed, "trip_over", "This trip is over.")
	case t.State.HasDriver():
		return refuse(Conflict, "given_to_another", "You were not heard of, and another driver has this trip now. Call the operator if its party is with you.")
	}
	return refuse(Conflict, "trip_taken", "You were not heard of for too long, and this trip was taken from you. Call the operator if its party is with you.")
}

// reclaim judges the arrival of a driver from whom t was taken: when he had come before
// that, and can have it, it is his again. An offer of it to another is withdrawn, and
// so is another's to him.
func (c *Core) reclaim(now Instant, t *Trip, in Arrive) ([]FactBody, *Refusal) {
	if in.DoneAt == 0 || in.DoneAt > t.Taken.At || !c.mayReclaim(t, in.By.Driver()) {
		return nil, t.whyTaken()
	}
	deed, refusal := c.judgeDeed(now, &Trip{DeedSeq: t.Taken.DeedSeq}, t.Taken.Since, in.Deed)
	if refusal != nil {
		return nil, refusal
	}
	var bodies []FactBody
	d := c.drivers[t.Taken.Driver]
	if d.Offer != "" {
		bodies = append(bodies, OfferClosed{Trip: d.Offer, End: OfferWithdrawn})
	}
	return append(bodies,
		TripReclaimed{Trip: t.ID, Driver: d.ID, Since: t.Taken.Since, ETA: t.Taken.ETA, Ride: t.Taken.Ride, Deadline: now.Add(c.rules.PickupGrace)},
		c.arrived(now, t, deed)), nil
}

// mayReclaim says whether a driver from whom t was taken can have it again: nobody drives
// it, it has not ended, and he is on duty here, drives nothing else, and his vehicle holds
// the party still. It is asked when he reports, and of the fact in a journal.
func (c *Core) mayReclaim(t *Trip, driver DriverID) bool {
	d := c.drivers[driver]
	return d != nil && len(d.Plan) == 0 && t.Order.Load.Fits(d.Vehicle.Load) &&
		t.Taken != nil && t.Taken.Driver == driver && t.State.Open() && !t.State.HasDriver()
}

// foldReclaimed binds a trip to the driver from whom it had been taken.
func (c *Core) foldReclaimed(t *Trip, b TripReclaimed) {
	d := c.drivers[b.Driver]
	if o := t.Offer; o != nil {
		t.Offer = nil
		c.drivers[o.Driver].Offer = ""
		c.settle(o.Driver)
	}
	t.Driver, t.Vehicle, t.PickupETA, t.Ride, t.Cut = d.ID, d.Vehicle, b.ETA, b.Ride, false
	t.AssignedAt, t.DeedSeq, t.Taken, t.LetGoAt = b.Since, t.Taken.DeedSeq, nil, 0
	d.Plan = t.plan()
	c.become(t, Assigned, b.Since, b.Deadline)
	c.settle(d.ID)
}

// plan is what a driver promises who accepts t.
func (t *Trip) plan() Plan {
	return Plan{
		{Kind: StopPickup, Trip: t.ID, Place: t.Order.Pickup},
		{Kind: StopDropoff, Trip: t.ID, Place: t.Order.Dropoff},
	}
}

// unassign forgets what the driver at hand has done for t.
func (t *Trip) unassign() {
	t.AssignedAt, t.ArrivedAt, t.StartedAt, t.DeedSeq = 0, 0, 0, 0
}

// assignedAt is when the driver at hand accepted, as far as it is known: trips that were
// accepted before such moments were kept have only when they came into their state.
func (t *Trip) assignedAt() Instant {
	if t.AssignedAt == 0 && t.State == Assigned {
		return t.Since
	}
	return t.AssignedAt
}

// overAt is when the end of t was recorded: ended trips are kept in that order.
func (t *Trip) overAt() Instant { return max(t.Since, t.OverAt) }

// checkDeeds: what a driver has done for a trip he did in the order of its states, and
// a trip is not both his and taken from him.
func checkDeeds(t *Trip, fail func(string, ...any)) {
	known := slices.DeleteFunc([]Instant{t.AssignedAt, t.ArrivedAt, t.StartedAt, t.Since}, func(at Instant) bool { return at == 0 })
	if t.State.HasDriver() || t.State == Completed {
		if !slices.IsSorted(known) {
			fail("trip %s is %s since %d: its driver accepted at %d, arrived at %d and started at %d", t.ID, t.State, t.Since, t.AssignedAt, t.ArrivedAt, t.StartedAt)
		}
		if t.Taken != nil && t.Taken.Driver == t.Driver {
			fail("trip %s is %s by %s, from whom it was taken", t.ID, t.State, t.Driver)
		}
	}
	if t.State == Arrived && t.ArrivedAt != 0 && t.ArrivedAt != t.Since || t.State == Riding && t.StartedAt != 0 && t.StartedAt != t.Since {
		fail("trip %s is %s since %d: its driver arrived at %d and started at %d", t.ID, t.State, t.Since, t.ArrivedAt, t.StartedAt)
	}
	if !t.State.HasDriver() && t.State.Open() && (t.AssignedAt != 0 || t.ArrivedAt != 0 || t.StartedAt != 0 || t.DeedSeq != 0) {
		fail("trip %s is %s, and somebody has done something for it", t.ID, t.State)
	}
}

// deedIn is the deed that a fact tells of; the zero Deed when it tells of none.
func deedIn(body FactBody) Deed {
	switch b := body.(type) {
	case DriverArrived:
		return b.Deed
	case RideStarted:
		return b.Deed
	case TripCompleted:
		return b.Deed
	case TripReleased:
		return b.Deed
	case TripCancelled:
		return b.Deed
	case TripPaid:
		return b.Deed
	}
	return Deed{}
}

// deedCodes are why something that was done in the dark is refused, for measuring.
var deedCodes = []string{"deed_too_old", "deed_out_of_order", "deed_too_early", "trip_taken", "given_to_another"}
