package geo

import (
	"fmt"
	"iter"
	"sync"
)

// Index keeps where many moving things are and yields them closest first. It is
// exact: the order is that of Distance, across cell edges, the antimeridian and
// the poles, for sixty keys as for a million.
//
// Any number of goroutines may read it at once; Put and Remove must have it to
// themselves, and so must not be called from inside a ClosestFirst loop.
//
// It is a tree of H3 cells (tree.go) walked best-first (walk.go), after G. R.
// Hjaltason and H. Samet, "Distance Browsing in Spatial Databases", ACM TODS 24,
// 1999. Only leaves hold keys; a crowded leaf splits into the seven cells of
// the next finer resolution, thin ones merge again, and an empty one is dropped
// at once, so memory follows the number of keys.
type Index[K comparable] struct {
	tree  tree[K]
	spots map[K]spot[K]
	peak  int // the most keys since spots was made; see shrink
	next  uint64
	walks sync.Pool // of *walk[K]
}

// spot says where in the tree a key is kept.
type spot[K comparable] struct {
	leaf *node[K]
	seq  uint64 // finds it there
}

// NewIndex returns an empty index.
func NewIndex[K comparable]() *Index[K] {
	x := &Index[K]{spots: make(map[K]spot[K])}
	x.tree.root.row = newRow[K]()
	x.tree.moved = func(k K, s spot[K]) { x.spots[k] = s }
	x.walks.New = func() any { return new(walk[K]) }
	return x
}

// Put inserts k at p, or moves it there. A move costs a map lookup and a little
// arithmetic as long as k stays about its leaf's cell; otherwise the new cell is
// asked of H3, once. Put panics when p is not on earth (a bug: positions are
// validated where they come in, and an index cannot hold a place that is not
// one); the null island is a place to it.
func (x *Index[K]) Put(k K, p Point) {
	if !p.onEarth() {
		panic(fmt.Sprintf("geo: Index.Put at %v: call Point.Validate first", p))
	}
	at := unit(p)
	s, known := x.spots[k]
	switch {
	case !known:
		x.next++
		x.tree.insert(item[K]{slot: slot[K]{at: at, key: k}, seq: x.next, point: p})
		x.peak = max(x.peak, len(x.spots))
	case s.leaf.keeps(at):
		i := s.leaf.pos(s.seq)
		s.leaf.self().slots[i].at, s.leaf.points[i] = at, p
		s.leaf.stretch(at)
	default:
		it := x.tree.remove(s)
		it.point, it.at = p, at
		x.tree.insert(it)
	}
}

// Remove forgets k and says whether it was there.
func (x *Index[K]) Remove(k K) bool {
	s, known := x.spots[k]
	if !known {
		return false
	}
	delete(x.spots, k)
	x.tree.remove(s)
	x.shrink()
	return true
}

// shrink gives memory back, which a Go map never does of itself: it moves the
// remaining keys to a new map when three quarters have gone, so that each key
// removed pays for a third of a key moved.
func (x *Index[K]) shrink() {
	const tooSmallToMatter = 1024
	if x.peak < tooSmallToMatter || len(x.spots) > x.peak/4 {
		return
	}
	spots := make(map[K]spot[K], len(x.spots))
	for k, s := range x.spots {
		spots[k] = s
	}
	x.spots, x.peak = spots, len(spots)
}

// At returns where k was last put.
func (x *Index[K]) At(k K) (Point, bool) {
	s, known := x.spots[k]
	if !known {
		return Point{}, false
	}
	return s.leaf.points[s.leaf.pos(s.seq)], true
}

// Len is the number of keys.
func (x *Index[K]) Len() int { return len(x.spots) }

// ClosestFirst yields every key with its Distance from the point, nearest first;
// keys equally far come in the order in which they were first put. The caller
// filters and stops: what is not asked for is not computed. From a point that is
// not on earth nothing is yielded.
func (x *Index[K]) ClosestFirst(from Point) iter.Seq2[K, Meters] {
	return func(yield func(K, Meters) bool) { x.walk(from, yield) }
}

func (x *Index[K]) walk(from Point, yield func(K, Meters) bool) {
	if !from.onEarth() {
		return
	}
	w := x.walks.Get().(*walk[K])
	w.large = len(x.spots) >= largeIndex
	w.run(x.tree.root.row, unit(from), yield)
	if w.reset() {
		x.walks.Put(w)
	}
}
