package ws

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// The stories of package dispatch (dispatch/testdata/*.txt), told over the wire: what
// people do goes through a codec and the hub's reading of it into a core of its own, and
// what the core tells them through the hub's writing and the codec back. In both
// subprotocols everybody is told the same, and who is told, of how many facts, is what the
// story says.
func TestTranscriptsOverBoth(t *testing.T) {
	files, err := filepath.Glob("../dispatch/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			inJSON, inPB := tellStory(t, file, wire.JSON), tellStory(t, file, wire.PB)
			if diff := cmp.Diff(inJSON, inPB); diff != "" {
				t.Errorf("told in JSON (-), in pb (+):\n%s", diff)
			}
			if len(inJSON) == 0 {
				t.Error("nobody was told anything")
			}
		})
	}
}

// storyMorning is when the stories begin.
var storyMorning = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// offWire are the lines that never reach the core, because the wire refuses them first, and
// the field that it blames. Their blocks are not held against the text; what follows is.
var offWire = map[string]string{
	"a1 asks t3 Village Village 1":            "b.dropoff",
	"p1 asks t1 Village Village 1":            "b.dropoff",
	"a1 asks t4 Village Town 0":               "b.seats",
	"p1 asks t1 Village Town 0":               "b.seats",
	"p1 asks t1 Village Town 61":              "b.seats",
	"d1 takes 0 for t1 seq 2":                 "b.fen",
	"d1 tracks Town@06:53:00 Bridge@06:20:00": "b.fixes",
}

// storyEvent is what of a story's text must be so over the wire, too.
var storyEvent = regexp.MustCompile(`fact \d+:|tell \S+:|letter to \S+:`)

// toldFrame is one frame as somebody's phone reads it.
type toldFrame struct {
	To    string
	Frame wire.ServerFrame
}

// storyCounty is an area of a story.
type storyCounty struct {
	area    *geo.Area
	core    *dispatch.Core
	now     dispatch.Instant
	journal []dispatch.Fact
}

// storyteller tells one story over one codec.
type storyteller struct {
	w      *world
	codec  wire.Codec
	rules  dispatch.Rules
	places map[string]geo.Point
	phones map[string]*conn
	told   []toldFrame
	events []string // of the block that is being told
	n      int      // lines of people, for the ids of their commands
	// otherRoads: the story is told on roads that are package dispatch's own. Here lines are
	// straight: only what the two codecs make of it is compared.
	otherRoads bool

	clock atomic.Int64 // what the hub's goroutines see of here.now
	here  *storyCounty
	all   map[string]*storyCounty // when there are several
	names []string
	post  []dispatch.AreaLetter
}

func tellStory(t *testing.T, file string, codec wire.Codec) []toldFrame {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &storyteller{codec: codec, rules: dispatch.DefaultRules(), places: map[string]geo.Point{}, phones: map[string]*conn{}, all: map[string]*storyCounty{}}
	s.w = newPipeWorld(t, func(c *Config) { c.Now = func() time.Time { return dispatch.Instant(s.clock.Load()).Time() } })
	s.here = s.county(&geo.Area{ID: "test", Name: "Test county"}, nil)
	for i, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		input, want, _ := strings.Cut(block+"\n", "----\n")
		held, err := s.block(input)
		if err != nil {
			t.Fatalf("%s, block %d: %v", codec.Subprotocol(), i+1, err)
		}
		if events := storyEvent.FindAllString(want, -1); held && !slices.Equal(s.events, events) {
			t.Errorf("%s, block %d:\n%swant %q\ngot  %q", codec.Subprotocol(), i+1, input, events, s.events)
		}
	}
	return s.told
}

// block tells the lines of one block, and says whether the story's text must be what comes of them.
func (s *storyteller) block(lines string) (held bool, _ error) {
	s.events, held = nil, true
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		s.otherRoads = s.otherRoads || words[0] == "gorge"
		err := s.line(words)
		var bad *wire.Error
		switch {
		case errors.As(err, &bad) && bad.Field == offWire[line]: // in protobuf a nought is not there at all, and has another code
			held = false
		case err != nil:
			return false, fmt.Errorf("%q: %w", line, err)
		}
	}
	return held && !s.otherRoads, nil
}

// county is an area to which nothing has happened.
func (s *storyteller) county(area *geo.Area, neighbours []*geo.Area) *storyCounty {
	c := &storyCounty{area: area, now: dispatch.InstantOf(storyMorning)}
	c.begin(s.rules, neighbours)
	return c
}

func (c *storyCounty) begin(rules dispatch.Rules, neighbours []*geo.Area) {
	c.core = dispatch.NewCore(c.area, rules, geo.NewCrow())
	c.core.Border(neighbours)
	c.core.MakeCodes(func(dispatch.TripID) string { return "4821" })
}

// areas are all the areas of the story, nil when there is but one.
func (s *storyteller) areas() (all []*geo.Area) {
	for _, name := range s.names {
		all = append(all, s.all[name].area)
	}
	return all
}

// apply hands an input to the core that the story is at, and tells what comes of it.
func (s *storyteller) apply(in dispatch.Input) error {
	s.clock.Store(int64(s.here.now))
	out := s.here.core.Apply(s.here.now, in)
	s.here.journal = append(s.here.journal, out.Facts...)
	s.post = append(s.post, out.Letters...)
	for _, f := range out.Facts {
		s.events = append(s.events, fmt.Sprintf("fact %d:", f.Seq))
	}
	for _, n := range out.Notices {
		if _, byGateway := n.Body.(dispatch.Wanted); byGateway || n.To.ByPhone() {
			continue // told by the gateway, and not on the wire
		}
		s.events = append(s.events, fmt.Sprintf("tell %s:", n.To.ID))
		f, ok := s.phone(n.To).toFrame(told{body: n.Body, area: leishan})
		if !ok {
			continue
		}
		frame, err := s.codec.AppendServer(nil, f.Type, f.Re, f.Body)
		if err != nil {
			return err
		}
		heard, err := s.codec.DecodeServer(frame)
		if err != nil {
			return err
		}
		s.told = append(s.told, toldFrame{n.To.ID, heard})
	}
	for _, l := range out.Letters {
		s.events = append(s.events, fmt.Sprintf("letter to %s:", l.To))
	}
	return s.here.core.Check()
}

// phone is the connection of a party.
func (s *storyteller) phone(who dispatch.Actor) *conn {
	c := s.phones[who.ID]
	if c == nil {
		c = s.w.silentConn(who, wire.Hello{})
		s.phones[who.ID] = c
	}
	return c
}

// line tells one line: of a county, of all of them, of the world, or of somebody.
func (s *storyteller) line(words []string) error {
	if c := s.all[words[0]]; c != nil {
		s.here, words = c, words[1:]
	}
	switch words[0] {
	case "counties":
		return s.drawCounties(words[1:])
	case "place":
		lat, err1 := strconv.ParseFloat(words[2], 64)
		lon, err2 := strconv.ParseFloat(words[3], 64)
		s.places[words[1]] = geo.Point{Lat: lat, Lon: lon}
		return errors.Join(err1, err2)
	case "gorge", "again": // roads, and people with telephones only, that are none of the wire's
		return nil
	case "rule":
		err := s.rule(words[1], words[2])
		s.here = s.county(s.here.area, s.areas())
		return err
	case "at":
		at, err := storyMoment(words[1])
		return errors.Join(err, s.pass(at))
	case "tick":
		return s.apply(dispatch.Tick{})
	case "crash":
		return s.crash(0)
	case "lose-facts":
		n, err := strconv.Atoi(words[1])
		return errors.Join(err, s.crash(n))
	case "post":
		return s.deliver(len(words) > 1)
	case "lose":
		s.post = nil
		return nil
	case "double":
		s.post = append(s.post, s.post...)
		return nil
	}
	return s.somebody(words)
}

func (s *storyteller) drawCounties(names []string) error {
	for i, name := range names {
		west, east := 109+0.2*float64(i), 109.2+0.2*float64(i)
		area := &geo.Area{ID: geo.AreaID(name), Name: name, Polygons: []geo.Polygon{{Outer: geo.Ring{
			{Lat: 25.5, Lon: west}, {Lat: 25.5, Lon: east}, {Lat: 26.5, Lon: east}, {Lat: 26.5, Lon: west}}}}}
		s.names = append(s.names, name)
		s.all[name] = s.county(area, nil)
	}
	for _, c := range s.all {
		c.begin(s.rules, s.areas())
	}
	return nil
}

func (s *storyteller) rule(name, value string) error {
	span, bad := time.ParseDuration(value)
	n, worse := strconv.Atoi(value)
	durations := map[string]*time.Duration{"patience": &s.rules.Patience, "reach": &s.rules.Reach, "lapse_rest": &s.rules.LapseRest,
		"duty_silence": &s.rules.DutySilence, "max_ride": &s.rules.MaxRide}
	counts := map[string]*int{"open_trips_per_passenger": &s.rules.MaxOpenPerPassenger, "start_code_from": &s.rules.StartCodeFrom,
		"start_code_until": &s.rules.StartCodeUntil, "keep_ended": &s.rules.KeepEnded}
	switch {
	case durations[name] != nil:
		*durations[name] = span
		return bad
	case counts[name] != nil:
		*counts[name] = n
		if name == "start_code_from" {
			s.rules.StartCodeZone = 0
		}
		return worse
	case name == "start_code":
		s.rules.StartCode = dispatch.StartCodeRule(value)
		return nil
	}
	return fmt.Errorf("unknown rule %s", name)
}

// pass lets time go by, everywhere, with a tick at every deadline on the way.
func (s *storyteller) pass(to dispatch.Instant) error {
	counties := []*storyCounty{s.here}
	if len(s.names) > 0 {
		counties = nil
	}
	for _, name := range s.names {
		counties = append(counties, s.all[name])
	}
	for {
		var first *storyCounty
		var due dispatch.Instant
		for _, c := range counties {
			if at, ok := c.core.NextDeadline(); ok && at <= to && (first == nil || at < due) {
				first, due = c, at
			}
		}
		if first == nil {
			break
		}
		first.now = max(first.now, due)
		s.here = first
		if err := s.apply(dispatch.Tick{}); err != nil {
			return err
		}
	}
	for _, c := range counties {
		c.now = to
	}
	return nil
}

// crash starts again from the journal without its last facts.
func (s *storyteller) crash(lost int) error {
	c := s.here
	c.journal = c.journal[:len(c.journal)-min(lost, len(c.journal))]
	c.begin(s.rules, s.areas())
	for _, f := range c.journal {
		line, err := dispatch.MarshalFact(f)
		if err != nil {
			return err
		}
		read, err := dispatch.UnmarshalFact(line)
		if err != nil {
			return err
		}
		if err := c.core.Replay(read); err != nil {
			return err
		}
	}
	return nil
}

func (s *storyteller) deliver(one bool) error {
	for n := 0; len(s.post) > 0 && (n == 0 || !one); n++ {
		letter := s.post[0]
		s.post = s.post[1:]
		s.here = s.all[string(letter.To)]
		if err := s.apply(letter.Body); err != nil {
			return err
		}
	}
	return nil
}

// storyMoment reads HH:MM:SS of the day of the stories.
func storyMoment(word string) (dispatch.Instant, error) {
	at, err := time.Parse("15:04:05", word)
	return dispatch.InstantOf(storyMorning.Truncate(24 * time.Hour).Add(at.Sub(at.Truncate(24 * time.Hour)))), err
}

// somebody tells what somebody does, over the wire.
func (s *storyteller) somebody(words []string) error {
	role := map[byte]dispatch.Role{'d': dispatch.RoleDriver, 'p': dispatch.RolePassenger, 'a': dispatch.RoleAgent, 'o': dispatch.RoleOperator}[words[0][0]]
	if role == "" || len(words) < 2 {
		return errors.New("nobody does anything")
	}
	s.n++
	who, id := dispatch.Actor{Role: role, ID: words[0]}, "c"+strconv.Itoa(s.n)
	verb, rest := words[1], words[2:]
	if last := len(rest) - 2; last >= 0 && rest[last] == "as" {
		id, rest = rest[last+1], rest[:last]
	}
	at, seq, rest, err := storyDeed(rest)
	if err != nil {
		return err
	}
	if verb == "is-lost" { // found by the server, and said by nobody
		ago, err := time.ParseDuration(rest[0])
		return errors.Join(err, s.apply(dispatch.LinkLost{Driver: who.Driver(), HeardAt: s.here.now.Add(-ago)}))
	}
	kind, body, err := s.body(who, verb, rest, at, seq)
	if err != nil {
		return err
	}
	if !kind.IsCommand() {
		id = ""
	}
	f, err := s.sent(kind, id, body)
	if err != nil {
		return err
	}
	in, err := s.input(who, f, rest)
	return errors.Join(err, s.apply(in))
}

// sent is a frame of a client as the server reads it.
func (s *storyteller) sent(kind wire.Type, id string, body any) (wire.ClientFrame, error) {
	frame, err := s.codec.EncodeClient(kind, id, body)
	if err != nil {
		return wire.ClientFrame{}, err
	}
	f, err := s.codec.DecodeClient(frame)
	if err != nil {
		return f, err
	}
	if diff := cmp.Diff(body, f.Body); diff != "" {
		return f, fmt.Errorf("sent (-), read (+):\n%s", diff)
	}
	return f, nil
}

// input is what the hub makes of a frame. What it knows of the token and the link it is
// told by the line.
func (s *storyteller) input(who dispatch.Actor, f wire.ClientFrame, rest []string) (dispatch.Input, error) {
	c, now := s.phone(who), moment{wall: s.here.now}
	p := c.party.Load()
	switch b := f.Body.(type) {
	case wire.Hello:
		c = s.w.silentConn(who, b)
		s.phones[who.ID] = c
		return s.hello(dispatch.Hello{By: who, Receipts: c.hello(p).Receipts}, rest)
	case wire.Watch:
		return dispatch.Watch{By: who}, nil
	case wire.Position:
		fix, err := c.fix(p, &b, now)
		over, bad := spanAfter(rest, "over")
		fix.LinkMillis = over.Milliseconds()
		return dispatch.Moved{Fix: fix}, errors.Join(err, bad)
	case wire.Seen:
		over, err := spanAfter(rest, "over")
		return dispatch.OfferSeen{Driver: who.Driver(), Trip: dispatch.TripID(b.Trip), Offer: dispatch.OfferID(b.Offer), RTT: over}, err
	}
	in, no := intake(p, f, s.w.hub.cfg.Gazetteer)
	if no != nil {
		return nil, fmt.Errorf("%s: %s", no.Code, no.Say)
	}
	return onOurClock(in, 0, s.here.now), nil
}

// hello adds what the token and the server say: "issued HH:MM:SS" or "session NAME".
func (s *storyteller) hello(in dispatch.Hello, rest []string) (dispatch.Input, error) {
	if len(rest) != 2 {
		return in, nil
	}
	if rest[0] == "session" {
		in.Session, in.Began = rest[1], s.here.now
		return in, nil
	}
	var err error
	in.Issued, err = storyMoment(rest[1])
	return in, err
}

// spanAfter reads a span that stands behind a word at the end of a line.
func spanAfter(rest []string, word string) (time.Duration, error) {
	if last := len(rest) - 2; last >= 0 && rest[last] == word {
		return time.ParseDuration(rest[last+1])
	}
	return 0, nil
}

// storyDeed takes "done HH:MM:SS [seq N]" off the end of a line.
func storyDeed(words []string) (at, seq int64, rest []string, err error) {
	if last := len(words) - 2; last >= 0 && words[last] == "seq" {
		if seq, err = strconv.ParseInt(words[last+1], 10, 64); err != nil {
			return 0, 0, nil, err
		}
		words = words[:last]
	}
	if last := len(words) - 2; last >= 0 && words[last] == "done" {
		done, bad := storyMoment(words[last+1])
		at, words, err = int64(done), words[:last], bad
	}
	return at, seq, words, err
}

// body is the message in which somebody says a line.
func (s *storyteller) body(who dispatch.Actor, verb string, rest []string, at, seq int64) (wire.Type, any, error) {
	first := ""
	if len(rest) > 0 {
		first = rest[0]
	}
	trip, _, _ := strings.Cut(first, "/")
	switch verb {
	case "on": // with the vehicle of his token
		seats, err := strconv.Atoi(rest[1])
		vehicle := dispatch.Vehicle{Class: geo.VehicleClass(first), Load: dispatch.Load{Seats: seats, GoodsLitres: 200}}
		c := s.phone(who)
		is := *c.party.Load()
		is.vehicle = &vehicle
		c.party.Store(&is)
		return wire.TypeDuty, wire.Duty{On: true}, err
	case "off":
		return wire.TypeDuty, wire.Duty{}, nil
	case "drives-to":
		ago, err := spanAfter(rest, "ago")
		p := s.places[first]
		return wire.TypePosition, wire.Position{Lat: p.Lat, Lon: p.Lon, Datum: wire.DatumWGS84, At: int64(s.here.now.Add(-ago))}, err
	case "connects":
		return wire.TypeHello, wire.Hello{NowMS: int64(s.here.now)}, nil
	case "shows":
		return s.shows(who, rest)
	case "asks", "books":
		return s.request(who, rest)
	case "sees":
		return wire.TypeSeen, wire.Seen{Trip: trip, Offer: first}, nil
	case "accepts":
		return wire.TypeAccept, wire.Accept{Trip: trip, Offer: first}, nil
	case "declines":
		return wire.TypeDecline, wire.Decline{Trip: trip, Offer: first}, nil
	case "arrives":
		return wire.TypeArrive, wire.Arrive{Trip: first, At: at, Seq: seq}, nil
	case "starts":
		start := wire.Start{Trip: first, At: at, Seq: seq}
		if len(rest) == 3 {
			start.Code = rest[2]
		}
		return wire.TypeStart, start, nil
	case "completes":
		return wire.TypeComplete, wire.Complete{Trip: first, At: at, Seq: seq}, nil
	case "takes":
		yuan, err := strconv.ParseFloat(first, 64)
		return wire.TypePaid, wire.Paid{Trip: rest[2], Fen: int64(math.Round(yuan * 100)), At: at, Seq: seq}, err
	case "tracks":
		return s.track(rest)
	case "releases":
		return wire.TypeRelease, wire.Release{Trip: first, Why: rest[1], At: at, Seq: seq}, nil
	case "cancels":
		return wire.TypeCancel, wire.Cancel{Trip: first, Why: rest[1], At: at, Seq: seq}, nil
	case "looks-up":
		return wire.TypeRoute, wire.Route{Trip: first}, nil
	case "signs-out":
		return wire.TypeLogout, wire.Logout{Everywhere: true}, nil
	}
	return s.deskBody(verb, rest)
}

// deskBody is what operators say.
func (s *storyteller) deskBody(verb string, rest []string) (wire.Type, any, error) {
	roles := map[byte]string{'d': wire.RoleDriver, 'p': wire.RolePassenger, 'a': wire.RoleAgent, 'o': wire.RoleOperator}
	switch verb {
	case "watches":
		return wire.TypeWatch, wire.Watch{On: true}, nil
	case "sends-off":
		return wire.TypeEndDuty, wire.EndDuty{Driver: rest[0]}, nil
	case "lifts":
		return wire.TypeLiftRoad, wire.LiftRoad{Road: rest[0]}, nil
	case "bars":
		bar := wire.Bar{Role: roles[rest[0][0]], ID: rest[0], Reason: "as the story wants it"}
		if len(rest) != 3 {
			return wire.TypeBar, bar, nil
		}
		until, err := storyMoment(rest[2])
		bar.Until = int64(until)
		return wire.TypeBar, bar, err
	case "lets-in":
		return wire.TypeLiftBar, wire.LiftBar{Role: roles[rest[0][0]], ID: rest[0]}, nil
	case "closes", "slows", "bans":
		p := s.places[rest[1]]
		road := wire.Road{Road: rest[0], Where: wire.Stretch{Lat: wire.Some(p.Lat), Lon: wire.Some(p.Lon), Datum: wire.DatumWGS84}, Closed: verb != "slows"}
		var err, bad error
		var from, until dispatch.Instant
		switch {
		case verb == "slows":
			road.Pace, err = strconv.ParseFloat(rest[2], 64)
		case verb == "bans":
			from, err = storyMoment(rest[2])
			until, bad = storyMoment(rest[3])
			road.Vehicles = []string{"bus", "minibus"}
			road.Daily = wire.Hours{FromMin: minutesOf(from), UntilMin: minutesOf(until)}
		case len(rest) == 4:
			until, err = storyMoment(rest[3])
			road.Until = int64(until)
		}
		return wire.TypeRoad, road, errors.Join(err, bad)
	}
	return "", nil, fmt.Errorf("unknown verb %s", verb)
}

// minutesOf is a moment of the day of the stories in minutes since midnight.
func minutesOf(at dispatch.Instant) int {
	return int(at.Time().Sub(storyMorning.Truncate(24 * time.Hour)).Minutes())
}

func (s *storyteller) shows(who dispatch.Actor, rest []string) (wire.Type, any, error) {
	version, err := strconv.Atoi(rest[1])
	r := dispatch.Receipt{Trip: dispatch.TripID(rest[0]), Version: dispatch.Version(version), State: dispatch.State(rest[2])}
	if len(rest) == 4 {
		r.Driver = dispatch.DriverID(rest[3])
	}
	text := s.w.hub.sealer.give(who, areaReceipt{area: leishan, Receipt: r})
	return wire.TypeHello, wire.Hello{NowMS: int64(s.here.now), Receipts: []string{text}}, err
}

func (s *storyteller) request(who dispatch.Actor, rest []string) (wire.Type, any, error) {
	seats, err := strconv.Atoi(rest[3])
	place := func(name string) wire.Place {
		p := s.places[name]
		return wire.Place{Lat: wire.Some(p.Lat), Lon: wire.Some(p.Lon), Datum: wire.DatumWGS84, Name: name}
	}
	ask := wire.Request{Trip: rest[0], Pickup: place(rest[1]), Dropoff: place(rest[2]), Seats: seats}
	switch {
	case len(rest) == 6 && rest[4] == "for-number":
		ask.Traveller.Phone = rest[5]
	case len(rest) == 6: // for TRAVELLER
		ask.Traveller.ID = rest[5]
	case len(rest) == 5: // HH:MM:SS
		from, bad := storyMoment(rest[4])
		ask.PickupFrom, err = int64(from), errors.Join(err, bad)
	}
	return wire.TypeRequest, ask, err
}

func (s *storyteller) track(rest []string) (wire.Type, any, error) {
	track := wire.Track{Datum: wire.DatumWGS84}
	for _, word := range rest {
		name, when, _ := strings.Cut(word, "@")
		at, err := storyMoment(when)
		if err != nil {
			return "", nil, err
		}
		p := s.places[name]
		track.Fixes = append(track.Fixes, wire.TrackFix{Lat: p.Lat, Lon: p.Lon, At: int64(at)})
	}
	return wire.TypeTrack, track, nil
}
