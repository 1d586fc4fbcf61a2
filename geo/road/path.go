package road

import "slices"

// query finds the quickest drive between two places, and its way. It belongs to
// one goroutine.
type query struct {
	h *hierarchy
	// By rank. All unreached between searches, except those of touched.
	labels           []label
	touched          []int32
	climb            climb
	sources, targets []seed
	meet             int32 // where the drive is highest; gone when there is none
	links            []int32
	lanes            []Lane
}

// label is what a search knows of a vertex: the weight from the sources and to the
// targets, and the link by which it was reached.
type label struct {
	out, in         weight
	outLink, inLink int32 // gone: it is a seed
}

var unreached = label{out: never, in: never, outLink: gone, inLink: gone}

func newQuery(h *hierarchy) *query {
	q := &query{h: h, labels: make([]label, len(h.vertex)), meet: gone}
	for i := range q.labels {
		q.labels[i] = unreached
	}
	return q
}

// travel is the weight of the quickest drive from one of the sources to one of the
// targets, their costs added; ok is false when there is none. Both slices are the
// caller's again when it returns.
func (q *query) travel(m *metric, sources, targets []seed) (w weight, ok bool) {
	for _, v := range q.touched {
		q.labels[v] = unreached
	}
	q.touched, q.meet = q.touched[:0], gone
	q.sources, q.targets = append(q.sources[:0], sources...), append(q.targets[:0], targets...)
	q.climb.start()
	for _, s := range sources {
		v := q.h.g.rank[s.vertex]
		q.labels[v].out = min(q.labels[v].out, s.cost)
		q.climb.add(v)
	}
	for _, s := range targets {
		v := q.h.g.rank[s.vertex]
		q.labels[v].in = min(q.labels[v].in, s.cost)
		q.climb.add(v)
	}
	best := never
	for v := q.climb.next(q.h); v != gone; v = q.climb.next(q.h) {
		q.touched = append(q.touched, v)
		l := q.labels[v]
		if l.out+l.in < best {
			best, q.meet = l.out+l.in, v
		}
		// What is no better here than the best so far cannot become so further up.
		if l.out < best {
			q.relaxOut(v, l.out, m.up)
		}
		if l.in < best {
			q.relaxIn(v, l.in, m.down)
		}
	}
	return best, best < never
}

func (q *query) relaxOut(v int32, w weight, up []weight) {
	for e := q.h.first[v]; e < q.h.first[v+1]; e++ {
		if l := &q.labels[q.h.high[e]]; w+up[e] < l.out {
			l.out, l.outLink = w+up[e], e
		}
	}
}

func (q *query) relaxIn(v int32, w weight, down []weight) {
	for e := q.h.first[v]; e < q.h.first[v+1]; e++ {
		if l := &q.labels[q.h.high[e]]; w+down[e] < l.in {
			l.in, l.inLink = w+down[e], e
		}
	}
}

// path is the way of the last travel, which was with the same metric: the lanes in
// order from the source vertex to the target vertex, none when that is the same or
// when there is no way. It is valid until the next travel or path.
func (q *query) path(m *metric) []Lane {
	q.lanes, q.links = q.lanes[:0], q.links[:0]
	if q.meet == gone {
		return nil
	}
	v := q.meet
	for e := q.labels[v].outLink; e != gone; e = q.labels[v].outLink {
		q.links = append(q.links, e)
		v = q.h.low[e]
	}
	for _, e := range slices.Backward(q.links) {
		q.unpackUp(m, e)
	}
	v = q.meet
	for e := q.labels[v].inLink; e != gone; e = q.labels[v].inLink {
		q.unpackDown(m, e)
		v = q.h.low[e]
	}
	return q.lanes
}

// unpackUp appends the lanes that a link stands for from its lower end to its
// upper: one lane, if that is as quick as the way over a lower vertex, and of
// several lanes or vertices the first.
func (q *query) unpackUp(m *metric, e int32) {
	x, y := q.h.low[e], q.h.high[e]
	if q.single(m, x, y, m.up[e]) {
		return
	}
	for _, zx := range q.h.under[q.h.below[x]:q.h.below[x+1]] {
		if zy := q.h.link(q.h.low[zx], y); zy != gone && m.down[zx]+m.up[zy] == m.up[e] {
			q.unpackDown(m, zx)
			q.unpackUp(m, zy)
			return
		}
	}
}

// unpackDown is unpackUp for the way back.
func (q *query) unpackDown(m *metric, e int32) {
	x, y := q.h.low[e], q.h.high[e]
	if q.single(m, y, x, m.down[e]) {
		return
	}
	for _, zx := range q.h.under[q.h.below[x]:q.h.below[x+1]] {
		if zy := q.h.link(q.h.low[zx], y); zy != gone && m.down[zy]+m.up[zx] == m.down[e] {
			q.unpackDown(m, zy)
			q.unpackUp(m, zx)
			return
		}
	}
}

// single appends the first lane between two vertices that weighs w, if there is one.
func (q *query) single(m *metric, from, to int32, w weight) bool {
	g := q.h.g
	v := q.h.vertex[from]
	for _, l := range g.lane[g.first[v]:g.first[v+1]] {
		if g.head[l] == q.h.vertex[to] && m.lane[l] == w {
			q.lanes = append(q.lanes, l)
			return true
		}
	}
	return false
}

// ends says which of the sources and which of the targets the last travel was from
// and to, by their places in the slices given; of equal ones the first.
func (q *query) ends() (source, target int) {
	v, w := q.meet, q.meet
	for q.labels[v].outLink != gone {
		v = q.h.low[q.labels[v].outLink]
	}
	for q.labels[w].inLink != gone {
		w = q.h.low[q.labels[w].inLink]
	}
	source = slices.IndexFunc(q.sources, func(s seed) bool { return q.h.g.rank[s.vertex] == v && s.cost == q.labels[v].out })
	target = slices.IndexFunc(q.targets, func(s seed) bool { return q.h.g.rank[s.vertex] == w && s.cost == q.labels[w].in })
	return source, target
}
