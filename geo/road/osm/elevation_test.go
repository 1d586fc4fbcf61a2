package osm

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuntong/geo"
	"cuntong/geo/road"
)

// hgt is an SRTM3 tile of the land around town, N26E108, by a function of the
// metres east and north of its south-western corner.
func hgt(height func(east, north float64) float64) []byte {
	data := make([]byte, 0, 2*srtm3*srtm3)
	for row := range srtm3 {
		for col := range srtm3 {
			h := height(float64(col)/(srtm3-1)*eastMetres, float64(srtm3-1-row)/(srtm3-1)*111_195)
			data = binary.BigEndian.AppendUint16(data, uint16(int16(math.Round(h))))
		}
	}
	return data
}

// eastMetres is a degree of longitude at 26 degrees north.
const eastMetres = 99_940

func folderWith(t *testing.T, name string, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rises reads a straight road of 8 points, 500 m apart, on such land, and returns
// it as one segment.
func rises(t *testing.T, dir, tags string) (road.Segment, *Summary) {
	t.Helper()
	g, sum := town().way("abcdefgh", "highway=tertiary "+tags).read(t, Options{Elevation: dir})
	if g.Segments() != 1 {
		t.Fatalf("%d segments", g.Segments())
	}
	return g.Segment(0), sum
}

func near(got float32, want, by float64) bool { return math.Abs(float64(got)-want) <= by }

func TestElevation(t *testing.T) {
	const length = 3500.0
	noise := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		name                string
		height              func(east, north float64) float64
		tags                string
		climb, descent, top float64
		by                  float64
	}{
		{"level", func(_, _ float64) float64 { return 800 }, "", 0, 0, 800, 0},
		{"up at 6 %", func(e, _ float64) float64 { return 800 + 0.06*e }, "", 0.06 * length, 0, 800 + 0.06*length, 3},
		{"down at 6 %", func(e, _ float64) float64 { return 1200 - 0.06*e }, "", 0, 0.06 * length, 1200, 3},
		{"over a pass", func(e, _ float64) float64 { return 1000 - 0.08*math.Abs(e-length/2) }, "", 0.08 * length / 2, 0.08 * length / 2, 1000, 10},
		{"noise is no hills", func(_, _ float64) float64 { return 800 + 4*noise.NormFloat64() }, "", 0, 0, 800, 8},
		{"a bridge over a gorge is level", func(e, _ float64) float64 { return 1000 - 300*math.Exp(-math.Pow((e-length/2)/500, 2)) }, "bridge=yes", 0, 0, 1000, 2},
		{"and a road through it is not", func(e, _ float64) float64 { return 1000 - 100*math.Exp(-math.Pow((e-length/2)/800, 2)) }, "", 95, 95, 1000, 8},
		{"a tunnel under a ridge is level", func(e, _ float64) float64 { return 1000 + 500*math.Exp(-math.Pow((e-length/2)/500, 2)) }, "tunnel=yes", 0, 0, 1000, 2},
		{"no road is a wall", func(e, _ float64) float64 { return 1000 + 0.5*e }, "", steepest * length, 0, 1000 + 0.5*length, 10},
	} {
		s, _ := rises(t, folderWith(t, "N26E108.hgt", hgt(c.height)), c.tags)
		if !near(s.Climb, c.climb, c.by) || !near(s.Descent, c.descent, c.by) || !near(s.Top, c.top, c.by) {
			t.Errorf("%s: up %.0f, down %.0f, top %.0f; want %.0f, %.0f, %.0f", c.name, s.Climb, s.Descent, s.Top, c.climb, c.descent, c.top)
		}
	}
}

func TestElevationVoids(t *testing.T) {
	hole := func(e, _ float64) float64 {
		if e > 1200 && e < 2400 {
			return void
		}
		return 800 + 0.06*e
	}
	s, sum := rises(t, folderWith(t, "N26E108.hgt", hgt(hole)), "")
	if !near(s.Climb, 210, 5) || !near(s.Descent, 0, 1) || sum.Voids == 0 {
		t.Errorf("a hole in the slope: up %.0f, down %.0f, %d voids; want 210 up", s.Climb, s.Descent, sum.Voids)
	}
	s, _ = rises(t, folderWith(t, "N26E108.hgt", hgt(func(_, _ float64) float64 { return void })), "")
	if s.Climb != 0 || s.Descent != 0 || s.Top != 0 {
		t.Errorf("nothing but voids: up %v, down %v, top %v; want nothing", s.Climb, s.Descent, s.Top)
	}
}

func TestElevationFolder(t *testing.T) {
	flat := hgt(func(e, _ float64) float64 { return 500 })
	if s, sum := rises(t, folderWith(t, "N10E100.hgt", flat), ""); s.Top != 0 || len(sum.Missing) != 1 || sum.Missing[0] != "N26E108" {
		t.Errorf("without the tile: top %v, missing %v; want level roads and N26E108", s.Top, sum.Missing)
	}
	var zipped, gzipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	for name, data := range map[string][]byte{"readme.txt": []byte("SRTM"), "N27E108.hgt": []byte("another"), "srtm/N26E108.HGT": flat} {
		w, _ := z.Create(name)
		w.Write(data)
	}
	g := gzip.NewWriter(&gzipped)
	g.Write(flat)
	if z.Close() != nil || g.Close() != nil {
		t.Fatal("not packed")
	}
	for name, data := range map[string][]byte{
		"N26E108.hgt": flat, "n26e108.HGT": flat, "N26E108.hgt.zip": zipped.Bytes(), "N26E108.SRTMGL1.hgt.zip": zipped.Bytes(),
		"n26e108.zip": zipped.Bytes(), "N26E108.hgt.gz": gzipped.Bytes(),
	} {
		if s, _ := rises(t, folderWith(t, name, data), ""); s.Top != 500 {
			t.Errorf("%s: top %v, want 500", name, s.Top)
		}
	}
	data := town().way("abc", "highway=primary").pbf()
	for name, dir := range map[string]string{
		"no folder":     filepath.Join(t.TempDir(), "none"),
		"no tiles":      folderWith(t, "notes.txt", nil),
		"short":         folderWith(t, "N26E108.hgt", make([]byte, 1000)),
		"no zip at all": folderWith(t, "N26E108.hgt.zip", []byte("not zipped")),
		"cut":           folderWith(t, "N26E108.hgt.gz", gzipped.Bytes()[:gzipped.Len()/2]),
	} {
		_, _, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)), Options{Elevation: dir, Keep: 1})
		if !errors.Is(err, ErrElevation) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want one line of ErrElevation that names the folder", name, err)
		}
	}
}

func TestCornerNames(t *testing.T) {
	for want, p := range map[string]geo.Point{"N26E107": {Lat: 26.5, Lon: 107.5}, "S01W001": {Lat: -0.5, Lon: -0.5}, "S34E018": {Lat: -33.9, Lon: 18.4}, "N00W072": {Lat: 0.1, Lon: -71.1}} {
		if got := (corner{int(math.Floor(p.Lat)), int(math.Floor(p.Lon))}).String(); got != want {
			t.Errorf("the tile of %v is %s, want %s", p, got, want)
		}
	}
}

// TestClimbs: what is climbed less what is descended is the difference of the ends,
// and small swings do not count.
func TestClimbs(t *testing.T) {
	for _, c := range []struct {
		heights  []float64
		up, down float64
	}{
		{[]float64{10, 10, 10}, 0, 0},
		{[]float64{0, 3, 0, 3, 0}, 0, 0},
		{[]float64{0, 20, 10, 30}, 40, 10},
		{[]float64{0, 20, 17, 30}, 30, 0},
		{[]float64{30, 0, 30}, 30, 30},
		{[]float64{30, 28, 29, 0}, 0, 30},
		{[]float64{5, 8}, 3, 0},
	} {
		if up, down := climbs(c.heights); up != c.up || down != c.down {
			t.Errorf("%v: up %v, down %v; want %v, %v", c.heights, up, down, c.up, c.down)
		}
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 1000 {
		row := make([]float64, 2+rnd.IntN(30))
		var sum float64
		for i := range row {
			row[i] = math.Round(rnd.Float64() * 40)
			if i > 0 {
				sum += math.Abs(row[i] - row[i-1])
			}
		}
		up, down := climbs(row)
		if net := row[len(row)-1] - row[0]; math.Abs(up-down-net) > 1e-9 || up+down > sum+1e-9 || up < 0 || down < 0 {
			t.Fatalf("%v: up %v, down %v; the ends differ by %v, all steps are %v", row, up, down, net, sum)
		}
	}
}
