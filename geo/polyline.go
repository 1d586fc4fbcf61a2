package geo

import (
	"errors"
	"fmt"
	"math"
)

// ErrPolyline says that a text is no encoded polyline. Test with errors.Is.
var ErrPolyline = errors.New("geo: bad polyline")

// polylinePrecision is units in a degree: five decimals, about a metre.
const polylinePrecision = 1e5

// EncodePolyline writes a line as text, in the "Encoded Polyline Algorithm Format"
// that Google published and every map library reads: each coordinate as the
// difference from the one before, in hundred thousandths of a degree, five bits a
// letter. The points must be on earth.
func EncodePolyline(points []Point) string {
	text := make([]byte, 0, 6*len(points))
	var was [2]int64
	for _, p := range points {
		for i, degrees := range [2]float64{p.Lat, p.Lon} {
			now := int64(math.Round(degrees * polylinePrecision))
			text = appendSigned(text, now-was[i])
			was[i] = now
		}
	}
	return string(text)
}

func appendSigned(text []byte, v int64) []byte {
	rest := uint64(v<<1) ^ uint64(v>>63) // the sign goes to the lowest bit
	for ; rest >= 0x20; rest >>= 5 {
		text = append(text, byte(rest&0x1f|0x20)+'?')
	}
	return append(text, byte(rest)+'?')
}

// DecodePolyline reads what EncodePolyline writes. The error wraps ErrPolyline and
// says at which byte the text went wrong.
func DecodePolyline(text string) ([]Point, error) {
	points := make([]Point, 0, len(text)/4)
	var at [2]int64
	for next := 0; next < len(text); {
		for i := range at {
			step, read := signed(text[next:])
			if read == 0 {
				return nil, fmt.Errorf("%w: byte %d of %d is not one, or the text is cut short", ErrPolyline, next, len(text))
			}
			at[i] += step
			next += read
		}
		p := Point{Lat: float64(at[0]) / polylinePrecision, Lon: float64(at[1]) / polylinePrecision}
		if !p.onEarth() {
			return nil, fmt.Errorf("%w: point %d is %v, which is not on earth", ErrPolyline, len(points), p)
		}
		points = append(points, p)
	}
	return points, nil
}

// signed reads one number and says how many bytes it took; none when it is not one.
func signed(text string) (v int64, read int) {
	const mostBytes = 6 // 30 bits hold any step on earth
	rest := uint64(0)
	for i := 0; i < len(text) && i < mostBytes; i++ {
		c := text[i]
		if c < '?' || c > '?'+0x3f {
			return 0, 0
		}
		rest |= uint64((c-'?')&0x1f) << (5 * i)
		if (c-'?')&0x20 == 0 {
			return int64(rest>>1) ^ -int64(rest&1), i + 1
		}
	}
	return 0, 0
}

// Simplify leaves out points of a line without which it still passes within
// tolerance of every one of them, and then, while there are more than most, those
// that matter least (D. H. Douglas and T. K. Peucker, "Algorithms for the
// reduction of the number of points required to represent a digitized line or its
// caricature", Cartographica 10(2), 1973). Both ends stay; most is at least 2. The
// result is a new slice.
func Simplify(points []Point, tolerance Meters, most int) []Point {
	if len(points) <= 2 {
		return append([]Point(nil), points...)
	}
	most = max(most, 2)
	keep := make([]bool, len(points))
	keep[0], keep[len(points)-1] = true, true
	kept := 2
	// The stretches still to be looked at, the one with the farthest point first: so
	// most cuts off what matters least.
	queue := stretches{farthest(points, 0, len(points)-1)}
	for len(queue) > 0 && kept < most {
		s := queue.pop()
		if s.off <= tolerance {
			break
		}
		keep[s.at] = true
		kept++
		for _, part := range [2]stretch{farthest(points, s.from, s.at), farthest(points, s.at, s.until)} {
			if part.at > part.from {
				queue.push(part)
			}
		}
	}
	line := make([]Point, 0, kept)
	for i, p := range points {
		if keep[i] {
			line = append(line, p)
		}
	}
	return line
}

// stretch is a part of a line, and its point that is farthest from the straight
// line between its ends; at is from when it has none between.
type stretch struct {
	from, until, at int
	off             Meters
}

func farthest(points []Point, from, until int) stretch {
	s := stretch{from: from, until: until, at: from, off: -1}
	for i := from + 1; i < until; i++ {
		if off := beside(points[i], points[from], points[until]); off > s.off {
			s.at, s.off = i, off
		}
	}
	return s
}

// beside is how far p is from the straight line between a and b, on a plane that
// touches the earth at p.
func beside(p, a, b Point) Meters {
	const metersPerDegree = float64(EarthRadius) * math.Pi / 180
	east := math.Cos(p.Lat * (math.Pi / 180))
	ax, ay := (a.Lon-p.Lon)*east, a.Lat-p.Lat
	dx, dy := (b.Lon-a.Lon)*east, b.Lat-a.Lat
	share := 0.0
	if square := dx*dx + dy*dy; square > 0 {
		share = min(max(0, -(ax*dx+ay*dy)/square), 1)
	}
	return Meters(math.Hypot(ax+share*dx, ay+share*dy) * metersPerDegree)
}

// stretches is a heap with the largest off on top; of equals the first on the line.
type stretches []stretch

func (h stretches) before(i, j int) bool {
	return h[i].off > h[j].off || h[i].off == h[j].off && h[i].at < h[j].at
}

func (h *stretches) push(s stretch) {
	*h = append(*h, s)
	for i := len(*h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		(*h)[i], (*h)[(i-1)/2] = (*h)[(i-1)/2], (*h)[i]
	}
}

func (h *stretches) pop() stretch {
	q := *h
	top, last := q[0], len(q)-1
	q[0] = q[last]
	*h = q[:last]
	for i := 0; ; {
		next := i
		for _, kid := range [2]int{2*i + 1, 2*i + 2} {
			if kid < last && h.before(kid, next) {
				next = kid
			}
		}
		if next == i {
			return top
		}
		q[i], q[next] = q[next], q[i]
		i = next
	}
}
