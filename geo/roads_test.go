package geo

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRoadChangeValidate(t *testing.T) {
	center := Point{26.2311, 109.1314}
	good := func() RoadChange { return RoadChange{ID: "slide-1", Closed: true} }
	for name, edit := range map[string]func(c *RoadChange){
		"the least":        func(c *RoadChange) {},
		"pace":             func(c *RoadChange) { c.Closed, c.Pace = false, 0.05 },
		"full pace":        func(c *RoadChange) { c.Pace = 1 },
		"mass":             func(c *RoadChange) { c.Closed, c.MaxMass = false, 1 },
		"height":           func(c *RoadChange) { c.Closed, c.MaxHeight = false, 200 },
		"width":            func(c *RoadChange) { c.Closed, c.MaxWidth = false, 200 },
		"a place":          func(c *RoadChange) { c.Where.Center = &center },
		"a circle":         func(c *RoadChange) { c.Where.Center, c.Where.Radius = &center, 200_000 },
		"kinds":            func(c *RoadChange) { c.Where.Kinds = RoadKinds() },
		"height of a pass": func(c *RoadChange) { c.Where.Above = 8999 },
		"vehicles":         func(c *RoadChange) { c.Vehicles = VehicleClasses() },
		"a time":           func(c *RoadChange) { c.From, c.Until = 1, 2 },
		"an end":           func(c *RoadChange) { c.Until = 1 },
		"nights":           func(c *RoadChange) { c.Daily = &Hours{1320, 300, 480} },
		"longest id":       func(c *RoadChange) { c.ID = RoadChangeID(strings.Repeat("x", 64)) },
		"longest note":     func(c *RoadChange) { c.Note = strings.Repeat("x", 200) },
	} {
		c := good()
		if edit(&c); c.Validate() != nil {
			t.Errorf("%s: %v", name, c.Validate())
		}
	}
	for name, edit := range map[string]func(c *RoadChange){
		"no id":                     func(c *RoadChange) { c.ID = "" },
		"id too long":               func(c *RoadChange) { c.ID = RoadChangeID(strings.Repeat("x", 65)) },
		"id of other characters":    func(c *RoadChange) { c.ID = "a b" },
		"id of two lines":           func(c *RoadChange) { c.ID = "a\nb" },
		"id in another script":      func(c *RoadChange) { c.ID = "塌方" },
		"nothing changes":           func(c *RoadChange) { c.Closed = false },
		"pace too slow":             func(c *RoadChange) { c.Pace = 0.049 },
		"pace below zero":           func(c *RoadChange) { c.Pace = -1 },
		"pace too fast":             func(c *RoadChange) { c.Pace = 1.01 },
		"pace no number":            func(c *RoadChange) { c.Pace = math.NaN() },
		"mass":                      func(c *RoadChange) { c.MaxMass = -1 },
		"mass beyond any":           func(c *RoadChange) { c.MaxMass = 1 << 40 },
		"height":                    func(c *RoadChange) { c.MaxHeight = -1 },
		"height beyond any":         func(c *RoadChange) { c.MaxHeight = 1 << 20 },
		"width":                     func(c *RoadChange) { c.MaxWidth = -1 },
		"width beyond any":          func(c *RoadChange) { c.MaxWidth = 1 << 20 },
		"centre nowhere":            func(c *RoadChange) { c.Where.Center = &Point{91, 0} },
		"centre never filled in":    func(c *RoadChange) { c.Where.Center = &Point{} },
		"radius without centre":     func(c *RoadChange) { c.Where.Radius = 10 },
		"radius below zero":         func(c *RoadChange) { c.Where.Center, c.Where.Radius = &center, -1 },
		"radius too large":          func(c *RoadChange) { c.Where.Center, c.Where.Radius = &center, 200_001 },
		"radius no number":          func(c *RoadChange) { c.Where.Center, c.Where.Radius = &center, Meters(math.NaN()) },
		"above the highest":         func(c *RoadChange) { c.Where.Above = 9000 },
		"above no number":           func(c *RoadChange) { c.Where.Above = Meters(math.NaN()) },
		"unknown kind":              func(c *RoadChange) { c.Where.Kinds = []RoadKind{Track, "canal"} },
		"more kinds than there are": func(c *RoadChange) { c.Where.Kinds = append(RoadKinds(), Track) },
		"unknown vehicle":           func(c *RoadChange) { c.Vehicles = []VehicleClass{"sledge"} },
		"more vehicles than there":  func(c *RoadChange) { c.Vehicles = append(VehicleClasses(), Car) },
		"begins before 1970":        func(c *RoadChange) { c.From = -1 },
		"ends before 1970":          func(c *RoadChange) { c.Until = -1 },
		"ends as it begins":         func(c *RoadChange) { c.From, c.Until = 5, 5 },
		"time beyond all":           func(c *RoadChange) { c.Until = math.MaxInt64 },
		"empty hours":               func(c *RoadChange) { c.Daily = &Hours{60, 60, 480} },
		"hours of no day":           func(c *RoadChange) { c.Daily = &Hours{60, 1440, 480} },
		"hours below zero":          func(c *RoadChange) { c.Daily = &Hours{-1, 60, 480} },
		"zone of no country":        func(c *RoadChange) { c.Daily = &Hours{60, 120, 841} },
		"zone of no island":         func(c *RoadChange) { c.Daily = &Hours{60, 120, -721} },
		"note too long":             func(c *RoadChange) { c.Note = strings.Repeat("x", 201) },
		"note of no text":           func(c *RoadChange) { c.Note = "\xff" },
	} {
		c := good()
		if edit(&c); !errors.Is(c.Validate(), ErrRoadChange) {
			t.Errorf("%s: %v", name, c.Validate())
		}
	}
}

func TestRoadChangeInForce(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	c := RoadChange{From: 1000, Until: 2000}
	for ms, want := range map[int64]bool{999: false, 1000: true, 1999: true, 2000: false} {
		if c.InForce(at(ms)) != want {
			t.Errorf("from 1000 until 2000, at %d: %v", ms, !want)
		}
	}
	if !(RoadChange{}).InForce(at(5)) {
		t.Error("a change without time does not hold")
	}
	night := RoadChange{Daily: &Hours{1320, 300, 480}, Until: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()}
	if night.InForce(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) || !night.InForce(time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC)) ||
		night.InForce(time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)) {
		t.Error("a night ban does not hold at night and until it ends")
	}
}

// What Hold and Next say is compared with the clock on the wall of that zone.
func TestHoursAreThoseOnTheWall(t *testing.T) {
	rng := random(t)
	for range 3000 {
		h := Hours{From: rng.IntN(1440), Until: rng.IntN(1440), Zone: 15 * (rng.IntN(104) - 48)}
		if h.From == h.Until {
			continue
		}
		wall := time.FixedZone("", h.Zone*60)
		when := time.UnixMilli(rng.Int64N(4e12) - 1e12).In(wall)
		if rng.IntN(2) == 0 { // about an edge
			when = time.Date(2026, 3, rng.IntN(60), 0, []int{h.From, h.Until}[rng.IntN(2)], 0, rng.IntN(3)-1, wall)
		}
		holds := func(at time.Time) bool {
			minute := at.In(wall).Hour()*60 + at.In(wall).Minute()
			if h.From < h.Until {
				return h.From <= minute && minute < h.Until
			}
			return !(h.Until <= minute && minute < h.From)
		}
		if h.Hold(when) != holds(when) {
			t.Fatalf("%+v at %v: %v", h, when, h.Hold(when))
		}
		next := h.Next(when)
		if !next.After(when) || next.Sub(when) > 24*time.Hour {
			t.Fatalf("%+v: next after %v is %v", h, when, next)
		}
		if holds(next) == holds(next.Add(-time.Nanosecond)) {
			t.Fatalf("%+v: nothing begins or ends at %v", h, next)
		}
		if holds(next.Add(-time.Nanosecond)) != holds(when) {
			t.Fatalf("%+v: between %v and %v something begins or ends", h, when, next)
		}
	}
}

func TestRoadChangeInJSON(t *testing.T) {
	const text = `{"id":"slide","where":{"center":{"lat":26.5,"lon":107},"radius_m":300,"kinds":["track"],"above_m":1200},"vehicles":["bus"],"closed":true,"pace":0.5,"max_kg":5000,"max_height_cm":250,"max_width_cm":200,"from":1,"until":2,"daily":{"from_min":1320,"until_min":300,"zone_min":480},"note":"ice"}`
	var c RoadChange
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.Validate() != nil {
		t.Fatal(err, c.Validate())
	}
	if back, err := json.Marshal(c); err != nil || string(back) != text {
		t.Errorf("%s, %v, want %s", back, err, text)
	}
	if back, err := json.Marshal(RoadChange{ID: "x", Closed: true}); err != nil || string(back) != `{"id":"x","where":{},"closed":true}` {
		t.Errorf("%s, %v", back, err)
	}
}

func FuzzRoadChangeValidate(f *testing.F) {
	f.Add([]byte(`{"id":"x","closed":true}`))
	f.Add([]byte(`{"id":"x","where":{"center":{"lat":26.5,"lon":107},"radius_m":1e99},"pace":0.5,"until":9223372036854775807}`))
	f.Add([]byte(`{"id":"x","closed":true,"daily":{"from_min":1320,"until_min":300,"zone_min":480}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c RoadChange
		if json.Unmarshal(data, &c) != nil {
			return
		}
		if err := c.Validate(); err != nil {
			if !errors.Is(err, ErrRoadChange) {
				t.Fatal(err)
			}
			return
		}
		now := time.UnixMilli(1_772_000_000_000)
		c.InForce(now)
		if c.Daily != nil && !c.Daily.Next(now).After(now) {
			t.Fatalf("%+v: %v is not after %v", c.Daily, c.Daily.Next(now), now)
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again RoadChange
		if err := json.Unmarshal(text, &again); err != nil || again.Validate() != nil {
			t.Fatalf("%s: %v, %v", text, err, again.Validate())
		}
		if back, _ := json.Marshal(again); string(back) != string(text) || !reflect.DeepEqual(again.Where.Center, c.Where.Center) {
			t.Fatalf("%s comes back as %s", text, back)
		}
	})
}
