package swarm

import (
	"sync"
	"time"
)

// trackLength is how many positions of a driver are remembered, to recognise
// them when a rider sees one.
const trackLength = 16

// track is the last positions that a driver with a trip has sent. Its methods may
// be called from any goroutine.
type track struct {
	// Static after construction: how far a fix's time may be from that of the
	// position. The server moves the phone's times to its own clock, which is known
	// here only as well as the welcome told it.
	tolerance time.Duration

	mu sync.Mutex
	// Guarded by mu.
	sent [trackLength]struct {
		at     time.Time
		server int64 // the same moment in Unix ms by the server's clock, as estimated
	}
	next int
}

func newTrack(every time.Duration) *track { return &track{tolerance: every * 2 / 5} }

// add remembers a position sent at that time; ahead is how far the server's clock
// is ahead of ours.
func (t *track) add(at time.Time, ahead time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[t.next%trackLength].at = at
	t.sent[t.next%trackLength].server = at.Add(ahead).UnixMilli()
	t.next++
}

// find returns when the position of that fix was sent.
func (t *track) find(fixAt int64) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, off := time.Time{}, t.tolerance.Milliseconds()+1
	for i := range min(t.next, trackLength) {
		if d := max(t.sent[i].server-fixAt, fixAt-t.sent[i].server); d < off {
			best, off = t.sent[i].at, d
		}
	}
	return best, !best.IsZero()
}
