package road

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// graphs is how many random networks a property is tried on: fewer where each takes
// ten times as long and nothing is concurrent.
var graphs = map[bool]int{false: 150, true: 50}[raceDetector]

// allPairs is the weight between every two vertices by plain Dijkstra.
func allPairs(r *randomRoads) [][]weight {
	all := make([][]weight, len(r.g.junction))
	for v := range all {
		all[v] = dijkstra(r.g, r.weightOf, []seed{{vertex: int32(v)}}, nil)
	}
	return all
}

// compare says what differs from Dijkstra on any pair.
func compare(t *testing.T, r *randomRoads, m *metric, q *query, at *reach) {
	t.Helper()
	for s, want := range allPairs(r) {
		at.leave(m, []seed{{vertex: int32(s)}})
		for v, w := range want {
			if got := at.to(int32(v)); got != w {
				t.Fatalf("to %d from %d: %d, Dijkstra %d", v, s, got, w)
			}
			got, ok := q.travel(m, []seed{{vertex: int32(s)}}, []seed{{vertex: int32(v)}})
			if got != w || ok != (w < never) {
				t.Fatalf("travel from %d to %d: %d %v, Dijkstra %d", s, v, got, ok, w)
			}
			checkPath(t, r, m, q, int32(s), int32(v), got)
			at.aim(m, []seed{{vertex: int32(v)}})
			if got := at.from(int32(s)); got != w {
				t.Fatalf("from %d to %d: %d, Dijkstra %d", s, v, got, w)
			}
			at.leave(m, []seed{{vertex: int32(s)}})
		}
	}
}

func checkPath(t *testing.T, r *randomRoads, m *metric, q *query, from, to int32, w weight) {
	t.Helper()
	way := q.path(m)
	if w >= never {
		if way != nil {
			t.Fatalf("a way %v from %d to %d, where none leads", way, from, to)
		}
		return
	}
	sum := weight(0)
	for _, l := range way {
		sum += r.weights[l]
	}
	if sum != w || !r.drivable(from, to, way) {
		t.Fatalf("the way from %d to %d is %v, which weighs %d, not %d, or cannot be driven", from, to, way, sum, w)
	}
}

func TestEveryPairIsAsDijkstraSays(t *testing.T) {
	for seed := range uint64(graphs) {
		r := newRandomRoads(t, seeded(seed))
		h := newHierarchy(r.g)
		m := h.newMetric(r.weightOf)
		t.Logf("seed %d", seed)
		compare(t, r, m, newQuery(h), newReach(h))
	}
}

// From and to several vertices, each with a cost: the halves of a segment.
func TestSeedsAreWeighedTogether(t *testing.T) {
	for seed := range uint64(graphs) {
		rng := seeded(seed)
		r := newRandomRoads(t, rng)
		h := newHierarchy(r.g)
		m, q, at := h.newMetric(r.weightOf), newQuery(h), newReach(h)
		for range 20 {
			sources, targets := randomSeeds(rng, r.g), randomSeeds(rng, r.g)
			t.Logf("seed %d: %v to %v", seed, sources, targets)
			compareSeeds(t, r, m, q, at, sources, targets)
		}
	}
}

func compareSeeds(t *testing.T, r *randomRoads, m *metric, q *query, at *reach, sources, targets []seed) {
	t.Helper()
	dist := dijkstra(r.g, r.weightOf, sources, nil)
	want := never
	for _, s := range targets {
		want = min(want, dist[s.vertex]+min(s.cost, never))
	}
	got, ok := q.travel(m, sources, targets)
	if got != want || ok != (want < never) {
		t.Fatalf("travel %d %v, Dijkstra %d", got, ok, want)
	}
	if ok {
		i, j := q.ends()
		inner := got - sources[i].cost - targets[j].cost
		checkPath(t, r, m, q, sources[i].vertex, targets[j].vertex, inner)
	}
	at.leave(m, sources)
	for v, w := range dist {
		if got := at.to(int32(v)); got != w {
			t.Fatalf("to %d: %d, Dijkstra %d", v, got, w)
		}
	}
	at.aim(m, targets)
	for v := range dist {
		each := dijkstra(r.g, r.weightOf, []seed{{vertex: int32(v)}}, nil)
		want := never
		for _, s := range targets {
			want = min(want, each[s.vertex]+min(s.cost, never))
		}
		if got := at.from(int32(v)); got != want {
			t.Fatalf("from %d: %d, Dijkstra %d", v, got, want)
		}
	}
}

// randomSeeds are none to three, costing something, and now and then too much.
func randomSeeds(rng *rand.Rand, g *Graph) []seed {
	seeds := make([]seed, rng.IntN(4))
	for i := range seeds {
		seeds[i] = seed{vertex: int32(rng.IntN(len(g.junction))), cost: randomWeight(rng)}
		if rng.IntN(3) == 0 {
			seeds[i].cost = 0
		}
		if rng.IntN(20) == 0 {
			seeds[i].cost = 2 * never
		}
	}
	return seeds
}

// The same question has the same answer, whatever was asked before and whether the
// metric was updated to what it is or made so.
func TestTheWayIsTheSameEveryTime(t *testing.T) {
	for seed := range uint64(graphs) {
		rng := seeded(seed)
		r := newRandomRoads(t, rng)
		h := newHierarchy(r.g)
		m := h.newMetric(r.weightOf)
		m.update(r.change(rng), r.weightOf)
		fresh, used := newQuery(h), newQuery(h)
		for range 20 {
			used.travel(m, randomSeeds(rng, r.g), randomSeeds(rng, r.g))
		}
		sources, targets := randomSeeds(rng, r.g), randomSeeds(rng, r.g)
		used.travel(m, sources, targets)
		way := slices.Clone(used.path(m))
		made := h.newMetric(r.weightOf)
		fresh.travel(made, sources, targets)
		if again := fresh.path(made); !slices.Equal(way, again) {
			t.Fatalf("seed %d: %v, then %v", seed, way, again)
		}
	}
}

func TestSearchesAllocateNothing(t *testing.T) {
	r := newMountains(t, 3000, 1)
	h := newHierarchy(r.g)
	m, q, at := h.newMetric(r.weightOf), newQuery(h), newReach(h)
	rng := seeded(2)
	some := func() int32 { return int32(rng.IntN(len(r.g.junction))) }
	ask := func() {
		s, v := [2]seed{{vertex: some()}, {vertex: some(), cost: 7}}, [2]seed{{vertex: some()}, {vertex: some(), cost: 9}}
		q.travel(m, s[:], v[:])
		q.path(m)
		at.aim(m, s[:])
		for range 50 {
			at.from(some())
		}
		at.leave(m, v[:])
		for range 50 {
			at.to(some())
		}
	}
	for range 300 {
		ask()
	}
	if n := testing.AllocsPerRun(100, ask); n != 0 {
		t.Errorf("%v allocations a query, want none", n)
	}
}
