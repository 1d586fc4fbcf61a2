package swarm

import (
	"context"
	"time"
)

// maxSamples bounds a run's series. When it is full, neighbours are merged and
// the step doubles, so that a run of days fits too.
const maxSamples = 1800

// Sample is one step of a run. Counts are of this step, gauges at its end.
type Sample struct {
	// AtSeconds is the end of the step, since the bookings began.
	AtSeconds float64 `json:"at_s"`
	Requests  int64   `json:"requests"`
	Offers    int64   `json:"offers"`
	Assigned  int64   `json:"assigned"`
	Completed int64   `json:"completed"`
	Cancelled int64   `json:"cancelled"`
	Unserved  int64   `json:"unserved"`
	Positions int64   `json:"positions"`
	FramesIn  int64   `json:"frames_in"`
	FramesOut int64   `json:"frames_out"`
	OpenTrips int64   `json:"open_trips"`
	Drivers   int64   `json:"drivers"`
	Riders    int64   `json:"riders"`
	// OfferP50MS and OfferP99MS are of request_to_offer in this step; 0 when Offered, the
	// number of first offers, is 0.
	OfferP50MS float64 `json:"offer_p50_ms"`
	OfferP99MS float64 `json:"offer_p99_ms"`
	Offered    int64   `json:"offered"`
}

// series samples a run. It belongs to one goroutine.
type series struct {
	swarm   *swarm
	samples []Sample
	step    time.Duration
	before  [numCounters]int64
	part    Sample // of the step that has begun
	ticks   int
}

// run samples once a second until stop is closed, and tells the progress.
func (s *series) run(ctx context.Context, stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.tick(time.Now())
			s.swarm.cfg.Progress(s.swarm.progress())
		case <-stop:
			s.tick(time.Now())
			return
		case <-ctx.Done():
			return
		}
	}
}

// tick takes one second into the step, and ends the step when it is full. The
// time before the bookings is left out.
func (s *series) tick(now time.Time) {
	if s.swarm.begun.Load() == 0 {
		return
	}
	t := s.swarm.tally
	delta := func(c counter) int64 {
		v := t.counts[c].Load()
		d := v - s.before[c]
		s.before[c] = v
		return d
	}
	p50, p99, n := t.takeRecent()
	s.part = merge(s.part, Sample{
		AtSeconds: s.swarm.sinceBegun(now).Seconds(),
		Requests:  delta(requestsDue), Offers: delta(offers), Assigned: delta(assignments),
		Completed: delta(completed), Cancelled: delta(cancelled) + delta(noShows), Unserved: delta(unserved),
		Positions: delta(positionsSent), FramesIn: delta(framesIn), FramesOut: delta(framesOut),
		OpenTrips: t.open.Load(), Drivers: t.drivers.Load(), Riders: t.riders.Load(),
		OfferP50MS: milliseconds(p50), OfferP99MS: milliseconds(p99), Offered: n,
	})
	if s.ticks++; time.Duration(s.ticks)*time.Second < s.step {
		return
	}
	s.samples = append(s.samples, s.part)
	s.part, s.ticks = Sample{}, 0
	if len(s.samples) >= maxSamples {
		for i := range maxSamples / 2 {
			s.samples[i] = merge(s.samples[2*i], s.samples[2*i+1])
		}
		s.samples = s.samples[:maxSamples/2]
		s.step *= 2
	}
}

// merge makes one step of two. The percentiles of the whole cannot be had from
// those of its parts: the greater 99th and the 50th of the fuller part stand for them.
func merge(a, b Sample) Sample {
	m := b
	m.Requests += a.Requests
	m.Offers += a.Offers
	m.Assigned += a.Assigned
	m.Completed += a.Completed
	m.Cancelled += a.Cancelled
	m.Unserved += a.Unserved
	m.Positions += a.Positions
	m.FramesIn += a.FramesIn
	m.FramesOut += a.FramesOut
	m.Offered += a.Offered
	m.OfferP99MS = max(a.OfferP99MS, b.OfferP99MS)
	if a.Offered > b.Offered {
		m.OfferP50MS = a.OfferP50MS
	}
	return m
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
