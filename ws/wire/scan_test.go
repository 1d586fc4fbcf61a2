package wire

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// positions are frames that are positions, or nearly.
var positions = []string{
	`{"t":"position","b":{"lat":25.915021,"lon":109.169877,"datum":"wgs84","at":1773446430512}}`,
	`{"b":{"at":1773446430512,"speed_mps":0,"datum":"bd09","heading_deg":359.9,"lon":-0.5,"lat":-90,"accuracy_m":6.5},"t":"position"}`,
	" { \"t\" :\t\"position\" ,\r\n\"b\" : { \"lat\" : 1 , \"lon\" : 2 , \"datum\" : \"gcj02\" , \"at\" : 3 } } ",
	`{"t":"position","b":{"lat":25.915021123456789,"lon":109.16987712345678901234567890123456789,"datum":"wgs84","at":1}}`,
	`{"t":"position","b":{"lat":1e-5,"lon":1.5E+1,"datum":"wgs84","at":1}}`,
	`{"t":"position","b":{"lat":-0.0,"lon":0.1,"datum":"wgs84","at":253402300799999}}`,
	`{"t":"p\u006fsition","b":{"l\u0061t":1,"lon":2,"datum":"wgs\u00384","at":3}}`,
	`{"t":"position","b":{"lat":1,"lon":2,"datum":"wgs84","at":253402300800000}}`,
	`{"t":"position","b":{"lat":1,"lon":2,"datum":"wgs84","at":18446744073709551617}}`,
	`{"t":"position","b":{}}`,
	`{"t":"position","b":{"lat":1,"lon":2,"datum":"wgs84","at":3,}}`,
	`{"t":"position","b":{"lat":1 "lon":2}}`,
	`{"t":"position","b":{"lat":1,"lon":2,"datum":"wgs84","at":3}`,
	`{"t":"position","b":{"lat":--1,"lon":2,"datum":"wgs84","at":3}}`,
	`{"t":"position","b":{"lat":- 1,"lon":2,"datum":"wgs84","at":3}}`,
	`{"t":"position"}`,
	`{"b":{"trip":"t1"},"id":"c1","t":"arrive"}`,
	`{`, `{"`, `{"t`, `{"t"`, `{"t":`, `{"t":"`, `{"t":"position","b":{"lat":`, `{"t":"position","b":{"lat":-`, `{"t":"position","b":{"lat":1.`, `{"t":"position","b":{"at":`,
}

// sameVerdict holds DecodePosition against DecodeClient, which is the judge.
func sameVerdict(t *testing.T, frame []byte) {
	t.Helper()
	f, wantErr := DecodeClient(frame)
	want, isPosition := f.Body.(Position)
	before := Position{Lat: 1, Datum: "untouched"}
	got := before
	ok, err := DecodePosition(frame, &got)
	switch {
	case ok != (f.Type == TypePosition):
		t.Errorf("%q: DecodePosition says position %v, DecodeClient type %q (%v)", frame, ok, f.Type, wantErr)
	case !ok && err != nil:
		t.Errorf("%q: not a position, and yet the error %v", frame, err)
	case ok && !sameError(err, wantErr):
		t.Errorf("%q: DecodePosition gives %v, DecodeClient %v", frame, err, wantErr)
	case ok && isPosition && !samePosition(got, want):
		t.Errorf("%q: DecodePosition reads %+v, DecodeClient %+v", frame, got, want)
	case !(ok && isPosition) && got != before:
		t.Errorf("%q: not accepted, and yet stored %+v", frame, got)
	}
}

func sameError(a, b error) bool {
	var x, y *Error
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return a == nil && b == nil
	}
	return *x == *y
}

// samePosition compares to the bit, so that -0 and the last digit count.
func samePosition(a, b Position) bool {
	return a == b && math.Signbit(a.Lat) == math.Signbit(b.Lat) && math.Signbit(a.Lon) == math.Signbit(b.Lon) &&
		math.Signbit(a.SpeedMPS.Value) == math.Signbit(b.SpeedMPS.Value)
}

func TestDecodePositionAgrees(t *testing.T) {
	for _, frame := range positions {
		sameVerdict(t, []byte(frame))
	}
	for _, test := range malformed {
		sameVerdict(t, []byte(test.frame))
	}
	for _, frame := range goldens(t) {
		sameVerdict(t, []byte(frame))
	}
	for _, frame := range positions[:2] {
		for cut := range len(frame) {
			sameVerdict(t, []byte(frame[:cut]))
		}
	}
}

// The scanner must read the frames that clients send: falling back is right but slow.
func TestScannerReadsGoldens(t *testing.T) {
	for _, name := range []string{"client_position.json", "client_position_full.json"} {
		frame, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		s := scanner{frame: frame}
		if got := s.scanFrame(); got != scanned {
			t.Errorf("%s: the scanner says %d", name, got)
		}
	}
	for _, frame := range positions[:4] {
		s := scanner{frame: []byte(frame)}
		if got := s.scanFrame(); got != scanned {
			t.Errorf("%s: the scanner says %d", frame, got)
		}
	}
}

// The scanner's numbers are strconv's to the last bit.
func TestScannerNumbers(t *testing.T) {
	check := func(text string) {
		t.Helper()
		s := scanner{frame: []byte(text)}
		got, ok := s.number(-180, 180)
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if !ok || math.Float64bits(got) != math.Float64bits(want) || s.next != len(text) {
			t.Errorf("%s: scanned %v (%v), want %v", text, got, ok, want)
		}
	}
	for digits := range 20 {
		fraction := strings.Repeat("7", digits+1)
		for _, whole := range []string{"0", "-0", "9", "-26", "109", "-179"} {
			check(whole + "." + fraction)
			check(whole + ".0" + fraction)
		}
	}
	for f := -179.987654321; f < 180; f += 0.7310585786300049 {
		check(strconv.FormatFloat(f, 'f', -1, 64))
		check(strconv.FormatFloat(f, 'f', 6, 64))
	}
}

func TestDecodePositionDoesNotAllocate(t *testing.T) {
	frames := [][]byte{}
	for _, frame := range append(positions[:3:3], `{"t":"accept","id":"c2","b":{"trip":"t1","offer":"t1/1"}}`,
		`{"t":"position","b":{"lat":25.9150211234567890,"lon":109.16987712345678,"datum":"wgs84","at":1773446430512}}`) {
		frames = append(frames, []byte(frame))
	}
	var p Position
	for _, frame := range frames {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := DecodePosition(frame, &p); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", frame, allocs)
		}
	}
}
