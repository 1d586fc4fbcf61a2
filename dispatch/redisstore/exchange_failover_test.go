package redisstore

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore/redistest"
)

// startSet starts a deployment of Redis for a test.
func startSet(t *testing.T, start func(context.Context) (*redistest.Set, error)) *redistest.Set {
	t.Helper()
	needServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	set, err := start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

func TestLettersOverAFailOverOfSentinel(t *testing.T) {
	set := startSet(t, func(ctx context.Context) (*redistest.Set, error) {
		return redistest.Sentinels(ctx, redistest.Options{})
	})
	lettersOverAFailOver(t, set.URL(), func(string) *redistest.Server { return set.Master(t.Context()) })
}

func TestLettersOverAFailOverOfCluster(t *testing.T) {
	set := startSet(t, func(ctx context.Context) (*redistest.Set, error) {
		// With one replica a master nobody is left to wait for.
		return redistest.Cluster(ctx, redistest.Options{Settings: []string{"min-replicas-to-write 0"}}, 1)
	})
	lettersOverAFailOver(t, set.URL(), func(key string) *redistest.Server { return set.MasterFor(t.Context(), key) })
}

// lettersOverAFailOver kills the master of an inbox and of a post box while somebody
// reads and somebody sends.
func lettersOverAFailOver(t *testing.T, url string, master func(key string) *redistest.Server) {
	const each = 60
	from := open(t, Config{Mode: url, Node: "node-a", AllowUnsafe: true, Copies: NoCopies, patience: hurried})
	to := open(t, Config{Mode: url, Node: "node-b", AllowUnsafe: true, Copies: NoCopies, patience: hurried})
	area, peer := newArea(), dispatch.Peer{ID: to.NodeID(), Name: "node-b"}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var all sync.WaitGroup
	half := make(chan struct{})
	all.Go(func() { // every letter is sent until Redis says that it has it
		for i := range each {
			if i == each/2 {
				<-half
			}
			for from.Exchange().Send(ctx, area, bodies(strconv.Itoa(i))) != nil && pause(ctx, 20*time.Millisecond) {
			}
		}
	})
	next, twice, errs, killed := 0, 0, 0, false
	var after dispatch.LetterID
	for next < each && ctx.Err() == nil {
		letters, err := to.Exchange().Receive(ctx, area, after, time.Second)
		if err != nil {
			errs++
			pause(ctx, 20*time.Millisecond)
		}
		for _, l := range letters {
			switch n, _ := strconv.Atoi(string(l.Body)); {
			case n == next:
				next++
			case n < next:
				twice++
			default:
				t.Fatalf("letter %d came when %d was due", n, next)
			}
			after = l.ID
		}
		if next == each/2 && !killed {
			server := master(keys{area}.inbox())
			t.Logf("%s dies", server.Addr)
			server.Kill()
			close(half)
			killed = true
		}
	}
	if !killed {
		close(half)
	}
	all.Wait()
	if next < each || errs == 0 {
		t.Errorf("%d of %d letters came, %d errors on the way", next, each, errs)
	}
	t.Logf("%d letters came twice, %d errors on the way", twice, errs)
	for {
		peers, _, err := to.Exchange().Beat(ctx, peer)
		if err == nil && len(peers) > 0 {
			break
		}
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatal("no beat after the fail-over:", err)
		}
	}
	for from.Exchange().Deliver(ctx, peer.ID, bodies("one")) != nil && pause(ctx, 20*time.Millisecond) {
	}
	if letters, err := to.Exchange().Collect(ctx, peer.ID, "", patience); err != nil || len(letters) == 0 {
		t.Errorf("the post box has %d letters: %v", len(letters), err)
	}
}
