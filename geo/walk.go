package geo

import (
	"math"
	"slices"
)

// walk is one best-first search. Its queue holds runs: the kids of an inner node
// by a lower bound of the distance to anything below them, or keys of a leaf by
// their distance, and stands in the order of what each has nearest. What comes
// out first is nearest of all: a kid is opened into a run of its own, a key is
// yielded.
//
// Most of what a node holds is never asked for, so a run is not sorted: its
// nearest is looked for afresh each time, which for at most leafMax numbers in a
// row beats a heap of them all.
type walk[K comparable] struct {
	from  vec
	large bool        // the index is; see largeIndex
	queue []candidate // a binary heap, before() on top
	hole  bool        // the top has been used; the next push takes its place
	runs  []run[K]
	near  []uint64 // of the runs: squared chords as sortable bits; done when used
}

type candidate struct {
	near uint64 // of the nearest the run has left
	run  int    // in runs
}

type run[K comparable] struct {
	row   *row[K]   // whose kids these are; of a leaf, the row it stands in
	slots []slot[K] // of a leaf, all of them; nil: the run is of kids
	digit int       // of a leaf
	first int       // in slots, where the run begins
	base  int       // in near, where it begins
	size  int
	left  int // not yet used
	best  int // the nearest of them, 0..size-1
}

// An index of largeIndex keys or more does not fit the nearer caches, and its
// leaves are fetched before they are asked for: at a million keys that saves a
// quarter of the time, at a hundred thousand it would cost a fifteenth. A leaf is
// likely to be asked for when it begins within soon of its own reach; fetching
// too many costs less than waiting for one.
const (
	largeIndex = 250_000
	soon       = 0.7
)

// A float that is not negative sorts as its bits do, and the compiler finds the
// least integer without a branch to mispredict, which it does not for floats.
const done = math.MaxUint64

// slack is taken off every bound, so that no rounding (a chord is good to 1e-15,
// six nanometres) can put a bound above a key it covers.
const slack = 4e-15

func (w *walk[K]) run(root *row[K], from vec, yield func(K, Meters) bool) {
	w.from = from
	w.openRow(root)
	for len(w.queue) > 0 {
		top := w.queue[0]
		r := &w.runs[top.run]
		w.near[r.base+r.best] = done
		r.left--
		if r.slots == nil {
			w.openNearest(top.run)
			continue
		}
		if !yield(r.slots[r.first+r.best].key, arc(math.Float64frombits(top.near))) {
			return
		}
		if r.left == 0 {
			w.pop()
			continue
		}
		w.queue[0].near = w.pick(r)
		w.down()
	}
}

// openNearest opens the nearest kid of the run on top. What is in it is mostly
// nearer than all else, and what the run has left mostly not, so the one takes
// the other's place on top, and that goes in from below: hardly anything moves.
func (w *walk[K]) openNearest(i int) {
	r := &w.runs[i]
	w.hole = true
	w.openKid(r.row, r.best)
	if r = &w.runs[i]; r.left > 0 { // runs may have moved
		w.push(candidate{near: w.pick(r), run: i})
	}
}

// openRow queues the kids. Passing over an only child saves the top of the tree
// over a single county.
func (w *walk[K]) openRow(r *row[K]) {
	switch r.used {
	case 0:
		return // the root of an empty index
	case 1:
		for digit, node := range r.nodes {
			if node != nil {
				w.openKid(r, digit)
			}
		}
		return
	}
	run, near := w.newRun(arity)
	run.row, run.slots, run.left = r, nil, r.used
	nearest, best := uint64(done), 0
	for i := range near {
		bound := r.kids[i].bound2(w.from)
		near[i] = bound
		if bound < nearest {
			nearest, best = bound, i
		}
	}
	if w.large {
		w.fetch(r, near)
	}
	run.best = best
	w.push(candidate{near: nearest, run: len(w.runs) - 1})
}

func (w *walk[K]) openKid(r *row[K], digit int) {
	k := &r.kids[digit]
	if k.row != nil {
		w.openRow(k.row)
		return
	}
	for first := 0; first < len(k.slots); first += leafMax {
		slots := k.slots[first:min(first+leafMax, len(k.slots))]
		run, near := w.newRun(len(slots))
		run.row, run.slots, run.digit, run.first, run.left = r, k.slots, digit, first, len(slots)
		nearest, best := uint64(done), 0
		for i := range near {
			chord2 := math.Float64bits(w.from.chord2(slots[i].at))
			near[i] = chord2
			if chord2 < nearest {
				nearest, best = chord2, i
			}
		}
		run.best = best
		w.push(candidate{near: nearest, run: len(w.runs) - 1})
	}
}

// newRun adds a run and returns it with room for its numbers, both to be filled.
func (w *walk[K]) newRun(size int) (*run[K], []uint64) {
	base := len(w.near)
	w.near = slices.Grow(w.near, size)[:base+size]
	w.runs = slices.Grow(w.runs, 1)[:len(w.runs)+1]
	r := &w.runs[len(w.runs)-1]
	r.base, r.size = base, size
	return r, w.near[base:]
}

// bound2 is the square of a chord that no key below the kid is nearer than, by
// the triangle inequality, in sortable bits: zero when it comes out negative,
// which the sign bit spreads into without a branch.
func (k *kid[K]) bound2(from vec) uint64 {
	bound := math.Sqrt(from.chord2(k.centre)) - k.reach - slack
	negative := uint64(int64(math.Float64bits(bound)) >> 63)
	return math.Float64bits(bound*bound) &^ negative
}

// fetch asks memory for the leaves of the row that are likely to be opened.
func (w *walk[K]) fetch(r *row[K], near []uint64) {
	for i := range near {
		k := &r.kids[i]
		if n := len(k.slots); n > 0 && near[i] < math.Float64bits(soon*soon*k.reach*k.reach) {
			prefetch(&k.slots[0].at, &k.slots[min(n, leafMax)-1].at)
		}
	}
}

// pick finds the nearest the run has left, the first of several equally near.
func (w *walk[K]) pick(r *run[K]) uint64 {
	nearest, best := uint64(done), 0
	for i, near := range w.near[r.base : r.base+r.size] {
		if near < nearest {
			nearest, best = near, i
		}
	}
	r.best = best
	return nearest
}

// before orders the queue. At equal distance the kids go first, because the key
// that comes first may be below them; then the key put first.
func (w *walk[K]) before(a, b candidate) bool {
	if a.near != b.near {
		return a.near < b.near
	}
	ra, rb := &w.runs[a.run], &w.runs[b.run]
	if ra.slots == nil || rb.slots == nil {
		return ra.slots == nil && rb.slots != nil
	}
	return ra.seq() < rb.seq()
}

// seq of the key that is nearest in a leaf's run.
func (r *run[K]) seq() uint64 { return r.row.nodes[r.digit].seqs[r.first+r.best] }

// push adds a candidate, or puts it in the place of the used one on top.
func (w *walk[K]) push(c candidate) {
	if w.hole {
		w.hole = false
		w.queue[0] = c
		w.down()
		return
	}
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
		if low+1 < len(q) {
			a, b := q[low].near, q[low+1].near
			low += int((b - a) >> 63) // 1 if b is nearer: no branch to mispredict
			if a == b && w.before(q[low+1], q[low]) {
				low++
			}
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
	clear(w.runs)
	w.queue, w.runs, w.near = w.queue[:0], w.runs[:0], w.near[:0]
	return cap(w.near) <= biggest
}
