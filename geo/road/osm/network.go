package osm

import (
	"cmp"
	"context"
	"math"
	"slices"

	"cuntong/geo"
	"cuntong/geo/road"
)

// network cuts ways at their junctions and hands the pieces to a builder.
type network struct {
	*importer
	builder   *road.Builder
	terrain   *terrain
	junctions []road.JunctionID              // by point; -1: none yet
	pieces    map[int64][]piece              // of ways that a turn restriction names
	leaving   map[road.JunctionID][]outgoing // lanes, at junctions that one names
	vias      map[int32]bool                 // points that one names
	waited    map[int32]bool                 // gates that a segment has
}

// piece is a segment of a way, with the points it joins.
type piece struct {
	segment  road.SegmentID
	from, to int32
}

// outgoing is a lane that leaves a junction.
type outgoing struct {
	lane road.Lane
	way  int64
}

// addAll adds every way. They are taken place by place, so that few elevation tiles
// are needed at a time and neighbours lie together in the graph.
func (n *network) addAll(ctx context.Context, tell func(share float64)) error {
	n.prepare()
	for i, w := range n.ways {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			tell(float64(i) / float64(len(n.ways)))
		}
		if err := n.add(w); err != nil {
			return err
		}
	}
	for i, g := range n.gates {
		switch {
		case g.what != "":
			n.sum.note("barrier=" + shown(g.what) + " on a road (taken as open)")
		case g.shut && n.ends[i] > 2:
			n.sum.note("a barrier where roads meet (not applied)")
		case g.shut:
			n.sum.note("a barrier that closes the road to cars")
		case g.opened:
			n.sum.note("a gate (passed, with a wait)")
		}
	}
	n.turn()
	for _, w := range n.dropped {
		n.sum.drop(w.dropped, n.length(w))
	}
	return nil
}

func (n *network) prepare() {
	n.junctions = slices.Repeat([]road.JunctionID{-1}, len(n.ids))
	n.pieces, n.leaving = map[int64][]piece{}, map[road.JunctionID][]outgoing{}
	n.vias, n.waited = map[int32]bool{}, map[int32]bool{}
	for _, r := range n.restrictions {
		if i, ours := slices.BinarySearch(n.ids, r.via); ours {
			n.vias[int32(i)] = true
		}
	}
	n.arrange()
}

// arrange sorts the ways by the place where they begin: by elevation tile, within it
// by field of a twentieth of a degree, within that by id.
func (n *network) arrange() {
	type place struct{ tile, field [2]float64 }
	places := make(map[int64]place, len(n.ways))
	for _, w := range n.ways {
		for _, ref := range n.refs[w.at : w.at+w.n] {
			if i := n.find(ref); n.known(i) {
				p := n.points[i]
				places[w.id] = place{[2]float64{math.Floor(p.Lat), math.Floor(p.Lon)}, [2]float64{math.Floor(p.Lat * 20), math.Floor(p.Lon * 20)}}
				break
			}
		}
	}
	slices.SortStableFunc(n.ways, func(a, b way) int {
		p, q := places[a.id], places[b.id]
		return cmp.Or(slices.Compare(p.tile[:], q.tile[:]), slices.Compare(p.field[:], q.field[:]), cmp.Compare(a.id, b.id))
	})
}

// add cuts one way where it meets others, where a barrier closes it and where the
// extract ends.
func (n *network) add(w way) error {
	all := n.refs[w.at : w.at+w.n]
	whole := make([]int32, 0, len(all))
	added := false
	flush := func() error {
		if len(whole) >= 2 {
			added = true
			if err := n.addRun(w, whole); err != nil {
				return err
			}
		}
		whole = whole[:0]
		return nil
	}
	for _, ref := range all {
		i := n.find(ref)
		if !n.known(i) {
			n.sum.note("a point that the extract lacks (the road ends before it)")
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if len(whole) == 0 || whole[len(whole)-1] != i {
			whole = append(whole, i)
		}
	}
	err := flush()
	if !added {
		n.sum.drop(dropShort, 0)
	}
	return err
}

// addRun adds a run of points that are all known.
func (n *network) addRun(w way, run []int32) error {
	heights, err := n.profile(w, run)
	if err != nil {
		return err
	}
	begin := 0
	for k := 1; k < len(run); k++ {
		if k < len(run)-1 && n.ends[run[k]] == 2 && !n.gates[run[k]].shut && !n.vias[run[k]] {
			continue
		}
		if run[begin] == run[k] && k-begin >= 2 { // a loop is two segments, so that a way round it has a direction
			middle := (begin + k) / 2
			if err := n.addPiece(w, run, heights, begin, middle); err != nil {
				return err
			}
			begin = middle
		}
		if err := n.addPiece(w, run, heights, begin, k); err != nil {
			return err
		}
		begin = k
	}
	return nil
}

// addPiece adds the points from begin to end of a run as one segment.
func (n *network) addPiece(w way, run []int32, heights profile, begin, end int) error {
	s := w.Segment
	s.Shape = make([]geo.Point, 0, end-begin+1)
	for k := begin; k <= end; k++ {
		s.Shape = append(s.Shape, n.points[run[k]])
		g := n.gates[run[k]]
		if g.opened && !n.waited[run[k]] { // where two pieces meet, one of them has the wait
			n.waited[run[k]] = true
			s.Flags |= road.Barred
		}
		s.Limits = tighter(s.Limits, g.limits)
	}
	for k := begin; k < end; k++ {
		s.Length += geo.Distance(n.points[run[k]], n.points[run[k+1]])
	}
	s.Climb, s.Descent, s.Top = heights.rise(begin, end)
	if w.Seconds > 0 {
		if total := n.length(w); total > 0 {
			s.Seconds = max(1, uint32(float64(w.Seconds)*float64(s.Length/total)))
		}
	}
	from, to := n.junction(run[begin]), n.junction(run[end])
	id, err := n.builder.Add(from, to, s)
	if err != nil {
		return err
	}
	if n.restricted[w.id] {
		n.pieces[w.id] = append(n.pieces[w.id], piece{id, run[begin], run[end]})
	}
	if n.vias[run[begin]] {
		n.leaving[from] = append(n.leaving[from], outgoing{id.Forward(), w.id})
	}
	if n.vias[run[end]] {
		n.leaving[to] = append(n.leaving[to], outgoing{id.Backward(), w.id})
	}
	return nil
}

// junction is that of a point. At a barrier every road ends for itself, unless
// several meet there, for then it is not known which of them it closes.
func (n *network) junction(i int32) road.JunctionID {
	if n.gates[i].shut && n.ends[i] <= 2 {
		return n.builder.Junction(n.points[i])
	}
	if n.junctions[i] < 0 {
		n.junctions[i] = n.builder.Junction(n.points[i])
	}
	return n.junctions[i]
}

// length is that of a way as far as the extract has its points.
func (n *network) length(w way) geo.Meters {
	var sum geo.Meters
	last := int32(-1)
	for _, ref := range n.refs[w.at : w.at+w.n] {
		i := n.find(ref)
		if last >= 0 && n.known(i) && n.known(last) {
			sum += geo.Distance(n.points[last], n.points[i])
		}
		last = i
	}
	return sum
}
