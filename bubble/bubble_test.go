package bubble

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Goroutines whose timers are due at once survive the race detector. Without the turns this
// kills the program nearly every time.
func TestTimersThatAreDueAtOnce(t *testing.T) {
	procs := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(procs)
	t.Run("bubbles", func(t *testing.T) {
		for range 4 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 20 {
					Test(t, dueAtOnce)
				}
			})
		}
	})
	if got := runtime.GOMAXPROCS(0); got != 4 {
		t.Errorf("%d processors are left of 4", got)
	}
}

func dueAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			due := time.NewTimer(0)
			for range 500 {
				<-due.C
				due.Reset(0)
			}
		})
	}
	all.Wait()
}
