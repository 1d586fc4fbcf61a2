package report

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Size of a chart and of the margins around its plot, in SVG units.
const (
	chartWidth   = 940
	chartHeight  = 300
	marginLeft   = 64
	marginRight  = 200 // names of the lines
	marginTop    = 14
	marginBottom = 36
	labelHeight  = 15
)

// line is a series of a chart. Class names its colour in the style sheet.
type line struct {
	name   string
	class  string
	points [][2]float64
	area   bool // fill down to the axis
}

// axis maps values to a side of the plot.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
}

type tick struct {
	at   float64
	text string
}

// place is where v lies along the axis, 0 to 1.
func (a *axis) place(v float64) float64 {
	if a.log {
		return (math.Log10(max(v, a.low)) - math.Log10(a.low)) / (math.Log10(a.high) - math.Log10(a.low))
	}
	return (v - a.low) / (a.high - a.low)
}

// chart draws lines over two axes as one SVG element. The result is safe to put
// into a page: every text is escaped.
type chart struct {
	title string // for screen readers
	x, y  axis
	lines []line
}

func (c *chart) svg() string {
	b := new(strings.Builder)
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.title))
	c.drawAxes(b)
	for _, l := range c.lines {
		c.drawLine(b, l)
	}
	c.drawNames(b)
	b.WriteString("</svg>")
	return b.String()
}

func (c *chart) at(x, y float64) (px, py float64) {
	px = marginLeft + c.x.place(x)*(chartWidth-marginLeft-marginRight)
	py = chartHeight - marginBottom - c.y.place(y)*(chartHeight-marginTop-marginBottom)
	return px, py
}

func (c *chart) drawAxes(b *strings.Builder) {
	for _, t := range c.y.ticks {
		_, y := c.at(c.x.low, t.at)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, marginLeft, chartWidth-marginRight, y, y)
		fmt.Fprintf(b, `<text class="tick" text-anchor="end" x="%d" y="%.1f">%s</text>`, marginLeft-8, y+4, html.EscapeString(t.text))
	}
	bottom := chartHeight - marginBottom
	fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`, marginLeft, chartWidth-marginRight, bottom, bottom)
	for _, t := range c.x.ticks {
		x, _ := c.at(t.at, c.y.low)
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, bottom, bottom+4)
		fmt.Fprintf(b, `<text class="tick" text-anchor="middle" x="%.1f" y="%d">%s</text>`, x, bottom+18, html.EscapeString(t.text))
	}
}

func (c *chart) drawLine(b *strings.Builder, l line) {
	if len(l.points) == 0 {
		return
	}
	path := new(strings.Builder)
	for i, p := range l.points {
		x, y := c.at(p[0], p[1])
		fmt.Fprintf(path, "%c%.1f %.1f", "ML"[min(i, 1)], x, y)
	}
	if l.area {
		left, bottom := c.at(l.points[0][0], c.y.low)
		right, _ := c.at(l.points[len(l.points)-1][0], c.y.low)
		fmt.Fprintf(b, `<path class="area %s" d="%sL%.1f %.1fL%.1f %.1fZ"/>`, l.class, path, right, bottom, left, bottom)
	}
	fmt.Fprintf(b, `<path class="line %s" d="%s"/>`, l.class, path)
}

// drawNames writes each line's name at its right end, moved apart where they
// would overlap.
func (c *chart) drawNames(b *strings.Builder) {
	type name struct {
		line
		x, end, y float64
	}
	var names []name
	for _, l := range c.lines {
		if len(l.points) > 0 {
			last := l.points[len(l.points)-1]
			x, y := c.at(last[0], last[1])
			names = append(names, name{l, x, y, y})
		}
	}
	slices.SortStableFunc(names, func(a, b name) int { return cmp.Compare(a.y, b.y) })
	for i := 1; i < len(names); i++ {
		names[i].y = max(names[i].y, names[i-1].y+labelHeight)
	}
	bottom := float64(chartHeight - marginBottom)
	for i := len(names) - 1; i >= 0; i-- {
		names[i].y = min(names[i].y, bottom)
		bottom = names[i].y - labelHeight
	}
	edge := float64(chartWidth - marginRight)
	for _, n := range names {
		fmt.Fprintf(b, `<path class="leader %s" d="M%.1f %.1fL%.1f %.1fL%.1f %.1f"/>`, n.class, n.x+2, n.end, max(n.x+2, edge+2), n.end, edge+12, n.y)
		fmt.Fprintf(b, `<text class="name %s" x="%.1f" y="%.1f">%s</text>`, n.class, edge+16, n.y+4, html.EscapeString(n.name))
	}
}

// linearAxis is from zero to a round number above top.
func linearAxis(top float64, unit string) axis {
	if top <= 0 {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if top/(step*m) <= 5 {
			step *= m
			break
		}
	}
	a := axis{high: step * math.Ceil(top/step-1e-9)}
	for i := 0.0; i*step <= a.high*1.0001; i++ {
		a.ticks = append(a.ticks, tick{i * step, fmt.Sprintf("%.6g%s", i*step, unit)})
	}
	return a
}

// millisecondAxis is logarithmic, by whole powers of ten around the values.
func millisecondAxis(low, high float64) axis {
	first := math.Floor(math.Log10(max(low, 0.001)))
	last := max(math.Ceil(math.Log10(max(high, 0.001))), first+1)
	a := axis{low: math.Pow(10, first), high: math.Pow(10, last), log: true}
	for e := first; e <= last; e++ {
		ms := math.Pow(10, e)
		text := fmt.Sprintf("%.6g ms", ms)
		if ms >= 1000 {
			text = fmt.Sprintf("%.6g s", ms/1000)
		}
		a.ticks = append(a.ticks, tick{ms, text})
	}
	return a
}

// percentileAxis gives each further nine the same room.
func percentileAxis(nines float64) axis {
	a := axis{high: max(nines, 1)}
	for i, text := range []string{"0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"} {
		if float64(i) <= a.high {
			a.ticks = append(a.ticks, tick{float64(i), text})
		}
		if i == 0 {
			a.ticks = append(a.ticks, tick{-math.Log10(0.5), "50 %"})
		}
	}
	return a
}

// timeAxis is in seconds from the first booking on, written as minutes when long.
func timeAxis(end float64) axis {
	end = max(end, 1)
	step := 1.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400} {
		if step = s; end/s <= 8 {
			break
		}
	}
	a := axis{high: end}
	for t := 0.0; t <= end; t += step {
		text := fmt.Sprintf("%.0f s", t)
		if end > 180 {
			text = fmt.Sprintf("%d:%02d", int(t)/60, int(t)%60)
		}
		a.ticks = append(a.ticks, tick{t, text})
	}
	return a
}
