package ws

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

func village(id, stop string) wire.Place { return wire.Place{Village: id, Stop: stop} }

func point(lat, lon float64, datum string) wire.Place {
	return wire.Place{Lat: wire.Some(lat), Lon: wire.Some(lon), Datum: datum}
}

func partyOf(a dispatch.Actor) *party { return newParty(claimsOf(a), &fakeArea{}) }

func TestIntakeOfCommands(t *testing.T) {
	cmd := dispatch.Command{By: driver1, ID: "c1"}
	for _, c := range []struct {
		who  dispatch.Actor
		body any
		want dispatch.Input
	}{
		{driver1, wire.Duty{On: true}, dispatch.StartDuty{Command: cmd, Driver: "d1", Vehicle: minibus}},
		{driver1, wire.Duty{}, dispatch.EndDuty{Command: cmd, Driver: "d1"}},
		{driver1, wire.Accept{Trip: "t", Offer: "t/1"}, dispatch.Accept{Command: cmd, Trip: "t", Offer: "t/1"}},
		{driver1, wire.Decline{Trip: "t", Offer: "t/1"}, dispatch.Decline{Command: cmd, Trip: "t", Offer: "t/1"}},
		{driver1, wire.Arrive{Trip: "t"}, dispatch.Arrive{Command: cmd, Trip: "t"}},
		{driver1, wire.Start{Trip: "t"}, dispatch.Start{Command: cmd, Trip: "t"}},
		{driver1, wire.Complete{Trip: "t"}, dispatch.Complete{Command: cmd, Trip: "t"}},
		{driver1, wire.Release{Trip: "t", Why: wire.WhyRoad}, dispatch.Release{Command: cmd, Trip: "t", Why: dispatch.ReasonRoad}},
		{driver1, wire.Cancel{Trip: "t", Why: wire.WhyNoShow}, dispatch.Cancel{Command: cmd, Trip: "t", Why: dispatch.ReasonNoShow}},
		{driver1, wire.Arrive{Trip: "t", At: 7, Seq: 3}, dispatch.Arrive{Command: cmd, Trip: "t", Deed: dispatch.Deed{DoneAt: 7, DeedSeq: 3}}},
		{driver1, wire.Start{Trip: "t", Code: "0417", At: 7, Seq: 3}, dispatch.Start{Command: cmd, Trip: "t", Code: "0417", Deed: dispatch.Deed{DoneAt: 7, DeedSeq: 3}}},
		{driver1, wire.Complete{Trip: "t", At: 7}, dispatch.Complete{Command: cmd, Trip: "t", Deed: dispatch.Deed{DoneAt: 7}}},
		{driver1, wire.Release{Trip: "t", Why: wire.WhyRoad, At: 7, Seq: 3}, dispatch.Release{Command: cmd, Trip: "t", Why: dispatch.ReasonRoad, Deed: dispatch.Deed{DoneAt: 7, DeedSeq: 3}}},
		{driver1, wire.Cancel{Trip: "t", Why: wire.WhyNoShow, Seq: 3}, dispatch.Cancel{Command: cmd, Trip: "t", Why: dispatch.ReasonNoShow, Deed: dispatch.Deed{DeedSeq: 3}}},
		{driver1, wire.Paid{Trip: "t", Fen: 1250, At: 7, Seq: 3}, dispatch.Paid{Command: cmd, Trip: "t", Fen: 1250, Deed: dispatch.Deed{DoneAt: 7, DeedSeq: 3}}},
		{driver1, wire.Track{Datum: wire.DatumWGS84, Fixes: []wire.TrackFix{{Lat: 26, Lon: 109, At: 7, SpeedMPS: wire.Some(4), Mock: true}}},
			dispatch.Tracked{Command: cmd, Driver: "d1", Fixes: []dispatch.Fix{{Driver: "d1", Point: geo.Point{Lat: 26, Lon: 109}, At: 7, HeadingDegrees: -1, SpeedMPS: 4, Mock: true}}}},
		{operator, wire.EndDuty{Driver: "d9"}, dispatch.EndDuty{Command: dispatch.Command{By: operator, ID: "c1"}, Driver: "d9"}},
		{operator, wire.LiftRoad{Road: "r1"}, dispatch.RestoreRoad{Command: dispatch.Command{By: operator, ID: "c1"}, ID: "r1"}},
		{passenger, wire.Route{Trip: "t"}, dispatch.AskRoute{By: passenger, Trip: "t"}},
	} {
		got, no := intake(partyOf(c.who), wire.ClientFrame{ID: "c1", Body: c.body}, testVillages(t))
		if no != nil {
			t.Errorf("%+v: %v", c.body, no)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v:\n%s", c.body, diff)
		}
	}
	if _, no := intake(partyOf(driver1), wire.ClientFrame{ID: "c1", Body: wire.Hello{}}, testVillages(t)); no == nil {
		t.Error("a hello is no command")
	}
}

// Every reason of the protocol is one of the domain's.
func TestReasonsAgree(t *testing.T) {
	for _, why := range wire.Reasons() {
		if _, ok := dispatch.ParseReason(why); !ok {
			t.Errorf("the core does not know the reason %q", why)
		}
	}
}

func TestIntakeOfRequest(t *testing.T) {
	got, no := intake(partyOf(agent), wire.ClientFrame{ID: "c1", Body: wire.Request{
		Trip:        "t1",
		Pickup:      wire.Place{Village: "langde", Stop: "market", Note: "red roof"},
		Dropoff:     wire.Place{Lat: wire.Some(26.49), Lon: wire.Some(108.17), Datum: wire.DatumWGS84, Name: "clinic"},
		Seats:       2,
		Wheelchairs: 1,
		GoodsL:      60,
		Traveller:   wire.Traveller{ID: "p7", Name: "Yang", Phone: "13800000000"},
		Channel:     wire.ChannelText,
		Note:        "hard of hearing",
		PickupFrom:  1_790_000_000_000,
		PickupTo:    1_790_000_600_000,
		ArriveBy:    1_790_003_600_000,
	}}, testVillages(t))
	if no != nil {
		t.Fatal(no)
	}
	want := dispatch.Request{Command: dispatch.Command{By: agent, ID: "c1"}, Trip: "t1", Order: dispatch.Order{
		Booker:       agent,
		Traveller:    dispatch.Traveller{ID: "p7", Name: "Yang", Phone: "13800000000"},
		Channel:      dispatch.ChannelText,
		Product:      dispatch.ProductSolo,
		Load:         dispatch.Load{Seats: 2, Wheelchairs: 1, GoodsLitres: 60},
		Pickup:       dispatch.Place{Village: "langde", Pickup: "market", Name: "朗德 市场", Point: geo.Point{Lat: 26.472, Lon: 108.042}, Note: "red roof / hard of hearing"},
		Dropoff:      dispatch.Place{Name: "clinic", Point: geo.Point{Lat: 26.49, Lon: 108.17}},
		PickupWindow: dispatch.Window{From: 1_790_000_000_000, To: 1_790_000_600_000},
		ArriveBy:     1_790_003_600_000,
	}}
	if diff := cmp.Diff(dispatch.Input(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestIntakeOfPlaces(t *testing.T) {
	gcj, err := geo.FromWGS84(geo.Point{Lat: 26.5, Lon: 108.1}, geo.GCJ02)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   wire.Place
		code string
		want dispatch.Place
	}{
		"usual stop":      {village("langde", ""), "", dispatch.Place{Village: "langde", Pickup: "gate", Name: "朗德 寨门", Point: geo.Point{Lat: 26.471, Lon: 108.041}}},
		"without stops":   {village("xijiang", ""), "", dispatch.Place{Village: "xijiang", Name: "西江", Point: geo.Point{Lat: 26.49, Lon: 108.17}}},
		"unknown village": {village("nowhere", ""), wire.CodeUnknownVillage, dispatch.Place{}},
		"unknown stop":    {village("langde", "nowhere"), wire.CodeUnknownVillage, dispatch.Place{}},
		"no datum":        {point(26.5, 108.1, ""), wire.CodeUntaggedDatum, dispatch.Place{}},
		"unknown datum":   {point(26.5, 108.1, "mars"), wire.CodeBadValue, dispatch.Place{}},
		"null island":     {point(0, 0, wire.DatumWGS84), wire.CodeOutOfRange, dispatch.Place{}},
		"beyond the pole": {point(91, 0, wire.DatumWGS84), wire.CodeOutOfRange, dispatch.Place{}},
	} {
		got, no := place("pickup", c.in, testVillages(t))
		switch {
		case c.code == "" && (no != nil || got != c.want):
			t.Errorf("%s: %+v %v, want %+v", name, got, no, c.want)
		case c.code != "" && (no == nil || no.Code != c.code || !strings.HasPrefix(no.Say, "pickup: ")):
			t.Errorf("%s: %+v, want code %s and the field named", name, no, c.code)
		case name == "unknown village" && !strings.Contains(no.Say, "no village"), name == "unknown stop" && !strings.Contains(no.Say, "no such stop"):
			t.Errorf("%s: says %q", name, no.Say)
		}
	}
	got, no := place("pickup", point(gcj.Lat, gcj.Lon, wire.DatumGCJ02), testVillages(t))
	if away := geo.Distance(got.Point, geo.Point{Lat: 26.5, Lon: 108.1}); no != nil || away > 0.5 {
		t.Errorf("a GCJ-02 place came out %v m away (%v)", away, no)
	}
}

func TestIntakeOfSamePlace(t *testing.T) {
	for _, c := range []struct{ from, to wire.Place }{
		{village("langde", ""), village("langde", "gate")},
		{village("xijiang", ""), point(26.49, 108.17, wire.DatumWGS84)},
	} {
		_, no := intake(partyOf(passenger), wire.ClientFrame{ID: "c", Body: wire.Request{Trip: "t", Seats: 1, Pickup: c.from, Dropoff: c.to}}, testVillages(t))
		if no == nil || no.Code != wire.CodeSamePlace {
			t.Errorf("%+v to %+v: %v, want same_place", c.from, c.to, no)
		}
	}
	if _, no := intake(partyOf(passenger), wire.ClientFrame{ID: "c", Body: wire.Request{Trip: "t", Seats: 1, Pickup: village("langde", "gate"), Dropoff: village("langde", "market")}}, testVillages(t)); no != nil {
		t.Errorf("two stops of one village: %v", no)
	}
}

func TestIntakeOfChannels(t *testing.T) {
	for _, c := range []struct {
		role dispatch.Role
		said string
		want dispatch.Channel // "" for refused
	}{
		{dispatch.RolePassenger, "", dispatch.ChannelApp},
		{dispatch.RolePassenger, "app", dispatch.ChannelApp},
		{dispatch.RolePassenger, "desk", ""},
		{dispatch.RoleAgent, "", dispatch.ChannelAgent},
		{dispatch.RoleAgent, "text", dispatch.ChannelText},
		{dispatch.RoleAgent, "app", ""},
		{dispatch.RoleOperator, "", dispatch.ChannelDesk},
		{dispatch.RoleOperator, "agent", dispatch.ChannelAgent},
		{dispatch.RoleOperator, "standing_order", ""},
	} {
		got, no := channelOf(c.role, c.said)
		if got != c.want || (no == nil) != (c.want != "") {
			t.Errorf("%s says %q: %q %v, want %q", c.role, c.said, got, no, c.want)
		}
	}
}

func TestRepeatedRequestIsEqual(t *testing.T) {
	f := wire.ClientFrame{ID: "c1", Body: bodies[wire.TypeRequest]}
	one, _ := intake(partyOf(passenger), f, testVillages(t))
	two, _ := intake(partyOf(passenger), f, testVillages(t))
	if one != two {
		t.Errorf("a repeat is another input: %+v, %+v", one, two)
	}
}
