package terrain

import (
	"fmt"
	"math"

	"cuntong/geo"
	"cuntong/geo/road"
)

const (
	// steepest is the grade that a road is laid out for; beyond, it goes in bends.
	steepest = 0.085
	// mostBends bounds how much longer than straight a road becomes by it.
	mostBends = 3.2
	// wideRoads is the share of the bends that remains where many drive: cuttings and
	// embankments take the rest.
	wideRoads = 0.6
	// weakShare of the bridges on roads that lead to few villages are weak.
	weakShare = 0.3
	weakMass  = 8_000 // kilograms
)

// lay builds the graph: what lies between two junctions is one segment.
func (n *network) lay() (*road.Graph, error) {
	b := road.NewBuilder(fmt.Sprintf("generated, seed %d; no real road", n.land.seed), "")
	junction := make([]road.JunctionID, len(n.at))
	for p := range n.at {
		junction[p] = -1
		if n.isJunction(int32(p)) {
			junction[p] = b.Junction(n.plane.point(n.at[p]))
		}
	}
	laid := make([]bool, len(n.edges))
	for p := range n.at {
		if junction[p] < 0 {
			continue
		}
		for _, i := range n.edgesOf(int32(p)) {
			if laid[i] || n.edges[i].oneWay && n.edges[i].a != int32(p) {
				continue
			}
			end, s := n.segment(int32(p), i, junction, laid)
			if _, err := b.Add(junction[p], junction[end], s); err != nil {
				return nil, fmt.Errorf("terrain: %w", err)
			}
		}
	}
	return b.Build(), nil
}

// isJunction says whether a road ends at a point, or is of another sort from there on.
func (n *network) isJunction(p int32) bool {
	edges := n.edgesOf(p)
	switch {
	case len(edges) == 0:
		return false
	case len(edges) != 2 || n.place[p]:
		return true
	}
	e, f := n.edges[edges[0]], n.edges[edges[1]]
	return e.class != f.class || e.street != f.street || e.special() || f.special()
}

// special says whether the edge has what its neighbours on the same road have not.
func (e *edge) special() bool { return e.oneWay || e.tunnel || e.bridge }

// segment follows the road that begins at a point with an edge to the next junction.
func (n *network) segment(from, by int32, junction []road.JunctionID, laid []bool) (end int32, s road.Segment) {
	first := &n.edges[by]
	s.Shape = append(s.Shape, n.plane.point(n.at[from]))
	s.Kind, s.Surface = n.sort(first, by)
	s.Top = float32(n.z[from])
	if first.oneWay {
		s.Flags |= road.NoBackward
	}
	if first.tunnel {
		s.Flags |= road.Tunnel
	}
	if first.bridge && first.class < main && n.land.chance(ofLimit, uint64(by), 0) < weakShare {
		s.Limits.MaxMass = weakMass
	}
	for {
		laid[by] = true
		to := n.edges[by].other(from)
		n.pave(&s, from, to, by)
		if junction[to] >= 0 {
			return to, s
		}
		next := n.edgesOf(to)
		if next[0] == by {
			by = next[1]
		} else {
			by = next[0]
		}
		from = to
	}
}

// sort is the kind and the surface of an edge. Every village has a hard road by now,
// and half of what leads to none is no more than a track.
func (n *network) sort(e *edge, number int32) (geo.RoadKind, road.Surface) {
	luck := n.land.chance(ofSurface, uint64(number), 0)
	switch {
	case e.street && e.class < main:
		return geo.Residential, road.Paved
	case e.class >= valley || e.class == lane && luck < 0.6:
		return kinds[e.class], road.Paved
	case e.class == lane && luck < 0.85:
		return kinds[e.class], road.Rough
	case e.class == lane:
		return kinds[e.class], road.Gravel
	case luck < 0.2:
		return geo.Unclassified, road.Paved
	case luck < 0.5:
		return geo.Unclassified, road.Gravel
	case luck < 0.75:
		return geo.Track, road.Gravel
	}
	return geo.Track, road.Earth
}

// pave adds the piece from one point to the next: level over a bridge and through a
// tunnel, straight in town, and elsewhere in as many bends as the slope asks for.
func (n *network) pave(s *road.Segment, from, to, number int32) {
	e := &n.edges[number]
	a, b := n.at[from], n.at[to]
	heights := []float64{n.z[from], n.land.height(a.middle(b)), n.z[to]}
	if e.bridge || e.tunnel || e.street {
		heights = []float64{n.z[from], n.z[to]}
	}
	slope := 0.0
	for i, z := range heights {
		s.Top = max(s.Top, float32(z))
		if i == 0 {
			continue
		}
		rise := z - heights[i-1]
		s.Climb += float32(max(0, rise))
		s.Descent += float32(max(0, -rise))
		slope += math.Abs(rise)
	}
	if !e.bridge && !e.tunnel && !e.street {
		n.bend(s, a, b, number, slope)
	}
	s.Shape = append(s.Shape, n.plane.point(b))
}

// bend adds the points of a road that winds to one side and the other.
func (n *network) bend(s *road.Segment, a, b vec, number int32, slope float64) {
	length := a.to(b)
	luck := n.land.chance(ofBend, uint64(number), 0)
	longer := min(max(slope/steepest/length, 1.04+0.22*luck), mostBends)
	if n.edges[number].class >= main {
		longer = 1 + wideRoads*(longer-1)
	}
	legs := 4 + int(4*(longer-1)) + int(2*luck)
	// Each leg goes a share of the way along and twice the width across; the first and
	// the last go half as far across.
	along := length / float64(legs)
	wide := along * math.Sqrt(longer*longer-1) / 2
	if luck < 0.5 {
		wide = -wide
	}
	east, north := (b.x-a.x)/length, (b.y-a.y)/length
	for i := 1; i < legs; i++ {
		t := along * float64(i)
		s.Shape = append(s.Shape, n.plane.point(vec{a.x + t*east - wide*north, a.y + t*north + wide*east}))
		wide = -wide
	}
}
