package plan

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"cuntong/geo"
)

// Plan is one scenario in one county under one seed. It does not change and may
// be read from any goroutine.
type Plan struct {
	Scenario Scenario
	Seed     uint64
	county   *county
}

// New makes the plan. The errors say which part of the scenario does not fit the gazetteer.
func New(s Scenario, g *geo.Gazetteer, seed uint64) (*Plan, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s.Phases = slices.Clone(s.Phases)
	c, err := newCounty(g, s.Places, seed)
	if err != nil {
		return nil, err
	}
	return &Plan{Scenario: s, Seed: seed, county: c}, nil
}

// Vehicle is what a driver drives.
type Vehicle struct {
	ID          string
	Class       geo.VehicleClass
	Seats       int
	Wheelchairs int
	GoodsL      int
}

// model is a class of vehicle as it stands on the market square.
type model struct {
	class         geo.VehicleClass
	seats, goodsL int
	wheelchairs   float64 // share that takes one
	kmh           float64 // on hill roads, stops included
}

// models are in the order of [Fleet].
var models = []model{
	{geo.Minivan, 6, 400, 0.1, 28},
	{geo.Car, 4, 200, 0, 30},
	{geo.Minibus, 14, 300, 0.3, 26},
	{geo.PickupTruck, 4, 1500, 0, 28},
}

// Driver is one driver of the plan.
type Driver struct {
	Index   int
	Home    Spot
	Vehicle Vehicle
	// MetersPerSecond is how fast he drives on average, in life; the time scale comes on top.
	MetersPerSecond float64
}

// Spot is a place in a village.
type Spot struct {
	Village geo.VillageID
	Name    string
	// Stop is one of the village's pickup points, or "" for the usual one.
	Stop  geo.PickupID
	Point geo.Point
	index int
}

// Drivers returns all drivers.
func (p *Plan) Drivers() []Driver {
	f := p.Scenario.Drivers.Fleet
	fleet := newWheel([]float64{f.Minivan, f.Car, f.Minibus, f.Pickup})
	drivers := make([]Driver, p.Scenario.Drivers.Count)
	for i := range drivers {
		rng := Stream(p.Seed, "driver", uint64(i))
		m := models[fleet.spin(rng)]
		drivers[i] = Driver{
			Index:           i,
			Home:            p.spot(p.county.origins.spin(rng)),
			Vehicle:         Vehicle{ID: fmt.Sprintf("SIM-%05d", i), Class: m.class, Seats: m.seats, GoodsL: m.goodsL},
			MetersPerSecond: m.kmh / 3.6 * (0.85 + 0.3*rng.Float64()),
		}
		if rng.Float64() < m.wheelchairs {
			drivers[i].Vehicle.Wheelchairs = 1
		}
	}
	return drivers
}

// spot is the usual place of a village.
func (p *Plan) spot(i int) Spot {
	v := p.county.villages[i]
	s := Spot{Village: v.ID, Name: v.Name, Point: v.Centre, index: i}
	if len(v.Pickups) > 0 {
		s.Point = v.Pickups[0].Point
	}
	return s
}

// Nearby draws where an idle driver goes from a spot: a neighbouring village, or
// the market when market is true and there is one.
func (p *Plan) Nearby(from Spot, market bool, rng *rand.Rand) Spot {
	ways := p.county.pull[from.index]
	if market && len(p.county.toMarket[from.index].to) > 0 {
		ways = p.county.toMarket[from.index]
	}
	if len(ways.to) == 0 {
		return from
	}
	return p.spot(ways.to[ways.wheel.spin(rng)])
}

// Near returns the usual spot of the village that lies nearest to a point.
func (p *Plan) Near(at geo.Point) Spot {
	best := 0
	for i, v := range p.county.villages {
		if geo.Distance(at, v.Centre) < geo.Distance(at, p.county.villages[best].Centre) {
			best = i
		}
	}
	return p.spot(best)
}

// Road is the way between two points, the same for everybody.
func (p *Plan) Road(from, to geo.Point) Road {
	return NewRoad(from, to, p.Scenario.Places.Circuity, p.Seed)
}

// Markets names the market towns of the day.
func (p *Plan) Markets() []Spot {
	var spots []Spot
	for _, i := range p.county.markets {
		spots = append(spots, p.spot(i))
	}
	return spots
}

// Booking is one request of the plan.
type Booking struct {
	Index int
	// At is when it is made, from the first possible booking on.
	At    time.Duration
	Phase string
	// ByAgent says that agent number Rider books it; otherwise passenger number Rider does.
	ByAgent bool
	Rider   int
	From    Spot
	To      Spot
	// PickupDatum is the datum in which the pickup is given as a point, or "" for a village.
	PickupDatum geo.Datum
	Seats       int
	Wheelchairs int
	GoodsL      int
	// Patience is how long the party waits for a driver.
	Patience time.Duration
	// ChangeMind cancels after ChangeAfter while waiting; CancelAssigned cancels
	// ChangeAfter after a driver has been found.
	ChangeMind     bool
	CancelAssigned bool
	ChangeAfter    time.Duration
}

// Bookings yields the bookings in the order of time; without end when the
// scenario repeats.
func (p *Plan) Bookings() iter.Seq[Booking] {
	return func(yield func(Booking) bool) {
		var index, byAgents, byPassengers int
		party := newWheel(p.Scenario.Riders.PartyWeights)
		for a := range p.Scenario.arrivals(p.Seed) {
			b := p.booking(index, a, party)
			index++
			if b.ByAgent {
				b.Rider = byAgents % p.Scenario.Riders.Agents
				byAgents++
			} else {
				b.Rider = byPassengers % p.Scenario.Riders.Passengers
				byPassengers++
			}
			if !yield(b) {
				return
			}
		}
	}
}

func (p *Plan) booking(index int, a arrival, party wheel) Booking {
	r := &p.Scenario.Riders
	rng := Stream(p.Seed, "booking", uint64(index))
	from, to := p.county.trip(rng, a.phase)
	b := Booking{
		Index: index, At: seconds(a.at), Phase: a.phase.Name,
		From: p.anyStop(from, rng), To: p.anyStop(to, rng),
		Seats:    party.spin(rng) + 1,
		Patience: r.PatienceSeconds.DrawSeconds(rng), ChangeAfter: r.ChangeAfterSeconds.DrawSeconds(rng),
		ChangeMind: rng.Float64() < r.ChangeMind, CancelAssigned: rng.Float64() < r.CancelAssigned,
	}
	switch u := rng.Float64(); {
	case r.Agents == 0:
	case r.Passengers == 0:
		b.ByAgent = true
	default:
		b.ByAgent = u < r.AgentShare
	}
	if rng.Float64() < r.Wheelchair {
		b.Wheelchairs = 1
	}
	if rng.Float64() < r.Goods {
		b.GoodsL = 20 * (1 + rng.IntN(8))
	}
	if rng.Float64() < r.ByPoint {
		b.PickupDatum = [...]geo.Datum{geo.WGS84, geo.GCJ02}[rng.IntN(2)]
	}
	return b
}

// anyStop draws one of a village's pickup points; the usual one more often.
func (p *Plan) anyStop(i int, rng *rand.Rand) Spot {
	s := p.spot(i)
	pickups := p.county.villages[i].Pickups
	if len(pickups) < 2 || rng.Float64() < 0.7 {
		return s
	}
	chosen := pickups[rng.IntN(len(pickups))]
	s.Stop, s.Point = chosen.ID, chosen.Point
	return s
}
