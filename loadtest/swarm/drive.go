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
