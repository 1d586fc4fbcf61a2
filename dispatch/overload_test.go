package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/geo"
)

// rush is an engine whose work takes time by a clock of its own, and the people who
// want something of it: as many new trips a second as a test likes, whose drivers then
// accept, arrive, start and complete, and positions, hellos and boards beside that.
type rush struct {
	*Engine
	Ledger
	geo.Router
	rng   *rand.Rand
	clock time.Time

	arrivals []planned
	critical map[CommandID]time.Time // that are not answered
	given    int                     // critical commands
	refused  int                     // of them
	slowest  time.Duration           // answer to one of them
	created  int                     // requests that were answered
	turned   []time.Duration         // how long those who were turned away were to stay away
	commands int
}

// planned is an input that comes at a moment.
type planned struct {
	at time.Time
	in Input
}

const (
	rushDrivers = 600
	rushLocate  = 150 * time.Microsecond // of the core, for a place
	rushAppend  = 800 * time.Microsecond // of Redis
	rushRead    = 2 * time.Microsecond   // between two readings of the clock
)

// Locate takes the core's time.
func (r *rush) Locate(p geo.Point, heading float64) geo.Spot {
	r.clock = r.clock.Add(rushLocate)
	return r.Router.Locate(p, heading)
}

func (r *rush) Acquire(context.Context) (Epoch, error) {
	r.clock = r.clock.Add(rushAppend / 2)
	return 1, nil
}
func (r *rush) Load(context.Context, func(Fact) error) ([]byte, Seq, error) { return nil, 0, nil }
func (r *rush) Head(context.Context) (Head, error)                          { return Head{}, nil }
func (r *rush) Save(context.Context, Seq, []byte) error                     { return nil }
func (r *rush) Archive(context.Context, []EndedTrip) error                  { return nil }
func (r *rush) Append(context.Context, BatchID, Seq, []Fact) error {
	r.clock = r.clock.Add(rushAppend)
	return nil
}

func newRush(t *testing.T) *rush {
	r := &rush{rng: rand.New(rand.NewPCG(1, 3)), clock: morning.Time(), Router: geo.NewCrow(), critical: map[CommandID]time.Time{}}
	rules := DefaultRules()
	rules.MaxOpenPerAgent, rules.KeepEnded, rules.KeepCommands = 100_000, 100, 1000
	rules.AgentOrders, rules.FastestKMH = 0, 0 // one agent orders everything, and drivers are anywhere
	var err error
	r.Engine, err = NewEngine(EngineConfig{Area: testArea, Rules: rules, Router: r, Ledger: r, Mirror: noMirror{}, Teller: r,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Chance: r.rng.Float64,
		Now: func() time.Time { r.clock = r.clock.Add(rushRead); return r.clock }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range rushDrivers {
		id := DriverID(fmt.Sprintf("d%d", i))
		r.Submit(StartDuty{Command: r.command(DriverActor(id)), Driver: id, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: 4}}})
		r.Slot().Put(r.fix(id))
	}
	for range 20 {
		if err := r.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *rush) command(by Actor) Command {
	r.commands++
	return Command{By: by, ID: CommandID(fmt.Sprintf("c%d", r.commands))}
}

func (r *rush) place() geo.Point {
	return geo.Point{Lat: 26 + r.rng.Float64()*0.05, Lon: 109 + r.rng.Float64()*0.05}
}

func (r *rush) fix(id DriverID) Fix {
	now := InstantOf(r.clock)
	return Fix{Driver: id, Point: r.place(), At: now, Received: now}
}

// Tell lets drivers do at once what they are told.
func (r *rush) Tell(notices []Notice) {
	for _, n := range notices {
		switch b := n.Body.(type) {
		case Done:
			r.answered(b.ID, n.To)
		case Refused:
			r.answered(b.ID, n.To)
		case OfferTold:
			r.soon(Accept{Command: r.command(n.To), Trip: b.Offer.Trip, Offer: b.Offer.ID})
		case TripTold:
			if n.To.Driver() != "" && b.Trip.Driver == n.To.Driver() && b.Trip.State.HasDriver() {
				r.soon(nextReport(r.command(n.To), b.Trip))
			}
		}
	}
}

func (r *rush) answered(id CommandID, to Actor) {
	if since, ok := r.critical[id]; ok {
		r.slowest = max(r.slowest, r.clock.Sub(since))
		delete(r.critical, id)
	} else if to.Role == RoleAgent {
		r.created++
	}
}

func (r *rush) soon(in Input) {
	r.arrivals = append(r.arrivals, planned{r.clock.Add(5 * time.Millisecond), in})
}

// live lets people want so many trips a second for a while.
func (r *rush) live(t *testing.T, perSecond int, length time.Duration) {
	end := r.clock.Add(length)
	next, beside := r.clock, r.clock
	for n := 0; r.clock.Before(end); {
		for ; !next.After(r.clock); next = next.Add(time.Second / time.Duration(perSecond)) {
			n++
			who := Actor{Role: RoleAgent, ID: "a1"}
			r.come(Request{Command: r.command(who), Trip: TripID(fmt.Sprintf("t%d-%d", perSecond, n)), Order: Order{Booker: who, Channel: ChannelAgent,
				Product: ProductSolo, Load: Load{Seats: 1}, Pickup: Place{Point: r.place()}, Dropoff: Place{Point: geo.Point{Lat: 26.2, Lon: 109.1}}}})
		}
		for ; !beside.After(r.clock); beside = beside.Add(time.Millisecond) {
			r.Slot().Put(r.fix(DriverID(fmt.Sprintf("d%d", r.rng.IntN(rushDrivers)))))
			if r.rng.IntN(10) == 0 {
				r.come(Hello{By: Actor{Role: RolePassenger, ID: "p1"}})
				r.come(Watch{By: Actor{Role: RoleOperator, ID: "o1"}})
			}
		}
		due := slices.IndexFunc(r.arrivals, func(p planned) bool { return p.at.After(r.clock) })
		if due < 0 {
			due = len(r.arrivals)
		}
		for _, p := range r.arrivals[:due] {
			r.come(p.in)
		}
		r.arrivals = r.arrivals[due:]
		if err := r.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.inbox.depth()+r.inbox.waitingSlots() == 0 {
			r.clock = r.clock.Add(200 * time.Microsecond)
		}
	}
}

// come brings an input to the door.
func (r *rush) come(in Input) {
	cmd, _ := commandOf(in)
	if classOf(in) != critical {
		if no := r.Submit(in); no != nil && classOf(in) == creation {
			r.turned = append(r.turned, no.RetryAfter)
		}
		return
	}
	r.given++
	if r.Submit(in) != nil {
		r.refused++
		return
	}
	r.critical[cmd.ID] = r.clock
}

// At three times what it can do, the engine makes as many trips as it ever does, or
// nearly, and what moves trips that exist is answered at once.
func TestOverload(t *testing.T) {
	const length = 3 * time.Second
	goodput := map[int]float64{}
	best, bestAt := 0.0, 0
	for _, perSecond := range []int{100, 200, 400, 600, 800, 1000, 1200} {
		r := newRush(t)
		r.live(t, perSecond, length)
		if goodput[perSecond] = float64(r.created) / length.Seconds(); goodput[perSecond] > best {
			best, bestAt = goodput[perSecond], perSecond
		}
	}
	if best < 100 {
		t.Fatalf("trips made, by trips wanted: %v", goodput)
	}
	r := newRush(t)
	r.live(t, 3*int(best), length)
	got := float64(r.created) / length.Seconds()
	if len(r.turned) == 0 {
		t.Fatalf("nobody was turned away at %d a second: %v", 3*int(best), goodput)
	}
	unanswered := r.refused
	for _, since := range r.critical {
		if r.clock.Sub(since) > time.Second {
			unanswered++
		}
	}
	t.Logf("best %.0f trips a second (at %d wanted), %.0f at %d wanted; %d critical commands, %d not answered, the slowest after %v; %d turned away for %v to %v",
		best, bestAt, got, 3*int(best), r.given, unanswered, r.slowest, len(r.turned), slices.Min(r.turned), slices.Max(r.turned))
	if got < 0.8*best {
		t.Errorf("at three times the best load %.0f trips a second are made, and %.0f at best", got, best)
	}
	if unanswered*1000 > r.given || r.given < 1000 || r.slowest > 250*time.Millisecond {
		t.Errorf("of %d critical commands %d were not answered, the slowest after %v", r.given, unanswered, r.slowest)
	}
	if early, late := r.turned[0], r.turned[len(r.turned)-1]; late < early*3/2 {
		t.Errorf("who was turned away first was to come back after %v, and who was last after %v", early, late)
	}
}

// Who cancels what he has just asked for is heard in that order.
func TestCancelDoesNotOvertakeItsRequest(t *testing.T) {
	b := newInbox()
	by := Command{By: Actor{Role: RolePassenger, ID: "p1"}}
	for _, in := range []Input{Request{Command: by, Trip: "t1"}, Cancel{Command: by, Trip: "t1"}, Cancel{Command: by, Trip: "t0"}} {
		if reason, _ := b.add(arrival{in: in, at: morning.Time()}); reason != "" {
			t.Fatal(reason)
		}
	}
	if got, _ := b.take(critical); got.in.(Cancel).Trip != "t0" {
		t.Errorf("%+v comes first", got.in)
	}
	if got, _ := b.take(creation); got.in.(Request).Trip != "t1" {
		t.Errorf("%+v comes before the request", got.in)
	}
	b.add(arrival{in: Cancel{Command: by, Trip: "t1"}, at: morning.Time()})
	if got, ok := b.take(critical); !ok || got.in.(Cancel).Trip != "t1" {
		t.Error("a cancel whose request has been taken is not critical")
	}
}

// Each class has its own room, and one that is full refuses nobody else.
func TestInboxHasRoomByClass(t *testing.T) {
	b := newInbox()
	now := morning.Time()
	for range room[viewing] + 1 {
		b.add(arrival{in: Watch{}, at: now})
	}
	if reason, again := b.add(arrival{in: Watch{}, at: now}); reason != shedFull || again < unavailableFor/2 {
		t.Errorf("one view too many: %q, to come again in %v", reason, again)
	}
	if reason, _ := b.add(arrival{in: Hello{}, at: now}); reason != "" {
		t.Errorf("a hello behind too many views: %q", reason)
	}
	b.close()
	if reason, _ := b.add(arrival{in: Accept{}, at: now}); reason != shedNotReady {
		t.Errorf("after the end: %q", reason)
	}
}
