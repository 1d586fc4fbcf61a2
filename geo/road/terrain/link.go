package terrain

import (
	"cmp"
	"math"
	"slices"
)

const (
	// perClimb is how many metres of level road cost as much as one of climb or descent.
	perClimb = 7.0
	// perBridge is what a bridge over a gorge costs beyond the usual, in metres of road:
	// only what could not be reached at all gets one for its own sake.
	perBridge = 40_000
	// bridgeEvery is the side of the squares of which some have one more bridge.
	bridgeEvery, bridgeShare = 7_000.0, 0.85
	// extraShare of the links that the tree leaves out, and that go over easy ground, is built.
	extraShare = 0.26
	easyGround = 2.1 // cost in metres for each metre
)

// link joins all points: the streets of the towns, then a spanning tree of the
// cheapest links (J. B. Kruskal, "On the Shortest Spanning Subtree of a Graph",
// Proceedings of the AMS 7, 1956), then the bridges, and then some links that save
// a way round.
func (n *network) link() {
	links := n.candidates()
	slices.SortFunc(links, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b))
	})
	parts := newParts(len(n.at))
	for _, e := range n.edges {
		parts.join(e.a, e.b)
	}
	spare := links[:0]
	for _, e := range links {
		if parts.join(e.a, e.b) {
			n.edges = append(n.edges, e)
		} else {
			spare = append(spare, e)
		}
	}
	bridged := map[[2]int]bool{}
	for _, e := range spare {
		if e.bridge && n.wantsBridge(e, bridged) || !e.bridge && n.wantsLink(e) {
			n.edges = append(n.edges, e)
		}
	}
}

// wantsLink says whether a link that no village needs is built.
func (n *network) wantsLink(e edge) bool {
	easy := float64(e.cost) < easyGround*n.at[e.a].to(n.at[e.b])
	return easy && n.land.chance(ofExtra, uint64(e.a), uint64(e.b)) < extraShare
}

// wantsBridge says whether a bridge that no village needs is built: the cheapest of
// its square, if the square has one at all.
func (n *network) wantsBridge(e edge, bridged map[[2]int]bool) bool {
	at := n.at[e.a]
	square := [2]int{int(at.x / bridgeEvery), int(at.y / bridgeEvery)}
	if bridged[square] {
		return false
	}
	bridged[square] = true
	return n.land.chance(ofBridge, uint64(square[0]), uint64(square[1])) < bridgeShare
}

// candidates are the links between points of the same cell and of cells that
// touch. Of those that cross at the corner of four cells, one pair of cells keeps its own.
func (n *network) candidates() []edge {
	links := make([]edge, 0, 3*len(n.at))
	g := &n.grid
	for j := range g.high {
		for i := range g.wide {
			here, east, north := g.points(i, j), g.points(i+1, j), g.points(i, j+1)
			for k, a := range here {
				links = n.between(links, a, here[k+1:])
				links = n.between(links, a, east)
				links = n.between(links, a, north)
			}
			links = n.diagonals(links, here, g.points(i+1, j+1), east, north)
		}
	}
	return links
}

// between adds the links from a to each of to.
func (n *network) between(links []edge, a int32, to []int32) []edge {
	for _, b := range to {
		if a >= n.urban || b >= n.urban { // streets are laid already
			links = append(links, n.candidate(a, b))
		}
	}
	return links
}

// diagonals adds the links of the one or of the other diagonal, the cheaper.
func (n *network) diagonals(links []edge, a, b, c, d []int32) []edge {
	var rising, falling []edge
	for _, p := range a {
		rising = n.between(rising, p, b)
	}
	for _, p := range c {
		falling = n.between(falling, p, d)
	}
	cheapest := func(es []edge) float32 {
		low := float32(math.Inf(1))
		for _, e := range es {
			low = min(low, e.cost)
		}
		return low
	}
	if cheapest(rising) <= cheapest(falling) {
		return append(links, rising...)
	}
	return append(links, falling...)
}

// candidate is a link with its cost.
func (n *network) candidate(a, b int32) edge {
	if a > b {
		a, b = b, a
	}
	e := edge{a: a, b: b}
	length := n.at[a].to(n.at[b])
	middle := n.at[a].middle(n.at[b])
	e.bridge = n.bank[a] != n.bank[b] || n.bank[a] != (n.land.river(middle) > 0)
	z := n.land.height(middle)
	climb := math.Abs(z-n.z[a]) + math.Abs(n.z[b]-z)
	if e.bridge {
		climb = math.Abs(n.z[a] - n.z[b])
	}
	luck := 0.8 + 0.5*n.land.chance(ofCost, uint64(a), uint64(b))
	e.cost = float32(luck * (length + perClimb*climb))
	if e.bridge {
		e.cost += perBridge
	}
	return e
}

// parts are sets of points that are joined (disjoint sets with path halving, R. E.
// Tarjan and J. van Leeuwen, "Worst-case Analysis of Set Union Algorithms", JACM 31, 1984).
type parts []int32

func newParts(n int) parts {
	p := make(parts, n)
	for i := range p {
		p[i] = int32(i)
	}
	return p
}

func (p parts) root(i int32) int32 {
	for p[i] != i {
		p[i] = p[p[i]]
		i = p[i]
	}
	return i
}

// join says whether the two were apart.
func (p parts) join(a, b int32) bool {
	a, b = p.root(a), p.root(b)
	if a == b {
		return false
	}
	p[max(a, b)] = min(a, b)
	return true
}
