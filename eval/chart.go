package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Size of a chart and of the margins around its plot, in SVG units.
const (
	chartWidth   = 320
	chartHeight  = 260
	marginLeft   = 34
	marginRight  = 14
	marginTop    = 10
	marginBottom = 30
)

// chart draws a figure of every policy over the loads, with its interval.
type chart struct {
	title  string
	figure func(cell) estimate
	top    float64 // of the axis; 0: by what is drawn
}

// svg draws it; every text in it is escaped. The axis of a figure with a top does not
// begin at zero but a little below what is drawn, because the top is what counts.
func (c chart) svg(cells [][]cell) string {
	low, high := c.span(cells)
	first, last := float64(cells[0][0].load), float64(cells[0][len(cells[0])-1].load)
	x := func(load int) float64 {
		share := 0.5
		if last > first {
			share = 0.04 + 0.92*(float64(load)-first)/(last-first)
		}
		return marginLeft + share*(chartWidth-marginLeft-marginRight)
	}
	y := func(v float64) float64 {
		return chartHeight - marginBottom - (v-low)/(high-low)*(chartHeight-marginTop-marginBottom)
	}
	b := new(strings.Builder)
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.title))
	for _, v := range ticks(low, high) {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, marginLeft, chartWidth-marginRight, y(v), y(v))
		fmt.Fprintf(b, `<text class="tick" text-anchor="end" x="%d" y="%.1f">%g</text>`, marginLeft-6, y(v)+4, v)
	}
	for _, cell := range cells[0] {
		fmt.Fprintf(b, `<text class="tick" text-anchor="middle" x="%.1f" y="%d">%d/h</text>`, x(cell.load), chartHeight-marginBottom+18, cell.load)
	}
	for i, line := range cells {
		c.drawLine(b, classOf(i), float64(i-1)*3, line, x, y)
	}
	b.WriteString("</svg>")
	return b.String()
}

// drawLine draws one policy, its points a little aside so that intervals do not
// cover each other.
func (c chart) drawLine(b *strings.Builder, class string, aside float64, line []cell, x func(int) float64, y func(float64) float64) {
	fmt.Fprintf(b, `<g class="%s"><path class="line" d="`, class)
	for i, cell := range line {
		fmt.Fprintf(b, "%c%.1f %.1f", "ML"[min(i, 1)], x(cell.load)+aside, y(c.figure(cell).mean))
	}
	b.WriteString(`"/>`)
	for _, cell := range line {
		e, at := c.figure(cell), x(cell.load)+aside
		fmt.Fprintf(b, `<line class="bar" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, at, at, y(e.mean-e.half), y(e.mean+e.half))
		fmt.Fprintf(b, `<circle class="dot" r="3" cx="%.1f" cy="%.1f"/>`, at, y(e.mean))
	}
	b.WriteString("</g>")
}

// span is from where to where the axis goes.
func (c chart) span(cells [][]cell) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, line := range cells {
		for _, cell := range line {
			e := c.figure(cell)
			low, high = math.Min(low, e.mean-e.half), math.Max(high, e.mean+e.half)
		}
	}
	if c.top == 0 {
		return 0, math.Max(high*1.05, 1)
	}
	return math.Max(0, math.Floor((low-2)/10)*10), c.top
}

// ticks are a handful of round numbers from low, which is not below zero, to high.
func ticks(low, high float64) (all []float64) {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*m) <= 6 {
			step *= m
			break
		}
	}
	for i := math.Max(0, math.Ceil(low/step-1e-9)); i*step <= high+1e-9; i++ {
		all = append(all, i*step)
	}
	return all
}
