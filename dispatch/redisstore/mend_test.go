package redisstore

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore/redistest"
	"cuntong/geo"
)

func head(t *testing.T, a *Area) (h dispatch.Head) {
	t.Helper()
	persist(t, "head", func() (err error) {
		h, err = a.Head(t.Context())
		return err
	})
	return h
}

func wantHead(t *testing.T, what string, a *Area, want dispatch.Head) dispatch.Head {
	t.Helper()
	got := head(t, a)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: head (-want +got):\n%s", what, diff)
	}
	return got
}

func testHead(t *testing.T, h harness) {
	a := h.store.Area(newArea())
	wantHead(t, "nothing", a, dispatch.Head{})
	acquire(t, a)
	wantHead(t, "taken", a, dispatch.Head{Epoch: 1, Mine: true})
	appendFacts(t, a, "one", 0, 4)
	save(t, a, 3, []byte("three"))
	wantHead(t, "written", a, dispatch.Head{Seq: 4, Epoch: 1, Mine: true, Batch: "one", Snapshot: 3})
	b := h.writer(t, a.keys.area)
	wantHead(t, "taken by another", a, dispatch.Head{Seq: 4, Epoch: 2, Snapshot: 3})
	wantHead(t, "as he sees it", b, dispatch.Head{Seq: 4, Epoch: 2, Mine: true, Snapshot: 3})
	if _, err := h.store.Area("No Area").Head(t.Context()); err == nil {
		t.Error("an area that is none: no error")
	}
}

// past is what a server knew of an area, to bring it back to that.
type past map[string]string

// remember copies the keys of an area.
func (h harness) remember(t *testing.T, id geo.AreaID) past {
	raw, k, p := h.raw(t, id), keys{id}, past{}
	for _, key := range []string{k.lease(), k.head(), k.journal(), k.snapshot()} {
		if text, err := raw.Dump(t.Context(), key).Result(); err == nil {
			p[key] = text
		}
	}
	return p
}

// lose brings the server back to the past, as a fail-over does that loses the tail.
func (h harness) lose(t *testing.T, id geo.AreaID, p past) {
	t.Helper()
	raw, k := h.raw(t, id), keys{id}
	for _, key := range []string{k.lease(), k.head(), k.journal(), k.snapshot()} {
		raw.Del(t.Context(), key)
		if text, known := p[key]; known {
			if err := raw.Restore(t.Context(), key, 0, text).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// mendable leaves out the servers that cannot dump streams.
func mendable(t *testing.T, h harness) {
	if h.store.kind == KindEmbedded {
		t.Skip("the embedded server cannot copy a stream")
	}
}

func testMend(t *testing.T, h harness) {
	mendable(t, h)
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 3)
	before := h.remember(t, id)
	appendFacts(t, a, "two", 3, 2)
	appendFacts(t, a, "three", 5, 2)
	h.lose(t, id, before)

	wantErr(t, "the renewal notices it, though the epoch is the same", dispatch.ErrBehind, acquiring(t, a))
	wantErr(t, "so does an append", dispatch.ErrBehind, func() error { return a.Append(t.Context(), "four", 7, facts(7, 1)) })
	found := wantHead(t, "found", a, dispatch.Head{Seq: 3, Epoch: 1, Mine: true, Batch: "one"})
	wrong := found
	wrong.Batch = "other"
	wantErr(t, "not as found", dispatch.ErrBehind, func() error { return a.Mend(t.Context(), wrong, "tail", facts(3, 4)) })
	wantJournal(t, h, id, nil, 0, 3)
	for range 2 {
		persist(t, "mend", func() error { return a.Mend(t.Context(), found, "tail", facts(3, 4)) })
	}
	wantJournal(t, h, id, nil, 0, 7)
	appendFacts(t, a, "four", 7, 1)
	if epoch := acquire(t, a); epoch != 1 {
		t.Errorf("epoch is %d, want 1", epoch)
	}
	wantErr(t, "mend of what goes on", dispatch.ErrBehind, func() error { return a.Mend(t.Context(), found, "tail", facts(3, 4)) })
	wantJournal(t, h, id, nil, 0, 8)
}

func testMendTake(t *testing.T, h harness) {
	mendable(t, h)
	id := newArea()
	old := h.writer(t, id)
	appendFacts(t, old, "one", 0, 3)
	before := h.remember(t, id)
	a := h.writer(t, id)
	appendFacts(t, a, "two", 3, 2)
	h.lose(t, id, before)

	// The server takes the old writer for the newest.
	wantErr(t, "renewal", dispatch.ErrBehind, acquiring(t, a))
	found := wantHead(t, "found", a, dispatch.Head{Seq: 3, Epoch: 1, Batch: "one"})
	persist(t, "mend", func() error { return a.Mend(t.Context(), found, "tail", facts(3, 2)) })
	wantErr(t, "append of the old writer", dispatch.ErrFenced, func() error { return old.Append(t.Context(), "x", 5, facts(5, 1)) })
	wantErr(t, "mend of the old writer", dispatch.ErrFenced, func() error { return old.Mend(t.Context(), found, "x", facts(3, 1)) })
	appendFacts(t, a, "three", 5, 1)
	wantJournal(t, h, id, nil, 0, 6)
	if epoch := acquire(t, h.writer(t, id)); epoch != 3 {
		t.Errorf("the next epoch is %d, want 3", epoch)
	}
}

// Two writers who were given one number, by two histories, do not both write.
func testTwoHistories(t *testing.T, h harness) {
	mendable(t, h)
	id := newArea()
	appendFacts(t, h.writer(t, id), "one", 0, 3)
	before := h.remember(t, id)
	a := h.writer(t, id)
	h.lose(t, id, before)
	b := h.writer(t, id)
	if a.epoch != 2 || b.epoch != 2 {
		t.Fatalf("epochs %d and %d", a.epoch, b.epoch)
	}
	fenced := func(what string, try func() error) { t.Helper(); wantErr(t, what, dispatch.ErrFenced, try) }
	fenced("append", func() error { return a.Append(t.Context(), "two", 3, facts(3, 1)) })
	fenced("save", func() error { return a.Save(t.Context(), 3, nil) })
	fenced("archive", func() error { return a.Archive(t.Context(), nil) })
	fenced("renewal", acquiring(t, a))
	fenced("mend", func() error { return a.Mend(t.Context(), head(t, a), "two", facts(3, 1)) })
	fenced("reseed", func() error { return a.Reseed(t.Context(), head(t, a), 3, nil) })
	fenced("release", func() error { return a.Release(t.Context(), "") })
	appendFacts(t, b, "two", 3, 2)
	wantJournal(t, h, id, nil, 0, 5)
}

func testReseed(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 10)
	save(t, a, 4, []byte("four"))
	h.raw(t, id).Del(t.Context(), a.keys.head(), a.keys.lease(), a.keys.journal(), a.keys.snapshot())

	found := wantHead(t, "found", a, dispatch.Head{})
	if err := a.Reseed(t.Context(), found, 10, make([]byte, MaxSnapshot+1)); err == nil {
		t.Error("a state over the limit was taken")
	}
	for range 2 {
		persist(t, "reseed", func() error { return a.Reseed(t.Context(), found, 10, []byte("ten")) })
	}
	wantJournal(t, h, id, []byte("ten"), 10, 10)
	appendFacts(t, a, "two", 10, 2)
	if epoch := acquire(t, a); epoch != 1 {
		t.Errorf("epoch is %d, want 1", epoch)
	}
	wantJournal(t, h, id, []byte("ten"), 10, 12)
	wantErr(t, "reseed of what goes on", dispatch.ErrBehind, func() error { return a.Reseed(t.Context(), found, 10, []byte("ten")) })
	now := head(t, a)
	wantErr(t, "a state before the end", dispatch.ErrBehind, func() error { return a.Reseed(t.Context(), now, 11, []byte("eleven")) })
	wantJournal(t, h, id, []byte("ten"), 10, 12)
	if err := h.store.Area(id).Reseed(t.Context(), now, 12, nil); !errors.Is(err, dispatch.ErrFenced) {
		t.Errorf("without a lease: %v", err)
	}
}

func testLoadAfter(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	read := func(after dispatch.Seq) (got []dispatch.Fact, err error) {
		for range 5 {
			got = nil
			err = h.store.Area(id).LoadAfter(t.Context(), after, func(f dispatch.Fact) error {
				got = append(got, f)
				return nil
			})
			if err == nil || errors.Is(err, dispatch.ErrTrimmed) || errors.Is(err, dispatch.ErrBehind) {
				break
			}
		}
		return got, err
	}
	want := func(after, last dispatch.Seq) {
		t.Helper()
		got, err := read(after)
		if diff := cmp.Diff(facts(after, int(last-after)), append([]dispatch.Fact{}, got...)); diff != "" || err != nil {
			t.Errorf("after %d: %v (-want +got):\n%s", after, err, diff)
		}
	}
	want(0, 0)
	appendFacts(t, a, "one", 0, 10)
	want(0, 10)
	save(t, a, 4, []byte("four"))
	want(0, 10) // the first snapshot forgets nothing
	save(t, a, 8, []byte("eight"))
	save(t, a, 8, []byte("eight"))
	want(4, 10)
	want(10, 10)
	if got, err := read(3); !errors.Is(err, dispatch.ErrTrimmed) || got != nil {
		t.Errorf("what is forgotten: %v, %v", got, err)
	}
	if _, err := read(11); !errors.Is(err, dispatch.ErrBehind) {
		t.Errorf("beyond the end: %v", err)
	}
	stop := errors.New("enough")
	if err := a.LoadAfter(t.Context(), 8, func(dispatch.Fact) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
	h.raw(t, id).XDel(t.Context(), a.keys.journal(), "6-0")
	if err := a.LoadAfter(t.Context(), 4, func(dispatch.Fact) error { return nil }); !errors.Is(err, dispatch.ErrDamaged) {
		t.Errorf("a missing fact: %v", err)
	}
}

// Somebody makes the wrong replica the master: the tail it never had is put back by
// the writer.
func TestTailLostInFailover(t *testing.T) {
	set := replicated(t, redistest.Options{Settings: []string{"min-replicas-max-lag 10"}}, 2)
	s := open(t, Config{Mode: "redis://" + set.Data[0].Addr, LeaseFor: MaxLease})
	h := harness{store: s}
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 3)
	third := open(t, Config{Mode: "redis://" + set.Data[2].Addr, AllowUnsafe: true})
	eventually(t, "Data[2] has them too", func() bool { // an append waits for one replica, either
		found, err := third.Area(id).Head(t.Context())
		return err == nil && found.Seq == 3
	})
	wantJournal(t, harness{store: third}, id, nil, 0, 3)

	// Data[2] is made a master too early; Data[1] still follows, so the writer goes on.
	do := func(words ...any) {
		t.Helper()
		if _, err := set.Data[2].Do(t.Context(), words...); err != nil {
			t.Fatal(err)
		}
	}
	do("replicaof", "no", "one")
	appendFacts(t, a, "two", 3, 4)
	set.Data[0].Kill()
	set.Data[1].Kill()
	do("config", "set", "min-replicas-to-write", "0")
	// The same writer, with the same memory, finds itself before the new master.
	moved := open(t, Config{Mode: "redis://" + set.Data[2].Addr, AllowUnsafe: true, Copies: NoCopies, LeaseFor: MaxLease})
	a.store = moved
	after := harness{store: moved}
	wantErr(t, "renewal", dispatch.ErrBehind, acquiring(t, a))
	found := wantHead(t, "found", a, dispatch.Head{Seq: 3, Epoch: 1, Mine: true, Batch: "one"})
	persist(t, "mend", func() error { return a.Mend(t.Context(), found, "tail", facts(3, 4)) })
	wantJournal(t, after, id, nil, 0, 7)
	appendFacts(t, a, "three", 7, 1)
}
