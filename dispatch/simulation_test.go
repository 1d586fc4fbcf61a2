package dispatch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"cuntong/geo"
)

// seeds returns the seed given in SEED, or n from a fixed one on.
func seeds(t *testing.T, n int) []uint64 {
	if s := os.Getenv("SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("SEED=%s: %v", s, err)
		}
		return []uint64{seed}
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i + 1)
	}
	return list
}

// TestSimulation lets a county live through mornings with vanishing phones,
// doubled, late and reordered commands, and a server that crashes before and after
// it has recorded. Drivers are without signal for up to 45 minutes and drive on: what they
// do then is told later, in order, by clocks that may be wrong, also of trips that were
// given away meanwhile; of those that were not it must count when it was done. After every step every promise is checked; at the end every
// trip has ended. SEED=n plays one morning again, SEEDS=n that many.
func TestSimulation(t *testing.T) {
	n := fewer(12)
	if s := os.Getenv("SEEDS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	total := map[State]int{}
	crashes, dark := 0, shaded{Refused: map[string]int{}}
	for _, seed := range seeds(t, n) {
		s := newSim(seed)
		shadeOver(s)
		if err := s.run(1500); err != nil {
			t.Fatalf("SEED=%d, step %d: %v", seed, s.world.steps, err)
		}
		for state, count := range s.ended {
			total[state] += count
		}
		crashes += s.crashes
		dark.add(s.dark.seen)
	}
	t.Logf("trips by end: %v; crashes: %d; darkness: %+v", total, crashes, dark)
	if os.Getenv("SEED") == "" && (dark.Periods < 4*n || dark.Same < n || dark.Mended < n || dark.Refused["not_your_trip"] < n/3 || dark.Doubled < n) {
		t.Errorf("too little was dark to prove anything: %+v", dark)
	}
	if os.Getenv("SEED") == "" && (total[Completed] < 5*n || total[Cancelled] < n || total[Unserved] < 1 || crashes < n) {
		t.Errorf("too little happened to prove anything: %v, %d crashes", total, crashes)
	}
}

// sim is a small county whose people act on what they are told.
type sim struct {
	rng      *rand.Rand
	world    *world
	pending  []Input              // on their way to the server
	sent     []Input              // the last ones sent, to be sent again
	offers   map[DriverID]OfferID // as each driver's phone knows
	driving  map[DriverID]TripView
	declined map[string]bool     // trip and driver of declined offers
	asked    map[TripID]DriverID // who was asked last
	trips    int
	commands int
	crashes  int
	ended    map[State]int
	told     map[Actor]map[TripID]Receipt // the newest of each trip that each party was told
	dark     *shade                       // nil: there is signal everywhere
	losing   bool                         // the ledger has just lost facts and not all phones have been heard
}

const (
	simDrivers = 9
	simRiders  = 12
)

func newSim(seed uint64) *sim {
	rules := DefaultRules()
	rules.Patience = 12 * time.Minute
	rules.KeepEnded = 15
	rules.KeepCommands = 60
	router := func() geo.Router { return geo.NewCrow() }
	if seed%2 == 0 {
		router = gorge
	}
	s := &sim{
		rng:      rand.New(rand.NewPCG(seed, 7)),
		world:    newWorldOn(rules, router),
		offers:   map[DriverID]OfferID{},
		driving:  map[DriverID]TripView{},
		declined: map[string]bool{},
		asked:    map[TripID]DriverID{},
		ended:    map[State]int{},
		told:     map[Actor]map[TripID]Receipt{},
	}
	s.world.replayEvery = 25
	return s
}

// run lives for some steps and then lets everybody finish.
func (s *sim) run(steps int) error {
	for range steps {
		s.somebodyActs()
		if err := s.dark.fallsAndLifts(); err != nil {
			return err
		}
		if err := s.deliver(); err != nil {
			return err
		}
		if err := s.checkOptions(); err != nil {
			return err
		}
		if s.rng.IntN(120) == 0 {
			if err := s.crash(); err != nil {
				return err
			}
		}
		if s.rng.IntN(3) == 0 {
			if err := s.pass(time.Duration(s.rng.IntN(20_000)) * time.Millisecond); err != nil {
				return err
			}
		}
	}
	return s.finish()
}

func (s *sim) pass(d time.Duration) error {
	return s.world.pass(s.world.now.Add(d), s.heard)
}

func (s *sim) command(by Actor) Command {
	s.commands++
	return Command{By: by, ID: CommandID(fmt.Sprintf("c%d", s.commands))}
}

func (s *sim) point() geo.Point {
	if s.world.core.roads != nil {
		return gorgePoint(s.rng)
	}
	return geo.Point{Lat: 26 + s.rng.Float64()*0.4, Lon: 109 + s.rng.Float64()*0.4}
}

func (s *sim) send(in Input) {
	s.pending = append(s.pending, in)
	s.sent = append(s.sent, in)
	if len(s.sent) > 40 {
		s.sent = s.sent[1:]
	}
}

// somebodyActs sends one thing, by chance.
func (s *sim) somebodyActs() {
	driver := DriverID(fmt.Sprintf("d%d", s.rng.IntN(simDrivers)))
	who := DriverActor(driver)
	roll := s.rng.IntN(100)
	if p := s.dark.in(driver); p != nil && (roll < 55 || roll >= 63 && roll < 91) {
		p.acts(s)
		return
	}
	switch {
	case roll < 46:
		at := s.world.now.Add(-time.Duration(s.rng.IntN(20_000)*s.rng.IntN(3)-2_000) * time.Millisecond)
		s.send(Moved{Fix: Fix{Driver: driver, Point: s.point(), At: at, Received: s.world.now}})
	case roll < 53:
		classes := []geo.VehicleClass{geo.Car, geo.Minivan, geo.Minibus}
		s.send(StartDuty{Command: s.command(who), Driver: driver,
			Vehicle: Vehicle{Class: classes[s.rng.IntN(3)], Load: Load{Seats: 1 + s.rng.IntN(7)}}})
	case roll < 54:
		s.send(EndDuty{Command: s.command(who), Driver: driver})
	case roll < 55:
		s.send(LinkLost{Driver: driver, HeardAt: s.world.now.Add(-time.Duration(s.rng.IntN(20_000)) * time.Millisecond)})
	case roll < 60:
		s.somebodyAsks()
	case roll < 63:
		s.somebodyCancels()
	case roll < 91:
		s.driverActs(driver)
	case roll < 92:
		s.roadsChange()
	case len(s.sent) > 0: // sent again, late or doubled
		s.pending = append(s.pending, s.sent[s.rng.IntN(len(s.sent))])
	}
}

func (s *sim) rider() Actor {
	n := s.rng.IntN(simRiders)
	if n < 2 {
		return Actor{Role: RoleAgent, ID: fmt.Sprintf("a%d", n)}
	}
	return Actor{Role: RolePassenger, ID: fmt.Sprintf("p%d", n)}
}

func (s *sim) somebodyAsks() {
	who := s.rider()
	s.trips++
	order := Order{Booker: who, Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1 + s.rng.IntN(8)},
		Pickup: Place{Point: s.point()}, Dropoff: Place{Point: s.point()}}
	if s.rng.IntN(3) == 0 {
		order.PickupWindow.To = s.world.now.Add(time.Duration(5+s.rng.IntN(25)) * time.Minute)
	}
	if who.Role == RoleAgent && s.rng.IntN(2) == 0 {
		order.Traveller.ID = fmt.Sprintf("p%d", 2+s.rng.IntN(simRiders-2))
	}
	s.send(Request{Command: s.command(who), Trip: TripID(fmt.Sprintf("t%d", s.trips)), Order: order})
}

func (s *sim) somebodyCancels() {
	if s.trips == 0 {
		return
	}
	trip := TripID(fmt.Sprintf("t%d", 1+s.rng.IntN(s.trips)))
	s.send(Cancel{Command: s.command(s.rider()), Trip: trip, Why: ReasonChanged})
	if s.rng.IntN(4) == 0 {
		s.send(Cancel{Command: s.command(Actor{Role: RoleOperator, ID: "o1"}), Trip: trip, Why: ReasonOther})
	}
}

// driverActs lets a driver answer the offer he knows of, or go on with his trip.
func (s *sim) driverActs(driver DriverID) {
	cmd := s.command(DriverActor(driver))
	if offer := s.offers[driver]; offer != "" {
		trip := tripOfOffer(offer)
		if s.rng.IntN(3) == 0 {
			s.send(Decline{Command: cmd, Trip: trip, Offer: offer})
		} else {
			s.send(Accept{Command: cmd, Trip: trip, Offer: offer})
		}
		return
	}
	trip, ok := s.driving[driver]
	if !ok {
		return
	}
	switch roll := s.rng.IntN(10); {
	case roll == 0:
		s.send(Release{Command: cmd, Trip: trip.ID, Why: ReasonBreakdown})
	case roll == 1:
		s.send(Cancel{Command: cmd, Trip: trip.ID, Why: ReasonNoShow})
	default:
		s.send(nextReport(cmd, trip))
	}
}

func tripOfOffer(offer OfferID) TripID {
	for i := range offer {
		if offer[i] == '/' {
			return TripID(offer[:i])
		}
	}
	return ""
}

func nextReport(cmd Command, v TripView) Input {
	switch v.State {
	case Assigned:
		return Arrive{Command: cmd, Trip: v.ID}
	case Arrived:
		return Start{Command: cmd, Trip: v.ID}
	}
	return Complete{Command: cmd, Trip: v.ID}
}

// deliver lets some of what is on its way arrive, out of order.
func (s *sim) deliver() error {
	for len(s.pending) > 0 && s.rng.IntN(4) > 0 {
		i := s.rng.IntN(len(s.pending))
		in := s.pending[i]
		s.pending = append(s.pending[:i], s.pending[i+1:]...)
		if moved, ok := in.(Moved); ok {
			moved.Fix.Received = s.world.now
			in = moved
		}
		if s.rng.IntN(200) == 0 {
			// The server dies after deciding and before recording: nobody is told.
			s.world.core.Apply(s.world.now, in)
			if err := s.crash(); err != nil {
				return err
			}
			continue
		}
		out, err := s.world.step(in)
		if err != nil {
			return err
		}
		if err := s.accepted(in, out); err != nil {
			return err
		}
		if err := s.heard(out); err != nil {
			return err
		}
	}
	return nil
}

// accepted: a trip goes to the one who accepts it, and to nobody else.
func (s *sim) accepted(in Input, out Outcome) error {
	for _, f := range out.Facts {
		b, ok := f.Body.(TripAssigned)
		if !ok {
			continue
		}
		accept, ok := in.(Accept)
		if t := s.world.core.trips[b.Trip]; !ok || accept.Trip != b.Trip || t.Driver != accept.By.Driver() {
			return fmt.Errorf("%T %+v gives trip %s to %s", in, in, b.Trip, t.Driver)
		}
	}
	return nil
}

// crash starts a new server from the journal; all phones reconnect.
func (s *sim) crash() error {
	s.crashes++
	again, err := s.world.replayed()
	if err != nil {
		return err
	}
	s.world.core = again
	for i := range simDrivers {
		driver := DriverID(fmt.Sprintf("d%d", i))
		if s.dark.in(driver) != nil {
			continue
		}
		if err := s.greet(driver); err != nil {
			return err
		}
	}
	return nil
}

// heard passes an outcome to the phones, and checks what an onlooker can see.
func (s *sim) heard(out Outcome) error {
	for _, f := range out.Facts {
		if err := s.witness(f); err != nil {
			return err
		}
	}
	for _, n := range out.Notices {
		driver := n.To.Driver()
		if s.dark.in(driver) != nil {
			continue // he does not hear it
		}
		if err := s.keepReceipts(n); err != nil {
			return err
		}
		if driver == "" {
			continue
		}
		switch b := n.Body.(type) {
		case OfferTold:
			if trip, ok := s.driving[driver]; ok {
				return fmt.Errorf("%s is asked for %s, and for all he knows drives %s", driver, b.Offer.Trip, trip.ID)
			}
			s.offers[driver] = b.Offer.ID
			s.confirm(driver, b.Offer)
		case OfferGone:
			delete(s.offers, driver)
		case TripTold:
			s.learn(driver, b.Trip)
		case Truth:
			if b.Offer != nil {
				s.offers[driver] = b.Offer.ID
				s.confirm(driver, *b.Offer)
			}
			for _, v := range b.Trips {
				s.learn(driver, v)
			}
		case Refused:
			delete(s.offers, driver)
		}
	}
	return nil
}

// confirm lets a phone say that it has an offer; not all of them do.
func (s *sim) confirm(driver DriverID, o OfferView) {
	if s.rng.IntN(5) > 0 {
		s.send(OfferSeen{Driver: driver, Trip: o.Trip, Offer: o.ID, RTT: time.Duration(s.rng.IntN(9_000)) * time.Millisecond})
	}
}

func (s *sim) learn(driver DriverID, v TripView) {
	delete(s.offers, driver)
	if v.State.HasDriver() && v.Driver == driver {
		s.driving[driver] = v
	} else if s.driving[driver].ID == v.ID {
		delete(s.driving, driver)
	}
}

// witness checks one fact against what happened before it.
func (s *sim) witness(f Fact) error {
	switch b := f.Body.(type) {
	case OfferMade:
		if s.declined[string(b.Trip)+" "+string(b.Driver)] {
			return fmt.Errorf("%s is asked again for %s, which he declined", b.Driver, b.Trip)
		}
		s.asked[b.Trip] = b.Driver
		if err := s.canDrive(f, b); err != nil {
			return err
		}
		if t := s.world.core.trips[b.Trip]; t != nil && t.Order.PickupWindow.To != 0 && f.At.Add(b.Approach.Duration) > t.Order.PickupWindow.To {
			return fmt.Errorf("%s is offered to %s, who comes %v after the window", b.Trip, b.Driver, f.At.Add(b.Approach.Duration).Sub(t.Order.PickupWindow.To))
		}
	case OfferClosed:
		if b.End == OfferDeclined {
			s.declined[string(b.Trip)+" "+string(s.asked[b.Trip])] = true
		}
	case TripCompleted:
		s.ended[Completed]++
	case TripCancelled:
		s.ended[Cancelled]++
	case TripUnserved:
		s.ended[Unserved]++
	}
	return nil
}

// finish lets drivers drive home what they have, nobody ask for more, and time
// run out for the rest.
func (s *sim) finish() error {
	for i := range simDrivers {
		if p := s.dark.in(DriverID(fmt.Sprintf("d%d", i))); p != nil {
			if err := s.dark.lift(p); err != nil {
				return err
			}
		}
	}
	for range 4 {
		for i := range simDrivers {
			driver := DriverID(fmt.Sprintf("d%d", i))
			trip, ok := s.driving[driver]
			if !ok {
				continue
			}
			out, err := s.world.step(nextReport(s.command(DriverActor(driver)), trip))
			if err != nil {
				return err
			}
			if err := s.heard(out); err != nil {
				return err
			}
		}
	}
	if err := s.pass(3 * time.Hour); err != nil {
		return err
	}
	if at, open := s.world.core.deadlines.next(); open {
		return fmt.Errorf("three hours after the last request a trip is open with deadline %s", clock(at))
	}
	return s.world.checkReplay()
}
