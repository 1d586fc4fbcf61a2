package osm

import (
	"cmp"

	"cuntong/geo/road"
)

// gate is something that stands on a road.
type gate struct {
	shut   bool // nobody drives through
	opened bool // it can be opened
	limits road.Limits
	what   string // set where it is not known what it is
}

// barriers sorts the values of barrier that bear on cars. What is not here lets them
// pass: a toll booth, a cattle grid, a fence drawn across a road.
var barriers = map[string]gate{
	"bollard": {shut: true}, "block": {shut: true}, "jersey_barrier": {shut: true}, "kissing_gate": {shut: true},
	"cycle_barrier": {shut: true}, "motorcycle_barrier": {shut: true}, "stile": {shut: true}, "turnstile": {shut: true},
	"full-height_turnstile": {shut: true}, "log": {shut: true}, "debris": {shut: true}, "planter": {shut: true},
	"wicket_gate": {shut: true}, "tank_trap": {shut: true}, "swing_gate;bollard": {shut: true}, "barrier_board": {shut: true},
	"gate": {opened: true}, "lift_gate": {opened: true}, "swing_gate": {opened: true}, "sliding_gate": {opened: true},
	"sliding_beam": {opened: true}, "hampshire_gate": {opened: true}, "bump_gate": {opened: true}, "chain": {opened: true},
	"rope": {opened: true}, "garage_door": {opened: true}, "cable_barrier": {opened: true},
}

// passable are barriers that are known and do not matter.
var passable = map[string]bool{
	"toll_booth": true, "border_control": true, "cattle_grid": true, "entrance": true, "sally_port": true, "kerb": true,
	"height_restrictor": true, "width_restrictor": true, "no": true, "fence": true, "wall": true, "hedge": true,
	"retaining_wall": true, "city_wall": true, "guard_rail": true, "ditch": true, "speed_bump": true, "coupure": true,
}

// readGate reads the tags of a point of a road.
func readGate(t tags) (g gate, there bool) {
	barrier := t.get("barrier")
	if barrier == "" {
		return gate{}, false
	}
	g = barriers[barrier]
	if _, known := barriers[barrier]; !known && !passable[barrier] {
		g.what = barrier
	}
	if barrier == "bollard" && (t.get("bollard") == "rising" || t.get("bollard") == "removable") {
		g = gate{opened: true}
	}
	switch carAccess(t) {
	case "yes", "designated", "permissive", "official", "permit":
		g.shut, g.opened = false, false
	case "no", "emergency", "agricultural", "forestry", "military", "psv", "bus":
		g.shut, g.opened = true, false
	case "private", "destination", "customers", "delivery", "residents":
		g.shut, g.opened = false, true
	}
	g.limits = road.Limits{
		MaxMass:   uint32(mass(t.get("maxweight"))),
		MaxHeight: uint16(size(cmp.Or(t.get("maxheight"), t.get("maxheight:physical")))),
		MaxWidth:  uint16(size(cmp.Or(t.get("maxwidth"), t.get("maxwidth:physical")))),
	}
	return g, true
}

// tighter is the lower of two limits each.
func tighter(a, b road.Limits) road.Limits {
	return road.Limits{
		MaxMass:   lower(a.MaxMass, b.MaxMass),
		MaxHeight: lower(a.MaxHeight, b.MaxHeight),
		MaxWidth:  lower(a.MaxWidth, b.MaxWidth),
	}
}

// lower is the lesser of two numbers of which zero means none.
func lower[N uint16 | uint32](a, b N) N {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
