package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"cuntong/geo"
)

// EngineConfig is what an engine is made of.
type EngineConfig struct {
	// Area is what is served; trips that begin outside its border are refused.
	Area   *geo.Area
	Rules  Rules
	Router geo.Router
	Ledger Ledger
	Mirror Mirror
	Teller Teller
	// Metrics may be shared by the engines of several areas.
	Metrics *Metrics
	Log     *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// RenewEvery is how often the lease is renewed. Zero: 1 s.
	RenewEvery time.Duration
	// SnapshotEvery is after how many facts a snapshot is saved. Zero: 10,000.
	SnapshotEvery int
	// BatchPrefix begins the ids of this engine's appends; it must differ from run to run. Empty: random.
	BatchPrefix string
}

// Engine runs one area: a single goroutine takes what waits, lets the core decide,
// appends the facts, and passes the notices on. Its methods may be called from any
// goroutine; Run only once.
//
// When the ledger cannot be written the engine stands still: it repeats the same
// append until the outcome is known, tells nobody what rests on it, refuses new
// commands as unavailable, and says so in [Engine.Ready].
type Engine struct {
	// Static after construction.
	cfg     EngineConfig
	inbox   *inbox
	mirror  *mirrorer
	metrics *Metrics

	notReady atomic.Pointer[error] // nil pointer: ready
	stepping atomic.Int64          // when the step at hand began, in nanoseconds of the wall clock; 0: none is
	stats    atomic.Pointer[stats]

	// Owned by Run.
	core        *Core
	clockOffset time.Duration // added to the clock when it was set back below the newest fact
	started     time.Time
	batches     int
	unsaved     int  // facts since the last snapshot
	leaving     bool // a planned end has begun: ready no more
	commands    []arrival
	speed       speed
	slots       []*Slot
}

var errStarting = errors.New("the area is being loaded")

// NewEngine checks the configuration and returns an engine that is not running.
func NewEngine(cfg EngineConfig) (*Engine, error) {
	if err := cfg.Rules.Validate(); err != nil {
		return nil, fmt.Errorf("rules of area %s: %w", cfg.Area.ID, err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RenewEvery == 0 {
		cfg.RenewEvery = time.Second
	}
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = 10_000
	}
	if cfg.BatchPrefix == "" {
		cfg.BatchPrefix = fmt.Sprintf("%016x", rand.Uint64())
	}
	cfg.Log = cfg.Log.With("area", cfg.Area.ID)
	e := &Engine{cfg: cfg, inbox: newInbox(), metrics: cfg.Metrics}
	e.mirror = newMirrorer(cfg.Mirror, cfg.Metrics, cfg.Log)
	e.setReady(errStarting)
	cfg.Metrics.watch(e)
	return e, nil
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

// Submit hands a command over. It never blocks. Nil means taken: the answer comes
// as a notice to the one who gave it. A refusal means that nothing was done and
// the same command may be repeated after RetryAfter.
func (e *Engine) Submit(in Input) *Refusal {
	if e.Ready() != nil {
		e.metrics.shed.WithLabelValues("not_ready").Inc()
		return &Refusal{Kind: Unavailable, Code: "not_recording", RetryAfter: unavailableFor,
			Say: "The server cannot record anything now. Your request was not taken; repeat it in a moment."}
	}
	if !e.inbox.add(in) {
		e.metrics.shed.WithLabelValues("inbox_full").Inc()
		return &Refusal{Kind: Unavailable, Code: "busy", RetryAfter: unavailableFor,
			Say: "The server is busy. Your request was not taken; repeat it in a moment."}
	}
	return nil
}

// Slot returns a place for the positions of one driver connection.
func (e *Engine) Slot() *Slot { return &Slot{engine: e} }

// now is the engine's time: the clock at the start plus what has passed since by
// the monotonic clock, so that a clock set in mid-run moves no deadline.
func (e *Engine) now() Instant {
	passed := e.cfg.Now().Sub(e.started)
	return max(InstantOf(e.started.Round(0).Add(passed+e.clockOffset)), e.core.Last())
}

// Run takes the area and serves it until ctx ends; it then records what it has,
// saves a snapshot, gives the area up and returns nil. It returns [ErrFenced] or
// [ErrBehind] when the area is no longer its to write, and other errors when what
// the journal holds cannot be read.
func (e *Engine) Run(ctx context.Context) error {
	defer e.setReady(errors.New("the area is not being served"))
	if err := e.load(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	mirrorDone := make(chan struct{})
	go func() {
		defer close(mirrorDone)
		e.mirror.run(ctx)
	}()
	err := e.serve(ctx)
	if err == nil {
		err = e.leave()
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

// serve is the engine's loop.
func (e *Engine) serve(ctx context.Context) error {
	renew := time.NewTicker(e.cfg.RenewEvery)
	defer renew.Stop()
	deadline := time.NewTimer(0)
	defer deadline.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
			if err := e.renew(ctx); err != nil {
				return err
			}
			continue
		case <-e.inbox.wake:
		case <-deadline.C:
		}
		if err := e.step(ctx); err != nil {
			return err
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

// batchFull is when a batch is recorded before more is decided.
const batchFull = MaxBatchFacts / 2

// step takes everything that waits and brings it to its end: decided, recorded, told.
func (e *Engine) step(ctx context.Context) error {
	e.stepping.Store(time.Now().UnixNano())
	defer e.stepping.Store(0)
	e.commands, e.slots = e.inbox.take(e.commands, e.slots)
	var b batch
	for _, slot := range e.slots {
		if err := e.apply(ctx, &b, arrival{in: Moved{Fix: slot.take()}}); err != nil {
			return err
		}
	}
	for _, command := range e.commands {
		if err := e.apply(ctx, &b, command); err != nil {
			return err
		}
	}
	if err := e.apply(ctx, &b, arrival{in: Tick{}}); err != nil {
		return err
	}
	if err := e.commit(ctx, &b); err != nil {
		return err
	}
	e.publish()
	if e.unsaved >= e.cfg.SnapshotEvery {
		return e.save(ctx)
	}
	return nil
}

// apply lets the core decide on one input, and commits when the batch is full.
func (e *Engine) apply(ctx context.Context, b *batch, came arrival) error {
	in := came.in
	begin := time.Now()
	out := e.core.Apply(e.now(), in)
	e.metrics.applied(in, out, time.Since(begin))
	switch in.(type) {
	case Request:
		if len(out.Matches) > 0 {
			b.offered = append(b.offered, came.at)
		}
	case Watch:
		e.addSpeed(out.Notices)
	}
	b.facts = append(b.facts, out.Facts...)
	b.notices = append(b.notices, out.Notices...)
	e.mirrorOf(in, out)
	if len(b.facts) > batchFull {
		return e.commit(ctx, b)
	}
	return nil
}

// mirrorOf passes on what an input means for the positions that others see.
func (e *Engine) mirrorOf(in Input, out Outcome) {
	if moved, ok := in.(Moved); ok && out.Ignored == "" {
		if f := e.core.fixes[moved.Fix.Driver]; f != nil {
			e.mirror.show(MirrorFix{Fix: f.Fix, Free: e.core.available(moved.Fix.Driver)})
		}
	}
	for _, id := range e.core.takeForgotten() {
		e.mirror.forget(id)
	}
}
