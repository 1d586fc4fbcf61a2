package wire

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func seed(f *testing.F) {
	for _, frame := range goldens(f) {
		f.Add([]byte(frame))
	}
	for _, frame := range positions {
		f.Add([]byte(frame))
	}
	for _, test := range malformed {
		f.Add([]byte(test.frame))
	}
}

// What DecodeClient accepts can be encoded, and decodes to the same; what it
// refuses it can tell the client.
func FuzzDecodeClient(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := DecodeClient(frame)
		if err != nil {
			e := new(Error)
			if !errors.As(err, &e) {
				t.Fatalf("%T is not an *Error: %v", err, err)
			}
			checkTellable(t, e)
			return
		}
		if got.Type.IsCommand() != (got.ID != "") {
			t.Errorf("a %s with the id %q", got.Type, got.ID)
		}
		text, err := EncodeClient(got.Type, got.ID, got.Body)
		if err != nil {
			t.Fatalf("%+v cannot be encoded: %v", got, err)
		}
		again, err := DecodeClient(text)
		if err != nil {
			t.Fatalf("%s is refused: %v", text, err)
		}
		if !reflect.DeepEqual(got, again) {
			t.Errorf("decoded (-), encoded and decoded (+):\n%s", cmp.Diff(got, again))
		}
	})
}

// DecodePosition and DecodeClient never disagree.
func FuzzDecodePosition(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) { sameVerdict(t, frame) })
}

// What DecodeServer accepts can be encoded, and decodes to the same.
func FuzzDecodeServer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := DecodeServer(frame)
		if err != nil {
			e := new(Error)
			if !errors.As(err, &e) {
				t.Fatalf("%T is not an *Error: %v", err, err)
			}
			checkTellable(t, e)
			return
		}
		if got.Body == nil {
			return // of a type that only newer servers send
		}
		if got.Type != TypeDone && got.Type != TypeRefused {
			got.Re = "" // tolerated, but never sent
		}
		text, err := EncodeServer(got.Type, got.Re, got.Body)
		if err != nil {
			t.Fatalf("%+v cannot be encoded: %v", got, err)
		}
		again, err := DecodeServer(text)
		if err != nil {
			t.Fatalf("%s is refused: %v", text, err)
		}
		twice, err := EncodeServer(again.Type, again.Re, again.Body)
		if err != nil || string(twice) != string(text) {
			t.Errorf("encoded once %s, twice %s (%v)", text, twice, err)
		}
	})
}
