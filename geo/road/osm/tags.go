package osm

import (
	"cmp"
	"strings"

	"cuntong/geo"
	"cuntong/geo/road"
)

// attributes are what the tags of a way say about the road.
type attributes struct {
	road.Segment        // without a shape
	straight     bool   // over or under the ground: a bridge or a tunnel
	dropped      string // why it is not a road to drive on; "": it is
}

// kinds are the values of highway that cars drive on.
var kinds = map[string]geo.RoadKind{
	"motorway": geo.Motorway, "motorway_link": geo.Motorway,
	"trunk": geo.Trunk, "trunk_link": geo.Trunk,
	"primary": geo.Primary, "primary_link": geo.Primary,
	"secondary": geo.Secondary, "secondary_link": geo.Secondary,
	"tertiary": geo.Tertiary, "tertiary_link": geo.Tertiary,
	"unclassified": geo.Unclassified, "road": geo.Unclassified,
	"residential": geo.Residential, "living_street": geo.LivingStreet,
	"service": geo.Service, "track": geo.Track,
}

// paths are the values of highway that cars drive on only where it says so.
var paths = map[string]bool{"path": true, "footway": true, "cycleway": true, "bridleway": true, "pedestrian": true}

// Reasons for leaving a way out; Summary lists them.
const (
	dropFoot     = "for walkers or riders only"
	dropUnbuilt  = "not built yet, or no more"
	dropAccess   = "no access for cars"
	dropArea     = "an area, not a line"
	dropSmooth   = "impassable by its smoothness"
	dropFerry    = "a ferry without vehicles"
	dropReverse  = "its direction changes with the hour"
	dropShort    = "less than two points in the extract"
	dropLoneRoad = "cut off, or one-way without return"
	dropBuses    = "for buses only"
)

// readWay judges a way that has a highway tag or is a ferry; relevant is false for
// every other.
func readWay(t tags) (a attributes, relevant bool) {
	highway, route := t.get("highway"), t.get("route")
	ferry := route == "ferry" && highway == ""
	if highway == "" && !ferry {
		return a, false
	}
	access := carAccess(t)
	a.Kind = kinds[highway]
	switch {
	case ferry:
		a.Kind = geo.Ferry
		a.Seconds = duration(t.get("duration"))
		if !ferryTakesCars(t, access) {
			a.dropped = dropFerry
		}
	case paths[highway] && explicit(t):
		a.Kind = geo.Track
	case paths[highway], highway == "steps", highway == "corridor", highway == "via_ferrata", highway == "platform", highway == "elevator":
		a.dropped = dropFoot
	case highway == "construction", highway == "proposed", highway == "planned", highway == "abandoned", highway == "razed", highway == "disused":
		a.dropped = dropUnbuilt
	case a.Kind == "":
		a.dropped = "highway=" + shown(highway)
	case t.get("area") == "yes":
		a.dropped = dropArea
	}
	if a.dropped == "" {
		a.restrict(t, access)
	}
	if a.dropped == "" {
		a.describe(t, strings.HasSuffix(highway, "_link"))
	}
	return a, true
}

// accessTags are those that say who may drive, the most particular first.
var accessTags = []string{"motorcar", "motor_vehicle", "vehicle", "access"}

// carAccess is the value of the most particular tag there is; of several values in
// one tag, the first.
func carAccess(t tags) string {
	for _, key := range accessTags {
		if value := t.get(key); value != "" {
			first, _, _ := strings.Cut(value, ";")
			return strings.TrimSpace(first)
		}
	}
	return ""
}

// explicit says that cars are allowed in so many words.
func explicit(t tags) bool {
	switch cmp.Or(t.get("motorcar"), t.get("motor_vehicle")) {
	case "yes", "designated", "permissive", "official", "destination":
		return true
	}
	return false
}

// ferryTakesCars: one that tells of walkers and nothing of cars is taken for a
// rowing boat, because a driver sent to it has to turn round.
func ferryTakesCars(t tags, access string) bool {
	if vehicles := cmp.Or(t.get("motorcar"), t.get("motor_vehicle"), t.get("vehicle")); vehicles != "" {
		return vehicles != "no"
	}
	return access != "no" && t.get("foot") == "" && t.get("bicycle") == ""
}

// restrict applies who may drive there, and in which direction.
func (a *attributes) restrict(t tags, access string) {
	switch access {
	case "no", "none", "emergency", "agricultural", "forestry", "military", "psv", "bus", "foot", "bicycle":
		a.dropped = dropAccess
		if yes(t.get("bus")) || yes(t.get("psv")) {
			a.dropped = dropBuses
		}
	case "private", "destination", "delivery", "customers", "residents", "permit", "employees", "students":
		a.Flags |= road.LocalOnly
	}
	if t.get("smoothness") == "impassable" {
		a.dropped = dropSmooth
	}
	switch direction(t) {
	case "yes", "true", "1":
		a.Flags |= road.NoBackward
	case "-1", "reverse":
		a.Flags |= road.NoForward
	case "reversible":
		a.dropped = dropReverse
	}
}

func yes(value string) bool { return value == "yes" || value == "designated" }

// direction is the oneway tag, or what the kind of road implies.
func direction(t tags) string {
	for _, key := range []string{"oneway:motorcar", "oneway:motor_vehicle", "oneway:vehicle", "oneway"} {
		if value := t.get(key); value != "" {
			return value
		}
	}
	if junction := t.get("junction"); junction == "roundabout" || junction == "circular" || t.get("highway") == "motorway" {
		return "yes"
	}
	return "no"
}

// describe reads what the road is like.
func (a *attributes) describe(t tags, link bool) {
	if link {
		a.Flags |= road.Link
	}
	tunnel, bridge := t.get("tunnel"), t.get("bridge")
	underground := tunnel != "" && tunnel != "no" && tunnel != "culvert" || t.get("covered") == "yes"
	if underground {
		a.Flags |= road.Tunnel
	}
	a.straight = underground || bridge != "" && bridge != "no"
	a.Surface = surface(t)
	both := speed(t.get("maxspeed"))
	a.SpeedForward = cmp.Or(speed(t.get("maxspeed:forward")), both)
	a.SpeedBackward = cmp.Or(speed(t.get("maxspeed:backward")), both)
	a.Limits = road.Limits{
		MaxMass:   uint32(mass(t.get("maxweight"))),
		MaxHeight: uint16(size(cmp.Or(t.get("maxheight"), t.get("maxheight:physical")))),
		MaxWidth:  uint16(size(cmp.Or(t.get("maxwidth"), t.get("maxwidth:physical")))),
	}
	a.Name = cleanName(cmp.Or(t.get("name"), t.get("name:zh"), t.get("ref")))
}

// surfaces sorts the values of surface, the Chinese words that mappers put there
// included.
var surfaces = map[string]road.Surface{
	"paved": road.Paved, "asphalt": road.Paved, "concrete": road.Paved, "cement": road.Paved, "chipseal": road.Paved,
	"metal": road.Paved, "wood": road.Paved, "bricks": road.Paved, "tarmac": road.Paved, "bitumen": road.Paved,
	"沥青": road.Paved, "柏油": road.Paved, "水泥": road.Paved, "混凝土": road.Paved, "硬化": road.Paved,

	"paving_stones": road.Rough, "sett": road.Rough, "cobblestone": road.Rough, "unhewn_cobblestone": road.Rough,
	"concrete:plates": road.Rough, "concrete:lanes": road.Rough, "metal_grid": road.Rough, "brick": road.Rough, "stone": road.Rough,
	"石板": road.Rough, "弹石": road.Rough, "石块": road.Rough,

	"unpaved": road.Gravel, "compacted": road.Gravel, "fine_gravel": road.Gravel, "gravel": road.Gravel, "pebblestone": road.Gravel,
	"砂石": road.Gravel, "碎石": road.Gravel, "砂砾": road.Gravel, "泥结碎石": road.Gravel, "石子": road.Gravel,

	"dirt": road.Earth, "earth": road.Earth, "ground": road.Earth, "grass": road.Earth, "mud": road.Earth, "sand": road.Earth,
	"soil": road.Earth, "clay": road.Earth, "rock": road.Earth, "grass_paver": road.Earth, "snow": road.Earth, "ice": road.Earth,
	"土": road.Earth, "泥土": road.Earth, "泥": road.Earth,
}

var trackTypes = map[string]road.Surface{
	"grade1": road.Paved, "grade2": road.Gravel, "grade3": road.Gravel, "grade4": road.Earth, "grade5": road.Earth,
}

// smoothness is the best that a road of such a smoothness can be.
var smoothness = map[string]road.Surface{
	"bad": road.Rough, "very_bad": road.Gravel, "horrible": road.Earth, "very_horrible": road.Earth,
}

// surface takes the tag, else what the grade of a track says, and in any case
// nothing better than the smoothness allows.
func surface(t tags) road.Surface {
	value := strings.ToLower(t.get("surface"))
	first, _, _ := strings.Cut(value, ";")
	first = strings.TrimSpace(first)
	s, known := surfaces[first]
	if !known {
		s, known = surfaces[strings.TrimSuffix(strings.TrimSuffix(first, "路面"), "路")]
	}
	if !known {
		s = trackTypes[t.get("tracktype")]
	}
	return max(s, smoothness[t.get("smoothness")])
}
