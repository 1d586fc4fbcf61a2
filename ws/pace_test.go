package ws

import (
	"testing"
	"time"
)

func TestPaceAdmitsTheBurstThenTheRate(t *testing.T) {
	cfg := DefaultConfig()
	var p pace
	now := int64(1_000_000)
	for i := range cfg.FrameBurst {
		if v := p.frame(now, &cfg); v != pass {
			t.Fatalf("frame %d of the burst: %v", i, v)
		}
	}
	if v := p.frame(now, &cfg); v != shed {
		t.Fatalf("one more than the burst: %v, want shed", v)
	}
	passed := 0
	for ms := range int64(10_000) {
		if p.frame(now+ms, &cfg) == pass {
			passed++
		}
		p.excess = 0
	}
	if want := 10 * cfg.FramesPerSecond; passed < want-1 || passed > want+1 {
		t.Errorf("%d frames passed in 10 s, want about %d", passed, want)
	}
}

func TestPaceSendsAwayOnlyWhoGoesOn(t *testing.T) {
	cfg := DefaultConfig()
	var p pace
	// A tunnel: everything a phone kept for a minute comes at once, then peace.
	for range cfg.FrameBurst * excessBursts {
		if p.frame(0, &cfg) == flood {
			t.Fatal("a single burst sends the client away")
		}
	}
	var q pace
	flooded := int64(-1)
	for ms := int64(0); ms < 60_000 && flooded < 0; ms += 10 { // 100 a second against 20
		if q.frame(ms, &cfg) == flood {
			flooded = ms
		}
	}
	if flooded < 1000 || flooded > 10_000 {
		t.Errorf("five times the rate sends away after %d ms, want 1 to 10 s", flooded)
	}
	var r pace
	for ms := int64(0); ms < 60_000; ms += 30 { // 33 a second: too fast, but not wild
		if r.frame(ms, &cfg) == flood {
			t.Fatal("less than twice the rate sends away")
		}
	}
}

func TestMalformedInAMinute(t *testing.T) {
	cfg := DefaultConfig()
	var p pace
	for i := range cfg.MaxMalformed {
		if p.malformed(int64(i), &cfg) {
			t.Fatalf("malformed frame %d is too many", i)
		}
	}
	if !p.malformed(59_999, &cfg) {
		t.Error("one more within the minute is not too many")
	}
	p = pace{}
	for i := range cfg.MaxMalformed {
		p.malformed(int64(i), &cfg)
	}
	if p.malformed(time.Minute.Milliseconds(), &cfg) {
		t.Error("the minute was over, and the count went on")
	}
}

func TestTellOnceASecond(t *testing.T) {
	var p pace
	told := 0
	for ms := int64(1); ms <= 10_000; ms++ {
		if p.mayTell(ms) {
			told++
		}
	}
	if told != 10 {
		t.Errorf("told %d times in 10 s, want 10", told)
	}
}
