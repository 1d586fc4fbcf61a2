package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

const (
	// eventQueue is how many frames may wait for their party. A full queue stops the
	// reading, and TCP then holds the server back: that is how a slow phone looks.
	eventQueue = 64
	// dialWait bounds one attempt to connect, welcomeWait the wait for the welcome.
	dialWait    = 15 * time.Second
	welcomeWait = 10 * time.Second
	// silences is how many missed heartbeats make a connection count as dead.
	silences = 3
)

// link is one party's connection and all that follow it. run owns the reading;
// the party, who is handed each new connection, owns the writing.
type link struct {
	// Static after construction.
	party  Party
	swarm  *swarm
	wait   time.Duration // before the first attempt
	skew   time.Duration // by how much the phone's clock is ahead
	events chan event    // size eventQueue; the link waits when it is full
	pocket pocket

	// Owned by run.
	rng     *rand.Rand
	session int             // counts the connections
	server  int             // which of the addresses is tried next
	drain   time.Duration   // the wait that a drain frame asked for; 0: none
	stale   *websocket.Conn // fell silent on purpose, and the server has not been told

	// awayUntil is until when the phone has no signal, in Unix ns; silent says that it
	// fell silent instead of closing. Written by the party, read by run.
	awayUntil atomic.Int64
	silent    atomic.Bool

	// tried says that the first attempt has been made; for [Run].
	tried atomic.Bool
}

// event is what a link tells its party.
type event struct {
	kind    eventKind
	session int
	at      time.Time
	conn    *websocket.Conn  // linkUp
	welcome wire.Welcome     // linkUp
	frame   wire.ServerFrame // linkFrame
}

type eventKind int

const (
	linkUp eventKind = iota
	linkFrame
	linkDown
	linkGone // for good
)

// ending is how a session ended.
type ending struct {
	err      error
	welcomed bool
	comeBack bool
	reason   string        // why not to come back
	wait     time.Duration // at least so long before the next attempt
	exact    bool          // wait is all: no jitter on top
}

// run connects again and again until the context ends or the server says not to
// come back.
func (l *link) run(ctx context.Context) {
	defer l.dropStale()
	wait, tries := l.wait, 0
	for {
		if !pause(ctx, max(wait, l.away())) {
			return
		}
		if l.away() > 0 {
			continue
		}
		end := l.connect(ctx)
		l.elsewhere()
		l.tried.Store(true)
		if ctx.Err() != nil {
			return
		}
		if !end.comeBack {
			l.swarm.tally.sentAway(end.reason)
			l.swarm.cfg.Log.Warn("party was told not to come back", "party", l.party.ID, "why", end.reason)
			l.tell(ctx, event{kind: linkGone})
			return
		}
		if end.welcomed {
			tries = 0
		}
		wait = end.wait
		if !end.exact {
			wait += fullJitter(l.rng, tries)
		}
		tries++
	}
}

// elsewhere turns to another server, if there is one: any of them, so that those who
// leave one together do not all go to its neighbour.
func (l *link) elsewhere() {
	if others := len(l.swarm.addresses) - 1; others > 0 {
		l.server = (l.server + 1 + l.rng.IntN(others)) % (others + 1)
	}
}

// pause waits, and says whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// away is how long the phone still has no signal.
func (l *link) away() time.Duration {
	return time.Duration(l.awayUntil.Load() - time.Now().UnixNano())
}

// cut takes the phone's signal away for so long. Silently means that the
// connection stays half open and the server has to find out. For the party.
func (l *link) cut(conn *websocket.Conn, length time.Duration, silently bool) {
	l.silent.Store(silently)
	l.awayUntil.Store(time.Now().Add(length).UnixNano())
	switch {
	case conn == nil:
	case silently:
		conn.SetReadDeadline(time.Now()) // wakes run, which looks at awayUntil
	default:
		conn.Close()
	}
}

// connect makes one connection and reads it to its end.
func (l *link) connect(ctx context.Context) ending {
	begun := time.Now()
	conn, welcome, end := l.open(ctx)
	if conn == nil {
		l.swarm.tally.failed(end.err)
		return end
	}
	l.dropStale()
	tally := l.swarm.tally
	tally.count(connects)
	tally.took(connecting, time.Since(begun))
	if l.session++; l.session > 1 {
		tally.count(reconnects)
	}
	gauge := &tally.riders
	if l.party.Role == wire.RoleDriver {
		gauge = &tally.drivers
	}
	gauge.Add(1)
	defer gauge.Add(-1)

	bye := context.AfterFunc(ctx, func() { sayBye(conn) })
	l.tell(ctx, event{kind: linkUp, session: l.session, at: time.Now(), conn: conn, welcome: welcome})
	err := l.read(ctx, conn, heartbeat(welcome))
	l.tell(ctx, event{kind: linkDown, session: l.session})
	bye()
	if l.away() > 0 && l.silent.Load() {
		l.stale = conn
	} else {
		conn.Close()
	}
	if ctx.Err() != nil {
		return ending{err: err} // we closed it
	}
	end = l.judge(err)
	end.welcomed = true
	return end
}

func sayBye(conn *websocket.Conn) {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// Whether the server hears it or not, the connection closes.
	_ = conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(time.Second))
	conn.Close()
}

func (l *link) dropStale() {
	if l.stale != nil {
		l.stale.Close()
		l.stale = nil
	}
}

func heartbeat(w wire.Welcome) time.Duration {
	if w.HeartbeatS <= 0 {
		return wire.PingEvery
	}
	return time.Duration(w.HeartbeatS) * time.Second
}

// open dials, says hello, and waits for the welcome. A nil connection comes with
// an ending.
func (l *link) open(ctx context.Context) (*websocket.Conn, wire.Welcome, ending) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	token, err := l.swarm.cfg.TokenFor(l.party)
	if err != nil {
		return nil, wire.Welcome{}, ending{err: err, reason: "no token: " + err.Error()}
	}
	conn, resp, err := l.swarm.dialer.DialContext(ctx, l.swarm.addresses[l.server], http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, wire.Welcome{}, judgeHandshake(resp, err)
	}
	if conn.Subprotocol() != wire.Subprotocol {
		conn.Close()
		reason := fmt.Sprintf("the server speaks %q and not %s", conn.Subprotocol(), wire.Subprotocol)
		return nil, wire.Welcome{}, ending{err: errors.New(reason), reason: reason}
	}
	conn.SetReadLimit(wire.MaxServerFrameBytes)
	welcome, err := l.greet(conn)
	if err != nil {
		conn.Close()
		return nil, wire.Welcome{}, l.judge(err)
	}
	return conn, welcome, ending{}
}

// greet says hello and reads the welcome.
func (l *link) greet(conn *websocket.Conn) (wire.Welcome, error) {
	now := time.Now()
	hello := wire.Hello{NowMS: now.Add(l.skew).UnixMilli(), Client: "cuntong-loadtest/1", Receipts: l.pocket.all(now)}
	l.swarm.tally.add(receiptsGiven, len(hello.Receipts))
	frame, err := wire.EncodeClient(wire.TypeHello, "", hello)
	if err != nil {
		return wire.Welcome{}, err
	}
	conn.SetWriteDeadline(time.Now().Add(writeWait))
	if err := conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		return wire.Welcome{}, err
	}
	l.swarm.tally.sent(len(frame))
	conn.SetReadDeadline(time.Now().Add(welcomeWait))
	_, answer, err := conn.ReadMessage()
	if err != nil {
		return wire.Welcome{}, err
	}
	l.swarm.tally.received(len(answer))
	f, err := wire.DecodeServer(answer)
	if err != nil {
		return wire.Welcome{}, err
	}
	welcome, ok := f.Body.(wire.Welcome)
	if !ok {
		return wire.Welcome{}, fmt.Errorf("the first frame is %q: want welcome", f.Type)
	}
	return welcome, nil
}

// read passes the frames on until the connection ends.
func (l *link) read(ctx context.Context, conn *websocket.Conn, every time.Duration) error {
	alive := func() { conn.SetReadDeadline(time.Now().Add(silences * every)) }
	conn.SetPingHandler(func(data string) error {
		alive()
		err := conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	var buf bytes.Buffer
	for {
		alive()
		// After alive, so that a cut that came in between is not undone by it.
		if l.away() > 0 {
			return errAway
		}
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return err
		}
		l.swarm.tally.received(buf.Len())
		l.pass(ctx, buf.Bytes())
	}
}

var errAway = errors.New("no signal")

// pass decodes a frame and hands it to the party.
func (l *link) pass(ctx context.Context, data []byte) {
	at := time.Now()
	f, err := wire.DecodeServer(data)
	if err != nil {
		l.swarm.tally.count(brokenFrames)
		l.swarm.cfg.Log.Warn("frame from the server could not be read", "party", l.party.ID, "err", err)
		return
	}
	if d, ok := f.Body.(wire.Drain); ok {
		l.swarm.tally.count(drains)
		l.drain = time.Duration(d.ComeBackAfterMS) * time.Millisecond
	}
	l.tell(ctx, event{kind: linkFrame, session: l.session, at: at, frame: f})
}

func (l *link) tell(ctx context.Context, e event) {
	select {
	case l.events <- e:
	case <-ctx.Done():
	}
}

// judge says what the end of a connection means for the next one.
func (l *link) judge(err error) ending {
	end := ending{err: err, comeBack: true}
	if l.away() > 0 {
		end.exact = true // run waits for the signal
		return end
	}
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		return end
	}
	l.swarm.tally.closed(closed.Code)
	code := wire.CloseCode(closed.Code)
	for _, info := range wire.CloseCodes() {
		if info.Code == code {
			end.wait = info.Wait
		}
	}
	switch {
	case code == wire.CloseDrain && l.drain > 0:
		end.wait, end.exact = l.drain, true // drawn by the server for this client alone
		l.drain = 0
	case code == wire.CloseExpired: // every attempt has a fresh token
	case !code.ComeBack():
		end.comeBack, end.reason = false, fmt.Sprintf("closed with %d %s", closed.Code, closed.Text)
	}
	return end
}

// judgeHandshake says what a failed upgrade means.
func judgeHandshake(resp *http.Response, err error) ending {
	end := ending{err: err, comeBack: true}
	if resp == nil {
		return end
	}
	defer resp.Body.Close()
	end.err = fmt.Errorf("%w: %s", err, resp.Status)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		if s, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && s > 0 {
			end.wait = time.Duration(min(s, 600)) * time.Second
		}
	default:
		end.comeBack, end.reason = false, "upgrade answered with "+resp.Status
	}
	return end
}
