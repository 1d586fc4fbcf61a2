package terrain

import "math"

// vec is a place on the plane, in metres from its south-west corner.
type vec struct{ x, y float64 }

func (a vec) to(b vec) float64 { return math.Hypot(b.x-a.x, b.y-a.y) }

func (a vec) middle(b vec) vec { return vec{(a.x + b.x) / 2, (a.y + b.y) / 2} }

// land is a height at every place.
//
// The absolute value of a smooth noise has sharp valleys where the noise changes
// its sign (K. Perlin, "An Image Synthesizer", SIGGRAPH 1985, calls the sum of such
// octaves turbulence). So a river is where the coarsest of them does, and whether a
// road crosses one is a comparison of two signs.
type land struct{ seed uint64 }

// The waves of the land: how far apart its ridges are and how high, in metres.
const (
	plateauWave, plateauHigh = 70_000, 500
	riverWave, riverDeep     = 17_000, 420
	ridgeWave, ridgeHigh     = 7_500, 900
	spurWave, spurHigh       = 2_700, 260
	valleyFloor              = 240
)

// river is of another sign on the other bank.
func (l land) river(p vec) float64 { return l.noise(p, riverWave, 1) }

// height is above sea level.
func (l land) height(p vec) float64 {
	bank := min(1, 3*math.Abs(l.river(p)))
	return valleyFloor +
		plateauHigh*(0.5+0.5*l.noise(p, plateauWave, 0)) +
		riverDeep*bank +
		bank*ridgeHigh*math.Abs(l.noise(p, ridgeWave, 2)) +
		spurHigh*math.Abs(l.noise(p, spurWave, 3))
}

// noise is smooth, between -1 and 1, and changes over about a wave's length.
func (l land) noise(p vec, wave float64, octave uint64) float64 {
	x, y := p.x/wave, p.y/wave
	fx, fy := math.Floor(x), math.Floor(y)
	tx, ty := x-fx, y-fy
	corner := func(dx, dy float64) float64 {
		return 2*l.chance(octave, uint64(int64(fx+dx)), uint64(int64(fy+dy))) - 1
	}
	sx, sy := smooth(tx), smooth(ty)
	south := corner(0, 0)*(1-sx) + corner(1, 0)*sx
	north := corner(0, 1)*(1-sx) + corner(1, 1)*sx
	return south*(1-sy) + north*sy
}

func smooth(t float64) float64 { return t * t * t * (t*(6*t-15) + 10) }

// chance is a number from 0 to 1 that belongs to what is named, and to nothing
// else: what is drawn for one thing cannot shift what is drawn for another.
func (l land) chance(what, i, j uint64) float64 {
	h := mix(mix(mix(l.seed^what*0x9e3779b97f4a7c15)+i) + j)
	return float64(h>>11) / (1 << 53)
}

// mix is the output function of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// What chance is asked for, beside the octaves 0 to 3.
const (
	ofPlace uint64 = 16 + iota
	ofSpot
	ofCost
	ofExtra
	ofBridge
	ofPrune
	ofBend
	ofLimit
	ofSurface
)
