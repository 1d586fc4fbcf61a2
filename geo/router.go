package geo

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Leg is one drive: how far by road and how long.
type Leg struct {
	Distance Meters
	Duration time.Duration
}

// Round returns l in whole metres and milliseconds, which is how it is written
// down: what was rounded before it was used is the same after it was read back.
func (l Leg) Round() Leg {
	return Leg{Distance: Meters(math.Round(float64(l.Distance))), Duration: l.Duration.Round(time.Millisecond)}
}

// legOnPaper is a Leg in JSON.
type legOnPaper struct {
	Meters int64 `json:"m"`
	Millis int64 `json:"ms"`
}

// MarshalJSON writes whole metres and milliseconds: {"m":1200,"ms":90000}.
func (l Leg) MarshalJSON() ([]byte, error) {
	return json.Marshal(legOnPaper{Meters: int64(math.Round(float64(l.Distance))), Millis: l.Duration.Round(time.Millisecond).Milliseconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Leg) UnmarshalJSON(data []byte) error {
	var on legOnPaper
	if err := json.Unmarshal(data, &on); err != nil {
		return err
	}
	*l = Leg{Distance: Meters(on.Meters), Duration: time.Duration(on.Millis) * time.Millisecond}
	return nil
}

// Spot is a place as a [Router] knows it: a point, and where on its roads that
// lies. Only [Router.Locate] makes one, and only that Router reads it; it is not
// to be stored longer than the Router lives.
type Spot struct {
	Point Point
	// Segment is the stretch of road, counted from 1. Zero: on none, because the
	// Router knows no roads or none is near.
	Segment int32
	// Along is the share of the segment's length that lies behind the spot, 0..1.
	Along float32
	// Off is how far the point is from the road.
	Off float32
	// Heading is +1 along the segment, -1 against it, 0 when not known.
	Heading int8
}

// Drive is who drives and when.
type Drive struct {
	Class VehicleClass
	// Leaves matters where a road may be driven at certain hours only.
	Leaves time.Time
}

// Router estimates drives. It gives the same answer to the same question, because
// the core that asks must be deterministic. Any number of goroutines may ask at
// once; see [Roads] for who may change the answers.
type Router interface {
	// Locate finds p on the roads. The heading is in degrees clockwise from north;
	// negative means not known. It does not fail: a spot on no road is one from and
	// to which nothing can be driven, unless the Router knows no roads at all.
	Locate(p Point, heading float64) Spot

	// Travel is the quickest drive from one spot to another. ok is false when no
	// road leads there that the vehicle may use.
	Travel(from, to Spot, by Drive) (leg Leg, ok bool)

	// NewFinder returns what asks for many drives to one place.
	NewFinder(class VehicleClass) Finder

	// Floor is a duration that no drive between two points that far apart in a
	// straight line (Distance) beats, for any class: for all a, b and by,
	// Floor(Distance(a.Point,b.Point)) <= Travel(a,b,by).Duration. It must not
	// shrink as the distance grows. A search for the nearest by time walks candidates
	// by straight line and stops when Floor exceeds the best time found.
	Floor(straight Meters) time.Duration

	// Line is the way that Travel takes, as the points to draw it by, ends included;
	// nil when there is none.
	Line(from, to Spot, by Drive) []Point
}

// Finder answers many questions about drives to one place in little more than the
// time of one. It belongs to one goroutine, keeps its memory from one place to
// the next, and after [Roads.Set] must be aimed again.
type Finder interface {
	// Aim sets the place.
	Aim(to Spot)
	// From is Router.Travel from a spot to the place.
	From(from Spot, leaves time.Time) (Leg, bool)
}

// DefaultCircuity is the median ratio of road to straight line between villages
// measured on a mountain road network.
const DefaultCircuity = 1.8

// Crow is the Router for a county whose roads are not known: the straight line
// times a circuity factor, at a speed by vehicle class. It knows no river and
// no mountain. The zero Crow uses the defaults; make another with NewCrowWith.
type Crow struct {
	model *crowModel // nil: the defaults; never written after construction
}

type crowModel struct {
	circuity         float64
	speeds           map[VehicleClass]float64 // metres a second
	slowest, fastest float64                  // of speeds
}

// crowDefault has average speeds on hill roads, stops for oncoming traffic
// included: under the 30 to 40 km/h that such roads are designed for.
var crowDefault = newCrowModel(DefaultCircuity, map[VehicleClass]float64{
	Car:         30,
	Minivan:     28,
	PickupTruck: 28,
	Minibus:     26,
	Bus:         22,
})

func newCrowModel(circuity float64, kmh map[VehicleClass]float64) *crowModel {
	m := &crowModel{circuity: circuity, slowest: math.Inf(1), speeds: make(map[VehicleClass]float64, len(kmh))}
	for class, speed := range kmh {
		m.speeds[class] = speed / 3.6
		m.slowest, m.fastest = min(m.slowest, speed/3.6), max(m.fastest, speed/3.6)
	}
	return m
}

// NewCrow returns a Crow with the default circuity and speeds.
func NewCrow() Crow { return Crow{} }

// NewCrowWith returns a Crow with a circuity factor of its own (1..10; 0 means
// DefaultCircuity) and speeds in km/h (1..150) for the classes named; a class
// that is not named keeps its default.
func NewCrowWith(circuity float64, kmh map[VehicleClass]float64) (Crow, error) {
	if circuity == 0 {
		circuity = DefaultCircuity
	}
	if !(circuity >= 1 && circuity <= 10) {
		return Crow{}, fmt.Errorf("geo: circuity %v: want 1..10, or 0 for %v", circuity, DefaultCircuity)
	}
	speeds := make(map[VehicleClass]float64, len(crowDefault.speeds))
	for class, speed := range crowDefault.speeds {
		speeds[class] = speed * 3.6
	}
	for class, speed := range kmh {
		if _, err := ParseVehicleClass(string(class)); err != nil {
			return Crow{}, err
		}
		if !(speed >= 1 && speed <= 150) {
			return Crow{}, fmt.Errorf("geo: speed of a %s %v km/h: want 1..150", class, speed)
		}
		speeds[class] = speed
	}
	return Crow{model: newCrowModel(circuity, speeds)}, nil
}

// Locate is Router's: the point, on no road.
func (c Crow) Locate(p Point, heading float64) Spot { return Spot{Point: p} }

// Travel is Router's. A class that is not known drives like the slowest, so that
// nobody is promised a time that cannot be kept.
func (c Crow) Travel(from, to Spot, by Drive) (Leg, bool) {
	if !from.Point.onEarth() || !to.Point.onEarth() {
		return Leg{}, false
	}
	m := c.orDefault()
	speed, known := m.speeds[by.Class]
	if !known {
		speed = m.slowest
	}
	road := Distance(from.Point, to.Point) * Meters(m.circuity)
	return Leg{Distance: road, Duration: driving(road, speed)}, true
}

// NewFinder is Router's.
func (c Crow) NewFinder(class VehicleClass) Finder { return &crowFinder{crow: c, class: class} }

type crowFinder struct {
	crow  Crow
	class VehicleClass
	to    Spot
}

func (f *crowFinder) Aim(to Spot) { f.to = to }

func (f *crowFinder) From(from Spot, leaves time.Time) (Leg, bool) {
	return f.crow.Travel(from, f.to, Drive{Class: f.class, Leaves: leaves})
}

// Line is Router's: the straight line, which is no road.
func (c Crow) Line(from, to Spot, by Drive) []Point {
	if !from.Point.onEarth() || !to.Point.onEarth() {
		return nil
	}
	return []Point{from.Point, to.Point}
}

// Floor is Router's: the drive of the fastest class, exactly.
func (c Crow) Floor(straight Meters) time.Duration {
	m := c.orDefault()
	return driving(max(0, min(straight, halfwayRound))*Meters(m.circuity), m.fastest)
}

// halfwayRound is the longest straight line there is.
const halfwayRound = math.Pi * EarthRadius

func driving(road Meters, speed float64) time.Duration {
	return time.Duration(float64(road) / speed * float64(time.Second))
}

func (c Crow) orDefault() *crowModel {
	if c.model == nil {
		return crowDefault
	}
	return c.model
}
