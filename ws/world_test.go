package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/memlink"
	"cuntong/ws/wire"
)

const leishan = geo.AreaID("leishan")

// patience is how long a test waits for what must come. It bounds only how long a test
// that fails hangs: a machine may be as busy as it likes.
const patience = time.Minute

// world is a hub that listens, with an area that only takes notes.
type world struct {
	t      testing.TB
	hub    *Hub
	area   *fakeArea
	key    Key
	log    *lockedBuffer
	reg    *prometheus.Registry
	server *http.Server
	listen net.Listener
	dialer websocket.Dialer
	codec  wire.Codec // what its phones speak
	served chan struct{}
}

// newWorld listens on loopback.
func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, l, (&net.Dialer{}).DialContext, change...)
}

// newPipeWorld listens on pipes in memory, for tests with a fake clock.
func newPipeWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	l := memlink.New(nil, nil)
	return newWorldOn(t, l, l.Dial, change...)
}

func newWorldOn(t testing.TB, l net.Listener, dial func(context.Context, string, string) (net.Conn, error), change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, listen: l, log: &lockedBuffer{}, reg: prometheus.NewRegistry(), served: make(chan struct{})}
	w.key, _ = ParseKey([]byte(strings.Repeat("a test key ", 4)))
	w.area = &fakeArea{}
	cfg := DefaultConfig()
	cfg.Auth = Keys{w.key}
	cfg.Areas = func(id geo.AreaID) (Area, bool) { return w.area, id == leishan }
	cfg.Gazetteer = testVillages(t)
	cfg.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Registerer = w.reg
	for _, f := range change {
		f(&cfg)
	}
	hub, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.hub = hub
	w.area.teller = hub.Teller(leishan)
	w.codec = codecOfTest(t)
	w.dialer = websocket.Dialer{NetDialContext: dial, Subprotocols: []string{w.codec.Subprotocol()}, HandshakeTimeout: patience}
	w.server = &http.Server{Handler: hub}
	go func() {
		defer close(w.served)
		_ = w.server.Serve(l)
	}()
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	w.hub.Close()
	_ = w.server.Close()
	<-w.served
}

// testVillages is a gazetteer of two villages.
func testVillages(t testing.TB) *geo.Gazetteer {
	t.Helper()
	g, err := geo.NewGazetteer([]geo.Village{
		{ID: "langde", Name: "朗德", Centre: geo.Point{Lat: 26.47, Lon: 108.04}, Pickups: []geo.Pickup{
			{ID: "gate", Name: "寨门", Point: geo.Point{Lat: 26.471, Lon: 108.041}},
			{ID: "market", Name: "市场", Point: geo.Point{Lat: 26.472, Lon: 108.042}},
		}},
		{ID: "xijiang", Name: "西江", Centre: geo.Point{Lat: 26.49, Lon: 108.17}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var (
	driver1   = dispatch.Actor{Role: dispatch.RoleDriver, ID: "d1"}
	passenger = dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1"}
	agent     = dispatch.Actor{Role: dispatch.RoleAgent, ID: "a1"}
	operator  = dispatch.Actor{Role: dispatch.RoleOperator, ID: "o1"}
	minibus   = dispatch.Vehicle{ID: "贵H12345", Class: geo.Minibus, Load: dispatch.Load{Seats: 7}}
)

func claimsOf(a dispatch.Actor) Claims {
	c := Claims{Actor: a, Area: leishan}
	if a.Role == dispatch.RoleDriver {
		c.Vehicle = minibus
	}
	return c
}

func (w *world) token(a dispatch.Actor) string { return w.tokenFor(claimsOf(a), time.Hour) }

func (w *world) tokenFor(c Claims, ttl time.Duration) string {
	w.t.Helper()
	token, err := Mint(w.key, c, ttl)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) url() string { return "ws://" + w.listen.Addr().String() + "/ws" }

// phone is a client under test. Its reader ends when the connection does.
type phone struct {
	t      testing.TB
	ws     *websocket.Conn
	codec  wire.Codec
	frames chan wire.ServerFrame
	ended  chan struct{} // closed when the reader has ended
	err    error         // why; set before ended is closed

	listening bool
	beats     bool // heartbeats are looked at; others pass over them
}

// dial upgrades with a bearer token, or none, and reads.
func (w *world) dial(token string) *phone {
	w.t.Helper()
	p := w.dialDeaf(token)
	p.listen()
	return p
}

// dialDeaf upgrades and does not read.
func (w *world) dialDeaf(token string) *phone {
	w.t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	ws, resp, err := w.dialer.Dial(w.url(), header)
	if err != nil {
		w.t.Fatalf("dial: %v (%+v)", err, resp)
	}
	p := &phone{t: w.t, ws: ws, codec: w.codec, frames: make(chan wire.ServerFrame, 4096), ended: make(chan struct{})}
	w.t.Cleanup(p.hangUp)
	return p
}

func (p *phone) listen() {
	p.listening = true
	go func() {
		defer close(p.ended)
		for {
			kind, frame, err := p.ws.ReadMessage()
			if err != nil {
				p.err = err
				return
			}
			f, err := p.codec.DecodeServer(frame)
			if kind != messageKind(p.codec) {
				err = fmt.Errorf("a message of kind %d", kind)
			}
			if err != nil {
				p.err = err
				return
			}
			p.frames <- f
		}
	}()
}

// hangUp breaks the connection, and waits for the reader if there is one.
func (p *phone) hangUp() {
	_ = p.ws.Close()
	if p.listening {
		<-p.ended
	}
}

func (p *phone) raw(frame string) {
	p.t.Helper()
	if err := p.ws.WriteMessage(messageKind(p.codec), []byte(frame)); err != nil {
		p.t.Errorf("send %.60s: %v", frame, err)
	}
}

func (p *phone) send(t wire.Type, id string, body any) {
	p.t.Helper()
	frame, err := p.codec.EncodeClient(t, id, body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.raw(string(frame))
}

// next returns the next frame.
func (p *phone) next() wire.ServerFrame {
	p.t.Helper()
	f := p.any()
	for f.Type == wire.TypeHeartbeat && !p.beats {
		f = p.any()
	}
	return f
}

func (p *phone) any() wire.ServerFrame {
	p.t.Helper()
	select {
	case f := <-p.frames:
		return f
	case <-p.ended:
		select {
		case f := <-p.frames:
			return f
		default:
		}
		p.t.Fatalf("the connection ended: %v", p.err)
	case <-time.After(patience):
		p.t.Fatal("no frame came")
	}
	panic("not reached")
}

// want returns the next frame, which must be of that type.
func (p *phone) want(t wire.Type) wire.ServerFrame {
	p.t.Helper()
	f := p.next()
	if f.Type != t {
		p.t.Fatalf("got %s %s %+v, want %s", f.Type, f.Re, f.Body, t)
	}
	return f
}

// until reads on to a frame of that type, past refusals: how many come depends on
// how fast this machine is.
func (p *phone) until(t wire.Type) wire.ServerFrame {
	p.t.Helper()
	for {
		if f := p.next(); f.Type == t {
			return f
		} else if f.Type != wire.TypeRefused {
			p.t.Fatalf("got %s, want %s", f.Type, t)
		}
	}
}

// wantRefused wants a refusal of that code, and returns it.
func (p *phone) wantRefused(re, code string) wire.Refused {
	p.t.Helper()
	f := p.want(wire.TypeRefused)
	body := f.Body.(wire.Refused)
	if f.Re != re || body.Code != code {
		p.t.Fatalf("refused re=%q %+v, want re=%q code=%q", f.Re, body, re, code)
	}
	if body.Say == "" || body.Kind == "" {
		p.t.Errorf("a refusal without words: %+v", body)
	}
	return body
}

// wantClose reads on until the connection ends, which must be with that code.
func (p *phone) wantClose(code wire.CloseCode) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("not closed; want %d", code)
	}
	var closed *websocket.CloseError
	if !errors.As(p.err, &closed) || closed.Code != int(code) {
		p.t.Fatalf("ended with %v, want close %d", p.err, code)
	}
	if closed.Text != code.Reason() {
		p.t.Errorf("reason %q, want %q", closed.Text, code.Reason())
	}
}

// quiet says that nothing more came: a ping is answered by the next frame.
func (p *phone) quiet() {
	p.t.Helper()
	p.send(wire.TypePing, "", wire.Ping{})
	p.want(wire.TypePong)
}

// connect dials and says hello, and returns after the truth.
func (w *world) connect(a dispatch.Actor) *phone {
	w.t.Helper()
	p := w.dial(w.token(a))
	p.hello()
	return p
}

func (p *phone) hello() wire.Welcome {
	p.t.Helper()
	p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli(), Client: "test/1"})
	welcome := p.want(wire.TypeWelcome).Body.(wire.Welcome)
	p.want(wire.TypeTruth)
	return welcome
}

// leave hangs up the only phone, and waits until the hub has let it go. A party that is back before
// is asked for twice, see [Hub.sayGone], and may be told two truths.
func (w *world) leave(p *phone) {
	w.t.Helper()
	p.hangUp()
	w.eventually("nobody is left", func() bool { return w.live() == 0 })
}

// eventually waits until cond holds.
func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("did not happen: %s", what)
		}
	}
}

// live is how many connections the hub has, those without a hello included.
func (w *world) live() int {
	n := 0
	w.hub.each(func(*conn) { n++ })
	return n
}

// counted returns a counter of the hub by its name and labels, as "name{label}".
func (w *world) counted(c prometheus.Collector) float64 { return testutil.ToFloat64(c) }

func (w *world) closes(how string) float64 {
	return w.counted(w.hub.metrics.closes.WithLabelValues(how))
}

func (w *world) dropped(reason string) float64 { return w.counted(w.hub.metrics.dropped[reason]) }

// fakeArea takes notes, and answers at once: Hello with an empty truth, commands
// with done.
type fakeArea struct {
	teller dispatch.Teller

	mu     sync.Mutex // guards the following fields
	inputs []dispatch.Input
	fixes  []dispatch.Fix
	gone   []dispatch.Actor
	last   string              // "hello" or "gone", whichever came last
	truth  []dispatch.TripView // the trips in every truth
	mute   bool                // answers nothing
	no     *dispatch.Refusal   // refuses everything
	before []dispatch.NoticeBody
}

func (a *fakeArea) Submit(in dispatch.Input) *dispatch.Refusal {
	a.mu.Lock()
	a.inputs = append(a.inputs, in)
	no, mute, before, truth := a.no, a.mute, a.before, a.truth
	if _, ok := in.(dispatch.Hello); ok {
		a.last = "hello"
	}
	a.mu.Unlock()
	if no != nil || mute {
		return no
	}
	switch in := in.(type) {
	case dispatch.Hello:
		for _, body := range before {
			a.tell(in.By, body)
		}
		a.tell(in.By, dispatch.Truth{At: 1, Trips: truth})
	case dispatch.Watch:
		a.tell(in.By, dispatch.BoardTold{Board: dispatch.Board{Area: leishan}})
	case dispatch.AskRoute:
		a.tell(in.By, dispatch.RouteTold{Trip: in.Trip, Ride: &dispatch.Way{Line: "_p~iF~ps|U"}})
	case dispatch.AskNearby:
		a.tell(in.By, dispatch.NearbyTold{At: 1, Next: 2})
	default:
		if cmd, ok := commandIn(in); ok {
			a.tell(cmd.By, dispatch.Done{ID: cmd.ID, Trip: "t1", Version: 1, State: dispatch.Requested})
		}
	}
	return nil
}

func (a *fakeArea) tell(to dispatch.Actor, body dispatch.NoticeBody) {
	a.teller.Tell([]dispatch.Notice{{To: to, Body: body}})
}

func (a *fakeArea) Slot() Positions { return a }

func (a *fakeArea) Gone(who dispatch.Actor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = append(a.gone, who)
	a.last = "gone"
}

func (a *fakeArea) Put(f dispatch.Fix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fixes = append(a.fixes, f)
}

func (a *fakeArea) set(change func(*fakeArea)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *fakeArea) got() []dispatch.Input {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]dispatch.Input(nil), a.inputs...)
}

func (a *fakeArea) gotGone() []dispatch.Actor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]dispatch.Actor(nil), a.gone...)
}

func (a *fakeArea) gotFixes() []dispatch.Fix {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]dispatch.Fix(nil), a.fixes...)
}

// count is how many inputs of one type came.
func count[T dispatch.Input](a *fakeArea) int {
	n := 0
	for _, in := range a.got() {
		if _, ok := in.(T); ok {
			n++
		}
	}
	return n
}

func commandIn(in dispatch.Input) (dispatch.Command, bool) {
	switch in := in.(type) {
	case dispatch.StartDuty:
		return in.Command, true
	case dispatch.EndDuty:
		return in.Command, true
	case dispatch.Request:
		return in.Command, true
	case dispatch.Accept:
		return in.Command, true
	case dispatch.Decline:
		return in.Command, true
	case dispatch.Arrive:
		return in.Command, true
	case dispatch.Start:
		return in.Command, true
	case dispatch.Complete:
		return in.Command, true
	case dispatch.Release:
		return in.Command, true
	case dispatch.Cancel:
		return in.Command, true
	case dispatch.ChangeRoad:
		return in.Command, true
	case dispatch.RestoreRoad:
		return in.Command, true
	case dispatch.Look:
		return in.Command, true
	case dispatch.Paid:
		return in.Command, true
	case dispatch.Tracked:
		return in.Command, true
	case dispatch.Bar:
		return in.Command, true
	case dispatch.LiftBar:
		return in.Command, true
	}
	return dispatch.Command{}, false
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
