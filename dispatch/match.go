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

// serve offers a trip without a driver to the one who can be at the pickup soonest,
// or parks it, or ends it when its patience is over. Who asked first is served
// first: a driver whom a parked trip that asked earlier could have goes to that
// one, and the next nearest is looked for.
func (r *run) serve(t *Trip) {
	if r.now >= t.Patience {
		r.record(TripUnserved{Trip: t.ID, Why: ReasonNoDriver}, nil)
		return
	}
	for {
		best, ok := r.core.nearest(r.now, t)
		if !ok {
			r.record(TripParked{Trip: t.ID, Deadline: r.core.parkedUntil(r.now, t)}, nil)
			return
		}
		earlier, approach := r.core.firstInQueue(r.now, best.driver, t)
		if earlier == nil {
			r.offer(t, best)
			return
		}
		r.offer(earlier, candidate{driver: best.driver, approach: approach, looked: best.looked})
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
	leg, ok := c.router.Travel(c.fixes[d.ID].spot, c.spot(t.Order.Pickup), c.leaving(now, d.Vehicle))
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
		Approach: best.approach.Round(),
	}, nil)
}

// firstInQueue returns the first parked trip that free driver d can take, of those
// that asked before the given one (nil: of all), or nil.
func (c *Core) firstInQueue(now Instant, d *Driver, before *Trip) (*Trip, geo.Leg) {
	at := c.fixes[d.ID].Fix.Point
	for _, t := range c.queue {
		if before != nil && inQueueOrder(t, before) >= 0 {
			break
		}
		if c.router.Floor(geo.Distance(at, t.Order.Pickup.Point)) > c.rules.Reach {
			continue
		}
		if leg, ok := c.canTake(now, t, d); ok {
			return t, leg
		}
	}
	return nil, geo.Leg{}
}

// serveQueue offers a driver whose luck changed the first parked trip he can take.
func (r *run) serveQueue(id DriverID) {
	c := r.core
	if !c.available(id) {
		return
	}
	f := c.fixes[id]
	f.scannedAt, f.scanned = f.Fix.Point, true
	if t, approach := c.firstInQueue(r.now, c.drivers[id], nil); t != nil {
		r.offer(t, candidate{driver: c.drivers[id], approach: approach, looked: 1})
	}
}

// maxDue bounds the deadlines one tick acts upon; the rest stay due for the next.
const maxDue = 64

// tick acts on the deadlines that are due, whatever made it come.
func (r *run) tick() {
	for _, id := range r.core.deadlines.due(r.now, maxDue) {
		r.lapse(r.core.trips[id])
	}
	r.sendHome()
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
		r.serve(t) // patience is over, or a driver who let it lapse has rested
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
