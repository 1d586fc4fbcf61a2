package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/loadtest/swarm"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; look at the difference before you commit it")

// sample is a run that never was: every number follows from a formula.
func sample() *swarm.Result {
	r := &swarm.Result{
		Scenario: plan.Default(), URL: "ws://127.0.0.1:8080/ws", Seed: 7, Run: "golden",
		Started:    time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC),
		Connecting: 2500 * time.Millisecond, Running: time.Minute, Settling: 12 * time.Second, Tidying: 300 * time.Millisecond,
		Counts:   map[string]int64{},
		Refusals: map[string]int64{"limited/too_many_trips": 3, "lapsed/offer_lapsed": 11},
		Closes:   map[int]int64{4001: 12, 1006: 4}, TurnedAway: map[string]int64{},
		Step: time.Second,
	}
	r.Scenario.Name, r.Scenario.About, r.Scenario.TimeScale = "golden", "A run that never was, <to> look & compare.", 60
	r.Scenario.Phases = []plan.Phase{{Name: "all", DurationSeconds: 60, PerMinute: 600}}
	for _, c := range swarm.Counters() {
		r.Counts[c.Name] = 0
	}
	for name, n := range map[string]int64{
		"requests_due": 600, "requests_done": 597, "requests_refused": 3, "offers": 640, "accepts": 560, "declines": 40, "assigned": 555,
		"completed": 531, "cancelled": 40, "no_shows": 2, "unserved": 9, "ended_unseen": 5, "open_at_end": 10, "releases": 5,
		"connects": 1240, "reconnects": 40, "positions_sent": 20140, "positions_seen": 6200, "frames_in": 31000, "frames_out": 23900,
		"bytes_in": 9_100_000, "bytes_out": 2_950_000, "drains": 12, "dark_stretches": 24,
	} {
		r.Counts[name] = n
	}
	for i, info := range swarm.LatencyInfos() {
		h := hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)
		for k := 1; k <= 2000 && info.Name != "connect"; k++ {
			// An exponential body with a tail, each latency three times the one before.
			us := 200 * math.Pow(3, float64(i)) * (-math.Log(1-(float64(k)-0.5)/2000) + 0.2)
			if err := h.RecordValue(int64(us)); err != nil {
				panic(err)
			}
		}
		r.Latencies = append(r.Latencies, swarm.Latency{Info: info, Histogram: h})
	}
	for i := range 72 {
		f := float64(i)
		r.Samples = append(r.Samples, swarm.Sample{
			AtSeconds: f + 1, Requests: int64(10 * (1 + math.Sin(f/9)) * float64(min(1, max(0, 60-i)))), Offers: int64(10 + 4*math.Cos(f/5)),
			Completed: int64(min(i/4, 10)), OpenTrips: int64(80 - math.Abs(f-40)*2), Drivers: 1000, Riders: 240, Positions: 333,
			OfferP50MS: 3 + math.Sin(f/4), OfferP99MS: 20 + f/3 + 9*math.Sin(f), Offered: int64(i % 7),
		})
	}
	return r
}

func broken() *swarm.Result {
	r := sample()
	r.Interrupted = true
	r.Counts["violations"], r.Counts["unanswered"], r.Counts["turned_away"] = 1, 1, 2
	r.Violations = []swarm.Violation{{Kind: swarm.TwoDrivers, Trip: "sim-golden-4", Say: "version 3 was d1's, and version 4 is d2's"}}
	r.Unknown = []string{`accept golden-12 of sim-d00001 about trip "sim-golden-4"`}
	r.TurnedAway = map[string]int64{"closed with 4500 bad token": 2}
	return r
}

func judged(t *testing.T, r *swarm.Result, thresholds ...string) *Report {
	t.Helper()
	rep := New(r)
	var list []Threshold
	for _, s := range thresholds {
		threshold, err := ParseThreshold(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, threshold)
	}
	rep.Judge(list)
	return rep
}

func TestReportsAreAsTheyWere(t *testing.T) {
	good := judged(t, sample(), "request_to_offer_p99_ms>250", "completed_share < 0.8")
	bad := judged(t, broken(), "request_to_offer_p50_ms>0.5", "connect_p99_ms > 10")
	for name, write := range map[string]func(io.Writer) error{
		"good.json": good.WriteJSON, "good.txt": good.WriteText, "good.html": good.WriteHTML,
		"bad.txt": bad.WriteText, "bad.html": bad.WriteHTML,
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := filepath.Join("testdata", name)
		if *rewrite {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s has changed (run with -rewrite and look at the difference):\n%s", name, diff)
		}
	}
}

// TestPageStandsAlone checks that nothing is fetched and nothing is run.
func TestPageStandsAlone(t *testing.T) {
	var page bytes.Buffer
	if err := judged(t, broken()).WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"<script", "<link", "<img", "@import", "url(", "https://", "http://", "onload"} {
		if strings.Contains(page.String(), outside) {
			t.Errorf("the page has %q in it", outside)
		}
	}
	if strings.Contains(page.String(), "<to>") {
		t.Error("the scenario's words are in the page as markup")
	}
}

// TestChartsAreWellFormed reads every chart as XML and looks for numbers that are none.
func TestChartsAreWellFormed(t *testing.T) {
	empty := New(&swarm.Result{Scenario: plan.Default()})
	one := sample()
	one.Samples = one.Samples[:1]
	flat := sample()
	for i := range flat.Samples {
		flat.Samples[i] = swarm.Sample{AtSeconds: float64(i), Offered: 1}
	}
	for name, r := range map[string]*Report{"good": New(sample()), "empty": empty, "one sample": New(one), "nothing happens": New(flat)} {
		for i, svg := range []string{r.percentileChart(), r.throughputChart(), r.openChart(), r.partiesChart(), r.offerChart(), r.outcomeBar()} {
			if svg == "" && name == "good" {
				t.Errorf("%s: chart %d is missing", name, i)
			}
			if bad := regexp.MustCompile(`NaN|Inf|%!`).FindString(svg); bad != "" {
				t.Errorf("%s: chart %d has %s in it", name, i, bad)
			}
			for d := xml.NewDecoder(strings.NewReader(svg)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Errorf("%s: chart %d: %v", name, i, err)
					break
				}
			}
		}
	}
}

func TestLatencyFiguresAgreeWithTheirValues(t *testing.T) {
	h := hdrhistogram.New(1, 3_600_000_000, 3)
	for us := int64(1000); us <= 1_000_000; us += 1000 {
		if err := h.RecordValue(us); err != nil {
			t.Fatal(err)
		}
	}
	l := newLatency(swarm.Latency{Info: swarm.Info{Name: "x"}, Histogram: h})
	for name, c := range map[string][2]float64{"p50": {l.P50MS, 500}, "p90": {l.P90MS, 900}, "p99": {l.P99MS, 990}, "p99.9": {l.P999MS, 999}, "max": {l.MaxMS, 1000}, "mean": {l.MeanMS, 500.5}} {
		if math.Abs(c[0]-c[1]) > c[1]/500 {
			t.Errorf("%s is %v ms: want %v", name, c[0], c[1])
		}
	}
	if l.MaxMS > 1001 || l.P999MS > l.MaxMS {
		t.Errorf("max %v, p99.9 %v: want at most 1000, to three digits", l.MaxMS, l.P999MS)
	}
	last := l.Curve[len(l.Curve)-1]
	if last.Percentile != 99.9 || len(l.Curve) != 31 {
		t.Errorf("the curve has %d points to %v: a thousand values carry 31, to 99.9", len(l.Curve), last.Percentile)
	}
}

func TestMillisecondsHaveThreeDigits(t *testing.T) {
	for ms, want := range map[float64]string{0: "0.00 ms", 0.123: "0.12 ms", 9.994: "9.99 ms", 9.996: "10.0 ms", 99.96: "100 ms", 250: "250 ms", 999.6: "1.00 s", 12_345: "12.3 s", 99_960: "100 s"} {
		if got := FormatMS(ms); got != want {
			t.Errorf("%v is written %q: want %q", ms, got, want)
		}
	}
}
