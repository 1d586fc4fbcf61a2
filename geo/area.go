package geo

import (
	"errors"
	"fmt"
	"math"
)

// AreaID names a service area, a county say: 1 to 32 of a-z 0-9 and -. It is
// part of keys and addresses, hence the narrow alphabet.
type AreaID string

// ParseAreaID checks that s is an area id.
func ParseAreaID(s string) (AreaID, error) {
	ok := len(s) >= 1 && len(s) <= 32
	for i := 0; i < len(s) && ok; i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !ok {
		return "", fmt.Errorf("geo: area id %.40q: want 1 to 32 of a-z 0-9 -", s)
	}
	return AreaID(s), nil
}

// Area is a service area: the land that one dispatch serves. It is not to be
// changed while it is in use; Contains may then be called from anywhere.
type Area struct {
	ID       AreaID
	Name     string
	Polygons []Polygon // none: the border has not been drawn, and the area is everywhere
}

// Polygon is the land inside Outer and not inside any of Holes, edges included.
type Polygon struct {
	Outer Ring
	Holes []Ring
}

// Ring is a closed line of straight edges in degrees; the last point is joined to
// the first, which is not repeated. Either direction will do.
type Ring []Point

// Limits on a border: they bound the memory a file can ask for, and the time
// Contains takes.
const (
	maxRingPoints   = 100_000
	maxPolygons     = 1_000
	maxHoles        = 1_000
	maxAreas        = 1_000
	maxBorderPoints = 500_000
)

// ErrAntimeridian says that a border crosses the 180th meridian, where degrees
// jump. Draw one polygon on either side of it.
var ErrAntimeridian = errors.New("geo: border crosses the 180th meridian: cut it there into two polygons")

// Validate says what is wrong with the id, the name or the border. A ring needs
// three points on earth that enclose some land, and no edge longer than half way
// round. Rings that cross themselves are not looked for: a point is inside where
// a line from it crosses the ring an odd number of times.
func (a *Area) Validate() error {
	if _, err := ParseAreaID(string(a.ID)); err != nil {
		return err
	}
	if err := checkName("area name", a.Name); err != nil {
		return fmt.Errorf("geo: %w", err)
	}
	if len(a.Polygons) > maxPolygons {
		return fmt.Errorf("geo: area %s has %d polygons: at most %d", a.ID, len(a.Polygons), maxPolygons)
	}
	total := 0
	for i, p := range a.Polygons {
		if len(p.Holes) > maxHoles {
			return fmt.Errorf("geo: area %s, polygon %d has %d holes: at most %d", a.ID, i+1, len(p.Holes), maxHoles)
		}
		for j, ring := range append([]Ring{p.Outer}, p.Holes...) {
			if err := ring.validate(); err != nil {
				return fmt.Errorf("area %s, polygon %d, ring %d: %w", a.ID, i+1, j+1, err)
			}
			total += len(ring)
		}
	}
	if total > maxBorderPoints {
		return fmt.Errorf("geo: area %s has %d border points: at most %d", a.ID, total, maxBorderPoints)
	}
	return nil
}

func (r Ring) validate() error {
	if len(r) < 3 || len(r) > maxRingPoints {
		return fmt.Errorf("geo: %d points: want 3 to %d", len(r), maxRingPoints)
	}
	twice := 0.0 // the enclosed area, by the shoelace formula
	from := r[len(r)-1]
	for _, to := range r {
		if !to.onEarth() {
			return fmt.Errorf("%w: %v", ErrNotOnEarth, to)
		}
		if math.Abs(to.Lon-from.Lon) > 180 {
			return fmt.Errorf("%w (between longitude %v and %v)", ErrAntimeridian, from.Lon, to.Lon)
		}
		twice += (from.Lon-r[0].Lon)*(to.Lat-r[0].Lat) - (to.Lon-r[0].Lon)*(from.Lat-r[0].Lat)
		from = to
	}
	if twice == 0 {
		return errors.New("geo: the ring encloses no land")
	}
	return nil
}

// Contains says whether p lies in the area or on its edge, that of a hole
// included: on a border that two areas share, both say yes, and nobody is
// served by none. An area without polygons contains every point on earth.
//
// It goes through every edge, on purpose: a county's border of some thousand
// points takes some microseconds, once a booking.
func (a *Area) Contains(p Point) bool {
	if !p.onEarth() {
		return false
	}
	for i := range a.Polygons {
		if a.Polygons[i].contains(p) {
			return true
		}
	}
	return len(a.Polygons) == 0
}

func (g *Polygon) contains(p Point) bool {
	inside, edge := g.Outer.locate(p)
	if !inside || edge {
		return inside
	}
	for _, hole := range g.Holes {
		if in, edge := hole.locate(p); in && !edge {
			return false
		}
	}
	return true
}

// edgeWidth is how near to an edge, in degrees, a point counts as on it: a tenth
// of a millimetre, far above rounding and far below surveying.
const edgeWidth = 1e-9

// locate says whether p is inside the ring, by counting the edges that a line
// from p due east crosses (M. Shimrat, "Algorithm 112: Position of point relative
// to polygon", Communications of the ACM 5, 1962), and whether it is on an edge,
// which counts as inside.
func (r Ring) locate(p Point) (inside, edge bool) {
	a := r[len(r)-1]
	for _, b := range r {
		if onEdge(a, b, p) {
			return true, true
		}
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) &&
			p.Lon < a.Lon+(b.Lon-a.Lon)*(p.Lat-a.Lat)/(b.Lat-a.Lat) {
			inside = !inside
		}
		a = b
	}
	return inside, false
}

func onEdge(a, b, p Point) bool {
	if p.Lat < min(a.Lat, b.Lat)-edgeWidth || p.Lat > max(a.Lat, b.Lat)+edgeWidth ||
		p.Lon < min(a.Lon, b.Lon)-edgeWidth || p.Lon > max(a.Lon, b.Lon)+edgeWidth {
		return false
	}
	north, east := b.Lat-a.Lat, b.Lon-a.Lon
	across := math.Abs(east*(p.Lat-a.Lat) - north*(p.Lon-a.Lon))
	return across <= edgeWidth*math.Hypot(north, east)
}
