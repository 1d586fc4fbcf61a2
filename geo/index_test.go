package geo

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// check is the index's invariants.
func (x *Index[K]) check() error {
	root := &x.tree.root
	if root.count != len(x.spots) {
		return fmt.Errorf("%d keys in the tree, %d known", root.count, len(x.spots))
	}
	if len(x.spots) > x.peak {
		return fmt.Errorf("%d keys, peak %d", len(x.spots), x.peak)
	}
	for k, s := range x.spots {
		i := s.leaf.pos(s.seq)
		if i >= len(s.leaf.seqs) || s.leaf.seqs[i] != s.seq || s.leaf.self().slots[i].key != k {
			return fmt.Errorf("%v is not where it is said to be", k)
		}
	}
	return root.check()
}

func (n *node[K]) check() error {
	if n.isLeaf() {
		return n.checkLeaf()
	}
	if n.seqs != nil || n.points != nil || !n.isRoot() && (n.self().slots != nil || n.self().row != n.row) {
		return fmt.Errorf("inner node %x/%d is also a leaf, or its parent has another row", n.path, n.level)
	}
	if !n.isRoot() && n.count <= mergeMax {
		return fmt.Errorf("inner node %x/%d has only %d keys", n.path, n.level, n.count)
	}
	sum, used := 0, 0
	for digit, kid := range n.row.nodes {
		if kid == nil {
			if k := n.row.kids[digit]; k.reach != absent || k.row != nil || k.slots != nil {
				return fmt.Errorf("a ghost of kid %d of %x/%d", digit, n.path, n.level)
			}
			continue
		}
		if kid.parent != n || kid.level != n.level+1 || kid.path.digit(kid.level) != digit || !kid.path.shares(n.path, n.level) {
			return fmt.Errorf("kid %d of %x/%d is out of place", digit, n.path, n.level)
		}
		if kid.count == 0 {
			return fmt.Errorf("kid %d of %x/%d is empty", digit, n.path, n.level)
		}
		if err := kid.check(); err != nil {
			return err
		}
		sum, used = sum+kid.count, used+1
	}
	if sum != n.count || used != n.row.used {
		return fmt.Errorf("node %x/%d: %d keys and %d kids, said to be %d and %d", n.path, n.level, sum, used, n.count, n.row.used)
	}
	return nil
}

func (n *node[K]) checkLeaf() error {
	slots := n.self().slots
	if len(slots) != n.count || len(n.seqs) != n.count || len(n.points) != n.count || n.self().row != nil {
		return fmt.Errorf("leaf %x/%d: %d keys, %d slots, %d seqs, %d points", n.path, n.level, n.count, len(slots), len(n.seqs), len(n.points))
	}
	if n.count > leafMax && n.level < finestLevel {
		return fmt.Errorf("leaf %x/%d has %d keys", n.path, n.level, n.count)
	}
	for i, s := range slots {
		if i > 0 && n.seqs[i] <= n.seqs[i-1] {
			return fmt.Errorf("leaf %x/%d is out of order", n.path, n.level)
		}
		if s.at != unit(n.points[i]) {
			return fmt.Errorf("%v is at two places", s.key)
		}
		// A key that roamed from a leaf that was then merged may be somewhat farther
		// out than keepReach until its next Put.
		if off := math.Sqrt(n.self().centre.chord2(s.at)); off > 2*keepReach[n.level] && !pathTo(n.points[i]).shares(n.path, n.level) {
			return fmt.Errorf("%v has strayed from its leaf", s.key)
		}
		for up := n; !up.isRoot(); up = up.parent {
			if k := up.self(); math.Sqrt(k.centre.chord2(s.at)) > k.reach+slack/4 {
				return fmt.Errorf("%v is out of reach of %x/%d", s.key, up.path, up.level)
			}
		}
	}
	return nil
}

// model is the index as one would first write it.
type model struct {
	order []int // by first put
	at    map[int]Point
}

func (m *model) put(k int, p Point) {
	if _, known := m.at[k]; !known {
		m.order = append(m.order, k)
	}
	m.at[k] = p
}

func (m *model) remove(k int) bool {
	_, known := m.at[k]
	if known {
		delete(m.at, k)
		m.order = slices.DeleteFunc(m.order, func(o int) bool { return o == k })
	}
	return known
}

// closestFirst sorts by squared chord, stably, so that ties are by first put.
func (m *model) closestFirst(from Point) []int {
	type far struct {
		k      int
		chord2 float64
	}
	all := make([]far, len(m.order))
	for i, k := range m.order {
		all[i] = far{k, unit(from).chord2(unit(m.at[k]))}
	}
	slices.SortStableFunc(all, func(a, b far) int { return cmp.Compare(a.chord2, b.chord2) })
	keys := make([]int, len(all))
	for i, f := range all {
		keys[i] = f.k
	}
	return keys
}

func fill(points []Point) (*Index[int], *model) {
	x, m := NewIndex[int](), &model{at: make(map[int]Point)}
	for i, p := range points {
		x.Put(i, p)
		m.put(i, p)
	}
	return x, m
}

// mustAgree compares the first n keys from a point, and their distances.
func mustAgree(t *testing.T, x *Index[int], m *model, from Point, n int) {
	t.Helper()
	want := m.closestFirst(from)
	i := 0
	for k, d := range x.ClosestFirst(from) {
		if i >= len(want) {
			t.Fatalf("from %v: key %d comes after all %d", from, k, len(want))
		}
		if exact := Distance(from, m.at[k]); k != want[i] || d != exact {
			t.Fatalf("from %v, place %d: key %d at %v (%v m, in truth %v), want key %d at %v (%v m)",
				from, i, k, m.at[k], d, exact, want[i], m.at[want[i]], Distance(from, m.at[want[i]]))
		}
		if i++; i == n {
			return
		}
	}
	if i != len(want) {
		t.Fatalf("from %v: %d keys of %d", from, i, len(want))
	}
}

// scatters are the ways of lying about that have tripped spatial indexes.
func scatters(t *testing.T, rng *rand.Rand) map[string][]Point {
	liping := Point{26.2311, 109.1314}
	many := func(n int, one func(i int) Point) []Point {
		points := make([]Point, n)
		for i := range points {
			points[i] = one(i)
		}
		return points
	}
	near := func(p Point, metres float64) func(int) Point {
		return func(int) Point { return around(rng, p, metres) }
	}
	edges := func(i int) Point { // the corners of cells, and between two of them
		c, err := CellOf(around(rng, liping, 20_000), i%10)
		if err != nil {
			t.Fatal(err)
		}
		ring := c.Boundary()
		a, b := ring[i%len(ring)], ring[(i+1)%len(ring)]
		f := float64(rng.IntN(5)) / 4
		return Point{a.Lat + f*(b.Lat-a.Lat), a.Lon + f*(b.Lon-a.Lon)}
	}
	return map[string][]Point{
		"none":          nil,
		"one":           {liping},
		"county of 60":  many(60, near(liping, 40_000)),
		"market":        many(1500, func(i int) Point { return around(rng, liping, math.Pow(10, rng.Float64()*5)) }),
		"world":         many(2000, func(int) Point { return anywhere(rng) }),
		"north pole":    many(500, near(Point{90, 0}, 50_000)),
		"south pole":    many(500, near(Point{-90, 0}, 5_000_000)),
		"antimeridian":  many(1000, near(Point{-17, 180}, 100_000)),
		"pentagon":      many(1500, near(pentagon(t, 3).Centre(), 200_000)),
		"fine pentagon": many(500, near(pentagon(t, 9).Centre(), 1_000)),
		"cell edges":    many(1500, edges),
		"one spot":      many(700, func(int) Point { return liping }),
		"two spots":     many(200, func(i int) Point { return Point{26 + float64(i%2), 109} }),
		"lattice":       many(900, func(i int) Point { return Point{float64(i/30) - 15, float64(i%30)*12 - 174} }),
		"one road":      many(1000, func(i int) Point { return Point{26, 109 + float64(i)*1e-4} }),
		"few metres":    many(500, near(liping, 3)),
	}
}

func TestClosestFirstIsExact(t *testing.T) {
	rng := random(t)
	all := scatters(t, rng)
	for _, name := range slices.Sorted(maps.Keys(all)) { // in an order, or the seed replays nothing
		t.Run(name, func(t *testing.T) {
			points := all[name]
			x, m := fill(points)
			if err := x.check(); err != nil {
				t.Fatal(err)
			}
			from := []Point{{26.2311, 109.1314}, {90, 0}, {-90, 123}, {0, 180}, {0, -180}, {0, 0}, anywhere(rng)}
			for range 12 {
				if len(points) > 0 {
					p := points[rng.IntN(len(points))]
					from = append(from, p, around(rng, p, 100), around(rng, p, 30_000))
				}
			}
			for _, p := range from {
				mustAgree(t, x, m, p, math.MaxInt)
			}
			// A large index is searched a little otherwise.
			var order []int
			large := &walk[int]{large: true}
			large.run(x.tree.root.row, unit(from[0]), func(k int, _ Meters) bool { order = append(order, k); return true })
			if want := m.closestFirst(from[0]); !slices.Equal(order, want) {
				t.Errorf("as a large index: %v, want %v", order, want)
			}
		})
	}
}

func TestClosestFirstFromCellCornersIsExact(t *testing.T) {
	rng := random(t)
	at := Point{26.2311, 109.1314}
	points := make([]Point, 3000)
	for i := range points {
		points[i] = around(rng, at, 30_000)
	}
	x, m := fill(points)
	for resolution := range 10 {
		c, err := CellOf(around(rng, at, 20_000), resolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, corner := range c.Boundary() {
			mustAgree(t, x, m, corner, 200)
		}
		mustAgree(t, x, m, c.Centre(), 200)
	}
}

func TestClosestFirstAmong200k(t *testing.T) {
	rng := random(t)
	box := boxFor(200_000)
	points := make([]Point, 200_000)
	for i := range points {
		points[i] = box.point(rng)
	}
	x, m := fill(points)
	if err := x.check(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		mustAgree(t, x, m, box.point(rng), 5_000)
	}
	mustAgree(t, x, m, anywhere(rng), 5_000)
}

// A day in short: keys come, move a little, move far, and go, and the index is
// asked all along.
func TestHistoriesAgainstTheModel(t *testing.T) {
	rng := random(t)
	for _, c := range []struct {
		name string
		home Point
	}{{"Liping", Point{26.2311, 109.1314}}, {"date line", Point{52, 180}}, {"pole", Point{90, 0}}, {"pentagon", pentagon(t, 4).Centre()}} {
		t.Run(c.name, func(t *testing.T) {
			home := c.home
			x, m := NewIndex[int](), &model{at: make(map[int]Point)}
			spread := math.Pow(10, 2+rng.Float64()*4)
			for step := range 6_000 {
				// The fleet swells to hundreds and ebbs away, thrice.
				crowd := 1 + int(400*math.Abs(math.Sin(float64(step)/2_000*math.Pi)))
				k := rng.IntN(crowd)
				at, known := x.At(k)
				if want, also := m.at[k]; known != also || at != want {
					t.Fatalf("step %d: key %d is at %v %v, want %v %v", step, k, at, known, want, also)
				}
				switch dice := rng.IntN(10); {
				case known && len(m.order) > crowd:
					k = m.order[rng.IntN(len(m.order))]
					fallthrough
				case known && dice == 0:
					x.Remove(k)
					m.remove(k)
				case known && dice < 8:
					p := around(rng, at, math.Pow(10, rng.Float64()*4))
					x.Put(k, p)
					m.put(k, p)
				default:
					p := around(rng, home, spread)
					x.Put(k, p)
					m.put(k, p)
				}
				if x.Len() != len(m.order) {
					t.Fatalf("step %d: %d keys, want %d", step, x.Len(), len(m.order))
				}
				if step%50 == 0 {
					if err := x.check(); err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
					mustAgree(t, x, m, around(rng, home, spread), math.MaxInt)
				}
			}
			for _, k := range slices.Clone(m.order) {
				if !x.Remove(k) || x.Remove(k) || !m.remove(k) {
					t.Fatalf("key %d is not removed once", k)
				}
				if err := x.check(); err != nil {
					t.Fatal(err)
				}
			}
			mustAgree(t, x, m, home, 1)
		})
	}
}

// Keys that roam within reach of their leaf are not filed anew, so a split finds
// strays; they must be found again, and the tree be right.
func TestSplitWithStrays(t *testing.T) {
	rng := random(t)
	home := Point{26.2311, 109.1314}
	for range 20 {
		x, m := NewIndex[int](), &model{at: make(map[int]Point)}
		put := func(k int, p Point) { x.Put(k, p); m.put(k, p) }
		spread := math.Pow(10, 1+rng.Float64()*5)
		for k := range leafMax {
			put(k, around(rng, home, spread))
		}
		for range 20 {
			for k := range leafMax {
				put(k, around(rng, m.at[k], spread))
			}
		}
		for k := range 2 * leafMax {
			put(leafMax+k, around(rng, home, spread/10))
			if err := x.check(); err != nil {
				t.Fatal(err)
			}
		}
		mustAgree(t, x, m, home, math.MaxInt)
	}
}

// When most of a leaf's keys turn out to be strays, the few that stay must not
// keep an inner node for themselves.
func TestSplitOfMostlyStrays(t *testing.T) {
	rng := random(t)
	strays := 0
	for range 20 {
		x, m := NewIndex[int](), &model{at: make(map[int]Point)}
		put := func(k int, p Point) { x.Put(k, p); m.put(k, p) }
		home := around(rng, Point{26.2311, 109.1314}, 50_000)
		for k := range 500 { // so that leaves are small
			put(1_000+k, around(rng, home, 5_000))
		}
		leaf := x.spots[1_000].leaf
		centre := leaf.path.cell(leaf.level).Centre()
		outside := func(p Point) bool { return leaf.keeps(unit(p)) && !pathTo(p).shares(leaf.path, leaf.level) }
		for k := 0; leaf.isLeaf() && leaf.count < leafMax; k++ {
			put(k, centre)
		}
		for k := range leafMax {
			for tries := 0; x.spots[k].leaf == leaf && tries < 2_000; tries++ {
				if p := around(rng, centre, float64(arc(keepReach[leaf.level]*keepReach[leaf.level]))); outside(p) {
					put(k, p)
					strays++
					break
				}
			}
		}
		put(999, centre)
		if err := x.check(); err != nil {
			t.Fatal(err)
		}
		mustAgree(t, x, m, centre, math.MaxInt)
	}
	t.Logf("%d strays", strays)
	if strays < leafMax {
		t.Errorf("only %d strays: this tests nothing", strays)
	}
}

// Keys of several leaves may stand on one spot, having roamed there.
func TestTiesAcrossLeaves(t *testing.T) {
	rng := random(t)
	home := Point{26.2311, 109.1314}
	x, m := NewIndex[int](), &model{at: make(map[int]Point)}
	for k := range 400 {
		p := around(rng, home, 3_000)
		x.Put(k, p)
		m.put(k, p)
	}
	for _, k := range rng.Perm(400)[:300] {
		x.Put(k, home)
		m.put(k, home)
	}
	leaves := map[*node[int]]bool{}
	for _, s := range x.spots {
		leaves[s.leaf] = true
	}
	if err := x.check(); err != nil || len(leaves) < 3 {
		t.Fatalf("%d leaves, %v", len(leaves), err)
	}
	mustAgree(t, x, m, home, math.MaxInt)
	mustAgree(t, x, m, around(rng, home, 3_000), math.MaxInt)
}

// A pad that goes back to the pool holds no keys and no great memory.
func TestPadIsWiped(t *testing.T) {
	x, _ := fill(slices.Repeat([]Point{{26, 109}}, 100))
	w := new(walk[int])
	w.run(x.tree.root.row, unit(Point{26, 109}), func(int, Meters) bool { return true })
	if len(w.runs) == 0 || !w.reset() || len(w.runs)+len(w.queue)+len(w.near) != 0 {
		t.Errorf("after reset: %d runs", len(w.runs))
	}
	for _, r := range w.runs[:cap(w.runs)] {
		if r.row != nil || r.slots != nil {
			t.Fatal("the pad keeps keys alive")
		}
	}
	w.near = make([]uint64, 0, 1<<20)
	if w.reset() {
		t.Error("a pad of 8 MB is kept")
	}
}

func TestSameHistorySameOrder(t *testing.T) {
	rng := random(t)
	seed := rng.Uint64()
	run := func() (order []int) {
		rng, x := rand.New(rand.NewPCG(seed, 0)), NewIndex[int]()
		spots := []Point{{26, 109}, {26, 109.001}, {26.5, 109}, {26, 109}} // hardly any place, so that most are ties
		for range 3_000 {
			if k := rng.IntN(500); rng.IntN(4) == 0 {
				x.Remove(k)
			} else {
				x.Put(k, spots[rng.IntN(len(spots))])
			}
		}
		for k := range x.ClosestFirst(Point{26.2, 109.1}) {
			order = append(order, k)
		}
		return order
	}
	if a, b := run(), run(); !slices.Equal(a, b) || len(a) < 100 {
		t.Errorf("one history, two orders:\n%v\n%v", a, b)
	}
}

func TestTiesGoByFirstPut(t *testing.T) {
	x := NewIndex[string]()
	here := Point{26.2311, 109.1314}
	for _, k := range []string{"c", "a", "b"} {
		x.Put(k, here)
	}
	x.Put("c", Point{27, 109}) // gone and back is still the first
	x.Put("c", here)
	x.Remove("a") // gone for good and back is the last
	x.Put("a", here)
	var order []string
	for k := range x.ClosestFirst(Point{26, 109}) {
		order = append(order, k)
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}

func TestCrowdOnOneSpot(t *testing.T) {
	x, m := fill(slices.Repeat([]Point{{26.2311, 109.1314}}, 3_000))
	if err := x.check(); err != nil {
		t.Fatal(err)
	}
	mustAgree(t, x, m, Point{26, 109}, math.MaxInt)
	for k := range 2_950 {
		x.Remove(k)
		m.remove(k)
	}
	if err := x.check(); err != nil {
		t.Fatal(err)
	}
	if leaf := x.spots[2_995].leaf; cap(leaf.seqs) > 8*leafMax || cap(leaf.self().slots) > 8*leafMax {
		t.Errorf("%d keys are left and room for %d", x.Len(), cap(leaf.seqs))
	}
	mustAgree(t, x, m, Point{26, 109}, math.MaxInt)
}

func TestMemoryIsGivenBack(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the second empties the pools the first has aged
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	rng := random(t)
	const n = 100_000
	x, box := NewIndex[int](), boxFor(n)
	empty := heap()
	for k := range n {
		x.Put(k, box.point(rng))
	}
	full := heap()
	for range x.ClosestFirst(Point{27, 107}) { // a search over everything leaves no pad behind
		continue
	}
	for k := range n {
		x.Remove(k)
	}
	left := heap()
	t.Logf("empty %d kB, with %d keys %d kB (%d bytes a key), empty again %d kB",
		empty>>10, n, full>>10, (full-empty)/n, left>>10)
	if left > empty+(full-empty)/50 {
		t.Errorf("%d kB stay of %d kB", (left-empty)>>10, (full-empty)>>10)
	}
	if err := x.check(); err != nil || x.tree.root.row.used != 0 {
		t.Errorf("ghosts: %v, %d top nodes", err, x.tree.root.row.used)
	}
	runtime.KeepAlive(x)
}

func TestStoppingAndNesting(t *testing.T) {
	rng := random(t)
	box := boxFor(5_000)
	points := make([]Point, 5_000)
	for i := range points {
		points[i] = box.point(rng)
	}
	x, m := fill(points)
	for k, d := range x.ClosestFirst(points[7]) {
		if k != 7 || d != 0 {
			t.Errorf("nearest to key 7 is %d at %v m", k, d)
		}
		for k2 := range x.ClosestFirst(points[8]) { // a search within a search
			if k2 != 8 {
				t.Errorf("nearest to key 8 is %d", k2)
			}
			break
		}
		break
	}
	func() {
		defer func() { _ = recover() }()
		for range x.ClosestFirst(points[9]) {
			panic("the caller's own")
		}
	}()
	mustAgree(t, x, m, points[10], 100)
}

func TestReadersAtOnce(t *testing.T) {
	rng := random(t)
	points := make([]Point, 2_000)
	for i := range points {
		points[i] = around(rng, Point{26, 109}, 20_000)
	}
	x, m := fill(points)
	want := m.closestFirst(points[0])
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				i := 0
				for k := range x.ClosestFirst(points[0]) {
					if k != want[i] {
						t.Errorf("place %d: %d, want %d", i, k, want[i])
						return
					}
					i++
				}
				if _, known := x.At(5); !known || x.Len() != len(points) {
					t.Error("keys are lost")
				}
			}
		})
	}
	all.Wait()
}

func TestPlacesThatAreNone(t *testing.T) {
	x := NewIndex[string]()
	x.Put("d1", Point{26, 109})
	for _, p := range []Point{{math.NaN(), 1}, {1, math.NaN()}, {91, 0}, {0, 181}, {math.Inf(1), 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Put at %v is accepted", p)
				}
			}()
			x.Put("d1", p)
		}()
		for k := range x.ClosestFirst(p) {
			t.Errorf("%s is near %v", k, p)
		}
	}
	if at, _ := x.At("d1"); at != (Point{26, 109}) || x.check() != nil {
		t.Errorf("d1 is at %v, %v", at, x.check())
	}
	if x.Remove("d2") {
		t.Error("a key that never was is removed")
	}
	if at, known := x.At("d2"); known || at != (Point{}) {
		t.Errorf("a key that never was is at %v", at)
	}
}

// The search may allocate its pad once, and then nothing.
func TestSearchDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector sync.Pool forgets on purpose")
	}
	rng := random(t)
	x, _, box, _ := benchIndex(20_000)
	from := box.point(rng)
	if n := testing.AllocsPerRun(200, func() { nearest8(x, from) }); n >= 1 {
		t.Errorf("%v allocations a search", n)
	}
	at, _ := x.At("driver-0000007")
	if n := testing.AllocsPerRun(200, func() { at.Lat += 1e-7; x.Put("driver-0000007", at) }); n >= 1 {
		t.Errorf("%v allocations a small move", n)
	}
}
