package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// Row is one figure beside the baseline measured in the same run.
type Row struct {
	Name          string  `json:"name"`
	Value         float64 `json:"value"` // in Unit, as is BaselineValue unless Baseline says otherwise
	Unit          string  `json:"unit"`
	Baseline      string  `json:"baseline"` // what it is compared with
	BaselineValue float64 `json:"baseline_value"`
	Ratio         float64 `json:"ratio"`  // Value / BaselineValue, unless the measure says otherwise
	Budget        float64 `json:"budget"` // the bound on Ratio, or on Value when Absolute
	Within        bool    `json:"within"`

	// AtLeast makes Budget a lower bound; otherwise it is an upper one.
	AtLeast bool `json:"at_least,omitempty"`
	// Absolute makes Budget a bound on Value, in Unit: a promise in seconds or bytes
	// that no faster baseline can break.
	Absolute bool `json:"absolute,omitempty"`
}

// compare makes the row of a figure and its baseline.
func compare(r Row) Row {
	r.Ratio = r.Value / r.BaselineValue
	judged := r.Ratio
	if r.Absolute {
		judged = r.Value
	}
	if r.AtLeast {
		r.Within = judged >= r.Budget
	} else {
		r.Within = judged <= r.Budget
	}
	return r
}

// PrintTable writes the rows for people.
func PrintTable(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tvalue\tbaseline\tratio\tbudget\t")
	for _, r := range rows {
		bound, verdict := "≤", "within"
		if r.AtLeast {
			bound = "≥"
		}
		if !r.Within {
			verdict = "OVER"
			if r.AtLeast {
				verdict = "SHORT"
			}
		}
		budget := figure(r.Budget)
		if r.Absolute {
			budget += " " + r.Unit
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s %s\t%s\t%s %s\t%s\n", r.Name, figure(r.Value), r.Unit,
			figure(r.BaselineValue), r.Baseline, figure(r.Ratio), bound, budget, verdict)
	}
	return t.Flush()
}

// figure prints a number with as many digits as a measurement deserves.
func figure(x float64) string {
	switch {
	case x >= 100 || x == float64(int64(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// WriteJSON writes the rows as a JSON list, making the folder when it is missing.
func WriteJSON(path string, rows []Row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
