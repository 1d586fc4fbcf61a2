package dispatch

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"cuntong/fault"
	"cuntong/geo"
)

// EngineConfig is what an engine is made of.
type EngineConfig struct {
	// Area is what is served; trips that begin outside its border are refused.
	Area *geo.Area
	// Neighbours are the areas that Area borders on.
	Neighbours []*geo.Area
	Rules      Rules
	Router     geo.Router
	Ledger     Ledger
	Mirror     Mirror
	Teller     Teller
	// Postman takes letters to other areas; nil: none are sent.
	Postman Postman
	// StartCode makes the start codes, see [StartCodes]. It is needed where the rules want any.
	StartCode func(TripID) string
	// Metrics may be shared by the engines of several areas.
	Metrics *Metrics
	Log     *slog.Logger
	// Now is the clock that all servers share; nil means this one's own, from whose
	// present time on it counts by the monotonic clock.
	Now func() time.Time
	// Sleep waits for so long, or until ctx ends; nil means in real time.
	Sleep func(ctx context.Context, d time.Duration)
	// Chance returns a number from 0 up to 1, for waits that should differ; nil: at random.
	Chance func() float64
	// RenewEvery is how often the lease is renewed. Zero: 500 ms.
	RenewEvery time.Duration
	// SnapshotEvery is after how many facts a snapshot is saved. Zero: 10,000. Twice as
	// many facts are kept in memory, as the second copy of the journal's end.
	SnapshotEvery int
	// BatchPrefix begins the ids of this engine's appends; it must differ from run to run. Empty: random.
	BatchPrefix string
	// NearbySecret decides where on the map of [AskNearby] a driver counts: see
	// [Core.HideNearby]. All servers of an area should have the same. Zero: random, which
	// is another one after every start.
	NearbySecret [32]byte
}

// Engine runs one area: a single goroutine takes what waits, lets the core decide,
// appends the facts, and passes the notices on. Its methods may be called from any
// goroutine; Run only once, and Prepare only before it.
//
// When the ledger cannot be written the engine stands still: it repeats the same
// append until the outcome is known, tells nobody what rests on it, refuses new
// commands as unavailable, and says so in [Engine.Ready].
//
// When another writer has taken the area the engine stops at once and tells nobody
// anything more; what it had taken in and not recorded is then in [Engine.Orphans].
type Engine struct {
	// Static after construction.
	cfg     EngineConfig
	inbox   *inbox
	mirror  *mirrorer
	metrics *Metrics
	leave   chan NodeID // takes the successor of a planned end, once
	leaving sync.Once
	mutant  func(string) bool // what is left out on purpose

	notReady atomic.Pointer[error] // nil pointer: ready
	stepping atomic.Int64          // when the step at hand began, in nanoseconds of the wall clock; 0: none is
	stats    atomic.Pointer[stats]

	// Owned by Prepare and then by Run.
	core     *Core // nil: nothing is loaded
	epoch    Epoch // under which this writer writes
	recorded Seq   // the newest fact that is known to be durable
	kept     tail
	ended    endedTrips
	clock    steadyClock
	hand     batch
	batches  int
	unsaved  int // facts since the last snapshot
	// postponed is how many facts more are waited for, because a snapshot could not be saved.
	postponed int
	last      bool // the last step has begun: ready no more
	speed     speed
}

var errStarting = errors.New("the area is being loaded")

// NewEngine checks the configuration and returns an engine that is not running.
func NewEngine(cfg EngineConfig) (*Engine, error) {
	if err := cfg.Rules.Validate(); err != nil {
		return nil, fmt.Errorf("rules of area %s: %w", cfg.Area.ID, err)
	}
	if cfg.Rules.StartCode != StartCodeOff && cfg.StartCode == nil {
		return nil, fmt.Errorf("rules of area %s want start codes, and nobody makes them", cfg.Area.ID)
	}
	cfg.setDefaults()
	cfg.Log = cfg.Log.With("area", cfg.Area.ID)
	e := &Engine{cfg: cfg, inbox: newInbox(), metrics: cfg.Metrics, leave: make(chan NodeID, 1), mutant: fault.Mutant}
	e.mirror = newMirrorer(cfg.Mirror, cfg.Metrics, cfg.Log)
	e.setReady(errStarting)
	return e, nil
}

func (cfg *EngineConfig) setDefaults() {
	if cfg.Now == nil {
		begin := time.Now()
		cfg.Now = func() time.Time { return begin.Add(time.Since(begin)) }
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Chance == nil {
		cfg.Chance = rand.Float64
	}
	if cfg.RenewEvery == 0 {
		cfg.RenewEvery = 500 * time.Millisecond
	}
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = 10_000
	}
	if cfg.BatchPrefix == "" {
		cfg.BatchPrefix = fmt.Sprintf("%016x", rand.Uint64())
	}
	if cfg.NearbySecret == ([32]byte{}) {
		_, _ = cryptorand.Read(cfg.NearbySecret[:]) // it never fails
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// stuckAfter is how long one step may take before the engine counts as stuck: a
// thousand times what the longest have taken.
const stuckAfter = 5 * time.Second

var errStuck = errors.New("the area has been busy with one thing for too long")

// Ready returns nil while commands are taken and recorded, or why they are not.
func (e *Engine) Ready() error {
	if err := e.notReady.Load(); err != nil {
		return *err
	}
	if began := e.stepping.Load(); began != 0 && time.Duration(time.Now().UnixNano()-began) > stuckAfter {
		return errStuck
	}
	return nil
}

func (e *Engine) setReady(err error) {
	if err == nil {
		e.notReady.Store(nil)
		return
	}
	e.notReady.Store(&err)
}

// unavailableFor is how long a client is asked to wait when nothing can be recorded.
const unavailableFor = 2 * time.Second

// Submit hands an input over; positions go through [Engine.Slot]. It never blocks.
// Nil means taken: the answer comes as a notice to the one who gave it. A refusal
// means that nothing was done and the same command may be repeated after RetryAfter.
func (e *Engine) Submit(in Input) *Refusal { return e.take(arrival{in: in}) }

// SubmitMail is Submit for a letter of the area's inbox. Settled is called from the
// engine's goroutine, and must not block, once what in brought about is recorded and
// told; until then the letter must stay in its box, for it is not among the orphans
// of an engine that stops. After a refusal it is never called.
func (e *Engine) SubmitMail(in Input, settled func()) *Refusal {
	return e.take(arrival{in: in, settled: settled})
}

func (e *Engine) take(came arrival) *Refusal {
	reason, again := shedNotReady, unavailableFor
	if e.Ready() == nil {
		came.at = e.cfg.Now()
		reason, again = e.inbox.add(came)
	}
	if reason == "" {
		return nil
	}
	e.metrics.shed.WithLabelValues(classOf(came.in).String(), reason).Inc()
	if reason == shedNotReady {
		return &Refusal{Kind: Unavailable, Code: "not_recording", RetryAfter: unavailableFor,
			Say: "The server cannot record anything now. Your request was not taken; repeat it in a moment."}
	}
	return &Refusal{Kind: Unavailable, Code: "busy", RetryAfter: e.jitter(again),
		Say: "The server is busy. Your request was not taken; repeat it in a moment."}
}

// jitter is d, give or take a quarter.
func (e *Engine) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + e.cfg.Chance()/2))
}

// Slot returns a place for the positions of one driver connection.
func (e *Engine) Slot() *Slot { return &Slot{engine: e} }

// Leave ends Run in good order: what waits is finished and the area given up to
// next alone, or to anybody when next is empty; Run then returns nil. It may be
// called from any goroutine, also before Run; only the first call counts.
func (e *Engine) Leave(next NodeID) {
	e.leaving.Do(func() { e.leave <- next })
}

// Orphans returns the commands that were taken in and neither recorded nor answered,
// in order, for somebody else to decide; a few of them may be recorded all the
// same, and are then answered as before. It may be called once Run has returned.
// Letters are not among them: they are in the area's inbox still.
func (e *Engine) Orphans() []Input {
	came := e.hand.came
	for c := range classes {
		for one, ok := e.inbox.take(c); ok; one, ok = e.inbox.take(c) {
			came = append(came, one)
		}
	}
	var orphans []Input
	for _, one := range came {
		if c := classOf(one.in); one.settled == nil && (c == critical || c == creation) {
			orphans = append(orphans, one.in)
		}
	}
	e.hand = batch{}
	return orphans
}

// Run takes the area and serves it until ctx ends or [Engine.Leave] is called; it
// then records what it has, gives the area up and returns nil. It returns
// [ErrFenced] or [ErrBehind] when the area is no longer its to write, and other
// errors when what the journal holds cannot be read.
func (e *Engine) Run(ctx context.Context) error {
	e.metrics.watch(e)
	defer e.metrics.unwatch(e)
	defer e.inbox.close()
	defer e.setReady(errors.New("the area is not being served"))
	left, err := e.load(ctx)
	if err != nil || left {
		return ignoreEnd(ctx, err)
	}
	mirrorDone := make(chan struct{})
	go func() {
		defer close(mirrorDone)
		e.mirror.run(ctx)
	}()
	next, err := e.serve(ctx)
	if err == nil {
		err = e.finish(next)
	}
	e.mirror.stop()
	<-mirrorDone
	if errors.Is(err, errGivenUp) {
		e.cfg.Log.Warn("ended without the store: what was not recorded was told to nobody, and its clients will repeat it", "err", err)
		return nil
	}
	return err
}

// ignoreEnd turns the error of a planned end into nil.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// serve is the engine's loop. It returns to whom the area goes when it ends.
func (e *Engine) serve(ctx context.Context) (next NodeID, err error) {
	renew := time.NewTicker(e.cfg.RenewEvery)
	defer renew.Stop()
	deadline := time.NewTimer(0)
	defer deadline.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", nil
		case next := <-e.leave:
			return next, nil
		case <-renew.C:
			if err := e.renew(ctx); err != nil {
				return "", err
			}
			continue
		case <-e.inbox.wake:
		case <-deadline.C:
		}
		if err := e.step(ctx); err != nil {
			return "", err
		}
		deadline.Reset(e.untilDue())
	}
}

// untilDue is how long the engine may sleep if nothing comes.
func (e *Engine) untilDue() time.Duration {
	wait := time.Minute
	if at, ok := e.core.NextDeadline(); ok {
		wait = min(wait, at.Sub(e.now()))
	}
	if at, ok := e.core.NextSilence(); ok {
		wait = min(wait, at.Sub(e.now())+time.Millisecond)
	}
	return max(wait, 0)
}
