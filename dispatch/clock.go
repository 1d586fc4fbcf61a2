package dispatch

import "time"

// steadyClock makes a time that never goes back of a clock that may: the shared one,
// after Redis has moved to a machine whose clock is behind, or the journal's newest
// fact, when it was written by such a clock. While it is ahead of the shared clock
// it goes on more slowly, so that deadlines still fall due and the two meet again.
type steadyClock struct {
	at   int64     // what it said last, in nanoseconds since 1970
	when time.Time // what the shared clock said then
}

// setForth lets the clock go on from at, or from where it is if that is later.
func (s *steadyClock) setForth(at Instant, shared time.Time) {
	s.at = max(s.at, int64(at)*int64(time.Millisecond))
	s.when = shared
}

// now returns the time, when the shared clock says that it is shared.
func (s *steadyClock) now(shared time.Time) Instant {
	passed := max(0, shared.Sub(s.when)) // by the monotonic clock, if it carries a reading of it
	s.at = max(shared.UnixNano(), s.at+int64(passed-passed/8))
	s.when = shared
	return Instant(s.at / int64(time.Millisecond))
}

// now is the engine's time.
func (e *Engine) now() Instant {
	return max(e.clock.now(e.cfg.Now()), e.core.Last())
}
