package dispatch

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

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

// gorgePoint is a place on one of the roads.
func gorgePoint(rng *rand.Rand) geo.Point {
	s := gorgeRoads().Segment(road.SegmentID(rng.IntN(gorgeRoads().Segments())))
	a, b, share := s.Shape[0], s.Shape[len(s.Shape)-1], rng.Float64()
	return geo.Point{Lat: a.Lat + share*(b.Lat-a.Lat), Lon: a.Lon + share*(b.Lon-a.Lon)}
}

// roadsChange closes, slows, bans or opens a road, by chance.
func (s *sim) roadsChange() {
	by := s.command(Actor{Role: RoleOperator, ID: "o1"})
	id := geo.RoadChangeID(fmt.Sprintf("r%d", s.rng.IntN(4)))
	at := gorgePoint(s.rng)
	change := geo.RoadChange{ID: id, Where: geo.Stretch{Center: &at}}
	switch s.rng.IntN(5) {
	case 0:
		change.Closed = true
		change.Until = s.world.now.Add(time.Duration(1+s.rng.IntN(60)) * time.Minute).Time().UnixMilli()
	case 1:
		change.Pace = 0.1 + 0.9*s.rng.Float64()
	case 2:
		minute := s.world.now.Time().Hour()*60 + s.world.now.Time().Minute()
		change.Closed, change.Daily = true, &geo.Hours{From: (minute + s.rng.IntN(30)) % 1440, Until: (minute + 31 + s.rng.IntN(60)) % 1440}
		change.Vehicles = []geo.VehicleClass{geo.Minivan, geo.Minibus}
	default:
		s.send(RestoreRoad{Command: by, ID: id})
		return
	}
	s.send(ChangeRoad{Command: by, Change: change})
}

// canDrive asks roads of its own, on which the same changes hold, whether a driver
// who was asked can come and go on, and in what time.
func (s *sim) canDrive(f Fact, b OfferMade) error {
	c := s.world.core
	t, fix := c.trips[b.Trip], c.fixes[b.Driver]
	if c.roads == nil || t == nil || t.Offer == nil || t.Offer.ID != b.Offer || fix == nil {
		return nil // it did not last to the end of the step
	}
	own := road.NewToday(gorgeRoads())
	own.Set(c.roadChanges(), f.At.Time())
	by := geo.Drive{Class: c.drivers[b.Driver].Vehicle.Class, Leaves: f.At.Time()}
	pickup := own.Locate(t.Order.Pickup.Point, -1)
	leg, ok := own.Travel(own.Locate(fix.Fix.Point, fix.Fix.HeadingDegrees), pickup, by)
	if !ok || leg.Round() != b.Approach {
		return fmt.Errorf("%s is offered to %s, %v away: it is %v (%t)", b.Trip, b.Driver, b.Approach, leg, ok)
	}
	by.Leaves = by.Leaves.Add(leg.Duration)
	ride, ok := own.Travel(pickup, own.Locate(t.Order.Dropoff.Point, -1), by)
	if !ok || ride.Round() != b.Ride {
		return fmt.Errorf("%s is offered to %s for a ride of %v: it is %v (%t)", b.Trip, b.Driver, b.Ride, ride, ok)
	}
	return nil
}

// A ride that cannot be done by a late driver because a ban begins is not refused to
// one who would be there early enough.
func TestABanToComeBarsOnlyTheLate(t *testing.T) {
	w := newWorldOn(DefaultRules(), gorge)
	bus := Vehicle{Class: geo.Bus, Load: Load{Seats: 20}}
	bridge := geo.Point{Lat: 26.1, Lon: 109.01}
	ford := geo.Point{Lat: 25.85, Lon: 109.01}
	minute := w.now.Time().Hour()*60 + w.now.Time().Minute()
	order := Order{Product: ProductSolo, Load: Load{Seats: 1}, Pickup: Place{Point: geo.Point{Lat: 26, Lon: 109}}, Dropoff: Place{Point: geo.Point{Lat: 26, Lon: 109.06}}}
	operator := Command{By: Actor{Role: RoleOperator, ID: "o1"}}
	for _, in := range []Input{
		ChangeRoad{Command: operator, Change: geo.RoadChange{ID: "flood", Where: geo.Stretch{Center: &ford}, Closed: true}},
		ChangeRoad{Command: operator, Change: geo.RoadChange{ID: "night", Where: geo.Stretch{Center: &bridge}, Closed: true,
			Vehicles: []geo.VehicleClass{geo.Bus}, Daily: &geo.Hours{From: minute + 90, Until: minute + 300}}},
		Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: order},
	} {
		if _, err := w.step(in); err != nil {
			t.Fatal(err)
		}
	}
	trip := w.core.trips["t1"]
	for _, c := range []struct {
		leaves time.Duration
		want   bool
	}{{80 * time.Minute, false}, {0, true}, {80 * time.Minute, false}, {10 * time.Minute, true}} {
		if leg, ok := w.core.rideBy(w.now.Add(c.leaves), trip, bus); ok != c.want {
			t.Errorf("leaving in %v, ninety minutes before a ban: %v, %t", c.leaves, leg.Duration, ok)
		}
	}
}
