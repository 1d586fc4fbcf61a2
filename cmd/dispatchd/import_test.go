package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cuntong/geo"
	"cuntong/geo/road"
)

const hamlet = "../../geo/road/osm/testdata/hamlet.osm.pbf"

func TestImportRoads(t *testing.T) {
	out := filepath.Join(t.TempDir(), "hamlet.road")
	told, err := program(t, "import", "roads", hamlet, "-o", out)
	if err != nil {
		t.Fatalf("%v: %s", err, told)
	}
	for _, want := range []string{"kept:", "secondary", "dropped:", "not built yet", "for walkers", "written to " + out, "OpenStreetMap contributors"} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not say %q:\n%s", want, told)
		}
	}
	if strings.ContainsAny(told, "\r[") {
		t.Errorf("a bar, though nobody watches:\n%s", told)
	}
	roads, err := road.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	today := road.NewToday(roads)
	from, to := today.Locate(geo.Point{Lat: 26, Lon: 108.001}, -1), today.Locate(geo.Point{Lat: 26.005, Lon: 108.012}, -1)
	if leg, ok := today.Travel(from, to, geo.Drive{Class: geo.Minivan}); !ok || leg.Distance < 1500 || leg.Distance > 3500 {
		t.Errorf("a drive through the hamlet: %+v, %v", leg, ok)
	}
	if _, ok := today.Travel(from, to, geo.Drive{Class: geo.Bus}); ok {
		t.Error("a bus of 12 t drives on a road for 10 t")
	}
}

// TestImportRoadsBadFiles: one line that says what is wrong, a status that is not
// zero, and nothing left behind.
func TestImportRoadsBadFiles(t *testing.T) {
	good, err := os.ReadFile(hamlet)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"empty":     {nil, "empty"},
		"foreign":   {[]byte("id,name,lat,lon\n"), "not an .osm.pbf file"},
		"xml":       {[]byte(`<?xml version="1.0"?>`), "osmium cat"},
		"truncated": {good[:len(good)/2], "damaged"},
		"flipped":   {append(append([]byte{}, good[:150]...), append([]byte{good[150] ^ 0x10}, good[151:]...)...), "damaged"},
		"our own":   {[]byte("\x89CUNTONG-ROADS\r\n\x01\x00\x00\x00"), "not an .osm.pbf file"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "region.osm.pbf")
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"roads", path, "-o", filepath.Join(dir, "out")}, {"villages", path, "-o", filepath.Join(dir, "out")}} {
			told, err := program(t, append([]string{"import"}, args...)...)
			if err == nil || strings.Contains(told, "\n") || !strings.Contains(told, c.says) || !strings.Contains(told, path) {
				t.Errorf("%s: import %s: %v, %q; want one line that says %q", name, args[0], err, told, c.says)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: %d files are left, want the extract alone", name, len(left))
		}
	}
}

func TestImportRoadsBadPlaces(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no folder":          {[]string{hamlet, "-o", filepath.Join(dir, "none", "out")}, "no folder"},
		"onto a folder":      {[]string{hamlet, "-o", dir}, "is a folder"},
		"no elevation":       {[]string{hamlet, "-o", filepath.Join(dir, "out"), "--elevation", filepath.Join(dir, "none")}, "elevation"},
		"no output":          {[]string{hamlet}, "--out"},
		"elevation is wrong": {[]string{hamlet, "-o", filepath.Join(dir, "out"), "--elevation", wrongTile(t)}, "N26E108"},
	} {
		if told, err := program(t, append([]string{"import", "roads"}, c.args...)...); err == nil || !strings.Contains(told, c.says) {
			t.Errorf("%s: %v, %q; want %q", name, err, told, c.says)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// wrongTile is a folder with a tile of the hamlet that is none.
func wrongTile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "N26E108.hgt"), []byte("not heights"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestImportVillagesFromExtract(t *testing.T) {
	out := filepath.Join(t.TempDir(), "villages.csv")
	if told, err := program(t, "import", "villages", hamlet, "-o", out); err != nil || !strings.Contains(told, "2 villages written") || !strings.Contains(told, "without a name") {
		t.Fatalf("%v: %s", err, told)
	}
	villages, err := readVillages(out, geo.WGS84)
	if err != nil {
		t.Fatal(err)
	}
	if found := villages.Find("老岩脚", 1); len(found) != 1 || found[0].Name != "岩脚镇" {
		t.Errorf("by its other name one finds %+v", found)
	}
	if told, err := program(t, "import", "villages", hamlet, "--datum", "gcj02"); err == nil || !strings.Contains(told, "wgs84") {
		t.Errorf("an extract in another datum: %v, %q", err, told)
	}
	if told, err := program(t, "import", "villages", out); err == nil || !strings.Contains(told, "--datum") {
		t.Errorf("a CSV without a datum: %v, %q", err, told)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, "reading")
	p.tell(0.1)
	p.at = time.Now().Add(-plainEvery)
	p.tell(0.5)
	p.tell(0.6)
	p.end()
	if out.String() != "reading: 50 %\n" {
		t.Errorf("to a file: %q, want a line now and then", out.String())
	}
	out.Reset()
	p = newProgress(&out, "reading")
	p.terminal = true
	for _, share := range []float64{0, 0.501, 0.502, 0.4, 1} {
		p.tell(share)
	}
	p.end()
	bars := strings.Split(out.String(), "\r")
	if len(bars) != 4 || bars[3] != "reading ["+strings.Repeat("=", 40)+"] 100 %\n" || !strings.HasSuffix(bars[2], "]  50 %") || len(bars[2])+1 != len(bars[3]) {
		t.Errorf("on a terminal: %q", bars)
	}
}
