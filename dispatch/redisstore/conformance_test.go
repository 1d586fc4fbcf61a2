package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/geo"
)

// harness is one server under test.
type harness struct {
	// store was opened by Open in the mode under test; its node is "node-a".
	store *Store
	// crash kills the server without warning and brings it back; nil where nothing is kept.
	crash func()
}

// conform holds the promises of the ledger and the mirror against a server. Every
// way of getting a server must pass all of it.
func conform(t *testing.T, open func(*testing.T) harness) {
	h := open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, harness)
	}{
		{"facts come back as they were written", testAppendLoad},
		{"a repeated batch is written once", testAgain},
		{"a batch at another place is refused whole", testBehind},
		{"a batch has its limits", testBatchLimits},
		{"a largest batch is one append", testLargestBatch},
		{"without a lease nothing is written", testNoLease},
		{"a newer writer shuts the older out", testFenced},
		{"the epoch only rises", testEpoch},
		{"a lease runs by the clock of redis", testLeaseClock},
		{"the newest of a name wins", testNewestWins},
		{"a released area is free at once", testRelease},
		{"lost data are noticed", testLostData},
		{"writers who push each other out leave no gap", testManyWriters},
		{"a snapshot shortens the journal", testSave},
		{"a snapshot neither runs ahead nor back", testSaveOrder},
		{"a load finds a snapshot saved meanwhile", testSaveDuringLoad},
		{"what is missing or damaged is an error", testDamage},
		{"a lost reply changes nothing", testLostReply},
		{"an unknown outcome can be repeated", testUnknown},
		{"a wrong reply is not believed", testWrongReply},
		{"forgotten scripts are sent again", testScriptFlush},
		{"a crash loses nothing acknowledged", testCrash},
		{"a moving driver leaves no ghost", testMirrorMoves},
		{"positions come back to the next writer", testMirrorShown},
		{"the mirror is swept", testMirrorSweeps},
		{"the mirror drops what it cannot write", testMirrorDrops},
		{"the mirror outlives an outage without ghosts", testMirrorOutage},
		{"areas do not touch each other", testAreasApart},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// peer opens a second process on the same server.
func (h harness) peer(t *testing.T, node string) *Store { return h.at(t, h.store.target, node) }

// at opens a second process on a target.
func (h harness) at(t *testing.T, where target, node string) *Store {
	t.Helper()
	cfg, err := Config{Mode: ModeEmbedded, Node: node, LeaseFor: time.Hour, Log: quiet()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(cfg, newMetrics(), found{kind: h.store.kind, target: where})
	t.Cleanup(func() { s.Close() })
	return s
}

// raw is a plain client on the same server, to look and to break things.
func (h harness) raw(t *testing.T) *redis.Client {
	c := h.store.target.client(4)
	t.Cleanup(func() { c.Close() })
	return c
}

var areas atomic.Int64

// newArea names an area no other test uses.
func newArea() geo.AreaID { return geo.AreaID("area-" + strconv.FormatInt(areas.Add(1), 10)) }

// writer returns a ledger that holds the lease.
func (h harness) writer(t *testing.T, id geo.AreaID) *Area {
	t.Helper()
	a := h.store.Area(id)
	acquire(t, a)
	return a
}

func acquire(t *testing.T, a *Area) (epoch dispatch.Epoch) {
	t.Helper()
	persist(t, "acquire", func() (err error) {
		epoch, err = a.Acquire(t.Context())
		return err
	})
	return epoch
}

// persist does what the contract asks of a caller whose call ended in an unknown
// outcome, as any may on a busy machine: it repeats it.
func persist(t *testing.T, doing string, try func() error) {
	t.Helper()
	var err error
	for range 5 {
		if err = try(); err == nil {
			return
		}
		if errors.Is(err, dispatch.ErrFenced) || errors.Is(err, dispatch.ErrBehind) || errors.Is(err, dispatch.ErrHeld) {
			break
		}
	}
	t.Fatal(doing+":", err)
}

// facts makes n facts after a sequence.
func facts(after dispatch.Seq, n int) []dispatch.Fact {
	made := make([]dispatch.Fact, n)
	for i := range made {
		seq := after + dispatch.Seq(i) + 1
		made[i] = dispatch.Fact{
			Seq: seq, At: 1_700_000_000_000 + dispatch.Instant(seq),
			Body:  dispatch.DutyEnded{Driver: dispatch.DriverID(fmt.Sprintf("d%d", seq))},
			Cause: &dispatch.Cause{By: dispatch.DriverActor("d1"), ID: "c1", Sum: 1<<63 + uint64(seq)},
		}
	}
	return made
}

func batch(n int) dispatch.BatchID { return dispatch.BatchID("batch-" + strconv.Itoa(n)) }

func appendFacts(t *testing.T, a *Area, id dispatch.BatchID, after dispatch.Seq, n int) {
	t.Helper()
	persist(t, "append", func() error { return a.Append(t.Context(), id, after, facts(after, n)) })
}

func save(t *testing.T, a *Area, at dispatch.Seq, state []byte) {
	t.Helper()
	persist(t, "save", func() error { return a.Save(t.Context(), at, state) })
}

func release(t *testing.T, a *Area) {
	t.Helper()
	persist(t, "release", func() error { return a.Release(t.Context()) })
}

// wantJournal loads the area as a stranger and compares.
func wantJournal(t *testing.T, h harness, id geo.AreaID, snapshot []byte, at, last dispatch.Seq) {
	t.Helper()
	got, gotAt, gotFacts, err := load(t, h.store.Area(id))
	if err != nil {
		t.Fatal("load:", err)
	}
	if string(got) != string(snapshot) || gotAt != at || (got == nil) != (snapshot == nil) {
		t.Errorf("snapshot is %q at %d, want %q at %d", got, gotAt, snapshot, at)
	}
	if diff := cmp.Diff(facts(at, int(last-at)), gotFacts); diff != "" && last > at {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if len(gotFacts) != int(last-at) {
		t.Errorf("%d facts, want %d", len(gotFacts), last-at)
	}
}

func load(t *testing.T, a *Area) (snapshot []byte, at dispatch.Seq, read []dispatch.Fact, err error) {
	t.Helper()
	for range 5 {
		read = nil
		snapshot, at, err = a.Load(t.Context(), func(f dispatch.Fact) error {
			read = append(read, f)
			return nil
		})
		if err == nil || !lostReply(reasonOf(err)) {
			break
		}
	}
	return snapshot, at, read, err
}

func wantErr(t *testing.T, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", doing, err, want)
	}
}

func testAppendLoad(t *testing.T, h harness) {
	id := newArea()
	wantJournal(t, h, id, nil, 0, 0)
	a := h.writer(t, id)
	wantJournal(t, h, id, nil, 0, 0)
	for i, after := 1, dispatch.Seq(0); i <= 5; i++ {
		appendFacts(t, a, batch(i), after, i)
		after += dispatch.Seq(i)
		wantJournal(t, h, id, nil, 0, after)
	}
	entries := must(h.raw(t).XRange(t.Context(), a.keys.journal(), "-", "+").Result())(t)
	for i, e := range entries {
		want, err := dispatch.MarshalFact(facts(0, 15)[i])
		if err != nil || e.ID != fmt.Sprintf("%d-0", i+1) || e.Values["f"] != string(want) {
			t.Errorf("entry %d is %v, want field f with %s", i+1, e, want)
		}
	}
	head := must(h.raw(t).HGetAll(t.Context(), a.keys.head()).Result())(t)
	if diff := cmp.Diff(map[string]string{"seq": "15", "epoch": "1", "batch": "batch-5"}, head); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
}

func testAgain(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 3)
	for range 3 {
		appendFacts(t, a, "one", 0, 3)
	}
	wantJournal(t, h, id, nil, 0, 3)
	appendFacts(t, a, "two", 3, 2)
	wantErr(t, "a batch before the last", a.Append(t.Context(), "one", 0, facts(0, 3)), dispatch.ErrBehind)
	wantErr(t, "the last id with other facts", a.Append(t.Context(), "two", 3, facts(3, 1)), dispatch.ErrBehind)
	wantJournal(t, h, id, nil, 0, 5)

	// A new writer may count its batches from one again.
	b := h.writer(t, id)
	wantErr(t, "an id of the writer before", b.Append(t.Context(), "two", 3, facts(3, 2)), dispatch.ErrBehind)
	appendFacts(t, b, "two", 5, 2)
	wantJournal(t, h, id, nil, 0, 7)
}

func testBehind(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	wantErr(t, "after a fact that is not there", a.Append(t.Context(), "x", 1, facts(1, 1)), dispatch.ErrBehind)
	appendFacts(t, a, "one", 0, 3)
	for _, after := range []dispatch.Seq{0, 2, 4, 1000} {
		wantErr(t, fmt.Sprintf("after %d of 3", after), a.Append(t.Context(), "x", after, facts(after, 2)), dispatch.ErrBehind)
	}
	wantJournal(t, h, id, nil, 0, 3)
	appendFacts(t, a, "two", 3, 1)
}

func testBatchLimits(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	long := dispatch.BatchID(strings.Repeat("x", MaxBatchID+1))
	for name, err := range map[string]error{
		"no facts":        a.Append(t.Context(), "x", 0, nil),
		"too many":        a.Append(t.Context(), "x", 0, facts(0, dispatch.MaxBatchFacts+1)),
		"wrong sequences": a.Append(t.Context(), "x", 0, facts(1, 1)),
		"no id":           a.Append(t.Context(), "", 0, facts(0, 1)),
		"long id":         a.Append(t.Context(), long, 0, facts(0, 1)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := h.store.Area("no/area").Append(t.Context(), "x", 0, facts(0, 1)); err == nil {
		t.Error("an area that is none: no error")
	}
	wantJournal(t, h, id, nil, 0, 0)
	appendFacts(t, a, long[:MaxBatchID], 0, 1)
}

func testLargestBatch(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, dispatch.MaxBatchFacts)
	appendFacts(t, a, "two", dispatch.MaxBatchFacts, dispatch.MaxBatchFacts)
	appendFacts(t, a, "two", dispatch.MaxBatchFacts, dispatch.MaxBatchFacts)
	wantJournal(t, h, id, nil, 0, 2*dispatch.MaxBatchFacts) // more than one page
}

func testNoLease(t *testing.T, h harness) {
	id := newArea()
	a := h.store.Area(id)
	wantErr(t, "append", a.Append(t.Context(), "x", 0, facts(0, 1)), dispatch.ErrFenced)
	wantErr(t, "save", a.Save(t.Context(), 0, nil), dispatch.ErrFenced)
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
	wantErr(t, "append", old.Append(t.Context(), "two", 2, facts(2, 1)), dispatch.ErrFenced)
	wantErr(t, "append again", old.Append(t.Context(), "one", 0, facts(0, 2)), dispatch.ErrFenced)
	wantErr(t, "save", old.Save(t.Context(), 2, []byte("old")), dispatch.ErrFenced)
	wantErr(t, "release", old.Release(t.Context()), dispatch.ErrFenced)
	_, err := old.Acquire(t.Context())
	wantErr(t, "renew", err, dispatch.ErrFenced)
	wantJournal(t, h, id, nil, 0, 2)

	// And for good: also when the new writer has gone.
	appendFacts(t, next, "one", 2, 1)
	release(t, next)
	_, err = old.Acquire(t.Context())
	wantErr(t, "renew after the other's release", err, dispatch.ErrFenced)
	wantErr(t, "append after the other's release", old.Append(t.Context(), "two", 3, facts(3, 1)), dispatch.ErrFenced)
	wantJournal(t, h, id, nil, 0, 3)
}

// expire ends a lease by the clock it is compared with.
func expire(t *testing.T, h harness, id geo.AreaID) {
	t.Helper()
	raw := h.raw(t)
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
	raw := h.raw(t)
	raw.Del(t.Context(), b.keys.lease())
	rises(h.peer(t, "node-b").Area(id))
	wantErr(t, "append", b.Append(t.Context(), "two", 1, facts(1, 1)), dispatch.ErrFenced)

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
	id, raw := newArea(), h.raw(t)
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
	_, err := b.Acquire(t.Context())
	wantErr(t, "while it runs", err, dispatch.ErrHeld)
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
	_, err = b.Acquire(t.Context())
	wantErr(t, "after renewal", err, dispatch.ErrHeld)

	expire(t, h, id)
	if epoch := acquire(t, b); epoch != 2 {
		t.Errorf("epoch is %d, want 2", epoch)
	}
	_, err = h.store.Area(id).Acquire(t.Context())
	wantErr(t, "now the other way round", err, dispatch.ErrHeld)
}

func testNewestWins(t *testing.T, h harness) {
	id := newArea()
	old := h.writer(t, id)
	appendFacts(t, old, "one", 0, 1)
	restarted := h.peer(t, "node-a").Area(id)
	acquire(t, restarted)
	wantErr(t, "append of the older", old.Append(t.Context(), "two", 1, facts(1, 1)), dispatch.ErrFenced)
	_, err := old.Acquire(t.Context())
	wantErr(t, "renewal of the older", err, dispatch.ErrFenced)
	appendFacts(t, restarted, "one", 1, 1)
	wantJournal(t, h, id, nil, 0, 2)
}

func testRelease(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	b := h.peer(t, "node-b").Area(id)
	_, err := b.Acquire(t.Context())
	wantErr(t, "before", err, dispatch.ErrHeld)
	for range 2 {
		release(t, a)
	}
	wantErr(t, "append after release", a.Append(t.Context(), "x", 0, facts(0, 1)), dispatch.ErrFenced)
	acquire(t, b)
}

func testLostData(t *testing.T, h harness) {
	id := newArea()
	a := h.writer(t, id)
	acquire(t, h.store.Area(id))
	a = h.writer(t, id)
	appendFacts(t, a, "one", 0, 2)
	h.raw(t).Del(t.Context(), a.keys.lease(), a.keys.head(), a.keys.journal())

	wantErr(t, "append", a.Append(t.Context(), "two", 2, facts(2, 1)), dispatch.ErrBehind)
	wantErr(t, "save", a.Save(t.Context(), 2, nil), dispatch.ErrBehind)
	_, err := a.Acquire(t.Context())
	wantErr(t, "renew", err, dispatch.ErrBehind)
	if epoch := acquire(t, a); epoch != 4 {
		t.Errorf("epoch is %d, want 4: above every one this writer ever had", epoch)
	}
	wantErr(t, "append", a.Append(t.Context(), "two", 2, facts(2, 1)), dispatch.ErrBehind)
	wantJournal(t, h, id, nil, 0, 0)

	// Nor does a writer begin anew where it does not know that nothing was lost.
	b := h.writer(t, id)
	h.raw(t).Del(t.Context(), b.keys.lease(), b.keys.head())
	wantErr(t, "first append", b.Append(t.Context(), "one", 0, facts(0, 1)), dispatch.ErrBehind)
	wantErr(t, "first save", b.Save(t.Context(), 0, nil), dispatch.ErrBehind)
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

func testSave(t *testing.T, h harness) {
	id, raw := newArea(), h.raw(t)
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 10)
	state := []byte("line\nline\x00\xff")
	for range 2 { // a repeat is harmless
		save(t, a, 7, state)
	}
	wantJournal(t, h, id, state, 7, 10)
	if n := must(raw.XLen(t.Context(), a.keys.journal()).Result())(t); n != 3 {
		t.Errorf("the journal has %d entries, want 3", n)
	}
	appendFacts(t, a, "two", 10, 1)
	wantJournal(t, h, id, state, 7, 11)

	// With everything in it the journal is empty, and goes on.
	save(t, a, 11, []byte{})
	if n := must(raw.XLen(t.Context(), a.keys.journal()).Result())(t); n != 0 {
		t.Errorf("the journal has %d entries, want none", n)
	}
	wantJournal(t, h, id, []byte{}, 11, 11)
	appendFacts(t, a, "three", 11, 2)
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
	wantErr(t, "ahead", a.Save(t.Context(), 11, []byte("ahead")), dispatch.ErrBehind)
	save(t, a, 8, []byte("eight"))
	wantErr(t, "back", a.Save(t.Context(), 5, []byte("five")), dispatch.ErrBehind)
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
		p := startProxy(t, h.store.target)
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
	raw := h.raw(t)
	for _, c := range []struct {
		name   string
		damage func(k keys) error
		want   string
	}{
		{"a fact in the middle is gone", func(k keys) error { return raw.XDel(t.Context(), k.journal(), "7-0").Err() }, "missing"},
		{"the first after the snapshot is gone", func(k keys) error { return raw.XDel(t.Context(), k.journal(), "5-0").Err() }, "missing"},
		{"the last is gone", func(k keys) error { return raw.XDel(t.Context(), k.journal(), "9-0").Err() }, "missing"},
		{"the journal is gone", func(k keys) error { return raw.Del(t.Context(), k.journal()).Err() }, "missing"},
		{"the head is gone", func(k keys) error { return raw.Del(t.Context(), k.head()).Err() }, "snapshot"},
		{"the snapshot is gone", func(k keys) error { return raw.Del(t.Context(), k.snapshot()).Err() }, "snapshot"},
		{"the snapshot is damaged", func(k keys) error { return raw.SetRange(t.Context(), k.snapshot(), 60, "X").Err() }, "snapshot"},
		{"the snapshot is another", func(k keys) error {
			return raw.Set(t.Context(), k.snapshot(), sealSnapshot(k.area, 3, []byte("other")), 0).Err()
		}, "snapshot"},
		{"a fact stands elsewhere", func(k keys) error {
			line, _ := dispatch.MarshalFact(facts(41, 1)[0])
			return errors.Join(raw.HSet(t.Context(), k.head(), "seq", 10).Err(), addEntry(t, raw, k, "10-0", string(line)))
		}, "holds fact 42"},
		{"a fact of a later program", func(k keys) error {
			return errors.Join(raw.HSet(t.Context(), k.head(), "seq", 10).Err(), addEntry(t, raw, k, "10-0", `{"v":1,"seq":10,"kind":"moon_landed"}`))
		}, "newer"},
		{"more than the head says", func(k keys) error { return addEntry(t, raw, k, "10-0", "{}") }, "head says 9"},
	} {
		id := newArea()
		a := h.writer(t, id)
		appendFacts(t, a, "one", 0, 9)
		save(t, a, 4, []byte("the state of an area that is long enough"))
		if err := c.damage(a.keys); err != nil {
			t.Fatal(c.name, err)
		}
		snapshot, _, _, err := load(t, a)
		if err == nil || !strings.Contains(err.Error(), c.want) || snapshot != nil {
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

// once applies a fate to the first n replies of scripts on a key that say a word.
func once(n int, key string, f fate) func([]string, []byte) fate {
	return func(command []string, reply []byte) fate {
		if n > 0 && isScript(command, key) && reply[0] == '*' {
			n--
			return f
		}
		return fate{}
	}
}

func testLostReply(t *testing.T, h harness) {
	for name, f := range map[string]fate{"hang-up": {hangUp: true}, "silence": {swallow: true}} {
		id := newArea()
		p := startProxy(t, h.store.target)
		a := h.at(t, p.through(), "node-a").Area(id)

		p.on(once(1, "lease", f))
		if epoch := acquire(t, a); epoch != 1 {
			t.Errorf("%s: epoch is %d, want 1: the lease was taken twice", name, epoch)
		}
		p.on(once(1, "journal", f))
		appendFacts(t, a, "one", 0, 3)
		p.on(nil)
		appendFacts(t, a, "two", 3, 2)
		wantJournal(t, h, id, nil, 0, 5)
		if f.hangUp { // silence is tried above and takes a timeout each time
			p.on(once(1, "snapshot", f))
		}
		save(t, a, 4, []byte("four"))
		wantJournal(t, h, id, []byte("four"), 4, 5)
		if f.hangUp {
			p.on(once(1, "lease", f))
		}
		release(t, a)
		if epoch := acquire(t, h.peer(t, "node-b").Area(id)); epoch != 2 {
			t.Errorf("%s: epoch is %d, want 2", name, epoch)
		}
		if got := counter(t, a.store.metrics.retries, callAppend); got == 0 {
			t.Errorf("%s: the retry was not counted", name)
		}
	}
}

func testUnknown(t *testing.T, h harness) {
	id := newArea()
	p := startProxy(t, h.store.target)
	a := h.at(t, p.through(), "node-a").Area(id)
	acquire(t, a)
	appendFacts(t, a, "one", 0, 1)

	p.on(once(callAttempts, "journal", fate{hangUp: true}))
	err := a.Append(t.Context(), "two", 1, facts(1, 3))
	if err == nil || errors.Is(err, dispatch.ErrBehind) || errors.Is(err, dispatch.ErrFenced) {
		t.Fatalf("with every reply lost the error is %v, want another", err)
	}
	if got := counter(t, a.store.metrics.unknown, callAppend); got == 0 {
		t.Error("the unknown outcome was not counted")
	}
	appendFacts(t, a, "two", 1, 3)
	wantJournal(t, h, id, nil, 0, 4)

	p.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Append(ctx, "three", 4, facts(4, 1)); err == nil {
		t.Error("an append to nobody is no error")
	}
	if err := a.store.Ping(t.Context()); err == nil {
		t.Error("a ping to nobody is no error")
	}
}

func testWrongReply(t *testing.T, h harness) {
	id := newArea()
	p := startProxy(t, h.store.target)
	s := h.at(t, p.through(), "node-a")
	a := s.Area(id)
	acquire(t, a)
	other := []byte("*4\r\n$7\r\nelsewhe\r\n$3\r\ntwo\r\n$4\r\ndone\r\n$1\r\n4\r\n")
	for name, wrong := range map[string][]byte{
		"another area":  other,
		"another batch": []byte(fmt.Sprintf("*4\r\n$%d\r\n%s\r\n$3\r\nold\r\n$4\r\ndone\r\n$1\r\n4\r\n", len(id), id)),
		"no array":      []byte("+OK\r\n"),
		"a number":      []byte(":7\r\n"),
		"short":         []byte("*0\r\n"),
	} {
		dials := p.dialled()
		p.on(once(1, "journal", fate{instead: wrong}))
		appendFacts(t, a, "one", 0, 1)
		if p.dialled() == dials {
			t.Errorf("%s: the connection was used again", name)
		}
	}
	p.on(once(callAttempts, "journal", fate{instead: other}))
	if err := a.Append(t.Context(), "two", 1, facts(1, 3)); err == nil {
		t.Error("a reply to another question was believed")
	}
	p.on(nil)
	appendFacts(t, a, "two", 1, 3)
	wantJournal(t, h, id, nil, 0, 4)
}

func testScriptFlush(t *testing.T, h harness) {
	id, raw := newArea(), h.raw(t)
	a := h.writer(t, id)
	flush := func() {
		t.Helper()
		if err := raw.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	acquire(t, a)
	flush()
	appendFacts(t, a, "one", 0, 2)
	flush()
	save(t, a, 1, []byte("one"))
	flush()
	wantJournal(t, h, id, []byte("one"), 1, 2)
	flush()
	release(t, a)
}

// testCrash kills the server again and again under a writer that behaves as the
// contract says, and wants everything that was acknowledged.
func testCrash(t *testing.T, h harness) {
	if h.crash == nil {
		if h.store.Durable() {
			t.Error("the store calls itself durable and cannot come back from a crash")
		}
		t.Skip("this server keeps nothing")
	}
	if !h.store.Durable() {
		t.Error("the store does not call itself durable")
	}
	id := newArea()
	a := h.writer(t, id)
	var told atomic.Int64
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i, after := 1, dispatch.Seq(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			n := i%20 + 1
			for {
				err := a.Append(t.Context(), batch(i), after, facts(after, n))
				if err == nil {
					break
				}
				if errors.Is(err, dispatch.ErrBehind) || errors.Is(err, dispatch.ErrFenced) || t.Context().Err() != nil {
					t.Error("append:", err)
					return
				}
			}
			after += dispatch.Seq(n)
			told.Store(int64(after))
		}
	})
	for range 3 {
		was := told.Load()
		eventually(t, "facts are written", func() bool { return told.Load() > was+200 })
		h.crash()
	}
	was := told.Load()
	eventually(t, "facts are written after the last crash", func() bool { return told.Load() > was+200 })
	close(stop)
	writer.Wait()
	wantJournal(t, h, id, nil, 0, dispatch.Seq(told.Load()))
	if epoch := acquire(t, a); epoch != 1 {
		t.Errorf("epoch is %d, want 1: the lease was forgotten", epoch)
	}
}

func testAreasApart(t *testing.T, h harness) {
	one := newArea()
	two := one + "1" // a name that begins with the other's
	a, b := h.writer(t, one), h.writer(t, two)
	appendFacts(t, a, "one", 0, 2)
	appendFacts(t, b, "one", 0, 3)
	wantJournal(t, h, one, nil, 0, 2)
	wantJournal(t, h, two, nil, 0, 3)
	show(t, a, at("d1", rongjiang, now))
	show(t, b, at("d2", rongjiang, now))
	wantShown(t, h.store.Area(one), at("d1", rongjiang, now))
	wantShown(t, h.store.Area(two), at("d2", rongjiang, now))
}
