package geo

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const someGeoJSON = `{"type":"FeatureCollection","name":"villages","features":[
{"type":"Feature","geometry":{"type":"Point","coordinates":[109.17639,25.91083]},"properties":
 {"id":"gn1906095","code":"522631110000","name":"肇兴","pinyin":"zhào xīng","aliases":["肇兴镇","Zhaoxing Dong Village"],
  "pickups":[{"id":"mouth","name":"村口","lat":25.91083,"lon":109.17639},{"id":"market","name":"集市","lat":25.912,"lon":109.178}]}},
{"type":"Feature","geometry":{"type":"Point","coordinates":[109.13139,26.23111,563]},"properties":
 {"id":"liping","name":"黎平","code":null,"aliases":null}}]}`

func TestReadGeoJSON(t *testing.T) {
	g, err := ReadGeoJSON(strings.NewReader(someGeoJSON), WGS84)
	if err != nil {
		t.Fatal(err)
	}
	want := []Village{zhaoxing(), {ID: "liping", Name: "黎平", Centre: Point{26.23111, 109.13139}}}
	if diff := cmp.Diff(want, slices.Collect(g.All())); diff != "" {
		t.Error(diff)
	}
	shifted, err := ReadGeoJSON(strings.NewReader("\uFEFF"+someGeoJSON), GCJ02)
	if err != nil {
		t.Fatal(err)
	}
	centre, _ := ToWGS84(zhaoxing().Centre, GCJ02)
	market, _ := ToWGS84(zhaoxing().Pickups[1].Point, GCJ02)
	v, _ := shifted.Village("gn1906095")
	if v.Centre != centre || v.Pickups[1].Point != market {
		t.Errorf("%+v", v)
	}
}

func TestReadGeoJSONTellsEveryFault(t *testing.T) {
	file := func(features ...string) string {
		return `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`
	}
	feature := func(properties, coordinates string) string {
		return `{"type":"Feature","geometry":{"type":"Point","coordinates":` + coordinates + `},"properties":` + properties + `}`
	}
	const ok = `{"id":"v","name":"V"}`
	for text, want := range map[string]string{
		file(feature(ok, `[109,26]`), `{"type":"Feature"}`):              "row 2: the geometry is not a Point",
		file(feature(`{"id":"v","name":"V","lat":26}`, `[109,26]`)):      `row 1: unknown property "lat": want aliases, code, id, name, pickups, pinyin`,
		file(feature(`{"id":7,"name":"V"}`, `[109,26]`)):                 `row 1: property "id"`,
		file(feature(`{"id":"v","name":"V","aliases":"x"}`, `[109,26]`)): `row 1: property "aliases"`,
		file(feature(ok, `[26,109]`)):                                    "row 1: not a place on earth: latitude 109",
		file(feature(ok, `[109]`)):                                       "row 1: a position of 1 numbers",
		file(feature(ok, `"x"`)):                                         "row 1: coordinates",
		file(feature(ok, `[0,0]`)):                                       "row 1: position is 0,0",
		file(feature(`null`, `[109,26]`)):                                `row 1: village id ""`,
		file(feature(ok, `[109,26]`), feature(ok, `[109,26]`)):           `row 2: id "v" is that of row 1`,
		file(feature(`{"id":"v","name":"V","pickups":[{"id":"m","name":"M","lat":26,"lon":109,"x":1}]}`, `[109,26]`)): `unknown field "x"`,
		file(feature(`{"id":"v","name":"V","pickups":[{"id":"m","name":"M"}]}`, `[109,26]`)):                          `row 1: pickup "m": geo: position is 0,0`,
	} {
		g, err := ReadGeoJSON(strings.NewReader(text), WGS84)
		var faults *ImportError
		if g != nil || !errors.As(err, &faults) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant …%s…", text, err, want)
		}
	}
	for _, text := range []string{"", "{}", "null", `{"type":"FeatureCollection","features":7}`, someGeoJSON + "x"} {
		if g, err := ReadGeoJSON(strings.NewReader(text), WGS84); err == nil || g != nil {
			t.Errorf("%.40q is accepted", text)
		}
	}
	if _, err := ReadGeoJSON(&repeating{line: " "}, WGS84); !errors.Is(err, ErrImportTooBig) {
		t.Errorf("an endless file: %v", err)
	}
	if _, err := ReadGeoJSON(strings.NewReader(someGeoJSON), "wgs"); !errors.Is(err, ErrUnknownDatum) {
		t.Errorf("an odd datum: %v", err)
	}
}

func FuzzReadGeoJSON(f *testing.F) {
	f.Add(someGeoJSON)
	f.Add(`{"type":"Feature","geometry":{"type":"Point","coordinates":[109,26]},"properties":{"id":"v","name":"V"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ReadGeoJSON(strings.NewReader(text), WGS84)
		if err != nil {
			return
		}
		mustReadBack(t, g)
	})
}
