package dispatch

import (
	"fmt"
	"testing"
)

// Codes are four digits, the same each time for a trip, other ones for other trips,
// areas and secrets, and no digit is likelier than another.
func TestStartCodes(t *testing.T) {
	of := StartCodes([]byte("a secret of thirty-two bytes or so"), "liping")
	counts := [4][10]int{}
	const n = 20_000
	for i := range n {
		code := of(TripID(fmt.Sprintf("p17-%d", i)))
		if len(code) != 4 {
			t.Fatalf("code %q", code)
		}
		for place, digit := range code {
			if digit < '0' || digit > '9' {
				t.Fatalf("code %q", code)
			}
			counts[place][digit-'0']++
		}
	}
	for place, digits := range counts {
		for digit, count := range digits {
			if count < n/10*9/10 || count > n/10*11/10 {
				t.Errorf("digit %d is %d times at place %d of %d codes", digit, count, place, n)
			}
		}
	}
	same := 0
	for i := range 100 {
		trip := TripID(fmt.Sprintf("t%d", i))
		for _, other := range []string{StartCodes([]byte("another secret"), "liping")(trip), StartCodes([]byte("a secret of thirty-two bytes or so"), "congjiang")(trip)} {
			if of(trip) == other {
				same++
			}
		}
		if first, again := of(trip), of(trip); first != again {
			t.Fatal("a trip has two codes")
		}
	}
	if same > 3 {
		t.Errorf("%d of 200 codes are the same for another secret or area", same)
	}
}

func TestHoursOfStartCodes(t *testing.T) {
	night := Rules{StartCodeFrom: 22 * 60, StartCodeUntil: 6 * 60, StartCodeZone: 8 * 60}
	day := Rules{StartCodeFrom: 8 * 60, StartCodeUntil: 18 * 60}
	for _, c := range []struct {
		rules Rules
		utc   string
		want  bool
	}{
		{night, "13:59:59", false}, {night, "14:00:00", true}, {night, "21:59:59", true}, {night, "22:00:00", false}, {night, "16:00:00", true},
		{day, "07:59:59", false}, {day, "08:00:00", true}, {day, "17:59:59", true}, {day, "18:00:00", false},
		{Rules{}, "03:00:00", true},
	} {
		at, err := momentOf(c.utc)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.rules.atCodeHours(at); got != c.want {
			t.Errorf("at %s UTC, with %d to %d: %t", c.utc, c.rules.StartCodeFrom, c.rules.StartCodeUntil, got)
		}
	}
}
