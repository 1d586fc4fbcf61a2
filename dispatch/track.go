package dispatch

import (
	"cmp"
	"math"
	"slices"
	"time"

	"cuntong/geo"
)

// Bounds of what is kept of where trips went.
const (
	// maxPath bounds the positions of one trip. When there are more, they are thinned to
	// one in twice as long a time.
	maxPath = 720
	// pathStep is the time of which at most one position is kept, to begin with: with
	// maxPath it takes an hour to be doubled.
	pathStep = 5 * time.Second
	// maxEndedPaths is of how many ended trips the positions are kept, for those that
	// come from the dark. The trip that ended first is forgotten first.
	maxEndedPaths = 2000
	// pathGap is how long after the start of a ride the first position may be without the
	// way from the pickup being counted.
	pathGap = time.Minute
	// maxPace is how fast a position may have been come to from the one before, in metres a
	// second; one beyond is a slip of the phone, or a lie, and does not count.
	maxPace = 60
	// maxMeasured bounds how often the distance of one trip is put right.
	maxMeasured = 200
)

// path is where the driver of a trip was, from his acceptance to the end of the trip.
// It is soft: positions are in no journal, and a writer that starts has none.
//
// Of every step of time it keeps the first position. What it holds therefore depends on
// which positions there were, and not on the order in which they came, nor on how often.
type path struct {
	step   time.Duration
	points []pathPoint // by time
	// whole says that it was kept from the acceptance on by this very writer.
	whole bool
	// measured counts how often the distance was put right after the end.
	measured int
}

// pathPoint is a position in micro-degrees, a tenth of a metre.
type pathPoint struct {
	at       Instant
	lat, lon int32
}

func pointOf(f Fix) pathPoint {
	return pathPoint{at: f.At, lat: int32(math.Round(f.Point.Lat * 1e6)), lon: int32(math.Round(f.Point.Lon * 1e6))}
}

func (p pathPoint) point() geo.Point {
	return geo.Point{Lat: float64(p.lat) / 1e6, Lon: float64(p.lon) / 1e6}
}

// before orders positions; of two at one moment it prefers one, no matter which.
func (p pathPoint) before(q pathPoint) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.lat, q.lat), cmp.Compare(p.lon, q.lon))
}

func (p *path) bucket(at Instant) int64 { return int64(at) / p.step.Milliseconds() }

// add takes a position, and says whether that changed anything.
func (p *path) add(q pathPoint) bool {
	i, _ := slices.BinarySearchFunc(p.points, p.bucket(q.at), func(have pathPoint, bucket int64) int {
		return cmp.Compare(p.bucket(have.at), bucket)
	})
	switch {
	case i == len(p.points) || p.bucket(p.points[i].at) != p.bucket(q.at):
		p.points = slices.Insert(p.points, i, q)
	case q.before(p.points[i]) < 0:
		p.points[i] = q
	default:
		return false
	}
	for len(p.points) > maxPath {
		p.thin()
	}
	return true
}

// thin keeps the first position of twice as long a time.
func (p *path) thin() {
	p.step *= 2
	p.points = slices.CompactFunc(p.points, func(a, b pathPoint) bool { return p.bucket(a.at) == p.bucket(b.at) })
}

// distance is how far it is along the positions of a span of time, in metres. A gap is
// bridged by the straight line, one at the beginning from where the ride began; so it is
// never more than was driven, but for the phone's errors.
func (p *path) distance(from, to Instant, begin geo.Point) int64 {
	var sum geo.Meters
	last, since, first := begin, from, true
	for _, q := range p.points {
		if q.at < from || q.at > to {
			continue
		}
		at := q.point()
		step := geo.Distance(last, at)
		if first && q.at.Sub(from) <= pathGap {
			step = 0
		}
		if float64(step) > maxPace*q.at.Sub(since).Seconds() {
			continue
		}
		sum += step
		last, since, first = at, q.at, false
	}
	return int64(math.Round(float64(sum)))
}

// TripMeasured: positions that came after a trip had been completed tell better how far
// it went.
type TripMeasured struct {
	Trip TripID `json:"trip"`
	// DrivenM is how far the party was driven, in metres.
	DrivenM int64 `json:"driven_m"`
}

func (TripMeasured) kind() string { return "trip_measured" }

// TrackResult says what came of one position of a [Tracked]. The names are metric labels.
type TrackResult string

// The results.
const (
	TrackMerged  TrackResult = "merged"       // it is on the way of a trip
	TrackKnown   TrackResult = "known"        // so is one of the same few seconds, already
	TrackOutside TrackResult = "outside"      // he was on no trip then that is kept
	TrackOld     TrackResult = "old"          // from more than a day ago
	TrackBad     TrackResult = "out_of_range" // not a place on Earth
)

// tracked takes positions from the dark. They mend the ways of trips and nothing else:
// they do not go through [run.place], so they move no marker, free nobody from his
// silence, and are not judged for how late they come or how far they are from the last.
func (r *run) tracked(in Tracked) {
	c := r.core
	if no := c.mayDo(in); no != nil {
		r.tell(in.By, Refused{ID: in.ID, Refusal: *no})
		return
	}
	if g := c.gone[in.Driver]; g != nil && (len(in.Fixes) == 0 || in.Fixes[0].At >= g.since()) { // what was before may be of a trip of ours
		r.tell(in.By, Refused{ID: in.ID, Refusal: refuseElsewhere()})
		r.pointTo(in.Driver)
		return
	}
	var mended []*Trip
	for _, fix := range in.Fixes[:min(len(in.Fixes), MaxTrack)] {
		t, result := c.mend(r.now, in.Driver, fix)
		r.out.Tracked = append(r.out.Tracked, result)
		if result == TrackMerged && !slices.Contains(mended, t) {
			mended = append(mended, t)
		}
	}
	for _, t := range mended {
		r.measure(t)
	}
	r.tell(in.By, Done{ID: in.ID})
}

// mend puts a position of a driver on the way of the trip that he was on then.
func (c *Core) mend(now Instant, driver DriverID, fix Fix) (*Trip, TrackResult) {
	switch {
	case fix.Point.Validate() != nil:
		return nil, TrackBad
	case fix.At < now.Add(-deedHorizon):
		return nil, TrackOld
	}
	t := c.tripAt(driver, min(fix.At, now))
	if t == nil {
		return nil, TrackOutside
	}
	if !c.pathOf(t).add(pointOf(fix)) {
		return t, TrackKnown
	}
	return t, TrackMerged
}

// tripAt is the trip on which a driver was at a moment, from his acceptance to its end;
// nil when there is none that is still kept.
func (c *Core) tripAt(driver DriverID, at Instant) *Trip {
	if d := c.drivers[driver]; d != nil && len(d.Plan) > 0 {
		if t := c.trips[d.Plan.Trip()]; at >= t.assignedAt() {
			return t
		}
	}
	for _, id := range slices.Backward(c.drove[driver]) {
		if t := c.trips[id]; at >= cmp.Or(t.AssignedAt, t.StartedAt) && at <= t.Since {
			return t
		}
	}
	return nil
}

// pathOf is the way of a trip that has a driver, or had one to its end.
func (c *Core) pathOf(t *Trip) *path {
	p := c.paths[t.ID]
	if p == nil {
		p = &path{step: pathStep}
		c.paths[t.ID] = p
		if !t.State.HasDriver() {
			c.keepEndedPath(t.ID)
		}
	}
	return p
}

// keepEndedPath notes that the way of a trip that has ended is kept for a while.
func (c *Core) keepEndedPath(id TripID) {
	c.endedPaths = append(c.endedPaths, id)
	if len(c.endedPaths) > maxEndedPaths {
		delete(c.paths, c.endedPaths[0])
		c.endedPaths = c.endedPaths[1:]
	}
}

// follows takes a live position onto the way of the trip that its driver is on.
func (c *Core) follows(fix Fix) {
	d := c.drivers[fix.Driver]
	if d == nil || len(d.Plan) == 0 || fix.Point.Validate() != nil {
		return
	}
	fix.At = min(fix.At, fix.Received)
	if t := c.trips[d.Plan.Trip()]; fix.At >= t.assignedAt() {
		c.pathOf(t).add(pointOf(fix))
	}
}

// driven is how far the party of t was driven until a moment, by what is known now; 0:
// that is not known.
func (c *Core) driven(t *Trip, until Instant) int64 {
	p := c.paths[t.ID]
	if p == nil || t.StartedAt == 0 {
		return 0
	}
	return p.distance(t.StartedAt, until, t.Order.Pickup.Point)
}

// measure puts the distance of a completed trip right. When this writer has not seen the
// whole way, more is known only if it is longer.
func (r *run) measure(t *Trip) {
	p := r.core.paths[t.ID]
	if t.State != Completed || p.measured >= maxMeasured {
		return
	}
	driven := r.core.driven(t, t.Since)
	if driven == t.DrivenM || !p.whole && driven < t.DrivenM {
		return
	}
	p.measured++
	r.record(TripMeasured{Trip: t.ID, DrivenM: driven}, nil)
}

// trace keeps or forgets the way of the trip that a recorded fact speaks of.
func (c *Core) trace(body FactBody) {
	id, next := TripOf(body)
	_, assigned := body.(TripAssigned)
	switch t := c.trips[id]; {
	case t == nil:
	case assigned:
		c.paths[id] = &path{step: pathStep, whole: true}
	case !t.State.HasDriver() && t.State != Completed:
		delete(c.paths, id)
	case next == Completed && c.paths[id] != nil:
		c.keepEndedPath(id)
	}
}

// drives notes that a completed trip was driven by its driver, in the order of the ends.
func (c *Core) drives(t *Trip) {
	if t.State == Completed && t.StartedAt != 0 {
		c.drove[t.Driver] = append(c.drove[t.Driver], t.ID)
	}
}

// forgetWay forgets what is kept of the way of a trip that is being forgotten.
func (c *Core) forgetWay(t *Trip) {
	delete(c.paths, t.ID)
	if c.drove[t.Driver] = without(c.drove[t.Driver], t.ID); len(c.drove[t.Driver]) == 0 {
		delete(c.drove, t.Driver)
	}
}

// checkTracks: ways are kept of trips that have a driver or were completed, within their
// bounds and in order; and who drove what is what the trips say.
func (c *Core) checkTracks(fail func(string, ...any)) {
	for id, p := range c.paths {
		t := c.trips[id]
		switch {
		case t == nil || !t.State.HasDriver() && t.State != Completed:
			fail("the way of trip %s is kept, which nobody drives", id)
		case len(p.points) > maxPath || !slices.IsSortedFunc(p.points, pathPoint.before):
			fail("the way of trip %s has %d positions, or in no order", id, len(p.points))
		}
	}
	if len(c.endedPaths) > maxEndedPaths {
		fail("the ways of %d ended trips are kept", len(c.endedPaths))
	}
	drove := 0
	for driver, trips := range c.drove {
		drove += len(trips)
		for _, id := range trips {
			if t := c.trips[id]; t == nil || t.State != Completed || t.Driver != driver {
				fail("%s is said to have driven trip %s", driver, id)
			}
		}
	}
	for _, id := range c.ended {
		if t := c.trips[id]; t.State == Completed && t.StartedAt != 0 {
			drove--
		}
	}
	if drove != 0 {
		fail("%d more trips are said to have been driven than were", drove)
	}
}
