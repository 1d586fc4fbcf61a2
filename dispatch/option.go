package dispatch

import (
	"cmp"
	"slices"
	"time"

	"cuntong/geo"
)

// option is a driver who could fetch a party: one who is free, or one who is
// expected to be before long.
type option struct {
	driver   *Driver
	approach geo.Leg       // to the pickup, from where he is or will become free
	wait     time.Duration // from now until he is expected at the pickup
	doubt    time.Duration // added to the wait when drivers are compared: see [Rules.DoubtfulWait]
	free     Instant       // when he is expected to be free; 0: he is
	looked   int           // drivers looked at to find this one and its fellows
}

// baseOptions is how many options of a trip are looked at to see whether others want
// the same. In a contest of n trips each gets n: in a cheapest assignment nobody
// needs his n+1st choice, because one of his first n is left over by the n-1 others.
const baseOptions = 8

// weight is the wait by which drivers are compared.
func (o option) weight() time.Duration { return o.wait + o.doubt }

// options returns the k drivers who can be at t's pickup soonest, soonest first.
//
// Drivers come closest first by straight line; the search stops when no driver
// further out could be sooner even on the fastest road ([geo.Router.Floor]).
func (c *Core) options(now Instant, t *Trip, k int) []option {
	s := shortlistOf(k, c.patienceLeft(now, t))
	looked := c.walkFree(now, t, &s, func(DriverID) bool { return true })
	if c.rules.BusyWithin > 0 {
		for id, straight := range c.busy.ClosestFirst(t.Order.Pickup.Point) {
			if floor := c.router.Floor(straight); floor > s.worst || floor > c.rules.Reach {
				break
			}
			looked++
			if o, ok := c.whenBusy(now, t, c.drivers[id]); ok {
				s.add(o)
			}
		}
	}
	for i := range s.list {
		s.list[i].looked = looked
	}
	return s.list
}

// walkFree puts the free drivers who may be asked for t on a shortlist, and returns
// how many were looked at. It leaves the aim at t's pickup.
func (c *Core) walkFree(now Instant, t *Trip, s *shortlist, may func(DriverID) bool) (looked int) {
	c.aim.at(c.paveOf(t).pickup)
	for id, straight := range c.free.ClosestFirst(t.Order.Pickup.Point) {
		if floor := c.router.Floor(straight); floor > s.worst || floor > c.rules.Reach {
			break
		}
		looked++
		if o, ok := c.whenFree(now, t, c.drivers[id]); ok && may(id) {
			s.add(o)
		}
	}
	return looked
}

// patienceLeft is the longest wait for a driver that still serves t: to the end of
// the pickup window where the booker gave one.
func (c *Core) patienceLeft(now Instant, t *Trip) time.Duration {
	if to := t.Order.PickupWindow.To; to != 0 {
		return to.Sub(now)
	}
	return c.rules.Reach + c.rules.BusyWithin + c.rules.FreshFor
}

// whenFree is free driver d as an option for t: he leaves now. The age of his
// position counts as lost: for so long he may have been driving away.
func (c *Core) whenFree(now Instant, t *Trip, d *Driver) (option, bool) {
	f := c.fixes[d.ID]
	leg, ok := c.comes(now, now, t, d, f.spot)
	return option{driver: d, approach: leg, wait: leg.Duration + max(0, now.Sub(f.Fix.At)), doubt: c.distrust(d.ID)}, ok
}

// whenBusy is driver d, who has a plan, as an option for t: he leaves the last stop
// of his plan when he is expected to have done it.
func (c *Core) whenBusy(now Instant, t *Trip, d *Driver) (option, bool) {
	a := c.aheadOf(now, d)
	left := a.free.Sub(now)
	if left < 0 {
		left = -left // overdue by so much: as much again is expected
	}
	if !a.known || left > c.rules.BusyWithin {
		return option{}, false
	}
	free := now.Add(left)
	leg, ok := c.comes(now, free, t, d, a.last)
	return option{driver: d, approach: leg, wait: left + leg.Duration, doubt: c.distrust(d.ID), free: free}, ok
}

// comes is the drive to t's pickup, which the aim is at, of driver d leaving a spot
// at a moment. ok says whether he may be asked for t at all: the party fits, he has
// not turned it down, and the roads lead him within reach to the pickup and from
// there to the drop-off.
func (c *Core) comes(now, leaves Instant, t *Trip, d *Driver, from geo.Spot) (geo.Leg, bool) {
	if !t.Order.Load.Fits(d.Vehicle.Load) || c.rests(t, d.ID, now) {
		return geo.Leg{}, false
	}
	if _, barred := c.shut.barred(now, DriverActor(d.ID)); barred {
		return geo.Leg{}, false
	}
	leg, ok := c.aim.from(from, c.leaving(leaves, d.Vehicle))
	if !ok || leg.Duration > c.rules.Reach {
		return leg, false
	}
	_, ok = c.rideBy(leaves.Add(leg.Duration), t, d.Vehicle)
	return leg, ok
}

// rests says whether t is not to be offered to id at now.
func (c *Core) rests(t *Trip, id DriverID, now Instant) bool {
	a := t.asked(id)
	if a == nil || a.Unseen != 0 && c.backSince(id, a.Unseen) {
		return false
	}
	return a.Until == 0 || now < a.Until
}

// shortlist keeps the soonest options: a driver who is not fully believed counts as
// later than he is expected, but is left out for that only when the list is full.
type shortlist struct {
	size  int
	limit time.Duration // the longest wait that serves
	worst time.Duration // what the weight of a further one must not exceed
	list  []option      // soonest first; of equals the first found
}

func shortlistOf(size int, limit time.Duration) shortlist {
	return shortlist{size: size, limit: limit, worst: limit}
}

func (s *shortlist) add(o option) {
	if o.wait > s.limit || len(s.list) == s.size && o.weight() > s.worst {
		return
	}
	i, _ := slices.BinarySearchFunc(s.list, o.weight(), func(have option, weight time.Duration) int {
		return cmp.Or(cmp.Compare(have.weight(), weight), -1)
	})
	if i == s.size {
		return
	}
	s.list = slices.Insert(s.list, i, o)
	if s.list = s.list[:min(len(s.list), s.size)]; len(s.list) == s.size {
		s.worst = s.list[s.size-1].weight()
	}
}

// aim asks for drives to one place, by vehicles of any class.
type aim struct {
	router geo.Router
	place  geo.Spot
	round  int // how often the place was changed
	by     map[geo.VehicleClass]*aimed
}

type aimed struct {
	finder geo.Finder
	round  int // for which it was aimed
}

func newAim(router geo.Router) aim {
	return aim{router: router, by: map[geo.VehicleClass]*aimed{}}
}

// at sets the place.
func (a *aim) at(place geo.Spot) {
	a.place = place
	a.round++
}

// from is the drive from a spot to the place.
func (a *aim) from(spot geo.Spot, by geo.Drive) (geo.Leg, bool) {
	f := a.by[by.Class]
	if f == nil {
		f = &aimed{finder: a.router.NewFinder(by.Class)}
		a.by[by.Class] = f
	}
	if f.round != a.round {
		f.finder.Aim(a.place)
		f.round = a.round
	}
	return f.finder.From(spot, by.Leaves)
}
