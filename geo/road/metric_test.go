package road

import (
	"math"
	"slices"
	"testing"
)

// Whatever was closed, slowed and lifted, and in what order: an updated metric is
// bit for bit what it would be if it were made now. The networks are so small that
// an update gives up and weighs everything unless it is not bounded.
func TestUpdatesAddUp(t *testing.T) {
	for seed := range uint64(graphs) {
		rng := seeded(seed)
		r := newRandomRoads(t, rng)
		h := newHierarchy(r.g)
		m := h.newMetric(r.weightOf)
		for step := range 20 {
			if lanes := r.change(rng); step%2 == 0 {
				m.update(lanes, r.weightOf)
			} else if !m.updateWithin(lanes, r.weightOf, len(lanes), math.MaxInt) {
				t.Fatalf("seed %d, step %d: a bound is found where there is none", seed, step)
			}
			if want := h.newMetric(r.weightOf); !m.equal(want) {
				t.Fatalf("seed %d, step %d: the updated metric is another", seed, step)
			}
		}
		t.Logf("seed %d", seed)
		compare(t, r, m, newQuery(h), newReach(h))
	}
}

// On this network the bounds of an update matter: of the numbers of lanes that change
// some are within both, some too much work, and some too many from the beginning.
func TestUpdatesAddUpInTheMountains(t *testing.T) {
	r := newMountains(t, 4000, 3)
	h := newHierarchy(r.g)
	m := h.newMetric(r.weightOf)
	usual := slices.Clone(r.weights)
	rng := seeded(4)
	for step := range 60 {
		lanes := make([]Lane, []int{1, 2, 10, 40, len(usual) / 210, len(usual) / 10}[step%6])
		for i := range lanes {
			l := Lane(rng.IntN(len(usual)))
			lanes[i] = l
			r.weights[l] = []weight{never, usual[l], 2 * usual[l], usual[l] / 2}[rng.IntN(4)]
		}
		m.update(lanes, r.weightOf)
		if want := h.newMetric(r.weightOf); !m.equal(want) {
			t.Fatalf("step %d, %d lanes: the updated metric is another", step, len(lanes))
		}
	}
}

func (m *metric) equal(other *metric) bool {
	return slices.Equal(m.up, other.up) && slices.Equal(m.down, other.down) && slices.Equal(m.lane, other.lane) &&
		!slices.ContainsFunc(m.dirty, func(bits uint64) bool { return bits != 0 })
}
