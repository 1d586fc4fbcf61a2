package road

import (
	"math/rand/v2"
	"testing"

	"cuntong/geo"
)

// places makes n junctions on a line, a kilometre apart.
func places(b *Builder, n int) []geo.Point {
	at := make([]geo.Point, n)
	for i := range at {
		at[i] = geo.Point{Lat: 26, Lon: 108 + float64(i)*0.01}
		b.Junction(at[i])
	}
	return at
}

func lay(t *testing.T, b *Builder, at []geo.Point, from, to int, flags Flags, name string) SegmentID {
	t.Helper()
	id, err := b.Add(JunctionID(from), JunctionID(to), Segment{Shape: []geo.Point{at[from], at[to]}, Kind: geo.Tertiary, Flags: flags, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestBuildConnected(t *testing.T) {
	b := NewBuilder("", "")
	at := places(b, 30)
	for i := range 9 {
		lay(t, b, at, i, i+1, 0, "main")
	}
	lay(t, b, at, 9, 10, NoBackward, "dead end one-way")
	lay(t, b, at, 11, 0, NoBackward, "from nowhere")
	for i := 20; i < 27; i++ {
		lay(t, b, at, i, i+1, 0, "island")
	}
	lay(t, b, at, 28, 29, 0, "speck")
	g, pruned := b.BuildConnected(5000)
	if pruned.Segments != 3 || pruned.Islands != 1 || pruned.IslandLength < 6500 || pruned.Length < 2000 {
		t.Fatalf("pruned %+v, want 3 segments and an island of 7 km", pruned)
	}
	names := map[string]uint16{}
	for s, name := range g.name {
		names[g.names[name]] = g.island[s]
	}
	if len(names) != 2 || names["main"] != 0 || names["island"] != 1 {
		t.Fatalf("kept %v, want the main part as 0 and the island as 1", names)
	}
	if len(g.junctions) != 18 {
		t.Fatalf("%d junctions, want the 18 that have a road", len(g.junctions))
	}
}

// TestBuildConnectedKeepsTurns: segments get other numbers, prohibitions go with them.
func TestBuildConnectedKeepsTurns(t *testing.T) {
	b := NewBuilder("", "")
	at := places(b, 6)
	lay(t, b, at, 4, 5, NoBackward, "gone")
	first, second := lay(t, b, at, 0, 1, 0, "first"), lay(t, b, at, 1, 2, 0, "second")
	lay(t, b, at, 1, 3, 0, "third")
	lay(t, b, at, 3, 2, 0, "round")
	if err := b.Forbid(first.Forward(), second.Forward()); err != nil {
		t.Fatal(err)
	}
	g, _ := b.BuildConnected(0)
	from := SegmentID(0)
	if g.names[g.name[from]] != "first" {
		t.Fatalf("the first segment is %q", g.names[g.name[from]])
	}
	v := g.head[from.Forward()]
	var next []string
	for _, l := range g.lane[g.first[v]:g.first[v+1]] {
		next = append(next, g.names[g.name[l.Segment()]])
	}
	if len(next) != 2 || next[0] != "first" || next[1] != "third" {
		t.Fatalf("from the first one gets to %v, want back and to the third", next)
	}
}

// TestBuildConnectedClosesTraps: a lane on which there is no coming back is closed,
// even where the other lane of its road is fine.
func TestBuildConnectedClosesTraps(t *testing.T) {
	b := NewBuilder("", "")
	at := places(b, 3)
	main, trap := lay(t, b, at, 0, 1, 0, "main"), lay(t, b, at, 1, 2, 0, "trap")
	if err := b.Forbid(trap.Forward(), trap.Backward()); err != nil {
		t.Fatal(err)
	}
	g, pruned := b.BuildConnected(0)
	if pruned.Segments != 1 || len(g.from) != 1 || g.names[g.name[main]] != "main" {
		t.Fatalf("pruned %+v, %d segments left; want the trap to go", pruned, len(g.from))
	}
}

// TestParts holds the components against plain reachability, on random networks.
func TestParts(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		b := NewBuilder("", "")
		at := places(b, 12)
		var lanes []SegmentID
		for range 4 + rnd.IntN(16) {
			lanes = append(lanes, lay(t, b, at, rnd.IntN(12), rnd.IntN(12), []Flags{0, NoForward, NoBackward}[rnd.IntN(3)], ""))
		}
		for range 20 {
			b.Forbid(Lane(rnd.IntN(2*len(lanes))), Lane(rnd.IntN(2*len(lanes))))
		}
		g := b.Build()
		part := g.parts()
		reach := make([][]bool, len(g.junction))
		for v := range reach {
			reach[v] = make([]bool, len(g.junction))
			mark(g, int32(v), reach[v])
		}
		for v := range reach {
			for w := range reach {
				if both := reach[v][w] && reach[w][v]; both != (part[v] == part[w]) {
					t.Fatalf("seed %d: vertices %d and %d: parts %d and %d, each reaches the other: %v", seed, v, w, part[v], part[w], both)
				}
			}
		}
	}
}

func mark(g *Graph, v int32, seen []bool) {
	if seen[v] {
		return
	}
	seen[v] = true
	for _, l := range g.lane[g.first[v]:g.first[v+1]] {
		mark(g, g.head[l], seen)
	}
}

// TestPartsDeep: a road of a hundred thousand junctions does not exhaust a stack.
func TestPartsDeep(t *testing.T) {
	b := NewBuilder("", "")
	const n = 100_000
	at := make([]geo.Point, n)
	for i := range at {
		at[i] = geo.Point{Lat: 20 + float64(i)*1e-4, Lon: 108}
		b.Junction(at[i])
	}
	for i := range n - 1 {
		lay(t, b, at, i, i+1, 0, "")
	}
	g := b.assemble()
	for v, p := range g.parts() {
		if p != 0 {
			t.Fatalf("vertex %d is in part %d of a road that is one", v, p)
		}
	}
}
