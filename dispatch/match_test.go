package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cuntong/geo"
)

// judge says what is wrong with a contest: trips that do not wait, a rival left
// out, options that are not the soonest, costs that are not theirs, or an outcome
// that is not proved to be the cheapest.
func judge(c *Core, now Instant, trips []*Trip, options [][]option, cost [][]int64, result assignment) error {
	var broken []error
	for i, t := range trips {
		if t.State != Parked && t.State != Requested || now >= t.Patience {
			broken = append(broken, fmt.Errorf("%s contends and is %s", t.ID, t.State))
		}
		if err := soonest(c, now, t, max(baseOptions, len(trips)), options[i]); err != nil {
			broken = append(broken, err)
		}
		for _, o := range options[i] {
			if !slices.Contains(cost[i], o.weight().Milliseconds()) {
				broken = append(broken, fmt.Errorf("%s by %s does not cost %v", t.ID, o.driver.ID, o.wait))
			}
		}
		if stay := cost[i][len(cost[i])-len(trips)+i]; stay != (24*time.Hour).Milliseconds()+int64(c.rules.AgeBonus*float64(now-t.RequestedAt)) {
			broken = append(broken, fmt.Errorf("%s goes on waiting for %d", t.ID, stay))
		}
	}
	if len(trips) < maxContest {
		broken = append(broken, leftOut(c, now, trips))
	}
	broken = append(broken, proved(cost, result))
	return errors.Join(broken...)
}

// leftOut finds a waiting trip that would have a driver whom a contender would have.
func leftOut(c *Core, now Instant, trips []*Trip) error {
	in := map[TripID]bool{}
	for _, t := range trips {
		in[t.ID] = true
	}
	for id, drivers := range c.wants.by {
		if in[id] || now >= c.trips[id].Patience || c.awaits(id) {
			continue
		}
		for _, t := range trips {
			for _, driver := range c.wants.by[t.ID] {
				if slices.Contains(drivers, driver) {
					return fmt.Errorf("%s would have %s, whom %s would have, and is left out", id, driver, t.ID)
				}
			}
		}
	}
	return nil
}

// soonest compares options with a look at every driver there is.
func soonest(c *Core, now Instant, t *Trip, k int, got []option) error {
	c.aim.at(c.paveOf(t).pickup)
	var waits []time.Duration
	for id, d := range c.drivers {
		var o option
		ok := false
		switch {
		case c.available(id):
			o, ok = c.whenFree(now, t, d)
		case len(d.Plan) > 0 && c.reachable(id) && c.rules.BusyWithin > 0:
			o, ok = c.whenBusy(now, t, d)
		}
		if ok && o.wait <= c.patienceLeft(now, t) {
			waits = append(waits, o.weight())
		}
	}
	slices.Sort(waits)
	waits = waits[:min(len(waits), k)]
	var found []time.Duration
	for _, o := range got {
		found = append(found, o.weight())
	}
	if !slices.Equal(waits, found) {
		return fmt.Errorf("the soonest for %s are %v away: %v are looked at", t.ID, waits, found)
	}
	return nil
}

// checkOptions looks for the drivers of every waiting trip the long way.
func (s *sim) checkOptions() error {
	c := s.world.core
	for _, t := range c.queue {
		for _, k := range []int{1, 3, baseOptions} {
			if err := soonest(c, s.world.now, t, k, c.options(s.world.now, t, k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// proved checks an assignment by its dual.
func proved(cost [][]int64, a assignment) error {
	given := map[int]bool{}
	for i, j := range a.taken {
		if given[j] || cost[i][j] >= impossible || a.rows[i]+a.columns[j] != cost[i][j] {
			return fmt.Errorf("row %d takes column %d at %d for prices %d+%d", i, j, cost[i][j], a.rows[i], a.columns[j])
		}
		given[j] = true
		for j, c := range cost[i] {
			if a.rows[i]+a.columns[j] > c {
				return fmt.Errorf("row %d and column %d are priced %d+%d above %d", i, j, a.rows[i], a.columns[j], c)
			}
		}
	}
	for j, price := range a.columns {
		if price > 0 || !given[j] && price != 0 {
			return fmt.Errorf("column %d (given: %t) has price %d", j, given[j], price)
		}
	}
	return nil
}

// A trip that was asked for long ago is not overtaken for ever by nearer ones.
func TestTheFarAreServed(t *testing.T) {
	rules := DefaultRules()
	rules.AgeBonus = 1 // a second of waiting for a second of driving
	w := newWorld(rules)
	near := geo.Point{Lat: 26.00, Lon: 109}
	far := geo.Point{Lat: 26.06, Lon: 109} // 24 minutes by car
	town := geo.Point{Lat: 26.2, Lon: 109}
	ask := func(id string, from geo.Point) {
		order := Order{Product: ProductSolo, Load: Load{Seats: 1}, Pickup: Place{Point: from}, Dropoff: Place{Point: town}}
		if _, err := w.step(Request{Command: Command{By: Actor{Role: RoleAgent, ID: "a1"}}, Trip: TripID(id), Order: order}); err != nil {
			t.Fatal(err)
		}
	}
	served := func() (first TripID) {
		d := DriverID("d1")
		for _, in := range []Input{
			StartDuty{Command: Command{By: DriverActor(d)}, Driver: d, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}},
			Moved{Fix: Fix{Driver: d, Point: near, At: w.now, Received: w.now}},
		} {
			out, err := w.step(in)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range out.Facts {
				if b, ok := f.Body.(OfferMade); ok {
					first = b.Trip
				}
			}
		}
		return first
	}
	ask("far", far)
	w.now = w.now.Add(23 * time.Minute)
	ask("near", near)
	if got := served(); got != "near" {
		t.Errorf("23 minutes of waiting outweigh 24 of driving: %s is served", got)
	}
	w = newWorld(rules)
	ask("far", far)
	w.now = w.now.Add(25 * time.Minute)
	ask("near", near)
	if got := served(); got != "far" {
		t.Errorf("25 minutes of waiting do not outweigh 24 of driving: %s is served", got)
	}
}

// A driver who has not been heard of for a while may have been driving away.
func TestAnOldPositionCountsForLess(t *testing.T) {
	for _, c := range []struct {
		silent time.Duration
		want   DriverID
	}{{0, "near"}, {25 * time.Second, "far"}} {
		w := newWorld(DefaultRules())
		here := geo.Point{Lat: 26, Lon: 109}
		for id, lat := range map[DriverID]float64{"near": 26.01, "far": 26.0105} { // 12 s apart
			if _, err := w.step(StartDuty{Command: Command{By: DriverActor(id)}, Driver: id, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}}); err != nil {
				t.Fatal(err)
			}
			fix := Fix{Driver: id, Point: geo.Point{Lat: lat, Lon: 109}, At: w.now, Received: w.now}
			if id == "near" {
				fix.At = fix.At.Add(-c.silent)
			}
			if _, err := w.step(Moved{Fix: fix}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.step(Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: Order{Product: ProductSolo,
			Load: Load{Seats: 1}, Pickup: Place{Point: here}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109}}}}); err != nil {
			t.Fatal(err)
		}
		if got := w.core.trips["t1"].Offer.Driver; got != c.want {
			t.Errorf("after %v of silence %s is asked, want %s", c.silent, got, c.want)
		}
	}
}
