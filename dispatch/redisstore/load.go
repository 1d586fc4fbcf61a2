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

// LoadAfter reads the facts after one; see [dispatch.Ledger]. It calls each only when
// everything has been read and found whole.
func (a *Area) LoadAfter(ctx context.Context, after dispatch.Seq, each func(dispatch.Fact) error) error {
	if a.bad != nil {
		return a.bad
	}
	facts, err := a.readJournal(ctx, after, func(p page) error {
		switch {
		case p.trimmed >= p.next:
			return fmt.Errorf("%w: it begins after fact %d, and fact %d is wanted", dispatch.ErrTrimmed, p.trimmed, p.next)
		case p.last < after:
			return fmt.Errorf("%w: it ends at fact %d, and the reader has up to fact %d", dispatch.ErrBehind, p.last, after)
		}
		return nil
	})
	for _, fact := range facts {
		if err == nil {
			err = each(fact)
		}
	}
	if err != nil {
		return fmt.Errorf("load area %s after fact %d: %w", a.keys.area, after, err)
	}
	return nil
}

// loadWhole reads snapshot and facts until they belong together.
func (a *Area) loadWhole(ctx context.Context) (snapshot []byte, at dispatch.Seq, facts []dispatch.Fact, err error) {
	for attempt := range loadAttempts {
		before := at
		if snapshot, at, err = a.readSnapshot(ctx); err != nil {
			return nil, 0, nil, err
		}
		facts, err = a.readJournal(ctx, at, func(p page) error {
			if p.snapshot != decimal(at) {
				return fmt.Errorf("%w: the head names the one at fact %.20s and the one read is at %d", errMoved, p.snapshot, at)
			}
			return nil
		})
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

// page is one page of the journal and the head of the same moment.
type page struct {
	next, last, trimmed dispatch.Seq
	snapshot            string
	entries             []string // id, fact, id, fact …
}

// readJournal reads the facts after at, and stops where check finds fault with a page.
func (a *Area) readJournal(ctx context.Context, at dispatch.Seq, check func(page) error) ([]dispatch.Fact, error) {
	var facts []dispatch.Fact
	for {
		p, err := a.readPage(ctx, at+dispatch.Seq(len(facts))+1)
		if err == nil {
			err = check(p)
		}
		if err != nil {
			return nil, err
		}
		for ; len(p.entries) > 0 && at+dispatch.Seq(len(facts)) < p.last; p.entries = p.entries[2:] {
			fact, err := readEntry(at+dispatch.Seq(len(facts))+1, p.entries[0], p.entries[1])
			if err != nil {
				return nil, err
			}
			facts = append(facts, fact)
		}
		got := at + dispatch.Seq(len(facts))
		if got == p.last && len(p.entries) == 0 {
			return facts, nil
		}
		if got+1-p.next < loadPage {
			return nil, fmt.Errorf("%w: the head says that fact %d is the last, and the journal does not end there: facts are missing or too many (read to %d)", dispatch.ErrDamaged, p.last, got)
		}
	}
}

// readPage reads at most loadPage entries from next on.
func (a *Area) readPage(ctx context.Context, next dispatch.Seq) (page, error) {
	c := a.call(callPage, decimal(next))
	c.script, c.keys = a.store.scripts.page, []string{a.keys.head(), a.keys.journal()}
	c.args, c.bulk = []any{loadPage}, true
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return page{}, err
	}
	if len(reply) < 3 || len(reply)%2 == 0 {
		return page{}, errMismatch
	}
	last, err := number(reply[0])
	if err != nil {
		return page{}, err
	}
	trimmed, err := number(reply[2])
	return page{next: next, last: dispatch.Seq(last), trimmed: dispatch.Seq(trimmed), snapshot: reply[1], entries: reply[3:]}, err
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
