package redisstore

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch/redisstore/redistest"
)

// needServer returns the redis-server of this machine. Without one the test is
// skipped, except where CI is set: there nothing may pass by not being run.
func needServer(t testing.TB) string {
	t.Helper()
	path, err := findServer(context.Background())
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("this test needs redis-server 7.0 or later on PATH (Debian: apt-get install redis-server): %v", err)
	}
	if err != nil {
		t.Skipf("not run: needs redis-server 7.0 or later on PATH (Debian: apt-get install redis-server): %v", err)
	}
	return path
}

// givenServer is a redis-server as an operator would run it: somebody else's
// process, on TCP, safe settings.
type givenServer struct {
	t    testing.TB
	path string
	args []string
	addr string
	cmd  *exec.Cmd
	said bytes.Buffer
}

// startGiven starts one on a free port, with its files in a folder of the test.
func startGiven(t testing.TB, more ...string) *givenServer {
	t.Helper()
	g := &givenServer{t: t, path: needServer(t), addr: freeAddr(t)}
	host, port, err := net.SplitHostPort(g.addr)
	if err != nil {
		t.Fatal(err)
	}
	g.args = append([]string{"--bind", host, "--port", port, "--dir", t.TempDir(), "--appendonly", "yes", "--appendfsync", "always",
		"--save", "", "--maxmemory-policy", "noeviction"}, more...)
	g.start()
	t.Cleanup(g.kill)
	return g
}

// start starts it, or starts it again on the same files.
func (g *givenServer) start() {
	g.t.Helper()
	g.said.Reset()
	g.cmd = exec.Command(g.path, g.args...)
	g.cmd.Stdout, g.cmd.Stderr = &g.said, &g.said
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: g.addr, MaxRetries: -1})
	defer client.Close()
	eventually(g.t, "redis-server answers", func() bool {
		err := client.Ping(context.Background()).Err()
		return err == nil || isSaid(err) && reasonOf(err) != reasonLoading
	})
}

// kill ends it without warning, by its own process.
func (g *givenServer) kill() {
	if g.cmd.ProcessState != nil {
		return
	}
	g.cmd.Process.Kill()
	g.cmd.Wait()
}

func (g *givenServer) url() string { return "redis://" + g.addr }

// freeAddr returns a loopback address nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	return must(redistest.FreeAddr("127.0.0.1"))(t)
}
