package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/geo"
)

// shelf is a ledger that holds what one append may, and no more.
type shelf struct {
	Ledger
	seq Seq
}

func (s *shelf) Append(_ context.Context, _ BatchID, after Seq, facts []Fact) error {
	if len(facts) < 1 || len(facts) > MaxBatchFacts || after != s.seq {
		return fmt.Errorf("%w: %d facts after %d", ErrBehind, len(facts), after)
	}
	s.seq += Seq(len(facts))
	return nil
}

type listener struct {
	shelf *shelf
	heard []Seq // how far the ledger was at each call
}

func (l *listener) Tell([]Notice) { l.heard = append(l.heard, l.shelf.seq) }

// An engine that does not come back from a step is not ready, whatever holds it.
func TestStuckIsNotReady(t *testing.T) {
	e := &Engine{}
	e.stepping.Store(time.Now().UnixNano())
	if err := e.Ready(); err != nil {
		t.Errorf("a step has just begun: %v", err)
	}
	e.stepping.Store(time.Now().Add(-2 * stuckAfter).UnixNano())
	if err := e.Ready(); !errors.Is(err, errStuck) {
		t.Errorf("a step has lasted for %v: %v", 2*stuckAfter, err)
	}
}

// One step may bring about more facts than an append holds: all are recorded, and
// only then is anybody told.
func TestCommitOfMoreThanAnAppendHolds(t *testing.T) {
	ledger := &shelf{}
	ears := &listener{shelf: ledger}
	e, err := NewEngine(EngineConfig{Area: testArea, Rules: DefaultRules(), Router: geo.NewCrow(), Ledger: ledger, Teller: ears,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b := &e.hand
	b.notices = []Notice{{Body: DutyTold{}}}
	const n = 2*MaxBatchFacts + 7
	for i := range n {
		b.facts = append(b.facts, Fact{Seq: Seq(i + 1), Body: DutyEnded{}})
	}
	e.kept = newTail(0, n)
	if err := e.commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ledger.seq != n || len(ears.heard) != 1 || ears.heard[0] != n {
		t.Errorf("%d of %d facts are recorded; told at %v", ledger.seq, n, ears.heard)
	}
}
