package dispatch

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"cuntong/geo"
)

// TestBordersSimulation lets three counties that meet in a corner live through
// mornings in which the letters between them are lost, doubled, late and reordered,
// and each crashes before and after it has recorded. After every step every driver on
// duty is in exactly one county or on his way to one, and nobody else is; at the end
// every trip has ended and nobody is on his way. SEED=n plays one morning again,
// SEEDS=n that many.
func TestBordersSimulation(t *testing.T) {
	n := fewer(12)
	if s := os.Getenv("SEEDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	total, events, crashes := map[State]int{}, map[BorderEvent]int{}, 0
	for _, seed := range seeds(t, n) {
		s := newBorderSim(seed)
		if err := s.run(2000); err != nil {
			t.Fatalf("SEED=%d, step %d: %v", seed, s.steps, err)
		}
		for state, count := range s.ended {
			total[state] += count
		}
		for event, count := range s.events {
			events[event] += count
		}
		crashes += s.crashes
	}
	t.Logf("trips by end: %v; between counties: %v; crashes: %d", total, events, crashes)
	if os.Getenv("SEED") != "" {
		return
	}
	if total[Completed] < 5*n || crashes < n {
		t.Errorf("too little happened to prove anything: %v, %d crashes", total, crashes)
	}
	for _, event := range []BorderEvent{BorderLent, BorderDenied, BorderCrossed, BorderRepeated, BorderResent, BorderBar} {
		if events[event] < n {
			t.Errorf("too little happened to prove anything: %s %d times", event, events[event])
		}
	}
}

// borderSim is three small counties whose drivers go where their trips lead.
type borderSim struct {
	rng    *rand.Rand
	now    Instant
	areas  []*geo.Area
	worlds map[geo.AreaID]*world
	post   []onTheWay
	calm   bool // nothing is lost any more
	onDuty map[DriverID]bool
	phones map[DriverID]*simPhone

	steps, commands, trips, crashes int

	ended  map[State]int
	events map[BorderEvent]int
}

// onTheWay is a letter that will arrive.
type onTheWay struct {
	at     Instant
	letter AreaLetter
}

// simPhone is a driver's phone with the part of the hub that leads it.
type simPhone struct {
	driver  DriverID
	home    geo.AreaID // where it connects first
	area    geo.AreaID // where it is connected
	at      geo.Point
	offer   OfferID
	trip    TripView
	driving bool
	word    PartyBarred // the last of any operator about him
	lifted  bool        // it let him in again
	shut    bool        // he has been turned away
	out     Instant     // when he last signed out
}

func newBorderSim(seed uint64) *borderSim {
	rules := DefaultRules()
	rules.Patience = 12 * time.Minute
	rules.DutySilence = 40 * time.Minute
	areas := []*geo.Area{
		rectangle("west", 26, 109, 26.2, 109.2), rectangle("east", 26, 109.2, 26.2, 109.4), rectangle("north", 26.2, 109, 26.4, 109.4),
	}
	s := &borderSim{
		rng: rand.New(rand.NewPCG(seed, 11)), now: morning, areas: areas, worlds: neighbourhood(rules, areas),
		onDuty: map[DriverID]bool{}, phones: map[DriverID]*simPhone{}, ended: map[State]int{}, events: map[BorderEvent]int{},
	}
	for _, w := range s.worlds {
		w.replayEvery = 50
	}
	for i := range 12 {
		home := areas[i%3].ID
		p := &simPhone{driver: DriverID(fmt.Sprintf("d%d", i)), home: home, area: home, at: s.point()}
		s.phones[p.driver] = p
	}
	return s
}

func (s *borderSim) point() geo.Point {
	return geo.Point{Lat: 26.1 + s.rng.Float64()*0.2, Lon: 109.1 + s.rng.Float64()*0.2}
}

func (s *borderSim) run(steps int) error {
	for range steps {
		s.steps++
		if err := s.somethingHappens(); err != nil {
			return err
		}
		if s.rng.IntN(3) == 0 {
			if err := s.pass(s.now.Add(time.Duration(s.rng.IntN(4_000)) * time.Millisecond)); err != nil {
				return err
			}
		}
	}
	return s.finish()
}

// somethingHappens does one thing, by chance.
func (s *borderSim) somethingHappens() error {
	phone := s.phones[DriverID(fmt.Sprintf("d%d", s.rng.IntN(len(s.phones))))]
	area := s.areas[s.rng.IntN(len(s.areas))].ID
	switch roll := s.rng.IntN(100); {
	case roll < 56:
		return s.moves(phone)
	case roll < 64:
		return s.give(phone.area, StartDuty{Command: s.command(DriverActor(phone.driver)), Driver: phone.driver,
			Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}})
	case roll < 65:
		return s.give(phone.area, EndDuty{Command: s.command(DriverActor(phone.driver)), Driver: phone.driver})
	case roll < 67:
		phone.area = phone.home // a new connection begins where its token says
		return s.give(phone.area, Hello{By: DriverActor(phone.driver), Issued: s.now})
	case roll < 70:
		return s.asks()
	case roll < 97:
		return s.drives(phone)
	case roll < 99:
		return s.judges(phone)
	case s.rng.IntN(2) == 0:
		return s.crash(area)
	}
	return s.loseStep(area)
}

func (s *borderSim) command(by Actor) Command {
	s.commands++
	return Command{By: by, ID: CommandID(fmt.Sprintf("c%d", s.commands))}
}

func (s *borderSim) moves(p *simPhone) error {
	if s.rng.IntN(3) == 0 {
		p.at = s.point()
	}
	return s.give(p.area, Moved{Fix: Fix{Driver: p.driver, Point: p.at, At: s.now, Received: s.now}})
}

func (s *borderSim) asks() error {
	s.trips++
	order := Order{Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1 + s.rng.IntN(3)},
		Pickup: Place{Point: s.point()}, Dropoff: Place{Point: s.point()}}
	if s.rng.IntN(4) == 0 {
		order.PickupWindow.From = s.now.Add(time.Duration(s.rng.IntN(14)) * time.Minute)
	}
	i := slices.IndexFunc(s.areas, func(a *geo.Area) bool { return a.Contains(order.Pickup.Point) })
	who := Actor{Role: RolePassenger, ID: fmt.Sprintf("p%d", s.trips)}
	return s.give(s.areas[i].ID, Request{Command: s.command(who), Trip: TripID(fmt.Sprintf("t%d", s.trips)), Order: order})
}

// judges lets an operator of an area that knows a driver bar him or let him in again, or
// lets him sign out.
func (s *borderSim) judges(p *simPhone) error {
	if s.rng.IntN(4) == 0 {
		return s.give(p.area, SignOut{Command: s.command(DriverActor(p.driver))})
	}
	areas := []geo.AreaID{p.home}
	for _, a := range s.areas {
		c := s.worlds[a.ID].core
		if _, barred := c.shut.bars[DriverActor(p.driver)]; barred || c.drivers[p.driver] != nil || c.gone[p.driver] != nil {
			areas = append(areas, a.ID)
		}
	}
	by := s.command(Actor{Role: RoleOperator, ID: "o1"})
	area := areas[s.rng.IntN(len(areas))]
	if s.rng.IntN(2) == 0 {
		return s.give(area, LiftBar{Command: by, Party: DriverActor(p.driver)})
	}
	until := Instant(0)
	if s.rng.IntN(2) == 0 {
		until = s.now.Add(time.Duration(1+s.rng.IntN(60)) * time.Minute)
	}
	return s.give(area, Bar{Command: by, Party: DriverActor(p.driver), Until: until})
}

// endsForBarred ends the trips of drivers who are barred, as an operator does: they cannot.
func (s *borderSim) endsForBarred() error {
	for _, a := range s.areas {
		c := s.worlds[a.ID].core
		for _, id := range slices.Sorted(maps.Keys(c.drivers)) {
			if _, barred := c.shut.barred(s.now, DriverActor(id)); barred && len(c.drivers[id].Plan) > 0 {
				by := s.command(Actor{Role: RoleOperator, ID: "o1"})
				if err := s.give(a.ID, Cancel{Command: by, Trip: c.drivers[id].Plan.Trip(), Why: ReasonMistake}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keptOut: every driver is kept out, or not, by the last word of any operator, whatever way
// he comes; and a token from before he signed out lets nobody in.
func (s *borderSim) keptOut() error {
	for _, id := range slices.Sorted(maps.Keys(s.phones)) {
		p := s.phones[id]
		barred := p.word.At != 0 && !p.lifted && (p.word.Until == 0 || p.word.Until > s.now)
		if barred && s.onDuty[id] {
			return fmt.Errorf("%s is barred since %s, and on duty", id, clock(p.word.At))
		}
		for _, issued := range []Instant{s.now, p.out} {
			want := ShutWhy("")
			if p.out != 0 && issued == p.out {
				want = ShutSignedOut
			}
			if barred {
				want = ShutBarred
			}
			got, at := ShutWhy(""), p.home
			for hops := 0; at != ""; hops++ {
				if hops > 5 {
					return fmt.Errorf("%s is led from area to area", id)
				}
				next := geo.AreaID("")
				for _, n := range s.worlds[at].core.Apply(s.now, Hello{By: DriverActor(id), Issued: issued, Session: "s"}).Notices {
					switch b := n.Body.(type) {
					case DriverElsewhere:
						next = b.Area
					case ShutOut:
						if b.Why != ShutReplaced {
							got = b.Why
						}
					}
				}
				at = next
			}
			if got != want && !(barred && got == ShutSignedOut && issued == p.out) { // turned away before he came so far
				return fmt.Errorf("%s comes with a token of %s: shut out: %q, want %q; last word %+v, lifted: %t", id, clock(issued), got, want, p.word, p.lifted)
			}
		}
	}
	return nil
}

// barredOnce: no area has recorded a word of another twice.
func barredOnce(journal []Fact) error {
	seen := map[string]bool{}
	for _, f := range journal {
		var who Actor
		var said word
		switch b := f.Body.(type) {
		case PartyBarred:
			who, said = b.Party, b.word
		case BarLifted:
			who, said = b.Party, b.word
		}
		key := fmt.Sprint(who, said.At)
		if said.From != "" && seen[key] {
			return fmt.Errorf("fact %d: a word about %s was recorded before: %+v", f.Seq, who, said)
		}
		seen[key] = seen[key] || said.From != ""
	}
	return nil
}

// drives lets a driver answer the offer he knows of, or go on with his trip.
func (s *borderSim) drives(p *simPhone) error {
	cmd := s.command(DriverActor(p.driver))
	switch trip := tripOfOffer(p.offer); {
	case p.offer != "" && s.rng.IntN(3) == 0:
		return s.give(p.area, Decline{Command: cmd, Trip: trip, Offer: p.offer})
	case p.offer != "":
		return s.give(p.area, Accept{Command: cmd, Trip: trip, Offer: p.offer})
	case p.driving && s.rng.IntN(12) == 0:
		return s.give(p.area, Release{Command: cmd, Trip: p.trip.ID, Why: ReasonBreakdown})
	case p.driving:
		p.at = p.trip.Order.Pickup.Point
		if p.trip.State == Riding {
			p.at = p.trip.Order.Dropoff.Point
		}
		return s.give(p.area, nextReport(cmd, p.trip))
	}
	return nil
}

// send puts a letter on its way. One in ten is lost, one in ten comes twice; most take
// milliseconds, some seconds, a few minutes.
func (s *borderSim) send(l AreaLetter) {
	copies := 1
	switch roll := s.rng.IntN(10); {
	case s.calm:
	case roll == 0:
		return
	case roll == 1:
		copies = 2
	}
	for range copies {
		late := 5 + s.rng.IntN(50)
		switch roll := s.rng.IntN(40); {
		case s.calm:
		case roll == 0:
			late = s.rng.IntN(600_000)
		case roll < 5:
			late = s.rng.IntN(6_000)
		}
		s.post = append(s.post, onTheWay{at: s.now + Instant(late), letter: l})
	}
}

// give lets an area take an input, and checks everything.
func (s *borderSim) give(area geo.AreaID, in Input) error {
	w := s.worlds[area]
	w.now = s.now
	out, err := w.step(in)
	if err != nil {
		return fmt.Errorf("%s: %w", area, err)
	}
	for _, l := range out.Letters {
		s.send(l)
	}
	for _, event := range out.Borders {
		s.events[event]++
	}
	s.witness(out.Facts)
	if err := s.oneSelf(); err != nil {
		return fmt.Errorf("%s, after %T %+v: %w", area, in, in, err)
	}
	return s.heard(area, out.Notices)
}

// witness counts who is on duty, and what ends.
func (s *borderSim) witness(facts []Fact) {
	for _, f := range facts {
		switch b := f.Body.(type) {
		case DutyStarted:
			s.onDuty[b.Driver] = true
		case DutyEnded:
			delete(s.onDuty, b.Driver)
		case PartyBarred:
			if p := s.phones[b.Party.Driver()]; b.From == "" && cmp.Or(b.At, f.At) > p.word.At {
				p.word, p.lifted = b, false
				p.word.At = cmp.Or(b.At, f.At)
			}
		case BarLifted:
			if p := s.phones[b.Party.Driver()]; b.From == "" && cmp.Or(b.At, f.At) > p.word.At {
				p.word, p.lifted = PartyBarred{Party: b.Party, word: word{At: cmp.Or(b.At, f.At)}}, true
			}
		case PartySignedOut:
			s.phones[b.Party.Driver()].out = b.UpTo
		default:
			if _, next := TripOf(b); next != "" && !next.Open() {
				s.ended[next]++
			}
		}
	}
}

// oneSelf: every driver on duty is in one area or on his way to one, and nobody else is.
func (s *borderSim) oneSelf() error {
	selves := map[DriverID][]string{}
	for id, w := range s.worlds {
		for driver := range w.core.drivers {
			selves[driver] = append(selves[driver], "in "+string(id))
		}
		for to, o := range w.core.outflows {
			for _, t := range o.Open {
				if !t.Settled && !s.worlds[to].core.inflows[id].knows(t.Transfer) {
					selves[t.Driver] = append(selves[t.Driver], fmt.Sprintf("on his way from %s to %s", id, to))
				}
			}
		}
	}
	for driver := range s.phones {
		switch n := len(selves[driver]); {
		case n > 1:
			return fmt.Errorf("driver %s is %v", driver, selves[driver])
		case (n == 1) != s.onDuty[driver]:
			return fmt.Errorf("driver %s is %v, on duty: %t", driver, selves[driver], s.onDuty[driver])
		}
	}
	return nil
}

// heard passes notices to the phones that are connected there, and leads those
// elsewhere that belong elsewhere.
func (s *borderSim) heard(area geo.AreaID, notices []Notice) error {
	for _, n := range notices {
		p := s.phones[n.To.Driver()]
		if p == nil || p.area != area {
			continue // told to a connection that is not there
		}
		switch b := n.Body.(type) {
		case DriverElsewhere:
			p.area = b.Area
			if err := s.give(p.area, Hello{By: DriverActor(p.driver), Issued: s.now}); err != nil {
				return err
			}
		case OfferTold:
			if p.driving {
				return fmt.Errorf("%s is asked for %s and drives %s", p.driver, b.Offer.Trip, p.trip.ID)
			}
			p.offer = b.Offer.ID
		case OfferGone:
			p.offer = ""
		case TripTold:
			p.learn(b.Trip)
		case Refused:
			p.offer = ""
		case ShutOut: // his connection is closed; a new one begins where his token says
			if b.Why == ShutBarred {
				p.area, p.offer, p.driving, p.shut = p.home, "", false, true
			}
		case Truth:
			p.offer, p.driving = "", false
			if b.Offer != nil {
				p.offer = b.Offer.ID
			}
			for _, v := range b.Trips {
				p.learn(v)
			}
		}
	}
	return nil
}

func (p *simPhone) learn(v TripView) {
	mine := v.State.HasDriver() && v.Driver == p.driver
	if mine {
		p.trip, p.driving, p.offer = v, true, ""
	} else if p.trip.ID == v.ID {
		p.driving = false
	}
}

// crash starts an area's server again from its journal; the phones there say hello.
func (s *borderSim) crash(area geo.AreaID) error {
	s.crashes++
	again, err := s.worlds[area].replayed()
	if err != nil {
		return err
	}
	s.worlds[area].core = again
	again.Resume(s.now)
	for _, id := range slices.Sorted(maps.Keys(s.phones)) {
		if s.phones[id].area == area {
			if err := s.give(area, Hello{By: DriverActor(id), Issued: s.now}); err != nil {
				return err
			}
		}
	}
	return nil
}

// loseStep lets a server die after deciding and before recording.
func (s *borderSim) loseStep(area geo.AreaID) error {
	var in Input = Tick{}
	for _, l := range s.post {
		if l.letter.To == area {
			in = l.letter.Body
		}
	}
	s.worlds[area].core.Apply(s.now, in)
	return s.crash(area)
}

// pass lets time go on everywhere: letters arrive, and there is a tick at every deadline.
func (s *borderSim) pass(to Instant) error {
	for {
		var first AreaLetter
		due := to + 1
		for _, a := range s.areas {
			if at, ok := s.worlds[a.ID].core.NextDeadline(); ok && at < due {
				first, due = AreaLetter{To: a.ID, Body: Tick{}}, at
			}
		}
		arrives := -1
		for i, l := range s.post {
			if l.at < due {
				first, due, arrives = l.letter, l.at, i
			}
		}
		if first.To == "" {
			break
		}
		if arrives >= 0 {
			s.post = slices.Delete(s.post, arrives, arrives+1)
		}
		s.now = max(s.now, due)
		if err := s.give(first.To, first.Body); err != nil {
			return err
		}
	}
	s.now = to
	return nil
}

// finish lets drivers drive home what they have and time run out for the rest, on
// lines that lose nothing any more.
func (s *borderSim) finish() error {
	s.calm = true
	end := s.now.Add(3 * time.Hour)
	for s.now < end {
		for _, p := range slices.SortedFunc(maps.Values(s.phones), func(a, b *simPhone) int { return cmp.Compare(a.driver, b.driver) }) {
			if p.shut { // he tries again
				p.shut, p.area = false, p.home
				if err := s.give(p.area, Hello{By: DriverActor(p.driver), Issued: s.now}); err != nil {
					return err
				}
			}
			if p.driving {
				if err := s.drives(p); err != nil {
					return err
				}
			}
		}
		if err := s.endsForBarred(); err != nil {
			return err
		}
		if err := s.pass(s.now.Add(time.Minute)); err != nil {
			return err
		}
	}
	if err := s.keptOut(); err != nil {
		return err
	}
	for id, w := range s.worlds {
		if err := barredOnce(w.journal); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if len(w.core.shut.errands) > 0 {
			return fmt.Errorf("%s: three hours later %v are to be told of bars", id, w.core.shut.errands)
		}
		if at, open := w.core.deadlines.next(); open {
			return fmt.Errorf("%s: three hours after the last request a trip is open with deadline %s", id, clock(at))
		}
		for to, o := range w.core.outflows {
			if len(o.Open) > 0 {
				return fmt.Errorf("%s: three hours later %d drivers are on their way to %s", id, len(o.Open), to)
			}
		}
		if err := w.checkReplay(); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

// Whatever the drivers on either side, a pickup gets the one who can be there soonest:
// a neighbour's when he beats our own by the margin. That only those neighbours are
// asked who could, on the fastest road and from the border, is no loss.
func TestABorderPickupGetsTheSoonestOfEitherSide(t *testing.T) {
	lent := 0
	for _, seed := range seeds(t, 300) {
		rng := rand.New(rand.NewPCG(seed, 12))
		areas := []*geo.Area{rectangle("west", 26, 109, 26.2, 109.2), rectangle("east", 26, 109.2, 26.2, 109.4)}
		s := &borderSim{rng: rng, now: morning, areas: areas, worlds: neighbourhood(DefaultRules(), areas), calm: true,
			onDuty: map[DriverID]bool{}, phones: map[DriverID]*simPhone{}, ended: map[State]int{}, events: map[BorderEvent]int{}}
		for i := range rng.IntN(8) {
			id, area := DriverID(fmt.Sprintf("d%d", i)), areas[i%2]
			at := geo.Point{Lat: 26 + 0.2*rng.Float64(), Lon: 109 + 0.2*float64(i%2) + 0.2*rng.Float64()}
			classes := []geo.VehicleClass{geo.Car, geo.Minibus}
			for _, in := range []Input{
				StartDuty{Command: Command{By: DriverActor(id)}, Driver: id, Vehicle: Vehicle{Class: classes[rng.IntN(2)], Load: Load{Seats: 1 + rng.IntN(4)}}},
				Moved{Fix: Fix{Driver: id, Point: at, At: s.now, Received: s.now}},
			} {
				if err := s.give(area.ID, in); err != nil {
					t.Fatal(err)
				}
			}
		}
		trip := &Trip{ID: "t1", Order: Order{Product: ProductSolo, Load: Load{Seats: 1 + rng.IntN(3)},
			Pickup: Place{Point: geo.Point{Lat: 26 + 0.2*rng.Float64(), Lon: 109.1 + 0.1*rng.Float64()}}, Dropoff: Place{Point: geo.Point{Lat: 26.1, Lon: 109.2}}}}
		var want DriverID
		wait := 100 * time.Hour
		for i, a := range areas {
			c := s.worlds[a.ID].core
			for _, o := range c.options(s.now, trip, 1) {
				if i == 0 || o.wait <= min(wait-loanMargin, c.rules.Reach+c.rules.FreshFor) {
					want, wait = o.driver.ID, o.wait
				}
			}
		}
		if err := s.give("west", Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: trip.Order}); err != nil {
			t.Fatal(err)
		}
		if err := s.pass(s.now.Add(900 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var got DriverID
		if o := s.worlds["west"].core.trips["t1"].Offer; o != nil {
			got = o.Driver
		}
		if got != want {
			t.Fatalf("SEED=%d: %q is asked, and %q could be there in %v", seed, got, want, wait)
		}
		lent += s.events[BorderLent]
	}
	t.Logf("%d drivers were lent", lent)
	if os.Getenv("SEED") == "" && lent < 30 {
		t.Errorf("only %d drivers were lent", lent)
	}
}

// A driver crosses at the first position that is clearly in the neighbour's land, and at
// no other; that most positions are not compared with the border is no loss.
func TestCrossingHappensAtTheMargin(t *testing.T) {
	areas := []*geo.Area{rectangle("west", 26, 109, 26.2, 109.2), rectangle("east", 26, 109.2, 26.2, 109.4)}
	start := StartDuty{Command: Command{By: DriverActor("d1")}, Driver: "d1", Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}}
	for _, seed := range seeds(t, 100) {
		rng := rand.New(rand.NewPCG(seed, 13))
		rules := DefaultRules()
		rules.FastestKMH = 0 // he moves as nobody can, so that he is soon anywhere
		w := neighbourhood(rules, areas)["west"]
		if _, err := w.step(start); err != nil {
			t.Fatal(err)
		}
		at := geo.Point{Lat: 26.1, Lon: 109.19}
		for range 200 {
			at.Lon += (rng.Float64() - 0.49) * 0.006 // up to 300 m a step
			at.Lat = max(25.999, min(26.201, at.Lat+(rng.Float64()-0.5)*0.006))
			w.now = w.now.Add(time.Second)
			out, err := w.step(Moved{Fix: Fix{Driver: "d1", Point: at, At: w.now, Received: w.now}})
			if err != nil {
				t.Fatal(err)
			}
			want := areas[0].Distance(at) >= crossMargin && areas[1].Contains(at)
			if got := len(out.Facts) > 0; got != want {
				t.Fatalf("SEED=%d: at %v, %.0f m out, he is released: %t", seed, at, areas[0].Distance(at), got)
			}
			if want {
				break
			}
		}
	}
}

// Only a driver who is free, heard of and wanted by nobody here is lent, and only to who
// has not given up; whoever asks for him is answered, once he is on his way by that alone.
func TestLoansThatAreDenied(t *testing.T) {
	areas := []*geo.Area{testArea, rectangle("next", 26, 109.2, 26.2, 109.4)}
	by := Command{By: DriverActor("d1")}
	for name, c := range map[string]struct {
		before []Input
		borrow Borrow
		lent   bool
	}{
		"free":         {[]Input{Cancel{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Why: ReasonMistake}}, Borrow{Driver: "d1"}, true},
		"being asked":  {nil, Borrow{Driver: "d1"}, false},
		"on a trip":    {[]Input{Accept{Command: by, Trip: "t1", Offer: "t1/1"}}, Borrow{Driver: "d1"}, false},
		"a stranger":   {nil, Borrow{Driver: "d9"}, false},
		"too late":     {nil, Borrow{Driver: "d2", At: morning.Add(-staleLetter - time.Millisecond)}, false},
		"just in time": {nil, Borrow{Driver: "d2", At: morning.Add(-staleLetter)}, true},
		"not heard of": {[]Input{StartDuty{Command: Command{By: DriverActor("d3")}, Driver: "d3", Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}}}, Borrow{Driver: "d3"}, false},
	} {
		w := worldWithATrip(t)
		w.neighbours = areas
		w.core.Border(areas)
		for _, in := range c.before {
			if _, err := w.step(in); err != nil {
				t.Fatal(err)
			}
		}
		ask := c.borrow
		ask.From, ask.Trip, ask.At = "next", "n1", cmp.Or(ask.At, morning)
		out, err := w.step(ask)
		if err != nil || len(out.Letters) != 1 || (len(out.Facts) == 1) != c.lent {
			t.Errorf("%s: %v %v %v", name, out.Facts, out.Letters, err)
			continue
		}
		if _, admit := out.Letters[0].Body.(Admit); admit != c.lent {
			t.Errorf("%s: the answer is %+v", name, out.Letters[0].Body)
		}
		if out, err = w.step(ask); err != nil || c.lent && len(out.Letters) > 0 {
			t.Errorf("%s, asked again: %v %v", name, out.Letters, err)
		}
	}
}
