package client

import (
	"time"

	"cuntong/ws/wire"
)

// pulse watches whether the connection lives. The server watches the client, whose
// WebSocket library answers pings; the client watches the server: when it has not
// heard anything for a while it knocks, with a WebSocket ping, and when that is not
// answered either the connection is dead, whatever TCP says.
type pulse struct {
	every, silent time.Duration
	last, knocked time.Time
	// trip is the longest of the last round trips: an answer may take so long.
	trip time.Duration
}

// maxTrip bounds how much longer a slow link is waited for: a round trip of 25 s, and what
// it varies by.
const maxTrip = 30 * time.Second

// took notes a round trip.
func (p *pulse) took(d time.Duration) {
	p.trip = max(d, p.trip*7/8)
}

func newPulse() pulse { return pulse{every: wire.PingEvery, silent: wire.SilentAfter} }

// set takes a new heartbeat; one that makes no sense is left.
func (p *pulse) set(h wire.Heartbeat) {
	if h.EveryS > 0 && h.SilentS > h.EveryS && h.SilentS <= 3600 {
		p.every, p.silent = time.Duration(h.EveryS)*time.Second, time.Duration(h.SilentS)*time.Second
	}
}

func (p *pulse) heard(now time.Time) { p.last = now }

// limit is how long nothing may be heard.
func (p *pulse) limit() time.Duration { return p.silent + min(2*p.trip, maxTrip) }

// slow is how much longer an answer takes than over a link without length.
func (p *pulse) slow() time.Duration { return min(p.trip, maxTrip) }

func (p *pulse) dead(now time.Time) bool { return now.Sub(p.last) >= p.limit() }

// knockAt is when a ping of the server's is late by more than its jitter.
func (p *pulse) knockAt() time.Time {
	return p.last.Add(min(p.every+p.every/4, p.every+(p.silent-p.every)/2))
}

func (p *pulse) knockDue(now time.Time) bool {
	return p.knocked.Before(p.last) && !now.Before(p.knockAt())
}

func (p *pulse) due() time.Time {
	if p.knocked.Before(p.last) {
		return p.knockAt()
	}
	return p.last.Add(p.limit())
}
