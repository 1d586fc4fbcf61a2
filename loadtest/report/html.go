package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"cuntong/loadtest/swarm"
)

//go:embed report.gohtml
var pageSource string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"ms":       FormatMS,
	"byCount":  byCount,
	"svg":      func(s string) template.HTML { return template.HTML(s) }, // made by this package, texts escaped
	"thousand": groupDigits,
}).Parse(pageSource))

// groupDigits writes 1234567 as 1,234,567.
func groupDigits(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// pageData is what the page shows besides the report.
type pageData struct {
	*Report
	Tiles    []tile
	Charts   []figure
	Bar      string
	Ends     []end
	Counters []row
	Scenario string
}

// tile is a figure at the top.
type tile struct{ Value, Title string }

// figure is a chart with its caption.
type figure struct{ Title, Caption, SVG string }

// WriteHTML writes the report as one page that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	scenario := new(strings.Builder)
	if err := WriteScenario(scenario, r.Scenario); err != nil {
		return err
	}
	data := pageData{Report: r, Tiles: r.tiles(), Bar: r.outcomeBar(), Ends: r.ends(), Scenario: scenario.String()}
	for _, f := range []figure{
		{"Latency by percentile", "Each step to the right is ten times rarer. Latencies count from the moment a booking was due, not from when it could be sent.", r.percentileChart()},
		{"Throughput", "What came in, what drivers were asked, and what was finished, each second.", r.throughputChart()},
		{"Open trips", "Trips that have been booked and not ended.", r.openChart()},
		{"Request to offer over time", "Of the first offers that reached a driver in each step.", r.offerChart()},
		{"Connected parties", "Each has one socket.", r.partiesChart()},
	} {
		if f.SVG != "" {
			data.Charts = append(data.Charts, f)
		}
	}
	for _, c := range swarm.Counters() {
		data.Counters = append(data.Counters, row{c.Name, r.Counts[c.Name], c.About})
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func (r *Report) tiles() []tile {
	quantile := func(name string) string {
		if v, ok := r.Figures[name]; ok {
			return FormatMS(v)
		}
		return "–"
	}
	return []tile{
		{groupDigits(r.Counts["requests_due"]), "bookings"},
		{groupDigits(r.Counts["completed"]), "trips completed"},
		{quantile("request_to_offer_unparked_p50_ms"), "request → offer, p50, unparked"},
		{quantile("request_to_offer_unparked_p99_ms"), "request → offer, p99, unparked"},
		{quantile("position_to_visible_p99_ms"), "position → visible, p99"},
		{groupDigits(r.Counts["violations"]), "broken promises"},
	}
}
