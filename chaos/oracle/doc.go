// Package oracle says whether anything was lost, doubled or forgotten, from what the
// clients lived through and what the ledger holds in the end.
//
// It reads the journal's lines by itself and not through the server's code, and it is
// never to be made more lenient so that a run passes: a rule that is wrong is replaced
// by one that is right and says why.
package oracle

import (
	"fmt"
	"slices"
	"strings"
)

// Violation is a broken promise.
type Violation struct {
	// Rule is which promise, one of the names below.
	Rule string `json:"rule"`
	What string `json:"what"`
}

// The rules.
const (
	RuleTwoRides   = "two_rides"      // a driver in two rides or offers at once
	RuleTwoAreas   = "two_areas"      // a driver on duty in two areas at once
	RuleLostTrip   = "lost_trip"      // an acknowledged trip is not in the ledger, or never ended
	RuleForgotten  = "forgotten"      // what somebody was told is not in the ledger
	RuleTwice      = "twice"          // a command was applied twice
	RuleRefused    = "refused_done"   // a command took effect whose only answer was a refusal
	RuleSequence   = "sequence"       // the journal has a gap, or an entry where another belongs
	RuleLife       = "life"           // a trip did what its state does not allow
	RuleBackwards  = "backwards"      // a client saw an older state after a newer one
	RuleTrip       = "linear_trip"    // the answers about a trip fit no order
	RuleDriver     = "linear_driver"  // the answers about a driver fit no order
	RuleUndecided  = "undecided"      // the checker ran out of time
	RuleTransfer   = "transfer"       // a driver was handed over twice, or never released, or never admitted
	RuleUnreadable = "unreadable"     // what is kept in Redis cannot be loaded
	RuleStuck      = "stuck"          // long after everything was mended somebody still waits
	RuleTraffic    = "traffic"        // too few trips were lived for the run to mean anything
	RuleDeadline   = "deadline_twice" // an offer lapsed much too early, or an open trip outlived its deadline
	RuleServer     = "server"         // a server ended, or would not start, where no fault explains it
)

// Findings are violations, the first few of each rule in words.
type Findings struct {
	Count map[string]int `json:"count"`
	First []Violation    `json:"first"`
}

// perRule bounds what is told of each rule.
const perRule = 5

func (f *Findings) add(rule, format string, args ...any) {
	if f.Count == nil {
		f.Count = map[string]int{}
	}
	f.Count[rule]++
	if f.Count[rule] <= perRule {
		f.First = append(f.First, Violation{Rule: rule, What: fmt.Sprintf(format, args...)})
	}
}

// Add notes a violation that somebody else has found.
func (f *Findings) Add(rule, what string) { f.add(rule, "%s", what) }

// Total is how many there are.
func (f *Findings) Total() int {
	n := 0
	for _, count := range f.Count {
		n += count
	}
	return n
}

// String lists the rules that were broken.
func (f *Findings) String() string {
	var parts []string
	for rule, n := range f.Count {
		parts = append(parts, fmt.Sprintf("%s ×%d", rule, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
