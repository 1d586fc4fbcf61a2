package dispatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cuntong/geo"
)

// typesWith returns the names of the types of this package that have a method.
func typesWith(t *testing.T, method string) []string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == method {
				names = append(names, fmt.Sprint(fn.Recv.List[0].Type))
			}
		}
	}
	slices.Sort(names)
	return names
}

func typeNames[T any](k kinds[T]) []string {
	var names []string
	for typ := range k.names {
		names = append(names, typ.Name())
	}
	slices.Sort(names)
	return names
}

// Who adds an input or a notice and forgets to give it a name finds out here, and
// not from a server that cannot send it.
func TestEveryTypeHasANameOnPaper(t *testing.T) {
	for method, known := range map[string][]string{"isInput": typeNames(inputKinds), "isNotice": typeNames(noticeKinds)} {
		there := typesWith(t, method)
		if diff := cmp.Diff(there, known); diff != "" || len(there) < 10 {
			t.Errorf("types with %s (-there +named in codec.go):\n%s", method, diff)
		}
	}
	if len(inputKinds.names) != len(inputKinds.types) || len(noticeKinds.names) != len(noticeKinds.types) {
		t.Error("a type has two names")
	}
}

// fill makes a value of any type at random, with something in every field as a rule.
func fill(t *rapid.T, v reflect.Value) {
	if v.Type() == reflect.TypeFor[geo.Leg]() { // legs are rounded before they are used
		v.Set(reflect.ValueOf(geo.Leg{Distance: geo.Meters(rapid.IntRange(0, 1e9).Draw(t, "m")), Duration: time.Duration(rapid.IntRange(0, 1e9).Draw(t, "ms")) * time.Millisecond}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Uint32:
		v.SetUint(uint64(rapid.Uint32().Draw(t, "uint")))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "float"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 3).Draw(t, "n"); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i))
			}
		}
	case reflect.Map:
		if n := rapid.IntRange(0, 3).Draw(t, "n"); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				fill(t, key)
				fill(t, value)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("%v: this test cannot fill it, and JSON may not keep it", v.Type())
	}
}

// some makes a value of one of the types of k at random.
func some[T any](k kinds[T], kind string) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		rapid.Bool().Draw(t, "anything") // rapid wants to be asked, and Tick has no field
		v := reflect.New(k.types[kind]).Elem()
		fill(t, v)
		return v.Interface().(T)
	})
}

func TestInputsOnPaper(t *testing.T) {
	for kind := range inputKinds.types {
		t.Run(kind, rapid.MakeCheck(func(t *rapid.T) {
			in := some(inputKinds, kind).Draw(t, "in")
			line, err := MarshalInput(in)
			if err != nil {
				t.Fatal(err)
			}
			back, err := UnmarshalInput(line)
			if err != nil || !reflect.DeepEqual(in, back) {
				t.Fatalf("%v (-written +read):\n%s", err, cmp.Diff(in, back))
			}
			if sumOf(in) != sumOf(back) {
				t.Fatal("it is another command now")
			}
		}))
	}
}

func TestNoticesOnPaper(t *testing.T) {
	for kind := range noticeKinds.types {
		t.Run(kind, rapid.MakeCheck(func(t *rapid.T) {
			n := Notice{Body: some(noticeKinds, kind).Draw(t, "body")}
			fill(t, reflect.ValueOf(&n.To).Elem())
			line, err := MarshalNotice(n)
			if err != nil {
				t.Fatal(err)
			}
			back, err := UnmarshalNotice(line)
			if err != nil || !reflect.DeepEqual(n, back) {
				t.Fatalf("%v (-written +read):\n%s", err, cmp.Diff(n, back))
			}
		}))
	}
}

func TestFixesOnPaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fixes := make([]Fix, rapid.IntRange(0, 20).Draw(t, "n"))
		for i := range fixes {
			fill(t, reflect.ValueOf(&fixes[i]).Elem())
			fixes[i].LinkMillis = max(0, fixes[i].LinkMillis)
			fixes[i].Driver = DriverID(rapid.StringMatching(`[a-z0-9.:@_-]{0,64}`).Draw(t, "driver"))
		}
		b, err := MarshalFixes(fixes)
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnmarshalFixes(b)
		if err != nil || !cmp.Equal(fixes, back) {
			t.Fatalf("%v (-written +read):\n%s", err, cmp.Diff(fixes, back))
		}
		for n := range b {
			if cut, err := UnmarshalFixes(b[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes are read as %v", n, len(b), cut)
			}
		}
		if more, err := UnmarshalFixes(append(b, 0)); err == nil {
			t.Fatalf("with a byte more it is read as %v", more)
		}
	})
	if _, err := MarshalFixes(make([]Fix, MaxFixes+1)); err == nil {
		t.Error("too many positions")
	}
	if _, err := MarshalFixes([]Fix{{Driver: DriverID(strings.Repeat("d", MaxIDLength+1))}}); err == nil {
		t.Error("too long an id")
	}
	if b, err := MarshalFixes(make([]Fix, MaxFixes)); err != nil || len(b) > 1<<20 {
		t.Errorf("the largest batch has %d bytes: %v", len(b), err)
	}
}

func TestLettersOfOtherPrograms(t *testing.T) {
	for line, want := range map[string]string{
		`{"v":4,"kind":"tick","body":{}}`:                     "run a newer one",
		`{"v":0,"kind":"tick","body":{}}`:                     "format 0",
		`{"v":1,"kind":"teleport","body":{}}`:                 "run a newer one",
		`{"v":1,"kind":"end_duty","body":{"Why":"rain"}}`:     "newer one",
		`{"v":1,"kind":"end_duty","body":{"By":{"level":3}}}`: "newer one",
		`{"v":1,"kind":"end_duty","body":{"Driver":7}}`:       "end_duty",
		`{"v":1,"kind":"end_duty"}`:                           "end_duty",
		`{"v":1,"kind":"end_duty","body":{}} {}`:              "letter",
		`{"v":1,"kind":"done","to":{"role":"x"},"body":{}}`:   "does not know",
		`[]`: "letter",
		``:   "letter",
	} {
		if in, err := UnmarshalInput([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is read as %+v; error is %v, want one with %q", line, in, err, want)
		}
	}
	for line, want := range map[string]string{
		`{"v":1,"kind":"done","body":{}}`:                  "nobody",
		`{"v":4,"kind":"done","to":{},"body":{}}`:          "run a newer one",
		`{"v":1,"kind":"tick","to":{},"body":{}}`:          "run a newer one",
		`{"v":1,"kind":"done","to":{},"body":{"Cost":12}}`: "newer one",
	} {
		if n, err := UnmarshalNotice([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is read as %+v; error is %v, want one with %q", line, n, err, want)
		}
	}
	if fixes, err := UnmarshalFixes([]byte{4, 0}); err == nil || !strings.Contains(err.Error(), "run a newer one") {
		t.Errorf("%v, %v", fixes, err)
	}
}

func TestWhatPaperCannotHold(t *testing.T) {
	type stranger struct{ Tick }
	for _, in := range []Input{
		Moved{Fix: Fix{Point: geo.Point{Lat: math.NaN()}}},
		Moved{Fix: Fix{SpeedMPS: math.Inf(1)}},
		Request{Order: Order{Pickup: Place{Note: "by the \xff tree"}}},
		EndDuty{Command: Command{By: Actor{ID: "\xc3"}}},
		stranger{},
		nil,
	} {
		if line, err := MarshalInput(in); err == nil {
			t.Errorf("%+v is written as %s", in, line)
		}
	}
}

func FuzzUnmarshalInput(f *testing.F) {
	for kind := range inputKinds.types {
		line, err := MarshalInput(some(inputKinds, kind).Example(1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		in, err := UnmarshalInput(line)
		if err != nil {
			return
		}
		again, err := MarshalInput(in)
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnmarshalInput(again)
		if err != nil || !cmp.Equal(in, back, cmpopts.EquateEmpty()) || sumOf(in) != sumOf(back) {
			t.Fatalf("%v (-first +second):\n%s", err, cmp.Diff(in, back, cmpopts.EquateEmpty()))
		}
	})
}

func FuzzUnmarshalNotice(f *testing.F) {
	for kind := range noticeKinds.types {
		line, err := MarshalNotice(Notice{To: DriverActor("d1"), Body: some(noticeKinds, kind).Example(1)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		n, err := UnmarshalNotice(line)
		if err != nil {
			return
		}
		again, err := MarshalNotice(n)
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnmarshalNotice(again)
		if err != nil {
			t.Fatal(err)
		}
		// Legs are rounded when they are written, and one from elsewhere may be too long for that.
		if third, err := MarshalNotice(back); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%v\nsecond %s\nthird  %s", err, again, third)
		}
	})
}

func FuzzUnmarshalFixes(f *testing.F) {
	b, err := MarshalFixes([]Fix{{Driver: "d1", Point: geo.Point{Lat: 26, Lon: 108}, At: 1, Received: 2, AccuracyMeters: 3, HeadingDegrees: -1, SpeedMPS: 5, Mock: true, LinkMillis: 700}, {}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		fixes, err := UnmarshalFixes(b)
		if err != nil {
			return
		}
		again, err := MarshalFixes(fixes)
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnmarshalFixes(again)
		if err != nil {
			t.Fatal(err)
		}
		// Bytes are compared, because a number that is none equals nothing.
		if third, err := MarshalFixes(back); err != nil || !bytes.Equal(again, third) || len(again) > len(b) {
			t.Fatalf("%v: %v, then %v", err, fixes, back)
		}
	})
}

func BenchmarkMarshalFixes(b *testing.B) {
	fixes := slices.Repeat([]Fix{{Driver: "driver-0001", Point: geo.Point{Lat: 25.931893, Lon: 108.521881}, At: 1_795_440_069_816, Received: 1_795_440_069_856, AccuracyMeters: 12.5, HeadingDegrees: 270, SpeedMPS: 8.25}}, 500)
	paper, err := MarshalFixes(fixes)
	asJSON, err2 := json.Marshal(fixes)
	if err != nil || err2 != nil {
		b.Fatal(err, err2)
	}
	for b.Loop() {
		paper, _ = MarshalFixes(fixes)
		UnmarshalFixes(paper)
	}
	b.ReportMetric(float64(len(paper))/float64(len(fixes)), "bytes/fix")
	b.ReportMetric(float64(len(asJSON))/float64(len(fixes)), "json_bytes/fix")
}
