package redisstore

import (
	"context"
	"fmt"
	"time"

	"cuntong/dispatch"
)

// MaxBatchID bounds the id of a batch, in bytes.
const MaxBatchID = 128

// Append records facts; see [dispatch.Ledger]. The sequences of the facts must be
// after+1, after+2 and so on. It costs one round trip and, where the server is
// durable, one sync to its disk.
//
// A batch that can never be recorded (none or too many facts, wrong sequences, an
// id that is empty or longer than [MaxBatchID], a fact that cannot be written
// down) is an error like an unknown outcome: it is a mistake of the program.
func (a *Area) Append(ctx context.Context, id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) error {
	if a.bad != nil {
		return a.bad
	}
	if a.epoch == 0 {
		return fmt.Errorf("%w: this writer of area %s holds no lease: Acquire comes first", dispatch.ErrFenced, a.keys.area)
	}
	c := a.call(callAppend, string(id))
	c.script, c.keys = a.store.scripts.append, []string{a.keys.head(), a.keys.journal()}
	var err error
	if c.args, err = a.appendArgs(id, after, facts); err != nil {
		return err
	}
	began := time.Now()
	reply, err := a.store.run(ctx, c)
	a.store.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	if err != nil {
		return err
	}
	verdict, seq, err := verdictAt(reply)
	if err != nil {
		return fmt.Errorf("append to area %s: %w", a.keys.area, err)
	}
	want := after + dispatch.Seq(len(facts))
	if (verdict == "done" || verdict == "again") && seq == want {
		a.store.metrics.appendFacts.Observe(float64(len(facts)))
		return nil
	}
	return a.refused("append", verdict, seq, after)
}

// appendArgs checks a batch and writes it down for the script.
func (a *Area) appendArgs(id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) ([]any, error) {
	if len(facts) == 0 || len(facts) > dispatch.MaxBatchFacts {
		return nil, fmt.Errorf("append to area %s: batch of %d facts: want 1 to %d", a.keys.area, len(facts), dispatch.MaxBatchFacts)
	}
	if len(id) == 0 || len(id) > MaxBatchID {
		return nil, fmt.Errorf("append to area %s: batch id of %d bytes: want 1 to %d", a.keys.area, len(id), MaxBatchID)
	}
	args := make([]any, 0, 2+len(facts))
	args = append(args, uint64(a.epoch), decimal(after))
	for i, fact := range facts {
		if want := after + dispatch.Seq(i) + 1; fact.Seq != want {
			return nil, fmt.Errorf("append to area %s: fact %d stands where fact %d should: the batch comes after %d", a.keys.area, fact.Seq, want, after)
		}
		line, err := dispatch.MarshalFact(fact)
		if err != nil {
			return nil, fmt.Errorf("append to area %s: %w", a.keys.area, err)
		}
		args = append(args, line)
	}
	return args, nil
}

// verdictAt reads the answer of append.lua and save.lua.
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
