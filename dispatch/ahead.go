package dispatch

import (
	"time"

	"cuntong/geo"
)

// askRoadsEvery is how often the drive to a driver's next stop is worked out anew
// while he reports where he is.
const askRoadsEvery = 5 * time.Second

// ahead is what is expected of a driver with a plan. It is soft: made from the
// plan and the newest position, and made again when either has changed.
type ahead struct {
	trip  TripID // for which it was made, in that state
	state State
	made  Instant
	known bool       // there is a position, and a road to where he has to go
	next  Instant    // when he is expected at his next stop; 0 while the party gets on
	left  geo.Meters // to there
	free  Instant    // when he is expected to have done his plan
	last  geo.Spot   // where that will be
}

// aheadOf returns what is expected of d, who has a plan.
func (c *Core) aheadOf(now Instant, d *Driver) *ahead {
	a := c.aheads[d.ID]
	t := c.trips[d.Plan.Trip()]
	if a != nil && a.trip == t.ID && a.state == t.State {
		return a
	}
	return c.lookAhead(now, d)
}

// lookAhead works out what is expected of d, who has a plan.
func (c *Core) lookAhead(now Instant, d *Driver) *ahead {
	t := c.trips[d.Plan.Trip()]
	pave, stop := c.paveOf(t), c.rules.StopTime
	a := &ahead{trip: t.ID, state: t.State, made: now, last: pave.dropoff}
	c.aheads[d.ID] = a
	f := c.fixes[d.ID]
	switch {
	case t.State == Arrived:
		ride, ok := c.rideBy(now, t, d.Vehicle)
		a.known, a.free = ok, max(t.Since, t.Order.PickupWindow.From).Add(stop+ride.Duration+stop)
	case f == nil:
	case t.State == Assigned:
		leg, ok := c.router.Travel(f.spot, pave.pickup, c.leaving(now, d.Vehicle))
		a.next, a.left = now.Add(leg.Duration), leg.Distance
		ride, rideable := c.rideBy(a.next, t, d.Vehicle)
		a.known = ok && rideable
		a.free = max(a.next, t.Order.PickupWindow.From).Add(stop + ride.Duration + stop)
	case t.State == Riding:
		leg, ok := c.router.Travel(f.spot, pave.dropoff, c.leaving(now, d.Vehicle))
		a.known, a.next, a.left = ok, now.Add(leg.Duration), leg.Distance
		a.free = a.next.Add(stop)
	}
	return a
}

// pave is what the roads say of an open trip. It is soft.
type pave struct {
	pickup, dropoff geo.Spot
	rides           []ride // one a class, as asked for
	sides           []side // neighbours from which a driver could come
	sided           bool   // sides is set
	// asked is when the neighbours were last asked while the trip has waited this time; 0: not yet.
	asked Instant
}

// ride is the drive from pickup to drop-off by one class of vehicle.
type ride struct {
	class geo.VehicleClass
	leg   geo.Leg
	ok    bool
}

// paveOf finds t on the roads, once.
func (c *Core) paveOf(t *Trip) *pave {
	p := c.paves[t.ID]
	if p == nil {
		p = &pave{pickup: c.spot(t.Order.Pickup), dropoff: c.spot(t.Order.Dropoff)}
		if t.State.Open() {
			c.paves[t.ID] = p
		}
	}
	return p
}

// rideBy is the drive from t's pickup to its drop-off by v, leaving at the given
// moment; ok is false when no road leads there then.
//
// The answer is kept for as long as the roads stay what they are. A ride that
// would still be under way when they next change by themselves (a night ban
// begins) is asked for each time.
func (c *Core) rideBy(leaves Instant, t *Trip, v Vehicle) (leg geo.Leg, ok bool) {
	p := c.paveOf(t)
	for _, r := range p.rides {
		if r.class == v.Class && !c.changesBy(leaves.Add(r.leg.Duration)) {
			return r.leg, r.ok
		}
	}
	leg, ok = c.router.Travel(p.pickup, p.dropoff, c.leaving(leaves, v))
	// That there is no way may be because of what begins later: who leaves earlier may make it.
	if !c.changesBy(leaves.Add(leg.Duration)) && (ok || c.roadsNext == 0) {
		p.rides = append(p.rides, ride{class: v.Class, leg: leg, ok: ok})
	}
	return leg, ok
}

// cutOff says that no road leads from t's pickup to its drop-off for any class of vehicle.
func (c *Core) cutOff(now Instant, t *Trip) bool {
	for _, class := range geo.VehicleClasses() {
		if _, ok := c.rideBy(now, t, Vehicle{Class: class}); ok {
			return false
		}
	}
	return true
}

// changesBy says whether the roads change by themselves before a moment or at it.
func (c *Core) changesBy(at Instant) bool { return c.roadsNext != 0 && at >= c.roadsNext }

// forgetRoads drops what was worked out from the roads, because they have changed.
// Where things are on them stays.
func (c *Core) forgetRoads() {
	clear(c.aheads)
	for _, p := range c.paves {
		p.rides = p.rides[:0]
	}
}
