package redisstore

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore/redistest"
)

// testOnce: of many who mark the same name at several servers, one is the first.
func testOnce(t *testing.T, h harness) {
	stores := []*Store{h.store, h.peer(t, "node-b")}
	name := "ticket-" + string(newArea())
	var first atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			ok, err := stores[i%2].Once(context.Background(), name, time.Minute)
			if err != nil {
				t.Error(err)
			}
			if ok {
				first.Add(1)
			}
		})
	}
	all.Wait()
	if first.Load() != 1 {
		t.Errorf("%d were the first", first.Load())
	}
	client := h.raw(t, "any")
	if ttl, err := client.PTTL(t.Context(), onceKey(name)).Result(); h.store.target.topology != cluster && (err != nil || ttl <= 0 || ttl > time.Minute) {
		t.Errorf("the mark stays for %v, %v", ttl, err)
	}
	for _, bad := range []string{"", "a b", "{x}", strings.Repeat("x", 65)} {
		if _, err := h.store.Once(t.Context(), bad, time.Minute); err == nil {
			t.Errorf("%q was marked", bad)
		}
	}
	if _, err := h.store.Once(t.Context(), name, 0); err == nil {
		t.Error("a mark for ever was made")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := h.store.Once(ended, name+"-2", time.Minute); ok || err == nil {
		t.Errorf("without an answer: %v %v", ok, err)
	}
}

// usersFile returns the users of deploy/users.conf but the default one, with their passwords as shipped.
func usersFile(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/users.conf")
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "user ") && !strings.HasPrefix(line, "user default ") {
			users = append(users, line)
		}
	}
	return users
}

// TestLeastRights: the user of deploy/users.conf may do all that the store does, and nothing that would harm the
// server, its settings, or anybody else's keys.
func TestLeastRights(t *testing.T) {
	o := redistest.Options{Password: "root", Users: usersFile(t)}
	set := servers(t, func(ctx context.Context) (*redistest.Set, error) { return redistest.Alone(ctx, o) })
	url := set.URLOf("cuntong", "change-me-cuntong")
	s := open(t, Config{Mode: url, LeaseFor: MaxLease})
	if !s.Durable() {
		t.Error("it cannot see that the settings are safe")
	}
	root, err := parseURL(set.URL())
	if err != nil {
		t.Fatal(err)
	}
	h := harness{store: s, root: &root}
	for name, run := range map[string]func(*testing.T, harness){
		"append and load": testAppendLoad, "again": testAgain, "fenced": testFenced, "lease": testNoLease, "newest": testNewestWins,
		"release": testRelease, "reserve": testReserve, "head": testHead, "follow": testLoadAfter, "archive": testArchive,
		"save": testSave, "save while loading": testSaveDuringLoad, "moves": testMirrorMoves, "shown": testMirrorShown, "sweeps": testMirrorSweeps, "once": testOnce,
	} {
		t.Run(name, func(t *testing.T) { run(t, h) })
	}
	t.Run("letters", func(t *testing.T) {
		area := newArea()
		if _, _, err := s.Exchange().Beat(t.Context(), dispatch.Peer{ID: s.NodeID()}); err != nil {
			t.Error(err)
		}
		send(t, s, area, "letter")
	})
	t.Run("nothing else", func(t *testing.T) { deniedAll(t, s.target) })
}

// deniedAll sends what the user may not do.
func deniedAll(t *testing.T, where target) {
	client := where.client(1)
	defer client.Close()
	for _, words := range []string{
		"config set appendonly no", "config rewrite", "config resetstat", "keys *", "flushall", "flushdb", "shutdown nosave", "debug sleep 0",
		"acl list", "acl setuser x on nopass", "acl whoami2", "save", "bgsave", "bgrewriteaof", "replicaof no one", "slaveof no one", "failover", "psync ? -1", "replconf x y",
		"script flush", "script kill", "function load x", "function flush", "fcall f 0", "module list", "module load x", "monitor", "slowlog get", "latency doctor",
		"client kill addr 1.2.3.4:5", "client pause 1000", "migrate 127.0.0.1 1 k 0 1", "restore {a}:x 0 y", "dump {a}:head", "rename {a}:x {a}:y", "copy {a}:x {a}:y",
		"swapdb 0 1", "move {a}:x 1", "sort {a}:x", "publish c m", "subscribe c", "object freq {a}:x", "randomkey", "cluster reset", "cluster failover", "cluster forget x",
		"get other", "set other 1", "del other", "hgetall session:77", "scan_other", "xadd queue * a b", "unlink celery", "set ticket-1 x",
	} {
		var args []any
		for word := range strings.FieldsSeq(words) {
			args = append(args, word)
		}
		err := client.Do(t.Context(), args...).Err()
		if unknown := err != nil && strings.HasPrefix(err.Error(), "ERR unknown") || strings.Contains(err.Error(), "command not allowed"); !unknown && !isDenied(err) {
			t.Errorf("%s: %v, want to be denied", words, err)
		}
	}
	script := `return redis.call('set', 'other', '1')`
	if err := client.Eval(t.Context(), script, nil).Err(); err == nil {
		t.Error("a script wrote another's key")
	}
	if err := client.Eval(t.Context(), `return redis.call('flushall')`, nil).Err(); err == nil {
		t.Error("a script emptied the server")
	}
	if err := client.Eval(t.Context(), `return redis.call('config', 'set', 'dir', '/tmp')`, nil).Err(); err == nil {
		t.Error("a script changed the settings")
	}
	nobody := where
	nobody.username, nobody.password = "", ""
	stranger := nobody.client(1)
	defer stranger.Close()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("without a name somebody is let in")
	}
}

// isDenied says whether the server says that the user may not.
func isDenied(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && strings.HasPrefix(said.Error(), "NOPERM")
}
