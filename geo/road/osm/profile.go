package osm

import (
	"math"
	"slices"

	"cuntong/geo"
)

// How a profile is made of heights.
const (
	// step is the distance between two samples, metres: a third of SRTM3's.
	step = 30
	// window is how far before and behind a sample its height is averaged, metres. The
	// samples of SRTM3 lie 90 m apart and err by some metres from one to the next.
	window = 150
	// swing is how many metres the road must come down before that counts as a descent
	// between two climbs, and the other way round: less is taken for noise.
	swing = 5
	// steepest is the steepest that a segment is believed to be on the average: hairpin
	// tracks are, and streets of hill towns. What is steeper is an error of the position.
	steepest = 0.18
)

// profile is how high a run of points lies, sample by sample.
type profile struct {
	along   []float64 // by point of the run: metres from its beginning
	heights []float64 // by sample, evenly apart; nil where none is known
}

// profile samples the heights along a run and averages them along the road. The
// average reaches as far forward as back, so that it is none at the ends, where
// other roads join at the same height. Under a bridge and over a tunnel the ground
// says nothing: the way is straight between its ends.
func (n *network) profile(w way, run []int32) (profile, error) {
	p := profile{along: make([]float64, len(run))}
	if n.terrain == nil {
		return p, nil
	}
	for k := 1; k < len(run); k++ {
		p.along[k] = p.along[k-1] + float64(geo.Distance(n.points[run[k-1]], n.points[run[k]]))
	}
	total := p.along[len(run)-1]
	count := int(math.Ceil(total/step)) + 1
	heights := make([]float64, max(count, 2))
	for i, k := 0, 0; i < len(heights); i++ {
		at := total * float64(i) / float64(len(heights)-1)
		for k < len(run)-2 && p.along[k+1] < at {
			k++
		}
		share := 0.0
		if d := p.along[k+1] - p.along[k]; d > 0 {
			share = min((at-p.along[k])/d, 1)
		}
		a, b := n.points[run[k]], n.points[run[k+1]]
		var err error
		if heights[i], err = n.terrain.height(geo.Point{Lat: a.Lat + share*(b.Lat-a.Lat), Lon: a.Lon + share*(b.Lon-a.Lon)}); err != nil {
			return p, err
		}
	}
	if !fill(heights) {
		return p, nil
	}
	if w.straight {
		first, last := heights[0], heights[len(heights)-1]
		for i := range heights {
			heights[i] = first + (last-first)*float64(i)/float64(len(heights)-1)
		}
	}
	p.heights = average(heights, int(window/max(total/float64(len(heights)-1), 1)))
	return p, nil
}

// fill puts what lies between the nearest known heights where none is known; false
// when none is known at all.
func fill(heights []float64) bool {
	last := -1
	for i, h := range heights {
		if math.IsNaN(h) {
			continue
		}
		for k := last + 1; k < i; k++ {
			heights[k] = h
			if last >= 0 {
				heights[k] = heights[last] + (h-heights[last])*float64(k-last)/float64(i-last)
			}
		}
		last = i
	}
	if last < 0 {
		return false
	}
	for k := last + 1; k < len(heights); k++ {
		heights[k] = heights[last]
	}
	return true
}

// average is the moving average over so many samples to either side, and over
// fewer near the ends.
func average(heights []float64, reach int) []float64 {
	sums := make([]float64, len(heights)+1)
	for i, h := range heights {
		sums[i+1] = sums[i] + h
	}
	smooth := make([]float64, len(heights))
	for i := range heights {
		r := min(reach, i, len(heights)-1-i)
		smooth[i] = (sums[i+r+1] - sums[i-r]) / float64(2*r+1)
	}
	return smooth
}

// rise is what a road climbs and descends between two points of its run, and its
// highest point.
func (p profile) rise(begin, end int) (climb, descent, top float32) {
	if p.heights == nil {
		return 0, 0, 0
	}
	total := p.along[len(p.along)-1]
	length := p.along[end] - p.along[begin]
	if !(total > 0) {
		return 0, 0, float32(p.heights[0])
	}
	scale := float64(len(p.heights)-1) / total
	from, to := p.along[begin]*scale, p.along[end]*scale
	part := []float64{p.at(from)}
	for i := int(from) + 1; float64(i) < to; i++ {
		part = append(part, p.heights[i])
	}
	part = append(part, p.at(to))
	up, down := climbs(part)
	if sum := up + down; sum > steepest*length {
		up, down = up*steepest*length/sum, down*steepest*length/sum
	}
	return float32(up), float32(down), float32(slices.Max(part))
}

// at is the height between two samples.
func (p profile) at(x float64) float64 {
	i := min(int(x), len(p.heights)-2)
	return p.heights[i] + (p.heights[i+1]-p.heights[i])*(x-float64(i))
}

// climbs adds up what a row of heights goes up and down, without swings that are
// less than swing. Their difference is that of the ends.
func climbs(heights []float64) (up, down float64) {
	from := heights[0] // the last turning point
	peak := from       // the farthest since, in the direction gone
	direction := 0.0   // 1 up, -1 down, 0 not decided
	walk := func(to float64) {
		up, down = up+max(to-from, 0), down+max(from-to, 0)
		from = to
	}
	for _, h := range heights[1:] {
		switch {
		case direction == 0 && math.Abs(h-from) >= swing:
			direction, peak = math.Copysign(1, h-from), h
		case (h-peak)*direction > 0:
			peak = h
		case (peak-h)*direction >= swing:
			walk(peak)
			direction, peak = -direction, h
		}
	}
	if direction != 0 {
		walk(peak)
	}
	walk(heights[len(heights)-1])
	return up, down
}
