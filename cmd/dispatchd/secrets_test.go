package main

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cuntong/dispatch/redisstore/redistest"
)

// putSecret puts a text into a file in one step, as whoever changes a secret should.
func putSecret(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestReadSecret: what is wrong with a file is said with the flag, the file and what to do,
// and never with what is in it.
func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	for _, c := range []struct{ name, text, want, wrong string }{
		{"plain", "s3cret", "s3cret", ""},
		{"with the end of its line", "s3cret\n", "s3cret", ""},
		{"written on Windows", "s3cret\r\n", "s3cret", ""},
		{"with empty lines behind it", "s3cret\n\n", "s3cret", ""},
		{"with spaces", " s3 cret ", " s3 cret ", ""},
		{"not ASCII", "秘密", "秘密", ""},
		{"empty", "", "", "is empty"},
		{"only the end of a line", "\r\n", "", "is empty"},
		{"two lines", "s3cret\nother\n", "", "more than one line"},
		{"a byte order mark", "\ufeffs3cret", "", "byte order mark"},
		{"a zero byte", "s3cret\x00", "", "control characters"},
		{"long", strings.Repeat("s3cret", maxSecretBytes), "", "larger than"},
	} {
		putSecret(t, file, c.text)
		got, err := readSecret("--a-flag", file)
		switch {
		case c.wrong == "" && (err != nil || got != c.want):
			t.Errorf("%s: %q, %v", c.name, got, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(err.Error(), "--a-flag") ||
			!strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.wrong)
		}
	}
	for path, want := range map[string]string{filepath.Join(dir, "none"): "make it", dir: "no ordinary file"} {
		if _, err := readSecret("--a-flag", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret("--a-flag", pipe); err == nil || !strings.Contains(err.Error(), "no ordinary file") {
		t.Errorf("a pipe: %v", err)
	}
	if os.Getuid() != 0 { // root may read everything
		putSecret(t, file, "s3cret")
		if err := os.Chmod(file, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret("--a-flag", file); err == nil || !strings.Contains(err.Error(), "may not read") {
			t.Errorf("not ours: %v", err)
		}
	}
}

// TestSecretsAtTheStart: a server whose secrets are no good does not start, and says what to do.
func TestSecretsAtTheStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	hook := []string{"--redis", "embedded", "--hook-url", "http://127.0.0.1:1/", "--hook-secret-file", file}
	for _, c := range []struct {
		name, text, want string
		args             []string
	}{
		{"no password", "", "--redis-password-file: " + file + " is empty", []string{"--redis", "redis://127.0.0.1:1", "--redis-password-file", file}},
		{"two passwords", "s3cret", "give one of them", []string{"--redis", "redis://:other@127.0.0.1:1", "--redis-password-file", file}},
		{"a password for our own", "s3cret", "goes with the address of a server", []string{"--redis", "embedded", "--redis-password-file", file}},
		{"a hook's secret of another kind", "s3cret", "openssl rand", hook},
		{"a short one", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "24 to 64 bytes", hook},
		{"none", "\n", "--hook-secret-file: " + file + " is empty", hook},
		{"a short secret for tokens", "s3cret", file, []string{"--redis", "embedded", "--secret-file", file}},
	} {
		putSecret(t, file, c.text)
		out, err := program(t, append([]string{"serve", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--private-listen", "127.0.0.1:0"}, c.args...)...)
		if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "s3cret") || strings.Contains(out, "other@") {
			t.Errorf("%s: %v\n%s\nwant %q", c.name, err, out, c.want)
		}
	}
}

// TestRedisPasswordFile: the password of a Redis with users of its own comes from a file, and
// may change while the server runs; a wrong one is said, and mended without a restart.
func TestRedisPasswordFile(t *testing.T) {
	needRedis(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	user := "user cuntong on >first ~{*}:* ~cuntong:* ~post:* -@all +@all -@dangerous +config|get +info +role +scan"
	set, err := redistest.Alone(ctx, redistest.Options{Password: "root", Users: []string{user}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	redis := set.Data[0]
	admin := func(words ...any) {
		t.Helper()
		if _, err := redis.Do(ctx, words...); err != nil {
			t.Fatal(words, err)
		}
	}
	cutOff := func() { admin("client", "kill", "user", "cuntong") }
	file := filepath.Join(t.TempDir(), "password")
	args := []string{"--redis", "redis://cuntong@" + redis.Addr, "--redis-password-file", file, "--log-level", "debug"}

	putSecret(t, file, "wrong\n")
	out, err := program(t, append([]string{"serve", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--private-listen", "127.0.0.1:0"}, args...)...)
	if err == nil || !strings.Contains(out, "WRONGPASS") || !strings.Contains(out, "user and password") {
		t.Errorf("with the wrong password: %v\n%s", err, out)
	}

	putSecret(t, file, "first\r\n")
	p := startServer(t, t.TempDir(), args...)
	until(t, "the server is ready", p.ready)
	driver, rider := p.driver("d1", 26, 109), p.dial("passenger", "p1")
	rider.ask("t1", 26, 109.01)
	driver.accept("t1")

	// Both are good, then the file says the new one, then the old one is good no more.
	admin("acl", "setuser", "cuntong", ">second")
	putSecret(t, file, "second")
	admin("acl", "setuser", "cuntong", "<first")
	cutOff()
	until(t, "the server is ready with the new password", p.ready)
	until(t, "a command is taken", func() bool { return driver.tries("arrive", "t1") })

	// A slip: the new password is good at once, and the file comes late.
	admin("acl", "setuser", "cuntong", "resetpass", ">third")
	cutOff()
	until(t, "the server says that it cannot record", func() bool { return !p.ready() })
	putSecret(t, file, "")
	until(t, "it says what is wrong with the file", func() bool { return p.logged("is empty: write the secret into it") })
	putSecret(t, file, "third\n")
	until(t, "the server is ready again", p.ready)
	until(t, "a command is taken again", func() bool { return driver.tries("start", "t1") })
	if p.logged("answers another question") {
		t.Error("a refused password is taken for a connection out of step")
	}
	for _, secret := range []string{"second", "third"} {
		if p.logged(secret) {
			t.Errorf("the log holds the password %q", secret)
		}
	}
}

// tries gives a command about a trip, and says whether it was taken.
func (ph *phone) tries(command, trip string) bool {
	ph.t.Helper()
	id := command + "-" + trip
	ph.say(`{"t":"%s","id":"%s","b":{"trip":"%s"}}`, command, id, trip)
	timeout := time.After(20 * time.Second)
	for {
		select {
		case frame, ok := <-ph.frames:
			if !ok {
				ph.t.Fatalf("%s: the connection has ended: %v", ph.name, ph.closed)
			}
			if frame["re"] == id {
				return frame["t"] == "done"
			}
		case <-timeout:
			ph.t.Fatalf("%s: no answer to %s", ph.name, id)
		}
	}
}
