package terrain

import "math"

// perJunction is how many points it takes for one junction. Some are pruned, and
// where a point has but two roads, these are one road, unless somebody lives there.
// Counted on networks of 1,000 to 500,000 junctions.
func (n *network) perJunction() float64 {
	return max(1.1, 1.9-1.6*float64(len(n.villages))/float64(n.want))
}

// grid sorts points into square cells.
type grid struct {
	size       float64 // metres
	wide, high int
	cells      [][]int32 // points, by cell; nil where there are none yet
}

// openGrid makes as many cells as points are wanted, and puts the towns' gates in.
func (n *network) openGrid() {
	const streets = 4*townBlocks*(townBlocks+1) - 3 // junctions of a town: all but its corners
	points := n.perJunction() * max(float64(n.want)/4, float64(n.want-streets*len(n.towns)))
	size := math.Sqrt(n.plane.width * n.plane.height / points)
	n.grid = grid{size: size, wide: int(n.plane.width/size) + 1, high: int(n.plane.height/size) + 1}
	n.grid.cells = make([][]int32, n.grid.wide*n.grid.high)
	for i := range n.towns {
		for _, gate := range n.gates(i) {
			n.put(gate)
		}
	}
}

// cell is the cell of v; beyond the edge, the one at the edge.
func (g *grid) cell(v vec) (i, j int) {
	return min(max(int(v.x/g.size), 0), g.wide-1), min(max(int(v.y/g.size), 0), g.high-1)
}

func (g *grid) points(i, j int) []int32 {
	if i < 0 || j < 0 || i >= g.wide || j >= g.high {
		return nil
	}
	return g.cells[j*g.wide+i]
}

func (n *network) put(point int32) {
	i, j := n.grid.cell(n.at[point])
	cell := &n.grid.cells[j*n.grid.wide+i]
	*cell = append(*cell, point)
}

// tooNear is within what distance two villages share a point of the road, in metres.
const tooNear = 60

// near says whether v is about where a point is already.
func (n *network) near(v vec) bool {
	ci, cj := n.grid.cell(v)
	for j := cj - 1; j <= cj+1; j++ {
		for i := ci - 1; i <= ci+1; i++ {
			for _, p := range n.grid.points(i, j) {
				if n.at[p].to(v) <= tooNear {
					return true
				}
			}
		}
	}
	return false
}

// One invented village has at least so much land, in square metres, and so many
// junctions.
const (
	squarePerPlace    = 6e6
	junctionsPerPlace = 4
)

// draw invents villages, in the valleys, beside those that were given.
func (n *network) draw() {
	square := max(squarePerPlace, junctionsPerPlace*n.plane.width*n.plane.height/float64(n.want))
	step := min(math.Sqrt(square), n.plane.width/3, n.plane.height/3)
	for j := range int(n.plane.height / step) {
		for i := range int(n.plane.width / step) {
			n.villages = append(n.villages, n.lowest(vec{float64(i) * step, float64(j) * step}, step, 6))
		}
	}
}

// lowest is the lowest of some places drawn in a square, not at its very edge.
func (n *network) lowest(corner vec, size float64, tries uint64) (best vec) {
	low := math.Inf(1)
	for k := range tries {
		x, y := uint64(int64(corner.x)), uint64(int64(corner.y))
		at := vec{
			corner.x + size*(0.06+0.88*n.land.chance(ofPlace+k<<8, x, y)),
			corner.y + size*(0.06+0.88*n.land.chance(ofSpot+k<<8, x, y)),
		}
		if h := n.land.height(at); h < low {
			low, best = h, at
		}
	}
	return best
}

// scatter puts a point into every cell that has none: roads are where it is low.
func (n *network) scatter() {
	g := &n.grid
	for j := range g.high {
		for i := range g.wide {
			corner := vec{float64(i) * g.size, float64(j) * g.size}
			if len(g.points(i, j)) > 0 {
				continue
			}
			at := n.lowest(corner, g.size, 2)
			at.x, at.y = min(at.x, n.plane.width), min(at.y, n.plane.height)
			if !n.inTown(at, townReach+townBlock) {
				n.put(n.add(at, false))
			}
		}
	}
}
