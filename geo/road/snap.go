package road

import (
	"math"
	"slices"

	"cuntong/geo"
)

// What decides on which road a position lies.
const (
	// snapReach is how far from a road a place may be and still be on it: the last
	// stretch to a house. Beyond it a spot is on no road.
	snapReach = 300.0 // metres

	// What the nearest road has to be nearer by to be taken all the same, in metres:
	// a satellite fix in a valley is 15 to 20 m off.
	acrossHeading = 20.0 // when it runs across the heading, or the wrong way
	intoTunnel    = 20.0 // because no position is had in a tunnel
	ontoIsland    = 40.0 // because no road leads away from it
)

// farthestNorth is the latitude, north or south, beyond which no road is looked for:
// at the poles a degree of longitude has no length, and a plane no east.
const farthestNorth = 89

// metersPerUnit is the length of a ten millionth of a degree of latitude.
const metersPerUnit = float64(geo.EarthRadius) * math.Pi / 180 / 1e7

// grid finds the roads near a place: rectangular cells of one size, each with a
// list of the pieces of road (the lines between two points of a shape) in it. All
// of it lies in flat arrays, and the points of a segment side by side, since what a
// search waits for is memory.
type grid struct {
	g             *Graph
	south, west   int64 // of the corner, in ten millionths of a degree, like coord
	height, width int64 // of a cell
	rows, columns int64
	first         []uint32 // by cell: its first run; one more than cells
	runs          []run
	lineAt        []uint32 // by segment: its first point in line
	line          []coord  // the points of all segments, ends included
	handicap      []uint8  // by segment: metres, see intoTunnel and ontoIsland
}

// run is consecutive pieces of one segment: those that begin at the points of line
// from from to before until.
type run struct {
	segment     SegmentID
	from, until uint32
}

// newGrid makes cells of about 200 m, larger where there would be more than eight
// for a segment.
func newGrid(g *Graph) *grid {
	x := &grid{g: g, handicap: handicaps(g)}
	x.lay()
	x.size()
	x.first = make([]uint32, x.rows*x.columns+1)
	x.each(func(cell uint32, _ run) { x.first[cell+1]++ })
	for i := range x.first[1:] {
		x.first[i+1] += x.first[i]
	}
	x.runs = make([]run, x.first[len(x.first)-1])
	next := slices.Clone(x.first)
	x.each(func(cell uint32, r run) {
		x.runs[next[cell]] = r
		next[cell]++
	})
	return x
}

// lay puts the points of each segment side by side.
func (x *grid) lay() {
	x.line, x.lineAt = make([]coord, 0, len(x.g.shape)+2*x.g.Segments()), make([]uint32, 0, x.g.Segments())
	for s := range SegmentID(x.g.Segments()) {
		x.lineAt = append(x.lineAt, uint32(len(x.line)))
		for i := range x.g.pieces(s) + 1 {
			x.line = append(x.line, x.g.point(s, i))
		}
	}
}

// handicaps are what speaks against a segment wherever it lies, in metres.
func handicaps(g *Graph) []uint8 {
	metres := make([]uint8, g.Segments())
	for s := range metres {
		if g.flags[s]&Tunnel != 0 {
			metres[s] += intoTunnel
		}
		if g.island[s] != 0 {
			metres[s] += ontoIsland
		}
	}
	return metres
}

// size decides on the cells.
func (x *grid) size() {
	low, high := x.g.corners()
	x.south, x.west = int64(low.lat), int64(low.lon)
	narrow := max(0.05, math.Cos(float64(low.lat+(high.lat-low.lat)/2)/1e7*math.Pi/180))
	for metres := 200.0; ; metres *= 1.2 {
		x.height = int64(metres / metersPerUnit)
		x.width = int64(metres / metersPerUnit / narrow)
		x.rows = (int64(high.lat)-x.south)/x.height + 1
		x.columns = (int64(high.lon)-x.west)/x.width + 1
		if x.rows*x.columns <= max(1024, 8*int64(x.g.Segments())) {
			return
		}
	}
}

// each lists the runs of all segments, by segment.
func (x *grid) each(yield func(cell uint32, r run)) {
	var touched []uint64 // cell, and piece by its first point
	for s := range SegmentID(x.g.Segments()) {
		if x.g.head[s.Forward()] < 0 && x.g.head[s.Backward()] < 0 {
			continue // nobody drives there
		}
		touched = touched[:0]
		for piece := x.lineAt[s]; piece < x.lineAt[s]+uint32(x.g.pieces(s)); piece++ {
			touched = x.cross(touched, x.line[piece], x.line[piece+1], uint64(piece))
		}
		slices.Sort(touched)
		for i := 0; i < len(touched); {
			j := i + 1
			for j < len(touched) && touched[j] == touched[j-1]+1 {
				j++
			}
			yield(uint32(touched[i]>>32), run{segment: s, from: uint32(touched[i]), until: uint32(touched[j-1]) + 1})
			i = j
		}
	}
}

// cross appends the cells that the line from a to b touches, a unit of margin included.
func (x *grid) cross(cells []uint64, a, b coord, piece uint64) []uint64 {
	if a.lat > b.lat {
		a, b = b, a
	}
	slope := 0.0
	if a.lat != b.lat {
		slope = float64(int64(b.lon)-int64(a.lon)) / float64(int64(b.lat)-int64(a.lat))
	}
	west, east := int64(min(a.lon, b.lon)), int64(max(a.lon, b.lon))
	for row := x.row(int64(a.lat)); row <= x.row(int64(b.lat)); row++ {
		w, e := west, east
		if a.lat != b.lat {
			at := func(lat int64) float64 {
				return float64(a.lon) + slope*float64(min(max(lat, int64(a.lat)), int64(b.lat))-int64(a.lat))
			}
			one, two := at(x.south+row*x.height), at(x.south+(row+1)*x.height)
			w, e = max(w, int64(min(one, two))-1), min(e, int64(max(one, two))+1)
		}
		for column := x.column(w); column <= x.column(e); column++ {
			cells = append(cells, uint64(row*x.columns+column)<<32|piece)
		}
	}
	return cells
}

func (x *grid) row(lat int64) int64    { return min(max(0, (lat-x.south)/x.height), x.rows-1) }
func (x *grid) column(lon int64) int64 { return min(max(0, (lon-x.west)/x.width), x.columns-1) }

// look is one search for the road that a place is on. Distances are measured on a
// plane that touches the earth there, which is exact to a millimetre as far as
// snapReach.
type look struct {
	x            *grid
	lat, lon     float64 // of the place, in units
	north, east  float64 // metres in a unit
	headed       bool
	sin, cos     float64 // of the heading
	unfavourable bool    // handicaps count
	best         hit
}

// hit is a place on a road.
type hit struct {
	segment SegmentID // -1: none
	piece   int
	share   float64 // of the piece that lies behind the place
	off     float64 // metres from the place looked for
	score   float64 // off and all that speaks against it
	forward float64 // cosine of the angle between heading and piece
}

// nearest finds the road that p lies on: the one that is nearest after all that
// speaks against it is added in metres, which makes it exact.
func (x *grid) nearest(p geo.Point, heading float64, handicaps bool) hit {
	k := look{x: x, lat: p.Lat * 1e7, lon: p.Lon * 1e7, north: metersPerUnit, unfavourable: handicaps}
	k.best = hit{segment: -1, score: math.Inf(1)}
	if p.Validate() != nil || math.Abs(p.Lat) > farthestNorth {
		return k.best
	}
	k.east = metersPerUnit * math.Cos(p.Lat*math.Pi/180)
	if heading >= 0 {
		k.headed = true
		k.sin, k.cos = math.Sincos(heading * math.Pi / 180)
	}
	row := int64(math.Floor((k.lat - float64(x.south)) / float64(x.height)))
	column := int64(math.Floor((k.lon - float64(x.west)) / float64(x.width)))
	// Beyond the last ring that meets the grid there is nothing, however near it seems.
	last := max(row, x.rows-1-row, column, x.columns-1-column)
	for ring := int64(0); ring <= last && k.clear(row, column, ring) <= min(k.best.score, snapReach); ring++ {
		k.ring(row, column, ring)
	}
	return k.best
}

// clear is how far what lies in a ring of cells and beyond is at least.
func (k *look) clear(row, column, ring int64) float64 {
	if ring == 0 {
		return 0
	}
	x := k.x
	south := k.lat - float64(x.south+(row-ring+1)*x.height)
	north := float64(x.south+(row+ring)*x.height) - k.lat
	west := k.lon - float64(x.west+(column-ring+1)*x.width)
	east := float64(x.west+(column+ring)*x.width) - k.lon
	return min(min(south, north)*k.north, min(west, east)*k.east)
}

// ring looks at the cells so many cells away.
func (k *look) ring(row, column, ring int64) {
	x := k.x
	for r := max(0, row-ring); r <= min(x.rows-1, row+ring); r++ {
		step := int64(1)
		if r != row-ring && r != row+ring {
			step = max(1, 2*ring) // only the first and the last of the row are in the ring
		}
		for c := column - ring; c <= column+ring; c += step {
			if c < 0 || c >= x.columns {
				continue
			}
			cell := r*x.columns + c
			for _, run := range x.runs[x.first[cell]:x.first[cell+1]] {
				k.along(run)
			}
		}
	}
}

// along looks at the pieces of a run.
func (k *look) along(r run) {
	line := k.x.line[r.from : r.until+1]
	ax, ay := k.plane(line[0])
	for i, b := range line[1:] {
		bx, by := k.plane(b)
		dx, dy := bx-ax, by-ay
		share := 0.0
		if square := dx*dx + dy*dy; square > 0 {
			share = min(max(0, -(ax*dx+ay*dy)/square), 1)
		}
		x, y := ax+share*dx, ay+share*dy
		// A little more than the best so far: what is as good must not be lost in rounding.
		if square := x*x + y*y; square <= k.best.score*k.best.score*(1+1e-9) && square <= snapReach*snapReach {
			k.judge(r.segment, int(r.from-k.x.lineAt[r.segment])+i, share, math.Sqrt(square), dx, dy)
		}
		ax, ay = bx, by
	}
}

// plane is where a point lies as seen from the place, in metres.
func (k *look) plane(c coord) (x, y float64) {
	return (float64(c.lon) - k.lon) * k.east, (float64(c.lat) - k.lat) * k.north
}

// judge takes the place on the piece if it is better than the best so far. Of equals
// the lower number is taken, so that the order of the cells does not matter.
func (k *look) judge(s SegmentID, piece int, share, off, dx, dy float64) {
	h := hit{segment: s, piece: piece, share: share, off: off, score: off}
	if k.unfavourable {
		h.score += float64(k.x.handicap[s])
	}
	if length := math.Hypot(dx, dy); k.headed && length > 0 {
		h.forward = (dx*k.sin + dy*k.cos) / length
		agrees := math.Abs(h.forward)
		switch {
		case k.x.g.head[s.Backward()] < 0:
			agrees = h.forward
		case k.x.g.head[s.Forward()] < 0:
			agrees = -h.forward
		}
		h.score += acrossHeading * min(1, 1-agrees)
	}
	b := &k.best
	if h.score < b.score || h.score == b.score && (s < b.segment || s == b.segment && piece < b.piece) {
		*b = h
	}
}

// spot is the hit as others are told of it.
func (h hit) spot(g *Graph, p geo.Point) geo.Spot {
	spot := geo.Spot{Point: p}
	if h.segment < 0 {
		return spot
	}
	spot.Segment = int32(h.segment) + 1
	spot.Off = float32(h.off)
	spot.Along = float32(g.measure(h.segment).along(h.piece, h.share))
	switch {
	case h.forward > 0:
		spot.Heading = 1
	case h.forward < 0:
		spot.Heading = -1
	}
	return spot
}
