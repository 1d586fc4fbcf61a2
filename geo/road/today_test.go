package road

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
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
		if leave >= never {
			leave = g.drive(l, class)
		}
		if leave >= never {
			leave = g.drive(l, geo.Car)
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
				if done[l] >= never || g.start(l^1) != g.start(k) || v.bans[[2]Lane{l, k}] || ban(k) || weighs(k) >= never {
					continue
				}
				if w := done[l] + weighs(k); w < done[k] {
					done[k], again = w, true
				}
				if int32(k.Segment()) == to.Segment-1 {
					best = min(best, done[l]+weighs(k).part(share(k, to))+both)
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
