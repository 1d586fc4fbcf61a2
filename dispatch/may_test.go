package dispatch

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cuntong/geo"
)

// mayWorld is one trip in every state, and everybody who can be anything to it. From d3
// the server took it, d2 declined it, d1 is asked for it and drives it, and d4, whose
// vehicle is too small, has nothing to do with it.
type mayWorld struct {
	booker Actor
	states map[State][]byte // snapshots
	now    map[State]Instant
	rules  Rules
}

const mayTrip, noTrip TripID = "t1", "t9"

func driver(n int) Actor { return DriverActor(DriverID(fmt.Sprintf("d%d", n))) }

var mayPeople = []Actor{
	driver(1), driver(2), driver(3), driver(4), driver(9),
	{RolePassenger, "p1"}, {RolePassenger, "p2"}, {RolePassenger, "p9"},
	{RoleAgent, "a1"}, {RoleAgent, "a9"}, {RoleOperator, "o1"}, {RoleOperator, "o9"},
}

func newMayWorld(t *testing.T, booker Actor) *mayWorld {
	t.Helper()
	rules := DefaultRules()
	rules.OverdueLimit, rules.Patience = 1, 2*time.Hour
	m := &mayWorld{booker: booker, states: map[State][]byte{}, now: map[State]Instant{}, rules: rules}
	w := newWorld(rules)
	must := func(in Input) {
		t.Helper()
		if out, err := w.step(in); err != nil {
			t.Fatal(err)
		} else if no, ok := refusalIn(out); ok {
			t.Fatalf("%T %+v: %+v", in, in, no)
		}
	}
	keep := func(want State) {
		t.Helper()
		state := w.core.trips[mayTrip].State
		if state != want {
			t.Fatalf("the trip is %s, want %s", state, want)
		}
		var err error
		if m.states[state], err = w.core.Snapshot(); err != nil {
			t.Fatal(err)
		}
		m.now[state] = w.now
	}
	pass := func(d time.Duration) {
		t.Helper()
		if err := w.pass(w.now.Add(d), func(Outcome) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(n, seats int) {
		id := driver(n).Driver()
		must(StartDuty{Command: Command{By: driver(n)}, Driver: id, Vehicle: Vehicle{Class: geo.Car, Load: Load{Seats: seats}}})
		must(Moved{Fix: Fix{Driver: id, Point: geo.Point{Lat: 26.2, Lon: 109.2}, At: w.now, Received: w.now, HeadingDegrees: -1, SpeedMPS: -1}})
	}
	offer := func() OfferID { return w.core.trips[mayTrip].Offer.ID }
	begin(4, 1)
	begin(3, 4)
	must(Request{Command: Command{By: booker}, Trip: mayTrip, Order: mayOrder(booker)})
	must(Accept{Command: Command{By: driver(3)}, Trip: mayTrip, Offer: offer()})
	pass(time.Hour) // he is not heard of, and it is taken from him
	begin(2, 4)
	must(Decline{Command: Command{By: driver(2)}, Trip: mayTrip, Offer: offer()})
	keep(Parked)
	begin(1, 4)
	keep(Offered)
	by := Command{By: driver(1)}
	must(Accept{Command: by, Trip: mayTrip, Offer: offer()})
	keep(Assigned)
	must(Arrive{Command: by, Trip: mayTrip})
	pass(6 * time.Minute) // so that he may report a no-show
	keep(Arrived)
	must(Start{Command: by, Trip: mayTrip})
	keep(Riding)
	must(Complete{Command: by, Trip: mayTrip})
	keep(Completed)
	m.also(t, Arrived, 0, Cancel{Command: Command{By: Actor{RoleOperator, "o1"}}, Trip: mayTrip, Why: ReasonOther}, Cancelled)
	m.also(t, Parked, 24*time.Hour, Tick{}, Unserved)
	return m
}

// also reaches another state from one that is there.
func (m *mayWorld) also(t *testing.T, from State, later time.Duration, in Input, want State) {
	t.Helper()
	core := m.core(t, from)
	core.Apply(m.now[from].Add(later), in)
	if got := core.trips[mayTrip].State; got != want {
		t.Fatalf("%s became %s, want %s", from, got, want)
	}
	var err error
	if m.states[want], err = core.Snapshot(); err != nil {
		t.Fatal(err)
	}
	m.now[want] = m.now[from].Add(later)
}

func mayOrder(booker Actor) Order {
	return Order{Booker: booker, Traveller: Traveller{ID: "p2", Phone: "13812345678"}, Channel: ChannelAgent, Product: ProductSolo, Load: Load{Seats: 2},
		Pickup: Place{Point: geo.Point{Lat: 26.2, Lon: 109.21}}, Dropoff: Place{Point: geo.Point{Lat: 26.25, Lon: 109.25}}}
}

// core is a new core in one of the states, at rest.
func (m *mayWorld) core(t *testing.T, state State) *Core {
	t.Helper()
	core := newWorld(m.rules).core
	if err := core.Restore(m.states[state]); err != nil {
		t.Fatal(err)
	}
	core.Apply(m.now[state], Tick{})
	return core
}

// maySends are the commands and questions about a trip.
func maySends(by Actor, trip TripID, offer OfferID) map[string]Input {
	cmd := Command{By: by, ID: "c1"}
	return map[string]Input{
		"accept":    Accept{Command: cmd, Trip: trip, Offer: offer},
		"decline":   Decline{Command: cmd, Trip: trip, Offer: offer},
		"arrive":    Arrive{Command: cmd, Trip: trip},
		"start":     Start{Command: cmd, Trip: trip},
		"complete":  Complete{Command: cmd, Trip: trip},
		"paid":      Paid{Command: cmd, Trip: trip, Fen: 1200},
		"release":   Release{Command: cmd, Trip: trip, Why: ReasonOther},
		"cancel":    Cancel{Command: cmd, Trip: trip, Why: ReasonNoShow},
		"ask_route": AskRoute{By: by, Trip: trip},
		"look":      Look{Command: cmd, Trip: trip, Reason: "a test"},
	}
}

var mayMessages = []string{"accept", "decline", "arrive", "start", "complete", "paid", "release", "cancel", "ask_route", "look"}

// refusalIn is the refusal in an outcome.
func refusalIn(out Outcome) (Refused, bool) {
	for _, n := range out.Notices {
		if no, ok := n.Body.(Refused); ok {
			return no, true
		}
	}
	return Refused{}, false
}

// tryTo lets somebody do something and returns what came of it in a word. A refusal must
// have changed nothing and be told to nobody else.
func (m *mayWorld) tryTo(t *testing.T, state State, in Input) string {
	t.Helper()
	core := m.core(t, state)
	before, err := core.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	by, _, _ := Asker(in)
	out := core.Apply(m.now[state], in)
	if err := core.Check(); err != nil {
		t.Fatalf("%T by %s: %v", in, by, err)
	}
	no, refused := refusalIn(out)
	if !refused {
		return "yes"
	}
	after, err := core.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Facts) > 0 || !bytes.Equal(before, after) || len(out.Notices) != 1 || out.Notices[0].To != by {
		t.Errorf("%s: %T by %s is refused, and changed something: %+v", state, in, by, out)
	}
	return no.Refusal.Code
}

// TestMayMatrix goes through everybody × everything × every state against a core. What
// comes of each cell is in testdata/may.table, to be read; what must hold whatever the
// file says is checked here.
func TestMayMatrix(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Who may do what with a trip: what comes of each message, by what its sender is to the trip and by the trip's state.\n" +
		"# yes: done, or answered. Anything else is the code of the refusal, which has changed nothing. Written by TestMayMatrix.\n")
	cells := 0
	for _, booker := range []Actor{{RoleAgent, "a1"}, {RolePassenger, "p1"}, {RoleOperator, "o1"}} {
		m := newMayWorld(t, booker)
		fmt.Fprintf(&b, "\n## booked by %s, for passenger:p2\n", booker)
		m.row(&b, "", "", func(state State) string { return string(state) })
		for _, who := range mayPeople {
			m.row(&b, "who is", who.String(), func(state State) string {
				core := m.core(t, state)
				return core.relation(who, core.trips[mayTrip]).String()
			})
		}
		for _, name := range mayMessages {
			b.WriteString("\n")
			for _, who := range mayPeople {
				row := func(state State) string {
					cells++
					return m.cell(t, state, name, who)
				}
				if ruleFor(maySends(who, mayTrip, "")[name]).by(who.Role) != 0 {
					m.row(&b, name, who.String(), row)
				} else { // it is role in every state, which cell has seen
					m.row(io.Discard, name, who.String(), row)
				}
			}
			fmt.Fprintf(&b, "%-10s %-13s role\n", name, "others")
		}
	}
	text := trimLines(b.String())
	if *rewrite {
		if err := os.WriteFile("testdata/may.table", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/may.table")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("testdata/may.table says otherwise (-file +core); run with -rewrite and read the diff:\n%s", diff)
	}
	t.Logf("%d cells", cells)
}

// row writes one row of the table.
func (m *mayWorld) row(b io.Writer, name, who string, cell func(State) string) {
	fmt.Fprintf(b, "%-10s %-13s", name, who)
	for _, state := range States() {
		if m.states[state] != nil {
			fmt.Fprintf(b, " %-26s", cell(state))
		}
	}
	fmt.Fprintln(b)
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// cell is what comes of one message by one party in one state, with what he is to the trip.
func (m *mayWorld) cell(t *testing.T, state State, name string, who Actor) string {
	t.Helper()
	core := m.core(t, state)
	trip := core.trips[mayTrip]
	offer := offerID(mayTrip, trip.Offers)
	in := maySends(who, mayTrip, offer)[name]
	got := m.tryTo(t, state, in)
	as := core.relation(who, trip)
	rule := ruleFor(in)
	allowed := rule.by(who.Role)
	switch {
	case allowed == 0 && got != "role":
		t.Errorf("%s: %s by %s: %s, want role", state, name, who, got)
	case allowed != 0 && rule.object == aTrip && as&allowed == 0:
		if got == "yes" || got == "role" {
			t.Errorf("%s: %s by %s, who is %s to it: %s", state, name, who, as, got)
		}
	case allowed != 0 && (got == "role" && name != "cancel" || got == "not_yours"):
		t.Errorf("%s: %s by %s, who is %s to it: %s, though the rules let him", state, name, who, as, got)
	}
	if as == AsStranger && allowed != 0 {
		// Nobody may tell a trip that is none of his business from one that there is not.
		other := m.tryTo(t, state, maySends(who, noTrip, offerID(noTrip, trip.Offers))[name])
		if got != other {
			t.Errorf("%s: %s by %s: %s of a trip of others, %s of one that there is not", state, name, who, got, other)
		}
	}
	return got
}

// TestMayTheRest goes through what is not about a trip.
func TestMayTheRest(t *testing.T) {
	m := newMayWorld(t, Actor{RoleAgent, "a1"})
	vehicle := Vehicle{Class: geo.Car, Load: Load{Seats: 3}}
	slide := geo.RoadChange{ID: "slide", Closed: true}
	order := func(by Actor) Order {
		o := mayOrder(by)
		o.Channel, o.Traveller = ChannelApp, Traveller{}
		return o
	}
	only := func(roles ...Role) func(Actor) string {
		return func(by Actor) string {
			for _, role := range roles {
				if by.Role == role {
					return "yes"
				}
			}
			return "role"
		}
	}
	own := func(id DriverID, operators string) func(Actor) string {
		return func(by Actor) string {
			switch {
			case by == DriverActor(id):
				return "yes"
			case by.Role == RoleDriver:
				return "not_yours"
			case by.Role == RoleOperator:
				return operators
			}
			return "role"
		}
	}
	for name, c := range map[string]struct {
		in   func(Command) Input
		want func(Actor) string
	}{
		"duty on":     {func(c Command) Input { return StartDuty{Command: c, Driver: "d2", Vehicle: vehicle} }, own("d2", "role")},
		"duty off":    {func(c Command) Input { return EndDuty{Command: c, Driver: "d2"} }, own("d2", "yes")},
		"track":       {func(c Command) Input { return Tracked{Command: c, Driver: "d2"} }, own("d2", "role")},
		"request":     {func(c Command) Input { return Request{Command: c, Trip: "t7", Order: order(c.By)} }, only(RolePassenger, RoleAgent, RoleOperator)},
		"road":        {func(c Command) Input { return ChangeRoad{Command: c, Change: slide} }, only(RoleOperator)},
		"lift_road":   {func(c Command) Input { return RestoreRoad{Command: c, ID: "slide"} }, only(RoleOperator)},
		"nearby":      {func(c Command) Input { return AskNearby{By: c.By} }, only(RolePassenger, RoleAgent, RoleOperator)},
		"watch":       {func(c Command) Input { return Watch{By: c.By} }, only(RoleOperator)},
		"look driver": {func(c Command) Input { return Look{Command: c, Driver: "d1", Reason: "a test"} }, only(RoleOperator)},
	} {
		for _, by := range append(mayPeople, Actor{Role: RoleSystem}, Actor{Role: "ghost", ID: "g"}) {
			got, want := m.tryTo(t, Offered, c.in(Command{By: by, ID: "c1"})), c.want(by)
			if got == "no_roads" || got == "change_unknown" || got == "unknown_input" { // there are no roads here; the rules have let him
				got = "yes"
			}
			if got != want {
				t.Errorf("%s by %s: %s, want %s", name, by, got, want)
			}
		}
	}
}

// TestEveryInputHasARule: a command without a rule is refused to everybody, and the
// table has no row for what there is not.
func TestEveryInputHasARule(t *testing.T) {
	inside := "tick link_lost ask_quote quote borrow no_loan admit settled bar_abroad bar_known"
	for name := range inputKinds.types {
		if rulesOf[name] == nil && !strings.Contains(inside, name) {
			t.Errorf("no rule says who may give %s: add a row to rules in may.go", name)
		}
	}
	seen := map[string]bool{}
	for _, r := range rules {
		if r.input != "" && seen[r.input] {
			t.Errorf("two rules for %s", r.input)
		}
		seen[r.input] = true
	}
}
