package ws

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// The check of the manual's example is the one of the code beside it, made as the manual
// says, by nothing of the server's but the numbers.
func TestStartCheckIsAsTheManualHasIt(t *testing.T) {
	raw, err := os.ReadFile("wire/testdata/server_trip_check.json")
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ B wire.Trip }
	if err := json.Unmarshal(raw, &told); err != nil {
		t.Fatal(err)
	}
	if got := startCheck(dispatch.TripID(told.B.Trip), "4821"); got != told.B.StartCheck {
		t.Errorf("the check of 4821 is %s, in the manual %s", got, told.B.StartCheck)
	}
	salt, hash, _ := strings.Cut(told.B.StartCheck, ".")
	grains, err := base64.RawURLEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]bool{"4821": true, "4822": false, "0000": false} {
		key, err := pbkdf2.Key(sha256.New, code, grains, 2000, 8)
		if err != nil {
			t.Fatal(err)
		}
		if got := base64.RawURLEncoding.EncodeToString(key) == hash; got != want {
			t.Errorf("%s passes: %t", code, got)
		}
	}
}

// The code is for who books or travels, the check for the driver who is bound, and for
// nobody else; and never both for anybody.
func TestWhoIsToldTheStartCode(t *testing.T) {
	v := dispatch.TripView{ID: "t1", State: dispatch.Assigned, Driver: "d1", StartCode: "4821",
		Order: dispatch.Order{Booker: passenger, Traveller: dispatch.Traveller{ID: "p9"}}}
	for _, c := range []struct {
		who         dispatch.Actor
		state       dispatch.State
		code, check bool
	}{
		{passenger, dispatch.Requested, true, false},
		{passenger, dispatch.Assigned, true, false},
		{dispatch.Actor{Role: dispatch.RolePassenger, ID: "p9"}, dispatch.Arrived, true, false},
		{operator, dispatch.Arrived, true, false},
		{dispatch.DriverActor("d1"), dispatch.Assigned, false, true},
		{dispatch.DriverActor("d1"), dispatch.Arrived, false, true},
		{dispatch.DriverActor("d2"), dispatch.Arrived, false, false},
		{dispatch.DriverActor("d2"), dispatch.Offered, false, false},
	} {
		v.State = c.state
		trip, _ := tripOut(c.who, v, 0)
		if (trip.StartCode != "") != c.code || (trip.StartCheck != "") != c.check {
			t.Errorf("%s of a trip that is %s is told code %q and check %q", c.who, c.state, trip.StartCode, trip.StartCheck)
		}
	}
}
