package plan

import (
	"iter"
	"math/rand/v2"
)

// arrival is a moment at which somebody books.
type arrival struct {
	at    float64 // seconds since the first possible booking
	phase *Phase
}

// arrivals yields the moments of a Poisson process whose rate is the sum of the
// phases, by thinning (P. A. W. Lewis and G. S. Shedler, "Simulation of
// nonhomogeneous Poisson processes by thinning", Naval Research Logistics
// Quarterly 26, 1979). They are fixed by the seed alone: a slow server cannot
// slow them down.
func (s *Scenario) arrivals(seed uint64) iter.Seq[arrival] {
	top, length := s.topRate(), s.Length().Seconds()
	return func(yield func(arrival) bool) {
		if top <= 0 {
			return
		}
		for round := uint64(0); ; round++ {
			rng := Stream(seed, "arrivals", round)
			start := float64(round) * length
			for t := rng.ExpFloat64() / top; t < length; t += rng.ExpFloat64() / top {
				phase := s.pick(rng, top, t)
				if phase != nil && !yield(arrival{start + t, phase}) {
					return
				}
			}
			if !s.Repeat {
				return
			}
		}
	}
}

// pick keeps a candidate at t with the probability rate/top, and says to which
// of the phases it belongs.
func (s *Scenario) pick(rng *rand.Rand, top, t float64) *Phase {
	u := rng.Float64() * top
	for i := range s.Phases {
		if u -= s.Phases[i].rateAt(t); u < 0 {
			return &s.Phases[i]
		}
	}
	return nil
}

// topRate is a bound of the summed rate, in bookings a second: the sum of straight
// pieces is nowhere more than at the start or just before the end of one of them.
func (s *Scenario) topRate() float64 {
	top := 0.0
	for _, p := range s.Phases {
		for _, t := range []float64{p.StartSeconds, p.end()} {
			sum := 0.0
			for _, q := range s.Phases {
				sum += max(q.rateAt(t), q.rateUpTo(t))
			}
			top = max(top, sum)
		}
	}
	return top
}

// rateUpTo is the limit of the rate from below at t.
func (p Phase) rateUpTo(t float64) float64 {
	switch {
	case t <= p.StartSeconds || t > p.end():
		return 0
	case t == p.end():
		return p.rateAtEnd() / 60
	}
	return p.rateAt(t)
}
