package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"cuntong/fault"
)

// Prepare loads the journal without a lease and keeps it, so that [Engine.Run] after
// it reads only what has come since. It may be called again to keep up, before Run
// and not beside it. It returns when everything is read, or when ctx ends.
func (e *Engine) Prepare(ctx context.Context) error {
	err := e.catchUp(ctx)
	if err != nil {
		return fmt.Errorf("area %s: %w", e.cfg.Area.ID, err)
	}
	return nil
}

// load takes the lease and brings the core to where the journal ends. Left says that
// a planned end came first.
func (e *Engine) load(ctx context.Context) (left bool, err error) {
	if left, err = e.acquire(ctx); left || err != nil {
		return left, err
	}
	begin := e.cfg.Now()
	if err := e.catchUp(ctx); err != nil {
		return false, fmt.Errorf("area %s: %w", e.cfg.Area.ID, err)
	}
	e.findSnapshot(ctx)
	e.resume(ctx)
	took := e.cfg.Now().Sub(begin)
	e.metrics.replay.Set(took.Seconds())
	e.cfg.Log.Info("area loaded", "seq", e.core.Seq(), "open_trips", len(e.core.deadlines.heap),
		"drivers", len(e.core.drivers), "positions", len(e.core.fixes), "took", took.Round(time.Millisecond).String())
	return false, nil
}

// findSnapshot counts the facts from the newest snapshot on, which the last writer may
// have saved after this one read ahead: another one now would make the journal forget what
// others who read ahead have not seen yet. When the ledger does not say, one is saved soon.
func (e *Engine) findSnapshot(ctx context.Context) {
	var head Head
	err := e.once(ctx, ledgerTimeout, func(ctx context.Context) (err error) {
		head, err = e.cfg.Ledger.Head(ctx)
		return err
	})
	if err != nil || head.Snapshot <= e.kept.saved || head.Snapshot > e.core.Seq() {
		return
	}
	e.kept.snapshot(head.Snapshot)
	e.unsaved = int(e.core.Seq() - head.Snapshot)
}

// resume begins to write: everything that the journal holds is loaded.
func (e *Engine) resume(ctx context.Context) {
	e.recorded = e.core.Seq()
	e.kept.taken = e.recorded
	e.clock.setForth(e.core.Last(), e.cfg.Now())
	if behind := e.core.Last().Sub(InstantOf(e.cfg.Now())); behind > clockTolerance {
		e.cfg.Log.Warn("the clock is behind the journal: time goes on from the newest fact", "behind", behind)
	}
	e.core.Resume(e.now())
	e.hand.notices = e.core.tellAgain(e.now()) // told by the first commit, once the lease is confirmed
	e.warmPositions(ctx)
	e.publish()
	e.setReady(nil)
}

// clockTolerance is by how much the shared clock may be behind the newest fact
// without a word: two servers do not read it quite alike.
const clockTolerance = time.Second

// catchUp reads what the core does not know yet. A store that goes away in the middle
// is waited for.
func (e *Engine) catchUp(ctx context.Context) error {
	fault.Point("load.before")
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := e.readOnce(ctx)
		if err == nil || isFinal(err) {
			fault.Point("load.after")
			return err
		}
		e.cfg.Log.Warn("the journal cannot be read yet", "err", err)
		e.setReady(fmt.Errorf("the store does not answer: %w", err))
		e.cfg.Sleep(ctx, e.jitter(wait))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// readOnce reads on from where the core is, or everything when there is no core or
// it is not where the journal was.
func (e *Engine) readOnce(ctx context.Context) error {
	if e.core != nil {
		err := e.readOn(ctx)
		if err == nil || !isFinal(err) && !errors.Is(err, ErrTrimmed) && !errors.Is(err, errOther) {
			return err
		}
		e.cfg.Log.Info("the journal is read from its beginning", "why", err)
	}
	return e.readAll(ctx)
}

// readAll reads the journal from its snapshot on. The facts after a snapshot are
// few, because a snapshot is saved every so many, so they are kept until it is restored.
func (e *Engine) readAll(ctx context.Context) error {
	e.core, e.ended = nil, endedTrips{}
	var facts []Fact
	snapshot, at, err := e.cfg.Ledger.Load(ctx, func(f Fact) error {
		facts = append(facts, f)
		return nil
	})
	if err != nil {
		return err
	}
	core := NewCore(e.cfg.Area, e.cfg.Rules, e.cfg.Router)
	core.Border(e.cfg.Neighbours)
	core.HideNearby(e.cfg.NearbySecret)
	core.MakeCodes(e.cfg.StartCode)
	core.watchEnd, core.watchAmend = e.ended.add, e.ended.amend
	if snapshot != nil {
		if err := core.Restore(snapshot); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	e.kept = newTail(at, 2*e.cfg.SnapshotEvery)
	if err := e.replay(core, facts); err != nil {
		return err
	}
	e.core = core
	return nil
}

// replay lets a core that is to be used take facts from the journal.
func (e *Engine) replay(core *Core, facts []Fact) error {
	for _, f := range facts {
		if err := core.Replay(f); err != nil {
			e.core = nil
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	e.kept.add(facts)
	e.unsaved = len(e.kept.facts)
	return nil
}

// errOther: the journal has another history than the one that was read ahead.
var errOther = errors.New("the journal is not the one that was read before")

// compared is how many facts are read again to see that the journal is the one known.
const compared = 64

// readOn reads what has come since. Redis may have lost its end in between, and
// somebody may have written another one: so the last facts known are read again.
func (e *Engine) readOn(ctx context.Context) error {
	known := e.kept.last(compared)
	if len(known) == 0 {
		head, err := e.cfg.Ledger.Head(ctx)
		if err == nil && head.Snapshot != e.core.Seq() {
			err = errOther
		}
		if err != nil {
			return err
		}
	}
	var facts []Fact
	err := e.cfg.Ledger.LoadAfter(ctx, e.core.Seq()-Seq(len(known)), func(f Fact) error {
		facts = append(facts, f)
		return nil
	})
	if err != nil {
		return err
	}
	if len(facts) < len(known) || !sameFacts(known, facts[:len(known)]) {
		return errOther
	}
	return e.replay(e.core, facts[len(known):])
}

// sameFacts says whether two stretches of a journal are one. A fact has the
// millisecond and the ids it was made with, so that no two histories share many.
func sameFacts(a, b []Fact) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		one, err := MarshalFact(a[i])
		other, err2 := MarshalFact(b[i])
		if err != nil || err2 != nil || !bytes.Equal(one, other) {
			return false
		}
	}
	return true
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
