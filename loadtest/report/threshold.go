package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cuntong/loadtest/swarm"
)

// Threshold is a condition under which a run has failed:
//
//	figure op number
//
// The figure is one of [FigureNames], op one of > >= < <= == !=, the number a
// decimal one in the figure's unit; blanks between them do not matter. Examples:
// "request_to_offer_p99_ms>250", "unserved >= 10", "completed_share < 0.9".
type Threshold struct {
	Figure string
	Op     string
	Limit  float64
}

// Verdict is a threshold held against a run.
type Verdict struct {
	// FailIf is the threshold as it was written.
	FailIf string `json:"fail_if"`
	// Value is the figure; absent when it was never measured, which breaks the
	// threshold too: a limit on what did not happen proves nothing.
	Value  *float64 `json:"value,omitzero"`
	Broken bool     `json:"broken"`
}

// ops holds the operators, longer ones first so that >= is not read as >.
var ops = []struct {
	op    string
	holds func(v, limit float64) bool
}{
	{">=", func(v, limit float64) bool { return v >= limit }},
	{"<=", func(v, limit float64) bool { return v <= limit }},
	{"==", func(v, limit float64) bool { return v == limit }},
	{"!=", func(v, limit float64) bool { return v != limit }},
	{">", func(v, limit float64) bool { return v > limit }},
	{"<", func(v, limit float64) bool { return v < limit }},
}

// always are the thresholds that hold whatever is asked: a server that breaks a
// promise fails, and so does a run that did not put on the load it claims.
var always = []Threshold{{"violations", ">", 0}, {"requests_shed", ">", 0}}

// ParseThreshold reads a threshold. Figures are checked here, so that a misspelt
// one fails before the run and not after it.
func ParseThreshold(s string) (Threshold, error) {
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return Threshold{}, fmt.Errorf("threshold %.80q: want figure, operator and number, such as request_to_offer_p99_ms>250", s)
	}
	t := Threshold{Figure: strings.TrimSpace(s[:at])}
	for _, o := range ops {
		if strings.HasPrefix(s[at:], o.op) {
			t.Op = o.op
			break
		}
	}
	if t.Op == "" {
		return Threshold{}, fmt.Errorf("threshold %.80q: want one of the operators > >= < <= == !=", s)
	}
	if !slices.Contains(FigureNames(), t.Figure) {
		return Threshold{}, fmt.Errorf("threshold %.80q: no figure is called %.40q: want one of %s", s, t.Figure, strings.Join(FigureNames(), ", "))
	}
	number := strings.TrimSpace(s[at+len(t.Op):])
	limit, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(limit) || math.IsInf(limit, 0) {
		return Threshold{}, fmt.Errorf("threshold %.80q: %.40q is not a number", s, number)
	}
	t.Limit = limit
	return t, nil
}

// String writes the threshold without blanks.
func (t Threshold) String() string {
	return t.Figure + t.Op + strconv.FormatFloat(t.Limit, 'f', -1, 64)
}

// derived are the figures that are neither counters nor latencies.
var derived = []string{"completed_share", "unserved_share", "requests_per_s", "open_trips_peak", "drivers_peak", "positions_per_s_peak"}

// FigureNames lists what a threshold may name: the counters, the latencies with
// _count, _mean_ms, _p50_ms, _p90_ms, _p99_ms, _p99_9_ms and _max_ms, and a few more.
func FigureNames() []string {
	names := slices.Clone(derived)
	for _, c := range swarm.Counters() {
		names = append(names, c.Name)
	}
	for _, l := range swarm.LatencyInfos() {
		for _, end := range []string{"count", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms"} {
			names = append(names, l.Name+"_"+end)
		}
	}
	slices.Sort(names)
	return names
}

// Judge holds the thresholds, and those that always count, against the run.
func (r *Report) Judge(thresholds []Threshold) {
	r.Thresholds, r.OK = nil, true
	for _, t := range slices.Concat(always, thresholds) {
		v := Verdict{FailIf: t.String(), Broken: true}
		if value, measured := r.Figures[t.Figure]; measured {
			v.Value, v.Broken = &value, t.holds(value)
		}
		r.Thresholds = append(r.Thresholds, v)
		r.OK = r.OK && !v.Broken
	}
}

func (t Threshold) holds(value float64) bool {
	for _, o := range ops {
		if o.op == t.Op {
			return o.holds(value, t.Limit)
		}
	}
	return true // an operator that does not exist must not pass for a limit kept
}
