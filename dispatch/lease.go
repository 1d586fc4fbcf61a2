package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cuntong/fault"
)

// How often a lease that another holds is asked for: often at first, so that being
// handed an area costs a few milliseconds.
const (
	firstAsk = 10 * time.Millisecond
	lastAsk  = 200 * time.Millisecond
	// askMore is by what part the waits grow.
	askMore = 8
)

// acquire waits for the lease. Left says that a planned end came first.
func (e *Engine) acquire(ctx context.Context) (left bool, err error) {
	said := false
	for wait := firstAsk; ; wait = min(wait+wait/askMore, lastAsk) {
		select {
		case <-e.leave:
			return true, nil
		default:
		}
		if err = e.ask(ctx); err == nil || isFinal(err) {
			return false, err
		}
		if !said {
			e.cfg.Log.Warn("waiting for the area", "err", err)
			said = true
		}
		e.setReady(fmt.Errorf("waiting for the area: %w", err))
		e.cfg.Sleep(ctx, e.jitter(wait))
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

// ask asks for the lease once.
func (e *Engine) ask(ctx context.Context) error {
	once, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	epoch, err := e.cfg.Ledger.Acquire(once)
	if err != nil {
		return err
	}
	e.epoch = epoch
	e.cfg.Log.Info("lease taken", "epoch", epoch)
	return nil
}

// renew keeps the lease. A store that does not answer is no reason to stop: every
// append is fenced by the epoch.
func (e *Engine) renew(ctx context.Context) error {
	err := e.once(ctx, ledgerTimeout, e.extend)
	if errors.Is(err, ErrBehind) {
		err = e.insist(ctx, "mending the journal", ledgerTimeout, e.extend)
	}
	fault.Point("lease.renewed")
	switch {
	case err == nil:
		e.recovered()
	case errors.Is(err, ErrFenced):
		e.cfg.Log.Error("another writer has taken this area", "err", err)
		return err
	case isFinal(err), errors.Is(err, errGivenUp):
		return err
	default:
		e.stalled("renewing the lease", 1, err)
	}
	return nil
}

// extend asks for more of the lease that is held.
func (e *Engine) extend(ctx context.Context) error {
	epoch, err := e.cfg.Ledger.Acquire(ctx)
	switch {
	case err == nil:
		e.epoch = epoch
	case errors.Is(err, ErrHeld):
		err = fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return err
}

// finish ends a planned run: what waits is brought to its end and the lease is given
// up, to next alone or to anybody. Without a successor, who would have everything in
// memory, a snapshot makes the next start quick.
func (e *Engine) finish(next NodeID) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	e.last = true
	e.setReady(errors.New("the area is being given up"))
	e.inbox.close()
	for first := true; first || e.inbox.depth() > 0; first = false {
		if err := e.step(ctx); err != nil {
			return err
		}
	}
	fault.Point("handover.finished")
	if next == "" {
		if err := e.save(ctx); err != nil {
			return err
		}
	}
	err := e.insist(ctx, "giving the area up", ledgerTimeout, func(ctx context.Context) error {
		return e.cfg.Ledger.Release(ctx, next)
	})
	fault.Point("handover.released")
	if err != nil {
		e.cfg.Log.Warn("the lease could not be given up; it runs out by itself", "err", err)
	}
	return nil
}
