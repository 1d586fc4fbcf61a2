package ws

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// beating is a phone in a bubble that knows of heartbeats, and counts the pings it gets.
type beating struct {
	*phone

	mu   sync.Mutex // guards the following fields
	came []time.Time
	last string // what the last ping said
	dead bool   // answers no ping any more
}

// payload is what the last ping said.
func (b *beating) payload() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// pings are when pings came since it was last made deaf.
func (b *beating) pings() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.came)
}

// deafen lets it answer no ping any more, and forget those that came.
func (b *beating) deafen() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.came, b.dead = nil, true
}

// beat connects a phone that counts pings. With knows it is one that knows of heartbeats.
func (w *world) beat(a dispatch.Actor, hello wire.Hello) *beating {
	w.t.Helper()
	b := &beating{phone: w.dialDeaf(w.token(a))}
	answer := b.ws.PingHandler()
	b.ws.SetPingHandler(func(payload string) error {
		b.mu.Lock()
		b.came, b.last = append(b.came, time.Now()), payload
		dead := b.dead
		b.mu.Unlock()
		if dead {
			return nil
		}
		return answer(payload)
	})
	b.beats = true
	b.listen()
	hello.NowMS = time.Now().UnixMilli()
	b.send(wire.TypeHello, "", hello)
	b.want(wire.TypeWelcome)
	b.want(wire.TypeTruth)
	return b
}

// rhythm wants to be told of a heartbeat.
func (p *phone) rhythm(every, silent int) {
	p.t.Helper()
	if got := p.want(wire.TypeHeartbeat).Body; got != (wire.Heartbeat{EveryS: every, SilentS: silent}) {
		p.t.Fatalf("heartbeat %+v, want every %d s, silent %d s", got, every, silent)
	}
}

var today = wire.Hello{Device: "test-phone", Confirms: true}

// A driver on duty whose link dies is known to be gone within 12 s, wherever between two
// looks it died and whenever his last ping was due.
func TestDeadLinkOnDuty(t *testing.T) {
	for phase := range 16 {
		inFakeTime(t, func(w *world) {
			d := w.beat(driver1, today)
			d.rhythm(240, 540)
			w.area.tell(driver1, dispatch.DutyTold{On: true})
			d.want(wire.TypeDuty)
			d.rhythm(4, 11)
			later(time.Duration(phase) * 613 * time.Millisecond)
			d.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
			died := time.Now()
			d.deafen()
			for count[dispatch.LinkLost](w.area) == 0 && time.Since(died) < time.Minute {
				later(50 * time.Millisecond)
			}
			if took := time.Since(died); took > 12*time.Second || took < 11*time.Second {
				t.Errorf("phase %d: the link is known to be lost after %v, want 11 to 12 s", phase, took)
			}
			for _, in := range w.area.got() {
				if lost, ok := in.(dispatch.LinkLost); ok && (lost.Driver != "d1" || lost.HeardAt.Time().Sub(died).Abs() > 2*time.Millisecond) {
					t.Errorf("phase %d: %+v, last heard of at %d", phase, lost, died.UnixMilli())
				}
			}
			d.wantClose(wire.CloseSilent)
			later(10 * time.Second)
			if n := count[dispatch.LinkLost](w.area); n != 1 {
				t.Errorf("phase %d: said %d times", phase, n)
			}
			if n := len(d.pings()); n < 1 || n > 3 {
				t.Errorf("phase %d: %d pings before he was given up", phase, n)
			}
		})
	}
}

// A slow link has longer: by what its round trip is longer than two seconds.
func TestSlowLinkHasLonger(t *testing.T) {
	inFakeTime(t, func(w *world) {
		d := w.beat(driver1, today)
		w.area.tell(driver1, dispatch.DutyTold{On: true})
		later(0)
		w.hub.each(func(c *conn) { c.pulse.trip.Store((6 * time.Second).Microseconds()) })
		d.deafen()
		later(14 * time.Second)
		if d.over() {
			t.Fatal("given up as if it were quick")
		}
		later(2 * time.Second)
		d.wantClose(wire.CloseSilent)
	})
}

func TestPositionsSparePings(t *testing.T) {
	inFakeTime(t, func(w *world) {
		d := w.beat(driver1, today)
		w.area.tell(driver1, dispatch.DutyTold{On: true})
		for range 200 {
			later(3900 * time.Millisecond)
			d.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
		}
		if len(d.pings()) != 0 || d.over() {
			t.Errorf("%d pings to a driver who sends positions (given up: %t)", len(d.pings()), d.over())
		}
	})
}

// One that knows nothing of heartbeats hears the server every 25 s, whatever he sends.
func TestOldDriverHearsTheServer(t *testing.T) {
	inFakeTime(t, func(w *world) {
		d := w.beat(driver1, wire.Hello{})
		w.area.tell(driver1, dispatch.DutyTold{On: true})
		d.want(wire.TypeDuty)
		for range 60 {
			later(3 * time.Second)
			d.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
		}
		for i := range d.pings()[1:] {
			if gap := d.pings()[i+1].Sub(d.pings()[i]); gap > 30*time.Second {
				t.Errorf("nothing came for %v", gap)
			}
		}
		if len(d.pings()) < 6 {
			t.Errorf("%d pings in 3 min", len(d.pings()))
		}
		d.quiet()
	})
}

func TestParkedPhonesSleep(t *testing.T) {
	inFakeTime(t, func(w *world) {
		off := w.beat(driver1, today)
		off.rhythm(240, 540)
		rider := w.beat(passenger, today)
		rider.rhythm(240, 540)
		later(45 * time.Minute)
		for _, p := range []*beating{off, rider} {
			if p.over() {
				t.Fatalf("a parked phone was given up: %v", p.err)
			}
			for i := range p.pings()[1:] {
				if gap := p.pings()[i+1].Sub(p.pings()[i]); gap < 216*time.Second || gap > 265*time.Second {
					t.Errorf("ping %d after %v, want 3.6 to 4.4 min", i+1, gap)
				}
			}
			if n := len(p.pings()); n < 9 || n > 13 {
				t.Errorf("%d pings in 45 min", n)
			}
		}
		rider.deafen()
		later(14 * time.Minute)
		rider.wantClose(wire.CloseSilent)
	})
}

// A phone that has been asleep for minutes is not taken for dead because something begins.
func TestTheRhythmChanges(t *testing.T) {
	inFakeTime(t, func(w *world) {
		rider := w.beat(passenger, today)
		rider.rhythm(240, 540)
		later(100 * time.Second)
		view := dispatch.TripView{ID: "t1", Version: 1, State: dispatch.Requested, Order: dispatch.Order{Booker: agent, Traveller: dispatch.Traveller{ID: "p1"}}}
		w.area.tell(passenger, dispatch.TripTold{Trip: view})
		rider.want(wire.TypeTrip)
		rider.rhythm(25, 60)
		later(time.Minute)
		if rider.over() {
			t.Fatal("given up at once")
		}
		view.Version, view.State = 2, dispatch.Offered
		w.area.tell(passenger, dispatch.TripTold{Trip: view})
		rider.want(wire.TypeTrip)
		view.Version, view.State = 3, dispatch.Cancelled
		w.area.tell(passenger, dispatch.TripTold{Trip: view})
		rider.want(wire.TypeTrip)
		rider.rhythm(240, 540)

		old := w.connect(agent) // knows of nothing, is told of nothing
		view.ID, view.State = "t2", dispatch.Requested
		w.area.tell(agent, dispatch.TripTold{Trip: view})
		old.want(wire.TypeTrip)
		old.quiet()
		desk := w.beat(operator, today)
		desk.quiet() // operators are always awake
	})
}

func offered(trip dispatch.TripID, confirm dispatch.Instant) dispatch.OfferView {
	return dispatch.OfferView{ID: dispatch.OfferID(trip) + "/1", Trip: trip, TripVersion: 2, WaitSeconds: 20, Confirm: confirm,
		Until: dispatch.InstantOf(time.Now().Add(20 * time.Second))}
}

// confirmed returns what was said of offers that have arrived.
func (a *fakeArea) confirmed() []dispatch.OfferSeen {
	var all []dispatch.OfferSeen
	for _, in := range a.got() {
		if seen, ok := in.(dispatch.OfferSeen); ok {
			all = append(all, seen)
		}
	}
	return all
}

// A phone that says nothing of offers confirms them all the same: by the pong to the
// ping behind each.
func TestPongConfirmsAnOffer(t *testing.T) {
	inFakeTime(t, func(w *world) {
		d := w.beat(driver1, wire.Hello{})
		d.deafen()
		pong := func(p string) {
			_ = d.ws.WriteControl(websocket.PongMessage, []byte(p), time.Now().Add(time.Second))
			synctest.Wait()
		}
		later(30 * time.Second)
		older := d.payload() // of a ping before the offer, whose pong is late
		confirm := dispatch.InstantOf(time.Now().Add(7 * time.Second))
		w.area.tell(driver1, dispatch.OfferTold{Offer: offered("t1", confirm)})
		offer := d.want(wire.TypeOffer).Body.(wire.Offer)
		if offer.WaitS != 20 || offer.ConfirmS < 6.9 || offer.ConfirmS > 7 {
			t.Errorf("told %v s to answer and %v to confirm", offer.WaitS, offer.ConfirmS)
		}
		synctest.Wait()
		for _, nonsense := range []string{older, "", "0", "x9", "-1", "zzzzzzzzzzzzzz"} {
			pong(nonsense)
		}
		if n := len(w.area.confirmed()); n != 0 {
			t.Fatalf("confirmed by a pong to nothing: %+v", w.area.confirmed())
		}
		later(3 * time.Second)
		pong(d.payload())
		pong(d.payload()) // twice is once
		got := w.area.confirmed()
		if len(got) != 1 || got[0].Driver != "d1" || got[0].Offer != "t1/1" {
			t.Fatalf("confirmed %+v", got)
		}
		if late := w.hub.cfg.PingEvery; got[0].RTT < 3*time.Second || got[0].RTT > late { // the older pong was the slower
			t.Errorf("the round trip is %v", got[0].RTT)
		}
		d.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
		synctest.Wait()
		if fixes := w.area.gotFixes(); len(fixes) != 1 || fixes[0].LinkMillis != got[0].RTT.Milliseconds() {
			t.Errorf("positions carry %+v", fixes)
		}
		// What has been confirmed is not asked about again.
		before := d.payload()
		w.area.tell(driver1, dispatch.OfferTold{Offer: offered("t1", 0)})
		d.want(wire.TypeOffer)
		synctest.Wait()
		if d.payload() != before {
			t.Error("pinged for an offer that has been confirmed")
		}
	})
}

// One that says seen is believed by that and not by its pongs, and only of the offer
// that this very connection was told of.
func TestSeenConfirmsAnOffer(t *testing.T) {
	inFakeTime(t, func(w *world) {
		d := w.beat(driver1, today)
		d.rhythm(240, 540)
		seen := func(trip, offer string) {
			d.send(wire.TypeSeen, "", wire.Seen{Trip: trip, Offer: offer})
			synctest.Wait()
		}
		seen("t1", "t1/1")
		w.area.tell(driver1, dispatch.OfferTold{Offer: offered("t1", 1)})
		d.want(wire.TypeOffer)
		seen("t1", "t1/2")
		seen("t2", "t2/1")
		later(time.Second)
		if len(d.pings()) != 0 || len(w.area.confirmed()) != 0 {
			t.Fatalf("%d pings, confirmed %+v", len(d.pings()), w.area.confirmed())
		}
		seen("t1", "t1/1")
		seen("t1", "t1/1")
		if got := w.area.confirmed(); len(got) != 1 || got[0].Offer != "t1/1" || got[0].RTT != time.Second {
			t.Errorf("confirmed %+v", got)
		}
		// An offer that is told again in a truth is confirmed again; what the area does not
		// take counts as not said.
		again := offered("t2", 1)
		w.area.set(func(a *fakeArea) { a.mute = true })
		w.hub.Refresh(leishan)
		later(2 * time.Second)
		w.area.tell(driver1, dispatch.Truth{At: 2, Offer: &again})
		d.want(wire.TypeTruth)
		w.area.set(func(a *fakeArea) { a.no = &dispatch.Refusal{Kind: dispatch.Unavailable, Code: "busy"} })
		seen("t2", "t2/1")
		w.area.set(func(a *fakeArea) { a.no = nil })
		seen("t2", "t2/1")
		if got := w.area.confirmed(); len(got) != 3 || got[2].Offer != "t2/1" {
			t.Errorf("confirmed %+v", got)
		}
	})
}

// A driver with another connection here has not lost his link.
func TestLinkLostOnlyWithTheLast(t *testing.T) {
	inFakeTime(t, func(w *world) {
		one, two := w.connect(driver1), w.connect(driver1)
		w.area.tell(driver1, dispatch.DutyTold{On: true})
		one.want(wire.TypeDuty)
		two.want(wire.TypeDuty)
		one.hangUp()
		later(time.Second)
		if n := count[dispatch.LinkLost](w.area); n != 0 {
			t.Error("said though he has another connection")
		}
		two.hangUp()
		later(time.Second)
		if n := count[dispatch.LinkLost](w.area); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		off := w.connect(driver1) // off duty: nobody asks him anything
		off.hangUp()
		rider := w.connect(passenger)
		rider.hangUp()
		later(time.Second)
		if n := count[dispatch.LinkLost](w.area); n != 1 {
			t.Errorf("said %d times of people off duty", n-1)
		}
	}, func(cfg *Config) { cfg.DriverConnections = 2 })
}

// A round trip that is longer than the time between two pings is measured all the same, and
// once: the next ping is timed when the answer to the one before has come.
func TestLongRoundTripIsMeasured(t *testing.T) {
	p, begin := pulse{}, time.Now()
	at := func(second int) time.Time { return begin.Add(time.Duration(second) * time.Second) }
	for second := 4; second <= 40; second += 4 { // a phone ten seconds away in each direction
		p.ping(false, at(second))
		if second >= 24 {
			p.pong(strconv.FormatInt(int64(second-20)/4, 36), at(second))
		}
	}
	if got := p.roundTrip(); got != 20*time.Second {
		t.Errorf("measured %v, want 20 s", got)
	}
	// One that answers only the newest ping says nothing of the one that is timed.
	p = pulse{}
	p.ping(false, at(0))
	p.ping(false, at(4))
	p.pong("2", at(5))
	if got := p.roundTrip(); got != 0 {
		t.Errorf("measured %v of a ping that was not answered", got)
	}
	p.ping(false, at(8))
	p.pong("3", at(9))
	if got := p.roundTrip(); got != time.Second {
		t.Errorf("measured %v, want 1 s", got)
	}
	// The answer to one that was lost is not waited for for ever.
	p.ping(false, at(10))
	p.ping(false, at(80))
	p.pong("5", at(81))
	if got := p.roundTrip(); got != time.Second {
		t.Errorf("measured %v, want 1 s", got)
	}
}

// The area is told of a long round trip only when it has been measured, and a driver's is
// measured at once when his hello was long in coming. Writes have as much longer.
func TestLongGuessIsMeasuredAtOnce(t *testing.T) {
	inFakeTime(t, func(w *world) {
		fix := func(d *beating) int64 {
			d.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
			synctest.Wait()
			fixes := w.area.gotFixes()
			return fixes[len(fixes)-1].LinkMillis
		}
		d := &beating{phone: w.dialDeaf(w.token(driver1))}
		d.ws.SetPingHandler(func(payload string) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.came, d.last = append(d.came, time.Now()), payload
			return nil
		})
		d.beats = true
		d.listen()
		later(20 * time.Second)
		hello := today
		hello.NowMS = time.Now().UnixMilli()
		d.send(wire.TypeHello, "", hello)
		d.want(wire.TypeWelcome)
		d.want(wire.TypeTruth)
		synctest.Wait()
		if n := len(d.pings()); n != 1 {
			t.Fatalf("%d pings after a hello that took 20 s", n)
		}
		if got := fix(d); got != 5000 {
			t.Errorf("a guess of 20 s counts as %d ms", got)
		}
		w.hub.each(func(c *conn) {
			if got := c.pulse.writeWait(10 * time.Second); got != 30*time.Second {
				t.Errorf("a write may take %v", got)
			}
		})
		later(18 * time.Second)
		if err := d.ws.WriteControl(websocket.PongMessage, []byte(d.payload()), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := fix(d); got != 18000 {
			t.Errorf("a round trip of 18 s counts as %d ms", got)
		}
		quick := w.beat(driver2, today)
		if n := len(quick.pings()); n != 0 {
			t.Errorf("%d pings to one whose hello came at once", n)
		}
	})
}
