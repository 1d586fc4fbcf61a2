package redisstore

import (
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// world is a machine whose monotonic clock is moved by hand, and a Redis whose
// clock is ahead of it.
type world struct {
	*Clock
	t     *testing.T
	mono  time.Duration
	redis time.Duration // its clock, since the start of the machine
	last  time.Time
}

func newWorld(t *testing.T, log *slog.Logger) *world {
	w := &world{t: t, Clock: newClock(log, newMetrics().clockOff)}
	w.elapsed = func() time.Duration { return w.mono }
	w.last = w.Now()
	return w
}

// pass lets time pass for both, and looks at the clock on the way.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for d > 0 {
		step := min(d, 37*time.Millisecond)
		w.mono += step
		w.redis += step
		d -= step
		now := w.Now()
		if went := now.Sub(w.last); w.set && (went < step-step/slewShare-1 || went > step+step/slewShare+1) {
			w.t.Fatalf("in %v it went by %v", step, went)
		}
		if went, walls := now.Sub(w.last), now.Round(0).Sub(w.last.Round(0)); went != walls {
			w.t.Fatalf("it went by %v, and by %v without the monotonic reading", went, walls)
		}
		w.last = now
	}
}

// ask takes a reading that took there and back.
func (w *world) ask(there, back time.Duration) {
	w.t.Helper()
	w.pass(0)
	asked := w.mark()
	w.pass(there)
	said := w.start.Round(0).Add(w.redis)
	w.pass(back)
	first := !w.set
	w.read(asked, said)
	if first {
		w.last = w.Now()
	}
	if now := w.Now(); now.Before(w.last) {
		w.t.Fatalf("it went back by %v", w.last.Sub(now))
	}
}

// off is how far the clock is ahead of Redis.
func (w *world) off() time.Duration { return w.Now().Sub(w.start) - w.redis }

func (w *world) wantOff(what string, from, to time.Duration) {
	w.t.Helper()
	if off := w.off(); off < from || off > to {
		w.t.Errorf("%s it is %v ahead of redis, want %v to %v", what, off, from, to)
	}
}

func TestClockBeforeTheFirstReading(t *testing.T) {
	c := newClock(quiet(), newMetrics().clockOff)
	before := time.Now()
	now := c.Now()
	after := time.Now()
	if now.Before(before) || now.After(after) || now.Round(0).Before(before.Round(0)) || now.Round(0).After(after.Round(0)) {
		t.Errorf("it shows %v between %v and %v", now, before, after)
	}
	if !strings.Contains(now.String(), "m=") {
		t.Errorf("%v has no monotonic reading", now)
	}
}

func TestClockIsSetByTheFirstReading(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		w := newWorld(t, quiet())
		w.redis = off
		w.ask(200*time.Microsecond, 200*time.Microsecond)
		w.wantOff("after the first reading", 0, 0)
		if got := w.Now().Round(0); !got.Equal(w.start.Round(0).Add(w.redis)) {
			t.Errorf("it shows %v", got)
		}
		w.pass(time.Hour)
		w.wantOff("an hour later", 0, 0)
	}
}

func TestClockFollowsSlowly(t *testing.T) {
	for _, jump := range []time.Duration{-300 * time.Millisecond, 300 * time.Millisecond} {
		w := newWorld(t, quiet())
		w.ask(0, 0)
		w.redis += jump // a fail-over
		w.ask(0, 0)
		w.wantOff("after a jump", -jump, -jump)
		if got := testutil.ToFloat64(w.Clock.off); got != jump.Seconds() {
			t.Errorf("it is shown as %v s off", got)
		}
		w.pass(5 * time.Second)
		left := -jump + jump.Abs()/jump*100*time.Millisecond
		w.wantOff("five seconds later", left-time.Millisecond, left+time.Millisecond)
		w.ask(0, 0)
		w.pass(20 * time.Second)
		w.wantOff("then", 0, 0)
	}
}

func TestClockTrustsShortTrips(t *testing.T) {
	w := newWorld(t, quiet())
	w.ask(100*time.Microsecond, 100*time.Microsecond)
	// All of a long trip is the way back: half of it is wrong.
	for range 10 {
		w.ask(0, 400*time.Millisecond)
		w.pass(time.Second)
		w.ask(100*time.Microsecond, 100*time.Microsecond)
		w.wantOff("among short trips", -time.Millisecond, time.Millisecond)
	}
	// With long ones alone there is no better.
	w = newWorld(t, quiet())
	w.ask(0, 400*time.Millisecond)
	w.wantOff("after one long trip", -200*time.Millisecond, -200*time.Millisecond)
	for range 30 {
		w.ask(20*time.Millisecond, 30*time.Millisecond)
		w.pass(time.Second)
	}
	w.wantOff("after better ones", -10*time.Millisecond, 10*time.Millisecond)
}

func TestClockKeepsUpWithDrift(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, quiet())
	w.ask(0, 0)
	for range 600 {
		w.pass(500 * time.Millisecond)
		w.redis += 100 * time.Microsecond // 200 millionths
		w.ask(time.Duration(r.ExpFloat64()*float64(time.Millisecond)), time.Duration(r.ExpFloat64()*float64(time.Millisecond)))
		w.wantOff("with drift", -10*time.Millisecond, 10*time.Millisecond)
	}
}

func TestClockSaysWhenItIsFarOff(t *testing.T) {
	book, log := newLogBook()
	w := newWorld(t, log)
	w.ask(0, 0)
	w.redis += offAlarm + 100*time.Millisecond
	for range 3 {
		w.ask(0, 0)
	}
	if n := strings.Count(book.String(), "far from what it was"); n != 1 {
		t.Errorf("it was said %d times: %s", n, book)
	}
	w.pass(10 * time.Second)
	w.ask(0, 0)
	if !strings.Contains(book.String(), "near again") {
		t.Errorf("it is not said to be near again: %s", book)
	}
	if got := testutil.ToFloat64(w.Clock.off); got < 59.8 || got > 60 {
		t.Errorf("it is shown as %v s off", got)
	}
}

// Two servers whose machines disagree by minutes tell the same time.
func TestClockOfTheStore(t *testing.T) {
	s := open(t, Config{Mode: ModeEmbedded})
	if !s.Clock().set {
		t.Error("an open store has not asked for the time")
	}
	raw := harness{store: s}.all(t)
	before := s.Clock().Now()
	asked := must(raw.Time(t.Context()).Result())(t)
	after := s.Clock().Now()
	if asked.Before(before.Add(-time.Second)) || asked.After(after.Add(time.Second)) {
		t.Errorf("redis says %v between %v and %v", asked, before, after)
	}
}
