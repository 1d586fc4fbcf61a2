package dispatch

import (
	"sync"
	"time"
)

// inbox is what waits for the engine: inputs by class in the order they came, and
// the slots of drivers who have moved. There is at most one slot a connection, so
// only the inputs need limits.
type inbox struct {
	wake chan struct{} // holds one token when something may be waiting

	mu     sync.Mutex // guards the following fields
	shut   bool       // nothing is taken any more
	queues [classes]fifo[arrival]
	slots  fifo[*Slot]
	asked  map[TripID]int // requests that wait, by trip
	pace   pace
}

// arrival is an input and when it came.
type arrival struct {
	in Input
	at time.Time
	// settled, when set, is called once what in brought about is recorded and told.
	// Such an input is somebody's letter, which stays in its box until then.
	settled func()
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1), asked: map[TripID]int{}}
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// The reasons for not taking an input. The names are metric labels.
const (
	shedNotReady = "not_ready" // nothing can be recorded
	shedFull     = "full"      // too many of its class wait
	shedWait     = "wait"      // it would wait for too long
)

// add takes an input and returns "", or why it does not and when to come again.
func (b *inbox) add(came arrival) (reason string, again time.Duration) {
	b.mu.Lock()
	c := b.classOf(came.in)
	switch q := &b.queues[c]; {
	case b.shut:
		reason = shedNotReady
	case q.len() >= room[c]:
		reason = shedFull
	case longest[c] > 0 && q.len() > 0 && b.pace.wait(c, q.len()) > longest[c]:
		reason = shedWait
	default:
		q.push(came)
		if request, ok := came.in.(Request); ok {
			b.asked[request.Trip]++
		}
	}
	if reason == shedFull || reason == shedWait {
		again = b.pace.turnAway(c, came.at, b.queues[c].len())
	}
	b.mu.Unlock()
	if reason == "" {
		b.signal()
	}
	return reason, again
}

// classOf sorts an input. Who cancels what he has just asked for must not be heard
// before he has asked.
func (b *inbox) classOf(in Input) class {
	if cancel, ok := in.(Cancel); ok && b.asked[cancel.Trip] > 0 {
		return creation
	}
	return classOf(in)
}

func (b *inbox) addSlot(s *Slot) {
	b.mu.Lock()
	b.slots.push(s)
	first := b.slots.len() == 1
	b.mu.Unlock()
	if first {
		b.signal()
	}
}

// take removes the oldest input of a class.
func (b *inbox) take(c class) (arrival, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	came, ok := b.queues[c].pop()
	if request, is := came.in.(Request); ok && is {
		if b.asked[request.Trip]--; b.asked[request.Trip] == 0 {
			delete(b.asked, request.Trip)
		}
	}
	return came, ok
}

// takeSlot removes the slot that has waited longest.
func (b *inbox) takeSlot() (*Slot, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slots.pop()
}

// waiting returns how many inputs of a class wait.
func (b *inbox) waiting(c class) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queues[c].len()
}

// behind says whether more of a class wait than one step can do.
func (b *inbox) behind(c class) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pace.each[c]*time.Duration(b.queues[c].len()) > b.pace.share(c)
}

// share returns how much of the core's time a class has in one step.
func (b *inbox) share(c class) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pace.share(c)
}

// waitingSlots returns how many drivers have moved.
func (b *inbox) waitingSlots() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slots.len()
}

// close takes nothing any more. What waits can still be removed.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
}

// depth returns how many inputs wait in all.
func (b *inbox) depth() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for i := range b.queues {
		n += b.queues[i].len()
	}
	return n
}

// paced notes what a step has done and how long it took.
func (b *inbox) paced(step stepTimes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pace.learn(step)
}

// fifo is a queue whose front is at head. The zero value is ready.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(item T) { q.items = append(q.items, item) }

// pop removes the oldest item; ok is false when there is none.
func (q *fifo[T]) pop() (item T, ok bool) {
	if q.len() == 0 {
		return item, false
	}
	var none T
	item, q.items[q.head] = q.items[q.head], none
	q.head++
	if q.head*2 >= len(q.items) { // the moving costs no more than the popping has
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return item, true
}
