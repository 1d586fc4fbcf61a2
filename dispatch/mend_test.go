package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/geo"
)

// factsFrom makes facts of a history: the same numbers in another one are other facts.
func factsFrom(history string, from, to Seq) (facts []Fact) {
	for seq := from; seq <= to; seq++ {
		facts = append(facts, Fact{Seq: seq, At: Instant(seq), Body: DutyEnded{Driver: DriverID(fmt.Sprintf("%s%d", history, seq))}})
	}
	return facts
}

// A journal that is behind is mended only when its end is known as one's own or as
// what was taken over, and nobody else has the area.
func TestJudgeAJournalThatIsBehind(t *testing.T) {
	// The writer of epoch 7 took over at 105, saved a snapshot at 100 and has recorded up to 120.
	kept := newTail(100, 1000)
	kept.add(factsFrom("mine", 101, 120))
	kept.taken = 105
	kept.expect(110, "b1")
	kept.expect(120, "b2")
	kept.expect(123, "b3") // under way
	kept.seeded = 123
	mine := func(from, to Seq) []Fact { return factsFrom("mine", from, to) }
	other := func(from, to Seq) []Fact { return factsFrom("other", from, to) }
	for _, c := range []struct {
		name   string
		head   Head
		theirs []Fact
		want   cure
	}{
		{"nothing is missing", Head{Seq: 120, Epoch: 7, Mine: true, Batch: "b2"}, mine(101, 120), cureNone},
		{"what is under way has arrived", Head{Seq: 123, Epoch: 7, Mine: true, Batch: "b3"}, nil, cureNone},
		{"the tail is missing, and ends with a batch", Head{Seq: 110, Epoch: 7, Mine: true, Batch: "b1"}, nil, cureMend},
		{"the tail is missing, as the facts show", Head{Seq: 108, Epoch: 6}, mine(101, 108), cureMend},
		{"only the epoch is missing", Head{Seq: 120, Epoch: 6}, mine(101, 120), cureMend},
		{"it ends where the area was taken", Head{Seq: 105, Epoch: 6, Batch: "z9"}, mine(101, 105), cureMend},
		{"it ends with the snapshot", Head{Seq: 100, Epoch: 6, Snapshot: 100}, nil, cureMend},
		{"more is missing than is kept", Head{Seq: 40, Epoch: 3}, nil, cureReseed},
		{"everything is missing", Head{}, nil, cureReseed},
		{"the state has taken its place", Head{Seq: 123, Epoch: 7, Mine: true, Snapshot: 123}, nil, cureNone},
		{"a later writer", Head{Seq: 120, Epoch: 8, Batch: "x"}, mine(101, 120), cureFenced},
		{"another writer who was given the same number", Head{Seq: 110, Epoch: 7, Batch: "x"}, mine(101, 110), cureFenced},
		{"it goes on where this writer has nothing", Head{Seq: 125, Epoch: 7, Mine: true, Batch: "x"}, nil, cureConflict},
		{"it holds other facts", Head{Seq: 115, Epoch: 6, Batch: "x"}, other(101, 115), cureConflict},
		{"other facts before the take-over", Head{Seq: 104, Epoch: 5, Batch: "x"}, other(101, 104), cureConflict},
		{"other facts at the end alone", Head{Seq: 115, Epoch: 6}, append(mine(101, 114), other(115, 115)...), cureConflict},
		{"a snapshot that is none of his", Head{Seq: 118, Epoch: 6, Snapshot: 118}, nil, cureConflict},
	} {
		if got := kept.judge(c.head, 7, c.theirs); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// What is kept goes back to the last snapshot but one, and never grows beyond its bound.
func TestTailKeepsTwoSnapshots(t *testing.T) {
	kept := newTail(0, 100)
	kept.add(factsFrom("", 1, 60))
	kept.snapshot(60)
	kept.add(factsFrom("", 61, 120))
	kept.snapshot(120)
	if kept.after != 60 || kept.end() != 120 || kept.facts[0].Seq != 61 {
		t.Errorf("after two snapshots %d to %d are kept, want 61 to 120", kept.after+1, kept.end())
	}
	kept.add(factsFrom("", 121, 2000))
	if want := 100 + MaxBatchFacts; len(kept.facts) != want || kept.facts[0].Seq != kept.after+1 || kept.end() != 2000 {
		t.Errorf("%d facts are kept from %d on, want %d", len(kept.facts), kept.after+1, want)
	}
	if got := kept.since(1990); len(got) != 10 || got[0].Seq != 1991 {
		t.Errorf("since 1990: %d facts", len(got))
	}
}

// The engine's time never goes back and never stands still, whatever the shared clock does.
func TestSteadyClock(t *testing.T) {
	var c steadyClock
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	c.setForth(10_000, at(4_000)) // the journal is six seconds ahead of the clock
	last := c.now(at(4_000))
	if last != 10_000 {
		t.Fatalf("time goes on from %d, want 10000", last)
	}
	for ms := int64(4_000); ms < 60_000; ms += 7 {
		now := c.now(at(ms))
		if now < last || now < Instant(ms) {
			t.Fatalf("at %d it is %d, and was %d", ms, now, last)
		}
		last = now
	}
	if last >= 60_000 {
		t.Errorf("the two have not met: %d", last)
	}
	if got := c.now(at(50_000)); got < last { // the shared clock is set back
		t.Errorf("time went back from %d to %d", last, got)
	}
	if a, b := c.now(at(50_800)), c.now(at(51_600)); b-a != 700 {
		t.Errorf("while it is ahead, 800 ms count %d, want 700", b-a)
	}
}

// scroll is a ledger that holds facts and nothing else.
type scroll struct {
	Ledger
	facts []Fact
	loads int
}

func (s *scroll) Acquire(context.Context) (Epoch, error) { return 1, nil }

func (s *scroll) Head(context.Context) (Head, error) { return Head{Seq: Seq(len(s.facts))}, nil }

func (s *scroll) Load(_ context.Context, each func(Fact) error) ([]byte, Seq, error) {
	s.loads++
	return nil, 0, s.LoadAfter(context.Background(), 0, each)
}

func (s *scroll) LoadAfter(_ context.Context, after Seq, each func(Fact) error) error {
	for _, f := range s.facts[min(int(after), len(s.facts)):] {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// onDuty makes facts of drivers who begin to work.
func onDuty(history string, from, to Seq) (facts []Fact) {
	for seq := from; seq <= to; seq++ {
		facts = append(facts, Fact{Seq: seq, At: morning + Instant(seq), Body: DutyStarted{Driver: DriverID(fmt.Sprintf("%s%d", history, seq)),
			Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}}})
	}
	return facts
}

// Who has read ahead reads only what has come since, unless Redis has lost the end
// of what he read and has another one now.
func TestPrepareKnowsAnotherHistory(t *testing.T) {
	for _, c := range []struct {
		name  string
		now   []Fact
		loads int
	}{
		{"nothing has come", onDuty("a", 1, 100), 1},
		{"more has come", onDuty("a", 1, 150), 1},
		{"the end is lost", onDuty("a", 1, 90), 2},
		{"the end is lost and others came", append(onDuty("a", 1, 90), onDuty("b", 91, 140)...), 2},
		{"everything is lost", nil, 2},
	} {
		ledger := &scroll{facts: onDuty("a", 1, 100)}
		e, err := NewEngine(EngineConfig{Area: testArea, Rules: DefaultRules(), Router: geo.NewCrow(), Ledger: ledger, Mirror: noMirror{},
			Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Now: morning.Time})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		ledger.facts = c.now
		if _, err := e.load(t.Context()); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if ledger.loads != c.loads || int(e.core.Seq()) != len(c.now) || len(e.core.drivers) != len(c.now) {
			t.Errorf("%s: read from the beginning %d times, %d drivers at fact %d; want %d times, %d", c.name, ledger.loads, len(e.core.drivers), e.core.Seq(), c.loads, len(c.now))
		}
		for _, f := range c.now {
			if e.core.drivers[f.Body.(DutyStarted).Driver] == nil {
				t.Fatalf("%s: fact %d is not known", c.name, f.Seq)
			}
		}
	}
}
