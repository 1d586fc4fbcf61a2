package road

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"cuntong/geo"
)

// andorra is the road network of a mountain country as plain tables, which lie
// beside the checkout and are not part of it, or where CUNTONG_DATA says.
func andorra(t testing.TB) *randomRoads {
	t.Helper()
	data := os.Getenv("CUNTONG_DATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	b, r := NewBuilder("OpenStreetMap", "ODbL"), &randomRoads{}
	var at []geo.Point
	for _, row := range table(t, filepath.Join(data, "andorra", "graph", "nodes.csv")) {
		at = append(at, geo.Point{Lat: number(t, row[1]), Lon: number(t, row[2])})
		b.Junction(at[len(at)-1])
	}
	for _, row := range table(t, filepath.Join(data, "andorra", "graph", "edges.csv")) {
		from, to := int(number(t, row[0])), int(number(t, row[1]))
		metres, kmh := number(t, row[2]), number(t, row[3])
		s := Segment{Shape: []geo.Point{at[from], at[to]}, Length: geo.Meters(metres), Kind: geo.Tertiary, Flags: NoBackward}
		if _, err := b.Add(JunctionID(from), JunctionID(to), s); err != nil {
			t.Fatal(err)
		}
		w := weight(metres*3600/kmh+0.5)<<32 | weight(metres*10+0.5)
		r.weights = append(r.weights, w, never)
	}
	r.g = b.Build()
	return r
}

// table reads the rows under the header, and skips the test where there is no such
// file.
func table(t testing.TB, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("no road tables here (%s); set CUNTONG_DATA to where they are", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func number(t testing.TB, field string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(field, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// everyPlace is the step from one place to the next; larger for the race detector
// because nothing here is concurrent and it takes ten times as long.
var everyPlace = map[bool]int{false: 1, true: 10}[raceDetector]

// Every pair of a real network, in both directions of search, as it was surveyed
// and, for every tenth place, with a tenth of its roads closed.
func TestAndorraIsAsDijkstraSays(t *testing.T) {
	r := andorra(t)
	h := newHierarchy(r.g)
	m := h.newMetric(r.weightOf)
	everyPair(t, r, m, everyPlace)
	rng := seeded(5)
	var closed []Lane
	for l := range r.weights {
		if rng.IntN(10) == 0 {
			r.weights[l] = never
			closed = append(closed, Lane(l))
		}
	}
	m.update(closed, r.weightOf)
	everyPair(t, r, m, 10)
}

// everyPair compares both searches of many drives on every pair, and that of one
// and its way on every hundredth; of the vertices to drive from every step'th.
func everyPair(t *testing.T, r *randomRoads, m *metric, step int) {
	t.Helper()
	at, q := newReach(m.h), newQuery(m.h)
	var from []int32
	var all [][]weight
	for s := int32(0); int(s) < len(r.g.junction); s += int32(step) {
		one := []seed{{vertex: s}}
		want := dijkstra(r.g, r.weightOf, one, nil)
		from, all = append(from, s), append(all, want)
		at.leave(m, one)
		for v, w := range want {
			if got := at.to(int32(v)); got != w {
				t.Fatalf("to %d from %d: %d, Dijkstra %d", v, s, got, w)
			}
		}
		for v := int(s) % 100; v < len(want); v += 100 {
			got, _ := q.travel(m, one, []seed{{vertex: int32(v)}})
			if got != want[v] {
				t.Fatalf("travel from %d to %d: %d, Dijkstra %d", s, v, got, want[v])
			}
			checkPath(t, r, m, q, s, int32(v), got)
		}
	}
	for v := range r.g.junction {
		at.aim(m, []seed{{vertex: int32(v)}})
		for i, s := range from {
			if got := at.from(s); got != all[i][v] {
				t.Fatalf("from %d to %d: %d, Dijkstra %d", s, v, got, all[i][v])
			}
		}
	}
}

// The drawn network is large enough to be dissected.
func TestMountainsAreAsDijkstraSays(t *testing.T) {
	r := newMountains(t, 1200, 6)
	h := newHierarchy(r.g)
	everyPair(t, r, h.newMetric(r.weightOf), everyPlace)
}
