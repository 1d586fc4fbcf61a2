package osm_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cuntong/geo/road/osm"
)

// andorra is the folder with the extract of a real mountain country and its
// elevation; the test is skipped where it is not.
func andorra(t testing.TB) string {
	t.Helper()
	data := os.Getenv("CUNTONG_DATA")
	if data == "" {
		data = "../../../../shared/data"
	}
	dir := filepath.Join(data, "andorra")
	if _, err := os.Stat(filepath.Join(dir, "andorra.osm.pbf")); err != nil {
		t.Skipf("no extract of Andorra: put andorra.osm.pbf into %s or say CUNTONG_DATA", dir)
	}
	return dir
}

func TestAndorra(t *testing.T) {
	dir := andorra(t)
	start := time.Now()
	g, sum, err := osm.ReadFile(t.Context(), filepath.Join(dir, "andorra.osm.pbf"), osm.Options{Elevation: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start))
	sum.Write(t.Output())
	_ = g
}
