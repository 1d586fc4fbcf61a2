package node

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"cuntong/dispatch"
)

func someLetters() []letter {
	return []letter{
		{kind: letterInput, from: "a~1", body: []byte("an input")},
		{kind: letterMail, from: "b~2", body: []byte{}},
		{kind: letterFixes, from: "a~1", body: []byte{0, 1, 2}},
		{kind: letterGone, from: "a~1", actor: dispatch.Actor{Role: dispatch.RoleDriver, ID: "d1"}},
	}
}

func someParcels() []parcel {
	return []parcel{
		{kind: parcelNotices, area: "county-1", epoch: 7, from: "a~1", number: 1 << 40, begins: true, bodies: [][]byte{[]byte("one"), {}, []byte("two")}},
		{kind: parcelNotices, area: "county-1", epoch: 7, from: "a~1", number: 3},
		{kind: parcelPrepare, area: "county-1", epoch: 7, from: "a~1"},
		{kind: parcelPrepared, area: "county-1", from: "b~1"},
		{kind: parcelGo, area: "county-1", from: "a~1", at: 1795440069816},
		{kind: parcelWho, area: "county-1", from: "a~1", who: []whereabout{{"c~1", dispatch.Actor{Role: dispatch.RoleAgent, ID: "a1"}}, {"d~1", dispatch.DriverActor("d1")}}},
	}
}

func TestLettersRoundTrip(t *testing.T) {
	for _, l := range someLetters() {
		got, err := readLetter(l.bytes())
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("%+v comes back as %+v, %v", l, got, err)
		}
	}
	for _, p := range someParcels() {
		got, err := readParcel(p.bytes())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v comes back as %+v, %v", p, got, err)
		}
	}
}

func TestLettersThatAreNone(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {'?'}, {'i'}, {'i', 9, 'a'}, {'g', 1, 'a', 200}, bytes.Repeat([]byte{0xff}, 30)} {
		if _, err := readLetter(b); !errors.Is(err, errLetter) {
			t.Errorf("letter %q: %v", b, err)
		}
	}
	for _, b := range [][]byte{nil, {'?', 0, 0, 0}, {'n'}, {'n', 1, 'a', 1, 1, 'b', 1, 0, 9}, {'x', 1, 'a', 1, 1, 'b'}} {
		if _, err := readParcel(b); !errors.Is(err, errParcel) {
			t.Errorf("parcel %q: %v", b, err)
		}
	}
}

// FuzzLetter: whatever comes, reading does not panic, and what can be read is written alike.
func FuzzLetter(f *testing.F) {
	for _, l := range someLetters() {
		f.Add(l.bytes())
	}
	for _, p := range someParcels() {
		f.Add(p.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := readLetter(b); err == nil {
			if again, err := readLetter(l.bytes()); err != nil || !reflect.DeepEqual(again, l) {
				t.Errorf("%+v comes back as %+v, %v", l, again, err)
			}
		}
		if p, err := readParcel(b); err == nil {
			if again, err := readParcel(p.bytes()); err != nil || !reflect.DeepEqual(again, p) {
				t.Errorf("%+v comes back as %+v, %v", p, again, err)
			}
		}
	})
}
