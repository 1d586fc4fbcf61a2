package ws

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// scratch is what one frame needs while it is read or written. It is pooled, so
// that an idle connection has none.
type scratch struct {
	in  [wire.MaxFrameBytes + 1]byte // one more, so that the end of a full frame shows
	pos wire.Position
	out []byte
}

// keepOut is the largest buffer for writing that is kept: boards and long truths
// are rare, and should not stay for ever.
const keepOut = 16 << 10

func (h *Hub) getScratch() *scratch {
	if s, ok := h.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{out: make([]byte, 0, 1024)}
}

func (h *Hub) putScratch(s *scratch) {
	if cap(s.out) > keepOut {
		s.out = make([]byte, 0, 1024)
	}
	h.scratch.Put(s)
}

// readFrame waits for one frame and acts on it. It returns false at the end of the
// connection.
func (c *conn) readFrame() bool {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		c.readFailed(err)
		return false
	}
	return c.takeFrame(kind, r)
}

// takeFrame reads one frame that has begun to come, and acts on it.
func (c *conn) takeFrame(kind int, r io.Reader) bool {
	s := c.hub.getScratch()
	defer c.hub.putScratch(s)
	frame, err := c.collect(r, s)
	if err != nil {
		c.readFailed(err)
		return false
	}
	now := c.hub.moment()
	c.heard.Store(now.up)
	switch {
	case c.lanes.endsWith() != 0:
	case kind != messageKind(c.codec()):
		c.finish(wire.CloseBinary, true)
	case c.admitted(now):
		c.handle(frame, s, now)
	}
	return true
}

// collect reads a whole frame into s.in.
func (c *conn) collect(r io.Reader, s *scratch) ([]byte, error) {
	c.inside.Store(c.hub.moment().up)
	defer c.inside.Store(0)
	n := 0
	for n < len(s.in) {
		m, err := r.Read(s.in[n:])
		n += m
		if err == io.EOF {
			return s.in[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, websocket.ErrReadLimit // not reached: the library's limit is one byte less
}

// admitted judges the rate of one more frame.
func (c *conn) admitted(now moment) bool {
	switch c.pace.frame(now.up, &c.hub.cfg) {
	case pass:
		return true
	case flood:
		c.finish(wire.CloseFlood, true)
		return false
	}
	c.hub.metrics.drop(dropRate)
	c.refuse(wire.ClientFrame{}, wire.Refused{Kind: wire.KindLimited, Code: wire.CodeRate, RetryAfterMS: 1000,
		Say: "You send more frames than are read. Slow down, and repeat commands that were not answered."}, now)
	return false
}

// handle acts on a frame of a party that has said hello.
func (c *conn) handle(frame []byte, s *scratch, now moment) {
	p := c.party.Load()
	if p.slot != nil {
		if ok, err := c.codec().DecodePosition(frame, &s.pos); ok {
			c.hub.metrics.in(wire.TypePosition)
			c.position(p, &s.pos, err, now)
			return
		}
	}
	c.other(p, frame, now)
}

// position passes a position on. It allocates nothing, and waits for nothing.
func (c *conn) position(p *party, pos *wire.Position, err error, now moment) {
	if err != nil {
		c.malformed(wire.ClientFrame{Type: wire.TypePosition}, err, now)
		return
	}
	fix, err := c.fix(p, pos, now)
	if err != nil {
		c.refuse(wire.ClientFrame{}, refusedBody(refusePoint(err), ""), now)
		return
	}
	c.putFix(p, fix)
}

// fix is a position in the server's terms: WGS-84, and the server's clock.
func (c *conn) fix(p *party, pos *wire.Position, now moment) (dispatch.Fix, error) {
	point, err := geo.ToWGS84(geo.Point{Lat: pos.Lat, Lon: pos.Lon}, geo.Datum(pos.Datum))
	if err != nil {
		return dispatch.Fix{}, err
	}
	return dispatch.Fix{
		Driver:         p.actor.Driver(),
		Point:          point,
		At:             dispatch.Instant(pos.At + c.clockBehind), // ahead of us: the core says so, and takes it as of now
		Received:       now.wall,
		AccuracyMeters: geo.Meters(pos.AccuracyM.Or(0)),
		HeadingDegrees: pos.HeadingDeg.Or(-1),
		SpeedMPS:       pos.SpeedMPS.Or(-1),
		LinkMillis:     c.pulse.millis(),
		Mock:           pos.Mock,
	}, nil
}

// other acts on any frame but a position.
func (c *conn) other(p *party, frame []byte, now moment) {
	f, err := c.codec().DecodeClient(frame)
	if err != nil {
		c.malformed(f, err, now)
		return
	}
	c.hub.metrics.in(f.Type)
	if no := may(p.actor.Role, f.Type); no != nil {
		c.refuse(f, refusedBody(no, ""), now)
		return
	}
	switch b := f.Body.(type) {
	case wire.Hello:
		c.refuse(f, wire.Refused{Kind: wire.KindInvalid, Code: wire.CodeUnknownType, Field: "t", Say: "Send hello once: a new one goes on a new connection."}, now)
		c.finish(wire.CloseProtocol, true)
	case wire.Ping:
		c.queued(c.lanes.offer(told{body: wire.Pong{}}, &c.hub.cfg))
	case wire.Position: // one that DecodePosition left to us
		c.position(p, &b, nil, now)
	case wire.Watch:
		c.watch(p, b.On)
	case wire.Renew:
		c.renew(p, f, b.Token, now)
	case wire.Logout:
		c.logout(p, f, b.Everywhere, now)
	case wire.Seen:
		c.confirm(p, c.pulse.seen(dispatch.TripID(b.Trip), dispatch.OfferID(b.Offer), time.Now()))
	default:
		c.command(p, f, now)
	}
}

// command hands a command, or a question, over to the engine. Its answer comes as a
// notice.
func (c *conn) command(p *party, f wire.ClientFrame, now moment) {
	in, no := intake(p, f, c.hub.cfg.Gazetteer)
	if no != nil {
		c.refuse(f, refusedBody(no, tripOf(f)), now)
		return
	}
	in = onOurClock(in, c.clockBehind, now.wall)
	if req, ok := in.(dispatch.Request); ok {
		req.Device = c.device
		in = req
	}
	awaited := awaitedBy(f)
	if f.Type == wire.TypeNearby && !c.hub.lookers.ask(p.actor, now.up) {
		c.refuse(f, wire.Refused{Kind: wire.KindLimited, Code: wire.CodeRate, RetryAfterMS: wire.NearbyEvery.Milliseconds(),
			Say: "You ask for the drivers nearby too often. What there is to see changes every few minutes."}, now)
		return
	}
	if f.Type == wire.TypeRoute && !c.pace.question(now.up) || !c.lanes.ask(awaited, now.up, &c.hub.cfg) {
		c.refuse(f, wire.Refused{Kind: wire.KindLimited, Code: wire.CodeRate, RetryAfterMS: 1000,
			Say: "Too many of your commands wait for an answer, or you ask for routes too often. Wait a second.", Trip: string(tripOf(f))}, now)
		return
	}
	no = c.wantsToLook(f, now)
	if no == nil {
		no = c.submit(p, asks{in, f, awaited})
	}
	if no != nil {
		c.lanes.unask(awaited)
		c.refuse(f, refusedBody(no, tripOf(f)), now)
	}
}

// awaitedBy is how the answer to f is known: by the id of a command, or the trip of
// a question.
func awaitedBy(f wire.ClientFrame) string {
	switch b := f.Body.(type) {
	case wire.Route:
		return question(dispatch.TripID(b.Trip))
	case wire.Nearby:
		return questionNearby
	}
	return f.ID
}

// watch turns boards on or off. The first comes at once, the others by the sweeper.
func (c *conn) watch(p *party, on bool) {
	c.lanes.watch(on)
	if on {
		_ = p.area.Submit(dispatch.Watch{By: p.actor}) // refused: the sweeper asks again
	}
}

// malformed answers a frame that cannot be read, and closes when there are too many.
func (c *conn) malformed(f wire.ClientFrame, err error, now moment) {
	c.hub.metrics.inMalformed()
	bad := &wire.Error{Code: wire.CodeBadJSON, Say: "Send one JSON object a frame."}
	errors.As(err, &bad)
	if code, atOnce := bad.Close(); atOnce {
		c.finish(code, true)
		return
	}
	c.refuse(f, bad.Refused(), now)
	if countsAsMalformed(bad.Code) && c.pace.malformed(now.up, &c.hub.cfg) {
		c.finish(wire.CloseProtocol, true)
	}
}

// countsAsMalformed says whether a fault is the program's. A village that does not
// exist is a person's, a place that is not on earth a sensor's: neither is a reason
// to send the phone away.
func countsAsMalformed(code string) bool {
	switch code {
	case wire.CodeOutOfRange, wire.CodeSamePlace, wire.CodeUnknownVillage:
		return false
	}
	return true
}

// refuse answers a frame: a command under its id, anything else at most once a
// second, so that telling costs less than the frames.
func (c *conn) refuse(f wire.ClientFrame, body wire.Refused, now moment) {
	if f.ID != "" || c.pace.mayTell(now.up) {
		c.put(body, f.ID)
	}
}

// readFailed notes why the reader ended. What the library finds wrong with the
// framing it answers with a close frame of its own.
func (c *conn) readFailed(err error) {
	c.over = true
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		c.peerClosed = true
		return
	case closed != nil, isBroken(err): // the library shows an abrupt end as a close with 1006
		c.broken = "the connection broke"
		return
	case errors.Is(err, websocket.ErrReadLimit):
		c.lanes.endedBy(wire.CloseTooBig)
		// The library has said so, but for a length beyond 2^63; twice it does not.
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(wire.CloseTooBig), ""), time.Now().Add(closeWait))
	default:
		c.broken = err.Error()
		c.lanes.endedBy(websocket.CloseProtocolError)
	}
	c.drainSocket()
}

// isBroken says whether err is the network's and not the framing's.
func isBroken(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// maxLeftover bounds what is read from a client after its framing was found wrong.
const maxLeftover = 1 << 20

// drainSocket reads what a client still sends after its framing was found wrong.
// Closing at once would reset the connection, and the close frame might be lost.
func (c *conn) drainSocket() {
	if half, ok := c.ws.NetConn().(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the socket is closed next, either way
	}
	c.readUntil(c.hub.cfg.Linger)
	_, _ = io.CopyN(io.Discard, c.ws.NetConn(), maxLeftover)
}

// onPing notes the client's ping. The writer answers: a client that pings and does
// not read must not hold the reader up, nor deepen its stack.
func (c *conn) onPing(payload string) error {
	now := c.hub.moment()
	if !c.control(now) {
		return nil
	}
	if c.lanes.signal(func(l *lanes) { l.pong, l.pongDue = []byte(payload), true }) {
		go c.write()
	}
	return nil
}

// onPong notes the answer to our ping.
func (c *conn) onPong(payload string) error {
	if !c.control(c.hub.moment()) {
		return nil
	}
	seen := c.pulse.pong(payload, time.Now())
	if p := c.party.Load(); p != nil {
		c.confirm(p, seen)
	}
	return nil
}

// confirm passes on that an offer has arrived. When the area does not take that, the next
// sign of it is passed on.
func (c *conn) confirm(p *party, o *toldOffer) {
	if o == nil {
		return
	}
	in := dispatch.OfferSeen{Driver: p.actor.Driver(), Trip: o.trip, Offer: o.offer, RTT: c.pulse.reckoned()}
	if p.area.Submit(in) != nil {
		c.pulse.unconfirmed(o)
	}
}

// control judges a ping or pong like any other frame.
func (c *conn) control(now moment) bool {
	c.heard.Store(now.up)
	return c.lanes.endsWith() == 0 && c.admitted(now)
}

// closeWait is how long the answer to a client's close frame may take.
const closeWait = time.Second

// onClose answers the client's close frame.
func (c *conn) onClose(code int, _ string) error {
	answer := websocket.FormatCloseMessage(code, "")
	_ = c.ws.WriteControl(websocket.CloseMessage, answer, time.Now().Add(closeWait)) // the socket is closed next, either way
	return nil
}
