package linktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
	"cuntong/ws/client"
	"cuntong/ws/wire"
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy has much to say
	// The proxy library leaves some behind when a connection is cut while it passes data on.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"))
}

// patience bounds how long a test that fails hangs. It is no expectation.
const patience = 5 * time.Minute

const county = geo.AreaID("leishan")

// world is a server: a hub, an engine and a journal in memory.
type world struct {
	t      *testing.T
	key    ws.Key
	hub    *ws.Hub
	lines  net.Listener
	dial   func(context.Context, string, string) (net.Conn, error)
	ledger *ledger
}

// newWorld starts a server that listens there; dial leads to it.
func newWorld(t *testing.T, lines net.Listener, dial func(context.Context, string, string) (net.Conn, error), rules dispatch.Rules, change ...func(*ws.Config)) *world {
	t.Helper()
	w := &world{t: t, lines: lines, dial: dial, ledger: &ledger{}}
	w.key, _ = ws.ParseKey([]byte(strings.Repeat("a test key ", 4)))
	villages, err := geo.NewGazetteer([]geo.Village{{ID: "langde", Name: "朗德", Centre: geo.Point{Lat: 26.47, Lon: 108.04}}})
	if err != nil {
		t.Fatal(err)
	}
	var area ws.Area
	cfg := ws.DefaultConfig()
	cfg.Auth = ws.Keys{w.key}
	cfg.Areas = func(id geo.AreaID) (ws.Area, bool) { return area, id == county }
	cfg.Gazetteer, cfg.Log, cfg.Registerer = villages, slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	for _, f := range change {
		f(&cfg)
	}
	if w.hub, err = ws.NewHub(cfg); err != nil {
		t.Fatal(err)
	}
	engine, err := dispatch.NewEngine(dispatch.EngineConfig{
		Area: &geo.Area{ID: county}, Rules: rules, Router: geo.NewCrow(), Ledger: w.ledger, Mirror: noMirror{},
		Teller: w.hub.Teller(county), Metrics: dispatch.NewMetrics(prometheus.NewRegistry()), Log: cfg.Log, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	area = ws.EngineArea(engine)
	w.serve(engine)
	return w
}

func (w *world) serve(engine *dispatch.Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: w.hub, ReadHeaderTimeout: time.Minute}
	var running sync.WaitGroup
	running.Go(func() {
		if err := engine.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
	running.Go(func() { _ = server.Serve(w.lines) })
	w.t.Cleanup(func() {
		w.hub.Close()
		_ = server.Close()
		cancel()
		running.Wait()
	})
	for engine.Ready() != nil {
		pause(10 * time.Millisecond)
	}
}

// pause is a moment, virtual in a bubble.
func pause(d time.Duration) { <-time.After(d) }

// config is of a client that talks to this world, over links of its own.
func (w *world) config(a dispatch.Actor, seed uint64) client.Config {
	claims := ws.Claims{Actor: a, Area: county}
	if a.Role == dispatch.RoleDriver {
		claims.Vehicle = dispatch.Vehicle{ID: "贵H12345", Class: geo.Minibus, Load: dispatch.Load{Seats: 7}}
	}
	return client.Config{
		Addresses: []string{"ws://" + w.lines.Addr().String() + "/ws"}, Role: string(a.Role), Name: "linktest/1", Device: "phone-" + string(a.ID),
		Token: func(context.Context) (client.Token, error) {
			text, err := ws.Mint(w.key, claims, 48*time.Hour)
			return client.Token{Text: text}, err
		},
		Rand: rand.New(rand.NewPCG(seed, 1)), Dial: w.dial, IDs: string(a.ID),
	}
}

// ledger is a journal in memory of a server that is alone.
type ledger struct {
	dispatch.Ledger

	mu    sync.Mutex // guards the following field
	facts []dispatch.Fact
}

func (*ledger) Acquire(context.Context) (dispatch.Epoch, error)                          { return 1, nil }
func (*ledger) Release(context.Context, dispatch.NodeID) error                           { return nil }
func (*ledger) Save(context.Context, dispatch.Seq, []byte) error                         { return nil }
func (*ledger) Archive(context.Context, []dispatch.EndedTrip) error                      { return nil }
func (*ledger) Head(context.Context) (dispatch.Head, error)                              { return dispatch.Head{}, nil }
func (*ledger) LoadAfter(context.Context, dispatch.Seq, func(dispatch.Fact) error) error { return nil }
func (*ledger) Load(context.Context, func(dispatch.Fact) error) ([]byte, dispatch.Seq, error) {
	return nil, 0, nil
}

func (l *ledger) Append(_ context.Context, _ dispatch.BatchID, _ dispatch.Seq, facts []dispatch.Fact) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = append(l.facts, facts...)
	return nil
}

// all returns what has been recorded.
func (l *ledger) all() []dispatch.Fact {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]dispatch.Fact(nil), l.facts...)
}

type noMirror struct{}

func (noMirror) Show(context.Context, []dispatch.MirrorFix, []dispatch.DriverID) error { return nil }
func (noMirror) Shown(context.Context, dispatch.Instant, int64) ([]dispatch.Fix, error) {
	return nil, nil
}

// person is somebody with a client, and what it was told.
type person struct {
	t   *testing.T
	who dispatch.Actor
	*client.Client
	// lossy: the link may lose single messages, which nobody repeats.
	lossy bool

	mu      sync.Mutex // guards the following fields
	events  []client.Event
	refused []client.Answer
}

// meet starts a person's client; its app, when it is not nil, is told each event.
func meet(t *testing.T, who dispatch.Actor, cfg client.Config, app func(*person, client.Event)) *person {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, who: who, Client: c}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	running.Go(func() {
		for {
			select {
			case e := <-c.Events():
				p.note(e)
				if app != nil {
					app(p, e)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return p
}

func (p *person) note(e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) < 1<<16 {
		p.events = append(p.events, e)
	}
	if e.Kind == client.Answered && e.Answer.Refused != nil {
		p.refused = append(p.refused, *e.Answer)
	}
}

// refusals are the commands that were refused for good.
func (p *person) refusals() []client.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]client.Answer(nil), p.refused...)
}

// downs is how many connections have ended.
func (p *person) downs() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Kind == client.Down {
			n++
		}
	}
	return n
}

func (p *person) do(t wire.Type, body any) string {
	p.t.Helper()
	id, err := p.Do(t, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// until waits for a condition.
func until(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); pause(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %v: %s", limit, what)
		}
	}
}

// state is how a trip stands in a person's picture.
func (p *person) state(trip string) string {
	picture := p.Picture()
	t, _ := picture.Trip(trip)
	return t.State
}

// at is a position there and now.
func at(p geo.Point) wire.Position {
	return wire.Position{Lat: p.Lat, Lon: p.Lon, Datum: "wgs84", At: time.Now().UnixMilli(), AccuracyM: wire.Some(5)}
}

func place(p geo.Point) wire.Place {
	return wire.Place{Lat: wire.Some(p.Lat), Lon: wire.Some(p.Lon), Datum: "wgs84"}
}

func driver(n int) dispatch.Actor {
	return dispatch.Actor{Role: dispatch.RoleDriver, ID: fmt.Sprintf("d%d", n)}
}

func passenger(n int) dispatch.Actor {
	return dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprintf("p%d", n)}
}
