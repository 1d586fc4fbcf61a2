package geo

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestVehicleClasses(t *testing.T) {
	for _, c := range VehicleClasses() {
		if got, err := ParseVehicleClass(string(c)); got != c || err != nil {
			t.Errorf("%q: %q, %v", c, got, err)
		}
	}
	for _, s := range []string{"", "Car", "tractor", "car "} {
		if got, err := ParseVehicleClass(s); got != "" || err == nil {
			t.Errorf("%q passes for %q", s, got)
		}
	}
	if len(VehicleClasses()) != 5 || PickupTruck != "pickup" {
		t.Errorf("the classes are %v", VehicleClasses())
	}
}

func TestCrowTravel(t *testing.T) {
	a, b := Point{26.2311, 109.1314}, Point{26.4017, 109.0711}
	straight := Distance(a, b) // 19.9 km
	fast, err := NewCrowWith(1.5, map[VehicleClass]float64{Car: 60})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		router   Router
		class    VehicleClass
		circuity Meters
		kmh      float64
	}{
		{"zero value", Crow{}, Car, 1.8, 30},
		{"NewCrow", NewCrow(), Bus, 1.8, 22},
		{"unknown class drives like the slowest", Crow{}, "sledge", 1.8, 22},
		{"own figures", fast, Car, 1.5, 60},
		{"own figures, class not named", fast, Minibus, 1.5, 26},
	} {
		leg, ok := c.router.Travel(Spot{Point: a}, Spot{Point: b}, Drive{Class: c.class})
		hours := float64(c.circuity*straight) / 1000 / c.kmh
		want := time.Duration(hours * float64(time.Hour))
		if !ok || math.Abs(float64(leg.Distance-c.circuity*straight)) > 1e-6 || (leg.Duration-want).Abs() > time.Microsecond {
			t.Errorf("%s: %v %v %v, want %v m in %v", c.name, leg.Distance, leg.Duration, ok, c.circuity*straight, want)
		}
	}
	if leg, ok := (Crow{}).Travel(Spot{Point: a}, Spot{Point: a}, Drive{Class: Car}); !ok || leg != (Leg{}) {
		t.Errorf("to where one is: %v, %v", leg, ok)
	}
	for _, p := range []Point{{math.NaN(), 109}, {91, 0}} {
		if _, ok := (Crow{}).Travel(Spot{Point: a}, Spot{Point: p}, Drive{Class: Car}); ok {
			t.Errorf("a road leads to %v", p)
		}
		if _, ok := (Crow{}).Travel(Spot{Point: p}, Spot{Point: a}, Drive{Class: Car}); ok {
			t.Errorf("a road leads from %v", p)
		}
	}
}

// The nearest-by-time search is right only if Floor is never above a drive and
// never falls.
func TestCrowFloorHolds(t *testing.T) {
	rng := random(t)
	own, err := NewCrowWith(1, map[VehicleClass]float64{Bus: 149, PickupTruck: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Router{Crow{}, own} {
		var straights []Meters
		for range 3_000 {
			a := anywhere(rng)
			b := around(rng, a, math.Pow(10, rng.Float64()*7))
			straight := Distance(a, b)
			straights = append(straights, straight)
			for _, class := range append(VehicleClasses(), "sledge") {
				if leg, ok := r.Travel(Spot{Point: a}, Spot{Point: b}, Drive{Class: class}); !ok || leg.Duration < r.Floor(straight) {
					t.Fatalf("%s from %v to %v takes %v, floor %v", class, a, b, leg.Duration, r.Floor(straight))
				}
			}
		}
		slices.Sort(straights)
		for i := range straights[1:] {
			if r.Floor(straights[i]) > r.Floor(straights[i+1]) {
				t.Fatalf("Floor falls from %v to %v m", straights[i], straights[i+1])
			}
		}
		for _, odd := range []Meters{-1, 0} {
			if f := r.Floor(odd); f != 0 {
				t.Errorf("Floor(%v) = %v", odd, f)
			}
		}
		if f := r.Floor(Meters(math.Inf(1))); f <= 0 {
			t.Errorf("Floor of an endless line is %v", f)
		}
	}
}

func TestNewCrowWithRefuses(t *testing.T) {
	for _, c := range []struct {
		circuity float64
		kmh      map[VehicleClass]float64
	}{
		{0.9, nil}, {11, nil}, {math.NaN(), nil}, {-1, nil},
		{1.8, map[VehicleClass]float64{Car: 0}},
		{1.8, map[VehicleClass]float64{Car: 151}},
		{1.8, map[VehicleClass]float64{Car: math.NaN()}},
		{1.8, map[VehicleClass]float64{"sledge": 20}},
	} {
		if _, err := NewCrowWith(c.circuity, c.kmh); err == nil {
			t.Errorf("%v %v is accepted", c.circuity, c.kmh)
		}
	}
	if crow, err := NewCrowWith(0, nil); err != nil || crow.Floor(1000) != NewCrow().Floor(1000) {
		t.Errorf("zeros are not the defaults: %v", err)
	}
}
