package plan

import (
	"fmt"
	"iter"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"cuntong/geo"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// seedOf returns the seed of the run: SEED from the environment, else 1.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(1)
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// grid is a county of n × n villages, 5 km apart. Every third has two stops.
func grid(t *testing.T, n int) *geo.Gazetteer {
	t.Helper()
	var villages []geo.Village
	for i := range n * n {
		centre := geo.Point{Lat: 26.5 + 0.045*float64(i/n), Lon: 107.9 + 0.05*float64(i%n)}
		v := geo.Village{ID: geo.VillageID(fmt.Sprintf("v%03d", i)), Name: fmt.Sprintf("Village %d", i), Centre: centre}
		if i%3 == 0 {
			v.Pickups = []geo.Pickup{
				{ID: "gate", Name: "gate", Point: centre},
				{ID: "school", Name: "school", Point: geo.Point{Lat: centre.Lat + 0.003, Lon: centre.Lon}},
			}
		}
		villages = append(villages, v)
	}
	g, err := geo.NewGazetteer(villages)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func morning() Scenario {
	s := Default()
	s.Name = "morning"
	s.Phases = []Phase{
		{Name: "there", DurationSeconds: 300, PerMinute: 60, ToMarket: 0.8},
		{Name: "back", StartSeconds: 300, DurationSeconds: 300, PerMinute: 60, FromMarket: 0.8},
	}
	s.Riders.ByPoint, s.Riders.Goods, s.Riders.ChangeMind = 0.3, 0.4, 0.1
	return s
}

func newPlan(t *testing.T, s Scenario, seed uint64) *Plan {
	t.Helper()
	p, err := New(s, grid(t, 8), seed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func first(n int, all iter.Seq[Booking]) []Booking {
	var list []Booking
	for b := range all {
		if len(list) == n {
			break
		}
		list = append(list, b)
	}
	return list
}

func TestPlanFollowsFromItsSeed(t *testing.T) {
	seed := seedOf(t)
	one, two, other := newPlan(t, morning(), seed), newPlan(t, morning(), seed), newPlan(t, morning(), seed+1)
	private := cmpopts.IgnoreUnexported(Spot{})
	if diff := cmp.Diff(slices.Collect(one.Bookings()), slices.Collect(two.Bookings()), private); diff != "" {
		t.Errorf("the same seed gave other bookings:\n%s", diff)
	}
	if diff := cmp.Diff(one.Drivers(), two.Drivers(), private); diff != "" {
		t.Errorf("the same seed gave other drivers:\n%s", diff)
	}
	if cmp.Equal(first(20, one.Bookings()), first(20, other.Bookings()), private) {
		t.Error("another seed gave the same bookings")
	}
	if cmp.Equal(one.Drivers(), other.Drivers(), private) {
		t.Error("another seed gave the same drivers")
	}
}

func TestBookingsComeInOrderAndMakeSense(t *testing.T) {
	p := newPlan(t, morning(), seedOf(t))
	last := time.Duration(0)
	agents := 0
	for b := range p.Bookings() {
		if b.At < last || b.At >= p.Scenario.Length() {
			t.Fatalf("booking %d at %v after one at %v", b.Index, b.At, last)
		}
		last = b.At
		km := float64(geo.Distance(p.spot(b.From.index).Point, p.spot(b.To.index).Point)) / 1000
		if b.From.Village == b.To.Village || km < 1.4 || km > 30.1 {
			t.Errorf("booking %d goes %.1f km from %s to %s", b.Index, km, b.From.Village, b.To.Village)
		}
		if b.Seats < 1 || b.Seats > len(p.Scenario.Riders.PartyWeights) || b.Patience < 300*time.Second || b.Patience > 900*time.Second {
			t.Errorf("booking %d: %+v", b.Index, b)
		}
		if b.ByAgent {
			agents++
		}
	}
	if share := float64(agents) / 600; share < 0.18 || share > 0.32 {
		t.Errorf("agents book %.2f of the trips: want about 0.25", share)
	}
}

func TestMarketDrawsTheMorningAndSendsItHome(t *testing.T) {
	p := newPlan(t, morning(), seedOf(t))
	market := map[geo.VillageID]bool{}
	for _, m := range p.Markets() {
		market[m.Village] = true
	}
	if len(market) != 3 {
		t.Fatalf("%d market towns: want 3", len(market))
	}
	count := map[string]int{}
	all := 0
	for b := range p.Bookings() {
		all++
		if market[b.To.Village] {
			count["to "+b.Phase]++
		}
		if market[b.From.Village] {
			count["from "+b.Phase]++
		}
	}
	half := float64(all) / 2
	for _, way := range []string{"to there", "from back"} {
		if share := float64(count[way]) / half; share < 0.7 {
			t.Errorf("%q is %.2f of its phase: want at least 0.7", way, share)
		}
	}
	for _, way := range []string{"from there", "to back"} {
		if share := float64(count[way]) / half; share > 0.4 {
			t.Errorf("%q is %.2f of its phase: want at most 0.4", way, share)
		}
	}
}

func TestFartherPlacesPullLess(t *testing.T) {
	s := morning()
	s.Phases = []Phase{{Name: "any", DurationSeconds: 3600, PerMinute: 60}}
	mean := func(typicalKM float64) float64 {
		s.Places.TypicalKM = typicalKM
		p, n, sum := newPlan(t, s, seedOf(t)), 0.0, 0.0
		for b := range p.Bookings() {
			sum += float64(geo.Distance(b.From.Point, b.To.Point)) / 1000
			n++
		}
		return sum / n
	}
	if near, far := mean(4), mean(40); near*1.3 > far {
		t.Errorf("trips are %.1f km long at 4 km and %.1f km at 40 km: want clearly longer ones", near, far)
	}
}

func TestNamedMarketsAreTaken(t *testing.T) {
	s := morning()
	s.Places.MarketVillages = []string{"v009", "v054"}
	p := newPlan(t, s, 1)
	if got := p.Markets(); len(got) != 2 || got[0].Village != "v009" || got[1].Village != "v054" {
		t.Errorf("markets are %v", got)
	}
	s.Places.MarketVillages = []string{"atlantis"}
	if _, err := New(s, grid(t, 3), 1); err == nil {
		t.Error("an unknown market village was accepted")
	}
}

func TestLonelyVillagesMakeNoPlan(t *testing.T) {
	s := morning()
	s.Places.MinKM, s.Places.MaxKM = 400, 500
	if _, err := New(s, grid(t, 3), 1); err == nil {
		t.Error("a county in which nobody can go anywhere was accepted")
	}
	if _, err := New(morning(), nil, 1); err == nil {
		t.Error("no gazetteer at all was accepted")
	}
}

func TestFleetHasItsProportions(t *testing.T) {
	s := morning()
	s.Drivers.Count = 4000
	s.Drivers.Fleet = Fleet{Minivan: 50, Car: 25, Minibus: 25}
	count := map[geo.VehicleClass]float64{}
	for _, d := range newPlan(t, s, seedOf(t)).Drivers() {
		count[d.Vehicle.Class]++
		if d.Vehicle.Seats < 4 || d.MetersPerSecond < 5 || d.MetersPerSecond > 10 {
			t.Fatalf("odd driver %+v", d)
		}
	}
	for class, want := range map[geo.VehicleClass]float64{geo.Minivan: 2000, geo.Car: 1000, geo.Minibus: 1000, geo.PickupTruck: 0} {
		if math.Abs(count[class]-want) > 5*math.Sqrt(want) {
			t.Errorf("%v of class %s: want about %v", count[class], class, want)
		}
	}
}
