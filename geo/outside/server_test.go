package outside

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cuntong/geo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both runs a test against either protocol.
func both(t *testing.T, test func(t *testing.T, kind Kind)) {
	for _, kind := range []Kind{OSRM, Valhalla} {
		t.Run(string(kind), func(t *testing.T) { test(t, kind) })
	}
}

// mood is how the server behaves.
type mood int32

const (
	well mood = iota
	hanging
	broken   // 500
	babbling // no JSON
	flooding // an answer that does not end
	lost     // no route, as an error
	holes    // no route, as gaps in a table
	short    // fewer answers than questions
	hasty    // an answer that is too good
	mad      // an answer of another world
	sending  // elsewhere
)

// server is a routing server of both kinds on the loopback. It drives one and a half
// times the straight line at 5 m/s, or as its mood is.
type server struct {
	*httptest.Server
	mood  atomic.Int32
	hits  atomic.Int32
	paths sync.Map // path prefixes that were asked for
	let   chan struct{}
	hung  chan struct{} // takes one word for each question that is left hanging, as far as anybody listens
}

func newServer(t *testing.T) *server {
	s := &server{let: make(chan struct{}), hung: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /route/v1/driving/{at}", s.moody(s.osrmRoute))
	mux.HandleFunc("GET /table/v1/driving/{at}", s.moody(s.osrmTable))
	mux.HandleFunc("POST /route", s.moody(s.valhallaRoute))
	mux.HandleFunc("POST /sources_to_targets", s.moody(s.valhallaMatrix))
	mux.HandleFunc("/elsewhere", func(_ http.ResponseWriter, r *http.Request) { s.paths.Store("elsewhere", true) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		close(s.let)
		s.Close()
	})
	return s
}

func (s *server) be(m mood) { s.mood.Store(int32(m)) }

func (s *server) moody(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		s.paths.Store(strings.Split(r.URL.Path, "/")[1], true)
		switch mood(s.mood.Load()) {
		case hanging:
			select {
			case s.hung <- struct{}{}:
			default:
			}
			select {
			case <-s.let:
			case <-r.Context().Done():
			}
		case broken:
			http.Error(w, `{"code":"Ok"}`, http.StatusInternalServerError)
		case babbling:
			fmt.Fprint(w, "<html>it works!</html>")
		case flooding:
			answer(w, r)
			for space := []byte(strings.Repeat(" ", 1<<16)); ; {
				if _, err := w.Write(space); err != nil {
					return
				}
			}
		case lost:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":"NoRoute","message":"Impossible route between points","error_code":442,"error":"No path could be found for input","status_code":400}`)
		case sending:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		default:
			answer(w, r)
		}
	}
}

// drive is what the server says of two points, in seconds and metres.
func (s *server) drive(a, b geo.Point) (seconds, metres *float64) {
	m := float64(geo.Distance(a, b)) * 1.5
	sec := m / 5
	switch mood(s.mood.Load()) {
	case holes:
		return nil, nil
	case hasty:
		sec /= 2.5
	case mad:
		sec *= 100
	}
	return &sec, &m
}

// at reads an OSRM list of places.
func at(r *http.Request) (points []geo.Point) {
	for _, pair := range strings.Split(r.PathValue("at"), ";") {
		var p geo.Point
		fmt.Sscanf(pair, "%f,%f", &p.Lon, &p.Lat)
		points = append(points, p)
	}
	return points
}

func say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (s *server) osrmRoute(w http.ResponseWriter, r *http.Request) {
	p := at(r)
	sec, m := s.drive(p[0], p[1])
	routes := []any{map[string]any{"duration": sec, "distance": m, "weight": sec, "weight_name": "routability", "legs": []any{}}}
	if mood(s.mood.Load()) == short {
		routes = nil
	}
	say(w, map[string]any{"code": "Ok", "routes": routes, "waypoints": []any{}})
}

func (s *server) osrmTable(w http.ResponseWriter, r *http.Request) {
	p := at(r)
	var durations, distances [][]*float64
	_, sources, _ := strings.Cut(r.URL.RawQuery, "sources=") // which url.Values would refuse for its semicolons
	sources, _, _ = strings.Cut(sources, "&")
	for i := range strings.Split(sources, ";") {
		sec, m := s.drive(p[i], p[len(p)-1])
		durations, distances = append(durations, []*float64{sec}), append(distances, []*float64{m})
	}
	if mood(s.mood.Load()) == short {
		durations, distances = durations[1:], distances[1:]
	}
	say(w, map[string]any{"code": "Ok", "durations": durations, "distances": distances, "sources": []any{}, "destinations": []any{}})
}

func (s *server) valhallaRoute(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Locations []geo.Point
		Costing   string
	}
	json.NewDecoder(r.Body).Decode(&ask)
	sec, m := s.drive(ask.Locations[0], ask.Locations[1])
	trip := map[string]any{"status": 0, "status_message": "Found route between points", "units": "kilometers", "summary": map[string]any{"time": sec, "length": km(m)}}
	if mood(s.mood.Load()) == short {
		trip = nil
	}
	say(w, map[string]any{"trip": trip})
}

func (s *server) valhallaMatrix(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Sources, Targets []geo.Point
	}
	json.NewDecoder(r.Body).Decode(&ask)
	var rows [][]any
	for i, from := range ask.Sources {
		sec, m := s.drive(from, ask.Targets[0])
		rows = append(rows, []any{map[string]any{"time": sec, "distance": km(m), "from_index": i, "to_index": 0}})
	}
	if mood(s.mood.Load()) == short {
		rows = rows[1:]
	}
	say(w, map[string]any{"sources_to_targets": rows, "units": "kilometers"})
}

func km(m *float64) *float64 {
	if m == nil {
		return nil
	}
	x := *m / 1000
	return &x
}

// patience bounds how long a test that fails hangs. It is no expectation.
const patience = 2 * time.Minute

// counter counts events and lets a test wait for them.
type counter struct {
	mu   sync.Mutex
	seen map[Event]int
	more chan struct{} // closed and replaced at each event
}

func newCounter() *counter { return &counter{seen: map[Event]int{}, more: make(chan struct{})} }

func (c *counter) count(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[e]++
	close(c.more)
	c.more = make(chan struct{})
}

func (c *counter) of(e Event) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[e]
}

// all returns what has been counted until now.
func (c *counter) all() map[Event]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.seen)
}

// await waits until an event has been seen n times.
func (c *counter) await(t *testing.T, e Event, n int) {
	t.Helper()
	c.until(t, fmt.Sprintf("%s seen %d times", e, n), func() bool { return c.of(e) >= n })
}

// until waits for a condition, which is looked at again after each event.
func (c *counter) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		c.mu.Lock()
		more := c.more // taken before the look: what comes after it is not missed
		c.mu.Unlock()
		if is() {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("not so after %v: %s; events %v", patience, what, c.all())
		}
	}
}

// start makes a Router on a server, with all the time for it that there is; change, if not
// nil, alters its Config.
func start(t *testing.T, s *server, kind Kind, change func(*Config)) (*Router, *counter) {
	t.Helper()
	c := newCounter()
	cfg := Config{Kind: kind, URL: s.URL + "/", Fallback: geo.NewCrow(), Count: c.count, Rest: 50 * time.Millisecond, Timeout: time.Minute}
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, c
}
