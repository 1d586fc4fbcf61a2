package road

import (
	"slices"
	"testing"
	"time"

	"cuntong/geo"
	"pgregory.net/rapid"
)

// one is a network of one segment, a kilometre long and straight unless it says
// otherwise.
func one(t interface{ Fatal(...any) }, s Segment) *Graph {
	b := NewBuilder("", "")
	a, z := geo.Point{Lat: 26, Lon: 108}, geo.Point{Lat: 26, Lon: 108.01}
	if s.Shape == nil {
		s.Shape = []geo.Point{a, z}
	}
	if s.Length == 0 {
		s.Length = 1000
	}
	if _, err := b.Add(b.Junction(s.Shape[0]), b.Junction(s.Shape[len(s.Shape)-1]), s); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

// kmh is the speed at which a class drives a lane.
func kmh(g *Graph, l Lane, class geo.VehicleClass) float64 {
	leg := g.drive(l, class).leg()
	return float64(leg.Distance) / leg.Duration.Seconds() * 3.6
}

func TestDrive(t *testing.T) {
	for _, c := range []struct {
		name     string
		s        Segment
		class    geo.VehicleClass
		low, top float64 // km/h
	}{
		{"posted 60, less a tenth", Segment{Kind: geo.Primary, SpeedForward: 60}, geo.Car, 53.9, 54.1},
		{"nothing posted", Segment{Kind: geo.Primary}, geo.Car, 41.5, 42.5},
		{"a motorway beyond what a bus does", Segment{Kind: geo.Motorway, SpeedForward: 120}, geo.Bus, 84, 86.5},
		{"a ramp", Segment{Kind: geo.Motorway, Flags: Link}, geo.Car, 60, 66},
		{"setts", Segment{Kind: geo.Primary, SpeedForward: 80, Surface: Rough}, geo.Car, 39, 41},
		{"gravel", Segment{Kind: geo.Tertiary, Surface: Gravel}, geo.Minivan, 23, 25},
		{"mud, a pickup", Segment{Kind: geo.Unclassified, Surface: Earth}, geo.PickupTruck, 16, 20},
		{"mud, a bus", Segment{Kind: geo.Unclassified, Surface: Earth}, geo.Bus, 7, 9},
		{"a track of unknown surface", Segment{Kind: geo.Track}, geo.Car, 11, 13},
		{"a paved track", Segment{Kind: geo.Track, Surface: Paved}, geo.Car, 14, 16},
		{"residents only", Segment{Kind: geo.Residential, Flags: LocalOnly}, geo.Car, 7.5, 8.5},
		{"a national road at its design grade", Segment{Kind: geo.Trunk, Climb: 70}, geo.Bus, 25, 34},
		{"a car hardly minds it", Segment{Kind: geo.Trunk, Climb: 60}, geo.Car, 49, 51},
		{"steeper than any standard", Segment{Kind: geo.Trunk, Climb: 180}, geo.Minibus, 8, 13},
		{"a tunnel", Segment{Kind: geo.Primary, SpeedForward: 60, Flags: Tunnel}, geo.Car, 53.9, 54.1},
		{"a class that is not known, as a bus", Segment{Kind: geo.Primary}, "tank", 33, 34},
	} {
		if got := kmh(one(t, c.s), 0, c.class); got < c.low || got > c.top {
			t.Errorf("%s: %.1f km/h, want %v to %v", c.name, got, c.low, c.top)
		}
	}
}

// TestDriveGuizhou holds the times against those that are reported.
func TestDriveGuizhou(t *testing.T) {
	village := one(t, Segment{Kind: geo.Unclassified, Length: 13_000, Climb: 500, Descent: 150, Shape: serpentine(130, 100)})
	leg := village.drive(0, geo.Minibus).leg()
	if leg.Duration < 30*time.Minute || leg.Duration > 50*time.Minute {
		t.Errorf("13 km of village road take %v; the bus is said to take 45 min with its stops", leg.Duration)
	}
	hard := one(t, Segment{Kind: geo.Primary, Climb: 65, Shape: serpentine(10, 100)})
	if v := kmh(hard, 0, geo.Minibus); v < 25 || v > 40 {
		t.Errorf("%.0f km/h on the hard part of a national road, which is designed for 30", v)
	}
}

// serpentine is a line of so many metres a leg that turns by 120 degrees after each.
func serpentine(legs int, metres float64) []geo.Point {
	p := geo.Point{Lat: 26, Lon: 108}
	shape := []geo.Point{p}
	for i := range legs {
		p.Lat += metres / 111_195 * 0.5
		p.Lon += metres / 100_000 * 0.866 * float64(1-2*(i%2))
		shape = append(shape, p)
	}
	return shape
}

func TestDriveOneWay(t *testing.T) {
	g := one(t, Segment{Kind: geo.Primary, Flags: NoBackward, SpeedForward: 60, SpeedBackward: 30})
	if g.drive(0, geo.Car) >= never || g.drive(1, geo.Car) != never {
		t.Errorf("along %v, against %v", g.drive(0, geo.Car), g.drive(1, geo.Car))
	}
	both := one(t, Segment{Kind: geo.Primary, SpeedForward: 60, SpeedBackward: 30})
	if along, against := kmh(both, 0, geo.Car), kmh(both, 1, geo.Car); along < 1.9*against {
		t.Errorf("60 one way, 30 the other: %.0f and %.0f km/h", along, against)
	}
	hill := one(t, Segment{Kind: geo.Trunk, SpeedForward: 80, SpeedBackward: 80, Climb: 75})
	if up, down := kmh(hill, 0, geo.Bus), kmh(hill, 1, geo.Bus); up >= down {
		t.Errorf("a bus: %.0f km/h up, %.0f down", up, down)
	}
}

func TestDriveFerry(t *testing.T) {
	slow := one(t, Segment{Kind: geo.Ferry}).drive(0, geo.Car).leg().Duration
	if want := 10*time.Minute + 450*time.Second; slow != want {
		t.Errorf("a kilometre of ferry at 8 km/h takes %v, want %v with boarding", slow, want)
	}
	if timed := one(t, Segment{Kind: geo.Ferry, Seconds: 300}).drive(0, geo.Car).leg().Duration; timed != 15*time.Minute {
		t.Errorf("a crossing of 5 minutes takes %v, want 15 with boarding", timed)
	}
	free, barred := one(t, Segment{Kind: geo.Track}), one(t, Segment{Kind: geo.Track, Flags: Barred})
	if wait := barred.drive(0, geo.Car).leg().Duration - free.drive(0, geo.Car).leg().Duration; wait != 30*time.Second {
		t.Errorf("a gate takes %v", wait)
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		fit    []geo.VehicleClass
	}{
		{Limits{}, geo.VehicleClasses()},
		{Limits{MaxMass: 20_000, MaxHeight: 450, MaxWidth: 300}, geo.VehicleClasses()},
		{Limits{MaxMass: 10_000}, []geo.VehicleClass{geo.Car, geo.Minivan, geo.Minibus, geo.PickupTruck}},
		{Limits{MaxMass: 5_500}, []geo.VehicleClass{geo.Car, geo.Minivan, geo.Minibus, geo.PickupTruck}},
		{Limits{MaxMass: 5_499}, []geo.VehicleClass{geo.Car, geo.Minivan, geo.PickupTruck}},
		{Limits{MaxHeight: 200}, []geo.VehicleClass{geo.Car, geo.Minivan, geo.PickupTruck}},
		{Limits{MaxWidth: 220}, []geo.VehicleClass{geo.Car, geo.Minivan, geo.Minibus, geo.PickupTruck}},
		{Limits{MaxWidth: 100}, nil},
	} {
		var got []geo.VehicleClass
		g := one(t, Segment{Kind: geo.Tertiary, Limits: c.limits})
		for _, class := range geo.VehicleClasses() {
			if fits(class, c.limits) != (g.drive(0, class) != never) {
				t.Errorf("%+v: drive and fits differ about a %s", c.limits, class)
			}
			if fits(class, c.limits) {
				got = append(got, class)
			}
		}
		if !slices.Equal(got, c.fit) {
			t.Errorf("%+v lets %v through, want %v", c.limits, got, c.fit)
		}
	}
	if fits("tank", Limits{MaxMass: 11_000}) {
		t.Error("a class that is not known is taken for a light one")
	}
}

// TestDriveMonotone: steeper, rougher, more winding or more restricted is never
// quicker; longer is never quicker either.
func TestDriveMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom(geo.VehicleClasses()).Draw(t, "class")
		s := Segment{
			Kind:         rapid.SampledFrom(geo.RoadKinds()).Draw(t, "kind"),
			Surface:      Surface(rapid.IntRange(1, 4).Draw(t, "surface")),
			SpeedForward: uint8(rapid.IntRange(6, 130).Draw(t, "posted")),
			Length:       geo.Meters(rapid.Float64Range(0.1, 20_000).Draw(t, "length")),
			Climb:        float32(rapid.IntRange(0, 2000).Draw(t, "climb")),
			Descent:      float32(rapid.IntRange(0, 2000).Draw(t, "descent")),
		}
		before := one(t, s).drive(0, class)
		if before>>32 < 1 || before>>32 > maxLaneMillis {
			t.Fatalf("%d ms", before>>32)
		}
		slower := func(what string, s Segment) {
			if after := one(t, s).drive(0, class); after>>32 < before>>32 {
				t.Fatalf("%s: %d ms become %d", what, before>>32, after>>32)
			}
		}
		steeper, down, lower, worse, local, gate := s, s, s, s, s, s
		steeper.Climb += 10
		down.Descent += 10
		lower.SpeedForward -= 5
		worse.Surface = min(Earth, worse.Surface+1)
		local.Flags |= LocalOnly
		gate.Flags |= Barred
		slower("steeper", steeper)
		slower("steeper down", down)
		slower("a lower limit", lower)
		slower("a worse surface", worse)
		slower("residents only", local)
		slower("a gate", gate)
	})
}

func TestWithin(t *testing.T) {
	for _, table := range [][]row{gradeMost, bendMost} {
		last := within(table, 0)
		for x := range 10_000 {
			v := within(table, x)
			if v > last || v < 1 {
				t.Fatalf("at %d: %d after %d", x, v, last)
			}
			last = v
		}
		for _, r := range table {
			if within(table, r.at) != r.kmh*10 {
				t.Errorf("at %d: %d, want %d", r.at, within(table, r.at), r.kmh*10)
			}
		}
	}
}
