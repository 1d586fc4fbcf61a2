package dispatch

import (
	"testing"

	"cuntong/geo"
)

// Journals hold the sums of commands, and a repeat after an update must still be known
// for one. These numbers were made by the program before deeds had a time.
func TestSumsAreThoseOfJournals(t *testing.T) {
	d := Command{By: DriverActor("d1"), ID: "c1"}
	p := Command{By: Actor{Role: RolePassenger, ID: "p1"}, ID: "c1"}
	order := Order{Booker: p.By, Traveller: Traveller{ID: "p2", Name: "杨奶奶", Phone: "000"}, Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 2},
		Pickup:  Place{Village: "v1", Pickup: "gate", Name: "肇兴 村口", Point: geo.Point{Lat: 25.9108, Lon: 109.1764}, Note: "by the bridge"},
		Dropoff: Place{Point: geo.Point{Lat: 26.2311, Lon: 109.1314}}, PickupWindow: Window{From: 1000, To: 2000}, ArriveBy: 3000}
	deed := Deed{DoneAt: 7, DeedSeq: 3}
	for _, c := range []struct {
		old, same Input
		want      uint64
	}{
		{Arrive{Command: d, Trip: "t1"}, Arrive{Command: d, Trip: "t1", Deed: deed}, 7356678771909115806},
		{Start{Command: d, Trip: "t1"}, Start{Command: d, Trip: "t1", Deed: deed}, 18086094468412212945},
		{Complete{Command: d, Trip: "t1"}, Complete{Command: d, Trip: "t1", Deed: deed}, 5342668506029840758},
		{Release{Command: d, Trip: "t1", Why: ReasonBreakdown}, Release{Command: d, Trip: "t1", Why: ReasonBreakdown, Deed: deed}, 16508734931615765375},
		{Cancel{Command: p, Trip: "t1", Why: ReasonChanged}, Cancel{Command: p, Trip: "t1", Why: ReasonChanged, Deed: deed}, 12299829189150193042},
		{Request{Command: p, Trip: "t1", Order: order}, Request{Command: p, Trip: "t1", Order: order, Device: "phone-1"}, 14580072982258439194},
		{Accept{Command: d, Trip: "t1", Offer: "t1/1"}, nil, 4376665450465825858},
		{StartDuty{Command: d, Driver: "d1", Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}}, nil, 11176504432846319120},
	} {
		if got := sumOf(c.old); got != c.want {
			t.Errorf("%T has sum %d: journals hold %d", c.old, got, c.want)
		}
		if c.same != nil && sumOf(c.same) != c.want {
			t.Errorf("%T under another clock is another command", c.old)
		}
	}
}

// What is asked for makes another command, when it was done does not.
func TestSumsTellCommandsApart(t *testing.T) {
	d := Command{By: DriverActor("d1"), ID: "c1"}
	fixes := func(lat float64, at Instant) []Fix { return []Fix{{Point: geo.Point{Lat: lat, Lon: 109}, At: at}} }
	for _, c := range []struct {
		a, b Input
		same bool
	}{
		{Start{Command: d, Trip: "t1", Code: "0417"}, Start{Command: d, Trip: "t1", Code: "0417", Deed: Deed{DoneAt: 7}}, true},
		{Start{Command: d, Trip: "t1", Code: "0417"}, Start{Command: d, Trip: "t1", Code: "0418"}, false},
		{Start{Command: d, Trip: "t1", Code: "0417"}, Start{Command: d, Trip: "t1"}, false},
		{Paid{Command: d, Trip: "t1", Fen: 1250}, Paid{Command: d, Trip: "t1", Fen: 1250, Deed: Deed{DoneAt: 7, DeedSeq: 3}}, true},
		{Paid{Command: d, Trip: "t1", Fen: 1250}, Paid{Command: d, Trip: "t1", Fen: 1251}, false},
		{Tracked{Command: d, Driver: "d1", Fixes: fixes(26, 1)}, Tracked{Command: d, Driver: "d1", Fixes: fixes(26, 2)}, true},
		{Tracked{Command: d, Driver: "d1", Fixes: fixes(26, 1)}, Tracked{Command: d, Driver: "d1", Fixes: fixes(26.1, 1)}, false},
		{Arrive{Command: d, Trip: "t1"}, Complete{Command: d, Trip: "t1"}, false},
	} {
		if (sumOf(c.a) == sumOf(c.b)) != c.same {
			t.Errorf("%+v and %+v: the same command: %t, want %t", c.a, c.b, !c.same, c.same)
		}
	}
}
