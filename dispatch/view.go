package dispatch

import (
	"cmp"
	"slices"
	"time"

	"cuntong/geo"
)

// view returns t as told to its parties.
func (c *Core) view(now Instant, t *Trip) TripView {
	v := TripView{
		ID:          t.ID,
		Version:     t.Version,
		Begun:       t.Begun,
		State:       t.State,
		Order:       t.Order,
		RequestedAt: t.RequestedAt,
		Since:       t.Since,
		Driver:      t.Driver,
		Vehicle:     t.Vehicle,
		Direct:      c.ride(t),
		ArrivedAt:   t.ArrivedAt,
		StartedAt:   t.StartedAt,
		DrivenM:     t.DrivenM,
		PaidFen:     t.PaidFen,
		Overdue:     t.Overdue,
		Cut:         t.Cut,
		EndedBy:     t.EndedBy,
		EndedWhy:    t.EndedWhy,
		LetGoAt:     t.LetGoAt,
	}
	if t.State.Open() && t.State != Riding {
		v.StartCode = t.StartCode
	}
	switch {
	case t.State == Parked:
		v.QueuePlace, v.QueueOf = c.queue.place(t), len(c.queue)
		v.GivesUpAt, v.PickupETA = t.Patience, t.PickupETA
	case t.State == Requested || t.State == Offered:
		v.GivesUpAt = t.Patience
	case t.State.HasDriver():
		v.LastPosition = c.positionOf(now, t.Driver)
		if t.State == Assigned {
			v.PickupETA = t.PickupETA
		}
	}
	return v
}

// ride is the drive from pickup to drop-off, by the vehicle at hand or, before there
// is one, by a car: nobody needs to know what vehicle is being asked.
func (c *Core) ride(t *Trip) geo.Leg {
	if t.Ride != (geo.Leg{}) {
		return t.Ride
	}
	return t.Direct
}

// positionOf returns a copy of a driver's position, or nil when none counts.
func (c *Core) positionOf(now Instant, id DriverID) *Fix {
	f := c.fixes[id]
	if f == nil || now.Sub(f.Fix.Received) > c.rules.FreshFor {
		return nil
	}
	fix := f.Fix
	return &fix
}

func (c *Core) offerView(now Instant, t *Trip) OfferView {
	ride := t.Offer.Ride
	if ride == (geo.Leg{}) { // an offer from before roads were known
		ride = t.Direct
	}
	return OfferView{
		ID:          t.Offer.ID,
		Trip:        t.ID,
		TripVersion: t.Version,
		Until:       t.Offer.Until,
		Confirm:     t.Offer.Confirm,
		WaitSeconds: c.waitFor(now, t.Offer).Seconds(),
		Approach:    t.Offer.Approach,
		Direct:      ride,
		Pickup:      t.Order.Pickup,
		Dropoff:     t.Order.Dropoff,
		Load:        t.Order.Load,
	}
}

func (c *Core) dutyView(d *Driver) DutyView {
	return DutyView{Driver: d.ID, Vehicle: d.Vehicle, Since: d.Since, Plan: slices.Clone(d.Plan)}
}

// Bounds of a Truth.
const (
	// endedTold is how long after its end a trip is still told to a party that returns.
	endedTold = 30 * time.Minute
	// maxEndedTold is how many of those.
	maxEndedTold = 5
)

// truth returns what concerns one party now.
func (c *Core) truth(now Instant, who Actor) Truth {
	truth := Truth{At: now}
	if who.Role == RoleDriver {
		d := c.drivers[who.Driver()]
		if d == nil {
			return truth
		}
		duty := c.dutyView(d)
		truth.Duty = &duty
		if d.Offer != "" {
			offer := c.offerView(now, c.trips[d.Offer])
			truth.Offer = &offer
		}
		if id := d.Plan.Trip(); id != "" {
			truth.Trips = append(truth.Trips, c.view(now, c.trips[id]))
		}
		return truth
	}
	ended := 0
	for _, id := range slices.Backward(c.parties[who]) {
		t := c.trips[id]
		if !t.State.Open() {
			if ended++; ended > maxEndedTold || now.Sub(t.overAt()) > endedTold {
				continue
			}
		}
		truth.Trips = append(truth.Trips, c.view(now, t))
	}
	slices.Reverse(truth.Trips)
	return truth
}

// boardAge is how long a board is shown again before it is made anew: several
// operators watching cost no more than one.
const boardAge = 500 * time.Millisecond

// boardAt returns the operators' view of the area.
func (c *Core) boardAt(now Instant) Board {
	if c.board.At == 0 || now.Sub(c.board.At) >= boardAge {
		c.board = c.makeBoard(now)
	}
	return c.board
}

func (c *Core) makeBoard(now Instant) Board {
	b := Board{At: now, Area: c.area.ID, Counts: map[State]int{}}
	var waiting, driving []*Trip
	for _, entry := range c.deadlines.heap {
		t := c.trips[entry.trip]
		b.Counts[t.State]++
		if t.State.HasDriver() {
			driving = append(driving, t)
		} else {
			waiting = append(waiting, t)
		}
	}
	slices.SortFunc(waiting, inQueueOrder)
	slices.SortFunc(driving, newestFirst)
	b.Waiting = c.rows(now, waiting)
	b.Driving = c.rows(now, driving)
	var ended []*Trip
	for _, id := range slices.Backward(c.ended) {
		if ended = append(ended, c.trips[id]); len(ended) == BoardRows {
			break
		}
	}
	b.Ended = c.rows(now, ended)
	for _, change := range c.roadChanges()[:min(len(c.changes), BoardRows)] {
		b.Roads = append(b.Roads, c.roadView(now, change))
	}
	b.Bars = c.shut.newest(now, BoardRows)
	c.countDrivers(now, &b)
	return b
}

func newestFirst(a, b *Trip) int {
	return cmp.Or(cmp.Compare(b.Since, a.Since), cmp.Compare(a.ID, b.ID))
}

func (c *Core) rows(now Instant, trips []*Trip) []TripView {
	var rows []TripView
	for _, t := range trips[:min(len(trips), BoardRows)] {
		rows = append(rows, c.view(now, t))
	}
	return rows
}

// countDrivers fills in the drivers of a board: those heard of, last heard of
// first, then those on duty who are silent, by id.
func (c *Core) countDrivers(now Instant, b *Board) {
	b.OnDuty, b.Free, b.Silent = len(c.drivers), c.free.Len(), len(c.drivers)-len(c.fixes)
	unheard := b.Silent
	for id, l := range c.links {
		if l.lost != 0 && c.fixes[id] != nil {
			b.Silent++
		}
	}
	for f := c.fresh.newest; f != nil && len(b.Drivers) < BoardDrivers; f = f.older {
		b.Drivers = append(b.Drivers, c.driverView(now, f.Fix.Driver))
	}
	if len(b.Drivers) == BoardDrivers || unheard == 0 {
		return
	}
	var silent []DriverID
	for id := range c.drivers {
		if c.fixes[id] == nil {
			silent = append(silent, id)
		}
	}
	slices.Sort(silent)
	for _, id := range silent[:min(len(silent), BoardDrivers-len(b.Drivers))] {
		b.Drivers = append(b.Drivers, c.driverView(now, id))
	}
}

func (c *Core) driverView(now Instant, id DriverID) DriverView {
	d := c.drivers[id]
	v := DriverView{ID: id, Vehicle: d.Vehicle, Fix: c.positionOf(now, id), Trip: cmp.Or(d.Offer, d.Plan.Trip())}
	if v.Trip != "" {
		v.State = c.trips[v.Trip].State
	}
	v.Trust, v.Signs = c.bandOf(id), c.trust[id].Signs
	if l := c.links[id]; l != nil {
		v.LostAt, v.Unseen = l.lost, l.unheard
	}
	return v
}
