package geo

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/uber/h3-go/v4"
)

// The cells of San Francisco that the H3 documentation uses as its example.
func TestCellOfTheDocumentation(t *testing.T) {
	p := Point{37.775938728915946, -122.41795063018799}
	for resolution, want := range map[int]string{9: "8928308280fffff", 5: "85283083fffffff", 0: "8029fffffffffff"} {
		c, err := CellOf(p, resolution)
		if err != nil || c.String() != want {
			t.Errorf("resolution %d: %v, %v, want %s", resolution, c, err, want)
		}
		if back, err := ParseCell(want); err != nil || back != c {
			t.Errorf("ParseCell(%s) = %v, %v", want, back, err)
		}
	}
}

func TestCellAgreesWithH3(t *testing.T) {
	rng := random(t)
	for range 5_000 {
		p, resolution := anywhere(rng), rng.IntN(MaxResolution+1)
		c, err := CellOf(p, resolution)
		if err != nil {
			t.Fatal(err)
		}
		theirs := h3.Cell(c)
		if c.Resolution() != resolution || c.base() != theirs.BaseCellNumber() || c.String() != theirs.String() {
			t.Fatalf("%s: resolution %d, base %d", c, c.Resolution(), c.base())
		}
		for coarser := 0; coarser <= resolution; coarser++ {
			want, err := theirs.Parent(coarser)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Parent(coarser); err != nil || got != Cell(want) {
				t.Fatalf("parent of %s at %d: %s, %v, want %s", c, coarser, got, err, want)
			}
		}
		if _, err := c.Parent(resolution + 1); !errors.Is(err, ErrResolution) {
			t.Fatalf("parent of %s at %d: %v", c, resolution+1, err)
		}
		if ring := c.Boundary(); len(ring) < 5 || len(ring) > 10 {
			t.Fatalf("%s has %d corners", c, len(ring))
		}
		if back, err := CellOf(c.Centre(), resolution); err != nil || back != c {
			t.Fatalf("the centre of %s lies in %s, %v", c, back, err)
		}
	}
}

func TestCellRefusals(t *testing.T) {
	ok := Point{26, 109}
	for _, resolution := range []int{-1, 16, math.MaxInt} {
		if _, err := CellOf(ok, resolution); !errors.Is(err, ErrResolution) {
			t.Errorf("resolution %d: %v", resolution, err)
		}
	}
	if _, err := CellOf(Point{}, 9); !errors.Is(err, ErrNullIsland) {
		t.Errorf("null island: %v", err)
	}
	if _, err := CellOf(Point{math.NaN(), 9}, 9); !errors.Is(err, ErrNotOnEarth) {
		t.Errorf("NaN: %v", err)
	}
	for _, s := range []string{"", "0", "xyz", "8928308280ffffff", "-8928308280fffff", "ffffffffffffffff", "8928308280fffff ", "0x8928308280fffff"} {
		if c, err := ParseCell(s); !errors.Is(err, ErrCell) {
			t.Errorf("ParseCell(%q) = %v, %v", s, c, err)
		}
	}
	for _, c := range []Cell{0, 1, math.MaxUint64} {
		if c.Valid() || c.Boundary() != nil || c.Centre() != (Point{}) {
			t.Errorf("cell %s passes for one", c)
		}
		if _, err := c.Disk(1); !errors.Is(err, ErrCell) {
			t.Errorf("disk of %s: %v", c, err)
		}
	}
}

func TestCellDisk(t *testing.T) {
	c, _ := CellOf(Point{26.2311, 109.1314}, 7)
	for k, want := range []int{1, 7, 19, 37} {
		if disk, err := c.Disk(k); err != nil || len(disk) != want {
			t.Errorf("disk of %d: %d cells, %v, want %d", k, len(disk), err, want)
		}
	}
	for _, k := range []int{-1, MaxDisk + 1} {
		if _, err := c.Disk(k); err == nil {
			t.Errorf("disk of %d is accepted", k)
		}
	}
	if disk, err := pentagon(t, 5).Disk(1); err != nil || len(disk) != 6 {
		t.Errorf("about a pentagon: %v, %v, want six cells", disk, err)
	}
}

func pentagon(t testing.TB, resolution int) Cell {
	t.Helper()
	all, err := h3.Pentagons(resolution)
	if err != nil {
		t.Fatal(err)
	}
	return Cell(all[0])
}

func TestCellJSON(t *testing.T) {
	c, _ := CellOf(Point{26.2311, 109.1314}, 7)
	text, err := json.Marshal(map[Cell]Cell{c: c})
	if want := `{"` + c.String() + `":"` + c.String() + `"}`; err != nil || string(text) != want {
		t.Fatalf("%s, %v, want %s", text, err, want)
	}
	var back map[Cell]Cell
	if err := json.Unmarshal(text, &back); err != nil || back[c] != c {
		t.Errorf("%v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"12":"12"}`), &back); !errors.Is(err, ErrCell) {
		t.Errorf("what is no cell: %v", err)
	}
}

// A path must lead where H3's parents do, or the tree is one of other cells.
func TestPathFollowsH3(t *testing.T) {
	rng := random(t)
	points := []Point{{90, 0}, {-90, 0}, {0, 180}, {0, -180}}
	for range 2_000 {
		points = append(points, anywhere(rng))
	}
	bases := map[int]bool{}
	for _, p := range points {
		finest, err := h3.LatLngToCell(h3.LatLng{Lat: p.Lat, Lng: p.Lon}, finestLeaf)
		if err != nil {
			t.Fatal(err)
		}
		to := pathTo(p)
		bases[finest.BaseCellNumber()] = true
		for level := 1; level <= finestLevel; level++ {
			want, _ := finest.Parent(max(0, level-baseLevel))
			if got := to.cell(level); got != Cell(want) {
				t.Fatalf("level %d of the path to %v is %s, want %s", level, p, got, want)
			}
			if d := to.digit(level); d >= arity {
				t.Fatalf("level %d of the path to %v has digit %d", level, p, d)
			}
		}
		q := pathTo(around(rng, p, 100_000))
		for level := baseLevel; level <= finestLevel; level++ {
			if same := to.cell(level) == q.cell(level); same != to.shares(q, level) {
				t.Fatalf("%x and %x at level %d: same cell %v, shares %v", to, q, level, same, !same)
			}
		}
	}
	if len(bases) < 100 {
		t.Errorf("only %d of the 122 base cells were met", len(bases))
	}
}
