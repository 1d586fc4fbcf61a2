package dispatch

import (
	"cmp"
	"container/heap"
	"slices"
)

// queue is the parked trips, first come first: by the time of the request and,
// for requests in the same millisecond, by id.
type queue []*Trip

func inQueueOrder(a, b *Trip) int {
	return cmp.Or(cmp.Compare(a.RequestedAt, b.RequestedAt), cmp.Compare(a.ID, b.ID))
}

func (q *queue) add(t *Trip) {
	if i, found := slices.BinarySearchFunc(*q, t, inQueueOrder); !found {
		*q = slices.Insert(*q, i, t)
	}
}

func (q *queue) remove(t *Trip) {
	if i, found := slices.BinarySearchFunc(*q, t, inQueueOrder); found {
		*q = slices.Delete(*q, i, i+1)
	}
}

// place returns t's place, 1 being next, or 0 when t does not wait.
func (q queue) place(t *Trip) int {
	i, found := slices.BinarySearchFunc(q, t, inQueueOrder)
	if !found {
		return 0
	}
	return i + 1
}

// deadlines is the heap of open trips by deadline. The zero value is ready.
//
// Invariant: every open trip is in it exactly once.
type deadlines struct {
	heap deadlineHeap
	at   map[TripID]*due
}

type due struct {
	at    Instant
	trip  TripID
	index int // in the heap
}

// set gives trip its one deadline.
func (d *deadlines) set(trip TripID, at Instant) {
	if entry, ok := d.at[trip]; ok {
		entry.at = at
		heap.Fix(&d.heap, entry.index)
		return
	}
	if d.at == nil {
		d.at = map[TripID]*due{}
	}
	entry := &due{at: at, trip: trip}
	d.at[trip] = entry
	heap.Push(&d.heap, entry)
}

// clear takes trip's deadline away.
func (d *deadlines) clear(trip TripID) {
	if entry, ok := d.at[trip]; ok {
		heap.Remove(&d.heap, entry.index)
		delete(d.at, trip)
	}
}

func (d *deadlines) next() (Instant, bool) {
	if len(d.heap) == 0 {
		return 0, false
	}
	return d.heap[0].at, true
}

// due returns at most limit trips whose deadline is not after now, earliest first.
func (d *deadlines) due(now Instant, limit int) []TripID {
	var found []*due
	// A child is never earlier than its parent, so only due entries are opened.
	open := []int{0}
	for len(open) > 0 && len(d.heap) > 0 {
		i := open[len(open)-1]
		open = open[:len(open)-1]
		if i >= len(d.heap) || d.heap[i].at > now {
			continue
		}
		found = append(found, d.heap[i])
		open = append(open, 2*i+1, 2*i+2)
	}
	slices.SortFunc(found, func(a, b *due) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.trip, b.trip))
	})
	var ids []TripID
	for _, entry := range found[:min(limit, len(found))] {
		ids = append(ids, entry.trip)
	}
	return ids
}

// deadlineHeap implements [heap.Interface]; ties go by id so that replay agrees.
type deadlineHeap []*due

func (h deadlineHeap) Len() int { return len(h) }

func (h deadlineHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].trip, h[j].trip)) < 0
}

func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *deadlineHeap) Push(x any) {
	entry := x.(*due)
	entry.index = len(*h)
	*h = append(*h, entry)
}

// Pop implements [heap.Interface].
func (h *deadlineHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
