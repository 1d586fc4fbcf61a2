package dispatch_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
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

// A successor who has read ahead knows of the snapshot that was saved since, and saves the
// next one when it is due.
func TestEngineHandsOverASnapshot(t *testing.T) {
	store := openStore(t)
	often := func(cfg *dispatch.EngineConfig) { cfg.SnapshotEvery, cfg.Rules.MaxOpenPerPassenger = 4, 10 }
	saved := func() dispatch.Seq {
		head, err := store.Area("test").Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return head.Snapshot
	}
	ask := func(b *bench, trip dispatch.TripID) {
		t.Helper()
		b.submit(t, request(trip))
		until(t, "the answer about "+string(trip), func() bool { return b.ears.count(done("ask-"+dispatch.CommandID(trip))) == 1 })
	}
	first := start(t, store, often)
	first.onDuty(t)
	ask(first, "t1")
	next := build(t, store, often)
	if err := next.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(first, "t2")
	until(t, "a snapshot", func() bool { return saved() != 0 })
	at := saved()
	ask(first, "t3")
	first.Leave(store.NodeID())
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	if saved() != at {
		t.Fatalf("the last snapshot is at %d already", saved())
	}
	next.run(t)
	ask(next, "t3") // a repeat: nothing is recorded
	ask(next, "t2")
	if saved() != at {
		t.Errorf("the successor saved at once, at %d; the last one is of %d", saved(), at)
	}
	ask(next, "t4")
	until(t, "the next one", func() bool { return saved() == at+4 })
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

// A Redis that comes back empty while its writer lives is given everything back, and
// the next writer finds it.
func TestEngineGivesALostJournalBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		snapshot int // after so many facts
	}{{"as facts", 1000}, {"as a state", 2}} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath("redis-server"); err != nil {
				t.Skip(err)
			}
			folder, err := os.MkdirTemp("", "cuntong") // the path of a socket is short
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(folder) })
			store, err := redisstore.Open(t.Context(), redisstore.Config{Mode: redisstore.ModeChild, DataDir: folder, Node: "n1", LeaseFor: time.Second, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			server := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(folder, "redis", "redis.sock"), DisableIdentity: true})
			t.Cleanup(func() { server.Close() })
			every := func(cfg *dispatch.EngineConfig) { cfg.SnapshotEvery = c.snapshot }
			first := start(t, store, every)
			first.onDuty(t)
			for _, trip := range []dispatch.TripID{"t1", "t2"} {
				first.submit(t, request(trip))
				until(t, "it is answered", func() bool { return first.ears.count(done(dispatch.CommandID("ask-"+trip))) == 1 })
			}
			if err := server.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			first.submit(t, dispatch.Accept{Command: dispatch.Command{By: driver1, ID: "a"}, Trip: "t1", Offer: "t1/1"})
			until(t, "the offer is taken", func() bool { return first.ears.count(done("a")) == 1 })
			if n, err := testutil.GatherAndCount(first.reg, "cuntong_dispatch_mends_total"); err != nil || n != 1 {
				t.Errorf("%d kinds of mending are counted: %v", n, err)
			}
			second := start(t, store, every)
			second.submit(t, dispatch.Hello{By: driver1})
			until(t, "the ride is known", func() bool {
				return second.ears.count(func(n dispatch.Notice) bool {
					truth, ok := n.Body.(dispatch.Truth)
					return ok && len(truth.Trips) == 1 && truth.Trips[0].State == dispatch.Assigned
				}) == 1
			})
			if err := first.end(); !errors.Is(err, dispatch.ErrFenced) {
				t.Errorf("the first writer ended with %v", err)
			}
		})
	}
}
