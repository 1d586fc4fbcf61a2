package report

import (
	"fmt"
	"math"
	"strings"

	"cuntong/loadtest/swarm"
)

// latencyClasses colour the latencies in their order.
var latencyClasses = map[string]string{
	"connect": "c6", "request_to_done": "c1", "request_to_offer": "c2", "request_to_offer_unparked": "c3",
	"offer_to_assigned": "c4", "position_to_visible": "c5", "feed_lag": "c7",
}

// percentileChart draws every latency's whole distribution, the tail as wide as the body.
func (r *Report) percentileChart() string {
	c := chart{title: "Latency by percentile, logarithmic"}
	low, high, nines := math.Inf(1), 0.0, 0.0
	for _, l := range r.Latencies {
		if l.Count == 0 {
			continue
		}
		drawn := line{name: strings.ReplaceAll(l.Name, "_", " "), class: latencyClasses[l.Name]}
		for _, p := range l.Curve {
			x := -math.Log10(1 - p.Percentile/100)
			ms := max(p.MS, 0.001)
			drawn.points = append(drawn.points, [2]float64{x, ms})
			low, high, nines = min(low, ms), max(high, ms), max(nines, x)
		}
		c.lines = append(c.lines, drawn)
	}
	if len(c.lines) == 0 {
		return ""
	}
	c.x, c.y = percentileAxis(nines), millisecondAxis(low, high)
	return c.svg()
}

// throughputChart draws what came and what was done, a second.
func (r *Report) throughputChart() string {
	return r.timeChart("Bookings, offers and completed trips a second", " /s",
		series{"bookings", "c1", false, func(s swarm.Sample) float64 { return r.perSecond(s.Requests) }},
		series{"offers", "c2", false, func(s swarm.Sample) float64 { return r.perSecond(s.Offers) }},
		series{"completed", "c3", false, func(s swarm.Sample) float64 { return r.perSecond(s.Completed) }})
}

// openChart draws how many trips had begun and not ended.
func (r *Report) openChart() string {
	return r.timeChart("Open trips", "",
		series{"open trips", "c2", true, func(s swarm.Sample) float64 { return float64(s.OpenTrips) }})
}

// partiesChart draws who was connected.
func (r *Report) partiesChart() string {
	return r.timeChart("Connected parties", "",
		series{"drivers", "c1", false, func(s swarm.Sample) float64 { return float64(s.Drivers) }},
		series{"riders", "c4", false, func(s swarm.Sample) float64 { return float64(s.Riders) }})
}

// series is a line over time.
type series struct {
	name, class string
	area        bool
	value       func(swarm.Sample) float64
}

func (r *Report) perSecond(n int64) float64 { return float64(n) / r.StepSeconds }

func (r *Report) timeChart(title, unit string, all ...series) string {
	if len(r.Samples) < 2 || r.StepSeconds <= 0 {
		return ""
	}
	c := chart{title: title, x: timeAxis(r.Samples[len(r.Samples)-1].AtSeconds)}
	top := 0.0
	for _, s := range all {
		drawn := line{name: s.name, class: s.class, area: s.area}
		for _, sample := range r.Samples {
			v := s.value(sample)
			drawn.points = append(drawn.points, [2]float64{sample.AtSeconds, v})
			top = max(top, v)
		}
		c.lines = append(c.lines, drawn)
	}
	c.y = linearAxis(top, unit)
	return c.svg()
}

// offerChart draws the request-to-offer latency over time, where there was any.
func (r *Report) offerChart() string {
	p50, p99 := line{name: "p50", class: "c2"}, line{name: "p99", class: "c5"}
	low, high := math.Inf(1), 0.0
	for _, s := range r.Samples {
		if s.Offered == 0 {
			continue
		}
		a, b := max(s.OfferP50MS, 0.001), max(s.OfferP99MS, 0.001)
		p50.points = append(p50.points, [2]float64{s.AtSeconds, a})
		p99.points = append(p99.points, [2]float64{s.AtSeconds, b})
		low, high = min(low, a), max(high, b)
	}
	if len(p50.points) < 2 {
		return ""
	}
	c := chart{
		title: "Request to offer over time", x: timeAxis(r.Samples[len(r.Samples)-1].AtSeconds),
		y: millisecondAxis(low, high), lines: []line{p50, p99},
	}
	return c.svg()
}

// outcomeBar draws the ends of all bookings as one bar.
func (r *Report) outcomeBar() string {
	due := r.Counts["requests_due"]
	if due == 0 {
		return ""
	}
	const height, gap = 30, 2
	b := new(strings.Builder)
	x := 0.0
	for _, o := range r.ends() {
		width := float64(o.N) / float64(due) * chartWidth
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="0" width="%.1f" height="%d" rx="2"/>`, o.Class, x, max(width-gap, 1), height)
		x += width
	}
	return fmt.Sprintf(`<svg viewBox="0 0 %d %d" role="img" aria-label="Bookings by outcome">%s</svg>`, chartWidth, height, b)
}

// end is one way in which bookings ended.
type end struct {
	Title, Class string
	N            int64
	Percent      float64
}

func (r *Report) ends() []end {
	var list []end
	for i, o := range outcomes {
		if n := r.Counts[o.counter]; n > 0 {
			list = append(list, end{o.title, fmt.Sprintf("o%d", i+1), n, 100 * float64(n) / float64(max(r.Counts["requests_due"], 1))})
		}
	}
	return list
}
