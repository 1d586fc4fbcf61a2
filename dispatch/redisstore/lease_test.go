package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

func testNoLease(t *testing.T, h harness) {
	id := newArea()
	a := h.store.Area(id)
	wantErr(t, "append", dispatch.ErrFenced, func() error { return a.Append(t.Context(), "x", 0, facts(0, 1)) })
	wantErr(t, "save", dispatch.ErrFenced, func() error { return a.Save(t.Context(), 0, nil) })
	release(t, a)
	wantJournal(t, h, id, nil, 0, 0)
}

func testFenced(t *testing.T, h harness) {
	id := newArea()
	old := h.writer(t, id)
	appendFacts(t, old, "one", 0, 2)
	expire(t, h, id)
	next := h.peer(t, "node-b").Area(id)
	acquire(t, next)

	// Even before the new writer has written anything, and for a batch it already has.
	wantErr(t, "append", dispatch.ErrFenced, func() error { return old.Append(t.Context(), "two", 2, facts(2, 1)) })
	wantErr(t, "append again", dispatch.ErrFenced, func() error { return old.Append(t.Context(), "one", 0, facts(0, 2)) })
	wantErr(t, "save", dispatch.ErrFenced, func() error { return old.Save(t.Context(), 2, []byte("old")) })
	wantErr(t, "release", dispatch.ErrFenced, func() error { return old.Release(t.Context(), "") })
	wantErr(t, "renew", dispatch.ErrFenced, acquiring(t, old))
	wantJournal(t, h, id, nil, 0, 2)

	// And for good: also when the new writer has gone.
	appendFacts(t, next, "one", 2, 1)
	release(t, next)
	wantErr(t, "renew after the other's release", dispatch.ErrFenced, acquiring(t, old))
	wantErr(t, "append after the other's release", dispatch.ErrFenced, func() error { return old.Append(t.Context(), "two", 3, facts(3, 1)) })
	wantJournal(t, h, id, nil, 0, 3)
}

// expire ends a lease by the clock it is compared with.
func expire(t *testing.T, h harness, id geo.AreaID) {
	t.Helper()
	raw := h.raw(t, id)
	past := must(raw.Time(t.Context()).Result())(t).UnixMilli() - 1
	if err := raw.HSet(t.Context(), keys{id}.lease(), "until", past).Err(); err != nil {
		t.Fatal(err)
	}
}

func testEpoch(t *testing.T, h harness) {
	id := newArea()
	a := h.store.Area(id)
	want := dispatch.Epoch(0)
	rises := func(a *Area) {
		t.Helper()
		if want++; acquire(t, a) != want {
			t.Errorf("epoch is %d, want %d", a.epoch, want)
		}
		for range 2 {
			if acquire(t, a) != want {
				t.Errorf("a renewal changed the epoch to %d, want %d", a.epoch, want)
			}
		}
	}
	rises(a)
	release(t, a)
	rises(a)
	b := h.store.Area(id)
	rises(b)
	appendFacts(t, b, "one", 0, 1)

	// Somebody deletes the lease to free the area: the count goes on.
	raw := h.raw(t, id)
	raw.Del(t.Context(), b.keys.lease())
	rises(h.peer(t, "node-b").Area(id))
	wantErr(t, "append", dispatch.ErrFenced, func() error { return b.Append(t.Context(), "two", 1, facts(1, 1)) })

	// Or deletes it and nobody comes: the writer keeps what it has.
	c := h.store.Area(id)
	raw.Del(t.Context(), c.keys.lease())
	rises(c)
	raw.Del(t.Context(), c.keys.lease())
	if acquire(t, c) != want {
		t.Errorf("epoch is %d, want %d", c.epoch, want)
	}
	if ttl := must(raw.TTL(t.Context(), c.keys.lease()).Result())(t); ttl != -1 {
		t.Errorf("the lease has a time to live: %v", ttl)
	}
}

func testLeaseClock(t *testing.T, h harness) {
	id := newArea()
	raw := h.raw(t, id)
	clock := func() int64 { return must(raw.Time(t.Context()).Result())(t).UnixMilli() }
	until := func() int64 {
		return must(raw.HGet(t.Context(), keys{id}.lease(), "until").Int64())(t)
	}
	a := h.peer(t, "node-a").Area(id) // leases an hour
	b := h.peer(t, "node-b").Area(id)

	before := clock()
	acquire(t, a)
	after := clock()
	hour := time.Hour.Milliseconds()
	if u := until(); u < before+hour || u > after+hour {
		t.Errorf("the lease runs until %d, want an hour after %d..%d", u, before, after)
	}
	err := wantErr(t, "while it runs", dispatch.ErrHeld, acquiring(t, b))
	if err != nil && (!strings.Contains(err.Error(), "node-a") || !strings.Contains(err.Error(), time.UnixMilli(until()).UTC().Format("15:04:05"))) {
		t.Errorf("the error does not say who holds it until when: %v", err)
	}
	appendFacts(t, a, "one", 0, 1)

	// A lapsed lease nobody took is the writer's still, and renewing makes it run again.
	expire(t, h, id)
	appendFacts(t, a, "two", 1, 1)
	acquire(t, a)
	if u := until(); u < after+hour {
		t.Errorf("the renewed lease runs until %d, want an hour after %d", u, after)
	}
	wantErr(t, "after renewal", dispatch.ErrHeld, acquiring(t, b))

	expire(t, h, id)
	if epoch := acquire(t, b); epoch != 2 {
		t.Errorf("epoch is %d, want 2", epoch)
	}
	wantErr(t, "now the other way round", dispatch.ErrHeld, acquiring(t, h.store.Area(id)))
}

func testNewestWins(t *testing.T, h harness) {
	id := newArea()
	old := h.writer(t, id)
	appendFacts(t, old, "one", 0, 1)
	restarted := h.peer(t, "node-a").Area(id)
	acquire(t, restarted)
	wantErr(t, "append of the older", dispatch.ErrFenced, func() error { return old.Append(t.Context(), "two", 1, facts(1, 1)) })
	wantErr(t, "renewal of the older", dispatch.ErrFenced, acquiring(t, old))
	appendFacts(t, restarted, "one", 1, 1)
	wantJournal(t, h, id, nil, 0, 2)
}

func testRelease(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	b := h.peer(t, "node-b").Area(id)
	wantErr(t, "before", dispatch.ErrHeld, acquiring(t, b))
	for range 2 {
		release(t, a)
	}
	wantErr(t, "append after release", dispatch.ErrFenced, func() error { return a.Append(t.Context(), "x", 0, facts(0, 1)) })
	acquire(t, b)
}

func testLostData(t *testing.T, h harness) {
	id := newArea()
	h.writer(t, id)
	h.writer(t, id)
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 2)
	h.raw(t, id).Del(t.Context(), a.keys.lease(), a.keys.head(), a.keys.journal())

	wantErr(t, "append", dispatch.ErrBehind, func() error { return a.Append(t.Context(), "two", 2, facts(2, 1)) })
	wantErr(t, "save", dispatch.ErrBehind, func() error { return a.Save(t.Context(), 2, nil) })
	for range 2 { // it keeps its epoch, for Mend
		wantErr(t, "renew", dispatch.ErrBehind, acquiring(t, a))
	}
	wantJournal(t, h, id, nil, 0, 0)

	// Nor does a writer begin anew where it does not know that nothing was lost.
	b := h.writer(t, id)
	h.raw(t, id).Del(t.Context(), b.keys.lease(), b.keys.head())
	wantErr(t, "first append", dispatch.ErrBehind, func() error { return b.Append(t.Context(), "one", 0, facts(0, 1)) })
	wantErr(t, "first save", dispatch.ErrBehind, func() error { return b.Save(t.Context(), 0, nil) })
}

func testManyWriters(t *testing.T, h harness) {
	id := newArea()
	var mu sync.Mutex // guards told
	told := map[dispatch.Seq]int{}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := range 10 {
				a := h.store.Area(id) // the same name, so it takes over at once
				if _, err := a.Acquire(t.Context()); err != nil {
					t.Error("acquire:", err)
					return
				}
				_, at, read, err := load(t, a)
				if err != nil {
					t.Error("load:", err)
					return
				}
				after := at + dispatch.Seq(len(read))
				for i := range 5 {
					id := dispatch.BatchID(fmt.Sprintf("%d-%d-%d", w, n, i))
					err := a.Append(t.Context(), id, after, facts(after, 2))
					if errors.Is(err, dispatch.ErrFenced) {
						break
					}
					if err != nil {
						t.Error("append:", err)
						return
					}
					mu.Lock()
					told[after+1]++
					told[after+2]++
					mu.Unlock()
					after += 2
				}
			}
		})
	}
	all.Wait()
	_, _, read, err := load(t, h.store.Area(id))
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != len(read) || len(told) == 0 {
		t.Errorf("%d facts acknowledged, %d in the journal", len(told), len(read))
	}
	for seq, n := range told {
		if n != 1 {
			t.Errorf("fact %d was acknowledged to %d writers", seq, n)
		}
	}
}
