package dispatch

import (
	"testing"
	"time"

	"cuntong/geo"
)

// barredAbroad is a west whose driver d1 has gone to the east, and is barred.
func barredAbroad(t *testing.T) (*twoCounties, Actor) {
	c := newTwoCounties(t)
	c.duty("west", "d1")
	c.at("west", "d1", 109.21, time.Second, nil)
	return c, Actor{Role: RoleOperator, ID: "o1"}
}

// A writer that starts, from the journal or from a snapshot, tells the areas again that were
// to be told of a bar; and none of them takes it twice.
func TestBarsAreToldAgain(t *testing.T) {
	c, operator := barredAbroad(t)
	west := c.worlds["west"]
	west.now = c.now
	out, err := west.step(Bar{Command: Command{By: operator}, Party: DriverActor("d1")}) // its letter is lost
	if err != nil || len(out.Letters) != 1 {
		t.Fatalf("%+v, %v", out.Letters, err)
	}
	paper, err := west.core.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	restored := west.empty(west.core.rules)
	if err := restored.Restore(paper); err != nil {
		t.Fatal(err)
	}
	replayed, err := west.replayed()
	if err != nil {
		t.Fatal(err)
	}
	for name, core := range map[string]*Core{"a snapshot": restored, "the journal": replayed} {
		if at, ok := core.NextDeadline(); !ok || at > c.now {
			t.Errorf("from %s there is nothing to do before %s", name, clock(at))
		}
		letters := core.Apply(c.now, Tick{}).Letters
		if len(letters) != 1 || letters[0].To != "east" || letters[0].Body.(BarAbroad).Driver != "d1" {
			t.Fatalf("from %s: %+v", name, letters)
		}
		c.give("east", letters[0].Body)
		if _, barred := c.core("east").shut.barred(c.now, DriverActor("d1")); !barred || c.core("east").drivers["d1"] != nil {
			t.Errorf("from %s: in the east he is %v", name, c.core("east").drivers["d1"])
		}
	}
	times := 0
	for _, f := range c.worlds["east"].journal {
		if _, is := f.Body.(PartyBarred); is {
			times++
		}
	}
	if times != 1 {
		t.Errorf("the east has recorded it %d times", times)
	}
}

// An area that does not answer is told more and more rarely, for a day.
func TestABarIsToldForADay(t *testing.T) {
	c, operator := barredAbroad(t)
	west := c.core("west")
	letters := len(west.Apply(c.now, Bar{Command: Command{By: operator}, Party: DriverActor("d1")}).Letters)
	begin := c.now
	for {
		at, ok := west.NextDeadline()
		if !ok {
			break
		}
		if at.Sub(begin) > 2*barTellFor || letters > 1000 {
			t.Fatalf("%d letters, and the next is due at %v", letters, at.Sub(begin))
		}
		c.now = max(c.now, at)
		letters += len(west.Apply(c.now, Tick{}).Letters)
	}
	if letters < 140 || letters > 160 {
		t.Errorf("%d letters in %v", letters, c.now.Sub(begin))
	}
	if err := west.Check(); err != nil {
		t.Error(err)
	}
}

// Of two words about one driver the later one counts, and of one moment the stricter, in
// whatever order they come; an area that holds to an older one is told.
func TestTheLastWordCounts(t *testing.T) {
	operator := Actor{Role: RoleOperator, ID: "o1"}
	bar := func(at, until Instant) BarAbroad {
		return BarAbroad{From: "west", Driver: "d1", By: operator, At: at, Until: until}
	}
	lift := BarAbroad{From: "west", Driver: "d1", By: operator, At: morning + 5, Lifted: true}
	later := morning.Add(time.Hour)
	for name, row := range map[string]struct {
		words  []BarAbroad
		barred bool
		until  Instant
	}{
		"a bar":                     {[]BarAbroad{bar(morning, 0)}, true, 0},
		"and its end":               {[]BarAbroad{bar(morning, 0), lift}, false, 0},
		"overtaken":                 {[]BarAbroad{lift, bar(morning, 0)}, false, 0},
		"of one moment":             {[]BarAbroad{lift, bar(morning+5, 0)}, true, 0},
		"of one moment, reversed":   {[]BarAbroad{bar(morning+5, 0), lift}, true, 0},
		"the longer of one moment":  {[]BarAbroad{bar(morning, later), bar(morning, later+1), bar(morning, later)}, true, later + 1},
		"the later though shorter":  {[]BarAbroad{bar(morning, 0), bar(morning+1, later)}, true, later},
		"over before it comes":      {[]BarAbroad{bar(morning-9, morning)}, false, 0},
		"lifted, and barred again":  {[]BarAbroad{lift, bar(morning+6, 0)}, true, 0},
		"barred again after a late": {[]BarAbroad{bar(morning+6, 0), lift, bar(morning, 0)}, true, 0},
	} {
		w := newWorldIn(rectangle("east", 26, 109.2, 26.2, 109.4), nil, DefaultRules(), func() geo.Router { return geo.NewCrow() })
		w.now = morning + 10
		for _, word := range row.words {
			out, err := w.step(word)
			known := false
			for _, l := range out.Letters {
				if b, ok := l.Body.(BarKnown); ok {
					known = l.To == "west" && b.At == word.At
				}
			}
			if err != nil || !known {
				t.Errorf("%s: %+v is not answered: %+v, %v", name, word, out.Letters, err)
			}
		}
		b, barred := w.core.shut.barred(w.now, DriverActor("d1"))
		if barred != row.barred || barred && b.Until != row.until {
			t.Errorf("%s: barred: %t, %+v", name, barred, b)
		}
	}
}
