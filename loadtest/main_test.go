package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/loadtest/swarm"
	"cuntong/ws/wire"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "0123456789abcdef0123456789abcdef"

// desk is a server that takes every booking and does nothing about it, but
// cancels what it is asked to cancel. It is enough for the command; the swarm
// has a livelier one.
type desk struct {
	t       *testing.T
	mu      sync.Mutex
	claims  map[string]claims // by subject
	booked  int
	arrived chan struct{} // closed at the first booking
}

func newDesk(t *testing.T) (*desk, string) {
	d := &desk{t: t, claims: map[string]claims{}, arrived: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(d.serve))
	t.Cleanup(server.Close)
	return d, "ws" + strings.TrimPrefix(server.URL, "http")
}

func (d *desk) serve(w http.ResponseWriter, r *http.Request) {
	var c claims
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience("cuntong"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		http.Error(w, "bad token", http.StatusUnauthorized)
		return
	}
	d.mu.Lock()
	d.claims[c.Subject] = c
	d.mu.Unlock()
	up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		f, err := wire.DecodeClient(data)
		if err != nil {
			d.t.Errorf("%s: %v", data, err)
			return
		}
		d.answer(conn, c, f)
	}
}

func (d *desk) answer(conn *websocket.Conn, c claims, f wire.ClientFrame) {
	send := func(t wire.Type, re string, body any) {
		frame, err := wire.EncodeServer(t, re, body)
		if err != nil {
			d.t.Error(err)
		}
		// A client that has gone is noticed by the reader.
		_ = conn.WriteMessage(websocket.TextMessage, frame)
	}
	switch body := f.Body.(type) {
	case wire.Hello:
		send(wire.TypeWelcome, "", wire.Welcome{Session: "s", Role: c.Role, ID: c.Subject, ServerTime: time.Now().UnixMilli(), HeartbeatS: 25})
		send(wire.TypeTruth, "", wire.Truth{Trips: []wire.Trip{}})
	case wire.Duty:
		send(wire.TypeDuty, "", wire.DutyState{On: body.On})
		send(wire.TypeDone, f.ID, wire.Done{})
	case wire.Request:
		send(wire.TypeDone, f.ID, wire.Done{Trip: body.Trip, Version: 1, State: wire.StateRequested})
		d.mu.Lock()
		if d.booked++; d.booked == 1 {
			close(d.arrived)
		}
		d.mu.Unlock()
	case wire.Cancel:
		send(wire.TypeDone, f.ID, wire.Done{Trip: body.Trip, Version: 2, State: wire.StateCancelled})
	}
}

// files are what a run needs, in a folder of their own.
type files struct{ dir, secret, villages, scenario string }

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	f := files{dir, filepath.Join(dir, "secret"), filepath.Join(dir, "villages.csv"), filepath.Join(dir, "scenario.json")}
	villages := new(strings.Builder)
	fmt.Fprintln(villages, "id,code,name,pinyin,aliases,lat,lon,pickups")
	for i := range 9 {
		fmt.Fprintf(villages, "v%d,,Village %d,,,%.2f,%.2f,\n", i, i, 26.3+0.03*float64(i/3), 109+0.03*float64(i%3))
	}
	for path, text := range map[string]string{
		f.secret: secret + "\n", f.villages: villages.String(),
		f.scenario: `{"name":"short","settle_s":0,"phases":[{"name":"a","duration_s":1,"requests_per_min":600}],
			"drivers":{"count":3,"connect_over_s":0},"riders":{"passengers":5,"agents":1,"connect_over_s":0}}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f files) args(url string, more ...string) []string {
	return append([]string{"--url", url, "--secret-file", f.secret, "--villages", f.villages, "--area", "liping", "--scenario", f.scenario}, more...)
}

func TestRunReportsAndJudges(t *testing.T) {
	f := newFiles(t)
	d, url := newDesk(t)
	page, data := filepath.Join(f.dir, "r.html"), filepath.Join(f.dir, "r.json")
	var out, errOut bytes.Buffer
	code := run(t.Context(), f.args(url, "--html", page, "--json", data, "--fail-if", "requests_done<1"), &out, &errOut, nil)
	if code != exitOK || !strings.Contains(out.String(), "PASSED") || !strings.Contains(errOut.String(), "3 drivers, 6 riders") {
		t.Errorf("exit %d\n%s\n%s", code, out.String(), errOut.String())
	}
	for path, want := range map[string]string{page: "<!doctype html>", data: `"schema": "cuntong.loadtest/1"`} {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, %.200s", path, err, text)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	driver, agent := d.claims["load-d00000"], d.claims["load-a00000"]
	if driver.Role != "driver" || driver.Area != "liping" || driver.Vehicle == "" || driver.Seats < 4 || driver.VehicleID == "" {
		t.Errorf("the driver's token says %+v", driver)
	}
	if agent.Role != "agent" || agent.Vehicle != "" || agent.Seats != 0 {
		t.Errorf("the agent's token says %+v", agent)
	}
}

func TestExitCodes(t *testing.T) {
	f := newFiles(t)
	_, url := newDesk(t)
	other := filepath.Join(f.dir, "other")
	if err := os.WriteFile(other, []byte(strings.Repeat("x", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want int
		say  string
	}{
		{"a threshold broken", f.args(url, "--quiet", "--fail-if", "requests_done>=1"), exitBroken, "BROKEN"},
		{"another secret", append(f.args(url), "--secret-file", other), exitError, "401"},
		{"no secret", append(f.args(url), "--secret-file", filepath.Join(f.dir, "none")), exitError, "--secret-file"},
		{"a short secret", append(f.args(url), "--secret-file", f.scenario+"x"), exitError, "--secret-file"},
		{"no server", f.args("http://127.0.0.1:1"), exitError, "ws://"},
		{"an unknown figure", f.args(url, "--fail-if", "speed>1"), exitError, "no figure"},
		{"an unknown scenario", append(f.args(url), "--scenario", "no-such"), exitError, "neither a file"},
		{"a scenario out of range", f.args(url, "--drivers", "100000"), exitError, "drivers.count"},
		{"an unknown flag", f.args(url, "--speed", "1"), exitError, "--help"},
		{"help", []string{"--help"}, exitOK, "--fail-if"},
		{"figures", []string{"--figures"}, exitOK, "request_to_offer_p99_ms"},
		{"describe", []string{"--describe", "--scenario", "burst", "--rate", "7"}, exitOK, `"requests_per_min": 7`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			if got := run(t.Context(), c.args, &out, &out, nil); got != c.want || !strings.Contains(out.String(), c.say) {
				t.Errorf("exit %d: want %d and %q in\n%s", got, c.want, c.say, out.String())
			}
		})
	}
}

func TestEnvironmentSpeaksForFlags(t *testing.T) {
	t.Setenv("CUNTONG_LOADTEST_SCENARIO", "burst")
	t.Setenv("CUNTONG_LOADTEST_DRIVERS", "7")
	t.Setenv("CUNTONG_LOADTEST_FAIL_IF", "violations>3")
	o, _, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.scenario.Name != "burst" || o.scenario.Drivers.Count != 7 || len(o.thresholds) != 1 || o.thresholds[0].Limit != 3 {
		t.Errorf("got %+v", o)
	}
}

func TestFirstSignalEndsTheRunWithAReport(t *testing.T) {
	f := newFiles(t)
	d, url := newDesk(t)
	signals := make(chan os.Signal, 1)
	go func() {
		<-d.arrived
		signals <- syscall.SIGINT
	}()
	var out bytes.Buffer
	code := run(t.Context(), f.args(url, "--quiet", "--duration", "1h"), &out, &out, signals)
	if code != exitOK || !strings.Contains(out.String(), "The run was ended early.") {
		t.Errorf("exit %d:\n%s", code, out.String())
	}
}

func TestSecondSignalEndsItAtOnce(t *testing.T) {
	signals := make(chan os.Signal, 2)
	over, finish := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	signals <- syscall.SIGINT
	signals <- syscall.SIGINT
	listen(signals, over, finish, cancel)
	if _, open := <-finish; open || ctx.Err() == nil {
		t.Error("two signals did not finish and cancel")
	}
}

// TestReadmeNamesEverything holds the tables of README.md against the program.
func TestReadmeNamesEverything(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range swarm.LatencyInfos() {
		names = append(names, l.Name)
	}
	names = append(names, plan.Names()...)
	for typ := range scenarioTypes() {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	var code []string // what stands between backticks
	for i, part := range strings.Split(string(text), "`") {
		if i%2 == 1 {
			code = append(code, part)
		}
	}
	all := strings.Join(code, "\n")
	for _, name := range names {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(all) {
			t.Errorf("README.md does not name %q", name)
		}
	}
}

// scenarioTypes are the types of the scenario's objects.
func scenarioTypes() iter.Seq[reflect.Type] {
	return slices.Values([]reflect.Type{
		reflect.TypeFor[plan.Scenario](), reflect.TypeFor[plan.Phase](), reflect.TypeFor[plan.Places](), reflect.TypeFor[plan.Drivers](),
		reflect.TypeFor[plan.Fleet](), reflect.TypeFor[plan.Riders](), reflect.TypeFor[plan.Coverage](),
	})
}

func TestProgressIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	for range 10 {
		p.tell(swarm.Progress{Stage: "running", Length: time.Minute})
	}
	p.tell(swarm.Progress{Stage: "settling", OfferP99: 1234 * time.Microsecond})
	p.end()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "running 0s/1m0s:") || !strings.Contains(lines[1], "p99 1.23 ms") {
		t.Errorf("got %q: want one line a stage", lines)
	}
	terminal := &progress{out: &out, terminal: true}
	out.Reset()
	terminal.tell(swarm.Progress{Stage: "a long stage"})
	terminal.tell(swarm.Progress{Stage: "short"})
	terminal.end()
	if s := out.String(); strings.Count(s, "\r") != 2 || strings.Count(s, "\n") != 1 || !strings.HasSuffix(s, "       \n") {
		t.Errorf("on a terminal: %q: want one line, refreshed, its old end wiped", s)
	}
}
