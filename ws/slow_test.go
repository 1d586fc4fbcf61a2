package ws

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
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
	w := newWorld(t, func(c *Config) { c.WriteWait, c.Linger = 4*time.Second, 200*time.Millisecond })
	deaf := w.dialDeaf(w.token(passenger))
	deaf.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
	other := w.connect(agent)
	w.eventually("its truth was told", func() bool { return count[dispatch.Hello](w.area) == 2 })

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	told := 0
	for ; w.dropped(dropEnding) == 0; told++ {
		if told > 100_000 {
			t.Fatal("it was never given up")
		}
		begin := time.Now()
		w.area.tell(passenger, longTrip(passenger, told))
		w.area.tell(passenger, dispatch.DriverAt{Trip: dispatch.TripID(fmt.Sprint("t", told%1000))})
		if took := time.Since(begin); took > patience/2 {
			t.Fatalf("the engine waited %v for a slow phone", took)
		}
	}
	w.area.tell(agent, longTrip(agent, 1))
	other.want(wire.TypeTrip)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grew := int64(after.HeapAlloc) - int64(before.HeapAlloc); grew > 4<<20 {
		t.Errorf("the heap grew by %d KB for one slow phone", grew>>10)
	}
	w.eventually("it is cut off, and counted as slow", func() bool { return w.live() == 1 && w.closes("4008") == 1 })
	other.quiet()
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
