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

// Router estimates drives. An implementation is immutable while it is used and
// safe for many callers at once, answers in microseconds, and gives the same
// answer to the same question, because the core that asks must be deterministic.
type Router interface {
	// Travel estimates the drive between two points by a vehicle of the class.
	// ok is false when no road leads there, or when a point is not on earth.
	Travel(from, to Point, class VehicleClass) (leg Leg, ok bool)

	// Floor is a duration that no drive between two points that far apart in a
	// straight line (Distance) beats, for any class: for all a, b and c,
	// Floor(Distance(a,b)) <= Travel(a,b,c).Duration. It must not shrink as the
	// distance grows. A search for the nearest by time walks candidates by
	// straight line and stops when Floor exceeds the best time found.
	Floor(straight Meters) time.Duration
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

// Travel is Router's. A class that is not known drives like the slowest, so that
// nobody is promised a time that cannot be kept.
func (c Crow) Travel(from, to Point, class VehicleClass) (Leg, bool) {
	if !from.onEarth() || !to.onEarth() {
		return Leg{}, false
	}
	m := c.orDefault()
	speed, known := m.speeds[class]
	if !known {
		speed = m.slowest
	}
	road := Distance(from, to) * Meters(m.circuity)
	return Leg{Distance: road, Duration: driving(road, speed)}, true
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
