package ws

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// seedOf is the seed of a random test: SEED from the environment plays one again.
func seedOf(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64N(1 << 32)
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// picture is what a client holds: what docs/PROTOCOL.md tells it to keep.
type picture map[string]wire.Trip

// take is what a client makes of a frame. It says what is wrong with it.
func (p *picture) take(f wire.ServerFrame) error {
	switch b := f.Body.(type) {
	case wire.Trip:
		if have, ok := (*p)[b.Trip]; ok && b.Version <= have.Version {
			return nil
		}
		trip, err := p.whole(b)
		(*p)[b.Trip] = trip
		return err
	case wire.Truth:
		next := picture{}
		for _, trip := range b.Trips {
			full, err := p.whole(trip)
			if err != nil {
				return err
			}
			next[trip.Trip] = full
		}
		for _, id := range b.Same {
			have, ok := (*p)[id]
			if _, twice := next[id]; !ok || twice {
				return fmt.Errorf("%s is called the same: held %v, told besides %v", id, ok, twice)
			}
			next[id] = have
		}
		*p = next
	case wire.Queue:
		if trip, ok := (*p)[b.Trip]; ok {
			trip.Queue = &wire.QueuePlace{Place: b.Place, Of: b.Of}
			(*p)[b.Trip] = trip
		}
	case wire.DriverAt:
		if trip, ok := (*p)[b.Trip]; ok {
			trip.Position, trip.PickupETA = &b.Fix, b.ETA
			(*p)[b.Trip] = trip
		}
	}
	return nil
}

// whole puts the order that is held to a lean trip.
func (p picture) whole(t wire.Trip) (wire.Trip, error) {
	if t.Pickup.Datum != "" {
		return t, nil
	}
	have, ok := p[t.Trip]
	if !ok || have.Pickup.Datum == "" {
		return t, fmt.Errorf("%s version %d came without its order, which is not held", t.Trip, t.Version)
	}
	t.Pickup, t.Dropoff, t.Seats, t.Wheelchairs, t.GoodsL, t.Channel = have.Pickup, have.Dropoff, have.Seats, have.Wheelchairs, have.GoodsL, have.Channel
	t.RequestedAt, t.PickupFrom, t.PickupTo, t.ArriveBy, t.Booker, t.Traveller = have.RequestedAt, have.PickupFrom, have.PickupTo, have.ArriveBy, have.Booker, have.Traveller
	if t.Ride == nil {
		t.Ride = have.Ride
	}
	return t, nil
}

// known is what the client says it holds.
func (p picture) known() []wire.Held {
	var list []wire.Held
	for _, id := range slices.Sorted(maps.Keys(p)) {
		list = append(list, wire.Held{Trip: id, Version: p[id].Version})
	}
	return list[:min(len(list), wire.MaxKnown)]
}

// silentConn is a connection without a socket: what would be written comes back.
func (w *world) silentConn(who dispatch.Actor, hello wire.Hello) *conn {
	c := &conn{hub: w.hub}
	p := newParty(claimsOf(who), w.area)
	p.areaID = leishan
	c.party.Store(p)
	c.takeReceipts(p, hello.Receipts)
	c.kept.takeKnown(&hello)
	c.lanes.writing = true // we write
	return c
}

// written is what the writer writes for a notice, as the client reads it.
func (c *conn) written(t testing.TB, body any) []wire.ServerFrame {
	t.Helper()
	var frames []wire.ServerFrame
	queue := []told{{body: body, area: leishan}}
	for len(queue) > 0 {
		f, ok := c.toFrame(queue[0])
		queue = queue[1:]
		if !ok {
			continue
		}
		out, err := wire.AppendServer(nil, f.Type, f.Re, f.Body)
		if err != nil {
			t.Fatal(err)
		}
		read, err := wire.DecodeServer(out)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, read)
		for len(c.lanes.must) > 0 {
			queue = append(queue, c.lanes.must[0])
			c.lanes.must = c.lanes.must[1:]
		}
	}
	return frames
}

// county is trips that go through random lives.
type county struct {
	rng   *rand.Rand
	trips []*dispatch.TripView
	made  int // trips so far
	now   dispatch.Instant
}

func (c *county) order() dispatch.Order {
	o := fullTrip(dispatch.Requested).Order
	o.Load.Seats = 1 + c.rng.IntN(4)
	o.Pickup.Note = fmt.Sprint("NOTE ", c.rng.IntN(1000))
	if c.rng.IntN(2) == 0 {
		o.Booker, o.Traveller = passenger, dispatch.Traveller{}
	}
	return o
}

// ask makes a trip new, or, when the ledger has lost it, asks for it again.
func (c *county) ask(id dispatch.TripID, above dispatch.Version) *dispatch.TripView {
	v := &dispatch.TripView{ID: id, Version: above + 1, State: dispatch.Requested, Order: c.order(), RequestedAt: c.now, Since: c.now,
		Direct: geo.Leg{Distance: geo.Meters(1000 + c.rng.IntN(9000)), Duration: time.Minute}, GivesUpAt: c.now + 1000}
	if above > 0 {
		v.Begun = v.Version
	}
	return v
}

// happen lets something happen to a trip: one version, and what goes with the state.
func (c *county) happen(v *dispatch.TripView) {
	next := []dispatch.State{v.State} // a fact may keep the state
	for _, s := range dispatch.States() {
		if v.State.CanBecome(s) {
			next = append(next, s, s)
		}
	}
	v.Version++
	v.State, v.Since = next[c.rng.IntN(len(next))], c.now
	v.QueuePlace, v.QueueOf, v.PickupETA, v.LastPosition, v.GivesUpAt = 0, 0, 0, nil, 0
	switch {
	case v.State.HasDriver():
		if v.Driver == "" {
			v.Driver, v.Vehicle = dispatch.DriverID(fmt.Sprint("d", 1+c.rng.IntN(2))), minibus
		}
		if c.rng.IntN(3) == 0 {
			v.Direct.Duration += time.Minute // the roads have changed
		}
		v.PickupETA = c.now + 60_000
		c.move(v)
	case v.State.Open():
		v.Driver, v.Vehicle = "", dispatch.Vehicle{}
		if v.State == dispatch.Parked {
			c.move(v)
		}
	default:
		v.EndedWhy = dispatch.ReasonTooLong
	}
	if c.rng.IntN(20) == 0 {
		v.Direct = geo.Leg{}
	}
}

// move changes what has no version.
func (c *county) move(v *dispatch.TripView) {
	switch {
	case v.State == dispatch.Parked:
		v.QueuePlace, v.QueueOf = 1+c.rng.IntN(5), 6
	case v.State.HasDriver():
		v.LastPosition = &dispatch.Fix{Driver: v.Driver, Point: geo.Point{Lat: 26 + c.rng.Float64(), Lon: 108}, At: c.now, HeadingDegrees: -1, SpeedMPS: -1}
	}
}

// concerns says what a party is told of.
func concerns(who dispatch.Actor, v *dispatch.TripView) bool {
	if who.Role == dispatch.RoleDriver {
		return v.State.HasDriver() && v.Driver == who.Driver()
	}
	return onlookerOf(who, v) != 0
}

func (c *county) truth(who dispatch.Actor) dispatch.Truth {
	truth := dispatch.Truth{At: c.now}
	for _, v := range c.trips {
		if concerns(who, v) {
			truth.Trips = append(truth.Trips, *v)
		}
	}
	return truth
}

// twins are two connections of one party, which are told the same: one comes back cheaply,
// the other is told everything whole.
type twins struct {
	t           testing.TB
	w           *world
	who         dispatch.Actor
	lean, whole *conn
	holds, all  picture
	lied        map[string]bool // of which the lean one said what is not so
	forgets     bool            // the lean one throws trips away that have ended
}

func (p *twins) tell(body any) {
	p.t.Helper()
	for _, f := range p.whole.written(p.t, body) {
		if err := p.all.take(f); err != nil {
			p.t.Fatalf("the whole one: %v", err)
		}
	}
	for _, f := range p.lean.written(p.t, body) {
		p.forgive(f)
		if err := p.holds.take(f); err != nil {
			p.t.Fatalf("%v\n%+v", err, f.Body)
		}
		if p.forgets {
			maps.DeleteFunc(p.holds, func(_ string, trip wire.Trip) bool { return !dispatch.State(trip.State).Open() && trip.State != "" })
		}
	}
}

// forgive gives a liar what it said it holds, so that it can go on, and takes a lie back
// when the trip has come whole.
func (p *twins) forgive(f wire.ServerFrame) {
	trips := []wire.Trip{}
	switch b := f.Body.(type) {
	case wire.Trip:
		trips = []wire.Trip{b}
	case wire.Truth:
		trips = b.Trips
		for _, id := range b.Same {
			if _, ok := p.holds[id]; !ok && p.lied[id] {
				p.holds[id] = wire.Trip{Trip: id, Version: p.all[id].Version, Pickup: wire.PlaceOut{Datum: "lie"}}
			}
		}
	}
	for _, trip := range trips {
		have, ok := p.holds[trip.Trip]
		switch {
		case trip.Pickup.Datum != "" && (!ok || trip.Version > have.Version || f.Type == wire.TypeTruth):
			delete(p.lied, trip.Trip)
		case trip.Pickup.Datum == "" && !ok && p.lied[trip.Trip]:
			p.holds[trip.Trip] = wire.Trip{Trip: trip.Trip, Pickup: wire.PlaceOut{Datum: "lie"}}
		}
	}
}

// compare holds the two pictures against each other.
func (p *twins) compare(at string) {
	p.t.Helper()
	if p.forgets {
		maps.DeleteFunc(p.all, func(_ string, trip wire.Trip) bool { return !dispatch.State(trip.State).Open() })
	}
	honest := func(all picture) (ids []string) {
		for id := range all {
			if !p.lied[id] {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return ids
	}
	if diff := cmp.Diff(honest(p.all), honest(p.holds)); diff != "" {
		p.t.Fatalf("%s: trips held whole (-), cheaply (+):\n%s", at, diff)
	}
	for _, id := range honest(p.all) {
		want, got := p.all[id], p.holds[id]
		want.Receipt, got.Receipt = "", ""
		if want.Position == nil || p.who.Role == dispatch.RoleDriver {
			want.Position, got.Position, want.PickupETA, got.PickupETA = nil, nil, 0, 0
		} else if got.Position != nil {
			got.Position.AgeMS = want.Position.AgeMS
		}
		if !reflect.DeepEqual(want, got) {
			diff := cmp.Diff(jsonOf(want), jsonOf(got))
			p.t.Fatalf("%s: %s %s: whole (-), cheaply (+):\n%s", at, p.who, id, diff)
		}
	}
}

func jsonOf(trip wire.Trip) string {
	text, _ := json.MarshalIndent(trip, "", " ")
	return string(text)
}

// connect is a new connection for both; the lean one says what it holds, or lies.
func (p *twins) connect(rng *rand.Rand, truth dispatch.Truth) {
	hello := wire.Hello{Lean: rng.IntN(4) > 0, Known: p.holds.known()}
	if rng.IntN(3) == 0 {
		for i := range hello.Known {
			switch rng.IntN(4) {
			case 0:
				hello.Known[i].Version++ // a tail that the server has lost, or a lie
				p.lied[hello.Known[i].Trip] = true
			case 1:
				hello.Known[i].Version = 1
				p.lied[hello.Known[i].Trip] = true
			}
		}
		if rng.IntN(2) == 0 {
			id := fmt.Sprint("t", 1+rng.IntN(9))
			if _, ok := p.holds[id]; !ok {
				hello.Known = append(hello.Known, wire.Held{Trip: id, Version: int64(1 + rng.IntN(9))})
				p.lied[id] = true
			}
		}
	}
	p.lean, p.whole = p.w.silentConn(p.who, hello), p.w.silentConn(p.who, wire.Hello{})
	p.all = picture{}
	p.tell(truth)
}

// Whatever happens, and however often a phone loses its connection: what a client makes of
// names and trips without orders is what a client is told that gets everything whole. One
// that says what is not so harms nobody but itself.
func TestCheapReturnIsWhole(t *testing.T) {
	w := newWorld(t)
	seed := seedOf(t)
	runs := 60
	if s := os.Getenv("SEEDS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	counts := func(way string) float64 { return w.counted(w.hub.metrics.trips[way]) }
	for run := range runs {
		rng := rand.New(rand.NewPCG(seed, uint64(run)))
		c := &county{rng: rng, now: outNow}
		for i := range 3 {
			c.made = i + 1
			c.trips = append(c.trips, c.ask(dispatch.TripID(fmt.Sprint("t", c.made)), 0))
		}
		for _, who := range []dispatch.Actor{passenger, agent, driver1} {
			p := &twins{t: t, w: w, who: who, holds: picture{}, lied: map[string]bool{}, forgets: rng.IntN(2) == 0}
			p.connect(rng, c.truth(who))
			for step := range 60 {
				c.now += 1000
				c.step(p)
				p.compare(fmt.Sprintf("SEED=%d run %d step %d", seed, run, step))
			}
		}
	}
	for _, way := range tripWays {
		if counts(way) == 0 {
			t.Errorf("no trip was told %s", way)
		}
	}
}

// step is one thing that happens, and is told.
func (c *county) step(p *twins) {
	switch c.rng.IntN(12) {
	case 0, 1: // no signal, and the world goes on
		c.goOn()
		p.connect(c.rng, c.truth(p.who))
	case 2: // notices are lost between servers
		c.goOn()
		p.tell(c.truth(p.who))
	case 3: // the ledger loses the end of a trip
		if v := c.any(); v.Version > v.Begun+2 && v.State.Open() {
			v.Version -= 2
			p.connect(c.rng, c.truth(p.who))
		}
	case 4: // the ledger loses all of it, and it is asked for again
		i := c.rng.IntN(len(c.trips))
		c.trips[i] = c.ask(c.trips[i].ID, c.trips[i].Version)
		p.tell(dispatch.TripTold{Trip: *c.trips[i]})
	case 5:
		v := c.any()
		c.move(v)
		if concerns(p.who, v) && v.State == dispatch.Parked && p.who.Role != dispatch.RoleDriver {
			p.tell(dispatch.QueueTold{Trip: v.ID, Place: v.QueuePlace, Of: v.QueueOf})
		}
	case 6: // late or twice
		if v := c.any(); concerns(p.who, v) {
			p.tell(dispatch.TripTold{Trip: *v})
		}
	default:
		v := c.any()
		before := concerns(p.who, v)
		c.happen(v)
		if before || concerns(p.who, v) {
			p.tell(dispatch.TripTold{Trip: *v})
		}
	}
}

// goOn lets things happen of which nobody is told.
func (c *county) goOn() {
	for range c.rng.IntN(5) {
		if i := c.rng.IntN(len(c.trips)); c.rng.IntN(4) == 0 {
			c.trips[i] = c.ask(c.trips[i].ID, c.trips[i].Version)
		} else {
			c.happen(c.trips[i])
		}
	}
}

// any is one of the trips. One that has ended is mostly a new one by then.
func (c *county) any() *dispatch.TripView {
	i := c.rng.IntN(len(c.trips))
	if !c.trips[i].State.Open() && c.rng.IntN(4) > 0 {
		c.made++
		c.trips[i] = c.ask(dispatch.TripID(fmt.Sprint("t", c.made)), 0)
	}
	return c.trips[i]
}

// sayHello says hello with what a phone holds, and returns the truth.
func (p *phone) sayHello(hello wire.Hello) wire.Truth {
	p.t.Helper()
	hello.NowMS = time.Now().UnixMilli()
	p.send(wire.TypeHello, "", hello)
	p.want(wire.TypeWelcome)
	return p.want(wire.TypeTruth).Body.(wire.Truth)
}

// A phone that holds a trip as it is hears its name, and what has no version behind it;
// one that holds another version, or a higher one than there is, gets the trip.
func TestTruthNamesWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	driving, parked, ended := fullTrip(dispatch.Assigned), fullTrip(dispatch.Parked), fullTrip(dispatch.Completed)
	parked.ID, ended.ID, driving.QueuePlace = "t2", "t3", 0
	w.area.set(func(a *fakeArea) { a.truth = []dispatch.TripView{driving, parked, ended} })
	p := w.dial(w.token(agent))
	truth := p.sayHello(wire.Hello{Known: []wire.Held{{Trip: "t2", Version: 4}, {Trip: "t1", Version: 4}, {Trip: "t3", Version: 4}, {Trip: "not-his", Version: 1}}})
	if !slices.Equal(truth.Same, []string{"t1", "t2"}) || len(truth.Trips) != 1 || truth.Trips[0].Trip != "t3" || truth.Trips[0].Pickup.Lat == 0 {
		t.Errorf("same %q, trips %+v; want the open ones by name, and the other", truth.Same, truth.Trips)
	}
	if at := p.want(wire.TypeDriverAt).Body.(wire.DriverAt); at.Trip != "t1" || at.Fix.Lat != driving.LastPosition.Point.Lat || at.ETA != int64(driving.PickupETA) {
		t.Errorf("behind it %+v, want where the driver is", at)
	}
	if queue := p.want(wire.TypeQueue).Body.(wire.Queue); queue != (wire.Queue{Trip: "t2", Place: 1, Of: 2}) {
		t.Errorf("behind it %+v, want the place", queue)
	}
	p.quiet()
	for _, version := range []int64{3, 5} {
		truth := w.dial(w.token(agent)).sayHello(wire.Hello{Known: []wire.Held{{Trip: "t1", Version: version}}})
		if len(truth.Same) > 0 || len(truth.Trips) != 3 || truth.Trips[0].Pickup.Lat == 0 {
			t.Errorf("held at %d: same %q, trips %+v", version, truth.Same, truth.Trips)
		}
	}
	if got := w.counted(w.hub.metrics.trips[tripSame]); got != 2 {
		t.Errorf("counted %v", got)
	}
}

// Who has more trips than a connection remembers is told the names of those that it holds all
// the same, wherever in the truth the others stand.
func TestTruthNamesAllThatFit(t *testing.T) {
	w := newWorld(t)
	var views []dispatch.TripView
	hello := wire.Hello{Lean: true}
	for i := range keptTrips + 10 {
		v := fullTrip(dispatch.Parked)
		v.ID, v.QueuePlace = dispatch.TripID(fmt.Sprint("t", i)), 0
		views = append(views, v)
		if i%6 > 0 {
			hello.Known = append(hello.Known, wire.Held{Trip: string(v.ID), Version: int64(v.Version)})
		}
	}
	w.area.set(func(a *fakeArea) { a.truth = views })
	p := w.dial(w.token(agent))
	truth := p.sayHello(hello)
	if len(hello.Known) != keptTrips || len(truth.Same) != keptTrips || len(truth.Trips) != 10 {
		t.Errorf("of %d trips %d are held; same %d, in full %d", len(views), len(hello.Known), len(truth.Same), len(truth.Trips))
	}
	if !slices.Equal(truth.Same[:3], []string{"t1", "t2", "t3"}) || truth.Trips[0].Trip != "t0" || truth.Trips[1].Trip != "t6" {
		t.Errorf("not in the order of the trips: same %q, first %s, %s", truth.Same[:3], truth.Trips[0].Trip, truth.Trips[1].Trip)
	}
	w.hub.Refresh(leishan)
	if again := p.want(wire.TypeTruth).Body.(wire.Truth); len(again.Same) != keptTrips || len(again.Trips) != 10 {
		t.Errorf("again: same %d, in full %d", len(again.Same), len(again.Trips))
	}
}

// What a connection has been told it holds: a truth that comes again names it, and what
// happens comes without its order to who said lean. Who said nothing gets everything whole.
func TestWhatWasToldIsHeld(t *testing.T) {
	w := newWorld(t)
	trip := fullTrip(dispatch.Assigned)
	trip.QueuePlace = 0
	w.area.set(func(a *fakeArea) { a.truth = []dispatch.TripView{trip} })
	lean, old := w.dial(w.token(agent)), w.dial(w.token(passenger))
	if truth := lean.sayHello(wire.Hello{Lean: true}); len(truth.Trips) != 1 || truth.Trips[0].Pickup.Lat == 0 {
		t.Errorf("at first %+v", truth)
	}
	old.sayHello(wire.Hello{})
	w.hub.Refresh(leishan)
	if truth := lean.want(wire.TypeTruth).Body.(wire.Truth); !slices.Equal(truth.Same, []string{"t1"}) || len(truth.Trips) > 0 {
		t.Errorf("again %+v", truth)
	}
	lean.want(wire.TypeDriverAt)
	if truth := old.want(wire.TypeTruth).Body.(wire.Truth); len(truth.Same) > 0 || len(truth.Trips) != 1 {
		t.Errorf("to who knows nothing of it %+v", truth)
	}
	trip.Version, trip.State = 5, dispatch.Riding
	for _, who := range []dispatch.Actor{agent, passenger} {
		w.area.tell(who, dispatch.TripTold{Trip: trip})
	}
	got := lean.want(wire.TypeTrip).Body.(wire.Trip)
	if got.Pickup != (wire.PlaceOut{}) || got.Booker != nil || got.Traveller != nil || got.Ride != nil || got.State != wire.StateRiding || got.Driver == nil || got.Receipt == "" {
		t.Errorf("lean %+v", got)
	}
	if got := old.want(wire.TypeTrip).Body.(wire.Trip); got.Pickup.Lat == 0 || got.Ride == nil || got.Traveller == nil {
		t.Errorf("to who knows nothing of it %+v", got)
	}
	trip.Version, trip.Direct.Duration = 6, time.Hour
	w.area.tell(agent, dispatch.TripTold{Trip: trip})
	if got := lean.want(wire.TypeTrip).Body.(wire.Trip); got.Pickup.Lat != 0 || got.Ride == nil || got.Ride.DurationS != 3600 {
		t.Errorf("another ride: %+v", got)
	}
}

// A driver sees the people of a trip while he is bound to it, and nothing that he held
// before stands in for what he may see now.
func TestDriverHoldsWhatHeMaySee(t *testing.T) {
	w := newWorld(t)
	bound := fullTrip(dispatch.Assigned)
	w.area.set(func(a *fakeArea) { a.truth = []dispatch.TripView{bound} })
	p := w.dial(w.token(driver1))
	if truth := p.sayHello(wire.Hello{Lean: true, Known: []wire.Held{{Trip: "t1", Version: 2}}}); len(truth.Trips) != 1 || truth.Trips[0].Traveller == nil {
		t.Errorf("he may have held it before he was bound: %+v", truth)
	}
	gone := fullTrip(dispatch.Requested)
	gone.Version, gone.Driver = 5, ""
	w.area.tell(driver1, dispatch.TripTold{Trip: gone})
	if got := p.want(wire.TypeTrip).Body.(wire.Trip); got.Pickup.Lat == 0 || got.Pickup.Note != "" || got.Traveller != nil {
		t.Errorf("no longer bound: %+v, want it whole, without the people", got)
	}
	bound.Version = 7
	w.area.tell(driver1, dispatch.TripTold{Trip: bound})
	if got := p.want(wire.TypeTrip).Body.(wire.Trip); got.Pickup.Note == "" || got.Traveller == nil {
		t.Errorf("bound again: %+v, want it whole", got)
	}
	w.area.set(func(a *fakeArea) { a.truth = nil })
	w.hub.Refresh(leishan)
	p.want(wire.TypeTruth)
	bound.Version = 9
	w.area.tell(driver1, dispatch.TripTold{Trip: bound})
	if got := p.want(wire.TypeTrip).Body.(wire.Trip); got.Pickup.Note == "" || got.Traveller == nil {
		t.Errorf("after a truth without it: %+v, want it whole", got)
	}
}

// All but drivers see the same of an order in every state. That is why one that was told on
// another connection may be left out for them.
func TestOrdersLookTheSame(t *testing.T) {
	for _, who := range []dispatch.Actor{agent, passenger, operator} {
		want := order{}
		for i, state := range dispatch.States() {
			trip, _ := tripOut(who, fullTrip(state), outNow)
			if is := orderOf(&trip); i == 0 {
				want = is
			} else if is != want {
				t.Errorf("%s: the order of a trip that is %s is %+v, before %+v", who, state, is, want)
			}
		}
	}
}

// What a connection remembers is bounded, receipts first, and gone when a truth does not
// have it.
func TestKeptTripsAreBounded(t *testing.T) {
	w := newWorld(t)
	hello := wire.Hello{Lean: true}
	for i := range wire.MaxKnown {
		hello.Known = append(hello.Known, wire.Held{Trip: fmt.Sprint("claimed", i), Version: 1})
	}
	for i := range wire.MaxReceipts {
		r := assigned
		r.Trip = dispatch.TripID(fmt.Sprint("proved", i))
		hello.Receipts = append(hello.Receipts, w.hub.sealer.give(passenger, r))
	}
	c := w.silentConn(passenger, hello)
	if got, proved := len(c.kept.list), len(c.kept.of(leishan, outNow)); got != keptTrips || proved != wire.MaxReceipts {
		t.Errorf("%d trips kept, %d with receipts", got, proved)
	}
	var truth dispatch.Truth
	for i := range 3 * keptTrips {
		v := fullTrip(dispatch.Parked)
		v.ID, v.Order.Booker = dispatch.TripID(fmt.Sprint("t", i)), passenger
		truth.Trips = append(truth.Trips, v)
	}
	c.written(t, truth)
	if got, proved := len(c.kept.list), len(c.kept.of(leishan, outNow)); got != keptTrips || proved != keptReceipts {
		t.Errorf("%d trips kept, %d with receipts", got, proved)
	}
	c = w.silentConn(passenger, wire.Hello{Known: hello.Known})
	c.written(t, dispatch.Truth{})
	if len(c.kept.list) != 0 {
		t.Errorf("%d trips kept, want none: they are not his", len(c.kept.list))
	}
}

// FuzzResume takes hellos as they come, and a truth after each: nothing that a phone says it
// holds is named that is not its own, and every trip of the truth comes once, by name or in full.
func FuzzResume(f *testing.F) {
	w := newWorld(f)
	receipt := w.hub.sealer.give(passenger, assigned)
	f.Add([]byte(`{"t":"hello","b":{"now_ms":1,"lean":true,"known":[{"trip":"t1","version":4},{"trip":"t1","version":9}]}}`))
	f.Add([]byte(`{"t":"hello","b":{"now_ms":1,"lean":true,"known":[{"trip":"t1","version":3},{"trip":"t2","version":5}]}}`))
	f.Add([]byte(`{"t":"hello","b":{"now_ms":1,"known":[{"trip":"t3","version":3}]}}`))
	f.Add([]byte(`{"t":"hello","b":{"now_ms":1,"known":[{"trip":"t2","version":4}],"receipts":["` + receipt + `","AQ"]}}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		decoded, err := wire.DecodeClient(frame)
		hello, ok := decoded.Body.(wire.Hello)
		if err != nil || !ok {
			return
		}
		c := w.silentConn(passenger, hello)
		var told dispatch.Truth
		for _, id := range []dispatch.TripID{"t1", "t2", "t3"} {
			v := fullTrip(dispatch.Assigned)
			v.ID = id
			told.Trips = append(told.Trips, v)
		}
		claimed := map[string]int64{} // the last version that the phone says it holds
		for _, known := range hello.Known {
			claimed[known.Trip] = known.Version
		}
		for round := range 2 {
			truth := c.written(t, told)[0].Body.(wire.Truth)
			all := slices.Clone(truth.Same)
			for _, id := range truth.Same {
				if round == 0 && claimed[id] != 4 {
					t.Errorf("%s is the same as what the phone holds, at version %d", id, claimed[id])
				}
			}
			for _, trip := range truth.Trips {
				all = append(all, trip.Trip)
				if held := claimed[trip.Trip]; trip.Pickup == (wire.PlaceOut{}) && !(hello.Lean && held > 0 && held < 4) {
					t.Errorf("%+v comes without its order: lean %v, held at version %d", trip, hello.Lean, held)
				}
			}
			if cheap := hello.Lean || len(hello.Known) > 0; round > 0 && (len(truth.Same) == 3) != cheap {
				t.Errorf("told again: same %q, of a phone that comes back cheaply: %v", truth.Same, cheap)
			}
			slices.Sort(all)
			if !slices.Equal(all, []string{"t1", "t2", "t3"}) {
				t.Errorf("same %q, trips %+v", truth.Same, truth.Trips)
			}
			if len(c.kept.list) > keptTrips {
				t.Errorf("%d trips kept", len(c.kept.list))
			}
		}
	})
}
