package terrain

import "math"

const (
	// townArea is how much land has one town, in square metres: a county.
	townArea = 2_400e6
	// Streets of a town: so many blocks each way from its centre, so long each.
	townBlocks = 3
	townBlock  = 105.0
)

// found lays out the towns and the villages. A town is the place in the middle of
// all, then whichever is farthest from the towns there are.
func (n *network) found() {
	towns := n.villages // any of those given may be one
	n.draw()
	if len(towns) == 0 {
		towns = n.villages
	}
	n.settleTowns(towns)
	n.urban = int32(len(n.at))
	n.openGrid()
	for _, v := range n.villages {
		if !n.inTown(v, townReach) && !n.near(v) {
			n.put(n.add(v, true))
		}
	}
}

// settleTowns makes towns of some of the villages.
func (n *network) settleTowns(villages []vec) {
	count := min(max(1, int(math.Round(n.plane.width*n.plane.height/townArea))), len(villages))
	far := make([]float64, len(villages)) // from the nearest town; at first, how near the middle
	var middle vec
	for _, v := range villages {
		middle.x += v.x / float64(len(villages))
		middle.y += v.y / float64(len(villages))
	}
	for i, v := range villages {
		far[i] = -middle.to(v)
	}
	for first := true; count > 0; first, count = false, count-1 {
		best := 0
		for i := range far {
			if far[i] > far[best] {
				best = i
			}
		}
		if !first && far[best] < 6*townReach {
			return // there is no room for another
		}
		n.settle(villages[best])
		for i, v := range villages {
			if d := villages[best].to(v); first || d < far[i] {
				far[i] = d
			}
		}
	}
}

// townReach is how far from the centre its streets go, each way.
const townReach = townBlocks * townBlock

// inTown says whether v lies within a town's streets, or so far from its centre.
func (n *network) inTown(v vec, reach float64) bool {
	for _, t := range n.towns {
		c := n.at[t]
		if math.Abs(v.x-c.x) <= reach && math.Abs(v.y-c.y) <= reach {
			return true
		}
	}
	return false
}

// add makes a point.
func (n *network) add(v vec, place bool) int32 {
	n.at = append(n.at, v)
	n.z = append(n.z, n.land.height(v))
	n.bank = append(n.bank, n.land.river(v) > 0)
	n.place = append(n.place, place)
	return int32(len(n.at) - 1)
}

// settle builds the streets of a town about its centre. Every second street within
// is one-way, the other way each time; the outer ones, at which all of them begin
// and end, are not, so that one gets from anywhere to anywhere.
func (n *network) settle(centre vec) {
	const across = 2*townBlocks + 1
	var street [across][across]int32
	for i := range across {
		for j := range across {
			at := vec{centre.x + float64(i-townBlocks)*townBlock, centre.y + float64(j-townBlocks)*townBlock}
			street[i][j] = n.add(at, i == townBlocks && j == townBlocks)
		}
	}
	n.towns = append(n.towns, street[townBlocks][townBlocks])
	for i := range across {
		for j := range across - 1 {
			along, up := street[j][i], street[i][j]
			oneWay := i%2 == 1 && i > 0 && i < across-1
			n.street(along, street[j+1][i], oneWay, i%4 == 1)
			n.street(up, street[i][j+1], oneWay, i%4 == 3)
		}
	}
}

func (n *network) street(a, b int32, oneWay, back bool) {
	if back {
		a, b = b, a
	}
	n.edges = append(n.edges, edge{a: a, b: b, cost: townBlock, street: true, oneWay: oneWay})
}

// gates are the points of town number i at which roads may leave it.
func (n *network) gates(i int) []int32 {
	const across = 2*townBlocks + 1
	corner := n.towns[i] - townBlocks*across - townBlocks
	var gates []int32
	for _, x := range []int32{0, townBlocks, across - 1} {
		for _, y := range []int32{0, townBlocks, across - 1} {
			if x != townBlocks || y != townBlocks {
				gates = append(gates, corner+x*across+y)
			}
		}
	}
	return gates
}
