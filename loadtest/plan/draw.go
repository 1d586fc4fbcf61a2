package plan

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// Stream returns the random numbers of one thing: a driver, a booking, a road.
// Each has its own stream, so that what one does cannot shift what another does,
// however the goroutines take turns.
func Stream(seed uint64, what string, n uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	return rand.New(rand.NewPCG(seed, h.Sum64()+n*0x9e3779b97f4a7c15))
}

// Draw returns a number of the range.
func (r Range) Draw(rng *rand.Rand) float64 { return r[0] + rng.Float64()*(r[1]-r[0]) }

// DrawSeconds is Draw as a duration.
func (r Range) DrawSeconds(rng *rand.Rand) time.Duration { return seconds(r.Draw(rng)) }

// NextDark draws the time until a phone next loses its signal, and for how long;
// ok is false when it never does.
func (v *Coverage) NextDark(rng *rand.Rand) (in, length time.Duration, ok bool) {
	if v.DarkPerHour <= 0 {
		return 0, 0, false
	}
	in = seconds(min(rng.ExpFloat64()*3600/v.DarkPerHour, 1e6))
	return in, v.DarkSeconds.DrawSeconds(rng), true
}

// wheel is a weighted choice: the running sum of the weights.
type wheel []float64

func newWheel(weights []float64) wheel {
	w := make(wheel, len(weights))
	sum := 0.0
	for i, weight := range weights {
		sum += weight
		w[i] = sum
	}
	return w
}

// spin returns the place of one weight. A wheel whose weights are all zero gives 0.
func (w wheel) spin(rng *rand.Rand) int {
	at := rng.Float64() * w[len(w)-1]
	return min(sort.Search(len(w), func(i int) bool { return w[i] > at }), len(w)-1)
}

// lognormal is a size with median 1.
func lognormal(rng *rand.Rand, sigma float64) float64 { return math.Exp(sigma * rng.NormFloat64()) }
