package geo

import (
	"errors"
	"fmt"
	"math"
)

// Datum names the system a pair of degrees is written in.
type Datum string

// The datums met in China. GPS receivers give WGS84; maps sold in China shift it
// to GCJ02 by law; Baidu shifts that once more to BD09.
const (
	WGS84 Datum = "wgs84"
	GCJ02 Datum = "gcj02"
	BD09  Datum = "bd09"
)

// ErrUntaggedDatum says that coordinates came without the name of their datum. In
// Guizhou the wrong guess puts a pickup half a kilometre away, across a gorge,
// so there is no default.
var ErrUntaggedDatum = errors.New("geo: coordinates without a datum: say wgs84, gcj02 or bd09")

// ErrUnknownDatum says that the named datum is none of ours.
var ErrUnknownDatum = errors.New("geo: unknown datum: want wgs84, gcj02 or bd09")

// ParseDatum reads the exact lower-case name. The empty string is
// ErrUntaggedDatum, any other stranger wraps ErrUnknownDatum.
func ParseDatum(s string) (Datum, error) {
	switch d := Datum(s); d {
	case WGS84, GCJ02, BD09:
		return d, nil
	case "":
		return "", ErrUntaggedDatum
	}
	return "", fmt.Errorf("%w, not %.40q", ErrUnknownDatum, s)
}

// ToWGS84 converts p, whose numbers are in d, to WGS-84. For GCJ02 and BD09 it
// is the inverse of FromWGS84 to well under a centimetre inside China, and the
// identity outside the box of inChina. It returns the error of p.Validate, or of
// ParseDatum when d is none of the three.
func ToWGS84(p Point, d Datum) (Point, error) {
	if err := checkDatum(p, d); err != nil {
		return Point{}, err
	}
	if d == WGS84 || !inChina(p) {
		return p, nil
	}
	if d == BD09 {
		p = invert(p, gcjToBD)
	}
	return invert(p, wgsToGCJ), nil
}

// FromWGS84 converts p, which is in WGS-84, to d, for showing it on a map that is
// drawn in d. Errors are those of ToWGS84.
func FromWGS84(p Point, d Datum) (Point, error) {
	if err := checkDatum(p, d); err != nil {
		return Point{}, err
	}
	if d == WGS84 || !inChina(p) {
		return p, nil
	}
	p = wgsToGCJ(p)
	if d == BD09 {
		p = gcjToBD(p)
	}
	return p, nil
}

func checkDatum(p Point, d Datum) error {
	if _, err := ParseDatum(string(d)); err != nil {
		return err
	}
	return p.Validate()
}

// inChina is the box in which the shift applies, as in the published code of
// the transformation: larger than China, so that every place in China is far
// inside. Baidu documents WGS-84 for places abroad, so the box holds for BD09
// as well. Within a kilometre of the box's own rim (all of it sea or foreign
// soil) the shift crosses the rim and has no inverse; there the error of a round
// trip is at most the shift.
func inChina(p Point) bool {
	return p.Lon >= 72.004 && p.Lon <= 137.8347 && p.Lat >= 0.8293 && p.Lat <= 55.8271
}

// The Krasovsky 1940 ellipsoid, on which the shift is computed.
const (
	krasovskyA  = 6378245.0
	krasovskyE2 = 0.00669342162296594323
)

// wgsToGCJ applies the GCJ-02 shift, in the form that has been public since 2010
// and that eviltransform (https://github.com/googollee/eviltransform) and gcoord
// (https://github.com/hujiulong/gcoord) share.
func wgsToGCJ(p Point) Point {
	x, y := p.Lon-105, p.Lat-35
	root := math.Sqrt(math.Abs(x))
	wave := 20*math.Sin(6*math.Pi*x) + 20*math.Sin(2*math.Pi*x)

	north := -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*root
	north += 2. / 3 * (wave + 20*math.Sin(math.Pi*y) + 40*math.Sin(math.Pi*y/3) +
		160*math.Sin(math.Pi*y/12) + 320*math.Sin(math.Pi*y/30))

	east := 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*root
	east += 2. / 3 * (wave + 20*math.Sin(math.Pi*x) + 40*math.Sin(math.Pi*x/3) +
		150*math.Sin(math.Pi*x/12) + 300*math.Sin(math.Pi*x/30))

	sinLat, cosLat := math.Sincos(p.Lat * (math.Pi / 180))
	w := 1 - krasovskyE2*sinLat*sinLat
	meridian := krasovskyA * (1 - krasovskyE2) / (w * math.Sqrt(w))
	parallel := krasovskyA / math.Sqrt(w) * cosLat
	return Point{
		Lat: p.Lat + north/meridian*(180/math.Pi),
		Lon: p.Lon + east/parallel*(180/math.Pi),
	}
}

// gcjToBD applies Baidu's shift on top of GCJ-02, after the same two sources.
func gcjToBD(p Point) Point {
	const perDegree = math.Pi * 3000 / 180
	r := math.Hypot(p.Lon, p.Lat) + 0.00002*math.Sin(p.Lat*perDegree)
	angle := math.Atan2(p.Lat, p.Lon) + 0.000003*math.Cos(p.Lon*perDegree)
	sin, cos := math.Sincos(angle)
	return Point{Lat: r*sin + 0.006, Lon: r*cos + 0.0065}
}

// invert finds the point that shift maps to the target, by fixed-point
// iteration: both shifts change by less than 3 % of a move, so each round gains
// one and a half digits or more. The usual one-step inverse is off by a metre
// or two.
func invert(target Point, shift func(Point) Point) Point {
	const (
		enough    = 1e-11 // degrees: a micrometre
		maxRounds = 20
	)
	p := target
	for range maxRounds {
		image := shift(p)
		north, east := target.Lat-image.Lat, target.Lon-image.Lon
		p.Lat, p.Lon = p.Lat+north, p.Lon+east
		if math.Abs(north) < enough && math.Abs(east) < enough {
			break
		}
	}
	return p
}
