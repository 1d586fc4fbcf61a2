package road

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cuntong/geo"
)

// After a change to a little or to nearly all of the roads, by day and by night,
// every metric of every class is bit for bit what it would be if it were made now.
func TestEveryClassIsWeighedAgain(t *testing.T) {
	r := newMountains(t, 1000, 5)
	today, points := NewToday(r.g), benchSpots(seeded(5), r.g)
	slide := geo.RoadChange{ID: "slide", Closed: true, Where: geo.Stretch{Center: &points[0]}}
	ice := geo.RoadChange{ID: "ice", Pace: 0.4}
	buses := geo.RoadChange{ID: "buses", Closed: true, Where: geo.Stretch{Center: &points[1], Radius: 9000}, Vehicles: []geo.VehicleClass{geo.Bus}}
	night := geo.RoadChange{ID: "night", MaxMass: 5000, Where: geo.Stretch{Center: &points[2], Radius: 9000}, Daily: ban}
	market := geo.RoadChange{ID: "market", Pace: 0.5, Where: geo.Stretch{Center: &points[3], Radius: 5000}, Daily: &geo.Hours{From: 720, Until: 900, Zone: 480}}
	weighed := 0
	for step, changes := range [][]geo.RoadChange{
		nil, {slide}, {slide, ice}, {ice, buses}, {buses, night, market}, {night, market, ice}, {slide, night}, {ice}, nil, {buses, ice},
	} {
		today.Set(changes, noon)
		for i := range today.roads {
			for _, s := range []*state{today.roads[i].open, today.roads[i].all, today.roads[i].mixed} {
				if s.m != nil {
					weighed++
				}
				if !s.metric().equal(today.h.newMetric(s.weight)) {
					t.Fatalf("step %d: %s's roads are not what the changes make of them", step, s.class)
				}
			}
		}
	}
	if weighed < 10*len(vehicles) {
		t.Errorf("only %d metrics were there to be weighed again", weighed)
	}
}

func TestTogetherDoesEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		done := make([]atomic.Int32, n)
		together(n, func(i int) { done[i].Add(1) })
		for i := range done {
			if times := done[i].Load(); times != 1 {
				t.Errorf("%d of %d was done %d times", i, n, times)
			}
		}
	}
}

// A panic comes to whoever asked, not before everything else is done.
func TestTogetherPanicsWhereItWasCalled(t *testing.T) {
	var done atomic.Int32
	defer func() {
		message := fmt.Sprint(recover())
		if !strings.HasPrefix(message, "number 7") || !strings.Contains(message, "again_test.go") {
			t.Errorf("it panics with %q, want number 7 and where that was", message)
		}
		if got := done.Load(); got != 50-2 {
			t.Errorf("%d are done, want all but two", got)
		}
	}()
	together(50, func(i int) {
		if slices.Contains([]int{7, 30}, i) {
			panic(fmt.Sprint("number ", i))
		}
		done.Add(1)
	})
}
