package dispatch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/geo"
)

// newFleet makes 2 or 3 servers, 1 to 3 areas and their people, who want so many trips.
func newFleet(seed uint64, trips int, b breaks) *fleet {
	f := &fleet{rng: rand.New(rand.NewPCG(seed, 11)), now: int64(morning) * int64(time.Millisecond), trouble: true,
		phones: map[Actor]*phone{}, metrics: fleetMetrics(), wanted: trips, checkEvery: 5, recordedTrips: map[TripID]bool{}, askedIn: map[TripID]*fleetArea{}}
	f.arbiter = newArbiter(f)
	f.redis = &modelRedis{fleet: f, areas: map[geo.AreaID]*modelArea{}, breaks: b}
	for i := range 2 + f.rng.IntN(2) {
		f.nodes = append(f.nodes, &fleetNode{fleet: f, name: fmt.Sprintf("n%d", i), lives: map[geo.AreaID]*life{}, epochs: map[geo.AreaID]epochSeen{}})
	}
	for i := range 1 + f.rng.IntN(3) {
		corner := geo.Point{Lat: 26, Lon: 109 + float64(i)*areaSide}
		land := geo.Ring{corner, {Lat: corner.Lat + areaSide, Lon: corner.Lon}, {Lat: corner.Lat + areaSide, Lon: corner.Lon + areaSide}, {Lat: corner.Lat, Lon: corner.Lon + areaSide}}
		a := &fleetArea{modelArea: &modelArea{}, corner: corner,
			geo: &geo.Area{ID: geo.AreaID(fmt.Sprintf("a%d", i)), Polygons: []geo.Polygon{{Outer: land}}}}
		f.redis.areas[a.geo.ID] = a.modelArea
		f.areas = append(f.areas, a)
		f.lands = append(f.lands, a.geo)
		for k := range 8 {
			f.born(a, DriverActor(DriverID(fmt.Sprintf("d%d-%d", i, k))))
		}
		for k := range 10 {
			f.born(a, Actor{Role: RolePassenger, ID: fmt.Sprintf("p%d-%d", i, k)})
		}
	}
	for _, n := range f.nodes {
		n.wrong = f.upTo(40*time.Millisecond) - 20*time.Millisecond
		f.after(f.upTo(time.Second), func() { f.supervise(n) })
	}
	f.after(10*time.Second, f.mischief)
	return f
}

// areaSide is how long each side of an area is, in degrees; they lie in a row.
const areaSide = 0.1

func (f *fleet) born(a *fleetArea, who Actor) {
	p := &phone{fleet: f, who: who, area: a, trips: map[TripID]*known{}}
	f.people = append(f.people, p)
	f.phones[who] = p
	f.after(f.upTo(4*time.Second), p.live)
}

// supervise is what a server does about areas without a writer: it takes one now and
// then, and now and then one that has a writer who is only slow.
func (f *fleet) supervise(n *fleetNode) {
	f.after(f.between(500*time.Millisecond, 1500*time.Millisecond), func() { f.supervise(n) })
	if n.dead || n.pausedUntil > f.now || f.redis.down {
		return
	}
	n.tidy()
	for _, a := range f.areas {
		if f.lostEpochs(n, a) {
			continue
		}
		free := a.until+int64(500*time.Millisecond) < f.now && (a.next == "" || a.next == n.id() || a.nextUntil < f.now)
		if n.lives[a.geo.ID] == nil && (free && f.rng.IntN(2) == 0 || f.trouble && f.rng.IntN(200) == 0) {
			f.begin(n, a, f.rng.IntN(2) == 0, nil)
		}
	}
}

// lostEpochs says whether Redis has lately come back knowing less of an area than this
// server has seen: then its writer, who knows more, is given time to say so.
func (f *fleet) lostEpochs(n *fleetNode, a *fleetArea) bool {
	epoch := max(a.epoch, a.lease)
	known := n.epochs[a.geo.ID]
	switch {
	case epoch >= known.epoch:
		n.epochs[a.geo.ID] = epochSeen{epoch: epoch}
		return false
	case known.lost == 0:
		n.epochs[a.geo.ID] = epochSeen{known.epoch, f.now}
		return true
	}
	return f.now-known.lost < int64(4*time.Second)
}

// tidy forgets the tasks that have ended.
func (n *fleetNode) tidy() {
	kept := n.tasks[:0]
	for _, t := range n.tasks {
		if !t.over {
			kept = append(kept, t)
		}
	}
	clear(n.tasks[len(kept):])
	n.tasks = kept
}

// mischief does something to the fleet every few seconds.
func (f *fleet) mischief() {
	rest := 30 * time.Second
	if f.redis.breaks != (breaks{}) {
		rest = 10 * time.Second
	}
	f.after(f.between(3*time.Second, rest), f.mischief)
	if !f.trouble {
		return
	}
	n := f.nodes[f.rng.IntN(len(f.nodes))]
	roll := f.rng.IntN(20)
	if b := f.redis.breaks; (b.noEpoch || b.ttlOnly) && roll < 12 {
		roll = 5 // a safeguard against servers that were stopped is missing
	}
	switch {
	case roll < 5:
		if !n.dead {
			f.crash(n)
		}
	case roll < 8:
		f.pause(n, f.upTo(12*time.Second))
	case roll < 12:
		f.handOver(f.areas[f.rng.IntN(len(f.areas))])
	case roll < 15: // the master dies, and a replica takes its place
		f.away(f.between(500*time.Millisecond, 3*time.Second), func() { f.failovers++; f.redis.failOver() })
	case roll < 17: // Redis starts again and has everything
		f.away(f.between(300*time.Millisecond, 2*time.Second), func() { f.redis.run++ })
	case roll < 18: // more is lost than the replicas should have lost
		f.lossWithWriters(false)
	case roll < 19:
		f.lossWithWriters(true)
	}
}

// away lets Redis be away for a while.
func (f *fleet) away(d time.Duration, then func()) {
	if f.redis.down {
		return
	}
	f.redis.down = true
	f.after(d, func() {
		f.redis.down, f.redis.back = false, f.now
		then()
	})
}

// lossWithWriters loses what was acknowledged in the last second and a half, or
// everything, while every area has a writer who is well and stays well until it is
// mended. What a lease protects is not more than that: after a longer loss it is out
// of date, and somebody else may be quicker than the writer.
func (f *fleet) lossWithWriters(all bool) {
	if f.redis.down || !f.allWell() {
		return
	}
	rest := f.redis.since(f.now - int64(f.upTo(1500*time.Millisecond)))
	if !f.redis.leasesAt(rest, 1200*time.Millisecond) {
		return
	}
	f.trouble = false
	f.after(4*time.Second, func() { f.trouble = !f.closing })
	f.losses++
	f.redis.lose(rest)
	if all {
		f.totals++
		f.redis.wipe()
	}
}

// allWell says whether Redis has been there for longer than a lease, every area has had
// a writer for a while, nobody waits to be one, and no server is stopped.
func (f *fleet) allWell() bool {
	if f.now-f.redis.back < int64(4*time.Second) {
		return false
	}
	for _, n := range f.nodes {
		if n.pausedUntil > f.now {
			return false
		}
		for _, l := range n.lives {
			if !l.serving || l.ledger.area.writer != l.ledger.token || f.now-l.began < int64(2*time.Second) {
				return false
			}
		}
	}
	for _, a := range f.areas {
		if l := f.writer(a); l == nil || a.writer != l.ledger.token {
			return false
		}
	}
	return true
}

// handOver moves an area from its writer to another server, in good order.
func (f *fleet) handOver(a *fleetArea) {
	from := f.writer(a)
	to := f.nodes[f.rng.IntN(len(f.nodes))]
	if from == nil || to == from.host || to.dead || to.lives[a.geo.ID] != nil {
		return
	}
	f.begin(to, a, true, func() {
		if from.serving {
			f.handovers++
			from.engine.Leave(to.id())
			if from.task.asleep {
				from.task.poke()
			}
		}
	})
}

// finish lets everybody come home, in peace.
func (f *fleet) finish() error {
	f.trouble, f.closing = false, true
	for _, n := range f.nodes {
		n.pausedUntil = 0
		defer n.kill()
	}
	for range 60 {
		f.runTo(f.now + int64(time.Minute))
		if f.broken != nil {
			return f.broken
		}
		if f.over() {
			break
		}
	}
	f.runTo(f.now + int64(30*time.Second))
	if f.broken != nil {
		return f.broken
	}
	return f.arbiter.verdict()
}

// over says whether nothing is open any more.
func (f *fleet) over() bool {
	for _, p := range f.people {
		if p.waiting != nil {
			return false
		}
	}
	for _, a := range f.areas {
		l := f.writer(a)
		if l == nil || len(l.engine.core.deadlines.heap) > 0 {
			return false
		}
	}
	return true
}

// play lives through a seed.
func (f *fleet) play() error {
	for f.asked < f.wanted && f.broken == nil {
		f.runTo(f.now + int64(10*time.Second))
	}
	return f.finish()
}

// count reads what the engines have counted.
func (f *fleet) count() {
	f.trips = len(f.recordedTrips)
	f.mends = int(testutil.ToFloat64(f.metrics.mends.WithLabelValues(string(cureMend))))
	f.admitted = int(testutil.ToFloat64(f.metrics.borders.WithLabelValues(string(BorderAdmitted))))
	f.reseeds = int(testutil.ToFloat64(f.metrics.mends.WithLabelValues(string(cureReseed))))
}

// fleetNumber reads a number from the environment.
func fleetNumber(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestFleet lets several servers serve several areas through crashes, pauses, take-overs,
// hand-overs, fail-overs that lose their tail, replies that are lost, and requests that
// are executed when nobody waits for them any more. SEED=n plays one seed again,
// TRIPS=n as many seeds as so many trips take, and OUT=file writes what came of it.
func TestFleet(t *testing.T) {
	total := fleetNumber("TRIPS", 2*fleetTrips)
	first, count := 1, (total+fleetTrips-1)/fleetTrips
	if os.Getenv("SEED") != "" {
		first, count = fleetNumber("SEED", 1), 1
	}
	began := time.Now()
	sum, violations := simulateFleets(uint64(first), count, breaks{})
	took := time.Since(began)
	t.Logf("%d trips by seeds %d to %d in %v (%.0f a second): %+v", sum.trips, first, first+count-1, took.Round(time.Millisecond), float64(sum.trips)/took.Seconds(), sum)
	for _, v := range violations {
		t.Error(v)
	}
	if sum.trips < count*fleetTrips*9/10 || sum.takeovers < 10*count || sum.lostReplies < 3*count || sum.handovers < count || sum.admitted < count || sum.mends+sum.reseeds == 0 {
		t.Errorf("too little happened to prove anything")
	}
	if out := os.Getenv("OUT"); out != "" {
		paper := fmt.Sprintf(`{"trips_simulated": %d, "violations": %d, "seeds": %d, "crashes": %d, "pauses": %d, "takeovers": %d, "handovers": %d, "failovers": %d, "acknowledged_tails_lost": %d, "mends": %d, "reseeds": %d, "drivers_across_borders": %d, "lost_replies": %d, "zombie_requests": %d, "seconds": %.0f}`+"\n",
			sum.trips, len(violations), count, sum.crashes, sum.pauses, sum.takeovers, sum.handovers, sum.failovers, sum.losses, sum.mends, sum.reseeds, sum.admitted, sum.lostReplies, sum.zombies, took.Seconds())
		if err := os.WriteFile(out, []byte(paper), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// fleetTrips is how many trips the people of one seed ask for.
const fleetTrips = 1000

// TestFleetNoticesWhatIsBroken leaves out one safeguard after the other: a fleet
// without it must be seen to break a promise. Under the race detector it is the first alone.
func TestFleetNoticesWhatIsBroken(t *testing.T) {
	all := []struct {
		name string
		breaks
	}{
		{"no epoch", breaks{noEpoch: true}},
		{"no batch id", breaks{noBatch: true}},
		{"told first", breaks{toldFirst: true}},
		{"lease by TTL only", breaks{ttlOnly: true}},
		{"no WAIT", breaks{noWait: true}},
		{"no transfer id", breaks{noTransfer: true}},
	}
	for _, broken := range all[:fewer(len(all))] {
		t.Run(broken.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 30; seed++ {
				if _, violations := simulateFleets(seed, 1, broken.breaks); len(violations) > 0 {
					t.Logf("noticed: %v", violations[0])
					return
				}
			}
			t.Error("thirty seeds and nothing was noticed")
		})
	}
}

// simulateFleets plays seeds side by side.
func simulateFleets(first uint64, count int, b breaks) (sum fleetCounts, violations []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	seeds := make(chan uint64)
	for range fleetNumber("WORKERS", 2) {
		wg.Go(func() {
			for seed := range seeds {
				f := newFleet(seed, fleetTrips, b)
				err := f.play()
				f.count()
				mu.Lock()
				sum.add(f.fleetCounts)
				if err != nil {
					violations = append(violations, fmt.Errorf("SEED=%d: %w", seed, err))
				}
				mu.Unlock()
			}
		})
	}
	for i := range count {
		seeds <- first + uint64(i)
	}
	close(seeds)
	wg.Wait()
	return sum, violations
}
