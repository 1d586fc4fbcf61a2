package outside

import (
	"fmt"
	"math"
	"reflect"
	"sync"
	"testing"
	"time"

	"cuntong/geo"
)

var (
	market  = geo.Point{Lat: 26.2301, Lon: 109.1301}
	morning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	byCar   = geo.Drive{Class: geo.Car, Leaves: morning}
)

// farm is a place about n km from the market, each in a neighbourhood of its own.
func farm(n int) geo.Point { return geo.Point{Lat: market.Lat + 0.009*float64(n), Lon: market.Lon} }

func travel(t *testing.T, r geo.Router, from, to geo.Point, by geo.Drive) geo.Leg {
	t.Helper()
	leg, ok := r.Travel(r.Locate(from, -1), r.Locate(to, -1), by)
	if !ok {
		t.Fatalf("no way from %v to %v", from, to)
	}
	return leg
}

// wantLeg is what the server says: 1.5 times the straight line at 5 m/s.
func wantLeg(t *testing.T, got geo.Leg, from, to geo.Point) {
	t.Helper()
	metres := 1.5 * float64(geo.Distance(from, to))
	if math.Abs(float64(got.Distance)-metres) > metres/1000 || math.Abs(got.Duration.Seconds()-metres/5) > metres/5000 {
		t.Errorf("%v: %v, want %.0f m and %.0f s", from, got, metres, metres/5)
	}
}

// TestTheFirstAnswerIsBuiltInTheNextCorrected also holds for finders, whose
// questions go to the server as a table.
func TestTheFirstAnswerIsBuiltInTheNextCorrected(t *testing.T) {
	both(t, func(t *testing.T, kind Kind) {
		s := newServer(t)
		r, c := start(t, s, kind, nil)
		if got, want := travel(t, r, farm(3), market, byCar), travel(t, geo.NewCrow(), farm(3), market, byCar); got != want {
			t.Errorf("the first answer is %v, the built-in one %v", got, want)
		}
		c.await(t, Answered, 1)
		wantLeg(t, travel(t, r, farm(3), market, byCar), farm(3), market)
		f := r.NewFinder(geo.Car)
		f.Aim(r.Locate(market, -1))
		for range 2 {
			for n := 4; n < 24; n++ {
				if _, ok := f.From(r.Locate(farm(n), -1), morning); !ok {
					t.Fatal("no way")
				}
			}
			settled(t, r, c)
		}
		for n := 4; n < 24; n++ {
			leg, _ := f.From(r.Locate(farm(n), -1), morning)
			wantLeg(t, leg, farm(n), market)
		}
		for _, path := range map[Kind][]string{OSRM: {"route", "table"}, Valhalla: {"route", "sources_to_targets"}}[kind] {
			if _, asked := s.paths.Load(path); !asked {
				t.Errorf("%s was not asked", path)
			}
		}
		if c.of(Dropped)+c.of(Failed)+c.of(Strange) > 0 {
			t.Errorf("trouble: %v", c.all())
		}
	})
}

// settled waits until nothing is being asked for: an event follows upon each end.
func settled(t *testing.T, r *Router, c *counter) {
	t.Helper()
	c.until(t, "nothing is being asked for", func() bool {
		r.cache.mu.RLock()
		defer r.cache.mu.RUnlock()
		return len(r.cache.asked) == 0
	})
}

// TestACorrectionHoldsForTheNeighbourhood: whoever starts across the road is
// corrected by the same factor, and so is another class where the server knows one.
func TestACorrectionHoldsForTheNeighbourhood(t *testing.T) {
	both(t, func(t *testing.T, kind Kind) {
		r, c := start(t, newServer(t), kind, nil)
		travel(t, r, farm(5), market, byCar)
		c.await(t, Answered, 1)
		near := geo.Point{Lat: farm(5).Lat + 0.0003, Lon: farm(5).Lon + 0.0003}
		wantLeg(t, travel(t, r, near, market, byCar), near, market)
		crow := geo.NewCrow()
		van := geo.Drive{Class: geo.Minivan, Leaves: morning}
		slower := travel(t, crow, near, market, van).Duration.Seconds() / travel(t, crow, near, market, byCar).Duration.Seconds()
		got := travel(t, r, near, market, van).Duration.Seconds() / travel(t, r, near, market, byCar).Duration.Seconds()
		if math.Abs(got-slower) > 0.001 {
			t.Errorf("a minivan takes %v times as long as a car, want %v", got, slower)
		}
		if c.of(Answered) != 1 {
			t.Errorf("%d questions for one neighbourhood", c.of(Answered))
		}
		travel(t, r, farm(9), market, van) // as good a first question as any
		c.await(t, Answered, 2)
		wantLeg(t, travel(t, r, farm(9), market, byCar), farm(9), market)
	})
}

// TestNobodyWaitsForAServerThatHangs: while it hangs, drives are answered by the
// built-in roads, and questions are dropped at the queue's bound.
func TestNobodyWaitsForAServerThatHangs(t *testing.T) {
	both(t, func(t *testing.T, kind Kind) {
		s := newServer(t)
		s.be(hanging)
		r, c := start(t, s, kind, func(cfg *Config) { cfg.Queue, cfg.Workers = 4, 1 })
		crow := geo.NewCrow()
		for n := 1; n <= 40; n++ {
			if got, want := travel(t, r, farm(n), market, byCar), travel(t, crow, farm(n), market, byCar); got != want {
				t.Fatalf("farm %d: %v, built in %v", n, got, want)
			}
		}
		if n := c.of(Dropped); n < 40-4-maxTogether || n == 0 {
			t.Errorf("%d of 40 questions were dropped by a queue of 4", n)
		}
	})
}

// TestAServerThatHangsIsLeftAlone for a while, after it has not answered in time. When it
// is back it is asked again.
func TestAServerThatHangsIsLeftAlone(t *testing.T) {
	both(t, func(t *testing.T, kind Kind) {
		s := newServer(t)
		s.be(hanging)
		r, c := start(t, s, kind, func(cfg *Config) {
			cfg.Timeout, cfg.Queue, cfg.Workers, cfg.Rest = 50*time.Millisecond, 4, 1, 100*time.Millisecond
		})
		keepAsking(t, r, c, Opened)
		c.await(t, Timeout, FailuresToRest)
		keepAsking(t, r, c, Spared)
		s.be(well)
		keepAsking(t, r, c, Closed)
		builtIn := travel(t, geo.NewCrow(), farm(7), market, byCar)
		for limit := time.Now().Add(patience); travel(t, r, farm(7), market, byCar) == builtIn; settled(t, r, c) {
			if time.Now().After(limit) { // some answers may be late on a busy machine
				t.Fatalf("no drive was corrected: %v", c.all())
			}
		}
		wantLeg(t, travel(t, r, farm(7), market, byCar), farm(7), market)
	})
}

// keepAsking asks about drives until an event has been seen once more.
func keepAsking(t *testing.T, r *Router, c *counter, e Event) {
	t.Helper()
	limit, want := time.Now().Add(patience), c.of(e)+1
	for n := 1; c.of(e) < want && (e == Spared || c.of(e) == 0); n++ {
		travel(t, r, farm(1+n%40), market, byCar)
		settled(t, r, c)
		if time.Now().After(limit) {
			t.Fatalf("no %s: %v", e, c.all())
		}
	}
}

// TestAnswersThatAreNone leave the built-in answer as it is, and are counted.
func TestAnswersThatAreNone(t *testing.T) {
	cases := map[string]struct {
		mood mood
		want Event
	}{
		"500":      {broken, Failed},
		"garbage":  {babbling, Failed},
		"huge":     {flooding, Failed},
		"no route": {lost, NoRoute},
		"a gap":    {holes, NoRoute},
		"too few":  {short, Failed},
		"far off":  {mad, Strange},
		"redirect": {sending, Failed},
	}
	both(t, func(t *testing.T, kind Kind) {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				s := newServer(t)
				s.be(test.mood)
				r, c := start(t, s, kind, func(cfg *Config) { cfg.Timeout = time.Minute })
				crow := geo.NewCrow()
				f := r.NewFinder(geo.Car)
				f.Aim(r.Locate(market, -1))
				f.From(r.Locate(farm(2), -1), morning)
				c.await(t, test.want, 1)
				settled(t, r, c)
				for n := 3; n < 9; n++ {
					f.From(r.Locate(farm(n), -1), morning)
				}
				c.await(t, test.want, 2)
				settled(t, r, c)
				for n := 2; n < 9; n++ {
					if got, want := travel(t, r, farm(n), market, byCar), travel(t, crow, farm(n), market, byCar); got != want {
						t.Errorf("%v, built in %v", got, want)
					}
				}
				if c.of(Hit) > 0 {
					t.Error("a correction is known")
				}
				if _, led := s.paths.Load("elsewhere"); led {
					t.Error("the server led the Router elsewhere")
				}
			})
		}
	})
}

// TestADownServer is not there at all, and then is.
func TestADownServer(t *testing.T) {
	s := newServer(t)
	r, c := start(t, s, OSRM, func(cfg *Config) { cfg.URL = "http://127.0.0.1:1" })
	keepAsking(t, r, c, Opened)
	if c.of(Failed) != FailuresToRest {
		t.Errorf("the breaker opened after %d failures, want %d", c.of(Failed), FailuresToRest)
	}
	if s.hits.Load() > 0 {
		t.Error("another server was asked")
	}
}

// TestFloorHolds: however quick the server says a drive is, no answer is below what
// the search for the nearest relies on.
func TestFloorHolds(t *testing.T) {
	both(t, func(t *testing.T, kind Kind) {
		s := newServer(t)
		s.be(hasty)
		r, c := start(t, s, kind, nil)
		travel(t, r, farm(6), market, byCar)
		c.await(t, Answered, 1)
		leg, floor := travel(t, r, farm(6), market, byCar), r.Floor(geo.Distance(farm(6), market))
		if leg.Duration < floor || c.of(Hit) != 1 {
			t.Errorf("%v, floor %v, %d hits", leg, floor, c.of(Hit))
		}
	})
}

// county is built-in roads whose changes are only noted.
type county struct {
	geo.Crow
	set  []geo.RoadChange
	next time.Time
}

func (c *county) Set(changes []geo.RoadChange, now time.Time) time.Time {
	c.set = changes
	return c.next
}

func (c *county) Extent(geo.RoadChange) geo.RoadExtent { return geo.RoadExtent{Segments: 7} }

// TestChangesSilenceTheServer: while one is in force, nothing is corrected or asked.
func TestChangesSilenceTheServer(t *testing.T) {
	s := newServer(t)
	inside := &county{}
	r, c := start(t, s, OSRM, func(cfg *Config) { cfg.Fallback = inside })
	travel(t, r, farm(3), market, byCar)
	c.await(t, Answered, 1)
	night := geo.RoadChange{ID: "night", Closed: true, Daily: &geo.Hours{From: 22 * 60, Until: 5 * 60}}
	slide := geo.RoadChange{ID: "slide", Closed: true, Until: morning.Add(time.Hour).UnixMilli()}

	if next := r.Set([]geo.RoadChange{night}, morning); !next.Equal(time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("the night ban begins at %v", next)
	}
	wantLeg(t, travel(t, r, farm(3), market, byCar), farm(3), market)
	if next := r.Set([]geo.RoadChange{night, slide}, morning); !next.Equal(morning.Add(time.Hour)) || len(inside.set) != 2 {
		t.Errorf("the landslide is gone at %v; %d changes were passed on", next, len(inside.set))
	}
	inside.next = morning.Add(time.Minute)
	if next := r.Set([]geo.RoadChange{slide}, morning); !next.Equal(inside.next) {
		t.Errorf("next %v, the roads say %v", next, inside.next)
	}
	hits := s.hits.Load()
	for n := 3; n < 9; n++ {
		if got, want := travel(t, r, farm(n), market, byCar), travel(t, inside.Crow, farm(n), market, byCar); got != want {
			t.Errorf("%v, built in %v", got, want)
		}
	}
	if c.of(Unused) != 6 || s.hits.Load() != hits {
		t.Errorf("%d drives were answered without the server, and %d asked of it", c.of(Unused), s.hits.Load()-hits)
	}
	inside.next = time.Time{}
	if next := r.Set(nil, morning); !next.IsZero() {
		t.Errorf("with no change there is one at %v", next)
	}
	wantLeg(t, travel(t, r, farm(3), market, byCar), farm(3), market)
	if got := r.Extent(slide); got.Segments != 7 {
		t.Errorf("extent %v", got)
	}
}

// TestWithoutRoads: a Router over the straight line takes changes too.
func TestWithoutRoads(t *testing.T) {
	r, _ := start(t, newServer(t), OSRM, nil)
	r.Set([]geo.RoadChange{{ID: "x", Closed: true}}, morning)
	if got := r.Extent(geo.RoadChange{}); !reflect.DeepEqual(got, geo.RoadExtent{}) {
		t.Errorf("extent %v", got)
	}
	if line := r.Line(r.Locate(market, -1), r.Locate(farm(1), -1), byCar); len(line) != 2 {
		t.Errorf("line %v", line)
	}
}

// TestShortDrivesAreLeftAlone, and are not asked about.
func TestShortDrivesAreLeftAlone(t *testing.T) {
	s := newServer(t)
	r, c := start(t, s, OSRM, nil)
	near := geo.Point{Lat: market.Lat + 0.001, Lon: market.Lon}
	travel(t, r, near, market, byCar)
	if len(c.all()) > 0 {
		t.Errorf("counted %v", c.all())
	}
}

// TestCloseDoesNotWaitForTheServer, and the Router goes on with what it has.
func TestCloseDoesNotWaitForTheServer(t *testing.T) {
	s := newServer(t)
	r, c := start(t, s, Valhalla, func(cfg *Config) { cfg.Timeout = time.Minute })
	travel(t, r, farm(3), market, byCar)
	c.await(t, Answered, 1)
	s.be(hanging)
	travel(t, r, farm(4), market, byCar)
	<-s.hung
	r.Close()
	if n := len(r.cache.asked); n > 0 { // no lock: nobody else is left
		t.Errorf("after Close %d questions are still open", n)
	}
	wantLeg(t, travel(t, r, farm(3), market, byCar), farm(3), market)
}

// TestManyAtOnce asks from many goroutines while the server comes and goes.
func TestManyAtOnce(t *testing.T) {
	s := newServer(t)
	r, c := start(t, s, OSRM, func(cfg *Config) { cfg.Keep, cfg.CacheSize, cfg.Rest = time.Second, 50, 10*time.Millisecond })
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			f := r.NewFinder(geo.Minibus)
			f.Aim(r.Locate(market, -1))
			for n := range 2000 {
				if n%500 == 0 {
					s.be([]mood{well, broken}[(n/500+g)%2])
				}
				f.From(r.Locate(farm(1+(n+g)%100), -1), morning)
			}
		})
	}
	group.Wait()
	settled(t, r, c)
	if n := r.cache.len(); n > 50 {
		t.Errorf("%d corrections are kept in a cache of 50", n)
	}
	t.Log(c.all())
}

// TestConfig says what is wrong with each.
func TestConfig(t *testing.T) {
	good := Config{Kind: OSRM, URL: "http://127.0.0.1:5000", Fallback: geo.NewCrow()}
	for name, change := range map[string]func(*Config){
		"kind":     func(c *Config) { c.Kind = "google" },
		"scheme":   func(c *Config) { c.URL = "127.0.0.1:5000" },
		"host":     func(c *Config) { c.URL = "http:///route" },
		"query":    func(c *Config) { c.URL += "/?a=b" },
		"fallback": func(c *Config) { c.Fallback = nil },
		"time-out": func(c *Config) { c.Timeout = time.Hour },
		"queue":    func(c *Config) { c.Queue = -1 },
		"cache":    func(c *Config) { c.CacheSize = 1 << 40 },
		"workers":  func(c *Config) { c.Workers = 1000 },
		"keep":     func(c *Config) { c.Keep = time.Millisecond },
		"rest":     func(c *Config) { c.Rest = 24 * time.Hour },
	} {
		cfg := good
		change(&cfg)
		if r, err := New(cfg); err == nil {
			r.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	r, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

// TestCache: corrections age, the oldest makes room, and nothing is asked twice.
func TestCache(t *testing.T) {
	c := newCache(3, time.Hour)
	k := func(n int) key { return key{from: cell{north: int32(n)}, class: geo.Car} }
	for n := range 5 {
		c.put(k(n), correction{time: 1 + float64(n), length: 1, made: morning})
	}
	for n, want := range []bool{false, false, true, true, true} {
		if _, ok, wanted := c.find(k(n), morning); ok != want || wanted == want {
			t.Errorf("correction %d: known %t, wanted %t", n, ok, wanted)
		}
	}
	for age, want := range map[time.Duration]string{29 * time.Minute: "true false", 31 * time.Minute: "true true", 61 * time.Minute: "false true"} {
		_, ok, wanted := c.find(k(4), morning.Add(age))
		if got := fmt.Sprint(ok, wanted); got != want {
			t.Errorf("after %v: known and wanted %s, want %s", age, got, want)
		}
	}
	if !c.ask(k(9)) || c.ask(k(9)) {
		t.Error("asked twice, or not at all")
	}
	if _, _, wanted := c.find(k(9), morning); wanted {
		t.Error("what is being asked for is still wanted")
	}
	c.forget(k(9))
	if !c.ask(k(9)) {
		t.Error("what was forgotten is not asked for again")
	}
}

// FuzzAnswers: no body makes a reader panic, or gives a drive that is none.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{"code":"Ok","routes":[{"duration":61.2,"distance":812.5}]}`,
		`{"code":"Ok","durations":[[1],[null]],"distances":[[2],[3]]}`,
		`{"trip":{"status":0,"summary":{"time":61.2,"length":0.8}}}`,
		`{"sources_to_targets":[[{"time":1,"distance":2}],[{"time":null,"distance":null}]]}`,
		`{"error_code":442}`, `{"code":"NoRoute"}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) ([]reply, error){osrmRoute, osrmTable, valhallaRoute, valhallaMatrix} {
			replies, err := read(body)
			if err != nil && replies != nil {
				t.Errorf("%q: replies and %v", body, err)
			}
			for _, r := range replies {
				if r.known && (r.leg.Duration < 0 || !(r.leg.Distance >= 0)) {
					t.Errorf("%q: %v", body, r.leg)
				}
			}
		}
		osrmNoRoute(body)
		valhallaNoRoute(body)
	})
}
