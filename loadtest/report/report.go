package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/loadtest/swarm"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Schema names the meaning of the JSON. The number rises when a field is removed
// or means something else; new fields do not raise it.
const Schema = "cuntong.loadtest/1"

// Report is a load test's outcome, and with its tags the JSON that WriteJSON
// writes. Field names end in their unit.
type Report struct {
	Schema  string `json:"schema"`
	Name    string `json:"scenario"`
	About   string `json:"about,omitzero"`
	URL     string `json:"url"`
	Seed    uint64 `json:"seed"`
	Run     string `json:"run"`
	Started string `json:"started"` // RFC 3339, UTC
	// Interrupted says that somebody ended the run early.
	Interrupted bool `json:"interrupted"`
	// TimeScale is how much faster than in life the vehicles moved.
	TimeScale float64 `json:"time_scale"`
	// Stages are how long each part of the run took.
	Stages Stages `json:"stages"`
	// Counts are the counters by name; swarm.Counters says what they are.
	Counts map[string]int64 `json:"counts"`
	// Refusals count refused frames by kind/code, Closes connections by close code,
	// TurnedAway parties by why they were told not to come back.
	Refusals   map[string]int64 `json:"refusals"`
	Closes     map[string]int64 `json:"closes"`
	TurnedAway map[string]int64 `json:"turned_away"`
	Latencies  []Latency        `json:"latencies"`
	// Samples is the run in steps of StepSeconds.
	StepSeconds float64           `json:"step_s"`
	Samples     []swarm.Sample    `json:"samples"`
	Violations  []swarm.Violation `json:"violations"`
	// Unknown lists commands whose result nobody knows.
	Unknown []string `json:"unknown"`
	// Figures are all numbers that a threshold may name.
	Figures map[string]float64 `json:"figures"`
	// Thresholds are what was asked of the run, OK whether it is all so.
	Thresholds []Verdict `json:"thresholds"`
	OK         bool      `json:"ok"`
	// Notes are sentences that a reader should know before trusting the figures.
	Notes []string `json:"notes"`
	// Scenario is the whole scenario as it was run.
	Scenario plan.Scenario `json:"scenario_file"`
}

// Stages are the parts of a run in order.
type Stages struct {
	ConnectingSeconds float64 `json:"connecting_s"`
	RunningSeconds    float64 `json:"running_s"`
	SettlingSeconds   float64 `json:"settling_s"`
	TidyingSeconds    float64 `json:"tidying_s"`
}

// Latency is one distribution. Everything but Count is absent when Count is 0.
type Latency struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Count int64  `json:"count"`
	// In milliseconds; exact to three digits, rounded up.
	MeanMS float64 `json:"mean_ms,omitzero"`
	P50MS  float64 `json:"p50_ms,omitzero"`
	P90MS  float64 `json:"p90_ms,omitzero"`
	P99MS  float64 `json:"p99_ms,omitzero"`
	P999MS float64 `json:"p99_9_ms,omitzero"`
	MaxMS  float64 `json:"max_ms,omitzero"`
	// Curve is the whole distribution, as far out as the count carries.
	Curve []Point `json:"curve,omitzero"`
}

// Point is one percentile.
type Point struct {
	Percentile float64 `json:"percentile"`
	MS         float64 `json:"ms"`
}

// New makes the report of a run, without thresholds; see [Report.Judge].
func New(r *swarm.Result) *Report {
	rep := &Report{
		Schema: Schema, Name: r.Scenario.Name, About: r.Scenario.About, URL: r.URL, Seed: r.Seed, Run: r.Run,
		Started: r.Started.UTC().Format(time.RFC3339), Interrupted: r.Interrupted, TimeScale: r.Scenario.TimeScale,
		Stages: Stages{round(r.Connecting.Seconds()), round(r.Running.Seconds()), round(r.Settling.Seconds()), round(r.Tidying.Seconds())},
		Counts: r.Counts, Refusals: notNil(r.Refusals), TurnedAway: notNil(r.TurnedAway), Closes: map[string]int64{},
		StepSeconds: r.Step.Seconds(), Samples: r.Samples, Violations: r.Violations, Unknown: r.Unknown,
		Scenario: r.Scenario, OK: true,
	}
	for code, n := range r.Closes {
		rep.Closes[strconv.Itoa(code)] = n
	}
	for _, l := range r.Latencies {
		rep.Latencies = append(rep.Latencies, newLatency(l))
	}
	rep.Figures = rep.figures()
	rep.Notes = rep.notes()
	return rep
}

func notNil(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

func newLatency(l swarm.Latency) Latency {
	h := l.Histogram
	out := Latency{Name: l.Name, About: l.About, Count: h.TotalCount()}
	if out.Count == 0 {
		return out
	}
	// Ten points to each further nine, until fewer than one value lies beyond.
	asked := []float64{50, 90, 99, 99.9, 100}
	for i := 0; math.Pow(10, float64(i)/10) <= float64(out.Count) && i <= 60; i++ {
		p := 100 * (1 - math.Pow(10, -float64(i)/10))
		asked = append(asked, math.Round(p*1e6)/1e6)
	}
	ms := quantiles(h, asked)
	out.MeanMS = round(h.Mean() / 1000)
	out.P50MS, out.P90MS, out.P99MS, out.P999MS, out.MaxMS = ms[0], ms[1], ms[2], ms[3], ms[4]
	for i := 5; i < len(asked); i++ {
		out.Curve = append(out.Curve, Point{asked[i], ms[i]})
	}
	return out
}

// quantiles are in milliseconds. The histogram answers with the upper edges of its
// buckets, which must not lie above its greatest value.
func quantiles(h *hdrhistogram.Histogram, percentiles []float64) []float64 {
	ms := make([]float64, len(percentiles))
	for i, us := range h.ValueAtPercentilesSlice(percentiles) {
		ms[i] = round(float64(min(us, h.Max())) / 1000)
	}
	return ms
}

// round keeps four digits after the point, which is less than the histogram knows.
func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// figures are the counters, the latencies, and a few that follow from them.
func (r *Report) figures() map[string]float64 {
	f := map[string]float64{}
	for name, n := range r.Counts {
		f[name] = float64(n)
	}
	for _, l := range r.Latencies {
		f[l.Name+"_count"] = float64(l.Count)
		if l.Count == 0 {
			continue
		}
		f[l.Name+"_mean_ms"], f[l.Name+"_max_ms"] = l.MeanMS, l.MaxMS
		f[l.Name+"_p50_ms"], f[l.Name+"_p90_ms"], f[l.Name+"_p99_ms"], f[l.Name+"_p99_9_ms"] = l.P50MS, l.P90MS, l.P99MS, l.P999MS
	}
	if due := f["requests_due"]; due > 0 {
		f["completed_share"] = round(f["completed"] / due)
		f["unserved_share"] = round(f["unserved"] / due)
	}
	if s := r.Stages.RunningSeconds; s > 0 {
		f["requests_per_s"] = round(f["requests_due"] / s)
	}
	for _, s := range r.Samples {
		f["open_trips_peak"] = max(f["open_trips_peak"], float64(s.OpenTrips))
		f["drivers_peak"] = max(f["drivers_peak"], float64(s.Drivers))
		if r.StepSeconds > 0 {
			f["positions_per_s_peak"] = max(f["positions_per_s_peak"], round(float64(s.Positions)/r.StepSeconds))
		}
	}
	return f
}

// busy is the feed lag from which on latencies say more about this program than
// about the server.
const busyMS = 50

func (r *Report) notes() []string {
	notes := []string{"Drivers, riders, roads and the sizes of villages are simulated."}
	if r.TimeScale != 1 {
		notes = append(notes, fmt.Sprintf("Vehicles moved %v times faster than in life; everything else kept its own pace.", r.TimeScale))
	}
	if r.Interrupted {
		notes = append(notes, "The run was ended early.")
	}
	if lag := r.Figures["feed_lag_p99_ms"]; lag > busyMS {
		notes = append(notes, fmt.Sprintf("This program was too busy: 1 %% of the bookings reached their rider %.0f ms late or more, and the latencies include that.", lag))
	}
	if n := r.Counts["dark_stretches"]; n > 0 {
		notes = append(notes, fmt.Sprintf("Phones lost their signal %d times, by the scenario. An offer that went to such a phone reached a driver only later: that is the far tail of request_to_offer.", n))
	}
	if n := r.Counts["requests_shed"]; n > 0 {
		notes = append(notes, fmt.Sprintf("%d bookings were never sent: this program could not keep up, or its parties were turned away.", n))
	}
	if n := r.Counts["turned_away"]; n > 0 {
		notes = append(notes, fmt.Sprintf("%d parties were told not to come back.", n))
	}
	return notes
}

// WriteJSON writes the report with its fields in a fixed order.
func (r *Report) WriteJSON(w io.Writer) error {
	return writeIndented(w, r)
}

// WriteScenario writes a scenario with all its fields, as a file that can be run again.
func WriteScenario(w io.Writer, s plan.Scenario) error { return writeIndented(w, s) }

func writeIndented(w io.Writer, v any) error {
	if err := json.MarshalWrite(w, v, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
