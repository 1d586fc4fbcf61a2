package road

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cuntong/geo"
)

func TestOrderIsOfEveryVertexAndTheSameEveryTime(t *testing.T) {
	networks := []*Graph{NewBuilder("", "").Build(), newMountains(t, 3000, 1).g}
	for seed := range uint64(graphs) {
		networks = append(networks, newRandomRoads(t, seeded(seed)).g)
	}
	for i, g := range networks {
		rank := order(g)
		if again := order(g); !slices.Equal(rank, again) {
			t.Fatalf("network %d: another order the second time", i)
		}
		slices.Sort(rank)
		for place, r := range rank {
			if r != int32(place) || len(rank) != len(g.junction) {
				t.Fatalf("network %d: no vertex, or more than one, has place %d", i, place)
			}
		}
	}
}

// A road without a junction is a tree as deep as a logarithm, not as the road is
// long, and nothing is added to it.
func TestALongRoadIsNotADeepTree(t *testing.T) {
	b := NewBuilder("", "")
	const bends = 1 << 12
	for i := range bends {
		p := geo.Point{Lat: 26, Lon: 106 + float64(i)/1000}
		b.Junction(p)
		if i == 0 {
			continue
		}
		if _, err := b.Add(JunctionID(i-1), JunctionID(i), Segment{Shape: []geo.Point{p, p}, Kind: geo.Track}); err != nil {
			t.Fatal(err)
		}
	}
	h := newHierarchy(b.Build())
	deepest, depth := 0, make([]int, bends)
	for r := bends - 1; r >= 0; r-- {
		if p := h.parent[r]; p != gone {
			depth[r] = depth[p] + 1
		}
		deepest = max(deepest, depth[r])
	}
	if links := len(h.high); deepest > 24 || links > 2*bends {
		t.Errorf("%d deep with %d links; want at most 24 and %d", deepest, links, 2*bends)
	}
}

// The hierarchy of a real network stays small: an order that was merely valid would
// make it many times as large.
func TestTheHierarchyIsSmall(t *testing.T) {
	r := newMountains(t, 20_000, 1)
	h := newHierarchy(r.g)
	if most := 4 * len(r.g.junction); len(h.high) > most {
		t.Errorf("%d links among %d vertices; want at most %d", len(h.high), len(r.g.junction), most)
	}
}

// A set of vertices without which no way leads from source to sink, and as many
// ways that share no vertex: neither can be bettered.
func TestCutsAreSmallest(t *testing.T) {
	for seed := range uint64(20 * graphs) {
		rng := seeded(seed)
		p := randomPiece(rng, 2+rng.IntN(60))
		n := len(p.vertex)
		keys := make([]uint64, n)
		for i, v := range rng.Perm(n) {
			keys[i] = uint64(v)
		}
		few := 1 + rng.IntN(max(n/8, 1))
		sources, sinks := keys[:few], keys[n-few:]
		f, side := newFlow(p), make([]int32, n)
		f.cut(sinks, sources, n) // what was before does not matter
		cut, _ := f.cut(sources, sinks, n)
		smaller := f.sides(side)
		if why := wrongCut(p, side, cut, smaller, sources, sinks); why != "" {
			t.Fatalf("seed %d: a cut of %d, sides %v: %s", seed, cut, side, why)
		}
		if ways, why := countWays(f, sources, sinks); ways != cut || why != "" {
			t.Fatalf("seed %d: a cut of %d, and %d ways: %s", seed, cut, ways, why)
		}
		if _, ok := f.cut(sources, sinks, cut-1); ok && cut > 0 {
			t.Fatalf("seed %d: a cut of %d within a limit of %d", seed, cut, cut-1)
		}
	}
}

func randomPiece(rng *rand.Rand, n int) *piece {
	joined := make([][]int32, n)
	for range rng.IntN(2 * n) {
		v, u := int32(rng.IntN(n)), int32(rng.IntN(n))
		if v != u && !slices.Contains(joined[v], u) {
			joined[v], joined[u] = append(joined[v], u), append(joined[u], v)
		}
	}
	p := &piece{links: links{first: []int32{0}}, vertex: make([]int32, n)}
	for _, about := range joined {
		p.far = append(p.far, about...)
		p.first = append(p.first, int32(len(p.far)))
	}
	return p
}

// wrongCut says what is wrong with the sides of a cut.
func wrongCut(p *piece, side []int32, cut, smaller int, sources, sinks []uint64) string {
	var size [2]int
	for v, s := range side {
		if s == gone {
			cut--
			continue
		}
		size[s]++
		for _, u := range p.of(int32(v)) {
			if side[u] != gone && side[u] != s {
				return "a link joins the sides"
			}
		}
	}
	switch {
	case cut != 0:
		return "it is of another size"
	case smaller != min(size[0], size[1]):
		return "the smaller side is of another size"
	case slices.ContainsFunc(sources, func(v uint64) bool { return side[v] == 1 }):
		return "a source is on the side of the sinks"
	case slices.ContainsFunc(sinks, func(v uint64) bool { return side[v] == 0 }):
		return "a sink is on the side of the sources"
	}
	return ""
}

// countWays counts the ways of a flow, and says what is wrong with them. A way
// that runs in a circle counts for nothing and does no harm.
func countWays(f *flow, sources, sinks []uint64) (ways int, why string) {
	for v := range int32(len(f.through)) {
		if !f.through[v] {
			continue
		}
		switch prev := f.prev[v]; {
		case prev == gone && !slices.Contains(sources, uint64(v)):
			return ways, "one begins at no source"
		case prev == gone:
			ways++
		case !f.through[prev] || f.next[prev] != v || !slices.Contains(f.p.of(prev), v):
			return ways, "one comes from where it does not go on, or where there is no link"
		}
		switch next := f.next[v]; {
		case next == gone && !slices.Contains(sinks, uint64(v)):
			return ways, "one ends at no sink"
		case next != gone && (!f.through[next] || f.prev[next] != v):
			return ways, "one goes where it does not come from"
		}
	}
	return ways, ""
}
