package geo

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestDistanceToArea(t *testing.T) {
	a := county()
	degree := Distance(Point{26, 108}, Point{27, 108})
	for _, c := range []struct {
		p    Point
		want Meters
		why  string
	}{
		{Point{26.25, 108.25}, 0, "inside"},
		{Point{26, 109}, 0, "on the edge"},
		{Point{25.5, 109}, degree / 2, "south of it"},
		{Point{25.5, 107.5}, Distance(Point{25.5, 107.5}, Point{26, 108}), "off a corner"},
		{Point{26.625, 108.625}, Distance(Point{26.625, 108.625}, Point{26.625, 108.75}), "in the lake: the eastern shore is nearer than the northern"},
		{Point{27.25, 109.03125}, Distance(Point{27.25, 109.03125}, Point{27.25, 109}), "in the enclave, near its western edge"},
		{Point{26.5, 110.75}, Distance(Point{26.5, 110.75}, Point{26.5, 111}), "between the parts, nearer to the triangle"},
	} {
		if got := a.Distance(c.p); math.Abs(float64(got-c.want)) > 1 {
			t.Errorf("%s, %v: %.1f m, want %.1f", c.why, c.p, got, c.want)
		}
	}
	if got := a.ToBorder(Point{26.25, 108.03125}); math.Abs(float64(got-Distance(Point{26.25, 108.03125}, Point{26.25, 108}))) > 1 {
		t.Errorf("3 km inside the western edge: %.0f m to the border", got)
	}
	everywhere := &Area{ID: "all", Name: "All"}
	if d, b := everywhere.Distance(Point{1, 1}), everywhere.ToBorder(Point{1, 1}); d != 0 || !math.IsInf(float64(b), 1) {
		t.Errorf("an area that is everywhere is %v away, its border %v", d, b)
	}
	if d, b := a.Distance(Point{91, 0}), a.ToBorder(Point{0, math.NaN()}); !math.IsNaN(float64(d)) || !math.IsNaN(float64(b)) {
		t.Errorf("from nowhere it is %v, to the border %v", d, b)
	}
	fiji := &Area{ID: "fiji", Name: "Fiji", Polygons: []Polygon{{Outer: square(-18, 178, 2)}}}
	if got, want := fiji.Distance(Point{-17, -179}), Distance(Point{-17, -179}, Point{-17, 180}); math.Abs(float64(got-want)) > 100 {
		t.Errorf("across the 180th meridian: %.0f m, want %.0f", got, want)
	}
}

// The promise of Distance: never shorter than a walk along the border finds, and
// hardly longer.
func TestDistanceToAreaAgainstAWalk(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	worst := 0.0
	for range 400 {
		lat := rng.Float64()*118 - 59
		ring := make(Ring, 3+rng.IntN(5))
		for i := range ring {
			turn, reach := 2*math.Pi*float64(i)/float64(len(ring)), 0.05+0.4*rng.Float64()
			ring[i] = Point{lat + reach*math.Sin(turn), 100 + reach*math.Cos(turn)/math.Cos(lat*math.Pi/180)}
		}
		a := &Area{ID: "a", Name: "A", Polygons: []Polygon{{Outer: ring}}}
		p := Point{lat + rng.Float64() - 0.5, 100 + (rng.Float64()-0.5)/math.Cos(lat*math.Pi/180)}
		walked, step := Meters(math.Inf(1)), Meters(0)
		from := ring[len(ring)-1]
		for _, to := range ring {
			const steps = 4000
			step = max(step, Distance(from, to)/steps)
			for i := range steps + 1 {
				share := float64(i) / steps
				walked = min(walked, Distance(p, Point{from.Lat + share*(to.Lat-from.Lat), from.Lon + share*(to.Lon-from.Lon)}))
			}
			from = to
		}
		got := a.ToBorder(p)
		if walked > 100_000 {
			continue
		}
		if got < walked-step {
			t.Errorf("%v to %v: %.1f m, and a walk finds nothing under %.1f", p, ring, got, walked)
		}
		worst = max(worst, float64((got-walked)/max(walked, 100)))
	}
	t.Logf("at most %.3f %% longer than the walk", 100*worst)
	if worst > 0.001 {
		t.Errorf("%.2f %% longer than the walk", 100*worst)
	}
}

func BenchmarkToBorder(b *testing.B) {
	ring := make(Ring, 1000)
	for i := range ring {
		turn := 2 * math.Pi * float64(i) / float64(len(ring))
		ring[i] = Point{26 + math.Sin(turn), 109 + math.Cos(turn)}
	}
	a := &Area{ID: "a", Name: "A", Polygons: []Polygon{{Outer: ring}}}
	for b.Loop() {
		a.ToBorder(Point{26.1, 109.1})
	}
}
