//go:build linux

package redisstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// childPID is the number of a store's child, from the kernel.
func childPID(t *testing.T, s *Store) int {
	t.Helper()
	pid, alive := listener(s.target.addr)
	if !alive || pid == 0 {
		t.Fatal("no child is listening")
	}
	return pid
}

// killChild kills it without warning and waits until another is there.
func killChild(t *testing.T, s *Store) {
	t.Helper()
	was := childPID(t, s)
	if err := syscall.Kill(was, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child is back", func() bool {
		pid, alive := listener(s.target.addr)
		return alive && pid != was && s.Ping(t.Context()) == nil
	})
}

func running(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestChildIsSafeAndPrivate(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	s := open(t, Config{Mode: ModeChild, DataDir: dir})
	if s.Kind() != KindChild || !s.Durable() || s.Addr() != filepath.Join(dir, "redis", socketName) {
		t.Errorf("kind %s, durable %v, at %s", s.Kind(), s.Durable(), s.Addr())
	}
	if got := testutil.ToFloat64(s.metrics.unsafeLedger); got != 0 {
		t.Errorf("unsafe is %v", got)
	}
	for name, want := range map[string]string{
		"port": "0", "appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction", "unixsocketperm": "700",
	} {
		got := must(s.mirror.now.Load().one.ConfigGet(t.Context(), name).Result())(t)
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	info := must(os.Stat(filepath.Join(dir, "redis")))(t)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, want 0700", info.Mode().Perm())
	}
	if group := must(syscall.Getpgid(childPID(t, s)))(t); group == syscall.Getpgrp() {
		t.Error("the child is in our process group: Ctrl-C would end it first")
	}
}

// TestChildIsNotToldOurSecrets puts a program before the server that writes down
// what it is told.
func TestChildIsNotToldOurSecrets(t *testing.T) {
	server, dir := needServer(t), t.TempDir()
	told := filepath.Join(dir, "told")
	script := fmt.Sprintf("#!/bin/sh\nenv >>%s\nexec %s \"$@\"\n", told, server)
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("CUNTONG_TEST_SECRET", "no business of the child")
	open(t, Config{DataDir: t.TempDir()})
	text := string(must(os.ReadFile(told))(t))
	if !strings.Contains(text, "PATH="+dir) || strings.Contains(text, "no business of the child") {
		t.Errorf("the child was told: %s", text)
	}
}

func TestChildKeepsFactsOverAClose(t *testing.T) {
	needServer(t)
	dir, id := t.TempDir(), newArea()
	for run := range 3 {
		s, err := Open(t.Context(), Config{Mode: ModeChild, DataDir: dir, Node: "node-a", Log: quiet(), Durability: DurabilityEverySecond})
		if err != nil {
			t.Fatal(err)
		}
		if s.Durable() {
			t.Error("a child that syncs once a second calls itself durable")
		}
		wantJournal(t, harness{store: s}, id, nil, 0, seq(run*3))
		a := s.Area(id)
		if epoch := acquire(t, a); int(epoch) != run+1 {
			t.Errorf("epoch is %d, want %d", epoch, run+1)
		}
		appendFacts(t, a, "one", seq(run*3), 3)
		pid := childPID(t, s)
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
		if running(pid) {
			t.Error("the child is still there after Close")
		}
		if err := s.Close(); err != nil {
			t.Error("a second close:", err)
		}
		if s.Ping(t.Context()) == nil {
			t.Error("a closed store answers")
		}
	}
}

func TestChildFolderIsLocked(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	first := open(t, Config{Mode: ModeChild, DataDir: dir})
	_, err := Open(t.Context(), Config{Mode: ModeAuto, DataDir: dir, Node: "node-b", Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another server is using it") {
		t.Errorf("a second server in the folder: %v", err)
	}
	if err := first.Ping(t.Context()); err != nil {
		t.Error("the first one suffered:", err)
	}
}

func TestChildThatDiesIsStartedAgain(t *testing.T) {
	needServer(t)
	book, log := newLogBook()
	s := open(t, Config{Mode: ModeChild, DataDir: t.TempDir(), Log: log})
	killChild(t, s)
	if !strings.Contains(book.String(), "THE CHILD REDIS-SERVER HAS DIED") {
		t.Errorf("it was not said: %s", book)
	}
	if got := testutil.ToFloat64(s.metrics.childStarts); got != 2 {
		t.Errorf("%v starts were counted, want 2", got)
	}
}

// TestChildOfAKilledParent kills a process that has a child and takes its folder over.
func TestChildOfAKilledParent(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentFolder+"="+dir)
	in := must(parent.StdinPipe())(t)
	out := must(parent.StdoutPipe())(t)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := must(bufio.NewReader(out).ReadString('\n'))(t)
	socket, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		t.Fatal("the parent says:", line)
	}
	pid, alive := listener(socket)
	if !alive || pid == 0 {
		t.Fatal("the parent has no child")
	}
	parent.Process.Kill()
	parent.Wait()
	in.Close()
	eventually(t, "the orphan has ended by itself", func() bool {
		_, alive := listener(socket)
		return !alive
	})
	open(t, Config{Mode: ModeChild, DataDir: dir})
}

// TestStaleChild leaves a server in the folder that no kernel ends.
func TestStaleChild(t *testing.T) {
	path := needServer(t)
	for name, hangs := range map[string]bool{"one that answers": false, "one that hangs": true} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			book, log := newLogBook()
			c := &child{path: path, dir: must(childFolder(data))(t), durability: DurabilityAlways, log: log, grace: time.Second}
			stale := exec.Command(path, c.args()...)
			if err := stale.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				stale.Wait()
				close(ended)
			}()
			t.Cleanup(func() { stale.Process.Kill(); <-ended })
			eventually(t, "the stale server listens", func() bool {
				pid, _ := listener(c.socket())
				return pid == stale.Process.Pid
			})
			if hangs { // with a shorter patience than Open has
				stale.Process.Signal(syscall.SIGSTOP)
				if err := c.endStale(); err != nil {
					t.Error(err)
				}
			} else {
				open(t, Config{Mode: ModeChild, DataDir: data, Log: log})
			}
			eventually(t, "it has ended", func() bool {
				select {
				case <-ended:
					return true
				default:
					return false
				}
			})
			if !strings.Contains(book.String(), "earlier run") {
				t.Errorf("it was not said: %s", book)
			}
		})
	}
}

func TestChildThatCannotStart(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	files := filepath.Join(dir, "redis", "appendonlydir")
	if err := os.MkdirAll(files, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files, "appendonly.aof.manifest"), []byte("rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Mode: ModeAuto, DataDir: dir, Node: "node-a", Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("with a damaged file the error is %v, want the server's own words", err)
	}

	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	_, err = Open(t.Context(), Config{Mode: ModeAuto, DataDir: long, Node: "node-a", Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("with a long path the error is %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ctx, Config{Mode: ModeChild, DataDir: t.TempDir(), Node: "node-a", Log: quiet()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("with a finished context the error is %v", err)
	}
}

func TestAutoWithoutAFitServer(t *testing.T) {
	old := t.TempDir()
	script := "#!/bin/sh\necho 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64'\n"
	if err := os.WriteFile(filepath.Join(old, "redis-server"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{t.TempDir(): "no redis-server on PATH", old: "6.0.16"} {
		t.Setenv("PATH", path)
		book, log := newLogBook()
		s := open(t, Config{DataDir: t.TempDir(), Log: log})
		if s.Kind() != KindEmbedded || s.Durable() {
			t.Errorf("kind %s, durable %v", s.Kind(), s.Durable())
		}
		if said := book.String(); !strings.Contains(said, "NOTHING IS KEPT") || !strings.Contains(said, why) || !strings.Contains(said, "level=WARN") {
			t.Errorf("it says: %s", said)
		}
		if _, err := Open(t.Context(), Config{Mode: ModeChild, DataDir: t.TempDir(), Node: "n", Log: quiet()}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("in mode child the error is %v, want one with %q", err, why)
		}
	}
}

func TestChildLog(t *testing.T) {
	book, log := newLogBook()
	l := &childLog{log: log}
	for _, piece := range []string{
		"12:C 23 Nov 2026 12:00:00.123 # oO0OoO0OoO0Oo Redis is starting\n12:M 23 Nov 20",
		"26 12:00:00.200 # WARNING Memory overcommit must be enabled!\n\n",
		"12:M 23 Nov 2026 12:00:01.000 * Ready to accept connections\n",
		"*** FATAL CONFIG FILE ERROR ***\n",
		strings.Repeat("y", 3*maxChildLine) + "\n",
	} {
		if n, err := l.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	said := book.String()
	for text, want := range map[string]bool{"overcommit": true, "FATAL": true, "is starting": false, "Ready": false} {
		if strings.Contains(said, text) != want {
			t.Errorf("%q logged at this level: %v, want %v", text, !want, want)
		}
	}
	if last := l.last(); !strings.Contains(last, "Ready") || len(last) > 2*maxChildLine {
		t.Errorf("last words: %.300s", last)
	}
}
