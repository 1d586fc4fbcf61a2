package dispatch

import (
	"fmt"
	"time"

	"cuntong/geo"
)

// arbiter watches what is told and recorded, and knows what may not be.
type arbiter struct {
	fleet *fleet
	// said holds what anybody was told of each trip, by version: it must be in the journal at the end.
	said   map[TripID]map[Version]saying
	ended  map[TripID]bool         // told as ended
	onDuty map[DriverID]geo.AreaID // where, at the end
	onWay  map[DriverID]bool       // from one area to another, at the end
	steps  int
	worst  time.Duration // the latest that a deadline was acted on
	checks int
}

// saying is what a version of a trip is.
type saying struct {
	state  State
	driver DriverID
}

func newArbiter(f *fleet) *arbiter {
	return &arbiter{fleet: f, said: map[TripID]map[Version]saying{}, ended: map[TripID]bool{}, onDuty: map[DriverID]geo.AreaID{}, onWay: map[DriverID]bool{}}
}

// told sees every notice as it leaves.
func (j *arbiter) told(l *life, n Notice) {
	switch b := n.Body.(type) {
	case TripTold:
		j.heard(b.Trip)
	case OfferTold:
		j.say(b.Offer.Trip, b.Offer.TripVersion, saying{state: Offered}, false)
	case Done:
		if b.Version > 0 {
			j.say(b.Trip, b.Version, saying{state: b.State}, false)
		}
	case Truth:
		for _, v := range b.Trips {
			j.heard(v)
		}
		j.truth(l, n.To)
	}
}

func (j *arbiter) heard(v TripView) {
	j.say(v.ID, v.Version, saying{v.State, v.Driver}, true)
	if !v.State.Open() {
		j.ended[v.ID] = true
	}
}

// say compares what is told with what was told before of the same version.
func (j *arbiter) say(trip TripID, version Version, what saying, whole bool) {
	known := j.said[trip]
	if known == nil {
		known = map[Version]saying{}
		j.said[trip] = known
	}
	before, ok := known[version]
	if ok && (before.state != what.state || whole && before.driver != "" && before.driver != what.driver) {
		j.fleet.fail("version %d of trip %s is told as %v, and was as %v", version, trip, what, before)
	}
	if !ok || whole {
		known[version] = what
	}
}

// truth: who asks is never told less than he knew when he asked.
func (j *arbiter) truth(l *life, to Actor) {
	waiting := l.hellos[to]
	if len(waiting) == 0 {
		return
	}
	knew := waiting[0]
	if l.hellos[to] = waiting[1:]; len(waiting) == 1 {
		delete(l.hellos, to)
	}
	for _, k := range knew {
		t := l.engine.core.trips[k.trip]
		switch {
		case j.fleet.askedIn[k.trip] != l.area:
		case t != nil && t.Version < k.version:
			j.fleet.fail("%s knew version %d of trip %s and is told the truth at version %d", to, k.version, k.trip, t.Version)
		case t == nil && !j.ended[k.trip]:
			j.fleet.fail("%s knew trip %s, which the truth does not", to, k.trip)
		}
	}
}

// late: a deadline is acted on within a second, unless the engine was held up.
func (j *arbiter) late(l *life) {
	at, ok := l.engine.core.deadlines.next()
	if !ok {
		return
	}
	held := InstantOf(time.Unix(0, max(l.steady, l.host.pausedUntil)).Add(l.host.wrong))
	if late := l.engine.now().Sub(max(at, held)); late > 0 {
		j.worst = max(j.worst, late)
		if late > time.Second {
			j.fleet.fail("a deadline is %v late", late)
		}
	}
}

// stepped looks at an engine after a step.
func (j *arbiter) stepped(l *life) {
	j.steps++
	if j.steps%j.fleet.checkEvery == 0 {
		j.checks++
		if err := l.engine.core.Check(); err != nil {
			j.fleet.fail("area %s: %w", l.area.geo.ID, err)
		}
		j.drivers()
	}
}

// drivers: nobody is on duty in two areas, let alone asked or driving in both.
func (j *arbiter) drivers() {
	busy := map[DriverID]geo.AreaID{}
	for _, a := range j.fleet.areas {
		l := j.fleet.writer(a)
		if l == nil || a.writer != l.ledger.token || len(l.engine.hand.facts) > 0 {
			continue
		}
		for id := range l.engine.core.drivers {
			if other, ok := busy[id]; ok {
				j.fleet.fail("driver %s is on duty in area %s and in area %s", id, other, a.geo.ID)
			}
			busy[id] = a.geo.ID
		}
	}
}

// audit reads the whole journal of an area and compares it with what was told.
func (j *arbiter) audit(a *fleetArea) error {
	core := NewCore(a.geo, j.fleet.rules(), geo.NewCrow())
	core.Border(j.fleet.lands)
	caused := map[commandKey]Seq{}
	versions := map[TripID]Version{}
	offered := map[TripID]OfferMade{}
	driver := map[TripID]DriverID{}
	for _, f := range a.facts[:a.seq] {
		if err := core.Replay(f); err != nil {
			return err
		}
		if f.Cause != nil {
			key := commandKey{f.Cause.By, f.Cause.ID}
			if before, ok := caused[key]; ok {
				return fmt.Errorf("command %s of %s took effect as fact %d and as fact %d", key.ID, key.By, before, f.Seq)
			}
			caused[key] = f.Seq
		}
		if b, ok := f.Body.(OfferDelivered); ok {
			o := offered[b.Trip]
			o.Until, o.Confirm = b.Until, 0
			offered[b.Trip] = o
		}
		id, next := TripOf(f.Body)
		if id == "" {
			continue
		}
		versions[id]++
		switch b := f.Body.(type) {
		case OfferMade:
			offered[id] = b
		case OfferClosed:
			switch o := offered[id]; {
			case b.End == OfferLapsed && (f.At < o.Until || o.Confirm != 0):
				return fmt.Errorf("the offer of trip %s lapsed at %d, before its time %d, or unconfirmed (%d)", id, f.At, o.Until, o.Confirm)
			case b.End == OfferUnseen && o.Confirm == 0:
				return fmt.Errorf("the offer of trip %s had arrived, and is closed as unseen at %d", id, f.At)
			}
		case TripAssigned:
			driver[id] = offered[id].Driver
		case TripReleased:
			driver[id] = ""
		}
		told, ok := j.said[id][versions[id]]
		if !ok {
			continue
		}
		if next != "" && told.state != next || told.driver != "" && told.driver != driver[id] {
			return fmt.Errorf("trip %s, version %d: told as %v, recorded as %s with driver %q", id, versions[id], told, next, driver[id])
		}
	}
	for id, n := range versions {
		for version := range j.said[id] {
			if version > n {
				return fmt.Errorf("trip %s was told at version %d, and its record ends at %d", id, version, n)
			}
		}
		j.fleet.recordedTrips[id] = true
	}
	for id, t := range core.trips {
		if t.State.Open() {
			return fmt.Errorf("trip %s has not ended: it is %s", id, t.State)
		}
	}
	for id := range core.drivers {
		if other, ok := j.onDuty[id]; ok {
			return fmt.Errorf("driver %s is on duty here and in area %s", id, other)
		}
		j.onDuty[id] = a.geo.ID
	}
	for _, out := range core.outflows {
		for _, t := range out.Open {
			j.onWay[t.Driver] = j.onWay[t.Driver] || !t.Settled
		}
	}
	return nil
}

// verdict is what is to be said at the end.
func (j *arbiter) verdict() error {
	for _, a := range j.fleet.areas {
		if err := j.audit(a); err != nil {
			return fmt.Errorf("area %s: %w", a.geo.ID, err)
		}
	}
	for _, p := range j.fleet.people {
		if _, ok := j.onDuty[p.who.Driver()]; p.onDuty && !ok && !j.onWay[p.who.Driver()] {
			return fmt.Errorf("driver %s was told that he is on duty, and is so nowhere", p.who)
		}
	}
	for id := range j.said {
		if !j.fleet.recordedTrips[id] {
			return fmt.Errorf("trip %s was told and is in no journal", id)
		}
	}
	return nil
}
