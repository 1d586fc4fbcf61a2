package road

import "math/bits"

// metric is what the links of a hierarchy weigh for one class of vehicle today: the
// quickest way between their ends over lower vertices. It belongs to one goroutine
// while it is made or updated; any number may read it in between.
type metric struct {
	h    *hierarchy
	lane []weight // by lane, as last told; never for those that cannot be driven
	// By link: from its lower end to its upper, and back.
	up, down []weight
	dirty    []uint64 // one bit a link: to be weighed again; all zero between updates
}

// newMetric weighs every link.
func (h *hierarchy) newMetric(weightOf func(Lane) weight) *metric {
	links := len(h.high)
	m := &metric{
		h: h, lane: make([]weight, len(h.g.head)),
		up: make([]weight, links), down: make([]weight, links), dirty: make([]uint64, (links+63)/64),
	}
	for l := range m.lane {
		m.lane[l] = m.told(Lane(l), weightOf)
	}
	m.customise()
	return m
}

func (m *metric) told(l Lane, weightOf func(Lane) weight) weight {
	if m.h.g.head[l] < 0 {
		return never
	}
	return min(weightOf(l), never)
}

// customise weighs every link by its lanes, and then by the lower triangles it is
// in, from the bottom to the top.
func (m *metric) customise() {
	h, g := m.h, m.h.g
	for e := range m.up {
		m.up[e], m.down[e] = never, never
	}
	for a, slot := range h.slot {
		switch w := m.lane[g.lane[a]]; {
		case slot < 0:
		case slot&1 == 0:
			m.up[slot>>1] = min(m.up[slot>>1], w)
		default:
			m.down[slot>>1] = min(m.down[slot>>1], w)
		}
	}
	linkTo := make([]int32, len(h.vertex)) // by upper end, of the vertex at hand
	for y := range h.vertex {
		for e := h.first[y]; e < h.first[y+1]; e++ {
			linkTo[h.high[e]] = e
		}
		for _, xy := range h.under[h.below[y]:h.below[y+1]] {
			m.lower(xy, linkTo)
		}
	}
}

// lower weighs the links above xy's upper end by the way over its lower end.
func (m *metric) lower(xy int32, linkTo []int32) {
	h := m.h
	from, end := xy+1, h.first[h.low[xy]+1]
	high, ups, downs := h.high[from:end], m.up[from:end], m.down[from:end]
	ups, downs = ups[:len(high)], downs[:len(high)]
	toX, fromX := m.down[xy], m.up[xy]
	for i, z := range high {
		yz := linkTo[z]
		if w := toX + ups[i]; w < m.up[yz] {
			m.up[yz] = w
		}
		if w := downs[i] + fromX; w < m.down[yz] {
			m.down[yz] = w
		}
	}
}

// update makes the metric what newMetric would make of weightOf, given that at most
// these lanes weigh something else than before.
func (m *metric) update(lanes []Lane, weightOf func(Lane) weight) {
	// Measured on half a million junctions: an update of lanes that lie together pays
	// up to a hundredth of all, of lanes all over the land up to a three-thousandth;
	// one in two hundred is sure to be too many of these and is little lost of those.
	// A triangle costs twice what it does in a full customisation, so that half of one
	// has been spent when an update gives up.
	const mostLanes, mostWork = 200, 4
	if !m.updateWithin(lanes, weightOf, len(m.lane)/mostLanes, (m.h.triangles+len(m.up))/mostWork) {
		clear(m.dirty)
		m.customise()
	}
}

// updateWithin weighs links again from the bottom up, and only where a change below
// can matter to them. It says whether it got through; it does not when more lanes
// than most turn out to have changed, or when it becomes more work than it may be.
func (m *metric) updateWithin(lanes []Lane, weightOf func(Lane) weight, most, work int) bool {
	for _, l := range lanes {
		w := m.told(l, weightOf)
		if w == m.lane[l] {
			continue
		}
		m.lane[l] = w
		if most--; most < 0 {
			continue
		}
		m.h.arcs(l, func(arc int32) {
			if slot := m.h.slot[arc]; slot >= 0 {
				m.soil(slot >> 1)
			}
		})
	}
	if most < 0 {
		return false
	}
	for i := 0; i < len(m.dirty); i++ {
		// A change dirties later links only, some in the same word.
		for m.dirty[i] != 0 {
			e := int32(i*64 + bits.TrailingZeros64(m.dirty[i]))
			m.dirty[i] &= m.dirty[i] - 1
			if work -= m.reweigh(e); work < 0 {
				return false
			}
		}
	}
	return true
}

func (m *metric) soil(e int32) { m.dirty[e>>6] |= 1 << (e & 63) }

// reweigh weighs one link again, whose lower triangles are settled, and dirties the
// links above that its change may concern. It returns how many triangles it saw.
func (m *metric) reweigh(e int32) (work int) {
	h := m.h
	x, y := h.low[e], h.high[e]
	up, down := m.lanes(x, y), m.lanes(y, x)
	below := h.under[h.below[x]:h.below[x+1]]
	for _, zx := range below {
		if zy := h.link(h.low[zx], y); zy != gone {
			up = min(up, m.down[zx]+m.up[zy])
			down = min(down, m.down[zy]+m.up[zx])
		}
	}
	oldUp, oldDown := m.up[e], m.down[e]
	if up == oldUp && down == oldDown {
		return len(below) + 1
	}
	m.up[e], m.down[e] = up, down
	for f := h.first[x]; f < h.first[x+1]; f++ {
		if f == e {
			continue
		}
		over := h.link(min(y, h.high[f]), max(y, h.high[f]))
		there, back := m.up[over], m.down[over] // from y to f's upper end, and back
		if h.high[f] < y {
			there, back = back, there
		}
		if matters(there, oldDown+m.up[f], down+m.up[f]) || matters(back, m.down[f]+oldUp, m.down[f]+up) {
			m.soil(over)
		}
	}
	return len(below) + 1 + int(h.first[x+1]-h.first[x])
}

// matters says whether a link's weight can be another because the way through one
// of its triangles was once and is now so long.
func matters(weight, was, is weight) bool {
	return was != is && (was == weight || is < weight)
}

// lanes is the weight of the quickest lane from one vertex to another, by rank.
func (m *metric) lanes(from, to int32) weight {
	g := m.h.g
	v, w := m.h.vertex[from], never
	for _, l := range g.lane[g.first[v]:g.first[v+1]] {
		if g.head[l] == m.h.vertex[to] {
			w = min(w, m.lane[l])
		}
	}
	return w
}
