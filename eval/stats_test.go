package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(a, b, within float64) bool { return math.Abs(a-b) <= within }

// TestStudent compares with the printed table (E. S. Pearson and H. O. Hartley,
// "Biometrika Tables for Statisticians", table 12).
func TestStudent(t *testing.T) {
	for freedom, want := range map[int]float64{1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 20: 2.086, 29: 2.045, 30: 2.042, 60: 2.000, 120: 1.980, 9999: 1.960} {
		if got := student95(freedom); !near(got, want, 0.0006) {
			t.Errorf("%d degrees of freedom: %.4f, want %.3f", freedom, got, want)
		}
	}
	if !math.IsNaN(student95(0)) {
		t.Error("no freedom, and yet a quantile")
	}
}

func TestEstimates(t *testing.T) {
	// Mean 3, standard deviation sqrt(2.5), n 5: 2.776 * 1.5811 / 2.2361.
	if e := meanOf([]float64{1, 2, 3, 4, 5}); e.mean != 3 || !near(e.half, 1.963, 0.001) {
		t.Errorf("mean %v", e)
	}
	if e := differenceOf([]float64{3, 4, 5}, []float64{1, 2, 3}); e.mean != 2 || e.half != 0 {
		t.Errorf("difference %v", e)
	}
	if e := ratioOf([]float64{2, 4, 6}, []float64{4, 8, 12}); e.mean != 0.5 || e.half != 0 {
		t.Errorf("ratio %v", e)
	}
	if e := meanOf([]float64{7}); e.mean != 7 || !math.IsNaN(e.half) {
		t.Errorf("of one sample: %v", e)
	}
	if got := quantile([]float64{5, 1, 4, 2, 3}, 0.5); got != 3 {
		t.Errorf("median %v", got)
	}
	if got := quantile([]float64{5, 1, 4, 2, 3}, 0.95); got != 5 {
		t.Errorf("p95 %v", got)
	}
	if !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("a quantile of nothing")
	}
}

// TestIntervalsCover: of many intervals, 95 in a hundred hold the true value, for
// means and for ratios.
func TestIntervalsCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 3))
	const rounds = 2000
	means, ratios := 0, 0
	for range rounds {
		var a, b []float64
		for range 30 {
			day := rng.NormFloat64()
			a = append(a, 6+day+0.5*rng.NormFloat64())
			b = append(b, 10+day+0.5*rng.NormFloat64())
		}
		if e := meanOf(a); near(e.mean, 6, e.half) {
			means++
		}
		if e := ratioOf(a, b); near(e.mean, 0.6, e.half) {
			ratios++
		}
	}
	for what, n := range map[string]int{"means": means, "ratios": ratios} {
		if share := float64(n) / rounds; !near(share, 0.95, 0.02) {
			t.Errorf("%.3f of the intervals of %s hold the value", share, what)
		}
	}
}
