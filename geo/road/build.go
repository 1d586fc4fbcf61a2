package road

import (
	"fmt"
	"math"
	"slices"

	"cuntong/geo"
)

// Builder collects a road network piece by piece. The zero value is not usable;
// start with NewBuilder.
type Builder struct {
	g    *Graph
	bans map[Lane][]Lane
	name map[string]uint32
}

// NewBuilder starts a network whose data comes from source under licence, both of
// which are shown wherever the roads are.
func NewBuilder(source, licence string) *Builder {
	return &Builder{
		g:    &Graph{source: source, licence: licence, names: []string{""}, shapeAt: []uint32{0}, rare: map[SegmentID]rare{}},
		bans: map[Lane][]Lane{},
		name: map[string]uint32{"": 0},
	}
}

// Junction adds a junction, or the end of a road, at p.
func (b *Builder) Junction(p geo.Point) JunctionID {
	b.g.junctions = append(b.g.junctions, coordOf(p))
	return JunctionID(len(b.g.junctions) - 1)
}

// Add adds a segment between two junctions.
func (b *Builder) Add(from, to JunctionID, s Segment) (SegmentID, error) {
	g := b.g
	kind := slices.Index(geo.RoadKinds(), s.Kind)
	n := JunctionID(len(g.junctions))
	switch {
	case from < 0 || to < 0 || from >= n || to >= n:
		return 0, fmt.Errorf("road: a segment from junction %d to %d: there are %d", from, to, n)
	case len(s.Shape) < 2:
		return 0, fmt.Errorf("road: a segment of %d points: want at least 2", len(s.Shape))
	case kind < 0:
		return 0, fmt.Errorf("road: unknown kind %q: want one of %v", s.Kind, geo.RoadKinds())
	}
	if s.Length == 0 {
		for i := range s.Shape[1:] {
			s.Length += geo.Distance(s.Shape[i], s.Shape[i+1])
		}
	}
	id := SegmentID(len(g.from))
	g.from, g.to = append(g.from, from), append(g.to, to)
	g.length = append(g.length, max(1, uint32(math.Round(float64(s.Length)*10))))
	g.kind = append(g.kind, uint8(kind))
	g.surface, g.flags = append(g.surface, s.Surface), append(g.flags, s.Flags)
	g.speed = append(g.speed, s.SpeedForward, s.SpeedBackward)
	g.bend = append(g.bend, bendOf(s.Shape))
	g.climb, g.descent, g.top = append(g.climb, whole(s.Climb)), append(g.descent, whole(s.Descent)), append(g.top, whole(s.Top))
	g.name = append(g.name, b.named(s.Name))
	for _, p := range s.Shape[1 : len(s.Shape)-1] {
		g.shape = append(g.shape, coordOf(p))
	}
	g.shapeAt = append(g.shapeAt, uint32(len(g.shape)))
	if s.Limits != (Limits{}) || s.Seconds != 0 {
		g.rare[id] = rare{limits: s.Limits, seconds: s.Seconds}
	}
	return id, nil
}

// Forbid forbids going from one lane into another; they must meet.
func (b *Builder) Forbid(from, to Lane) error {
	if n := Lane(2 * len(b.g.from)); from < 0 || to < 0 || from >= n || to >= n || b.end(from) != b.start(to) {
		return fmt.Errorf("road: a forbidden turn from lane %d to %d, which do not meet", from, to)
	}
	if !slices.Contains(b.bans[from], to) {
		b.bans[from] = append(b.bans[from], to)
	}
	return nil
}

func (b *Builder) named(name string) uint32 {
	id, ok := b.name[name]
	if !ok {
		id = uint32(len(b.g.names))
		b.g.names = append(b.g.names, name)
		b.name[name] = id
	}
	return id
}

// start and end are the junctions of a lane.
func (b *Builder) start(l Lane) JunctionID { return b.g.start(l) }
func (b *Builder) end(l Lane) JunctionID   { return b.g.start(l ^ 1) }

func (g *Graph) start(l Lane) JunctionID {
	if l.backward() {
		return g.to[l.Segment()]
	}
	return g.from[l.Segment()]
}

// Build returns the network, all of it. The Builder must not be used afterwards.
func (b *Builder) Build() *Graph {
	g := b.assemble()
	g.rank = order(g)
	return g
}

// assemble is Build but for the order of the vertices.
func (b *Builder) assemble() *Graph {
	g := b.g
	b.g = nil
	g.island = make([]uint16, len(g.from))
	lanes := 2 * len(g.from)
	// One vertex a junction, and one more for each lane that ends under a prohibition.
	g.junction = make([]JunctionID, len(g.junctions))
	for i := range g.junction {
		g.junction[i] = JunctionID(i)
	}
	g.head = make([]int32, lanes)
	under := map[JunctionID][]int32{} // further vertices of a junction
	forbidden := map[int32][]Lane{}
	for l := range Lane(lanes) {
		end := g.start(l ^ 1)
		switch {
		case g.flags[l.Segment()]&noWay(l) != 0:
			g.head[l] = -1
		case len(b.bans[l]) > 0:
			v := int32(len(g.junction))
			g.junction = append(g.junction, end)
			under[end] = append(under[end], v)
			forbidden[v] = b.bans[l]
			g.head[l] = v
		default:
			g.head[l] = int32(end)
		}
	}
	g.connect(under, forbidden)
	return g
}

// noWay is the flag that forbids driving on the lane.
func noWay(l Lane) Flags {
	if l.backward() {
		return NoBackward
	}
	return NoForward
}

// connect lists the arcs of every vertex.
func (g *Graph) connect(under map[JunctionID][]int32, forbidden map[int32][]Lane) {
	tails := func(l Lane, each func(v int32)) {
		if g.head[l] < 0 {
			return
		}
		start := g.start(l)
		each(int32(start))
		for _, v := range under[start] {
			if !slices.Contains(forbidden[v], l) {
				each(v)
			}
		}
	}
	g.first = make([]int32, len(g.junction)+1)
	for l := range Lane(len(g.head)) {
		tails(l, func(v int32) { g.first[v+1]++ })
	}
	for v := range g.junction {
		g.first[v+1] += g.first[v]
	}
	g.lane = make([]Lane, g.first[len(g.junction)])
	next := slices.Clone(g.first)
	for l := range Lane(len(g.head)) {
		tails(l, func(v int32) {
			g.lane[next[v]] = l
			next[v]++
		})
	}
}

// bendOf is by how many degrees a line turns from its beginning to its end, left and
// right alike.
func bendOf(shape []geo.Point) uint16 {
	var sum float64
	for i := 1; i+1 < len(shape); i++ {
		ax, ay := plane(shape[i-1], shape[i])
		bx, by := plane(shape[i], shape[i+1])
		sum += math.Abs(math.Atan2(ax*by-ay*bx, ax*bx+ay*by))
	}
	return uint16(min(math.Round(sum*180/math.Pi), math.MaxUint16))
}

// plane is the way from one point to another near it, east and north, to one scale.
func plane(from, to geo.Point) (x, y float64) {
	return (to.Lon - from.Lon) * math.Cos(from.Lat*math.Pi/180), to.Lat - from.Lat
}

func whole(metres float32) uint16 {
	return uint16(min(max(math.Round(float64(metres)), 0), math.MaxUint16))
}

func coordOf(p geo.Point) coord {
	return coord{lat: int32(math.Round(p.Lat * 1e7)), lon: int32(math.Round(p.Lon * 1e7))}
}

func (c coord) point() geo.Point {
	return geo.Point{Lat: float64(c.lat) / 1e7, Lon: float64(c.lon) / 1e7}
}
