package oracle

import (
	"fmt"
	"slices"
)

// stage is a trip as it stood at one version.
type stage struct {
	state  string
	driver string // bound to it, or asked
	offer  string
	at     int64
}

// trip is the whole life of one.
type trip struct {
	area     string
	now      stage
	version  int64
	versions map[int64]stage
	lapses   int64 // when the live offer does
	confirm  int64 // until when the word that it has arrived is waited for; 0: it has
	deadline int64
}

// stay is a span in which a driver is on duty in an area.
type stay struct {
	area        string
	from, until int64 // until 0: to the end
}

// transferKey names a transfer: where from, where to, and its number.
type transferKey struct {
	from, to string
	id       uint64
}

// ledger is what the journals of all areas say together.
type ledger struct {
	found     *Findings
	trips     map[string]*trip
	holds     map[string]string // driver to the trip that he drives or is asked for
	stays     map[string][]stay // of a driver, in the order of the journals
	causes    map[string]string // client and command to the fact it brought about
	released  map[transferKey]string
	admitted  map[transferKey]string
	lastAt    int64
	completed int
	recovered int
}

// fold reads every journal.
func fold(journals []Journal, found *Findings) *ledger {
	l := &ledger{found: found, trips: map[string]*trip{}, holds: map[string]string{}, stays: map[string][]stay{},
		causes: map[string]string{}, released: map[transferKey]string{}, admitted: map[transferKey]string{}}
	for _, j := range journals {
		if j.Broken != "" {
			found.add(RuleSequence, "area %s: %s", j.Area, j.Broken)
		}
		for i, e := range j.Entries {
			if e.Place != uint64(i+1) {
				found.add(RuleSequence, "area %s has entry %d where fact %d belongs", j.Area, e.Place, i+1)
				break
			}
			f, err := decode(e)
			if err != nil {
				found.add(RuleSequence, "area %s: %v", j.Area, err)
				break
			}
			l.fold(j.Area, f)
		}
	}
	l.checkStays()
	l.checkTransfers()
	return l
}

// fold takes one fact.
func (l *ledger) fold(area string, f fact) {
	l.lastAt = max(l.lastAt, f.At)
	if f.Cause != nil {
		key := f.Cause.By.ID + "/" + f.Cause.ID
		here := fmt.Sprintf("fact %d of area %s (%s)", f.Seq, area, f.Kind)
		if before, twice := l.causes[key]; twice {
			l.found.add(RuleTwice, "command %s brought about %s and %s", key, before, here)
		}
		l.causes[key] = here
	}
	b := f.Body
	switch f.Kind {
	case "duty_started":
		if s := l.stay(b.Driver, area); s == nil {
			l.stays[b.Driver] = append(l.stays[b.Driver], stay{area: area, from: f.At})
		}
	case "duty_ended":
		l.leave(area, f)
	case "offer_delivered":
		l.delivered(area, f)
	case "driver_released":
		l.leave(area, f)
		l.once(l.released, transferKey{area, b.To, b.Transfer}, area, f)
	case "driver_admitted":
		l.stays[b.Driver] = append(l.stays[b.Driver], stay{area: area, from: f.At})
		l.once(l.admitted, transferKey{b.From, area, b.Transfer}, area, f)
	default:
		if next := kinds[f.Kind]; next != "" {
			l.foldTrip(area, f, next)
		}
	}
}

// delivered takes the word that an offer has arrived: its time to answer begins.
func (l *ledger) delivered(area string, f fact) {
	t := l.trips[f.Body.Trip]
	if t == nil || t.now.offer != f.Body.Offer || t.now.state != "offered" {
		l.found.add(RuleLife, "area %s, fact %d (%s): trip %s is not offered as %s", area, f.Seq, f.Kind, f.Body.Trip, f.Body.Offer)
		return
	}
	t.lapses, t.deadline, t.confirm = f.Body.Until, f.Body.Until, 0
}

// once notes a side of a transfer, which may come to pass once.
func (l *ledger) once(side map[transferKey]string, key transferKey, area string, f fact) {
	if before, twice := side[key]; twice {
		l.found.add(RuleTransfer, "transfer %v: %s of %s by fact %d of area %s, and of %s before", key, f.Kind, f.Body.Driver, f.Seq, area, before)
	}
	side[key] = f.Body.Driver
}

// stay is where a driver is on duty now in an area, or nil.
func (l *ledger) stay(driver, area string) *stay {
	for i := range l.stays[driver] {
		if s := &l.stays[driver][i]; s.area == area && s.until == 0 {
			return s
		}
	}
	return nil
}

// leave ends a driver's stay; he may hold nothing then.
func (l *ledger) leave(area string, f fact) {
	s := l.stay(f.Body.Driver, area)
	if s == nil {
		l.found.add(RuleLife, "area %s, fact %d (%s): driver %s is not on duty there", area, f.Seq, f.Kind, f.Body.Driver)
		return
	}
	if held := l.holds[f.Body.Driver]; held != "" && l.trips[held].area == area {
		l.found.add(RuleLife, "area %s, fact %d (%s): driver %s holds trip %s", area, f.Seq, f.Kind, f.Body.Driver, held)
	}
	s.until = max(f.At, s.from+1)
}

// foldTrip takes a fact about a trip.
func (l *ledger) foldTrip(area string, f fact, next string) {
	b := f.Body
	t := l.trips[b.Trip]
	switch {
	case t == nil && f.Kind == "trip_requested":
		t = &trip{area: area, versions: map[int64]stage{}}
		l.trips[b.Trip] = t
	case t == nil:
		l.found.add(RuleLife, "area %s, fact %d (%s): there is no trip %s", area, f.Seq, f.Kind, b.Trip)
		return
	case t.area != area:
		l.found.add(RuleLife, "fact %d of area %s (%s) is about trip %s of area %s", f.Seq, area, f.Kind, b.Trip, t.area)
		return
	}
	if next == "*" {
		next = t.now.state
	} else if !slices.Contains(mayBecome[t.now.state], next) || f.Kind == "trip_requested" && t.version > 0 {
		l.found.add(RuleLife, "area %s, fact %d (%s): trip %s is %s", area, f.Seq, f.Kind, b.Trip, t.now.state)
	}
	was := t.now
	t.version++
	t.now = stage{state: next, driver: was.driver, offer: was.offer, at: f.At}
	l.bind(area, f, t, was)
	t.versions[t.version] = t.now
	if next == "completed" {
		l.completed++
	}
}

// bind keeps who holds what.
func (l *ledger) bind(area string, f fact, t *trip, was stage) {
	b := f.Body
	t.deadline = b.Deadline
	switch f.Kind {
	case "offer_made":
		t.now.driver, t.now.offer, t.lapses, t.deadline, t.confirm = b.Driver, b.Offer, b.Until, b.Until, b.Confirm
		if b.Confirm != 0 {
			t.deadline = b.Confirm
		}
		l.take(area, f, b.Driver)
	case "offer_closed":
		switch {
		case b.End == "lapsed" && f.At < t.lapses:
			l.found.add(RuleDeadline, "area %s, fact %d: offer %s lapsed %d ms before its time", area, f.Seq, was.offer, t.lapses-f.At)
		case b.End == "lapsed" && t.confirm != 0:
			l.found.add(RuleDeadline, "area %s, fact %d: offer %s lapsed and had not arrived", area, f.Seq, was.offer)
		case b.End == "unseen" && t.confirm == 0:
			l.found.add(RuleDeadline, "area %s, fact %d: offer %s was given up as unseen and had arrived", area, f.Seq, was.offer)
		}
		l.drop(was.driver, b.Trip)
		t.now.driver, t.now.offer = "", ""
	case "trip_assigned":
		t.now.offer = ""
	case "trip_recovered":
		l.recovered++
		if b.Version <= t.version-1 {
			l.found.add(RuleLife, "area %s, fact %d: trip %s is recovered from version %d to %d", area, f.Seq, b.Trip, t.version-1, b.Version)
		}
		t.version = b.Version
		if b.State == "" {
			return
		}
		l.drop(was.driver, b.Trip)
		t.now.state, t.now.driver, t.now.offer = b.State, b.Driver, ""
		if hasDriver(b.State) {
			l.take(area, f, b.Driver)
		} else {
			t.now.driver = ""
		}
	default:
		if !hasDriver(t.now.state) && t.now.state != "offered" {
			l.drop(was.driver, b.Trip)
			t.now.driver, t.now.offer = "", ""
		}
	}
}

// take gives a driver a trip, whom no other may have.
func (l *ledger) take(area string, f fact, driver string) {
	if held := l.holds[driver]; held != "" && held != f.Body.Trip && l.trips[held].area == area {
		l.found.add(RuleTwoRides, "area %s, fact %d (%s): driver %s gets trip %s and holds %s (%s)", area, f.Seq, f.Kind, driver, f.Body.Trip, held, l.trips[held].now.state)
	}
	if l.stay(driver, area) == nil {
		l.found.add(RuleTwoAreas, "area %s, fact %d (%s): driver %s, who gets trip %s, is not on duty there", area, f.Seq, f.Kind, driver, f.Body.Trip)
	}
	l.holds[driver] = f.Body.Trip
}

func (l *ledger) drop(driver, trip string) {
	if l.holds[driver] == trip {
		delete(l.holds, driver)
	}
}

// clockSlackMillis is how far the clocks of two writers may be apart when spans of two
// areas are compared. Within an area the order of the facts is exact.
const clockSlackMillis = 250

// checkStays: nobody is on duty in two areas at once.
func (l *ledger) checkStays() {
	for driver, stays := range l.stays {
		for i, a := range stays {
			for _, b := range stays[i+1:] {
				if a.area == b.area {
					continue
				}
				from := max(a.from, b.from)
				until := min(a.end(l.lastAt), b.end(l.lastAt))
				if until-from > clockSlackMillis {
					l.found.add(RuleTwoAreas, "driver %s is on duty in area %s and in %s for %d ms", driver, a.area, b.area, until-from)
				}
			}
		}
	}
}

func (s stay) end(last int64) int64 {
	if s.until == 0 {
		return last
	}
	return s.until
}

// checkTransfers: everybody admitted was released for it, to here, and is the same man.
func (l *ledger) checkTransfers() {
	for key, driver := range l.admitted {
		if l.released[key] != driver {
			l.found.add(RuleTransfer, "transfer %v: %s was admitted and %q was released", key, driver, l.released[key])
		}
	}
	for key, driver := range l.released {
		if _, arrived := l.admitted[key]; !arrived {
			l.found.add(RuleTransfer, "transfer %v: %s was released and is nowhere", key, driver)
		}
	}
}
