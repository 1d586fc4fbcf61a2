package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/geo"
)

// The measure of the index: who are the 8 nearest, in a straight line, of drivers
// who lie uniformly about Guizhou, 100,000 to 400 by 400 km, seen from places that
// do too.
const (
	nearestK       = 8
	nearestDensity = 100_000 / (400. * 400) // to a square kilometre
	nearestSeed    = 20260101
	nearestFroms   = 1 << 14

	searchClients = 16
	searchRounds  = 15
	searchRound   = 500 * time.Millisecond
	// searchRadius of GEOSEARCH, which wants one: as small as it can be and still
	// hold 8 nearly always (49 on average). A wider one would only slow it down.
	searchRadiusKm = 5
	searchBudget   = 50

	growthFew     = 10_000
	growthMany    = 1_000_000
	growthRounds  = 21
	growthQueries = 20_000
	growthBudget  = 2
)

// nearest measures nearest8_line_100k, in queries a second on all cores against
// Redis GEOSEARCH on the same points, and nearest_growth_10k_1m, the time of a
// query among a million drivers against that among ten thousand as densely set.
func nearest(ctx context.Context, log io.Writer) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	search, err := nearestAgainstRedis(ctx, log)
	if err != nil {
		return nil, err
	}
	growth, err := nearestGrowth(ctx)
	if err != nil {
		return nil, err
	}
	return []Row{search, growth}, nil
}

// fleet is drivers in an index, and places to ask from.
type fleet struct {
	index *geo.Index[string]
	froms []geo.Point
}

func newFleet(n int) fleet {
	rng := rand.New(rand.NewPCG(nearestSeed, uint64(n)))
	kmPerDegree := float64(geo.EarthRadius) / 1000 * math.Pi / 180
	high := math.Sqrt(float64(n)/nearestDensity) / kmPerDegree
	wide := high / math.Cos(27*math.Pi/180)
	point := func() geo.Point {
		return geo.Point{Lat: 27 + high*(rng.Float64()-0.5), Lon: 107 + wide*(rng.Float64()-0.5)}
	}
	f := fleet{index: geo.NewIndex[string](), froms: make([]geo.Point, nearestFroms)}
	for i := range n {
		f.index.Put(fmt.Sprintf("driver-%07d", i), point())
	}
	for i := range f.froms {
		f.froms[i] = point()
	}
	return f
}

func (f fleet) nearest(from geo.Point, into []string) []string {
	for key := range f.index.ClosestFirst(from) {
		if into = append(into, key); len(into) == nearestK {
			break
		}
	}
	return into
}

// queriesPerSecond asks from as many goroutines for one round.
func queriesPerSecond(ctx context.Context, goroutines int, froms []geo.Point, ask func(asker int, from geo.Point) error) (float64, error) {
	var asked atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for asker := range goroutines {
		all.Go(func() {
			const batch = 64 // between looks at the clock
			for i := asker * len(froms) / goroutines; failed.Load() == nil && ctx.Err() == nil && time.Since(start) < searchRound; {
				for range batch {
					if err := ask(asker, froms[i%len(froms)]); err != nil {
						failed.Store(&err)
						return
					}
					i++
				}
				asked.Add(batch)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(asked.Load()) / time.Since(start).Seconds(), ctx.Err()
}

func nearestAgainstRedis(ctx context.Context, log io.Writer) (Row, error) {
	const n = 100_000
	f := newFleet(n)
	server, err := startRedis(ctx)
	if err != nil {
		return Row{}, err
	}
	defer server.stop()
	if err := server.load(ctx, f); err != nil {
		return Row{}, err
	}
	if err := sameAnswers(ctx, log, f, server); err != nil {
		return Row{}, err
	}
	found := make([][]string, max(searchClients, runtime.GOMAXPROCS(0)))
	for i := range found {
		found[i] = make([]string, 0, 64) // apart from each other in memory
	}
	// Turn about, so that what else the machine does falls on both.
	var ours, theirs []float64
	for range searchRounds {
		rate, err := queriesPerSecond(ctx, runtime.GOMAXPROCS(0), f.froms, func(asker int, from geo.Point) error {
			if got := f.nearest(from, found[asker][:0]); len(got) != nearestK {
				return fmt.Errorf("%d drivers near %v: want %d", len(got), from, nearestK)
			}
			return nil
		})
		if err != nil {
			return Row{}, err
		}
		ours = append(ours, rate)
		if rate, err = queriesPerSecond(ctx, searchClients, f.froms, func(asker int, from geo.Point) error {
			_, err := server.search(ctx, asker, from)
			return err
		}); err != nil {
			return Row{}, err
		}
		theirs = append(theirs, rate)
	}
	return compare(Row{Name: "nearest8_line_100k", Value: median(ours), Unit: "queries/s",
		Baseline: fmt.Sprintf("GEOSEARCH, %d clients", searchClients), BaselineValue: median(theirs),
		Budget: searchBudget, AtLeast: true}), nil
}

// sameAnswers makes sure that both are asked the same: Redis rounds positions to
// half a metre and takes the earth a little larger, so now and then two drivers
// change places, or one is beyond its radius.
func sameAnswers(ctx context.Context, log io.Writer, f fleet, server *redisChild) error {
	const asked, enough = 500, 0.98
	same := 0
	for _, from := range f.froms[:asked] {
		theirs, err := server.search(ctx, 0, from)
		if err != nil {
			return err
		}
		if slices.Equal(theirs, f.nearest(from, nil)) {
			same++
		}
	}
	fmt.Fprintf(log, "  %d of %d answers are those of GEOSEARCH, name by name\n", same, asked)
	if float64(same) < enough*asked {
		return fmt.Errorf("only %d of %d answers are those of GEOSEARCH: not the same question", same, asked)
	}
	return nil
}

func nearestGrowth(ctx context.Context) (Row, error) {
	few, many := newFleet(growthFew), newFleet(growthMany)
	found := make([]string, 0, nearestK)
	micros := func(f fleet, round int) float64 {
		start := time.Now()
		for i := range growthQueries {
			found = f.nearest(f.froms[(round*growthQueries+i)%len(f.froms)], found[:0])
		}
		return float64(time.Since(start)) / float64(time.Microsecond) / growthQueries
	}
	var fewTimes, manyTimes []float64
	for round := range growthRounds {
		if err := ctx.Err(); err != nil {
			return Row{}, err
		}
		fewTimes = append(fewTimes, micros(few, round))
		manyTimes = append(manyTimes, micros(many, round))
	}
	return compare(Row{Name: "nearest_growth_10k_1m", Value: median(manyTimes), Unit: "µs/query",
		Baseline: "the same among 10,000", BaselineValue: median(fewTimes), Budget: growthBudget}), nil
}

// median is the middle of the rounds, for both sides alike. Picking the rounds in
// which the machine did least else would flatter whichever side gains by a quiet cache.
func median(rounds []float64) float64 {
	slices.Sort(rounds)
	return rounds[len(rounds)/2]
}

// redisChild is a Redis of our own, without persistence, on loopback.
type redisChild struct {
	process *exec.Cmd
	dir     string
	clients []*redis.Client
}

const geoKey = "drivers"

func startRedis(ctx context.Context) (*redisChild, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("the baseline needs redis-server: apt-get install redis-server: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nearest")
	if err != nil {
		return nil, err
	}
	r := &redisChild{dir: dir, process: exec.CommandContext(ctx, program, "--port", strconv.Itoa(port),
		"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir, "--daemonize", "no")}
	if err := r.process.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	for range searchClients {
		r.clients = append(r.clients, redis.NewClient(&redis.Options{
			Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), PoolSize: 1,
		}))
	}
	if err := r.awaitReady(ctx); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (r *redisChild) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := r.clients[0].Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("redis-server does not answer"), err)
		}
	}
}

// stop ends the server and forgets its folder.
func (r *redisChild) stop() {
	for _, c := range r.clients {
		_ = c.Close() // nothing is owed to a server about to be killed
	}
	_ = r.process.Process.Kill() // it may have ended already
	_ = r.process.Wait()         // says "killed", which we know
	_ = os.RemoveAll(r.dir)
}

func (r *redisChild) load(ctx context.Context, f fleet) error {
	const batch = 1_000
	drivers := make([]*redis.GeoLocation, 0, batch)
	flush := func() error {
		defer func() { drivers = drivers[:0] }()
		return r.clients[0].GeoAdd(ctx, geoKey, drivers...).Err()
	}
	for key := range f.index.ClosestFirst(f.froms[0]) {
		at, _ := f.index.At(key)
		drivers = append(drivers, &redis.GeoLocation{Name: key, Longitude: at.Lon, Latitude: at.Lat})
		if len(drivers) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(drivers) == 0 {
		return nil
	}
	return flush()
}

func (r *redisChild) search(ctx context.Context, client int, from geo.Point) ([]string, error) {
	return r.searchWithin(ctx, client, from, searchRadiusKm)
}

func (r *redisChild) searchWithin(ctx context.Context, client int, from geo.Point, km float64) ([]string, error) {
	return r.clients[client].GeoSearch(ctx, geoKey, &redis.GeoSearchQuery{
		Longitude: from.Lon, Latitude: from.Lat, Radius: km, RadiusUnit: "km", Sort: "ASC", Count: nearestK,
	}).Result()
}
