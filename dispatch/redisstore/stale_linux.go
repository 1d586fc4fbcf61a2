package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"
)

// findServer returns the path of a redis-server that can run the scripts.
func findServer(ctx context.Context) (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", errors.New("there is no redis-server on PATH")
	}
	ask := exec.CommandContext(ctx, path, "--version")
	ask.Env = childEnvironment()
	out, err := ask.Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	version := versionWord.FindSubmatch(out)
	if version == nil {
		return "", fmt.Errorf("%s does not say its version: %.80q", path, out)
	}
	if major, ok := majorVersion(string(version[1])); !ok || major < minVersion {
		return "", fmt.Errorf("%s is version %s, %w: use %d.0 or later", path, version[1], errTooOld, minVersion)
	}
	return path, nil
}

// childEnvironment is what the server is told of ours, which holds secrets.
func childEnvironment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

var versionWord = regexp.MustCompile(`\bv=([0-9.]+)`)

// endStale ends a server that listens on our socket. The folder is ours by its
// lock, so that is a child whose parent was killed: one still writing its files,
// or one that hangs. It is asked first and killed after.
func (c *child) endStale() error {
	pid, alive := listener(c.socket())
	if !alive {
		return nil
	}
	c.log.Warn("a redis-server of an earlier run is still there; ending it", "pid", pid, "socket", c.socket())
	if err := shutdown(c.target()); err != nil && pid > 0 {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	if c.gone(c.grace) {
		return nil
	}
	if pid, alive = listener(c.socket()); alive && pid > 0 {
		c.log.Error("it does not end; killing it", "pid", pid)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("redis-server %d of an earlier run in %s cannot be ended: %w", pid, c.dir, err)
		}
	}
	if c.gone(c.grace) {
		return nil
	}
	return fmt.Errorf("a redis-server of an earlier run (pid %d) in %s does not end: end it, then start again", pid, c.dir)
}

// gone waits until nobody listens on the socket.
func (c *child) gone(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		if _, alive := listener(c.socket()); !alive {
			return true
		}
		if !pause(ctx, readyPoll) {
			return false
		}
	}
}

// listener says whether somebody listens on a unix socket, and who: the kernel
// keeps the number of the process that began to listen.
func listener(socket string) (pid int, alive bool) {
	conn, err := net.DialTimeout("unix", socket, dialTimeout)
	if err != nil {
		// A listener whose queue is full is alive and does not accept.
		return 0, !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, true
	}
	err = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid, err == nil || pid == 0
}

// shutdown asks a server to write its files and end. The only yes is that it hangs up.
func shutdown(t target) error {
	client := t.client(1)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return client.ShutdownNoSave(ctx).Err() // there is no other file than the append-only one
}
