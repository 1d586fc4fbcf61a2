package road

import (
	"iter"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"sync"
	"time"

	"cuntong/geo"
)

// roads are the network as one class of vehicle finds it today. Changes that hold
// at certain hours only make it another network at those hours, and a drive must
// not run into them: there is a state for each set of daily changes that matters.
type roads struct {
	open  *state // no daily change holds
	all   *state // every daily change holds
	mixed *state // some hold: those of now
	daily []geo.RoadChange

	// now is the state as of the last Set, right for who leaves from since on and
	// before turn, when a daily change begins or ends, and arrives by until, when one
	// begins; in milliseconds since 1970.
	now                *state
	since, turn, until int64
}

// always stands for a time that does not come.
const always = math.MaxInt64

func newRoads(h *hierarchy, class geo.VehicleClass) roads {
	drawn := func() *state { return &state{g: h.g, h: h, class: class} }
	r := roads{open: drawn(), all: drawn(), mixed: drawn(), since: math.MinInt64, turn: always, until: always}
	r.now = r.open
	return r
}

// at returns the state of the roads for who leaves then, and until when it can be
// relied on. Who would arrive later drives by the state in which all daily changes
// hold, so that no closing surprises him. A zero time is that of the last Set.
func (r *roads) at(leaves time.Time) (s *state, until int64) {
	if len(r.daily) == 0 {
		return r.open, always
	}
	if leaves.IsZero() {
		return r.now, always
	}
	if ms := leaves.UnixMilli(); r.since <= ms && ms < r.turn {
		return r.now, r.until
	}
	until = always
	for _, c := range r.daily {
		if c.InForce(leaves) {
			return r.all, always
		}
		until = min(until, begins(c, leaves))
	}
	return r.open, until
}

// begins is when a daily change that does not hold at t next begins to.
func begins(c geo.RoadChange, t time.Time) int64 {
	if from := time.UnixMilli(c.From); c.From != 0 && from.After(t) {
		t = from
	}
	at := t
	if !c.Daily.Hold(t) {
		at = c.Daily.Next(t)
	}
	if ms := at.UnixMilli(); c.Until == 0 || ms < c.Until {
		return ms
	}
	return always
}

// turned is when a daily change last began or ended, up to t.
func turned(c geo.RoadChange, t time.Time) int64 {
	afterNext := c.Daily.Next(c.Daily.Next(t))
	last := afterNext.Add(-24 * time.Hour).UnixMilli() // every day it begins once and ends once
	if c.From <= t.UnixMilli() {
		last = max(last, c.From)
	}
	return last
}

// state is the network for one class under one set of changes.
type state struct {
	g     *Graph
	h     *hierarchy
	class geo.VehicleClass
	once  sync.Once
	m     *metric // made when first asked for

	changes []effect  // those that hold
	share   []float32 // by segment: of the usual speed that they leave; nil: all of it
}

// metric may be called by many goroutines at once, but not beside set.
func (s *state) metric() *metric {
	s.once.Do(func() { s.m = s.h.newMetric(s.weight) })
	return s.m
}

// weight is that of a lane today.
func (s *state) weight(l Lane) weight {
	w := s.g.drive(l, s.class)
	if s.share == nil || w >= never {
		return w
	}
	switch share := s.share[l.Segment()]; share {
	case 1:
		return w
	case 0:
		return never
	default:
		return weight(float64(w>>32)/float64(share)+0.5)<<32 | w&math.MaxUint32
	}
}

// set makes exactly these changes hold, and returns the lanes that the metric, if
// there is one, has to be told of. Weights follow from the roads as drawn and the
// changes alone, whatever held before.
func (s *state) set(changes []effect) []Lane {
	if s.share == nil {
		if len(changes) == 0 {
			return nil
		}
		s.share = slices.Repeat([]float32{1}, s.g.Segments())
	}
	type before struct {
		segment SegmentID
		share   float32
	}
	var touched []before // by what is lifted and what is new
	for _, lists := range [2][2][]effect{{s.changes, changes}, {changes, s.changes}} {
		for _, c := range lists[0] {
			if slices.ContainsFunc(lists[1], c.same) {
				continue
			}
			for _, segment := range c.segments {
				touched = append(touched, before{segment, s.share[segment]})
			}
		}
	}
	s.changes = changes
	for _, was := range touched {
		s.share[was.segment] = 1
	}
	for _, c := range changes {
		for _, segment := range c.segments {
			s.share[segment] = min(s.share[segment], c.share)
		}
	}
	if s.m == nil {
		return nil
	}
	var lanes []Lane
	for _, was := range touched {
		if s.share[was.segment] != was.share {
			lanes = append(lanes, was.segment.Forward(), was.segment.Backward())
		}
	}
	return lanes
}

// held is a change and the segments it concerns.
type held struct {
	change   geo.RoadChange
	segments []SegmentID
}

// effect is what a change does to a class of vehicle.
type effect struct {
	segments []SegmentID
	share    float32 // of the usual speed; 0: closed
}

// same says whether two effects are one; neither is on no segment.
func (e effect) same(o effect) bool {
	return e.share == o.share && len(e.segments) == len(o.segments) && &e.segments[0] == &o.segments[0]
}

// on is the effect of the change on the class; ok is false when there is none.
func (h held) on(class geo.VehicleClass) (e effect, ok bool) {
	c := h.change
	if len(c.Vehicles) > 0 && !slices.Contains(c.Vehicles, class) {
		return effect{}, false
	}
	e = effect{segments: h.segments, share: 1}
	if c.Pace > 0 {
		e.share = float32(c.Pace)
	}
	limits := Limits{MaxMass: uint32(c.MaxMass), MaxHeight: uint16(min(c.MaxHeight, math.MaxUint16)), MaxWidth: uint16(min(c.MaxWidth, math.MaxUint16))}
	if c.Closed || !fits(class, limits) {
		e.share = 0
	}
	return e, e.share < 1 && len(e.segments) > 0
}

// Set is geo.Roads'. On a province it takes milliseconds for a closure; for a change
// that concerns much of the network, as long as making the weights does, which it
// does for several classes at once where there are processors for it.
func (t *Today) Set(changes []geo.RoadChange, now time.Time) (next time.Time) {
	t.hold(changes)
	var stale []again
	for i := range t.roads {
		stale = t.roads[i].set(stale, t.inForce, now)
	}
	weighAll(stale)
	first := int64(always)
	for _, c := range changes {
		first = min(first, turns(c, now))
	}
	if first == always {
		return time.Time{}
	}
	return time.UnixMilli(first)
}

// hold finds the segments of changes that are new.
func (t *Today) hold(changes []geo.RoadChange) {
	was := make(map[geo.RoadChangeID]held, len(t.inForce))
	for _, h := range t.inForce {
		was[h.change.ID] = h
	}
	t.inForce = make([]held, 0, len(changes))
	for _, c := range changes {
		h, known := was[c.ID]
		if !known || !reflect.DeepEqual(h.change.Where, c.Where) {
			h.segments = t.concerned(c.Where)
		}
		h.change = c
		t.inForce = append(t.inForce, h)
	}
}

// turns is when a change next begins or ends after now.
func turns(c geo.RoadChange, now time.Time) int64 {
	ms := now.UnixMilli()
	switch {
	case c.Until != 0 && c.Until <= ms:
		return always
	case c.From > ms:
		return c.From
	}
	next := int64(always)
	if c.Until != 0 {
		next = c.Until
	}
	if c.Daily != nil {
		next = min(next, c.Daily.Next(now).UnixMilli())
	}
	return next
}

// set makes the changes hold for the class, and appends the metrics that are to be
// weighed again before anybody asks.
func (r *roads) set(stale []again, changes []held, now time.Time) []again {
	var lasting, every, some []effect
	r.daily, r.since, r.turn, r.until = nil, math.MinInt64, always, always
	for _, h := range changes {
		e, concerns := h.on(r.open.class)
		c := h.change
		switch {
		case !concerns:
		case c.Daily == nil && c.InForce(now):
			lasting = append(lasting, e)
		case c.Daily != nil && (c.Until == 0 || c.Until > now.UnixMilli()):
			r.daily = append(r.daily, c)
			every = append(every, e)
			r.since, r.turn = max(r.since, turned(c, now)), min(r.turn, turns(c, now))
			if c.InForce(now) {
				some = append(some, e)
			} else {
				r.until = min(r.until, begins(c, now))
			}
		}
	}
	put := func(s *state, changes []effect) {
		if lanes := s.set(changes); len(lanes) > 0 {
			stale = append(stale, again{s, lanes})
		}
	}
	put(r.open, lasting)
	r.now = r.open
	if len(every) == 0 {
		r.all, r.mixed = r.all.bare(), r.mixed.bare()
		return stale
	}
	put(r.all, slices.Concat(lasting, every))
	switch len(some) {
	case 0:
	case len(every):
		r.now = r.all
	default:
		r.now = r.mixed
		put(r.mixed, slices.Concat(lasting, some))
	}
	return stale
}

// bare gives back the memory of a state that is not needed any longer.
func (s *state) bare() *state {
	if s.m == nil && s.share == nil {
		return s
	}
	return &state{g: s.g, h: s.h, class: s.class}
}

// Extent is geo.Roads'.
func (t *Today) Extent(change geo.RoadChange) geo.RoadExtent {
	const mostNames = 8
	segments := t.concerned(change.Where)
	extent := geo.RoadExtent{Segments: len(segments)}
	names := map[uint32]bool{}
	for _, s := range segments {
		extent.Length += geo.Meters(t.g.length[s]) / 10
		names[t.g.name[s]] = true
	}
	for i := range names {
		if t.g.names[i] != "" {
			extent.Names = append(extent.Names, t.g.names[i])
		}
	}
	slices.Sort(extent.Names)
	extent.Names = extent.Names[:min(len(extent.Names), mostNames)]
	return extent
}

// concerned returns the segments that the stretch selects, in order.
func (t *Today) concerned(where geo.Stretch) []SegmentID {
	var kinds []bool // by kind; nil: all
	if len(where.Kinds) > 0 {
		for _, kind := range geo.RoadKinds() {
			kinds = append(kinds, slices.Contains(where.Kinds, kind))
		}
	}
	var found []SegmentID
	for s := range t.grid.about(where) {
		drivable := t.g.head[s.Forward()] >= 0 || t.g.head[s.Backward()] >= 0
		if drivable && (kinds == nil || kinds[t.g.kind[s]]) && (where.Above == 0 || geo.Meters(t.g.top[s]) > where.Above) {
			found = append(found, s)
		}
	}
	return found
}

// about yields the segments at the stretch's place, in order.
func (x *grid) about(where geo.Stretch) iter.Seq[SegmentID] {
	return func(yield func(SegmentID) bool) {
		switch {
		case where.Center == nil:
			for s := SegmentID(0); int(s) < x.g.Segments() && yield(s); s++ {
			}
		case where.Radius == 0:
			if h := x.nearest(*where.Center, -1, false); h.segment >= 0 {
				yield(h.segment)
			}
		default:
			x.within(*where.Center, float64(where.Radius), yield)
		}
	}
}

// within yields the segments that pass through a circle, in order.
func (x *grid) within(center geo.Point, radius float64, yield func(SegmentID) bool) {
	seen := make([]uint64, (x.g.Segments()+63)/64)
	tall := radius / metersPerUnit
	wide := math.Inf(1)
	if c := math.Cos((math.Abs(center.Lat) + tall/1e7) * math.Pi / 180); c > 0 {
		wide = tall / c
	}
	lat, lon := center.Lat*1e7, center.Lon*1e7
	span := func(middle, half, start float64, step, count int64) (from, until int64) {
		edge := func(at float64) int64 {
			return int64(min(max(-1, math.Floor((at-start)/float64(step))), float64(count)))
		}
		return max(0, edge(middle-half-1)), min(count-1, edge(middle+half+1))
	}
	top, bottom := span(lat, tall, float64(x.south), x.height, x.rows)
	left, right := span(lon, wide, float64(x.west), x.width, x.columns)
	for row := top; row <= bottom; row++ {
		for cell := row*x.columns + left; cell <= row*x.columns+right; cell++ {
			for _, r := range x.runs[x.first[cell]:x.first[cell+1]] {
				seen[r.segment>>6] |= 1 << (r.segment & 63)
			}
		}
	}
	for word, set := range seen {
		for ; set != 0; set &= set - 1 {
			s := SegmentID(word*64 + bits.TrailingZeros64(set))
			if x.g.passes(s, center, radius) && !yield(s) {
				return
			}
		}
	}
}

// passes says whether a segment's line comes within so many metres of a place. On
// a plane it is decided where that is plain, by the distance over ground where not.
func (g *Graph) passes(s SegmentID, center geo.Point, radius float64) bool {
	const plain = 0.02
	a := g.point(s, 0)
	lat, lon := center.Lat*1e7, center.Lon*1e7
	east := math.Cos((center.Lat + float64(a.lat)/1e7) / 2 * math.Pi / 180)
	for i := range g.pieces(s) {
		b := g.point(s, i+1)
		ax, ay := (float64(a.lon)-lon)*east, float64(a.lat)-lat
		dx, dy := (float64(b.lon)-float64(a.lon))*east, float64(b.lat)-float64(a.lat)
		share := 0.0
		if square := dx*dx + dy*dy; square > 0 {
			share = min(max(0, -(ax*dx+ay*dy)/square), 1)
		}
		switch off := math.Hypot(ax+share*dx, ay+share*dy) * metersPerUnit; {
		case off < radius*(1-plain):
			return true
		case off <= radius*(1+plain) && float64(geo.Distance(center, between(a, b, share))) <= radius:
			return true
		}
		a = b
	}
	return false
}
