package dispatch

import (
	"cmp"
	"slices"

	"cuntong/geo"
)

// A trip for which nobody is in sight may be one that a driver in a dead valley, or with his
// phone asleep, could take. He is not asked: an offer to him would hold the trip for
// nothing. But by way of the county's gateway he may be told that work waits; when he is
// back, he is matched like anybody.

// Wanted tells a driver on duty who is out of reach of a trip that waits with nobody in
// sight. It is told on no connection. It is no offer, and binds nobody.
type Wanted struct {
	Trip    TripID
	Version Version
	Pickup  Place
	Dropoff Place
	Load    Load
	// Until is when the trip gives up waiting.
	Until Instant
}

func (Wanted) isNotice() {}

// Lossy reports false: who is told can not ask.
func (Wanted) Lossy() bool { return false }

// Bounds of who is told of one trip.
const (
	// maxWanted is how many are: those who could be there soonest from where they were last seen.
	maxWanted = 3
	// maxWantedLooked is how many are asked the roads for: the nearest by straight line.
	maxWantedLooked = 8
)

// want tells of a parked trip those who could take it if they were heard of.
func (r *run) want(t *Trip) {
	c := r.core
	s := shortlistOf(maxWanted, c.rules.Reach)
	for i, d := range c.outOfReach(t) {
		if i == 0 {
			c.aim.at(c.paveOf(t).pickup)
		}
		if leg, ok := c.comes(r.now, r.now, t, d.driver, d.spot); ok {
			s.add(option{driver: d.driver, approach: leg, wait: leg.Duration, doubt: c.distrust(d.driver.ID)})
		}
	}
	for _, o := range s.list {
		r.tell(DriverActor(o.driver.ID), Wanted{Trip: t.ID, Version: t.Version, Pickup: t.Order.Pickup, Dropoff: t.Order.Dropoff,
			Load: t.Order.Load, Until: t.Patience})
	}
}

// lastSeen is a free driver who is out of reach, and where he was last seen.
type lastSeen struct {
	driver   *Driver
	spot     geo.Spot
	straight geo.Meters // from there to the pickup that was asked for
}

// outOfReach returns the free drivers out of reach who may be within reach of t's pickup by
// road, the nearest first.
func (c *Core) outOfReach(t *Trip) []lastSeen {
	var list []lastSeen
	consider := func(id DriverID, f *fixed) {
		if d := c.drivers[id]; d != nil && d.Free() && f != nil && f.Fix.Point != (geo.Point{}) {
			straight := geo.Distance(f.Fix.Point, t.Order.Pickup.Point)
			if c.router.Floor(straight) <= c.rules.Reach {
				list = append(list, lastSeen{d, f.spot, straight})
			}
		}
	}
	for id, l := range c.links {
		if l.lost != 0 {
			consider(id, c.fixes[id])
		}
	}
	for id, f := range c.quiet.by {
		consider(id, f)
	}
	slices.SortFunc(list, func(a, b lastSeen) int {
		return cmp.Or(cmp.Compare(a.straight, b.straight), cmp.Compare(a.driver.ID, b.driver.ID))
	})
	return list[:min(len(list), maxWantedLooked)]
}
