package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
	"cuntong/geo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	village = geo.Point{Lat: 26.0, Lon: 109.0}
	town    = geo.Point{Lat: 26.2, Lon: 109.1}
	driver1 = dispatch.DriverActor("d1")
	rider1  = dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1"}
)

// until waits for a condition, and fails the test when it does not come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute) // how long a test that fails hangs
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// ears is a Teller that remembers, and sees to it that nothing is told before it
// is recorded.
type ears struct {
	ledger *switchable

	mu      sync.Mutex // guards the following fields
	notices []dispatch.Notice
	early   []string
}

func (e *ears) Tell(notices []dispatch.Notice) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range notices {
		if told, ok := n.Body.(dispatch.TripTold); ok && !e.ledger.recorded(told.Trip.ID, told.Trip.State) {
			e.early = append(e.early, fmt.Sprintf("%s is told that %s is %s", n.To, told.Trip.ID, told.Trip.State))
		}
	}
	e.notices = append(e.notices, notices...)
}

// count returns how many notices the predicate holds for.
func (e *ears) count(match func(dispatch.Notice) bool) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, notice := range e.notices {
		if match(notice) {
			n++
		}
	}
	return n
}

func (e *ears) states(trip dispatch.TripID) (states []dispatch.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.notices {
		if told, ok := n.Body.(dispatch.TripTold); ok && told.Trip.ID == trip && n.To == rider1 {
			states = append(states, told.Trip.State)
		}
	}
	return states
}

func done(id dispatch.CommandID) func(dispatch.Notice) bool {
	return func(n dispatch.Notice) bool {
		d, ok := n.Body.(dispatch.Done)
		return ok && d.ID == id
	}
}

// switchable is a real ledger with a switch to fail.
type switchable struct {
	dispatch.Ledger

	mu        sync.Mutex // guards the following fields
	away      bool       // calls fail before they are made
	loseReply int        // so many appends are made and then reported as failed
	appends   int
	facts     []dispatch.Fact // acknowledged
	seeded    bool            // a state has taken their place, with what was in hand
}

var errAway = errors.New("the store is away")

func (s *switchable) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *switchable) Append(ctx context.Context, id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appends++
	if s.away {
		return errAway
	}
	err := s.Ledger.Append(ctx, id, after, facts)
	if err == nil && s.loseReply > 0 {
		s.loseReply--
		return errAway
	}
	if err == nil {
		s.facts = append(s.facts, facts...)
	}
	return err
}

func (s *switchable) Acquire(ctx context.Context) (dispatch.Epoch, error) {
	s.mu.Lock()
	away := s.away
	s.mu.Unlock()
	if away {
		return 0, errAway
	}
	return s.Ledger.Acquire(ctx)
}

func (s *switchable) Reseed(ctx context.Context, found dispatch.Head, at dispatch.Seq, state []byte) error {
	err := s.Ledger.Reseed(ctx, found, at, state)
	s.set(func() { s.seeded = s.seeded || err == nil })
	return err
}

// recorded says whether a fact that takes the trip to the state is in the ledger.
func (s *switchable) recorded(trip dispatch.TripID, state dispatch.State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seeded || slices.ContainsFunc(s.facts, func(f dispatch.Fact) bool {
		id, next := dispatch.TripOf(f.Body)
		return id == trip && next == state
	})
}

// bench is an engine on an embedded store.
type bench struct {
	*dispatch.Engine
	ears   *ears
	ledger *switchable
	reg    *prometheus.Registry
	stop   context.CancelFunc
	ended  chan error
}

func openStore(t *testing.T) *redisstore.Store {
	t.Helper()
	store, err := redisstore.Open(t.Context(), redisstore.Config{Mode: redisstore.ModeEmbedded, Node: "n1", LeaseFor: time.Second, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// start runs an engine until the test ends or stop is called.
func start(t *testing.T, store *redisstore.Store, change func(*dispatch.EngineConfig)) *bench {
	t.Helper()
	b := build(t, store, change)
	b.run(t)
	return b
}

// build makes an engine that does not run yet.
func build(t *testing.T, store *redisstore.Store, change func(*dispatch.EngineConfig)) *bench {
	t.Helper()
	area := store.Area("test")
	b := &bench{ledger: &switchable{Ledger: area}, reg: prometheus.NewRegistry(), ended: make(chan error, 1)}
	b.ears = &ears{ledger: b.ledger}
	cfg := dispatch.EngineConfig{
		Area:       &geo.Area{ID: "test"},
		Rules:      dispatch.DefaultRules(),
		Router:     geo.NewCrow(),
		Ledger:     b.ledger,
		Mirror:     area,
		Teller:     b.ears,
		Metrics:    dispatch.NewMetrics(b.reg),
		Log:        quiet,
		RenewEvery: 50 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.Engine, err = dispatch.NewEngine(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

// run lets an engine run, and waits until it is ready.
func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	go func() { b.ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if b.ended != nil {
			<-b.ended
		}
		if early := b.ears.early; len(early) > 0 {
			t.Errorf("told before it was recorded: %v", early)
		}
	})
	until(t, "the engine is ready", func() bool { return b.Ready() == nil })
}

// end waits for the engine's own end.
func (b *bench) end() error {
	err := <-b.ended
	b.ended = nil
	return err
}

func (b *bench) submit(t *testing.T, in dispatch.Input) {
	t.Helper()
	if refusal := b.Submit(in); refusal != nil {
		t.Fatalf("%T: %v", in, refusal)
	}
}

func (b *bench) onDuty(t *testing.T) {
	t.Helper()
	b.submit(t, dispatch.StartDuty{Command: dispatch.Command{By: driver1, ID: "duty"}, Driver: "d1",
		Vehicle: dispatch.Vehicle{Class: geo.Minivan, Load: dispatch.Load{Seats: 7}}})
	until(t, "the driver is on duty", func() bool { return b.ears.count(done("duty")) == 1 })
	b.Slot().Put(fix(village))
}

func fix(at geo.Point) dispatch.Fix {
	now := dispatch.InstantOf(time.Now())
	return dispatch.Fix{Driver: "d1", Point: at, At: now, Received: now}
}

func request(trip dispatch.TripID) dispatch.Request {
	return dispatch.Request{Command: dispatch.Command{By: rider1, ID: dispatch.CommandID("ask-" + trip)}, Trip: trip,
		Order: dispatch.Order{Booker: rider1, Channel: dispatch.ChannelApp, Product: dispatch.ProductSolo,
			Load: dispatch.Load{Seats: 1}, Pickup: dispatch.Place{Point: village}, Dropoff: dispatch.Place{Point: town}}}
}

func TestEngineDrivesATrip(t *testing.T) {
	b := start(t, openStore(t), nil)
	b.onDuty(t)
	b.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(b.ears.states("t1"), dispatch.Offered) })
	by := func(id dispatch.CommandID) dispatch.Command { return dispatch.Command{By: driver1, ID: id} }
	b.submit(t, dispatch.Accept{Command: by("1"), Trip: "t1", Offer: "t1/1"})
	b.submit(t, dispatch.Arrive{Command: by("2"), Trip: "t1"})
	b.submit(t, dispatch.Start{Command: by("3"), Trip: "t1"})
	b.submit(t, dispatch.Complete{Command: by("4"), Trip: "t1"})
	until(t, "the trip is completed", func() bool { return slices.Contains(b.ears.states("t1"), dispatch.Completed) })
}

func TestEngineStandsStillWhileTheStoreIsAway(t *testing.T) {
	b := start(t, openStore(t), nil)
	b.onDuty(t)
	b.ledger.set(func() { b.ledger.away = true })
	b.Submit(request("t1"))
	until(t, "the engine says that it cannot record", func() bool { return b.Ready() != nil })
	refusal := b.Submit(request("t2"))
	if refusal == nil || refusal.Kind != dispatch.Unavailable || refusal.RetryAfter == 0 {
		t.Fatalf("a command while the store is away is answered %v, want unavailable with a time to come back", refusal)
	}
	if told := b.ears.states("t1"); len(told) > 0 {
		t.Fatalf("the rider was told %v while nothing could be recorded", told)
	}
	b.ledger.set(func() { b.ledger.away = false })
	until(t, "dispatching goes on", func() bool { return b.Ready() == nil })
	b.submit(t, request("t1")) // the client repeats what was not answered
	until(t, "the driver is asked", func() bool { return slices.Contains(b.ears.states("t1"), dispatch.Offered) })
}

func TestEngineRepeatsAnAppendWhoseReplyIsLost(t *testing.T) {
	b := start(t, openStore(t), nil)
	b.onDuty(t)
	b.ledger.set(func() { b.ledger.loseReply = 3 })
	b.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(b.ears.states("t1"), dispatch.Offered) })
	if got := b.ears.states("t1"); len(got) != 1 {
		t.Errorf("the rider was told %v, want one message", got)
	}
	asked := func(n dispatch.Notice) bool { _, ok := n.Body.(dispatch.OfferTold); return ok }
	if n := b.ears.count(asked); n != 1 {
		t.Errorf("%d offers were told, want 1", n)
	}
	b.ledger.set(func() {
		if n := b.ledger.appends; n < 4 {
			t.Errorf("the append was made %d times, want it repeated until its reply came", n)
		}
	})
}

func TestEngineComesBackAfterACrash(t *testing.T) {
	store := openStore(t)
	first := start(t, store, nil)
	first.onDuty(t)
	first.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(first.ears.states("t1"), dispatch.Offered) })

	// A new process of the same node takes the area at once; the first is shut out
	// as if it had died without a word.
	second := start(t, store, nil)
	second.submit(t, dispatch.Hello{By: driver1})
	until(t, "the live offer is there", func() bool {
		return second.ears.count(func(n dispatch.Notice) bool {
			truth, ok := n.Body.(dispatch.Truth)
			return ok && truth.Offer != nil && truth.Offer.ID == "t1/1"
		}) == 1
	})
	second.submit(t, dispatch.Accept{Command: dispatch.Command{By: driver1, ID: "a"}, Trip: "t1", Offer: "t1/1"})
	until(t, "the offer can be taken", func() bool { return second.ears.count(done("a")) == 1 })

	if err := first.end(); !errors.Is(err, dispatch.ErrFenced) {
		t.Errorf("the first writer ended with %v, want %v", err, dispatch.ErrFenced)
	}
	if first.Submit(request("t9")) == nil {
		t.Error("a writer that was shut out took a command")
	}
}

func TestEngineLeavesInOrder(t *testing.T) {
	store := openStore(t)
	first := start(t, store, nil)
	first.onDuty(t)
	first.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(first.ears.states("t1"), dispatch.Offered) })
	first.stop()
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	again := store.Area("test")
	facts := 0
	if _, err := again.Acquire(t.Context()); err != nil {
		t.Fatalf("the lease was not given up: %v", err)
	}
	state, at, err := again.Load(t.Context(), func(dispatch.Fact) error { facts++; return nil })
	if err != nil || state == nil || at != 3 || facts != 0 {
		t.Errorf("after a planned end: snapshot of %d bytes at %d and %d facts, %v; want everything in the snapshot at 3", len(state), at, facts, err)
	}
}

func TestEngineEndsWithoutTheStore(t *testing.T) {
	store := openStore(t)
	first := start(t, store, nil)
	first.onDuty(t)
	first.ledger.set(func() { first.ledger.away = true })
	first.submit(t, request("t1"))
	until(t, "the append is being repeated", func() bool { return first.Ready() != nil })
	first.stop()
	if err := first.end(); err != nil {
		t.Fatalf("a planned end while the store is away: %v", err)
	}
	second := start(t, store, nil)
	second.submit(t, dispatch.Hello{By: rider1})
	until(t, "the rider has no trip, for he was told of none", func() bool {
		return second.ears.count(func(n dispatch.Notice) bool {
			truth, ok := n.Body.(dispatch.Truth)
			return ok && len(truth.Trips) == 0
		}) == 1
	})
	second.submit(t, request("t1"))
	until(t, "the repeated request is taken", func() bool { return second.ears.count(done("ask-t1")) == 1 })
}

func TestEngineGoesOnWhenTheClockWasSetBack(t *testing.T) {
	store := openStore(t)
	quick := func(cfg *dispatch.EngineConfig) { cfg.Rules.OfferWait = 5 * time.Second }
	first := start(t, store, quick)
	first.onDuty(t)
	first.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(first.ears.states("t1"), dispatch.Offered) })
	first.stop()
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	second := start(t, store, func(cfg *dispatch.EngineConfig) {
		quick(cfg)
		cfg.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	})
	until(t, "the offer lapses in its own time", func() bool { return slices.Contains(second.ears.states("t1"), dispatch.Parked) })
}

func TestEngineShedsWhatItCannotHold(t *testing.T) {
	b := start(t, openStore(t), nil)
	b.ledger.set(func() { b.ledger.away = true })
	b.Submit(request("t0"))
	refused := 0
	until(t, "the inbox is full or the engine unready", func() bool {
		if r := b.Submit(request("t1")); r != nil {
			refused++
			return r.Kind == dispatch.Unavailable
		}
		return false
	})
	if got, err := testutil.GatherAndCount(b.reg, "cuntong_dispatch_shed_total"); err != nil || got == 0 {
		t.Errorf("%d commands were refused and %d counted: %v", refused, got, err)
	}
	b.ledger.set(func() { b.ledger.away = false })
	until(t, "the engine is ready", func() bool { return b.Ready() == nil })
}

func TestMetricsAreWellNamed(t *testing.T) {
	b := start(t, openStore(t), nil)
	problems, err := testutil.GatherAndLint(b.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func TestEngineShowsItsSpeedOnTheBoard(t *testing.T) {
	b := start(t, openStore(t), nil)
	b.onDuty(t)
	b.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(b.ears.states("t1"), dispatch.Offered) })
	b.submit(t, dispatch.Watch{By: dispatch.Actor{Role: dispatch.RoleOperator, ID: "o1"}})
	until(t, "the board shows one measured offer", func() bool {
		return b.ears.count(func(n dispatch.Notice) bool {
			told, ok := n.Body.(dispatch.BoardTold)
			return ok && told.Matching != nil && told.Matching.Count == 1 && told.Matching.P50 > 0 && told.Matching.P99 >= told.Matching.P50
		}) == 1
	})
}
