package swarm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

func TestTrackFindsThePositionOfAFix(t *testing.T) {
	track := new(track)
	start := time.UnixMilli(1_760_000_000_000)
	const ahead = 90 * time.Minute
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 3 * time.Second) }
	for i := range 40 {
		lat := 26 + float64(min(i, 35))*1e-5 // it stands from the 35th on
		track.add(at(i), wire.Position{Lat: lat, Lon: 108})
	}
	for _, c := range []struct {
		name  string
		place int
		fixAt time.Duration // off from the position's time
		want  int
	}{
		{"on time", 30, 0, 30},
		{"with a clock off by seconds", 30, -4 * time.Second, 30},
		{"standing", 38, 0, 38},
		{"standing, off by a second", 38, time.Second, 38},
		{"forgotten", 20, 0, -1},
	} {
		fix := wire.Fix{Lat: 26 + float64(min(c.place, 35))*1e-5 + 4e-7, Lon: 108, At: at(c.place).Add(ahead + c.fixAt).UnixMilli()}
		got, ok := track.find(fix, ahead)
		if ok != (c.want >= 0) || (ok && !got.Equal(at(c.want))) {
			t.Errorf("%s: found %v, %v", c.name, got, ok)
		}
	}
}

func TestFullJitterGrowsToItsTop(t *testing.T) {
	rng := plan.Stream(1, "jitter", 0)
	for tries, ceiling := range map[int]time.Duration{0: backoffBase, 1: 2 * backoffBase, 4: 16 * backoffBase, 6: backoffTop, 1000: backoffTop} {
		var low, high time.Duration = backoffTop, 0
		for range 2000 {
			d := fullJitter(rng, tries)
			low, high = min(low, d), max(high, d)
		}
		if low > ceiling/50 || high > ceiling || high < ceiling*9/10 {
			t.Errorf("attempt %d waits %v to %v: want 0 to %v", tries, low, high, ceiling)
		}
	}
}

func testLink() *link {
	s := &swarm{tally: newTally()}
	return &link{swarm: s, rng: plan.Stream(1, "link", 0)}
}

func TestCloseCodesSayWhetherAndWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		code     wire.CloseCode
		comeBack bool
		wait     time.Duration
		exact    bool
	}{
		{wire.CloseGoingAway, true, 0, false},
		{wire.CloseDrain, true, 700 * time.Millisecond, true},
		{wire.CloseSlow, true, time.Second, false},
		{wire.CloseFull, true, 30 * time.Second, false},
		{wire.CloseExpired, true, 0, false}, // every attempt has a fresh token
		{wire.CloseBadToken, false, 0, false},
		{wire.CloseReplaced, false, 0, false},
		{4999, false, 0, false},
		{4499, true, 0, false},
	} {
		l := testLink()
		l.drain = 700 * time.Millisecond
		end := l.judge(&websocket.CloseError{Code: int(c.code)})
		if end.comeBack != c.comeBack || end.wait != c.wait || end.exact != c.exact || (end.reason == "") != c.comeBack {
			t.Errorf("%d: %+v", c.code, end)
		}
	}
	if end := testLink().judge(io.ErrUnexpectedEOF); !end.comeBack || end.wait != 0 {
		t.Errorf("a broken connection: %+v", end)
	}
}

func TestHandshakeAnswersSayWhetherAndWhenToComeBack(t *testing.T) {
	for status, comeBack := range map[int]bool{503: true, 429: true, 502: true, 401: false, 403: false, 404: false, 426: false} {
		resp := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(""))}
		end := judgeHandshake(resp, websocket.ErrBadHandshake)
		if end.comeBack != comeBack || (comeBack && end.wait != 7*time.Second) {
			t.Errorf("%d: %+v", status, end)
		}
	}
	if end := judgeHandshake(nil, errors.New("refused")); !end.comeBack || end.wait != 0 {
		t.Errorf("no answer: %+v", end)
	}
}

func TestCallsGoOutInOrderAndNotTooFast(t *testing.T) {
	c := newCalls(10 * time.Second)
	now := time.Now()
	for i := range 40 {
		if !c.add(&call{id: string(rune('A' + i))}) {
			t.Fatal("too many calls already")
		}
	}
	sent := ""
	for {
		next, again := c.ready(1, now)
		if next == nil {
			if again.IsZero() || again.After(now.Add(time.Second)) {
				t.Errorf("with calls left, look again at %v", again)
			}
			break
		}
		next.session, next.sentAt = 1, now
		sent += next.id
	}
	if len(sent) != wire.FrameBurst/2 || !strings.HasPrefix("ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh", sent) {
		t.Errorf("sent %q at once: want the first %d in order", sent, wire.FrameBurst/2)
	}
	if got := c.late(1, now.Add(11*time.Second)); got == nil || got.id != "A" {
		t.Errorf("late is %v: want A", got)
	}
	if got := c.late(2, now.Add(11*time.Second)); got != nil {
		t.Errorf("%v is late on a connection that it was not sent on", got.id)
	}
	if next, _ := c.ready(2, now.Add(time.Minute)); next == nil || next.id != "A" {
		t.Errorf("on a new connection %v goes first: want A again", next)
	}
}

func TestCallsHaveALimit(t *testing.T) {
	c := newCalls(time.Second)
	for range maxCalls {
		c.add(&call{})
	}
	if c.add(&call{}) {
		t.Errorf("more than %d calls", maxCalls)
	}
}

func TestParkedTripsAreTimedApart(t *testing.T) {
	w := newWitness(newTally(), func(Event) {})
	start := time.Now()
	tell := func(trip string, version int64, state string, at time.Duration) {
		w.seen(view{trip: wire.Trip{Trip: trip, Version: version, State: state}, at: start.Add(at), byOwner: true, upSince: start.Add(-time.Second)})
	}
	for _, trip := range []string{"quick", "slow", "dark"} {
		w.intend(trip, "p", plan.Booking{}, start, trip == "dark")
	}
	w.offer(wire.Offer{Trip: "quick", Version: 2}, start.Add(10*time.Millisecond))
	w.offer(wire.Offer{Trip: "slow", Version: 3}, start.Add(40*time.Second))
	w.offer(wire.Offer{Trip: "dark", Version: 2}, start.Add(50*time.Second))
	tell("slow", 2, wire.StateParked, time.Second) // the booker's frame comes after the driver's
	for _, trip := range []string{"quick", "slow", "dark"} {
		tell(trip, 9, wire.StateCompleted, time.Minute)
	}
	if n := w.tally.timings[requestToOffer].all.TotalCount(); n != 2 {
		t.Errorf("%d first offers were timed: want 2, for the third could not book when it wanted to", n)
	}
	all := w.tally.timings[requestToOfferUnparked].all
	if all.TotalCount() != 1 || all.Max() > 11_000 {
		t.Errorf("%d first offers of trips that never waited, at most %d µs: want 1 of 10 ms", all.TotalCount(), all.Max())
	}
}

func TestWitnessForgetsTheOldest(t *testing.T) {
	w := newWitness(newTally(), func(Event) {})
	for i := range maxEnded + 10 {
		id := string(rune(i + 1))
		w.intend(id, "p", plan.Booking{}, time.Now(), false)
		w.seen(view{trip: wire.Trip{Trip: id, Version: 1, State: wire.StateUnserved}})
	}
	if len(w.trips) != maxEnded || len(w.ended) != maxEnded {
		t.Errorf("%d trips and %d ends are remembered: want %d", len(w.trips), len(w.ended), maxEnded)
	}
	if open := w.tally.open.Load(); open != 0 {
		t.Errorf("%d trips are open", open)
	}
}

func TestSeriesMergesWhenItIsFull(t *testing.T) {
	s := &swarm{tally: newTally()}
	start := time.Now()
	s.begun.Store(start.UnixNano())
	curve := &series{swarm: s, step: time.Second}
	const seconds = 2*maxSamples + 7
	for i := range seconds {
		s.tally.count(completed)
		s.tally.took(requestToOffer, time.Duration(i+1)*time.Millisecond)
		curve.tick(start.Add(time.Duration(i+1) * time.Second))
	}
	if len(curve.samples) >= maxSamples || curve.step != 4*time.Second {
		t.Errorf("%d samples of %v: want fewer than %d of 4 s", len(curve.samples), curve.step, maxSamples)
	}
	sum := curve.part.Completed
	for i, sample := range curve.samples {
		sum += sample.Completed
		if want := float64(4 * (i + 1)); sample.AtSeconds != want || sample.Completed != 4 || sample.Offered != 4 {
			t.Fatalf("sample %d is %+v: want the end at %v and 4 trips", i, sample, want)
		}
		if low, high := 4*float64(i)+3.9, 4*float64(i)+4.1; sample.OfferP99MS < low || sample.OfferP99MS > high*1.01 {
			t.Fatalf("sample %d has p99 %v ms: want the greatest of its parts, %v", i, sample.OfferP99MS, high)
		}
	}
	if sum != seconds {
		t.Errorf("%d of %d trips are in the series", sum, seconds)
	}
}

func TestRefusalWordsAreBounded(t *testing.T) {
	tally := newTally()
	for i := range 3 * maxWords {
		tally.refused("invalid", string(rune('a'+i)))
	}
	refusals, _, _, _ := tally.words()
	if len(refusals) != maxWords+1 || refusals["other"] != 2*maxWords {
		t.Errorf("%d words, %d other: want %d and %d", len(refusals), refusals["other"], maxWords+1, 2*maxWords)
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pause(ctx, time.Hour) || pause(ctx, 0) {
		t.Error("a pause went on after its context ended")
	}
}
