package road

import (
	"sync"

	"cuntong/geo"
)

// Surface is what a road is made of, as far as speed is concerned.
type Surface uint8

// The surfaces.
const (
	SurfaceUnknown Surface = iota
	Paved                  // asphalt, concrete
	Rough                  // setts, cobbles, concrete plates
	Gravel                 // compacted, fine gravel, gravel
	Earth                  // dirt, grass, mud, sand
)

// Flags are further properties of a segment.
type Flags uint8

// The flags.
const (
	// NoForward and NoBackward forbid driving along and against the segment.
	NoForward Flags = 1 << iota
	NoBackward
	// Link is a ramp between roads.
	Link
	// Tunnel is underground: no position is had there.
	Tunnel
	// Barred is passed through a gate that can be opened.
	Barred
	// LocalOnly may be driven to reach a place on it, not as a way through; it is
	// taken as a slow road, not as a forbidden one.
	LocalOnly
)

// Limits are the heaviest and largest vehicle that may pass; 0: no limit.
type Limits struct {
	MaxMass   uint32 // kilograms
	MaxHeight uint16 // centimetres
	MaxWidth  uint16 // centimetres
}

// Segment is a stretch of road between two junctions, as given to a Builder and as
// told by a Graph.
type Segment struct {
	// Shape is the line of the road, both ends included; at least two points.
	Shape []geo.Point
	// Length is measured along the shape when it is zero.
	Length  geo.Meters
	Kind    geo.RoadKind
	Surface Surface
	Flags   Flags
	// SpeedForward and SpeedBackward are posted limits in km/h; 0: none known.
	SpeedForward, SpeedBackward uint8
	// Climb and Descent are metres gained and lost along the segment; Top is the
	// highest point above sea level. All zero where no elevation is known.
	Climb, Descent, Top float32
	Limits              Limits
	// Seconds is how long the crossing takes where that is known (a ferry); 0: by speed.
	Seconds uint32
	Name    string
}

// JunctionID numbers a junction (or the end of a road) within one Graph, from 0.
type JunctionID int32

// SegmentID numbers a segment within one Graph, from 0.
type SegmentID int32

// Lane is one direction of a segment.
type Lane int32

// Forward is the lane along the segment's shape, Backward the one against it.
func (s SegmentID) Forward() Lane { return Lane(s) << 1 }

// Backward is the lane against the shape.
func (s SegmentID) Backward() Lane { return Lane(s)<<1 | 1 }

// Segment returns the segment of a lane.
func (l Lane) Segment() SegmentID { return SegmentID(l >> 1) }

// backward says whether the lane runs against its segment's shape.
func (l Lane) backward() bool { return l&1 == 1 }

// Graph is a road network: its segments, and how lanes follow each other. It is
// made by a Builder or read from a file, never changes, and may be read by any
// number of goroutines. What searches need beside it is made for its first Today
// and kept as long as the Graph is.
//
// It is arrays all through. A lane leads from one or more vertices to exactly
// one. A junction is one vertex, unless it has forbidden turns: then every lane
// that comes in under a prohibition ends in a vertex of its own, from which only
// the allowed lanes leave (so turns cost nothing where there are none).
type Graph struct {
	// Junctions.
	junctions []coord

	// Segments, all by SegmentID.
	from, to        []JunctionID
	length          []uint32 // decimetres
	kind            []uint8  // index into geo.RoadKinds()
	surface         []Surface
	flags           []Flags
	speed           []uint8  // posted, by lane
	bend            []uint16 // degrees that it turns, left and right added up
	climb, descent  []uint16 // metres, along the segment
	top             []uint16
	name            []uint32 // index into names; 0 is none
	shapeAt         []uint32 // where a segment's inner points begin in shape; one more than segments
	shape           []coord
	island          []uint16 // the part of the network it belongs to: 0 the main one, see component.go
	names           []string
	rare            map[SegmentID]rare // what few segments have
	source, licence string             // where the data came from, to be shown with it

	// Routing, by vertex and by arc.
	head     []int32      // by lane: the vertex it leads to; -1: not to be driven
	junction []JunctionID // by vertex
	first    []int32      // by vertex: its first arc; one more than vertices
	lane     []Lane       // by arc, sorted by the vertex the arc leaves
	rank     []int32      // by vertex: its place in the order of contraction; see order.go

	prepare sync.Once
	shared  *shared // what every Today of it uses, made for the first
}

// coord is a point in ten millionths of a degree.
type coord struct{ lat, lon int32 }

// rare is what few segments have.
type rare struct {
	limits  Limits
	seconds uint32
}
