package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"cuntong/geo"
)

// Road is the line that a vehicle follows: one drawn with bends, so that it does not
// fly straight, which claims nothing about where real roads lie, or a given one.
type Road struct {
	points []geo.Point
	along  []float64 // metres from the start to each point
}

// bends are how many waves a road has between its ends; the amplitudes are drawn.
var bends = [...]float64{2, 3, 5, 7, 11}

// roadSteps is how many straight pieces a road has.
const roadSteps = 40

// NewRoad bends the straight line until it is circuity times as long, give or
// take a fifth of the surplus. The same ends and seed give the same road, which
// is what makes it a road and not a random walk. Ends closer than 10 m give a
// road without length.
func NewRoad(from, to geo.Point, circuity float64, seed uint64) Road {
	straight := float64(geo.Distance(from, to))
	if straight < 10 {
		return Road{points: []geo.Point{to}, along: []float64{0}}
	}
	rng := Stream(seed, "road "+mark(from)+mark(to), 0)
	want := straight * (1 + (circuity-1)*(0.8+0.4*rng.Float64()))
	shape := drawShape(rng)
	low, high := 0.0, 1.0
	for bend(from, to, shape, high).Length() < want && high < 64 {
		low, high = high, 2*high
	}
	for range 14 {
		middle := (low + high) / 2
		if bend(from, to, shape, middle).Length() < want {
			low = middle
		} else {
			high = middle
		}
	}
	return bend(from, to, shape, low)
}

// Along is the road through given points, one at least.
func Along(points ...geo.Point) Road {
	r := Standing(points[0])
	for _, p := range points[1:] {
		last := len(r.points) - 1
		if step := float64(geo.Distance(r.points[last], p)); step > 0 {
			r.points, r.along = append(r.points, p), append(r.along, r.along[last]+step)
		}
	}
	return r
}

// Standing is a road without length: a vehicle on it stands at p.
func Standing(p geo.Point) Road { return Road{points: []geo.Point{p}, along: []float64{0}} }

// mark is a place to some ten metres.
func mark(p geo.Point) string { return fmt.Sprintf("%.4f %.4f ", p.Lat, p.Lon) }

// drawShape returns the sideways offset of each point: waves that vanish at the ends.
func drawShape(rng *rand.Rand) []float64 {
	shape := make([]float64, roadSteps+1)
	for _, n := range bends {
		size, shift := rng.NormFloat64()/n, 2*math.Pi*rng.Float64()
		for i := range shape {
			t := float64(i) / roadSteps
			shape[i] += size * math.Sin(2*math.Pi*n*t+shift) * math.Sin(math.Pi*t)
		}
	}
	return shape
}

// bend draws the line with the shape, times size, times its length, to the side.
func bend(from, to geo.Point, shape []float64, size float64) Road {
	east := math.Cos((from.Lat + to.Lat) / 2 * math.Pi / 180) // degrees of latitude in one of longitude
	dLat, dLon := to.Lat-from.Lat, to.Lon-from.Lon
	r := Road{points: make([]geo.Point, len(shape)), along: make([]float64, len(shape))}
	for i, side := range shape {
		t := float64(i) / float64(len(shape)-1)
		r.points[i] = geo.Point{
			Lat: from.Lat + t*dLat - size*side*dLon*east,
			Lon: from.Lon + t*dLon + size*side*dLat/east,
		}
		if i > 0 {
			r.along[i] = r.along[i-1] + float64(geo.Distance(r.points[i-1], r.points[i]))
		}
	}
	return r
}

// Length is in metres.
func (r Road) Length() float64 { return r.along[len(r.along)-1] }

// End is where the road leads.
func (r Road) End() geo.Point { return r.points[len(r.points)-1] }

// At returns the point so many metres along the road, and the heading there in
// degrees clockwise from north. Before the start is the start, beyond the end the end.
func (r Road) At(meters float64) (p geo.Point, heading float64) {
	if len(r.points) == 1 {
		return r.points[0], 0
	}
	i := min(max(sort.SearchFloat64s(r.along, meters), 1), len(r.along)-1)
	a, b := r.points[i-1], r.points[i]
	t := min(max((meters-r.along[i-1])/(r.along[i]-r.along[i-1]), 0), 1)
	p = geo.Point{Lat: a.Lat + t*(b.Lat-a.Lat), Lon: a.Lon + t*(b.Lon-a.Lon)}
	heading = math.Atan2((b.Lon-a.Lon)*math.Cos(a.Lat*math.Pi/180), b.Lat-a.Lat) * 180 / math.Pi
	return p, math.Mod(heading+360, 360)
}
