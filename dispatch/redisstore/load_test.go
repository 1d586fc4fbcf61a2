package redisstore

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
)

func testSave(t *testing.T, h harness) {
	id := newArea()
	raw := h.raw(t, id)
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 10)
	state := []byte("line\nline\x00\xff")
	for range 2 { // a repeat is harmless
		save(t, a, 7, state)
	}
	wantJournal(t, h, id, state, 7, 10)
	entries := func(want int64) {
		t.Helper()
		if n := must(raw.XLen(t.Context(), a.keys.journal()).Result())(t); n != want {
			t.Errorf("the journal has %d entries, want %d", n, want)
		}
	}
	entries(10)
	appendFacts(t, a, "two", 10, 1)
	wantJournal(t, h, id, state, 7, 11)

	// What the snapshot before the last one holds is forgotten.
	save(t, a, 11, []byte{})
	entries(4)
	wantJournal(t, h, id, []byte{}, 11, 11)
	appendFacts(t, a, "three", 11, 2)
	entries(6)
	wantJournal(t, h, id, []byte{}, 11, 13)

	big := []byte(strings.Repeat("s", 8<<20))
	save(t, a, 13, big)
	wantJournal(t, h, id, big, 13, 13)
	if err := a.Save(t.Context(), 13, make([]byte, MaxSnapshot+1)); err == nil {
		t.Error("a snapshot over the limit was taken")
	}
}

func testSaveOrder(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 10)
	wantErr(t, "ahead", dispatch.ErrBehind, func() error { return a.Save(t.Context(), 11, []byte("ahead")) })
	save(t, a, 8, []byte("eight"))
	wantErr(t, "back", dispatch.ErrBehind, func() error { return a.Save(t.Context(), 5, []byte("five")) })
	wantJournal(t, h, id, []byte("eight"), 8, 10)
}

func testSaveDuringLoad(t *testing.T, h harness) {
	const n = 3 * dispatch.MaxBatchFacts // more than one page
	for _, c := range []struct {
		name string
		when string // the key whose script's reply is held while the snapshot is saved
		at   dispatch.Seq
	}{
		{"after the snapshot was read", "snapshot", 10},
		{"after the first page was read", "journal", 1200},
	} {
		id := newArea()
		a := h.writer(t, id)
		for i := range 3 {
			appendFacts(t, a, batch(i), dispatch.Seq(i*dispatch.MaxBatchFacts), dispatch.MaxBatchFacts)
		}
		p := startProxy(t, h.front(t, id))
		saved := false
		p.on(func(command []string, _ []byte) fate {
			if isScript(command, c.when) && !saved {
				saved = true
				if err := a.Save(context.Background(), c.at, []byte("meanwhile")); err != nil {
					t.Error(c.name, "save:", err)
				}
			}
			return fate{}
		})
		snapshot, at, read, err := load(t, h.at(t, p.through(), "reader").Area(id))
		if err != nil {
			t.Fatal(c.name, err)
		}
		if string(snapshot) != "meanwhile" || at != c.at || !saved {
			t.Errorf("%s: snapshot is %q at %d, saved %v", c.name, snapshot, at, saved)
		}
		if diff := cmp.Diff(facts(c.at, n-int(c.at)), read); diff != "" {
			t.Errorf("%s: facts are not those after the snapshot: %d, first %v", c.name, len(read), read[:1])
		}
	}
}

func testDamage(t *testing.T, h harness) {
	for _, c := range []struct {
		name   string
		damage func(raw *redis.Client, k keys) error
		want   string
	}{
		{"a fact in the middle is gone", func(raw *redis.Client, k keys) error { return raw.XDel(t.Context(), k.journal(), "7-0").Err() }, "missing"},
		{"the first after the snapshot is gone", func(raw *redis.Client, k keys) error { return raw.XDel(t.Context(), k.journal(), "5-0").Err() }, "missing"},
		{"the last is gone", func(raw *redis.Client, k keys) error { return raw.XDel(t.Context(), k.journal(), "9-0").Err() }, "missing"},
		{"the journal is gone", func(raw *redis.Client, k keys) error { return raw.Del(t.Context(), k.journal()).Err() }, "missing"},
		{"the head is gone", func(raw *redis.Client, k keys) error { return raw.Del(t.Context(), k.head()).Err() }, "snapshot"},
		{"the snapshot is gone", func(raw *redis.Client, k keys) error { return raw.Del(t.Context(), k.snapshot()).Err() }, "snapshot"},
		{"the snapshot is damaged", func(raw *redis.Client, k keys) error { return raw.SetRange(t.Context(), k.snapshot(), 60, "X").Err() }, "snapshot"},
		{"the snapshot is another", func(raw *redis.Client, k keys) error {
			return raw.Set(t.Context(), k.snapshot(), sealSnapshot(k.area, 3, []byte("other")), 0).Err()
		}, "snapshot"},
		{"a fact stands elsewhere", func(raw *redis.Client, k keys) error {
			line, _ := dispatch.MarshalFact(facts(41, 1)[0])
			return errors.Join(raw.HSet(t.Context(), k.head(), "seq", 10).Err(), addEntry(t, raw, k, "10-0", string(line)))
		}, "holds fact 42"},
		{"a fact of a later program", func(raw *redis.Client, k keys) error {
			return errors.Join(raw.HSet(t.Context(), k.head(), "seq", 10).Err(), addEntry(t, raw, k, "10-0", `{"v":1,"seq":10,"kind":"moon_landed"}`))
		}, "newer"},
		{"more than the head says", func(raw *redis.Client, k keys) error { return addEntry(t, raw, k, "10-0", "{}") }, "too many"},
	} {
		id := newArea()
		a := h.writer(t, id)
		appendFacts(t, a, "one", 0, 9)
		save(t, a, 4, []byte("the state of an area that is long enough"))
		if err := c.damage(h.raw(t, id), a.keys); err != nil {
			t.Fatal(c.name, err)
		}
		snapshot, _, _, err := load(t, a)
		if !errors.Is(err, dispatch.ErrDamaged) || !strings.Contains(err.Error(), c.want) || snapshot != nil {
			t.Errorf("%s: snapshot %q, error %v, want one with %q", c.name, snapshot, err, c.want)
		}
	}

	a := h.writer(t, newArea())
	appendFacts(t, a, "one", 0, 3)
	stop := errors.New("enough")
	if _, _, err := a.Load(t.Context(), func(dispatch.Fact) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
}

func addEntry(t *testing.T, raw *redis.Client, k keys, id, line string) error {
	return raw.XAdd(t.Context(), &redis.XAddArgs{Stream: k.journal(), ID: id, Values: []string{"f", line}}).Err()
}
