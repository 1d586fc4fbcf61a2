package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
)

const benchArea = geo.AreaID("bench")

// benchKey is the secret of bench tokens: parent and children share it by knowing it.
func benchKey() (ws.Key, error) { return ws.ParseKey([]byte("a secret that guards nothing at all")) }

// benchParts is what a measure wants of its server; the zero value stands for an
// engine that records nothing and shows nothing.
type benchParts struct {
	ledger dispatch.Ledger
	mirror dispatch.Mirror
	hub    func(*ws.Config)        // changes the hub's configuration
	now    func() time.Time        // the clock of both; nil: this machine's
	area   func(ws.Area) ws.Area   // stands before the engine
	extra  map[string]http.Handler // served beside the hub
}

// benchServer is a hub on an engine, on loopback.
type benchServer struct {
	addr string
	hub  *ws.Hub
	stop func()
}

func newBenchServer(ctx context.Context, parts benchParts) (*benchServer, error) {
	villages, err := geo.NewGazetteer([]geo.Village{{ID: "v", Name: "v", Centre: geo.Point{Lat: 26.4, Lon: 108}}})
	if err != nil {
		return nil, err
	}
	key, err := benchKey()
	if err != nil {
		return nil, err
	}
	if parts.ledger == nil {
		parts.ledger, parts.mirror = nullLedger{}, nullMirror{}
	}
	registry := prometheus.NewRegistry()
	quiet := slog.New(slog.DiscardHandler)
	var area ws.Area
	cfg := ws.DefaultConfig()
	cfg.Auth = ws.Keys{key}
	cfg.Areas = func(id geo.AreaID) (ws.Area, bool) { return area, id == benchArea }
	cfg.Gazetteer, cfg.Log, cfg.Registerer = villages, quiet, registry
	cfg.Now = parts.now
	cfg.HandshakesPerSecond, cfg.HandshakeBurst = 100_000, 1_000_000 // phones connect as fast as they can; return_15000_s measures the pace
	if parts.hub != nil {
		parts.hub(&cfg)
	}
	hub, err := ws.NewHub(cfg)
	if err != nil {
		return nil, err
	}
	engine, err := dispatch.NewEngine(dispatch.EngineConfig{Now: parts.now, Area: &geo.Area{ID: benchArea}, Rules: benchRules(), Router: geo.NewCrow(),
		Ledger: parts.ledger, Mirror: parts.mirror, Teller: hub.Teller(benchArea), Metrics: dispatch.NewMetrics(registry), Log: quiet})
	if err != nil {
		hub.Close()
		return nil, err
	}
	if area = ws.EngineArea(engine); parts.area != nil {
		area = parts.area(area)
	}
	return serveBench(ctx, hub, engine, parts.extra)
}

// benchRules are the usual ones, without what is for liars: here few people order all
// the time, from one place, and jump about.
func benchRules() dispatch.Rules {
	rules := dispatch.DefaultRules()
	rules.FastestKMH = 0
	rules.PassengerOrders, rules.DeviceOrders, rules.AgentOrders, rules.CellUnknown = 0, 0, 0, 0
	return rules
}

// serveBench runs the engine, waits until it takes commands, and listens.
func serveBench(ctx context.Context, hub *ws.Hub, engine *dispatch.Engine, extra map[string]http.Handler) (*benchServer, error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	giveUp := func(err error) (*benchServer, error) {
		hub.Close()
		cancel()
		<-ended
		return nil, err
	}
	for engine.Ready() != nil {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return giveUp(ctx.Err())
		}
	}
	listener, err := ws.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return giveUp(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", hub)
	for path, handler := range extra {
		mux.Handle(path, handler)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	stop := func() {
		hub.Close()
		_ = server.Close()
		cancel()
		<-ended
	}
	return &benchServer{addr: listener.Addr().String(), hub: hub, stop: stop}, nil
}

// nullLedger records nothing and says it did: the measure is of connections.
type nullLedger struct{ dispatch.Ledger }

func (nullLedger) Acquire(context.Context) (dispatch.Epoch, error) { return 1, nil }
func (nullLedger) Head(context.Context) (dispatch.Head, error)     { return dispatch.Head{}, nil }
func (nullLedger) Release(context.Context, dispatch.NodeID) error  { return nil }
func (nullLedger) Append(context.Context, dispatch.BatchID, dispatch.Seq, []dispatch.Fact) error {
	return nil
}
func (nullLedger) Save(context.Context, dispatch.Seq, []byte) error    { return nil }
func (nullLedger) Archive(context.Context, []dispatch.EndedTrip) error { return nil }
func (nullLedger) Load(context.Context, func(dispatch.Fact) error) ([]byte, dispatch.Seq, error) {
	return nil, 0, nil
}

// nullMirror shows nothing.
type nullMirror struct{}

func (nullMirror) Show(context.Context, []dispatch.MirrorFix, []dispatch.DriverID) error { return nil }
func (nullMirror) Shown(context.Context, dispatch.Instant, int64) ([]dispatch.Fix, error) {
	return nil, nil
}
