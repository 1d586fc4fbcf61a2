package ws

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// conn is one connection's life: hello, welcome and truth, free exchange, close.
type conn struct {
	// Static after construction.
	hub    *Hub
	ws     *websocket.Conn
	number uint64 // names the session
	turned bool   // there is no room for it; it is only told so
	spoken uint8  // the place of its codec in codecs: one byte, there being thousands of connections
	// began is when the hello was accepted, by the shared clock. It is set before anybody
	// else can find the connection.
	began  dispatch.Instant
	device string // which phone or desk it is, by what its hello said

	// Written by the reader before party is set for the first time.
	confirms bool // it says when it has an offer
	knows    bool // it knows that heartbeats change

	// party is set by the reader when the hello is accepted. After that it changes only
	// when a driver is taken to another area.
	party atomic.Pointer[party]

	// Owned by the reader.
	pace        pace
	clockBehind int64  // ms to add to the phone's clock to get ours
	peerClosed  bool   // the client's close frame came
	broken      string // why the reader ended, when it was neither side's wish
	over        bool   // nothing more can be read
	greeted     bool   // its hello was accepted

	// Written by the reader, read by the sweeper. Uptime in ms.
	heard  atomic.Int64 // when the last frame came in whole
	inside atomic.Int64 // when the frame that is coming in began; 0 between frames

	// Owned by the sweeper. Uptime in ms.
	helloAt int64 // when the truth was last asked for
	due     bool  // its truth is about to be asked for anew

	place int   // guarded by its roster shard
	older *conn // guarded by its directory shard

	settled atomic.Uint64 // the newest doubt of its area, see Hub.Doubt, that a truth has settled

	pulse pulse
	lanes lanes
	early early // see there
	looks looks // see there
	kept  kept
}

// codecs are what a connection can speak. The first is that of a conn without more.
var codecs = [...]wire.Codec{wire.JSON, wire.PB}

// codec is how this connection writes its frames.
func (c *conn) codec() wire.Codec { return codecs[c.spoken] }

// session names the connection in the log and in its welcome.
func (c *conn) session() string { return c.hub.boot + "-" + strconv.FormatUint(c.number, 36) }

// logAttrs is what the log says of a connection. A passenger's id may be a
// telephone number, so it is left out.
func (c *conn) logAttrs(more ...any) []any {
	attrs := []any{"session", c.session()}
	if p := c.party.Load(); p != nil {
		attrs = append(attrs, "role", p.actor.Role, "area", p.areaID)
		if p.actor.Role != dispatch.RolePassenger {
			attrs = append(attrs, "id", p.actor.ID)
		}
	}
	return append(attrs, more...)
}

// begin runs the connection up to its truth, then hands over to a goroutine whose
// stack has not grown from reading the hello: it is the one that stays.
func (c *conn) begin(bearer *party) {
	handedOver := false
	defer func() {
		if !handedOver {
			c.end(recover())
		}
	}()
	if c.greet(bearer) {
		handedOver = true
		go c.stay()
		return
	}
	if !c.over {
		c.linger()
	}
}

// stay runs the connection from its hello to its end.
func (c *conn) stay() {
	defer func() { c.end(recover()) }()
	for c.readFrame() {
	}
}

// linger reads and throws away until the client's close frame comes, or until the
// deadline set with ours has passed.
func (c *conn) linger() {
	for {
		if _, _, err := c.ws.NextReader(); err != nil {
			c.readFailed(err)
			return
		}
	}
}

// finish begins the end of the connection: the close frame follows what must still
// arrive (with flush) or comes at once. It does not wait.
func (c *conn) finish(code wire.CloseCode, flush bool) {
	if c.finishWith(code, flush, nil) {
		go c.write()
	}
}

// finishWith is finish for a caller that runs the writer itself when told to.
func (c *conn) finishWith(code wire.CloseCode, flush bool, last *wire.Drain) (runWriter bool) {
	return c.lanes.end(code, flush, last, func() {
		// However slowly the client reads what is left, this is the end of it.
		c.readUntil(c.pulse.writeWait(c.hub.cfg.WriteWait) + c.hub.cfg.Linger)
	})
}

// readUntil ends the reader after a while. It may be called beside the reader.
func (c *conn) readUntil(wait time.Duration) {
	_ = c.ws.SetReadDeadline(time.Now().Add(wait)) // fails only when the socket is closed already
}

// end takes the connection out of everything and closes the socket. It is the last
// thing the reader does.
func (c *conn) end(panicked any) {
	h := c.hub
	if panicked != nil {
		h.panicked(c, panicked)
	}
	p := c.party.Load()
	if p != nil {
		h.directory.remove(c, p.actor)
		h.sayGone(p)
		c.linkLost(p, h.moment())
	}
	h.roster.remove(c)
	_ = c.ws.Close() // whatever it says, the socket is gone
	if busy := c.lanes.shut(); busy != nil {
		<-busy
	}
	c.looksNoMore()
	h.farewell(c, p)
	h.leave(c.turned, c.greeted)
}

// sayGone tells an area that a party has gone, if it has no connection that belongs to
// it any more. One that comes at the same moment may have said hello before: then it
// says so again.
func (h *Hub) sayGone(p *party) {
	var room [16]*conn
	for come := true; come && !h.directory.has(p.actor, p.areaID); {
		p.area.Gone(p.actor)
		come = false
		for _, c := range h.directory.find(p.actor, room[:0]) {
			if now := c.party.Load(); now.areaID == p.areaID {
				come = true
				c.lanes.renew()
				_ = c.sayHello(now) // refused: the sweeper asks again
			}
		}
	}
}

// farewell counts and logs the end.
func (h *Hub) farewell(c *conn, p *party) {
	code := c.lanes.endsWith()
	how := "broken"
	switch {
	case code != 0:
		how = strconv.Itoa(int(code))
	case c.peerClosed:
		how = "client"
	}
	h.metrics.closed(how)
	if p != nil {
		h.metrics.connections[p.role].Dec()
		h.metrics.spoken[c.spoken].Dec()
		h.connected[p.role].Add(-1)
	}
	level := slog.LevelDebug
	if code != 0 && !code.ComeBack() || code == wire.CloseSlow || code == wire.CloseFlood {
		level = slog.LevelInfo
	}
	h.log(level, "connection closed", func() []any { return c.logAttrs("code", how, "reason", code.Reason(), "broken", c.broken) })
}

// panicked counts and logs a bug that cost one connection and nobody else anything.
func (h *Hub) panicked(c *conn, value any) {
	h.metrics.panics.Inc()
	h.cfg.Log.Error("a connection's goroutine panicked", c.logAttrs("panic", fmt.Sprint(value), "stack", string(debug.Stack()))...)
}

// put queues a frame of our own.
func (c *conn) put(body any, re string) {
	c.queued(c.lanes.put(told{body: body, re: re}, &c.hub.cfg))
}

// tell queues a notice of an area. It is called by the engine and must not block.
func (c *conn) tell(area geo.AreaID, body dispatch.NoticeBody) {
	var doubt uint64
	switch b := body.(type) {
	case dispatch.Truth:
		if b.For != "" && b.For != c.session() {
			c.hub.metrics.drop(dropUnasked) // another connection of the party was let in, this one may not be
			return
		}
		doubt = c.hub.doubts.of(area) // what is doubted after this it does not settle
	case dispatch.OfferTold:
		if c.early.judged.Load() && c.settled.Load() != c.hub.doubts.of(area) {
			c.hub.metrics.drop(dropEarly)
			c.sayHelloAgain()
			return
		}
	}
	out := c.lanes.tell(area, body, &c.hub.cfg, c.beats)
	c.queued(out)
	if _, ok := body.(dispatch.Truth); ok && out.dropped != dropUnasked && out.dropped != dropEnding {
		c.settled.Store(doubt)
		c.letIn()
	}
}

// sayHelloAgain asks for the present truth at once. It does not block.
func (c *conn) sayHelloAgain() {
	if c.lanes.renew() {
		p := c.party.Load()
		_ = c.sayHello(p) // refused: the sweeper asks again
		c.hub.sayGone(p)  // in case it has ended meanwhile
	}
}

// queued does what follows from putting something into the lanes.
func (c *conn) queued(out outcome) {
	m := c.hub.metrics
	if out.depth > 0 {
		m.depth.Observe(float64(out.depth))
	}
	if out.dropped != "" {
		m.drop(out.dropped)
	}
	switch {
	case out.overflow:
		c.finish(wire.CloseSlow, false)
	case out.start:
		go c.write()
	}
}
