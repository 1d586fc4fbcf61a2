package dispatch

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"cuntong/geo"
)

// TestDarkness lets the same day happen twice: once with signal everywhere, and once with
// dark valleys of up to 45 minutes, during which phones keep what their drivers do and
// where they are. What comes of it must be the same: who drove, when he arrived, started
// and completed, what he was paid, and how far it was. Commands come doubled and late,
// the last one before the dark may or may not have been taken, clocks are off, and on
// every other day the server crashes. SEED=n plays one day again, SEEDS=n that many.
func TestDarkness(t *testing.T) {
	n := fewer(12)
	if s := os.Getenv("SEEDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	var total darkness
	for _, seed := range seeds(t, n) {
		day := newDay(seed)
		lossless, dark := day.live(false), day.live(true)
		for _, run := range []*darkRun{lossless, dark} {
			if run.err != nil {
				t.Fatalf("SEED=%d, dark: %t: %v", seed, run.dark, run.err)
			}
		}
		if err := day.compare(lossless, dark); err != nil {
			t.Fatalf("SEED=%d: %v", seed, err)
		}
		total.add(dark.seen)
	}
	t.Logf("%+v", total)
	if os.Getenv("SEED") == "" && (total.Periods < n || total.Late < 2*n || total.Reclaimed < n/8 || total.Mended < n || total.Crashes < n/3 || total.Withdrawn < n/12) {
		t.Errorf("too little happened to prove anything: %+v", total)
	}
}

// darkness is how much of it there was.
type darkness struct{ Periods, Late, Reclaimed, Withdrawn, Mended, Crashes int }

func (d *darkness) add(more darkness) {
	d.Periods += more.Periods
	d.Late += more.Late
	d.Reclaimed += more.Reclaimed
	d.Withdrawn += more.Withdrawn
	d.Mended += more.Mended
	d.Crashes += more.Crashes
}

const (
	darkValleys = 3
	darkTrips   = 3
	// darkEvery is the time between two requests of a valley: a long ride and a long
	// darkness are over before the next.
	darkEvery = 150 * time.Minute
)

// day is what people do, whatever the network does.
type day struct {
	seed    uint64
	crashes bool
	trips   [darkValleys][darkTrips]errand
	skew    [darkValleys]time.Duration // of the driver's phone
}

// errand is a trip as its driver lives it; the spans count from his acceptance.
type errand struct {
	arrive, start, complete time.Duration
	paid                    []time.Duration
	noShow                  bool
	dark                    [][2]time.Duration // without signal, from and for how long
	ahead                   bool               // the first thing done in the dark was taken all the same
}

func newDay(seed uint64) *day {
	rng := rand.New(rand.NewPCG(seed, 31))
	between := func(a, b time.Duration) time.Duration {
		return a + time.Duration(rng.Int64N(int64(b-a)))/time.Millisecond*time.Millisecond
	}
	d := &day{seed: seed, crashes: seed%2 == 0}
	for v := range darkValleys {
		d.skew[v] = []time.Duration{0, 0, 3 * time.Hour, -25 * time.Minute, 90 * time.Second, 4 * time.Second, -4 * time.Second}[rng.IntN(7)]
		for i := range darkTrips {
			e := errand{arrive: between(time.Minute, 13*time.Minute), noShow: rng.IntN(5) == 0, ahead: rng.IntN(3) == 0}
			e.start = e.arrive + between(20*time.Second, 4*time.Minute)
			e.complete = e.start + between(8*time.Minute, 55*time.Minute)
			if e.noShow {
				e.complete = e.arrive + 5*time.Minute + between(30*time.Second, 5*time.Minute)
			} else if rng.IntN(3) > 0 {
				e.paid = []time.Duration{e.complete + between(5*time.Second, time.Minute)}
				if rng.IntN(2) == 0 {
					e.paid = append(e.paid, e.start+between(time.Second, time.Minute))
				}
			}
			for from := between(time.Second, e.complete); from < e.complete+time.Minute; {
				long := between(10*time.Second, 45*time.Minute)
				e.dark = append(e.dark, [2]time.Duration{from, long})
				from += long + between(30*time.Second, 20*time.Minute)
			}
			d.trips[v][i] = e
		}
	}
	return d
}

// darkValley is where a driver and his passengers live: no other driver is near, but for one
// who never answers.
func darkValley(v int) geo.Point { return geo.Point{Lat: 20 + 3*float64(v), Lon: 109} }

func (d *day) driver(v int) DriverID { return DriverID(fmt.Sprintf("d%d", v)) }
func (d *day) trip(v, i int) TripID  { return TripID(fmt.Sprintf("t%d-%d", v, i)) }

// darkRun is one of the two times that a day happens.
type darkRun struct {
	*day
	dark   bool
	rng    *rand.Rand // what the network does
	world  *world
	events []darkEvent
	err    error
	phones [darkValleys]*darkPhone
	ends   map[TripID]Trip // as they were at the end of the day
	seen   darkness
}

// darkEvent is something that happens at a moment; of two at one moment the one that was
// planned first comes first.
type darkEvent struct {
	at Instant
	do func()
}

// darkPhone is a driver's phone: it keeps what it could not send.
type darkPhone struct {
	driver DriverID
	skew   time.Duration
	until  Instant // without signal till then
	ahead  bool    // the next thing done is taken, though the phone never hears of it
	kept   []Input
	track  []Fix
	seq    uint64
}

func (d *day) live(dark bool) *darkRun {
	rules := DefaultRules()
	rules.Patience = 50 * time.Minute                        // longer than any darkness: what is over cannot be reclaimed
	rules.PickupGrace, rules.OverdueLimit = 9*time.Minute, 2 // so that trips are taken from those in the dark
	run := &darkRun{day: d, dark: dark, rng: rand.New(rand.NewPCG(d.seed, 77)), world: newWorld(rules), ends: map[TripID]Trip{}}
	run.world.replayEvery = 1999
	for v := range darkValleys {
		run.settle(v)
	}
	if dark && d.crashes {
		for range 4 {
			run.plan(morning.Add(time.Duration(run.rng.IntN(darkTrips))*darkEvery+5*time.Minute+time.Duration(run.rng.Int64N(int64(darkEvery-10*time.Minute)))), run.crash)
		}
	}
	for run.err == nil && len(run.events) > 0 {
		next := run.events[0]
		run.events = run.events[1:]
		run.fail(run.world.pass(next.at, run.heard))
		next.do()
	}
	run.fail(run.world.pass(run.world.now.Add(time.Hour), run.heard))
	run.fail(run.world.checkReplay())
	for v := range darkValleys {
		for i := range darkTrips {
			if t := run.world.core.trips[d.trip(v, i)]; t != nil {
				run.ends[t.ID] = *t
			}
		}
	}
	return run
}

func (r *darkRun) fail(err error) { r.err = cmp.Or(r.err, err) }

func (r *darkRun) plan(at Instant, do func()) {
	i, _ := slices.BinarySearchFunc(r.events, at, func(e darkEvent, at Instant) int {
		if e.at <= at {
			return -1
		}
		return 1
	})
	r.events = slices.Insert(r.events, i, darkEvent{at, do})
}

func (r *darkRun) step(in Input) {
	if r.err != nil {
		return
	}
	switch in.(type) {
	case Arrive, Start, Complete, Cancel, Paid, Tracked:
		if r.dark && r.crashes && r.rng.IntN(25) == 0 { // dies after deciding and before recording
			r.world.core.Apply(r.world.now, in)
			r.crash()
		}
	}
	out, err := r.world.step(in)
	r.fail(err)
	r.fail(r.heard(out))
}

func (r *darkRun) crash() {
	again, err := r.world.replayed()
	r.fail(err)
	if err == nil {
		r.world.core = again
		r.seen.Crashes++
	}
}

// settle puts the people of a valley to their day.
func (r *darkRun) settle(v int) {
	p := &darkPhone{driver: r.driver(v), skew: r.skew[v]}
	r.phones[v] = p
	idler := DriverID(fmt.Sprintf("e%d", v))
	for id, at := range map[DriverID]geo.Point{p.driver: darkValley(v), idler: {Lat: darkValley(v).Lat + 0.1, Lon: 109}} {
		r.step(StartDuty{Command: Command{By: DriverActor(id), ID: "duty"}, Driver: id, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}})
		for at25 := morning; at25 < morning.Add(darkTrips*darkEvery); at25 = at25.Add(25 * time.Second) {
			r.plan(at25, func() {
				if d := r.world.core.drivers[id]; id == idler || d != nil && len(d.Plan) == 0 && r.signal(p) && len(p.kept) == 0 {
					r.step(Moved{Fix: Fix{Driver: id, Point: at, At: r.world.now, Received: r.world.now}})
				}
			})
		}
	}
	for i := range darkTrips {
		r.plan(morning.Add(time.Minute+time.Duration(i)*darkEvery), func() {
			who := Actor{Role: RolePassenger, ID: fmt.Sprintf("p%d-%d", v, i)}
			r.step(Request{Command: Command{By: who, ID: "r"}, Trip: r.trip(v, i), Order: Order{Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1},
				Pickup: Place{Point: darkValley(v)}, Dropoff: Place{Point: geo.Point{Lat: darkValley(v).Lat + 0.2, Lon: 109.1}}}})
			r.plan(r.world.now.Add(3*time.Second), func() { r.accept(v, i) })
		})
	}
}

func (r *darkRun) signal(p *darkPhone) bool { return r.world.now >= p.until }

// accept plans what becomes of a trip from its acceptance on.
func (r *darkRun) accept(v, i int) {
	p, e, trip := r.phones[v], r.trips[v][i], r.trip(v, i)
	id := func(what string) Command {
		return Command{By: DriverActor(p.driver), ID: CommandID(fmt.Sprintf("%s-%s", trip, what))}
	}
	r.step(Accept{Command: id("accept"), Trip: trip, Offer: offerID(trip, 1)})
	begin := r.world.now
	do := func(after time.Duration, deed func(Deed) Input) {
		r.plan(begin.Add(after), func() { r.does(p, deed) })
	}
	if r.dark {
		for _, span := range e.dark {
			r.plan(begin.Add(span[0]), func() { r.goDark(p, span[1], e.ahead) })
		}
	}
	do(e.arrive, func(d Deed) Input { return Arrive{Command: id("arrive"), Trip: trip, Deed: d} })
	if e.noShow {
		do(e.complete, func(d Deed) Input { return Cancel{Command: id("no-show"), Trip: trip, Why: ReasonNoShow, Deed: d} })
	} else {
		do(e.start, func(d Deed) Input { return Start{Command: id("start"), Trip: trip, Deed: d} })
		do(e.complete, func(d Deed) Input { return Complete{Command: id("complete"), Trip: trip, Deed: d} })
	}
	for n, after := range e.paid {
		do(after, func(d Deed) Input {
			return Paid{Command: id(fmt.Sprint("paid", n)), Trip: trip, Fen: 1250 + int64(n), Deed: d}
		})
	}
	for after := 7 * time.Second; after < e.complete; after += 10 * time.Second {
		r.plan(begin.Add(after), func() { r.isAt(p, r.somewhere(v, i, after)) })
	}
}

// somewhere is where the driver is, so long after he accepted: at the pickup, and from the
// start on, on a winding road.
func (r *darkRun) somewhere(v, i int, after time.Duration) geo.Point {
	rng := rand.New(rand.NewPCG(r.seed, uint64(v*1000+i)))
	s := max(0, (after - r.trips[v][i].start).Seconds())
	return geo.Point{Lat: darkValley(v).Lat + 0.3*s/3600, Lon: 109 + 0.003*float64(int(s/40)%2) + 0.1*s/3600*rng.Float64()}
}

// goDark takes a phone's signal away. When it is back it says hello, tells what was done
// in order, and then where it was.
func (r *darkRun) goDark(p *darkPhone, long time.Duration, ahead bool) {
	r.seen.Periods++
	p.until, p.ahead = r.world.now.Add(long), ahead
	r.plan(p.until, func() { r.sync(p) })
}

func (r *darkRun) sync(p *darkPhone) {
	if !r.signal(p) {
		return
	}
	kept, track := p.kept, p.track
	p.kept, p.track = nil, nil
	r.step(Hello{By: DriverActor(p.driver)})
	batches := slices.Collect(slices.Chunk(track, MaxTrack))
	if r.rng.IntN(4) == 0 { // the way first, though the server knows of no ride yet
		r.tell(p, batches)
		batches = nil
	}
	for i, in := range kept {
		r.step(r.corrected(p, in))
		if r.rng.IntN(3) == 0 { // once more, since no answer came
			r.step(r.corrected(p, kept[r.rng.IntN(i+1)]))
		}
	}
	r.tell(p, batches)
	for _, in := range kept { // and once more much later
		if r.rng.IntN(4) == 0 {
			r.plan(r.world.now.Add(time.Duration(r.rng.Int64N(int64(20*time.Minute)))), func() { r.step(r.corrected(p, in)) })
		}
	}
}

// tell sends positions from the dark, in any order and some of them twice.
func (r *darkRun) tell(p *darkPhone, batches [][]Fix) {
	r.rng.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	for _, batch := range batches {
		for range 1 + r.rng.IntN(2) {
			in := Tracked{Command: Command{By: DriverActor(p.driver), ID: "track"}, Driver: p.driver}
			for _, f := range batch {
				in.Fixes = append(in.Fixes, r.correctedFix(p, f))
			}
			r.step(in)
		}
	}
}

// does is something that a driver does: told at once, or kept.
func (r *darkRun) does(p *darkPhone, deed func(Deed) Input) {
	p.seq++
	in := deed(Deed{DoneAt: r.world.now.Add(p.skew), DeedSeq: p.seq})
	if r.signal(p) && len(p.kept) == 0 {
		r.step(r.corrected(p, in))
		return
	}
	if p.ahead && len(p.kept) == 0 {
		r.step(r.corrected(p, in))
	}
	p.ahead = false
	r.seen.Late++
	p.kept = append(p.kept, in)
}

// isAt is a position of a driver on a trip.
func (r *darkRun) isAt(p *darkPhone, at geo.Point) {
	fix := Fix{Driver: p.driver, Point: at, At: r.world.now.Add(p.skew), HeadingDegrees: -1, SpeedMPS: -1}
	if r.signal(p) {
		r.step(Moved{Fix: r.correctedFix(p, fix)})
		return
	}
	p.track = append(p.track, fix)
}

// ours is a moment of a phone on the server's clock, as the hub has it: clocks that are
// off by less than 5 s are believed, and what would lie in the future is now.
func (r *darkRun) ours(p *darkPhone, at Instant) Instant {
	if p.skew.Abs() >= 5*time.Second {
		at = at.Add(-p.skew)
	}
	return min(at, r.world.now)
}

func (r *darkRun) correctedFix(p *darkPhone, f Fix) Fix {
	f.At, f.Received = r.ours(p, f.At), r.world.now
	return f
}

func (r *darkRun) corrected(p *darkPhone, in Input) Input {
	deed := func(d Deed) Deed { return Deed{DoneAt: r.ours(p, d.DoneAt), DeedSeq: d.DeedSeq} }
	switch in := in.(type) {
	case Arrive:
		in.Deed = deed(in.Deed)
		return in
	case Start:
		in.Deed = deed(in.Deed)
		return in
	case Complete:
		in.Deed = deed(in.Deed)
		return in
	case Cancel:
		in.Deed = deed(in.Deed)
		return in
	case Paid:
		in.Deed = deed(in.Deed)
		return in
	}
	return in
}

// heard: nothing that was legal when it was done is refused, and a batch of old positions
// tells nobody that a driver has moved.
func (r *darkRun) heard(out Outcome) error {
	for _, f := range out.Facts {
		switch b := f.Body.(type) {
		case TripReclaimed:
			r.seen.Reclaimed++
		case OfferClosed:
			if b.End == OfferWithdrawn {
				r.seen.Withdrawn++
			}
		case TripMeasured:
			r.seen.Mended++
		}
	}
	for _, n := range out.Notices {
		switch b := n.Body.(type) {
		case Refused:
			return fmt.Errorf("at %s %s is refused %s for %s", clock(r.world.now), n.To, b.Refusal.Code, b.ID)
		case OfferGone:
			if b.End == OfferWithdrawn {
				r.seen.Withdrawn++
			}
		case DriverAt:
			if len(out.Tracked) > 0 {
				return fmt.Errorf("a batch from the dark moves the marker of %s", b.Trip)
			}
		}
	}
	return nil
}

// compare holds the day with darkness against the one without.
func (d *day) compare(lossless, dark *darkRun) error {
	for v := range darkValleys {
		// A clock that is believed is off by less than 5 s, in the dark and otherwise.
		slack, exact := 10*time.Second, d.skew[v] == 0 || d.skew[v].Abs() >= 5*time.Second
		if exact {
			slack = 0
		}
		for i := range darkTrips {
			a, b := lossless.ends[d.trip(v, i)], dark.ends[d.trip(v, i)]
			near := func(x, y Instant) bool { return x.Sub(y).Abs() <= slack }
			switch {
			case a.State != Completed && a.State != Cancelled:
				return fmt.Errorf("without darkness trip %s is %s", a.ID, a.State)
			case a.State != b.State || a.Driver != b.Driver || a.EndedBy != b.EndedBy || a.EndedWhy != b.EndedWhy || a.PaidFen != b.PaidFen:
				return fmt.Errorf("trip %s is %s by %s, paid %d; with darkness it is %s by %s, paid %d", a.ID, a.State, a.Driver, a.PaidFen, b.State, b.Driver, b.PaidFen)
			case !near(a.ArrivedAt, b.ArrivedAt) || !near(a.StartedAt, b.StartedAt) || !near(a.Since, b.Since) || a.AssignedAt != b.AssignedAt:
				return fmt.Errorf("trip %s has its driver accept, arrive, start and end at %s %s %s %s; with darkness at %s %s %s %s", a.ID,
					clock(a.AssignedAt), clock(a.ArrivedAt), clock(a.StartedAt), clock(a.Since), clock(b.AssignedAt), clock(b.ArrivedAt), clock(b.StartedAt), clock(b.Since))
			case a.State == Completed && a.DrivenM < 1000:
				return fmt.Errorf("trip %s was driven %d m", a.ID, a.DrivenM)
			case exact && dark.seen.Crashes == 0 && a.DrivenM != b.DrivenM, exact && b.DrivenM > a.DrivenM:
				return fmt.Errorf("trip %s was driven %d m; with darkness %d m", a.ID, a.DrivenM, b.DrivenM)
			}
		}
	}
	return nil
}
