package dispatch

import "sync"

// Slot holds the newest position of one driver until the engine takes it. A
// connection gets one from [Engine.Slot] and puts every position into it: an
// older one that has not been taken yet is overwritten, so that a driver costs
// the engine one step however fast his phone talks.
type Slot struct {
	engine *Engine

	mu      sync.Mutex // guards the following fields
	fix     Fix
	waiting bool // fix is in the engine's list and not yet taken
}

// Put hands over a position. It never blocks and may be called from any goroutine.
func (s *Slot) Put(fix Fix) {
	s.mu.Lock()
	s.fix = fix
	first := !s.waiting
	s.waiting = true
	s.mu.Unlock()
	if first {
		s.engine.inbox.addSlot(s)
	} else {
		s.engine.metrics.positionsMerged.Inc()
	}
}

// take empties the slot. Called by the engine's goroutine.
func (s *Slot) take() Fix {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	return s.fix
}
