package road

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cuntong/geo"
)

// randomRoads is a network with everything in it that makes a search go wrong, and
// what its lanes weigh.
type randomRoads struct {
	g       *Graph
	weights []weight // by lane
}

func (r *randomRoads) weightOf(l Lane) weight { return r.weights[l] }

// newRandomRoads draws one: one-ways, parallels, loops, forbidden turns, several
// parts, lanes that weigh nothing, nearly never or never, and many equal weights.
// Every third has an order drawn at random, because no answer may depend on it.
func newRandomRoads(t testing.TB, rng *rand.Rand) *randomRoads {
	t.Helper()
	b := NewBuilder("random", "none")
	junctions := 1 + rng.IntN(24)
	for range junctions {
		b.Junction(geo.Point{Lat: 26 + rng.Float64(), Lon: 106 + rng.Float64()})
	}
	segments := rng.IntN(3 * junctions)
	for range segments {
		from, to := JunctionID(rng.IntN(junctions)), JunctionID(rng.IntN(junctions))
		s := Segment{Shape: []geo.Point{b.g.junctions[from].point(), b.g.junctions[to].point()}, Kind: geo.Tertiary}
		s.Flags = []Flags{0, 0, 0, NoForward, NoBackward, NoForward | NoBackward}[rng.IntN(6)]
		if _, err := b.Add(from, to, s); err != nil {
			t.Fatal(err)
		}
	}
	forbid(t, b, rng)
	r := &randomRoads{g: b.Build()}
	if rng.IntN(3) == 0 {
		for v, rank := range rng.Perm(len(r.g.rank)) {
			r.g.rank[v] = int32(rank)
		}
	}
	r.weights = make([]weight, 2*segments)
	for l := range r.weights {
		r.weights[l] = randomWeight(rng)
	}
	return r
}

// forbid forbids about a tenth of the turns, and some drives straight back.
func forbid(t testing.TB, b *Builder, rng *rand.Rand) {
	t.Helper()
	if rng.IntN(4) == 0 {
		return
	}
	lanes := Lane(2 * len(b.g.from))
	for l := range lanes {
		for k := range lanes {
			if b.end(l) != b.start(k) || rng.IntN(10) > 0 {
				continue
			}
			if err := b.Forbid(l, k); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func randomWeight(rng *rand.Rand) weight {
	switch rng.IntN(12) {
	case 0:
		return never + weight(rng.IntN(2))
	case 1:
		return never/4 + weight(rng.IntN(1000))
	case 2:
		return weight(rng.IntN(2))
	case 3, 4, 5:
		return weight(1+rng.IntN(4))<<32 | weight(rng.IntN(3))
	}
	return weight(rng.IntN(100_000))<<32 | weight(rng.IntN(100_000))
}

// change makes some lanes cheaper, dearer, closed or open and returns them, now and
// then with some that stay as they are.
func (r *randomRoads) change(rng *rand.Rand) []Lane {
	if len(r.weights) == 0 {
		return nil
	}
	lanes := make([]Lane, 1+rng.IntN(4))
	for i := range lanes {
		l := Lane(rng.IntN(len(r.weights)))
		lanes[i] = l
		switch rng.IntN(5) {
		case 0:
			r.weights[l] = never
		case 1:
			r.weights[l] = min(2*r.weights[l], never)
		case 2:
			r.weights[l] /= 2
		case 3:
			r.weights[l] = randomWeight(rng)
		}
	}
	return lanes
}

// drivable says whether the lanes can be driven one after the other, from a vertex
// to a vertex.
func (r *randomRoads) drivable(from, to int32, way []Lane) bool {
	for _, l := range way {
		if !slices.Contains(r.g.lane[r.g.first[from]:r.g.first[from+1]], l) {
			return false
		}
		from = r.g.head[l]
	}
	return from == to
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x726f6164)) }

// newMountains draws a network of about so many junctions like those of a mountain
// county: places in a lattice, joined by winding roads of a few bends; ranges
// with a gap here and there; and a seventh of the junctions on tracks that end.
func newMountains(t testing.TB, junctions int, seed uint64) *randomRoads {
	t.Helper()
	m := &mountains{b: NewBuilder("drawn", "none"), rng: seeded(seed)}
	wide := 2
	for wide*wide*32 < junctions*10 {
		wide++
	}
	m.draw(t, wide)
	r := &randomRoads{g: m.b.Build(), weights: m.weights}
	return r
}

type mountains struct {
	b       *Builder
	rng     *rand.Rand
	weights []weight
}

// draw makes wide by wide places; with bends and tracks there are 3.2 junctions a place.
func (m *mountains) draw(t testing.TB, wide int) {
	const step = 0.02 // degrees between places
	place := make([]JunctionID, wide*wide)
	at := make([]geo.Point, wide*wide)
	for i := range place {
		at[i] = geo.Point{
			Lat: 24 + step*(float64(i/wide)+0.6*m.rng.Float64()),
			Lon: 104 + step*(float64(i%wide)+0.6*m.rng.Float64()),
		}
		place[i] = m.b.Junction(at[i])
	}
	for i := range place {
		x, y := i%wide, i/wide
		// A range every eight places east and every eleven north; a third can be crossed.
		if x+1 < wide && m.rng.IntN(100) < pass(x%8 == 7) {
			m.road(t, place[i], place[i+1], at[i], at[i+1], 1+m.rng.IntN(3))
		}
		if y+1 < wide && m.rng.IntN(100) < pass(y%11 == 10) {
			m.road(t, place[i], place[i+wide], at[i], at[i+wide], 1+m.rng.IntN(3))
		}
		if m.rng.IntN(3) == 0 {
			end := geo.Point{Lat: at[i].Lat + step/3*m.rng.Float64(), Lon: at[i].Lon + step/3*m.rng.Float64()}
			m.road(t, place[i], m.b.Junction(end), at[i], end, 1+m.rng.IntN(3))
		}
	}
}

func pass(mountain bool) (percent int) {
	if mountain {
		return 33
	}
	return 85
}

// road joins two places by so many segments.
func (m *mountains) road(t testing.TB, from, to JunctionID, p, q geo.Point, segments int) {
	t.Helper()
	ms, winding := 60+m.rng.IntN(140), 1+m.rng.Float64() // milliseconds a metre
	for i := range segments {
		end, r := to, q
		if i+1 < segments {
			share := 1 / float64(segments-i)
			r = geo.Point{Lat: p.Lat + (q.Lat-p.Lat)*share, Lon: p.Lon + (q.Lon-p.Lon)*share}
			end = m.b.Junction(r)
		}
		length := winding * float64(geo.Distance(p, r))
		s := Segment{Shape: []geo.Point{p, r}, Length: geo.Meters(length), Kind: geo.Tertiary}
		if m.rng.IntN(50) == 0 {
			s.Flags = NoBackward
		}
		if _, err := m.b.Add(from, end, s); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m.weights = append(m.weights, weight(length*float64(ms+m.rng.IntN(20)))<<32|weight(length*10))
		}
		from, p = end, r
	}
}
