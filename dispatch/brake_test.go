package dispatch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"cuntong/geo"
)

// orders counts what came of orders by the code of the refusal; "" is taken.
type orders struct {
	t    *testing.T
	w    *world
	n    int
	came map[string]int
}

func newOrders(t *testing.T) *orders {
	w := newWorld(DefaultRules())
	w.replayEvery = 1 << 30
	return &orders{t: t, w: w, came: map[string]int{}}
}

// ask gives one order, and returns the refusal's code.
func (o *orders) ask(by Actor, device string, from geo.Point) (TripID, string) {
	o.t.Helper()
	o.n++
	trip := TripID(fmt.Sprint("t", o.n))
	order := Order{Booker: by, Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1}, Pickup: Place{Point: from}, Dropoff: Place{Point: geo.Point{Lat: 26.3, Lon: 109}}}
	out := o.apply(Request{Command: Command{By: by, ID: CommandID(trip)}, Trip: trip, Order: order, Device: device})
	code := ""
	for _, n := range out.Notices {
		if no, ok := n.Body.(Refused); ok {
			code = no.Refusal.Code
			if code == codeCellBusy || code == codeOrdersFast {
				if no.Refusal.Kind != Limited || no.Refusal.RetryAfter <= 0 {
					o.t.Errorf("refused without a time to wait: %+v", no.Refusal)
				}
			}
		}
	}
	o.came[code]++
	return trip, code
}

func (o *orders) apply(in Input) Outcome {
	o.t.Helper()
	out := o.w.core.Apply(o.w.now, in)
	o.w.journal = append(o.w.journal, out.Facts...)
	return out
}

// as gives a command about a trip.
func (o *orders) as(by Actor, make func(Command) Input) Outcome {
	o.n++
	return o.apply(make(Command{By: by, ID: CommandID(fmt.Sprint("as", o.n))}))
}

func (o *orders) cancel(by Actor, trip TripID, why Reason) {
	o.as(by, func(c Command) Input { return Cancel{Command: c, Trip: trip, Why: why} })
}

// drive lets whoever is asked for a trip take it, up to riding; ok is false when nobody is.
func (o *orders) accept(trip TripID) (driver Actor, ok bool) {
	t := o.w.core.trips[trip]
	if t == nil || t.State != Offered {
		return Actor{}, false
	}
	by, offer := DriverActor(t.Offer.Driver), t.Offer.ID
	o.as(by, func(c Command) Input { return Accept{Command: c, Trip: trip, Offer: offer} })
	return by, true
}

func (o *orders) ride(by Actor, trip TripID, end bool) {
	o.as(by, func(c Command) Input { return Arrive{Command: c, Trip: trip} })
	o.as(by, func(c Command) Input { return Start{Command: c, Trip: trip} })
	if end {
		o.as(by, func(c Command) Input { return Complete{Command: c, Trip: trip} })
	}
}

func (o *orders) drivers(n int) {
	for i := range n {
		id := DriverID(fmt.Sprint("d", i))
		o.as(DriverActor(id), func(c Command) Input {
			return StartDuty{Command: c, Driver: id, Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 7}}}
		})
	}
	o.heard(n)
}

func (o *orders) heard(n int) {
	for i := range n {
		o.apply(Moved{Fix: Fix{Driver: DriverID(fmt.Sprint("d", i)), Point: geo.Point{Lat: 26.001, Lon: 109 + float64(i)*1e-4}, At: o.w.now, Received: o.w.now, SpeedMPS: -1}})
	}
}

func (o *orders) check() {
	o.t.Helper()
	if err := o.w.core.Check(); err != nil {
		o.t.Error(err)
	}
	if err := o.w.checkReplay(); err != nil {
		o.t.Error(err)
	}
}

var square = geo.Point{Lat: 26, Lon: 109}

func passengerNo(i int) Actor { return Actor{Role: RolePassenger, ID: fmt.Sprint("p", i)} }

// TestMarketDay: ten times the usual crowd at one place, of whom nobody has ridden of
// late: one in ten changes his mind with a driver on his way, and two in three give up
// before there is one. Two agents book for fifty each. Nobody is braked.
func TestMarketDay(t *testing.T) {
	o := newOrders(t)
	o.drivers(60)
	chance := rand.New(rand.NewPCG(1, 2))
	type open struct {
		by   Actor
		trip TripID
		till Instant
	}
	var waiting []open
	person := 0
	for minute := range 180 {
		o.w.now = o.w.now.Add(time.Minute)
		o.apply(Tick{})
		o.heard(60)
		if minute == 30 {
			for _, agent := range []Actor{{Role: RoleAgent, ID: "a1"}, {Role: RoleAgent, ID: "a2"}} {
				for range 50 {
					o.ask(agent, "desk", square)
				}
			}
		}
		for range 3 + chance.IntN(5) {
			person++
			by := passengerNo(person)
			if trip, code := o.ask(by, fmt.Sprint("phone", person), square); code == "" {
				waiting = append(waiting, open{by, trip, o.w.now.Add(time.Duration(5+chance.IntN(20)) * time.Minute)})
			}
		}
		var still []open
		for _, w := range waiting {
			driver, ok := o.accept(w.trip)
			switch {
			case ok && chance.IntN(10) == 0:
				o.cancel(w.by, w.trip, ReasonChanged)
			case ok:
				o.ride(driver, w.trip, true)
			case o.w.now >= w.till:
				o.cancel(w.by, w.trip, ReasonTooLong)
			default:
				still = append(still, w)
			}
		}
		waiting = still
	}
	if o.came[codeOrdersFast]+o.came[codeCellBusy] > 0 || o.came[""] < 800 {
		t.Errorf("the market: %v", o.came)
	}
	o.check()
	t.Logf("orders at the market by answer: %v", o.came)
}

// TestMassFakeOrders: as in Moscow on 1 September 2022, many new accounts order to one
// place, where nobody is. Most do not get through; those who have ridden, other places,
// agents and operators do.
func TestMassFakeOrders(t *testing.T) {
	o := newOrders(t)
	o.drivers(100)
	regular := passengerNo(1)
	trip, _ := o.ask(regular, "", square)
	driver, ok := o.accept(trip)
	if !ok {
		t.Fatal("nobody is asked")
	}
	o.ride(driver, trip, true)
	fakes := 0
	for minute := range 60 {
		o.w.now = o.w.now.Add(time.Minute)
		o.apply(Tick{})
		o.heard(100)
		for range 30 {
			fakes++
			o.ask(passengerNo(1000+fakes), fmt.Sprint("fake", fakes), square)
		}
		for id, t := range o.w.core.trips {
			if driver, ok := o.accept(id); ok {
				o.as(driver, func(c Command) Input { return Arrive{Command: c, Trip: id} })
			}
			if t.State == Arrived && o.w.now.Sub(t.Since) > 6*time.Minute && t.Order.Booker != regular {
				o.cancel(DriverActor(t.Driver), id, ReasonNoShow)
			}
		}
		_ = minute
	}
	got := o.came[""] - 1
	if got > 140 || o.came[codeCellBusy] < 1600 {
		t.Errorf("of %d fake orders %d got through: %v", fakes, got, o.came)
	}
	for _, by := range []Actor{regular, {Role: RoleAgent, ID: "a1"}, {Role: RoleOperator, ID: "o1"}} {
		if _, code := o.ask(by, "", square); code != "" {
			t.Errorf("%s is refused: %s", by, code)
		}
	}
	if _, code := o.ask(passengerNo(2), "", geo.Point{Lat: 26.1, Lon: 109.1}); code != "" {
		t.Errorf("elsewhere a newcomer is refused: %s", code)
	}
	o.check()
	o.w.now = o.w.now.Add(3 * time.Hour)
	o.apply(Tick{})
	if _, code := o.ask(passengerNo(3), "", square); code != "" {
		t.Errorf("three hours later a newcomer is refused: %s", code)
	}
	t.Logf("of %d fake orders %d got through: %v", fakes, got, o.came)
}

// One who orders and cancels, and orders again; the same by many accounts on one phone;
// and an agent who is a machine.
func TestOrdersTooFast(t *testing.T) {
	for name, row := range map[string]struct {
		by     func(i int) Actor
		device string
		most   int
	}{
		"a passenger": {func(int) Actor { return passengerNo(1) }, "", 20},
		"a phone":     {passengerNo, "phone", 40},
		"an agent":    {func(int) Actor { return Actor{Role: RoleAgent, ID: "a1"} }, "desk", 600},
		"an operator": {func(int) Actor { return Actor{Role: RoleOperator, ID: "o1"} }, "desk", 700},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrders(t)
			for i := range 700 {
				if trip, code := o.ask(row.by(i), row.device, square); code == "" {
					o.cancel(row.by(i), trip, ReasonChanged)
				}
			}
			if o.came[""] != row.most {
				t.Errorf("%v, want %d", o.came, row.most)
			}
			o.check()
			o.w.now = o.w.now.Add(time.Hour)
			if _, code := o.ask(row.by(701), row.device, square); code != "" {
				t.Errorf("an hour later: %s", code)
			}
		})
	}
}

// A crash does not let off who orders too fast; a snapshot neither.
func TestBrakesOutliveACrash(t *testing.T) {
	o := newOrders(t)
	for range 30 {
		if trip, code := o.ask(passengerNo(1), "", square); code == "" {
			o.cancel(passengerNo(1), trip, ReasonChanged)
		}
	}
	again, err := o.w.replayed()
	if err != nil {
		t.Fatal(err)
	}
	paper, err := o.w.core.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	restored := o.w.empty(o.w.core.rules)
	if err := restored.Restore(paper); err != nil {
		t.Fatal(err)
	}
	for _, core := range []*Core{again, restored} {
		o.w.core = core
		if _, code := o.ask(passengerNo(1), "", square); code != codeOrdersFast {
			t.Errorf("after a crash: %q", code)
		}
	}
}

// The maps stay within their bounds, whoever comes.
func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets[int](10)
	for i := range maxBuckets + 1000 {
		b.take(morning, i)
	}
	if len(b.by) != maxBuckets || b.wait(morning, maxBuckets+1) != 0 {
		t.Errorf("%d buckets", len(b.by))
	}
	b.take(morning.Add(time.Hour), -1)
	if len(b.by) != 1 {
		t.Errorf("%d buckets are left an hour later", len(b.by))
	}
}

// Who is on board does not wait: however many are being driven from a place, the next
// newcomer there gets through.
func TestRidersDoNotWait(t *testing.T) {
	o := newOrders(t)
	o.w.core.rules.CellUnknown = 10
	o.drivers(40)
	for i := range 30 {
		trip, code := o.ask(passengerNo(i), "", square)
		driver, ok := o.accept(trip)
		if !ok || code != "" {
			t.Fatalf("newcomer %d: %q, a driver: %t", i, code, ok)
		}
		o.ride(driver, trip, false)
	}
	o.check()
}

// Where nobody has been fetched of late fewer may wait at once than at a market.
func TestAnUnprovedPlace(t *testing.T) {
	o := newOrders(t)
	o.w.core.rules.CellUnknown = 30
	taken := func(from int) (n int) {
		for i := range 40 {
			if _, code := o.ask(passengerNo(from+i), "", square); code == "" {
				n++
			}
		}
		return n
	}
	if n := taken(0); n != 20 {
		t.Errorf("%d newcomers wait where nobody has been fetched", n)
	}
	o.drivers(1)
	for id := range o.w.core.trips {
		if driver, ok := o.accept(id); ok {
			o.ride(driver, id, false)
		}
	}
	if n := taken(100); n != 11 { // one is on board
		t.Errorf("%d more get through once one has been fetched", n)
	}
	o.check()
}
