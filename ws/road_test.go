package ws

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// fullChange is a change to the roads in which every field says something.
func fullChange() geo.RoadChange {
	return geo.RoadChange{
		ID: "ice",
		Where: geo.Stretch{Center: &geo.Point{Lat: 26.4, Lon: 108}, Radius: 15_000,
			Kinds: []geo.RoadKind{geo.Tertiary, geo.Track}, Above: 900},
		Vehicles: []geo.VehicleClass{geo.Bus}, Closed: true, Pace: 0.5, MaxMass: 7500, MaxHeight: 320, MaxWidth: 230,
		From: 1_790_000_000_000, Until: 1_790_100_000_000, Daily: &geo.Hours{From: 1140, Until: 600, Zone: 480}, Note: "ice on the pass",
	}
}

func fullRoad() dispatch.RoadView {
	return dispatch.RoadView{Change: fullChange(), Extent: geo.RoadExtent{Segments: 2, Length: 1309.6, Names: []string{"X106"}}, InForce: true}
}

var fullRoadOut = wire.RoadState{
	Change: wire.Road{
		Road:     "ice",
		Where:    wire.Stretch{Lat: wire.Some(26.4), Lon: wire.Some(108), Datum: "wgs84", RadiusM: 15_000, Kinds: []string{"tertiary", "track"}, AboveM: 900},
		Vehicles: []string{"bus"}, Closed: true, Pace: 0.5, MaxKG: 7500, MaxHeightCM: 320, MaxWidthCM: 230,
		From: 1_790_000_000_000, Until: 1_790_100_000_000, Daily: wire.Hours{FromMin: 1140, UntilMin: 600, ZoneMin: 480}, Note: "ice on the pass",
	},
	Extent:  wire.Extent{Segments: 2, LengthM: 1310, Names: []string{"X106"}},
	InForce: true,
}

// A field that somebody adds to the domain or the wire and forgets here would be
// lost without a word: then the fixtures are no longer full.
func TestFixturesOfRoadsAreFull(t *testing.T) {
	var full func(name string, v reflect.Value)
	full = func(name string, v reflect.Value) {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.IsZero() {
			t.Errorf("%s says nothing", name)
		}
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				full(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
	full("RoadView", reflect.ValueOf(fullRoad()))
	full("RoadState", reflect.ValueOf(fullRoadOut))
}

func TestIntakeOfRoads(t *testing.T) {
	gcj, err := geo.FromWGS84(geo.Point{Lat: 26.4, Lon: 108}, geo.GCJ02)
	if err != nil {
		t.Fatal(err)
	}
	chinese := fullRoadOut.Change
	chinese.Where.Lat, chinese.Where.Lon, chinese.Where.Datum = wire.Some(gcj.Lat), wire.Some(gcj.Lon), wire.DatumGCJ02
	for name, c := range map[string]struct {
		in   wire.Road
		want geo.RoadChange
	}{
		"everything":     {fullRoadOut.Change, fullChange()},
		"nothing":        {wire.Road{Road: "r1"}, geo.RoadChange{ID: "r1"}},
		"from a Chinese": {chinese, fullChange()},
	} {
		in, no := intake(partyOf(operator), wire.ClientFrame{ID: "c1", Body: c.in}, testVillages(t))
		if no != nil {
			t.Errorf("%s: %v", name, no)
			continue
		}
		got := in.(dispatch.ChangeRoad)
		if p := got.Change.Where.Center; p != nil && geo.Distance(*p, *c.want.Where.Center) < 0.5 {
			got.Change.Where.Center = c.want.Where.Center // there and back costs a few centimetres
		}
		if diff := cmp.Diff(dispatch.ChangeRoad{Command: dispatch.Command{By: operator, ID: "c1"}, Change: c.want}, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if err := c.want.Validate(); name != "nothing" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	nowhere := wire.Road{Road: "r1", Where: wire.Stretch{Lat: wire.Some(0), Lon: wire.Some(0), Datum: wire.DatumWGS84}}
	if _, no := intake(partyOf(operator), wire.ClientFrame{ID: "c1", Body: nowhere}, testVillages(t)); no == nil || no.Code != wire.CodeOutOfRange {
		t.Errorf("a road on null island: %v", no)
	}
}

// What the protocol lets through and the core's map do not contradict each other:
// the largest values that the wire takes are good changes.
func TestRoadLimitsAgree(t *testing.T) {
	for _, members := range []string{
		`"closed":true,"where":{"lat":26,"lon":109,"datum":"wgs84","radius_m":200000,"above_m":8999}`,
		`"pace":0.05,"where":{"kinds":["motorway","trunk","primary","secondary","tertiary","unclassified","residential","living_street","service","track","ferry"]}`,
		`"max_kg":200000,"max_height_cm":2000,"max_width_cm":2000,"where":{},"vehicles":["car","minivan","minibus","bus","pickup"]`,
		`"pace":1,"where":{},"daily":{"from_min":1439,"until_min":0,"zone_min":-720},"from":1,"until":2,"note":"` + strings.Repeat("n", wire.MaxRoadNoteBytes) + `"`,
		`"pace":1,"where":{},"daily":{"from_min":0,"until_min":1439,"zone_min":840}`,
	} {
		f, err := wire.DecodeClient([]byte(`{"t":"road","id":"c1","b":{"road":"` + strings.Repeat("r", wire.MaxIDBytes) + `",` + members + `}}`))
		if err != nil {
			t.Errorf("%s: %v", members, err)
			continue
		}
		in, no := intake(partyOf(operator), f, testVillages(t))
		if no != nil {
			t.Errorf("%s: %v", members, no)
			continue
		}
		if err := in.(dispatch.ChangeRoad).Change.Validate(); err != nil {
			t.Errorf("%s: %v", members, err)
		}
	}
}

// A question is answered where it was asked, and nowhere else.
func TestRouteIsAnsweredToTheOneWhoAsked(t *testing.T) {
	w := newWorld(t)
	asker, other := w.connect(passenger), w.connect(passenger)
	asker.send(wire.TypeRoute, "", wire.Route{Trip: "t1"})
	if got := asker.want(wire.TypeRoute).Body.(wire.RouteTold); got.Trip != "t1" || got.Ride == nil || got.Approach != nil {
		t.Errorf("%+v", got)
	}
	w.area.set(func(a *fakeArea) { a.mute = true })
	asker.send(wire.TypeRoute, "", wire.Route{Trip: "t2"})
	w.eventually("the question arrives", func() bool { return count[dispatch.AskRoute](w.area) == 2 })
	w.area.tell(passenger, dispatch.Refused{Trip: "t2", Refusal: dispatch.Refusal{Kind: dispatch.NotFound, Code: "trip_unknown", Say: "No such trip."}})
	if got := asker.wantRefused("", "trip_unknown"); got.Trip != "t2" {
		t.Errorf("%+v does not say which question it answers", got)
	}
	w.area.tell(passenger, dispatch.RouteTold{Trip: "t2"}) // nobody waits for it any more
	asker.quiet()
	other.quiet()
}

// Questions cost the server more than other frames: no more of them wait than commands.
func TestRoutesWaitingAreBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxWaiting = 2 })
	p := w.connect(passenger)
	w.area.set(func(a *fakeArea) { a.mute = true })
	for range 3 {
		p.send(wire.TypeRoute, "", wire.Route{Trip: "t1"})
	}
	if got := p.wantRefused("", wire.CodeRate); got.Trip != "t1" {
		t.Errorf("%+v", got)
	}
	if n := count[dispatch.AskRoute](w.area); n != 2 {
		t.Errorf("%d questions reached the area, want 2", n)
	}
	for range 2 {
		w.area.tell(passenger, dispatch.RouteTold{Trip: "t1"})
		p.want(wire.TypeRoute)
	}
	p.send(wire.TypeRoute, "", wire.Route{Trip: "t1"})
	w.eventually("the place is free again", func() bool { return count[dispatch.AskRoute](w.area) == 3 })
}

// Nor do they come as fast as other frames.
func TestRoutesAreRare(t *testing.T) {
	p := pace{}
	asked := 0
	for now := int64(1); now <= 10_000; now += 50 { // 20 a second for ten seconds
		if p.question(now) {
			asked++
		}
	}
	if want := wire.QuestionBurst + 9; asked < want || asked > want+1 {
		t.Errorf("%d questions in 10 s, want about %d", asked, want)
	}
	still := time.Now()
	w := newWorld(t, func(c *Config) { c.Now = func() time.Time { return still } })
	phone := w.connect(passenger)
	for range wire.QuestionBurst + 1 {
		phone.send(wire.TypeRoute, "", wire.Route{Trip: "t1"})
	}
	for range wire.QuestionBurst {
		phone.want(wire.TypeRoute)
	}
	phone.wantRefused("", wire.CodeRate)
}

// A change is told to all connections of the operator who made it.
func TestRoadIsToldToAllDesks(t *testing.T) {
	w := newWorld(t)
	one, two := w.connect(operator), w.connect(operator)
	w.area.tell(operator, dispatch.RoadTold{Road: fullRoad()})
	for _, desk := range []*phone{one, two} {
		if diff := cmp.Diff(fullRoadOut, desk.want(wire.TypeRoad).Body); diff != "" {
			t.Error(diff)
		}
	}
}

// Long lines weigh what they are.
func TestRoutesAreWeighed(t *testing.T) {
	told := dispatch.RouteTold{Trip: "t1", Approach: &dispatch.Way{Line: strings.Repeat("_", 2000)}, Ride: &dispatch.Way{Line: strings.Repeat("_", 3000)}}
	f, _ := outgo(passenger, told, outNow)
	frame, err := wire.EncodeServer(f.Type, "", f.Body)
	if got := weigh(told); err != nil || got < len(frame) || got > 2*len(frame) {
		t.Errorf("weighed %d bytes, is %d (%v)", got, len(frame), err)
	}
}
