package swarm

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/ws/wire"
)

// Violation is a promise that the server broke, as far as phones can see.
type Violation struct {
	Kind ViolationKind `json:"kind"`
	Trip string        `json:"trip,omitzero"`
	// Say is what was seen, in a sentence.
	Say string `json:"say"`
}

// ViolationKind names a promise.
type ViolationKind string

// The promises, by what breaks them.
const (
	// TwoTrips: a driver was asked for or given a trip while he held another.
	TwoTrips ViolationKind = "driver_with_two_trips"
	// TwoDrivers: a trip went from one driver to another without being taken from the first.
	TwoDrivers ViolationKind = "trip_with_two_drivers"
	// TwoMeanings: the same version of a trip was told with different contents.
	TwoMeanings ViolationKind = "version_with_two_meanings"
	// Revived: a trip went on after it had ended.
	Revived ViolationKind = "trip_after_its_end"
	// TruthBehind: the truth of a new connection was older than what had been told before.
	TruthBehind ViolationKind = "truth_behind_what_was_told"
	// OtherAnswer: a command sent twice was done once and refused once.
	OtherAnswer ViolationKind = "repeat_answered_otherwise"
	// Lost: a trip that the server had taken was unknown to it later.
	Lost ViolationKind = "trip_lost"
	// NoAnswer: a command had no answer at the end.
	NoAnswer ViolationKind = "command_without_answer"
)

const (
	// maxViolations bounds those that are kept in words; all are counted.
	maxViolations = 100
	// maxEnded is how many ended trips are remembered, for frames that come late.
	maxEnded = 5000
	// maxSightings bounds the versions remembered of one trip; the oldest go first.
	maxSightings = 64
)

// witness puts together what all parties see of a trip. Its methods may be called
// from any goroutine.
type witness struct {
	// Static after construction.
	tally    *tally
	observer func(Event)

	mu sync.Mutex
	// Guarded by mu.
	trips      map[string]*witnessed
	ended      []string // oldest first
	violations []Violation
	// calledOff: the run is over and trips are cancelled for tidiness, which counts as nothing.
	calledOff bool
}

// witnessed is what is known of one trip. Guarded by witness.mu.
type witnessed struct {
	booking  plan.Booking
	booker   string
	intended time.Time
	// delayed: the booker had no signal when he wanted to book, so the request's
	// latencies would measure the scenario.
	delayed bool

	offered      time.Time // the first offer's arrival; zero before
	offerVersion int64
	parked       int64 // the first version told as parked; 0: none
	accepted     time.Time
	assigned     time.Time // first
	driver       string    // bound last
	holders      []string  // drivers who believe that the trip is theirs
	sightings    []sighting
	over         bool
	requestedAt  int64 // as the server has it
	again        bool  // it has been asked for a second time
	lastFix      int64
}

// sighting is one version as told to somebody.
type sighting struct {
	version int64
	state   string
	driver  string // "" where the party may not know
	sum     uint64 // of what does not depend on who is told; 0 unknown
}

func newWitness(t *tally, observer func(Event)) *witness {
	return &witness{tally: t, observer: observer, trips: map[string]*witnessed{}}
}

// intend opens the file on a trip that booker is to ask for. delayed says that he
// has no signal at the moment, by the scenario.
func (w *witness) intend(trip, booker string, b plan.Booking, at time.Time, delayed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trips[trip] = &witnessed{booking: b, booker: booker, intended: at, delayed: delayed}
	w.tally.open.Add(1)
}

// answered notes the final answer to a request; a refusal ends the trip.
func (w *witness) answered(trip string, refused bool, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[trip]
	if t == nil {
		return
	}
	if !t.delayed {
		w.tally.took(requestToDone, at.Sub(t.intended))
	}
	if refused {
		w.finish(trip, t)
	}
}

// offer notes that an offer has reached a driver.
func (w *witness) offer(o wire.Offer, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[o.Trip]
	if t == nil || !t.offered.IsZero() {
		return
	}
	t.offered, t.offerVersion = at, o.Version
	if !t.delayed {
		w.tally.took(requestToOffer, at.Sub(t.intended))
	}
}

// accepting notes that a driver is accepting the trip.
func (w *witness) accepting(trip string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trips[trip]; t != nil {
		t.accepted = at
	}
}

// hold notes that a driver believes the trip to be his, or no longer.
func (w *witness) hold(trip, driver string, holds bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[trip]
	switch {
	case t == nil:
	case holds && !slices.Contains(t.holders, driver):
		t.holders = append(t.holders, driver)
	case !holds:
		t.holders = slices.DeleteFunc(t.holders, func(d string) bool { return d == driver })
	}
}

// view is one telling of a trip.
type view struct {
	trip    wire.Trip
	at      time.Time
	byOwner bool      // told to the one who booked it
	upSince time.Time // how long he has been connected
}

// seen notes a telling. It says whether the trip is one of this run's.
func (w *witness) seen(v view) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[v.trip.Trip]
	if t == nil {
		return false
	}
	if !w.sameTrip(t, v.trip) {
		return true
	}
	s := sighting{version: v.trip.Version, state: v.trip.State, sum: sumOf(v.trip)}
	if v.trip.Driver != nil {
		s.driver = v.trip.Driver.ID
	}
	w.sight(v.trip.Trip, t, s)
	if v.byOwner {
		w.ownerSaw(t, v)
	}
	if isOver(s.state) {
		w.end(v.trip.Trip, t, s.state, v.trip.Ended, v.at)
	}
	return true
}

// askAgain notes that the booker asks for a trip that the server does not list.
func (w *witness) askAgain(trip string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trips[trip]; t != nil {
		t.again = true
	}
}

// sameTrip says whether a telling is of the trip as it is now. One that was asked for
// a second time, and stands in the queue since then, is another trip by the old one's
// name: the server has lost the old one. What was seen of that counts no more.
func (w *witness) sameTrip(t *witnessed, told wire.Trip) bool {
	was := t.requestedAt
	switch {
	case was != 0 && told.RequestedAt < was && t.again:
		return false // a late word about the lost one
	case was != 0 && told.RequestedAt > was && t.again:
		w.violated(Lost, told.Trip, fmt.Sprintf("the server had taken it at %d, and took it again at %d", was, told.RequestedAt))
		t.sightings, t.driver, t.again = nil, "", false
	}
	t.requestedAt = max(was, told.RequestedAt)
	return true
}

// done notes a command's answer: the trip's version and state as the command left them.
func (w *witness) done(d wire.Done, driver string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[d.Trip]
	if t == nil || d.Version == 0 {
		return
	}
	if !isBound(d.State) {
		driver = ""
	}
	w.sight(d.Trip, t, sighting{version: d.Version, state: d.State, driver: driver})
	if isOver(d.State) {
		w.end(d.Trip, t, d.State, nil, at)
	}
}

// ownerSaw measures how long it took from a driver's accept to the booker's screen.
func (w *witness) ownerSaw(t *witnessed, v view) {
	switch v.trip.State {
	case wire.StateParked:
		if t.parked == 0 || v.trip.Version < t.parked {
			t.parked = v.trip.Version
		}
	case wire.StateAssigned:
		if t.accepted.IsZero() {
			return
		}
		if v.upSince.Before(t.accepted) {
			w.tally.took(offerToAssigned, v.at.Sub(t.accepted))
		}
		t.accepted = time.Time{}
		w.tally.count(assignments)
		if t.assigned.IsZero() {
			t.assigned = v.at
			w.observer(w.event(TripAssigned, v.trip.Trip, t, v.at))
		}
	}
}

// sight files one version and holds it against the others.
func (w *witness) sight(trip string, t *witnessed, s sighting) {
	i, known := slices.BinarySearchFunc(t.sightings, s.version, func(s sighting, v int64) int { return cmp.Compare(s.version, v) })
	if known {
		w.compare(trip, &t.sightings[i], s)
	} else {
		t.sightings = slices.Insert(t.sightings, i, s)
		w.follow(trip, t.sightings, i)
	}
	if s.driver != "" && isBound(s.state) && s.version >= t.sightings[len(t.sightings)-1].version {
		t.driver = s.driver
	}
	if len(t.sightings) > maxSightings {
		t.sightings = slices.Delete(t.sightings, 0, 1)
	}
}

// compare holds two tellings of one version against each other.
func (w *witness) compare(trip string, old *sighting, s sighting) {
	switch {
	case old.state != s.state,
		old.sum != 0 && s.sum != 0 && old.sum != s.sum,
		old.driver != "" && s.driver != "" && old.driver != s.driver:
		w.violated(TwoMeanings, trip, fmt.Sprintf("version %d was told as %s and as %s", s.version, old, s))
	}
	old.sum, old.driver = cmp.Or(old.sum, s.sum), cmp.Or(old.driver, s.driver)
}

func (s sighting) String() string {
	return fmt.Sprintf("%s driver=%q sum=%x", s.state, s.driver, s.sum)
}

// follow holds version i against the one before and the one after it.
func (w *witness) follow(trip string, list []sighting, i int) {
	for _, pair := range [][2]int{{i - 1, i}, {i, i + 1}} {
		if pair[0] < 0 || pair[1] >= len(list) {
			continue
		}
		a, b := list[pair[0]], list[pair[1]]
		switch {
		case isOver(a.state):
			w.violated(Revived, trip, fmt.Sprintf("version %d was %s, and version %d is %s", a.version, a.state, b.version, b.state))
		case b.version == a.version+1 && isBound(a.state) && isBound(b.state) && a.driver != "" && b.driver != "" && a.driver != b.driver:
			w.violated(TwoDrivers, trip, fmt.Sprintf("version %d was %s's, and version %d is %s's", a.version, a.driver, b.version, b.driver))
		}
	}
}

// end closes the file, once.
func (w *witness) end(trip string, t *witnessed, state string, ended *wire.Ended, at time.Time) {
	if t.over {
		return
	}
	if w.calledOff {
		w.finish(trip, t)
		return
	}
	kind := TripCancelled
	switch {
	case state == wire.StateCompleted:
		kind = TripCompleted
		w.tally.count(completed)
	case state == wire.StateUnserved:
		kind = TripUnserved
		w.tally.count(unserved)
	case ended != nil && ended.ByRole == wire.RoleDriver:
		w.tally.count(noShows)
	default:
		w.tally.count(cancelled)
	}
	w.finish(trip, t)
	w.observer(w.event(kind, trip, t, at))
}

// lost notes that the booker no longer finds the trip among his open ones.
func (w *witness) lost(trip string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.trips[trip]; t != nil && !t.over {
		if !w.calledOff {
			w.tally.count(endedUnseen)
		}
		w.finish(trip, t)
	}
}

// finish takes the trip off the open ones and, in its turn, out of memory.
func (w *witness) finish(trip string, t *witnessed) {
	if t.over {
		return
	}
	t.over = true
	w.tally.open.Add(-1)
	w.timeUnparked(t)
	w.ended = append(w.ended, trip)
	if len(w.ended) > maxEnded {
		delete(w.trips, w.ended[0])
		w.ended = slices.Delete(w.ended, 0, 1)
	}
}

// timeUnparked is late on purpose: whether a trip was parked before its first
// offer can be known only when the booker's frames have had time to arrive.
func (w *witness) timeUnparked(t *witnessed) {
	if !t.offered.IsZero() && !t.delayed && (t.parked == 0 || t.parked > t.offerVersion) {
		w.tally.took(requestToOfferUnparked, t.offered.Sub(t.intended))
	}
}

// position notes a position that reached a rider and returns the trip's driver,
// or "" if this position was known already.
func (w *witness) position(trip string, fixAt int64) (driver string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trips[trip]
	if t == nil || fixAt <= t.lastFix {
		return ""
	}
	t.lastFix = fixAt
	return t.driver
}

// violation notes a broken promise that a party saw by itself.
func (w *witness) violation(kind ViolationKind, trip, say string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violated(kind, trip, say)
}

func (w *witness) violated(kind ViolationKind, trip, say string) {
	w.tally.count(violations)
	if len(w.violations) < maxViolations {
		w.violations = append(w.violations, Violation{kind, trip, say})
	}
}

// callOff counts the trips that are still open. What happens to them from now on
// is tidying up.
func (w *witness) callOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calledOff = true
	w.tally.add(openAtEnd, int(w.tally.open.Load()))
}

// conclude closes the files that are still open and returns the violations.
func (w *witness) conclude() []Violation {
	w.mu.Lock()
	defer w.mu.Unlock()
	for trip, t := range w.trips {
		if len(t.holders) > 1 {
			slices.Sort(t.holders)
			w.violated(TwoDrivers, trip, fmt.Sprintf("at the end the drivers %v all believe that it is theirs", t.holders))
		}
		if !t.over {
			w.timeUnparked(t)
		}
	}
	slices.SortStableFunc(w.violations, func(a, b Violation) int { return cmp.Compare(a.Kind, b.Kind) })
	return slices.Clone(w.violations)
}

func (w *witness) event(kind EventKind, trip string, t *witnessed, at time.Time) Event {
	e := Event{
		Kind: kind, At: at, Trip: trip, Booker: t.booker, Driver: t.driver,
		From: t.booking.From.Name, To: t.booking.To.Name, Seats: t.booking.Seats, Took: at.Sub(t.intended),
	}
	if !t.assigned.IsZero() {
		e.Waited = t.assigned.Sub(t.intended)
	}
	return e
}

// sumOf hashes what every party is told alike about a version.
func sumOf(t wire.Trip) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, t.State, t.RequestedAt, t.Since, t.Seats, t.Wheelchairs, t.GoodsL, t.Pickup.Lat, t.Pickup.Lon, t.Dropoff.Lat, t.Dropoff.Lon)
	if t.Ended != nil {
		fmt.Fprint(h, *t.Ended)
	}
	return h.Sum64()
}

// isBound says whether a trip in that state has a driver.
func isBound(state string) bool {
	return state == wire.StateAssigned || state == wire.StateArrived || state == wire.StateRiding
}

// isOver says whether a trip in that state has ended.
func isOver(state string) bool {
	return state == wire.StateCompleted || state == wire.StateCancelled || state == wire.StateUnserved
}
