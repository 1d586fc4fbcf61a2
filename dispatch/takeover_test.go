package dispatch

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"cuntong/geo"
)

// Whatever is to happen at a moment happens once, at that moment, also when the writer
// crashes before it and the next one's clock is minutes ahead or behind: late by as
// much as it was down, and never twice.
func TestDeadlinesFireOnceAfterATakeOver(t *testing.T) {
	d1 := Command{By: DriverActor("d1")}
	for name, c := range map[string]struct {
		acts []Input
		want FactBody // which deadline, by its type
	}{
		"an offer lapses":       {nil, OfferClosed{}},
		"patience is over":      {[]Input{Decline{Command: d1, Trip: "t1", Offer: "t1/1"}, EndDuty{Command: Command{By: DriverActor("d2")}, Driver: "d2"}}, TripUnserved{}},
		"a driver is overdue":   {[]Input{Accept{Command: d1, Trip: "t1", Offer: "t1/1"}}, TripOverdue{}},
		"a party does not come": {[]Input{Accept{Command: d1, Trip: "t1", Offer: "t1/1"}, Arrive{Command: d1, Trip: "t1"}}, TripOverdue{}},
		"a ride takes too long": {[]Input{Accept{Command: d1, Trip: "t1", Offer: "t1/1"}, Arrive{Command: d1, Trip: "t1"}, Start{Command: d1, Trip: "t1"}}, TripOverdue{}},
	} {
		for _, skew := range []time.Duration{0, -7 * time.Minute, 7 * time.Minute} {
			for _, down := range []time.Duration{0, 3 * time.Second} {
				if err := firesOnce(t, c.acts, c.want, skew, down); err != nil {
					t.Errorf("%s, clock off by %v, down for %v: %v", name, skew, down, err)
				}
			}
		}
	}
}

// firesOnce crashes the writer a second before the trip's deadline, or at once, and
// lets the next one run on a clock that is off.
func firesOnce(t *testing.T, acts []Input, want FactBody, skew, down time.Duration) error {
	w := worldWithATrip(t)
	for _, in := range acts {
		if _, err := w.step(in); err != nil {
			return err
		}
	}
	due := w.core.trips["t1"].Deadline
	again, err := w.replayed()
	if err != nil {
		return err
	}
	w.core = again
	if got := again.trips["t1"].Deadline; got != due {
		return fmt.Errorf("the deadline is %s, it was %s", clock(got), clock(due))
	}
	// The shell never gives a core an earlier moment than its newest fact's.
	w.now = max(due.Add(-time.Second+down+skew), again.Last())
	starts := w.now
	fired := 0
	count := func(out Outcome) error {
		for _, f := range out.Facts {
			if reflect.TypeOf(f.Body) != reflect.TypeOf(want) {
				continue
			}
			if fired++; fired == 1 && f.At != max(due, starts) {
				return fmt.Errorf("it happens at %s, due at %s by a writer who starts at %s", clock(f.At), clock(due), clock(starts))
			}
		}
		return nil
	}
	out, err := w.step(Tick{})
	if err != nil {
		return err
	}
	if err := count(out); err != nil {
		return err
	}
	if err := w.pass(max(due, starts).Add(time.Second), count); err != nil {
		return err
	}
	if fired != 1 {
		return fmt.Errorf("it happens %d times", fired)
	}
	return nil
}

// A trip that gathers, and one that waits for its neighbours, go on after a crash
// within the time they would have waited without one.
func TestGatheringEndsAfterATakeOver(t *testing.T) {
	areas := []*geo.Area{rectangle("west", 26, 109, 26.2, 109.2), rectangle("east", 26, 109.2, 26.2, 109.4)}
	w := neighbourhood(DefaultRules(), areas)["west"]
	if _, err := w.step(Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: Order{Product: ProductSolo,
		Load: Load{Seats: 1}, Pickup: Place{Point: geo.Point{Lat: 26.1, Lon: 109.19}}, Dropoff: Place{Point: geo.Point{Lat: 26.1, Lon: 109.1}}}}); err != nil {
		t.Fatal(err)
	}
	if !w.core.awaits("t1") {
		t.Fatal("the trip does not wait for its neighbours")
	}
	again, err := w.replayed()
	if err != nil {
		t.Fatal(err)
	}
	w.core = again
	if err := w.pass(w.now.Add(4*time.Second), func(Outcome) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := w.core.trips["t1"]; got.State != Parked || got.Since > morning.Add(3*time.Second) {
		t.Errorf("four seconds later the trip is %s since %s", got.State, clock(got.Since))
	}
}
