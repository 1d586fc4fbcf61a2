package swarm

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cuntong/bubble"
	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/ws/client"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inVirtualTime runs a test beside others, where seconds cost nothing and a busy machine is
// no slower than another.
func inVirtualTime(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Parallel()
	bubble.Test(t, test)
}

func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(1)
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed
}

func hamlets(t *testing.T) *geo.Gazetteer {
	t.Helper()
	var list []geo.Village
	for i := range 25 {
		centre := geo.Point{Lat: 26.5 + 0.006*float64(i/5), Lon: 107.9 + 0.006*float64(i%5)}
		list = append(list, geo.Village{ID: geo.VillageID(fmt.Sprintf("v%02d", i)), Name: fmt.Sprintf("Village %d", i), Centre: centre})
	}
	g, err := geo.NewGazetteer(list)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// brisk is three seconds of many short trips.
func brisk() plan.Scenario {
	s := plan.Default()
	s.Name, s.TimeScale, s.SettleSeconds = "brisk", 600, 10
	s.Phases = []plan.Phase{{Name: "all", DurationSeconds: 3, PerMinute: 900}}
	s.Places.TypicalKM, s.Places.MinKM = 1, 0.5
	s.Drivers.Count, s.Drivers.ConnectOverSeconds, s.Drivers.PositionEverySeconds = 40, 0.2, 0.5
	s.Drivers.ThinkSeconds, s.Drivers.BoardSeconds = plan.Range{0.01, 0.1}, plan.Range{0.01, 0.1}
	s.Riders.Passengers, s.Riders.Agents, s.Riders.ConnectOverSeconds = 30, 3, 0.2
	s.Riders.ByPoint = 0.2
	return s
}

func config(t *testing.T, f *fake, s plan.Scenario) Config {
	return Config{
		URL: f.url(), Villages: f.g, Scenario: s, Seed: seedOf(t), Run: "test",
		DialContext: f.links.dial,
		TokenFor:    func(p Party) (string, error) { return p.Role + ":" + p.ID, nil },
	}
}

// soon is a back-off for scenarios of seconds.
var soon = client.Backoff{Base: 300 * time.Millisecond, Top: 2 * time.Second, Steady: time.Millisecond}

func drive3s(t *testing.T, s plan.Scenario, with faults) *Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := config(t, newFake(t, hamlets(t), with), s)
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, cfg.Villages, cfg.Seed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newSwarm(cfg, p, 6*time.Second, soon).run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Logf("violation: %+v", v)
	}
	t.Logf("counts: %v; refusals: %v; closes: %v", r.Counts, r.Refusals, r.Closes)
	return r
}

// balanced checks that every booking has exactly one outcome.
func balanced(t *testing.T, r *Result) {
	t.Helper()
	c := r.Counts
	ends := c["completed"] + c["cancelled"] + c["no_shows"] + c["unserved"] + c["requests_refused"] + c["open_at_end"] + c["ended_unseen"] + c["requests_shed"]
	if c["requests_due"] == 0 || ends != c["requests_due"] {
		t.Errorf("%d bookings came to %d ends: %v", c["requests_due"], ends, c)
	}
}

func honest(t *testing.T, r *Result) {
	t.Helper()
	if r.Counts["violations"] != 0 || r.Counts["unanswered"] != 0 || len(r.Violations) != 0 || len(r.Unknown) != 0 {
		t.Errorf("the server kept its promises, and is charged with %v and %v", r.Violations, r.Unknown)
	}
}

func count(t *testing.T, r *Result, name string, least int64) {
	t.Helper()
	if got, ok := r.Counts[name]; !ok || got < least {
		t.Errorf("%s is %d: want at least %d", name, got, least)
	}
}

func TestSwarmLivesThroughAScenario(t *testing.T) { inVirtualTime(t, testSwarmLivesThroughAScenario) }

func testSwarmLivesThroughAScenario(t *testing.T) {
	var seen atomic.Int64
	f := newFake(t, hamlets(t), faults{})
	cfg := config(t, f, brisk())
	cfg.Observer = func(e Event) {
		if e.Kind != TripCompleted {
			return
		}
		seen.Add(1)
		if e.Trip == "" || e.Driver == "" || e.Booker == "" || !strings.HasPrefix(e.From, "Village ") || e.Waited <= 0 || e.Took <= e.Waited {
			t.Errorf("odd event %+v", e)
		}
	}
	var stages atomic.Value
	cfg.Progress = func(p Progress) { stages.Store(p.Stage) }
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, r)
	honest(t, r)
	if got := r.Counts["completed"]; got < 30 || got != seen.Load() {
		t.Errorf("%d trips completed, %d observed: want the same, at least 30", got, seen.Load())
	}
	for _, l := range r.Latencies {
		if l.Histogram.TotalCount() == 0 {
			t.Errorf("%s was never measured", l.Name)
		}
	}
	if n, due := r.Latencies[requestToDone].Histogram.TotalCount(), r.Counts["requests_due"]; n != due {
		t.Errorf("%d answers were timed of %d", n, due)
	}
	if len(r.Samples) < 3 || stages.Load() == nil {
		t.Errorf("%d samples, stage %v: want one a second", len(r.Samples), stages.Load())
	}
	if r.Counts["connects"] != 73 || r.Counts["reconnects"] != 0 {
		t.Errorf("%v: want 73 connects", r.Counts)
	}
}

func TestSwarmOutlivesBadManners(t *testing.T) { inVirtualTime(t, testSwarmOutlivesBadManners) }

func testSwarmOutlivesBadManners(t *testing.T) {
	s := brisk()
	s.Drivers.Decline, s.Drivers.Lapse, s.Drivers.Release, s.Drivers.NoShow = 0.1, 0.05, 0.1, 0.1
	s.Drivers.Duplicate, s.Riders.Duplicate = 0.5, 0.5
	s.Drivers.ClockOffSeconds = 3600
	s.Riders.ChangeMind, s.Riders.CancelAssigned, s.Riders.ChangeAfterSeconds = 0.1, 0.1, plan.Range{0.01, 0.3}
	r := drive3s(t, s, faults{replay: true, busy: true})
	balanced(t, r)
	honest(t, r)
	for _, name := range []string{"declines", "releases", "no_shows", "cancelled", "duplicates", "retries", "completed"} {
		count(t, r, name, 1)
	}
}

func TestSwarmOutlivesCutsDarkValleysAndADrain(t *testing.T) {
	inVirtualTime(t, testSwarmOutlivesCutsDarkValleysAndADrain)
}

func testSwarmOutlivesCutsDarkValleysAndADrain(t *testing.T) {
	s := brisk()
	s.Drivers.DarkPerHour, s.Drivers.DarkSeconds = 720, plan.Range{0.05, 0.3}
	s.Riders.DarkPerHour, s.Riders.DarkSeconds = 720, plan.Range{0.05, 0.3}
	s.Drivers.Duplicate, s.Riders.Duplicate = 0.2, 0.2
	r := drive3s(t, s, faults{cutEvery: 9, drainAfter: 1500 * time.Millisecond})
	balanced(t, r)
	honest(t, r)
	for _, name := range []string{"dark_stretches", "reconnects", "drains", "completed"} {
		count(t, r, name, 5)
	}
	if r.Closes[4001] == 0 {
		t.Errorf("closes by code %v: want some by 4001", r.Closes)
	}
}

// TestSwarmKnowsTwoAddresses has one of two addresses go away, and everybody's truth
// told again and again.
func TestSwarmKnowsTwoAddresses(t *testing.T) { inVirtualTime(t, testSwarmKnowsTwoAddresses) }

func testSwarmKnowsTwoAddresses(t *testing.T) {
	f := newFake(t, hamlets(t), faults{downAfter: 1500 * time.Millisecond, truthEvery: 200 * time.Millisecond})
	s := brisk()
	s.Drivers.DarkPerHour, s.Drivers.DarkSeconds = 720, plan.Range{0.05, 0.3}
	cfg := config(t, f, s)
	cfg.URL = f.bothURLs()
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, r)
	honest(t, r)
	for _, name := range []string{"reconnects", "completed", "truths_again", "receipts_given"} {
		count(t, r, name, 5)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.newest < 5 {
		t.Errorf("%d of the receipts given back were the newest", f.newest)
	}
	for _, server := range []string{f.server.Addr().String(), f.other.Addr().String()} {
		if f.first[server] < 15 {
			t.Errorf("first connections by address: %v, want a fair share at %s", f.first, server)
		}
	}
}

// A trip that the server has taken and lost is asked for again, and held against it.
func TestLostTripIsAskedForAgain(t *testing.T) { inVirtualTime(t, testLostTripIsAskedForAgain) }

func testLostTripIsAskedForAgain(t *testing.T) {
	r := drive3s(t, brisk(), faults{lie: Lost})
	balanced(t, r)
	count(t, r, "requests_again", 1)
	if len(r.Violations) != 1 || r.Violations[0].Kind != Lost {
		t.Errorf("the server lost one trip, and is charged with %v", r.Violations)
	}
}

// TestBookingsDoNotWaitForTheServer has the fake answer no request before the
// thirtieth has come. Bookings that waited for answers would then never come to
// thirty; and latencies that left the waiting out would be shorter than the time
// between the first booking and the thirtieth, which the plan knows.
func TestBookingsDoNotWaitForTheServer(t *testing.T) {
	inVirtualTime(t, testBookingsDoNotWaitForTheServer)
}

func testBookingsDoNotWaitForTheServer(t *testing.T) {
	const thirtieth = 30
	s := brisk()
	s.Riders.Passengers, s.Riders.Agents = 0, 4 // each has a dozen that wait for an answer
	r := drive3s(t, s, faults{stallUntil: thirtieth})
	balanced(t, r)
	p, err := plan.New(s, hamlets(t), seedOf(t))
	if err != nil {
		t.Fatal(err)
	}
	var at []time.Duration
	for b := range p.Bookings() {
		at = append(at, b.At)
	}
	if got := r.Counts["requests_done"]; got != int64(len(at)) || len(at) < thirtieth {
		t.Fatalf("%d requests were answered of %d", got, len(at))
	}
	waited := at[thirtieth-1] - at[0]
	if longest := r.Latencies[requestToDone].Histogram.Max(); longest < waited.Microseconds() {
		t.Errorf("the first request was answered after the thirtieth, %v later; the longest latency is %d µs", waited, longest)
	}
}

// TestEveryBrokenPromiseIsSeen has the fake break each promise once.
func TestEveryBrokenPromiseIsSeen(t *testing.T) {
	for _, lie := range []ViolationKind{TwoTrips, TwoDrivers, TwoMeanings, Revived, TruthBehind, OtherAnswer, NoAnswer} {
		t.Run(string(lie), func(t *testing.T) {
			inVirtualTime(t, func(t *testing.T) { testBrokenPromise(t, lie) })
		})
	}
}

func testBrokenPromise(t *testing.T, lie ViolationKind) {
	s := brisk()
	s.Phases[0].DurationSeconds = 1.5
	s.SettleSeconds = 2
	with := faults{lie: lie}
	switch lie {
	case OtherAnswer:
		s.Riders.Duplicate = 1
	case TruthBehind:
		with.cutEvery = 10
	}
	r := drive3s(t, s, with)
	found := false
	for _, v := range r.Violations {
		found = found || v.Kind == lie
	}
	if !found || r.Counts["violations"] == 0 {
		t.Errorf("the fake broke %q and %v was seen", lie, r.Violations)
	}
}

func TestRunFailsWhenNobodyIsLetIn(t *testing.T) { inVirtualTime(t, testRunFailsWhenNobodyIsLetIn) }

func testRunFailsWhenNobodyIsLetIn(t *testing.T) {
	s := brisk()
	s.Drivers.Count, s.Riders.Passengers, s.Riders.Agents = 2, 2, 0
	_, err := Run(t.Context(), config(t, newFake(t, hamlets(t), faults{turnAway: true}), s))
	if err == nil || !strings.Contains(err.Error(), "4500") {
		t.Errorf("got %v: want an error that names the close code", err)
	}
}

func TestRunRefusesABadConfiguration(t *testing.T) {
	f := newFake(t, hamlets(t), faults{})
	for name, spoil := range map[string]func(*Config){
		"no address":   func(c *Config) { c.URL = "" },
		"http address": func(c *Config) { c.URL = "http://127.0.0.1/ws" },
		"no tokens":    func(c *Config) { c.TokenFor = nil },
		"long prefix":  func(c *Config) { c.Prefix = strings.Repeat("x", 21) },
		"no villages":  func(c *Config) { c.Villages = nil },
		"no phases":    func(c *Config) { c.Scenario.Phases = nil },
	} {
		cfg := config(t, f, brisk())
		spoil(&cfg)
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFinishEndsEarlyAndTidily(t *testing.T) { inVirtualTime(t, testFinishEndsEarlyAndTidily) }

func testFinishEndsEarlyAndTidily(t *testing.T) {
	s := brisk()
	s.Repeat = true
	finish := make(chan struct{})
	f := newFake(t, hamlets(t), faults{})
	cfg := config(t, f, s)
	cfg.Finish = finish
	var once atomic.Bool
	cfg.Observer = func(e Event) {
		if e.Kind == TripCompleted && once.CompareAndSwap(false, true) {
			close(finish)
		}
	}
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, r)
	honest(t, r)
	if !r.Interrupted {
		t.Error("the run does not say that it was ended early")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.onDuty) != 0 {
		t.Errorf("%d drivers were left on duty", len(f.onDuty))
	}
	for id, trip := range f.trips {
		if !isOver(trip.State) {
			t.Errorf("trip %s was left %s", id, trip.State)
		}
	}
}

func TestContextEndsAtOnceWithoutBlame(t *testing.T) {
	inVirtualTime(t, testContextEndsAtOnceWithoutBlame)
}

func testContextEndsAtOnceWithoutBlame(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := brisk()
	s.Repeat = true
	cfg := config(t, newFake(t, hamlets(t), faults{}), s)
	cfg.Observer = func(e Event) { cancel() }
	r, err := Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || len(r.Violations) != 0 {
		t.Errorf("interrupted %v, violations %v: want true and none", r.Interrupted, r.Violations)
	}
}
