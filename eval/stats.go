package main

import (
	"math"
	"slices"
)

// estimate is a mean over seeds and half the width of its 95 % confidence interval.
type estimate struct{ mean, half float64 }

// meanOf estimates the mean that the samples come from, by Student's t. Fewer than
// two samples have no interval: half is NaN.
func meanOf(samples []float64) estimate {
	n := float64(len(samples))
	mean := sum(samples) / n
	var squares float64
	for _, x := range samples {
		squares += (x - mean) * (x - mean)
	}
	return estimate{mean, student95(len(samples)-1) * math.Sqrt(squares/(n-1)/n)}
}

// ratioOf estimates the ratio of the means of a and b, which come in pairs: the
// ratio estimator with its linearised variance (W. G. Cochran, "Sampling
// Techniques", 3rd edition, Wiley, 1977, section 6.4).
func ratioOf(a, b []float64) estimate {
	ratio := sum(a) / sum(b)
	rest := make([]float64, len(a))
	for i := range a {
		rest[i] = a[i] - ratio*b[i]
	}
	return estimate{ratio, meanOf(rest).half / (sum(b) / float64(len(b)))}
}

// differenceOf estimates the mean of a minus b, which come in pairs.
func differenceOf(a, b []float64) estimate {
	apart := make([]float64, len(a))
	for i := range a {
		apart[i] = a[i] - b[i]
	}
	return meanOf(apart)
}

// student95 is the quantile of Student's t distribution that leaves 2.5 % above
// it, by bisection of the distribution function.
func student95(freedom int) float64 {
	if freedom < 1 {
		return math.NaN()
	}
	low, high := 0.0, 13.0 // 12.706 is the largest, with one degree of freedom
	for range 60 {
		if middle := (low + high) / 2; upperTail(middle, float64(freedom)) > 0.025 {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// upperTail is the chance that Student's t exceeds x >= 0: half the regularised
// incomplete beta function at v/(v+x²) with parameters v/2 and 1/2 (M. Abramowitz
// and I. Stegun, "Handbook of Mathematical Functions", 1964, 26.7.1).
func upperTail(x, v float64) float64 {
	return incompleteBeta(v/2, 0.5, v/(v+x*x)) / 2
}

// incompleteBeta is the regularised incomplete beta function, by its continued
// fraction (Abramowitz and Stegun, 26.5.8), evaluated from the back.
func incompleteBeta(a, b, x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x > (a+1)/(a+b+2) { // where the fraction converges slowly, by symmetry
		return 1 - incompleteBeta(b, a, 1-x)
	}
	const terms = 200
	fraction := 1.0
	for m := float64(terms); m >= 1; m-- {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		fraction = 1 + even/(1+odd/fraction)
	}
	fraction = 1 - (a+b)*x/(a+1)/fraction
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return math.Exp(a*math.Log(x)+b*math.Log1p(-x)+lab-la-lb) / a / fraction
}

// quantile is the share's quantile of the samples, which it sorts; NaN of none. It
// is the smallest sample that so large a share does not exceed.
func quantile(samples []float64, share float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	slices.Sort(samples)
	return samples[max(0, int(math.Ceil(share*float64(len(samples))))-1)]
}

func sum(samples []float64) (total float64) {
	for _, x := range samples {
		total += x
	}
	return total
}
