package road

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// benchRoads are mountain networks with what is built on them, made once.
type benchRoads struct {
	*randomRoads
	h *hierarchy
	m *metric
}

var benched sync.Map // of *benchRoads by size

func benchSizes(b *testing.B, run func(b *testing.B, r *benchRoads)) {
	for _, n := range []int{5_000, 500_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r, ok := benched.Load(n)
			if !ok {
				roads := newMountains(b, n, 1)
				h := newHierarchy(roads.g)
				r = &benchRoads{roads, h, h.newMetric(roads.weightOf)}
				benched.Store(n, r)
			}
			b.ReportAllocs()
			b.ResetTimer()
			run(b, r.(*benchRoads))
		})
	}
}

func BenchmarkOrder(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		for b.Loop() {
			order(r.g)
		}
	})
}

func BenchmarkHierarchy(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		for b.Loop() {
			newHierarchy(r.g)
		}
		r.h.report(b)
	})
}

// report tells how large the hierarchy is, and how much of it a search sees.
func (h *hierarchy) report(b *testing.B) {
	height, links := make([]int, len(h.vertex)), make([]int, len(h.vertex))
	var deepest, sum, most, sumLinks int
	for r := len(h.vertex) - 1; r >= 0; r-- {
		height[r], links[r] = 1, int(h.first[r+1]-h.first[r])
		if p := h.parent[r]; p != gone {
			height[r] += height[p]
			links[r] += links[p]
		}
		deepest, sum = max(deepest, height[r]), sum+height[r]
		most, sumLinks = max(most, links[r]), sumLinks+links[r]
	}
	n := float64(len(h.vertex))
	b.ReportMetric(n, "vertices")
	b.ReportMetric(float64(len(h.g.head)), "lanes")
	b.ReportMetric(float64(len(h.high)), "links")
	b.ReportMetric(float64(h.triangles), "triangles")
	b.ReportMetric(float64(deepest), "deepest")
	b.ReportMetric(float64(sum)/n, "mean-up")
	b.ReportMetric(float64(most), "most-links-up")
	b.ReportMetric(float64(sumLinks)/n, "mean-links-up")
}

func BenchmarkCustomise(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		for b.Loop() {
			r.m.customise()
		}
	})
}

// One segment is closed and opened again: two updates.
func BenchmarkClosure(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		rng := seeded(1)
		for b.Loop() {
			s := SegmentID(rng.IntN(len(r.g.from)))
			lanes := []Lane{s.Forward(), s.Backward()}
			r.m.update(lanes, func(Lane) weight { return never })
			r.m.update(lanes, r.weightOf)
		}
	})
}

func BenchmarkTravel(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		rng, q := seeded(1), newQuery(r.h)
		for b.Loop() {
			s, t := [1]seed{{vertex: r.any(rng)}}, [1]seed{{vertex: r.any(rng)}}
			q.travel(r.m, s[:], t[:])
		}
	})
}

func BenchmarkPath(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *benchRoads) {
		rng, q := seeded(1), newQuery(r.h)
		for b.Loop() {
			s, t := [1]seed{{vertex: r.any(rng)}}, [1]seed{{vertex: r.any(rng)}}
			q.travel(r.m, s[:], t[:])
			q.path(r.m)
		}
	})
}

// Drives of so many drivers from all over the land to one place.
func BenchmarkAim(b *testing.B) {
	for _, drivers := range []int{0, 8, 700} {
		b.Run(fmt.Sprint(drivers), func(b *testing.B) {
			benchSizes(b, func(b *testing.B, r *benchRoads) {
				rng, at := seeded(1), newReach(r.h)
				for b.Loop() {
					at.aim(r.m, []seed{{vertex: r.any(rng)}})
					for range drivers {
						at.from(r.any(rng))
					}
				}
			})
		})
	}
}

// The same by plain Dijkstra that stops when it has met the eighth of the drivers,
// who stand at one in a hundred vertices; and all the way.
func BenchmarkDijkstra(b *testing.B) {
	for _, most := range []int{8, 1 << 30} {
		b.Run(fmt.Sprint(most), func(b *testing.B) {
			benchSizes(b, func(b *testing.B, r *benchRoads) {
				rng := seeded(1)
				for b.Loop() {
					met := 0
					dijkstra(r.g, r.weightOf, []seed{{vertex: r.any(rng)}}, func(v int32) bool {
						if v%100 == 0 {
							met++
						}
						return met >= most
					})
				}
			})
		})
	}
}

func (r *benchRoads) any(rng *rand.Rand) int32 { return int32(rng.IntN(len(r.g.junction))) }
