package wire

import (
	"errors"
	"math"
	"math/rand/v2"
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
	`{"t":"position","b":{"lat":1,"lon":2,"datum":"wgs84","at":3}}` + strings.Repeat(" ", MaxFrameBytes),
	"{\"t\":\"position\",\v\"b\":{\"lat\":1,\"lon\":2,\"datum\":\"wgs84\",\"at\":3}}",
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

// The same at random, with frames put together from pieces that are mostly right.
// SEED replays a run.
func TestDecodePositionAgreesAtRandom(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	accepted := 0
	for range 5_000 {
		frame := []byte(randomPosition(r))
		sameVerdict(t, frame)
		if _, err := DecodeClient(frame); err == nil {
			accepted++
		}
	}
	if accepted < 250 {
		t.Errorf("only %d frames of 5,000 were right", accepted)
	}
}

func randomPosition(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	space := func() string { return pick("", "", "", "", "", " ", "\n", "\t\r") }
	shuffled := func(list []string) string {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return strings.Join(list, space()+",")
	}
	var members []string
	for _, name := range []string{"lat", "lon", "datum", "at", "accuracy_m", "heading_deg", "speed_mps"} {
		value, rare := randomNumber(r), 60
		switch name {
		case "datum":
			value = `"` + pick("wgs84", "wgs84", "wgs84", "gcj02", "bd09", "WGS84", `wgs\u00384`) + `"`
		case "at":
			value = pick(randomDigits(r, 13), randomDigits(r, 17), "1773446430512", "1773446430512", "-1", "1.0", "0")
		case "accuracy_m", "heading_deg", "speed_mps":
			value, rare = strings.TrimPrefix(value, "-"), 2
		}
		if r.IntN(rare) > 0 {
			members = append(members, space()+`"`+name+`"`+space()+":"+space()+value+space())
		}
	}
	if r.IntN(40) == 0 && len(members) > 0 {
		members = append(members, pick(members...), `"x":1`)
	}
	outer := []string{`"t"` + space() + `:"position"`, `"b":{` + shuffled(members) + "}"}
	if r.IntN(40) == 0 {
		outer = append(outer, pick(`"id":"c1"`, `"t":"position"`, `"b":{}`, `"x":{}`))
	}
	return space() + "{" + shuffled(outer) + "}" + pick("", "", "", "", " ", "}", "x")
}

func randomNumber(r *rand.Rand) string {
	odd := []string{"null", "-", ".5", "5.", "00", "1e", "-0", "0", "0.0", `"1"`, "1e5", "360", "90", "-90.0"}
	sign := []string{"", "-"}[r.IntN(2)]
	switch r.IntN(12) {
	case 0:
		return sign + randomDigits(r, 22)
	case 1:
		return strconv.FormatFloat(r.NormFloat64()*100, 'e', -1, 64)
	case 2:
		return odd[r.IntN(len(odd))]
	case 3, 4:
		return strconv.FormatFloat(r.Float64()*180-90, 'f', -1, 64)
	}
	return sign + strconv.Itoa(r.IntN(95)) + "." + randomDigits(r, 20)
}

func randomDigits(r *rand.Rand, most int) string {
	b := make([]byte, r.IntN(most)+1)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}
