package dispatch_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"cuntong/dispatch"
)

// An engine whose area is taken leaves what it had not recorded, and tells nobody.
func TestEngineLeavesOrphans(t *testing.T) {
	store := openStore(t)
	first := start(t, store, nil)
	first.onDuty(t)
	first.ledger.set(func() { first.ledger.away = true })
	first.submit(t, request("t1"))
	until(t, "the append is being repeated", func() bool { return first.Ready() != nil })
	start(t, store, nil)
	first.ledger.set(func() { first.ledger.away = false })
	if err := first.end(); !errors.Is(err, dispatch.ErrFenced) {
		t.Fatalf("the first writer ended with %v", err)
	}
	orphans := first.Orphans()
	if len(orphans) != 1 || orphans[0].(dispatch.Request).Trip != "t1" {
		t.Errorf("orphans: %+v, want the request", orphans)
	}
	if told := first.ears.states("t1"); len(told) > 0 {
		t.Errorf("the rider was told %v by a writer that was shut out", told)
	}
	if again := first.Orphans(); len(again) > 0 {
		t.Errorf("they are handed over twice: %v", again)
	}
}

// A letter is settled once what it brought about is recorded and told, and is nobody's orphan.
func TestEngineSettlesMail(t *testing.T) {
	store := openStore(t)
	first := start(t, store, nil)
	first.onDuty(t)
	var settled, told atomic.Bool
	refusal := first.SubmitMail(request("t1"), func() {
		told.Store(slices.Contains(first.ears.states("t1"), dispatch.Offered))
		settled.Store(true)
	})
	if refusal != nil {
		t.Fatal(refusal)
	}
	until(t, "the letter is settled", settled.Load)
	if !told.Load() {
		t.Error("it was settled before it was told")
	}
	first.ledger.set(func() { first.ledger.away = true })
	first.SubmitMail(request("t2"), func() { t.Error("settled and not recorded") })
	until(t, "the append is being repeated", func() bool { return first.Ready() != nil })
	start(t, store, nil)
	first.ledger.set(func() { first.ledger.away = false })
	_ = first.end()
	if orphans := first.Orphans(); len(orphans) > 0 {
		t.Errorf("a letter is among the orphans: %v", orphans)
	}
}

// An area goes to a successor who has read ahead: nothing is saved, and he goes on.
func TestEngineHandsOver(t *testing.T) {
	store := openStore(t)
	first := start(t, store, nil)
	first.onDuty(t)
	first.submit(t, request("t1"))
	until(t, "the driver is asked", func() bool { return slices.Contains(first.ears.states("t1"), dispatch.Offered) })
	next := build(t, store, nil)
	if err := next.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.submit(t, request("t2"))
	first.Leave(store.NodeID())
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	if got := first.ears.count(done("ask-t2")); got != 1 {
		t.Errorf("what came before the end was answered %d times", got)
	}
	if head, err := store.Area("test").Head(t.Context()); err != nil || head.Snapshot != 0 {
		t.Errorf("%v: a snapshot was saved at %d for a successor who needs none", err, head.Snapshot)
	}
	next.run(t)
	next.submit(t, dispatch.Hello{By: rider1})
	until(t, "the successor knows both trips", func() bool {
		return next.ears.count(func(n dispatch.Notice) bool {
			truth, ok := n.Body.(dispatch.Truth)
			return ok && len(truth.Trips) == 2
		}) == 1
	})
	if first.Submit(request("t9")) == nil {
		t.Error("a writer that has left took a command")
	}
}

// Who leaves before he was ever the writer ends in peace.
func TestEngineLeavesBeforeItHasTheArea(t *testing.T) {
	b := build(t, openStore(t), nil)
	b.ledger.away = true
	b.Leave("")
	if err := b.Run(context.Background()); err != nil {
		t.Error(err)
	}
}
