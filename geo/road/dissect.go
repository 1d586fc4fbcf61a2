package road

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// piece is a part of the network that is being dissected.
type piece struct {
	links
	vertex   []int32 // in the whole network
	lat, lon []int32 // of the same scale
}

// newPiece is the part of the network that has links. Neighbours on the ground get
// numbers that are near each other, and so lie together in memory.
func newPiece(g *Graph, n *links) *piece {
	whole := &piece{links: *n}
	side := make([]int32, len(g.junction))
	for v, j := range g.junction {
		at := g.junctions[j]
		whole.vertex = append(whole.vertex, int32(v))
		whole.lat = append(whole.lat, at.lat/2)
		whole.lon = append(whole.lon, int32(float64(at.lon/2)*math.Cos(float64(at.lat)/1e7*math.Pi/180)))
		if len(n.of(int32(v))) == 0 {
			side[v] = gone
		}
	}
	return whole.split(side, 1)[0].sorted()
}

// sorted is the piece with its vertices along a Z-order curve.
func (p *piece) sorted() *piece {
	curve := make([]uint64, len(p.vertex))
	for v := range curve {
		curve[v] = spread(p.lat[v])<<1 | spread(p.lon[v])
	}
	old := make([]int32, len(p.vertex)) // by new number
	for v := range old {
		old[v] = int32(v)
	}
	slices.SortFunc(old, func(v, u int32) int { return cmp.Or(cmp.Compare(curve[v], curve[u]), int(v-u)) })
	number := make([]int32, len(old))
	for i, v := range old {
		number[v] = int32(i)
	}
	s := &piece{links: links{first: []int32{0}}}
	for _, v := range old {
		for _, u := range p.of(v) {
			s.far = append(s.far, number[u])
		}
		s.first = append(s.first, int32(len(s.far)))
		s.vertex, s.lat, s.lon = append(s.vertex, p.vertex[v]), append(s.lat, p.lat[v]), append(s.lon, p.lon[v])
	}
	return s
}

// spread puts a zero before each bit.
func spread(coordinate int32) uint64 {
	x := uint64(uint32(coordinate) ^ 1<<31)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// small is how many vertices are ordered by their degree, and no longer dissected.
const small = 64

// dissect appends the vertices in the order of contraction: both sides of a
// separator first, the separator last ("nested dissection": A. George, SIAM J.
// Numer. Anal. 10(2), 1973).
func (p *piece) dissect(sequence []int32) []int32 {
	if len(p.vertex) <= small {
		return p.byDegree(sequence)
	}
	if side, sides := p.components(); sides > 1 {
		for _, part := range p.split(side, sides) {
			sequence = part.dissect(sequence)
		}
		return sequence
	}
	side := p.separate()
	for _, part := range p.split(side, 2) {
		sequence = part.dissect(sequence)
	}
	for v, s := range side {
		if s == gone {
			sequence = append(sequence, p.vertex[v])
		}
	}
	return sequence
}

// byDegree contracts, again and again, the vertex that has fewest neighbours; of
// those the one with the lowest tree under it.
func (p *piece) byDegree(sequence []int32) []int32 {
	var about [small]uint64 // by vertex: its neighbours
	var depth [small]int
	left := uint64(0)
	for v := range p.vertex {
		left |= 1 << v
		for _, u := range p.of(int32(v)) {
			about[v] |= 1 << u
		}
	}
	for left != 0 {
		best, least := 0, math.MaxInt
		for rest := left; rest != 0; rest &= rest - 1 {
			v := bits.TrailingZeros64(rest)
			if cost := bits.OnesCount64(about[v])<<8 | depth[v]; cost < least {
				best, least = v, cost
			}
		}
		left &^= 1 << best
		sequence = append(sequence, p.vertex[best])
		for rest := about[best]; rest != 0; rest &= rest - 1 {
			u := bits.TrailingZeros64(rest)
			about[u] = (about[u] | about[best]) &^ (1<<u | 1<<best)
			depth[u] = max(depth[u], depth[best]+1)
		}
	}
	return sequence
}

// components numbers the parts that hang together.
func (p *piece) components() (side []int32, sides int32) {
	side = make([]int32, len(p.vertex))
	for v := range side {
		side[v] = gone
	}
	var queue []int32
	for v := range side {
		if side[v] != gone {
			continue
		}
		side[v] = sides
		for queue = append(queue[:0], int32(v)); len(queue) > 0; {
			u := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, w := range p.of(u) {
				if side[w] == gone {
					side[w] = sides
					queue = append(queue, w)
				}
			}
		}
		sides++
	}
	return side, sides
}

// split makes a piece of each side; links between sides, and vertices on none, are
// dropped.
func (p *piece) split(side []int32, sides int32) []*piece {
	parts := make([]*piece, sides)
	for i := range parts {
		parts[i] = &piece{links: links{first: []int32{0}}}
	}
	local := make([]int32, len(side))
	for v, s := range side {
		if s == gone {
			continue
		}
		part := parts[s]
		local[v] = int32(len(part.vertex))
		part.vertex = append(part.vertex, p.vertex[v])
		part.lat, part.lon = append(part.lat, p.lat[v]), append(part.lon, p.lon[v])
	}
	for v, s := range side {
		if s == gone {
			continue
		}
		part := parts[s]
		for _, u := range p.of(int32(v)) {
			if side[u] == s {
				part.far = append(part.far, local[u])
			}
		}
		part.first = append(part.first, int32(len(part.far)))
	}
	return parts
}

// separate finds few vertices without which the piece falls into two sides: side 0
// and 1, gone for the separator. It is inertial flow (A. Schild and C. Sommer, "On
// balanced separators in road networks", SEA 2015): along each of four directions
// the first and the last quarter of the vertices are source and sink, and the
// separator is a minimum cut between them, here of vertices. The smallest of
// the four is taken, of equal ones the one that divides more evenly.
func (p *piece) separate() []int32 {
	n := len(p.vertex)
	f := newFlow(p)
	keys := make([]uint64, n)
	best, least, evenly := make([]int32, n), math.MaxInt, 0
	side := make([]int32, n)
	for _, along := range [][2]int64{{1, 0}, {0, 1}, {1, 1}, {1, -1}} {
		for v := range keys {
			place := along[0]*int64(p.lat[v]) + along[1]*int64(p.lon[v]) + 1<<33
			keys[v] = uint64(place>>3)<<32 | uint64(v)
		}
		slices.Sort(keys)
		cut, ok := f.cut(keys[:n/4], keys[n-n/4:], least)
		if !ok {
			continue
		}
		if smaller := f.sides(side); cut < least || smaller > evenly {
			best, side, least, evenly = side, best, cut, smaller
		}
	}
	return best
}
