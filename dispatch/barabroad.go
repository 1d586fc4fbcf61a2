package dispatch

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"cuntong/geo"
)

// BarAbroad tells another area whom an operator keeps out, or lets in again: a driver
// who may be there, or comes from there. It is repeated until [BarKnown] comes.
type BarAbroad struct {
	From   geo.AreaID // who tells
	Driver DriverID
	Until  Instant // 0: until it is lifted
	Lifted bool
	By     Actor   // who said so
	At     Instant // and when
	Reason string  // and why
}

// BarKnown answers [BarAbroad], each time.
type BarKnown struct {
	From   geo.AreaID // who answers
	Driver DriverID
	At     Instant // of what was told
}

func (BarAbroad) isInput() {}
func (BarKnown) isInput()  {}

// Bounds of telling other areas.
const (
	// maxBarAreas bounds the areas that are told of one bar: where he went and where he
	// comes from first, then who was told before.
	maxBarAreas = 16
	// barTellFor is for how long it is told to an area that does not answer. Its letters wait
	// in the inbox of an area that nobody writes.
	barTellFor = 24 * time.Hour
	// barAgainMost is the longest pause between two letters about one bar. The first is
	// resendAfter; each is twice the one before.
	barAgainMost = 10 * time.Minute
)

// barErrand is an area to be told of a driver's bar, and of nothing else.
type barErrand struct {
	driver DriverID
	to     geo.AreaID
}

// barTold is how far an errand has come. It is soft: a writer that starts tells again.
type barTold struct {
	sent  Instant // last; 0: not yet
	tries int
}

// againAt is when the area is to be told again.
func (b barTold) againAt() Instant {
	if b.tries == 0 {
		return 0
	}
	return b.sent.Add(min(resendAfter<<min(b.tries-1, 16), barAgainMost))
}

// known are the areas that know of a word, or are to be told.
func (w word) known() []geo.AreaID {
	if w.From == "" || slices.Contains(w.Areas, w.From) {
		return w.Areas
	}
	return append(slices.Clone(w.Areas), w.From)
}

// wordNow is what a word of this moment about a party says of other areas.
func (c *Core) wordNow(now Instant, party Actor) word {
	w := word{Areas: c.trail(party)}
	if have := c.shut.bars[party]; have.At >= now { // this one is the later
		w.At = have.At + 1
	}
	return w
}

// trail is the other areas that a driver may be in, or may get into: where he went from
// here, where his duty began, and who was told of a bar against him before. An area from which he
// has gone further sends it after him.
func (c *Core) trail(party Actor) []geo.AreaID {
	id := party.Driver()
	if id == "" {
		return nil
	}
	var areas []geo.AreaID
	add := func(area geo.AreaID) {
		if area != "" && area != c.area.ID && len(areas) < maxBarAreas && !slices.Contains(areas, area) {
			areas = append(areas, area)
		}
	}
	if g := c.gone[id]; g != nil {
		add(g.To)
		add(g.Home)
	}
	if d := c.drivers[id]; d != nil {
		add(d.Home)
	}
	for _, area := range c.shut.bars[party].Areas {
		add(area)
	}
	return areas
}

// newer says whether what another area tells counts more than what is known here: the
// later word does, and of two of one moment the one that keeps him out for longer.
func (in BarAbroad) newer(have bar) bool {
	long := func(lifted bool, until Instant) Instant {
		switch {
		case lifted:
			return 0
		case until == 0:
			return 1<<63 - 1
		}
		return until
	}
	return cmp.Or(cmp.Compare(in.At, have.At), cmp.Compare(long(in.Lifted, in.Until), long(have.Lifted, have.Until))) > 0
}

// barAbroad takes what another area says of a bar, once, and says so each time.
func (r *run) barAbroad(in BarAbroad) {
	c := r.core
	party := DriverActor(in.Driver)
	have, known := c.shut.bars[party]
	switch {
	case known && in.At < have.At:
		r.answerBar(have, in.From)
	case !in.newer(have) || !in.Lifted && in.Until != 0 && in.Until <= r.now:
		// It is known, or over.
	case !known && c.shut.lasting(r.now) >= maxBars:
		r.happened(BorderFull)
		return
	default:
		r.takeBar(party, in)
	}
	r.post(in.From, BarKnown{From: c.area.ID, Driver: in.Driver, At: in.At})
}

// answerBar tells an area that holds to an older word than the one that is known here. Unless it
// is told so already it is one more that is to hear of this and of what follows.
func (r *run) answerBar(have bar, from geo.AreaID) {
	if slices.Contains(have.Areas, from) || len(have.Areas) >= maxBarAreas {
		return
	}
	said := word{At: have.At, Areas: append(slices.Clone(have.Areas), from)}
	if have.Lifted {
		r.record(BarLifted{Party: have.Party, By: have.By, word: said}, nil)
	} else {
		r.record(PartyBarred{Party: have.Party, Until: have.Until, By: have.By, Reason: have.Reason, word: said}, nil)
	}
	r.passBars()
}

func (r *run) takeBar(party Actor, in BarAbroad) {
	c := r.core
	said := word{At: in.At, From: in.From, Areas: slices.DeleteFunc(c.trail(party), func(a geo.AreaID) bool { return a == in.From })}
	r.happened(BorderBar)
	if in.Lifted {
		r.record(BarLifted{Party: party, By: in.By, word: said}, nil)
		r.passBars()
		return
	}
	r.record(PartyBarred{Party: party, Until: in.Until, By: in.By, Reason: in.Reason, word: said}, nil)
	r.keepOut(party)
	r.passBars()
}

// keepOut sends off duty, and closes the connections of, a driver who is barred and is here.
func (r *run) keepOut(party Actor) {
	if _, barred := r.core.shut.barred(r.now, party); !barred {
		return
	}
	for _, body := range r.core.offDuty(party) {
		r.record(body, nil)
	}
	r.closeBarred(party)
}

// barKnown notes that an area knows of a bar.
func (r *run) barKnown(in BarKnown) {
	c := r.core
	if c.shut.bars[DriverActor(in.Driver)].At == in.At {
		delete(c.shut.errands, barErrand{in.Driver, in.From})
	}
}

// toTell notes the areas that are to be told of a driver's bar.
func (s *shut) toTell(party Actor, areas []geo.AreaID) {
	for _, to := range areas {
		s.errands[barErrand{party.Driver(), to}] = barTold{}
	}
}

// passBars tells the areas that are to be told of bars, and have not answered for a while.
func (r *run) passBars() {
	s, n := &r.core.shut, 0
	for _, e := range slices.SortedFunc(maps.Keys(s.errands), func(a, b barErrand) int {
		return cmp.Or(cmp.Compare(a.driver, b.driver), cmp.Compare(a.to, b.to))
	}) {
		b, told := s.bars[DriverActor(e.driver)], s.errands[e]
		switch {
		case !b.toBeTold(r.now):
			delete(s.errands, e)
			continue
		case r.now < told.againAt():
			continue
		case n == maxResent:
			return
		case told.tries > 0:
			r.happened(BorderResent)
		}
		n++
		s.errands[e] = barTold{sent: r.now, tries: told.tries + 1}
		r.post(e.to, BarAbroad{From: r.core.area.ID, Driver: e.driver, Until: b.Until, Lifted: b.Lifted, By: b.By, At: b.At, Reason: b.Reason})
	}
}

// toBeTold says whether it still matters that other areas know of a bar.
func (b bar) toBeTold(now Instant) bool {
	return now < b.At.Add(barTellFor) && (b.Lifted || !b.over(now))
}

// passBarsAt is when the next area is to be told of a bar again.
func (c *Core) passBarsAt() (at Instant, ok bool) {
	for _, told := range c.shut.errands {
		if due := told.againAt(); !ok || due < at {
			at, ok = due, true
		}
	}
	return at, ok
}
