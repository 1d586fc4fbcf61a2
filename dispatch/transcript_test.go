package dispatch

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cuntong/geo"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts under testdata anew; read the diff before committing it")

// TestTranscripts plays the stories under testdata. Each is blocks of lines: what
// happens, then "----", then what the core made of it. "go test ./dispatch
// -run Transcripts -rewrite" renews the second halves.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts under testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playTranscript(t, file) })
	}
}

func playTranscript(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{world: newWorld(DefaultRules()), places: map[string]geo.Point{}, counties: map[string]*world{}}
	blocks := strings.Split(strings.TrimRight(string(data), "\n"), "\n\n")
	for i, block := range blocks {
		input, want, _ := strings.Cut(block+"\n", "----\n")
		if !strings.Contains(block, "----") {
			input, want = block+"\n", ""
		}
		got, err := s.play(input)
		if err != nil {
			t.Fatalf("%s, block %d:\n%s\n%v", file, i+1, input, err)
		}
		if got == "" && want == "" {
			continue
		}
		blocks[i] = strings.TrimRight(input+"----\n"+got, "\n")
		if got != want && !*rewrite {
			t.Errorf("%s, block %d:\n%s----\ngot:\n%swant:\n%s", file, i+1, input, got, want)
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// stage is where a transcript is played.
type stage struct {
	world  *world
	places map[string]geo.Point
	n      int // commands given, for their ids

	counties map[string]*world // when there are several
	names    []string          // of theirs, in the order they were drawn
	post     []AreaLetter      // on their way between them
}

// play runs the lines of one block and returns what the core made of them.
func (s *stage) play(lines string) (string, error) {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		told, err := s.tell(words)
		b.WriteString(told)
		if err != nil {
			return b.String(), fmt.Errorf("%q: %w", strings.TrimSpace(line), err)
		}
	}
	return b.String(), nil
}

// tell plays one line and tells what happened.
func (s *stage) tell(words []string) (string, error) {
	if len(s.counties) > 0 && words[0] != "place" {
		return s.actAmong(words)
	}
	var b strings.Builder
	outs, err := s.act(words)
	for _, out := range outs {
		b.WriteString(storyOf(out))
	}
	return b.String(), err
}

// momentOf reads HH:MM:SS of the day of the stories.
func momentOf(word string) (Instant, error) {
	at, err := time.Parse("15:04:05", word)
	day := morning.Time().Truncate(24 * time.Hour)
	return InstantOf(day.Add(at.Sub(at.Truncate(24 * time.Hour)))), err
}

// act plays one line.
func (s *stage) act(words []string) ([]Outcome, error) {
	switch words[0] {
	case "counties": // counties WEST EAST …, side by side from longitude 109.0 on, each 0.2 degrees wide
		s.drawCounties(words[1:])
		return nil, nil
	case "place": // place NAME LAT LON
		lat, err1 := strconv.ParseFloat(words[2], 64)
		lon, err2 := strconv.ParseFloat(words[3], 64)
		s.places[words[1]] = geo.Point{Lat: lat, Lon: lon}
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("want: place NAME LAT LON")
		}
		return nil, nil
	case "gorge": // the roads of gorge_test.go instead of straight lines
		s.world = newWorldOn(s.world.core.rules, gorge)
		return nil, nil
	case "rule":
		return nil, s.rule(words[1], words[2])
	case "at": // at HH:MM:SS
		at, err := momentOf(words[1])
		if err != nil {
			return nil, err
		}
		var outs []Outcome
		err = s.world.pass(at, func(out Outcome) error {
			outs = append(outs, out)
			return nil
		})
		return outs, err
	case "again": // what a new writer tells those again who have only a telephone
		return []Outcome{{Notices: s.world.core.tellAgain(s.world.now)}}, nil
	case "tick":
		out, err := s.world.step(Tick{})
		return []Outcome{out}, err
	case "crash":
		return nil, s.crash()
	case "lose-facts": // lose-facts N: crash, and the ledger comes back without its last N facts
		n, _ := strconv.Atoi(words[1])
		return nil, s.world.loseTail(n)
	}
	in, err := s.input(words)
	if err != nil {
		return nil, err
	}
	out, err := s.world.step(in)
	return []Outcome{out}, err
}

func (s *stage) rule(name, value string) error {
	rules := s.world.core.rules
	wait, _ := time.ParseDuration(value)
	n, _ := strconv.Atoi(value)
	switch name {
	case "patience":
		rules.Patience = wait
	case "reach":
		rules.Reach = wait
	case "lapse_rest":
		rules.LapseRest = wait
	case "open_trips_per_passenger":
		rules.MaxOpenPerPassenger = n
	case "duty_silence":
		rules.DutySilence = wait
	case "max_ride":
		rules.MaxRide = wait
	case "start_code":
		rules.StartCode = StartCodeRule(value)
	case "start_code_from":
		rules.StartCodeFrom, rules.StartCodeZone = n, 0
	case "start_code_until":
		rules.StartCodeUntil = n
	case "keep_ended":
		rules.KeepEnded = n
	default:
		return fmt.Errorf("unknown rule %s", name)
	}
	s.world = newWorldOn(rules, s.world.router)
	return rules.Validate()
}

// crash starts again from the journal: positions are gone, all else is there.
func (s *stage) crash() error {
	again, err := s.world.replayed()
	s.world.core = again
	return err
}

// input reads a line of the form WHO VERB … . Who a name is, its first letter
// says: d driver, p passenger, a agent, o operator.
func (s *stage) input(words []string) (Input, error) {
	s.n++
	who, verb, rest := actorOf(words[0]), words[1], words[2:]
	cmd := Command{By: who, ID: CommandID("c" + strconv.Itoa(s.n))}
	if last := len(rest) - 2; last >= 0 && rest[last] == "as" { // … as COMMAND-ID
		cmd.ID, rest = CommandID(rest[last+1]), rest[:last]
	}
	return s.command(cmd, verb, rest)
}

// command reads what follows WHO VERB. What is reported late ends in "done HH:MM:SS",
// with "seq N" behind it.
func (s *stage) command(cmd Command, verb string, rest []string) (Input, error) {
	who := cmd.By
	deed, rest, err := deedOf(rest)
	if err != nil {
		return nil, err
	}
	switch verb {
	case "on": // d1 on minivan 7
		seats, err := strconv.Atoi(rest[1])
		return StartDuty{Command: cmd, Driver: who.Driver(), Vehicle: Vehicle{Class: geo.VehicleClass(rest[0]), Load: Load{Seats: seats, GoodsLitres: 200}}}, err
	case "off":
		return EndDuty{Command: cmd, Driver: who.Driver()}, nil
	case "drives-to": // d1 drives-to PLACE
		return s.moved(who, rest)
	case "connects":
		return connects(who, s.world.now, rest)
	case "bars": // o1 bars d1 [until HH:MM:SS]
		bar := Bar{Command: cmd, Party: actorOf(rest[0]), Reason: "as the story wants it"}
		if len(rest) != 3 {
			return bar, nil
		}
		var err error
		bar.Until, err = momentOf(rest[2])
		return bar, err
	case "lets-in": // o1 lets-in d1
		return LiftBar{Command: cmd, Party: actorOf(rest[0])}, nil
	case "signs-out":
		return SignOut{Command: cmd}, nil
	case "shows": // p1 shows t1 5 assigned d1: connects with a receipt
		return shows(who, rest)
	case "books": // p1 books t1 FROM TO SEATS HH:MM:SS: asks, to be fetched then
		return s.books(cmd, rest)
	case "watches":
		return Watch{By: who}, nil
	case "asks": // p1 asks t1 FROM TO SEATS [for TRAVELLER | for-number NUMBER]
		return s.request(cmd, rest)
	case "sees": // d1 sees t1/1 [over 3s]: his phone has the offer, on a link with that round trip
		trip, _, _ := strings.Cut(rest[0], "/")
		seen := OfferSeen{Driver: who.Driver(), Trip: TripID(trip), Offer: OfferID(rest[0])}
		var err error
		if len(rest) == 3 && rest[1] == "over" {
			seen.RTT, err = time.ParseDuration(rest[2])
		}
		return seen, err
	case "is-lost": // d1 is-lost 11s: his link is dead, and he was last heard of so long ago
		ago, err := time.ParseDuration(rest[0])
		return LinkLost{Driver: who.Driver(), HeardAt: s.world.now.Add(-ago)}, err
	case "accepts", "declines": // d1 accepts t1/1
		trip, _, _ := strings.Cut(rest[0], "/")
		if verb == "accepts" {
			return Accept{Command: cmd, Trip: TripID(trip), Offer: OfferID(rest[0])}, nil
		}
		return Decline{Command: cmd, Trip: TripID(trip), Offer: OfferID(rest[0])}, nil
	case "arrives":
		return Arrive{Command: cmd, Trip: TripID(rest[0]), Deed: deed}, nil
	case "starts":
		start := Start{Command: cmd, Trip: TripID(rest[0]), Deed: deed}
		if len(rest) == 3 && rest[1] == "code" { // d1 starts t1 code 4821
			start.Code = rest[2]
		}
		return start, nil
	case "completes":
		return Complete{Command: cmd, Trip: TripID(rest[0]), Deed: deed}, nil
	case "takes": // d1 takes 12.50 for t1
		yuan, err := strconv.ParseFloat(rest[0], 64)
		return Paid{Command: cmd, Trip: TripID(rest[2]), Fen: int64(math.Round(yuan * 100)), Deed: deed}, err
	case "tracks": // d1 tracks PLACE@HH:MM:SS …
		return s.tracks(cmd, rest)
	case "releases":
		return Release{Command: cmd, Trip: TripID(rest[0]), Why: Reason(rest[1]), Deed: deed}, nil
	case "cancels":
		return Cancel{Command: cmd, Trip: TripID(rest[0]), Why: Reason(rest[1]), Deed: deed}, nil
	case "closes", "slows", "bans":
		return s.changeRoad(cmd, verb, rest)
	case "lifts": // o1 lifts CHANGE
		return RestoreRoad{Command: cmd, ID: geo.RoadChangeID(rest[0])}, nil
	case "looks-up": // p1 looks-up t1
		return AskRoute{By: who, Trip: TripID(rest[0])}, nil
	case "sends-off": // o1 sends-off d1
		return EndDuty{Command: cmd, Driver: DriverID(rest[0])}, nil
	}
	return nil, fmt.Errorf("unknown verb %s", verb)
}

func (s *stage) moved(who Actor, rest []string) (Input, error) {
	at, ok := s.places[rest[0]]
	if !ok {
		return nil, fmt.Errorf("unknown place %s", rest[0])
	}
	fix := Fix{Driver: who.Driver(), Point: at, At: s.world.now, Received: s.world.now}
	if len(rest) == 3 && rest[1] == "over" { // d1 drives-to PLACE over 3s: by a link with that round trip
		trip, err := time.ParseDuration(rest[2])
		fix.LinkMillis = trip.Milliseconds()
		return Moved{Fix: fix}, err
	}
	if len(rest) == 3 && rest[1] == "ago" { // d1 drives-to PLACE ago 40s
		ago, err := time.ParseDuration(rest[2])
		fix.At = fix.At.Add(-ago)
		return Moved{Fix: fix}, err
	}
	return Moved{Fix: fix}, nil
}

// changeRoad reads "o1 closes CHANGE PLACE [until HH:MM:SS]", "o1 slows CHANGE PLACE
// PACE" and "o1 bans CHANGE PLACE FROM UNTIL", the last for buses at those hours UTC.
func (s *stage) changeRoad(cmd Command, verb string, rest []string) (Input, error) {
	at, ok := s.places[rest[1]]
	if !ok {
		return nil, fmt.Errorf("unknown place %s", rest[1])
	}
	change := geo.RoadChange{ID: geo.RoadChangeID(rest[0]), Where: geo.Stretch{Center: &at}}
	clockOf := func(word string) time.Duration {
		at, _ := time.Parse("15:04:05", word)
		return at.Sub(at.Truncate(24 * time.Hour))
	}
	switch {
	case verb == "slows":
		change.Pace, _ = strconv.ParseFloat(rest[2], 64)
	case verb == "bans":
		change.Closed, change.Vehicles = true, []geo.VehicleClass{geo.Bus, geo.Minibus}
		change.Daily = &geo.Hours{From: int(clockOf(rest[2]).Minutes()), Until: int(clockOf(rest[3]).Minutes())}
	default:
		change.Closed = true
		if len(rest) == 4 && rest[2] == "until" {
			change.Until = morning.Time().Truncate(24 * time.Hour).Add(clockOf(rest[3])).UnixMilli()
		}
	}
	return ChangeRoad{Command: cmd, Change: change}, nil
}

func (s *stage) request(cmd Command, rest []string) (Input, error) {
	from, ok1 := s.places[rest[1]]
	to, ok2 := s.places[rest[2]]
	seats, err := strconv.Atoi(rest[3])
	if !ok1 || !ok2 || err != nil {
		return nil, fmt.Errorf("want: WHO asks TRIP FROM TO SEATS [for TRAVELLER | for-number NUMBER]")
	}
	order := Order{
		Booker: cmd.By, Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: seats},
		Pickup:  Place{Name: rest[1], Point: from},
		Dropoff: Place{Name: rest[2], Point: to},
	}
	if len(rest) == 6 && rest[4] == "for" {
		order.Channel, order.Traveller.ID = ChannelAgent, rest[5]
	}
	if len(rest) == 6 && rest[4] == "for-number" {
		order.Channel, order.Traveller.Phone = ChannelAgent, rest[5]
	}
	return Request{Command: cmd, Trip: TripID(rest[0]), Order: order}, nil
}

func actorOf(name string) Actor {
	roles := map[byte]Role{'d': RoleDriver, 'p': RolePassenger, 'a': RoleAgent, 'o': RoleOperator}
	return Actor{Role: roles[name[0]], ID: name}
}

// connects reads "p1 connects [issued HH:MM:SS]" and "d1 connects session NAME".
func connects(who Actor, now Instant, rest []string) (Input, error) {
	in := Hello{By: who}
	if len(rest) == 0 {
		return in, nil
	}
	if rest[0] == "session" {
		in.Session, in.Began = rest[1], now
		return in, nil
	}
	var err error
	in.Issued, err = momentOf(rest[1])
	return in, err
}

func shows(who Actor, rest []string) (Input, error) {
	version, err := strconv.Atoi(rest[1])
	receipt := Receipt{Trip: TripID(rest[0]), Version: Version(version), State: State(rest[2])}
	if len(rest) == 4 {
		receipt.Driver = DriverID(rest[3])
	}
	return Hello{By: who, Receipts: []Receipt{receipt}}, err
}

func (s *stage) books(cmd Command, rest []string) (Input, error) {
	in, err := s.request(cmd, rest[:4])
	if err != nil {
		return nil, err
	}
	from, err := momentOf(rest[4])
	ask := in.(Request)
	ask.Order.PickupWindow.From = from
	return ask, err
}

// deedOf takes "done HH:MM:SS [seq N]" off the end of a line.
func deedOf(words []string) (d Deed, rest []string, err error) {
	if last := len(words) - 2; last >= 0 && words[last] == "seq" {
		if d.DeedSeq, err = strconv.ParseUint(words[last+1], 10, 64); err != nil {
			return d, nil, err
		}
		words = words[:last]
	}
	if last := len(words) - 2; last >= 0 && words[last] == "done" {
		d.DoneAt, err = momentOf(words[last+1])
		words = words[:last]
	}
	return d, words, err
}

func (s *stage) tracks(cmd Command, rest []string) (Input, error) {
	in := Tracked{Command: cmd, Driver: cmd.By.Driver()}
	for _, word := range rest {
		place, moment, _ := strings.Cut(word, "@")
		point, ok := s.places[place]
		at, err := momentOf(moment)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: want PLACE@HH:MM:SS", word)
		}
		in.Fixes = append(in.Fixes, Fix{Driver: in.Driver, Point: point, At: at, Received: s.world.now})
	}
	return in, nil
}
