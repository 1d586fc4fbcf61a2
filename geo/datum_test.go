package geo

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// goldenShifts are what gcoord 1.0.7 (https://github.com/hujiulong/gcoord, MIT)
// makes of places in Guizhou, all over China and along its rim. Its forward
// figures for Beijing, Shanghai and Shenzhen (lines 9 to 11) are also those in the
// tests of eviltransform (https://github.com/googollee/eviltransform).
var goldenShifts = []struct{ wgs, gcj, bd Point }{
	{Point{26.2311, 109.1314}, Point{26.227918834786536, 109.13596026983467}, Point{26.233596841080548, 109.14252936552829}},
	{Point{26.3844, 108.0728}, Point{26.38114060030693, 108.07714423278733}, Point{26.38693450515008, 108.08367735660855}},
	{Point{26.6477, 106.6302}, Point{26.644030653525405, 106.63376879888347}, Point{26.64979136226087, 106.64033290750338}},
	{Point{27.7183, 109.1921}, Point{27.715025024429806, 109.19667457628536}, Point{27.721346393816432, 109.20308769516545}},
	{Point{26.856, 104.279}, Point{26.852500469116098, 104.28124451115657}, Point{26.85880770407745, 104.28764492174562}},
	{Point{25.5117, 109.4}, Point{25.508969511283833, 109.40467875724825}, Point{25.514877187682824, 109.41119098939717}},
	{Point{26, 105}, Point{25.99676130341726, 105.0028166369143}, Point{26.003069194933584, 105.00922455926445}},
	{Point{27, 104.99999}, Point{26.996523543960905, 105.00285122943171}, Point{27.00283414700939, 105.00926763382559}},
	{Point{39.911954, 116.377817}, Point{39.91334545536069, 116.38404722455657}, Point{39.91957555096588, 116.39045471310828}},
	{Point{31.1774276, 121.5272106}, Point{31.17530398364597, 121.531541859215}, Point{31.18132860687446, 121.53801568643858}},
	{Point{22.543847, 113.912316}, Point{22.540796131694766, 113.9171764808363}, Point{22.546667437751108, 113.92368472926734}},
	{Point{23.1291, 113.2644}, Point{23.126423339922844, 113.26972959210308}, Point{23.13271125723948, 113.27615075157122}},
}

func TestDatumGolden(t *testing.T) {
	const near = 0.001 // metres; the two differ in the last digits of a constant
	for _, g := range goldenShifts {
		for _, c := range []struct {
			d    Datum
			want Point
		}{{GCJ02, g.gcj}, {BD09, g.bd}, {WGS84, g.wgs}} {
			got, err := FromWGS84(g.wgs, c.d)
			if off := Distance(got, c.want); err != nil || off > near {
				t.Errorf("FromWGS84(%v, %s) = %v, %v: %.4f m from %v", g.wgs, c.d, got, err, off, c.want)
			}
			back, err := ToWGS84(c.want, c.d)
			if off := Distance(back, g.wgs); err != nil || off > near {
				t.Errorf("ToWGS84(%v, %s) = %v, %v: %.4f m from %v", c.want, c.d, back, err, off, g.wgs)
			}
		}
	}
}

func TestDatumRoundTripOverChina(t *testing.T) {
	const limit = 0.0001 // metres
	worst := Meters(0)
	// The box holds China with Hainan, the islands to the south, and some of
	// every neighbour; the step meets no whole number twice.
	for lat := 3.5; lat <= 54; lat += 0.237 {
		for lon := 73.2; lon <= 135.5; lon += 0.311 {
			for _, d := range []Datum{GCJ02, BD09} {
				p := Point{lat, lon}
				shifted, err := FromWGS84(p, d)
				if err != nil {
					t.Fatal(err)
				}
				back, err := ToWGS84(shifted, d)
				if err != nil {
					t.Fatal(err)
				}
				if off := Distance(p, back); !(off <= limit) {
					t.Fatalf("%v through %s comes back %.4f m away", p, d, off)
				} else {
					worst = max(worst, off)
				}
				if moved := Distance(p, shifted); moved < 5 || moved > 2500 {
					t.Fatalf("%s moves %v by %.0f m: that is not the shift", d, p, moved)
				}
			}
		}
	}
	t.Logf("worst round trip %.1e m", float64(worst))
}

// The shift has a term with an infinite slope at longitude 105, which crosses
// Guizhou, and at latitude 35.
func TestDatumRoundTripAtTheKinks(t *testing.T) {
	for _, offset := range []float64{0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3} {
		for _, sign := range []float64{-1, 1} {
			for _, p := range []Point{{26.5, 105 + sign*offset}, {35 + sign*offset, 109}, {35 + sign*offset, 105 + sign*offset}} {
				for _, d := range []Datum{GCJ02, BD09} {
					shifted, _ := FromWGS84(p, d)
					back, err := ToWGS84(shifted, d)
					if off := Distance(p, back); err != nil || off > 0.001 {
						t.Errorf("%v through %s comes back %.6f m away, %v", p, d, off, err)
					}
				}
			}
		}
	}
}

func TestDatumShiftOfLeishan(t *testing.T) {
	sum, n := Meters(0), 0
	for lat := 26.25; lat <= 26.55; lat += 0.01 {
		for lon := 107.92; lon <= 108.35; lon += 0.01 {
			p := Point{lat, lon}
			shifted, err := FromWGS84(p, GCJ02)
			if err != nil {
				t.Fatal(err)
			}
			sum += Distance(p, shifted)
			n++
		}
	}
	if mean := sum / Meters(n); math.Abs(float64(mean)-564) > 10 {
		t.Errorf("mean shift in Leishan county %.0f m, want about 564 m", mean)
	}
}

func TestDatumOutsideChina(t *testing.T) {
	for _, p := range []Point{{48.8566, 2.3522}, {42.5063, 1.5218}, {-33.86, 151.2}, {40.7, -74}, {0.5, 100}, {60, 100}, {30, 72}, {30, 138}} {
		for _, d := range []Datum{WGS84, GCJ02, BD09} {
			from, err1 := FromWGS84(p, d)
			to, err2 := ToWGS84(p, d)
			if from != p || to != p || err1 != nil || err2 != nil {
				t.Errorf("%v in %s: FromWGS84 %v %v, ToWGS84 %v %v; want it unchanged", p, d, from, err1, to, err2)
			}
		}
	}
}

// At the rim of the box the shift has no inverse; what then comes out must still
// be no farther off than the shift is.
func TestDatumAtTheRimOfTheBox(t *testing.T) {
	for _, d := range []Datum{GCJ02, BD09} {
		for step := -0.02; step <= 0.02; step += 0.0007 {
			for _, p := range []Point{{30, 72.004 + step}, {30, 137.8347 + step}, {0.8293 + step, 110}, {55.8271 + step, 110}} {
				shifted, _ := FromWGS84(p, d)
				back, err := ToWGS84(shifted, d)
				if off := Distance(p, back); err != nil || !(off < 2500) {
					t.Errorf("%v through %s comes back %.0f m away, %v", p, d, off, err)
				}
			}
		}
	}
}

func TestDatumRefusals(t *testing.T) {
	ok := Point{26, 109}
	for _, c := range []struct {
		p    Point
		d    Datum
		want error
	}{
		{ok, "", ErrUntaggedDatum},
		{ok, "WGS84", ErrUnknownDatum},
		{ok, "cgcs2000", ErrUnknownDatum},
		{Point{}, GCJ02, ErrNullIsland},
		{Point{91, 0}, WGS84, ErrNotOnEarth},
		{Point{math.NaN(), 109}, BD09, ErrNotOnEarth},
	} {
		_, to := ToWGS84(c.p, c.d)
		_, from := FromWGS84(c.p, c.d)
		if !errors.Is(to, c.want) || !errors.Is(from, c.want) {
			t.Errorf("%v in %q: %v and %v, want %v", c.p, c.d, to, from, c.want)
		}
	}
	for _, d := range []Datum{WGS84, GCJ02, BD09} {
		if got, err := ParseDatum(string(d)); got != d || err != nil {
			t.Errorf("ParseDatum(%q) = %q, %v", d, got, err)
		}
	}
	if _, err := ParseDatum(""); !errors.Is(err, ErrUntaggedDatum) {
		t.Errorf("ParseDatum of nothing: %v", err)
	}
}

func ExampleToWGS84() {
	p, err := ToWGS84(Point{Lat: 26.23359684, Lon: 109.14252937}, BD09)
	fmt.Printf("%.4f %.4f %v\n", p.Lat, p.Lon, err)
	// Output: 26.2311 109.1314 <nil>
}
