package osm

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cuntong/geo"
	"cuntong/geo/road"
)

// andorraFolder is the folder with the extract of a real mountain country and its
// elevation; the test is skipped where it is not.
func andorraFolder(t testing.TB) string {
	t.Helper()
	data := os.Getenv("CUNTONG_DATA")
	if data == "" {
		data = "../../../../shared/data"
	}
	dir := filepath.Join(data, "andorra")
	if _, err := os.Stat(filepath.Join(dir, "andorra.osm.pbf")); err != nil {
		t.Skipf("no extract of Andorra: put andorra.osm.pbf and N42E001.hgt.zip into %s, or name another folder than %s by CUNTONG_DATA", dir, data)
	}
	return dir
}

// TestAndorra holds the import of a real country against what is known of it.
func TestAndorra(t *testing.T) {
	dir := andorraFolder(t)
	path := filepath.Join(dir, "andorra.osm.pbf")
	last := 0.0
	progress := func(share float64) {
		if share < last || share > 1 {
			t.Errorf("progress goes from %v to %v", last, share)
		}
		last = share
	}
	g, sum, err := ReadFile(t.Context(), path, Options{Elevation: dir, Progress: progress})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("the summary")
	sum.Write(t.Output())
	if km := sum.Roads.Length / 1000; km < 450 || km > 600 || sum.Roads.Segments < 1500 || last != 1 {
		t.Errorf("%d segments of %.0f km, progress %v", sum.Roads.Segments, km, last)
	}
	// Every road lies between the bottom of the valley (840 m) and the highest pass
	// (Port d'Envalira, 2408 m) or not far above it, on tracks.
	low, high := math.Inf(1), 0.0
	for id := range road.SegmentID(g.Segments()) {
		top := float64(g.Segment(id).Top)
		low, high = min(low, top), max(high, top)
	}
	if low < 700 || low > 950 || high < 2300 || high > 2700 {
		t.Errorf("roads lie between %.0f and %.0f m", low, high)
	}
	// From the capital to the pass one climbs, and the bus is slower up than down.
	today := road.NewToday(g)
	capital, pass := today.Locate(geo.Point{Lat: 42.5069, Lon: 1.5212}, -1), today.Locate(geo.Point{Lat: 42.5397, Lon: 1.7190}, -1)
	up, ok1 := today.Travel(capital, pass, geo.Drive{Class: geo.Bus})
	down, ok2 := today.Travel(pass, capital, geo.Drive{Class: geo.Bus})
	if !ok1 || !ok2 || up.Duration <= down.Duration || up.Distance < 20_000 || up.Distance > 35_000 {
		t.Errorf("capital to pass %+v (%v), back %+v (%v)", up, ok1, down, ok2)
	}
	again, _, err := ReadFile(t.Context(), path, Options{Elevation: dir})
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	g.WriteTo(&a)
	again.WriteTo(&b)
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same extract gives two networks")
	}
}

// TestAndorraObjects: the reader finds what "osmium fileinfo -e" counts.
func TestAndorraObjects(t *testing.T) {
	f, err := os.Open(filepath.Join(andorraFolder(t), "andorra.osm.pbf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var nodes, ways, relations int
	err = scan(t.Context(), f, visitor{
		node:     func(int64, float64, float64, tags) { nodes++ },
		way:      func(int64, []int64, tags) error { ways++; return nil },
		relation: func(int64, []member, tags) { relations++ },
	})
	if err != nil || nodes != 69_644 || ways != 2_725 || relations != 74 {
		t.Errorf("%d points, %d ways, %d relations (%v); want 69644, 2725, 74", nodes, ways, relations, err)
	}
}

func TestAndorraPlaces(t *testing.T) {
	villages, sum, err := ReadPlaces(t.Context(), filepath.Join(andorraFolder(t), "andorra.osm.pbf"), nil)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := villages.Village("n58957648")
	if villages.Len() != 59 || len(sum.Found) != 3 || !ok || v.Name != "Andorra la Vella" || v.Centre != (geo.Point{Lat: 42.5069391, Lon: 1.5212467}) {
		t.Errorf("%d places, %+v, the capital %+v", villages.Len(), sum, v)
	}
}

// BenchmarkImportAndorra is the whole of an import but for writing it down.
func BenchmarkImportAndorra(b *testing.B) {
	dir := andorraFolder(b)
	for b.Loop() {
		if _, _, err := ReadFile(b.Context(), filepath.Join(dir, "andorra.osm.pbf"), Options{Elevation: dir}); err != nil {
			b.Fatal(err)
		}
	}
}
