package swarm

import (
	"math/rand/v2"
	"time"
)

// The back-off of a phone: between nothing and backoffBase doubled at each
// failure up to backoffTop, evenly drawn ("full jitter": M. Brooker, "Exponential
// Backoff And Jitter", AWS Architecture Blog, 2015).
const (
	backoffBase = 500 * time.Millisecond
	backoffTop  = 30 * time.Second
)

// fullJitter draws the wait before attempt number tries+1.
func fullJitter(rng *rand.Rand, tries int) time.Duration {
	ceiling := backoffTop
	if tries < 6 {
		ceiling = min(backoffTop, backoffBase<<tries)
	}
	return time.Duration(rng.Int64N(int64(ceiling)))
}
