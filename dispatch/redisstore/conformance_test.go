package redisstore

import (
	"errors"
	"fmt"
	"strconv"
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
	// root is the server for one who may do everything, to look; nil: the store may.
	root *target
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
		{"a released area is kept for the next", testReserve},
		{"the head says where the journal ends", testHead},
		{"a lost tail is mended", testMend},
		{"a lost take-over is mended", testMendTake},
		{"two histories have one writer", testTwoHistories},
		{"a lost journal is seeded again", testReseed},
		{"a follower reads on", testLoadAfter},
		{"finished trips are kept apart", testArchive},
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
		{"what is used once is used once", testOnce},
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
	cfg.Copies = h.store.Copies()
	if cfg.Copies == 0 {
		cfg.Copies = NoCopies
	}
	s := newStore(cfg, newMetrics(), found{kind: h.store.kind, target: where})
	t.Cleanup(func() { s.Close() })
	return s
}

// raw is a plain client on the server that has an area, to look and to break things.
func (h harness) raw(t *testing.T, id geo.AreaID) *redis.Client {
	where := h.front(t, id)
	if h.root != nil {
		where = *h.root
	}
	c := where.client(4)
	t.Cleanup(func() { c.Close() })
	return c
}

// all is a plain client on every server of the deployment.
func (h harness) all(t *testing.T) redis.UniversalClient {
	if h.store.target.topology == cluster {
		c := h.store.target.clusterClient(4)
		t.Cleanup(func() { c.Close() })
		return c
	}
	return h.raw(t, "any")
}

// front is the very server that has an area now.
func (h harness) front(t *testing.T, id geo.AreaID) target {
	t.Helper()
	one := h.store.target
	switch one.topology {
	case cluster:
		var node *redis.Client
		persist(t, "ask the cluster", func() (err error) {
			node, err = h.store.ledger.at(t.Context(), keys{id}.head())
			return err
		})
		one.addr = node.Options().Addr
	case sentinel:
		persist(t, "ask the Sentinels", func() (err error) {
			one.addr, err = h.store.guide.where(t.Context())
			return err
		})
	}
	one.topology, one.seeds = single, nil
	return one
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
	persist(t, "release", func() error { return a.Release(t.Context(), "") })
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
		if err == nil || errors.Is(err, dispatch.ErrDamaged) {
			break
		}
	}
	return snapshot, at, read, err
}

// wantErr wants a refusal, which a busy machine may delay, and returns it.
func wantErr(t *testing.T, doing string, want error, try func() error) (err error) {
	t.Helper()
	for range 5 {
		if err = try(); err == nil || errors.Is(err, want) {
			break
		}
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", doing, err, want)
	}
	return err
}

func acquiring(t *testing.T, a *Area) func() error {
	return func() error {
		_, err := a.Acquire(t.Context())
		return err
	}
}
