package hook

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/geo"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/letters.txt and the examples in docs/OPERATING.md anew")

var (
	byPhone     = dispatch.Actor{Role: dispatch.RolePassenger}
	storyBegins = time.Date(2026, 3, 14, 0, 0, 31, 900_000_000, time.UTC)
)

// at is a moment of the story, so many seconds after its beginning.
func at(seconds int) dispatch.Instant {
	return dispatch.InstantOf(storyBegins.Add(time.Duration(seconds) * time.Second))
}

// grandmother is a trip that a village agent booked for somebody who has a telephone.
func grandmother(version dispatch.Version, s dispatch.State, since int) dispatch.TripView {
	return dispatch.TripView{ID: "v3-17", Version: version, State: s, Since: at(since), Order: dispatch.Order{
		Booker: dispatch.Actor{Role: dispatch.RoleAgent, ID: "v3"}, Traveller: dispatch.Traveller{Name: "杨奶奶", Phone: "+86 855 000 0000"},
		Pickup: dispatch.Place{Name: "肇兴 寨门"}, Dropoff: dispatch.Place{Name: "黎平 市场"}, Load: dispatch.Load{Seats: 1}}}
}

func driven(v dispatch.TripView, plate string, due int) dispatch.TripView {
	v.Vehicle.ID = dispatch.VehicleID(plate)
	if v.State == dispatch.Assigned {
		v.PickupETA = at(due)
	}
	return v
}

func letGo(v dispatch.TripView, at dispatch.Instant) dispatch.TripView {
	v.LetGoAt = at
	return v
}

func ended(v dispatch.TripView, why dispatch.Reason) dispatch.TripView {
	v.EndedWhy = why
	return v
}

// story is everything that can be told of one trip to somebody with a telephone, in order.
func story() []dispatch.TripView {
	return []dispatch.TripView{
		grandmother(1, dispatch.Requested, -9),
		grandmother(2, dispatch.Offered, -8),
		driven(grandmother(3, dispatch.Assigned, 0), "贵H·D0217", 1500),
		driven(grandmother(4, dispatch.Assigned, 0), "贵H·D0217", 1800), // five minutes are no news
		driven(grandmother(5, dispatch.Assigned, 0), "贵H·D0217", 2700),
		letGo(grandmother(6, dispatch.Requested, 900), at(900)),
		letGo(grandmother(7, dispatch.Offered, 901), at(900)),
		letGo(grandmother(8, dispatch.Parked, 930), at(900)),
		driven(grandmother(10, dispatch.Assigned, 990), "贵H·D0400", 2000),
		driven(grandmother(11, dispatch.Arrived, 1950), "贵H·D0400", 0),
		driven(grandmother(12, dispatch.Riding, 2100), "贵H·D0400", 0),
		driven(grandmother(13, dispatch.Completed, 4000), "贵H·D0400", 0),
	}
}

// storyLetters is an offer, and what the traveller of the story is sent; and what it would be
// if the trip had ended otherwise.
func storyLetters() []letter {
	offer := dispatch.OfferView{ID: "p17-1/1", Trip: "p17-1", TripVersion: 2, Until: at(20),
		Pickup: dispatch.Place{Name: "肇兴 寨门"}, Dropoff: dispatch.Place{Name: "黎平 市场"}, Load: dispatch.Load{Seats: 2}}
	letters := []letter{offerLetter(key{"liping", d1, "p17-1"}, offer, storyBegins)}
	k, last := key{"liping", byPhone, "v3-17"}, told{}
	add := func(v dispatch.TripView) {
		now := max(v.Since, v.LetGoAt, at(0)).Time()
		l, next := tripLetter(k, &v, last, now)
		if next != last && next != (told{}) {
			letters = append(letters, l)
		}
		last = next
	}
	for _, v := range story() {
		add(v)
	}
	add(ended(driven(grandmother(12, dispatch.Cancelled, 2400), "贵H·D0400", 0), dispatch.ReasonNoShow))
	add(ended(grandmother(9, dispatch.Unserved, 2700), dispatch.ReasonNoDriver))
	return append(letters, wantedLetter(key{"liping", d1, "p17-1"}, dispatch.Wanted{Trip: "p17-1", Version: 4, Until: at(300),
		Pickup: dispatch.Place{Name: "肇兴 寨门"}, Dropoff: dispatch.Place{Name: "黎平 市场"}, Load: dispatch.Load{Seats: 2}}, storyBegins))
}

// TestLetters holds every type of letter against testdata/letters.txt.
func TestLetters(t *testing.T) {
	var text strings.Builder
	var types []string
	for _, l := range storyLetters() {
		text.WriteString(l.id + "\n" + string(l.write()) + "\n\n")
		types = append(types, l.body.Type)
	}
	want := []string{"offer", "trip.assigned", "trip.retimed", "trip.released", "trip.assigned", "trip.arrived", "trip.cancelled", "trip.unserved", "wanted"}
	if !slices.Equal(types, want) {
		t.Errorf("the letters are %q, want %q", types, want)
	}
	const file = "testdata/letters.txt"
	if *rewrite {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), text.String()); diff != "" {
		t.Errorf("letters (-golden +now; -rewrite if that is meant):\n%s", diff)
	}
}

// TestNamesOfLetters: what is told again has its name, and what is told to others, of others
// or of another moment has another. No name shows whose it is.
func TestNamesOfLetters(t *testing.T) {
	name := func(area string, to dispatch.Actor, v dispatch.TripView, last told) string {
		l, _ := tripLetter(key{geo.AreaID(area), to, v.ID}, &v, last, storyBegins)
		return l.id
	}
	v := driven(grandmother(3, dispatch.Assigned, 0), "贵H·D0217", 1500)
	first := name("liping", byPhone, v, told{})
	later := driven(grandmother(9, dispatch.Assigned, 0), "贵H·D0217", 1700)
	if name("liping", byPhone, later, told{}) != first {
		t.Error("the next writer names the same news otherwise")
	}
	other := grandmother(3, dispatch.Assigned, 0)
	other.ID = "v3-18"
	agent := dispatch.Actor{Role: dispatch.RoleAgent, ID: "v3"}
	names := []string{first, name("rongjiang", byPhone, v, told{}), name("liping", agent, v, told{}), name("liping", byPhone, other, told{}),
		name("liping", byPhone, driven(grandmother(9, dispatch.Assigned, 990), "贵H·D0400", 1500), told{}),
		name("liping", byPhone, driven(grandmother(9, dispatch.Arrived, 0), "贵H·D0400", 0), told{}),
		idOf(key{"a", dispatch.Actor{Role: "b", ID: "c1"}, "2"}), idOf(key{"a", dispatch.Actor{Role: "b", ID: "c"}, "12"})}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("two letters have one name: %q", names)
	}
	for _, n := range names {
		if strings.ContainsAny(n, ".+ ") || strings.Contains(n, "v3") || strings.Contains(n, "855") {
			t.Errorf("a letter is called %q", n)
		}
	}
}

// TestWhoIsToldWhat: the number is in letters to whoever has nothing else, and in no others.
func TestWhoIsToldWhat(t *testing.T) {
	operator := dispatch.Actor{Role: dispatch.RoleOperator, ID: "desk"}
	agent := dispatch.Actor{Role: dispatch.RoleAgent, ID: "v3"}
	for _, c := range []struct {
		to    dispatch.Actor
		types []string
	}{
		{byPhone, []string{"trip.assigned", "trip.retimed", "trip.released", "trip.assigned", "trip.arrived"}},
		{agent, []string{"trip.assigned", "trip.retimed", "trip.released", "trip.assigned", "trip.arrived", "trip.riding", "trip.completed"}},
		{operator, nil},
	} {
		var types []string
		last := told{}
		for _, v := range story() {
			l, next := tripLetter(key{"liping", c.to, v.ID}, &v, last, v.Since.Time())
			if next != last && next != (told{}) {
				types = append(types, l.body.Type)
				if has := strings.Contains(string(l.write()), "855"); has != c.to.ByPhone() {
					t.Errorf("%s to %s: with the number: %v", l.body.Type, c.to, has)
				}
			}
			last = next
		}
		if !slices.Equal(types, c.types) {
			t.Errorf("%s is told %q, want %q", c.to, types, c.types)
		}
	}
}

// TestExpiry: that somebody comes is worth saying until he is due; that he came long ago, in
// a dead valley, is not.
func TestExpiry(t *testing.T) {
	now := at(3000).Time()
	for _, c := range []struct {
		name string
		v    dispatch.TripView
		left time.Duration
	}{
		{"assigned, due in an hour", driven(grandmother(3, dispatch.Assigned, 2999), "", 6600), time.Hour},
		{"assigned, due at once", driven(grandmother(3, dispatch.Assigned, 2999), "", 3060), tripNews},
		{"arrived now", grandmother(3, dispatch.Arrived, 3000), tripNews},
		{"arrived 50 minutes ago", grandmother(3, dispatch.Arrived, 0), tripNews - 50*time.Minute},
		{"called off as of 50 minutes ago", grandmother(3, dispatch.Cancelled, 0), tripNews},
	} {
		if left := expiry(&c.v, now).Sub(now); left != c.left {
			t.Errorf("%s: worth %v, want %v", c.name, left, c.left)
		}
	}
}
