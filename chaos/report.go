package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"cuntong/chaos/oracle"
)

// The targets of time. They are asserted with -strict only: a busy machine is slow.
const (
	takeoverTargetS  = 3
	handoverTargetMS = 200
	sentinelTargetS  = 6
)

// report is what all runs came to. Its names are those that the evaluation reads.
type report struct {
	begun time.Time

	Violations      int       `json:"violations"`
	TripsSimulated  int       `json:"trips_simulated"` // of out/simulate.json, when it is there
	TripsUnderFault int       `json:"trips_under_fault"`
	FaultsInjected  int       `json:"faults_injected"`
	MutantsCaught   int       `json:"mutants_caught"`
	TakeoverP99S    float64   `json:"takeover_p99_s"`
	HandoverGapMS   float64   `json:"handover_gap_ms"`
	SentinelGapMaxS float64   `json:"sentinel_gap_max_s"`
	GapMaxS         float64   `json:"gap_max_s"`
	Mutants         int       `json:"mutants"`
	Failed          int       `json:"failed"` // runs that could not be judged
	TookS           float64   `json:"took_s"`
	Runs            []*result `json:"runs"`
}

// sum fills in what the runs come to.
func (rep *report) sum(out string) {
	var takeovers []time.Duration
	for _, res := range rep.Runs {
		if res.Mutant != "" {
			rep.Mutants++
			if res.caught() {
				rep.MutantsCaught++
			}
			continue
		}
		if res.Failed != "" {
			rep.Failed++
		}
		rep.Violations += res.Verdict.Findings.Total()
		rep.TripsUnderFault += res.Verdict.Trips
		rep.FaultsInjected += res.done()
		rep.GapMaxS = max(rep.GapMaxS, res.Times.Gap)
		for _, s := range res.Times.Takeovers {
			takeovers = append(takeovers, time.Duration(s*float64(time.Second)))
		}
		for _, ms := range res.Times.Handovers {
			rep.HandoverGapMS = max(rep.HandoverGapMS, ms)
		}
		for _, s := range res.Times.Failovers {
			if res.Topology == "sentinel" {
				rep.SentinelGapMaxS = max(rep.SentinelGapMaxS, s)
			}
		}
	}
	rep.TakeoverP99S = oracle.Percentile(takeovers, 0.99).Seconds()
	rep.TookS = time.Since(rep.begun).Seconds()
	var simulated struct {
		Trips int `json:"trips_simulated"`
	}
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(out), "simulate.json")); err == nil && json.Unmarshal(text, &simulated) == nil {
		rep.TripsSimulated = simulated.Trips
	}
}

// write sums up and writes the report.
func (rep *report) write(out string) error {
	rep.sum(out)
	text, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

// code is that of the program: 1 when a promise was broken or a mutant got away.
func (rep *report) code(strict bool) int {
	slow := strict && (rep.TakeoverP99S > takeoverTargetS || rep.HandoverGapMS > handoverTargetMS || rep.SentinelGapMaxS > sentinelTargetS)
	if rep.Violations > 0 || rep.Failed > 0 || rep.MutantsCaught < rep.Mutants || slow {
		return 1
	}
	return 0
}

// printLine tells of a run as soon as it has ended.
func (res *result) printLine(w io.Writer) {
	v := res.Verdict
	fmt.Fprintf(w, "    %5.0f s  %d trips, %d commands (%d done, %d refused, %d repeated, %d unknown), %d looks, %d faults, longest wait %.1f s\n",
		res.Took, v.Trips, v.Commands, v.Done, v.Refused, v.Repeated, v.Unknown, v.Sights, res.done(), res.Times.Gap)
	if skipped := res.skipped(); skipped != "" {
		fmt.Fprintln(w, "    not done:", skipped)
	}
	switch {
	case res.Failed != "":
		fmt.Fprintln(w, "    COULD NOT BE JUDGED:", res.Failed)
	case res.Mutant != "" && res.caught():
		fmt.Fprintln(w, "    caught:", v.Findings.String())
		fmt.Fprintln(w, "       ", v.Findings.First[0].What)
	case res.Mutant != "":
		fmt.Fprintln(w, "    GOT AWAY; found only:", v.Findings.String())
	case v.Findings.Total() == 0:
		fmt.Fprintln(w, "    0 violations")
	default:
		fmt.Fprintln(w, "    VIOLATIONS:", v.Findings.String())
		for _, one := range v.Findings.First {
			fmt.Fprintf(w, "        %s: %s\n", one.Rule, one.What)
		}
	}
	if res.Kept != "" {
		fmt.Fprintln(w, "    kept in", res.Kept)
	}
}

// print prints the table.
func (rep *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%-22s %6s %7s %7s %7s %9s %9s %9s %6s\n", "plan", "seed", "trips", "faults", "gap s", "takeover", "handover", "failover", "broken")
	for _, res := range rep.Runs {
		if res.Mutant != "" {
			continue
		}
		fmt.Fprintf(w, "%-22s %6d %7d %7d %7.1f %9s %9s %9s %6s\n", res.Plan, res.Seed, res.Verdict.Trips, res.done(), res.Times.Gap,
			longest(res.Times.Takeovers, "s"), longest(res.Times.Handovers, "ms"), longest(res.Times.Failovers, "s"), broken(res))
	}
	if rep.Mutants > 0 {
		fmt.Fprintf(w, "\n%-16s %-22s %6s  %s\n", "mutant", "plan", "seed", "what the oracle said")
	}
	for _, res := range rep.Runs {
		if res.Mutant == "" {
			continue
		}
		said := "GOT AWAY " + res.Failed
		if res.caught() {
			said = res.Verdict.Findings.String()
		}
		fmt.Fprintf(w, "%-16s %-22s %6d  %s\n", res.Mutant, res.Plan, res.Seed, said)
	}
	fmt.Fprintf(w, "\n%d violations; %d trips under %d faults; %d of %d mutants caught; %.0f s\n", rep.Violations, rep.TripsUnderFault, rep.FaultsInjected, rep.MutantsCaught, rep.Mutants, rep.TookS)
	fmt.Fprintf(w, "take-over p99 %.2f s (target %d), hand-over %.0f ms (target %d), Sentinel fail-over %.2f s (target %d), longest wait of anybody %.1f s\n",
		rep.TakeoverP99S, takeoverTargetS, rep.HandoverGapMS, handoverTargetMS, rep.SentinelGapMaxS, sentinelTargetS, rep.GapMaxS)
}

func longest(values []float64, unit string) string {
	if len(values) == 0 {
		return "-"
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	return fmt.Sprintf("%.1f %s", most, unit)
}

func broken(res *result) string {
	if res.Failed != "" {
		return "?"
	}
	return fmt.Sprint(res.Verdict.Findings.Total())
}
