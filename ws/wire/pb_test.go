package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// throughPB sends a frame in JSON through the compact wire and back into JSON.
func throughPB(t testing.TB, fromClient bool, frame []byte) (pb, again []byte) {
	t.Helper()
	if fromClient {
		f, err := DecodeClient(frame)
		if err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		if pb, err = PB.EncodeClient(f.Type, f.ID, f.Body); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		g, err := PB.DecodeClient(pb)
		if err != nil {
			t.Fatalf("%s: %x: %v", frame, pb, err)
		}
		if diff := cmp.Diff(f, g); diff != "" {
			t.Errorf("JSON (-), pb (+):\n%s", diff)
		}
		again, err = EncodeClient(g.Type, g.ID, g.Body)
		if err != nil {
			t.Fatal(err)
		}
		return pb, again
	}
	f := decodeServer(t, string(frame))
	pb, err := PB.AppendServer(nil, f.Type, f.Re, f.Body)
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	g, err := PB.DecodeServer(pb)
	if err != nil {
		t.Fatalf("%s: %x: %v", frame, pb, err)
	}
	if diff := cmp.Diff(f, g); diff != "" {
		t.Errorf("JSON (-), pb (+):\n%s", diff)
	}
	if again, err = EncodeServer(g.Type, g.Re, g.Body); err != nil {
		t.Fatal(err)
	}
	return pb, again
}

// Every golden frame says the same in the compact wire.
func TestPBGolden(t *testing.T) {
	for name, frame := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			frame := compacted(t, frame)
			pb, again := throughPB(t, strings.HasPrefix(name, "client_"), []byte(frame))
			if diff := cmp.Diff(frame, string(again)); diff != "" {
				t.Errorf("golden (-), through pb (+):\n%s", diff)
			}
			t.Logf("%d bytes in JSON, %d in pb", len(frame), len(pb))
		})
	}
}

// And so does every frame of the session in the manual.
func TestPBManualSession(t *testing.T) {
	for _, line := range session(t) {
		if _, again := throughPB(t, line.fromClient, []byte(line.frame)); string(again) != line.frame {
			t.Errorf("%s\nis through pb\n%s", line.text, again)
		}
	}
}

// Every member of every object has a number.
func TestPBKnowsEveryMember(t *testing.T) {
	for typ, shape := range pbShapes {
		for i := range typ.NumField() {
			name := memberName(typ.Field(i))
			found := false
			for _, f := range shape.fields {
				found = found || f.member == name || f.kind == pbPoint && name == "lon"
			}
			datum := name == "datum" && (typ.Name() == "Position" || typ.Name() == "Track") // it is in the number of the frame
			if !found && !datum {
				t.Errorf("%s.%s has no number in pbshape.go: give it one there and in pb/cuntong.proto", typ.Name(), name)
			}
		}
	}
}

// What has a short form, and is not such as has it, travels as text: nothing is lost.
func TestPBTextsBesideShortForms(t *testing.T) {
	place := PlaceOut{Village: "zhaoxing", Lat: 1, Lon: 2, Datum: DatumBD09}
	for _, body := range []any{
		Trip{Trip: "t1", Version: 1, State: "towed", Pickup: place, Channel: "standing_order", Since: 7, PickupETA: 7, GivesUpAt: -7, Booker: &Party{Role: "county", ID: "c1"},
			Ended: &Ended{ByRole: "county", Why: "flood"}, Receipt: "not base64url", StartCheck: "c2FsdHNhbHQ.a b"},
		Trip{Trip: "t1", Version: 1, State: StateParked, Since: 1, Receipt: "AQZ", StartCheck: "."},        // not the one base64url of two bytes
		Trip{Trip: "AA", Version: 1, State: StateParked, Since: 1, Receipt: "QUFBQQ", StartCheck: "12==."}, // an id that is in the receipt twice
		Offer{Trip: "t1", Offer: "t2/1", Version: 1, WaitS: 0.001, Pickup: place, Dropoff: place},
		Offer{Trip: "t1", Offer: "t1/01", Version: 1, WaitS: 19.987, Pickup: place, Dropoff: place},
		OfferGone{Trip: "t1", Offer: "t1/", End: "eaten"},
		OfferGone{Trip: "t1", Offer: "t1/4294967296", End: EndLapsed},
		Refused{Kind: "tired", Code: "tired", Say: "Later."},
		DutyState{On: true, Vehicle: &Vehicle{Class: "ox_cart", Seats: 2}, Since: 1, Plan: []Stop{{Kind: "rest", Trip: "t1", Place: place}}},
		BoardDriver{ID: "d1", Vehicle: Vehicle{Class: "car", Seats: 4}, Trust: "lost", State: "towed", Position: &Fix{Lat: -1, Lon: -2, At: 1, HeadingDeg: Some(0), SpeedMPS: Some(0)}},
		NearbyTold{At: 1, Next: 2, Cells: []NearbyCell{{Lat: 1, Lon: 2, Datum: "", RadiusM: 3, Drivers: "crowd"}}},
		Welcome{Session: "s", Role: "county", ID: "c", Area: "a", Protocol: "cuntong.v1.1"},
	} {
		if driver, ok := body.(BoardDriver); ok {
			body = LookTold{Driver: &driver}
		}
		for _, s := range serverTypes {
			if !isBody(body, s.body) {
				continue
			}
			frame, err := PB.AppendServer(nil, s.name, "", body)
			if err != nil {
				t.Fatalf("%+v: %v", body, err)
			}
			if f, err := PB.DecodeServer(frame); err != nil || !cmp.Equal(f.Body, body) {
				t.Errorf("%x: %v\n%s", frame, err, cmp.Diff(body, f.Body))
			}
		}
	}
	for _, f := range []ClientFrame{
		{TypeHello, "", Hello{NowMS: 1, Token: "a.b.c", Receipts: []string{"AQ", "not base64url", "AQZ", ""}}},
		{TypeHello, "", Hello{NowMS: 1, Token: "AA.AA=.", Receipts: []string{"AQ", "AQZsaQ"}}},
		{TypeAccept, "c", Accept{"t1", "t1"}},
		{TypeAccept, "c", Accept{"t1", "t1/0"}},
		{TypeDecline, "c", Decline{"t1", "t11/1"}},
	} {
		frame, err := PB.EncodeClient(f.Type, f.ID, f.Body)
		if err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		if got, err := PB.DecodeClient(frame); err != nil || !cmp.Equal(got, f) {
			t.Errorf("%x: %v\n%s", frame, err, cmp.Diff(f, got))
		}
	}
}

// An old client lives with a newer server: what it does not know it leaves out.
func TestPBToleratesNewerServers(t *testing.T) {
	unknown := protowire.AppendString(protowire.AppendTag(nil, 77, protowire.BytesType), "new")
	done := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "t1")
	done = append(appendPBVarint(append(done, unknown...), 3, 77), appendPBVarint(nil, 1, 5)...) // a word, and a trip in a form of later
	frame := append(protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), done), unknown...)
	f, err := PB.DecodeServer(frame)
	if want := (ServerFrame{Type: TypeDone, Body: Done{Trip: "t1", State: "77"}}); err != nil || f != want {
		t.Errorf("got %+v (%v), want %+v", f, err, want)
	}
	if f, err := PB.DecodeServer(unknown); err != nil || f.Body != nil || f.Type == "" {
		t.Errorf("a frame of a later type is %+v (%v)", f, err)
	}
	for _, broken := range [][]byte{nil, frame[:len(frame)-1], {4<<3 | 2, 2, 1<<3 | 2, 9}, make([]byte, MaxServerFrameBytes+1)} {
		if f, err := PB.DecodeServer(broken); err == nil {
			t.Errorf("%.20x is read as %+v", broken, f)
		}
	}
}
