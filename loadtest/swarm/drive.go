package swarm

import (
	"time"

	"cuntong/geo"
	"cuntong/loadtest/plan"
)

// drive is a vehicle on a road. The zero drive is nowhere.
type drive struct {
	road  plan.Road
	begun time.Time
	speed float64 // metres a second, with the time scale in it
}

// at returns where the vehicle is, which way it heads, and whether it moves.
func (d *drive) at(now time.Time) (p geo.Point, heading float64, moving bool) {
	p, heading = d.road.At(now.Sub(d.begun).Seconds() * d.speed)
	return p, heading, now.Before(d.arrives())
}

// arrives is when the vehicle is at the end of its road.
func (d *drive) arrives() time.Time {
	return d.begun.Add(time.Duration(d.road.Length() / d.speed * float64(time.Second)))
}

// topSpeed is what no vehicle exceeds in life, in metres a second, however little time
// the roads give a few metres beside them.
const topSpeed = 40

// setOut is somebody's drive: on the roads, in the time that they take his vehicle;
// where there are none, or none that lead there, on a road drawn for it, at his own
// speed.
func (s *swarm) setOut(who *plan.Driver, from, to geo.Point, now time.Time) drive {
	scale := s.plan.Scenario.TimeScale
	if r := s.cfg.Roads; r != nil {
		by := geo.Drive{Class: who.Vehicle.Class, Leaves: now}
		here, there := r.Locate(from, -1), r.Locate(to, -1)
		leg, ok := r.Travel(here, there, by)
		if line := r.Line(here, there, by); ok && leg.Duration > 0 && len(line) > 1 {
			road := plan.Along(append(append([]geo.Point{from}, line...), to)...)
			seconds := max(leg.Duration.Seconds(), road.Length()/topSpeed)
			return drive{road: road, begun: now, speed: road.Length() / seconds * scale}
		}
	}
	return drive{road: s.plan.Road(from, to), begun: now, speed: who.MetersPerSecond * scale}
}
