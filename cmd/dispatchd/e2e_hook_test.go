package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// word is what a gateway is sent.
type word struct {
	id   string // webhook-id
	Type string
	Data struct {
		To      struct{ Role, ID, Phone string }
		Trip    string
		Vehicle string
		Expires int64
		ETA     int64 `json:"pickup_eta"`
	}
}

// gateway is a county's gateway, which checks what it gets.
type gateway struct {
	t     *testing.T
	url   string
	file  string // with the secret
	words chan word

	mu   sync.Mutex
	seen map[string]bool // ids, guarded by mu
}

// news says whether an id is new, as a gateway must: a slow answer is asked for again.
func (g *gateway) news(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.seen[id]
	g.seen[id] = true
	return !known
}

// forget makes it take as new what it has had.
func (g *gateway) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = map[string]bool{}
}

func newGateway(t *testing.T) *gateway {
	secret := []byte("thirty-two bytes of county secret")
	g := &gateway{t: t, file: filepath.Join(t.TempDir(), "hook"), words: make(chan word, 100), seen: map[string]bool{}}
	if err := os.WriteFile(g.file, []byte("whsec_"+base64.StdEncoding.EncodeToString(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
		if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("a request is not signed: %v", r.Header)
		}
		got := word{id: r.Header.Get("webhook-id")}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if g.news(got.id) {
			g.words <- got
		}
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// next waits for the next word.
func (g *gateway) next(kind, trip string) word {
	g.t.Helper()
	select {
	case got := <-g.words:
		if got.Type != kind || got.Data.Trip != trip {
			g.t.Errorf("the gateway got %+v, want %s of %s", got, kind, trip)
		}
		return got
	case <-time.After(patience):
		g.t.Fatalf("the gateway got no %s of %s", kind, trip)
		return word{}
	}
}

func (g *gateway) noMore() {
	g.t.Helper()
	if len(g.words) != 0 {
		g.t.Errorf("the gateway got more: %+v", <-g.words)
	}
}

// TestWordToTheDark lets a passenger go after he has asked: what becomes of his trip goes
// to the county's gateway, signed, and once.
func TestWordToTheDark(t *testing.T) {
	g := newGateway(t)
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--hook-url", g.url, "--hook-secret-file", g.file, "--confirm-wait", "15s")
	until(t, "the server is ready", p.ready)
	driver := p.driver("d1", 26.00, 109.00)
	rider := p.dial("passenger", "p1")
	rider.ask("t1", 26.01, 109.00)
	rider.hear("done", "re=ask-t1")
	rider.conn.Close()
	until(t, "the rider is gone", func() bool {
		_, body := get(t, "http://"+p.private+"/metrics")
		return connections(body, "passenger") == "0"
	})
	next := func(kind string) {
		t.Helper()
		if got := g.next(kind, "t1"); got.Data.To.ID != "p1" || got.Data.To.Phone != "" {
			t.Errorf("%s goes to %+v", kind, got.Data.To)
		}
	}
	driver.accept("t1")
	next("trip.assigned")
	driver.do("arrive", "t1")
	next("trip.arrived")
	driver.do("start", "t1")
	next("trip.riding")
	driver.do("complete", "t1")
	next("trip.completed")
	g.noMore()
}

// TestWordByTelephone: a village agent books for somebody who has a telephone and no account.
// Whatever he must know goes to the gateway with his number, whoever is connected, and again
// by the same name after the server has died; nothing else that the server writes has the number.
func TestWordByTelephone(t *testing.T) {
	needRedis(t)
	g := newGateway(t)
	data := t.TempDir()
	args := []string{"--redis", "child", "--log-level", "debug", "--hook-url", g.url + "/?key=" + canaryName, "--hook-secret-file", g.file}
	p := startServer(t, data, args...)
	until(t, "the server is ready", p.ready)
	agent := p.dial("agent", "a1")
	book := func(trip string) {
		t.Helper()
		agent.say(`{"t":"request","id":"ask-%s","b":{"trip":"%s","seats":1,"traveller":{"name":"%s","phone":"%s"},`+
			`"pickup":{"lat":26,"lon":109,"datum":"wgs84"},"dropoff":{"lat":26.1,"lon":109,"datum":"wgs84"}}}`, trip, trip, canaryName, canaryPhone)
		agent.hear("done", "re=ask-"+trip)
	}
	next := func(kind, trip string) word {
		t.Helper()
		got := g.next(kind, trip)
		if got.Data.To.Phone != canaryPhone || got.Data.To.ID != "" || got.Data.To.Role != "passenger" {
			t.Errorf("%s goes to %+v", kind, got.Data.To)
		}
		return got
	}
	dial := func(p *process, id string) *phone {
		driver := p.dial("driver", id, "--plate", "plate-"+id)
		driver.say(`{"t":"duty","id":"duty","b":{"on":true}}`)
		driver.hear("done", "re=duty")
		driver.at(26.02, 109)
		return driver
	}
	driver := dial(p, "d1")
	book("t1")
	driver.accept("t1")
	first := next("trip.assigned", "t1")
	if first.Data.Vehicle != "plate-d1" || first.Data.ETA == 0 || first.Data.Expires < first.Data.ETA {
		t.Errorf("the word that a driver was found: %+v", first)
	}
	p.signal(syscall.SIGKILL)
	p.end()
	lines := p.lines()
	g.forget()
	p = startServer(t, data, args...)
	until(t, "the server is ready", p.ready)
	if again := next("trip.assigned", "t1"); again.id != first.id {
		t.Errorf("after a crash it is called %s, before %s", again.id, first.id)
	}

	driver, agent = dial(p, "d1"), p.dial("agent", "a1")
	driver.say(`{"t":"release","id":"back","b":{"trip":"t1","why":"breakdown"}}`)
	driver.hear("done", "re=back")
	next("trip.released", "t1")
	other := dial(p, "d2")
	other.accept("t1")
	if second := next("trip.assigned", "t1"); second.Data.Vehicle != "plate-d2" || second.id == first.id {
		t.Errorf("the word that another was found: %+v", second)
	}
	other.do("arrive", "t1")
	next("trip.arrived", "t1")
	other.do("start", "t1")
	other.do("complete", "t1")
	book("t2")
	agent.say(`{"t":"cancel","id":"off","b":{"trip":"t2","why":"mistake"}}`)
	agent.hear("done", "re=off")
	next("trip.cancelled", "t2")
	g.noMore()
	_, metrics := get(t, "http://"+p.private+"/metrics")
	for _, text := range append(append(lines, p.lines()...), metrics) {
		if strings.Contains(text, canaryPhone) || strings.Contains(text, canaryName) {
			t.Errorf("%q", text)
		}
	}
}

// TestMatchingStopsUsingADeadLink: a driver whose phone goes silent on duty is not asked
// any more, though his position would count for a while yet.
func TestMatchingStopsUsingADeadLink(t *testing.T) {
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--duty-ping", "1s", "--duty-silent", "5s", "--fresh-for", "10m")
	until(t, "the server is ready", p.ready)
	near := p.driver("d1", 26.00, 109.00)
	// His phone hears and does not answer: he sends nothing, and no pong.
	near.conn.SetPingHandler(func(string) error { return nil })
	until(t, "the near one is given up", func() bool {
		_, body := get(t, "http://"+p.private+"/metrics")
		return connections(body, "driver") == "0"
	})
	far := p.driver("d2", 26.05, 109.00)
	rider := p.dial("passenger", "p1")
	rider.ask("t1", 26.00, 109.00)
	far.hear("offer", "trip=t1")
}

// connections reads from the metrics how many connections of a role there are.
func connections(metrics, role string) string {
	_, rest, _ := strings.Cut(metrics, `cuntong_ws_connections{role="`+role+`"} `)
	n, _, _ := strings.Cut(rest, "\n")
	return n
}
