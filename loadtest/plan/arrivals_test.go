package plan

import (
	"math"
	"testing"
	"time"
)

func moments(s Scenario, seed uint64, n int) []float64 {
	var list []float64
	for a := range s.arrivals(seed) {
		if len(list) == n {
			break
		}
		list = append(list, a.at)
	}
	return list
}

// TestArrivalsAreAPoissonProcess checks the two things that make one: counts whose
// variance equals their mean, and gaps that are exponential (Kolmogorov–Smirnov).
func TestArrivalsAreAPoissonProcess(t *testing.T) {
	s := Default()
	s.Phases = []Phase{{Name: "even", DurationSeconds: 10_000, PerMinute: 120}}
	at := moments(s, seedOf(t), math.MaxInt)

	const bins = 1000
	counts := make([]float64, bins)
	for _, m := range at {
		counts[int(m/10)]++
	}
	mean, variance := 0.0, 0.0
	for _, c := range counts {
		mean += c / bins
	}
	for _, c := range counts {
		variance += (c - mean) * (c - mean) / (bins - 1)
	}
	if mean < 19.4 || mean > 20.6 {
		t.Errorf("%.2f arrivals in 10 s: want 20", mean)
	}
	if d := variance / mean; d < 0.82 || d > 1.18 {
		t.Errorf("index of dispersion %.2f: want 1", d)
	}

	worst := 0.0
	gaps := make([]float64, 0, len(at))
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i]-at[i-1])
	}
	for x := 0.05; x < 3; x += 0.05 {
		below := 0.0
		for _, g := range gaps {
			if g <= x {
				below++
			}
		}
		worst = max(worst, math.Abs(below/float64(len(gaps))-(1-math.Exp(-2*x))))
	}
	if limit := 1.95 / math.Sqrt(float64(len(gaps))); worst > limit {
		t.Errorf("gaps are %.4f off an exponential: at most %.4f", worst, limit)
	}
}

func TestRatesRampAndAddUp(t *testing.T) {
	up := 1200.0
	s := Default()
	s.Phases = []Phase{
		{Name: "base", DurationSeconds: 1000, PerMinute: 120},
		{Name: "ramp", StartSeconds: 500, DurationSeconds: 500, PerMinute: 0, EndPerMinute: &up},
	}
	var quarter [4]float64
	of := map[string]float64{}
	for a := range s.arrivals(seedOf(t)) {
		quarter[int(a.at/250)]++
		of[a.phase.Name]++
	}
	for i, want := range []float64{500, 500, 500 + 1250, 500 + 3750} {
		if math.Abs(quarter[i]-want) > 5*math.Sqrt(want) {
			t.Errorf("quarter %d has %v arrivals: want about %v", i, quarter[i], want)
		}
	}
	if math.Abs(of["base"]-2000) > 5*math.Sqrt(2000) || math.Abs(of["ramp"]-5000) > 5*math.Sqrt(5000) {
		t.Errorf("arrivals by phase: %v, want about 2000 and 5000", of)
	}
}

func TestFallingRampIsBoundedByItsStart(t *testing.T) {
	none := 0.0
	s := Default()
	s.Phases = []Phase{{Name: "fall", DurationSeconds: 600, PerMinute: 600, EndPerMinute: &none}}
	if top := s.topRate(); top != 10 {
		t.Errorf("top rate %v: want 10 a second", top)
	}
}

func TestRepeatGoesOnWithOtherMoments(t *testing.T) {
	s := Default()
	s.Phases = []Phase{{Name: "even", DurationSeconds: 60, PerMinute: 60}}
	s.Repeat = true
	at := moments(s, seedOf(t), 600)
	if len(at) != 600 || at[599] < 400 || at[599] > 800 {
		t.Fatalf("%d arrivals, the last at %v s: want 600 in about 600 s", len(at), at[len(at)-1])
	}
	if math.Mod(at[0], 60) == math.Mod(at[100], 60) {
		t.Error("the second round repeats the first")
	}
}

func TestNobodyComesAtRateNothing(t *testing.T) {
	s := Default()
	s.Phases = []Phase{{Name: "quiet", DurationSeconds: 60}}
	s.Repeat = true
	if at := moments(s, 1, 10); len(at) != 0 {
		t.Errorf("%d arrivals at rate 0", len(at))
	}
}

func TestLastingCutsAndGoesOn(t *testing.T) {
	up := 120.0
	s := Default()
	s.Phases = []Phase{{Name: "a", DurationSeconds: 100, PerMinute: 60}, {Name: "b", StartSeconds: 100, DurationSeconds: 100, PerMinute: 60, EndPerMinute: &up}}

	short := s.Lasting(150 * time.Second)
	if got := short.Length(); got != 150*time.Second {
		t.Errorf("cut to %v: want 150 s", got)
	}
	if got := short.Phases[1].rateAtEnd(); got != 90 {
		t.Errorf("a ramp cut in the middle ends at %v a minute: want 90", got)
	}
	if got := *s.Phases[1].EndPerMinute; got != 120 {
		t.Errorf("the original now ends at %v: want it untouched", got)
	}
	long := s.Lasting(500 * time.Second)
	if got := long.Length(); got != 500*time.Second || long.Phases[2].PerMinute != 120 {
		t.Errorf("extended to %v at %+v: want 500 s at 120 a minute", got, long.Phases)
	}
	if got := s.Lasting(50 * time.Second).Phases; len(got) != 1 {
		t.Errorf("a phase that begins after the end is still there: %+v", got)
	}
	if got := s.AtRate(30).Phases; len(got) != 1 || got[0].PerMinute != 30 || got[0].DurationSeconds != 200 {
		t.Errorf("at a constant rate: %+v", got)
	}
}
