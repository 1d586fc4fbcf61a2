package plan

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

const small = `{"name":"x","phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`

func TestDecodeFillsInTheDefaults(t *testing.T) {
	s, err := Decode([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name, want.Phases = "x", []Phase{{Name: "a", DurationSeconds: 60, PerMinute: 30}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"nothing":         ``,
		"another type":    `[]`,
		"two documents":   small + small,
		"no phase":        `{"name":"x"}`,
		"no name":         strings.Replace(small, `"x"`, `""`, 1),
		"unknown field":   strings.Replace(small, `{"name"`, `{"speed":1,"name"`, 1),
		"misspelt field":  `{"name":"x","drivers":{"declines":0.1},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"field twice":     strings.Replace(small, `{"name":"x"`, `{"name":"x","name":"y"`, 1),
		"zero length":     strings.Replace(small, `60`, `0`, 1),
		"negative rate":   strings.Replace(small, `30`, `-1`, 1),
		"share above one": `{"name":"x","drivers":{"decline":1.1},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"shares together": `{"name":"x","drivers":{"decline":0.6,"lapse":0.6},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"range reversed":  `{"name":"x","drivers":{"think_s":[5,1]},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"range of three":  `{"name":"x","drivers":{"think_s":[1,2,3]},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"no vehicles":     `{"name":"x","drivers":{"fleet":{"minivan":0,"car":0,"minibus":0,"pickup":0}},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"nobody to book":  `{"name":"x","riders":{"passengers":0,"agents":0},"phases":[{"name":"a","duration_s":60,"requests_per_min":30}]}`,
		"too long":        strings.Repeat(" ", MaxScenarioBytes) + small,
	} {
		if s, err := Decode([]byte(file)); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
}

func TestValidateFindsNaN(t *testing.T) {
	s := Default()
	s.Name, s.Phases = "x", []Phase{{Name: "a", DurationSeconds: 1}}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	s.TimeScale, s.Drivers.Decline, s.Drivers.ThinkSeconds = math.NaN(), math.NaN(), Range{math.NaN(), 1}
	err := s.Validate()
	for _, field := range []string{"time_scale", "drivers.decline", "drivers.think_s"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not a number and was accepted: %v", field, err)
		}
	}
}

// FuzzDecode checks that whatever is accepted is valid, can be written and read
// again, and makes bookings within its length.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(small))
	full, err := json.Marshal(Default())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add([]byte(`{"name":"x","repeat":true,"phases":[{"name":"a","duration_s":1e-300,"requests_per_min":60000,"requests_per_min_at_end":0}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := Decode(file)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := Decode(again)
		if err != nil {
			t.Fatalf("written as %s it is refused: %v", again, err)
		}
		if diff := cmp.Diff(s, s2); diff != "" {
			t.Fatalf("changed by writing: %s", diff)
		}
		s.Repeat = false
		n := 0
		for a := range s.arrivals(1) {
			if a.at < 0 || a.at >= s.Length().Seconds()+1e-6 {
				t.Fatalf("arrival at %v s of %v", a.at, s.Length())
			}
			if n++; n > 1000 {
				break
			}
		}
		_ = s.Lasting(time.Minute).AtRate(10)
	})
}
