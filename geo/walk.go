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
	queue []candidate // a binary heap, before() on top
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

// soon is how near a leaf must begin, in its own reaches, for it to be fetched
// before it is asked for. The nearest eight of a leaf of twenty mostly lie that
// close; guessing too much costs less than waiting.
const soon = 0.7

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
		row, best, leaf := r.row, r.best, r.slots != nil
		if leaf && !yield(r.slots[r.first+best].key, arc(math.Float64frombits(top.near))) {
			return
		}
		w.near[r.base+best] = done
		if r.left--; r.left == 0 {
			w.pop()
		} else {
			w.queue[0].near = w.pick(r)
			w.down()
		}
		if !leaf {
			w.openKid(row, best)
		}
	}
}

// openRow queues the kids. Passing over an only child saves the top of the tree
// over a single county.
func (w *walk[K]) openRow(r *row[K]) {
	if r.used == 1 {
		for digit, node := range r.nodes {
			if node != nil {
				w.openKid(r, digit)
			}
		}
		return
	}
	base := len(w.near)
	near := w.room(arity)
	for i := range r.kids {
		k := &r.kids[i]
		bound := k.bound(w.from)
		near[i] = math.Float64bits(bound * bound)
		if n := len(k.slots); n > 0 && bound < soon*k.reach {
			prefetch(&k.slots[0].at, &k.slots[min(n, leafMax)-1].at)
		}
	}
	w.queueRun(run[K]{row: r, base: base, size: arity, left: r.used})
}

func (w *walk[K]) openKid(r *row[K], digit int) {
	k := &r.kids[digit]
	if k.row != nil {
		w.openRow(k.row)
		return
	}
	for first := 0; first < len(k.slots); first += leafMax {
		base, slots := len(w.near), k.slots[first:min(first+leafMax, len(k.slots))]
		near := w.room(len(slots))
		for i := range near {
			near[i] = math.Float64bits(w.from.chord2(slots[i].at))
		}
		w.queueRun(run[K]{row: r, slots: k.slots, digit: digit, first: first,
			base: base, size: len(slots), left: len(slots)})
	}
}

// room appends n numbers to near and returns them to be filled.
func (w *walk[K]) room(n int) []uint64 {
	base := len(w.near)
	w.near = slices.Grow(w.near, n)[:base+n]
	return w.near[base:]
}

// bound is a chord that no key below the kid is nearer than, by the triangle
// inequality.
func (k *kid[K]) bound(from vec) float64 {
	return max(0, math.Sqrt(from.chord2(k.centre))-k.reach-slack)
}

func (w *walk[K]) queueRun(r run[K]) {
	if r.left == 0 {
		return
	}
	near := w.pick(&r)
	w.runs = append(w.runs, r)
	w.push(candidate{near: near, run: len(w.runs) - 1})
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
	clear(w.runs)
	w.queue, w.runs, w.near = w.queue[:0], w.runs[:0], w.near[:0]
	return cap(w.near) <= biggest
}
