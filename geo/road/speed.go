package road

import (
	"slices"

	"cuntong/geo"
)

// How long a vehicle takes on a stretch of road, on a dry summer's day.
//
// The speed is the least of what the road, its surface, its bends, its grade, the
// posted limit and the vehicle itself allow: the limiting-speed model of Watanatada
// et al., "Vehicle Speeds and Operating Costs: Models for Road Planning and
// Management" (World Bank, 1987), without its random part. Everything is computed in
// whole numbers from what the graph holds, so that every machine that has the same
// graph has the same times (a fused multiply-add rounds otherwise than two steps).

// traits are what a class of vehicles is like.
type traits struct {
	share   int // of the road's usual speed, in hundredths
	top     int // km/h
	gravel  int // of the usual speed on gravel, in hundredths
	earth   int // and on earth
	upGrade int // how much a climb counts, in hundredths of the grade
	down    int // and a descent
	size    Limits
}

// classes are judgements, not measurements: a loaded minibus keeps a tenth below a
// car where both could go faster, a bus a fifth; a pickup minds mud least. Tops are
// those of Chinese law and of usual governors: 100 km/h for coaches on expressways
// (Regulation for the Implementation of the Road Traffic Safety Law, article 78)
// less the margin that a full bus keeps. Mass is laden, size without mirrors: of a
// saloon, a 7-seater such as Wuling's, a crew-cab pickup, a 17-seater and an 8 m
// county bus.
var classes = map[geo.VehicleClass]traits{
	geo.Car:         {share: 100, top: 110, gravel: 80, earth: 60, upGrade: 70, down: 75, size: Limits{MaxMass: 1900, MaxHeight: 160, MaxWidth: 185}},
	geo.Minivan:     {share: 95, top: 100, gravel: 80, earth: 60, upGrade: 80, down: 80, size: Limits{MaxMass: 2300, MaxHeight: 190, MaxWidth: 180}},
	geo.PickupTruck: {share: 95, top: 100, gravel: 85, earth: 75, upGrade: 80, down: 80, size: Limits{MaxMass: 2900, MaxHeight: 190, MaxWidth: 190}},
	geo.Minibus:     {share: 90, top: 90, gravel: 75, earth: 50, upGrade: 95, down: 90, size: Limits{MaxMass: 5500, MaxHeight: 270, MaxWidth: 208}},
	geo.Bus:         {share: 80, top: 85, gravel: 70, earth: 40, upGrade: 110, down: 100, size: Limits{MaxMass: 12000, MaxHeight: 330, MaxWidth: 250}},
}

// traitsOf takes a class that is not known for a bus, so that nobody is promised a
// time that cannot be kept or led over a bridge that does not bear him.
func traitsOf(class geo.VehicleClass) traits {
	if t, known := classes[class]; known {
		return t
	}
	return classes[geo.Bus]
}

// fits says whether vehicles of a class may pass where there are such limits.
func fits(class geo.VehicleClass, l Limits) bool {
	v := traitsOf(class).size
	return (l.MaxMass == 0 || v.MaxMass <= l.MaxMass) &&
		(l.MaxHeight == 0 || v.MaxHeight <= l.MaxHeight) &&
		(l.MaxWidth == 0 || v.MaxWidth <= l.MaxWidth)
}

// usual is the speed of a car in km/h where no limit is posted, by the index of
// geo.RoadKinds. National roads in Guizhou's hills are designed for 40 km/h, the
// hard parts for 30; a village road of 13 km is driven in 45 minutes, 17 km/h, by
// the bus that stops on it. In OpenStreetMap a national road there is a trunk or a
// primary, a county road a secondary or tertiary, a village road unclassified.
var usual = [...]int{
	90, // motorway
	50, // trunk
	42, // primary
	38, // secondary
	32, // tertiary
	25, // unclassified
	22, // residential
	10, // living_street
	15, // service
	15, // track
	8,  // ferry
}

// The kinds that are treated apart, as indices of geo.RoadKinds.
var (
	track = uint8(slices.Index(geo.RoadKinds(), geo.Track))
	ferry = uint8(slices.Index(geo.RoadKinds(), geo.Ferry))
)

// Further speeds, in km/h, and times.
const (
	linkShare   = 70 // hundredths of the road's usual speed that are driven on its ramps
	roughMost   = 40 // on setts and plates
	gravelMost  = 38
	earthMost   = 25
	localMost   = 8  // where only those may drive who have business there
	postedShare = 90 // hundredths of the posted limit that are driven on the average

	gateMillis  = 30_000  // to open a gate and close it behind one
	boardMillis = 600_000 // to wait for a ferry and drive on and off

	// maxLaneMillis bounds one lane, eighteen hours, so that a sum of many is no overflow.
	maxLaneMillis = 1 << 26
)

// gradeMost is the speed for which a road of such a grade, in thousandths, may be
// designed: Chinese standard JTG B01-2014, table of steepest grades (3 % at 120 km/h
// to 9 % at 20 km/h), continued by judgement for what is steeper than the standard
// allows. Between two rows it is interpolated.
var gradeMost = []row{{30, 120}, {40, 100}, {50, 80}, {60, 60}, {70, 40}, {80, 30}, {90, 20}, {120, 15}, {200, 8}}

// bendMost is the speed in bends of so many degrees a kilometre: with a radius
// R = 57296/degrees metres and a sideways pull of a fifth of the weight, which is
// what passengers bear, v = sqrt(0.2·9.81·R), as in Watanatada et al.
var bendMost = []row{{100, 120}, {200, 85}, {400, 60}, {700, 46}, {1000, 38}, {1500, 31}, {2500, 24}, {4000, 19}, {8000, 13}}

// row is one of a table that falls.
type row struct{ at, kmh int }

// within looks x up in a table, in tenths of km/h.
func within(table []row, x int) int {
	if x <= table[0].at {
		return table[0].kmh * 10
	}
	for i := 1; i < len(table); i++ {
		a, b := table[i-1], table[i]
		if x <= b.at {
			return a.kmh*10 - (a.kmh-b.kmh)*10*(x-a.at)/(b.at-a.at)
		}
	}
	return table[len(table)-1].kmh * 10
}

// drive is the weight of a lane for a class of vehicle on a dry summer's day; never
// where it may not go.
func (g *Graph) drive(l Lane, class geo.VehicleClass) weight {
	s := l.Segment()
	rare := g.rare[s]
	if g.flags[s]&noWay(l) != 0 || !fits(class, rare.limits) {
		return never
	}
	ms := int64(0)
	if g.kind[s] == ferry {
		ms = boardMillis + int64(rare.seconds)*1000
	}
	if rare.seconds == 0 {
		ms += int64(g.length[s]) * 3600 / int64(g.pace(l, traitsOf(class)))
	}
	if g.flags[s]&Barred != 0 {
		ms += gateMillis
	}
	return weight(min(max(ms, 1), maxLaneMillis))<<32 | weight(g.length[s])
}

// pace is the speed on a lane in tenths of km/h, at least 1.
func (g *Graph) pace(l Lane, v traits) int {
	s := l.Segment()
	flags, kind := g.flags[s], g.kind[s]
	speed := usual[kind] * 10
	if kind == ferry {
		return speed
	}
	if flags&Link != 0 {
		speed = speed * linkShare / 100
	}
	if posted := int(g.speed[l]); posted > 0 {
		speed = posted * 10 * postedShare / 100
	}
	speed = min(speed*v.share/100, v.top*10)
	surface := g.surface[s]
	if surface == SurfaceUnknown && kind == track {
		surface = Gravel
	}
	switch surface {
	case Rough:
		speed = min(speed, roughMost*10)
	case Gravel:
		speed = min(speed*v.gravel/100, gravelMost*10)
	case Earth:
		speed = min(speed*v.earth/100, earthMost*10)
	}
	if flags&LocalOnly != 0 {
		speed = min(speed, localMost*10)
	}
	length := max(int(g.length[s]), 1)
	speed = min(speed, within(bendMost, int(g.bend[s])*10_000/length)*v.share/100)
	up, down := int(g.climb[s]), int(g.descent[s])
	if l.backward() {
		up, down = down, up
	}
	grade := (up*v.upGrade + down*v.down) * 100 / length // thousandths: metres, decimetres, hundredths
	return max(1, min(speed, within(gradeMost, grade)))
}
