package geo

import (
	"iter"
	"slices"
)

// Index keeps where things are.
type Index[K comparable] struct {
	at    map[K]Point
	order []K
}

// NewIndex returns an empty index.
func NewIndex[K comparable]() *Index[K] { return &Index[K]{at: map[K]Point{}} }

// Put inserts k or moves it.
func (x *Index[K]) Put(k K, p Point) {
	if _, ok := x.at[k]; !ok {
		x.order = append(x.order, k)
	}
	x.at[k] = p
}

// Remove forgets k.
func (x *Index[K]) Remove(k K) bool {
	_, ok := x.at[k]
	if ok {
		delete(x.at, k)
		x.order = slices.DeleteFunc(x.order, func(o K) bool { return o == k })
	}
	return ok
}

// At is where k is.
func (x *Index[K]) At(k K) (Point, bool) { p, ok := x.at[k]; return p, ok }

// Len is the number of keys.
func (x *Index[K]) Len() int { return len(x.order) }

// ClosestFirst yields every key, nearest first.
func (x *Index[K]) ClosestFirst(from Point) iter.Seq2[K, Meters] {
	return func(yield func(K, Meters) bool) {
		near := slices.Clone(x.order)
		slices.SortStableFunc(near, func(a, b K) int {
			da, db := Distance(from, x.at[a]), Distance(from, x.at[b])
			switch {
			case da < db:
				return -1
			case da > db:
				return 1
			}
			return 0
		})
		for _, k := range near {
			if !yield(k, Distance(from, x.at[k])) {
				return
			}
		}
	}
}
