package ws

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// crowd connects n passengers.
func (w *world) crowd(n int) []*phone {
	phones := make([]*phone, n)
	for i := range phones {
		phones[i] = w.connect(dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)})
	}
	return phones
}

func offerOf(trip dispatch.TripID) dispatch.OfferTold {
	return dispatch.OfferTold{Offer: dispatch.OfferView{ID: dispatch.OfferID(trip + "/1"), Trip: trip}}
}

// Every phone of the area is asked for once, not all at once, and gets its truth.
func TestRefresh(t *testing.T) {
	inFakeTime(t, func(w *world) {
		phones := w.crowd(60)
		later(10 * time.Second)
		before := count[dispatch.Hello](w.area)
		w.hub.Refresh("elsewhere")
		later(3 * time.Second)
		if got := count[dispatch.Hello](w.area); got != before {
			t.Fatalf("%d asked for by the refresh of another area", got-before)
		}
		begin := time.Now()
		w.hub.Refresh(leishan)
		w.hub.Refresh(leishan)
		var busy []int
		for asked := before; time.Since(begin) < 2*time.Second; {
			later(100 * time.Millisecond)
			now := count[dispatch.Hello](w.area)
			busy, asked = append(busy, now-asked), now
		}
		if got := count[dispatch.Hello](w.area) - before; got != len(phones) {
			t.Errorf("%d truths asked for, want one for each of %d phones", got, len(phones))
		}
		if most := slices.Max(busy); most > 20 {
			t.Errorf("%d asked for within 100 ms: %v", most, busy)
		}
		for _, p := range phones {
			p.want(wire.TypeTruth)
			p.quiet()
		}
		if got := w.counted(w.hub.metrics.refreshed); got != float64(len(phones)) {
			t.Errorf("counted %v", got)
		}
	})
}

// While the truth is awaited, what happens is told; it is asked for until it comes,
// and only one that was asked for is told.
func TestRefreshOfAnAreaThatIsAway(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.connect(passenger)
		w.area.set(func(a *fakeArea) { a.mute = true })
		before := count[dispatch.Hello](w.area)
		w.hub.Refresh(leishan)
		later(20 * time.Second)
		if got := count[dispatch.Hello](w.area) - before; got < 5 || got > 12 {
			t.Errorf("asked %d times in 20 s, want every two or three seconds", got)
		}
		w.area.tell(passenger, dispatch.QueueTold{Trip: "t1", Place: 2, Of: 3})
		p.want(wire.TypeQueue)
		w.area.tell(passenger, dispatch.Truth{At: 7})
		if at := p.want(wire.TypeTruth).Body.(wire.Truth).At; at != 7 {
			t.Errorf("the truth of %d", at)
		}
		w.area.tell(passenger, dispatch.Truth{At: 8})
		p.quiet()
		asked := count[dispatch.Hello](w.area)
		later(20 * time.Second)
		if got := count[dispatch.Hello](w.area); got != asked {
			t.Errorf("asked %d times after the truth was told", got-asked)
		}
	})
}

// One who has not had his first truth is asked for again, and still hears nothing
// before it.
func TestRefreshBeforeTheFirstTruth(t *testing.T) {
	inFakeTime(t, func(w *world) {
		w.area.set(func(a *fakeArea) { a.mute = true })
		p := w.dial(w.token(passenger))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		p.want(wire.TypeWelcome)
		w.hub.Refresh(leishan)
		later(1900 * time.Millisecond)
		w.area.tell(passenger, dispatch.QueueTold{Trip: "t1", Place: 2, Of: 3})
		p.quiet()
		if got := count[dispatch.Hello](w.area); got < 2 {
			t.Errorf("asked %d times, want again", got)
		}
		w.area.tell(passenger, dispatch.Truth{At: 7})
		p.want(wire.TypeTruth)
	})
}

// Who may not have been told the end of an offer is told the next one by a truth, which is
// asked for at once and until it comes. Whatever else happens is told.
func TestOfferInDoubt(t *testing.T) {
	for name, doubt := range map[string]func(*Hub){
		"doubted":   func(h *Hub) { h.Doubt(leishan) },
		"refreshed": func(h *Hub) { h.Refresh(leishan) }, // whose own question comes later
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(w *world) {
				p := w.connect(driver1)
				w.hub.Doubt("elsewhere")
				w.area.tell(driver1, offerOf("t1"))
				p.want(wire.TypeOffer)
				w.area.set(func(a *fakeArea) { a.mute = true })
				doubt(w.hub)
				before := count[dispatch.Hello](w.area)
				w.area.tell(driver1, dispatch.DutyTold{})
				p.want(wire.TypeDuty)
				w.area.tell(driver1, offerOf("t2"))
				p.quiet()
				if got := count[dispatch.Hello](w.area) - before; got != 1 {
					t.Errorf("the truth was asked for %d times", got)
				}
				later(10 * time.Second)
				if got := count[dispatch.Hello](w.area) - before; got < 3 {
					t.Errorf("the truth was asked for %d times in ten seconds", got)
				}
				offer := offerOf("t2").Offer
				w.area.tell(driver1, dispatch.Truth{Offer: &offer})
				if got := p.want(wire.TypeTruth).Body.(wire.Truth).Offer; got == nil || got.Trip != "t2" {
					t.Errorf("the truth has the offer %+v", got)
				}
				w.area.tell(driver1, offerOf("t3"))
				p.want(wire.TypeOffer)
			})
		})
	}
}

// A truth that was not asked for is not told, and settles nothing.
func TestUnaskedTruthSettlesNothing(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	w.hub.Doubt(leishan)
	w.area.tell(driver1, dispatch.Truth{At: 9}) // nobody has asked for it
	w.area.set(func(a *fakeArea) { a.mute = true })
	w.area.tell(driver1, offerOf("t1"))
	p.quiet()
}

// What waits in the newest-wins lane is older than a truth that comes.
func TestTruthOvertakes(t *testing.T) {
	cfg := DefaultConfig()
	l := lanes{writing: true, truth: truthTold}
	l.tell(leishan, driverAt("t1", 1), &cfg, unheeded)
	if out := l.tell(leishan, dispatch.Truth{}, &cfg, unheeded); out.dropped != dropUnasked {
		t.Errorf("a truth that nobody wanted: %+v", out)
	}
	if !l.renew() {
		t.Fatal("no use for a newer truth")
	}
	if out := l.tell(leishan, dispatch.Truth{}, &cfg, unheeded); out.dropped != dropNewer {
		t.Errorf("%+v, want the older position left out", out)
	}
	if next, _ := l.next(); next.body == nil || len(l.loose) != 0 {
		t.Errorf("next is %+v, and %d wait after it", next, len(l.loose))
	}
}

func TestGone(t *testing.T) {
	w := newWorld(t)
	one, two := w.connect(passenger), w.connect(passenger)
	other := w.connect(driver1)
	one.hangUp()
	w.eventually("one has gone", func() bool { return w.live() == 2 })
	if gone := w.area.gotGone(); gone != nil {
		t.Errorf("%v said to be gone while a connection of theirs is left", gone)
	}
	two.hangUp()
	w.eventually("the passenger is said to be gone", func() bool { return slices.Equal(w.area.gotGone(), []dispatch.Actor{passenger}) })
	// A driver's newer connection takes the place of the older, and he has not gone.
	newer := w.connect(driver1)
	other.wantClose(wire.CloseReplaced)
	w.eventually("the older has gone", func() bool { return w.live() == 1 })
	if gone := w.area.gotGone(); len(gone) != 1 {
		t.Errorf("%v said to be gone; the driver is there", gone)
	}
	newer.hangUp()
	w.eventually("the driver is said to be gone", func() bool { return len(w.area.gotGone()) == 2 })
}

// One who comes back while he is said to be gone says hello again after it.
func TestGoneAndBackAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.connect(passenger)
	c := w.hub.directory.find(passenger, nil)[0]
	back := make(chan *phone, 1)
	gone := &goneArea{Area: w.area, then: func() { back <- w.connect(passenger) }}
	old := *c.party.Load()
	old.area = gone
	c.party.Store(&old)
	before := count[dispatch.Hello](w.area)
	p.hangUp()
	w.eventually("he says hello, and again", func() bool { return count[dispatch.Hello](w.area) == before+2 })
	(<-back).want(wire.TypeTruth)
}

// goneArea does something while it is told that somebody has gone.
type goneArea struct {
	Area
	then func()
}

func (a *goneArea) Gone(dispatch.Actor) { a.then() }
