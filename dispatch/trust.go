package dispatch

import (
	"cmp"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"time"

	"cuntong/geo"
)

// TrustBand is how far a driver's positions are believed. It lowers his place in
// matching and shows to operators; nobody is ever barred by it. The names travel on the
// wire.
type TrustBand string

// The bands.
const (
	TrustFull     TrustBand = "full"
	TrustDoubtful TrustBand = "doubtful"
	TrustPoor     TrustBand = "poor"
)

// Sign is something about a driver's positions that an honest phone seldom does. The
// names travel on the wire and are metric labels.
type Sign string

// The signs. Not among them: standing still to the last digit, which a parked phone does
// all night, and coming late, which is what having no signal means.
const (
	SignTeleport Sign = "teleport" // moved faster than anything drives, and stayed there
	SignFrozen   Sign = "frozen"   // says that it drives, and stands on the same digits
	SignCopied   Sign = "copied"   // where another driver was, point by point
	SignMock     Sign = "mock"     // the phone says that the position is made up
	SignSpeed    Sign = "speed"    // says that it drives faster than anything does
	SignClock    Sign = "clock"    // times that go back or lie ahead; never enough by itself
)

// signs is every sign, in a fixed order.
var signs = [...]Sign{SignTeleport, SignFrozen, SignCopied, SignMock, SignSpeed, SignClock}

// TrustChanged: a driver's positions are believed more, or less, than before.
type TrustChanged struct {
	Driver DriverID  `json:"driver"`
	Band   TrustBand `json:"band"`
	// Signs are why, when it is not [TrustFull].
	Signs []Sign `json:"signs,omitempty"`
}

func (TrustChanged) kind() string { return "trust_changed" }

// What a sign adds, and when the sum changes the band. Between the two marks of a band
// nothing changes, so that nobody flickers. The sum halves every half hour.
const (
	doubtfulFrom, doubtfulBelow = 30.0, 10.0
	poorFrom, poorBelow         = 80.0, 40.0
	trustHalf                   = 30 * time.Minute
	signMost                    = 100.0 // of one sign
	clockMost                   = 8.0   // a wrong clock is honest: it holds no band, and changes none alone
	signEvery                   = 10 * time.Second
	// trustRest is how long a band stays at least: facts are rare.
	trustRest = 5 * time.Minute
)

// What an honest phone does not do, besides driving faster than Rules.FastestKMH.
const (
	saysAtAll = 2.0  // metres a second from which a phone says that it drives
	saysMost  = 70.0 // metres a second
	// jumpOver is the least time over which a speed is taken: shorter ones measure the
	// phone's noise.
	jumpOver = 15 * time.Second
	// jumpSlack is what a position may be off without having moved: gorges reflect.
	jumpSlack geo.Meters = 300
	// reflectMost is how far a reflection in a gorge throws a position. Leaps out and back that
	// are longer count half of one that stays: a cheap phone makes one now and then, a liar
	// all day.
	reflectMost geo.Meters = 5000
	frozenFor              = 5 * time.Minute
	frozenFew              = 12
	aheadMost              = 10 * time.Second
)

// trusted is a driver who is not fully believed: part of the durable state.
type trusted struct {
	Driver DriverID  `json:"driver"`
	Band   TrustBand `json:"band"`
	Signs  []Sign    `json:"signs,omitempty"`
	Since  Instant   `json:"since"`
}

// maxTrusted bounds them; beyond it the one longest in his band is forgotten, which is
// believed again.
const maxTrusted = 10_000

// suspect is what is watched of one driver on duty. It is soft.
type suspect struct {
	points  [len(signs)]float64
	at      Instant               // when they were last decayed
	counted [len(signs)]Instant   // when each sign last counted
	changed Instant               // when the band last changed
	from    Fix                   // the position that speed is measured from
	jumped  bool                  // the last measure was too fast
	before  Fix                   // where that jump began
	still   Fix                   // the first of a run of equal positions
	stills  int                   // how long the run is
	trail   [trailPoints][2]int64 // the last points 30 m apart, the newest first
	trailed int
}

// watching is all suspects, and the trails of late.
type watching struct {
	by     map[DriverID]*suspect
	trails map[uint64]DriverID
	order  []uint64 // of trails, the oldest at next
	next   int
}

// A trail is trailPoints points, trailStep apart and exact to the fifth decimal, about a
// metre: two phones in one car do not agree on six of them.
const (
	trailPoints            = 6
	trailStep   geo.Meters = 30
	maxTrails              = 20_000
)

func newWatching() watching {
	return watching{by: map[DriverID]*suspect{}, trails: map[uint64]DriverID{}}
}

// Doubt is what an area says of a driver's positions when it hands him over. Band, Signs and
// Since last; the others are what was watched of him, and are lost with the writer.
type Doubt struct {
	Band  TrustBand // empty: fully believed
	Signs []Sign    // why not
	Since Instant   // when the band last changed; 0: not lately

	Points []float64 // against him, by sign, in the order of the signs; empty: none
	At     Instant   // when they were so many
	// From is the position that his next jump is measured from; its At is 0 when there is none.
	From   Fix
	Jumped bool // he had just jumped there,
	Before Fix  // from here
}

// band is what this program makes of a letter.
func (d Doubt) band() TrustBand {
	if d.Band == TrustDoubtful || d.Band == TrustPoor {
		return d.Band
	}
	return TrustFull
}

// doubtOf is what there is to hand over of a driver.
func (c *Core) doubtOf(now Instant, id DriverID) Doubt {
	known := c.trust[id]
	d := Doubt{Band: known.Band, Signs: known.Signs, Since: known.Since}
	if s := c.watching.by[id]; s != nil {
		s.decay(now)
		d.At, d.From, d.Jumped, d.Before = s.at, s.from, s.jumped, s.before
		if s.points != [len(signs)]float64{} {
			d.Points = slices.Clone(s.points[:])
		}
	}
	return d
}

// takeOver goes on watching a driver where another area has left off.
func (w *watching) takeOver(id DriverID, d Doubt) {
	delete(w.by, id)
	if d.At == 0 {
		return // nothing was watched there, or only until its writer ended: as after a start
	}
	s := &suspect{at: d.At, changed: d.Since, from: d.From, jumped: d.Jumped, before: d.Before}
	for i := range min(len(d.Points), len(s.points)) {
		s.points[i] = max(0, min(d.Points[i], signMost))
	}
	w.by[id] = s
}

// weighTrust looks at a position that was taken, for what an honest phone does not do.
// Positions from the dark come as a batch and are not looked at: late is not false.
func (r *run) weighTrust(fix Fix) {
	c := r.core
	if c.rules.FastestKMH == 0 {
		return
	}
	s := c.suspectOf(r.now, fix.Driver)
	add := func(sign Sign, points float64) { r.sign(s, sign, points) }
	if fix.Mock {
		add(SignMock, 12)
	}
	if fix.SpeedMPS > saysMost {
		add(SignSpeed, 10)
	}
	if fix.At > fix.Received.Add(aheadMost) {
		add(SignClock, 2)
	}
	fix.At = min(fix.At, fix.Received)
	if points := s.jump(fix, c.rules.fastest()); points > 0 {
		add(SignTeleport, points)
	}
	if s.frozen(fix) {
		add(SignFrozen, 12)
	}
	if c.watching.copied(s, fix) {
		add(SignCopied, 12)
	}
	r.band(s, fix.Driver)
}

// weighLate looks at a position that was not taken because it is older than what is known.
func (r *run) weighLate(id DriverID) {
	if s := r.core.watching.by[id]; s != nil {
		r.sign(s, SignClock, 2)
	}
}

// sign counts a sign, at most once in signEvery.
func (r *run) sign(s *suspect, sign Sign, points float64) {
	i := slices.Index(signs[:], sign)
	if s.counted[i] != 0 && r.now.Sub(s.counted[i]) < signEvery {
		return
	}
	s.decay(r.now)
	s.counted[i] = r.now
	most := signMost
	if sign == SignClock {
		most = clockMost
	}
	s.points[i] = min(s.points[i]+points, most)
	r.out.Signs = append(r.out.Signs, sign)
}

func (s *suspect) decay(now Instant) {
	if now > s.at {
		left := halved(now.Sub(s.at), trustHalf)
		for i := range s.points {
			s.points[i] *= left
		}
		s.at = now
	}
}

// halved is what is left of 1 that halves in every half, after a while.
func halved(after, half time.Duration) float64 { return math.Exp2(-after.Seconds() / half.Seconds()) }

// suspectOf returns what is watched of a driver; one of whom nothing is begins where his
// band left him.
func (c *Core) suspectOf(now Instant, id DriverID) *suspect {
	if s := c.watching.by[id]; s != nil {
		return s
	}
	if len(c.watching.by) > len(c.drivers)+64 { // who went off duty is watched no more
		maps.DeleteFunc(c.watching.by, func(id DriverID, _ *suspect) bool { return c.drivers[id] == nil })
	}
	s := &suspect{at: now}
	if known, ok := c.trust[id]; ok {
		s.at, s.changed = known.Since, known.Since
		from := doubtfulFrom
		if known.Band == TrustPoor {
			from = poorFrom
		}
		for _, sign := range known.Signs {
			if i := slices.Index(signs[:], sign); i >= 0 {
				s.points[i] = from / float64(len(known.Signs))
			}
		}
		s.decay(now)
	}
	c.watching.by[id] = s
	return s
}

// band changes a driver's band when what is known of him says so.
func (r *run) band(s *suspect, id DriverID) {
	c := r.core
	have := c.bandOf(id)
	if have == TrustFull && s.points == [len(signs)]float64{} || s.changed != 0 && r.now.Sub(s.changed) < trustRest {
		return
	}
	s.decay(r.now)
	sum := 0.0
	for _, p := range s.points {
		sum += p
	}
	next := have.after(sum)
	if next == have {
		return
	}
	s.changed = r.now
	fact := TrustChanged{Driver: id, Band: next}
	for i, p := range s.points {
		if next != TrustFull && p >= doubtfulBelow/2 {
			fact.Signs = append(fact.Signs, signs[i])
		}
	}
	r.record(fact, nil)
}

// after is the band of a driver who was in b, by the sum of the signs against him.
func (b TrustBand) after(sum float64) TrustBand {
	switch {
	case sum >= poorFrom, b == TrustPoor && sum >= poorBelow:
		return TrustPoor
	case sum >= doubtfulFrom, b != TrustFull && sum >= doubtfulBelow:
		return TrustDoubtful
	}
	return TrustFull
}

func (c *Core) bandOf(id DriverID) TrustBand {
	if known, ok := c.trust[id]; ok {
		return known.Band
	}
	return TrustFull
}

// distrust is how much longer than expected a driver is taken to be on his way to a
// pickup, because his positions may be made up.
func (c *Core) distrust(id DriverID) time.Duration { return c.rules.distrust(c.bandOf(id)) }

func (r Rules) distrust(band TrustBand) time.Duration {
	switch band {
	case TrustPoor:
		return r.PoorWait
	case TrustDoubtful:
		return r.DoubtfulWait
	}
	return 0
}

func (c *Core) foldTrust(at Instant, b TrustChanged) {
	if b.Band == TrustFull {
		delete(c.trust, b.Driver)
		return
	}
	c.trust[b.Driver] = trusted{Driver: b.Driver, Band: b.Band, Signs: b.Signs, Since: at}
	if len(c.trust) > maxTrusted {
		first := slices.MinFunc(slices.Collect(maps.Values(c.trust)), func(a, b trusted) int {
			return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Driver, b.Driver))
		})
		delete(c.trust, first.Driver)
	}
}

// jump returns what the way to fix counts: nothing below fastest, in m/s; twice in a row the
// most, once and then staying there a little. A short leap out and back is a reflection. The
// time is the longer of the phone's and ours, so that a clock that is set is no leap.
func (s *suspect) jump(fix Fix, fastest float64) float64 {
	if s.from.At == 0 {
		s.from = fix
		return 0
	}
	took := max(fix.At.Sub(s.from.At), fix.Received.Sub(s.from.Received))
	if took < jumpOver {
		return 0
	}
	last := s.from
	s.from = fix
	fast := tooFar(last, fix, took, fastest)
	switch {
	case fast && s.jumped:
		back := !tooFar(s.before, fix, fix.Received.Sub(s.before.Received), fastest)
		s.jumped, s.before = !back, last
		switch {
		case !back:
			return 20
		case geo.Distance(last.Point, fix.Point) > reflectMost:
			return 10
		}
		return 0
	case fast:
		s.jumped, s.before = true, last
	case s.jumped:
		s.jumped = false
		return 6
	}
	return 0
}

// tooFar says whether nothing drives from a to b in that time, even if both are off.
func tooFar(a, b Fix, took time.Duration, fastest float64) bool {
	slack := max(jumpSlack, 2*(a.AccuracyMeters+b.AccuracyMeters))
	return geo.Distance(a.Point, b.Point)-slack > geo.Meters(fastest*took.Seconds())
}

// fastest is FastestKMH in metres a second.
func (r Rules) fastest() float64 { return float64(r.FastestKMH) / 3.6 }

// frozen says whether the phone has said for five minutes that it drives, and was on the
// same digits all the while.
func (s *suspect) frozen(fix Fix) bool {
	if s.still.Point != fix.Point || fix.SpeedMPS < saysAtAll {
		s.still, s.stills = fix, 0
		return false
	}
	if s.stills++; s.stills < frozenFew || fix.Received.Sub(s.still.Received) < frozenFor {
		return false
	}
	s.still, s.stills = fix, 0
	return true
}

// copied says whether a driver's last points are those that another had before.
func (w *watching) copied(s *suspect, fix Fix) bool {
	point := [2]int64{int64(math.Round(fix.Point.Lat * 1e5)), int64(math.Round(fix.Point.Lon * 1e5))}
	if s.trailed > 0 {
		last := geo.Point{Lat: float64(s.trail[0][0]) / 1e5, Lon: float64(s.trail[0][1]) / 1e5}
		if geo.Distance(last, fix.Point) < trailStep {
			return false
		}
	}
	copy(s.trail[1:], s.trail[:])
	s.trail[0] = point
	if s.trailed = min(s.trailed+1, trailPoints); s.trailed < trailPoints {
		return false
	}
	h := fnv.New64a()
	var b [8]byte
	for _, p := range s.trail {
		for _, n := range p {
			for i := range b {
				b[i] = byte(n >> (8 * i))
			}
			_, _ = h.Write(b[:])
		}
	}
	return w.seen(h.Sum64(), fix.Driver)
}

// seen keeps a trail, and says whether another driver left it.
func (w *watching) seen(trail uint64, id DriverID) bool {
	if who, known := w.trails[trail]; known {
		return who != id
	}
	w.trails[trail] = id
	if len(w.order) < maxTrails {
		w.order = append(w.order, trail)
		return false
	}
	delete(w.trails, w.order[w.next])
	w.order[w.next] = trail
	w.next = (w.next + 1) % maxTrails
	return false
}

// checkTrust: what is kept of trust is under its own name and within its bounds.
func (c *Core) checkTrust(fail func(string, ...any)) {
	if len(c.trust) > maxTrusted || len(c.watching.trails) > maxTrails || len(c.watching.by) > len(c.drivers)+maxTrusted {
		fail("%d drivers are not fully trusted, %d watched, %d trails kept", len(c.trust), len(c.watching.by), len(c.watching.trails))
	}
	for id, t := range c.trust {
		if t.Driver != id || t.Band != TrustDoubtful && t.Band != TrustPoor {
			fail("driver %s is kept as %s, of whom %q is believed", id, t.Driver, t.Band)
		}
	}
}
