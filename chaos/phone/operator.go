package phone

import (
	"time"

	"cuntong/chaos/history"
	"cuntong/ws/wire"
)

// operator watches his area, and now and then takes a trip from its driver or calls
// one off: the commands that may meet a driver's own.
type operator struct {
	phone
	quit    *quitting
	driving []wire.Trip
	next    time.Time
	fresh   bool
}

// operatorEvery is how long an operator leaves things alone on average.
const operatorEvery = 700 * time.Millisecond

func (o *operator) connected() { o.fresh = false }

func (o *operator) truth(wire.Truth) {
	if o.fresh {
		return
	}
	o.fresh = true
	o.anew()
	if frame, err := wire.EncodeClient(wire.TypeWatch, "", wire.Watch{On: true}); err == nil {
		_ = o.write(frame)
	}
}

func (o *operator) frame(body any) {
	if b, ok := body.(wire.Board); ok {
		o.driving = b.Driving
		for _, t := range b.Driving {
			o.saw("board", t.Trip, t.Version, t.State, t.Driver, "")
		}
	}
}

func (o *operator) answered(*history.Op) {}

func (o *operator) busy() bool { return o.waits() }

func (o *operator) act(now time.Time) time.Time {
	if !o.ready || o.waits() || now.Before(o.next) {
		return now.Add(100 * time.Millisecond)
	}
	o.next = now.Add(o.jitter(operatorEvery))
	if len(o.driving) == 0 || o.quit.asked() {
		return o.next
	}
	t := o.driving[o.rng.IntN(len(o.driving))].Trip
	o.driving = nil
	if o.rng.IntN(3) == 0 {
		o.give(wire.TypeCancel, wire.Cancel{Trip: t, Why: wire.WhyRoad}, t, "")
	} else {
		o.give(wire.TypeRelease, wire.Release{Trip: t, Why: wire.WhyOther}, t, "")
	}
	return o.next
}
