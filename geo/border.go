package geo

import "math"

// Distance is how far p lies from the area in a straight line: 0 inside it and on its
// edge, and in a hole the way to the hole's edge. An area without polygons is
// everywhere, so the distance is 0. For a p that is not on earth it is NaN.
//
// The nearest edge is found on a flat map around p, with the error that such maps
// have; the length is then that of the great circle to the point found there.
// So the result is never shorter than the way to the true nearest point, and within
// 100 km and below latitude 60 at most 0.1 % longer (a test compares it with a walk
// along the border). Like Contains it goes through every edge: some 10 ns each.
func (a *Area) Distance(p Point) Meters {
	if !p.onEarth() {
		return Meters(math.NaN())
	}
	if a.Contains(p) {
		return 0
	}
	return a.ToBorder(p)
}

// ToBorder is how far p lies from the nearest edge of the area, from whichever side,
// as exactly as Distance. It is +Inf for an area without polygons, which has no
// edge, and NaN for a p that is not on earth.
func (a *Area) ToBorder(p Point) Meters {
	if !p.onEarth() {
		return Meters(math.NaN())
	}
	near := nearest{from: p, east: math.Cos(p.Lat * (math.Pi / 180)), best: math.Inf(1)}
	for i := range a.Polygons {
		near.ring(a.Polygons[i].Outer)
		for _, hole := range a.Polygons[i].Holes {
			near.ring(hole)
		}
	}
	if math.IsInf(near.best, 1) {
		return Meters(near.best)
	}
	return Distance(p, near.point())
}

// nearest looks for the point of some rings that is nearest to from, on a flat map
// where degrees of longitude are as long as they are at from.
type nearest struct {
	from Point
	east float64 // length of a degree of longitude, in degrees of latitude
	best float64 // square of the shortest distance so far
	x, y float64 // where that is, from from, in degrees of longitude and latitude
}

func (n *nearest) ring(r Ring) {
	a := r[len(r)-1]
	// Each edge begins where the last one ended, so that all stay whole on a map that
	// goes beyond the 180th meridian.
	x := eastward(a.Lon - n.from.Lon)
	for _, b := range r {
		dx := b.Lon - a.Lon
		n.edge(x, a.Lat-n.from.Lat, dx, b.Lat-a.Lat)
		x += dx
		a = b
	}
}

// edge takes the edge from (x,y) that goes (dx,dy) further into account.
func (n *nearest) edge(x, y, dx, dy float64) {
	ex, edx := x*n.east, dx*n.east
	along := 0.0
	if length2 := edx*edx + dy*dy; length2 > 0 {
		along = max(0, min(1, -(ex*edx+y*dy)/length2))
	}
	fx, fy := ex+along*edx, y+along*dy
	if d := fx*fx + fy*fy; d < n.best {
		n.best, n.x, n.y = d, x+along*dx, y+along*dy
	}
}

func (n *nearest) point() Point {
	return Point{Lat: max(-90, min(90, n.from.Lat+n.y)), Lon: eastward(n.from.Lon + n.x)}
}

// eastward brings a difference of longitudes, or a longitude, within -180..180.
func eastward(degrees float64) float64 { return math.Remainder(degrees, 360) }
