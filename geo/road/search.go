package road

// seed is a vertex where a search begins, and what it costs to begin there.
type seed struct {
	vertex int32
	cost   weight
}

// reach answers how far many vertices are from one place, or to it. It belongs to
// one goroutine, and to one metric from aim or leave to the next.
//
// The place's weights are laid down on its ancestors in the elimination tree. All
// upward links of a vertex lead to ancestors of its own, so its weight follows
// from theirs; each is worked out when first asked for and kept: B. Strasser and
// T. Zeitz, "A Fast and Tight Heuristic for A* in Road Networks", SEA 2021 (Lazy
// RPHAST), after D. Delling, A. Goldberg and R. Werneck.
type reach struct {
	h *hierarchy
	// By rank: the weight, or, with the topmost bit set, no more than a bound on it.
	dist []weight
	// Those of dist that were written since the last reset.
	touched []int32
	climb   climb
	path    []int32  // from a vertex up to where weights are known
	links   []weight // of the metric, in the direction of the drives asked for
}

// open marks a weight that may still fall. Sums with a link's weight keep it.
const open weight = 1 << 63

func newReach(h *hierarchy) *reach {
	r := &reach{h: h, dist: make([]weight, len(h.vertex))}
	for i := range r.dist {
		r.dist[i] = open | never
	}
	return r
}

// aim makes from answer for drives to the nearest of targets, their costs added.
func (r *reach) aim(m *metric, targets []seed) { r.sow(targets, m.down, m.up) }

// leave makes to answer for drives from the nearest of sources, their costs added.
func (r *reach) leave(m *metric, sources []seed) { r.sow(sources, m.up, m.down) }

// from is the weight of the quickest drive from v to where aim aimed; never or
// more when there is none.
func (r *reach) from(v int32) weight { return r.weigh(r.h.g.rank[v]) }

// to is the weight of the quickest drive from where leave left to v; never or more
// when there is none.
func (r *reach) to(v int32) weight { return r.weigh(r.h.g.rank[v]) }

// sow lays the seeds' weights on their ancestors over links weighing so much away
// from the place; toward are those that weigh uses.
func (r *reach) sow(seeds []seed, away, toward []weight) {
	for _, v := range r.touched {
		r.dist[v] = open | never
	}
	r.touched, r.links = r.touched[:0], toward
	h := r.h
	r.climb.start()
	for _, s := range seeds {
		v := h.g.rank[s.vertex]
		r.dist[v] = min(r.dist[v], open|min(s.cost, never))
		r.climb.add(v)
	}
	for v := r.climb.next(h); v != gone; v = r.climb.next(h) {
		r.touched = append(r.touched, v)
		d := r.dist[v]
		if d >= open|never {
			continue
		}
		from, end := h.first[v], h.first[v+1]
		high, weights := h.high[from:end], away[from:end]
		weights = weights[:len(high)]
		for i, u := range high {
			if w := d + weights[i]; w < r.dist[u] {
				r.dist[u] = w
			}
		}
	}
}

// weigh works out the weight of v, by rank, and of its ancestors.
func (r *reach) weigh(v int32) weight {
	h := r.h
	r.path = r.path[:0]
	for u := v; u != gone && r.dist[u] >= open; u = h.parent[u] {
		r.path = append(r.path, u)
	}
	for i := len(r.path) - 1; i >= 0; i-- {
		u := r.path[i]
		if r.dist[u] == open|never {
			r.touched = append(r.touched, u)
		}
		d := r.dist[u] &^ open
		from, end := h.first[u], h.first[u+1]
		high, weights := h.high[from:end], r.links[from:end]
		weights = weights[:len(high)]
		for i, up := range high {
			d = min(d, weights[i]+r.dist[up])
		}
		r.dist[u] = d
	}
	return r.dist[v]
}

// climb walks up the elimination tree from several vertices at once, lowest first,
// each vertex once.
type climb struct {
	at []int32 // the vertices to visit next
}

func (c *climb) start()      { c.at = c.at[:0] }
func (c *climb) add(v int32) { c.at = append(c.at, v) }

// next is the vertex to visit, gone after the last. There are few seeds, and their
// ways up soon meet, so a look at each is cheaper than a heap.
func (c *climb) next(h *hierarchy) int32 {
	if len(c.at) == 0 {
		return gone
	}
	v := c.at[0]
	for _, u := range c.at[1:] {
		v = min(v, u)
	}
	up, kept := h.parent[v], c.at[:0]
	for _, u := range c.at {
		if u != v {
			kept = append(kept, u)
		}
	}
	if up != gone {
		kept = append(kept, up)
	}
	c.at = kept
	return v
}
