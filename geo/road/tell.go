package road

import "cuntong/geo"

// Source is where the roads come from, to be shown wherever they are.
func (g *Graph) Source() string { return g.source }

// Licence is under what terms the roads may be used, to be shown with their Source.
func (g *Graph) Licence() string { return g.licence }

// Junctions is how many junctions and ends of roads there are; they are numbered
// from 0.
func (g *Graph) Junctions() int { return len(g.junctions) }

// Segments is how many segments there are; they are numbered from 0.
func (g *Graph) Segments() int { return len(g.from) }

// Ends are the junctions at the beginning and at the end of a segment's shape.
func (g *Graph) Ends(id SegmentID) (from, to JunctionID) { return g.from[id], g.to[id] }

// Segment tells what is known of a segment. The caller owns the shape.
func (g *Graph) Segment(id SegmentID) Segment {
	inner := g.shape[g.shapeAt[id]:g.shapeAt[id+1]]
	shape := make([]geo.Point, 0, len(inner)+2)
	shape = append(shape, g.junctions[g.from[id]].point())
	for _, c := range inner {
		shape = append(shape, c.point())
	}
	shape = append(shape, g.junctions[g.to[id]].point())
	rare := g.rare[id]
	return Segment{
		Shape: shape, Length: geo.Meters(g.length[id]) / 10,
		Kind: geo.RoadKinds()[g.kind[id]], Surface: g.surface[id], Flags: g.flags[id],
		SpeedForward: g.speed[id.Forward()], SpeedBackward: g.speed[id.Backward()],
		Climb: float32(g.climb[id]), Descent: float32(g.descent[id]), Top: float32(g.top[id]),
		Limits: rare.limits, Seconds: rare.seconds, Name: g.names[g.name[id]],
	}
}

// Usual is the drive along a lane when nothing is the matter with the roads; ok is
// false where that class of vehicle may not go.
func (g *Graph) Usual(l Lane, class geo.VehicleClass) (leg geo.Leg, ok bool) {
	w := g.drive(l, class)
	if w >= never {
		return geo.Leg{}, false
	}
	return w.leg(), true
}
