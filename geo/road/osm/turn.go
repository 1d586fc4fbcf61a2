package osm

import (
	"slices"
	"strings"

	"cuntong/geo/road"
)

// restriction forbids turns at a point, or all but some.
type restriction struct {
	from, to []int64 // ways
	via      int64   // point
	only     bool    // no turn from one to another way than these is allowed
}

// relation keeps the turn restrictions that bear on cars.
func (in *importer) relation(_ int64, members []member, t tags) {
	if t.get("type") != "restriction" {
		return
	}
	value, why := turnRule(t)
	if why != "" {
		in.sum.note("a turn restriction " + why + " (not applied)")
		return
	}
	r := restriction{only: strings.HasPrefix(value, "only_")}
	vias := 0
	for _, m := range members {
		switch {
		case m.role == "from" && m.kind == wayMember:
			r.from = append(r.from, m.ref)
		case m.role == "to" && m.kind == wayMember:
			r.to = append(r.to, m.ref)
		case m.role == "via":
			vias++
			r.via = m.ref
			if m.kind != nodeMember {
				in.sum.note("a turn restriction over several roads (not applied)")
				return
			}
		}
	}
	if len(r.from) == 0 || len(r.to) == 0 || vias != 1 {
		in.sum.note("a turn restriction that is incomplete (not applied)")
		return
	}
	for _, id := range slices.Concat(r.from, r.to) {
		in.restricted[id] = true
	}
	in.restrictions = append(in.restrictions, r)
}

// turnRule is what a restriction says to cars; why is set where it is not applied.
func turnRule(t tags) (value, why string) {
	for _, key := range []string{"restriction:motorcar", "restriction:motor_vehicle", "restriction"} {
		if value = t.get(key); value != "" {
			break
		}
	}
	switch {
	case value == "" && t.get("restriction:conditional") != "", t.get("day_on") != "", t.get("hour_on") != "":
		return "", "at certain hours"
	case value == "":
		return "", "for other vehicles"
	case !strings.HasPrefix(value, "no_") && !strings.HasPrefix(value, "only_"):
		return "", "of a kind that is not known"
	}
	for except := range strings.FieldsFuncSeq(t.get("except"), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		if except == "motorcar" || except == "motor_vehicle" {
			return "", "from which cars are excepted"
		}
	}
	return value, ""
}

// turn applies the restrictions to the lanes of the network.
func (n *network) turn() {
	for _, r := range n.restrictions {
		i, ours := slices.BinarySearch(n.ids, r.via)
		if !ours || n.junctions[i] < 0 {
			n.sum.note("a turn restriction away from the roads (not applied)")
			continue
		}
		via := int32(i)
		forbidden := 0
		for _, from := range n.arriving(r.from, via) {
			for _, out := range n.leaving[n.junctions[i]] {
				named := slices.Contains(r.to, out.way)
				back := out.lane == from^1 // a U-turn, meant only where the way is named on both sides
				if r.only == named || back && !r.only && !slices.Contains(r.to, n.wayOf(r.from, from)) {
					continue
				}
				if n.builder.Forbid(from, out.lane) == nil {
					forbidden++
				}
			}
		}
		if forbidden == 0 {
			n.sum.note("a turn restriction that forbids nothing")
			continue
		}
		n.sum.Turns += forbidden
	}
}

// arriving are the lanes of some ways that end at a point.
func (n *network) arriving(ways []int64, at int32) (lanes []road.Lane) {
	for _, id := range ways {
		for _, p := range n.pieces[id] {
			if p.to == at {
				lanes = append(lanes, p.segment.Forward())
			}
			if p.from == at {
				lanes = append(lanes, p.segment.Backward())
			}
		}
	}
	return lanes
}

// wayOf is the way among some that a lane is a piece of.
func (n *network) wayOf(ways []int64, l road.Lane) int64 {
	for _, id := range ways {
		for _, p := range n.pieces[id] {
			if p.segment == l.Segment() {
				return id
			}
		}
	}
	return 0
}
