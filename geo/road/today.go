package road

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"time"

	"cuntong/geo"
)

// How a place beside the road is reached, and what turning costs.
const (
	// offRoadSpeed is that of the last stretch between a road and a place that is not
	// on it, on a way that no map knows; it is offRoadDetour times the straight line.
	offRoadSpeed  = 10.0 // km/h
	offRoadDetour = 1.3
	// fixError is how far off a satellite fix may be: so far from the road is on it.
	fixError = 15.0 // metres
	// turning is how long it takes to turn round on the road.
	turning = 30 * time.Second
)

// Today is the road network as it is today: a geo.Roads. Everything but Set may be
// called by any number of goroutines at once.
//
// A drive begins along the road the spot is on, in both directions if both may be
// driven; a driver known to be headed the other way has to turn round first. It
// ends likewise. What lies off the road is driven slowly at both ends. Who stands on
// a road that is closed today can leave it by the nearer end, since nobody knows on
// which side of him it is blocked; nobody can arrive there, except within 15 m of a
// junction, which is as good as at the junction. A class of vehicle that is not
// known drives like a bus.
//
// Weights for a class of vehicle are made when it is first asked for, which on a
// province takes the better part of a second; NewFinder for the class does it ahead
// of time.
type Today struct {
	*shared
	roads   []roads // by place in vehicles
	inForce []held
}

// shared is what follows from the roads as they were surveyed, and so is the same
// for every Today of a Graph, and the memory that their searches lend each other.
type shared struct {
	g       *Graph
	h       *hierarchy
	grid    *grid
	split   []junctionVertex
	fastest float64       // metres in a millisecond: no drive is faster
	spare   chan *scratch // for who asks next
}

var _ geo.Roads = (*Today)(nil)

// vehicles are the classes of vehicle, in an order that never changes.
var vehicles = geo.VehicleClasses()

// junctionVertex is a vertex of a junction besides the first; see Graph.
type junctionVertex struct {
	junction JunctionID
	vertex   int32
}

// scratch is the memory of one question.
type scratch struct {
	query    *query
	from, to ends
}

// ends are the vertices at which a drive comes upon the network or leaves it, and
// the lane between each and the spot.
type ends struct {
	seeds []seed
	lanes []Lane
}

func (e *ends) reset() { e.seeds, e.lanes = e.seeds[:0], e.lanes[:0] }

func (e *ends) add(v int32, cost weight, l Lane) {
	e.seeds, e.lanes = append(e.seeds, seed{vertex: v, cost: cost}), append(e.lanes, l)
}

// borrow returns the memory for a question. It is a number for each vertex, too
// much to be made anew, so as much is kept as processors can use.
func (s *shared) borrow() *scratch {
	select {
	case sc := <-s.spare:
		return sc
	default:
		return &scratch{query: newQuery(s.h)}
	}
}

func (s *shared) giveBack(sc *scratch) {
	select {
	case s.spare <- sc:
	default:
	}
}

// NewToday returns the network on a day on which nothing is the matter. The first
// of a Graph takes the time to prepare the search, about a second for a province;
// further ones share that. Any number may be made at once.
func NewToday(g *Graph) *Today {
	g.prepare.Do(func() { g.shared = newShared(g) })
	t := &Today{shared: g.shared, roads: make([]roads, len(vehicles))}
	for i, class := range vehicles {
		t.roads[i] = newRoads(t.h, class)
	}
	return t
}

func newShared(g *Graph) *shared {
	s := &shared{g: g, h: newHierarchy(g), grid: newGrid(g), fastest: g.fastest(), spare: make(chan *scratch, 2*runtime.GOMAXPROCS(0))}
	for v, j := range g.junction {
		if v != int(j) {
			s.split = append(s.split, junctionVertex{junction: j, vertex: int32(v)})
		}
	}
	slices.SortFunc(s.split, func(a, b junctionVertex) int {
		return cmp.Or(cmp.Compare(a.junction, b.junction), cmp.Compare(a.vertex, b.vertex))
	})
	return s
}

// fastest is the highest speed driven anywhere by anybody, in metres a millisecond.
func (g *Graph) fastest() float64 {
	fastest := offRoadSpeed / offRoadDetour / 3600
	for s := range SegmentID(g.Segments()) {
		length := g.measure(s).total()
		for _, l := range [2]Lane{s.Forward(), s.Backward()} {
			if g.head[l] < 0 || length == 0 {
				continue
			}
			for _, class := range vehicles {
				if w := g.drive(l, class); w < never {
					fastest = max(fastest, length/float64(w>>32))
				}
			}
		}
	}
	return fastest
}

// roadsOf returns the network as the class finds it.
func (t *Today) roadsOf(class geo.VehicleClass) *roads {
	slowest := 0
	for i, c := range vehicles {
		if c == class {
			return &t.roads[i]
		}
		if c == geo.Bus {
			slowest = i
		}
	}
	return &t.roads[slowest]
}

// Locate is geo.Router's. A spot is on the nearest road that can be driven, within
// 300 m; but one that runs along the heading is preferred to a road a little nearer
// that runs across it, one under the sky to one in a tunnel, and one that leads
// somewhere to one that does not.
func (t *Today) Locate(p geo.Point, heading float64) geo.Spot {
	return t.grid.nearest(p, heading, true).spot(t.g, p)
}

// Floor is geo.Router's: the straight line at the highest speed driven anywhere.
func (t *Today) Floor(straight geo.Meters) time.Duration {
	const (
		halfwayRound = math.Pi * float64(geo.EarthRadius)
		rounding     = 3     // milliseconds: parts of segments are rounded
		flat         = 0.999 // of lengths measured on a plane
	)
	metres := max(0, min(float64(straight), halfwayRound)-2*fixError)
	return time.Duration(max(0, metres*flat/t.fastest-rounding)) * time.Millisecond
}

// Travel is geo.Router's.
func (t *Today) Travel(from, to geo.Spot, by geo.Drive) (geo.Leg, bool) {
	sc := t.borrow()
	_, w := t.choose(sc, from, to, by)
	t.giveBack(sc)
	if w >= never {
		return geo.Leg{}, false
	}
	return w.leg(), true
}

// choose finds the state of the roads that the drive is judged by, and its weight.
// sc then knows the way if it is not the one along the segment.
func (t *Today) choose(sc *scratch, from, to geo.Spot, by geo.Drive) (*state, weight) {
	if !t.onRoad(from) || !t.onRoad(to) {
		return nil, never
	}
	r := t.roadsOf(by.Class)
	s, until := r.at(by.Leaves)
	w := t.weigh(sc, s, from, to)
	if w < never && lasts(by.Leaves, w, until) {
		s = r.all
		w = t.weigh(sc, s, from, to)
	}
	return s, w
}

// lasts says whether a drive is still under way at a moment in milliseconds.
func lasts(leaves time.Time, w weight, until int64) bool {
	return until != always && leaves.UnixMilli()+int64(w>>32) > until
}

func (t *Today) onRoad(spot geo.Spot) bool {
	return spot.Segment > 0 && int(spot.Segment) <= t.g.Segments()
}

// weigh is the weight of the quickest drive.
func (t *Today) weigh(sc *scratch, s *state, from, to geo.Spot) weight {
	m := s.metric()
	t.leaving(&sc.from, s, from)
	t.arriving(&sc.to, s, to)
	w, ok := sc.query.travel(m, sc.from.seeds, sc.to.seeds)
	if !ok {
		w = never
	}
	near, _ := t.direct(m, from, to)
	return min(w, near)
}

// leaving finds where a drive from the spot comes upon the network.
func (t *Today) leaving(e *ends, s *state, spot geo.Spot) {
	e.reset()
	m, off := s.metric(), offRoad(float64(spot.Off)-fixError)
	for _, l := range lanesOf(spot) {
		if t.g.head[l] < 0 {
			continue
		}
		w := m.lane[l]
		if w >= never && along(l, spot) >= 0.5 {
			w = t.g.escape(l, s.class)
		}
		if w < never {
			e.add(t.g.head[l], w.part(1-along(l, spot))+off+turn(l, spot), l)
		}
	}
}

// escape is the weight of a lane for who is on it although it is closed today, or
// was never open to such vehicles: a fix may have put him there.
func (g *Graph) escape(l Lane, class geo.VehicleClass) weight {
	if w := g.drive(l, class); w < never {
		return w
	}
	return g.drive(l, geo.Car)
}

// arriving finds where a drive to the spot turns into its segment.
func (t *Today) arriving(e *ends, s *state, spot geo.Spot) {
	e.reset()
	m, off := s.metric(), offRoad(float64(spot.Off)-fixError)
	for _, l := range lanesOf(spot) {
		w := m.lane[l]
		if w >= never && along(l, spot)*float64(t.g.length[l.Segment()])/10 <= fixError {
			w = t.g.escape(l, s.class) // at the junction, wherever the fix has put him
		}
		if w >= never {
			continue
		}
		cost := w.part(along(l, spot)) + off
		start := t.g.start(l)
		e.add(int32(start), cost, l)
		i, _ := slices.BinarySearchFunc(t.split, start, func(v junctionVertex, j JunctionID) int { return cmp.Compare(v.junction, j) })
		for ; i < len(t.split) && t.split[i].junction == start; i++ {
			v := t.split[i].vertex
			if slices.Contains(t.g.lane[t.g.first[v]:t.g.first[v+1]], l) {
				e.add(v, cost, l)
			}
		}
	}
}

// direct is the drive between two spots on one segment that does not leave it, and
// its lane; never if there is none. Houses on one side of a road are reached from
// each other without going back to the road where that is shorter: on noLane.
func (t *Today) direct(m *metric, from, to geo.Spot) (best weight, by Lane) {
	if from.Segment != to.Segment {
		return never, noLane
	}
	best, by = never, noLane
	off := offRoad(float64(from.Off)-fixError) + offRoad(float64(to.Off)-fixError)
	for _, l := range lanesOf(from) {
		a, b := along(l, from), along(l, to)
		if m.lane[l] >= never || a > b {
			continue
		}
		w := m.lane[l].part(b-a) + off
		if a < b {
			w += turn(l, from)
		}
		if w < best {
			best, by = w, l
		}
	}
	if straight := float64(geo.Distance(from.Point, to.Point)); best < never && straight < float64(from.Off+to.Off) {
		if w := offRoad(straight - 2*fixError); w < best {
			best, by = w, noLane
		}
	}
	return best, by
}

// noLane stands for the way across the fields.
const noLane Lane = -1

// offRoad is the weight of a way beside the road, given in a straight line.
func offRoad(metres float64) weight {
	if !(metres > 0) {
		return 0
	}
	const millisPerMeter = 3600 / offRoadSpeed
	way := metres * offRoadDetour
	return weight(math.Ceil(way*millisPerMeter))<<32 | weight(way*10+0.5)
}

// turn is what a spot's heading costs who leaves along the lane.
func turn(l Lane, spot geo.Spot) weight {
	if spot.Heading != 0 && (spot.Heading < 0) != l.backward() {
		return weightOf(turning, 0)
	}
	return 0
}

// along is the share of the lane that lies behind the spot.
func along(l Lane, spot geo.Spot) float64 {
	share := min(max(0, float64(spot.Along)), 1)
	if l.backward() {
		return 1 - share
	}
	return share
}

func lanesOf(spot geo.Spot) [2]Lane {
	s := SegmentID(spot.Segment - 1)
	return [2]Lane{s.Forward(), s.Backward()}
}

// Line is geo.Router's.
func (t *Today) Line(from, to geo.Spot, by geo.Drive) []geo.Point {
	sc := t.borrow()
	defer t.giveBack(sc)
	s, w := t.choose(sc, from, to, by)
	if w >= never {
		return nil
	}
	line := []geo.Point{from.Point}
	switch near, l := t.direct(s.metric(), from, to); {
	case w == near && l != noLane:
		line = t.g.trace(line, l, along(l, from), along(l, to))
	case w != near:
		line = t.trace(line, sc, s, from, to)
	}
	return slices.Compact(append(line, to.Point))
}

// trace appends the way that sc has found: out of the first segment, over the
// network, into the last.
func (t *Today) trace(line []geo.Point, sc *scratch, s *state, from, to geo.Spot) []geo.Point {
	source, target := sc.query.ends()
	first, last := sc.from.lanes[source], sc.to.lanes[target]
	line = t.g.trace(line, first, along(first, from), 1)
	for _, l := range sc.query.path(s.metric()) {
		line = t.g.trace(line, l, 0, 1)
	}
	return t.g.trace(line, last, 0, along(last, to))
}

// Length is that of all segments together.
func (g *Graph) Length() geo.Meters {
	sum := geo.Meters(0)
	for _, length := range g.length {
		sum += geo.Meters(length) / 10
	}
	return sum
}

// corners are those of the box that holds every road.
func (g *Graph) corners() (low, high coord) {
	for i, c := range g.junctions {
		if i == 0 {
			low, high = c, c
		}
		low, high = low.min(c), high.max(c)
	}
	for _, c := range g.shape {
		low, high = low.min(c), high.max(c)
	}
	return low, high
}

func (c coord) min(d coord) coord { return coord{lat: min(c.lat, d.lat), lon: min(c.lon, d.lon)} }
func (c coord) max(d coord) coord { return coord{lat: max(c.lat, d.lat), lon: max(c.lon, d.lon)} }
