package ws

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// longTrip is a notice of a few hundred bytes.
func longTrip(to dispatch.Actor, version int) dispatch.TripTold {
	v := fullTrip(dispatch.Parked)
	v.Order.Booker, v.Version = to, dispatch.Version(version)
	v.Order.Pickup.Note = strings.Repeat("n", 200)
	return dispatch.TripTold{Trip: v}
}

// A phone that never reads is given up with 4008; what waited for it is thrown
// away, nobody waits for it, and nobody else notices.
func TestPhoneThatNeverReads(t *testing.T) {
	inFakeTime(t, func(w *world) {
		deaf := w.dialDeaf(w.token(passenger))
		deaf.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		other := w.connect(agent)
		synctest.Wait()
		if n := count[dispatch.Hello](w.area); n != 2 {
			t.Fatalf("%d truths were asked for", n)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begin, told := time.Now(), 0
		for ; w.dropped(dropEnding) == 0; told++ {
			if told > 100_000 {
				t.Fatal("it was never given up")
			}
			w.area.tell(passenger, longTrip(passenger, told))
			w.area.tell(passenger, dispatch.DriverAt{Trip: dispatch.TripID(fmt.Sprint("t", told%1000))})
		}
		w.area.tell(agent, longTrip(agent, 1))
		other.want(wire.TypeTrip)
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("the engine waited %v for a slow phone", waited)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grew := int64(after.HeapAlloc) - int64(before.HeapAlloc); grew > 4<<20 {
			t.Errorf("the heap grew by %d KB for one slow phone", grew>>10)
		}
		later(w.hub.cfg.WriteWait + w.hub.cfg.Linger + time.Second)
		if left, slow := w.live(), w.closes("4008"); left != 1 || slow != 1 {
			t.Errorf("%d are left, %v counted as slow", left, slow)
		}
		other.quiet()
	})
}

// A phone that reads again in time finds the close frame behind what was under way.
func TestSlowPhoneLearnsWhy(t *testing.T) {
	w := newWorld(t)
	deaf := w.dialDeaf(w.token(passenger))
	deaf.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
	w.eventually("its truth was told", func() bool { return count[dispatch.Hello](w.area) == 1 })
	told := 0
	for ; w.dropped(dropEnding) == 0; told++ {
		w.area.tell(passenger, longTrip(passenger, told))
	}
	read := 0
	for {
		_, _, err := deaf.ws.ReadMessage()
		if err == nil {
			read++
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != int(wire.CloseSlow) {
			t.Fatalf("after %d frames: %v, want 4008", read, err)
		}
		break
	}
	if read >= told {
		t.Errorf("read %d of %d frames: the lane was not thrown away", read, told)
	}
}

// Positions never cost a slow phone its connection.
func TestPositionsDoNotOverflow(t *testing.T) {
	w := newWorld(t)
	deaf := w.dialDeaf(w.token(passenger))
	deaf.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
	w.eventually("its truth was told", func() bool { return count[dispatch.Hello](w.area) == 1 })
	const n = 20_000
	for i := range n {
		w.area.tell(passenger, dispatch.DriverAt{Trip: "t1", ETA: dispatch.Instant(i + 1)})
	}
	if w.dropped(dropNewer) == 0 {
		t.Error("none was overtaken")
	}
	deaf.listen()
	deaf.want(wire.TypeWelcome)
	deaf.want(wire.TypeTruth)
	last := int64(0)
	for last != n {
		got := deaf.want(wire.TypeDriverAt).Body.(wire.DriverAt).ETA
		if got <= last {
			t.Fatalf("%d after %d", got, last)
		}
		last = got
	}
	deaf.quiet()
}

// Two hundred phones that read nothing, and a hundred notices for each: telling waits for
// none of them (the clock of the bubble would move), what waits for them stays within the
// bounds of their lanes, every one that must be told more is sent away with 4008, and a phone that
// reads gets everything that it is told, in order.
func TestStalledPhonesDelayNobody(t *testing.T) {
	inFakeTime(t, func(w *world) {
		const stalled, notices, together = 200, 100, 20 // fewer together than a lane holds
		var parties []dispatch.Actor
		for i := range stalled {
			who := dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("stalled", i)}
			parties = append(parties, who)
			w.dialDeaf(w.token(who)).send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		}
		healthy := w.connect(agent)
		synctest.Wait()
		begin := time.Now()
		for n := range notices {
			for _, who := range parties {
				w.area.tell(who, longTrip(who, n+1))
				w.area.tell(who, dispatch.DriverAt{Trip: dispatch.TripID(fmt.Sprint("t", n))})
			}
			w.area.tell(agent, longTrip(agent, n+1))
			if n%together == 0 {
				synctest.Wait()
				w.hub.each(func(c *conn) { checkLanes(t, c) })
			}
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("telling took %v", waited)
		}
		for n := range notices {
			if got := healthy.want(wire.TypeTrip).Body.(wire.Trip).Version; got != int64(n+1) {
				t.Fatalf("version %d, want %d", got, n+1)
			}
		}
		if slow, left := w.dropped(dropEnding), w.live(); slow == 0 || left != stalled+1 {
			t.Errorf("%v notices to those who are sent away, %d connections", slow, left)
		}
		later(w.hub.cfg.WriteWait + w.hub.cfg.Linger + time.Second)
		if left, counted := w.live(), w.closes("4008"); left != 1 || counted != stalled {
			t.Errorf("%d left, %v counted as slow", left, counted)
		}
		healthy.quiet()
	}, func(c *Config) { c.LaneFrames, c.LooseFrames = 64, 64 })
}

func checkLanes(t *testing.T, c *conn) {
	t.Helper()
	c.lanes.mu.Lock()
	defer c.lanes.mu.Unlock()
	cfg := &c.hub.cfg
	if len(c.lanes.must) > cfg.LaneFrames || c.lanes.bytes > cfg.LaneBytes || len(c.lanes.loose) > cfg.LooseFrames {
		t.Fatalf("%d frames of %d bytes must arrive, %d others wait", len(c.lanes.must), c.lanes.bytes, len(c.lanes.loose))
	}
}

// Pings of a phone that reads nothing cost one answer that waits, and then the connection.
func TestPingsOfWhoDoesNotRead(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dialDeaf(w.token(passenger))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		synctest.Wait()
		for i := range w.hub.cfg.FrameBurst / 2 {
			if err := p.ws.WriteControl(websocket.PingMessage, []byte(fmt.Sprint(i)), time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w.hub.each(func(c *conn) {
			c.lanes.mu.Lock()
			defer c.lanes.mu.Unlock()
			if want := fmt.Sprint(w.hub.cfg.FrameBurst/2 - 1); string(c.lanes.pong) != want || len(c.lanes.must) > 2 || len(c.lanes.loose) > 0 {
				t.Errorf("the answer to %q waits, with %d and %d frames; want that to %q", c.lanes.pong, len(c.lanes.must), len(c.lanes.loose), want)
			}
		})
		later(w.hub.cfg.WriteWait + time.Second)
		if left := w.live(); left != 0 {
			t.Errorf("%d left after the time to write", left)
		}
	})
}

// The kernel keeps no more for a phone than it is told to; Linux books twice what it is asked for.
func TestKernelKeepsLittle(t *testing.T) {
	w := newWorld(t)
	w.connect(passenger)
	w.hub.each(func(c *conn) {
		raw, err := c.ws.NetConn().(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		if err := raw.Control(func(fd uintptr) { size, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF) }); err != nil {
			t.Fatal(err)
		}
		if size == 0 || size > 2*sendBuffer {
			t.Errorf("%d bytes, want at most %d", size, 2*sendBuffer)
		}
	})
}

// What a notice is taken to weigh is at least what it takes while it waits, words apart: those it
// shares with the record of the trip.
func TestWeight(t *testing.T) {
	for _, body := range []dispatch.NoticeBody{
		dispatch.Done{}, dispatch.Refused{}, dispatch.Truth{Trips: make([]dispatch.TripView, 3)}, dispatch.OfferTold{}, dispatch.OfferGone{}, dispatch.TripTold{},
		dispatch.QueueTold{}, dispatch.DriverAt{}, dispatch.DutyTold{}, dispatch.RouteTold{}, dispatch.RoadTold{}, dispatch.NearbyTold{}, dispatch.LookTold{},
	} {
		takes := int(reflect.TypeOf(body).Size())
		if truth, ok := body.(dispatch.Truth); ok {
			takes += len(truth.Trips)*int(reflect.TypeFor[dispatch.TripView]().Size()) + int(reflect.TypeFor[dispatch.DutyView]().Size()+reflect.TypeFor[dispatch.OfferView]().Size())
		}
		if _, ok := body.(dispatch.LookTold); ok {
			takes += int(reflect.TypeFor[dispatch.TripView]().Size() + reflect.TypeFor[dispatch.DriverView]().Size())
		}
		if weighs := weigh(body); weighs < takes {
			t.Errorf("%T weighs %d and takes %d", body, weighs, takes)
		}
	}
}
