package swarm

import (
	"time"

	"cuntong/loadtest/plan"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run came to.
type Result struct {
	Scenario plan.Scenario
	URL      string
	Seed     uint64
	Run      string
	// Started is when the first party began to connect. Connecting, Running, Settling
	// and Tidying follow each other.
	Started                                time.Time
	Connecting, Running, Settling, Tidying time.Duration
	// Interrupted says that somebody ended the run early.
	Interrupted bool
	// Counts are the counters by name; see [Counters].
	Counts map[string]int64
	// Refusals counts refused frames by kind/code, Closes connections by close code,
	// TurnedAway parties by why they were told not to come back.
	Refusals   map[string]int64
	Closes     map[int]int64
	TurnedAway map[string]int64
	// Latencies are in microseconds, in the order of [LatencyInfos].
	Latencies []Latency
	// Samples is the run in steps of Step.
	Samples []Sample
	Step    time.Duration
	// Violations are the broken promises, the first hundred in words.
	Violations []Violation
	// Unknown lists commands whose result nobody knows, the first hundred in words.
	Unknown []string
}

// Latency is one histogram.
type Latency struct {
	Info
	Histogram *hdrhistogram.Histogram
}
