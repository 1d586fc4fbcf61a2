package geo

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/uber/h3-go/v4"
)

// Cell is an H3 cell (https://h3geo.org), the hexagon or pentagon of one of 16
// resolutions. The zero Cell is no cell. Cells are good keys for storing and
// counting; they are not good for asking who is nearest, because ring order is
// not distance order: use Index.
type Cell uint64

// MaxResolution is the finest H3 resolution, cells about a square metre in size.
const MaxResolution = 15

// ErrResolution says that an H3 resolution is outside 0..15, or finer than the
// cell whose parent was asked for.
var ErrResolution = errors.New("geo: no such H3 resolution")

// ErrCell says that a text or number is not an H3 cell.
var ErrCell = errors.New("geo: not an H3 cell")

// MaxDisk bounds the rings Disk returns: 3k²+3k+1 cells are 30,301 at most.
const MaxDisk = 100

// CellOf returns the cell of the resolution, 0 (coarsest) to 15, that p lies in.
// It costs about half a microsecond and may be called from anywhere.
func CellOf(p Point, resolution int) (Cell, error) {
	if err := p.Validate(); err != nil {
		return 0, err
	}
	if resolution < 0 || resolution > MaxResolution {
		return 0, fmt.Errorf("%w: %d is not within 0..%d", ErrResolution, resolution, MaxResolution)
	}
	c, err := h3.LatLngToCell(h3.LatLng{Lat: p.Lat, Lng: p.Lon}, resolution)
	if err != nil {
		return 0, fmt.Errorf("geo: cell of %v: %w", p, err)
	}
	return Cell(c), nil
}

// ParseCell reads the hexadecimal form that String prints, the one every H3
// library prints. Anything that is not a valid cell is ErrCell.
func ParseCell(s string) (Cell, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) > 16 || !Cell(n).Valid() {
		return 0, fmt.Errorf("%w: %.40q", ErrCell, s)
	}
	return Cell(n), nil
}

// String is the lower-case hexadecimal form every H3 library prints.
func (c Cell) String() string { return strconv.FormatUint(uint64(c), 16) }

// Valid says whether c is an H3 cell.
func (c Cell) Valid() bool { return h3.Cell(c).IsValid() }

// Centre is the middle of the cell; of an invalid cell it is the zero Point.
func (c Cell) Centre() Point {
	at, err := h3.Cell(c).LatLng()
	if err != nil || !c.Valid() { // H3 has a centre for some numbers that are no cells
		return Point{}
	}
	return Point{Lat: at.Lat, Lon: at.Lng}
}

// Boundary returns the corners of the cell, counter-clockwise and not closed; of
// an invalid cell it is nil. The caller owns the slice.
func (c Cell) Boundary() []Point {
	corners, err := h3.Cell(c).Boundary()
	if err != nil || !c.Valid() {
		return nil
	}
	ring := make([]Point, len(corners))
	for i, at := range corners {
		ring[i] = Point{Lat: at.Lat, Lon: at.Lng}
	}
	return ring
}

// The layout of an H3 index, from the documentation of its bit fields: the
// resolution stands in bits 52..55, the base cell in 45..51, then fifteen
// digits of three bits, coarsest first, the unused ones all ones.
const (
	h3ResolutionShift = 52
	h3BaseShift       = 45
	h3DigitBits       = 3
	h3DigitMask       = 1<<h3DigitBits - 1
)

// Resolution is 0 (coarsest) to 15.
func (c Cell) Resolution() int { return int(c >> h3ResolutionShift & 15) }

func (c Cell) base() int { return int(c >> h3BaseShift & 127) }

// Parent returns the ancestor of c at a coarser resolution (c itself at its
// own). A finer one is ErrResolution.
func (c Cell) Parent(resolution int) (Cell, error) {
	if resolution < 0 || resolution > c.Resolution() {
		return 0, fmt.Errorf("%w: %d is not within 0..%d, the cell's own", ErrResolution, resolution, c.Resolution())
	}
	return c.ancestor(resolution), nil
}

// ancestor is Parent for a resolution known to be in range.
func (c Cell) ancestor(resolution int) Cell {
	unused := Cell(1)<<(h3DigitBits*(MaxResolution-resolution)) - 1
	return c&^(15<<h3ResolutionShift) | Cell(resolution)<<h3ResolutionShift | unused
}

// Disk returns c and every cell within k steps of it, in no particular order:
// what a reader of cells must ask for to see a neighbourhood. k is 0..MaxDisk.
// The caller owns the slice.
func (c Cell) Disk(k int) ([]Cell, error) {
	if k < 0 || k > MaxDisk {
		return nil, fmt.Errorf("geo: disk of %d rings: want 0..%d", k, MaxDisk)
	}
	if !c.Valid() {
		return nil, fmt.Errorf("%w: %q", ErrCell, c.String())
	}
	found, err := h3.GridDisk(h3.Cell(c), k)
	if err != nil {
		return nil, fmt.Errorf("geo: disk of %s: %w", c, err)
	}
	disk := make([]Cell, len(found))
	for i, f := range found {
		disk[i] = Cell(f)
	}
	return disk, nil
}

// MarshalText prints c as String does, so that JSON holds the usual form.
func (c Cell) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what ParseCell reads.
func (c *Cell) UnmarshalText(text []byte) error {
	parsed, err := ParseCell(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}
