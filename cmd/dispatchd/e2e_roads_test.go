package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cuntong/geo"
	"cuntong/geo/road"
)

// The county of these tests: a pass and a valley lead from the west to the middle,
// one road from there to the east and one to the north.
var (
	west   = geo.Point{Lat: 26.00, Lon: 109.00}
	middle = geo.Point{Lat: 26.00, Lon: 109.10}
	east   = geo.Point{Lat: 26.00, Lon: 109.20}
	north  = geo.Point{Lat: 26.10, Lon: 109.10}
	pass   = geo.Point{Lat: 26.01, Lon: 109.05}
	valley = geo.Point{Lat: 25.92, Lon: 109.05}
	market = geo.Point{Lat: 25.99, Lon: 109.15}
)

// sketchedRoads writes the roads of the county to a file that the server reads.
func sketchedRoads(t *testing.T) string {
	t.Helper()
	b := road.NewBuilder("a sketch", "none")
	at := map[geo.Point]road.JunctionID{}
	for _, p := range []geo.Point{west, middle, east, north} {
		at[p] = b.Junction(p)
	}
	for _, s := range []road.Segment{
		{Name: "Pass Road", Shape: []geo.Point{west, pass, middle}},
		{Name: "Valley Road", Shape: []geo.Point{west, valley, middle}},
		{Name: "Market Road", Shape: []geo.Point{middle, market, east}},
		{Name: "North Road", Shape: []geo.Point{middle, north}},
	} {
		s.Kind = geo.Secondary
		if _, err := b.Add(at[s.Shape[0]], at[s.Shape[len(s.Shape)-1]], s); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "sketch.road")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := b.Build().WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return path
}

// shut closes the road nearest to a point and returns what the server says it concerns.
func (ph *phone) shut(id string, p geo.Point) map[string]any {
	ph.t.Helper()
	ph.say(`{"t":"road","id":"shut-%s","b":{"road":"%s","where":{"lat":%.5f,"lon":%.5f,"datum":"wgs84"},"closed":true,"note":"landslide"}}`, id, id, p.Lat, p.Lon)
	told := ph.hear("road", "change.road="+id, "in_force=true")
	ph.hear("done", "re=shut-"+id)
	return told["extent"].(map[string]any)
}

func (ph *phone) lift(id string) {
	ph.t.Helper()
	ph.say(`{"t":"lift_road","id":"lift-%s","b":{"road":"%s"}}`, id, id)
	ph.hear("done", "re=lift-"+id)
}

// askFor books a trip between two places.
func (ph *phone) askFor(trip string, from, to geo.Point) {
	ph.t.Helper()
	ph.say(`{"t":"request","id":"ask-%s","b":{"trip":"%s","seats":1,`+
		`"pickup":{"lat":%.5f,"lon":%.5f,"datum":"wgs84"},"dropoff":{"lat":%.5f,"lon":%.5f,"datum":"wgs84"}}}`, trip, trip, from.Lat, from.Lon, to.Lat, to.Lon)
	ph.hear("done", "re=ask-"+trip)
}

// way asks for the route of a trip and returns one of its two ways, whose line must
// lead from one place to the other.
func (ph *phone) way(trip, which string, from, to geo.Point) (metres float64) {
	ph.t.Helper()
	ph.say(`{"t":"route","b":{"trip":"%s"}}`, trip)
	told, _ := ph.hear("route", "trip="+trip)[which].(map[string]any)
	if told == nil {
		ph.t.Fatalf("%s is told of no %s", ph.name, which)
	}
	line, err := geo.DecodePolyline(fmt.Sprint(told["line"]))
	if err != nil || len(line) < 3 {
		ph.t.Fatalf("%s: the line %q has %d points (%v)", ph.name, told["line"], len(line), err)
	}
	if a, b := geo.Distance(line[0], from), geo.Distance(line[len(line)-1], to); a > 20 || b > 20 {
		ph.t.Errorf("%s: the %s begins %v m and ends %v m from where it should", ph.name, which, a, b)
	}
	return told["distance_m"].(float64)
}

// near wants a distance of so many kilometres, give or take a tenth.
func near(t *testing.T, what string, metres, wantKM float64) {
	t.Helper()
	if math.Abs(metres/1000-wantKM) > 0.1*wantKM {
		t.Errorf("%s is %.1f km, want about %.1f", what, metres/1000, wantKM)
	}
}

func TestARoadClosesUnderATrip(t *testing.T) {
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--roads", sketchedRoads(t))
	until(t, "the server is ready", p.ready)
	desk, rider := p.dial("operator", "o1"), p.dial("passenger", "p1")
	first := p.driver("d1", west.Lat, west.Lon)
	rider.askFor("t1", middle, east)
	first.accept("t1")
	planned := rider.hear("trip", "state=assigned", "driver.id=d1")
	near(t, "the way over the pass", rider.way("t1", "approach", west, middle), 10)
	near(t, "the ride", first.way("t1", "ride", middle, east), 10)

	extent := desk.shut("slide", pass)
	if fmt.Sprint(extent["names"]) != "[Pass Road]" || extent["segments"] != 1.0 {
		t.Errorf("closed was %v, want the Pass Road", extent)
	}
	later := rider.hear("trip", "state=assigned", "driver.id=d1")
	if d := later["pickup_eta"].(float64) - planned["pickup_eta"].(float64); d < 60_000 || later["version"].(float64) <= planned["version"].(float64) {
		t.Errorf("the rider is told of a driver %v ms later, version %v after %v", d, later["version"], planned["version"])
	}
	near(t, "the way through the valley", rider.way("t1", "approach", west, middle), 20.4)

	desk.shut("flood", valley)
	first.hear("trip", "trip=t1", "state=parked")
	rider.hear("trip", "state=parked")
	second := p.driver("d2", north.Lat, north.Lon)
	second.accept("t1")
	rider.hear("trip", "state=assigned", "driver.id=d2")
	second.do("arrive", "t1")
	second.do("start", "t1")
	second.at(middle.Lat, middle.Lon)
	rider.hear("driver_at", "trip=t1")

	desk.shut("fallen-tree", market)
	rider.hear("trip", "state=riding", "cut=true")
	rider.say(`{"t":"route","b":{"trip":"t1"}}`)
	if told := rider.hear("route", "trip=t1"); told["ride"] != nil {
		t.Errorf("there is a way along a closed road: %v", told)
	}
	desk.lift("fallen-tree")
	rider.hear("trip", "state=riding", "cut=<nil>")
	second.do("complete", "t1")
	rider.hear("trip", "state=completed")

	desk.lift("slide")
	desk.lift("flood")
	desk.say(`{"t":"watch","b":{"on":true}}`)
	desk.hear("board", "roads=<nil>")
}

// A closed road outlives the process, and lifting it brings the drivers back.
func TestClosedRoadsSurviveKill9(t *testing.T) {
	needRedis(t)
	data, roads := t.TempDir(), sketchedRoads(t)
	p := startServer(t, data, "--redis", "child", "--roads", roads)
	until(t, "the server is ready", p.ready)
	desk := p.dial("operator", "o1")
	desk.shut("slide", pass)
	desk.shut("flood", valley)
	p.cmd.Process.Kill()
	<-p.exited

	p = startServer(t, data, "--redis", "child", "--roads", roads)
	until(t, "the server is ready again", p.ready)
	desk = p.dial("operator", "o1")
	desk.say(`{"t":"watch","b":{"on":true}}`)
	if roads, _ := desk.hear("board")["roads"].([]any); len(roads) != 2 {
		t.Errorf("%d roads are closed after the restart, want 2", len(roads))
	}
	driver, rider := p.driver("d1", west.Lat, west.Lon), p.dial("passenger", "p1")
	rider.say(`{"t":"request","id":"ask-far","b":{"trip":"far","seats":1,"pickup":{"lat":26,"lon":109,"datum":"wgs84"},"dropoff":{"lat":26,"lon":109.2,"datum":"wgs84"}}}`)
	rider.hear("refused", "re=ask-far", "code=road_closed")
	rider.askFor("t1", middle, east)
	rider.hear("trip", "state=parked")
	desk.lift("slide")
	driver.accept("t1")
	rider.hear("trip", "state=assigned")
	near(t, "the way over the pass", rider.way("t1", "approach", west, middle), 10)
}

func TestRefusalsAboutRoads(t *testing.T) {
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--roads", sketchedRoads(t))
	plain := startServer(t, t.TempDir(), "--redis", "embedded")
	for _, server := range []*process{p, plain} {
		until(t, "the server is ready", server.ready)
	}
	const closure = `{"t":"road","id":"c1","b":{"road":"r1","where":{"lat":26,"lon":109.05,"datum":"wgs84"%s}%s}}`
	for name, c := range map[string]struct {
		who         *phone
		frame, code string
	}{
		"a driver closes a road": {p.dial("driver", "d1", "--vehicle", "minivan", "--seats", "7"), fmt.Sprintf(closure, "", `,"closed":true`), "role"},
		"without a map":          {plain.dial("operator", "o1"), fmt.Sprintf(closure, "", `,"closed":true`), "no_roads"},
		"nothing changes":        {p.dial("operator", "o1"), fmt.Sprintf(closure, "", ``), "road_change"},
		"no such road":           {p.dial("operator", "o2"), fmt.Sprintf(closure, `,"kinds":["motorway"]`, `,"closed":true`), "road_unknown"},
		"over already":           {p.dial("operator", "o3"), fmt.Sprintf(closure, "", `,"closed":true,"until":1`), "window_over"},
		"lifted already":         {p.dial("operator", "o4"), `{"t":"lift_road","id":"c1","b":{"road":"r9"}}`, "change_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			c.who.say("%s", c.frame)
			c.who.hear("refused", "re=c1", "code="+c.code)
		})
	}
	rider := p.dial("passenger", "p1")
	rider.askFor("t1", middle, east)
	stranger := p.dial("passenger", "p2")
	stranger.say(`{"t":"route","b":{"trip":"t1"}}`)
	stranger.hear("refused", "code=trip_unknown", "trip=t1", "re=<nil>")
}
