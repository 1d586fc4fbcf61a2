package osm

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"cuntong/geo"
)

// Settlement is a place with what an extract says of its size, which a gazetteer
// does not keep.
type Settlement struct {
	Name       string
	Centre     geo.Point
	Kind       string // the value of its place tag: city, town, village, hamlet, isolated_dwelling
	Population int    // 0: not known
}

// ReadSettlements reads the places that ReadPlaces reads, in the order of the file.
// The errors are those of ReadPlaces.
func ReadSettlements(ctx context.Context, path string) ([]Settlement, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Settlement
	p := &places{found: map[string]int{}, dropped: map[string]int{}}
	node := func(id int64, lat, lon float64, t tags) {
		p.node(id, lat, lon, t)
		if len(p.villages) > len(all) {
			v := p.villages[len(all)]
			all = append(all, Settlement{Name: v.Name, Centre: v.Centre, Kind: t.get("place"), Population: population(t.get("population"))})
		}
	}
	if err := scan(ctx, f, visitor{node: node}); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrNoPlaces)
	}
	return all, nil
}

// maxPopulation is more than any place has; what is above is a slip of the pen.
const maxPopulation = 100_000_000

// population reads a number as it is found there: 24678, 24 678, 24,678; 0 when it is
// none.
func population(s string) int {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,.'\u00a0\u202f", r) {
			return -1
		}
		return r
	}, s)
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > maxPopulation {
		return 0
	}
	return n
}
