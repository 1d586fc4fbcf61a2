package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cuntong/fault"
)

// maxMends is how often one call to the ledger is made again after the journal was
// mended. A journal that is behind after that is not one that was lost.
const maxMends = 5

// tail is the second copy: the newest facts of the journal as this writer knows them,
// and the ids of his appends where they end. When Redis comes back without them they
// are appended again.
type tail struct {
	after Seq    // the fact before the first one kept
	facts []Fact // recorded, in order, without a gap
	ends  []batchEnd
	limit int // most facts kept; the oldest go first
	taken Seq // where the journal ended when this writer took the area
	saved Seq // what the last snapshot holds
	// seeded is what a state held that was to take a lost journal's place; 0: none was.
	seeded Seq
}

// batchEnd says that the append of that name ends with the fact at, if it was made.
type batchEnd struct {
	at    Seq
	batch BatchID
}

// newTail begins after a snapshot. Up to limit facts are kept.
func newTail(at Seq, limit int) tail {
	return tail{after: at, saved: at, limit: limit + MaxBatchFacts}
}

// expect notes the name of an append before it is made.
func (t *tail) expect(at Seq, batch BatchID) {
	t.ends = append(t.ends, batchEnd{at, batch})
}

// add keeps facts that are recorded.
func (t *tail) add(facts []Fact) {
	t.facts = append(t.facts, facts...)
	if over := len(t.facts) - t.limit; over > 0 {
		t.forget(t.after + Seq(over))
	}
}

// snapshot notes that everything up to at is in a snapshot: what the one before it
// holds too need not be kept any longer.
func (t *tail) snapshot(at Seq) {
	t.forget(t.saved)
	t.saved = at
}

// forget drops the facts up to a sequence.
func (t *tail) forget(upTo Seq) {
	if upTo <= t.after {
		return
	}
	n := min(int(upTo-t.after), len(t.facts))
	t.facts = slices.Clone(t.facts[n:])
	t.ends = slices.DeleteFunc(t.ends, func(e batchEnd) bool { return e.at < upTo })
	t.after = upTo
}

// end returns the newest fact kept.
func (t *tail) end() Seq { return t.after + Seq(len(t.facts)) }

// last returns the newest n facts, or fewer.
func (t *tail) last(n int) []Fact { return t.facts[max(0, len(t.facts)-n):] }

// since returns the facts after a sequence, which must not be before the first one kept.
func (t *tail) since(after Seq) []Fact { return t.facts[after-t.after:] }

// between returns the newest facts up to a sequence, n or fewer.
func (t *tail) between(upTo Seq, n int) []Fact {
	if upTo <= t.after || upTo > t.end() {
		return nil
	}
	known := t.facts[:upTo-t.after]
	return known[max(0, len(known)-n):]
}

// cure says what to do about a journal that is behind. The names are metric labels.
type cure string

const (
	cureNone     cure = "whole"    // nothing is missing any more
	cureMend     cure = "mended"   // append again what is missing
	cureReseed   cure = "reseeded" // more is missing than is kept: the state takes its place
	cureFenced   cure = "fenced"   // somebody else has the area
	cureConflict cure = "conflict" // the journal holds what this writer has never seen
)

// judge says what to do about a journal that ends at head, whose newest facts are
// theirs: as many of them as this writer should know. Nothing is ever laid upon a
// journal whose end this writer does not know as his own or as what he took over.
func (t *tail) judge(head Head, epoch Epoch, theirs []Fact) cure {
	switch {
	case head.Epoch > epoch, head.Epoch == epoch && !head.Mine:
		return cureFenced
	case !t.knows(head, theirs):
		return cureConflict
	case head.Seq >= t.end() && head.Epoch == epoch:
		return cureNone
	case head.Seq < t.after:
		return cureReseed
	}
	return cureMend
}

// knows says whether the journal's end is one of this writer's.
func (t *tail) knows(head Head, theirs []Fact) bool {
	if head.Batch != "" && slices.Contains(t.ends, batchEnd{head.Seq, head.Batch}) {
		return true
	}
	if len(theirs) > 0 {
		return sameFacts(theirs, t.between(head.Seq, len(theirs)))
	}
	// Nothing is left to compare: the journal ends with a snapshot, or before what is kept.
	return head.Seq <= t.taken || head.Seq <= t.after || head.Snapshot == head.Seq && (head.Seq == t.saved || head.Seq == t.seeded)
}

// mend gives back to the ledger what it has lost. Nil means that the call which found
// the journal behind is to be made again; ErrFenced and ErrBehind that this writer
// must stop; any other error that it is to be tried once more.
func (e *Engine) mend(ctx context.Context) error {
	fault.Point("mend.before")
	what, err := e.cure(ctx)
	switch {
	case err != nil && !isFinal(err):
		what = "unknown"
	case err == nil && (what == cureMend || what == cureReseed):
		e.cfg.Log.Warn("the store had lost facts that were recorded: they are there again", "how", what, "seq", e.recorded)
	}
	e.metrics.mends.WithLabelValues(string(what)).Inc()
	fault.Point("mend.after")
	return err
}

// cure finds out what the journal lacks and supplies it.
func (e *Engine) cure(ctx context.Context) (cure, error) {
	var head Head
	var theirs []Fact
	err := e.once(ctx, ledgerTimeout, func(ctx context.Context) (err error) {
		head, theirs, err = e.look(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	what := e.kept.judge(head, e.epoch, theirs)
	switch what {
	case cureNone:
		if head.Seq == e.kept.seeded { // the reply was lost
			e.reseeded()
		}
	case cureFenced:
		return what, fmt.Errorf("%w: it is at epoch %d and this writer has %d", ErrFenced, head.Epoch, e.epoch)
	case cureConflict:
		return what, fmt.Errorf("%w: it ends at fact %d of batch %q, which this writer has not recorded", ErrBehind, head.Seq, head.Batch)
	case cureMend:
		err = e.supply(ctx, head)
	case cureReseed:
		err = e.reseed(ctx, head)
	}
	if errors.Is(err, ErrBehind) { // it has moved since it was looked at
		err = fmt.Errorf("the journal is not as it was found: %v", err)
	}
	return what, err
}

// look reads where the journal ends and its newest facts, as far as they can be compared.
func (e *Engine) look(ctx context.Context) (Head, []Fact, error) {
	head, err := e.cfg.Ledger.Head(ctx)
	if err != nil {
		return Head{}, nil, err
	}
	after := max(head.Seq-min(head.Seq, compared), head.Snapshot, e.kept.after)
	if head.Seq <= after || head.Seq > e.kept.end() {
		return head, nil, nil
	}
	var theirs []Fact
	err = e.cfg.Ledger.LoadAfter(ctx, after, func(f Fact) error {
		if f.Seq <= head.Seq {
			theirs = append(theirs, f)
		}
		return nil
	})
	return head, theirs, err
}

// supply appends what is missing after head: the first part as a mend, under which
// the ledger learns this writer's epoch again, and the rest as usual.
func (e *Engine) supply(ctx context.Context, head Head) error {
	missing := e.kept.since(min(head.Seq, e.kept.end()))
	first := missing[:min(len(missing), MaxBatchFacts)]
	id := e.newBatch()
	e.kept.expect(head.Seq+Seq(len(first)), id)
	err := e.once(ctx, ledgerTimeout, func(ctx context.Context) error { return e.cfg.Ledger.Mend(ctx, head, id, first) })
	if err != nil {
		return err
	}
	for facts := range slices.Chunk(missing[len(first):], MaxBatchFacts) {
		id := e.newBatch()
		e.kept.expect(facts[len(facts)-1].Seq, id)
		err := e.once(ctx, ledgerTimeout, func(ctx context.Context) error {
			return e.cfg.Ledger.Append(ctx, id, facts[0].Seq-1, facts)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reseed puts the core's state in the place of a journal that has lost more than is
// kept. The core is ahead of the journal by the batch in hand. Its state goes all the
// same, and counts as recording that batch: it is durable before anybody is told, all
// or none, as an append would be. Keeping a state without it would mean keeping two.
// The trips that have ended are not archived first, for one of them may have ended in
// that batch; they are before the next snapshot.
func (e *Engine) reseed(ctx context.Context, head Head) error {
	state, err := e.core.Snapshot()
	if err != nil {
		return fmt.Errorf("snapshot of area %s: %w", e.cfg.Area.ID, err)
	}
	e.kept.seeded = e.core.Seq()
	err = e.once(ctx, saveTimeout, func(ctx context.Context) error {
		return e.cfg.Ledger.Reseed(ctx, head, e.kept.seeded, state)
	})
	if err == nil {
		e.reseeded()
	}
	return err
}

// reseeded notes that the core's state is the snapshot now.
func (e *Engine) reseeded() {
	at := e.core.Seq()
	e.recorded, e.unsaved = at, 0
	e.kept.facts, e.kept.after, e.kept.saved = nil, at, at
}
