package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// The points of the benchmarks lie in a square about Guizhou, 0.625 to a square
// kilometre, which is 100,000 in 400 by 400 km.
const (
	benchDensity = 0.625
	benchKey     = "driver-%07d"
)

type benchBox struct{ south, west, high, wide float64 }

func boxFor(n int) benchBox {
	side := math.Sqrt(float64(n)/benchDensity) * 1000 // metres
	high := side / float64(EarthRadius) * 180 / math.Pi
	wide := high / math.Cos(27*math.Pi/180)
	return benchBox{south: 27 - high/2, west: 107 - wide/2, high: high, wide: wide}
}

func (b benchBox) point(rng *rand.Rand) Point {
	return Point{Lat: b.south + b.high*rng.Float64(), Lon: b.west + b.wide*rng.Float64()}
}

func benchIndex(n int) (*Index[string], []string, benchBox, *rand.Rand) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	box := boxFor(n)
	x := NewIndex[string]()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(benchKey, i)
		x.Put(keys[i], box.point(rng))
	}
	return x, keys, box, rng
}

func nearest8(x *Index[string], from Point) (found int) {
	for range x.ClosestFirst(from) {
		if found++; found == 8 {
			break
		}
	}
	return found
}

func BenchmarkNearest8(b *testing.B) {
	for _, n := range []int{60, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, _, box, rng := benchIndex(n)
			from := make([]Point, 1<<14)
			for i := range from {
				from[i] = box.point(rng)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				nearest8(x, from[i%len(from)])
			}
		})
	}
}

func BenchmarkNearest8Parallel(b *testing.B) {
	x, _, box, rng := benchIndex(100_000)
	from := make([]Point, 1<<14)
	for i := range from {
		from[i] = box.point(rng)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			nearest8(x, from[i%len(from)])
		}
	})
}

// The filtered search: one driver in a hundred is free, all of them are seen.
func BenchmarkWalk800(b *testing.B) {
	x, _, box, rng := benchIndex(100_000)
	b.ReportAllocs()
	for b.Loop() {
		seen := 0
		for range x.ClosestFirst(box.point(rng)) {
			if seen++; seen == 800 {
				break
			}
		}
	}
}

func BenchmarkPutMove(b *testing.B) {
	for _, step := range []float64{45, 10_000} { // metres: a position every 3 s; anywhere else
		b.Run(fmt.Sprintf("%.0fm", step), func(b *testing.B) {
			x, keys, _, rng := benchIndex(100_000)
			degrees := step / float64(EarthRadius) * 180 / math.Pi
			b.ReportAllocs()
			for b.Loop() {
				k := keys[rng.IntN(len(keys))]
				p, _ := x.At(k)
				p.Lat += degrees * (rng.Float64()*2 - 1)
				p.Lon += degrees * (rng.Float64()*2 - 1)
				x.Put(k, p)
			}
		})
	}
}

func BenchmarkPutNew(b *testing.B) {
	_, keys, box, rng := benchIndex(100_000)
	x := NewIndex[string]()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(keys) == 0 {
			x = NewIndex[string]()
		}
		x.Put(keys[i%len(keys)], box.point(rng))
	}
}

func BenchmarkDistance(b *testing.B) {
	p, q := Point{26.2311, 109.1314}, Point{26.09, 108.96}
	for b.Loop() {
		Distance(p, q)
	}
}

func BenchmarkToWGS84(b *testing.B) {
	p := Point{26.2311, 109.1314}
	for b.Loop() {
		if _, err := ToWGS84(p, BD09); err != nil {
			b.Fatal(err)
		}
	}
}
