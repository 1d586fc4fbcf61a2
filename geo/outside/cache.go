package outside

import (
	"math"
	"sync"
	"time"

	"cuntong/geo"
)

// cellsPerDegree makes neighbourhoods of about 430 m to a side: wide enough for a
// driver to stay in one for the better part of a minute, and narrow enough for
// drives from one to another to go the same way.
const cellsPerDegree = 256

// cell is a neighbourhood.
type cell struct{ north, east int32 }

func cellOf(p geo.Point) cell {
	return cell{int32(math.Floor(p.Lat * cellsPerDegree)), int32(math.Floor(p.Lon * cellsPerDegree))}
}

// key is what a correction holds for.
type key struct {
	from, to cell
	class    geo.VehicleClass // as the server is asked
}

// correction is by how much the server's answer differs from the built-in one.
type correction struct {
	time, length float64 // factors
	made         time.Time
}

// Beyond these a correction is not believed: it would be another vehicle's, or
// another country's.
const (
	leastFactor = 0.2
	mostFactor  = 5
)

// shortDrive is what is left uncorrected: of a few hundred metres the ends are most,
// and they are not the server's to know.
const shortDrive = time.Minute

// correctionOf compares the server's leg with the built-in one.
func correctionOf(said, builtIn geo.Leg, now time.Time) (correction, bool) {
	c := correction{time: factor(said.Duration.Seconds(), builtIn.Duration.Seconds()), length: factor(float64(said.Distance), float64(builtIn.Distance)), made: now}
	believed := func(x float64) bool { return x >= leastFactor && x <= mostFactor }
	return c, believed(c.time) && believed(c.length)
}

// factor is a/b; 0, which nobody believes, where there is none.
func factor(a, b float64) float64 {
	if !(b > 0) {
		return 0
	}
	return a / b
}

func (c correction) apply(leg geo.Leg) geo.Leg {
	return geo.Leg{Distance: leg.Distance * geo.Meters(c.length), Duration: time.Duration(float64(leg.Duration) * c.time)}
}

// cache keeps corrections, and knows what has been asked and not answered. When it is
// full the oldest goes.
type cache struct {
	size int
	keep time.Duration

	mu    sync.RWMutex // guards what follows
	known map[key]correction
	order []key // a ring of the keys, oldest at next once it is full
	next  int
	asked map[key]bool
}

func newCache(size int, keep time.Duration) *cache {
	return &cache{size: size, keep: keep, known: map[key]correction{}, asked: map[key]bool{}}
}

// find returns the correction for k. wanted says that one should be asked for: there
// is none, or it is getting old, and it is not being asked for.
func (c *cache) find(k key, now time.Time) (found correction, ok, wanted bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found, ok = c.known[k]
	age := now.Sub(found.made)
	ok = ok && age < c.keep
	return found, ok, !c.asked[k] && (!ok || age >= c.keep/2)
}

// ask notes that k is being asked for; false: it was already.
func (c *cache) ask(k key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[k] {
		return false
	}
	c.asked[k] = true
	return true
}

// forget notes that k is not being asked for any more.
func (c *cache) forget(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, k)
}

// put keeps a correction. A key that is known already keeps its place in the order.
func (c *cache) put(k key, found correction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.known[k]; !known {
		if len(c.order) < c.size {
			c.order = append(c.order, k)
		} else {
			delete(c.known, c.order[c.next])
			c.order[c.next] = k
			c.next = (c.next + 1) % c.size
		}
	}
	c.known[k] = found
}

// len is how many corrections are kept.
func (c *cache) len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.known)
}
