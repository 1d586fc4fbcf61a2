package terrain

import (
	"errors"
	"fmt"
	"math"

	"cuntong/geo"
	"cuntong/geo/road"
)

// Params says what roads to invent.
type Params struct {
	// Seed: another seed, other mountains and other roads.
	Seed uint64
	// Villages must be reached: each of them is on a road or within 100 m of one. With
	// none, places are drawn.
	Villages []geo.Point
	// SouthWest and NorthEast bound the roads. Both zero: the villages do, with a margin.
	SouthWest, NorthEast geo.Point
	// Junctions is how many junctions and ends of roads are wanted, 100 to 2,000,000.
	// From 1,000 on there are as many, give or take an eighth.
	Junctions int
}

// The fewest and the most junctions that can be asked for.
const (
	minJunctions = 100
	maxJunctions = 2_000_000
)

// Generate invents a network in which every road can be reached from every other.
// The error says which of the parameters will not do.
func Generate(p Params) (*road.Graph, error) {
	n, err := newNetwork(p)
	if err != nil {
		return nil, err
	}
	n.found()
	n.scatter()
	n.link()
	n.prune()
	n.rank()
	return n.lay()
}

// network is roads in the making: points, and edges between them.
type network struct {
	land     land
	plane    plane
	villages []vec
	want     int // junctions

	at    []vec
	z     []float64 // height of each point
	bank  []bool    // side of the nearest river
	place []bool    // somebody lives there: it must stay
	edges []edge
	towns []int32 // points
	urban int32   // the points before this one are of streets

	grid grid
	// By point, once the edges are known: where its edges begin in touch.
	first []int32
	touch []int32
}

// edge is a piece of road between two points.
type edge struct {
	a, b   int32
	cost   float32 // of building it, and of driving it
	class  class
	bridge bool // over a river
	street bool // of a town
	oneWay bool // from a to b
	tunnel bool
	cut    bool // it is not built after all
}

func newNetwork(p Params) (*network, error) {
	if p.Junctions < minJunctions || p.Junctions > maxJunctions {
		return nil, fmt.Errorf("terrain: %d junctions: want %d to %d", p.Junctions, minJunctions, maxJunctions)
	}
	for i, v := range p.Villages {
		if err := v.Validate(); err != nil {
			return nil, fmt.Errorf("terrain: village %d: %w", i, err)
		}
	}
	sw, ne := p.SouthWest, p.NorthEast
	if sw == (geo.Point{}) && ne == (geo.Point{}) {
		if len(p.Villages) == 0 {
			return nil, errors.New("terrain: nowhere to build roads: give villages or bounds")
		}
		sw, ne = around(p.Villages)
	}
	if err := errors.Join(sw.Validate(), ne.Validate()); err != nil {
		return nil, fmt.Errorf("terrain: bounds: %w", err)
	}
	n := &network{land: land{p.Seed}, plane: newPlane(sw, ne), want: p.Junctions}
	// A plane does for a country of mountains, not for a continent and not at the pole.
	const shortest, longest = 2_000, 2_000_000
	if !(n.plane.width >= shortest && n.plane.height >= shortest && n.plane.width <= longest && n.plane.height <= longest) {
		return nil, fmt.Errorf("terrain: bounds of %.0f by %.0f km: want %d to %d km each way", n.plane.width/1000, n.plane.height/1000, shortest/1000, longest/1000)
	}
	for _, v := range p.Villages {
		if at := n.plane.of(v); n.plane.holds(at) {
			n.villages = append(n.villages, at)
		} else {
			return nil, fmt.Errorf("terrain: a village at %v, which is outside of the bounds", v)
		}
	}
	return n, nil
}

// marginDegrees is how much further than the villages the roads go: some 6 km.
const marginDegrees = 0.055

func around(villages []geo.Point) (sw, ne geo.Point) {
	sw, ne = villages[0], villages[0]
	for _, v := range villages {
		sw = geo.Point{Lat: min(sw.Lat, v.Lat), Lon: min(sw.Lon, v.Lon)}
		ne = geo.Point{Lat: max(ne.Lat, v.Lat), Lon: max(ne.Lon, v.Lon)}
	}
	sw.Lat, sw.Lon, ne.Lat, ne.Lon = sw.Lat-marginDegrees, sw.Lon-marginDegrees, ne.Lat+marginDegrees, ne.Lon+marginDegrees
	return sw, ne
}

// plane turns degrees into metres and back, near enough for an invented county.
type plane struct {
	sw            geo.Point
	perLat        float64 // metres in a degree
	perLon        float64
	width, height float64 // metres
}

func newPlane(sw, ne geo.Point) plane {
	p := plane{sw: sw, perLat: float64(geo.EarthRadius) * math.Pi / 180}
	p.perLon = p.perLat * math.Cos((sw.Lat+ne.Lat)/2*math.Pi/180)
	p.width, p.height = (ne.Lon-sw.Lon)*p.perLon, (ne.Lat-sw.Lat)*p.perLat
	return p
}

func (p plane) of(g geo.Point) vec {
	return vec{(g.Lon - p.sw.Lon) * p.perLon, (g.Lat - p.sw.Lat) * p.perLat}
}

func (p plane) point(v vec) geo.Point {
	return geo.Point{Lat: p.sw.Lat + v.y/p.perLat, Lon: p.sw.Lon + v.x/p.perLon}
}

func (p plane) holds(v vec) bool {
	return v.x >= 0 && v.y >= 0 && v.x <= p.width && v.y <= p.height
}
