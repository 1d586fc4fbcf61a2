package main

import (
	"slices"
	"time"

	"cuntong/geo"
	"cuntong/geo/road"
)

// walkable is a network as E. W. Dijkstra would search it ("A Note on Two Problems
// in Connexion with Graphs", Numerische Mathematik 1, 1959): from the pickup against
// the traffic, until eight drivers have been met. It is the baseline, and written to
// be as quick as that search can be: arrays, and a heap without interfaces.
type walkable struct {
	takes []uint32 // milliseconds, by lane; never where it may not be driven
	start []int32  // by lane
	// By junction: where its arcs against the traffic begin, and those: the lane that
	// ends here.
	first []int32
	lane  []road.Lane

	parked [][]waiting     // by the junction towards which somebody drives
	beside map[int32][]int // drivers, by segment
	spots  []geo.Spot      // by driver
	dist   []uint32        // by junction
	seen   []int32         // of dist, those that were written
	open   []open          // a heap, the nearest on top
	met    map[int]uint32
}

const never = 1<<32 - 1

// waiting is a driver on his way to a junction, and how long he takes there.
type waiting struct {
	driver int
	takes  uint32
}

type open struct {
	takes    uint32
	junction int32
}

func newWalkable(g *road.Graph) *walkable {
	lanes := 2 * g.Segments()
	w := &walkable{takes: make([]uint32, lanes), start: make([]int32, lanes), first: make([]int32, g.Junctions()+1), met: map[int]uint32{}}
	end := make([]int32, lanes)
	for id := range road.SegmentID(g.Segments()) {
		from, to := g.Ends(id)
		for _, l := range []road.Lane{id.Forward(), id.Backward()} {
			w.takes[l] = never
			if leg, ok := g.Usual(l, roadClass); ok {
				w.takes[l] = uint32(leg.Duration.Milliseconds())
			}
			w.start[l], end[l] = int32(from), int32(to)
			from, to = to, from
		}
	}
	for _, junction := range end {
		w.first[junction+1]++
	}
	for i := range g.Junctions() {
		w.first[i+1] += w.first[i]
	}
	w.lane = make([]road.Lane, lanes)
	next := slices.Clone(w.first)
	for l, junction := range end {
		w.lane[next[junction]] = road.Lane(l)
		next[junction]++
	}
	w.dist = make([]uint32, g.Junctions())
	for i := range w.dist {
		w.dist[i] = never
	}
	return w
}

// park puts the drivers of an index on the roads.
func (w *walkable) park(roads geo.Router, spots []geo.Spot, index *geo.Index[int]) {
	w.parked, w.beside, w.spots = make([][]waiting, len(w.dist)), map[int32][]int{}, spots
	for id := range index.ClosestFirst(spots[0].Point) {
		w.beside[spots[id].Segment] = append(w.beside[spots[id].Segment], id)
		for _, l := range lanesOf(spots[id]) {
			if w.takes[l] != never {
				end := w.start[l^1]
				w.parked[end] = append(w.parked[end], waiting{id, part(w.takes[l], 1-along(l, spots[id]))})
			}
		}
	}
}

func lanesOf(s geo.Spot) [2]road.Lane {
	id := road.SegmentID(s.Segment - 1)
	return [2]road.Lane{id.Forward(), id.Backward()}
}

// along is the share of a lane that lies behind the spot.
func along(l road.Lane, s geo.Spot) float64 {
	if l&1 == 1 {
		return 1 - float64(s.Along)
	}
	return float64(s.Along)
}

func part(takes uint32, share float64) uint32 { return uint32(float64(takes)*share + 0.5) }

// soonest are the eight drivers who can be at the spot soonest.
func (w *walkable) soonest(to geo.Spot) []soonest {
	for _, j := range w.seen {
		w.dist[j] = never
	}
	w.seen, w.open = w.seen[:0], w.open[:0]
	clear(w.met)
	for _, l := range lanesOf(to) {
		if w.takes[l] != never {
			w.reach(w.start[l], part(w.takes[l], along(l, to)))
		}
	}
	best := w.neighbours(to)
	for len(w.open) > 0 {
		at := w.pop()
		if at.takes > w.dist[at.junction] {
			continue
		}
		if len(best) == nearestK && milliseconds(at.takes) > best[nearestK-1].takes {
			break
		}
		for _, p := range w.parked[at.junction] {
			best = w.meet(best, p.driver, at.takes+p.takes)
		}
		for _, l := range w.lane[w.first[at.junction]:w.first[at.junction+1]] {
			if w.takes[l] != never {
				w.reach(w.start[l], at.takes+w.takes[l])
			}
		}
	}
	return best
}

// neighbours are those who need not leave the segment.
func (w *walkable) neighbours(to geo.Spot) (best []soonest) {
	for _, id := range w.beside[to.Segment] {
		for _, l := range lanesOf(to) {
			if a, b := along(l, w.spots[id]), along(l, to); w.takes[l] != never && a <= b {
				best = w.meet(best, id, part(w.takes[l], b-a))
			}
		}
		if near := w.spots[id]; geo.Distance(near.Point, to.Point) < geo.Meters(near.Off+to.Off) {
			best = w.meet(best, id, 0) // on the other side of the road
		}
	}
	return best
}

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

// meet notes a driver, who may have been met from the other end of his road.
func (w *walkable) meet(best []soonest, driver int, takes uint32) []soonest {
	if before, met := w.met[driver]; met {
		if before <= takes {
			return best
		}
		best = slices.DeleteFunc(best, func(s soonest) bool { return s.driver == driver })
	}
	w.met[driver] = takes
	return keep(best, soonest{driver, milliseconds(takes)})
}

func (w *walkable) reach(junction int32, takes uint32) {
	switch before := w.dist[junction]; {
	case takes >= before:
		return
	case before == never:
		w.seen = append(w.seen, junction)
	}
	w.dist[junction] = takes
	w.push(open{takes, junction})
}

func (w *walkable) push(o open) {
	w.open = append(w.open, o)
	i := len(w.open) - 1
	for i > 0 {
		up := (i - 1) / 2
		if w.open[up].takes <= o.takes {
			break
		}
		w.open[i] = w.open[up]
		i = up
	}
	w.open[i] = o
}

func (w *walkable) pop() open {
	top, last := w.open[0], w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	n := len(w.open)
	for i := 0; n > 0; {
		down := 2*i + 1
		if down+1 < n && w.open[down+1].takes < w.open[down].takes {
			down++
		}
		if down >= n || w.open[down].takes >= last.takes {
			w.open[i] = last
			break
		}
		w.open[i] = w.open[down]
		i = down
	}
	return top
}
