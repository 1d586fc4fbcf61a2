package geo

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// The first line is the example in Google's description of the format.
func TestPolylineGolden(t *testing.T) {
	for text, points := range map[string][]Point{
		"_p~iF~ps|U_ulLnnqC_mqNvxq`@": {{38.5, -120.2}, {40.7, -120.95}, {43.252, -126.453}},
		"":                            {},
		"??":                          {{0, 0}},
		"??????":                      {{0, 0}, {0, 0}, {0, 0}},
		"_cidP_gsia@":                 {{90, 180}},
	} {
		if got := EncodePolyline(points); got != text {
			t.Errorf("%v is %q, want %q", points, got, text)
		}
		if got, err := DecodePolyline(text); err != nil || !slices.Equal(got, points) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, points)
		}
	}
}

func TestPolylineThereAndBack(t *testing.T) {
	rng := random(t)
	for range 300 {
		var line []Point
		at := anywhere(rng)
		for range rng.IntN(30) {
			if rng.IntN(10) == 0 {
				at = anywhere(rng)
			}
			at = around(rng, at, 500)
			line = append(line, at)
		}
		back, err := DecodePolyline(EncodePolyline(line))
		if err != nil || len(back) != len(line) {
			t.Fatalf("%v comes back as %v, %v", line, back, err)
		}
		for i := range line {
			if math.Abs(line[i].Lat-back[i].Lat) > 0.5000001e-5 || math.Abs(line[i].Lon-back[i].Lon) > 0.5000001e-5 {
				t.Fatalf("%v comes back as %v", line[i], back[i])
			}
		}
	}
}

func TestDecodePolylineRefuses(t *testing.T) {
	for _, text := range []string{"?", "_p~iF", "_p~iF~ps|", ">>", "\x7f?", "??\n", strings.Repeat("~", 40), "_____~_____~", "_idjP?"} {
		if points, err := DecodePolyline(text); !errors.Is(err, ErrPolyline) {
			t.Errorf("%q is %v, %v", text, points, err)
		}
	}
}

func FuzzDecodePolyline(f *testing.F) {
	for _, text := range []string{"", "??", "_p~iF~ps|U_ulLnnqC_mqNvxq`@", "_p~iF", "~~~~~~~~~~~~"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		points, err := DecodePolyline(text)
		if err != nil {
			if !errors.Is(err, ErrPolyline) || points != nil {
				t.Fatalf("%q: %v, %v", text, points, err)
			}
			return
		}
		again, err := DecodePolyline(EncodePolyline(points))
		if err != nil || !slices.Equal(again, points) {
			t.Fatalf("%q is %v, and written again %v, %v", text, points, again, err)
		}
	})
}

func TestSimplify(t *testing.T) {
	rng := random(t)
	for range 200 {
		line := []Point{{26 + rng.Float64(), 107 + rng.Float64()}}
		for range rng.IntN(60) {
			line = append(line, around(rng, line[len(line)-1], 400))
		}
		was := slices.Clone(line)
		tolerance := Meters(500 * rng.Float64())
		got := Simplify(line, tolerance, len(line))
		if !slices.Equal(line, was) {
			t.Fatal("the line given was changed")
		}
		if got[0] != line[0] || got[len(got)-1] != line[len(line)-1] {
			t.Fatalf("the ends of %v are lost: %v", line, got)
		}
		at := 0 // of got: the stretch that stands for the point
		for _, p := range line {
			if at+1 < len(got) && p == got[at+1] {
				at++
			}
			if off := beside(p, got[at], got[min(at+1, len(got)-1)]); off > tolerance {
				t.Fatalf("%v is %v m beside %v, at most %v is tolerated", p, off, got, tolerance)
			}
		}
		most := 1 + rng.IntN(8)
		if few := Simplify(line, 0, most); len(few) > max(most, 2) || len(few) < min(max(most, 2), len(line)) {
			t.Fatalf("%d of %d points, want %d", len(few), len(line), most)
		}
	}
}

// A mountain stays, and a ripple goes.
func TestSimplifyKeepsWhatMattersMost(t *testing.T) {
	line := []Point{{26, 107}, {26.00001, 107.01}, {26.02, 107.02}, {25.99999, 107.03}, {26, 107.04}}
	if got, want := Simplify(line, 0, 3), []Point{line[0], line[2], line[4]}; !slices.Equal(got, want) {
		t.Errorf("with three points %v, want %v", got, want)
	}
	if got := Simplify([]Point{{26, 107}, {26, 107.01}, {26, 107.02}}, 1, 10); len(got) != 2 {
		t.Errorf("a straight line has %d points", len(got))
	}
	for n := range 3 {
		if got := Simplify(line[:n], 10, 10); !slices.Equal(got, line[:n]) {
			t.Errorf("%d points become %v", n, got)
		}
	}
}
