//go:build !chaos

package fault

import "time"

// Enabled says whether this is a test build.
const Enabled = false

// Point is a place at which a test build may kill, stop or slow the process.
func Point(string) {}

// Mutant says whether a safeguard is to be left out.
func Mutant(string) bool { return false }

// Skew is by how much the clock of the process is off.
func Skew() time.Duration { return 0 }
