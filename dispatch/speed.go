package dispatch

import (
	"slices"
	"time"
)

// speedWindow is how many of the last offers the board's figures rest on.
const speedWindow = 256

// speed is how long the last requests that found a driver at once took, from the
// inbox to the recorded offer being passed on.
type speed struct {
	last  [speedWindow]time.Duration
	count int
}

func (s *speed) add(took time.Duration) {
	s.last[s.count%speedWindow] = took
	s.count++
}

// MatchingView is how long drivers were asked after the request.
type MatchingView struct {
	P50, P99 time.Duration // of the last 256
	Count    int           // since the start
}

// view returns nil when nothing has been measured yet.
func (s *speed) view() *MatchingView {
	n := min(s.count, speedWindow)
	if n == 0 {
		return nil
	}
	sorted := slices.Clone(s.last[:n])
	slices.Sort(sorted)
	return &MatchingView{P50: sorted[(n-1)*50/100], P99: sorted[(n-1)*99/100], Count: s.count}
}

// addSpeed puts the figures on the boards among notices. They are the engine's to
// know: the core has no clock.
func (e *Engine) addSpeed(notices []Notice) {
	for i, n := range notices {
		if told, ok := n.Body.(BoardTold); ok {
			told.Matching = e.speed.view()
			notices[i].Body = told
		}
	}
}
