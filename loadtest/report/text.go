package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// FormatMS writes milliseconds with three digits and the fitting unit.
func FormatMS(ms float64) string {
	switch {
	case ms >= 99_950:
		return fmt.Sprintf("%.0f s", ms/1000)
	case ms >= 9_995:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 999.5:
		return fmt.Sprintf("%.2f s", ms/1000)
	case ms >= 99.95:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 9.995:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// row is a line of a table: a name, a figure, and what it means.
type row struct {
	Name  string
	Value int64
	About string
}

// outcome is how a booking may end.
type outcome struct{ counter, title string }

// outcomes are the ends of a booking; each booking has exactly one.
var outcomes = []outcome{
	{"completed", "completed"},
	{"cancelled", "cancelled"},
	{"no_shows", "no-show"},
	{"unserved", "unserved"},
	{"requests_refused", "refused"},
	{"ended_unseen", "end not seen"},
	{"open_at_end", "open at the end"},
	{"requests_shed", "never sent"},
}

// byCount lists a map of counts, greatest first.
func byCount(m map[string]int64) []row {
	var rows []row
	for _, name := range slices.Sorted(maps.Keys(m)) {
		rows = append(rows, row{Name: name, Value: m[name]})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.Value, a.Value) })
	return rows
}

// WriteText writes the report for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s against %s, seed %d, run %s\n", r.Name, r.URL, r.Seed, r.Run)
	fmt.Fprintf(b, "connecting %.1f s, running %.1f s, settling %.1f s, tidying up %.1f s\n", r.Stages.ConnectingSeconds, r.Stages.RunningSeconds, r.Stages.SettlingSeconds, r.Stages.TidyingSeconds)
	for _, note := range r.Notes {
		fmt.Fprintln(b, note)
	}
	r.writeLatencies(b)
	r.writeCounts(b)
	for _, v := range r.Violations {
		fmt.Fprintf(b, "VIOLATION %s, trip %s: %s\n", v.Kind, v.Trip, v.Say)
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(b, "UNKNOWN %s\n", u)
	}
	r.writeVerdict(b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeLatencies(b *strings.Builder) {
	const line = "%-26s %8v %9s %9s %9s %9s %9s\n"
	fmt.Fprintf(b, "\n"+line, "latency", "count", "p50", "p90", "p99", "p99.9", "max")
	for _, l := range r.Latencies {
		if l.Count == 0 {
			fmt.Fprintf(b, line, l.Name, 0, "–", "–", "–", "–", "–")
			continue
		}
		fmt.Fprintf(b, line, l.Name, l.Count, FormatMS(l.P50MS), FormatMS(l.P90MS), FormatMS(l.P99MS), FormatMS(l.P999MS), FormatMS(l.MaxMS))
	}
}

func (r *Report) writeCounts(b *strings.Builder) {
	due := r.Counts["requests_due"]
	fmt.Fprintf(b, "\n%d bookings:", due)
	for _, o := range outcomes {
		if n := r.Counts[o.counter]; n > 0 {
			fmt.Fprintf(b, " %d %s,", n, o.title)
		}
	}
	fmt.Fprintf(b, " after %d offers (%d declined), %d assignments and %d trips given back\n", r.Counts["offers"], r.Counts["declines"], r.Counts["assigned"], r.Counts["releases"])
	fmt.Fprintf(b, "%d positions sent, %d seen; frames %d out, %d in; bytes %d out, %d in\n", r.Counts["positions_sent"], r.Counts["positions_seen"], r.Counts["frames_out"], r.Counts["frames_in"], r.Counts["bytes_out"], r.Counts["bytes_in"])
	fmt.Fprintf(b, "%d connects, of them %d reconnects; %d attempts failed; %d stretches without signal; %d drains\n", r.Counts["connects"], r.Counts["reconnects"], r.Counts["connect_failures"], r.Counts["dark_stretches"], r.Counts["drains"])
	for _, list := range []struct {
		title string
		m     map[string]int64
	}{{"refused", r.Refusals}, {"closed with", r.Closes}, {"turned away", r.TurnedAway}} {
		if rows := byCount(list.m); len(rows) > 0 {
			fmt.Fprintf(b, "%s:", list.title)
			for _, row := range rows {
				fmt.Fprintf(b, " %s ×%d", row.Name, row.Value)
			}
			fmt.Fprintln(b)
		}
	}
}

func (r *Report) writeVerdict(b *strings.Builder) {
	fmt.Fprintln(b)
	for _, v := range r.Thresholds {
		word, value := "ok    ", "not measured"
		if v.Broken {
			word = "BROKEN"
		}
		if v.Value != nil {
			value = fmt.Sprintf("%v", *v.Value)
		}
		fmt.Fprintf(b, "%s  fail if %s: %s\n", word, v.FailIf, value)
	}
	if r.OK {
		fmt.Fprintln(b, "PASSED")
		return
	}
	fmt.Fprintln(b, "FAILED")
}
