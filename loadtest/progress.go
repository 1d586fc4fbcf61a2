package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cuntong/loadtest/report"
	"cuntong/loadtest/swarm"
)

// plainEvery is how often a line is written where lines cannot be refreshed.
const plainEvery = 5 * time.Second

// progress writes how a run goes: on a terminal one line that is refreshed,
// elsewhere a line now and then. It belongs to one goroutine.
type progress struct {
	out      io.Writer
	terminal bool
	last     time.Time
	stage    string
	width    int // of the line on the terminal
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) tell(s swarm.Progress) {
	line := lineOf(s)
	switch {
	case p.terminal:
		n := len([]rune(line))
		fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", max(p.width-n, 0)))
		p.width = n
	case s.Stage != p.stage || time.Since(p.last) >= plainEvery:
		p.last = time.Now()
		fmt.Fprintln(p.out, line)
	}
	p.stage = s.Stage
}

// end leaves the terminal's line.
func (p *progress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintln(p.out)
	}
}

func lineOf(s swarm.Progress) string {
	clock := s.Elapsed.Round(time.Second).String()
	if s.Length > 0 {
		clock += "/" + s.Length.Round(time.Second).String()
	}
	ms := func(d time.Duration) string { return report.FormatMS(float64(d) / float64(time.Millisecond)) }
	return fmt.Sprintf("%s %s: %d drivers, %d riders; %d booked, %d open, %d completed; request to offer p50 %s, p99 %s; %d violations",
		s.Stage, clock, s.Drivers, s.Riders, s.Counts["requests_due"], s.OpenTrips, s.Counts["completed"], ms(s.OfferP50), ms(s.OfferP99), s.Counts["violations"])
}
