package road

import (
	"slices"
	"sort"
)

// hierarchy is the roads with shortcuts added, such that every quickest way goes up
// the order of contraction and then down again, whatever the lanes weigh: J.
// Dibbelt, B. Strasser and D. Wagner, "Customizable Contraction Hierarchies", ACM
// Journal of Experimental Algorithmics 21, 2016. It knows no weights; those are in
// a [metric], of which there can be many. It never changes.
//
// A vertex is called by its rank in here, so that those met together lie together.
// A link joins a vertex to a higher one and stands for both directions.
type hierarchy struct {
	g *Graph
	// By rank.
	vertex []int32 // what it is in g
	parent []int32 // the lowest vertex it has a link up to; gone at a root
	first  []int32 // its first link up; one more than vertices
	below  []int32 // its first entry in under; one more than vertices
	// By link, in the order of the lower end and then of the upper.
	low, high []int32
	// Links again, in the order of the upper end and then of the lower.
	under []int32
	// By arc of g: twice the link, one more when the arc leads down; gone for loops.
	slot []int32
	// Vertices that a junction has beside that of its own number, in its order.
	extra []int32
	// How many triangles links make; the work of a full customisation.
	triangles int
}

// newHierarchy builds it from the order in g.
func newHierarchy(g *Graph) *hierarchy {
	n := len(g.rank)
	h := &hierarchy{g: g, vertex: make([]int32, n), parent: make([]int32, n), first: make([]int32, 1, n+1)}
	for v, r := range g.rank {
		h.vertex[r] = int32(v)
	}
	h.contract()
	h.turn()
	h.slot = make([]int32, len(g.lane))
	for v := range int32(n) {
		for a := g.first[v]; a < g.first[v+1]; a++ {
			h.slot[a] = h.slotOf(g.rank[v], g.rank[g.head[g.lane[a]]])
		}
	}
	for v := len(g.junctions); v < n; v++ {
		h.extra = append(h.extra, int32(v))
	}
	slices.SortStableFunc(h.extra, func(a, b int32) int { return int(g.junction[a] - g.junction[b]) })
	return h
}

// contract lists the links up: those to neighbours, and those that each child had
// to others than this vertex.
func (h *hierarchy) contract() {
	net := linksOf(h.g)
	child, sibling := make([]int32, len(h.vertex)), make([]int32, len(h.vertex))
	for r := range child {
		child[r] = gone
	}
	var row []int32
	for r, v := range h.vertex {
		row = row[:0]
		for _, u := range net.of(v) {
			if up := h.g.rank[u]; up > int32(r) {
				row = append(row, up)
			}
		}
		for c := child[r]; c != gone; c = sibling[c] {
			row = append(row, h.high[h.first[c]+1:h.first[c+1]]...)
		}
		slices.Sort(row)
		row = slices.Compact(row)
		h.high = append(h.high, row...)
		h.first = append(h.first, int32(len(h.high)))
		h.triangles += len(row) * (len(row) - 1) / 2
		h.parent[r] = gone
		if len(row) > 0 {
			p := row[0]
			h.parent[r] = p
			sibling[r], child[p] = child[p], int32(r)
		}
	}
	h.high = slices.Clip(h.high)
}

// turn lists the links by their upper ends.
func (h *hierarchy) turn() {
	h.low = make([]int32, len(h.high))
	h.below = make([]int32, len(h.vertex)+1)
	for _, up := range h.high {
		h.below[up+1]++
	}
	for r := range h.vertex {
		h.below[r+1] += h.below[r]
	}
	h.under = make([]int32, len(h.high))
	next := slices.Clone(h.below)
	for r := range h.vertex {
		for e := h.first[r]; e < h.first[r+1]; e++ {
			h.low[e] = int32(r)
			up := h.high[e]
			h.under[next[up]] = e
			next[up]++
		}
	}
}

// link finds the link between two vertices, gone if there is none.
func (h *hierarchy) link(low, high int32) int32 {
	from := h.first[low]
	row := h.high[from:h.first[low+1]]
	lo, hi := 0, len(row)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); row[mid] < high {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(row) || row[lo] != high {
		return gone
	}
	return from + int32(lo)
}

func (h *hierarchy) slotOf(from, to int32) int32 {
	switch {
	case from < to:
		return 2 * h.link(from, to)
	case from > to:
		return 2*h.link(to, from) + 1
	}
	return gone
}

// arcs calls each with every arc of g that stands for the lane.
func (h *hierarchy) arcs(l Lane, each func(arc int32)) {
	g := h.g
	start := g.start(l)
	about := func(v int32) {
		for a := g.first[v]; a < g.first[v+1]; a++ {
			if g.lane[a] == l {
				each(a)
			}
		}
	}
	about(int32(start))
	at := sort.Search(len(h.extra), func(i int) bool { return g.junction[h.extra[i]] >= start })
	for ; at < len(h.extra) && g.junction[h.extra[at]] == start; at++ {
		about(h.extra[at])
	}
}
