package dispatch

import (
	"testing"
	"time"

	"cuntong/geo"
)

// The ledger loses the acceptance while its driver is in the dark. His receipt puts it
// right, as of when he was told, and what he did since counts when he did it.
func TestDeedsAfterTheLedgerLostTheTrip(t *testing.T) {
	w := newWorld(DefaultRules())
	who, by := DriverActor("d1"), Command{By: DriverActor("d1")}
	must := func(in Input) Outcome {
		t.Helper()
		out, err := w.step(in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	must(StartDuty{Command: by, Driver: "d1", Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}})
	must(Moved{Fix: Fix{Driver: "d1", Point: geo.Point{Lat: 26, Lon: 109}, At: w.now, Received: w.now}})
	rider := Actor{Role: RolePassenger, ID: "p1"}
	must(Request{Command: Command{By: rider, ID: "r"}, Trip: "t1", Order: Order{Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1},
		Pickup: Place{Point: geo.Point{Lat: 26.01, Lon: 109}}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109.1}}}})
	must(Accept{Command: by, Trip: "t1", Offer: "t1/1"})
	told := Receipt{Trip: "t1", Version: w.core.trips["t1"].Version, State: Assigned, Driver: "d1", At: w.now}
	if err := w.loseTail(1); err != nil {
		t.Fatal(err)
	}
	arrived, started := w.now.Add(10*time.Minute), w.now.Add(14*time.Minute)
	w.now = w.now.Add(40 * time.Minute)
	must(Hello{By: who, Receipts: []Receipt{told}})
	must(Arrive{Command: Command{By: who, ID: "a"}, Trip: "t1", Deed: Deed{DoneAt: arrived, DeedSeq: 1}})
	must(Start{Command: Command{By: who, ID: "s"}, Trip: "t1", Deed: Deed{DoneAt: started, DeedSeq: 2}})
	trip := w.core.trips["t1"]
	if trip.State != Riding || trip.AssignedAt != told.At || trip.ArrivedAt != arrived || trip.StartedAt != started || trip.Since != started {
		t.Errorf("the trip is %s since %d: accepted at %d, arrived at %d, started at %d", trip.State, trip.Since, trip.AssignedAt, trip.ArrivedAt, trip.StartedAt)
	}
	if err := w.checkReplay(); err != nil {
		t.Error(err)
	}
}

// Whatever a phone says of when, the moments of a trip do not go back, nothing is done in
// the future, and a refusal changes nothing.
func TestMomentsOfDeeds(t *testing.T) {
	now := morning.Add(48 * time.Hour)
	c := NewCore(testArea, DefaultRules(), geo.NewCrow())
	trip := &Trip{DeedSeq: 7}
	since := now.Add(-time.Hour)
	for _, x := range []struct {
		name string
		in   Deed
		want Instant // 0: now
		code string
	}{
		{"without a time", Deed{}, 0, ""},
		{"now", Deed{DoneAt: now, DeedSeq: 8}, 0, ""},
		{"in the future", Deed{DoneAt: now + 1, DeedSeq: 8}, 0, ""},
		{"a while ago", Deed{DoneAt: now.Add(-time.Minute), DeedSeq: 8}, now.Add(-time.Minute), ""},
		{"at the first moment", Deed{DoneAt: since, DeedSeq: 8}, since, ""},
		{"by a clock that is believed", Deed{DoneAt: since.Add(-deedSlack), DeedSeq: 8}, since, ""},
		{"before it could be", Deed{DoneAt: since.Add(-deedSlack) - 1, DeedSeq: 8}, 0, "deed_too_early"},
		{"long ago", Deed{DoneAt: now.Add(-deedHorizon) - 1, DeedSeq: 8}, 0, "deed_too_old"},
		{"under the last number", Deed{DoneAt: now, DeedSeq: 7}, 0, "deed_out_of_order"},
		{"without a number", Deed{DoneAt: now.Add(-time.Minute)}, now.Add(-time.Minute), ""},
		{"before the world began", Deed{DoneAt: -1 << 62}, 0, "deed_too_old"},
		{"after its end", Deed{DoneAt: 1<<63 - 1}, 0, ""},
	} {
		got, refusal := c.judgeDeed(now, trip, since, x.in)
		switch {
		case x.code != "" && (refusal == nil || refusal.Code != x.code):
			t.Errorf("%s: %v, want %s", x.name, refusal, x.code)
		case x.code == "" && (refusal != nil || got.DoneAt != x.want || got.DeedSeq != x.in.DeedSeq):
			t.Errorf("%s: %+v %v, want %d", x.name, got, refusal, x.want)
		}
	}
}
