package main

import "math"

// cell is the figures of one policy under one load.
type cell struct {
	policy   policy
	load     int
	served   estimate // percent of the requests
	wait     estimate // minutes, of those served
	empty    estimate // minutes of driving to pickups for each ride
	declined estimate // offers in vain for a hundred requests
	p95      float64  // minutes, over all seeds
	// Against the first policy on the same days.
	moreServed estimate // points
	waitRatio  estimate // of those served
	allRatio   estimate // of the waits of all, see waitOfAll
	emptyRatio estimate
}

// cellOf works out a cell.
func (s *study) cellOf(load, policy int) cell {
	base := func(figure func(*result) float64) []float64 { return s.samples(load, byLine, figure) }
	own := func(figure func(*result) float64) []float64 { return s.samples(load, policy, figure) }
	served, wait, empty := (*result).servedPercent, (*result).meanWait, (*result).emptyMinutes
	return cell{
		policy:     s.policies[policy],
		load:       s.opt.loads[load],
		served:     meanOf(own(served)),
		wait:       meanOf(own(wait)),
		empty:      meanOf(own(empty)),
		declined:   meanOf(own((*result).declinedPercent)),
		p95:        quantile(s.pooled(load, policy), 0.95),
		moreServed: differenceOf(own(served), base(served)),
		waitRatio:  ratioOf(own(wait), base(wait)),
		allRatio:   ratioOf(own((*result).waitOfAll), base((*result).waitOfAll)),
		emptyRatio: ratioOf(own(empty), base(empty)),
	}
}

// target is a figure that the design promises, and whether it is kept.
type target struct {
	what   string
	value  float64
	bound  float64
	atMost bool // otherwise at least
	strict bool // the bound itself is out
}

func (t target) within() bool {
	switch {
	case t.value == t.bound:
		return !t.strict
	case t.atMost:
		return t.value < t.bound
	}
	return t.value > t.bound
}

// targets are those of the loads that were played.
func (s *study) targets() (all []target) {
	for l, load := range s.opt.loads {
		c := s.cellOf(l, ours)
		switch load {
		case 10, 20:
			all = append(all,
				target{what: named("served, points more than by line", load), value: c.moreServed.mean, bound: -0.5},
				target{what: named("wait, share of that by line", load), value: c.waitRatio.mean, bound: 1, atMost: true, strict: true})
		case 30:
			all = append(all,
				target{what: named("served, percent", load), value: c.served.mean, bound: 95},
				target{what: named("empty minutes, share of those by line", load), value: c.emptyRatio.mean, bound: 0.7, atMost: true},
				target{what: named("wait, share of that by line", load), value: c.waitRatio.mean, bound: 0.75, atMost: true})
			f := s.fairnessOf(l, ours)
			all = append(all, target{what: named("worst tenth of villages, points below the mean", load), value: f.gap(), bound: 10, atMost: true})
		case 40:
			all = append(all, target{what: named("served, points more than by line", load), value: c.moreServed.mean, bound: 7})
		}
	}
	return all
}

func (f fairness) gap() float64 { return f.mean - f.worst }

// thinking is how long the core of a policy took.
type thinking struct {
	mean, p99 float64 // milliseconds a decision
	decisions int
	inputs    float64 // mean microseconds over all inputs, positions included
}

func (s *study) thinkingOf(policy int) thinking {
	took := s.decisions(policy)
	t := thinking{decisions: len(took), mean: sum(took) / math.Max(1, float64(len(took))), p99: quantile(took, 0.99)}
	inputs, total := 0, 0.0
	for l := range s.results {
		for _, r := range s.results[l][policy] {
			inputs += r.inputs
			total += float64(r.thinking.Microseconds())
		}
	}
	t.inputs = total / float64(inputs)
	return t
}
