package geo

import (
	"fmt"
	"math"

	"github.com/uber/h3-go/v4"
)

// path says where in the tree a point belongs: one digit of three bits a level,
// the topmost first. From level baseLevel+1 on it is the digits of the point's H3
// cell. The 122 base cells have no parent in H3; writing their number to base
// seven gives them three levels of their own, so that every node has seven kids
// at most and no level is special.
type path uint64

const (
	arity       = 7
	baseLevel   = 3                          // nodes of this level are base cells, resolution 0
	finestLeaf  = 12                         // H3 resolution; cells 10 m wide do not split: who stands that close is one crowd
	finestLevel = baseLevel + finestLeaf     // digits in a path
	cellDigits  = h3DigitBits * finestLeaf   // bits
	spareDigits = MaxResolution - finestLeaf // of an H3 cell, not in a path
)

// pathTo asks H3 for the cell of a point that is on earth.
func pathTo(p Point) path {
	found, err := h3.LatLngToCell(h3.LatLng{Lat: p.Lat, Lng: p.Lon}, finestLeaf)
	if err != nil {
		panic(fmt.Sprintf("geo: H3 has no cell for %v: %v", p, err))
	}
	c := Cell(found)
	b := c.base()
	top := path(b/(arity*arity))<<(2*h3DigitBits) | path(b/arity%arity)<<h3DigitBits | path(b%arity)
	return top<<cellDigits | path(c>>(h3DigitBits*spareDigits))&(1<<cellDigits-1)
}

// digit of a level from 1 to finestLevel.
func (p path) digit(level int) int {
	return int(p >> (h3DigitBits * (finestLevel - level)) & h3DigitMask)
}

// shares says whether two paths are one down to the level.
func (p path) shares(q path, level int) bool {
	return (p^q)>>(h3DigitBits*(finestLevel-level)) == 0
}

// cell is the H3 cell of the node of the level on the path; above baseLevel,
// the base cell the path leads to stands for it.
func (p path) cell(level int) Cell {
	b := p.digit(1)*arity*arity + p.digit(2)*arity + p.digit(3)
	const mode = 1 << 59 // "this index is a cell"
	finest := mode | Cell(finestLeaf)<<h3ResolutionShift | Cell(b)<<h3BaseShift |
		Cell(p&(1<<cellDigits-1))<<(h3DigitBits*spareDigits) | (1<<(h3DigitBits*spareDigits) - 1)
	return finest.ancestor(max(0, level-baseLevel))
}

// keepReach is how far from the centre of its leaf, in chord, a key may roam
// before its cell is asked again: by level, the circumradius of an average cell.
// It is a policy for less work, not a bound that the search relies on.
var keepReach = func() (reach [finestLevel + 1]float64) {
	const edge0 = 1281256.011 // metres, average edge of a base cell, from the tables of H3
	for level := range reach {
		resolution := max(0, level-baseLevel)
		reach[level] = edge0 / float64(EarthRadius) / math.Pow(arity, float64(resolution)/2)
	}
	return reach
}()
