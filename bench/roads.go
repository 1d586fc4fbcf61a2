package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"cuntong/geo"
	"cuntong/geo/road"
	"cuntong/geo/road/terrain"
)

// The measures of the roads, on generated networks: who are the 8 soonest by road
// among drivers who stand anywhere on them, one to seven junctions. Their budgets are
// absolute. Dijkstra's search beside them is the quicker one where all are free and
// eight are soon met; it is the other case that the hierarchy is for.
const (
	roadSeed    = 20260301
	roadClass   = geo.Minivan
	roadRounds  = 5
	roadChecked = 100 // answers held against Dijkstra's

	countyJunctions, countyDrivers     = 5_000, 700
	provinceJunctions, provinceDrivers = 500_000, 70_000
	// fewFree is the share of drivers who are free on a bad day.
	fewFree = 0.01

	positionRounds = 5
	closures       = 40

	// The budgets: milliseconds, microseconds, milliseconds and megabytes.
	countyBudget, provinceBudget = 0.3, 5
	positionBudget               = 5
	closureBudget                = 100
	provinceMemoryBudget         = 1024
)

// The corners of a county of 42 by 42 km and of a province of 420 by 420.
var (
	southWest  = geo.Point{Lat: 25, Lon: 105}
	countyEdge = geo.Point{Lat: 25.3777, Lon: 105.417}
	faraway    = geo.Point{Lat: 28.777, Lon: 109.24}
)

// roadFleet is roads, and drivers on them.
type roadFleet struct {
	today *road.Today
	spots []geo.Spot // by driver
	froms []geo.Spot // pickups to ask from
	ways  *walkable
}

// newRoads makes the roads of a county or of a province.
func newRoads(junctions int, northEast geo.Point) (*road.Graph, error) {
	return terrain.Generate(terrain.Params{Seed: roadSeed, SouthWest: southWest, NorthEast: northEast, Junctions: junctions})
}

// newRoadFleet puts drivers on the roads, as often as a road is long, each a few
// metres beside it, where a satellite would have him.
func newRoadFleet(g *road.Graph, drivers int) *roadFleet {
	f := &roadFleet{today: road.NewToday(g), ways: newWalkable(g)}
	rng := rand.New(rand.NewPCG(roadSeed, uint64(drivers)))
	place := newPlacer(g, rng)
	for range drivers {
		f.spots = append(f.spots, f.today.Locate(place(), -1))
	}
	for range 4_000 {
		f.froms = append(f.froms, f.today.Locate(place(), -1))
	}
	return f
}

// newPlacer returns what draws points on roads.
func newPlacer(g *road.Graph, rng *rand.Rand) func() geo.Point {
	upTo := make([]float64, g.Segments()) // length of the segments so far
	sum := 0.0
	for id := range upTo {
		sum += float64(g.Segment(road.SegmentID(id)).Length)
		upTo[id] = sum
	}
	return func() geo.Point {
		id, _ := slices.BinarySearch(upTo, rng.Float64()*sum)
		shape := g.Segment(road.SegmentID(min(id, len(upTo)-1))).Shape
		i, t := rng.IntN(len(shape)-1), rng.Float64()
		a, b := shape[i], shape[i+1]
		const metre = 9e-6 // degrees
		return geo.Point{
			Lat: a.Lat + t*(b.Lat-a.Lat) + 4*metre*rng.NormFloat64(),
			Lon: a.Lon + t*(b.Lon-a.Lon) + 4*metre*rng.NormFloat64(),
		}
	}
}

// free returns an index of the share of the drivers.
func (f *roadFleet) free(share float64) *geo.Index[int] {
	index := geo.NewIndex[int]()
	every := int(1 / share)
	for i := 0; i < len(f.spots); i += every {
		index.Put(i, f.spots[i].Point)
	}
	return index
}

// soonest is a driver and when he can be there.
type soonest struct {
	driver int
	takes  time.Duration
}

// askers ask for drives to one place by vehicles of several classes, as a fleet has.
type askers struct {
	finders []geo.Finder
	aimed   []bool // at the place of this question
}

func (f *roadFleet) askers(classes ...geo.VehicleClass) *askers {
	a := &askers{aimed: make([]bool, len(classes))}
	for _, class := range classes {
		a.finders = append(a.finders, f.today.NewFinder(class))
	}
	return a
}

// from is the drive of a driver, whose class is by his number.
func (a *askers) from(driver int, spot, to geo.Spot, now time.Time) (geo.Leg, bool) {
	i := driver % len(a.finders)
	if !a.aimed[i] {
		a.finders[i].Aim(to)
		a.aimed[i] = true
	}
	return a.finders[i].From(spot, now)
}

// nearestByRoad is the search that the dispatcher makes: drivers closest first by
// straight line, until nobody further out could be sooner than the eighth.
func (f *roadFleet) nearestByRoad(a *askers, index *geo.Index[int], to geo.Spot, now time.Time, best []soonest) (found []soonest, looked int) {
	clear(a.aimed)
	for id, straight := range index.ClosestFirst(to.Point) {
		if len(best) == nearestK && f.today.Floor(straight) > best[nearestK-1].takes {
			break
		}
		looked++
		if leg, ok := a.from(id, f.spots[id], to, now); ok {
			best = keep(best, soonest{id, leg.Duration})
		}
	}
	return best, looked
}

// keep inserts s among the eight best.
func keep(best []soonest, s soonest) []soonest {
	i := len(best)
	for i > 0 && best[i-1].takes > s.takes {
		i--
	}
	if i == nearestK {
		return best
	}
	best = slices.Insert(best, i, s)
	return best[:min(len(best), nearestK)]
}

// nearestCounty measures nearest8_road_county_p99.
func nearestCounty(ctx context.Context, log io.Writer) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	g, err := newRoads(countyJunctions, countyEdge)
	if err != nil {
		return Row{}, err
	}
	f := newRoadFleet(g, countyDrivers)
	fmt.Fprintf(log, "  county: %d junctions, %d segments, %d drivers\n", g.Junctions(), g.Segments(), countyDrivers)
	return f.nearestRow(ctx, log, Row{Name: "nearest8_road_county_p99", Budget: countyBudget}, 2_000, 1_000)
}

// province measures what depends on the size of the network.
func province(ctx context.Context, log io.Writer) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	begin := time.Now()
	g, err := newRoads(provinceJunctions, faraway)
	if err != nil {
		return nil, err
	}
	built := time.Now()
	f := newRoadFleet(g, provinceDrivers)
	fmt.Fprintf(log, "  province: %d junctions, %d segments, invented and put in order in %.1f s, ready to search with %d drivers after another %.1f s\n",
		g.Junctions(), g.Segments(), built.Sub(begin).Seconds(), provinceDrivers, time.Since(built).Seconds())
	closed, err := f.closureRow(ctx, log)
	if err != nil {
		return nil, err
	}
	near, err := f.nearestRow(ctx, log, Row{Name: "nearest8_road_province_p99", Budget: provinceBudget}, 1_000, 150)
	if err != nil {
		return nil, err
	}
	return []Row{near, f.positionRow(), closed}, nil
}

// nearestRow asks with all drivers free and with few, and reports the worse.
func (f *roadFleet) nearestRow(ctx context.Context, log io.Writer, row Row, asked, walked int) (Row, error) {
	row.Unit, row.Baseline, row.Absolute = "ms", "ms, Dijkstra from the pickup", true
	for _, share := range []float64{1, fewFree} {
		index := f.free(share)
		if err := f.sameSoonest(index); err != nil {
			return Row{}, err
		}
		took, looked := f.askRoads(index, asked, roadClass)
		mixed, _ := f.askRoads(index, asked, geo.Minivan, geo.Car, geo.Minibus, geo.PickupTruck)
		walk := f.askWalk(index, walked)
		line, err := f.askRedis(ctx, index, asked)
		if err != nil {
			return Row{}, err
		}
		p99, base := millis(percentile(took, 99)), millis(percentile(walk, 99))
		fmt.Fprintf(log, "  %s with %d free: p50 %.3f ms, p99 %.3f ms, %.0f drivers looked at; a fleet of four classes p50 %.3f ms, p99 %.3f ms; Dijkstra p50 %.3f ms, p99 %.3f ms; GEOSEARCH (straight line) p50 %.3f ms, p99 %.3f ms\n",
			row.Name, index.Len(), millis(percentile(took, 50)), p99, looked,
			millis(percentile(mixed, 50)), millis(percentile(mixed, 99)), millis(percentile(walk, 50)), base, millis(percentile(line, 50)), millis(percentile(line, 99)))
		if p99 > row.Value {
			row.Value, row.BaselineValue = p99, base
		}
	}
	return compare(row), ctx.Err()
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// askRoads times as many questions, each the middle of several rounds, so that what
// else the machine does is not taken for a slow question; and says how many drivers
// each looked at.
func (f *roadFleet) askRoads(index *geo.Index[int], questions int, classes ...geo.VehicleClass) (took []time.Duration, looked float64) {
	finder, now := f.askers(classes...), time.Now()
	best := make([]soonest, 0, nearestK+1)
	took = middles(questions, func(i int) {
		_, n := f.nearestByRoad(finder, index, f.froms[i%len(f.froms)], now, best[:0])
		looked += float64(n) / float64(questions*roadRounds)
	})
	return took, looked
}

// askWalk times the same questions to Dijkstra's search.
func (f *roadFleet) askWalk(index *geo.Index[int], questions int) []time.Duration {
	f.ways.park(f.today, f.spots, index)
	return middles(questions, func(i int) { f.ways.soonest(f.froms[i%len(f.froms)]) })
}

// middles asks every question once a round, and returns for each the middle of its times.
func middles(questions int, ask func(i int)) []time.Duration {
	runtime.GC()
	rounds := make([][]time.Duration, questions)
	for range roadRounds {
		for i := range questions {
			begin := time.Now()
			ask(i)
			rounds[i] = append(rounds[i], time.Since(begin))
		}
	}
	took := make([]time.Duration, questions)
	for i, times := range rounds {
		took[i] = percentile(times, 50)
	}
	return took
}

// askRedis times the questions by straight line to Redis, one client after another.
func (f *roadFleet) askRedis(ctx context.Context, index *geo.Index[int], questions int) ([]time.Duration, error) {
	server, err := startRedis(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	named := fleet{index: geo.NewIndex[string](), froms: []geo.Point{f.froms[0].Point}}
	for id := range index.ClosestFirst(f.froms[0].Point) {
		named.index.Put(fmt.Sprintf("driver-%07d", id), f.spots[id].Point)
	}
	if err := server.load(ctx, named); err != nil {
		return nil, err
	}
	radius := 10.0 // kilometres, as small as it can be and still hold eight, nearly always
	if index.Len() < len(f.spots) {
		radius *= 5
	}
	var took []time.Duration
	for i := range questions {
		begin := time.Now()
		if _, err := server.searchWithin(ctx, 0, f.froms[i%len(f.froms)].Point, radius); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// sameSoonest makes sure that both searches are asked the same: they must agree in
// how long the eight take, but for rounding and for how one gets off the road.
func (f *roadFleet) sameSoonest(index *geo.Index[int]) error {
	f.ways.park(f.today, f.spots, index)
	finder, now := f.askers(roadClass), time.Now()
	for _, from := range f.froms[:roadChecked] {
		ours, _ := f.nearestByRoad(finder, index, from, now, nil)
		theirs := f.ways.soonest(from)
		same := slices.EqualFunc(ours, theirs, func(a, b soonest) bool { return (a.takes - b.takes).Abs() < 2*time.Second })
		if !same {
			return fmt.Errorf("the eight soonest at %v are %v by the hierarchy and %v by Dijkstra", from.Point, ours, theirs)
		}
	}
	return nil
}

// positionRow measures road_position_us: a driver has moved on; he is found on the
// roads and moved in the index.
func (f *roadFleet) positionRow() Row {
	index := f.free(1)
	rng := rand.New(rand.NewPCG(roadSeed, 3))
	// Some 30 m further, in no order: phones do not take turns by where they are.
	drivers := rng.Perm(len(f.spots))
	moves := make([]geo.Point, len(drivers))
	for i, driver := range drivers {
		p := f.spots[driver].Point
		moves[i] = geo.Point{Lat: p.Lat + 2e-4*rng.NormFloat64(), Lon: p.Lon + 2e-4*rng.NormFloat64()}
	}
	round := func(move func(driver int, p geo.Point)) float64 {
		begin := time.Now()
		for i, p := range moves {
			move(drivers[i], p)
		}
		return micros(time.Since(begin)) / float64(len(moves))
	}
	var ours, plain []float64
	for range positionRounds {
		ours = append(ours, round(func(driver int, p geo.Point) {
			f.spots[driver] = f.today.Locate(p, float64(driver%360))
			index.Put(driver, p)
		}))
		plain = append(plain, round(func(driver int, p geo.Point) { index.Put(driver, p) }))
	}
	return compare(Row{Name: "road_position_us", Value: median(ours), Unit: "µs", Baseline: "µs, the index alone",
		BaselineValue: median(plain), Budget: positionBudget, Absolute: true})
}

// closureRow measures closure_effective_ms: a road on somebody's way is closed, and
// vehicles of every class find another; the slowest of many. The baseline is what it
// takes to weigh all roads for all classes.
func (f *roadFleet) closureRow(ctx context.Context, log io.Writer) (Row, error) {
	classes := geo.VehicleClasses()
	begin := time.Now()
	for _, class := range classes {
		f.today.NewFinder(class)
	}
	all := millis(time.Since(begin))
	var close, lift []float64
	for i := 0; len(close) < closures; i++ {
		if err := ctx.Err(); err != nil {
			return Row{}, err
		}
		if i == len(f.froms)/2 {
			return Row{}, errors.New("hardly any road that is closed makes a difference")
		}
		a, b := f.froms[2*i], f.froms[2*i+1]
		by := geo.Drive{Class: geo.Car, Leaves: time.Now()}
		before, ok := f.today.Travel(a, b, by)
		line := f.today.Line(a, b, by)
		if !ok || len(line) < 3 {
			continue
		}
		centre := line[len(line)/2]
		changes := []geo.RoadChange{{ID: "slide", Where: geo.Stretch{Center: &centre}, Closed: true}}
		begin := time.Now()
		f.today.Set(changes, by.Leaves)
		after, ok := f.today.Travel(a, b, by)
		for _, class := range classes {
			f.today.Travel(a, b, geo.Drive{Class: class, Leaves: by.Leaves})
		}
		took := millis(time.Since(begin))
		if !ok || after != before { // else the road beside it was closed
			close = append(close, took)
		}
		begin = time.Now()
		f.today.Set(nil, by.Leaves)
		again, _ := f.today.Travel(a, b, by)
		lift = append(lift, millis(time.Since(begin)))
		if again != before {
			return Row{}, fmt.Errorf("after the road was opened again the drive is %v, before it was closed %v", again, before)
		}
	}
	fmt.Fprintf(log, "  a road closed for %d classes: median %.1f ms, slowest of %d %.1f ms; opened again: median %.1f ms, slowest %.1f ms\n",
		len(classes), median(close), len(close), slices.Max(close), median(lift), slices.Max(lift))
	return compare(Row{Name: "closure_effective_ms", Value: slices.Max(close), Unit: "ms", Baseline: "ms, all roads weighed for all classes",
		BaselineValue: all, Budget: closureBudget, Absolute: true}), nil
}

// provinceMemory measures road_province_rss_mb, in a process that does nothing else.
func provinceMemory(ctx context.Context, log io.Writer) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c, err := startChild(ctx, "province")
	if err != nil {
		return Row{}, err
	}
	defer c.stop()
	line, err := c.line()
	if err != nil {
		return Row{}, err
	}
	var graphKB, allKB, peakKB int64
	if _, err := fmt.Sscan(line, &graphKB, &allKB, &peakKB); err != nil {
		return Row{}, fmt.Errorf("child said %q: %w", line, err)
	}
	const kbPerMB = 1024
	fmt.Fprintf(log, "  province in memory: %d MB with the search, %d drivers and the weights of every class, %d MB the graph alone, %d MB at the most\n",
		allKB/kbPerMB, provinceDrivers, graphKB/kbPerMB, peakKB/kbPerMB)
	return compare(Row{Name: "road_province_rss_mb", Value: float64(allKB) / kbPerMB, Unit: "MB", Baseline: "MB, the graph alone",
		BaselineValue: float64(graphKB) / kbPerMB, Budget: provinceMemoryBudget, Absolute: true}), nil
}

// provinceChild makes the roads of a province ready to search, for vehicles of every
// class, and prints what is resident before and after, and at the most.
func provinceChild(ctx context.Context) error {
	g, err := newRoads(provinceJunctions, faraway)
	if err != nil {
		return err
	}
	graph := residentAfterGC()
	f := newRoadFleet(g, provinceDrivers)
	f.ways = nil // the baseline's
	index := f.free(1)
	all := f.askers(geo.VehicleClasses()...)
	now := time.Now()
	for _, from := range f.froms[:100] {
		f.nearestByRoad(all, index, from, now, nil)
	}
	fmt.Println(graph, residentAfterGC(), statusKB("VmHWM"))
	<-ctx.Done()
	runtime.KeepAlive(all)
	runtime.KeepAlive(index)
	runtime.KeepAlive(f)
	return nil
}

// residentAfterGC collects garbage, gives what is free back, and reads what is left.
func residentAfterGC() int64 {
	debug.FreeOSMemory()
	return residentKB()
}
