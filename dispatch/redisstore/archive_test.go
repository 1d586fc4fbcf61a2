package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cuntong/dispatch"
)

func ended(at dispatch.Instant, seq dispatch.Seq) dispatch.EndedTrip {
	return dispatch.EndedTrip{At: at, Seq: seq, Trip: dispatch.TripID(fmt.Sprint("t", seq)), Paper: fmt.Appendf(nil, `{"trip":"t%d"}`, seq)}
}

func testArchive(t *testing.T, h harness) {
	id := newArea()
	s := h.peer(t, "node-a")
	a := s.Area(id)
	put := func(what string, trips ...dispatch.EndedTrip) {
		t.Helper()
		persist(t, what, func() error { return a.Archive(t.Context(), trips) })
	}
	want := func(what string, ids ...string) {
		t.Helper()
		var got []string
		for _, e := range must(h.raw(t, id).XRange(t.Context(), a.keys.archive(), "-", "+").Result())(t) {
			got = append(got, e.ID+" "+fmt.Sprint(e.Values["t"]))
		}
		if fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("%s: archive is %v, want %v", what, got, ids)
		}
	}
	if err := a.Archive(t.Context(), nil); err == nil {
		t.Error("without a lease: no error")
	}
	acquire(t, a)
	put("first", ended(1000, 3), ended(2000, 7))
	put("again", ended(1000, 3), ended(2000, 7))
	put("in part", ended(2000, 7), ended(3000, 9))
	put("a clock that went back", ended(2500, 12))
	all := []string{`1000-3 {"trip":"t3"}`, `2000-7 {"trip":"t7"}`, `3000-9 {"trip":"t9"}`, `3000-12 {"trip":"t12"}`}
	want("four", all...)
	if err := a.Archive(t.Context(), []dispatch.EndedTrip{ended(1, 20), ended(2, 19)}); err == nil {
		t.Error("out of order: no error")
	}
	if err := a.Archive(t.Context(), make([]dispatch.EndedTrip, dispatch.MaxBatchFacts+1)); err == nil {
		t.Error("too many: no error")
	}
	next := h.peer(t, "node-a").Area(id)
	acquire(t, next)
	wantErr(t, "of a writer who was shut out", dispatch.ErrFenced, func() error { return a.Archive(t.Context(), []dispatch.EndedTrip{ended(4000, 15)}) })
	want("four still", all...)

	// By the clock of Redis they are older than a minute, all but the last.
	next.store.archiveKeep = time.Minute
	now := dispatch.InstantOf(must(h.raw(t, id).Time(t.Context()).Result())(t))
	a = next
	put("with retention", ended(now-90_000, 20), ended(now-1000, 21))
	want("the young one", fmt.Sprintf(`%d-21 {"trip":"t21"}`, now-1000))
	put("what was forgotten, again", ended(now-90_000, 20), ended(now-1000, 21))
	put("nothing")
	want("the young one", fmt.Sprintf(`%d-21 {"trip":"t21"}`, now-1000))
}

func testReserve(t *testing.T, h harness) {
	id := newArea()
	from, to, other := h.peer(t, "node-a").Area(id), h.peer(t, "node-b"), h.peer(t, "node-c").Area(id)
	acquire(t, from)
	appendFacts(t, from, "one", 0, 1)
	raw := h.raw(t, id)
	clock := func() int64 { return must(raw.Time(t.Context()).Result())(t).UnixMilli() }
	var before int64
	for range 2 { // a repeat is harmless
		from.epoch, before = 1, clock()
		persist(t, "release", func() error { return from.Release(t.Context(), to.NodeID()) })
	}
	after, till := clock(), must(raw.HGet(t.Context(), keys{id}.lease(), "next_until").Int64())(t)
	if moment := reserveFor.Milliseconds(); till < before+moment || till > after+moment {
		t.Errorf("it is kept until %d, want %d ms after %d..%d", till, moment, before, after)
	}
	raw.HSet(t.Context(), keys{id}.lease(), "next_until", after+time.Hour.Milliseconds()) // a moment that this machine is quick enough for
	err := wantErr(t, "somebody else", dispatch.ErrHeld, acquiring(t, other))
	if want := string(to.NodeID()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error does not say who is to have it: %v", err)
	}
	wantErr(t, "another run of the same name", dispatch.ErrHeld, acquiring(t, h.peer(t, "node-b").Area(id)))
	wantErr(t, "who gave it away", dispatch.ErrHeld, acquiring(t, h.peer(t, "node-a").Area(id)))
	b := to.Area(id)
	if epoch := acquire(t, b); epoch != 2 {
		t.Errorf("epoch is %d, want 2", epoch)
	}
	persist(t, "release", func() error { return b.Release(t.Context(), "nobody~x") })
	eventually(t, "a moment is over", func() bool { _, err := other.Acquire(t.Context()); return err == nil })
}
