package dispatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"cuntong/geo"
)

// keepReceipts lets a phone keep what it is told, and checks that no version it sees
// goes back.
func (s *sim) keepReceipts(n Notice) error {
	switch b := n.Body.(type) {
	case TripTold:
		return s.keepReceipt(n.To, b.Trip)
	case Truth:
		for _, v := range b.Trips {
			if err := s.keepReceipt(n.To, v); err != nil {
				return err
			}
		}
	case Refused:
		if b.Refusal.Code == "trip_unknown" {
			delete(s.told[n.To], b.Trip)
		}
	}
	return nil
}

func (s *sim) keepReceipt(who Actor, v TripView) error {
	if s.told[who] == nil {
		s.told[who] = map[TripID]Receipt{}
	}
	old, had := s.told[who][v.ID]
	switch {
	case had && v.Version < old.Version && !s.losing:
		return fmt.Errorf("%s is told of %s in version %d, and knew %d", who, v.ID, v.Version, old.Version)
	case !had || v.Version > old.Version:
		s.told[who][v.ID] = Receipt{Trip: v.ID, Version: v.Version, State: v.State, Driver: v.Driver, At: s.world.now}
	}
	return nil
}

// lose lets the ledger come back without its last facts; all phones then say hello
// with their receipts, and none knows more than the ledger afterwards.
func (s *sim) lose(results map[ReceiptResult]int) error {
	if err := s.world.loseTail(1 + s.rng.IntN(12)); err != nil {
		return err
	}
	clear(s.declined) // what he declined and the ledger lost he may be asked for again
	for id, t := range s.world.core.trips {
		if t.Offer != nil {
			s.asked[id] = t.Offer.Driver
		}
	}
	s.losing = true
	for _, who := range slices.SortedFunc(maps.Keys(s.told), func(a, b Actor) int { return cmp.Compare(a.String(), b.String()) }) {
		receipts := slices.SortedFunc(maps.Values(s.told[who]), func(a, b Receipt) int { return cmp.Compare(b.At, a.At) })
		receipts = receipts[:min(len(receipts), MaxReceipts)]
		if driver := who.Driver(); driver != "" {
			delete(s.offers, driver)
			delete(s.driving, driver)
		}
		out, err := s.world.step(Hello{By: who, Receipts: receipts})
		if err != nil {
			return err
		}
		if err := s.heard(out); err != nil {
			return err
		}
		for _, result := range out.Receipts {
			results[result]++
		}
		for _, receipt := range receipts {
			if t := s.world.core.trips[receipt.Trip]; t != nil && t.Version < receipt.Version {
				return fmt.Errorf("%s showed version %d of %s: it has %d", who, receipt.Version, t.ID, t.Version)
			}
		}
	}
	s.losing = false
	for who, trips := range s.told {
		for id, receipt := range trips {
			if s.world.core.trips[id] == nil {
				delete(trips, id)
			} else if t := s.world.core.trips[id]; t.Version < receipt.Version {
				return fmt.Errorf("%s knows version %d of %s, the ledger %d", who, receipt.Version, id, t.Version)
			}
		}
	}
	return nil
}

// What a ledger has lost comes back from the phones, upward only: whatever was lost,
// every promise holds afterwards, and no version that anybody sees goes back.
func TestReceiptsHealALedgerThatLostItsTail(t *testing.T) {
	results := map[ReceiptResult]int{}
	for _, seed := range seeds(t, 10) {
		s := newSim(seed)
		for range 60 {
			for range 20 {
				s.somebodyActs()
				if err := s.deliver(); err != nil {
					t.Fatalf("SEED=%d, step %d: %v", seed, s.world.steps, err)
				}
			}
			if err := s.pass(20_000_000_000); err != nil {
				t.Fatalf("SEED=%d, step %d: %v", seed, s.world.steps, err)
			}
			if err := s.lose(results); err != nil {
				t.Fatalf("SEED=%d, step %d, after a loss: %v", seed, s.world.steps, err)
			}
		}
		if err := s.finish(); err != nil {
			t.Fatalf("SEED=%d, step %d: %v", seed, s.world.steps, err)
		}
	}
	t.Logf("receipts by result: %v", results)
	for _, result := range []ReceiptResult{ReceiptKnown, ReceiptLifted, ReceiptRecovered, ReceiptConflict, ReceiptUnknown} {
		if results[result] < 5 {
			t.Errorf("too little happened to prove anything: %s %d times", result, results[result])
		}
	}
}

// Every pair of what the ledger knows and what a phone was told ends in a state that
// keeps every promise, never behind the one before.
func TestReceiptsOfEveryState(t *testing.T) {
	acts := [][]Input{ // how a trip of d1 comes to each state
		{}, {Accept{Command: Command{By: DriverActor("d1")}, Trip: "t1", Offer: "t1/1"}},
		{Arrive{Command: Command{By: DriverActor("d1")}, Trip: "t1"}}, {Start{Command: Command{By: DriverActor("d1")}, Trip: "t1"}},
		{Complete{Command: Command{By: DriverActor("d1")}, Trip: "t1"}},
	}
	for known := range acts {
		for _, state := range append(States(), "", "teleported") {
			for _, driver := range []DriverID{"", "d1", "d2", "d3", "stranger"} {
				for _, lift := range []Version{0, 1, 5, maxLift, maxLift + 1} {
					w := worldWithATrip(t)
					for _, ins := range append([][]Input{d2IsBusy(), d3IsFree(w.now)}, acts[:known+1]...) {
						for _, in := range ins {
							if _, err := w.step(in); err != nil {
								t.Fatal(err)
							}
						}
					}
					trip := w.core.trips["t1"]
					before := *trip
					out, err := w.step(Hello{By: Actor{Role: RolePassenger, ID: "p1"}, Receipts: []Receipt{{Trip: "t1", Version: before.Version + lift, State: state, Driver: driver}}})
					what := fmt.Sprintf("%s in version %d, shown %s by %q in %d: %v", before.State, before.Version, state, driver, before.Version+lift, out.Receipts)
					switch {
					case err != nil:
						t.Fatalf("%s: %v", what, err)
					case trip.State.progress() < before.State.progress():
						t.Fatalf("%s: it went back to %s", what, trip.State)
					case lift > 0 && lift <= maxLift && trip.Version <= before.Version+lift:
						t.Fatalf("%s: it is in version %d", what, trip.Version)
					case (lift == 0 || lift > maxLift) && trip.Version != before.Version:
						t.Fatalf("%s: it is in version %d", what, trip.Version)
					case out.Receipts[0] == ReceiptRecovered && trip.State != state:
						t.Fatalf("%s: it is %s", what, trip.State)
					}
				}
			}
		}
	}
}

// Somebody whose phone was off while he rode home, and whose trip is no longer in
// memory, is not told that it was lost.
func TestAReceiptOfATripThatEndedLongAgo(t *testing.T) {
	for _, c := range []struct {
		keep int
		told time.Duration // after the other trips ended
		want ReceiptResult
	}{{2, -2 * time.Hour, ReceiptKnown}, {2, 2 * time.Hour, ReceiptUnknown}, {10, -2 * time.Hour, ReceiptUnknown}, {0, 2 * time.Hour, ReceiptKnown}} {
		rules := DefaultRules()
		rules.KeepEnded = c.keep
		w := newWorld(rules)
		agent := Actor{Role: RoleAgent, ID: "a1"}
		for i := range 4 {
			id := TripID(fmt.Sprintf("t%d", i))
			for _, in := range []Input{
				Request{Command: Command{By: agent}, Trip: id, Order: Order{Product: ProductSolo, Load: Load{Seats: 1},
					Pickup: Place{Point: geo.Point{Lat: 26, Lon: 109}}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109}}}},
				Cancel{Command: Command{By: agent}, Trip: id, Why: ReasonMistake},
			} {
				if _, err := w.step(in); err != nil {
					t.Fatal(err)
				}
			}
		}
		told := w.now.Add(c.told)
		w.now = w.now.Add(5 * time.Hour)
		out, err := w.step(Hello{By: agent, Receipts: []Receipt{{Trip: "gone", Version: 5, State: Riding, Driver: "d1", At: told}}})
		if err != nil || out.Receipts[0] != c.want {
			t.Errorf("%d kept, told %v after they ended: %v, want %s (%v)", c.keep, c.told, out.Receipts, c.want, err)
		}
	}
}

// d2IsBusy gives him a trip of his own.
func d2IsBusy() []Input {
	return []Input{
		Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p2"}}, Trip: "t2", Order: Order{Product: ProductSolo,
			Load: Load{Seats: 1}, Pickup: Place{Point: geo.Point{Lat: 26.01, Lon: 109}}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109}}}},
		Accept{Command: Command{By: DriverActor("d2")}, Trip: "t2", Offer: "t2/1"},
	}
}

func d3IsFree(now Instant) []Input {
	return []Input{
		StartDuty{Command: Command{By: DriverActor("d3")}, Driver: "d3", Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}},
		Moved{Fix: Fix{Driver: "d3", Point: geo.Point{Lat: 26, Lon: 109.1}, At: now, Received: now}},
	}
}

// worldWithATrip has two drivers on duty, and a trip that the first is asked for.
func worldWithATrip(t *testing.T) *world {
	t.Helper()
	w := newWorld(DefaultRules())
	for i, d := range []DriverID{"d1", "d2"} {
		for _, in := range []Input{
			StartDuty{Command: Command{By: DriverActor(d)}, Driver: d, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}},
			Moved{Fix: Fix{Driver: d, Point: geo.Point{Lat: 26 + 0.01*float64(i), Lon: 109}, At: w.now, Received: w.now}},
		} {
			if _, err := w.step(in); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.step(Request{Command: Command{By: Actor{Role: RolePassenger, ID: "p1"}}, Trip: "t1", Order: Order{Product: ProductSolo,
		Load: Load{Seats: 1}, Pickup: Place{Point: geo.Point{Lat: 26, Lon: 109}}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109}}}}); err != nil {
		t.Fatal(err)
	}
	return w
}
