package osm

import (
	"archive/zip"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"cuntong/geo"
)

// ErrElevation says that a folder of elevation tiles cannot be used: it is not
// there, or a tile in it is not one.
var ErrElevation = errors.New("elevation")

// The two sizes of an SRTM tile: a degree in steps of three seconds or of one.
const (
	srtm3 = 1201
	srtm1 = 3601
)

// maxTiles bounds the tiles held at a time: 26 MB each at the finer size. Roads are
// read place by place, so few are needed.
const maxTiles = 8

// void is what a tile says where nothing was measured.
const void = math.MinInt16

// terrain knows heights above sea level from a folder of SRTM tiles. A nil one
// knows none.
type terrain struct {
	folder  string
	files   map[string]string // by tile: the file's name
	tiles   map[corner]*tile  // nil: there is none
	loaded  []corner          // the tiles in memory, the oldest first
	missing map[corner]bool
	voids   int // points asked for where nothing was measured
}

// corner is the south-western corner of a tile, in whole degrees.
type corner struct{ lat, lon int }

type tile struct {
	side    int
	heights []int16 // row by row from the north
}

// openTerrain looks which tiles a folder has.
func openTerrain(folder string) (*terrain, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a folder of .hgt tiles: %w", ErrElevation, folder, err)
	}
	t := &terrain{folder: folder, files: map[string]string{}, tiles: map[corner]*tile{}, missing: map[corner]bool{}}
	for _, entry := range entries {
		name := tileFile.FindStringSubmatch(entry.Name())
		if name == nil {
			continue
		}
		at := strings.ToUpper(name[1])
		if t.files[at] == "" || strings.EqualFold(name[2], ".hgt") { // what is unpacked is read sooner
			t.files[at] = entry.Name()
		}
	}
	if len(t.files) == 0 {
		return nil, fmt.Errorf("%w: %s holds no tile such as N26E107.hgt or N26E107.hgt.zip", ErrElevation, folder)
	}
	return t, nil
}

// tileFile is how those who give tiles away name them: N26E107.hgt, n26e107.hgt.zip,
// N26E107.SRTMGL1.hgt.zip, N26E107.hgt.gz.
var tileFile = regexp.MustCompile(`(?i)^([NS]\d\d[EW]\d\d\d)(?:\.[a-z0-9]+)?(\.hgt|\.hgt\.zip|\.zip|\.hgt\.gz)$`)

// height is the smoothed height of a point; NaN where it is not known. A tile is
// smoothed over its neighbouring samples, because single samples err by metres and
// a road is smoother than the mountain it runs along.
func (t *terrain) height(p geo.Point) (float64, error) {
	if t == nil {
		return math.NaN(), nil
	}
	at := corner{int(math.Floor(p.Lat)), int(math.Floor(p.Lon))}
	tile, err := t.tile(at)
	if tile == nil || err != nil {
		return math.NaN(), err
	}
	last := float64(tile.side - 1)
	y, x := (float64(at.lat+1)-p.Lat)*last, (p.Lon-float64(at.lon))*last
	row, col := min(int(y), tile.side-2), min(int(x), tile.side-2)
	fy, fx := y-float64(row), x-float64(col)
	var sum, weight float64
	for _, c := range []struct {
		row, col int
		w        float64
	}{{row, col, (1 - fy) * (1 - fx)}, {row, col + 1, (1 - fy) * fx}, {row + 1, col, fy * (1 - fx)}, {row + 1, col + 1, fy * fx}} {
		if h, ok := tile.smooth(c.row, c.col); ok {
			sum, weight = sum+h*c.w, weight+c.w
		}
	}
	if weight == 0 {
		t.voids++
		return math.NaN(), nil
	}
	return sum / weight, nil
}

// smooth is the mean of a sample and its eight neighbours, weighted 4-2-1, of those
// that were measured.
func (t *tile) smooth(row, col int) (float64, bool) {
	sum, weight := 0, 0
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			r, c := row+dy, col+dx
			if r < 0 || c < 0 || r >= t.side || c >= t.side {
				continue
			}
			if h := t.heights[r*t.side+c]; h != void {
				w := (2 - dy*dy) * (2 - dx*dx)
				sum, weight = sum+int(h)*w, weight+w
			}
		}
	}
	if weight == 0 {
		return 0, false
	}
	return float64(sum) / float64(weight), true
}

// tile returns the tile of a corner, nil where the folder has none.
func (t *terrain) tile(at corner) (*tile, error) {
	if found, known := t.tiles[at]; known {
		return found, nil
	}
	if t.missing[at] {
		return nil, nil
	}
	data, err := t.load(at)
	if errors.Is(err, fs.ErrNotExist) {
		t.missing[at] = true
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrElevation, filepath.Join(t.folder, t.files[at.String()]), err)
	}
	if len(t.loaded) == maxTiles {
		delete(t.tiles, t.loaded[0])
		t.loaded = t.loaded[1:]
	}
	t.tiles[at], t.loaded = data, append(t.loaded, at)
	return data, nil
}

// String is the tile's name: N26E107.
func (c corner) String() string {
	ns, ew := 'N', 'E'
	lat, lon := c.lat, c.lon
	if lat < 0 {
		ns, lat = 'S', -lat
	}
	if lon < 0 {
		ew, lon = 'W', -lon
	}
	return fmt.Sprintf("%c%02d%c%03d", ns, lat, ew, lon)
}

// load reads the tile's file, unpacked or not.
func (t *terrain) load(at corner) (*tile, error) {
	name := t.files[at.String()]
	if name == "" {
		return nil, fs.ErrNotExist
	}
	path := filepath.Join(t.folder, name)
	switch strings.ToLower(filepath.Ext(name)) {
	case ".zip":
		return readZip(path, at)
	case ".gz":
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		return readTile(in)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readTile(f)
}

// readZip reads the tile within an archive.
func readZip(path string, at corner) (*tile, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	for _, file := range z.File {
		if strings.EqualFold(filepath.Base(file.Name), at.String()+".hgt") {
			in, err := file.Open()
			if err != nil {
				return nil, err
			}
			defer in.Close()
			return readTile(in)
		}
	}
	return nil, fmt.Errorf("no %s.hgt in the archive", at)
}

func readTile(r io.Reader) (*tile, error) {
	data, err := io.ReadAll(io.LimitReader(r, 2*srtm1*srtm1+1))
	if err != nil {
		return nil, err
	}
	for _, side := range []int{srtm3, srtm1} {
		if len(data) != 2*side*side {
			continue
		}
		t := &tile{side: side, heights: make([]int16, side*side)}
		for i := range t.heights {
			t.heights[i] = int16(binary.BigEndian.Uint16(data[2*i:]))
		}
		return t, nil
	}
	return nil, fmt.Errorf("%d bytes: want an SRTM tile of %d or %d", len(data), 2*srtm3*srtm3, 2*srtm1*srtm1)
}
