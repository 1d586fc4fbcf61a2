// Package bubble runs tests in virtual time.
package bubble

import (
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test] for a program that is built with the race detector, too. There Go
// 1.26 gives all timers of a bubble one context of the detector, and two goroutines whose
// timers are due use it at once: the program dies within the detector (golang.org/issue/78156).
// On one processor they take turns.
func Test(t *testing.T, test func(*testing.T)) {
	t.Helper()
	over := takeTurns()
	defer over()
	synctest.Test(t, test)
}
