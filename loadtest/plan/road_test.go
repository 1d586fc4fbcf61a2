package plan

import (
	"math"
	"testing"

	"cuntong/geo"

	"pgregory.net/rapid"
)

// TestRoadsLeadThereByBends draws roads anywhere in the province.
func TestRoadsLeadThereByBends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := geo.Point{Lat: rapid.Float64Range(24.6, 29.2).Draw(t, "lat"), Lon: rapid.Float64Range(103.6, 109.6).Draw(t, "lon")}
		to := geo.Point{Lat: from.Lat + rapid.Float64Range(-0.3, 0.3).Draw(t, "north"), Lon: from.Lon + rapid.Float64Range(-0.3, 0.3).Draw(t, "east")}
		circuity := rapid.Float64Range(1, 3).Draw(t, "circuity")
		road := NewRoad(from, to, circuity, rapid.Uint64().Draw(t, "seed"))
		straight := float64(geo.Distance(from, to))
		if start, _ := road.At(0); straight >= 10 && geo.Distance(start, from) > 1 {
			t.Fatalf("the road begins %v m from its start", geo.Distance(start, from))
		}
		if end, _ := road.At(road.Length() + 100); geo.Distance(end, to) > 1 || geo.Distance(road.End(), to) > 1 {
			t.Fatalf("the road ends %v m from its end", geo.Distance(end, to))
		}
		low, high := 1+(circuity-1)*0.75, 1+(circuity-1)*1.22
		if ratio := road.Length() / straight; straight >= 10 && (ratio < low-0.01 || ratio > high+0.01) {
			t.Fatalf("the road is %.2f times the straight line: want %.2f to %.2f", ratio, low, high)
		}
	})
}

func TestVehiclesMoveAsFarAsTheyDrive(t *testing.T) {
	road := NewRoad(geo.Point{Lat: 26.5, Lon: 107.9}, geo.Point{Lat: 26.6, Lon: 108}, 1.8, 7)
	before, _ := road.At(0)
	for m := 50.0; m < road.Length(); m += 50 {
		p, heading := road.At(m)
		if d := float64(geo.Distance(before, p)); d > 50.5 {
			t.Fatalf("50 m along the road are %.1f m over ground at %v", d, m)
		}
		if heading < 0 || heading >= 360 || math.IsNaN(heading) {
			t.Fatalf("heading %v at %v m", heading, m)
		}
		before = p
	}
}

func TestRoadIsTheSameForEverybody(t *testing.T) {
	a, b := geo.Point{Lat: 26.5, Lon: 107.9}, geo.Point{Lat: 26.6, Lon: 108}
	p, _ := NewRoad(a, b, 1.8, 7).At(5000)
	q, _ := NewRoad(a, b, 1.8, 7).At(5000)
	if p != q {
		t.Errorf("two drivers on the same road are at %v and %v", p, q)
	}
}

func TestNorthIsUp(t *testing.T) {
	for _, c := range []struct {
		to   geo.Point
		want float64
	}{{geo.Point{Lat: 27, Lon: 108}, 0}, {geo.Point{Lat: 26, Lon: 108.5}, 90}, {geo.Point{Lat: 25, Lon: 108}, 180}, {geo.Point{Lat: 26, Lon: 107.5}, 270}} {
		_, heading := NewRoad(geo.Point{Lat: 26, Lon: 108}, c.to, 1, 1).At(1)
		if off := math.Abs(math.Mod(heading-c.want+540, 360) - 180); off > 0.5 {
			t.Errorf("to %v the heading is %.1f: want %v", c.to, heading, c.want)
		}
	}
}

func TestAGivenRoadIsFollowed(t *testing.T) {
	a, b, c := geo.Point{Lat: 26.5, Lon: 108}, geo.Point{Lat: 26.51, Lon: 108}, geo.Point{Lat: 26.51, Lon: 108.02}
	road := Along(a, a, b, b, c, c) // points told twice are none the more
	if want := float64(geo.Distance(a, b) + geo.Distance(b, c)); math.Abs(road.Length()-want) > 1e-6 || road.End() != c {
		t.Errorf("%v m to %v, want %v to %v", road.Length(), road.End(), want, c)
	}
	if p, heading := road.At(float64(geo.Distance(a, b)) + 100); geo.Distance(p, b) < 99.9 || geo.Distance(p, b) > 100.1 || math.Abs(heading-90) > 0.1 {
		t.Errorf("100 m after the corner it is at %v, heading %v", p, heading)
	}
	if p, heading := road.At(0); p != a || math.IsNaN(heading) {
		t.Errorf("it begins at %v, heading %v", p, heading)
	}
	if p, _ := Along(a, a).At(5); p != a || Along(a).Length() != 0 {
		t.Errorf("a road to where one is leads to %v", p)
	}
}

func BenchmarkRoad(b *testing.B) {
	for b.Loop() {
		NewRoad(geo.Point{Lat: 26.5, Lon: 107.9}, geo.Point{Lat: 26.6, Lon: 108}, 1.8, 7)
	}
}
