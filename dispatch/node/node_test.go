package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cuntong/dispatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOneServer: alone, a server writes everything, and a trip goes through.
func TestOneServer(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		s := w.start("a", "1")
		w.spread(s)
		if err := s.node.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		driver := s.connect("county-0", dispatch.RoleDriver, "d1")
		rider := s.connect("county-0", dispatch.RolePassenger, "p1")
		driver.duty(26)
		rider.ask("t1", 26.01)
		driver.accept("t1")
		rider.state("t1", dispatch.Assigned)
		if n := s.count(s.node.metrics.forwarded.WithLabelValues("command")); n != 0 {
			t.Errorf("%d commands went through the inbox", n)
		}
	})
}

// TestTripAcross: phones at two servers ride together, whoever writes the area.
func TestTripAcross(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		for i, s := range []*server{one, two} {
			area := s.written()[0]
			driver := one.connect(area, dispatch.RoleDriver, fmt.Sprint("d", i))
			rider := two.connect(area, dispatch.RolePassenger, fmt.Sprint("p", i))
			driver.duty(26)
			rider.ask("t1", 26.01)
			driver.accept("t1")
			rider.state("t1", dispatch.Assigned)
			driver.at(26.005)
			hears(rider, "where the driver is", func(at dispatch.DriverAt) bool { return at.Trip == "t1" })
			driver.do(dispatch.Arrive{Command: dispatch.Command{By: driver.who, ID: "arrive"}, Trip: "t1"})
			rider.state("t1", dispatch.Arrived)
		}
		w.until("the letters are discarded", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, a := range w.areas {
				if len(w.boxes["inbox "+string(a.ID)]) > 0 {
					return false
				}
			}
			return true
		})
	})
}

// TestTakeOver: a server dies, and another writes its areas within three seconds, with
// everything that was told.
func TestTakeOver(t *testing.T) {
	inWorld(t, 6, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := two.written()[0]
		driver := one.connect(area, dispatch.RoleDriver, "d1")
		rider := one.connect(area, dispatch.RolePassenger, "p1")
		driver.duty(26)
		rider.ask("t1", 26.01)
		driver.accept("t1")
		two.die()
		driver.do(dispatch.Arrive{Command: dispatch.Command{By: driver.who, ID: "arrive"}, Trip: "t1"})
		rider.state("t1", dispatch.Arrived)
		took := w.until("all areas are written", func() bool { return len(one.written()) == 6 })
		if took > 3*time.Second {
			t.Errorf("taking over took %v", took)
		}
		w.until("ready", func() bool { return one.node.Ready() == nil })
	})
}

// TestStartedAgain: a server that was killed and starts again is not ready while the leases
// are those of the run before, for nothing can be recorded until it has taken them.
func TestStartedAgain(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		one := w.start("a", "1")
		w.spread(one)
		one.die()
		again, early := w.start("a", "2"), false
		took := w.until("all areas are written", func() bool {
			written := len(again.written())
			early = early || again.node.Ready() == nil && written < 3
			return written == 3
		})
		if early {
			t.Error("it was ready before it could record")
		}
		if took > 6*time.Second {
			t.Errorf("taking its own areas took %v", took)
		}
	})
}

// TestJoin: a server that comes gets its share, without a lapse of a lease.
func TestJoin(t *testing.T) {
	inWorld(t, 9, func(w *world) {
		one := w.start("a", "1")
		w.spread(one)
		area := one.written()[0]
		rider := one.connect(area, dispatch.RolePassenger, "p1")
		rider.ask("t1", 26)
		rider.done("ask-t1")
		two := w.start("b", "1")
		w.spread(one, two)
		three := w.start("c", "1")
		w.spread(one, two, three)
		if n := two.count(two.node.metrics.takeovers.WithLabelValues(takenHanded)); n < 4 {
			t.Errorf("%d areas were handed to the second server", n)
		}
		if n := two.count(two.node.metrics.takeovers.WithLabelValues(takenExpired)); n != 0 {
			t.Errorf("%d leases ran out", n)
		}
		rider.ask("t2", 26)
		rider.done("ask-t2")
	})
}

// TestHandOver: a planned stop gives everything away, and nobody waits long.
func TestHandOver(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		w.until("they have heard of each other", func() bool { // who believes that he is alone seldom looks for letters
			return len(one.node.pulse.view.Load().known) == 2 && len(two.node.pulse.view.Load().known) == 2
		})
		area := two.written()[0]
		rider := two.connect(area, dispatch.RoleAgent, "p1")
		gone := make(chan error, 1)
		go func() { gone <- two.node.HandOver(context.Background()) }()
		var longest time.Duration
		for i := 0; len(one.written()) < 8; i++ {
			trip := dispatch.TripID(fmt.Sprint("t", i))
			begin := time.Now()
			rider.ask(trip, 26)
			rider.done(dispatch.CommandID("ask-" + trip))
			longest = max(longest, time.Since(begin))
			w.pass(10 * time.Millisecond)
		}
		if err := <-gone; err != nil {
			t.Errorf("the hand-over ends with %v", err)
		}
		if longest > 200*time.Millisecond {
			t.Errorf("during the hand-over an answer took %v", longest)
		}
		rider.ask("last", 26)
		rider.done("ask-last")
		two.stop()
		if two.err != nil {
			t.Errorf("the server ends with %v", two.err)
		}
		w.until("ready", func() bool { return one.node.Ready() == nil })
	})
}

// TestWhoTravels: who is at which server goes with the area, so that nobody misses a
// notice while nothing is asked for anew.
func TestWhoTravels(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		one, three := w.start("a", "1"), w.start("c", "1")
		w.spread(one, three)
		for _, s := range []*server{one, three} {
			s.hub.mu.Lock()
			s.hub.deaf = true
			s.hub.mu.Unlock()
		}
		riders := map[*server][]phone{}
		for _, a := range w.areas {
			for _, s := range []*server{one, three} {
				p := s.connect(a.ID, dispatch.RoleAgent, "at-"+string(s.id))
				p.ask(dispatch.TripID("t-"+string(s.id)), 26.01)
				p.done(dispatch.CommandID("ask-t-" + string(s.id)))
				riders[s] = append(riders[s], p)
			}
		}
		two := w.start("b", "1")
		w.spread(one, two, three)
		for _, area := range two.written() {
			driver := two.connect(area, dispatch.RoleDriver, "d1")
			driver.duty(26)
			driver.accept("t-a~1")
			for _, p := range riders[one] {
				if p.area.id == area {
					p.state("t-a~1", dispatch.Assigned)
				}
			}
		}
	})
}

// TestEmptiedRedis: a Redis that comes back empty is given back what its writer knows, and
// nobody else takes the area before he can; but not for ever.
func TestEmptiedRedis(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one, two := w.start("a", "1"), w.start("b", "1")
		w.spread(one, two)
		area := one.written()[0]
		w.pass(time.Second) // both have seen the epoch
		w.mu.Lock()
		*w.records[area] = record{}
		w.down[one.id] = true
		w.mu.Unlock()
		w.pass(giveBackFor - 500*time.Millisecond)
		if two.node.Writes(area) {
			t.Error("an area is taken while its writer may still bring back what Redis has lost")
		}
		w.until("an area whose writer does not come back is taken", func() bool { return two.node.Writes(area) })
	})
}
