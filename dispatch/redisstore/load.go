package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
// twice. The facts since the last snapshot must therefore fit into memory.
func (a *Area) Load(ctx context.Context, each func(dispatch.Fact) error) (snapshot []byte, at dispatch.Seq, err error) {
	if a.bad != nil {
		return nil, 0, a.bad
	}
	for range loadAttempts {
		var lines []string
		snapshot, at, err = a.readSnapshot(ctx)
		if err == nil {
			lines, err = a.readJournal(ctx, at)
		}
		if errors.Is(err, errMoved) {
			continue
		}
		if err == nil {
			err = deliver(lines, at, each)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("load area %s: %w", a.keys.area, err)
		}
		return snapshot, at, nil
	}
	return nil, 0, fmt.Errorf("load area %s, %d times: %w", a.keys.area, loadAttempts, err)
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
func (a *Area) readJournal(ctx context.Context, at dispatch.Seq) ([]string, error) {
	var lines []string
	for {
		next := at + dispatch.Seq(len(lines)) + 1
		page, last, err := a.readPage(ctx, at, next)
		if err != nil {
			return nil, err
		}
		lines = append(lines, page...)
		if len(page) == loadPage {
			continue
		}
		if got := at + dispatch.Seq(len(lines)); got != last {
			return nil, fmt.Errorf("the journal ends at fact %d and its head says %d: facts are missing or too many", got, last)
		}
		return lines, nil
	}
}

// readPage reads at most loadPage facts from next on, and the sequence of the
// journal's last.
func (a *Area) readPage(ctx context.Context, at, next dispatch.Seq) (page []string, last dispatch.Seq, err error) {
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
		return nil, 0, fmt.Errorf("%w: it holds every fact up to %.20s, the one read up to %d", errMoved, reply[1], at)
	}
	for entry := reply[2:]; len(entry) > 0; entry = entry[2:] {
		want := next + dispatch.Seq(len(page))
		if entry[0] != decimal(want)+"-0" {
			return nil, 0, fmt.Errorf("the journal has %.40s where fact %d should be: a fact is missing", entry[0], want)
		}
		page = append(page, entry[1])
	}
	return page, dispatch.Seq(n), nil
}

// deliver calls each for every line, which follow at.
func deliver(lines []string, at dispatch.Seq, each func(dispatch.Fact) error) error {
	for i, line := range lines {
		want := at + dispatch.Seq(i) + 1
		fact, err := dispatch.UnmarshalFact([]byte(line))
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", want, err)
		}
		if fact.Seq != want {
			return fmt.Errorf("journal entry %d holds fact %d: %.80s", want, fact.Seq, strings.ToValidUTF8(line, "?"))
		}
		if err := each(fact); err != nil {
			return err
		}
	}
	return nil
}
