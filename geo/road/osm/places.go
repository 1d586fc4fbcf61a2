package osm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cuntong/geo"
)

// settlements are the values of place that people travel from and to.
var settlements = []string{"city", "town", "village", "hamlet", "isolated_dwelling"}

// PlacesSummary says what ReadPlaces found and left out.
type PlacesSummary struct {
	Found   []Tally // by what they are
	Dropped []Tally // by reason
}

// ErrNoPlaces says that an extract holds no settlement with a name.
var ErrNoPlaces = errors.New("no town, village or hamlet in the extract")

// nameTags are further names of a place, in the order in which they become aliases.
var nameTags = []string{
	"name:zh", "name:zh-Hans", "name:zh-Hant", "name:en", "name:zh_pinyin", "name:zh-Latn-pinyin",
	"alt_name", "local_name", "official_name", "short_name", "old_name", "int_name", "loc_name",
}

// ReadPlaces reads the settlements of an .osm.pbf file. A village's id is n and
// the number of its point in OpenStreetMap. Progress, which may be nil, is told how
// much is done, 0 to 1. Errors wrap ErrNotOSM, ErrDamaged, ErrNoPlaces, or are those
// of the file and of ctx.
func ReadPlaces(ctx context.Context, path string, progress func(share float64)) (*geo.Gazetteer, *PlacesSummary, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	p := &places{found: map[string]int{}, dropped: map[string]int{}}
	v := visitor{node: p.node, way: p.way}
	if progress != nil {
		v.progress = func(n int64) { progress(float64(n) / float64(info.Size())) }
	}
	if err := scan(ctx, f, v); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(p.villages) == 0 {
		return nil, nil, fmt.Errorf("%s: %w", path, ErrNoPlaces)
	}
	g, err := geo.NewGazetteer(p.villages)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	sum := &PlacesSummary{}
	for _, kind := range settlements {
		if n := p.found[kind]; n > 0 {
			sum.Found = append(sum.Found, Tally{What: kind, Count: n})
		}
	}
	for why, n := range p.dropped {
		sum.Dropped = append(sum.Dropped, Tally{What: why, Count: n})
	}
	slices.SortFunc(sum.Dropped, func(a, b Tally) int { return strings.Compare(a.What, b.What) })
	return g, sum, nil
}

// places collects villages.
type places struct {
	villages       []geo.Village
	found, dropped map[string]int
}

func (p *places) node(id int64, lat, lon float64, t tags) {
	kind := t.get("place")
	if !slices.Contains(settlements, kind) {
		return
	}
	if len(p.villages) == geo.MaxVillages {
		p.dropped[fmt.Sprintf("more than %d places", geo.MaxVillages)]++
		return
	}
	names := placeNames(t)
	at := geo.Point{Lat: lat, Lon: lon}
	switch {
	case len(names) == 0:
		p.dropped["a place without a name"]++
		return
	case at.Validate() != nil:
		p.dropped["a place off the earth"]++
		return
	}
	p.found[kind]++
	p.villages = append(p.villages, geo.Village{
		ID:      geo.VillageID("n" + strconv.FormatInt(id, 10)),
		Name:    names[0],
		Aliases: names[1:],
		Centre:  at,
	})
}

// way counts what is drawn as an outline: where its middle is, the outline does not
// say, and mostly there is a point beside it.
func (p *places) way(_ int64, _ []int64, t tags) error {
	if slices.Contains(settlements, t.get("place")) {
		p.dropped["a place drawn as an outline"]++
	}
	return nil
}

// maxAliases bounds the further names, well within what a gazetteer takes.
const maxAliases = 16

// placeNames are the names of a place, each once, the one in use there first.
func placeNames(t tags) []string {
	var names []string
	for _, key := range append([]string{"name"}, nameTags...) {
		for one := range strings.FieldsFuncSeq(t.get(key), func(r rune) bool { return r == ';' || r == '|' || r == '；' }) {
			if name := cleanName(one); name != "" && !slices.Contains(names, name) && len(names) <= maxAliases {
				names = append(names, name)
			}
		}
	}
	return names
}

// shown is a tag's value in a form fit for a table: anybody may have written it.
func shown(value string) string {
	const most = 40
	value = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, value)
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return value
}

// cleanName is a name in the form that a gazetteer takes; "" when nothing is left.
func cleanName(s string) string {
	const most = 100
	if !utf8.ValidString(s) {
		return ""
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if runes := []rune(s); len(runes) > most {
		s = strings.TrimSpace(string(runes[:most]))
	}
	return s
}
