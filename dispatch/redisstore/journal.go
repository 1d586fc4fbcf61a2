package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
)

// MaxBatchID bounds the id of a batch, in bytes.
const MaxBatchID = 128

// Append records facts; see [dispatch.Ledger]. The sequences of the facts must be
// after+1, after+2 and so on. It costs one round trip and, where the server is
// durable, one sync to its disk; with replicas, theirs too. An error that too few of
// those have answered says "pending": repeat it like any unknown outcome.
//
// A batch that can never be recorded (none or too many facts, wrong sequences, an
// id that is empty or longer than [MaxBatchID], a fact that cannot be written
// down) is an error like an unknown outcome: it is a mistake of the program.
func (a *Area) Append(ctx context.Context, id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) error {
	if err := a.holds(); err != nil {
		return err
	}
	if fault.Mutant("no_batch_id") {
		return a.appendCarelessly(ctx, after, facts)
	}
	return a.appendOnce(ctx, id, after, facts)
}

// appendOnce is Append of a writer that holds a lease.
func (a *Area) appendOnce(ctx context.Context, id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) error {
	c := a.call(callAppend, string(id))
	c.script, c.keys, c.durable = a.store.scripts.append, []string{a.keys.head(), a.keys.journal()}, true
	lines, err := a.lines(callAppend, id, after, facts)
	if err != nil {
		return err
	}
	c.args = append([]any{uint64(a.epoch), a.token, decimal(after)}, lines...)
	fault.Point("append.before")
	began := time.Now()
	reply, err := a.store.run(ctx, c)
	a.store.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	if err != nil {
		return err
	}
	fault.Point("append.after")
	return a.recorded(callAppend, reply, after, facts)
}

// recorded turns the answer of append.lua and mend.lua into an error.
func (a *Area) recorded(doing string, reply []string, after dispatch.Seq, facts []dispatch.Fact) error {
	verdict, seq, err := verdictAt(reply)
	if err != nil {
		return fmt.Errorf("%s to area %s: %w", doing, a.keys.area, err)
	}
	want := after + dispatch.Seq(len(facts))
	if (verdict == "done" || verdict == "again") && seq == want {
		a.last = want
		a.store.metrics.appendFacts.Observe(float64(len(facts)))
		return nil
	}
	return a.refused(doing, verdict, seq, after)
}

// appendCarelessly is Append with a safeguard left out: what may have been written is
// written again behind it.
func (a *Area) appendCarelessly(ctx context.Context, after dispatch.Seq, facts []dispatch.Fact) error {
	var err error
	for range callAttempts {
		var head dispatch.Head
		if head, err = a.Head(ctx); err != nil {
			return err
		}
		moved := slices.Clone(facts)
		for i := range moved {
			moved[i].Seq += head.Seq - after
		}
		if err = a.appendOnce(ctx, dispatch.BatchID(rand.Text()), head.Seq, moved); err == nil || errors.Is(err, dispatch.ErrFenced) {
			return err
		}
	}
	return err
}

// lines checks a batch and writes its facts down for a script.
func (a *Area) lines(doing string, id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) ([]any, error) {
	if len(facts) == 0 || len(facts) > dispatch.MaxBatchFacts {
		return nil, fmt.Errorf("%s to area %s: batch of %d facts: want 1 to %d", doing, a.keys.area, len(facts), dispatch.MaxBatchFacts)
	}
	if len(id) == 0 || len(id) > MaxBatchID {
		return nil, fmt.Errorf("%s to area %s: batch id of %d bytes: want 1 to %d", doing, a.keys.area, len(id), MaxBatchID)
	}
	lines := make([]any, 0, len(facts))
	for i, fact := range facts {
		if want := after + dispatch.Seq(i) + 1; fact.Seq != want {
			return nil, fmt.Errorf("%s to area %s: fact %d stands where fact %d should: the batch comes after %d", doing, a.keys.area, fact.Seq, want, after)
		}
		line, err := dispatch.MarshalFact(fact)
		if err != nil {
			return nil, fmt.Errorf("%s to area %s: %w", doing, a.keys.area, err)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// verdictAt reads the answer of a script that returns a verdict and a sequence.
func verdictAt(reply []string) (verdict string, seq dispatch.Seq, err error) {
	if len(reply) != 2 {
		return "", 0, errMismatch
	}
	n, err := number(reply[1])
	return reply[0], dispatch.Seq(n), err
}

// refused turns a verdict that is not a yes into an error; at is where the writer
// thinks the journal ends, or for a snapshot what it holds.
func (a *Area) refused(doing, verdict string, seq, at dispatch.Seq) error {
	switch verdict {
	case "fenced":
		return fmt.Errorf("%w: %s to area %s under epoch %d", dispatch.ErrFenced, doing, a.keys.area, a.epoch)
	case "behind":
		return fmt.Errorf("%w: %s to area %s at fact %d, and the journal ends at %d", dispatch.ErrBehind, doing, a.keys.area, at, seq)
	}
	return fmt.Errorf("%s to area %s at fact %d: verdict %q, journal at %d: this makes no sense", doing, a.keys.area, at, verdict, seq)
}
