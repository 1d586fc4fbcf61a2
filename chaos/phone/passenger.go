package phone

import (
	"fmt"
	"time"

	"cuntong/chaos/history"
	"cuntong/ws/wire"
)

// passenger books one short trip after another.
type passenger struct {
	phone
	at   Point
	quit *quitting

	trip    string // asked for and, as far as he knows, not over
	vers    int64
	state   string
	asked   bool // the request has been answered with done
	count   int
	next    time.Time // of the next booking
	cancels time.Time // when he changes his mind; zero: he does not
	fresh   bool      // a truth has come on this connection
}

func (p *passenger) connected() { p.fresh = false }

// truth replaces what he held. A trip whose request is answered and which is not in
// the truth is none of his business any more.
func (p *passenger) truth(t wire.Truth) {
	found := false
	for _, trip := range t.Trips {
		if trip.Trip == p.trip {
			found = true
			p.vers = 0
			p.hold(trip)
		}
	}
	if p.trip != "" && !found && p.asked {
		p.over()
	}
	if !p.fresh {
		p.fresh = true
		p.anew()
	}
}

func (p *passenger) frame(body any) {
	if t, ok := body.(wire.Trip); ok && t.Trip == p.trip {
		p.hold(t)
	}
}

func (p *passenger) hold(t wire.Trip) {
	if t.Version <= p.vers {
		return
	}
	p.vers, p.state = t.Version, t.State
	if t.State == wire.StateCompleted || t.State == wire.StateCancelled || t.State == wire.StateUnserved {
		p.over()
	}
}

// over begins the wait for the next trip. A command that still waits is asked until
// it is answered.
func (p *passenger) over() {
	p.trip, p.vers, p.state, p.asked = "", 0, "", false
	p.next = time.Now().Add(p.jitter(p.cfg.Think))
}

func (p *passenger) answered(op *history.Op) {
	if op.Trip != p.trip || op.Kind != "request" {
		return
	}
	if op.Outcome == history.Refused {
		p.over()
		p.next = p.next.Add(500 * time.Millisecond)
		return
	}
	p.asked = true
	switch op.State {
	case wire.StateCompleted, wire.StateCancelled, wire.StateUnserved:
		p.over()
	}
}

func (p *passenger) busy() bool { return p.trip != "" || p.waits() }

func (p *passenger) act(now time.Time) time.Time {
	switch {
	case !p.ready:
		return now.Add(time.Second)
	case p.waits():
		return time.Time{}
	case p.trip == "" && p.quit.asked():
		return time.Time{}
	case p.trip == "" && now.Before(p.next):
		return p.next
	case p.trip == "":
		p.book(now)
	case !p.cancels.IsZero() && now.After(p.cancels):
		p.cancels = time.Time{}
		if p.state != wire.StateRiding {
			p.give(wire.TypeCancel, wire.Cancel{Trip: p.trip, Why: wire.WhyChangedMind}, p.trip, "")
		}
	}
	return p.cancels
}

func (p *passenger) book(now time.Time) {
	p.count++
	p.trip = fmt.Sprintf("%s.%s.%d", p.area, p.id, p.count)
	p.vers, p.state, p.asked, p.cancels = 0, "", false, time.Time{}
	if p.rng.IntN(25) == 0 {
		p.cancels = now.Add(p.jitter(8 * p.cfg.Step))
	}
	place := func(dLat, dLon float64) wire.Place {
		return wire.Place{Lat: wire.Some(p.at.Lat + dLat), Lon: wire.Some(p.at.Lon + dLon), Datum: wire.DatumWGS84}
	}
	away := 0.008 // east or west: who lives at a border often rides across it
	if p.rng.IntN(2) == 0 {
		away = -away
	}
	spread := func() float64 { return (p.rng.Float64() - 0.5) * 1e-3 }
	p.give(wire.TypeRequest, wire.Request{
		Trip: p.trip, Pickup: place(spread()/4, spread()/4), Dropoff: place(spread(), away+spread()), Seats: 1,
	}, p.trip, "")
}
