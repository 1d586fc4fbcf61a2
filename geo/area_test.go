package geo

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
)

func TestParseAreaID(t *testing.T) {
	for _, ok := range []string{"liping", "a", "522631", "qdn-demo", strings.Repeat("x", 32)} {
		if id, err := ParseAreaID(ok); string(id) != ok || err != nil {
			t.Errorf("%q: %q, %v", ok, id, err)
		}
	}
	for _, bad := range []string{"", "Liping", "黎平", "a b", "a_b", "a:b", "{a}", strings.Repeat("x", 33)} {
		if id, err := ParseAreaID(bad); id != "" || err == nil {
			t.Errorf("%q passes for an id", bad)
		}
	}
}

func square(south, west, size float64) Ring {
	return Ring{{south, west}, {south, west + size}, {south + size, west + size}, {south + size, west}}
}

// A county of two parts, the first with a lake and an enclave beside it; all
// numbers are exact in binary.
func county() *Area {
	return &Area{ID: "county", Name: "County", Polygons: []Polygon{
		{Outer: square(26, 108, 2), Holes: []Ring{square(26.5, 108.5, 0.25), square(27, 109, 0.5)}},
		{Outer: Ring{{26, 111}, {28, 111}, {26, 113}}}, // a triangle, clockwise
	}}
}

func TestAreaContains(t *testing.T) {
	a := county()
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    Point
		want bool
		why  string
	}{
		{Point{26.25, 108.25}, true, "inside"},
		{Point{25.99, 108.25}, false, "south of it"},
		{Point{28.01, 108.25}, false, "north of it"},
		{Point{27, 107.99}, false, "west of it"},
		{Point{27, 110.01}, false, "east of the first part"},
		{Point{26, 108}, true, "a corner"},
		{Point{28, 110}, true, "the corner across"},
		{Point{26, 109}, true, "the southern edge"},
		{Point{28, 109}, true, "the northern edge"},
		{Point{27, 108}, true, "the western edge"},
		{Point{27, 110}, true, "the eastern edge"},
		{Point{26.625, 108.625}, false, "in the lake"},
		{Point{27.25, 109.25}, false, "in the enclave"},
		{Point{26.5, 108.625}, true, "the shore"},
		{Point{26.75, 108.75}, true, "a corner of the shore"},
		{Point{27, 109.5}, true, "a corner of the enclave"},
		{Point{26.625, 108.8}, true, "level with the lake"},
		{Point{27.5, 108.5}, true, "level with a corner"},
		{Point{26.5, 111.5}, true, "in the triangle"},
		{Point{27, 112}, true, "on its long side"},
		{Point{27, 112.001}, false, "off its long side"},
		{Point{26.5, 110.5}, false, "between the parts"},
		{Point{math.NaN(), 109}, false, "nowhere"},
		{Point{27, math.Inf(1)}, false, "nowhere"},
	} {
		if got := a.Contains(c.p); got != c.want {
			t.Errorf("%s, %v: %v", c.why, c.p, got)
		}
	}
}

// Along a border that two areas share, every point is in both; a hair away, in
// one. No point falls between.
func TestAreaSharedBorder(t *testing.T) {
	rng := random(t)
	for range 200 {
		a, b := around(rng, Point{26, 109}, 50_000), around(rng, Point{26, 109}, 50_000)
		north, south := Point{29, 109 + rng.Float64()}, Point{23, 109 + rng.Float64()}
		left := &Area{ID: "left", Name: "Left", Polygons: []Polygon{{Outer: Ring{south, a, b, north, {29, 100}, {23, 100}}}}}
		right := &Area{ID: "right", Name: "Right", Polygons: []Polygon{{Outer: Ring{{23, 118}, {29, 118}, north, b, a, south}}}}
		for range 50 {
			f := rng.Float64()
			p := Point{a.Lat + f*(b.Lat-a.Lat), a.Lon + f*(b.Lon-a.Lon)}
			if !left.Contains(p) || !right.Contains(p) {
				t.Fatalf("%v on the border from %v to %v: left %v, right %v", p, a, b, left.Contains(p), right.Contains(p))
			}
			// Lines from 23 to 29 north that turn twice may fold over themselves;
			// what holds even then is that nobody is left out.
			q := around(rng, p, 1000)
			if !left.Contains(q) && !right.Contains(q) {
				t.Fatalf("%v is in neither", q)
			}
		}
	}
}

// The sum of the angles under which a point sees the edges is another way to
// tell inside from outside.
func TestAreaContainsAgainstWinding(t *testing.T) {
	rng := random(t)
	for range 300 {
		ring := make(Ring, 3+rng.IntN(30)) // a star about a centre, so that it does not cross itself
		for i := range ring {
			angle := 2 * math.Pi * float64(i) / float64(len(ring))
			r := 0.2 + rng.Float64()
			ring[i] = Point{26 + r*math.Sin(angle), 109 + r*math.Cos(angle)}
		}
		if len(ring) < 5 {
			continue // with so few the star can lie beside its centre
		}
		a := &Area{ID: "star", Name: "Star", Polygons: []Polygon{{Outer: ring}}}
		for range 100 {
			p := Point{26 + 2.6*(rng.Float64()-0.5), 109 + 2.6*(rng.Float64()-0.5)}
			sum := 0.0
			for i, to := range ring {
				from := ring[(i+len(ring)-1)%len(ring)]
				u, v := math.Atan2(from.Lat-p.Lat, from.Lon-p.Lon), math.Atan2(to.Lat-p.Lat, to.Lon-p.Lon)
				sum += math.Remainder(v-u, 2*math.Pi)
			}
			if want := math.Abs(sum) > math.Pi; a.Contains(p) != want {
				t.Fatalf("%v in %v: %v", p, ring, !want)
			}
		}
	}
}

func TestAreaWithoutBorderIsEverywhere(t *testing.T) {
	a := &Area{ID: "all", Name: "All"}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	if !a.Contains(Point{26, 109}) || !a.Contains(Point{-80, -170}) || a.Contains(Point{math.NaN(), 0}) {
		t.Error("it does not contain every point on earth and no other")
	}
}

func TestAreaValidate(t *testing.T) {
	with := func(change func(*Area)) *Area {
		a := county()
		change(a)
		return a
	}
	for why, a := range map[string]*Area{
		"bad id":          with(func(a *Area) { a.ID = "County" }),
		"no name":         with(func(a *Area) { a.Name = "" }),
		"two points":      with(func(a *Area) { a.Polygons[0].Outer = a.Polygons[0].Outer[:2] }),
		"no outer ring":   with(func(a *Area) { a.Polygons[0].Outer = nil }),
		"bad hole":        with(func(a *Area) { a.Polygons[0].Holes[1] = Ring{{26, 109}} }),
		"off the earth":   with(func(a *Area) { a.Polygons[0].Outer[0].Lat = 91 }),
		"not a number":    with(func(a *Area) { a.Polygons[0].Outer[0].Lon = math.NaN() }),
		"one line":        with(func(a *Area) { a.Polygons[1].Outer = Ring{{26, 109}, {27, 110}, {28, 111}} }),
		"one point":       with(func(a *Area) { a.Polygons[1].Outer = Ring{{26, 109}, {26, 109}, {26, 109}} }),
		"many polygons":   with(func(a *Area) { a.Polygons = make([]Polygon, maxPolygons+1) }),
		"many holes":      with(func(a *Area) { a.Polygons[0].Holes = make([]Ring, maxHoles+1) }),
		"many points":     with(func(a *Area) { a.Polygons[0].Outer = make(Ring, maxRingPoints+1) }),
		"over 180th mer.": with(func(a *Area) { a.Polygons[1].Outer = Ring{{26, 179}, {27, -179}, {28, 179}} }),
	} {
		err := a.Validate()
		if err == nil {
			t.Errorf("%s: accepted", why)
		}
		if got := errors.Is(err, ErrAntimeridian); got != strings.HasPrefix(why, "over") {
			t.Errorf("%s: %v", why, err)
		}
	}
}

const twoAreas = `{"type":"FeatureCollection","features":[
 {"type":"Feature","properties":{"id":"liping","name":"黎平","note":"drawn by hand"},
  "geometry":{"type":"Polygon","coordinates":[[[109,26],[110,26],[110,27],[109,27],[109,26]],[[109.25,26.25],[109.25,26.5],[109.5,26.5],[109.25,26.25]]]}},
 {"type":"Feature","properties":{"id":"isles","name":"Isles"},
  "geometry":{"type":"MultiPolygon","coordinates":[[[[111,26,400],[112,26,400],[112,27,400],[111,26,400]]],[[[113,26],[114,26],[114,27],[113,26]]]]}}]}`

func TestReadAreas(t *testing.T) {
	areas, err := ReadAreas(strings.NewReader(twoAreas), WGS84)
	if err != nil || len(areas) != 2 {
		t.Fatalf("%v, %v", areas, err)
	}
	liping, isles := areas[0], areas[1]
	if liping.ID != "liping" || liping.Name != "黎平" || len(liping.Polygons) != 1 || len(liping.Polygons[0].Holes) != 1 {
		t.Errorf("%+v", liping)
	}
	if len(isles.Polygons) != 2 || len(isles.Polygons[0].Outer) != 3 {
		t.Errorf("%+v", isles)
	}
	for p, want := range map[Point]bool{{26.1, 109.1}: true, {26.45, 109.3}: false, {25.9, 109.1}: false} {
		if liping.Contains(p) != want {
			t.Errorf("liping, %v: %v", p, !want)
		}
	}
	if !isles.Contains(Point{26.1, 111.9}) || !isles.Contains(Point{26.1, 113.9}) || isles.Contains(Point{26.5, 112.5}) {
		t.Error("the isles are elsewhere")
	}
	shifted, err := ReadAreas(strings.NewReader(twoAreas), GCJ02)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := ToWGS84(Point{26, 109}, GCJ02)
	if got := shifted[0].Polygons[0].Outer[0]; got != want {
		t.Errorf("a GCJ-02 corner is at %v, want %v", got, want)
	}
}

func TestReadAreasRefuses(t *testing.T) {
	feature := func(properties, geometry string) string {
		return `{"type":"Feature","properties":` + properties + `,"geometry":` + geometry + `}`
	}
	const ok, land = `{"id":"a","name":"A"}`, `{"type":"Polygon","coordinates":[[[109,26],[110,26],[110,27],[109,26]]]}`
	if _, err := ReadAreas(strings.NewReader(feature(ok, land)), WGS84); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		``:                                     "not GeoJSON",
		`[]`:                                   "not GeoJSON",
		`{"type":"Point","coordinates":[1,2]}`: "want a FeatureCollection",
		land:                                   "want a FeatureCollection",
		feature(ok, land) + `{}`:               "not GeoJSON",
		feature(ok, `null`):                    "no geometry",
		feature(`{}`, land):                    "area id",
		feature(`{"id":"a"}`, land):            "area name",
		feature(`{"id":7,"name":"A"}`, land):   `property "id"`,
		feature(`{"id":"a","nmae":"A"}`, land): `unknown property "nmae"`,
		feature(ok, `{"type":"Point"}`):        "want a Polygon",
		feature(ok, `{"type":"Polygon"}`):      "coordinates",
		`{"type":"FeatureCollection","features":[` + feature(ok, land) + `,` + feature(ok, land) + `]}`:             `feature 2: id "a" is that of feature 1`,
		feature(ok, `{"type":"Polygon","coordinates":[]}`):                                                          "no ring",
		feature(ok, `{"type":"MultiPolygon","coordinates":[]}`):                                                     "no polygon",
		feature(ok, `{"type":"Polygon","coordinates":[[[109,26],[110,26],[110,27]]]}`):                              "four positions",
		feature(ok, `{"type":"Polygon","coordinates":[[[109,26],[110,26],[110,27],[109,28]]]}`):                     "equal to the first",
		feature(ok, `{"type":"Polygon","coordinates":[[[109],[110,26],[110,27],[109]]]}`):                           "position of 1 numbers",
		feature(ok, `{"type":"Polygon","coordinates":[[[26,109],[26,110],[27,110],[26,109]]]}`):                     "latitude 109",
		feature(ok, `{"type":"Polygon","coordinates":[[[179,26],[-179,26],[-179,27],[179,26]]]}`):                   "180th meridian",
		feature(ok, `{"type":"Polygon","coordinates":[[[109,26],[110,27],[111,28],[109,26]]]}`):                     "no land",
		`{"type":"FeatureCollection","features":[` + strings.Repeat(`{},`, maxAreas) + feature(ok, land) + `]}`:     "at most",
		feature(ok, `{"type":"Polygon","coordinates":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`): "not GeoJSON",
	} {
		areas, err := ReadAreas(strings.NewReader(text), WGS84)
		if err == nil || areas != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120s: %v, want …%s…", text, err, want)
		}
	}
	if _, err := ReadAreas(strings.NewReader(twoAreas), ""); !errors.Is(err, ErrUntaggedDatum) {
		t.Errorf("without a datum: %v", err)
	}
}

func FuzzReadAreas(f *testing.F) {
	f.Add(twoAreas)
	f.Add(`{"type":"Feature","properties":{"id":"a","name":"A"},"geometry":{"type":"Polygon","coordinates":[[[109,26],[110,26],[110,27],[109,26]]]}}`)
	f.Add("\uFEFF{}")
	f.Fuzz(func(t *testing.T, text string) {
		areas, err := ReadAreas(strings.NewReader(text), GCJ02)
		if err != nil {
			return
		}
		for _, a := range areas {
			if err := a.Validate(); err != nil {
				t.Errorf("read, but %v", err)
			}
			if p := a.Polygons[0].Outer[0]; !a.Contains(p) {
				t.Errorf("the corner %v is not in the area", p)
			}
		}
	})
}

// The demo county must hold the demo villages.
func TestDemoCounty(t *testing.T) {
	const folder = "../cmd/dispatchd/demo/"
	areaFile, err := os.Open(folder + "area.geojson")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no demo county here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer areaFile.Close()
	areas, err := ReadAreas(areaFile, WGS84)
	if err != nil || len(areas) != 1 || areas[0].ID != "qdn-demo" {
		t.Fatalf("%v, %v", areas, err)
	}
	villageFile, err := os.Open(folder + "villages.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer villageFile.Close()
	g, err := ReadCSV(villageFile, WGS84)
	if err != nil {
		t.Fatal(err)
	}
	if n := g.Len(); n < 30 || n > 45 {
		t.Errorf("%d villages", n)
	}
	for v := range g.All() {
		if len(v.Pickups) < 1 || len(v.Pickups) > 2 {
			t.Errorf("%s has %d pickups", v.Name, len(v.Pickups))
		}
		for _, p := range v.Pickups {
			if away := Distance(v.Centre, p.Point); away > 300 || !areas[0].Contains(p.Point) {
				t.Errorf("%s %s lies %.0f m off, in the county: %v", v.Name, p.Name, away, areas[0].Contains(p.Point))
			}
		}
	}
	if found := g.Find("liping", 3); len(found) == 0 || found[0].Name != "黎平" {
		t.Errorf("liping is %v", found)
	}
}
