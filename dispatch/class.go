package dispatch

import "time"

// class sorts inputs by what is given up first when there is more to do than can be
// done: views before the ways of trips before positions before new trips before connections, and never what
// moves a trip that somebody was told of.
type class int

// The classes, the most important first. Positions are a class of their own, which
// goes through slots.
const (
	critical class = iota // moves a trip that exists, a duty, or something between areas
	greeting              // a party that is back and wants the truth
	creation              // makes work: a new trip, a change to the roads
	mending               // where somebody was: it moves nothing
	viewing               // somebody looks
	classes               // how many there are
)

// String is the label of the class in the metrics.
func (c class) String() string {
	return [classes]string{"critical", "hello", "create", "track", "view"}[c]
}

// classOf sorts an input. What it does not know is something between areas.
func classOf(in Input) class {
	switch in.(type) {
	case Hello:
		return greeting
	case Request, ChangeRoad, RestoreRoad:
		return creation
	case Tracked:
		return mending
	case Watch, AskRoute, AskNearby, Look:
		return viewing
	}
	return critical
}

// room is how many inputs of each class may wait. When they do, the next one of the
// class is refused as unavailable; its client repeats it under the same id.
var room = [classes]int{critical: 8192, greeting: 16384, creation: 4096, mending: 4096, viewing: 128}

// longest is how long an input may have to wait, as far as can be foreseen; one that
// would wait longer is refused at once, so that what is taken is done in time. Zero:
// it waits as long as it takes.
var longest = [classes]time.Duration{greeting: 5 * time.Second, creation: time.Second, mending: 5 * time.Second, viewing: 250 * time.Millisecond}
