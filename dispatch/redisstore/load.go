package redisstore

import (
	"context"
	"errors"
	"fmt"

	"cuntong/dispatch"
)

const (
	// loadPage is how many facts are read at once.
	loadPage = 1000
	// loadAttempts bounds how often Load starts again because a snapshot was saved meanwhile.
	loadAttempts = 5
)

// errMoved: a snapshot was saved while the journal was read.
var errMoved = errors.New("a snapshot was saved meanwhile")

// Load reads the snapshot and the facts after it; see [dispatch.Ledger]. It needs
// no lease. It calls each only when everything has been read and found whole, so
// that starting again, because a writer saved a snapshot meanwhile, calls nothing
// twice. The facts since the last snapshot must therefore fit into memory. It
// returns [dispatch.ErrDamaged] when a part is missing; other errors may pass.
func (a *Area) Load(ctx context.Context, each func(dispatch.Fact) error) (snapshot []byte, at dispatch.Seq, err error) {
	if a.bad != nil {
		return nil, 0, a.bad
	}
	snapshot, at, facts, err := a.loadWhole(ctx)
	for _, fact := range facts {
		if err == nil {
			err = each(fact)
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("load area %s: %w", a.keys.area, err)
	}
	return snapshot, at, nil
}

// loadWhole reads snapshot and facts until they belong together.
func (a *Area) loadWhole(ctx context.Context) (snapshot []byte, at dispatch.Seq, facts []dispatch.Fact, err error) {
	for attempt := range loadAttempts {
		before := at
		if snapshot, at, err = a.readSnapshot(ctx); err != nil {
			return nil, 0, nil, err
		}
		facts, err = a.readJournal(ctx, at)
		if !errors.Is(err, errMoved) {
			return snapshot, at, facts, err
		}
		if attempt > 0 && at == before {
			return nil, 0, nil, fmt.Errorf("%w: head and snapshot do not belong together: %w", dispatch.ErrDamaged, err)
		}
	}
	return nil, 0, nil, err
}

// readSnapshot reads the snapshot and what it says of itself.
func (a *Area) readSnapshot(ctx context.Context) ([]byte, dispatch.Seq, error) {
	c := a.call(callSnapshot, a.token)
	c.script, c.keys, c.bulk = a.store.scripts.snapshot, []string{a.keys.snapshot()}, true
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	if len(reply) != 1 {
		return nil, 0, errMismatch
	}
	if reply[0] == "" {
		return nil, 0, nil
	}
	return unsealSnapshot(a.keys.area, []byte(reply[0]))
}

// readJournal reads the facts after a snapshot that holds everything up to at.
// It returns errMoved when that is not the snapshot the head names.
func (a *Area) readJournal(ctx context.Context, at dispatch.Seq) ([]dispatch.Fact, error) {
	var facts []dispatch.Fact
	for {
		next := at + dispatch.Seq(len(facts)) + 1
		entries, last, err := a.readPage(ctx, at, next)
		if err != nil {
			return nil, err
		}
		for ; len(entries) > 0 && at+dispatch.Seq(len(facts)) < last; entries = entries[2:] {
			fact, err := readEntry(at+dispatch.Seq(len(facts))+1, entries[0], entries[1])
			if err != nil {
				return nil, err
			}
			facts = append(facts, fact)
		}
		got := at + dispatch.Seq(len(facts))
		if got == last && len(entries) == 0 {
			return facts, nil
		}
		if got+1-next < loadPage {
			return nil, fmt.Errorf("%w: the head says that fact %d is the last, and the journal does not end there: facts are missing or too many (read to %d)", dispatch.ErrDamaged, last, got)
		}
	}
}

// readPage reads at most loadPage entries from next on, each its id and its fact,
// and the sequence of the journal's last.
func (a *Area) readPage(ctx context.Context, at, next dispatch.Seq) (entries []string, last dispatch.Seq, err error) {
	c := a.call(callPage, decimal(next))
	c.script, c.keys = a.store.scripts.page, []string{a.keys.head(), a.keys.journal()}
	c.args, c.bulk = []any{loadPage}, true
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	if len(reply) < 2 || len(reply)%2 != 0 {
		return nil, 0, errMismatch
	}
	n, err := number(reply[0])
	if err != nil {
		return nil, 0, err
	}
	if reply[1] != decimal(at) {
		return nil, 0, fmt.Errorf("%w: the head names the one at fact %.20s and the one read is at %d", errMoved, reply[1], at)
	}
	return reply[2:], dispatch.Seq(n), nil
}

// readEntry reads the entry where a fact should be.
func readEntry(want dispatch.Seq, id, line string) (dispatch.Fact, error) {
	if id != decimal(want)+"-0" {
		return dispatch.Fact{}, fmt.Errorf("%w: the journal has %.40s where fact %d should be: a fact is missing", dispatch.ErrDamaged, id, want)
	}
	fact, err := dispatch.UnmarshalFact([]byte(line))
	if err != nil {
		return dispatch.Fact{}, fmt.Errorf("%w: journal entry %d: %w", dispatch.ErrDamaged, want, err)
	}
	if fact.Seq != want {
		return dispatch.Fact{}, fmt.Errorf("%w: journal entry %d holds fact %d", dispatch.ErrDamaged, want, fact.Seq)
	}
	return fact, nil
}
