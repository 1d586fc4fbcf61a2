package phone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"cuntong/chaos/history"
	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// role is what makes a phone a driver's, a passenger's or an operator's. All methods
// are called from the phone's goroutine.
type role interface {
	// connected follows a welcome; held is what the phone knew before.
	connected()
	// truth is the present state; what was believed before counts no more.
	truth(t wire.Truth)
	// frame is any other frame but answers.
	frame(body any)
	// answered is the last word on a command.
	answered(op *history.Op)
	// act does what is due and says when to look again.
	act(now time.Time) time.Time
	// busy says that this party waits for something.
	busy() bool
}

// phone is what every party has: a connection that comes and goes, and commands that
// are repeated until they are answered. Owned by the goroutine that calls run.
type phone struct {
	// Static after construction.
	cfg   *Config
	kind  string // role
	id    string
	area  string
	token string
	skew  time.Duration // by how much its clock is wrong
	rng   *rand.Rand

	conn    *websocket.Conn
	server  string
	session int
	ready   bool // the truth has come
	helloAt time.Duration
	heard   time.Time // when the last frame came
	news    time.Time // when something last happened to this party
	pending []*call   // in the order they were given
	named   int

	hangUp   bool      // the party wants a new connection, for its truth
	counted  bool      // among the busy of cfg
	receipts []receipt // the newest of each trip, that of the latest last
}

// call is a command without its last word.
type call struct {
	frame []byte
	op    *history.Op
	again time.Time // when to send it again
}

func newPhone(cfg *Config, kind, id, area string, rng *rand.Rand) (phone, error) {
	token, err := mint(cfg.Secret, kind, id, area)
	p := phone{cfg: cfg, kind: kind, id: id, area: area, token: token, rng: rng}
	if rng.IntN(5) == 0 {
		p.skew = time.Duration((rng.Float64()*2 - 1) * float64(maxSkew))
	}
	return p, err
}

// run lives until the context ends.
func (p *phone) run(ctx context.Context, r role) {
	for tries := 0; ctx.Err() == nil; tries++ {
		bound := min(lastBound, firstBound<<min(tries, 10))
		if tries > 0 && !pause(ctx, time.Duration(p.rng.Int64N(int64(bound)))) {
			return
		}
		if wait, welcomed := p.connect(ctx, r); welcomed {
			tries = 0
			pause(ctx, wait)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connect makes one connection and lives with it to its end. It returns how long the
// server asked to stay away.
func (p *phone) connect(ctx context.Context, r role) (wait time.Duration, welcomed bool) {
	conn, server, err := p.dial(ctx)
	if err != nil {
		return 0, false
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		stop()
		conn.Close()
		p.conn, p.ready = nil, false
	}()
	p.conn, p.server, p.session = conn, server, p.session+1
	if err := p.hello(); err != nil {
		return 0, false
	}
	r.connected()
	frames := make(chan wire.ServerFrame, frameQueue)
	over := make(chan struct{})
	go read(conn, frames, over)
	defer close(over)
	return p.live(ctx, r, frames), true
}

// dial opens a socket to any server that answers.
func (p *phone) dial(ctx context.Context) (*websocket.Conn, string, error) {
	server := p.cfg.Servers[p.rng.IntN(len(p.cfg.Servers))]
	dialer := websocket.Dialer{
		Subprotocols:     []string{wire.Subprotocol},
		HandshakeTimeout: dialWait,
		NetDialContext:   (&net.Dialer{Timeout: dialWait}).DialContext,
		ReadBufferSize:   4096, WriteBufferSize: 2048,
	}
	header := http.Header{"Authorization": {"Bearer " + p.token}}
	conn, resp, err := dialer.DialContext(ctx, "ws://"+server+"/ws", header)
	if resp != nil && resp.Body != nil {
		resp.Body.Close()
	}
	if err != nil {
		return nil, server, err
	}
	conn.SetReadLimit(wire.MaxServerFrameBytes)
	return conn, server, nil
}

// hello greets and reads the welcome.
func (p *phone) hello() error {
	p.helloAt = p.cfg.Log.Now()
	hello := wire.Hello{NowMS: time.Now().Add(p.skew).UnixMilli(), Client: "cuntong-chaos/1"}
	p.show(&hello)
	frame, err := wire.EncodeClient(wire.TypeHello, "", hello)
	if err != nil {
		return err
	}
	if err := p.write(frame); err != nil {
		return err
	}
	p.conn.SetReadDeadline(time.Now().Add(helloWait))
	_, answer, err := p.conn.ReadMessage()
	if err != nil {
		return err
	}
	f, err := wire.DecodeServer(answer)
	if err != nil {
		return err
	}
	if _, ok := f.Body.(wire.Welcome); !ok {
		return fmt.Errorf("the first frame is %q: want welcome", f.Type)
	}
	p.heard, p.news = time.Now(), time.Now()
	return nil
}

func (p *phone) write(frame []byte) error {
	p.conn.SetWriteDeadline(time.Now().Add(writeWait))
	return p.conn.WriteMessage(websocket.TextMessage, frame)
}

// read passes frames on until the connection ends, and closes frames then.
func read(conn *websocket.Conn, frames chan<- wire.ServerFrame, over <-chan struct{}) {
	defer close(frames)
	alive := func() { conn.SetReadDeadline(time.Now().Add(2 * silentAfter)) }
	conn.SetPingHandler(func(data string) error {
		alive()
		err := conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	for {
		alive()
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		f, err := wire.DecodeServer(data)
		if err != nil || f.Body == nil {
			continue
		}
		select {
		case frames <- f:
		case <-over:
			return
		}
	}
}

// live is the life of one connection.
func (p *phone) live(ctx context.Context, r role, frames <-chan wire.ServerFrame) time.Duration {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var drain time.Duration
	for {
		select {
		case <-ctx.Done():
			return 0
		case f, ok := <-frames:
			if !ok {
				return drain
			}
			p.heard = time.Now()
			if d, ok := f.Body.(wire.Drain); ok {
				drain = time.Duration(d.ComeBackAfterMS) * time.Millisecond
			}
			p.take(f, r)
		case <-timer.C:
		}
		now := time.Now()
		if p.deaf(now, r) {
			return 0
		}
		next := r.act(now)
		p.count(r.busy())
		if err := p.send(now); err != nil {
			return drain
		}
		for _, c := range p.pending {
			next = earlier(next, c.again)
		}
		timer.Reset(max(time.Until(earlier(next, now.Add(time.Second))), time.Millisecond))
	}
}

// count keeps the number of the busy.
func (p *phone) count(busy bool) {
	if busy == p.counted {
		return
	}
	p.counted = busy
	if busy {
		p.cfg.busy.Add(1)
	} else {
		p.cfg.busy.Add(-1)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// deaf says that there is no use in this connection any more: no truth came, or
// nothing at all, or nothing happens to somebody who waits.
func (p *phone) deaf(now time.Time, r role) bool {
	switch {
	case p.hangUp:
		p.hangUp = false
		return true
	case !p.ready && p.cfg.Log.Now()-p.helloAt > helloWait:
		return true
	case len(p.pending) > 0 && now.Sub(p.heard) > silentAfter:
		return true
	case r.busy() && now.Sub(p.news) > stuckAfter:
		return true
	}
	return false
}

// take files one frame.
func (p *phone) take(f wire.ServerFrame, r role) {
	switch body := f.Body.(type) {
	case wire.Truth:
		p.news = time.Now()
		for _, t := range body.Trips {
			p.saw("truth", t.Trip, t.Version, t.State, t.Driver, "")
			p.keep(t)
		}
		if o := body.Offer; o != nil {
			p.saw("truth", o.Trip, o.Version, wire.StateOffered, &wire.TripDriver{ID: p.id}, o.Offer)
		}
		r.truth(body)
		p.ready = true
	case wire.Done:
		p.answer(f.Re, history.OK, "", body.Version, body.State, r)
	case wire.Refused:
		p.refused(f.Re, body, r)
	case wire.Trip:
		p.news = time.Now()
		p.saw("trip", body.Trip, body.Version, body.State, body.Driver, "")
		p.keep(body)
		r.frame(body)
	case wire.Offer:
		p.news = time.Now()
		p.saw("offer", body.Trip, body.Version, wire.StateOffered, &wire.TripDriver{ID: p.id}, body.Offer)
		r.frame(body)
	default:
		r.frame(f.Body)
	}
}

func (p *phone) saw(via, trip string, version int64, state string, driver *wire.TripDriver, offer string) {
	s := history.Sight{Client: p.id, Server: p.server, Session: p.session, Via: via, Trip: trip, Version: version, State: state, Offer: offer}
	if driver != nil {
		s.Driver = driver.ID
	}
	p.cfg.Log.See(s)
}

// refused keeps a command that may succeed later, and ends any other.
func (p *phone) refused(re string, body wire.Refused, r role) {
	i := slices.IndexFunc(p.pending, func(c *call) bool { return c.op.ID == re })
	if i < 0 {
		return
	}
	if body.Kind == wire.KindUnavailable || body.Code == wire.CodeRate {
		wait := time.Duration(body.RetryAfterMS) * time.Millisecond
		p.pending[i].again = time.Now().Add(min(max(wait, 50*time.Millisecond), 2*time.Second))
		return
	}
	p.answer(re, history.Refused, body.Code, 0, "", r)
}

func (p *phone) answer(re string, outcome history.Outcome, code string, version int64, state string, r role) {
	i := slices.IndexFunc(p.pending, func(c *call) bool { return c.op.ID == re })
	if i < 0 {
		return
	}
	c := p.pending[i]
	p.pending = slices.Delete(p.pending, i, i+1)
	p.news = time.Now()
	p.cfg.Log.End(c.op, p.server, outcome, code, version, state)
	if outcome == history.OK && c.op.Trip != "" && version > 0 {
		p.saw("done", c.op.Trip, version, state, nil, "")
	}
	r.answered(c.op)
}

// give makes a command; send sends it.
func (p *phone) give(t wire.Type, body any, trip, offer string) {
	p.named++
	id := fmt.Sprintf("%s-%d", p.id, p.named)
	frame, err := wire.EncodeClient(t, id, body)
	if err != nil {
		panic(err) // a body of another type: a mistake of this program
	}
	op := p.cfg.Log.Begin(history.Op{Client: p.id, Role: p.kind, Area: p.area, ID: id, Kind: string(t), Trip: trip, Offer: offer, Shaky: p.cfg.Shaky})
	c := &call{frame: frame, op: op}
	p.pending = append(p.pending, c)
	c.again = time.Now().Add(resendAfter)
	if p.conn != nil {
		_ = p.write(frame) // a broken connection shows itself to the reader, and the command is repeated
	}
}

// send sends again what has waited too long for an answer, in its old order.
func (p *phone) send(now time.Time) error {
	for _, c := range p.pending {
		if now.Before(c.again) || !p.ready {
			continue
		}
		c.again = now.Add(resendAfter)
		p.cfg.Log.Again(c.op)
		if err := p.write(c.frame); err != nil {
			return err
		}
	}
	return nil
}

// anew makes every waiting command due: the connection is a new one.
func (p *phone) anew() {
	for _, c := range p.pending {
		c.again = time.Time{}
	}
}

// waits says that a command has no last word yet.
func (p *phone) waits() bool { return len(p.pending) > 0 }

// jitter is a duration of d on average.
func (p *phone) jitter(d time.Duration) time.Duration {
	return time.Duration(p.rng.Int64N(int64(2*d) + 1))
}
