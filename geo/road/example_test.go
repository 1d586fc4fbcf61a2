package road_test

import (
	"fmt"
	"time"

	"cuntong/geo"
	"cuntong/geo/road"
)

// Two villages, a short road over the pass and a long one through the valley; then
// a landslide on the pass.
func ExampleToday() {
	b := road.NewBuilder("a sketch", "none")
	west, pass, east := geo.Point{Lat: 26.50, Lon: 107.00}, geo.Point{Lat: 26.50, Lon: 107.05}, geo.Point{Lat: 26.50, Lon: 107.10}
	from, to := b.Junction(west), b.Junction(east)
	for _, s := range []road.Segment{
		{Shape: []geo.Point{west, pass, east}, Kind: geo.Tertiary, Name: "Pass Road"},
		{Shape: []geo.Point{west, {Lat: 26.42, Lon: 107.05}, east}, Kind: geo.Tertiary, Name: "Valley Road"},
	} {
		if _, err := b.Add(from, to, s); err != nil {
			fmt.Println(err)
			return
		}
	}
	today := road.NewToday(b.Build())

	noon := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	by := geo.Drive{Class: geo.Minivan, Leaves: noon}
	driver, rider := today.Locate(west, -1), today.Locate(east, -1)
	leg, ok := today.Travel(driver, rider, by)
	fmt.Printf("%.1f km, %v\n", leg.Distance/1000, ok)

	slide := geo.RoadChange{ID: "slide", Closed: true, Where: geo.Stretch{Center: &pass}}
	fmt.Println("closing", today.Extent(slide).Names)
	today.Set([]geo.RoadChange{slide}, noon)
	leg, ok = today.Travel(driver, rider, by)
	fmt.Printf("%.1f km, %v\n", leg.Distance/1000, ok)
	fmt.Println(geo.EncodePolyline(today.Line(driver, rider, by)))

	// Output:
	// 10.0 km, true
	// closing [Pass Road]
	// 20.4 km, true
	// _xv`D_malS~rNowH_sNowH
}
