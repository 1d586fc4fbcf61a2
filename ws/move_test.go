package ws

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

const kaili = geo.AreaID("kaili")

// newTwoAreas is a world with a second area, which answers as the first does.
func newTwoAreas(t *testing.T) (*world, *fakeArea) {
	t.Helper()
	there := &fakeArea{}
	w := newWorld(t, func(cfg *Config) {
		first := cfg.Areas
		cfg.Areas = func(id geo.AreaID) (Area, bool) {
			if id == kaili {
				return there, true
			}
			return first(id)
		}
	})
	there.teller = w.hub.Teller(kaili)
	return w, there
}

func elsewhere(area geo.AreaID) dispatch.DriverElsewhere {
	return dispatch.DriverElsewhere{Driver: driver1.Driver(), Area: area}
}

func TestDriverIsLent(t *testing.T) {
	w, there := newTwoAreas(t)
	p := w.connect(driver1)
	w.area.tell(driver1, elsewhere(kaili))
	p.want(wire.TypeTruth) // the new area's; the notice itself is not for him
	if got := there.got(); len(got) != 1 || got[0].(dispatch.Hello).By != driver1 {
		t.Fatalf("the new area got %+v, want his hello", got)
	}
	if gone := w.area.gotGone(); !slices.Equal(gone, []dispatch.Actor{driver1}) {
		t.Errorf("the old area heard that %v have gone, want him", gone)
	}

	p.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
	p.send(wire.TypeArrive, "c1", wire.Arrive{Trip: "t1"})
	p.want(wire.TypeDone)
	if len(there.gotFixes()) != 1 || len(w.area.gotFixes()) != 0 {
		t.Errorf("%d positions there, %d here; want his one there", len(there.gotFixes()), len(w.area.gotFixes()))
	}
	if count[dispatch.Arrive](there) != 1 || count[dispatch.Arrive](w.area) != 0 {
		t.Error("his command did not go to the area that has him")
	}

	w.area.tell(driver1, dispatch.OfferTold{Offer: dispatch.OfferView{ID: "t9/1", Trip: "t9"}}) // late
	w.area.tell(driver1, dispatch.Truth{At: 99})
	p.quiet()
	there.tell(driver1, dispatch.OfferTold{Offer: dispatch.OfferView{ID: "t2/1", Trip: "t2"}})
	if offer := p.want(wire.TypeOffer).Body.(wire.Offer); offer.Trip != "t2" {
		t.Errorf("asked for %s", offer.Trip)
	}

	w.hub.Refresh(kaili)
	p.want(wire.TypeTruth)
	there.tell(driver1, elsewhere(leishan)) // given back
	p.want(wire.TypeTruth)
	w.area.tell(driver1, dispatch.DutyTold{})
	p.want(wire.TypeDuty)
	p.hangUp()
	w.eventually("both areas hear that he has gone", func() bool { return len(w.area.gotGone()) >= 2 && len(there.gotGone()) >= 1 })
	if got := w.counted(w.hub.metrics.moves.WithLabelValues(moveDone)); got != 2 {
		t.Errorf("%v moves, want 2", got)
	}
}

// A driver who has come to an area that has been doubted is told its truth before he is asked
// for a trip there.
func TestOfferWhereHeHasCome(t *testing.T) {
	w, there := newTwoAreas(t)
	w.hub.Doubt(leishan)
	w.hub.Doubt(kaili)
	p := w.connect(driver1)
	there.set(func(a *fakeArea) { a.mute = true })
	w.area.tell(driver1, elsewhere(kaili))
	there.tell(driver1, offerOf("t1"))
	p.quiet()
	there.tell(driver1, dispatch.Truth{At: 7})
	p.want(wire.TypeTruth)
	there.tell(driver1, offerOf("t2"))
	p.want(wire.TypeOffer)
}

// What he had asked the old area is still answered; nothing else of it is told.
func TestAnswerFromWhereHeWas(t *testing.T) {
	w, there := newTwoAreas(t)
	p := w.connect(driver1)
	w.area.set(func(a *fakeArea) { a.mute = true })
	p.send(wire.TypeComplete, "c1", wire.Complete{Trip: "t1"})
	w.eventually("it was handed over", func() bool { return count[dispatch.Complete](w.area) == 1 })
	w.area.tell(driver1, elsewhere(kaili))
	p.want(wire.TypeTruth)
	w.area.tell(driver1, dispatch.Done{ID: "c0"})
	w.area.tell(driver1, dispatch.DutyTold{})
	w.area.tell(driver1, dispatch.Done{ID: "c1", Trip: "t1", State: dispatch.Completed})
	if f := p.want(wire.TypeDone); f.Re != "c1" {
		t.Errorf("done re=%q", f.Re)
	}
	if count[dispatch.Hello](there) != 1 {
		t.Error("no hello there")
	}
}

// What he reports of a trip that he drove before goes to the area whose trip it is, on the
// connection on which he was told of it and on the next, to which he gives its receipt.
func TestDeedsGoWhereTheTripIs(t *testing.T) {
	w, there := newTwoAreas(t)
	left := dispatch.InstantOf(time.Now())
	moved := elsewhere(kaili)
	moved.Since = left
	report := func(p *phone) {
		t.Helper()
		track := func(at dispatch.Instant) wire.Track {
			return wire.Track{Datum: "wgs84", Fixes: []wire.TrackFix{{Lat: 26.4, Lon: 108, At: int64(at)}}}
		}
		for i, deed := range []struct {
			kind wire.Type
			body any
			here bool
		}{
			{wire.TypePaid, wire.Paid{Trip: "t1", Fen: 1200}, true},
			{wire.TypeComplete, wire.Complete{Trip: "t1"}, true},
			{wire.TypeArrive, wire.Arrive{Trip: "t2"}, false},
			{wire.TypeDuty, wire.Duty{}, false},
			{wire.TypeTrack, track(left.Add(-time.Minute)), true},
			{wire.TypeTrack, track(left), false},
		} {
			here, far := len(w.area.got()), len(there.got())
			p.send(deed.kind, fmt.Sprintf("%d-%d", here, i), deed.body)
			p.want(wire.TypeDone)
			if len(w.area.got()) > here != deed.here || len(there.got()) > far == deed.here {
				t.Errorf("%s %+v does not go to the area that it is for", deed.kind, deed.body)
			}
		}
	}
	p := w.connect(driver1)
	w.area.tell(driver1, dispatch.TripTold{Trip: dispatch.TripView{ID: "t1", Version: 8, State: dispatch.Completed, Driver: "d1"}})
	receipt := p.want(wire.TypeTrip).Body.(wire.Trip).Receipt
	w.area.tell(driver1, moved)
	p.want(wire.TypeTruth)
	report(p)
	w.leave(p)

	w.area.set(func(a *fakeArea) { a.before = []dispatch.NoticeBody{moved} })
	again := w.dial(w.token(driver1))
	again.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli(), Receipts: []string{receipt}})
	again.want(wire.TypeWelcome)
	again.want(wire.TypeTruth)
	w.area.set(func(a *fakeArea) { a.before = nil })
	report(again)
}

func TestLentToNowhere(t *testing.T) {
	w, _ := newTwoAreas(t)
	p := w.connect(driver1)
	w.area.tell(driver1, elsewhere("nowhere"))
	w.area.tell(driver1, dispatch.DutyTold{})
	p.want(wire.TypeDuty) // he stays
	if !strings.Contains(w.log.String(), "not served here") || w.counted(w.hub.metrics.moves.WithLabelValues(moveUnknown)) != 1 {
		t.Error("neither logged nor counted")
	}
}

// A driver who says hello while he is lent is sent on before he has had a truth.
func TestLentBeforeHisTruth(t *testing.T) {
	w, there := newTwoAreas(t)
	w.area.set(func(a *fakeArea) { a.before = []dispatch.NoticeBody{elsewhere(kaili)} })
	there.set(func(a *fakeArea) { a.before = []dispatch.NoticeBody{dispatch.DutyTold{}} })
	p := w.dial(w.token(driver1))
	welcome := p.hello()
	if welcome.Area != "leishan" {
		t.Errorf("welcomed in %s, want what the token says", welcome.Area)
	}
	p.quiet()
	if count[dispatch.Hello](there) == 0 {
		t.Error("no hello where he is")
	}
}

// A driver is moved to and fro, told and talking, by several goroutines, and hangs up.
func TestMovesRace(t *testing.T) {
	w, there := newTwoAreas(t)
	for range 5 {
		p := w.connect(driver1)
		var all sync.WaitGroup
		for _, job := range []func(){
			func() { w.area.tell(driver1, elsewhere(kaili)) },
			func() { there.tell(driver1, elsewhere(leishan)) },
			func() { w.area.tell(driver1, dispatch.DutyTold{}) },
			func() {
				frame, _ := wire.EncodeClient(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: 1})
				_ = p.ws.WriteMessage(1, frame) // the connection may be broken already
			},
		} {
			all.Go(func() {
				for range 10 {
					job()
				}
			})
		}
		all.Go(func() { _ = p.ws.Close() })
		all.Wait()
		w.eventually("it is gone", func() bool { return w.live() == 0 })
	}
	w.eventually("nobody believes him to be there", func() bool {
		return lastOf(w.area) != "hello" && lastOf(there) != "hello"
	})
}

// lastOf is what an area heard last of the driver's coming and going.
func lastOf(a *fakeArea) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}
