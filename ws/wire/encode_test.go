package wire

import (
	"bytes"
	"strings"
	"testing"
)

// What cannot be a frame is an error of the caller, and no frame.
func TestEncodeRefuses(t *testing.T) {
	client := []struct {
		name string
		t    Type
		id   string
		body any
	}{
		{"unknown type", "teleport", "c1", Arrive{Trip: "t1"}},
		{"a server's type", TypeWelcome, "", Welcome{}},
		{"a body of another type", TypeStart, "c1", Arrive{Trip: "t1"}},
		{"a body of the other direction", TypeDuty, "c1", DutyState{}},
		{"no body", TypePing, "", nil},
		{"a nil pointer", TypePing, "", (*Ping)(nil)},
		{"command without id", TypeArrive, "", Arrive{Trip: "t1"}},
		{"id where none belongs", TypePing, "c1", Ping{}},
		{"text that is not utf-8", TypeArrive, "c1", Arrive{Trip: "\xff"}},
		{"id that is not utf-8", TypeArrive, "\xff", Arrive{Trip: "t1"}},
	}
	for _, test := range client {
		if frame, err := EncodeClient(test.t, test.id, test.body); err == nil || frame != nil {
			t.Errorf("client, %s: got %s, %v", test.name, frame, err)
		}
	}
	server := []struct {
		name string
		t    Type
		re   string
		body any
	}{
		{"unknown type", "teleport", "", Pong{}},
		{"a client's type", TypeHello, "", Hello{}},
		{"a body of another type", TypeOffer, "", Trip{}},
		{"a body of the other direction", TypeDuty, "", Duty{}},
		{"no body", TypePong, "", nil},
		{"a nil pointer", TypePong, "", (*Pong)(nil)},
		{"re where none belongs", TypeTrip, "c1", Trip{}},
		{"text that is not utf-8", TypeRefused, "c1", Refused{Say: "\xff"}},
		{"too big", TypeRefused, "c1", Refused{Say: strings.Repeat("x", MaxServerFrameBytes)}},
	}
	for _, test := range server {
		if frame, err := EncodeServer(test.t, test.re, test.body); err == nil || frame != nil {
			t.Errorf("server, %s: got %.100s, %v", test.name, frame, err)
		}
		dst := append(make([]byte, 0, 4096), "before"...)
		if got, err := AppendServer(dst, test.t, test.re, test.body); err == nil || string(got) != "before" {
			t.Errorf("server, %s: appended %.100s, %v", test.name, got, err)
		}
	}
}

func TestAppendServer(t *testing.T) {
	body := Refused{Kind: KindConflict, Code: "x", Say: `<b> & "q" é 村`}
	const want = `before{"t":"refused","re":"c1","b":{"kind":"conflict","code":"x","say":"<b> & \"q\" é 村"}}`
	for _, b := range []any{body, &body} {
		got, err := AppendServer([]byte("before"), TypeRefused, "c1", b)
		if err != nil || string(got) != want {
			t.Errorf("%T: got %s, %v", b, got, err)
		}
	}
}

// The same body is the same frame, maps and all.
func TestEncodeIsDeterministic(t *testing.T) {
	board := Board{Counts: map[string]int{}}
	for _, state := range []string{StateRequested, StateOffered, StateParked, StateAssigned, StateArrived, StateRiding} {
		board.Counts[state] = len(state)
	}
	first, err := EncodeServer(TypeBoard, "", board)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := EncodeServer(TypeBoard, "", board); !bytes.Equal(first, again) {
			t.Fatalf("once %s, then %s", first, again)
		}
	}
	if !strings.Contains(string(first), `"waiting":[],"driving":[]`) {
		t.Errorf("empty lists are not written as such: %s", first)
	}
}
