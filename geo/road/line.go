package road

import (
	"math"
	"slices"

	"cuntong/geo"
)

// pieces is how many straight pieces a segment's line has.
func (g *Graph) pieces(s SegmentID) int { return int(g.shapeAt[s+1]-g.shapeAt[s]) + 1 }

// point is a point of a segment's line, from 0 to pieces.
func (g *Graph) point(s SegmentID, i int) coord {
	at := int(g.shapeAt[s]) + i - 1
	switch {
	case i == 0:
		return g.junctions[g.from[s]]
	case at == int(g.shapeAt[s+1]):
		return g.junctions[g.to[s]]
	}
	return g.shape[at]
}

// measure tells lengths along one segment. The breadth of a degree is followed to
// first order, which over fifty kilometres is right to a part in ten thousand; what
// counts is that everybody who asks how far along a place is uses the same.
type measure struct {
	g        *Graph
	s        SegmentID
	lat      int32
	cos, sin float64 // of the latitude of the first point
}

func (g *Graph) measure(s SegmentID) measure {
	lat := g.point(s, 0).lat
	sin, cos := math.Sincos(float64(lat) / 1e7 * math.Pi / 180)
	return measure{g: g, s: s, lat: lat, cos: cos, sin: sin}
}

// between is the length of a piece in metres.
func (m measure) between(a, b coord) float64 {
	dy := float64(b.lat) - float64(a.lat)
	middle := (float64(a.lat)+float64(b.lat))/2 - float64(m.lat)
	dx := (float64(b.lon) - float64(a.lon)) * (m.cos - m.sin*middle*(math.Pi/180/1e7))
	return metersPerUnit * math.Sqrt(dx*dx+dy*dy)
}

// total is the length of the line.
func (m measure) total() float64 {
	length := 0.0
	a := m.g.point(m.s, 0)
	for i := range m.g.pieces(m.s) {
		b := m.g.point(m.s, i+1)
		length += m.between(a, b)
		a = b
	}
	return length
}

// along is the share of the line that lies behind a place on one of its pieces.
func (m measure) along(piece int, share float64) float64 {
	length, behind := 0.0, 0.0
	a := m.g.point(m.s, 0)
	for i := range m.g.pieces(m.s) {
		b := m.g.point(m.s, i+1)
		one := m.between(a, b)
		if i == piece {
			behind = length + share*one
		}
		length += one
		a = b
	}
	if length == 0 {
		return 0
	}
	return min(behind/length, 1)
}

// trace appends the line of a lane from one share of it to another, both ends included.
func (g *Graph) trace(line []geo.Point, l Lane, from, until float64) []geo.Point {
	s, n := l.Segment(), g.pieces(l.Segment())
	if l.backward() {
		from, until = 1-from, 1-until
	}
	m := g.measure(s)
	total := m.total()
	low, high := min(from, until)*total, max(from, until)*total
	start := len(line)
	length := 0.0
	a := g.point(s, 0)
	for i := range n {
		b := g.point(s, i+1)
		one := m.between(a, b)
		if length+one >= low && len(line) == start {
			line = append(line, between(a, b, (low-length)/one))
		}
		if length+one >= high || i == n-1 {
			line = append(line, between(a, b, (high-length)/one))
			break
		}
		if len(line) > start {
			line = append(line, b.point())
		}
		length += one
		a = b
	}
	if l.backward() {
		slices.Reverse(line[start:])
	}
	return line
}

// between is the point that lies so far on the way from a to b.
func between(a, b coord, share float64) geo.Point {
	if !(share > 0) { // also when a is b
		return a.point()
	}
	p, q := a.point(), b.point()
	share = min(share, 1)
	return geo.Point{Lat: p.Lat + share*(q.Lat-p.Lat), Lon: p.Lon + share*(q.Lon-p.Lon)}
}
