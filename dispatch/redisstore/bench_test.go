package redisstore

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/geo"
)

// benchServers are the servers that need nobody's help to start.
func benchServers(b *testing.B, run func(*testing.B, *Store)) {
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"embedded", Config{Mode: ModeEmbedded}},
		{"child-always", Config{Mode: ModeChild}},
		{"child-everysec", Config{Mode: ModeChild, Durability: DurabilityEverySecond}},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.cfg.Mode == ModeChild {
				needServer(b)
				c.cfg.DataDir = b.TempDir()
			}
			run(b, open(b, c.cfg))
		})
	}
}

// BenchmarkAppend measures one append of n facts beside the least Redis could do
// for them: a pipeline of n XADDs without fence, order or idempotence.
func BenchmarkAppend(b *testing.B) {
	benchServers(b, func(b *testing.B, s *Store) {
		for _, n := range []int{1, 32, dispatch.MaxBatchFacts} {
			b.Run(fmt.Sprintf("facts=%d/script", n), func(b *testing.B) { benchAppend(b, s, n) })
			b.Run(fmt.Sprintf("facts=%d/bare-xadd", n), func(b *testing.B) { benchXAdd(b, s, n) })
		}
	})
}

// trimEvery keeps a benchmark's journal short without being measured.
const trimEvery = 64

func trim(b *testing.B, s *Store, i int, key string) {
	if i%trimEvery != 0 {
		return
	}
	b.StopTimer()
	s.mirror.now.Load().one.XTrimMaxLen(b.Context(), key, 0)
	b.StartTimer()
}

func benchAppend(b *testing.B, s *Store, n int) {
	a := s.Area(newArea())
	if _, err := a.Acquire(b.Context()); err != nil {
		b.Fatal(err)
	}
	after, i := dispatch.Seq(0), 0
	for b.Loop() {
		if err := a.Append(b.Context(), batch(i), after, facts(after, n)); err != nil {
			b.Fatal(err)
		}
		after += dispatch.Seq(n)
		i++
		trim(b, s, i, a.keys.journal())
	}
	b.ReportMetric(float64(after)/b.Elapsed().Seconds(), "facts/s")
}

func benchXAdd(b *testing.B, s *Store, n int) {
	key := keys{newArea()}.journal()
	done := 0
	for i := 0; b.Loop(); i++ {
		pipe := s.mirror.now.Load().one.Pipeline()
		for _, f := range facts(dispatch.Seq(done), n) {
			line, err := dispatch.MarshalFact(f)
			if err != nil {
				b.Fatal(err)
			}
			pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: key, ID: decimal(f.Seq) + "-0", Values: []any{"f", line}})
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
		done += n
		trim(b, s, i, key)
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "facts/s")
}

// BenchmarkShow measures one batch of positions, a tenth of which changed cell.
func BenchmarkShow(b *testing.B) {
	benchServers(b, func(b *testing.B, s *Store) {
		a := s.Area(newArea())
		fixes := make([]dispatch.MirrorFix, dispatch.MaxMirrorBatch)
		for i := range fixes {
			p := geo.Point{Lat: 25.5 + float64(i%32)*0.02, Lon: 108.5 + float64(i/32)*0.02}
			fixes[i] = at(dispatch.DriverID(fmt.Sprintf("d%d", i)), p, now)
		}
		for i := 0; b.Loop(); i++ {
			for j := i % 10; j < len(fixes); j += 10 {
				fixes[j].Fix.Point.Lat = 26 - (fixes[j].Fix.Point.Lat - 26)
			}
			if err := a.Show(b.Context(), fixes, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*len(fixes))/b.Elapsed().Seconds(), "positions/s")
	})
}
