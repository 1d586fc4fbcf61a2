package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// The parts of GeoJSON (RFC 7946) that are read. The standard wants WGS-84 and
// files from China often have something else, so the readers are told the datum.
type (
	geoFile struct {
		Type     string       `json:"type"`
		Features []geoFeature `json:"features"`
		geoFeature
	}
	geoFeature struct {
		Geometry   *geoGeometry               `json:"geometry"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	geoGeometry struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	}
	geoPosition []float64 // longitude, latitude, and perhaps a height that is ignored
)

// readFeatures reads a FeatureCollection, or one Feature as a collection of one.
func readFeatures(r io.Reader, d Datum) ([]geoFeature, error) {
	if _, err := ParseDatum(string(d)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(withoutBOM(&capped{r: r, left: MaxImportBytes}))
	if err != nil {
		return nil, err
	}
	var file geoFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("geo: not GeoJSON: %w", err)
	}
	switch file.Type {
	case "FeatureCollection":
		return file.Features, nil
	case "Feature":
		return []geoFeature{file.geoFeature}, nil
	}
	return nil, fmt.Errorf("geo: GeoJSON of type %.40q: want a FeatureCollection or a Feature", file.Type)
}

// ReadGeoJSON reads villages from a GeoJSON FeatureCollection of Points, whose
// coordinates are in d. The properties are the columns of ReadCSV but for lat and
// lon: id and name are needed; code, pinyin, aliases (a list of texts) and pickups
// (a list of {"id","name","lat","lon"}) may be absent or null. A property that is
// not one of these is refused. Problems are told as by ReadCSV; a row is the number
// of a feature, from 1.
func ReadGeoJSON(r io.Reader, d Datum) (*Gazetteer, error) {
	features, err := readFeatures(r, d)
	if err != nil {
		return nil, err
	}
	var faults faults
	var villages []Village
	var rows []int
	for i, f := range features {
		v, err := f.village(d)
		if err != nil {
			faults.add(i+1, strings.TrimPrefix(err.Error(), "geo: "))
			continue
		}
		villages, rows = append(villages, v), append(rows, i+1)
	}
	g := assemble(villages, func(i int) int { return rows[i] }, &faults)
	if err := faults.err(); err != nil {
		return nil, err
	}
	return g, nil
}

func (f geoFeature) village(d Datum) (Village, error) {
	if f.Geometry == nil || f.Geometry.Type != "Point" {
		return Village{}, errors.New("the geometry is not a Point")
	}
	var at geoPosition
	if err := json.Unmarshal(f.Geometry.Coordinates, &at); err != nil {
		return Village{}, fmt.Errorf("coordinates: %w", err)
	}
	var v Village
	var pickups []jsonPickup
	err := f.read(map[string]any{"id": &v.ID, "code": &v.Code, "name": &v.Name, "pinyin": &v.Pinyin,
		"aliases": &v.Aliases, "pickups": &pickups})
	if err != nil {
		return Village{}, err
	}
	if v.Centre, err = at.point(d); err != nil {
		return Village{}, err
	}
	for _, p := range pickups {
		point, err := ToWGS84(p.Point, d)
		if err != nil {
			return Village{}, fmt.Errorf("pickup %.40q: %w", p.ID, err)
		}
		v.Pickups = append(v.Pickups, Pickup{ID: p.ID, Name: p.Name, Point: point})
	}
	return v, nil
}

type jsonPickup struct {
	ID   PickupID `json:"id"`
	Name string   `json:"name"`
	Point
}

// read fills the wanted properties and refuses any other.
func (f geoFeature) read(into map[string]any) error {
	known := slices.Sorted(maps.Keys(into))
	for _, name := range slices.Sorted(maps.Keys(f.Properties)) {
		target, wanted := into[name]
		if !wanted {
			return fmt.Errorf("unknown property %.40q: want %s", name, strings.Join(known, ", "))
		}
		strict := json.NewDecoder(bytes.NewReader(f.Properties[name]))
		strict.DisallowUnknownFields()
		if err := strict.Decode(target); err != nil {
			return fmt.Errorf("property %q: %w", name, err)
		}
	}
	return nil
}

func (at geoPosition) point(d Datum) (Point, error) {
	if len(at) < 2 || len(at) > 3 {
		return Point{}, fmt.Errorf("a position of %d numbers: want longitude, latitude", len(at))
	}
	return ToWGS84(Point{Lat: at[1], Lon: at[0]}, d)
}

// ReadAreas reads service areas from a GeoJSON Feature or FeatureCollection of
// Polygons and MultiPolygons, whose coordinates are in d. Properties: id (an
// AreaID) and name are needed, note is for people and ignored, any other is
// refused. Borders that cross the 180th meridian are refused with
// ErrAntimeridian; ids must differ. The first fault is returned.
func ReadAreas(r io.Reader, d Datum) ([]*Area, error) {
	features, err := readFeatures(r, d)
	if err != nil {
		return nil, err
	}
	if len(features) > maxAreas {
		return nil, fmt.Errorf("geo: %d areas: at most %d", len(features), maxAreas)
	}
	var areas []*Area
	seen := make(map[AreaID]int, len(features))
	for i, f := range features {
		a, err := f.area(d)
		if err == nil {
			err = a.Validate()
		}
		if err != nil {
			return nil, fmt.Errorf("geo: area in feature %d: %w", i+1, err)
		}
		if first, twice := seen[a.ID]; twice {
			return nil, fmt.Errorf("geo: area in feature %d: id %q is that of feature %d", i+1, a.ID, first)
		}
		seen[a.ID] = i + 1
		areas = append(areas, a)
	}
	return areas, nil
}

func (f geoFeature) area(d Datum) (*Area, error) {
	var a Area
	var note json.RawMessage
	if err := f.read(map[string]any{"id": &a.ID, "name": &a.Name, "note": &note}); err != nil {
		return nil, err
	}
	if f.Geometry == nil {
		return nil, errors.New("there is no geometry")
	}
	var shapes [][][]geoPosition
	switch f.Geometry.Type {
	case "Polygon":
		shapes = make([][][]geoPosition, 1)
		if err := json.Unmarshal(f.Geometry.Coordinates, &shapes[0]); err != nil {
			return nil, fmt.Errorf("coordinates: %w", err)
		}
	case "MultiPolygon":
		if err := json.Unmarshal(f.Geometry.Coordinates, &shapes); err != nil {
			return nil, fmt.Errorf("coordinates: %w", err)
		}
	default:
		return nil, fmt.Errorf("geometry %.40q: want a Polygon or MultiPolygon", f.Geometry.Type)
	}
	for i, shape := range shapes {
		polygon, err := polygonOf(shape, d)
		if err != nil {
			return nil, fmt.Errorf("polygon %d: %w", i+1, err)
		}
		a.Polygons = append(a.Polygons, polygon)
	}
	if len(a.Polygons) == 0 {
		return nil, errors.New("the geometry has no polygon")
	}
	return &a, nil
}

func polygonOf(shape [][]geoPosition, d Datum) (Polygon, error) {
	if len(shape) == 0 {
		return Polygon{}, errors.New("no ring")
	}
	var p Polygon
	for i, line := range shape {
		ring, err := ringOf(line, d)
		if err != nil {
			return Polygon{}, fmt.Errorf("ring %d: %w", i+1, err)
		}
		if i == 0 {
			p.Outer = ring
		} else {
			p.Holes = append(p.Holes, ring)
		}
	}
	return p, nil
}

func ringOf(line []geoPosition, d Datum) (Ring, error) {
	if len(line) < 4 || !slices.Equal(line[0], line[len(line)-1]) {
		return nil, errors.New("want at least four positions, the last equal to the first")
	}
	ring := make(Ring, len(line)-1)
	for i := range ring {
		var err error
		if ring[i], err = line[i].point(d); err != nil {
			return nil, fmt.Errorf("position %d: %w", i+1, err)
		}
	}
	return ring, nil
}
