package dispatch

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"

	"cuntong/geo"
)

// factsFile holds one fact of every kind as format 1 wrote it. Its lines never
// change: journals hold such facts for years. New kinds are added at the end.
const factsFile = "testdata/facts_v1.jsonl"

// oneOfEach returns a fact of every kind with every field set.
func oneOfEach() []Fact {
	order := Order{
		Booker:    Actor{Role: RoleAgent, ID: "a1"},
		Traveller: Traveller{ID: "p1", Name: "杨奶奶", Phone: "000"},
		Channel:   ChannelAgent, Product: ProductSolo,
		Load:         Load{Seats: 2, Wheelchairs: 1, GoodsLitres: 40},
		Pickup:       Place{Village: "v1", Pickup: "gate", Name: "肇兴 村口", Point: geo.Point{Lat: 25.9108, Lon: 109.1764}, Note: "by the bridge"},
		Dropoff:      Place{Point: geo.Point{Lat: 26.2311, Lon: 109.1314}},
		PickupWindow: Window{From: 1000, To: 2000}, ArriveBy: 3000,
	}
	leg := geo.Leg{Distance: 1200, Duration: 90_000_000_000}
	system := Actor{Role: RoleSystem}
	bodies := []FactBody{
		DutyStarted{Driver: "d1", Vehicle: Vehicle{ID: "plate-1", Class: geo.Minivan, Load: Load{Seats: 7, GoodsLitres: 300}}},
		DutyEnded{Driver: "d1"},
		TripRequested{Trip: "t1", Order: order, Direct: leg, Patience: 1_800_000},
		OfferMade{Trip: "t1", Offer: "t1/1", Driver: "d1", Until: 20_000, Approach: leg},
		OfferClosed{Trip: "t1", End: OfferLapsed, Rest: 140_000},
		TripParked{Trip: "t1", Deadline: 140_000},
		TripAssigned{Trip: "t1", Deadline: 1_300_000, ETA: 100_000},
		DriverArrived{Trip: "t1", Deadline: 1_600_000},
		RideStarted{Trip: "t1", Deadline: 5_000_000},
		TripCompleted{Trip: "t1"},
		TripReleased{Trip: "t1", By: Actor{Role: RoleDriver, ID: "d1"}, Why: ReasonBreakdown},
		TripOverdue{Trip: "t1", Deadline: 2_500_000},
		TripCancelled{Trip: "t1", By: Actor{Role: RolePassenger, ID: "p1"}, Why: ReasonChanged},
		TripUnserved{Trip: "t1", Why: ReasonNoDriver},
		OfferMade{Trip: "t1", Offer: "t1/1", Driver: "d1", Until: 20_000, Approach: leg, Ride: leg},
		TripParked{Trip: "t1", Deadline: 140_000, ETA: 200_000, Cut: true},
		TripRetimed{Trip: "t1", ETA: 100_000, Deadline: 1_300_000, Ride: leg, Cut: true},
		RoadChanged{Change: geo.RoadChange{ID: "slide", Where: geo.Stretch{Center: &geo.Point{Lat: 26.2311, Lon: 109.1314}, Radius: 100,
			Kinds: []geo.RoadKind{geo.Secondary}, Above: 900}, Vehicles: []geo.VehicleClass{geo.Bus}, Closed: true, Pace: 0.5,
			MaxMass: 3500, MaxHeight: 300, MaxWidth: 220, From: 1000, Until: 2000, Daily: &geo.Hours{From: 1320, Until: 300, Zone: 480},
			Note: "landslide"}, By: Actor{Role: RoleOperator, ID: "o1"}},
		RoadRestored{ID: "slide", By: system},
		TripAssigned{Trip: "t1", Deadline: 1_300_000, ETA: 100_000, Ride: leg},
		DriverReleased{Driver: "d1", To: "congjiang", Transfer: 1_700_000_000_000, Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}},
			Since: 1000, Home: "liping", For: "t1"},
		TransferSettled{To: "congjiang", Transfer: 1_700_000_000_000},
		DriverAdmitted{Driver: "d1", From: "liping", Transfer: 1_700_000_000_000, Done: 1_699_999_999_999,
			Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}, Since: 1000, Home: "liping", For: "t1"},
		TripRecovered{Trip: "t1", Version: 9, State: Riding, Driver: "d1", ETA: 100_000, Deadline: 5_000_000, By: Actor{Role: RolePassenger, ID: "p1"}},
		TripRequested{Trip: "t1", Order: order, Direct: leg, Patience: 1_800_000, Version: 7},
		DriverArrived{Trip: "t1", Deadline: 1_600_000, Deed: Deed{DoneAt: 900, DeedSeq: 17}},
		RideStarted{Trip: "t1", Deadline: 5_000_000, Deed: Deed{DoneAt: 910, DeedSeq: 18}},
		TripCompleted{Trip: "t1", Deed: Deed{DoneAt: 920, DeedSeq: 19}, DrivenM: 64_870},
		TripReleased{Trip: "t1", By: Actor{Role: RoleDriver, ID: "d1"}, Why: ReasonBreakdown, Deed: Deed{DoneAt: 900, DeedSeq: 17}},
		TripCancelled{Trip: "t1", By: Actor{Role: RoleDriver, ID: "d1"}, Why: ReasonNoShow, Deed: Deed{DoneAt: 920, DeedSeq: 18}},
		TripReclaimed{Trip: "t1", Driver: "d1", Since: 800, ETA: 100_000, Ride: leg, Deadline: 1_300_000},
		OfferMade{Trip: "t1", Offer: "t1/1", Driver: "d1", Until: 20_000, Approach: leg, Ride: leg, Confirm: 5_000},
		OfferDelivered{Trip: "t1", Offer: "t1/1", Until: 24_000, RoundTrip: 700},
		OfferClosed{Trip: "t1", End: OfferUnseen, Rest: 35_000},
	}
	bodies = append(bodies,
		PartyBarred{Party: Actor{Role: RolePassenger, ID: "p9"}, Until: 90_000, By: Actor{Role: RoleOperator, ID: "o1"}, Reason: "forty orders"},
		BarLifted{Party: Actor{Role: RolePassenger, ID: "p9"}, By: Actor{Role: RoleOperator, ID: "o1"}},
		PartySignedOut{Party: Actor{Role: RoleDriver, ID: "d1"}, UpTo: 80_000},
		TripMeasured{Trip: "t1", DrivenM: 64_870},
		TripPaid{Trip: "t1", Fen: 1200, By: Actor{Role: RoleDriver, ID: "d1"}, Deed: Deed{DoneAt: 930, DeedSeq: 20}},
		StartMissed{Trip: "t1", Sum: 1<<64 - 1},
		TripRequested{Trip: "t1", Order: order, Direct: leg, Patience: 1_800_000, StartCode: "4821"},
		TrustChanged{Driver: "d1", Band: TrustDoubtful, Signs: []Sign{SignTeleport, SignMock}},
		TripRecovered{Trip: "t1", Version: 9, State: Arrived, Driver: "d1", ETA: 100_000, Deadline: 5_000_000, Since: 900, By: Actor{Role: RoleDriver, ID: "d1"}},
		PartyBarred{Party: Actor{Role: RoleDriver, ID: "d1"}, By: Actor{Role: RoleOperator, ID: "o1"}, word: word{At: 70_000, From: "liping", Areas: []geo.AreaID{"congjiang"}}},
		BarLifted{Party: Actor{Role: RoleDriver, ID: "d1"}, By: Actor{Role: RoleOperator, ID: "o1"}, word: word{At: 75_000, From: "liping", Areas: []geo.AreaID{"congjiang"}}},
		DriverAdmitted{Driver: "d1", From: "liping", Transfer: 1_700_000_000_001, Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}, Since: 1000, Home: "liping",
			Band: TrustPoor, Signs: []Sign{SignMock}, DoubtSince: 900, SignedOut: 800},
	)
	facts := make([]Fact, len(bodies))
	for i, body := range bodies {
		facts[i] = Fact{Seq: Seq(i + 1), At: Instant(1000 * (i + 1)), Body: body}
	}
	facts[0].Cause = &Cause{By: system, ID: "c1", Sum: 1<<64 - 1}
	return facts
}

func TestFactsOnPaper(t *testing.T) {
	var written bytes.Buffer
	seen := map[string]bool{}
	for _, f := range oneOfEach() {
		line, err := MarshalFact(f)
		if err != nil {
			t.Fatal(err)
		}
		written.Write(append(line, '\n'))
		seen[f.Body.kind()] = true
	}
	for kind := range readers {
		if !seen[kind] {
			t.Errorf("no fact of kind %s is on paper", kind)
		}
	}
	if *rewrite {
		if err := os.WriteFile(factsFile, written.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(factsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, written.Bytes()) {
		t.Errorf("facts are written otherwise than journals in the field hold them:\n%s\nwas\n%s", written.Bytes(), old)
	}
	for lines := bufio.NewScanner(bytes.NewReader(old)); lines.Scan(); {
		f, err := UnmarshalFact(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		again, err := MarshalFact(f)
		if err != nil || !bytes.Equal(again, lines.Bytes()) {
			t.Errorf("read and written again:\n%s\nwas\n%s\n%v", again, lines.Bytes(), err)
		}
	}
}

func TestFactsOfALaterProgram(t *testing.T) {
	for line, want := range map[string]string{
		`{"v":2,"seq":7,"kind":"trip_completed","body":{}}`:  "run a newer one",
		`{"v":1,"seq":7,"kind":"trip_teleported","body":{}}`: "run a newer one",
		`{"v":0,"seq":7,"kind":"trip_completed","body":{}}`:  "format 0",
		`{"v":1,"seq":7,"kind":"trip_completed","body":7}`:   "fact 7",
		`{"v":1,`: "fact",
	} {
		if _, err := UnmarshalFact([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", line, err, want)
		}
	}
}

func TestReplayRefusesWhatCannotHaveHappened(t *testing.T) {
	order := oneOfEach()[2].Body.(TripRequested)
	for name, facts := range map[string][]Fact{
		"a gap":                     {{Seq: 2, Body: order}},
		"an offer of nothing":       {{Seq: 1, Body: OfferMade{Trip: "t1", Driver: "d1"}}},
		"an offer to nobody":        {{Seq: 1, Body: order}, {Seq: 2, Body: OfferMade{Trip: "t1", Driver: "d1"}}},
		"a ride without a driver":   {{Seq: 1, Body: order}, {Seq: 2, Body: RideStarted{Trip: "t1"}}},
		"a trip requested twice":    {{Seq: 1, Body: order}, {Seq: 2, Body: order}},
		"something after the end":   {{Seq: 1, Body: order}, {Seq: 2, Body: TripUnserved{Trip: "t1"}}, {Seq: 3, Body: TripParked{Trip: "t1"}}},
		"a change that never was":   {{Seq: 1, Body: RoadRestored{ID: "slide"}}},
		"an overdue trip not there": {{Seq: 1, Body: TripOverdue{Trip: "t1"}}},
	} {
		c := NewCore(testArea, DefaultRules(), geo.NewCrow())
		var err error
		for _, f := range facts {
			if err = c.Replay(f); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s was replayed", name)
		}
	}
}

func FuzzUnmarshalFact(f *testing.F) {
	for _, fact := range oneOfEach() {
		line, err := MarshalFact(fact)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		fact, err := UnmarshalFact(line)
		if err != nil {
			return
		}
		again, err := MarshalFact(fact)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := UnmarshalFact(again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		// A core never panics on a journal, whatever it holds.
		c := NewCore(testArea, DefaultRules(), geo.NewCrow())
		fact.Seq = 1
		_ = c.Replay(fact)
	})
}

func FuzzRestore(f *testing.F) {
	w := newWorld(DefaultRules())
	w.core.Apply(morning, StartDuty{Command: Command{By: DriverActor("d1"), ID: "c1"}, Driver: "d1", Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}})
	w.core.Apply(morning, Moved{Fix: Fix{Driver: "d1", Point: geo.Point{Lat: 26, Lon: 109}, At: morning, Received: morning}})
	order := oneOfEach()[2].Body.(TripRequested).Order
	order.PickupWindow, order.ArriveBy = Window{}, 0
	order.Load = Load{Seats: 1}
	for _, id := range []TripID{"t1", "t2"} {
		w.core.Apply(morning, Request{Command: Command{By: order.Booker, ID: CommandID(id)}, Trip: id, Order: order})
	}
	data, err := w.core.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"v":1,"open":[null],"ended":[null],"drivers":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := NewCore(testArea, DefaultRules(), geo.NewCrow())
		if c.Restore(data) != nil {
			return
		}
		if _, err := c.Snapshot(); err != nil {
			t.Fatal(err)
		}
	})
}
