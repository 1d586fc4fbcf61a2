package dispatch

import (
	"sync"
	"testing"

	"cuntong/geo"
	"cuntong/geo/road"
)

// gorgeRoads are two banks of a gorge, two kilometres apart. A bridge ten kilometres
// upstream joins them, and a ford on a bad track fifteen downstream.
//
//	Upwest ══ bridge ══ Upeast
//	  ║                   ║
//	 West     (gorge)    East ── Hill
//	  ╎                   ╎
//	Lowest ┄┄┄ ford ┄┄┄ Loweast
var gorgeRoads = sync.OnceValue(func() *road.Graph {
	b := road.NewBuilder("drawn for a test", "none")
	at := map[string]geo.Point{
		"Upwest": {Lat: 26.10, Lon: 109.00}, "Upeast": {Lat: 26.10, Lon: 109.02},
		"West": {Lat: 26.00, Lon: 109.00}, "East": {Lat: 26.00, Lon: 109.02}, "Hill": {Lat: 26.00, Lon: 109.06},
		"Lowest": {Lat: 25.85, Lon: 109.00}, "Loweast": {Lat: 25.85, Lon: 109.02},
	}
	junctions := map[string]road.JunctionID{}
	for _, name := range []string{"Upwest", "Upeast", "West", "East", "Hill", "Lowest", "Loweast"} {
		junctions[name] = b.Junction(at[name])
	}
	for _, s := range []struct {
		from, to string
		kind     geo.RoadKind
	}{
		{"West", "Upwest", geo.Secondary}, {"Upwest", "Upeast", geo.Secondary}, {"Upeast", "East", geo.Secondary},
		{"East", "Hill", geo.Tertiary},
		{"West", "Lowest", geo.Track}, {"Lowest", "Loweast", geo.Track}, {"Loweast", "East", geo.Track},
	} {
		_, err := b.Add(junctions[s.from], junctions[s.to], road.Segment{Shape: []geo.Point{at[s.from], at[s.to]}, Kind: s.kind,
			Surface: road.Paved, Name: s.from + " to " + s.to})
		if err != nil {
			panic(err)
		}
	}
	return b.Build()
})

func gorge() geo.Router { return road.NewToday(gorgeRoads()) }

// The driver across the gorge is nearer and later.
func TestAcrossTheGorge(t *testing.T) {
	w := newWorldOn(DefaultRules(), gorge)
	for id, at := range map[DriverID]geo.Point{"across": {Lat: 26.001, Lon: 109.02}, "upstream": {Lat: 26.06, Lon: 109.00}} {
		for _, in := range []Input{
			StartDuty{Command: Command{By: DriverActor(id)}, Driver: id, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}},
			Moved{Fix: Fix{Driver: id, Point: at, At: w.now, Received: w.now, HeadingDegrees: -1}},
		} {
			if _, err := w.step(in); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := w.step(Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: Order{Product: ProductSolo,
		Load: Load{Seats: 1}, Pickup: Place{Point: geo.Point{Lat: 26, Lon: 109}}, Dropoff: Place{Point: geo.Point{Lat: 26, Lon: 109.06}}}})
	if err != nil {
		t.Fatal(err)
	}
	if asked := w.core.trips["t1"].Offer; asked == nil || asked.Driver != "upstream" {
		t.Errorf("asked is %+v: %v", asked, out.Facts)
	}
}
