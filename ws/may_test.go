package ws

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// mayTable is who may send what: driver, passenger, agent, operator. It is written
// out here so that a slip in wire's table shows.
var mayTable = map[wire.Type]string{
	wire.TypeHello:    "DPAO",
	wire.TypePosition: "D",
	wire.TypeDuty:     "D",
	wire.TypeRequest:  "PAO",
	wire.TypeAccept:   "D",
	wire.TypeDecline:  "D",
	wire.TypeArrive:   "D",
	wire.TypeStart:    "DO",
	wire.TypeComplete: "D",
	wire.TypeRelease:  "DO",
	wire.TypeCancel:   "DPAO",
	wire.TypeEndDuty:  "O",
	wire.TypeRoad:     "O",
	wire.TypeLiftRoad: "O",
	wire.TypeRoute:    "DPAO",
	wire.TypeWatch:    "O",
	wire.TypePing:     "DPAO",
	wire.TypeTrack:    "D",
	wire.TypeSeen:     "D",
	wire.TypePaid:     "D",
	wire.TypeNearby:   "PAO",
	wire.TypeLook:     "O",
	wire.TypeBar:      "O",
	wire.TypeLiftBar:  "O",
	wire.TypeRenew:    "DPAO",
	wire.TypeLogout:   "DPAO",
}

func letterOf(role dispatch.Role) string { return strings.ToUpper(string(role)[:1]) }

func TestMayTable(t *testing.T) {
	for _, kind := range wire.ClientTypes() {
		who, ok := mayTable[kind]
		if !ok {
			t.Errorf("no row for %s: who may send it?", kind)
		}
		for _, role := range roles {
			want := strings.Contains(who, letterOf(role))
			if got := may(role, kind); (got == nil) != want {
				t.Errorf("%s by a %s: %v, want allowed %v", kind, role, got, want)
			} else if got != nil && (got.Kind != dispatch.Forbidden || got.Code != wire.CodeRole) {
				t.Errorf("%s by a %s: %+v, want forbidden, role", kind, role, got)
			}
		}
	}
	if may(dispatch.RoleSystem, wire.TypeEndDuty) == nil {
		t.Error("a client may pass for the server")
	}
}

// TestMayTableInTheDocs reads the rows "type | command | driver | passenger | agent |
// operator" of docs/PROTOCOL.md, where a dot means yes.
func TestMayTableInTheDocs(t *testing.T) {
	doc, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[wire.Type]string{}
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 {
			continue
		}
		_, rest, _ := strings.Cut(cells[1], "`")
		name, _, _ := strings.Cut(rest, "`")
		if !slices.Contains(wire.ClientTypes(), wire.Type(name)) {
			continue
		}
		for i, role := range roles {
			if strings.TrimSpace(cells[3+i]) == "●" {
				found[wire.Type(name)] += letterOf(role)
			}
		}
	}
	if diff := cmp.Diff(mayTable, found); diff != "" {
		t.Errorf("docs/PROTOCOL.md says otherwise (-table +docs):\n%s", diff)
	}
}

// bodies is one good body of each type.
var bodies = map[wire.Type]any{
	wire.TypeHello:    wire.Hello{NowMS: 1_790_000_000_000},
	wire.TypePosition: wire.Position{Lat: 26.4, Lon: 108, Datum: wire.DatumWGS84, At: 1_790_000_000_000},
	wire.TypeDuty:     wire.Duty{On: true},
	wire.TypeRequest:  wire.Request{Trip: "t1", Pickup: wire.Place{Village: "langde"}, Dropoff: wire.Place{Village: "xijiang"}, Seats: 1},
	wire.TypeAccept:   wire.Accept{Trip: "t1", Offer: "t1/1"},
	wire.TypeDecline:  wire.Decline{Trip: "t1", Offer: "t1/1"},
	wire.TypeArrive:   wire.Arrive{Trip: "t1"},
	wire.TypeStart:    wire.Start{Trip: "t1"},
	wire.TypeComplete: wire.Complete{Trip: "t1"},
	wire.TypeRelease:  wire.Release{Trip: "t1", Why: wire.WhyBreakdown},
	wire.TypeCancel:   wire.Cancel{Trip: "t1", Why: wire.WhyNoShow},
	wire.TypeEndDuty:  wire.EndDuty{Driver: "d1"},
	wire.TypeRoad:     wire.Road{Road: "r1", Closed: true},
	wire.TypeLiftRoad: wire.LiftRoad{Road: "r1"},
	wire.TypeRoute:    wire.Route{Trip: "t1"},
	wire.TypeWatch:    wire.Watch{On: true},
	wire.TypePing:     wire.Ping{},
	wire.TypeTrack:    wire.Track{Datum: wire.DatumWGS84, Fixes: []wire.TrackFix{{Lat: 26.4, Lon: 108, At: 1_790_000_000_000}}},
	wire.TypeSeen:     wire.Seen{Trip: "t1", Offer: "t1/1"},
	wire.TypePaid:     wire.Paid{Trip: "t1", Fen: 1200},
	wire.TypeNearby:   wire.Nearby{Around: wire.Place{Village: "langde"}},
	wire.TypeLook:     wire.Look{Driver: "d1", Reason: "he has not come"},
	wire.TypeBar:      wire.Bar{Role: wire.RolePassenger, ID: "p9", Reason: "forty orders"},
	wire.TypeLiftBar:  wire.LiftBar{Role: wire.RolePassenger, ID: "p9"},
	wire.TypeRenew:    wire.Renew{Token: "no.token.atall"},
	wire.TypeLogout:   wire.Logout{},
}

// ownTests are the types that the hub acts on itself, or does not answer.
var ownTests = map[wire.Type]bool{wire.TypeSeen: true, wire.TypeRenew: true, wire.TypeLogout: true,
	wire.TypeBar: true, wire.TypeLiftBar: true}

// TestEveryRoleSendsEveryType goes over real sockets: what is allowed reaches the
// area, what is not is refused, and neither ends the connection.
func TestEveryRoleSendsEveryType(t *testing.T) {
	w := newWorld(t)
	for _, who := range []dispatch.Actor{driver1, passenger, agent, operator} {
		for _, kind := range wire.ClientTypes() {
			if kind == wire.TypeHello { // a second one ends the connection: TestHelloTwice
				continue
			}
			p := w.connect(who)
			id := ""
			if kind.IsCommand() {
				id = "c1"
			}
			inputs, fixes := len(w.area.got()), len(w.area.gotFixes())
			p.send(kind, id, bodies[kind])
			allowed := strings.Contains(mayTable[kind], letterOf(who.Role))
			switch {
			case !allowed:
				p.wantRefused(id, wire.CodeRole)
				p.quiet()
				if len(w.area.got()) != inputs || len(w.area.gotFixes()) != fixes {
					t.Errorf("%s by a %s reached the area", kind, who.Role)
				}
			case kind == wire.TypePing:
				p.want(wire.TypePong)
			case kind == wire.TypePosition:
				p.quiet()
				if len(w.area.gotFixes()) != fixes+1 {
					t.Errorf("the position did not reach the area")
				}
			case kind == wire.TypeWatch:
				p.want(wire.TypeBoard)
			case kind == wire.TypeRoute:
				p.want(wire.TypeRoute)
			case kind == wire.TypeNearby:
				p.want(wire.TypeNearby)
			case ownTests[kind]: // what it does has tests of its own
			default:
				if f := p.want(wire.TypeDone); f.Re != "c1" {
					t.Errorf("%s by a %s: done re=%q", kind, who.Role, f.Re)
				}
				if len(w.area.got()) != inputs+1 {
					t.Errorf("%s by a %s did not reach the area once", kind, who.Role)
				}
			}
			w.leave(p)
		}
	}
}

// TestMayTableIsTheCores: the first gate, by role, and the core's table, by role and
// relation, let the same roles through.
func TestMayTableIsTheCores(t *testing.T) {
	core := map[wire.Type]string{}
	for _, row := range dispatch.Policy() {
		for _, role := range roles {
			// A driver ends his own duty by the message duty, which begins it as well.
			if row.May[role] != "" && !(row.Message == "end_duty" && role == dispatch.RoleDriver) {
				core[wire.Type(row.Message)] += letterOf(role)
			}
		}
	}
	if diff := cmp.Diff(mayTable, core); diff != "" {
		t.Errorf("dispatch/may.go says otherwise (-table +core):\n%s", diff)
	}
}
