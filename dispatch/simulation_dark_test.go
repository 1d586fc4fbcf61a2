package dispatch

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// shade is the darkness of a simulated morning: which drivers are without signal, and what
// they do meanwhile.
type shade struct {
	*sim
	phones map[DriverID]*shadedPhone
	seen   shaded
}

// shaded is how much of it there was.
type shaded struct {
	Periods, Deeds, Doubled, Crashes int
	// Same deeds count as they would have with signal, Reclaimed ones win their trip back.
	Same, Reclaimed, Mended int
	Refused                 map[string]int
}

func (d *shaded) add(more shaded) {
	d.Periods += more.Periods
	d.Deeds += more.Deeds
	d.Doubled += more.Doubled
	d.Crashes += more.Crashes
	d.Same += more.Same
	d.Reclaimed += more.Reclaimed
	d.Mended += more.Mended
	for code, n := range more.Refused {
		d.Refused[code] += n
	}
}

// shadedPhone keeps what its driver does without signal, in order.
type shadedPhone struct {
	driver DriverID
	skew   time.Duration
	until  Instant // without signal till then; 0: it has one
	seq    uint64
	kept   []Input
	track  []Fix
}

// shadeOver gives a morning dark valleys.
func shadeOver(s *sim) {
	s.dark = &shade{sim: s, phones: map[DriverID]*shadedPhone{}, seen: shaded{Refused: map[string]int{}}}
	if s.rng.IntN(2) == 0 { // so that trips are taken from those in the dark
		s.world.core.rules.PickupGrace, s.world.core.rules.OverdueLimit = 4*time.Minute, 2
	}
	for i := range simDrivers {
		id := DriverID(fmt.Sprintf("d%d", i))
		s.dark.phones[id] = &shadedPhone{driver: id, skew: []time.Duration{0, 0, 3 * time.Hour, -25 * time.Minute, 4 * time.Second, -4 * time.Second}[s.rng.IntN(6)]}
	}
}

// in is the phone of a driver who is in the dark, or nil.
func (d *shade) in(id DriverID) *shadedPhone {
	if d == nil || d.phones[id] == nil || d.phones[id].until == 0 {
		return nil
	}
	return d.phones[id]
}

// fallsAndLifts lets the light go and come, mostly for those who drive somebody. A
// connection that is lost may be noticed.
func (d *shade) fallsAndLifts() error {
	if d == nil {
		return nil
	}
	for i := range simDrivers {
		p := d.phones[DriverID(fmt.Sprintf("d%d", i))]
		if p.until != 0 && d.world.now >= p.until {
			if err := d.lift(p); err != nil {
				return err
			}
		}
	}
	p, chance := d.phones[DriverID(fmt.Sprintf("d%d", d.rng.IntN(simDrivers)))], 400
	if _, driving := d.driving[p.driver]; driving {
		chance = 12
	}
	if p.until != 0 || d.rng.IntN(chance) > 0 {
		return nil
	}
	d.seen.Periods++
	p.until = d.world.now.Add(time.Duration(d.rng.Int64N(int64(45*time.Minute)))) + 1
	if d.rng.IntN(2) == 0 {
		d.send(LinkLost{Driver: p.driver, HeardAt: d.world.now})
	}
	return nil
}

// acts is what a driver does in the dark: he drives on, and the desk may give his trip away.
func (p *shadedPhone) acts(s *sim) {
	v, driving := s.driving[p.driver]
	switch roll := s.rng.IntN(36); {
	case !driving:
	case roll < 22:
		p.track = append(p.track, Fix{Driver: p.driver, Point: s.point(), At: s.world.now.Add(p.skew)})
	case roll == 22:
		s.send(Release{Command: s.command(Actor{Role: RoleOperator, ID: "o1"}), Trip: v.ID, Why: ReasonOther})
	default:
		p.does(s, v)
	}
}

// does is the next thing that is to be done for a trip, or that it is given back, or that
// nobody was there. It is shown as done.
func (p *shadedPhone) does(s *sim, v TripView) {
	p.seq++
	cmd, deed := s.command(DriverActor(p.driver)), Deed{DoneAt: s.world.now.Add(p.skew), DeedSeq: p.seq}
	var in Input
	switch roll := s.rng.IntN(12); {
	case roll == 0 && v.State != Riding:
		in = Release{Command: cmd, Trip: v.ID, Why: ReasonBreakdown, Deed: deed}
		delete(s.driving, p.driver)
	case roll == 1 && v.State == Arrived:
		in = Cancel{Command: cmd, Trip: v.ID, Why: ReasonNoShow, Deed: deed}
		delete(s.driving, p.driver)
	case v.State == Assigned:
		in, v.State = Arrive{Command: cmd, Trip: v.ID, Deed: deed}, Arrived
		s.driving[p.driver] = v
	case v.State == Arrived:
		in, v.State = Start{Command: cmd, Trip: v.ID, Deed: deed}, Riding
		s.driving[p.driver] = v
	default:
		in = Complete{Command: cmd, Trip: v.ID, Deed: deed}
		delete(s.driving, p.driver)
	}
	p.kept = append(p.kept, in)
	if _, over := in.(Complete); over && s.rng.IntN(2) == 0 {
		p.seq++
		p.kept = append(p.kept, Paid{Command: s.command(DriverActor(p.driver)), Trip: v.ID, Fen: 1250, Deed: Deed{DoneAt: deed.DoneAt, DeedSeq: p.seq}})
	}
}

// lift gives a phone its signal back: it says hello, and tells what was done in order, some
// of it twice and by a server that dies in between; then where it was.
func (d *shade) lift(p *shadedPhone) error {
	kept, track := p.kept, p.track
	p.until, p.kept, p.track = 0, nil, nil
	if err := d.greet(p.driver); err != nil {
		return err
	}
	for _, in := range kept {
		d.seen.Deeds++
		if d.rng.IntN(20) == 0 { // dies after deciding and before recording
			d.world.core.Apply(d.world.now, p.corrected(d.world.now, in))
			d.seen.Crashes++
			if err := d.crash(); err != nil {
				return err
			}
		}
		for range 1 + d.rng.IntN(3)/2 {
			if err := d.tells(p, in); err != nil {
				return err
			}
		}
		d.sent = append(d.sent, p.corrected(d.world.now, in)) // and once more much later, perhaps
	}
	for batch := range slices.Chunk(track, MaxTrack) {
		in := Tracked{Command: d.command(DriverActor(p.driver)), Driver: p.driver}
		for _, f := range batch {
			f.At, f.Received = p.ours(d.world.now, f.At), d.world.now
			in.Fixes = append(in.Fixes, f)
		}
		out, err := d.world.step(in)
		if err != nil {
			return err
		}
		if slices.Contains(out.Tracked, TrackMerged) {
			d.seen.Mended++
		}
		if slices.ContainsFunc(out.Notices, func(n Notice) bool { _, moves := n.Body.(DriverAt); return moves }) {
			return fmt.Errorf("a batch from the dark moves the marker of %s", p.driver)
		}
		if err := d.heard(out); err != nil {
			return err
		}
	}
	return nil
}

// ours is a moment of a phone on the server's clock, as the hub has it.
func (p *shadedPhone) ours(now, at Instant) Instant {
	if p.skew.Abs() >= 5*time.Second {
		at = at.Add(-p.skew)
	}
	return min(at, now)
}

func (p *shadedPhone) corrected(now Instant, in Input) Input {
	moved := func(d Deed) Deed { return Deed{DoneAt: p.ours(now, d.DoneAt), DeedSeq: d.DeedSeq} }
	switch in := in.(type) {
	case Arrive:
		in.Deed = moved(in.Deed)
		return in
	case Start:
		in.Deed = moved(in.Deed)
		return in
	case Complete:
		in.Deed = moved(in.Deed)
		return in
	case Release:
		in.Deed = moved(in.Deed)
		return in
	case Cancel:
		in.Deed = moved(in.Deed)
		return in
	case Paid:
		in.Deed = moved(in.Deed)
		return in
	}
	return in
}

// tells reports one deed and compares what comes of it with what would have come of it with
// signal: as long as the trip is his, it counts from when it was done.
func (d *shade) tells(p *shadedPhone, in Input) error {
	in = p.corrected(d.world.now, in)
	_, _, id := Asker(in)
	var before Trip
	if t := d.world.core.trips[id]; t != nil {
		before = *t
	}
	out, err := d.world.step(in)
	if err != nil {
		return err
	}
	for _, f := range out.Facts {
		if _, again := f.Body.(TripReclaimed); again {
			d.seen.Reclaimed++
		}
	}
	code := ""
	for _, n := range out.Notices {
		if b, no := n.Body.(Refused); no && n.To == DriverActor(p.driver) {
			code = b.Refusal.Code
		}
	}
	his := before.Driver == p.driver && (before.State.HasDriver() || before.State == Completed)
	_, gaveUp := in.(Cancel) // perhaps too early
	_, gaveBack := in.(Release)
	gaveUp = gaveUp || gaveBack && before.State == Riding // what he had sent before the dark came through
	switch {
	case code != "" && his && !gaveUp:
		return fmt.Errorf("%T %+v is refused %s, and %s is %s and his", in, in, code, id, before.State)
	case code != "":
		d.seen.Refused[code]++
	case his:
		if err := d.sameAsWithSignal(p, in, before); err != nil {
			return err
		}
	default:
		d.seen.Doubled++
	}
	return d.heard(out)
}

// sameAsWithSignal: a deed that changed a trip counts when it was done, or at the first
// moment it could be when the phone's clock is believed though it is off.
func (d *shade) sameAsWithSignal(p *shadedPhone, in Input, before Trip) error {
	t := d.world.core.trips[before.ID]
	if t == nil || t.State == before.State {
		d.seen.Doubled++
		return nil
	}
	var done, counts Instant
	switch in := in.(type) {
	case Arrive:
		done, counts = in.DoneAt, t.ArrivedAt
	case Start:
		done, counts = in.DoneAt, t.StartedAt
	case Complete:
		done, counts = in.DoneAt, t.Since
	default:
		return nil
	}
	if want := max(done, before.Since); counts != cmp.Or(want, d.world.now) {
		return fmt.Errorf("%T of %s was done at %s and counts as done at %s", in, t.ID, clock(done), clock(counts))
	}
	if p.skew == 0 || p.skew.Abs() >= 5*time.Second {
		d.seen.Same++
	}
	return nil
}

// greet is a phone that comes back: what it knows is what the server says.
func (s *sim) greet(driver DriverID) error {
	out, err := s.world.step(Hello{By: DriverActor(driver)})
	if err != nil {
		return err
	}
	delete(s.offers, driver)
	delete(s.driving, driver)
	return s.heard(out)
}
