package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// study is everything that was played.
type study struct {
	net      network
	opt      options
	policies []policy
	results  [][][]result // by load, policy and seed
	took     time.Duration
}

// survey plays every day under every policy, as many at once as there are cores.
func survey(ctx context.Context, net network, opt options, log io.Writer) (*study, error) {
	s := &study{net: net, opt: opt}
	var err error
	if s.policies, err = policies(net, opt.tuning); err != nil {
		return nil, err
	}
	demand := newGravity(net.villages, net.roads)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	s.results = make([][][]result, len(opt.loads))
	for l, load := range opt.loads {
		cells := make([][]result, len(s.policies))
		for p := range cells {
			cells[p] = make([]result, opt.seeds)
		}
		s.results[l] = cells
		for i := range opt.seeds {
			seed := opt.seed + uint64(i)
			day := demand.day(seed, load, opt.drivers)
			for p, policy := range s.policies {
				group.Go(func() error {
					if err := ctx.Err(); err != nil {
						return err
					}
					r, err := play(net.villages, net.roads, policy, day)
					if err != nil {
						return fmt.Errorf("%s, %d requests an hour, seed %d: %w", policy.name, load, seed, err)
					}
					cells[p][i] = r
					return nil
				})
			}
		}
	}
	fmt.Fprintf(log, "%d days under each of %d policies\n", len(opt.loads)*opt.seeds, len(s.policies))
	return s, group.Wait()
}

// samples is one figure of every seed.
func (s *study) samples(load, policy int, figure func(*result) float64) []float64 {
	all := make([]float64, len(s.results[load][policy]))
	for i := range all {
		all[i] = figure(&s.results[load][policy][i])
	}
	return all
}

// pooled is the waits of all seeds together.
func (s *study) pooled(load, policy int) (waits []float64) {
	for _, r := range s.results[load][policy] {
		waits = append(waits, r.waits...)
	}
	return waits
}

// decisions is how long the core took over each, in milliseconds, of all loads.
func (s *study) decisions(policy int) (ms []float64) {
	for l := range s.results {
		for _, r := range s.results[l][policy] {
			for _, took := range r.decisions {
				ms = append(ms, float64(took)/float64(time.Millisecond))
			}
		}
	}
	return ms
}

// fairness says how much worse off the villages are that are served worst.
type fairness struct {
	mean, worst float64  // percent served: of all requests, and on average in the worst tenth of villages
	villages    []string // those, worst first
	fewest      int      // requests from the village with the fewest
}

// fairnessOf pools the seeds, because a village has few requests in a day.
func (s *study) fairnessOf(load, policy int) fairness {
	pool := make([]share, len(s.net.villages))
	var all share
	for _, r := range s.results[load][policy] {
		for i, v := range r.byVillage {
			pool[i].served += v.served
			pool[i].of += v.of
			all.served += v.served
			all.of += v.of
		}
	}
	var order []int
	f := fairness{mean: all.percent(), fewest: math.MaxInt}
	for i, v := range pool {
		if v.of > 0 {
			order = append(order, i)
			f.fewest = min(f.fewest, v.of)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return pool[a].served*pool[b].of - pool[b].served*pool[a].of
	})
	worst := order[:(len(order)+9)/10]
	for _, i := range worst {
		f.worst += pool[i].percent() / float64(len(worst))
		f.villages = append(f.villages, s.net.villages[i].name)
	}
	return f
}

func (s share) percent() float64 { return 100 * float64(s.served) / float64(s.of) }
