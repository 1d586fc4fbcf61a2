package road

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"cuntong/geo"
)

// random is seeded anew each time; SEED=… repeats a run.
func random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seeded(seed)
}

// valley is a small network drawn at random in which everything occurs that a
// drive has to do with, and the turns that are forbidden in it.
type valley struct {
	g    *Graph
	bans map[[2]Lane]bool
}

const valleyDegrees = 0.02 // two kilometres

func drawValley(t testing.TB, rng *rand.Rand) *valley {
	t.Helper()
	b := NewBuilder("drawn", "none")
	v := &valley{bans: map[[2]Lane]bool{}}
	n := 2 + rng.IntN(12)
	for range n {
		b.Junction(inValley(rng))
	}
	for range 1 + rng.IntN(2*n) {
		from, to := JunctionID(rng.IntN(n)), JunctionID(rng.IntN(n))
		s := Segment{
			Shape: []geo.Point{b.g.junctions[from].point()},
			Kind:  geo.RoadKinds()[rng.IntN(10)],
			Flags: []Flags{0, 0, 0, 0, NoForward, NoBackward, NoForward | NoBackward, Tunnel}[rng.IntN(8)],
			Top:   float32(rng.IntN(2000)),
			Name:  []string{"", "X812", "S308"}[rng.IntN(3)],
		}
		if rng.IntN(6) == 0 {
			s.Limits = Limits{MaxMass: []uint32{2000, 5000}[rng.IntN(2)]}
		}
		for range rng.IntN(4) {
			s.Shape = append(s.Shape, inValley(rng))
		}
		s.Shape = append(s.Shape, b.g.junctions[to].point())
		if _, err := b.Add(from, to, s); err != nil {
			t.Fatal(err)
		}
	}
	lanes := Lane(2 * len(b.g.from))
	for l := range lanes {
		for k := range lanes {
			if b.end(l) == b.start(k) && rng.IntN(12) == 0 {
				v.bans[[2]Lane{l, k}] = true
				if err := b.Forbid(l, k); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	v.g = b.Build()
	return v
}

func inValley(rng *rand.Rand) geo.Point {
	return geo.Point{Lat: 26 + valleyDegrees*rng.Float64(), Lon: 107 + valleyDegrees*rng.Float64()}
}

// spot is a place at or near a road, or now and then on none.
func (v *valley) spot(t *Today, rng *rand.Rand) geo.Spot {
	heading := -1.0
	if rng.IntN(2) == 0 {
		heading = 360 * rng.Float64()
	}
	return t.Locate(inValley(rng), heading)
}

// reference is the weight of the quickest drive, found by trying lane after lane,
// knowing nothing of vertices.
func (v *valley) reference(class geo.VehicleClass, weighs func(Lane) weight, from, to geo.Spot) weight {
	if from.Segment == 0 || to.Segment == 0 {
		return never
	}
	g := v.g
	ban := func(l Lane) bool { return g.flags[l.Segment()]&noWay(l) != 0 }
	off := func(s geo.Spot) weight {
		m := max(0, float64(s.Off)-15) * 1.3
		return weight(math.Ceil(m*360))<<32 | weight(m*10+0.5)
	}
	both := off(from) + off(to)
	done := make([]weight, 2*len(g.from)) // to the end of a lane
	for l := range done {
		done[l] = never
	}
	best := never
	share := func(l Lane, s geo.Spot) float64 {
		if l&1 == 1 {
			return 1 - float64(s.Along)
		}
		return float64(s.Along)
	}
	for i, l := range []Lane{Lane(2 * (from.Segment - 1)), Lane(2*(from.Segment-1) + 1)} {
		leave := weighs(l)
		if leave >= never && share(l, from) >= 0.5 {
			if leave = g.drive(l, class); leave >= never {
				leave = g.drive(l, geo.Car)
			}
		}
		if ban(l) || leave >= never {
			continue
		}
		turn := weight(0)
		if i == 0 && from.Heading < 0 || i == 1 && from.Heading > 0 {
			turn = 30_000 << 32
		}
		done[l] = leave.part(1-share(l, from)) + turn
		if a, b := share(l, from), share(l, to); from.Segment == to.Segment && weighs(l) < never && a <= b {
			if a == b {
				turn = 0
			}
			best = min(best, weighs(l).part(b-a)+turn)
		}
	}
	across := from.Segment == to.Segment && best < never && float64(geo.Distance(from.Point, to.Point)) < float64(from.Off+to.Off)
	best += both
	if across {
		m := max(0, float64(geo.Distance(from.Point, to.Point))-30) * 1.3
		best = min(best, weight(math.Ceil(m*360))<<32|weight(m*10+0.5))
	}
	for again := true; again; {
		again = false
		for l := range done {
			for k := range done {
				l, k := Lane(l), Lane(k)
				if done[l] >= never || g.start(l^1) != g.start(k) || v.bans[[2]Lane{l, k}] || ban(k) {
					continue
				}
				if w := done[l] + weighs(k); w < done[k] {
					done[k], again = w, true
				}
				if int32(k.Segment()) != to.Segment-1 {
					continue
				}
				last := weighs(k)
				if last >= never && share(k, to)*float64(g.length[k.Segment()]) <= 150 {
					if last = g.drive(k, class); last >= never {
						last = g.drive(k, geo.Car)
					}
				}
				if last < never {
					best = min(best, done[l]+last.part(share(k, to))+both)
				}
			}
		}
	}
	return min(best, never)
}

func TestTravelIsAsTriedOut(t *testing.T) {
	rng := random(t)
	far, led := 0, 0
	for range 150 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		for range 10 {
			class := vehicles[rng.IntN(len(vehicles))]
			weighs := func(l Lane) weight { return v.g.drive(l, class) }
			from, to := v.spot(today, rng), v.spot(today, rng)
			if rng.IntN(8) == 0 {
				to = today.Locate(nearby(rng, from.Point, 100), -1)
			}
			want := v.reference(class, weighs, from, to)
			leg, ok := today.Travel(from, to, geo.Drive{Class: class})
			if ok != (want < never) || ok && leg != want.leg() {
				t.Fatalf("%s from %+v to %+v: %v %v, want %v", class, from, to, leg, ok, describe(want))
			}
			if !ok {
				far++
				continue
			}
			led++
			if floor := today.Floor(geo.Distance(from.Point, to.Point)); floor > leg.Duration {
				t.Fatalf("%s from %+v to %+v takes %v, floor %v", class, from, to, leg.Duration, floor)
			}
			f := today.NewFinder(class)
			f.Aim(to)
			if got, ok := f.From(from, time.Time{}); !ok || got != leg {
				t.Fatalf("Finder: %v %v, Travel: %v", got, ok, leg)
			}
		}
	}
	if far < 100 || led < 100 {
		t.Errorf("%d drives lead there, %d do not: too few to say anything", led, far)
	}
}

func describe(w weight) string {
	if w >= never {
		return "no way"
	}
	return fmt.Sprint(w.leg())
}

func nearby(rng *rand.Rand, p geo.Point, metres float64) geo.Point {
	r, a := metres*rng.Float64()/metersPerUnit/1e7, 2*math.Pi*rng.Float64()
	return geo.Point{Lat: p.Lat + r*math.Sin(a), Lon: p.Lon + r*math.Cos(a)}
}

// Two villages face each other across a gorge; the bridge is far up the valley. The
// driver across is nearest on the map and last to be there.
func TestAcrossTheGorgeIsFar(t *testing.T) {
	k := newSketch(t)
	left, right := k.junction(0, 0), k.junction(300, 0)
	leftBridge, rightBridge := k.junction(0, 8000), k.junction(300, 8000)
	k.road(left, leftBridge, nil)
	k.road(leftBridge, rightBridge, nil)
	k.road(right, rightBridge, nil)
	far := k.junction(-3000, -500)
	k.road(left, far, nil)
	today := NewToday(k.b.Build())
	pickup := today.Locate(at(0, 10), -1)
	across, along := today.Locate(at(300, 10), -1), today.Locate(at(-2500, -417), -1)
	f := today.NewFinder(geo.Car)
	f.Aim(pickup)
	a, okA := f.From(across, time.Time{})
	b, okB := f.From(along, time.Time{})
	if !okA || !okB || a.Duration < 4*b.Duration || a.Distance < 16_000 || geo.Distance(across.Point, pickup.Point) > 301 {
		t.Errorf("across the gorge %v, along the road %v", a, b)
	}
	if limit := today.Floor(geo.Distance(along.Point, pickup.Point)); limit > b.Duration {
		t.Errorf("floor %v, drive %v", limit, b.Duration)
	}
}

func TestAVillageCutOff(t *testing.T) {
	k := newSketch(t)
	town, other, village := k.junction(0, 0), k.junction(3000, 0), k.junction(1500, 4000)
	k.road(town, other, nil)
	one, two := k.road(town, village, nil), k.road(other, village, nil)
	islandWest, islandEast := k.junction(9000, 0), k.junction(10_000, 0)
	k.road(islandWest, islandEast, nil)
	today := NewToday(k.b.Build())
	by := geo.Drive{Class: geo.Minivan, Leaves: noon}
	inTown, there := today.Locate(at(1000, 10), -1), today.Locate(at(1500, 4050), -1)
	island, nowhere := today.Locate(at(9500, 0), -1), today.Locate(at(1500, 9000), -1)
	usual, ok := today.Travel(inTown, there, by)
	if !ok {
		t.Fatal("no road leads to the village")
	}
	home, _ := today.Travel(there, inTown, by)
	for _, spot := range []geo.Spot{island, nowhere, {Segment: 99, Point: inTown.Point}, {Segment: -1}} {
		if _, ok := today.Travel(inTown, spot, by); ok || today.Line(inTown, spot, by) != nil {
			t.Errorf("a road leads to %+v", spot)
		}
		if _, ok := today.Travel(spot, inTown, by); ok {
			t.Errorf("a road leads from %+v", spot)
		}
	}
	close := func(id geo.RoadChangeID, p geo.Point) geo.RoadChange {
		return geo.RoadChange{ID: id, Closed: true, Where: geo.Stretch{Center: &p}}
	}
	slide, flood := close("slide", today.at(one, 0.5)), close("flood", today.at(two, 0.5))
	today.Set([]geo.RoadChange{slide}, noon)
	if leg, ok := today.Travel(inTown, today.Locate(at(1510, 3960), -1), by); !ok || leg.Duration <= 0 {
		t.Errorf("the other road: %v %v", leg, ok)
	}
	today.Set([]geo.RoadChange{slide, flood}, noon)
	for _, spot := range []geo.Spot{there, today.Locate(at(1400, 3900), -1)} {
		if leg, ok := today.Travel(inTown, spot, by); ok {
			t.Errorf("with both roads closed: %v", leg)
		}
	}
	// Who is on a road that is closed can leave it by the nearer end, which in the
	// village leads nowhere.
	if leg, ok := today.Travel(there, inTown, by); ok {
		t.Errorf("from the village, with both roads closed: %v", leg)
	}
	if _, ok := today.Travel(today.Locate(at(400, 1067), -1), inTown, by); !ok {
		t.Error("a driver near the town on the closed road cannot leave it")
	}
	today.Set([]geo.RoadChange{slide}, noon)
	atJunction, on := today.Locate(at(5, 10), -1), today.Locate(at(40, 107), -1)
	if _, ok := today.Travel(today.Locate(at(2000, 0), -1), atJunction, by); !ok || SegmentID(atJunction.Segment-1) != one {
		t.Errorf("nobody comes to the junction where the closed road begins: %+v", atJunction)
	}
	if leg, ok := today.Travel(inTown, on, by); ok || SegmentID(on.Segment-1) != one {
		t.Errorf("somebody comes on the closed road, %+v: %v", on, leg)
	}
	today.Set(nil, noon)
	if leg, ok := today.Travel(inTown, there, by); !ok || leg != usual {
		t.Errorf("all lifted: %v %v, was %v", leg, ok, usual)
	}
	if leg, ok := today.Travel(there, inTown, by); !ok || leg != home {
		t.Errorf("home, all lifted: %v %v, was %v", leg, ok, home)
	}
}

// at is the place at a share of a segment.
func (t *Today) at(s SegmentID, share float64) geo.Point {
	return t.g.trace(nil, s.Forward(), share, share)[0]
}

// A driver who turns up elsewhere, as one does who comes out of a tunnel or whose
// phone was off, is there; nothing is kept of where he was.
func TestAJumpIsFollowed(t *testing.T) {
	k := newSketch(t)
	west, in, out, east := k.junction(0, 0), k.junction(1000, 0), k.junction(3000, 0), k.junction(4000, 0)
	k.road(west, in, nil)
	k.road(in, out, func(s *Segment) { s.Flags = Tunnel })
	k.road(out, east, nil)
	today := NewToday(k.b.Build())
	pickup := today.Locate(at(3900, 0), -1)
	last := time.Duration(math.MaxInt64)
	for _, metres := range []float64{10, 900, 990, 2000, 3100, 3800} {
		leg, ok := today.Travel(today.Locate(at(metres, 4), 90), pickup, geo.Drive{Class: geo.Car})
		if !ok || math.Abs(float64(leg.Distance)-(3900-metres)) > 5 || leg.Duration >= last {
			t.Errorf("from %v m: %v %v, before %v", metres, leg, ok, last)
		}
		last = leg.Duration
	}
}

func TestTurningRoundCosts(t *testing.T) {
	k := newSketch(t)
	k.road(k.junction(0, 0), k.junction(20_000, 0), nil)
	today := NewToday(k.b.Build())
	by := geo.Drive{Class: geo.Bus}
	to := today.Locate(at(10_000, 0), -1)
	ahead, _ := today.Travel(today.Locate(at(8000, 0), 90), to, by)
	unknown, _ := today.Travel(today.Locate(at(8000, 0), -1), to, by)
	behind, _ := today.Travel(today.Locate(at(8000, 0), 270), to, by)
	if ahead != unknown || behind.Duration != ahead.Duration+turning || behind.Distance != ahead.Distance {
		t.Errorf("ahead %v, unknown %v, behind %v", ahead, unknown, behind)
	}
	there, _ := today.Travel(to, to, by)
	if there != (geo.Leg{}) {
		t.Errorf("to where one is: %v", there)
	}
}

// Where the last stretch is no road, it takes its time, and who is there is there.
func TestOffTheRoad(t *testing.T) {
	k := newSketch(t)
	k.road(k.junction(0, 0), k.junction(5000, 0), nil)
	today := NewToday(k.b.Build())
	by := geo.Drive{Class: geo.Car}
	from := today.Locate(at(1000, 3), -1)
	beside, house := today.Locate(at(4000, 10), -1), today.Locate(at(4000, 115), -1)
	near, _ := today.Travel(from, beside, by)
	far, _ := today.Travel(from, house, by)
	const last = 100 * 1.3 / (10 / 3.6) // seconds
	if got := (far.Duration - near.Duration).Seconds(); math.Abs(got-last) > 0.5 || math.Abs(float64(far.Distance-near.Distance)-130) > 1 {
		t.Errorf("the house is %v further, want %v s", got, last)
	}
	if leg, ok := today.Travel(house, today.Locate(at(4005, 120), -1), by); !ok || leg.Duration > 0 {
		t.Errorf("from the house to its door: %v %v", leg, ok)
	}
	if leg, ok := today.Travel(house, today.Locate(at(4000, -115), -1), by); !ok || leg.Duration.Seconds() < 2*last-1 {
		t.Errorf("to the house opposite: %v %v", leg, ok)
	}
}

// The line is as long as the drive, begins and ends where it does, and makes no jump.
func TestLineIsTheDrive(t *testing.T) {
	rng := random(t)
	lines := 0
	for range 150 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		if rng.IntN(2) == 0 {
			today.Set([]geo.RoadChange{drawChange(rng, 0)}, noon)
		}
		for range 10 {
			by := geo.Drive{Class: vehicles[rng.IntN(len(vehicles))], Leaves: noon}
			from, to := v.spot(today, rng), v.spot(today, rng)
			leg, ok := today.Travel(from, to, by)
			line := today.Line(from, to, by)
			if !ok {
				if line != nil {
					t.Fatalf("a line where no road leads: %v", line)
				}
				continue
			}
			lines++
			if line[0] != from.Point || line[len(line)-1] != to.Point {
				t.Fatalf("%v is not from %v to %v", line, from, to)
			}
			length := 0.0
			for i := range line[1:] {
				length += float64(geo.Distance(line[i], line[i+1]))
			}
			length += 1.3*max(0, float64(from.Off)-15) - float64(from.Off) + 1.3*max(0, float64(to.Off)-15) - float64(to.Off)
			if near, l := today.direct(today.roadsOf(by.Class).now.metric(), from, to); near.leg() == leg && l == noLane {
				continue // across the fields
			}
			if math.Abs(length-float64(leg.Distance)) > 0.5+float64(len(line))*0.1+length*1e-3 {
				t.Fatalf("the line from %+v to %+v is %v m long, the drive %v", from, to, length, leg)
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d lines", lines)
	}
}

// A finder aimed once is right for who leaves by day, at dusk and at night, whatever
// was asked before, and after the roads have changed if it is aimed again.
func TestFinderThroughTheDay(t *testing.T) {
	r := newMountains(t, 200, 11)
	today := NewToday(r.g)
	points := benchSpots(seeded(4), r.g)
	f := today.NewFinder(geo.Minibus)
	slow := geo.RoadChange{ID: "ice", Pace: 0.3, Daily: ban}
	closed := geo.RoadChange{ID: "flood", Closed: true, Where: geo.Stretch{Center: &points[0], Radius: 3000}}
	dusk := geo.RoadChange{ID: "market", Pace: 0.6, Daily: &geo.Hours{From: 17 * 60, Until: 23 * 60, Zone: 480}}
	paces := map[time.Duration]bool{}
	for i, changes := range [][]geo.RoadChange{{slow}, {slow, closed, dusk}, {closed}, {slow, dusk}, nil, {slow}} {
		now := noon.Add(time.Duration(7*i) * time.Hour)
		today.Set(changes, now)
		to := today.Locate(points[10], -1)
		f.Aim(to)
		for hours := range 48 {
			leaves := now.Add(time.Duration(hours-24) * 59 * time.Minute)
			from := today.Locate(points[20+hours%3], -1)
			want, wantOK := today.Travel(from, to, geo.Drive{Class: geo.Minibus, Leaves: leaves})
			if got, ok := f.From(from, leaves); got != want || ok != wantOK {
				t.Fatalf("set at %v, leaving at %v: %v %v, want %v %v", now, leaves, got, ok, want, wantOK)
			}
			if i == 0 && hours%3 == 0 {
				paces[want.Duration] = true
				if arrives := leaves.Add(want.Duration); want.Duration < 2*time.Hour && ban.Hold(leaves) != ban.Hold(arrives) {
					continue
				}
				if slowly, _ := today.Travel(from, to, geo.Drive{Class: geo.Minibus, Leaves: noon.Add(12 * time.Hour)}); ban.Hold(leaves) != (slowly == want) {
					t.Fatalf("leaving at %v: %v; on ice %v", leaves, want, slowly)
				}
			}
		}
	}
	if len(paces) != 2 {
		t.Errorf("%d paces, by day and by night", len(paces))
	}
}

func TestMatrixIsTravel(t *testing.T) {
	rng := random(t)
	for range 40 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		today.Set([]geo.RoadChange{drawChange(rng, 0)}, noon)
		by := geo.Drive{Class: vehicles[rng.IntN(len(vehicles))], Leaves: noon}
		var from, to []geo.Spot
		for range rng.IntN(6) {
			from = append(from, v.spot(today, rng))
		}
		for range rng.IntN(6) {
			to = append(to, v.spot(today, rng))
		}
		legs := today.Matrix(from, to, by)
		if len(legs) != len(from) {
			t.Fatalf("%d rows for %d", len(legs), len(from))
		}
		for i := range from {
			for j := range to {
				leg, ok := today.Travel(from[i], to[j], by)
				if !ok {
					leg = geo.Leg{Duration: NoWay}
				}
				if legs[i][j] != leg {
					t.Fatalf("[%d][%d] is %v, want %v", i, j, legs[i][j], leg)
				}
			}
		}
	}
}

// Many ask at once, the first of them for weights that are not made yet; then the
// roads change, and they ask again.
func TestManyAskAtOnce(t *testing.T) {
	r := newMountains(t, 300, 7)
	today, alone := NewToday(r.g), NewToday(r.g)
	changes := [][]geo.RoadChange{
		nil,
		{{ID: "n", Pace: 0.5, Daily: ban}},
		{{ID: "n", Pace: 0.5, Daily: ban}, {ID: "m", Closed: true, Where: geo.Stretch{Center: &geo.Point{Lat: 24.1, Lon: 104.1}, Radius: 2000}}},
	}
	points := benchSpots(seeded(3), r.g)
	for _, c := range changes {
		today.Set(c, noon)
		alone.Set(c, noon)
		var want [8][]geo.Leg
		for i := range want {
			want[i] = askAll(alone, points[i:], i)
		}
		var all sync.WaitGroup
		for i := range want {
			all.Go(func() {
				if got := askAll(today, points[i:], i); !slices.Equal(got, want[i]) {
					t.Errorf("reader %d got other answers than one alone", i)
				}
			})
		}
		all.Wait()
	}
}

// What is prepared is prepared once for a Graph, however many ask for it at once; what
// is closed in one Today is open in the other, also while it is being closed.
func TestTodaysShareWhatNeverChanges(t *testing.T) {
	g := newMountains(t, 300, 7).g
	todays := make([]*Today, 8)
	var all sync.WaitGroup
	for i := range todays {
		all.Go(func() { todays[i] = NewToday(g) })
	}
	all.Wait()
	for _, today := range todays[1:] {
		if today.shared != todays[0].shared {
			t.Fatal("the same roads were prepared twice")
		}
	}
	closed, open := todays[0], todays[1]
	points := benchSpots(seeded(3), g)
	want := askAll(open, points, 0)
	askAll(closed, points, 0)
	all.Go(func() { closed.Set([]geo.RoadChange{{ID: "all", Closed: true}}, noon) })
	got := slices.Concat(askAll(open, points, 0), askAll(open, points, 0))
	all.Wait()
	if !slices.Equal(got, slices.Concat(want, want)) {
		t.Error("what one has closed, another finds closed")
	}
	if slices.Equal(askAll(closed, points, 0), want) {
		t.Error("nothing is closed")
	}
}

func askAll(t *Today, points []geo.Point, i int) (legs []geo.Leg) {
	class := vehicles[i%2]
	f := t.NewFinder(class)
	for n := range 20 {
		from, to := t.Locate(points[2*n], -1), t.Locate(points[2*n+1], 90)
		leaves := noon.Add(time.Duration(n) * time.Hour)
		leg, _ := t.Travel(from, to, geo.Drive{Class: class, Leaves: leaves})
		f.Aim(to)
		same, _ := f.From(from, leaves)
		points := t.Line(from, to, geo.Drive{Class: class, Leaves: leaves})
		legs = append(legs, leg, same, geo.Leg{Distance: geo.Meters(len(points))})
	}
	return legs
}

func TestAskingAllocatesNothing(t *testing.T) {
	r := newMountains(t, 300, 7)
	today := NewToday(r.g)
	today.Set([]geo.RoadChange{{ID: "n", Pace: 0.5, Daily: ban}}, noon)
	points := benchSpots(seeded(3), r.g)
	spots := make([]geo.Spot, len(points))
	for i, p := range points {
		spots[i] = today.Locate(p, -1)
	}
	f := today.NewFinder(geo.Car)
	f.Aim(spots[0])
	n := 0
	for name, ask := range map[string]func(){
		"Locate": func() { today.Locate(points[n%4096], 45) },
		"Travel": func() { today.Travel(spots[n%4096], spots[(n+7)%4096], geo.Drive{Class: geo.Car, Leaves: noon}) },
		"at the edge of a ban": func() {
			today.Travel(spots[n%4096], spots[(n+7)%4096], geo.Drive{Class: geo.Car, Leaves: noon.Add(9*time.Hour + 59*time.Minute)})
		},
		"Aim":   func() { f.Aim(spots[n%4096]) },
		"From":  func() { f.From(spots[n%4096], noon) },
		"Floor": func() { today.Floor(1234) },
	} {
		for range 5000 {
			n++
			ask()
		}
		if allocs := testing.AllocsPerRun(2000, func() { n++; ask() }); allocs > 0 {
			t.Errorf("%s allocates %v times", name, allocs)
		}
	}
}

func TestFloorDoesNotFall(t *testing.T) {
	today := NewToday(newMountains(t, 100, 5).g)
	last := time.Duration(0)
	for m := geo.Meters(-10); m < 5e7; m = max(m+1, m*1.01) {
		f := today.Floor(m)
		if f < last || f < 0 {
			t.Fatalf("Floor(%v) = %v, after %v", m, f, last)
		}
		last = f
	}
	if today.Floor(30) != 0 || today.Floor(100_000) < 30*time.Minute || today.Floor(geo.Meters(math.Inf(1))) < last {
		t.Errorf("Floor of 30 m is %v, of 100 km %v", today.Floor(30), today.Floor(100_000))
	}
}

// BenchmarkNewToday is the second of a Graph; BenchmarkShared what the first prepares.
func BenchmarkNewToday(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		NewToday(r.g)
		b.ResetTimer()
		for b.Loop() {
			NewToday(r.g)
		}
	})
}

func BenchmarkShared(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		for b.Loop() {
			newShared(r.g)
		}
	})
}

// benchToday is a province with every class of vehicle at work.
func benchToday(b *testing.B, r *benchRoads) *Today {
	today := NewToday(r.g)
	for _, class := range vehicles {
		today.NewFinder(class)
	}
	return today
}

// A road is closed and opened again, for all classes.
func BenchmarkSetClosure(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		today, points := benchToday(b, r), benchSpots(seeded(2), r.g)
		n := 0
		b.ResetTimer()
		for b.Loop() {
			today.Set([]geo.RoadChange{{ID: "slide", Closed: true, Where: geo.Stretch{Center: &points[n%4096]}}}, noon)
			n++
		}
	})
}

// Ice on so many percent of the segments, those nearest to the middle, and its
// melting, for all classes: two sets.
func BenchmarkSetIce(b *testing.B) {
	for _, percent := range []int{1, 10, 50, 100} {
		b.Run(fmt.Sprint(percent), func(b *testing.B) {
			benchSizes(b, func(b *testing.B, r *benchRoads) {
				today := benchToday(b, r)
				low, high := r.g.corners()
				middle := between(low, high, 0.5)
				radius := sort.Search(1_000_000, func(metres int) bool {
					return 100*len(today.concerned(geo.Stretch{Center: &middle, Radius: geo.Meters(metres + 1)})) >= percent*r.g.Segments()
				})
				ice := []geo.RoadChange{{ID: "ice", Pace: 0.5, Where: geo.Stretch{Center: &middle, Radius: geo.Meters(radius + 1)}}}
				b.ResetTimer()
				for b.Loop() {
					today.Set(ice, noon)
					today.Set(nil, noon)
				}
			})
		})
	}
}

func BenchmarkTodayTravel(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		today, points := benchToday(b, r), benchSpots(seeded(2), r.g)
		n := 0
		b.ResetTimer()
		for b.Loop() {
			from, to := today.Locate(points[n%4096], -1), today.Locate(points[(n+99)%4096], -1)
			today.Travel(from, to, geo.Drive{Class: geo.Car})
			n++
		}
	})
}
