package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// batch is what is recorded in one append and told after it.
type batch struct {
	facts   []Fact
	notices []Notice
	// offered is when the requests came that found a driver at once.
	offered []time.Time
}

// Bounds of the ledger's calls.
const (
	ledgerTimeout = 2 * time.Second  // of one try
	saveTimeout   = 10 * time.Second // of one try to save a snapshot, which may be large
	firstRetry    = 20 * time.Millisecond
	lastRetry     = time.Second
	leaveTimeout  = 5 * time.Second // of everything a planned stop still has to do
)

// commit records the batch's facts and then tells its notices. Nothing is told
// that is not recorded. More facts than one append holds go in several: each fact
// leaves a state that may be, so a journal that ends between two of them is good,
// and nobody has been told of either.
func (e *Engine) commit(ctx context.Context, b *batch) error {
	for facts := range slices.Chunk(b.facts, MaxBatchFacts) {
		if err := e.append(ctx, facts); err != nil {
			return err
		}
		e.unsaved += len(facts)
	}
	if len(b.notices) > 0 {
		e.cfg.Teller.Tell(b.notices)
	}
	for _, came := range b.offered {
		took := time.Since(came)
		e.speed.add(took)
		e.metrics.matching.Observe(took.Seconds())
	}
	*b = batch{}
	return nil
}

// append repeats one append until its outcome is known. Repeating is harmless: the
// ledger knows the batch by its id.
func (e *Engine) append(ctx context.Context, facts []Fact) error {
	e.batches++
	id := BatchID(fmt.Sprintf("%s-%d", e.cfg.BatchPrefix, e.batches))
	begin := time.Now()
	err := e.insist(ctx, "append", ledgerTimeout, func(ctx context.Context) error {
		return e.cfg.Ledger.Append(ctx, id, facts[0].Seq-1, facts)
	})
	if err == nil {
		e.metrics.appended(len(facts), time.Since(begin))
	}
	return err
}

// errGivenUp: the run ended while the outcome of a ledger call was unknown. The
// core may be ahead of the journal, and must not be used any more.
var errGivenUp = errors.New("the outcome was not known when the run ended; nobody was told of it")

// insist calls the ledger until the outcome is known. Meanwhile the area is not
// ready. The end of ctx ends the waiting, with errGivenUp.
func (e *Engine) insist(ctx context.Context, what string, patience time.Duration, call func(context.Context) error) error {
	wait := firstRetry
	for try := 1; ; try++ {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		err := call(once)
		cancel()
		switch {
		case err == nil:
			e.recovered()
			return nil
		case isFinal(err):
			e.cfg.Log.Error("this writer must stop", "what", what, "err", err)
			return err
		}
		e.metrics.ledgerRetries.Inc()
		e.stalled(what, try, err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errGivenUp)
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, lastRetry)
	}
}

func (e *Engine) stalled(what string, try int, err error) {
	if e.leaving {
		return
	}
	if try == 1 {
		e.cfg.Log.Warn("the store does not answer: dispatching stands still until it does", "what", what, "err", err)
	}
	e.setReady(fmt.Errorf("the store does not answer: %w", err))
}

func (e *Engine) recovered() {
	if e.leaving {
		return
	}
	if e.Ready() != nil {
		e.cfg.Log.Info("the store answers: dispatching goes on")
	}
	e.setReady(nil)
}

// renew keeps the lease. A store that does not answer is no reason to stop: every
// append is fenced by the epoch.
func (e *Engine) renew(ctx context.Context) error {
	once, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	_, err := e.cfg.Ledger.Acquire(once)
	switch {
	case err == nil:
		e.recovered()
	case errors.Is(err, ErrBehind):
		e.cfg.Log.Error("this writer must stop", "what", "renewing the lease", "err", err)
		return err
	case errors.Is(err, ErrHeld), errors.Is(err, ErrFenced):
		e.cfg.Log.Error("another writer has taken this area", "err", err)
		return fmt.Errorf("%w: %w", ErrFenced, err)
	case ctx.Err() == nil:
		e.stalled("renewing the lease", 1, err)
	}
	return nil
}

// load takes the lease and brings the core to where the journal ends.
func (e *Engine) load(ctx context.Context) error {
	if err := e.acquire(ctx); err != nil {
		return err
	}
	begin := time.Now()
	e.core = NewCore(e.cfg.Area, e.cfg.Rules, e.cfg.Router)
	if err := e.replay(ctx); err != nil {
		return fmt.Errorf("area %s: %w", e.cfg.Area.ID, err)
	}
	e.started = e.cfg.Now()
	if behind := e.core.Last().Sub(InstantOf(e.started)); behind > 0 {
		e.cfg.Log.Warn("the clock is behind the journal: time goes on from the newest fact", "behind", behind)
		e.clockOffset = behind
	}
	e.core.Resume(e.now())
	e.warmPositions(ctx)
	e.metrics.replay.Set(time.Since(begin).Seconds())
	e.cfg.Log.Info("area loaded", "seq", e.core.Seq(), "open_trips", len(e.core.deadlines.heap),
		"drivers", len(e.core.drivers), "positions", len(e.core.fixes), "took", time.Since(begin).Round(time.Millisecond).String())
	e.publish()
	e.setReady(nil)
	return nil
}

// acquire waits for the lease.
func (e *Engine) acquire(ctx context.Context) error {
	wait, said := firstRetry, false
	for {
		once, cancel := context.WithTimeout(ctx, ledgerTimeout)
		epoch, err := e.cfg.Ledger.Acquire(once)
		cancel()
		if err == nil {
			e.cfg.Log.Info("lease taken", "epoch", epoch)
			return nil
		}
		if isFinal(err) {
			return err
		}
		if !said {
			e.cfg.Log.Warn("waiting for the area", "err", err)
			said = true
		}
		e.setReady(fmt.Errorf("waiting for the area: %w", err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, lastRetry)
	}
}

// replay reads the journal. A store that goes away in the middle is waited for,
// and the reading begun again.
func (e *Engine) replay(ctx context.Context) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		e.core = NewCore(e.cfg.Area, e.cfg.Rules, e.cfg.Router)
		err := e.replayOnce(ctx)
		if err == nil || isFinal(err) {
			return err
		}
		e.stalled("reading the journal", 1, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// isFinal says whether an error of the ledger stays, however often it is asked.
func isFinal(err error) bool {
	return errors.Is(err, ErrFenced) || errors.Is(err, ErrBehind) || errors.Is(err, ErrDamaged)
}

// replayOnce reads the journal once. The facts after a snapshot are few, because
// a snapshot is saved every so many, so they are kept until it is restored.
func (e *Engine) replayOnce(ctx context.Context) error {
	var facts []Fact
	snapshot, _, err := e.cfg.Ledger.Load(ctx, func(f Fact) error {
		facts = append(facts, f)
		return nil
	})
	if err != nil {
		return err
	}
	if snapshot != nil {
		if err := e.core.Restore(snapshot); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	for _, f := range facts {
		if err := e.core.Replay(f); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return nil
}

// warmPositions takes the positions that the last writer showed, so that matching
// need not wait for every phone to speak again.
func (e *Engine) warmPositions(ctx context.Context) {
	once, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	now := e.now()
	fixes, err := e.cfg.Mirror.Shown(once, now, e.cfg.Rules.FreshFor.Milliseconds())
	if err != nil {
		e.cfg.Log.Warn("positions of before could not be read; they come back as the phones report", "err", err)
		return
	}
	for _, fix := range fixes {
		e.core.warm(now, fix)
	}
}

// save keeps a snapshot of everything recorded so far.
func (e *Engine) save(ctx context.Context) error {
	begin := time.Now()
	state, err := e.core.Snapshot()
	if err != nil {
		return fmt.Errorf("snapshot of area %s: %w", e.cfg.Area.ID, err)
	}
	err = e.insist(ctx, "snapshot", saveTimeout, func(ctx context.Context) error {
		return e.cfg.Ledger.Save(ctx, e.core.Seq(), state)
	})
	if err == nil {
		e.unsaved = 0
		e.metrics.snapshots.Observe(time.Since(begin).Seconds())
	}
	return err
}

// leave ends a planned run: what waits is brought to its end, a snapshot makes the
// next start quick, and the lease is given up so that nobody need wait for it.
func (e *Engine) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	e.leaving = true
	e.setReady(errors.New("the area is being given up"))
	if err := e.step(ctx); err != nil {
		return err
	}
	if err := e.save(ctx); err != nil {
		return err
	}
	if err := e.cfg.Ledger.Release(ctx, ""); err != nil {
		e.cfg.Log.Warn("the lease could not be given up; it runs out by itself", "err", err)
	}
	return nil
}
