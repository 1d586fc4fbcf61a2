package dispatch

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"cuntong/geo"
)

// world is a core under test with its journal. After every step it checks the
// invariants, that versions grow by one a fact, that ended trips do not change,
// and that replaying the journal gives the same state.
type world struct {
	core    *Core
	now     Instant
	journal []Fact
	last    map[TripID]tripMark
	// replayEvery is how often the whole journal is replayed; 1 is after every step.
	replayEvery int
	steps       int
	router      func() geo.Router // a new one, as a server that starts has
	area        *geo.Area
	neighbours  []*geo.Area
}

// tripMark is what a trip was after the step before.
type tripMark struct {
	version Version
	ended   bool
}

var testArea = &geo.Area{ID: "test", Name: "Test county"}

var morning = InstantOf(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC))

func newWorld(rules Rules) *world {
	return newWorldOn(rules, func() geo.Router { return geo.NewCrow() })
}

func newWorldOn(rules Rules, router func() geo.Router) *world {
	return newWorldIn(testArea, nil, rules, router)
}

func newWorldIn(area *geo.Area, neighbours []*geo.Area, rules Rules, router func() geo.Router) *world {
	w := &world{
		now:         morning,
		last:        map[TripID]tripMark{},
		replayEvery: 1,
		router:      router,
		area:        area,
		neighbours:  neighbours,
	}
	w.core = w.empty(rules)
	return w
}

// empty returns a core to which nothing has happened.
func (w *world) empty(rules Rules) *Core {
	c := NewCore(w.area, rules, w.router())
	c.Border(w.neighbours)
	c.MakeCodes(func(TripID) string { return "4821" })
	return c
}

// step applies one input now and checks everything.
func (w *world) step(in Input) (Outcome, error) {
	var unfair error
	w.core.watchContest = func(trips []*Trip, options [][]option, cost [][]int64, result assignment) {
		unfair = errors.Join(unfair, judge(w.core, w.now, trips, options, cost, result))
	}
	out := w.core.Apply(w.now, in)
	if unfair != nil {
		return out, fmt.Errorf("after %T %+v: %w", in, in, unfair)
	}
	w.core.takeForgotten()
	w.journal = append(w.journal, out.Facts...)
	w.steps++
	if err := w.core.Check(); err != nil {
		return out, fmt.Errorf("after %T %+v: %w", in, in, err)
	}
	if err := w.checkVersions(out.Facts); err != nil {
		return out, fmt.Errorf("after %T %+v: %w", in, in, err)
	}
	if w.steps%w.replayEvery == 0 {
		if err := w.checkReplay(); err != nil {
			return out, fmt.Errorf("after %T %+v: %w", in, in, err)
		}
	}
	return out, nil
}

// pass lets time go to the given moment, with a tick at every deadline on the way,
// each of whose outcomes is handed to each.
func (w *world) pass(to Instant, each func(Outcome) error) error {
	for {
		at, ok := w.core.NextDeadline()
		if !ok || at > to {
			break
		}
		w.now = max(w.now, at)
		out, err := w.step(Tick{})
		if err != nil {
			return err
		}
		if err := each(out); err != nil {
			return err
		}
	}
	w.now = to
	return nil
}

// checkVersions: every fact raises its trip's version by one, and an ended trip has no
// more facts; but what a receipt puts right may raise it by more, ended or not, and a trip
// may be paid for and measured after its end.
func (w *world) checkVersions(facts []Fact) error {
	for _, f := range facts {
		id, next := TripOf(f.Body)
		if id == "" {
			continue
		}
		mark := w.last[id]
		if b, ok := f.Body.(TripRecovered); ok {
			if b.Version <= mark.version || mark.ended && next != "" {
				return fmt.Errorf("fact %d puts trip %s at version %d, %s: it had %d (ended: %t)", f.Seq, id, b.Version, next, mark.version, mark.ended)
			}
			w.last[id] = tripMark{version: b.Version, ended: mark.ended || next != "" && !next.Open()}
			continue
		}
		if b, ok := f.Body.(TripRequested); ok && b.Version > 0 { // asked for again after it was lost
			mark.version = b.Version - 1
		}
		switch f.Body.(type) {
		case TripPaid, TripMeasured: // after the end, too
			w.last[id] = tripMark{version: mark.version + 1, ended: mark.ended}
			continue
		}
		if mark.ended {
			return fmt.Errorf("fact %d (%s) changes trip %s, which has ended", f.Seq, f.Body.kind(), id)
		}
		w.last[id] = tripMark{version: mark.version + 1, ended: next != "" && !next.Open()}
		if t := w.core.trips[id]; t != nil && t.Version < mark.version+1 {
			return fmt.Errorf("trip %s has version %d after fact %d, its %dth", id, t.Version, f.Seq, mark.version+1)
		}
	}
	for id, mark := range w.last {
		if t := w.core.trips[id]; t != nil && t.Version != mark.version {
			return fmt.Errorf("trip %s has version %d after %d facts", id, t.Version, mark.version)
		}
	}
	return nil
}

// loseTail starts again from a journal that has lost its last n facts, as after a
// fail-over to a server that lagged behind.
func (w *world) loseTail(n int) error {
	w.journal = w.journal[:len(w.journal)-min(n, len(w.journal))]
	again, err := w.replayed()
	if err != nil {
		return err
	}
	w.core, w.last = again, map[TripID]tripMark{}
	return w.checkVersions(w.journal)
}

// checkReplay: the journal on paper, read back, gives the same durable state; and
// so does a snapshot.
func (w *world) checkReplay() error {
	want, err := w.core.Snapshot()
	if err != nil {
		return err
	}
	again, err := w.replayed()
	if err != nil {
		return err
	}
	got, err := again.Snapshot()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("replay gives\n%s\nlife gave\n%s", got, want)
	}
	restored := w.empty(w.core.rules)
	if err := restored.Restore(want); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if restored.Seq() != w.core.Seq() || restored.Last() != w.core.Last() {
		return fmt.Errorf("the restored snapshot is at %d %d, life at %d %d", restored.Seq(), restored.Last(), w.core.Seq(), w.core.Last())
	}
	got, err = restored.Snapshot()
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("the restored snapshot gives\n%s\nit was\n%s", got, want)
	}
	return err
}

// replayed returns a new core that has read the journal.
func (w *world) replayed() (*Core, error) {
	again := w.empty(w.core.rules)
	for _, f := range w.journal {
		line, err := MarshalFact(f)
		if err != nil {
			return nil, err
		}
		read, err := UnmarshalFact(line)
		if err != nil {
			return nil, err
		}
		if err := again.Replay(read); err != nil {
			return nil, err
		}
	}
	return again, again.Check()
}
