package dispatch

import (
	"errors"
	"fmt"
	"slices"
)

// Check says whether the state keeps every promise the core makes. It is run
// after every step of every test, and after a snapshot is restored. It looks at
// everything, so it is not for every step of a live server.
func (c *Core) Check() error {
	var broken []error
	fail := func(format string, args ...any) {
		if len(broken) < 10 {
			broken = append(broken, fmt.Errorf(format, args...))
		}
	}
	for id, t := range c.trips {
		c.checkTrip(id, t, fail)
	}
	for id, d := range c.drivers {
		c.checkDriver(id, d, fail)
	}
	c.checkDerived(fail)
	c.checkSoft(fail)
	c.checkTracks(fail)
	c.checkBorders(fail)
	c.checkShut(fail)
	c.checkTrust(fail)
	c.checkBrakes(fail)
	return errors.Join(broken...)
}

// checkTrip: live offer and trip name each other; a bound driver has the trip in
// his plan; an open trip has one deadline and an ended one none.
func (c *Core) checkTrip(id TripID, t *Trip, fail func(string, ...any)) {
	if t.ID != id || t.Version == 0 {
		fail("trip %s is kept as %s with version %d", t.ID, id, t.Version)
	}
	if (t.State == Offered) != (t.Offer != nil) {
		fail("trip %s is %s with offer %v", id, t.State, t.Offer)
	}
	if t.Offer != nil {
		if d := c.drivers[t.Offer.Driver]; d == nil || d.Offer != id {
			fail("trip %s is offered to %s, who does not know", id, t.Offer.Driver)
		}
		c.checkOffer(t, fail)
	}
	if t.State.HasDriver() {
		if d := c.drivers[t.Driver]; d == nil || d.Plan.Trip() != id {
			fail("trip %s is %s by %s, who does not drive it", id, t.State, t.Driver)
		}
	}
	checkDeeds(t, fail)
	checkCash(t, fail)
	checkCode(t, fail)
	entry := c.deadlines.at[id]
	switch {
	case t.State.Open() && (entry == nil || entry.at != t.Deadline || t.Deadline == 0):
		fail("open trip %s has deadline %d, the heap %v", id, t.Deadline, entry)
	case !t.State.Open() && entry != nil:
		fail("ended trip %s has a deadline", id)
	}
}

// checkOffer: an offer ends at its trip's deadline, and not later than a slow link
// may stretch it.
func (c *Core) checkOffer(t *Trip, fail func(string, ...any)) {
	o := t.Offer
	if o.due() != t.Deadline {
		fail("the offer of trip %s is due at %d, the trip at %d", t.ID, o.due(), t.Deadline)
	}
	confirm := maxConfirmWait + slowestLink + maxSpread
	if o.Confirm > o.MadeAt.Add(confirm) || o.Until > o.MadeAt.Add(confirm+maxOfferWait+maxStretch) {
		fail("the offer of trip %s, made at %d, is kept until %d, or %d without a word", t.ID, o.MadeAt, o.Until, o.Confirm)
	}
}

// checkDriver: a driver holds at most one live offer or a plan, of trips that name
// him, within his vehicle.
func (c *Core) checkDriver(id DriverID, d *Driver, fail func(string, ...any)) {
	if d.Offer != "" {
		if t := c.trips[d.Offer]; t == nil || t.Offer == nil || t.Offer.Driver != id {
			fail("driver %s holds an offer of trip %s, which does not know", id, d.Offer)
		}
		if len(d.Plan) > 0 {
			fail("driver %s holds an offer and a plan", id)
		}
	}
	for _, stop := range d.Plan {
		t := c.trips[stop.Trip]
		switch {
		case t == nil || !t.State.HasDriver() || t.Driver != id:
			fail("driver %s plans trip %s, which is not his", id, stop.Trip)
		case !t.Order.Load.Fits(d.Vehicle.Load):
			fail("driver %s plans trip %s, which does not fit", id, stop.Trip)
		case stop.Trip != d.Plan.Trip():
			fail("driver %s plans two trips at once", id)
		}
	}
}

// checkDerived: the queue, the counts and the lists say what the trips say.
func (c *Core) checkDerived(fail func(string, ...any)) {
	counts, booked, parked, open := map[State]int{}, map[Actor]int{}, 0, 0
	for id, t := range c.trips {
		counts[t.State]++
		if t.State.Open() {
			booked[t.Order.Booker]++
			open++
		}
		if t.State == Parked {
			parked++
			if c.queue.place(t) == 0 {
				fail("parked trip %s is not in the queue", id)
			}
		}
		for _, who := range t.parties() {
			if !slices.Contains(c.parties[who], id) {
				fail("trip %s is unknown to %s", id, who)
			}
		}
	}
	if len(c.gathering) != counts[Requested] {
		fail("%d trips gather: %d are requested", len(c.gathering), counts[Requested])
	}
	for id := range c.wants.by {
		if t := c.trips[id]; t == nil || t.State != Parked && t.State != Requested {
			fail("trip %s wants drivers and does not wait", id)
		}
	}
	if len(c.changes) > maxRoadChanges {
		fail("%d changes to the roads are kept", len(c.changes))
	}
	if len(c.queue) != parked || !slices.IsSortedFunc(c.queue, inQueueOrder) {
		fail("the queue holds %d of %d parked trips, or in no order", len(c.queue), parked)
	}
	if len(c.deadlines.heap) != open || len(c.deadlines.at) != open || len(c.trips) != open+len(c.ended) {
		fail("%d open and %d ended trips of %d have %d deadlines", open, len(c.ended), len(c.trips), len(c.deadlines.heap))
	}
	for _, state := range States() {
		if c.counts[state] != counts[state] {
			fail("%d trips are counted as %s: there are %d", c.counts[state], state, counts[state])
		}
	}
	for who, n := range c.booked {
		if booked[who] != n {
			fail("%s is said to have %d open trips: he has %d", who, n, booked[who])
		}
	}
}

// checkSoft: the index holds the free drivers who are heard of, and nobody else.
func (c *Core) checkSoft(fail func(string, ...any)) {
	free := 0
	for id := range c.fixes {
		if c.drivers[id] == nil {
			fail("there is a position of %s, who is not on duty", id)
		}
		_, indexed := c.free.At(id)
		if c.available(id) {
			free++
		}
		if indexed != c.available(id) {
			fail("driver %s is available: %t, in the index: %t", id, c.available(id), indexed)
		}
	}
	for id := range c.drivers {
		if _, quiet := c.quiet.by[id]; quiet == (c.fixes[id] != nil) {
			fail("driver %s is quiet: %t, has a position: %t", id, quiet, c.fixes[id] != nil)
		}
	}
	if len(c.quiet.by)+len(c.fixes) != len(c.drivers) {
		fail("%d drivers are quiet and %d heard of, of %d on duty", len(c.quiet.by), len(c.fixes), len(c.drivers))
	}
	for id, d := range c.drivers {
		if _, indexed := c.busy.At(id); indexed != (len(d.Plan) > 0 && c.reachable(id)) {
			fail("driver %s has %d stops to come, in the index of the busy: %t", id, len(d.Plan), indexed)
		}
	}
	for id := range c.links {
		if c.drivers[id] == nil {
			fail("something is kept of the link of %s, who is not on duty", id)
		}
	}
	if c.free.Len() != free {
		fail("the index holds %d drivers: %d are free", c.free.Len(), free)
	}
	if len(c.wanting)+len(c.freed) > 0 {
		fail("trips %v and drivers %v are left to be looked at", c.wanting, c.freed)
	}
}

// checkBorders: a driver who has gone is not here; who is on his way is known to have
// gone there; what is remembered of transfers is in order and within its bounds; and
// only trips that wait have neighbours asked for them.
func (c *Core) checkBorders(fail func(string, ...any)) {
	for id, g := range c.gone {
		switch under := c.outflows[g.To].find(g.Transfer); {
		case g.Driver != id || c.drivers[id] != nil:
			fail("driver %s has gone to %s, and is here", id, g.To)
		case (under == nil) != g.Settled || under != nil && under.Driver != id:
			fail("driver %s has gone to %s (settled: %t) by transfer %d, which is %v", id, g.To, g.Settled, g.Transfer, under)
		}
	}
	for to, o := range c.outflows {
		if o.To != to || len(o.Open) > maxTransfers || len(o.Open) > 0 && o.Open[0].Settled {
			fail("%d transfers to %s are kept, of %s", len(o.Open), to, o.To)
		}
		last := TransferID(0)
		for _, t := range o.Open {
			if t.Transfer <= last || t.Transfer > o.Last || t.To != to {
				fail("transfer %d to %s follows %d, the last is %d", t.Transfer, t.To, last, o.Last)
			}
			last = t.Transfer
		}
	}
	for from, i := range c.inflows {
		if i.From != from || len(i.Above) > maxTransfers || !slices.IsSorted(i.Above) || len(i.Above) > 0 && i.Above[0] <= i.Done {
			fail("transfers %v from %s are remembered above %d, of %s", i.Above, from, i.Done, i.From)
		}
	}
	if len(c.inquiries) > maxInquiries {
		fail("%d trips wait for neighbours", len(c.inquiries))
	}
	for id := range c.inquiries {
		if t := c.trips[id]; t == nil || t.State != Requested && t.State != Parked {
			fail("neighbours are asked for trip %s, which does not wait", id)
		}
	}
}
