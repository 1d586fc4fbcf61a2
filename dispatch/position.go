package dispatch

import (
	"cuntong/geo"
)

// fixed is a driver's newest position, in a list by the time it was received.
type fixed struct {
	Fix       Fix
	spot      geo.Spot
	scannedAt geo.Point // where the queue was last looked through for him
	scanned   bool      // scannedAt is set
	insideAt  geo.Point // where his place in the area was last looked at
	// inside is how far from there he may go before he can belong to a neighbour; 0: not known.
	inside geo.Meters

	older, newer *fixed
}

// freshList holds positions in the order they were received, so that those too
// old are found at its end without looking at the others.
type freshList struct{ oldest, newest *fixed }

func (l *freshList) add(f *fixed) {
	f.older, f.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
}

func (l *freshList) remove(f *fixed) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		l.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		l.newest = f.older
	}
	f.older, f.newer = nil, nil
}

// rescanAfter is how far a free driver moves before the queue is looked through
// for him again: "drives near" in steps that cost little and lose little.
const rescanAfter geo.Meters = 300

// moved takes a driver's newest position.
func (r *run) moved(in Moved) {
	r.core.follows(in.Fix)
	if r.out.Ignored = r.place(in.Fix); r.out.Ignored != "" {
		if r.out.Ignored == IgnoredLate {
			r.weighLate(in.Fix.Driver)
		}
		return
	}
	r.weighTrust(in.Fix)
	r.follow(r.core.fixes[in.Fix.Driver].Fix)
	r.cross(in.Fix.Driver)
}

// place takes a position, or says why it does not. It makes no fact and tells nobody.
func (r *run) place(fix Fix) Ignored {
	c := r.core
	if why := c.ignores(r.now, &fix); why != "" {
		return why
	}
	f := c.fixes[fix.Driver]
	first := f == nil
	if first {
		f = &fixed{}
		c.fixes[fix.Driver] = f
		c.quiet.remove(fix.Driver)
	} else {
		c.fresh.remove(f)
	}
	f.Fix, f.spot = fix, c.router.Locate(fix.Point, fix.HeadingDegrees)
	c.fresh.add(f)
	c.foundAt(&fix)
	c.settle(fix.Driver)
	if !first && f.farFromScan() && c.available(fix.Driver) && len(c.queue) > 0 {
		c.freed = append(c.freed, fix.Driver)
	}
	return ""
}

// ignores says why a position is not to be taken. One from the future, which only
// a wrong clock can send, is taken as of now.
func (c *Core) ignores(now Instant, fix *Fix) Ignored {
	if fix.At > fix.Received || fix.At == 0 {
		fix.At = fix.Received
	}
	known := c.fixes[fix.Driver]
	switch {
	case c.gone[fix.Driver] != nil:
		return IgnoredGone
	case c.drivers[fix.Driver] == nil:
		return IgnoredOffDuty
	case fix.Point.Validate() != nil:
		return IgnoredBad
	case known != nil && fix.At < known.Fix.At:
		return IgnoredLate
	case now.Sub(fix.At) > c.rules.FreshFor:
		return IgnoredOld
	}
	return ""
}

func (f *fixed) farFromScan() bool {
	return !f.scanned || geo.Distance(f.scannedAt, f.Fix.Point) >= rescanAfter
}

// follow shows the party of the trip that a driver is on where he is.
func (r *run) follow(fix Fix) {
	c := r.core
	plan := c.drivers[fix.Driver].Plan
	if len(plan) == 0 {
		return
	}
	t := c.trips[plan.Trip()]
	at := DriverAt{Trip: t.ID, Fix: fix}
	a := c.aheadOf(r.now, c.drivers[fix.Driver])
	if r.now.Sub(a.made) >= askRoadsEvery {
		a = c.lookAhead(r.now, c.drivers[fix.Driver])
	}
	if a.known && t.Cut { // he has passed what cut him off
		r.retime(t)
	}
	if a.known {
		at.ETA, at.Left = a.next, a.left
	}
	for _, who := range t.parties() {
		r.tell(who, at)
	}
}

// forgetSilent forgets the positions that are too old to count. A driver without
// a position is not matched.
func (c *Core) forgetSilent(now Instant) {
	for f := c.fresh.oldest; f != nil && now.Sub(f.Fix.Received) > c.rules.FreshFor; f = c.fresh.oldest {
		c.forget(f.Fix.Driver)
		c.quiet.add(f.Fix.Driver, now)
		q := c.quiet.by[f.Fix.Driver]
		q.Fix.Point, q.spot = f.Fix.Point, f.spot
	}
}

func (c *Core) forget(id DriverID) {
	if f := c.fixes[id]; f != nil {
		c.fresh.remove(f)
		delete(c.fixes, id)
		c.free.Remove(id)
		c.busy.Remove(id)
		delete(c.aheads, id)
		c.forgotten = append(c.forgotten, id)
	}
}

// takeForgotten returns the drivers whose positions were forgotten since it was
// last called, for those who show positions to others.
func (c *Core) takeForgotten() []DriverID {
	ids := c.forgotten
	c.forgotten = nil
	return ids
}

// warm takes a position that was known before a restart. The queue is looked
// through for the driver with his next one, or by the first Apply.
func (c *Core) warm(now Instant, fix Fix) {
	r := run{core: c, now: now}
	r.place(fix)
}

// NextSilence returns when the next position becomes too old to count; ok is
// false when there is none. Forgetting makes no fact, so nobody needs to be in time for it.
func (c *Core) NextSilence() (at Instant, ok bool) {
	if c.fresh.oldest == nil {
		return 0, false
	}
	return c.fresh.oldest.Fix.Received.Add(c.rules.FreshFor), true
}

// quiet holds the drivers on duty who are not heard of, those silent for longest
// first. The zero value is ready.
type quiet struct {
	list freshList
	by   map[DriverID]*fixed // Fix.Received is since when; Fix.Point where they were last seen, zero: never
}

func (q *quiet) add(id DriverID, since Instant) {
	q.remove(id)
	if q.by == nil {
		q.by = map[DriverID]*fixed{}
	}
	f := &fixed{Fix: Fix{Driver: id, Received: since}}
	q.by[id] = f
	q.list.add(f)
}

func (q *quiet) remove(id DriverID) {
	if f := q.by[id]; f != nil {
		q.list.remove(f)
		delete(q.by, id)
	}
}

// Resume begins to count the silence of drivers at now: a writer that starts cannot
// know whether they spoke while there was none.
func (c *Core) Resume(now Instant) {
	for f := c.quiet.list.oldest; f != nil; f = f.newer {
		f.Fix.Received = now
	}
}

// maxSentHome bounds the duties one tick ends for silence.
const maxSentHome = 16

// sendHome ends the duties of drivers who have been silent for too long and have
// nothing to do. One who has is looked at again later.
func (r *run) sendHome() {
	c := r.core
	for range maxSentHome {
		f := c.quiet.list.oldest
		if f == nil || r.now.Sub(f.Fix.Received) < c.rules.DutySilence {
			return
		}
		id := f.Fix.Driver
		if !c.drivers[id].Free() {
			c.quiet.add(id, r.now)
			continue
		}
		r.record(DutyEnded{Driver: id}, nil)
	}
}

// available says whether a driver may be asked now: on duty, free, and heard of.
func (c *Core) available(id DriverID) bool {
	d := c.drivers[id]
	return d != nil && d.Free() && c.reachable(id)
}

// settle brings the indexes of drivers in line with the state of one driver.
// A driver who becomes available is put on the list of those whose luck changed.
func (c *Core) settle(id DriverID) {
	d, f := c.drivers[id], c.fixes[id]
	if d != nil && len(d.Plan) > 0 && c.reachable(id) {
		c.busy.Put(id, d.Plan[len(d.Plan)-1].Place.Point)
	} else {
		c.busy.Remove(id)
		delete(c.aheads, id)
	}
	if !c.available(id) {
		c.free.Remove(id)
		return
	}
	if _, was := c.free.At(id); !was {
		c.freed = append(c.freed, id)
	}
	c.free.Put(id, f.Fix.Point)
}
