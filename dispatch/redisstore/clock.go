package redisstore

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/fault"
)

const (
	// slewShare is how fast the clock is put right: 20 milliseconds a second.
	slewShare = 50
	// trustedTrip is a round trip short enough to be believed wholly.
	trustedTrip = time.Millisecond
	// tripsKept is among how many of the last round trips the shortest is looked for.
	tripsKept = 16
	// offAlarm is a difference that somebody has to look at.
	offAlarm = time.Minute
)

// Clock is the time of Redis, as this process knows it: its own monotonic clock,
// fitted to what Redis said. The first reading sets it. Later ones put it right by at
// most 20 milliseconds a second, so it never jumps and never goes back, whatever
// becomes of the wall clock of this machine or of that of Redis. Before the first
// reading it is the wall clock. Its methods may be called from any goroutine.
type Clock struct {
	// Static after construction.
	start   time.Time            // a moment of this process, by both its clocks
	elapsed func() time.Duration // since start, by the monotonic clock
	log     *slog.Logger
	off     prometheus.Gauge

	mu    sync.Mutex // guards the following fields
	set   bool       // a reading has been taken
	at    time.Duration
	shift time.Duration // from start plus elapsed to the time shown, at at
	want  time.Duration // what shift is on its way to
	trips []time.Duration
	alarm bool
}

// newClock returns a clock that shows the wall clock of this machine, which a test
// build may put wrong.
func newClock(log *slog.Logger, off prometheus.Gauge) *Clock {
	start := time.Now()
	return &Clock{start: start, elapsed: func() time.Duration { return time.Since(start) }, log: log, off: off, shift: fault.Skew(), want: fault.Skew()}
}

// Clock returns the time of this Redis.
func (s *Store) Clock() *Clock { return s.clock }

// Now returns the time of Redis. Its monotonic reading runs with it, so the
// difference of two such times is right; one of it and [time.Now] is not.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.elapsed()
	return c.start.Add(now + c.shiftAt(now))
}

// shiftAt returns the shift at a moment, which is on its way from shift to want.
func (c *Clock) shiftAt(now time.Duration) time.Duration {
	most := (now - c.at) / slewShare
	return c.shift + min(max(c.want-c.shift, -most), most)
}

// mark is the moment at which Redis is asked, for read.
func (c *Clock) mark() time.Duration { return c.elapsed() }

// read takes what Redis said its time was, somewhere between asked and now.
// Halfway is the best guess; the longer it took, the less it counts.
func (c *Clock) read(asked time.Duration, said time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.elapsed()
	trip := max(now-asked, 0)
	seen := said.Sub(c.start.Round(0)) + trip/2 - now
	if !c.set {
		c.set, c.at, c.shift, c.want = true, now, seen, seen
	}
	c.trips = append(c.trips, trip)
	c.trips = c.trips[max(0, len(c.trips)-tripsKept):]
	best := trip
	for _, t := range c.trips {
		best = min(best, t)
	}
	trust := min(1, float64(max(best, trustedTrip))/float64(max(trip, 1)))
	c.shift, c.at = c.shiftAt(now), now
	c.want += time.Duration(trust * float64(seen-c.want))
	c.show(seen - c.shift)
}

// show tells how far Redis is ahead of this clock.
func (c *Clock) show(off time.Duration) {
	c.off.Set(off.Seconds())
	if alarm := off.Abs() > offAlarm; alarm != c.alarm {
		c.alarm = alarm
		if alarm {
			c.log.Error("the clock of redis is far from what it was; it is followed by 20 ms a second: put the clocks of the machines right", "off", off.Round(time.Millisecond))
		} else {
			c.log.Info("the clock of redis is near again", "off", off.Round(time.Millisecond))
		}
	}
}
