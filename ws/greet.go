package ws

import (
	"log/slog"
	"time"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// greet takes the hello and makes the party known: into the directory, where the
// newest connection wins, then welcome, then the truth is asked for. bearer is who
// the upgrade's token named, or nil. It returns false when the connection ends.
func (c *conn) greet(bearer *party) bool {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		c.readFailed(err)
		return false
	}
	s := c.hub.getScratch()
	defer c.hub.putScratch(s)
	frame, err := c.collect(r, s)
	if err != nil {
		c.readFailed(err)
		return false
	}
	now := c.hub.moment()
	came := c.heard.Swap(now.up) // when the upgrade was answered: the hello is one round trip later
	if kind != messageKind(c.codec()) {
		c.finish(wire.CloseBinary, true)
	}
	if c.lanes.endsWith() != 0 {
		return false
	}
	f, err := c.codec().DecodeClient(frame)
	if err != nil {
		c.malformed(f, err, now)
		c.finish(wire.CloseProtocol, true)
		return false
	}
	c.hub.metrics.in(f.Type)
	hello, ok := f.Body.(wire.Hello)
	if !ok {
		c.refuse(f, wire.Refused{Kind: wire.KindInvalid, Code: wire.CodeUnknownType, Field: "t", Say: "Send hello first."}, now)
		c.finish(wire.CloseProtocol, true)
		return false
	}
	p := c.identify(bearer, hello.Token)
	if p == nil {
		return false
	}
	c.confirms = hello.Confirms
	c.knows = hello.Confirms || hello.Lean || len(hello.Known) > 0 || hello.Device != ""
	took := time.Duration(now.up-came) * time.Millisecond
	slow := c.pulse.guessed(took)
	c.device = hello.Device
	c.clockBehind = clockBehind(hello.NowMS, now.wall, took)
	c.takeReceipts(p, hello.Receipts)
	c.kept.takeKnown(&hello)
	if !c.welcome(p, now, hello.Client) {
		return false
	}
	if slow && p.actor.Role == dispatch.RoleDriver {
		c.ping() // to know before he is asked for anything
	}
	return true
}

// identify returns who it is, or closes the connection and returns nil. The token
// of the upgrade goes before that of the hello.
func (c *conn) identify(bearer *party, token string) *party {
	if bearer != nil {
		return bearer
	}
	p, failed := c.hub.authenticate(token)
	if failed != nil {
		c.hub.metrics.authFailed(failed.Reason)
		c.hub.log(slog.LevelInfo, "token turned down", func() []any { return c.logAttrs("reason", failed.Reason) })
		c.finish(failed.close(), true)
		return nil
	}
	return p
}

func (c *conn) welcome(p *party, now moment, client string) bool {
	h := c.hub
	c.began = now.wall
	c.party.Store(p)
	h.greeted(c)
	h.metrics.connections[p.role].Inc()
	h.metrics.spoken[c.spoken].Inc()
	h.connected[p.role].Add(1)
	for _, old := range h.directory.add(c, p.actor, h.cfg.partyLimit(p.actor.Role)+notLetIn) {
		old.finish(wire.CloseReplaced, false)
	}
	h.log(slog.LevelDebug, "hello", func() []any { return c.logAttrs("client", client, "clock_behind_ms", c.clockBehind) })
	c.put(wire.Welcome{
		Session:       c.session(),
		Role:          string(p.actor.Role),
		ID:            p.actor.ID,
		Area:          string(p.areaID),
		ServerTime:    int64(now.wall),
		HeartbeatS:    int(h.cfg.PingEvery / time.Second),
		MaxFrameBytes: wire.MaxFrameBytes,
		Protocol:      wire.Protocol,
	}, "")
	c.lanes.wantTruth()
	if no := c.sayHello(p); no != nil {
		// The sweeper asks again until the truth has been told.
		c.put(refusedBody(no, ""), "")
	}
	return true
}

// trustClock is how far a phone's clock may be off before it is corrected: within
// the time that a hello may take on its way, nobody can tell.
const trustClock = 5 * time.Second

// clockBehind returns the ms to add to times of a phone whose clock showed phone when it
// sent the hello, which came when ours showed ours, within took of our last word to it.
// On a slow link the hello was under way for half of that, or for any part of it.
func clockBehind(phone int64, ours dispatch.Instant, took time.Duration) int64 {
	behind := int64(ours) - phone - took.Milliseconds()/2
	if max(behind, -behind) < trustClock.Milliseconds()+took.Milliseconds()/2 {
		return 0
	}
	return behind
}
