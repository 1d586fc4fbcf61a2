package node

import (
	"context"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// TestCourierFull: what does not fit is dropped, and its receiver hears of it, even when
// nothing follows.
func TestCourierFull(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := one.written()[0]
		w.fail("deliver", errDown)
		l := one.area(area).local.Load()
		for range maxParcels + 10 {
			one.node.couriers.notices(two.id, area, l.epoch(), [][]byte{mustMarshal(t)})
		}
		if n := one.count(one.node.metrics.parcels.WithLabelValues("full")); n < 10 {
			t.Errorf("%d parcels were dropped", n)
		}
		w.fail("", nil)
		w.until("the gap is noticed", func() bool { return two.count(two.node.metrics.gaps) == 1 })
		w.until("nothing waits", func() bool { return one.node.couriers.undelivered() == undeliveredNone })
	})
}

// TestCourierGivesUp: what cannot be delivered for long is given up, and its receiver
// hears of it once he can be reached.
func TestCourierGivesUp(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := one.written()[0]
		w.fail("deliver", errDown)
		one.node.couriers.notices(two.id, area, one.area(area).local.Load().epoch(), [][]byte{mustMarshal(t)})
		w.until("it is given up", func() bool { return one.count(one.node.metrics.parcels.WithLabelValues("failed")) > 0 })
		w.fail("", nil)
		w.until("the gap is noticed", func() bool { return two.count(two.node.metrics.gaps) == 1 })
	})
}

func mustMarshal(t *testing.T) []byte {
	t.Helper()
	body, err := dispatch.MarshalNotice(dispatch.Notice{To: dispatch.DriverActor("d1"), Body: dispatch.Done{ID: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestLettersWaitForParcels: a letter is not discarded before its party has been told.
func TestLettersWaitForParcels(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := two.written()[0]
		rider := one.connect(area, dispatch.RolePassenger, "p1")
		hears(rider, "the truth", func(dispatch.Truth) bool { return true })
		w.pass(time.Second)
		w.fail("deliver", errDown)
		rider.ask("t1", 26)
		w.pass(2 * time.Second)
		w.mu.Lock()
		left, facts := len(w.boxes["inbox "+string(area)]), len(w.records[area].facts)
		w.mu.Unlock()
		if left == 0 || facts == 0 {
			t.Errorf("%d letters are left and %d facts recorded while nobody has been told", left, facts)
		}
		w.fail("", nil)
		rider.done("ask-t1")
		w.until("the inbox is empty", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.boxes["inbox "+string(area)]) == 0
		})
	})
}

// TestTellingOrder: what a phone is told does not go back to an earlier writer.
func TestTellingOrder(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.start("a", "1")
		p := s.connect("county-0", dispatch.RolePassenger, "p1")
		at := func(epoch dispatch.Epoch, number uint64, begins bool) parcel {
			return parcel{kind: parcelNotices, epoch: epoch, number: number, begins: begins, bodies: [][]byte{{}}}
		}
		for i, c := range []struct {
			p         parcel
			gap, told bool
		}{
			{at(5, 100, true), false, true},
			{at(5, 101, false), false, true},
			{at(5, 101, false), false, false}, // doubled
			{at(5, 103, false), true, true},   // one is missing
			{at(6, 7, false), true, true},     // another writer, whose first is missing
			{at(5, 104, false), false, false}, // the old writer again
			{at(6, 50, true), true, true},     // another courier of the same writer
			{at(7, 1, true), false, true},
			{parcel{kind: parcelNotices, epoch: 7, number: 2}, true, true}, // said to be missing
		} {
			before := len(p.all())
			gap := p.area.tellFrom(c.p, []dispatch.Notice{{To: p.who, Body: dispatch.Done{}}})
			if told := len(p.all()) > before; gap != c.gap || told != c.told {
				t.Errorf("parcel %d: gap %v, told %v; want %v, %v", i, gap, told, c.gap, c.told)
			}
		}
	})
}

// TestLocalCostsNothing: where the area is written here, a position allocates nothing and
// no call goes to the exchange.
func TestLocalCostsNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.start("a", "1")
		w.spread(s)
		driver := s.connect("county-0", dispatch.RoleDriver, "d1")
		driver.duty(26)
		slot := driver.area.Slot()
		fix := dispatch.Fix{Driver: "d1", Point: geo.Point{Lat: 26, Lon: 108}, At: dispatch.InstantOf(time.Now())}
		slot.Put(fix)
		if n := testing.AllocsPerRun(1000, func() { slot.Put(fix) }); n != 0 {
			t.Errorf("a position allocates %v times", n)
		}
		w.mu.Lock()
		sent := w.letters
		w.mu.Unlock()
		if sent != 0 {
			t.Errorf("%d letters were sent by a server that is alone", sent)
		}
	})
}

// TestPanic: a bug in one area's writer costs that area a moment, and the others nothing.
func TestPanic(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		s := w.start("a", "1")
		w.spread(s)
		k := s.node.keepers["county-0"]
		l := k.area.local.Load()
		bad := &life{area: l.area, engine: panics{l.engine}, ledger: l.ledger}
		if err := bad.run(context.Background()); reasonOf(err) != "panic" {
			t.Errorf("the end is %v", err)
		}
	})
}

type panics struct{ writer }

func (panics) Run(context.Context) error { panic("a bug") }
