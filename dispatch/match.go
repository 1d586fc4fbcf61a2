package dispatch

import (
	"slices"
	"time"

	"cuntong/geo"
)

// candidate is a driver who could take a trip.
type candidate struct {
	driver   *Driver
	approach geo.Leg
	looked   int // drivers looked at to find him
}

// match offers the trip to the driver who can be at the pickup soonest, or parks it.
func (r *run) match(id TripID) {
	c := r.core
	t := c.trips[id]
	switch {
	case t == nil || t.State != Requested:
		return
	case r.now >= t.Patience:
		r.record(TripUnserved{Trip: id, Why: ReasonNoDriver}, nil)
	default:
		if best, ok := c.nearest(r.now, t); ok {
			r.offer(t, best)
			return
		}
		r.record(TripParked{Trip: id, Deadline: c.parkedUntil(r.now, t)}, nil)
	}
}

// nearest returns the free driver with the shortest drive to t's pickup, among
// those who fit, may be asked, and are within reach.
//
// Drivers come closest first by straight line; the search stops when no driver
// further out could be sooner even on the fastest road ([geo.Router.Floor]).
func (c *Core) nearest(now Instant, t *Trip) (best candidate, ok bool) {
	limit := c.rules.Reach
	looked := 0
	for id, straight := range c.free.ClosestFirst(t.Order.Pickup.Point) {
		if c.router.Floor(straight) > limit {
			break
		}
		looked++
		leg, can := c.canTake(now, t, c.drivers[id])
		if can && leg.Duration <= limit && (!ok || leg.Duration < best.approach.Duration) {
			best, ok = candidate{driver: c.drivers[id], approach: leg}, true
			limit = leg.Duration
		}
	}
	best.looked = looked
	return best, ok
}

// canTake says whether free driver d may be asked for t, and how far he is from it.
func (c *Core) canTake(now Instant, t *Trip, d *Driver) (geo.Leg, bool) {
	if !t.Order.Load.Fits(d.Vehicle.Load) || t.restsFrom(d.ID, now) {
		return geo.Leg{}, false
	}
	leg, ok := c.router.Travel(c.fixes[d.ID].Fix.Point, t.Order.Pickup.Point, d.Vehicle.Class)
	return leg, ok && leg.Duration <= c.rules.Reach
}

// restsFrom says whether t is not to be offered to id at now.
func (t *Trip) restsFrom(id DriverID, now Instant) bool {
	return slices.ContainsFunc(t.Asked, func(a Asked) bool {
		return a.Driver == id && (a.Until == 0 || now < a.Until)
	})
}

// parkedUntil is when a parked trip next has something to do: give up, or ask a
// driver again who has let it lapse and would otherwise make no event.
func (c *Core) parkedUntil(now Instant, t *Trip) Instant {
	until := t.Patience
	for _, a := range t.Asked {
		if a.Until > now {
			until = min(until, a.Until)
		}
	}
	return until
}

func (r *run) offer(t *Trip, best candidate) {
	c := r.core
	f := c.fixes[best.driver.ID]
	r.out.Matches = append(r.out.Matches, Match{
		Waited:      r.now - t.RequestedAt,
		PositionAge: r.now - f.Fix.Received,
		Candidates:  best.looked,
	})
	r.record(OfferMade{
		Trip:     t.ID,
		Offer:    offerID(t.ID, t.Offers+1),
		Driver:   best.driver.ID,
		Until:    r.now.Add(c.rules.OfferWait),
		Approach: best.approach,
	}, nil)
}

// serveQueue offers a driver whose luck changed the first parked trip he can take,
// of those that asked before the given one (nil: of all).
func (r *run) serveQueue(id DriverID, before *Trip) {
	c := r.core
	f := c.fixes[id]
	if f == nil || !c.available(id) {
		return
	}
	f.scannedAt, f.scanned = f.Fix.Point, before == nil
	for _, t := range c.queue {
		if before != nil && inQueueOrder(t, before) > 0 {
			return
		}
		straight := geo.Distance(f.Fix.Point, t.Order.Pickup.Point)
		if c.router.Floor(straight) > c.rules.Reach {
			continue
		}
		if leg, ok := c.canTake(r.now, t, c.drivers[id]); ok {
			r.offer(t, candidate{driver: c.drivers[id], approach: leg, looked: 1})
			return
		}
	}
}

// maxDue bounds the deadlines one tick acts upon; the rest stay due for the next.
const maxDue = 64

// tick acts on the deadlines that are due, whatever made it come.
func (r *run) tick() {
	for _, id := range r.core.deadlines.due(r.now, maxDue) {
		r.lapse(r.core.trips[id])
	}
}

// lapse acts on the deadline of t.
func (r *run) lapse(t *Trip) {
	rules := r.core.rules
	switch t.State {
	case Offered:
		r.record(OfferClosed{Trip: t.ID, End: OfferLapsed, Rest: r.now.Add(max(rules.LapseRest, time.Millisecond))}, nil)
	case Requested:
		r.core.wanting = append(r.core.wanting, t.ID)
	case Parked:
		r.unpark(t)
	case Assigned:
		if t.Overdue+1 >= rules.OverdueLimit {
			r.record(TripReleased{Trip: t.ID, By: Actor{Role: RoleSystem}, Why: ReasonOverdue}, nil)
			return
		}
		r.record(TripOverdue{Trip: t.ID, Deadline: r.now.Add(rules.PickupGrace)}, nil)
	case Arrived:
		r.record(TripOverdue{Trip: t.ID, Deadline: r.now.Add(rules.PickupGrace)}, nil)
	case Riding:
		r.record(TripOverdue{Trip: t.ID, Deadline: r.now.Add(rules.RideGrace)}, nil)
	}
}

// unpark acts on the deadline of a parked trip: it gives up, or a driver who let
// it lapse has rested and may be asked again.
func (r *run) unpark(t *Trip) {
	c := r.core
	if r.now >= t.Patience {
		r.record(TripUnserved{Trip: t.ID, Why: ReasonNoDriver}, nil)
		return
	}
	if best, ok := c.nearest(r.now, t); ok {
		r.offer(t, best)
		return
	}
	r.record(TripParked{Trip: t.ID, Deadline: c.parkedUntil(r.now, t)}, nil)
}
