package road

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// benchRoads are mountain networks with what is built on them, made once.
type benchRoads struct {
	*randomRoads
	h *hierarchy
	m *metric
}

var benched sync.Map // of *benchRoads by name

func benchSizes(b *testing.B, run func(b *testing.B, r *benchRoads)) {
	for _, n := range []int{5_000, 500_000} {
		benchOn(b, fmt.Sprint(n), func(b *testing.B) *randomRoads { return newMountains(b, n, 1) }, run)
	}
	benchOn(b, "andorra", func(b *testing.B) *randomRoads { return andorra(b) }, run)
}

func benchOn(b *testing.B, name string, roads func(b *testing.B) *randomRoads, run func(b *testing.B, r *benchRoads)) {
	b.Run(name, func(b *testing.B) {
		r, ok := benched.Load(name)
		if !ok {
			roads := roads(b)
			h := newHierarchy(roads.g)
			r = &benchRoads{roads, h, h.newMetric(roads.weightOf)}
			benched.Store(name, r)
		}
		b.ReportAllocs()
		b.ResetTimer()
		run(b, r.(*benchRoads))
	})
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

// So many segments are closed and opened again: two updates.
func BenchmarkClosure(b *testing.B) {
	for _, segments := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(segments), func(b *testing.B) {
			benchSizes(b, func(b *testing.B, r *benchRoads) {
				rng, worst := seeded(1), time.Duration(0)
				lanes := make([]Lane, 0, 2*segments)
				for b.Loop() {
					lanes = lanes[:0]
					for range segments {
						s := SegmentID(rng.IntN(len(r.g.from)))
						lanes = append(lanes, s.Forward(), s.Backward())
					}
					start := time.Now()
					r.m.update(lanes, func(Lane) weight { return never })
					worst = max(worst, time.Since(start))
					r.m.update(lanes, r.weightOf)
				}
				b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
			})
		})
	}
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

// Drives to one place from so many drivers all over the land, and from eight near it.
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
	b.Run("8 near", func(b *testing.B) {
		benchSizes(b, func(b *testing.B, r *benchRoads) {
			rng, at := seeded(1), newReach(r.h)
			for b.Loop() {
				v := r.any(rng)
				at.aim(r.m, []seed{{vertex: v}})
				for range 8 {
					// Ranks are near each other where vertices are.
					u := int(r.g.rank[v]) + rng.IntN(400) - 200
					at.from(r.h.vertex[max(0, min(u, len(r.h.vertex)-1))])
				}
			}
		})
	})
}

// The nearest eight drivers by plain Dijkstra, which stops when it has met them:
// they stand at every seventh vertex, at every seven hundredth, or nowhere, so
// that it goes all the way.
func BenchmarkDijkstra(b *testing.B) {
	for _, apart := range []int32{7, 700, math.MaxInt32} {
		b.Run(fmt.Sprint(apart), func(b *testing.B) {
			benchSizes(b, func(b *testing.B, r *benchRoads) {
				rng := seeded(1)
				for b.Loop() {
					met := 0
					dijkstra(r.g, r.weightOf, []seed{{vertex: r.any(rng)}}, func(v int32) bool {
						if v%apart == apart-1 {
							met++
						}
						return met == 8
					})
				}
			})
		})
	}
}

func (r *benchRoads) any(rng *rand.Rand) int32 { return int32(rng.IntN(len(r.g.junction))) }
