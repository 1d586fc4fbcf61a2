package road

import (
	"math"
	"math/rand/v2"
	"testing"

	"cuntong/geo"
)

// tryAll is grid.nearest by looking at every piece of every segment.
func tryAll(g *Graph, p geo.Point, heading float64) hit {
	x := &grid{g: g, handicap: handicaps(g)}
	x.lay()
	k := look{
		x: x, lat: p.Lat * 1e7, lon: p.Lon * 1e7, unfavourable: true,
		north: metersPerUnit, east: metersPerUnit * math.Cos(p.Lat*math.Pi/180),
		headed: heading >= 0, best: hit{segment: -1, score: math.Inf(1)},
	}
	k.sin, k.cos = math.Sincos(heading * math.Pi / 180)
	for s := range SegmentID(g.Segments()) {
		if g.head[s.Forward()] >= 0 || g.head[s.Backward()] >= 0 {
			k.along(run{segment: s, from: x.lineAt[s], until: x.lineAt[s] + uint32(g.pieces(s))})
		}
	}
	return k.best
}

func TestLocateFindsWhatTryingAllFinds(t *testing.T) {
	rng := random(t)
	on := 0
	for range 60 {
		var g *Graph
		if rng.IntN(2) == 0 {
			g = drawValley(t, rng).g
		} else {
			g = newMountains(t, 10+rng.IntN(300), rng.Uint64()).g
		}
		for i := range g.island {
			g.island[i] = uint16(rng.IntN(8) / 7)
		}
		x := newGrid(g)
		low, high := g.corners()
		for range 100 {
			p := geo.Point{
				Lat: (float64(low.lat) + (1.1*rng.Float64()-0.05)*float64(high.lat-low.lat)) / 1e7,
				Lon: (float64(low.lon) + (1.1*rng.Float64()-0.05)*float64(high.lon-low.lon)) / 1e7,
			}
			if rng.IntN(2) == 0 {
				p = nearby(rng, g.point(SegmentID(rng.IntN(g.Segments())), 0).point(), 400)
			}
			heading := 720*rng.Float64() - 360
			want := tryAll(g, p, heading)
			if got := x.nearest(p, heading, true); got != want {
				t.Fatalf("%v heading %v: %+v, by trying all %+v", p, heading, got, want)
			}
			if want.segment >= 0 {
				on++
			}
		}
	}
	if on < 500 {
		t.Errorf("only %d of the places are on a road", on)
	}
}

// A spot says where it is: from its segment and share one comes back to a place so
// far off as it says.
func TestSpotsAreWhereTheySay(t *testing.T) {
	rng := random(t)
	for range 40 {
		v := drawValley(t, rng)
		today := NewToday(v.g)
		for range 50 {
			spot := v.spot(today, rng)
			if spot.Segment == 0 {
				continue
			}
			line := v.g.trace(nil, SegmentID(spot.Segment-1).Forward(), float64(spot.Along), float64(spot.Along))
			if off := geo.Distance(line[0], spot.Point); math.Abs(float64(off)-float64(spot.Off)) > 0.05 {
				t.Fatalf("%+v lies at %v, %v m off", spot, line[0], off)
			}
		}
	}
}

// sketch draws roads whose ends lie at given places, in metres east and north of
// a point in the hills.
type sketch struct {
	t *testing.T
	b *Builder
}

func newSketch(t *testing.T) *sketch { return &sketch{t: t, b: NewBuilder("sketch", "none")} }

func at(east, north float64) geo.Point {
	lat := 26.5 + north/metersPerUnit/1e7
	return geo.Point{Lat: lat, Lon: 107 + east/metersPerUnit/1e7/math.Cos(26.5*math.Pi/180)}
}

func (k *sketch) junction(east, north float64) JunctionID { return k.b.Junction(at(east, north)) }

// road adds a segment; more changes what it is.
func (k *sketch) road(from, to JunctionID, more func(s *Segment), over ...geo.Point) SegmentID {
	k.t.Helper()
	s := Segment{Kind: geo.Tertiary, Shape: []geo.Point{k.b.g.junctions[from].point()}}
	s.Shape = append(append(s.Shape, over...), k.b.g.junctions[to].point())
	if more != nil {
		more(&s)
	}
	id, err := k.b.Add(from, to, s)
	if err != nil {
		k.t.Fatal(err)
	}
	return id
}

// A position anywhere on earth is answered, at the poles and on the other side of it
// too: phones send what they like.
func TestLocateAnywhere(t *testing.T) {
	today := NewToday(newMountains(t, 60, 7).g)
	for lat := -90.0; lat <= 90; lat += 0.25 {
		for _, lon := range []float64{-180, -90, -1e-9, 0, 1e-9, 109, 180} {
			for _, off := range []float64{0, 1e-7, -1e-7} {
				p := geo.Point{Lat: min(90, max(-90, lat+off)), Lon: lon}
				if spot := today.Locate(p, 90); spot.Segment != 0 && spot.Off > snapReach {
					t.Fatalf("%v is put on a road %v m away", p, spot.Off)
				}
			}
		}
	}
}

func TestLocatePrefers(t *testing.T) {
	k := newSketch(t)
	west, east, middle := k.junction(-2000, 0), k.junction(2000, 0), k.junction(0, 0)
	north := k.junction(0, 1000)
	a := k.road(west, middle, nil)
	c := k.road(middle, east, nil)
	up := k.road(middle, north, nil)
	oneWay := k.road(k.junction(-2000, 5000), k.junction(2000, 5000), func(s *Segment) { s.Flags = NoBackward })
	back := k.road(k.junction(2000, 5012), k.junction(-2000, 5012), func(s *Segment) { s.Flags = NoBackward })
	reversed := k.road(k.junction(2000, 9012), k.junction(-2000, 9012), func(s *Segment) { s.Flags = NoForward })
	k.road(k.junction(-2000, 9000), k.junction(2000, 9000), func(s *Segment) { s.Flags = NoForward })
	wrong := k.road(k.junction(-2000, 7010), k.junction(2000, 7010), func(s *Segment) { s.Flags = NoBackward })
	tunnel := k.road(k.junction(-2000, -5000), k.junction(2000, -5000), func(s *Segment) { s.Flags = Tunnel })
	over := k.road(k.junction(0, -5010), k.junction(2000, -5010), nil)
	lonely := k.road(k.junction(-2000, -8000), k.junction(2000, -8000), nil)
	main := k.road(k.junction(0, -8030), k.junction(2000, -8030), nil)
	shut := k.road(k.junction(-2000, -9000), k.junction(2000, -9000), func(s *Segment) { s.Flags = NoForward | NoBackward })
	g := k.b.Build()
	g.island[lonely] = 1
	today := NewToday(g)
	for _, c := range []struct {
		name    string
		p       geo.Point
		degrees float64
		want    SegmentID
		heading int8
	}{
		{"nearest", at(-500, 20), -1, a, 0},
		{"along it", at(-500, 20), 85, a, 1},
		{"against it", at(-500, 20), 275, a, -1},
		{"across at the crossing, heading east", at(12, 5), 90, c, 1},
		{"across at the crossing, heading north", at(12, 5), 0, up, 1},
		{"the lane of a dual carriageway nearer to it", at(0, 5003), -1, oneWay, 0},
		{"the lane that goes so, though the other is nearer", at(0, 5003), 270, back, 1},
		{"the lane drawn the other way", at(0, 9003), 90, reversed, -1},
		{"the wrong way, where nothing else is", at(0, 7000), 250, wrong, -1},
		{"not the tunnel", at(500, -5002), -1, over, 0},
		{"the tunnel, where nothing else is", at(-500, -5002), -1, tunnel, 0},
		{"not the island", at(500, -8000), -1, main, 0},
		{"the island, where nothing else is", at(-500, -8000), -1, lonely, 0},
	} {
		spot := today.Locate(c.p, c.degrees)
		if SegmentID(spot.Segment-1) != c.want || spot.Heading != c.heading || spot.Point != c.p {
			t.Errorf("%s: %+v, want segment %d, heading %d", c.name, spot, c.want, c.heading)
		}
	}
	for name, p := range map[string]geo.Point{
		"301 m off": at(-500, -301), "abroad": {Lat: 42.5, Lon: 1.5}, "nowhere": {Lat: math.NaN(), Lon: 107}, "null island": {},
		"off earth": {Lat: 26.5, Lon: 1e9}, "on a road nobody drives": at(0, -9000),
	} {
		if spot := today.Locate(p, 90); spot.Segment != 0 {
			t.Errorf("%s: %+v, which is a road", name, spot)
		}
	}
	if spot := today.Locate(at(-500, 299), -1); spot.Segment == 0 || math.Abs(float64(spot.Off)-299) > 0.1 || math.Abs(float64(spot.Along)-0.75) > 1e-4 {
		t.Errorf("299 m off: %+v", spot)
	}
	if shut == 0 {
		t.Error("no road nobody drives")
	}
}

// A network without a road has no place on one, and breaks nothing.
func TestNoRoads(t *testing.T) {
	today := NewToday(NewBuilder("none", "none").Build())
	spot := today.Locate(at(0, 0), -1)
	if _, ok := today.Travel(spot, spot, geo.Drive{Class: geo.Car}); ok || spot.Segment != 0 {
		t.Errorf("a drive on no road: %+v", spot)
	}
	if line := today.Line(spot, spot, geo.Drive{Class: geo.Car}); line != nil {
		t.Errorf("a line on no road: %v", line)
	}
}

func benchSpots(rng *rand.Rand, g *Graph) []geo.Point {
	points := make([]geo.Point, 4096)
	for i := range points {
		s := SegmentID(rng.IntN(g.Segments()))
		line := g.trace(nil, s.Forward(), 0.5, 0.5)
		points[i] = nearby(rng, line[0], 20)
	}
	return points
}

func BenchmarkLocate(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		x := newGrid(r.g)
		points := benchSpots(seeded(1), r.g)
		defer b.ReportMetric(float64(4*len(x.first)+12*len(x.runs)+len(x.handicap)+4*len(x.lineAt)+8*len(x.line))/(1<<20), "MB")
		b.ResetTimer()
		i := 0
		for b.Loop() {
			x.nearest(points[i&4095], float64(i%360), true).spot(r.g, points[i&4095])
			i++
		}
	})
}
