package terrain

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"cuntong/geo"
)

// class is how important a road is.
type class uint8

const (
	track  class = iota
	lane         // leads to one village
	valley       // to several
	main         // to many
	trunk        // from town to town
)

// kinds is what each class is called on a map.
var kinds = [...]geo.RoadKind{track: geo.Track, lane: geo.Unclassified, valley: geo.Tertiary, main: geo.Secondary, trunk: geo.Trunk}

// The villages that a road must lead to on their way to town, to be valley or main.
const (
	valleyVillages = 2
	mainShare      = 0.12 // of the villages of the town
)

// pruneRounds is how often dead ends that lead nowhere may fall away.
const pruneRounds = 2

// pruneHeight above the valley floor is where every such road has fallen away, in metres.
const pruneHeight = 1500

// prune drops roads that end where nobody lives, the sooner the higher they lie.
func (n *network) prune() {
	n.index()
	degree := make([]int32, len(n.at))
	for p := range n.at {
		degree[p] = n.first[p+1] - n.first[p]
	}
	for round := range uint64(pruneRounds) {
		for i := range n.edges {
			e := &n.edges[i]
			if e.cut || e.street || degree[e.a] > 1 && degree[e.b] > 1 {
				continue
			}
			end := e.a
			if degree[e.a] > 1 {
				end = e.b
			}
			stays := n.place[end] || n.land.chance(ofPrune, uint64(end), round) > (n.z[end]-valleyFloor)/pruneHeight
			if !stays {
				e.cut = true
				degree[e.a]--
				degree[e.b]--
			}
		}
	}
	n.edges = slices.DeleteFunc(n.edges, func(e edge) bool { return e.cut })
	n.index()
}

// index lists the edges of every point.
func (n *network) index() {
	n.first = make([]int32, len(n.at)+1)
	for _, e := range n.edges {
		n.first[e.a+1]++
		n.first[e.b+1]++
	}
	for p := range n.at {
		n.first[p+1] += n.first[p]
	}
	n.touch = make([]int32, 2*len(n.edges))
	next := slices.Clone(n.first)
	for i, e := range n.edges {
		for _, p := range [2]int32{e.a, e.b} {
			n.touch[next[p]] = int32(i)
			next[p]++
		}
	}
}

// edgesOf are the numbers of the edges that touch a point.
func (n *network) edgesOf(p int32) []int32 { return n.touch[n.first[p]:n.first[p+1]] }

// other is the other end of an edge.
func (e *edge) other(p int32) int32 {
	if e.a == p {
		return e.b
	}
	return e.a
}

// ways are the cheapest ways from every point to its nearest town.
type ways struct {
	cost  []float32
	via   []int32 // the edge towards town; -1 in town
	town  []int32 // which, by number
	order []int32 // points, nearest to a town first
}

// toTown is Dijkstra's search from all towns at once.
func (n *network) toTown() ways {
	w := ways{cost: make([]float32, len(n.at)), via: make([]int32, len(n.at)), town: make([]int32, len(n.at))}
	for p := range w.cost {
		w.cost[p], w.via[p] = float32(math.Inf(1)), -1
	}
	var open frontier
	for i, t := range n.towns {
		w.cost[t], w.town[t] = 0, int32(i)
		heap.Push(&open, reached{point: t})
	}
	for len(open) > 0 {
		r := heap.Pop(&open).(reached)
		if r.cost > w.cost[r.point] {
			continue
		}
		w.order = append(w.order, r.point)
		for _, i := range n.edgesOf(r.point) {
			to := n.edges[i].other(r.point)
			if cost := r.cost + n.edges[i].cost; cost < w.cost[to] {
				w.cost[to], w.via[to], w.town[to] = cost, i, w.town[r.point]
				heap.Push(&open, reached{to, cost})
			}
		}
	}
	return w
}

type reached struct {
	point int32
	cost  float32
}

// frontier is a heap, the cheapest on top.
type frontier []reached

func (f frontier) Len() int           { return len(f) }
func (f frontier) Less(i, j int) bool { return f[i].cost < f[j].cost }
func (f frontier) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }

// Push is heap.Interface's.
func (f *frontier) Push(x any) { *f = append(*f, x.(reached)) }

// Pop is heap.Interface's.
func (f *frontier) Pop() any {
	last := len(*f) - 1
	r := (*f)[last]
	*f = (*f)[:last]
	return r
}

// rank classes the roads by how many villages need them on their way to town, and
// makes those from town to town trunk roads.
func (n *network) rank() {
	for i := range n.edges {
		e := &n.edges[i]
		if e.bridge {
			e.cost -= perBridge // it is built now
		}
	}
	w := n.toTown()
	behind := make([]int32, len(n.at)) // villages that pass a point
	total := make([]int32, len(n.towns))
	for _, p := range slices.Backward(w.order) {
		if n.place[p] {
			behind[p]++
			total[w.town[p]]++
		}
		if w.via[p] < 0 {
			continue
		}
		e := &n.edges[w.via[p]]
		behind[e.other(p)] += behind[p]
		switch few := behind[p]; {
		case few >= max(valleyVillages+1, int32(mainShare*float64(total[w.town[p]]))):
			e.class = main
		case few >= valleyVillages:
			e.class = valley
		case few == 1:
			e.class = lane
		}
	}
	if len(n.towns) > 1 {
		n.joinTowns(w)
	} else {
		n.leave(w)
	}
	n.pierce()
}

// joinTowns makes trunk roads of the cheapest way between each two towns whose
// lands touch (K. Mehlhorn, "A Faster Approximation Algorithm for the Steiner Problem
// in Graphs", Information Processing Letters 27, 1988, finds them in one search).
func (n *network) joinTowns(w ways) {
	type pair struct{ a, b int32 }
	type gap struct {
		pair
		edge int32
		cost float32
	}
	var gaps []gap
	for i := range n.edges {
		e := &n.edges[i]
		a, b := w.town[e.a], w.town[e.b]
		if a != b {
			gaps = append(gaps, gap{pair{min(a, b), max(a, b)}, int32(i), w.cost[e.a] + w.cost[e.b] + e.cost})
		}
	}
	slices.SortFunc(gaps, func(x, y gap) int {
		return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b), cmp.Compare(x.cost, y.cost), cmp.Compare(x.edge, y.edge))
	})
	for i, g := range gaps {
		if i > 0 && gaps[i-1].pair == g.pair {
			continue
		}
		e := &n.edges[g.edge]
		e.class = trunk
		n.widen(w, e.a)
		n.widen(w, e.b)
	}
}

// leave makes trunk roads from the only town to the four edges of the land.
func (n *network) leave(w ways) {
	if len(n.towns) == 0 {
		return
	}
	edges := [4]func(v vec) float64{
		func(v vec) float64 { return v.x },
		func(v vec) float64 { return v.y },
		func(v vec) float64 { return n.plane.width - v.x },
		func(v vec) float64 { return n.plane.height - v.y },
	}
	for _, from := range edges {
		best := n.towns[0]
		far := math.Inf(1)
		for _, p := range w.order {
			if d := from(n.at[p]) + 0.02*float64(w.cost[p]); d < far {
				best, far = p, d
			}
		}
		n.widen(w, best)
	}
}

// widen makes trunk road of the way from a point to its town.
func (n *network) widen(w ways, p int32) {
	for w.via[p] >= 0 {
		e := &n.edges[w.via[p]]
		e.class = trunk
		p = e.other(p)
	}
}

// Of so many trunk roads one goes through a mountain, and two of each network.
const (
	tunnelEvery = 400
	tunnels     = 2
)

// pierce puts those trunk roads underground that would have to climb over most.
func (n *network) pierce() {
	type ridge struct {
		edge int
		high float64
	}
	var ridges []ridge
	roads := 0
	for i := range n.edges {
		e := &n.edges[i]
		if e.class != trunk || e.bridge || e.street {
			continue
		}
		roads++
		over := n.land.height(n.at[e.a].middle(n.at[e.b])) - max(n.z[e.a], n.z[e.b])
		if over > 0 {
			ridges = append(ridges, ridge{i, over})
		}
	}
	slices.SortFunc(ridges, func(a, b ridge) int { return cmp.Or(cmp.Compare(b.high, a.high), cmp.Compare(a.edge, b.edge)) })
	for _, r := range ridges[:min(len(ridges), tunnels+roads/tunnelEvery)] {
		n.edges[r.edge].tunnel = true
	}
}
