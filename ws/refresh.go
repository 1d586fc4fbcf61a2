package ws

import (
	"math/rand/v2"
	"sync"
	"time"

	"cuntong/geo"
)

// A refresh is spread over refreshSteps steps of refreshStep, so that an area's new
// writer does not have to answer all its phones at once.
const (
	refreshStep  = 50 * time.Millisecond
	refreshSteps = 30
)

// Refresh asks for the present truth of every connection of an area again, at random
// within a second and a half: the area has got another writer, or notices may have been
// missed. Until the truth comes it is asked for again and again, and notices go on
// being told, but for offers: see [Hub.Doubt]. Refreshing what is being refreshed does
// nothing more. It only takes a note, and may be called from any goroutine.
func (h *Hub) Refresh(area geo.AreaID) {
	h.Doubt(area)
	h.refreshes.ask(area)
}

// Doubt says that parties of an area may have missed something that was to be told before
// now. Most of what follows is good all the same, but nobody may be asked for a trip who
// has not heard that he is no longer asked for the last one. So an offer that comes to a
// connection before a truth is not told, and the truth, which has it, is asked for at
// once. It may be called from any goroutine.
func (h *Hub) Doubt(area geo.AreaID) { h.doubts.begin(area) }

// doubts numbers what has been doubted, over all areas: so a driver who is taken to
// another area counts as one who has not had its truth.
type doubts struct {
	mu     sync.RWMutex // guards the following fields
	count  uint64
	newest map[geo.AreaID]uint64
}

func newDoubts() doubts { return doubts{newest: map[geo.AreaID]uint64{}} }

func (d *doubts) begin(area geo.AreaID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	d.newest[area] = d.count
}

// of is the newest doubt about an area; 0: there was none.
func (d *doubts) of(area geo.AreaID) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.newest[area]
}

// refreshes is which areas are to be refreshed. There are never more than the hub
// has tellers.
type refreshes struct {
	wake chan struct{} // holds one token when something may have been asked for

	mu    sync.Mutex // guards the following field
	areas map[geo.AreaID]bool
}

func newRefreshes() refreshes {
	return refreshes{wake: make(chan struct{}, 1), areas: map[geo.AreaID]bool{}}
}

func (r *refreshes) ask(area geo.AreaID) {
	r.mu.Lock()
	r.areas[area] = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take returns what was asked for since the last call.
func (r *refreshes) take() map[geo.AreaID]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.areas
	r.areas = map[geo.AreaID]bool{}
	return asked
}

// dues are the connections whose truth is to be asked for anew, by the step that does
// it: a wheel, so that no connection needs a timer. Each is in it once at most
// (conn.due). It is owned by the sweeper.
type dues struct {
	steps [refreshSteps][]*conn
	at    int // the step that comes next
	count int
}

// deal puts the connections of those areas into the wheel, at random.
func (d *dues) deal(r *roster, areas map[geo.AreaID]bool, buf []*conn) {
	for i := range shards {
		buf = r.shard(i, buf)
		for _, c := range buf {
			if p := c.party.Load(); p != nil && areas[p.areaID] && !c.due {
				c.due = true
				step := rand.IntN(refreshSteps)
				d.steps[step] = append(d.steps[step], c)
				d.count++
			}
		}
		clear(buf)
	}
}

// step asks for the truth of those whose turn it is.
func (d *dues) step(now moment, m *metrics) {
	turn := d.steps[d.at]
	d.steps[d.at] = nil
	d.at = (d.at + 1) % refreshSteps
	d.count -= len(turn)
	for _, c := range turn {
		c.due = false
		if c.lanes.renew() {
			m.refreshed.Inc()
			c.askTruth(c.party.Load(), now)
		}
	}
}
