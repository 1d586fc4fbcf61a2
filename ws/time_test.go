package ws

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/bubble"
	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// Tests of what time does to connections. They run in a bubble with a fake clock,
// over pipes in memory.

// inFakeTime runs a test with a hub in a bubble.
func inFakeTime(t *testing.T, test func(*world), change ...func(*Config)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) { test(newPipeWorld(t, change...)) })
}

// later lets time go by, and everybody do what follows from it.
func later(d time.Duration) {
	time.Sleep(d) // in the bubble
	synctest.Wait()
}

// over says whether a phone's connection has ended.
func (p *phone) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func TestNoHello(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dial(w.token(driver1))
		later(4 * time.Second)
		if p.over() {
			t.Fatal("closed too early")
		}
		later(2*time.Second + sweepEvery)
		p.wantClose(wire.CloseNoHello)
	})
}

// A phone that vanishes without a word: its socket takes what is sent, for a
// while, and nothing comes back.
func TestSilentPhone(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dialDeaf(w.token(driver1))
		p.ws.SetPingHandler(func(string) error { return nil }) // hears, and does not answer
		p.listen()
		p.hello()
		later(59 * time.Second)
		if p.over() {
			t.Fatal("given up too early")
		}
		later(2 * time.Second)
		p.wantClose(wire.CloseSilent)
	})
}

// One that does not even read: nothing can be written to it, so it never learns
// why, and the hub must not wait for it.
func TestDeadPhone(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dialDeaf(w.token(driver1))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		later(w.hub.cfg.WriteWait + time.Second)
		if n := w.live(); n != 0 {
			t.Errorf("%d connections left after the time to write, want 0", n)
		}
		if got := w.closes("broken"); got != 1 {
			t.Errorf("counted %v as broken, want 1", got)
		}
	})
}

func TestPingsKeepAnIdlePhone(t *testing.T) {
	inFakeTime(t, func(w *world) {
		pings := []time.Time{}
		p := w.dialDeaf(w.token(driver1))
		answer := p.ws.PingHandler()
		p.ws.SetPingHandler(func(payload string) error {
			pings = append(pings, time.Now())
			return answer(payload)
		})
		p.listen()
		begin := time.Now()
		p.hello()
		later(10 * time.Minute)
		if p.over() {
			t.Fatalf("an idle phone was given up: %v", p.err)
		}
		if first := pings[0].Sub(begin); first < 12*time.Second || first > 27*time.Second {
			t.Errorf("first ping after %v, want half to one interval", first)
		}
		for i := range pings[1:] {
			if gap := pings[i+1].Sub(pings[i]); gap < 22*time.Second || gap > 29*time.Second {
				t.Errorf("ping %d after %v, want 25 s give or take a tenth and a sweep", i+1, gap)
			}
		}
		p.quiet()
	})
}

// Phones that came together are not pinged together.
func TestPingsAreSpread(t *testing.T) {
	inFakeTime(t, func(w *world) {
		pinged := make(chan time.Time, 1000)
		begin := time.Now()
		for i := range 60 {
			p := w.dialDeaf(w.token(dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)}))
			answer := p.ws.PingHandler()
			p.ws.SetPingHandler(func(payload string) error {
				pinged <- time.Now()
				return answer(payload)
			})
			p.listen()
			p.hello()
		}
		later(26 * time.Second)
		bySecond := map[int]int{}
		for len(pinged) > 0 {
			bySecond[int((<-pinged).Sub(begin).Seconds())]++
		}
		for second, n := range bySecond {
			if n > 25 {
				t.Errorf("%d of 60 pinged in second %d", n, second)
			}
		}
		if len(bySecond) < 6 {
			t.Errorf("pinged in %d different seconds only", len(bySecond))
		}
	})
}

func TestPositionsAreSignsOfLife(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dialDeaf(w.token(driver1))
		p.ws.SetPingHandler(func(string) error { return nil })
		p.listen()
		p.hello()
		for range 30 {
			later(10 * time.Second)
			p.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
		}
		synctest.Wait()
		if p.over() {
			t.Fatal("a phone that sends positions was given up")
		}
		if got := len(w.area.gotFixes()); got != 30 {
			t.Errorf("%d positions, want 30", got)
		}
	})
}

func TestTokenExpiresOnALiveConnection(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dial(w.tokenFor(claimsOf(agent), 5*time.Minute))
		p.hello()
		later(5*time.Minute + tokenLeeway - 2*time.Second)
		if p.over() {
			t.Fatal("closed too early")
		}
		later(4 * time.Second)
		p.wantClose(wire.CloseExpired)
	})
}

// A frame that begins and never ends, in endless empty pieces, with signs of life
// in between.
func TestFragmentedFlood(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.connect(driver1)
		raw := p.ws.NetConn()
		write := func(frame ...byte) { _, _ = raw.Write(append(frame, 0, 0, 0, 0)) } // with an empty mask
		write(0x01, 0x80)                                                            // text, to be continued
		for range 30 {
			if p.over() {
				break
			}
			write(0x00, 0x80) // continuation, empty
			write(0x8a, 0x80) // pong
			later(time.Second)
		}
		p.wantClose(wire.CloseFlood)
		if got := w.closes("4013"); got != 1 {
			t.Errorf("counted %v, want 1", got)
		}
	})
}

func TestWatch(t *testing.T) {
	inFakeTime(t, func(w *world) {
		one, two := w.connect(operator), w.connect(operator)
		one.send(wire.TypeWatch, "", wire.Watch{On: true})
		one.want(wire.TypeBoard)
		later(10 * time.Second)
		if n := len(one.frames); n < 9 || n > 11 {
			t.Errorf("%d boards in 10 s, want one a second", n)
		}
		for len(one.frames) > 0 {
			one.want(wire.TypeBoard)
		}
		two.quiet() // it did not ask
		asked := count[dispatch.Watch](w.area)
		two.send(wire.TypeWatch, "", wire.Watch{On: true})
		later(10 * time.Second)
		if more := count[dispatch.Watch](w.area) - asked; more > 12 {
			t.Errorf("two windows of one operator ask %d times in 10 s, want once a second", more)
		}
		one.send(wire.TypeWatch, "", wire.Watch{On: false})
		two.send(wire.TypeWatch, "", wire.Watch{On: false})
		later(time.Second)
		asked = count[dispatch.Watch](w.area)
		later(10 * time.Second)
		if got := count[dispatch.Watch](w.area); got != asked {
			t.Errorf("asked %d times after watching ended", got-asked)
		}
	})
}

// The area cannot record when the phone connects: the phone is told, and gets its
// truth as soon as there is one.
func TestTruthIsAskedForAgain(t *testing.T) {
	inFakeTime(t, func(w *world) {
		w.area.set(func(a *fakeArea) {
			a.no = &dispatch.Refusal{Kind: dispatch.Unavailable, Code: "not_recording", Say: "Later.", RetryAfter: time.Second}
		})
		p := w.dial(w.token(driver1))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		p.want(wire.TypeWelcome)
		p.wantRefused("", "not_recording")
		later(20 * time.Second)
		if n := len(p.frames); n != 0 {
			t.Errorf("%d frames while the area was away", n)
		}
		w.area.set(func(a *fakeArea) { a.no = nil })
		later(4 * time.Second)
		p.want(wire.TypeTruth)
		asked := count[dispatch.Hello](w.area)
		later(time.Minute)
		if got := count[dispatch.Hello](w.area); got != asked {
			t.Errorf("asked %d times after the truth was told", got-asked)
		}
	})
}

// A client that closes is answered; one that does not answer our close is cut off.
func TestCloseHandshake(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.connect(driver1)
		if err := p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		if !websocket.IsCloseError(p.err, 1000) {
			t.Errorf("%v, want our 1000 back", p.err)
		}
		synctest.Wait()
		if w.live() != 0 || w.closes("client") != 1 {
			t.Errorf("%d left, %v counted as closed by the client", w.live(), w.closes("client"))
		}

		q := w.dialDeaf(w.token(driver1))
		q.ws.SetCloseHandler(func(int, string) error { return nil }) // does not answer
		q.listen()
		q.hello()
		q.send(wire.TypeHello, "", wire.Hello{NowMS: 1})
		<-q.ended
		later(w.hub.cfg.Linger - time.Second)
		if w.live() != 1 {
			t.Error("did not linger")
		}
		later(2 * time.Second)
		if w.live() != 0 {
			t.Error("lingers for ever")
		}
	})
}
