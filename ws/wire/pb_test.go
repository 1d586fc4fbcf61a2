package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
