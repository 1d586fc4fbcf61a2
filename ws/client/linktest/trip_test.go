package linktest

import (
	"testing"
	"time"

	"cuntong/bubble"
	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/client"
	"cuntong/ws/memlink"
	"cuntong/ws/wire"
)

// inVirtualTime gives a test a world whose links are pipes, in a bubble.
func inVirtualTime(t *testing.T, test func(*testing.T, *world, *memlink.Listener)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		lines := memlink.New(nil, nil)
		test(t, newWorld(t, lines, lines.Dial, dispatch.DefaultRules()), lines)
	})
}

// One trip, with both sides dark in the middle of it, one of them without a word.
func TestATripThroughADarkValley(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, lines *memlink.Listener) {
		home, far := geo.Point{Lat: 26.47, Lon: 108.04}, geo.Point{Lat: 26.57, Lon: 108.04}
		dv, pv := &valley{lines: lines}, &valley{lines: lines}
		dc, pc := w.config(driver(1), 1), w.config(passenger(1), 2)
		dc.Dial, pc.Dial = dv.dial, pv.dial
		d := meet(t, driver(1), dc, func(p *person, e client.Event) {
			if o, ok := e.Body.(wire.Offer); ok {
				p.do(wire.TypeAccept, wire.Accept{Trip: o.Trip, Offer: o.Offer})
			}
		})
		p := meet(t, passenger(1), pc, nil)
		d.do(wire.TypeDuty, wire.Duty{On: true})
		until(t, time.Minute, "duty", d.Idle)
		d.Position(at(home))
		p.do(wire.TypeRequest, wire.Request{Trip: "t1", Pickup: place(home), Dropoff: place(far), Seats: 1})
		until(t, time.Minute, "a driver", func() bool { return p.state("t1") == wire.StateAssigned && d.state("t1") == wire.StateAssigned })

		dv.night(true)
		pv.night(false)
		pause(5 * time.Minute)
		d.do(wire.TypeArrive, wire.Arrive{Trip: "t1"})
		pause(3 * time.Minute)
		d.do(wire.TypeStart, wire.Start{Trip: "t1"})
		for i := range 60 {
			pause(10 * time.Second)
			d.Position(at(geo.Point{Lat: home.Lat + float64(i+1)*0.1/60, Lon: home.Lon}))
		}
		d.do(wire.TypeComplete, wire.Complete{Trip: "t1"})
		if got := d.Shown("t1"); got != wire.StateCompleted {
			t.Errorf("the driver sees %s", got)
		}
		pv.day()
		until(t, 2*time.Minute, "the passenger's signal", func() bool { p := p.Picture(); return p.Fresh })
		pause(20 * time.Minute)
		dv.day()
		until(t, 3*time.Minute, "everything to be told", d.Idle)
		until(t, time.Minute, "the end", func() bool { return p.state("t1") == wire.StateCompleted })
		for _, no := range d.refusals() {
			if no.Type != wire.TypeTrack {
				t.Errorf("%s refused: %+v", no.Type, no.Refused)
			}
		}
		if pic := d.Picture(); len(pic.Trips) != 0 {
			t.Errorf("the driver still holds %+v", pic.Trips)
		}
		if n := p.downs(); n != 1 {
			t.Errorf("the passenger lost %d connections", n)
		}
	})
}
