package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// printTable writes the figures for people.
func (s *study) printTable(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%d seeds, %d drivers; mean ± half a 95 %% interval; the last four against a straight line on the same days\n", s.opt.seeds, s.opt.drivers)
	fmt.Fprintln(t, "load\tpolicy\tserved %\tin vain\twait min\tp95\tempty min/ride\tserved, points\twait ratio\twait of all, ratio\tempty ratio")
	for l := range s.opt.loads {
		for p := range s.policies {
			fmt.Fprintln(t, strings.Join(s.cellOf(l, p).row(p != byLine), "\t"))
		}
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "target\tfigure\tbound")
	for _, g := range s.targets() {
		fmt.Fprintf(t, "%s\t%.2f\t%s\n", g.what, g.value, g.verdict())
	}
	fmt.Fprintln(t)
	for p, policy := range s.policies {
		k := s.thinkingOf(p)
		fmt.Fprintf(t, "%s\t%.3f ms a decision, p99 %.3f\t%d decisions; %.1f µs an input\n", policy.name, k.mean, k.p99, k.decisions, k.inputs)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if l := slices.Index(s.opt.loads, 30); l >= 0 {
		f := s.fairnessOf(l, ours)
		fmt.Fprintf(out, "villages served worst at 30/h (no village asked less than %d times): %s\n", f.fewest, strings.Join(f.villages, ", "))
	}
	return nil
}

// row is the cell as words: the comparison only where it is compared.
func (c cell) row(compared bool) []string {
	words := []string{fmt.Sprintf("%d/h", c.load), c.policy.name, c.served.text(1), c.declined.text(1), c.wait.text(1),
		fmt.Sprintf("%.1f", c.p95), c.empty.text(1), "", "", "", ""}
	if compared {
		copy(words[7:], []string{c.moreServed.text(1), c.waitRatio.text(2), c.allRatio.text(2), c.emptyRatio.text(2)})
	}
	return words
}

// text is the estimate with its interval, to so many digits.
func (e estimate) text(digits int) string {
	return fmt.Sprintf("%.*f ± %.*f", digits, e.mean, digits, e.half)
}

// verdict is the bound and whether it is kept.
func (t target) verdict() string {
	sign, word := "≥", "SHORT"
	if t.atMost {
		sign, word = "≤", "OVER"
	}
	if t.strict {
		sign = "<"
	}
	if t.within() {
		word = "within"
	}
	return fmt.Sprintf("%s %g  %s", sign, t.bound, word)
}

func named(what string, load int) string { return fmt.Sprintf("%d/h: %s", load, what) }
