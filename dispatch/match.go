package dispatch

import (
	"slices"
	"time"

	"cuntong/geo"
)

// match finds drivers for trips that want one now. A trip that nobody else competes
// with is served at once; one that does waits for up to Rules.Window after it was
// asked for, so that those who ask at the same time are judged together; and one near
// the border for what the neighbours say.
func (r *run) match(ids []TripID) {
	c := r.core
	var trips []*Trip
	for _, id := range ids {
		if t := c.trips[id]; t.State == Requested {
			trips = append(trips, t)
		}
	}
	slices.SortFunc(trips, inQueueOrder)
	found := make([][]option, len(trips))
	for i, t := range trips {
		found[i] = c.options(r.now, t, baseOptions)
		c.wants.set(t.ID, found[i])
	}
	judged := false
	for i, t := range trips {
		if judged && t.State == Requested { // somebody else may have had its driver
			found[i] = c.options(r.now, t, baseOptions)
			c.wants.set(t.ID, found[i])
		}
		switch {
		case t.State != Requested: // served with an earlier one
		case r.now >= t.Patience:
			r.record(TripUnserved{Trip: t.ID, Why: ReasonNoDriver}, nil)
		case r.abroad(t, found[i]):
		case !c.wants.contested(t.ID):
			r.decideOn(t, found[i])
		case r.now < t.RequestedAt.Add(c.rules.Window):
			c.gather([]TripID{t.ID})
		default:
			r.contest([]*Trip{t})
			judged = true
		}
	}
}

// gather lets the requested ones of these trips wait for others to compete with.
func (c *Core) gather(ids []TripID) {
	for _, id := range ids {
		if c.trips[id].State == Requested && !slices.Contains(c.gathering, id) {
			c.gathering = append(c.gathering, id)
		}
	}
}

// ripen moves the trips whose time of gathering is over to those that want a driver.
func (r *run) ripen() {
	c := r.core
	c.gathering = slices.DeleteFunc(c.gathering, func(id TripID) bool {
		ripe := r.now >= c.ripeAt(id)
		if ripe && !slices.Contains(c.wanting, id) {
			c.wanting = append(c.wanting, id)
		}
		return ripe
	})
}

// gatheredAt is when the next trip has gathered for long enough.
func (c *Core) gatheredAt() (at Instant, ok bool) {
	for _, id := range c.gathering {
		if due := c.ripeAt(id); !ok || due < at {
			at, ok = due, true
		}
	}
	return at, ok
}

// maxContest bounds the trips of one contest. Those beyond, the last found, wait for
// the next.
const maxContest = 48

// contest decides between waiting trips that want the same drivers: those given and
// all that are connected with them by a driver whom both want. As many as possible
// get a driver, and of all ways to do that the one with the least waiting, where a
// trip that must go on waiting counts the more the longer it has waited already
// (Rules.AgeBonus).
func (r *run) contest(seeds []*Trip) {
	c := r.core
	trips, options := c.rivals(r.now, seeds)
	columns := map[DriverID]int{}
	for _, list := range options {
		for _, o := range list {
			if _, known := columns[o.driver.ID]; !known {
				columns[o.driver.ID] = len(columns)
			}
		}
	}
	cost := make([][]int64, len(trips))
	for i, t := range trips {
		cost[i] = slices.Repeat([]int64{impossible}, len(columns)+len(trips))
		for _, o := range options[i] {
			cost[i][columns[o.driver.ID]] = o.weight().Milliseconds()
		}
		cost[i][len(columns)+i] = c.costOfWaiting(r.now, t)
	}
	result := assign(cost)
	r.out.Contests = append(r.out.Contests, Contest{Trips: len(trips), Drivers: len(columns)})
	if c.watchContest != nil {
		c.watchContest(trips, options, cost, result)
	}
	for i, t := range trips {
		var given []option
		for _, o := range options[i] {
			if columns[o.driver.ID] == result.taken[i] {
				given = []option{o}
			}
		}
		r.decideOn(t, given)
	}
}

// unservedCost is more than any two waits can differ, so that no trip goes without a
// driver to spare others some waiting.
const unservedCost = 24 * time.Hour

// costOfWaiting is what it counts when t gets no driver this time.
func (c *Core) costOfWaiting(now Instant, t *Trip) int64 {
	return unservedCost.Milliseconds() + int64(c.rules.AgeBonus*float64(now-t.RequestedAt))
}

// rivals returns the waiting trips that are connected with the seeds by drivers whom
// both want, first come first, and the options of each. One that waits for what its
// neighbours say is not among them.
func (c *Core) rivals(now Instant, seeds []*Trip) (trips []*Trip, found [][]option) {
	seen := map[TripID]bool{}
	add := func(t *Trip) {
		if !seen[t.ID] && len(trips) < maxContest {
			seen[t.ID] = true
			trips = append(trips, t)
		}
	}
	for _, t := range seeds {
		add(t)
	}
	options := map[TripID][]option{}
	for i := 0; i < len(trips); i++ {
		options[trips[i].ID] = c.options(now, trips[i], baseOptions)
		c.wants.set(trips[i].ID, options[trips[i].ID])
		for _, id := range c.wants.by[trips[i].ID] {
			for _, rival := range c.wants.of[id] {
				if t := c.trips[rival]; now < t.Patience && !c.awaits(rival) {
					add(t)
				}
			}
		}
	}
	slices.SortFunc(trips, inQueueOrder)
	for _, t := range trips {
		if len(trips) > baseOptions {
			options[t.ID] = c.options(now, t, len(trips))
		}
		found = append(found, options[t.ID])
	}
	return trips, found
}

// decideOn offers t to the first of its options if he is free, and otherwise parks
// it: with an expectation if he is busy, without if there is nobody.
func (r *run) decideOn(t *Trip, options []option) {
	switch {
	case len(options) == 0:
		r.park(t, 0, 0)
	case options[0].free == 0:
		r.offer(t, options[0])
	default:
		r.park(t, r.now.Add(options[0].wait), options[0].free)
	}
}

// What makes parking a parked trip again worth telling, and how soon after the
// driver it waits for should be free it is looked at in any case.
const (
	etaMatters = 2 * time.Minute
	lookAfter  = 30 * time.Second
)

// park lets t wait. eta is when a busy driver is expected at the pickup who will be
// free then; both zero: nobody is in sight.
func (r *run) park(t *Trip, eta, free Instant) {
	until := r.core.parkedUntil(r.now, t)
	if free != 0 {
		until = min(until, max(free, r.now).Add(lookAfter))
	}
	cut := r.core.cutOff(r.now, t)
	if t.State == Parked && t.Deadline > r.now && t.Cut == cut && (eta == 0) == (t.PickupETA == 0) && eta.Sub(t.PickupETA).Abs() < etaMatters {
		return
	}
	r.record(TripParked{Trip: t.ID, Deadline: until, ETA: eta, Cut: cut}, nil)
	if eta == 0 {
		r.want(t)
	}
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

func (r *run) offer(t *Trip, o option) {
	c := r.core
	f := c.fixes[o.driver.ID]
	r.out.Matches = append(r.out.Matches, Match{
		Waited:      r.now - t.RequestedAt,
		PositionAge: r.now - f.Fix.Received,
		Candidates:  o.looked,
	})
	ride, _ := c.rideBy(r.now.Add(o.approach.Duration), t, o.driver.Vehicle)
	roundTrip := time.Duration(f.Fix.LinkMillis) * time.Millisecond
	r.record(OfferMade{
		Trip:     t.ID,
		Offer:    offerID(t.ID, t.Offers+1),
		Driver:   o.driver.ID,
		Until:    r.now.Add(c.rules.OfferWait),
		Approach: o.approach.Round(),
		Ride:     ride.Round(),
		Confirm:  r.now.Add(c.rules.confirmWait(roundTrip)),
	}, nil)
}

// serveQueue lets the parked trips that could have a driver whose luck changed
// contend for him. One who was barred while he had a trip goes off duty.
func (r *run) serveQueue(id DriverID) {
	c := r.core
	if _, barred := c.shut.barred(r.now, DriverActor(id)); barred {
		if d := c.drivers[id]; d != nil && d.Free() {
			r.record(DutyEnded{Driver: id}, nil)
		}
		return
	}
	if !c.available(id) {
		return
	}
	f := c.fixes[id]
	f.scannedAt, f.scanned = f.Fix.Point, true
	var could []*Trip
	for _, t := range c.queue {
		if len(could) == maxContest {
			break
		}
		if r.now < t.Patience && c.couldHave(r.now, t, id) {
			could = append(could, t)
		}
	}
	if len(could) > 0 {
		r.contest(could)
	}
}

// couldHave says whether free driver id is within reach of parked trip t and may be
// asked for it.
func (c *Core) couldHave(now Instant, t *Trip, id DriverID) bool {
	f := c.fixes[id]
	if c.router.Floor(geo.Distance(f.Fix.Point, t.Order.Pickup.Point)) > c.rules.Reach {
		return false
	}
	c.aim.at(c.paveOf(t).pickup)
	_, ok := c.comes(now, now, t, c.drivers[id], f.spot)
	return ok
}

// maxDue bounds the deadlines one tick acts upon; the rest stay due for the next.
const maxDue = 64

// tick acts on the deadlines that are due, whatever made it come.
func (r *run) tick() {
	for _, id := range r.core.deadlines.due(r.now, maxDue) {
		r.lapse(r.core.trips[id])
	}
	r.sendHome()
	r.handOverAgain()
	r.passBars()
	r.askAgain()
}

// lapse acts on the deadline of t, if it is still due: what was done for another
// may have moved it.
func (r *run) lapse(t *Trip) {
	if t.Deadline > r.now || !t.State.Open() {
		return
	}
	rules := r.core.rules
	switch t.State {
	case Offered:
		if t.Offer.Confirm != 0 {
			r.unseen(t)
			return
		}
		r.record(OfferClosed{Trip: t.ID, End: OfferLapsed, Rest: r.now.Add(max(rules.LapseRest, time.Millisecond))}, nil)
	case Requested:
		r.core.wanting = append(r.core.wanting, t.ID)
	case Parked:
		r.parkedDue(t)
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

// parkedDue: patience is over, a driver who let it lapse has rested, or the one it
// waited for should be free.
func (r *run) parkedDue(t *Trip) {
	if r.now >= t.Patience {
		r.record(TripUnserved{Trip: t.ID, Why: ReasonNoDriver}, nil)
		return
	}
	r.contest([]*Trip{t})
}
