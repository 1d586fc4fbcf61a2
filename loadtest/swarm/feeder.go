package swarm

import (
	"context"
	"fmt"
	"time"

	"cuntong/loadtest/plan"
)

// feeder hands out the bookings of the plan at their moments, whatever the server does.
type feeder struct {
	// Static after construction.
	swarm      *swarm
	passengers []*rider
	agents     []*rider
}

// run returns when the plan is at its end, or stop is closed, or the context ends.
func (f *feeder) run(ctx context.Context, begun time.Time, stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for b := range f.swarm.plan.Bookings() {
		intended := begun.Add(b.At)
		timer.Reset(time.Until(intended))
		select {
		case <-timer.C:
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
		f.hand(b, intended)
	}
}

// hand gives a booking to its rider. It never waits: a rider too busy to take it
// has it counted as shed.
func (f *feeder) hand(b plan.Booking, intended time.Time) {
	f.swarm.tally.count(requestsDue)
	r := f.riderFor(&b)
	o := order{Booking: b, trip: fmt.Sprintf("%s%d", f.swarm.tripPrefix, b.Index), intended: intended}
	r.open.Add(1)
	select {
	case r.bookings <- o:
	default:
		r.open.Add(-1)
		f.swarm.tally.count(requestsShed)
	}
}

// riderFor is the rider of the plan; but a passenger who is still under way lets
// the next one book who is not, and when all are, an agent books. The booking
// itself is never put off.
func (f *feeder) riderFor(b *plan.Booking) *rider {
	if b.ByAgent {
		return f.agents[b.Rider]
	}
	for i := range f.passengers {
		if r := f.passengers[(b.Rider+i)%len(f.passengers)]; r.open.Load() == 0 {
			return r
		}
	}
	if len(f.agents) > 0 {
		b.ByAgent = true
		return f.agents[b.Index%len(f.agents)]
	}
	return f.passengers[b.Rider]
}
