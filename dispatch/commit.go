package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cuntong/fault"
)

// batch is what is recorded in one append and told after it.
type batch struct {
	facts   []Fact
	notices []Notice
	letters []AreaLetter
	// came is what was decided on, to be settled, or to be handed on if the batch is
	// never recorded.
	came []arrival
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

// commit records the facts of the batch in hand and then tells its notices. Nothing
// is told that is not recorded. More facts than one append holds go in several: each
// fact leaves a state that may be, so a journal that ends between two of them is
// good, and nobody has been told of either.
func (e *Engine) commit(ctx context.Context) error {
	b := &e.hand
	fault.Point("batch.decided")
	if e.mutant("told_first") {
		e.tell(b)
	}
	for facts := range slices.Chunk(b.facts, MaxBatchFacts) {
		if err := e.append(ctx, facts); err != nil {
			return err
		}
	}
	if len(b.facts) == 0 && slices.ContainsFunc(b.notices, mustArrive) {
		if err := e.confirm(ctx); err != nil {
			return err
		}
	}
	if !e.mutant("told_first") {
		e.tell(b)
	}
	e.settle(b)
	for _, came := range b.offered {
		took := e.cfg.Now().Sub(came)
		e.speed.add(took)
		e.metrics.matching.Observe(took.Seconds())
	}
	*b = batch{}
	return nil
}

func mustArrive(n Notice) bool { return !n.Body.Lossy() }

// confirm makes sure that nobody else writes the area, before somebody is told what
// no append has confirmed: a writer that was stopped for a while and has not heard of
// its successor yet would tell the truth of before.
func (e *Engine) confirm(ctx context.Context) error {
	return e.insist(ctx, "confirming the lease", ledgerTimeout, e.extend)
}

// tell passes on what may be known now.
func (e *Engine) tell(b *batch) {
	fault.Point("told.before")
	if len(b.notices) > 0 {
		e.cfg.Teller.Tell(b.notices)
	}
	if len(b.letters) > 0 && e.cfg.Postman != nil {
		e.cfg.Postman.Post(e.cfg.Area.ID, b.letters)
	}
	fault.Point("told.after")
}

// settle says of each letter in the batch that it may be discarded.
func (e *Engine) settle(b *batch) {
	for _, came := range b.came {
		if came.settled != nil {
			came.settled()
			fault.Point("mail.settled")
		}
	}
}

// append repeats one append until its outcome is known. Repeating is harmless: the
// ledger knows the batch by its id.
func (e *Engine) append(ctx context.Context, facts []Fact) error {
	id, end := e.newBatch(), facts[len(facts)-1].Seq
	e.kept.expect(end, id)
	begin := e.cfg.Now()
	fault.Point("append.before")
	err := e.insist(ctx, "append", ledgerTimeout, func(ctx context.Context) error {
		if e.recorded >= end { // the state that took a lost journal's place holds them
			return nil
		}
		return e.cfg.Ledger.Append(ctx, id, facts[0].Seq-1, facts)
	})
	if err != nil {
		return err
	}
	fault.Point("append.after")
	e.metrics.appended(len(facts), e.cfg.Now().Sub(begin))
	e.unsaved += len(facts)
	if e.recorded < end {
		e.recorded = end
		e.kept.add(facts)
	}
	return nil
}

// newBatch names an append.
func (e *Engine) newBatch() BatchID {
	e.batches++
	return BatchID(fmt.Sprintf("%s-%d", e.cfg.BatchPrefix, e.batches))
}

// errGivenUp: the run ended while the outcome of a ledger call was unknown. The
// core may be ahead of the journal, and must not be used any more.
var errGivenUp = errors.New("the outcome was not known when the run ended; nobody was told of it")

// insist calls the ledger until the outcome is known. Meanwhile the area is not
// ready. What the ledger has lost is given back to it on the way. The end of ctx
// ends the waiting, with errGivenUp.
func (e *Engine) insist(ctx context.Context, what string, patience time.Duration, call func(context.Context) error) error {
	wait, mends := firstRetry, 0
	for try := 1; ; try++ {
		err := e.once(ctx, patience, call)
		if errors.Is(err, ErrBehind) && mends < maxMends {
			if err = e.mend(ctx); err == nil {
				mends++
				continue
			}
		}
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
		e.cfg.Sleep(ctx, e.jitter(wait))
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, errGivenUp)
		}
		wait = min(2*wait, lastRetry)
	}
}

// once makes one call, which the end of ctx does not cut short.
func (e *Engine) once(ctx context.Context, patience time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return call(ctx)
}

func (e *Engine) stalled(what string, try int, err error) {
	if e.last {
		return
	}
	if try == 1 {
		e.cfg.Log.Warn("the store does not answer: dispatching stands still until it does", "what", what, "err", err)
	}
	e.setReady(fmt.Errorf("the store does not answer: %w", err))
}

func (e *Engine) recovered() {
	if e.last {
		return
	}
	if e.Ready() != nil {
		e.cfg.Log.Info("the store answers: dispatching goes on")
	}
	e.setReady(nil)
}

// isFinal says whether an error of the ledger stays, however often it is asked.
func isFinal(err error) bool {
	return errors.Is(err, ErrFenced) || errors.Is(err, ErrBehind) || errors.Is(err, ErrDamaged)
}
