package ws

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/ws/wire"
)

// All phones of a county are back at one moment: within half a minute all are let in, although
// each comes only when it was told to; and what comes in any second is what the server can take.
func TestAdmissionOfACounty(t *testing.T) {
	const phones = 15_000
	cfg := DefaultConfig()
	var a admission
	comes := make([]int64, phones) // ms
	let, second := 0, map[int64]int{}
	for now := int64(0); let < phones; now++ {
		for i, at := range comes {
			if at != now {
				continue
			}
			second[now/1000]++
			again, ok := a.take(now, &cfg)
			if ok {
				let++
				comes[i] = -1
			} else {
				comes[i] = now + max(again.Milliseconds(), 1)
			}
		}
		if now > 30_000 {
			t.Fatalf("%d of %d are back after 30 s", let, phones)
		}
	}
	for at, n := range second {
		if at > 0 && n > 2*cfg.HandshakesPerSecond {
			t.Errorf("%d come in second %d", n, at)
		}
	}
}

// The line has an end: whoever finds it longer than that is sent away at random.
func TestAdmissionLineIsBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.HandshakesPerSecond, cfg.HandshakeBurst = 10, 1
	var a admission
	times := map[time.Duration]bool{}
	for range 10_000 {
		again, _ := a.take(1, &cfg)
		if again > longestLine+longestLine/4+2*time.Second {
			t.Fatalf("come again after %v", again)
		}
		times[again.Round(time.Second)] = true
	}
	if len(times) < 50 {
		t.Errorf("%d different times", len(times))
	}
	if _, ok := a.take(200, &cfg); !ok {
		t.Error("who stands in the line keeps others out")
	}
}

// asked counts how often a token is looked at.
type countingAuth struct {
	Authenticator
	asked int
}

func (a *countingAuth) Authenticate(token string, now time.Time) (Claims, error) {
	a.asked++
	return a.Authenticator.Authenticate(token, now)
}

// An upgrade beyond the pace is answered before its token is looked at; a browser is told
// on the socket.
func TestTooManyConnect(t *testing.T) {
	auth := &countingAuth{}
	inFakeTime(t, func(w *world) {
		w.connect(passenger)
		w.connect(agent)
		before := auth.asked
		var waits []int
		for range 20 {
			status, header, body := w.tryUpgrade(bearer("no token at all"))
			wait, _ := strconv.Atoi(header.Get("Retry-After"))
			if status != http.StatusServiceUnavailable || wait < 1 || body.Code != "too_many_connect" || body.Kind != wire.KindUnavailable {
				t.Fatalf("one too many: %d, Retry-After %d, %+v", status, wait, body)
			}
			waits = append(waits, wait)
		}
		if slices.Max(waits) < 2 {
			t.Errorf("all are to come again after %v s", waits)
		}
		if turned := int(w.counted(w.hub.metrics.handshakes.WithLabelValues(admitPace))); turned != len(waits) || auth.asked != before {
			t.Errorf("%d turned away, %d counted, %d tokens looked at", len(waits), turned, auth.asked-before)
		}
		browser := w.dialFrom()
		if wait := browser.want(wire.TypeDrain).Body.(wire.Drain).ComeBackAfterMS; wait < 1000 {
			t.Errorf("a browser is to come again after %d ms", wait)
		}
		browser.wantClose(wire.CloseFull)
	}, func(c *Config) {
		auth.Authenticator, c.Auth, c.Receipts = c.Auth, auth, c.Auth.(Keys)
		c.HandshakesPerSecond, c.HandshakeBurst = 1, 2
	})
}

// Before it is opened a hub gives everybody a place in the line, and looks at no token.
func TestClosedHub(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Closed, c.HandshakesPerSecond = true, 1 })
	var longest int
	for range 20 {
		status, header, body := w.tryUpgrade(bearer("no token at all"))
		wait, _ := strconv.Atoi(header.Get("Retry-After"))
		if status != http.StatusServiceUnavailable || wait < 1 || body.Code != "too_many_connect" {
			t.Fatalf("before it is open: %d, Retry-After %d, %+v", status, wait, body)
		}
		longest = max(longest, wait)
	}
	if longest < 15 {
		t.Errorf("the last of 20 is to come again after %d s, at one a second", longest)
	}
	w.hub.Open()
	w.connect(passenger)
}

// bearer gives an upgrade a token.
func bearer(token string) func(http.Header, *websocket.Dialer) {
	return func(h http.Header, _ *websocket.Dialer) { h.Set("Authorization", "Bearer "+token) }
}

// dialFrom connects a page of the host.
func (w *world) dialFrom() *phone {
	t := w.t
	t.Helper()
	ws, _, err := w.dialer.Dial(w.url(), http.Header{"Origin": {"http://" + w.listen.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, ws: ws, codec: w.codec, frames: make(chan wire.ServerFrame, 16), ended: make(chan struct{})}
	t.Cleanup(p.hangUp)
	p.listen()
	return p
}

// Connections that say no hello are bounded, and make room when they do or go.
func TestTooManyWithoutHello(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxGreeting = 2 })
	p, q := w.dial(w.token(passenger)), w.dial("")
	status, header, _ := w.tryUpgrade(bearer(w.token(agent)))
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("a third: %d %v", status, header)
	}
	p.hello()
	third := w.connect(agent)
	q.hangUp()
	w.eventually("nobody is left without a hello", func() bool { return w.greeting() == 0 })
	third.hangUp()
	p.hangUp()
	w.eventually("nobody is left", func() bool { return w.live() == 0 })
	if status, _, _ := w.tryUpgrade(bearer("no token at all")); status != http.StatusUnauthorized || w.greeting() != 0 {
		t.Errorf("a bad token: %d, %d without a hello", status, w.greeting())
	}
}

func (w *world) greeting() int {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	return w.hub.greeting
}
