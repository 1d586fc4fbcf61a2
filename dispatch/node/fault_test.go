package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cuntong/dispatch"
)

// TestDamagedArea: an area that cannot be read costs that area and no other, and comes
// back by itself once it can.
func TestDamagedArea(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		w.records["county-1"].damaged = true
		s := w.start("a", "1")
		w.until("the others are written", func() bool { return len(s.written()) == 2 })
		w.pass(time.Minute)
		if err := s.node.Ready(); err == nil || !errors.Is(err, dispatch.ErrDamaged) || !strings.Contains(err.Error(), "county-1") {
			t.Errorf("readiness says %v", err)
		}
		rider := s.connect("county-1", dispatch.RolePassenger, "p1")
		if no := rider.ask("t1", 26); no == nil || no.Kind != dispatch.Unavailable {
			t.Errorf("a request there is answered %v", no)
		}
		other := s.connect("county-2", dispatch.RolePassenger, "p2")
		other.ask("t1", 26)
		other.done("ask-t1")
		w.mu.Lock()
		w.records["county-1"].damaged = false
		w.mu.Unlock()
		w.spread(s)
		rider.ask("t1", 26)
		rider.done("ask-t1")
	})
}

// TestZombieTellsNobody: a server that was cut off and comes back, with an engine that
// believes to be the writer, takes nothing back from anybody.
func TestZombieTellsNobody(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := two.written()[0]
		driver := one.connect(area, dispatch.RoleDriver, "d1")
		rider := two.connect(area, dispatch.RoleAgent, "p1")
		driver.duty(26)
		rider.ask("t1", 26.01)
		hears(driver, "an offer", func(o dispatch.OfferTold) bool { return o.Offer.Trip == "t1" })
		two.die()
		rider.ask("t2", 26.01) // taken in by an engine that will be fenced
		driver.accept("t1")
		w.until("all areas are written", func() bool { return len(one.written()) == 4 })
		two.back()
		rider.done("ask-t2")
		hears(rider, "the truth", func(truth dispatch.Truth) bool {
			return len(truth.Trips) > 0 && truth.Trips[0].State == dispatch.Assigned
		})
		newest := map[dispatch.TripID]dispatch.Version{}
		for _, body := range rider.all() {
			var trips []dispatch.TripView
			switch b := body.(type) {
			case dispatch.TripTold:
				trips = []dispatch.TripView{b.Trip}
			case dispatch.Truth:
				trips = b.Trips
			}
			for _, trip := range trips {
				if trip.Version < newest[trip.ID] {
					t.Errorf("trip %s goes back from version %d to %d", trip.ID, newest[trip.ID], trip.Version)
				}
				newest[trip.ID] = trip.Version
			}
		}
		w.spread(one, two)
	})
}

// TestBoxFull: when nothing can be sent to the writer, the party is told so in time.
func TestBoxFull(t *testing.T) {
	for name, trouble := range map[string]error{"full": dispatch.ErrBoxFull, "away": errDown} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				one, two := w.start("a", "1"), w.start("b", "1")
				w.spread(one, two)
				rider := one.connect(two.written()[0], dispatch.RolePassenger, "p1")
				hears(rider, "the truth", func(dispatch.Truth) bool { return true })
				w.fail("send", trouble)
				rider.ask("t1", 26)
				no := hears(rider, "a refusal", func(r dispatch.Refused) bool { return r.ID == "ask-t1" })
				if no.Refusal.Kind != dispatch.Unavailable || no.Refusal.RetryAfter == 0 || no.Trip != "t1" {
					t.Errorf("the refusal is %+v", no)
				}
				w.fail("", nil)
				rider.ask("t1", 26)
				rider.done("ask-t1")
			})
		})
	}
}

// TestManyWaiting: what waits for a writer elsewhere is bounded.
func TestManyWaiting(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		rider := one.connect(two.written()[0], dispatch.RolePassenger, "p1")
		hears(rider, "the truth", func(dispatch.Truth) bool { return true })
		w.fail("send", errDown)
		refused := 0
		for i := range maxAway + maxSend + 10 {
			if rider.ask(dispatch.TripID(fmt.Sprint("t", i)), 26) != nil {
				refused++
			}
		}
		if refused < 10 {
			t.Errorf("%d of %d are refused", refused, maxAway+maxSend+10)
		}
	})
}

// TestGap: notices that were lost on their way are noticed, and the present truth asked for.
func TestGap(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := two.written()[0]
		rider := one.connect(area, dispatch.RolePassenger, "p1")
		rider.ask("t1", 26.01)
		rider.done("ask-t1")
		// The post box loses what is in it before it is read.
		w.steal(one)
		driver := two.connect(area, dispatch.RoleDriver, "d1")
		driver.duty(26)
		driver.accept("t1")
		w.pass(time.Second)
		w.steal(nil)
		driver.do(dispatch.Arrive{Command: dispatch.Command{By: driver.who, ID: "arrive"}, Trip: "t1"})
		rider.state("t1", dispatch.Arrived)
		if n := one.count(one.node.metrics.gaps); n == 0 {
			t.Error("no gap was noticed")
		}
		hears(rider, "the truth", func(truth dispatch.Truth) bool {
			return len(truth.Trips) == 1 && truth.Trips[0].State == dispatch.Arrived
		})
	})
}

// TestLettersOutliveTheWriter: a command in the inbox of an area whose writer dies before
// reading it is done by the next writer, once.
func TestLettersOutliveTheWriter(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		one, two, three := w.start("a", "1"), w.start("b", "1"), w.start("c", "1")
		w.spread(one, two, three)
		w.until("the second has a share", func() bool { return len(two.written()) > 0 }) // for a moment the others may have two each
		area := two.written()[0]
		rider := one.connect(area, dispatch.RolePassenger, "p1")
		hears(rider, "the truth", func(dispatch.Truth) bool { return true })
		two.die()
		for i := range 3 {
			rider.ask("t1", 26) // repeats are answered alike
			w.pass(time.Duration(i) * 100 * time.Millisecond)
		}
		rider.done("ask-t1")
		w.pass(5 * time.Second)
		requests := 0
		for _, f := range w.records[area].facts {
			if _, ok := f.Body.(dispatch.TripRequested); ok {
				requests++
			}
		}
		if requests != 1 {
			t.Errorf("the request was recorded %d times", requests)
		}
		if n := len(w.boxes["inbox "+string(area)]); n != 0 {
			t.Errorf("%d letters are left in the inbox", n)
		}
	})
}

// TestSuccessorSilent: a successor who does not load the area gets nothing, and the area
// stays where it is.
func TestSuccessorSilent(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one := w.start("a", "1")
		w.spread(one)
		two := w.start("b", "1")
		w.fail("collect", errDown) // nobody hears anybody
		w.until("the hand-over comes to nothing", func() bool {
			return one.count(one.node.metrics.handovers.WithLabelValues(handUnanswered)) > 0
		})
		if len(one.written()) != 2 || one.node.Ready() != nil {
			t.Error("the area did not stay")
		}
		w.fail("", nil)
		w.spread(one, two)
	})
}

// TestStopWithNobody: the last server that stops keeps its areas until its phones have
// gone, and then gives them to anybody.
func TestStopWithNobody(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one := w.start("a", "1")
		w.spread(one)
		if err := one.node.HandOver(context.Background()); err != nil || len(one.written()) != 2 {
			t.Errorf("alone, the hand-over ends with %v and %d areas", err, len(one.written()))
		}
		rider := one.connect("county-0", dispatch.RolePassenger, "p1")
		rider.ask("t1", 26)
		rider.done("ask-t1")
		one.stop()
		two := w.start("b", "1")
		if took := w.until("the next has everything", func() bool { return len(two.written()) == 2 }); took > time.Second {
			t.Errorf("the next server waited %v for areas that were given up", took)
		}
	})
}

// TestNamesake: of two processes of one name the newer serves, and the older ends with an
// error; a run that has died is followed at once.
func TestNamesake(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		first := w.start("a", "1")
		w.spread(first)
		second := w.start("a", "2")
		w.until("the second writes", func() bool { return len(second.written()) == 2 })
		if first.err = <-first.ended; !errors.Is(first.err, dispatch.ErrFenced) {
			t.Errorf("the first ends with %v", first.err)
		}
		first.ended = nil
		second.die()
		third := w.start("a", "3")
		if took := w.until("the third writes", func() bool { return len(third.written()) == 2 }); took > time.Second {
			t.Errorf("a restart took %v", took)
		}
	})
}

// TestRedisAway: while Redis is away nobody takes anything, everything is refused or
// waits, and goes on when it is back.
func TestRedisAway(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		here, there := one.written()[0], two.written()[0]
		rider, other := one.connect(here, dispatch.RolePassenger, "p1"), one.connect(there, dispatch.RolePassenger, "p2")
		w.cut("", true)
		w.until("not ready", func() bool { return one.node.Ready() != nil })
		other.ask("t1", 26)
		hears(other, "a refusal", func(r dispatch.Refused) bool { return r.ID == "ask-t1" })
		w.pass(10 * time.Second)
		w.cut("", false)
		w.until("ready", func() bool { return one.node.Ready() == nil && two.node.Ready() == nil })
		for _, p := range []phone{rider, other} {
			p.ask("t2", 26)
			p.done("ask-t2")
		}
		w.spread(one, two)
	})
}

// TestGoneAndBack: a party that changes servers is told where it is, and not where it was.
func TestGoneAndBack(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		one, two, three := w.start("a", "1"), w.start("b", "1"), w.start("c", "1")
		w.spread(one, two, three)
		area := one.written()[0]
		at2 := two.connect(area, dispatch.RolePassenger, "p1")
		at2.ask("t1", 26)
		at2.done("ask-t1")
		at2.disconnect()
		w.until("it is forgotten", func() bool { return one.area(area).presence.size.Load() == 0 })
		at3 := three.connect(area, dispatch.RolePassenger, "p1")
		hears(at3, "the truth", func(truth dispatch.Truth) bool { return len(truth.Trips) == 1 })
		three.stop()
		w.until("it is forgotten with its server", func() bool { return one.area(area).presence.size.Load() == 0 })
	})
}

// TestLostEnd: a driver who has not been told the end of an offer is told the truth before he
// is asked for another trip, however late the truth that all are told after a gap or a
// take-over comes to him.
func TestLostEnd(t *testing.T) {
	for name, lose := range map[string]func(w *world, writer *server, driver, rider phone){
		"on its way": func(w *world, _ *server, driver, rider phone) {
			w.steal(driver.s)
			rider.cancel("t1")
		},
		"with its writer": func(w *world, writer *server, driver, rider phone) {
			w.steal(driver.s)
			rider.cancel("t1")
			writer.die()
			w.until("the next writes", func() bool { return rider.area.local.Load() != nil })
		},
		"because the next writer does not know where he is": func(w *world, writer *server, driver, rider phone) {
			writer.die()
			w.until("the next writes", func() bool { return rider.area.local.Load() != nil })
			rider.cancel("t1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				writer, next, other := w.start("a", "1"), w.start("b", "1"), w.start("c", "1")
				w.spread(writer, next, other)
				w.until("the first has a share", func() bool { return len(writer.written()) == 1 }) // for a moment the others may have two each
				area := writer.written()[0]
				if place(writer.node.ids, []string{"b", "c"})[area] == "c" {
					next, other = other, next
				}
				driver, rider := other.connect(area, dispatch.RoleDriver, "d1"), next.connect(area, dispatch.RolePassenger, "p1")
				driver.duty(26)
				rider.ask("t1", 26.01)
				w.until("he is asked", func() bool { return driver.asked() == "t1" })
				w.pass(time.Second) // no letter is left that says where he is
				other.hub.mu.Lock()
				other.hub.deaf = true
				other.hub.mu.Unlock()
				lose(w, writer, driver, rider)
				w.pass(100 * time.Millisecond)
				w.steal(nil)
				driver.at(26)
				rider.ask("t2", 26.01)
				w.until("he is asked for another", func() bool { return driver.asked() == "t2" })
			})
		})
	}
}
