package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore/redistest"
)

// servers starts a topology for a test and ends it with it. Without redis-server
// the test is skipped, except where CI is set.
func servers(t testing.TB, start func(context.Context) (*redistest.Set, error)) *redistest.Set {
	t.Helper()
	if err := redistest.Missing(); err != nil && os.Getenv("CI") == "" {
		t.Skip("not run: ", err)
	}
	set, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return set
}

func sentinels(t testing.TB, o redistest.Options) *redistest.Set {
	return servers(t, func(ctx context.Context) (*redistest.Set, error) { return redistest.Sentinels(ctx, o) })
}

func replicated(t testing.TB, o redistest.Options, replicas int) *redistest.Set {
	return servers(t, func(ctx context.Context) (*redistest.Set, error) { return redistest.Replicated(ctx, o, replicas) })
}

func aCluster(t testing.TB, o redistest.Options, replicas int) *redistest.Set {
	return servers(t, func(ctx context.Context) (*redistest.Set, error) { return redistest.Cluster(ctx, o, replicas) })
}

func healthy(t testing.TB, set *redistest.Set) {
	t.Helper()
	if err := set.Healthy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func restart(t testing.TB, server *redistest.Server) {
	t.Helper()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSentinel(t *testing.T) {
	set := sentinels(t, redistest.Options{})
	start := func(t *testing.T) harness {
		s := open(t, Config{Mode: set.URL(), LeaseFor: MaxLease})
		if s.Copies() != 1 || !s.Durable() {
			t.Fatalf("copies %d, durable %v", s.Copies(), s.Durable())
		}
		return harness{store: s, crash: func() { restart(t, set.Master(t.Context())); healthy(t, set) }}
	}
	t.Run("ledger", func(t *testing.T) { conform(t, start) })
	t.Run("exchange", func(t *testing.T) { conformExchange(t, start(t)) })
}

func TestCluster(t *testing.T) {
	set := aCluster(t, redistest.Options{}, 1)
	start := func(t *testing.T) harness {
		s := open(t, Config{Mode: set.URL(), LeaseFor: MaxLease})
		if s.Copies() != 1 || !s.Durable() {
			t.Fatalf("copies %d, durable %v", s.Copies(), s.Durable())
		}
		return harness{store: s, crash: func() {
			for _, server := range set.Data[:3] { // the masters, before any fail-over
				restart(t, server)
			}
			healthy(t, set)
		}}
	}
	t.Run("ledger", func(t *testing.T) { conform(t, start) })
	t.Run("exchange", func(t *testing.T) { conformExchange(t, start(t)) })
}

// openConns counts the connections of a pool.
func openConns(p *pool) int {
	if c := p.now.Load(); c.cluster != nil {
		return int(c.cluster.PoolStats().TotalConns)
	}
	return int(p.now.Load().one.PoolStats().TotalConns)
}

// author appends to an area without end and keeps count of what was acknowledged.
type author struct {
	area *Area
	told atomic.Int64 // the last fact that was acknowledged
	gap  atomic.Int64 // the longest time between two acknowledgements, in nanoseconds
	stop chan struct{}
	done sync.WaitGroup
}

// write starts an author that behaves as the contract says.
func write(t *testing.T, a *Area) *author {
	w := &author{area: a, stop: make(chan struct{})}
	w.done.Go(func() {
		last := time.Now()
		for i, after := 1, dispatch.Seq(0); ; i++ {
			select {
			case <-w.stop:
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
			w.told.Store(int64(after))
			w.gap.Store(max(w.gap.Load(), int64(time.Since(last))))
			last = time.Now()
		}
	})
	return w
}

// more waits until an author has had many more facts acknowledged.
func (w *author) more(t *testing.T, what string) {
	t.Helper()
	was := w.told.Load()
	eventually(t, what, func() bool { return w.told.Load() > was+200 })
}

func (w *author) end() dispatch.Seq {
	close(w.stop)
	w.done.Wait()
	return dispatch.Seq(w.told.Load())
}

// The master is killed under a writer: another takes its place, and nothing that was
// acknowledged is missing.
func TestSentinelFailover(t *testing.T) {
	set := sentinels(t, redistest.Options{})
	book, log := newLogBook()
	s := open(t, Config{Mode: set.URL(), LeaseFor: MaxLease, Log: log, patience: hurried})
	h := harness{store: s}
	a := h.writer(t, newArea())
	w := write(t, a)
	w.more(t, "facts are written")
	old := set.Master(t.Context())
	old.Kill()
	w.more(t, "facts are written by another master")
	restart(t, old)
	healthy(t, set)
	w.more(t, "facts are written when the old one is back")
	told := w.end()
	wantJournal(t, h, a.keys.area, nil, 0, told)
	t.Logf("%d facts acknowledged; longest gap %v", told, time.Duration(w.gap.Load()).Round(time.Millisecond))
	if !strings.Contains(book.String(), "another master") || testutil.ToFloat64(s.metrics.masters) < 1 {
		t.Errorf("the log does not tell of it: %s", book)
	}
}

// A master that stands still keeps its connections; the writer must go to the new one.
func TestSentinelMasterStandsStill(t *testing.T) {
	set := sentinels(t, redistest.Options{})
	h := harness{store: open(t, Config{Mode: set.URL(), LeaseFor: MaxLease, patience: hurried})}
	a := h.writer(t, newArea())
	w := write(t, a)
	w.more(t, "facts are written")
	old := set.Master(t.Context())
	old.Pause()
	w.more(t, "facts are written by another master")
	old.Resume()
	w.more(t, "facts are written when the old one is back")
	wantJournal(t, h, a.keys.area, nil, 0, w.end())
}

// handOverWait is longer than Redis tries a hand-over that was asked for.
const handOverWait = 7 * time.Second

func TestClusterFailover(t *testing.T) {
	set := aCluster(t, redistest.Options{}, 2)
	h := harness{store: open(t, Config{Mode: set.URL(), LeaseFor: MaxLease, patience: hurried})}
	a := h.writer(t, newArea())
	w := write(t, a)
	w.more(t, "facts are written")
	old := set.MasterFor(t.Context(), a.keys.head())
	old.Kill()
	w.more(t, "facts are written by another master")
	restart(t, old)
	healthy(t, set)

	// And one that was asked for: the old master redirects.
	was := set.MasterFor(t.Context(), a.keys.head())
	var asked time.Time
	eventually(t, "the slots have another master", func() bool {
		if time.Since(asked) > handOverWait { // a busy machine may not manage it in the five seconds that Redis allows
			asked = time.Now()
			if _, err := old.Do(t.Context(), "cluster", "failover"); err != nil {
				t.Log("asked for the hand-over:", err)
			}
		}
		now := set.MasterFor(t.Context(), a.keys.head())
		return now != nil && now != was
	})
	w.more(t, "facts are written after the hand-over")
	told := w.end()
	wantJournal(t, h, a.keys.area, nil, 0, told)
	t.Logf("%d facts acknowledged; longest gap %v", told, time.Duration(w.gap.Load()).Round(time.Millisecond))
}

// Slots move to another master under a writer.
func TestClusterSlotMoves(t *testing.T) {
	set := aCluster(t, redistest.Options{}, 1)
	h := harness{store: open(t, Config{Mode: set.URL(), LeaseFor: MaxLease, patience: hurried})}
	a := h.writer(t, newArea())
	save(t, a, 0, []byte("every key of the area is there"))
	w := write(t, a)
	w.more(t, "facts are written")
	from := set.MasterFor(t.Context(), a.keys.head())
	to := set.Data[(slices.Index(set.Data, from)+1)%3]
	moveSlot(t, set, a.keys.head(), from, to)
	w.more(t, "facts are written where the slot is now")
	if set.MasterFor(t.Context(), a.keys.head()) != to {
		t.Error("the slot has not moved")
	}
	told := w.end()
	wantJournal(t, h, a.keys.area, []byte("every key of the area is there"), 0, told)
}

// moveSlot moves the slot of a key, and the keys in it, as redis-cli does.
func moveSlot(t *testing.T, set *redistest.Set, key string, from, to *redistest.Server) {
	t.Helper()
	do := func(s *redistest.Server, words ...any) any {
		t.Helper()
		reply, err := s.Do(t.Context(), words...)
		if err != nil {
			t.Fatal(words, err)
		}
		return reply
	}
	slot := do(from, "cluster", "keyslot", key)
	fromID, toID := do(from, "cluster", "myid"), do(to, "cluster", "myid")
	do(to, "cluster", "setslot", slot, "importing", fromID)
	do(from, "cluster", "setslot", slot, "migrating", toID)
	host, port, _ := strings.Cut(to.Addr, ":")
	for {
		keys, _ := do(from, "cluster", "getkeysinslot", slot, 1).([]any)
		if len(keys) == 0 {
			break
		}
		do(from, "migrate", host, port, keys[0], 0, 5000)
	}
	for _, server := range []*redistest.Server{to, from, set.Data[0], set.Data[1], set.Data[2]} {
		do(server, "cluster", "setslot", slot, "node", toID)
	}
}

// pendingError wants the answer of a call that too few replicas have heard of.
func pendingError(t *testing.T, s *Store, call string, try func() error) {
	t.Helper()
	wantErr(t, call, errPending, try)
	if counter(t, s.metrics.pending, call) == 0 {
		t.Errorf("%s: it was not counted", call)
	}
}

func TestPending(t *testing.T) {
	// A replica that stands still must not be given up for it while the calls wait.
	set := replicated(t, redistest.Options{Settings: []string{"repl-timeout 600"}}, 1)
	s := open(t, Config{Mode: set.URL(), LeaseFor: MaxLease, patience: hurried})
	eventually(t, "the settings are known", s.Durable)
	if s.Copies() != 1 {
		t.Fatalf("copies are %d, want 1", s.Copies())
	}
	lag := func(seconds int) {
		t.Helper()
		if _, err := set.Data[0].Do(t.Context(), "config", "set", "min-replicas-max-lag", seconds); err != nil {
			t.Fatal(err)
		}
	}
	lag(600) // or the master would refuse before WAIT has anything to wait for
	h := harness{store: s}
	id := newArea()
	a := h.writer(t, id)
	appendFacts(t, a, "one", 0, 2)

	replica := set.Data[1]
	replica.Pause()
	appendTwo := func() error { return a.Append(t.Context(), "two", 2, facts(2, 3)) }
	pendingError(t, s, callAppend, appendTwo)
	// A repetition is no more acknowledged than the first, although it finds the facts.
	pendingError(t, s, callAppend, appendTwo)
	pendingError(t, s, callSave, func() error { return a.Save(t.Context(), 2, []byte("two")) })
	pendingError(t, s, callArchive, func() error {
		return a.Archive(t.Context(), []dispatch.EndedTrip{{At: 1, Seq: 1, Trip: "t", Paper: []byte("{}")}})
	})
	b := s.Area(newArea())
	pendingError(t, s, callLease, acquiring(t, b))
	acquire(t, a) // a renewal need not wait for replicas
	wantErr(t, "a refusal need not either", dispatch.ErrBehind, func() error { return a.Append(t.Context(), "x", 9, facts(9, 1)) })

	replica.Resume()
	appendFacts(t, a, "two", 2, 3)
	if epoch := acquire(t, b); epoch != 1 {
		t.Errorf("epoch is %d, want 1: the pending call was the first", epoch)
	}
	save(t, a, 2, []byte("two"))
	wantJournal(t, h, id, []byte("two"), 2, 5)

	// A replica that is gone lowers nothing.
	lag(2)
	replica.Kill()
	eventually(t, "the master has noticed", func() bool {
		text, err := set.Data[0].Do(t.Context(), "info", "replication")
		return err == nil && strings.Contains(fmt.Sprint(text), "connected_slaves:0")
	})
	persist(t, "look", func() error { return s.lookOnce(t.Context()) })
	if s.Copies() != 1 {
		t.Errorf("copies are %d", s.Copies())
	}
	if err := a.Append(t.Context(), "three", 5, facts(5, 1)); err == nil {
		t.Error("an append without any replica was acknowledged")
	}
}

func TestTLSAndUsers(t *testing.T) {
	rules := "user dispatchd on >sec%ret ~{*}:* ~cuntong:* resetchannels -@all +@read +@write +@scripting +@connection +info +config|get +wait +time +cluster|shards +cluster|slots +cluster|myid +cluster|info +asking"
	o := redistest.Options{TLS: true, Password: "root", Users: []string{rules}, SentinelPassword: "watch"}
	for name, set := range map[string]*redistest.Set{
		"sentinel": sentinels(t, o),
		"cluster":  aCluster(t, o, 1),
		"alone":    servers(t, func(ctx context.Context) (*redistest.Set, error) { return redistest.Alone(ctx, o) }),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{Mode: set.URLOf("dispatchd", "sec%ret")})
			if !s.Durable() {
				t.Error("it is not durable")
			}
			a := harness{store: s}.writer(t, newArea())
			appendFacts(t, a, "one", 0, 2)
			save(t, a, 1, []byte("one"))
			show(t, a, at("d1", rongjiang, now))
			wantShown(t, s.Area(a.keys.area), at("d1", rongjiang, now))
			send(t, s, a.keys.area, "letter")

			_, err := Open(t.Context(), Config{Mode: set.URLOf("dispatchd", "wrong"), Node: "n", Log: quiet(), patience: unhurried})
			if err == nil || strings.Contains(err.Error(), "sec%ret") || strings.Contains(err.Error(), "wrong") {
				t.Errorf("with the wrong password: %v", err)
			}
			// Whoever cannot show a certificate of ours, and a server of another authority, are refused.
			without := s.target
			without.tls = &tls.Config{MinVersion: without.tls.MinVersion}
			stranger := newPool(without, nil, 1)
			if without.topology == sentinel {
				stranger = newPool(without, newGuide(without, func(string, string) {}), 1)
				defer stranger.guide.close()
			}
			defer stranger.close()
			if err := stranger.ping(t.Context()); err == nil {
				t.Error("a server that nobody vouches for was believed")
			}
		})
	}
}

func TestUnsafeTopologies(t *testing.T) {
	refused := func(what, url string, cfg Config, want ...string) {
		t.Helper()
		cfg.Mode, cfg.Node, cfg.Log, cfg.patience = url, "node-a", quiet(), unhurried
		s, err := Open(t.Context(), cfg)
		if err == nil {
			s.Close()
		}
		for _, word := range want {
			if !errors.Is(err, errUnsafe) && !errors.Is(err, errWrongKind) || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error is %v, want one with %q", what, err, word)
			}
		}
		cfg.AllowUnsafe = true
		if s, err = Open(t.Context(), cfg); err != nil && !errors.Is(err, errWrongKind) {
			t.Errorf("%s, and allowed: %v", what, err)
		} else if err == nil {
			s.Close()
		}
	}
	pair := replicated(t, redistest.Options{Settings: []string{"min-replicas-to-write 0", "min-replicas-max-lag 60"}}, 1)
	refused("no guards", pair.URL(), Config{}, "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-max-lag 2")
	refused("too few replicas", pair.URL(), Config{Copies: 3}, "3 replicas and a master has 1")
	if _, err := pair.Data[1].Do(t.Context(), "config", "set", "appendfsync", "everysec"); err != nil {
		t.Fatal(err)
	}
	refused("a replica that syncs too late", pair.URL(), Config{}, pair.Data[1].Addr+": appendfsync is everysec")

	set := sentinels(t, redistest.Options{})
	refused("a Sentinel as a server", "redis://"+set.Sentinels[0].Addr, Config{}, "kind sentinel")
	set.Data[2].Kill() // one that is away is no reason
	open(t, Config{Mode: set.URL()})
}

func TestSentinelsElsewhere(t *testing.T) {
	data := []string{"10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"}
	on := func(hosts ...string) map[string]bool {
		m := map[string]bool{}
		for i, h := range hosts {
			m[fmt.Sprintf("%s:%d", h, 26379+i)] = true
		}
		return m
	}
	for name, c := range map[string]struct {
		data      []string
		sentinels map[string]bool
		want      string
	}{
		"one beside each":  {data, on("10.0.0.1", "10.0.0.2", "10.0.0.3"), ""},
		"all on one":       {data, on("10.0.0.9", "10.0.0.9", "10.0.0.9"), "not beside a data node"},
		"two beside one":   {data, on("10.0.0.1", "10.0.0.1", "10.0.0.3"), "not beside a data node"},
		"too few":          {data, on("10.0.0.1", "10.0.0.2"), "2 Sentinels watch 3 data nodes"},
		"too many":         {data, on("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"), "4 Sentinels"},
		"one host for all": {[]string{"a:1", "a:2"}, on("a", "a"), ""},
	} {
		v := &view{}
		v.beside(c.data, c.sentinels, len(c.sentinels))
		if got := strings.Join(v.troubles, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
