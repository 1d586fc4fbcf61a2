//go:build race

package bubble

import (
	"runtime"
	"sync"
)

// going are the bubbles of tests that run beside each other.
var going struct {
	mu    sync.Mutex // guards the following fields
	count int
	procs int // before the first of them
}

// takeTurns has all goroutines share one processor until over is called.
func takeTurns() (over func()) {
	going.mu.Lock()
	defer going.mu.Unlock()
	if going.count++; going.count == 1 {
		going.procs = runtime.GOMAXPROCS(1)
	}
	return func() {
		going.mu.Lock()
		defer going.mu.Unlock()
		if going.count--; going.count == 0 {
			runtime.GOMAXPROCS(going.procs)
		}
	}
}
