package node

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
	"cuntong/geo"
)

// Bounds of what waits to be brought to one server. When it is full the newest are
// dropped and counted; their numbers are used up, so that the receiver sees the gap.
const (
	maxParcels     = 4096
	maxParcelBytes = 32 << 20
	// maxBody bounds the notices in one parcel, so that it stays below a letter's bound.
	maxBody = 256 << 10
	// maxDeliver and maxDeliverBytes bound one Deliver.
	maxDeliver      = 128
	maxDeliverBytes = 4 << 20
)

// Patience of a courier.
const (
	deliverTimeout = 2 * time.Second
	// deliverFor is how long one batch is tried; then it is given up, and its receiver told so.
	deliverFor      = 5 * time.Second
	firstRetry      = 20 * time.Millisecond
	lastRetry       = 500 * time.Millisecond
	flushLookEvery  = 5 * time.Millisecond
	undeliveredNone = math.MaxUint64
)

// courier brings parcels to the post box of one server, in order.
type courier struct {
	to   dispatch.NodeID
	wake chan struct{} // holds a token when something waits
	gone chan struct{} // closed when the server is gone

	mu      sync.Mutex // guards the following fields
	waiting []waitingParcel
	size    int // of the bodies that wait
	streams map[geo.AreaID]*stream
}

// waitingParcel is a parcel as bytes, and its place among all that this server sends.
type waitingParcel struct {
	area geo.AreaID
	body []byte
	seq  uint64
}

// stream numbers the notices of one area's writer for one receiver.
type stream struct {
	epoch  dispatch.Epoch
	number uint64
	lost   bool // the last ones were dropped and the receiver does not know yet
}

// couriers are those of a node, one for each server that is sent something.
type couriers struct {
	node *Node

	mu      sync.Mutex // guards the following fields
	byNode  map[dispatch.NodeID]*courier
	seq     uint64          // of the newest parcel
	ctx     context.Context // of the run; nil before and after
	running sync.WaitGroup
}

func (cs *couriers) start(ctx context.Context) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ctx, cs.byNode = ctx, map[dispatch.NodeID]*courier{}
}

// to returns the courier to a server, at work; nil when the node does not run.
func (cs *couriers) to(id dispatch.NodeID) *courier {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.ctx == nil || cs.ctx.Err() != nil {
		return nil
	}
	c := cs.byNode[id]
	if c == nil {
		c = &courier{to: id, wake: make(chan struct{}, 1), gone: make(chan struct{}), streams: map[geo.AreaID]*stream{}}
		cs.byNode[id] = c
		cs.running.Go(func() { cs.run(cs.ctx, c) })
	}
	return c
}

// keepOnly ends the couriers to servers that are not among these.
func (cs *couriers) keepOnly(alive map[dispatch.NodeID]bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for id, c := range cs.byNode {
		if !alive[id] {
			close(c.gone)
			delete(cs.byNode, id)
		}
	}
}

func (cs *couriers) wait() { cs.running.Wait() }

// next is the place of one more parcel.
func (cs *couriers) next() uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.seq++
	return cs.seq
}

// sent is the place of the newest parcel.
func (cs *couriers) sent() uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.seq
}

// undelivered is the place of the oldest parcel that is not delivered or given up.
func (cs *couriers) undelivered() uint64 {
	cs.mu.Lock()
	all := make([]*courier, 0, len(cs.byNode))
	for _, c := range cs.byNode {
		all = append(all, c)
	}
	cs.mu.Unlock()
	oldest := uint64(undeliveredNone)
	for _, c := range all {
		c.mu.Lock()
		if len(c.waiting) > 0 {
			oldest = min(oldest, c.waiting[0].seq)
		}
		c.mu.Unlock()
	}
	return oldest
}

// flush waits for everything to be delivered, but not longer than that.
func (cs *couriers) flush(wait time.Duration) {
	look := time.NewTicker(flushLookEvery)
	defer look.Stop()
	for begin := time.Now(); cs.undelivered() != undeliveredNone && time.Since(begin) < wait; {
		<-look.C
	}
}

// send puts a parcel that is no notice into a server's post box.
func (cs *couriers) send(to dispatch.NodeID, p parcel) {
	p.from = cs.node.cfg.ID
	if c := cs.to(to); c != nil {
		c.put(cs, p)
	}
}

// notices puts encoded notices of one area's writer into a server's post box, in as many
// parcels as they need.
func (cs *couriers) notices(to dispatch.NodeID, area geo.AreaID, epoch dispatch.Epoch, bodies [][]byte) {
	c := cs.to(to)
	if c == nil {
		return
	}
	for len(bodies) > 0 {
		n, size := 0, 0
		for n < len(bodies) && (n == 0 || size+len(bodies[n]) <= maxBody) {
			size += len(bodies[n])
			n++
		}
		c.put(cs, parcel{kind: parcelNotices, area: area, epoch: epoch, from: cs.node.cfg.ID, bodies: bodies[:n]})
		bodies = bodies[n:]
	}
}

// put queues a parcel, numbered if it holds notices.
func (c *courier) put(cs *couriers, p parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var s *stream
	if p.kind == parcelNotices {
		if s = c.streams[p.area]; s == nil || s.epoch != p.epoch {
			// Another courier may have been there before: this one's numbers are higher.
			s = &stream{epoch: p.epoch, number: uint64(cs.node.cfg.Now().UnixMicro())}
			c.streams[p.area] = s
			p.begins = true
		}
		s.number++
		p.number = s.number
	}
	if len(c.waiting) >= maxParcels || c.size >= maxParcelBytes {
		cs.node.metrics.parcels.WithLabelValues("full").Inc()
		if s != nil {
			s.lost = true
		}
		return
	}
	if s != nil {
		s.lost = false // this one shows the gap
	}
	c.add(cs, p)
}

// add appends to what waits. The caller holds the lock.
func (c *courier) add(cs *couriers, p parcel) {
	body := p.bytes()
	c.waiting = append(c.waiting, waitingParcel{area: p.area, body: body, seq: cs.next()})
	c.size += len(body)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run brings what waits until the server is gone or the run ends.
func (cs *couriers) run(ctx context.Context, c *courier) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.gone:
			return
		case <-c.wake:
		}
		for c.some() {
			if !cs.bring(ctx, c) {
				return
			}
		}
	}
}

func (c *courier) some() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0
}

// batch is what is delivered next.
func (c *courier) batch() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var bodies [][]byte
	size := 0
	for _, w := range c.waiting {
		if len(bodies) == maxDeliver || len(bodies) > 0 && size+len(w.body) > maxDeliverBytes {
			break
		}
		bodies = append(bodies, w.body)
		size += len(w.body)
	}
	return bodies
}

// bring delivers one batch, and tries again while the outcome is not known: doubles are
// noticed by their numbers. It returns false when there is nobody to bring it to.
func (cs *couriers) bring(ctx context.Context, c *courier) bool {
	bodies := c.batch()
	wait := firstRetry
	for begin := time.Now(); ; wait = min(2*wait, lastRetry) {
		once, cancel := context.WithTimeout(ctx, deliverTimeout)
		err := cs.node.cfg.Exchange.Deliver(once, c.to, bodies)
		cancel()
		if err == nil {
			fault.Point("parcel.delivered")
			cs.node.metrics.parcels.WithLabelValues("sent").Add(float64(len(bodies)))
			c.brought(cs, len(bodies))
			return true
		}
		cs.node.metrics.exchangeNo.WithLabelValues("deliver").Inc()
		if time.Since(begin) > deliverFor {
			cs.node.metrics.parcels.WithLabelValues("failed").Add(float64(len(bodies)))
			c.gaveUp(cs, len(bodies))
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-c.gone:
			return false
		case <-time.After(wait):
		}
	}
}

// brought takes what was delivered off the queue.
func (c *courier) brought(cs *couriers, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(n)
	c.sayLost(cs)
}

// sayLost says, when nothing waits any more, which notices were lost at the end of the
// queue: no later number would show it. The caller holds the lock.
func (c *courier) sayLost(cs *couriers) {
	if len(c.waiting) > 0 {
		return
	}
	for area, s := range c.streams {
		if s.lost {
			s.lost = false
			c.add(cs, parcel{kind: parcelNotices, area: area, epoch: s.epoch, from: cs.node.cfg.ID, number: s.number})
		}
	}
}

// gaveUp drops what could not be delivered.
func (c *courier) gaveUp(cs *couriers, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting[:n] {
		if s := c.streams[w.area]; s != nil {
			s.lost = true
		}
	}
	c.take(n)
	c.sayLost(cs)
}

// take removes the first parcels. The caller holds the lock.
func (c *courier) take(n int) {
	for _, w := range c.waiting[:n] {
		c.size -= len(w.body)
	}
	c.waiting = slices.Delete(c.waiting, 0, n)
}
