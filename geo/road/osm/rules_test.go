package osm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cuntong/geo"
	"cuntong/geo/road"
)

func tagsOf(text string) (t tags) {
	for one := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(one, "=")
		t = append(t, tag{key, strings.ReplaceAll(value, "+", " ")})
	}
	return t
}

// TestWays reads the tags of single ways.
func TestWays(t *testing.T) {
	for text, want := range map[string]attributes{
		"highway=primary":                                      {Segment: road.Segment{Kind: geo.Primary}},
		"highway=trunk_link":                                   {Segment: road.Segment{Kind: geo.Trunk, Flags: road.Link}},
		"highway=road name=乡道 ref=Y012":                        {Segment: road.Segment{Kind: geo.Unclassified, Name: "乡道"}},
		"highway=tertiary ref=X865":                            {Segment: road.Segment{Kind: geo.Tertiary, Name: "X865"}},
		"highway=footway":                                      {dropped: dropFoot},
		"highway=path motorcar=yes":                            {Segment: road.Segment{Kind: geo.Track}},
		"highway=path motor_vehicle=designated surface=ground": {Segment: road.Segment{Kind: geo.Track, Surface: road.Earth}},
		"highway=steps motorcar=yes":                           {dropped: dropFoot},
		"highway=construction":                                 {dropped: dropUnbuilt},
		"highway=raceway":                                      {dropped: "highway=raceway"},
		"highway=service area=yes":                             {dropped: dropArea, Segment: road.Segment{Kind: geo.Service}},

		"highway=residential access=no":                            {dropped: dropAccess},
		"highway=residential access=no motorcar=yes":               {},
		"highway=residential access=yes motor_vehicle=no":          {dropped: dropAccess},
		"highway=residential motor_vehicle=no bus=yes":             {dropped: dropBuses},
		"highway=residential access=private":                       {Segment: road.Segment{Flags: road.LocalOnly}},
		"highway=residential motor_vehicle=destination;delivery":   {Segment: road.Segment{Flags: road.LocalOnly}},
		"highway=track vehicle=agricultural":                       {dropped: dropAccess},
		"highway=track vehicle=agricultural motor_vehicle=private": {Segment: road.Segment{Flags: road.LocalOnly}},
		"highway=residential access=permissive":                    {},

		"highway=primary oneway=yes":                                {Segment: road.Segment{Flags: road.NoBackward}},
		"highway=primary oneway=-1":                                 {Segment: road.Segment{Flags: road.NoForward}},
		"highway=primary junction=roundabout":                       {Segment: road.Segment{Flags: road.NoBackward}},
		"highway=motorway":                                          {Segment: road.Segment{Flags: road.NoBackward}},
		"highway=motorway oneway=no":                                {},
		"highway=primary oneway=yes oneway:motor_vehicle=no":        {},
		"highway=primary oneway=reversible":                         {dropped: dropReverse},
		"highway=primary oneway=alternating":                        {},
		"highway=primary tunnel=yes bridge=no":                      {Segment: road.Segment{Flags: road.Tunnel}, straight: true},
		"highway=primary bridge=viaduct":                            {straight: true},
		"highway=primary tunnel=culvert":                            {},
		"highway=tertiary smoothness=impassable":                    {dropped: dropSmooth},
		"highway=tertiary surface=asphalt smoothness=very_bad":      {Segment: road.Segment{Surface: road.Gravel}},
		"highway=track tracktype=grade1":                            {Segment: road.Segment{Surface: road.Paved}},
		"highway=track tracktype=grade5":                            {Segment: road.Segment{Surface: road.Earth}},
		"highway=track tracktype=grade1 surface=mud":                {Segment: road.Segment{Surface: road.Earth}},
		"highway=unclassified surface=水泥":                           {Segment: road.Segment{Surface: road.Paved}},
		"highway=unclassified surface=水泥路面":                         {Segment: road.Segment{Surface: road.Paved}},
		"highway=unclassified surface=泥结碎石路":                        {Segment: road.Segment{Surface: road.Gravel}},
		"highway=unclassified surface=concrete:plates":              {Segment: road.Segment{Surface: road.Rough}},
		"highway=primary maxspeed=40":                               {Segment: road.Segment{SpeedForward: 40, SpeedBackward: 40}},
		"highway=primary maxspeed=60 maxspeed:backward=40":          {Segment: road.Segment{SpeedForward: 60, SpeedBackward: 40}},
		"highway=primary maxweight=10 maxheight=3.5+m maxwidth=2.2": {Segment: road.Segment{Limits: road.Limits{MaxMass: 10_000, MaxHeight: 350, MaxWidth: 220}}},
		"route=ferry": {Segment: road.Segment{Kind: geo.Ferry}},
		"route=ferry duration=00:20 motor_vehicle=yes":                       {Segment: road.Segment{Kind: geo.Ferry, Seconds: 1200}},
		"route=ferry motor_vehicle=no":                                       {dropped: dropFerry},
		"route=ferry foot=yes":                                               {dropped: dropFerry},
		"route=ferry foot=yes motorcar=yes access=yes duration=PT1H10M":      {Segment: road.Segment{Kind: geo.Ferry, Seconds: 4200}},
		"highway=living_street motor_vehicle=yes;permit maxspeed=CN:urban":   {Segment: road.Segment{SpeedForward: 50, SpeedBackward: 50}},
		"highway=secondary maxweight:conditional=5+@+(22:00-06:00) lanes=12": {},
	} {
		got, relevant := readWay(tagsOf(text))
		if want.dropped != "" {
			got.Segment, want.Segment = road.Segment{}, road.Segment{}
		}
		if want.Kind == "" {
			got.Kind = ""
		}
		if !relevant || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %+v\nwant %+v", text, got, want)
		}
	}
	for _, text := range []string{"", "building=yes", "waterway=river name=清水江", "railway=rail"} {
		if _, relevant := readWay(tagsOf(text)); relevant {
			t.Errorf("%q is taken for a road", text)
		}
	}
}

func TestValues(t *testing.T) {
	for value, want := range map[string]uint8{
		"40": 40, "40 km/h": 40, "４０": 40, "40公里/小时": 40, "30 mph": 48, "none": 0, "signals": 0, "CN:rural": 70, "FR:rural": 80, "DE:zone:30": 30,
		"90;30;90": 30, "walk": 7, "": 0, "0": 0, "-5": 0, "1e9": 0, "999": 0, "fast": 0, "5.5": 6, ".": 0, "RO:nonsense": 0, "40;": 40,
	} {
		if got := speed(value); got != want {
			t.Errorf("maxspeed=%s is %d, want %d", value, got, want)
		}
	}
	for value, want := range map[string]int{
		"2.1": 2100, "3,5 t": 3500, "3.5t": 3500, "2000 kg": 2000, "5000": 5000, "10吨": 10_000, "10 st": 9072, "20000 lbs": 9072,
		"none": 0, "": 0, "-1": 0, "unsigned": 0, "1e300": 0, "NaN": 0, "Inf": 0,
	} {
		if got := mass(value); got != want {
			t.Errorf("maxweight=%s is %d kg, want %d", value, got, want)
		}
	}
	for value, want := range map[string]int{
		"4.3": 430, "4.3 m": 430, "2米": 200, `14'6"`: 442, "14'": 427, "380 cm": 380, "default": 0, "none": 0, "0.1": 0, "99": 0, "'": 0,
	} {
		if got := size(value); got != want {
			t.Errorf("maxheight=%s is %d cm, want %d", value, got, want)
		}
	}
	for value, want := range map[string]uint32{
		"20": 1200, "00:20": 1200, "1:05": 3900, "00:02:30": 150, "PT20M": 1200, "PT1H30M": 5400, "PT45S": 45, "20 min": 1200,
		"": 0, "soon": 0, "-3": 0, "999:00": 0, "PT": 0, "PTX": 0, "P1D": 0,
	} {
		if got := duration(value); got != want {
			t.Errorf("duration=%s is %d s, want %d", value, got, want)
		}
	}
}

// spot is on the road between two points of the extract, or at one of them.
func (e *extract) spot(today *road.Today, between string) geo.Spot {
	var p geo.Point
	for _, name := range between {
		for _, n := range e.nodes {
			if n.name == name {
				p.Lat += n.lat / float64(len([]rune(between)))
				p.Lon += n.lon / float64(len([]rune(between)))
			}
		}
	}
	return today.Locate(p, -1)
}

// TestDrives imports small networks and drives on them: how far it is by road
// from the middle between two points to the middle between two others.
func TestDrives(t *testing.T) {
	const leg = 500.0 // metres from one point to the next
	ring := "highway=primary"
	for _, c := range []struct {
		name     string
		e        *extract
		from, to string
		want     float64 // legs; 0: there is no way
	}{
		{"along a road", town().way("abcd", ring), "ab", "cd", 2},
		{"and back", town().way("abcd", ring), "cd", "ab", 2},
		{"ways meet at their ends", town().way("ab", ring).way("bc", ring), "ab", "bc", 1},
		{"ways meet in their midst", town().way("abc", ring).way("Bb", ring), "ab", "bB", 1.05},
		{"ways that only cross do not", town().way("abc", ring).way("AB", ring), "ab", "AB", 0},
		{"against a one-way, round by the other road", town().way("abc", ring+" oneway=yes").way("aABCc", ring), "bc", "ab", 5.22},
		{"oneway=-1", town().way("abc", ring+" oneway=-1").way("aABCc", ring), "ab", "bc", 5.22},
		{"a way drawn twice over", town().way("aabbcc", ring), "ab", "bc", 1},
		{"a closed loop", town().way("abBAa", ring), "ab", "BA", 2.1},
		{"a roundabout goes one way", town().way("abBAa", ring+" junction=roundabout").way("bc", ring), "BA", "ab", 2.11},
		{"a bollard closes", town().way("abc", ring).at('b', "barrier=bollard"), "ab", "bc", 0},
		{"a bollard between two ways closes", town().way("ab", ring).way("bc", ring).at('b', "barrier=bollard"), "ab", "bc", 0},
		{"a bollard at a crossing: which road is not known", town().way("abc", ring).way("bB", ring).at('b', "barrier=bollard"), "ab", "bc", 1},
		{"a bollard that cars may pass", town().way("abc", ring).at('b', "barrier=bollard motor_vehicle=yes"), "ab", "bc", 1},
		{"a gate opens", town().way("abc", ring).at('b', "barrier=gate"), "ab", "bc", 1},
		{"a locked gate does not", town().way("abc", ring).at('b', "barrier=gate access=no"), "ab", "bc", 0},
		{"no left turn: round at the next crossing", town().way("ab", ring).way("bc", ring).way("bB", ring).way("BCc", ring).relation("from:w1 via:nb to:w3", "type=restriction restriction=no_left_turn"), "ab", "bB", 3.05},
		{"straight on only", town().way("ab", ring).way("bc", ring).way("bB", ring).way("BCc", ring).relation("from:w1 via:nb to:w2", "type=restriction restriction=only_straight_on"), "ab", "bB", 3.05},
		{"other turns are free", town().way("ab", ring).way("bc", ring).way("bB", ring).way("BCc", ring).relation("from:w1 via:nb to:w3", "type=restriction restriction=no_left_turn"), "bc", "bB", 1.05},
		{"a restriction of ways that pass", town().way("abc", ring).way("bBCc", ring).relation("from:w1 via:nb to:w2", "type=restriction restriction=no_left_turn"), "ab", "bB", 4.23},
		{"for lorries only", town().way("abc", ring).way("bBCc", ring).relation("from:w1 via:nb to:w2", "type=restriction restriction:hgv=no_left_turn"), "ab", "bB", 1.05},
		{"cars excepted", town().way("abc", ring).way("bBCc", ring).relation("from:w1 via:nb to:w2", "type=restriction restriction=no_left_turn except=bus;motorcar"), "ab", "bB", 1.05},
		{"buses excepted", town().way("abc", ring).way("bBCc", ring).relation("from:w1 via:nb to:w2", "type=restriction restriction=no_left_turn except=psv"), "ab", "bB", 4.23},
		{"at certain hours", town().way("abc", ring).way("bBCc", ring).relation("from:w1 via:nb to:w2", "type=restriction restriction:conditional=no_left_turn+@+(07:00-09:00)"), "ab", "bB", 1.05},
		{"no entry from either side", town().way("ab", ring).way("bc", ring).way("bB", ring).way("BCc", ring).relation("from:w1 from:w2 via:nb to:w3", "type=restriction restriction=no_entry"), "ab", "bB", 4.23},
		{"a point off the earth", (&extract{nodes: append(town().nodes, extractNode{'é', 95, 108, ""})}).way("abéc", ring).way("bBCc", ring), "ab", "Cc", 3.16},
		{"a point the extract lacks", town().way("abéc", ring).way("bBCc", ring), "ab", "Cc", 3.16},
	} {
		g, _ := c.e.read(t, Options{})
		today := road.NewToday(g)
		got, ok := today.Travel(c.e.spot(today, c.from), c.e.spot(today, c.to), geo.Drive{Class: geo.Car})
		if legs := float64(got.Distance) / leg; ok != (c.want > 0) || ok && (legs < c.want-0.1 || legs > c.want+0.1) {
			t.Errorf("%s: %.2f legs (%v), want %.2f", c.name, legs, ok, c.want)
		}
	}
}

func TestGateTakesTime(t *testing.T) {
	took := func(e *extract) time.Duration {
		g, _ := e.read(t, Options{})
		today := road.NewToday(g)
		leg, _ := today.Travel(e.spot(today, "a"), e.spot(today, "c"), geo.Drive{Class: geo.Car})
		return leg.Duration
	}
	for name, e := range map[string]func() *extract{
		"within a way":     func() *extract { return town().way("abc", "highway=tertiary") },
		"between two ways": func() *extract { return town().way("ab", "highway=tertiary").way("bc", "highway=tertiary") },
		"where both begin": func() *extract { return town().way("ba", "highway=tertiary").way("bc", "highway=tertiary") },
	} {
		if wait := took(e().at('b', "barrier=lift_gate")) - took(e()); wait != 30*time.Second {
			t.Errorf("a gate %s takes %v", name, wait)
		}
	}
}

func TestLimitsOfAGate(t *testing.T) {
	e := town().way("abc", "highway=tertiary maxwidth=2.6").at('b', "barrier=height_restrictor maxheight=2.2 maxwidth=3")
	g, _ := e.read(t, Options{})
	today := road.NewToday(g)
	for class, fits := range map[geo.VehicleClass]bool{geo.Car: true, geo.Minivan: true, geo.Minibus: false, geo.Bus: false} {
		if _, ok := today.Travel(e.spot(today, "ab"), e.spot(today, "c"), geo.Drive{Class: class}); ok != fits {
			t.Errorf("a %s under a bar at 2.2 m: %v", class, ok)
		}
	}
}

func TestSummary(t *testing.T) {
	e := town().
		way("abcd", "highway=primary maxspeed=slow").
		way("de", "highway=primary oneway=yes").
		way("AB", "highway=footway").way("BC", "highway=footway").
		way("CD", "highway=service access=no").
		way("é", "highway=track").
		way("GHI", "highway=residential").
		relation("from:w1 via:nb to:w2", "type=restriction restriction=no_left_turn").
		relation("from:w1 via:w2 to:w3", "type=restriction restriction=no_u_turn").
		at('b', "barrier=bump_gate").at('c', "barrier=yes")
	_, sum := e.read(t, Options{Keep: 900})
	says(t, sum,
		"2 1.5 km primary", "1 1.0 km residential", "3 2.5 km segments in all, of 4 ways, between 5 junctions",
		"1 1.0 km parts to which no road leads from the rest",
		"2 1.0 km for walkers or riders only", "1 0.5 km no access for cars", "1 0.5 km cut off, or one-way without return",
		"1 less than two points in the extract",
		"1 a maxspeed that cannot be read", "1 a gate (passed, with a wait)", "1 barrier=yes on a road (taken as open)",
		"1 a turn restriction over several roads (not applied)", "1 a turn restriction that forbids nothing",
	)
}

// TestSummaryOfBarriers: those that stand where roads meet are told apart, and what
// is written on one does not reach the terminal as it is.
func TestSummaryOfBarriers(t *testing.T) {
	_, sum := town().way("abcd", "highway=primary").way("bB", "highway=primary").
		at('b', "barrier=bollard").at('c', "barrier=\x1b[31mred"+strings.Repeat("!", 60)).way("eE", "highway=\x07bell").
		read(t, Options{})
	says(t, sum, "1 a barrier where roads meet (not applied)", "1 barrier=?[31mred"+strings.Repeat("!", 32)+"… on a road (taken as open)", "1 0.6 km highway=?bell")
}

// says holds a summary against lines that must be in it, spaces aside.
func says(t *testing.T, sum *Summary, lines ...string) {
	t.Helper()
	var b strings.Builder
	if err := sum.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range lines {
		found := false
		for line := range strings.Lines(b.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("the summary does not say %q:\n%s", want, b.String())
		}
	}
}

func TestPlaceNames(t *testing.T) {
	for text, want := range map[string]string{
		"name=大坪村": "大坪村",
		"name=大坪村 name:zh=大坪村 alt_name=大坪;坪上|大坪 name:en=Daping": "大坪村/Daping/大坪/坪上",
		"name:en=Daping":                         "Daping",
		"name=+ alt_name=;":                      "",
		"name=a\u0007b++c":                       "a b c",
		"ref=5":                                  "",
		"name=" + strings.Repeat("长", 150):       strings.Repeat("长", 100),
		"name=\xff":                              "",
		"name=x old_name=" + numbered(40, "y%d"): "x/" + strings.ReplaceAll(numbered(maxAliases, "y%d"), ";", "/"),
	} {
		if got := strings.Join(placeNames(tagsOf(text)), "/"); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func numbered(n int, format string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return strings.Join(all, ";")
}
