package ws

import (
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

const (
	// sweepEvery is how often every connection is looked at. It is also how late a
	// timeout may be.
	sweepEvery = time.Second
	// askAgain is after how long without a truth it is asked for again, in ms.
	askAgain = 2_000
)

// sweeper looks after the time of all connections: who must be pinged, who is
// silent, late or expired, and who wants a board. It never waits for any of them.
type sweeper struct {
	hub  *Hub
	stop chan struct{} // closed to end it
	done chan struct{} // closed when it has ended

	// Owned by run.
	conns   []*conn
	dues    dues
	boarded map[desk]bool // operators for whom a board was asked for in this sweep
}

type desk struct {
	area  geo.AreaID
	actor dispatch.Actor
}

func newSweeper(h *Hub) *sweeper {
	return &sweeper{hub: h, stop: make(chan struct{}), done: make(chan struct{}), boarded: map[desk]bool{}}
}

func (s *sweeper) run() {
	defer close(s.done)
	tick, step := time.NewTicker(sweepEvery), time.NewTicker(refreshStep)
	defer tick.Stop()
	defer step.Stop()
	for {
		if s.dues.count == 0 {
			step.Stop()
		}
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.sweep(s.hub.moment())
		case <-s.hub.refreshes.wake:
			if s.dues.count == 0 {
				step.Reset(refreshStep)
			}
			s.dues.deal(&s.hub.roster, s.hub.refreshes.take(), s.conns)
		case <-step.C:
			s.dues.step(s.hub.moment(), s.hub.metrics)
		}
	}
}

// end stops the sweeper and waits for it.
func (s *sweeper) end() {
	close(s.stop)
	<-s.done
}

// sweep looks at every connection once, shard by shard so that no lock is held
// for long.
func (s *sweeper) sweep(now moment) {
	clear(s.boarded)
	for i := range shards {
		s.conns = s.hub.roster.shard(i, s.conns)
		for _, c := range s.conns {
			s.look(c, now)
		}
		clear(s.conns)
	}
}

// look does what the time demands of one connection.
func (s *sweeper) look(c *conn, now moment) {
	cfg := &s.hub.cfg
	p := c.party.Load()
	code, flush := overdue(c, p, now, cfg)
	if code != 0 {
		if code == wire.CloseSilent {
			c.linkLost(p, now)
		}
		c.finish(code, flush)
		return
	}
	if p == nil {
		return
	}
	r, heard := c.rhythm(cfg)
	if c.pulse.pingDue(r, heard, now.up, c.knows) {
		c.ping()
	}
	s.askFor(c, p, now)
}

// rhythm is the heartbeat of a connection now, and since when silence counts: since it
// was last heard of, or since another rhythm began.
func (c *conn) rhythm(cfg *Config) (rhythm, int64) {
	m, since := c.pulse.mode()
	if m == modeParked && !c.knows {
		m = modeOpen // it would take us for dead
	}
	return cfg.rhythm(m), max(c.heard.Load(), since)
}

// beats learns from a notice that is about to be told: it may change the heartbeat, which
// is returned for a client that knows of such. The lock of the lanes is held.
func (c *conn) beats(body dispatch.NoticeBody) any {
	m, changed := c.pulse.note(c.party.Load().actor.Role, body, c.hub.moment())
	if !changed || !c.knows {
		return nil
	}
	r := c.hub.cfg.rhythm(m)
	return wire.Heartbeat{EveryS: int(r.every / time.Second), SilentS: int(r.silent / time.Second)}
}

// linkLost tells the area, once, that a driver on duty has no connection here any more
// that lives. He may have one at another server, where he was heard of later.
func (c *conn) linkLost(p *party, now moment) {
	if m, _ := c.pulse.mode(); m != modeDuty || c.pulse.lost.Swap(true) {
		return
	}
	var room [16]*conn
	for _, other := range c.hub.directory.find(p.actor, room[:0]) {
		if other != c && other.lanes.endsWith() == 0 {
			return
		}
	}
	heard := now.wall - dispatch.Instant(now.up-c.heard.Load())
	_ = p.area.Submit(dispatch.LinkLost{Driver: p.actor.Driver(), HeardAt: heard}) // refused: his position grows old, too
}

// overdue says whether time has run out for a connection.
func overdue(c *conn, p *party, now moment, cfg *Config) (code wire.CloseCode, flush bool) {
	r, heard := c.rhythm(cfg)
	quiet := now.up - heard
	inside := c.inside.Load()
	switch {
	case p == nil && quiet >= cfg.HelloWait.Milliseconds():
		return wire.CloseNoHello, true
	case inside != 0 && now.up-inside >= cfg.FrameWait.Milliseconds():
		return wire.CloseFlood, true
	case p != nil && quiet >= c.pulse.patience(r).Milliseconds():
		return wire.CloseSilent, false
	case p != nil && now.wall >= p.expires:
		return wire.CloseExpired, true
	}
	return 0, false
}

// askFor asks the engine for what the connection still wants.
func (s *sweeper) askFor(c *conn, p *party, now moment) {
	truth, board := c.lanes.wants()
	if truth && now.up-c.helloAt >= askAgain {
		c.askTruth(p, now)
	}
	if board && !s.boarded[desk{p.areaID, p.actor}] {
		s.boarded[desk{p.areaID, p.actor}] = true
		_ = p.area.Submit(dispatch.Watch{By: p.actor}) // refused: the next sweep asks again
	}
}

// askTruth asks the area for the present truth. It is called by the sweeper.
func (c *conn) askTruth(p *party, now moment) {
	c.helloAt = now.up
	_ = c.sayHello(p) // refused: a later sweep asks again
	c.hub.sayGone(p)  // in case it has ended meanwhile
}

// ping has the writer send a ping.
func (c *conn) ping() {
	if c.lanes.signal(func(l *lanes) { l.pingDue = true }) {
		go c.write()
	}
}
