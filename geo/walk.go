package geo

import "math"

// walk is one best-first search. Its queue holds nodes, ordered by a lower
// bound of the distance to anything below them, and runs, ordered by the nearest
// key they still have. Whatever comes out first is nearest: a node is opened
// into more of both, a run yields its key.
//
// A run is a stretch of at most leafMax keys of one leaf. Looking for the next
// nearest within a run by eye, so to speak, is cheaper than queueing each key,
// most of which are never asked for.
type walk[K comparable] struct {
	from  vec
	queue []candidate // a binary heap, before() on top
	nodes []*node[K]
	runs  []run[K]
	near  []float64 // squared chords to the keys of the runs; NaN, which is never nearest, once yielded
}

type candidate struct {
	chord2 float64 // squared, of the bound or of the key
	ref    int     // >= 0: of runs; < 0: ^ref of nodes
}

type run[K comparable] struct {
	leaf  *node[K]
	first int // of the run's keys in the leaf
	base  int // of their squared chords in near
	size  int
	left  int // not yet yielded
	best  int // the nearest of them, 0..size-1
}

// slack is taken off every bound, so that no rounding (a chord is good to 1e-15,
// six nanometres) can put a bound above a key it covers.
const slack = 4e-15

func (w *walk[K]) run(root *node[K], from vec, yield func(K, Meters) bool) {
	w.from = from
	w.open(root)
	for len(w.queue) > 0 {
		top := w.queue[0]
		if top.ref < 0 {
			w.pop()
			w.open(w.nodes[^top.ref])
			continue
		}
		r := &w.runs[top.ref]
		if !yield(r.leaf.items[r.first+r.best].key, arc(top.chord2)) {
			return
		}
		w.near[r.base+r.best] = math.NaN()
		if r.left--; r.left == 0 {
			w.pop()
			continue
		}
		w.queue[0].chord2 = w.pick(r)
		w.down()
	}
}

// open replaces a node by what is in it. A child whose bound is zero would come
// out of the queue at once, and an only child next, so those are not queued.
func (w *walk[K]) open(n *node[K]) {
	if n.isLeaf() {
		w.openLeaf(n)
		return
	}
	for i := range n.kids {
		k := &n.kids[i]
		bound := math.Sqrt(w.from.chord2(k.centre)) - k.reach - slack
		if bound <= 0 || len(n.kids) == 1 {
			w.open(k.node)
			continue
		}
		w.nodes = append(w.nodes, k.node)
		w.push(candidate{chord2: bound * bound, ref: ^(len(w.nodes) - 1)})
	}
}

func (w *walk[K]) openLeaf(n *node[K]) {
	for first := 0; first < len(n.at); first += leafMax {
		size := min(leafMax, len(n.at)-first)
		r := run[K]{leaf: n, first: first, base: len(w.near), size: size, left: size}
		for i := range n.at[first : first+size] {
			w.near = append(w.near, w.from.chord2(n.at[first+i]))
		}
		chord2 := w.pick(&r)
		w.runs = append(w.runs, r)
		w.push(candidate{chord2: chord2, ref: len(w.runs) - 1})
	}
}

// pick finds the nearest key the run has left, the earlier one of two equally
// near, and returns its squared chord.
func (w *walk[K]) pick(r *run[K]) float64 {
	nearest, best := math.Inf(1), 0
	for i, chord2 := range w.near[r.base : r.base+r.size] {
		if chord2 < nearest || chord2 == nearest && r.seq(i) < r.seq(best) {
			nearest, best = chord2, i
		}
	}
	r.best = best
	return nearest
}

func (r *run[K]) seq(i int) uint64 { return r.leaf.items[r.first+i].seq }

// before orders the queue. At equal distance a node goes first, because the key
// that comes first may be in it; then the key put first.
func (w *walk[K]) before(a, b candidate) bool {
	switch {
	case a.chord2 != b.chord2:
		return a.chord2 < b.chord2
	case a.ref < 0 || b.ref < 0:
		return a.ref < 0 && b.ref >= 0
	}
	ra, rb := &w.runs[a.ref], &w.runs[b.ref]
	return ra.seq(ra.best) < rb.seq(rb.best)
}

func (w *walk[K]) push(c candidate) {
	w.queue = append(w.queue, c)
	i := len(w.queue) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !w.before(c, w.queue[up]) {
			break
		}
		w.queue[i] = w.queue[up]
		i = up
	}
	w.queue[i] = c
}

func (w *walk[K]) pop() {
	last := len(w.queue) - 1
	w.queue[0] = w.queue[last]
	w.queue = w.queue[:last]
	if last > 0 {
		w.down()
	}
}

// down sinks the top to where it belongs.
func (w *walk[K]) down() {
	q, c, i := w.queue, w.queue[0], 0
	for {
		low := 2*i + 1
		if low >= len(q) {
			break
		}
		if low+1 < len(q) && w.before(q[low+1], q[low]) {
			low++
		}
		if !w.before(q[low], c) {
			break
		}
		q[i] = q[low]
		i = low
	}
	q[i] = c
}

// reset makes the walk ready for the next search and says whether it is worth
// keeping: a scratch pad that has grown over a whole province is left to the
// collector, and no pad keeps dropped nodes alive.
func (w *walk[K]) reset() bool {
	const biggest = 1 << 14
	clear(w.nodes)
	clear(w.runs)
	w.queue, w.nodes, w.runs, w.near = w.queue[:0], w.nodes[:0], w.runs[:0], w.near[:0]
	return cap(w.queue)+cap(w.nodes)+cap(w.near) <= biggest
}
