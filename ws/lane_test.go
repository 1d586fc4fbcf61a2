package ws

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// laneWorld is the lanes of a connection that has been told the truth and whose
// writer never takes anything.
func laneWorld() (*lanes, *Config) {
	cfg := DefaultConfig()
	return &lanes{truth: truthTold, writing: true}, &cfg
}

// unheeded learns nothing from what is told.
func unheeded(dispatch.NoticeBody) any { return nil }

func tripTold(id string, version int) dispatch.TripTold {
	return dispatch.TripTold{Trip: dispatch.TripView{ID: dispatch.TripID(id), Version: dispatch.Version(version), State: dispatch.Requested}}
}

func driverAt(trip string, eta int) dispatch.DriverAt {
	return dispatch.DriverAt{Trip: dispatch.TripID(trip), ETA: dispatch.Instant(eta)}
}

func TestMustArriveIsBoundedByCount(t *testing.T) {
	l, cfg := laneWorld()
	for i := range cfg.LaneFrames {
		if out := l.tell(leishan, tripTold("t", i), cfg, unheeded); out.overflow || out.depth != i+1 {
			t.Fatalf("frame %d: %+v", i, out)
		}
	}
	if out := l.tell(leishan, tripTold("t", 99), cfg, unheeded); !out.overflow {
		t.Errorf("one more than %d: %+v, want overflow", cfg.LaneFrames, out)
	}
}

func TestMustArriveIsBoundedByBytes(t *testing.T) {
	l, cfg := laneWorld()
	cfg.LaneBytes = 64 << 10
	long := dispatch.Truth{Trips: make([]dispatch.TripView, 60)}
	l.truth = truthWanted
	if out := l.tell(leishan, long, cfg, unheeded); out.overflow || out.depth != 1 {
		t.Fatalf("a long truth counts as one frame: %+v", out)
	}
	if out := l.tell(leishan, tripTold("t", 1), cfg, unheeded); out.overflow {
		t.Fatalf("there was room left: %+v", out)
	}
	overflowed := false
	for i := range 4 {
		overflowed = overflowed || l.tell(leishan, tripTold("t", i), cfg, unheeded).overflow
	}
	if !overflowed || l.bytes > cfg.LaneBytes {
		t.Errorf("%d bytes wait, overflow %v; want at most %d and overflow", l.bytes, overflowed, cfg.LaneBytes)
	}
}

func TestLaneBytesComeBack(t *testing.T) {
	l, cfg := laneWorld()
	for i := range 10 {
		l.tell(leishan, tripTold("t", i), cfg, unheeded)
	}
	for range 10 {
		l.next()
	}
	if l.bytes != 0 || l.must != nil {
		t.Errorf("empty lanes hold %d bytes, %d frames, memory %v", l.bytes, len(l.must), l.must != nil)
	}
}

func TestNewestWins(t *testing.T) {
	l, cfg := laneWorld()
	for eta := range 5 {
		for _, trip := range []string{"t1", "t2"} {
			out := l.tell(leishan, driverAt(trip, eta), cfg, unheeded)
			if want := map[bool]string{true: dropNewer, false: ""}[eta > 0]; out.dropped != want {
				t.Errorf("t %s eta %d: dropped %q, want %q", trip, eta, out.dropped, want)
			}
		}
	}
	l.tell(leishan, dispatch.QueueTold{Trip: "t1", Place: 3}, cfg, unheeded)
	var got []string
	for {
		next, ok := l.next()
		if !ok {
			break
		}
		got = append(got, fmt.Sprint(next.body))
	}
	want := []any{driverAt("t1", 4), driverAt("t2", 4), dispatch.QueueTold{Trip: "t1", Place: 3}}
	if fmt.Sprint(got) != fmt.Sprint([]string{fmt.Sprint(want[0]), fmt.Sprint(want[1]), fmt.Sprint(want[2])}) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLooseLaneIsBounded(t *testing.T) {
	l, cfg := laneWorld()
	for i := range cfg.LooseFrames + 10 {
		out := l.tell(leishan, driverAt(fmt.Sprint("t", i), i), cfg, unheeded)
		if full := i >= cfg.LooseFrames; (out.dropped == dropFull) != full || out.overflow {
			t.Fatalf("frame %d: %+v", i, out)
		}
	}
	next, _ := l.next()
	if got := next.body.(dispatch.DriverAt).Trip; len(l.loose) != cfg.LooseFrames-1 || got != "t10" {
		t.Errorf("%d left after %s, want %d after t10: the oldest go", len(l.loose), got, cfg.LooseFrames-1)
	}
}

func TestTripOvertakesWhatIsOlder(t *testing.T) {
	l, cfg := laneWorld()
	l.tell(leishan, driverAt("t1", 1), cfg, unheeded)
	l.tell(leishan, dispatch.QueueTold{Trip: "t1"}, cfg, unheeded)
	l.tell(leishan, driverAt("t2", 1), cfg, unheeded)
	if out := l.tell(leishan, tripTold("t1", 2), cfg, unheeded); out.dropped != dropNewer {
		t.Errorf("%+v, want the older notices of t1 dropped", out)
	}
	if len(l.loose) != 1 || looseKey(l.loose[0].body).trip != "t2" {
		t.Errorf("left: %+v, want that of t2 only", l.loose)
	}
}

func TestNothingBeforeTheTruth(t *testing.T) {
	l, cfg := laneWorld()
	l.truth = truthLater
	for _, body := range []dispatch.NoticeBody{tripTold("t", 1), driverAt("t", 1), dispatch.OfferTold{}, dispatch.OfferGone{}, dispatch.DutyTold{}, dispatch.QueueTold{}} {
		for _, state := range []truthState{truthLater, truthWanted} {
			l.truth = state
			if out := l.tell(leishan, body, cfg, unheeded); out.dropped != dropEarly {
				t.Errorf("%T before the truth: %+v", body, out)
			}
		}
	}
	l.truth = truthLater
	if out := l.tell(leishan, dispatch.Truth{}, cfg, unheeded); out.dropped != dropUnasked {
		t.Errorf("a truth before it was asked for: %+v", out)
	}
	l.truth = truthWanted
	if out := l.tell(leishan, dispatch.Truth{}, cfg, unheeded); out.dropped != "" || out.depth != 1 {
		t.Errorf("the truth: %+v", out)
	}
	if out := l.tell(leishan, dispatch.Truth{}, cfg, unheeded); out.dropped != dropUnasked {
		t.Errorf("a second truth: %+v", out)
	}
	if out := l.tell(leishan, tripTold("t", 1), cfg, unheeded); out.dropped != "" {
		t.Errorf("after the truth: %+v", out)
	}
}

func TestAnswersGoToWhoeverAsked(t *testing.T) {
	l, cfg := laneWorld()
	if out := l.tell(leishan, dispatch.Done{ID: "c1"}, cfg, unheeded); out.dropped != dropUnasked {
		t.Errorf("an answer nobody asked for: %+v", out)
	}
	for i := range cfg.MaxWaiting {
		if !l.ask(fmt.Sprint("c", i), int64(i), cfg) {
			t.Fatalf("command %d was not admitted", i)
		}
	}
	if l.ask("more", 1, cfg) {
		t.Error("more commands than may wait")
	}
	if !l.ask("later", forgetAsked, cfg) {
		t.Error("a command that was never answered keeps its place for ever")
	}
	if out := l.tell(leishan, dispatch.Refused{ID: "c3"}, cfg, unheeded); out.dropped != "" || out.depth != 1 {
		t.Errorf("an answer asked for: %+v", out)
	}
	if out := l.tell(leishan, dispatch.Refused{ID: "c3"}, cfg, unheeded); out.dropped != dropUnasked {
		t.Errorf("a second answer: %+v", out)
	}
	// The same command twice is answered twice.
	l.asked = nil
	l.ask("c", 0, cfg)
	l.ask("c", 0, cfg)
	for range 2 {
		if out := l.tell(leishan, dispatch.Done{ID: "c"}, cfg, unheeded); out.dropped != "" {
			t.Errorf("one of two answers: %+v", out)
		}
	}
	if l.asked != nil {
		t.Error("nobody waits, and the list is kept")
	}
}

func TestOneWriterAtATime(t *testing.T) {
	l, cfg := laneWorld()
	l.writing = false
	if out := l.tell(leishan, tripTold("t", 1), cfg, unheeded); !out.start {
		t.Fatal("idle lanes start a writer")
	}
	if out := l.tell(leishan, tripTold("t", 2), cfg, unheeded); out.start {
		t.Error("a second writer was started")
	}
	if start := l.signal(func(l *lanes) { l.pingDue = true }); start {
		t.Error("a ping started a second writer")
	}
	for range 3 {
		if _, ok := l.next(); !ok {
			t.Fatal("something was lost")
		}
	}
	if _, ok := l.next(); ok || l.writing {
		t.Fatal("the writer did not end")
	}
	if out := l.tell(leishan, tripTold("t", 3), cfg, unheeded); !out.start {
		t.Error("the lanes did not start a writer again")
	}
}

func TestEndOfLanes(t *testing.T) {
	for _, flush := range []bool{true, false} {
		l, cfg := laneWorld()
		l.tell(leishan, tripTold("t", 1), cfg, unheeded)
		l.tell(leishan, driverAt("t2", 1), cfg, unheeded)
		last := wire.Drain{ComeBackAfterMS: 5}
		first := false
		begun := func() { first = true }
		if l.end(wire.CloseDrain, flush, &last, begun); !first {
			t.Fatal("the end did not begin")
		}
		first = false
		if l.end(wire.CloseSlow, false, nil, begun); first || l.endsWith() != wire.CloseDrain {
			t.Error("the end began twice")
		}
		if out := l.tell(leishan, tripTold("t", 2), cfg, unheeded); out.dropped != dropEnding {
			t.Errorf("after the end: %+v", out)
		}
		var got []string
		for {
			next, ok := l.next()
			if !ok {
				break
			}
			got = append(got, fmt.Sprintf("%T", next.body))
		}
		want := "[wire.Drain ws.sendClose]"
		if flush {
			want = "[dispatch.TripTold wire.Drain ws.sendClose]"
		}
		if fmt.Sprint(got) != want {
			t.Errorf("flush %v: %v, want %s", flush, got, want)
		}
		if l.signal(func(*lanes) {}) || l.put(told{body: wire.Pong{}}, cfg).start {
			t.Error("something is written after the close frame")
		}
	}
}

func TestShutWaitsForTheWriter(t *testing.T) {
	l, _ := laneWorld()
	idle := l.shut()
	if idle == nil {
		t.Fatal("a writer is at work, and nobody waits for it")
	}
	select {
	case <-idle:
		t.Fatal("the writer is still at work")
	default:
	}
	if _, ok := l.next(); ok {
		t.Error("there is still something to write")
	}
	<-idle
	if l.shut() != nil {
		t.Error("no writer is at work")
	}
}

// TestNoPositionAfterTheEnd: whatever waits when a trip ends, in whatever lane, is told
// without the driver's position, and no position of that trip follows its end.
func TestNoPositionAfterTheEnd(t *testing.T) {
	riding := func(trip string) dispatch.TripTold {
		v := fullTrip(dispatch.Riding)
		v.ID = dispatch.TripID(trip)
		return dispatch.TripTold{Trip: v}
	}
	completed := riding("t1")
	completed.Trip.State = dispatch.Completed
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		l, cfg := laneWorld()
		l.renewing = true // so that truths are taken
		shared := dispatch.Truth{Trips: []dispatch.TripView{riding("t1").Trip, riding("t2").Trip}}
		for range rng.IntN(12) {
			switch rng.IntN(5) {
			case 0:
				l.tell(leishan, riding("t1"), cfg, unheeded)
			case 1:
				l.renewing = true
				l.tell(leishan, shared, cfg, unheeded)
			case 2, 3:
				l.tell(leishan, driverAt("t1", rng.IntN(9)), cfg, unheeded)
			case 4:
				l.next()
			}
		}
		l.tell(leishan, riding("t2"), cfg, unheeded)
		l.tell(leishan, driverAt("t2", 1), cfg, unheeded)
		l.tell(leishan, completed, cfg, unheeded)
		others := 0
		for next, ok := l.next(); ok; next, ok = l.next() {
			views := []dispatch.TripView{}
			switch b := next.body.(type) {
			case dispatch.TripTold:
				views = append(views, b.Trip)
			case dispatch.Truth:
				views = b.Trips
			case dispatch.DriverAt:
				if b.Trip == "t1" {
					t.Fatalf("seed %d: a position of t1 is told after its end", seed)
				}
				others++
			}
			for _, v := range views {
				if v.ID == "t1" && v.State.HasDriver() && v.LastPosition != nil {
					t.Fatalf("seed %d: an older state of t1 is told with a position after its end", seed)
				}
				if v.ID == "t2" && v.LastPosition != nil {
					others++
				}
			}
		}
		if others < 2 || shared.Trips[0].LastPosition == nil {
			t.Fatalf("seed %d: t2 was told without its positions, or what others hold was changed", seed)
		}
	}
}
