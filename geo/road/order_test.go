package road

import (
	"math/bits"
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

// A cut separates the sources from the sinks, and no smaller set of vertices does.
func TestCutsAreSmallest(t *testing.T) {
	for seed := range uint64(graphs) {
		rng := seeded(seed)
		p := randomPiece(rng, 2+rng.IntN(10))
		n := len(p.vertex)
		keys := make([]uint64, n)
		for i, v := range rng.Perm(n) {
			keys[i] = uint64(v)
		}
		few := 1 + rng.IntN(n/2)
		sources, sinks := keys[:few], keys[n-few:]
		f := newFlow(p)
		f.cut(sinks, sources, n) // what was before does not matter
		got, _ := f.cut(sources, sinks, n)
		side := make([]int32, n)
		f.sides(side)
		taken := uint64(0)
		for v, s := range side {
			if s == gone {
				taken |= 1 << v
			}
		}
		want := smallestCut(p, sources, sinks)
		if got != want || bits.OnesCount64(taken) != got || p.joined(sources, sinks, taken) {
			t.Fatalf("seed %d: a cut of %d, sides %v; want %d", seed, got, side, want)
		}
		for v := range side {
			for _, u := range p.of(int32(v)) {
				if side[v] != gone && side[u] != gone && side[u] != side[v] {
					t.Fatalf("seed %d: %d and %d are joined, on different sides %v", seed, v, u, side)
				}
			}
		}
		if _, ok := f.cut(sources, sinks, want-1); ok && want > 0 {
			t.Fatalf("seed %d: a cut of %d within a limit of %d", seed, want, want-1)
		}
	}
}

func randomPiece(rng *rand.Rand, n int) *piece {
	p := &piece{links: links{first: []int32{0}}, vertex: make([]int32, n)}
	joined := make([]uint64, n)
	for range rng.IntN(3 * n) {
		if v, u := rng.IntN(n), rng.IntN(n); v != u {
			joined[v] |= 1 << u
			joined[u] |= 1 << v
		}
	}
	for _, about := range joined {
		for ; about != 0; about &= about - 1 {
			p.far = append(p.far, int32(bits.TrailingZeros64(about)))
		}
		p.first = append(p.first, int32(len(p.far)))
	}
	return p
}

// smallestCut tries every set of vertices.
func smallestCut(p *piece, sources, sinks []uint64) int {
	least := len(p.vertex)
	for taken := range uint64(1) << len(p.vertex) {
		if size := bits.OnesCount64(taken); size < least && !p.joined(sources, sinks, taken) {
			least = size
		}
	}
	return least
}

// joined says whether a way leads from a source to a sink without the vertices taken.
func (p *piece) joined(sources, sinks []uint64, taken uint64) bool {
	seen := taken
	var queue []int32
	visit := func(v int32) {
		if seen&(1<<v) == 0 {
			seen |= 1 << v
			queue = append(queue, v)
		}
	}
	for _, s := range sources {
		visit(int32(s))
	}
	for i := 0; i < len(queue); i++ {
		for _, u := range p.of(queue[i]) {
			visit(u)
		}
	}
	return slices.ContainsFunc(sinks, func(t uint64) bool { return (seen&^taken)&(1<<t) != 0 })
}
