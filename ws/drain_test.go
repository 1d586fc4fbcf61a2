package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

func TestDrain(t *testing.T) {
	w := newWorld(t)
	const n = 200
	var phones []*phone
	for i := range n {
		phones = append(phones, w.connect(dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)}))
	}
	// What was recorded before the drain is told before the close.
	for i := range n {
		who := dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)}
		w.area.tell(who, longTrip(who, 1))
	}
	const spread = 30 * time.Second
	if err := w.hub.Drain(t.Context(), spread); err != nil {
		t.Fatal(err)
	}
	waits := map[int64]bool{}
	for _, p := range phones {
		p.want(wire.TypeTrip)
		wait := p.want(wire.TypeDrain).Body.(wire.Drain).ComeBackAfterMS
		if wait < 0 || wait > spread.Milliseconds() {
			t.Errorf("come back after %d ms, want 0 to %v", wait, spread)
		}
		waits[wait] = true
		p.wantClose(wire.CloseDrain)
	}
	if len(waits) < n/2 {
		t.Errorf("%d phones were given %d different times", n, len(waits))
	}
	if w.live() != 0 || w.closes("4001") != n {
		t.Errorf("%d left, %v counted", w.live(), w.closes("4001"))
	}
	status, header, body := w.tryUpgrade(func(http.Header, *websocket.Dialer) {})
	if after, _ := strconv.Atoi(header.Get("Retry-After")); status != 503 || after < 1 || after > 30 || body.Code != "draining" {
		t.Errorf("an upgrade while draining: %d, Retry-After %d, %+v", status, after, body)
	}
	if err := w.hub.Drain(t.Context(), spread); err != nil {
		t.Errorf("a second drain: %v", err)
	}
	w.hub.Close()
}

// Phones that do not read and do not answer: the drain ends with its context.
func TestDrainEndsWithItsContext(t *testing.T) {
	inFakeTime(t, func(w *world) {
		for i := range 300 {
			p := w.dialDeaf(w.token(dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)}))
			p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		err := w.hub.Drain(ctx, time.Second)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the end of the context", err)
		}
		if took := time.Since(begin); took > 4*time.Second || w.live() != 0 {
			t.Errorf("took %v with %d left", took, w.live())
		}
	})
}

// Phones that come and go while the hub stops: none is left, and none hangs.
func TestCloseAmongComers(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.WriteWait, c.Linger = time.Second, 100*time.Millisecond })
	var comers sync.WaitGroup
	stop := make(chan struct{})
	token := w.token(passenger)
	for range 8 {
		comers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ws, resp, err := w.dialer.Dial(w.url(), http.Header{"Authorization": {"Bearer " + token}})
				if err != nil {
					if resp != nil {
						_ = resp.Body.Close()
					}
					continue
				}
				_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"hello","b":{"now_ms":1}}`))
				_, _, _ = ws.ReadMessage()
				_ = ws.Close()
			}
		})
	}
	w.eventually("some are connected", func() bool { return count[dispatch.Hello](w.area) > 50 })
	w.hub.Close()
	if w.live() != 0 {
		t.Errorf("%d connections left", w.live())
	}
	close(stop)
	comers.Wait()
	w.hub.Close()
}
