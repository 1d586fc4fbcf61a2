package road

import (
	"math"
	"time"

	"cuntong/geo"
)

// finder is Today's geo.Finder.
type finder struct {
	t     *Today
	class geo.VehicleClass
	to    geo.Spot
	fixed bool // to is on a road
	near  aimed
	wary  aimed // at the state in which every daily change holds, when that is needed
	from  ends
}

// aimed is a reach and the state of the roads it was aimed at; nil: not yet.
type aimed struct {
	reach *reach
	state *state
	ends  ends
}

// NewFinder is geo.Router's. The first for a class prepares its weights.
func (t *Today) NewFinder(class geo.VehicleClass) geo.Finder {
	t.roadsOf(class).now.metric()
	return &finder{t: t, class: class}
}

// Aim is geo.Finder's.
func (f *finder) Aim(to geo.Spot) {
	f.to, f.fixed = to, f.t.onRoad(to)
	f.near.state, f.wary.state = nil, nil
}

// From is geo.Finder's.
func (f *finder) From(from geo.Spot, leaves time.Time) (geo.Leg, bool) {
	if !f.fixed || !f.t.onRoad(from) {
		return geo.Leg{}, false
	}
	r := f.t.roadsOf(f.class)
	s, until := r.at(leaves)
	w := f.weigh(r, s, from)
	if w < never && lasts(leaves, w, until) {
		w = f.weigh(r, r.all, from)
	}
	if w >= never {
		return geo.Leg{}, false
	}
	return w.leg(), true
}

// weigh is Today.weigh from a spot to the place.
func (f *finder) weigh(r *roads, s *state, from geo.Spot) weight {
	a := &f.near
	if s == r.all {
		a = &f.wary
	}
	if a.state != s {
		a.aim(f.t, s, f.to)
	}
	f.t.leaving(&f.from, s, from)
	w, _ := f.t.direct(s.metric(), from, f.to)
	for _, source := range f.from.seeds {
		w = min(w, source.cost+a.reach.from(source.vertex))
	}
	return w
}

func (a *aimed) aim(t *Today, s *state, to geo.Spot) {
	if a.reach == nil {
		a.reach = newReach(t.h)
	}
	t.arriving(&a.ends, s, to)
	a.reach.aim(s.metric(), a.ends.seeds)
	a.state = s
}

// NoWay is the duration of a drive that cannot be made, longer than any other.
const NoWay time.Duration = math.MaxInt64

// Matrix is the drives from every spot of one list to every spot of another: the
// leg from[i] to to[j] is at [i][j], and one that Travel would not find has the
// duration NoWay and no distance.
func (t *Today) Matrix(from, to []geo.Spot, by geo.Drive) [][]geo.Leg {
	legs := make([][]geo.Leg, len(from))
	for i := range legs {
		legs[i] = make([]geo.Leg, len(to))
	}
	f := t.NewFinder(by.Class)
	for j := range to {
		f.Aim(to[j])
		for i := range from {
			leg, ok := f.From(from[i], by.Leaves)
			if !ok {
				leg = geo.Leg{Duration: NoWay}
			}
			legs[i][j] = leg
		}
	}
	return legs
}
