package dispatch

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cuntong/geo"
)

// What a way keeps depends on which positions there were, not on the order or the number of
// times in which they came.
func TestWayIsOfASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pathPoint {
			return pathPoint{at: Instant(rapid.IntRange(0, 3_000_000).Draw(t, "at")), lat: rapid.Int32Range(0, 3).Draw(t, "lat")}
		}), 0, 1200).Draw(t, "points")
		one, other := path{step: time.Second}, path{step: time.Second}
		for _, p := range points {
			one.add(p)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		again := append(slices.Clone(points), points[:len(points)/2]...)
		rng.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		for _, p := range again {
			other.add(p)
		}
		if one.step != other.step || !slices.Equal(one.points, other.points) || len(one.points) > maxPath {
			t.Fatalf("%d positions in steps of %v; in another order %d in steps of %v", len(one.points), one.step, len(other.points), other.step)
		}
	})
}

// A slip of the phone, or a lie, does not make a way longer; a gap is a straight line, and
// so is the beginning that nobody saw.
func TestDistance(t *testing.T) {
	begin := geo.Point{Lat: 26, Lon: 109}
	at := func(seconds int, lat float64) pathPoint {
		return pointOf(Fix{At: morning.Add(time.Duration(seconds) * time.Second), Point: geo.Point{Lat: lat, Lon: 109}})
	}
	const degree = 111_195 // metres of latitude
	for name, c := range map[string]struct {
		points []pathPoint
		want   float64 // degrees
	}{
		"nothing":             {nil, 0},
		"one position":        {[]pathPoint{at(5, 26.001)}, 0},
		"a straight way":      {[]pathPoint{at(5, 26), at(65, 26.01), at(125, 26.02)}, 0.02},
		"there and back":      {[]pathPoint{at(5, 26), at(65, 26.01), at(125, 26)}, 0.02},
		"a slip":              {[]pathPoint{at(5, 26), at(65, 26.01), at(70, 27), at(125, 26.02)}, 0.02},
		"a beginning unseen":  {[]pathPoint{at(600, 26.05), at(660, 26.06)}, 0.06},
		"before and after":    {[]pathPoint{at(-60, 25.99), at(5, 26), at(65, 26.01), at(9000, 27)}, 0.01},
		"an impossible start": {[]pathPoint{at(70, 27), at(600, 26.05)}, 0.05},
	} {
		p := path{step: pathStep}
		for _, q := range c.points {
			p.add(q)
		}
		if got := p.distance(morning, morning.Add(time.Hour), begin); got < int64(c.want*degree)-3 || got > int64(c.want*degree)+3 {
			t.Errorf("%s: %d m, want %.0f", name, got, c.want*degree)
		}
	}
}
