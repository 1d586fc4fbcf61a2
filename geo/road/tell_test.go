package road

import (
	"reflect"
	"testing"

	"cuntong/geo"
)

// TestAGraphTellsWhatItWasTold compares segments with what was given to the builder.
func TestAGraphTellsWhatItWasTold(t *testing.T) {
	b := NewBuilder("somebody", "CC0-1.0")
	shape := []geo.Point{{Lat: 26.5, Lon: 107.9}, {Lat: 26.51, Lon: 107.95}, {Lat: 26.6, Lon: 108}}
	from, to := b.Junction(shape[0]), b.Junction(shape[2])
	given := Segment{Shape: shape, Length: 15_000.5, Kind: geo.Ferry, Surface: Gravel, Flags: NoBackward | Barred,
		SpeedForward: 30, SpeedBackward: 20, Climb: 100, Descent: 40, Top: 900,
		Limits: Limits{MaxMass: 2500, MaxHeight: 210}, Seconds: 600, Name: "渡口"}
	id, err := b.Add(from, to, given)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Build()
	if got := g.Segment(id); !reflect.DeepEqual(got, given) {
		t.Errorf("told %+v, given %+v", got, given)
	}
	if a, z := g.Ends(id); a != from || z != to || g.Segments() != 1 || g.Junctions() != 2 {
		t.Errorf("%d segments between %d junctions, the first from %d to %d", g.Segments(), g.Junctions(), a, z)
	}
	if _, ok := g.Usual(id.Backward(), geo.Car); ok {
		t.Error("a way that may not be driven can be")
	}
	if leg, ok := g.Usual(id.Forward(), geo.Car); !ok || leg.Distance != given.Length || leg.Duration <= 0 {
		t.Errorf("the usual drive is %v, %v", leg, ok)
	}
}
