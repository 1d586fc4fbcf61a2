package main

import (
	"fmt"
	"strings"
	"time"

	"cuntong/chaos/history"
	"cuntong/chaos/oracle"
	"cuntong/chaos/plan"
	"cuntong/chaos/stage"
)

// recovery is how long after a fault its consequences are looked for.
const recovery = 10 * time.Second

// times are the spans without service that the clients saw.
type times struct {
	Gap       float64            `json:"gap_max_s"`                // the longest wait of anybody
	ByFault   map[string]float64 `json:"gap_by_fault_s,omitempty"` // the same around each fault
	Takeovers []float64          `json:"takeovers_s,omitempty"`    // kill to first command of the area elsewhere
	Handovers []float64          `json:"handovers_ms,omitempty"`   // longest wait in an area that changed hands as planned
	Failovers []float64          `json:"failovers_s,omitempty"`    // longest silence in an area around a fail-over
}

// measure reads the spans off a history.
func (res *result) measure(h history.History, areas []string) {
	t := times{ByFault: map[string]float64{}}
	for _, e := range res.Events {
		if e.Skipped != "" || e.Error != "" {
			continue
		}
		gap := oracle.Gap(h, e.From, res.calm(e.Until)).Seconds()
		t.Gap = max(t.Gap, gap)
		t.ByFault[e.Fault] = max(t.ByFault[e.Fault], gap)
		if !res.alone(e) {
			continue // what two faults at once cost is in the gaps, and no measure of either
		}
		if e.Master {
			t.Failovers = append(t.Failovers, oracle.Silence(h, e.From, res.calm(e.Until), areas).Seconds())
		}
		for _, area := range e.Areas {
			switch e.Fault {
			case plan.ServerKill:
				if took, ok := oracle.Takeover(h, e.From, area, e.Server); ok {
					t.Takeovers = append(t.Takeovers, took.Seconds())
				}
			case plan.ServerTerm:
				t.Handovers = append(t.Handovers, float64(oracle.Handover(h, e.From, e.From+5*time.Second, area, e.Server).Microseconds())/1000)
			}
		}
	}
	res.Times = t
}

// alone says that no other fault was under way when this one began, nor began soon after.
func (res *result) alone(e stage.Event) bool {
	const soon = 3 * time.Second
	for _, other := range res.Events {
		same := other.Fault == e.Fault && other.From == e.From
		if !same && other.From < e.From+soon && other.Until > e.From && other.Skipped == "" && other.Fault != plan.Frames {
			return false
		}
	}
	return true
}

// calm is how long after the end of a fault what happens is put down to it: until the
// next one begins, and no longer than recovery.
func (res *result) calm(end time.Duration) time.Duration {
	until := end + recovery
	for _, e := range res.Events {
		if e.From >= end {
			until = min(until, e.From)
		}
	}
	return until
}

// checkTraffic: a run in which little happened has shown nothing, and after each fault
// there must have been life again.
func (res *result) checkTraffic(h history.History, p *plan.Plan) {
	var end time.Duration
	for _, op := range h.Ops {
		end = max(end, op.Return)
	}
	if _, trips := oracle.Acks(h, 0, end+1); trips < p.MinTrips {
		res.Verdict.Findings.Add(oracle.RuleTraffic, fmt.Sprintf("%d trips were completed and acknowledged: the plan wants %d", trips, p.MinTrips))
	}
	for _, e := range res.Events {
		if e.Skipped != "" {
			continue
		}
		if acks, _ := oracle.Acks(h, e.From, end+1); acks == 0 {
			res.Verdict.Findings.Add(oracle.RuleTraffic, fmt.Sprintf("after %s of %s at %v nothing was acknowledged any more", e.Fault, e.Target, e.From))
		}
		if e.Error != "" {
			res.Verdict.Findings.Add(oracle.RuleServer, fmt.Sprintf("%s of %s at %v could not be done: %s", e.Fault, e.Target, e.From, e.Error))
		}
	}
}

// good says that nothing was violated.
func (res *result) good() bool { return res.Failed == "" && res.Verdict.Findings.Total() == 0 }

// caught says that the oracle found what a mutant leaves out: something else than that
// a server ended or that too little happened.
func (res *result) caught() bool {
	f := res.Verdict.Findings
	return res.Failed == "" && f.Total() > f.Count[oracle.RuleTraffic]+f.Count[oracle.RuleServer]+f.Count[oracle.RuleUndecided]
}

// done counts the faults that were done.
func (res *result) done() int {
	n := 0
	for _, e := range res.Events {
		if e.Skipped == "" && e.Error == "" {
			n++
		}
	}
	return n
}

// skipped lists the faults that were not.
func (res *result) skipped() string {
	var parts []string
	for _, e := range res.Events {
		if e.Skipped != "" {
			parts = append(parts, e.Fault+": "+e.Skipped)
		}
	}
	return strings.Join(parts, "; ")
}
