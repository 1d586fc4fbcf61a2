package dispatch

import (
	"slices"
	"time"

	"cuntong/geo"
)

// Bounds of asking the neighbours.
const (
	// quoteWait is the longest that a trip waits for quotes. As a rule they come in
	// milliseconds.
	quoteWait = time.Second
	// loanWait is the longest that a trip waits for the driver of a quote.
	loanWait = 2 * time.Second
	// staleLetter is from when on a question is not answered, and a loan not given: the
	// asker has gone on without.
	staleLetter = 5 * time.Second
	// loanMargin is how much sooner than our best a neighbour's driver must be. Two
	// areas' estimates agree no better, and a driver who changes areas is a nuisance to both.
	loanMargin = 30 * time.Second
	// askAgainAfter is how often a parked trip asks the neighbours.
	askAgainAfter = 15 * time.Second
	// maxAskAgain bounds the parked trips that ask again: the first in the queue. Those
	// behind would be answered with the same drivers.
	maxAskAgain = 50
	// maxInquiries bounds the trips that wait for neighbours at once. One more is
	// decided without them.
	maxInquiries = 256
)

// inquiry is what the neighbours are being asked for one waiting trip. It is soft: a
// writer that starts asks anew.
type inquiry struct {
	at      Instant      // when; the answers repeat it
	until   Instant      // how long what is missing is waited for
	missing []geo.AreaID // who has not answered
	best    Quote        // the soonest so far; without a driver: none
	lending bool         // the driver of best has been asked for
}

// answered says that nothing is waited for any more.
func (q *inquiry) answered(now Instant) bool {
	return now >= q.until || !q.lending && len(q.missing) == 0
}

// side is a neighbour, as seen from a pickup.
type side struct {
	area geo.AreaID
	// floor is the least time in which a driver of that area can be at the pickup.
	floor time.Duration
}

// sidesOf returns the neighbours from which a driver could come for t within reach.
func (c *Core) sidesOf(t *Trip) []side {
	p := c.paveOf(t)
	if !p.sided {
		p.sided = true
		for _, n := range c.neighbours {
			floor := c.router.Floor(max(0, n.Distance(t.Order.Pickup.Point)-crossMargin))
			if floor <= c.rules.Reach {
				p.sides = append(p.sides, side{area: n.ID, floor: floor})
			}
		}
	}
	return p.sides
}

// serves is the longest wait for a neighbour's driver that is of use.
func (c *Core) serves(now Instant, t *Trip) time.Duration {
	return min(c.rules.Reach+c.rules.FreshFor, c.patienceLeft(now, t))
}

// beats says whether a neighbour's driver with that wait, not fully believed as he may
// be, is of use and better than the best of our own.
func (c *Core) beats(now Instant, t *Trip, wait time.Duration, band TrustBand, own []option) bool {
	return wait <= c.serves(now, t) && (len(own) == 0 || wait+c.rules.distrust(band) <= own[0].weight()-loanMargin)
}

// abroad says whether a requested trip is to wait for its neighbours, after asking
// what there is to ask. Own are the options it has here.
func (r *run) abroad(t *Trip, own []option) bool {
	c := r.core
	waits := true
	switch q := c.inquiries[t.ID]; {
	case q == nil:
		waits = c.paveOf(t).asked == 0 && r.inquire(t, own)
	case q.answered(r.now):
		waits = r.borrow(t, q, own)
	}
	if waits {
		c.gather([]TripID{t.ID})
	}
	return waits
}

// inquire asks the neighbours who could have a sooner driver for t, and says whether
// there were any.
func (r *run) inquire(t *Trip, own []option) bool {
	c := r.core
	if len(c.neighbours) == 0 {
		return false
	}
	c.paveOf(t).asked = r.now
	q := &inquiry{at: r.now, until: r.now.Add(quoteWait)}
	for _, s := range c.sidesOf(t) {
		if c.beats(r.now, t, s.floor, TrustFull, own) {
			q.missing = append(q.missing, s.area)
		}
	}
	if len(q.missing) == 0 {
		return false
	}
	if len(c.inquiries) >= maxInquiries {
		r.happened(BorderFull)
		return false
	}
	c.inquiries[t.ID] = q
	o := t.Order
	for _, to := range q.missing {
		r.post(to, AskQuote{From: c.area.ID, Trip: t.ID, At: q.at, Pickup: o.Pickup, Dropoff: o.Dropoff, Load: o.Load,
			Before: o.PickupWindow.To, Avoid: c.avoided(r.now, t)})
		r.happened(BorderAsked)
	}
	return true
}

// avoided returns the drivers who are not to be asked for t now.
func (c *Core) avoided(now Instant, t *Trip) []DriverID {
	var ids []DriverID
	for _, a := range slices.Backward(t.Asked) {
		if c.rests(t, a.Driver, now) && len(ids) < MaxAvoid {
			ids = append(ids, a.Driver)
		}
	}
	return ids
}

// quote answers a neighbour with our soonest free driver.
func (r *run) quote(in AskQuote) {
	c := r.core
	if r.now.Sub(in.At) > staleLetter {
		return
	}
	q := Quote{From: c.area.ID, Trip: in.Trip, At: in.At}
	if o, ok := c.spare(r.now, in); ok {
		q.Driver, q.Wait, q.Trust = o.driver.ID, o.wait, c.bandOf(o.driver.ID)
		r.happened(BorderQuoted)
	}
	r.post(in.From, q)
}

// spare is the driver who can be soonest at a neighbour's pickup, of those who are
// free and whom no trip of ours is about to have.
func (c *Core) spare(now Instant, in AskQuote) (option, bool) {
	t := &Trip{Order: Order{Load: in.Load, Pickup: in.Pickup, Dropoff: in.Dropoff, PickupWindow: Window{To: in.Before}}}
	for _, id := range in.Avoid[:min(len(in.Avoid), MaxAvoid)] {
		t.Asked = append(t.Asked, Asked{Driver: id})
	}
	c.paves[t.ID] = &pave{pickup: c.spot(in.Pickup), dropoff: c.spot(in.Dropoff)}
	defer delete(c.paves, t.ID)
	s := shortlistOf(1, c.patienceLeft(now, t))
	c.walkFree(now, t, &s, func(id DriverID) bool { return !c.claimed(id) })
	if len(s.list) == 0 {
		return option{}, false
	}
	return s.list[0], true
}

// claimed says whether a trip of ours is about to have a driver: it gathers and he is
// among those it would have, or it waits and he is the first of them.
func (c *Core) claimed(id DriverID) bool {
	return slices.ContainsFunc(c.wants.of[id], func(trip TripID) bool {
		return c.trips[trip].State == Requested || c.wants.by[trip][0] == id
	})
}

// quoted takes a neighbour's answer.
func (r *run) quoted(in Quote) {
	c := r.core
	q := c.inquiries[in.Trip]
	if q == nil || q.lending || q.at != in.At {
		return
	}
	i := slices.Index(q.missing, in.From)
	if i < 0 {
		return
	}
	q.missing = slices.Delete(q.missing, i, i+1)
	weight := func(q Quote) time.Duration { return q.Wait + c.rules.distrust(q.Trust) }
	if in.Driver != "" && (q.best.Driver == "" || weight(in) < weight(q.best)) {
		q.best = in
	}
	r.weigh(in.Trip, q)
}

// weigh goes on with a trip whose inquiry has been answered.
func (r *run) weigh(id TripID, q *inquiry) {
	c := r.core
	if !q.answered(r.now) {
		return
	}
	t := c.trips[id]
	if t.State == Requested {
		c.wanting = append(c.wanting, id)
		return
	}
	r.borrow(t, q, c.options(r.now, t, 1))
}

// borrow asks for the driver of the best quote if he beats our own, and says whether
// it did. Otherwise the inquiry is over.
func (r *run) borrow(t *Trip, q *inquiry, own []option) bool {
	c := r.core
	if q.lending || q.best.Driver == "" || !c.beats(r.now, t, q.best.Wait, q.best.Trust, own) {
		delete(c.inquiries, t.ID)
		return false
	}
	q.lending, q.until = true, r.now.Add(loanWait)
	r.post(q.best.From, Borrow{From: c.area.ID, Trip: t.ID, Driver: q.best.Driver, At: r.now})
	r.happened(BorderBorrowed)
	return true
}

// lend releases a driver to a neighbour, if he can still be spared.
func (r *run) lend(in Borrow) {
	c := r.core
	if g := c.gone[in.Driver]; g != nil && g.To == in.From {
		return // he is on his way
	}
	late := r.now.Sub(in.At) > staleLetter
	if !late && c.available(in.Driver) && !c.claimed(in.Driver) && r.release(in.Driver, in.From, in.Trip) {
		r.happened(BorderLent)
		return
	}
	r.happened(BorderDenied)
	r.post(in.From, NoLoan{From: c.area.ID, Trip: in.Trip, Driver: in.Driver})
}

// noLoan lets a trip go on without the driver it asked for.
func (r *run) noLoan(in NoLoan) {
	if q := r.core.inquiries[in.Trip]; q != nil && q.lending && q.best.From == in.From && q.best.Driver == in.Driver {
		r.endInquiry(in.Trip)
	}
}

// gotLoan lets a trip go on whose borrowed driver has come.
func (r *run) gotLoan(id TripID) {
	if q := r.core.inquiries[id]; q != nil && q.lending {
		r.endInquiry(id)
	}
}

func (r *run) endInquiry(id TripID) {
	c := r.core
	delete(c.inquiries, id)
	if c.trips[id].State == Requested {
		c.wanting = append(c.wanting, id)
	}
}

// overdueInquiries goes on with the trips whose neighbours have taken too long.
func (r *run) overdueInquiries() {
	c := r.core
	var due []*Trip
	for id, q := range c.inquiries {
		if r.now >= q.until {
			due = append(due, c.trips[id])
		}
	}
	slices.SortFunc(due, inQueueOrder)
	for _, t := range due {
		r.weigh(t.ID, c.inquiries[t.ID])
	}
}

// askAgain asks the neighbours for the first of the parked trips whose last answers
// are too old.
func (r *run) askAgain() {
	c := r.core
	for _, t := range c.queue[:min(len(c.queue), maxAskAgain)] {
		if at, asks := c.asksAt(t); asks && r.now >= at && r.now < t.Patience {
			r.inquire(t, c.options(r.now, t, 1))
		}
	}
}

// asksAt is when a parked trip asks its neighbours again, if it has any in reach.
func (c *Core) asksAt(t *Trip) (at Instant, ok bool) {
	if c.inquiries[t.ID] != nil || len(c.sidesOf(t)) == 0 {
		return 0, false
	}
	return max(c.paveOf(t).asked, t.Since).Add(askAgainAfter), true
}

// abroadAt is when a trip next has to go on without its neighbours, or to ask them.
func (c *Core) abroadAt() (at Instant, ok bool) {
	sooner := func(due Instant) {
		if !ok || due < at {
			at, ok = due, true
		}
	}
	for _, q := range c.inquiries {
		sooner(q.until)
	}
	if len(c.neighbours) == 0 {
		return at, ok
	}
	for _, t := range c.queue[:min(len(c.queue), maxAskAgain)] {
		if due, asks := c.asksAt(t); asks {
			sooner(due)
		}
	}
	return at, ok
}

// awaits says whether a requested trip waits for its neighbours.
func (c *Core) awaits(id TripID) bool {
	return c.inquiries[id] != nil && c.trips[id].State == Requested
}

// ripeAt is when a requested trip has waited for long enough for others to compete
// with, or for its neighbours.
func (c *Core) ripeAt(id TripID) Instant {
	at := c.trips[id].RequestedAt.Add(c.rules.Window)
	if q := c.inquiries[id]; q != nil {
		return max(at, q.until)
	}
	return at
}
