package road

import (
	"cmp"
	"math"
	"slices"

	"cuntong/geo"
)

// Pruned says what BuildConnected left out, and what it kept apart.
type Pruned struct {
	// Segments and Length are those that were left out: whoever drives there does not
	// come back, or cannot get there.
	Segments int
	Length   geo.Meters
	// Islands is the number of parts that were kept beside the main one, and
	// IslandLength their roads.
	Islands      int
	IslandLength geo.Meters
}

// maxIslands bounds the parts that are told apart; further ones are left out.
const maxIslands = math.MaxUint16

// BuildConnected returns the network without what is cut off: it keeps the largest
// part within which one can drive from everywhere to everywhere, and every other
// such part that has at least so much road. A lane that leads out of its part for
// good is closed. The Builder must not be used afterwards.
func (b *Builder) BuildConnected(keep geo.Meters) (*Graph, Pruned) {
	bans := b.bans
	g := b.assemble()
	part := g.lanesByPart()
	island, pruned := g.islands(part, keep)

	clean := NewBuilder(g.source, g.licence)
	clean.g.junctions = g.junctions
	moved := make([]SegmentID, len(g.from))
	var islands []uint16
	for s := range SegmentID(len(g.from)) {
		forward, backward := part[s.Forward()], part[s.Backward()]
		number, kept := island[max(forward, backward)]
		if moved[s] = -1; !kept {
			pruned.Segments++
			pruned.Length += geo.Meters(g.length[s]) / 10
			continue
		}
		moved[s] = SegmentID(len(clean.g.from))
		clean.take(g, s)
		if _, ok := island[forward]; !ok {
			clean.g.flags[moved[s]] |= NoForward
		}
		if _, ok := island[backward]; !ok {
			clean.g.flags[moved[s]] |= NoBackward
		}
		islands = append(islands, number)
	}
	for from, tos := range bans {
		for _, to := range tos {
			if a, b := moved[from.Segment()], moved[to.Segment()]; a >= 0 && b >= 0 {
				clean.bans[Lane(a)<<1|from&1] = append(clean.bans[Lane(a)<<1|from&1], Lane(b)<<1|to&1)
			}
		}
	}
	clean.dropLoneJunctions()
	out := clean.assemble()
	copy(out.island, islands)
	out.rank = order(out)
	return out, pruned
}

// take copies a segment.
func (b *Builder) take(g *Graph, s SegmentID) {
	to := b.g
	id := SegmentID(len(to.from))
	to.from, to.to = append(to.from, g.from[s]), append(to.to, g.to[s])
	to.length, to.kind = append(to.length, g.length[s]), append(to.kind, g.kind[s])
	to.surface, to.flags = append(to.surface, g.surface[s]), append(to.flags, g.flags[s])
	to.speed = append(to.speed, g.speed[2*s], g.speed[2*s+1])
	to.bend = append(to.bend, g.bend[s])
	to.climb, to.descent, to.top = append(to.climb, g.climb[s]), append(to.descent, g.descent[s]), append(to.top, g.top[s])
	to.name = append(to.name, b.named(g.names[g.name[s]]))
	to.shape = append(to.shape, g.shape[g.shapeAt[s]:g.shapeAt[s+1]]...)
	to.shapeAt = append(to.shapeAt, uint32(len(to.shape)))
	if r, ok := g.rare[s]; ok {
		to.rare[id] = r
	}
}

// dropLoneJunctions renumbers the junctions so that each has a road.
func (b *Builder) dropLoneJunctions() {
	g := b.g
	moved := make([]JunctionID, len(g.junctions))
	for _, ends := range [][]JunctionID{g.from, g.to} {
		for _, j := range ends {
			moved[j] = 1
		}
	}
	var kept []coord
	for j, used := range moved {
		if used == 1 {
			moved[j] = JunctionID(len(kept))
			kept = append(kept, g.junctions[j])
		}
	}
	for _, ends := range [][]JunctionID{g.from, g.to} {
		for i, j := range ends {
			ends[i] = moved[j]
		}
	}
	g.junctions = kept
}

// lanesByPart returns for every lane the strongly connected part it runs within; -1:
// none.
func (g *Graph) lanesByPart() []int32 {
	part := g.parts()
	lanes := make([]int32, len(g.head))
	for l := range lanes {
		lanes[l] = -1
	}
	for v := range g.junction {
		for _, l := range g.lane[g.first[v]:g.first[v+1]] {
			if part[v] == part[g.head[l]] {
				lanes[l] = part[v]
			}
		}
	}
	return lanes
}

// islands numbers the parts that are worth keeping: 0 is the one with most road.
func (g *Graph) islands(part []int32, keep geo.Meters) (map[int32]uint16, Pruned) {
	length := map[int32]geo.Meters{}
	for s := range SegmentID(len(g.from)) {
		if p := max(part[s.Forward()], part[s.Backward()]); p >= 0 {
			length[p] += geo.Meters(g.length[s]) / 10
		}
	}
	parts := make([]int32, 0, len(length))
	for p := range length {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b int32) int { return cmp.Or(cmp.Compare(length[b], length[a]), cmp.Compare(a, b)) })
	island, pruned := map[int32]uint16{}, Pruned{}
	for i, p := range parts {
		if i > 0 && (length[p] < keep || i > maxIslands) {
			break
		}
		island[p] = uint16(i)
		if i > 0 {
			pruned.Islands++
			pruned.IslandLength += length[p]
		}
	}
	return island, pruned
}

// parts numbers the strongly connected components: vertices have the same number
// when each can be reached from the other. It is Tarjan's algorithm ("Depth-first
// search and linear graph algorithms", SIAM Journal on Computing 1(2), 1972) with a
// stack of its own, because a valley road is deeper than a goroutine's should be.
func (g *Graph) parts() []int32 {
	n := len(g.junction)
	part, low, index := make([]int32, n), make([]int32, n), make([]int32, n)
	next := slices.Clone(g.first) // by vertex: the arc to look at next
	var path, open []int32        // path: where the search stands; open: without a part yet
	seen, parts := int32(0), int32(0)
	enter := func(v int32) {
		seen++
		index[v], low[v], part[v] = seen, seen, -1
		path, open = append(path, v), append(open, v)
	}
	for root := range int32(n) {
		if index[root] != 0 {
			continue
		}
		enter(root)
		for len(path) > 0 {
			v := path[len(path)-1]
			if next[v] < g.first[v+1] {
				w := g.head[g.lane[next[v]]]
				next[v]++
				if index[w] == 0 {
					enter(w)
				} else if part[w] < 0 {
					low[v] = min(low[v], index[w])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				up := path[len(path)-1]
				low[up] = min(low[up], low[v])
			}
			if low[v] == index[v] {
				for w := int32(-1); w != v; {
					w = open[len(open)-1]
					open = open[:len(open)-1]
					part[w] = parts
				}
				parts++
			}
		}
	}
	return part
}

// Totals says how much road a network has.
type Totals struct {
	Junctions, Segments int
	Length              geo.Meters
	Climb               geo.Meters // metres gained and lost
	ByKind              []KindTotal
}

// KindTotal is how much road of a kind there is.
type KindTotal struct {
	Kind     geo.RoadKind
	Segments int
	Length   geo.Meters
}

// Totals counts what is in the network; kinds of which it has none are left out.
func (g *Graph) Totals() Totals {
	kinds := geo.RoadKinds()
	by := make([]KindTotal, len(kinds))
	t := Totals{Junctions: len(g.junctions), Segments: len(g.from)}
	for s, kind := range g.kind {
		length := geo.Meters(g.length[s]) / 10
		t.Length += length
		t.Climb += geo.Meters(g.climb[s]) + geo.Meters(g.descent[s])
		by[kind] = KindTotal{Kind: kinds[kind], Segments: by[kind].Segments + 1, Length: by[kind].Length + length}
	}
	t.ByKind = slices.DeleteFunc(by, func(k KindTotal) bool { return k.Segments == 0 })
	return t
}
