package geo

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// random gives a test its numbers and prints how to have the same ones again.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// anywhere is uniform on the sphere.
func anywhere(rng *rand.Rand) Point {
	return Point{Lat: math.Asin(rng.Float64()*2-1) * 180 / math.Pi, Lon: rng.Float64()*360 - 180}
}

// around is within about that many metres of p, also over a pole or the
// antimeridian.
func around(rng *rand.Rand, p Point, metres float64) Point {
	size := metres / float64(EarthRadius)
	v := unit(p)
	v.x += size * (rng.Float64()*2 - 1)
	v.y += size * (rng.Float64()*2 - 1)
	v.z += size * (rng.Float64()*2 - 1)
	return Point{
		Lat: math.Atan2(v.z, math.Hypot(v.x, v.y)) * 180 / math.Pi,
		Lon: math.Atan2(v.y, v.x) * 180 / math.Pi,
	}
}

func TestPointValidate(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		p    Point
		want error
	}{
		{Point{26.2311, 109.1314}, nil},
		{Point{90, 180}, nil},
		{Point{-90, -180}, nil},
		{Point{0, 109}, nil},
		{Point{26, 0}, nil},
		{Point{0, 0}, ErrNullIsland},
		{Point{math.Copysign(0, -1), 0}, ErrNullIsland},
		{Point{90.0000001, 0}, ErrNotOnEarth},
		{Point{-90.0000001, 0}, ErrNotOnEarth},
		{Point{0, 180.0000001}, ErrNotOnEarth},
		{Point{0, -180.0000001}, ErrNotOnEarth},
		{Point{109.1314, 26.2311}, ErrNotOnEarth}, // the two swapped
		{Point{math.NaN(), 0}, ErrNotOnEarth},
		{Point{0, math.NaN()}, ErrNotOnEarth},
		{Point{inf, 0}, ErrNotOnEarth},
		{Point{0, -inf}, ErrNotOnEarth},
	} {
		if err := c.p.Validate(); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%v: %v, want %v", c.p, err, c.want)
		}
	}
}

func TestPointJSON(t *testing.T) {
	text, err := json.Marshal(Point{26.2311, 109.1314})
	if want := `{"lat":26.2311,"lon":109.1314}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}

func TestDistanceOfKnownPairs(t *testing.T) {
	r := float64(EarthRadius)
	for _, c := range []struct {
		a, b Point
		want float64
	}{
		{Point{26, 109}, Point{26, 109}, 0},
		{Point{26, 109}, Point{27, 109}, math.Pi / 180 * r},
		{Point{0, 10}, Point{0, 11}, math.Pi / 180 * r},
		{Point{0, 179.5}, Point{0, -179.5}, math.Pi / 180 * r},
		{Point{90, 0}, Point{-90, 0}, math.Pi * r},
		{Point{90, 10}, Point{90, -170}, 0},
		{Point{12, 180}, Point{12, -180}, 0},
		{Point{89.5, 0}, Point{89.5, 180}, math.Pi / 180 * r},
		{Point{0, 90}, Point{0, -90}, math.Pi * r},
		// R. W. Sinnott's formula by hand for Liping and Guiyang.
		{Point{26.2311, 109.1314}, Point{26.6477, 106.6302}, haversine(Point{26.2311, 109.1314}, Point{26.6477, 106.6302})},
	} {
		if got := float64(Distance(c.a, c.b)); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("Distance(%v, %v) = %.7f, want %.7f", c.a, c.b, got, c.want)
		}
	}
	if !math.IsNaN(float64(Distance(Point{math.NaN(), 0}, Point{1, 1}))) {
		t.Error("the distance to no place is a number")
	}
}

// haversine is the textbook form, on angles.
func haversine(a, b Point) float64 {
	rad := math.Pi / 180
	s := math.Sin((b.Lat - a.Lat) * rad / 2)
	u := math.Sin((b.Lon - a.Lon) * rad / 2)
	h := s*s + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*u*u
	return 2 * float64(EarthRadius) * math.Asin(min(1, math.Sqrt(h)))
}

func TestDistanceIsTheHaversine(t *testing.T) {
	rng := random(t)
	for range 20_000 {
		a := anywhere(rng)
		b := anywhere(rng)
		if rng.IntN(2) == 0 {
			b = around(rng, a, math.Pow(10, rng.Float64()*7))
		}
		got, want := float64(Distance(a, b)), haversine(a, b)
		// Near the antipode the arc sine magnifies rounding, in both forms.
		if limit := 1e-6 + 1e-13/max(1e-9, math.Pi-want/float64(EarthRadius))*float64(EarthRadius); math.Abs(got-want) > limit {
			t.Fatalf("Distance(%v, %v) = %v, want %v", a, b, got, want)
		}
		if back := Distance(b, a); float64(back) != got {
			t.Fatalf("Distance(%v, %v) = %v one way and %v the other", a, b, got, back)
		}
	}
}

// Search orders by squared chord and tells metres, so metres must not go back
// where the series hands over to the arc sine.
func TestArcHasNoStep(t *testing.T) {
	const handover = 4e-3 // squared chord
	below, above := arc(math.Nextafter(handover, 0)), arc(handover)
	if step := math.Abs(float64(above - below)); step > 1e-9 {
		t.Errorf("arc jumps by %g m at %v", step, above)
	}
	exact := 2 * float64(EarthRadius) * math.Asin(math.Sqrt(handover)/2)
	if off := math.Abs(float64(below) - exact); off > 1e-9 {
		t.Errorf("the series is %g m off", off)
	}
}
