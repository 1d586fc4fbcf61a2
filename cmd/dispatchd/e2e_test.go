package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// needRedis skips where there is no redis-server, and fails where there must be.
func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: run make setup")
		}
		t.Skip("redis-server is not installed: run make setup")
	}
}

func TestATripFromOutside(t *testing.T) {
	p := startServer(t, t.TempDir(), "--redis", "embedded")
	until(t, "the server is ready", p.ready)
	driver := p.driver("d1", 26.00, 109.00)
	rider := p.dial("passenger", "p1")

	rider.ask("t1", 26.01, 109.00)
	rider.hear("done", "re=ask-t1", "version=1")
	driver.accept("t1")
	told := rider.hear("trip", "state=assigned")
	if id := told["driver"].(map[string]any)["id"]; id != "d1" {
		t.Errorf("the rider is told of driver %v", id)
	}
	driver.at(26.005, 109.00)
	rider.hear("driver_at", "trip=t1")
	driver.do("arrive", "t1")
	rider.hear("trip", "state=arrived")
	driver.do("start", "t1")
	rider.hear("trip", "state=riding")
	driver.do("complete", "t1")
	rider.hear("trip", "state=completed")

	if status, body := get(t, "http://"+p.private+"/metrics"); status != http.StatusOK ||
		!strings.Contains(body, `cuntong_dispatch_trips_ended_total{state="completed"} 1`) {
		t.Errorf("the metrics do not show the completed trip: %d", status)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		if status, _ := get(t, "http://"+p.public+path); status != http.StatusNotFound {
			t.Errorf("%s on the public side: %d", path, status)
		}
	}
	if out, err := program(t, "healthcheck", "--url", "http://"+p.public+"/readyz"); err != nil || out != "ready" {
		t.Errorf("healthcheck: %q %v", out, err)
	}

	p.signal(syscall.SIGTERM)
	rider.hear("drain")
	if code := rider.closeCode(); code != 4001 {
		t.Errorf("on a planned stop the connection ends with %d, want 4001", code)
	}
	if err := p.end(); err != nil {
		t.Errorf("a planned stop ends with %v", err)
	}
}

// TestKillNine kills the server with a trip in every state and starts it again.
func TestKillNine(t *testing.T) {
	needRedis(t)
	data := t.TempDir()
	p := startServer(t, data, "--redis", "child", "--offer-wait", "5m")
	until(t, "the server is ready", p.ready)
	rider := p.dial("agent", "a1")
	// Six valleys, each with one driver, too far apart to take each other's trips.
	places := []float64{24.0, 24.8, 25.6, 26.4, 27.2, 28.0}
	states := []string{"offered", "assigned", "arrived", "riding", "completed", "cancelled"}
	for i, state := range states {
		driver, trip := p.driver("d"+state, places[i], 108), "t-"+state
		rider.ask(trip, places[i], 108.01)
		rider.hear("trip", "trip="+trip, "state=offered")
		advance(driver, rider, trip, "offered", state)
	}
	rider.ask("t-parked", 29.5, 105)
	rider.hear("trip", "trip=t-parked", "state=parked")

	p.signal(syscall.SIGKILL)
	p.end()
	p = startServer(t, data, "--redis", "child", "--offer-wait", "5m")
	until(t, "the server is ready", p.ready)

	rider = p.dial("agent", "a1")
	truth := map[string]string{}
	for _, v := range rider.hear("truth")["trips"].([]any) {
		trip := v.(map[string]any)
		truth[trip["trip"].(string)] = trip["state"].(string)
	}
	for _, state := range append(states, "parked") {
		if truth["t-"+state] != state {
			t.Errorf("after kill -9 trip t-%s is %q", state, truth["t-"+state])
		}
	}
	for i, state := range states[:4] {
		driver, trip := p.driver("d"+state, places[i], 108), "t-"+state
		advance(driver, rider, trip, state, "completed")
	}
	// The parked trip gets a driver, and a repeat of an old command its old answer.
	p.driver("dnew", 29.5, 105).accept("t-parked")
	rider.ask("t-offered", 24.0, 108.01)
	rider.hear("done", "re=ask-t-offered", "version=1", "state=requested")
}

// advance takes a trip from one state to another.
func advance(driver, rider *phone, trip, from, to string) {
	if to == "cancelled" {
		rider.say(`{"t":"cancel","id":"cancel-%s","b":{"trip":"%s","why":"changed_mind"}}`, trip, trip)
		rider.hear("done", "re=cancel-"+trip)
		return
	}
	steps := []string{"offered", "assigned", "arrived", "riding", "completed"}
	doing := false
	for _, state := range steps {
		if doing {
			switch state {
			case "assigned":
				offer := trip + "/1"
				driver.say(`{"t":"accept","id":"accept-%s","b":{"trip":"%s","offer":"%s"}}`, trip, trip, offer)
				driver.hear("done", "re=accept-"+trip)
			case "arrived":
				driver.do("arrive", trip)
			case "riding":
				driver.do("start", trip)
			case "completed":
				driver.do("complete", trip)
			}
			rider.hear("trip", "trip="+trip, "state="+state)
		}
		if state == from {
			doing = true
		}
		if state == to {
			return
		}
	}
}

// redisServer is a redis-server that a test starts, ends and starts again.
type redisServer struct {
	t    *testing.T
	addr string
	dir  string
	cmd  *exec.Cmd
}

func (r *redisServer) start() {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.addr)
	r.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", r.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction")
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: r.addr, MaxRetries: -1})
	defer client.Close()
	until(r.t, "redis-server answers", func() bool { return client.Ping(context.Background()).Err() == nil })
}

func (r *redisServer) kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

func TestRedisAwayAtStartAndInMidRun(t *testing.T) {
	needRedis(t)
	server := &redisServer{t: t, addr: freePort(t), dir: t.TempDir()}
	p := startServer(t, t.TempDir(), "--redis", "redis://"+server.addr)
	if status, body := get(t, "http://"+p.public+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "not ready") {
		t.Errorf("readyz without Redis: %d %s", status, body)
	}
	if status, _ := get(t, "http://"+p.public+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz without Redis: %d", status)
	}
	server.start()
	until(t, "the server is ready once Redis is there", p.ready)

	driver := p.driver("d1", 26, 109)
	rider := p.dial("passenger", "p1")
	rider.ask("t1", 26, 109.01)
	driver.accept("t1")
	rider.hear("trip", "state=assigned")

	server.kill()
	until(t, "the server says that it cannot record", func() bool { return !p.ready() })
	driver.say(`{"t":"arrive","id":"arrive-1","b":{"trip":"t1"}}`)
	driver.hear("refused", "re=arrive-1", "kind=unavailable")
	_, metrics := get(t, "http://"+p.private+"/metrics")
	if !strings.Contains(metrics, "\ncuntong_dispatch_ready 0\n") {
		t.Error("the metrics do not say that matching stands still")
	}

	server.start()
	defer server.kill()
	until(t, "the server is ready again", p.ready)
	driver.do("arrive", "t1") // the client repeats what was refused
	rider.hear("trip", "state=arrived")
	driver.do("start", "t1")
	driver.do("complete", "t1")
	rider.hear("trip", "state=completed")
	p.signal(syscall.SIGTERM)
	if err := p.end(); err != nil {
		t.Errorf("a planned stop ends with %v", err)
	}
}

func TestTwoProcessesOfOneName(t *testing.T) {
	needRedis(t)
	server := &redisServer{t: t, addr: freePort(t), dir: t.TempDir()}
	server.start()
	defer server.kill()
	data := t.TempDir()
	first := startServer(t, data, "--redis", "redis://"+server.addr, "--node", "n1")
	until(t, "the first is ready", first.ready)
	second := startServer(t, data, "--redis", "redis://"+server.addr, "--node", "n1")
	until(t, "the second is ready", second.ready)
	if err := first.end(); err == nil {
		t.Error("the first process ended without an error although another has taken its area")
	}
	if !first.logged("another writer") {
		t.Error("the first process does not say why it ended")
	}
}

func TestDemoCompletesTrips(t *testing.T) {
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--demo", "--demo-drivers", "20", "--demo-speed", "600")
	until(t, "a trip is completed", func() bool { return p.logged("trip completed") })
	status, body := get(t, "http://"+p.public+"/")
	if status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("the page: %d", status)
	}
	p.signal(syscall.SIGINT)
	if err := p.end(); err != nil {
		t.Errorf("Ctrl-C ends with %v", err)
	}
}

func TestCommands(t *testing.T) {
	data := t.TempDir()
	if out, err := program(t, "token", "--data-dir", data, "--role", "driver", "--id", "d1"); err == nil || !strings.Contains(out, "start the server once") {
		t.Errorf("a token without a secret: %v: %s", err, out)
	}
	if out, err := program(t, "version"); err != nil || !strings.HasPrefix(out, "dispatchd ") {
		t.Errorf("version: %v: %s", err, out)
	}
	if out, err := program(t, "serve", "--data-dir", data, "--offer-wait", "1s", "--drain-for", "0s"); err == nil ||
		!strings.Contains(out, "offer wait is 1s") || !strings.Contains(out, "--drain-for is 0s") {
		t.Errorf("a wrong configuration: %v: %s", err, out)
	}
	if out, err := program(t, "serve", "--data-dir", data, "--redis", "redis+sentinel://h"); err == nil || strings.Contains(out, "panic") {
		t.Errorf("an address that is not served yet: %v: %s", err, out)
	}
	if out, err := program(t, "healthcheck", "--url", "http://"+freePort(t)+"/readyz"); err == nil {
		t.Errorf("healthcheck of nothing: %s", out)
	}
	file := filepath.Join(data, "v.geojson")
	text := `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"v1","name":"肇兴","pinyin":"zhaoxing"},
		"geometry":{"type":"Point","coordinates":[109.17639,25.91083]}}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := program(t, "import", "villages", file, "--datum", "gcj02")
	if err != nil || !strings.Contains(out, "v1,") || strings.Contains(out, "25.91083") {
		t.Errorf("import: %v: %s", err, out)
	}
}
