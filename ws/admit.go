package ws

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"cuntong/ws/wire"
)

// When a server has been away, all its phones are back at once. Upgrades are let in at a
// pace that the server can keep up with; the others are told when to come again, each at
// its own time: they stand in a line that moves at that pace. This is judged before a
// token is looked at, because a signature costs more than all the rest.

// Results of upgrades that are turned away, as the metric has them.
const (
	admitFull     = "full"     // as many connections as there may be
	admitPace     = "too_fast" // more upgrades than the pace allows
	admitGreeting = "greeting" // as many connections without a hello as there may be
	admitDraining = "draining" // the server is about to stop
)

const (
	// longestLine is after how long at most those who are turned away are to come again.
	longestLine = time.Minute
	// fullReturn is after how long at least they are when there is no room.
	fullReturn = 30 * time.Second
)

// admission is the pace of upgrades. The zero admission has let nobody in.
type admission struct {
	bucket meter // upgrades let in
	line   int64 // when the last of those who were turned away is to come again, as meter has it
}

// take lets one more upgrade in, or returns after how long it is to come again. Now is ms of uptime.
func (a *admission) take(now int64, cfg *Config) (comeAgain time.Duration, ok bool) {
	micros, interval := now*1000, cfg.apart()
	if a.bucket.take(micros, interval, cfg.HandshakeBurst) {
		return 0, true
	}
	return a.place(micros, interval), false
}

// place puts one more into the line, and returns after how long it is to come again.
func (a *admission) place(micros, interval int64) (comeAgain time.Duration) {
	a.line = max(a.line, micros) + interval
	if end := micros + longestLine.Microseconds(); a.line > end {
		a.line = end // whoever comes now finds his place at random
		return spread(longestLine/2, longestLine)
	}
	wait := time.Duration(a.line-micros) * time.Microsecond
	return spread(wait, wait+wait/4+time.Second)
}

// apart is the time between two who are let in, in microseconds.
func (cfg *Config) apart() int64 { return time.Second.Microseconds() / int64(cfg.HandshakesPerSecond) }

// spread is a time between two, at random, so that those who are told it do not come together.
func spread(low, high time.Duration) time.Duration {
	return low + rand.N(high-low+1)
}

// admit counts an upgrade in, or answers that it is to come again. With turned the
// connection is opened only to say so, and comeAgain is what it is told: a browser does not show its
// page the status of a failed upgrade.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request) (turned bool, comeAgain time.Duration, ok bool) {
	no, comeAgain := h.enter(h.moment().up)
	if no == "" {
		return false, 0, true
	}
	h.metrics.handshake(no)
	if no != admitDraining && h.turnAway(r) {
		return true, comeAgain, true
	}
	say := "No room at present. Come back later."
	code := "server_full"
	switch no {
	case admitPace, admitGreeting:
		code, say = "too_many_connect", "Too many connect at present. Come back later."
	case admitDraining:
		code, say = "draining", "The server is about to stop. Come back later."
	}
	w.Header().Set("Retry-After", retryAfter(comeAgain))
	answer(w, http.StatusServiceUnavailable, code, say)
	return false, 0, false
}

// retryAfter is a header of HTTP: whole seconds, and not none.
func retryAfter(wait time.Duration) string {
	return strconv.FormatInt(int64(max(wait+time.Second-1, time.Second)/time.Second), 10)
}

// enter counts a connection in, or says why not and after how long to come again.
func (h *Hub) enter(now int64) (no string, comeAgain time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopping:
		return admitDraining, spread(0, max(h.retry, time.Second))
	case h.count >= h.cfg.MaxConnections:
		return admitFull, spread(fullReturn, 2*fullReturn)
	case h.closed:
		return admitPace, h.admission.place(now*1000, h.cfg.apart())
	case h.greeting >= h.cfg.MaxGreeting:
		return admitGreeting, spread(h.cfg.HelloWait, 2*h.cfg.HelloWait)
	}
	if comeAgain, ok := h.admission.take(now, &h.cfg); !ok {
		return admitPace, comeAgain
	}
	h.count++
	h.greeting++
	h.running.Add(1)
	return "", 0
}

// Open lets everybody in from now on, at their pace. It is for a hub that was made closed,
// and may be called by anybody, more than once.
func (h *Hub) Open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = false
}

// turnAway counts a connection in that is only told to come again.
func (h *Hub) turnAway(r *http.Request) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Header.Get("Origin") == "" || h.stopping || h.turned >= maxTurned {
		return false
	}
	h.turned++
	h.running.Add(1)
	return true
}

// greeted counts a connection as one that has said hello. It is called by the reader, once.
func (h *Hub) greeted(c *conn) {
	c.greeted = true
	h.mu.Lock()
	defer h.mu.Unlock()
	h.greeting--
}

// leave counts a connection out. It is the last thing that a reader does.
func (h *Hub) leave(turned, greeted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case turned:
		h.turned--
	default:
		h.count--
		if !greeted {
			h.greeting--
		}
	}
	h.running.Done()
}

// sendBack ends a connection that is turned away: when to come again, then the close.
func (c *conn) sendBack(comeAgain time.Duration) {
	if c.finishWith(wire.CloseFull, true, &wire.Drain{ComeBackAfterMS: comeAgain.Milliseconds()}) {
		go c.write()
	}
}
