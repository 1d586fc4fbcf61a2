package ws

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

var rewriteSights = flag.Bool("rewrite-sights", false, "write testdata/sights.txt and the table in docs/PROTOCOL.md anew; read the diff before committing it")

// The parties to the trip of fullTrip, which a1 has booked for p1, and d1 drives.
var (
	traveller1 = dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1"}
	stranger2  = dispatch.Actor{Role: dispatch.RolePassenger, ID: "p2"}
	agent2     = dispatch.Actor{Role: dispatch.RoleAgent, ID: "a2"}
	driver2    = dispatch.Actor{Role: dispatch.RoleDriver, ID: "d2"}
)

// namesOf returns the names on the wire of the fields of a message.
func namesOf(typ reflect.Type) []string {
	var names []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// TestEveryFieldHasARow: a field that is new on the wire is not sent before somebody has
// said who may see it.
func TestEveryFieldHasARow(t *testing.T) {
	rows := map[string]int{}
	for _, row := range sights {
		rows[row.field]++
	}
	for _, name := range namesOf(reflect.TypeFor[wire.Trip]()) {
		if rows[name] != 1 {
			t.Errorf("field %s of a trip has %d rows in sights: want one that says who sees it", name, rows[name])
		}
		delete(rows, name)
	}
	for name := range rows {
		if !slices.Contains([]string{"pickup.note", "dropoff.note", "traveller.phone"}, name) {
			t.Errorf("sights has a row %s, which is no field of a trip", name)
		}
	}
	// What lies deeper is seen with what it lies in. Look before you add to it.
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[wire.PlaceOut]():   "village stop name lat lon datum note",
		reflect.TypeFor[wire.Party]():      "role id",
		reflect.TypeFor[wire.Traveller]():  "id name phone",
		reflect.TypeFor[wire.TripDriver](): "id vehicle",
		reflect.TypeFor[wire.Vehicle]():    "id class seats wheelchairs goods_l",
		reflect.TypeFor[wire.Leg]():        "distance_m duration_s",
		reflect.TypeFor[wire.QueuePlace](): "place of",
		reflect.TypeFor[wire.Ended]():      "by_role why",
		reflect.TypeFor[wire.Fix]():        "lat lon datum at age_ms heading_deg speed_mps accuracy_m",
		// And these go to whoever is told at all.
		reflect.TypeFor[wire.Offer]():       "offer trip version until wait_s approach ride pickup dropoff seats wheelchairs goods_l confirm_s",
		reflect.TypeFor[wire.DriverAt]():    "trip fix eta distance_m",
		reflect.TypeFor[wire.NearbyTold]():  "at next cells",
		reflect.TypeFor[wire.NearbyCell]():  "lat lon datum radius_m drivers",
		reflect.TypeFor[wire.BoardDriver](): "id vehicle trip state position trust signs link_ms lost_at unseen",
	} {
		if got := strings.Join(namesOf(typ), " "); got != want {
			t.Errorf("%v has the fields %q, it had %q: say in sights, or here, who may see what is new", typ, got, want)
		}
	}
}

// wholeOf is the trip of fullTrip with a value in every field of the wire.
func wholeOf(state dispatch.State) wire.Trip {
	v := fullTrip(state)
	trip := wholeTrip(&v, outNow)
	fields := reflect.ValueOf(&trip).Elem()
	for i := range fields.NumField() {
		f := fields.Field(i)
		switch {
		case !f.IsZero():
		case f.Kind() == reflect.String:
			f.SetString("x")
		case f.CanInt():
			f.SetInt(1)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		}
	}
	return trip
}

// seenBy names the fields of a trip that an onlooker is shown, "~" before those masked.
func seenBy(t *testing.T, as onlooker, state dispatch.State) []string {
	trip := wholeOf(state)
	if !sees(as, state, &trip) {
		return nil
	}
	var seen []string
	fields := reflect.ValueOf(trip)
	for i, name := range namesOf(fields.Type()) {
		if !fields.Field(i).IsZero() {
			seen = append(seen, name)
		}
	}
	if trip.Pickup.Note != "" {
		seen = append(seen, "pickup.note")
	}
	if r := trip.Traveller; r != nil {
		switch r.Phone {
		case "138 1234 5678":
			seen = append(seen, "traveller.phone")
		case "138****5678":
			seen = append(seen, "~traveller.phone")
		case "":
		default:
			t.Errorf("the phone is shown as %q", r.Phone)
		}
	}
	return seen
}

// TestSights holds what everybody sees, field by field, against a file that a person
// can read. "go test ./ws -run Sights -rewrite-sights" renews it.
func TestSights(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What each onlooker sees of a trip in each state. \"~\": masked. Written by TestSights.\n")
	for i, name := range onlookerNames {
		fmt.Fprintf(&b, "\n## %s\n", name)
		for _, state := range dispatch.States() {
			fmt.Fprintf(&b, "%s: %s\n", state, strings.Join(seenBy(t, 1<<i, state), " "))
		}
	}
	compareFile(t, "testdata/sights.txt", b.String())
}

// compareFile holds text against a file, or writes it.
func compareFile(t *testing.T, path, text string) {
	t.Helper()
	if *rewriteSights {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s says otherwise (-file +program):\n%s", path, diff)
	}
}

// TestWhoSeesWhat says the rules that must never fall, in words and apart from the
// table, of the people themselves.
func TestWhoSeesWhat(t *testing.T) {
	secret := []string{"booker", "traveller", "traveller.phone", "pickup.note", "driver", "position", "pickup_eta", "start_code", "start_check"}
	for _, state := range dispatch.States() {
		v := fullTrip(state)
		sight := func(who dispatch.Actor) []string { return seenBy(t, onlookerOf(who, &v), state) }
		for _, who := range []dispatch.Actor{stranger2, agent2} {
			if got := sight(who); got != nil {
				t.Errorf("%s: %s, whose business it is not, sees %v", state, who, got)
			}
		}
		for _, who := range []dispatch.Actor{agent, traveller1, operator} {
			if got := sight(who); slices.Contains(got, "position") != state.HasDriver() {
				t.Errorf("%s: %s sees %v: want the position from accept to completion only", state, who, got)
			}
		}
		for _, field := range secret {
			if slices.Contains(sight(driver2), field) {
				t.Errorf("%s: a driver whose trip it is not sees %s", state, field)
			}
			if !state.HasDriver() && slices.Contains(sight(driver1), field) {
				t.Errorf("%s: a driver who is not bound sees %s", state, field)
			}
		}
		full := []string{"agent:a1"}
		if state.HasDriver() {
			full = append(full, "driver:d1")
		}
		for _, who := range []dispatch.Actor{agent, traveller1, operator, driver1, driver2} {
			if got := slices.Contains(sight(who), "traveller.phone"); got != slices.Contains(full, who.String()) {
				t.Errorf("%s: %s sees the whole number: %v", state, who, got)
			}
		}
	}
}

// TestOutgoUsesSights: what is told of a trip, alone, in a truth or on a board, is what
// the table allows.
func TestOutgoUsesSights(t *testing.T) {
	for _, state := range dispatch.States() {
		v := fullTrip(state)
		whole := wholeTrip(&v, outNow)
		for _, who := range []dispatch.Actor{agent, agent2, traveller1, stranger2, driver1, driver2, operator} {
			want := whole
			ok := sees(onlookerOf(who, &v), state, &want)
			f, told := outgo(who, dispatch.TripTold{Trip: v}, outNow)
			if told != ok || ok && cmp.Diff(want, f.Body) != "" {
				t.Errorf("%s: a trip is told to %s: %v\n%s", state, who, told, cmp.Diff(want, f.Body))
			}
			f, _ = outgo(who, dispatch.Truth{At: 1, Trips: []dispatch.TripView{v}}, outNow)
			if trips := f.Body.(wire.Truth).Trips; (len(trips) == 1) != ok || ok && cmp.Diff(want, trips[0]) != "" {
				t.Errorf("%s: the truth of %s: %+v", state, who, trips)
			}
		}
		f, _ := outgo(operator, dispatch.BoardTold{Board: dispatch.Board{Waiting: []dispatch.TripView{v}}}, outNow)
		if got := f.Body.(wire.Board).Waiting[0].Traveller.Phone; got != "138****5678" {
			t.Errorf("%s: the board shows %s", state, got)
		}
		f, _ = outgo(operator, dispatch.LookTold{Trip: &v}, outNow)
		if got := f.Body.(wire.LookTold).Trip.Traveller.Phone; got != "138 1234 5678" {
			t.Errorf("%s: who looks and says why sees %s", state, got)
		}
	}
}

func TestMask(t *testing.T) {
	for phone, want := range map[string]string{
		"":                   "",
		"13812345678":        "138****5678",
		"138 1234 5678":      "138****5678",
		"+86 138 1234 5678":  "861******5678",
		"0855-6222222":       "085****2222",
		"6222222":            "*******",
		"119":                "****",
		"1381234567":         "*******",
		"call Wang at house": "****",
		"手机13812345678":      "138****5678",
	} {
		if got := mask(phone); got != want {
			t.Errorf("mask(%q) = %q, want %q", phone, got, want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add("138 1234 5678")
	f.Add("+86（0855）6222222 转 8")
	f.Fuzz(func(t *testing.T, phone string) {
		got := mask(phone)
		digits := 0
		for _, r := range got {
			if unicode.IsDigit(r) {
				digits++
			} else if r != '*' {
				t.Fatalf("mask(%q) = %q, which has %q in it", phone, got, r)
			}
		}
		if digits > maskKeepsFirst+maskKeepsLast || phone != "" && strings.Count(got, "*") < maskHides {
			t.Fatalf("mask(%q) = %q", phone, got)
		}
	})
}

// TestManualSaysWhoMay holds the two tables of docs/PROTOCOL.md that are written here
// against the program. "go test ./ws -run ManualSays -rewrite-sights" writes them.
func TestManualSaysWhoMay(t *testing.T) {
	const path = "../docs/PROTOCOL.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, table := range map[string]string{"may": mayTableText(), "sights": sightTable()} {
		begin := "<!-- written: " + name + " -->\n"
		before, rest, ok1 := strings.Cut(text, begin)
		_, after, ok2 := strings.Cut(rest, "<!-- end -->\n")
		if !ok1 || !ok2 {
			t.Fatalf("%s has no place for the table %s", path, name)
		}
		text = before + begin + "\n" + table + "\n<!-- end -->\n" + after
	}
	if *rewriteSights {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), text); diff != "" {
		t.Errorf("%s says otherwise (-docs +program):\n%s", path, diff)
	}
}

// mayTableText is who may do what, as a table in Markdown.
func mayTableText() string {
	var b strings.Builder
	b.WriteString("| message | of | a driver who is | a passenger who is | an agent who is | an operator who is |\n|---|---|---|---|---|---|\n")
	for _, row := range dispatch.Policy() {
		fmt.Fprintf(&b, "| `%s` | %s", row.Message, row.Object)
		for _, role := range roles {
			fmt.Fprintf(&b, " | %s", row.May[role])
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
