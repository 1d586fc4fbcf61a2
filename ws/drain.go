package ws

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"cuntong/ws/wire"
)

// drainers is how many connections are told of the end at a time.
const drainers = 128

// Drain empties the hub for a planned stop: upgrades are refused with 503, every
// client is told when to come back (at random within spread, so that they do not
// all return at once) and closed with 4001. It returns nil when the last has gone;
// when ctx ends first, the rest are cut off and its error is returned. Either way
// no goroutine of the hub is left. The engines must be running until it returns,
// so that what was recorded is told.
func (h *Hub) Drain(ctx context.Context, spread time.Duration) error {
	h.stopAccepting(spread)
	return h.stop(ctx, func() { h.tellOfEnd(spread) })
}

// Close ends every connection with 1001, as far as that can be written at once, and
// waits until no goroutine of the hub is left. It may be called more than once,
// and after Drain.
func (h *Hub) Close() {
	h.stopAccepting(time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	// Whoever does not answer in time is cut off, which is what Close promises.
	_ = h.stop(ctx, func() { h.each(func(c *conn) { c.finish(wire.CloseGoingAway, false) }) })
}

func (h *Hub) stopAccepting(retry time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping, h.retry = true, retry
}

// stop runs tell, which begins the end of every connection, and waits for the last
// to go. When ctx ends first it cuts off those that are left.
func (h *Hub) stop(ctx context.Context, tell func()) error {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		tell()
		h.running.Wait()
	}()
	var err error
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
		h.cutOff()
		<-gone
	}
	h.endSweeps()
	return err
}

// each calls f for every connection.
func (h *Hub) each(f func(*conn)) {
	var conns []*conn
	for i := range shards {
		conns = h.roster.shard(i, conns)
		for _, c := range conns {
			f(c)
		}
	}
}

// tellOfEnd tells every client, at most drainers at a time: each of them runs the
// writer itself, and so waits for a slow client before it takes the next.
func (h *Hub) tellOfEnd(spread time.Duration) {
	waiting := make(chan *conn)
	var workers sync.WaitGroup
	for range drainers {
		workers.Go(func() {
			for c := range waiting {
				last := wire.Drain{ComeBackAfterMS: rand.Int64N(max(spread, 0).Milliseconds() + 1)}
				if c.finishWith(wire.CloseDrain, true, &last) {
					c.write()
				}
			}
		})
	}
	h.each(func(c *conn) { waiting <- c })
	close(waiting)
	workers.Wait()
}

// cutOff closes the sockets of all that are left, and of those that still come.
func (h *Hub) cutOff() {
	h.mu.Lock()
	h.cut = true
	h.mu.Unlock()
	h.each(func(c *conn) { _ = c.ws.Close() })
}
