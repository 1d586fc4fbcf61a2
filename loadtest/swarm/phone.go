package swarm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// writeWait bounds one write.
const writeWait = 5 * time.Second

// phone is what every party has: a link, commands, and bad coverage. All of it
// belongs to the party's goroutine, which is the one that calls run.
type phone struct {
	// Static after construction.
	swarm    *swarm
	link     *link
	party    Party
	coverage *plan.Coverage
	rng      *rand.Rand
	bookings chan order // nil for drivers

	conn    *websocket.Conn // nil while there is none
	session int
	upSince time.Time
	// ready: the truth of this session has come, and commands may go out.
	ready bool
	// ahead is how far the server's clock is ahead of ours, as the welcome told it.
	ahead time.Duration
	// barred: the server said not to come back.
	barred bool
	calls  calls
	named  int // commands so far, for their ids

	darkAt    time.Time // when the signal goes next; zero: never
	darkFor   time.Duration
	darkUntil time.Time
}

// role is what makes a phone a driver's or a rider's. Its methods are called
// from the party's goroutine.
type role interface {
	// connected follows a welcome.
	connected(now time.Time)
	// truth is the server's present state; what the phone believed before counts no more.
	truth(t wire.Truth, now time.Time)
	// frame is any other frame but the answers.
	frame(body any, at time.Time)
	// done and refused are final answers to a command.
	done(c *call, d wire.Done, at time.Time)
	refused(c *call, r wire.Refused, at time.Time)
	// book is a booking whose moment has come.
	book(o order)
	// act does what is due, and says when to look again; zero: not before something happens.
	act(now time.Time) (next time.Time)
	// tidy calls everything off.
	tidy(now time.Time)
	// gone follows the server's word not to come back.
	gone()
}

func newPhone(s *swarm, party Party, coverage *plan.Coverage, wait time.Duration, index int) phone {
	rng := plan.Stream(s.plan.Seed, party.Role, uint64(index))
	l := &link{
		party: party, swarm: s, wait: wait, events: make(chan event, eventQueue),
		rng: plan.Stream(s.plan.Seed, "link of "+party.Role, uint64(index)),
	}
	if n := len(s.addresses); n > 1 {
		l.server = l.rng.IntN(n)
	}
	return phone{swarm: s, link: l, party: party, coverage: coverage, rng: rng, calls: newCalls(s.answerWait)}
}

// run lives the party's life until the context ends.
func (p *phone) run(ctx context.Context, r role) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.link.run(ctx)
	}()
	defer func() { <-over }()
	tidy := p.swarm.tidying
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.leave()
			return
		case e := <-p.link.events:
			p.handle(e, r)
		case o := <-p.bookings:
			r.book(o)
		case <-tidy:
			tidy = nil
			r.tidy(time.Now())
		case <-timer.C:
		}
		now := time.Now()
		next := earliest(r.act(now), p.live(now))
		if next = earliest(next, p.send(now)); !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

// leave files the commands that never had an answer. The server broke its promise
// where it had the command on a connection that still lives.
func (p *phone) leave() {
	for _, c := range p.calls.open {
		owed := p.ready && c.session == p.session && p.swarm.concluded.Load()
		p.swarm.unknown(p.party, c, owed)
	}
}

// handle takes what the link tells. Frames of a session that the phone has hung
// up on are lost, as they are in a valley.
func (p *phone) handle(e event, r role) {
	switch {
	case e.kind == linkGone:
		p.turnedAway(r)
	case e.kind == linkUp:
		p.up(e, r)
	case p.conn == nil || e.session != p.session:
	case e.kind == linkDown:
		p.conn, p.ready = nil, false
	case e.kind == linkFrame:
		p.read(e.frame, e.at, r)
	}
}

// turnedAway gives everything up: the server wants no more of this party.
func (p *phone) turnedAway(r role) {
	p.conn, p.ready, p.barred = nil, false, true
	for _, c := range p.calls.open {
		p.swarm.unknown(p.party, c, false)
	}
	p.swarm.tally.pending.Add(-int64(len(p.calls.open)))
	p.calls.open = nil
	r.gone()
}

func (p *phone) up(e event, r role) {
	now := time.Now()
	if now.Before(p.darkUntil) {
		p.link.cut(e.conn, p.darkUntil.Sub(now), false)
		return
	}
	p.conn, p.session, p.upSince, p.ready = e.conn, e.session, e.at, false
	p.ahead = time.UnixMilli(e.welcome.ServerTime).Sub(e.at)
	if p.darkAt.IsZero() {
		p.planDark(now)
	}
	r.connected(now)
}

// read takes a frame. Answers are matched with their commands here.
func (p *phone) read(f wire.ServerFrame, at time.Time, r role) {
	switch body := f.Body.(type) {
	case wire.Truth:
		if p.ready {
			p.swarm.tally.count(truthsAgain)
		}
		for _, t := range body.Trips {
			p.link.pocket.keep(t, at)
		}
		r.truth(body, at)
		p.ready = true
	case wire.Trip:
		p.link.pocket.keep(body, at)
		r.frame(body, at)
	case wire.Done:
		if c := p.answer(f.Re, true, ""); c != nil {
			r.done(c, body, at)
		}
	case wire.Refused:
		p.swarm.tally.refused(body.Kind, body.Code)
		if f.Re == "" && body.Code == "trip_unknown" {
			p.link.pocket.drop(body.Trip)
		}
		if f.Re == "" || p.again(f.Re, body, at) {
			return
		}
		if c := p.answer(f.Re, false, body.Kind); c != nil {
			r.refused(c, body, at)
		}
	default:
		r.frame(body, at)
	}
}

// answer takes the command off that is answered. It returns nil when there is
// none: an answer to a repeat, or a stray.
func (p *phone) answer(id string, done bool, kind string) *call {
	if c := p.calls.find(id); c != nil {
		p.calls.remove(c, done)
		p.swarm.tally.pending.Add(-1)
		return c
	}
	first, doubled := p.calls.takeDoubled(id)
	switch passing := kind == wire.KindLimited || kind == wire.KindUnavailable; {
	case !doubled:
		p.swarm.tally.count(strayAnswers)
	case first && !done && !passing:
		p.swarm.witness.violation(OtherAnswer, "", fmt.Sprintf("command %s of %s was done, and its repeat refused (%s)", id, p.party.ID, kind))
	}
	return nil
}

// maxRetries is how often a command is sent again because the server asked for it. A
// limit is about this command, and a no-show that comes too early is given up; a
// server that is away comes back.
func maxRetries(kind wire.Type, refusal string) int {
	switch {
	case refusal == wire.KindUnavailable:
		return 60
	case refusal == wire.KindLimited && kind != wire.TypeCancel:
		return 5
	}
	return 0
}

// again plans to send a refused command again when the server said when. The
// same id is used: what was refused for want of room or of a journal has no
// answer on record.
func (p *phone) again(id string, r wire.Refused, now time.Time) bool {
	c := p.calls.find(id)
	if c == nil || r.RetryAfterMS <= 0 || c.retries >= maxRetries(c.kind, r.Kind) {
		return false
	}
	c.retries++
	c.session, c.double = 0, false
	wait := time.Duration(min(r.RetryAfterMS, 60_000)) * time.Millisecond
	c.due = now.Add(wait + time.Duration(p.rng.Int64N(int64(wait)/4+1)))
	p.swarm.tally.count(retries)
	return true
}

// ask makes a command about a trip ("" for none). false: too many are open.
func (p *phone) ask(kind wire.Type, trip string, body any) bool {
	p.named++
	c := &call{id: fmt.Sprintf("%s-%d", p.swarm.cfg.Run, p.named), kind: kind, trip: trip}
	var err error
	if c.frame, err = wire.EncodeClient(kind, c.id, body); err != nil {
		panic(fmt.Sprintf("swarm: %T does not make a frame: %v", body, err))
	}
	c.double = p.rng.Float64() < p.coverage.Duplicate
	if p.barred || !p.calls.add(c) {
		return false
	}
	p.swarm.tally.pending.Add(1)
	return true
}

// live does what every phone does in time: lose its signal, and hang up on a
// server that does not answer. It returns when to look again.
func (p *phone) live(now time.Time) time.Time {
	if !p.darkAt.IsZero() && !now.Before(p.darkAt) {
		p.goDark(now)
	}
	if p.conn != nil && p.calls.late(p.session, now) != nil {
		p.swarm.tally.count(lateAnswers)
		p.hangUp()
	}
	return p.darkAt
}

// send writes the commands that may go out now, and returns when to look again.
func (p *phone) send(now time.Time) time.Time {
	for p.ready {
		c, next := p.calls.ready(p.session, now)
		if c == nil {
			return next
		}
		c.session, c.sentAt = p.session, now
		p.write(c.frame)
		if c.double {
			p.swarm.tally.count(duplicates)
			p.calls.pace.AllowN(now, 1)
			p.write(c.frame)
		}
	}
	return time.Time{}
}

// write sends a frame; without a connection, or when that breaks, it is lost.
func (p *phone) write(frame []byte) {
	if p.conn == nil {
		return
	}
	p.conn.SetWriteDeadline(time.Now().Add(writeWait))
	if err := p.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		p.hangUp()
		return
	}
	p.swarm.tally.sent(len(frame))
}

// hangUp breaks the connection off; the link makes a new one, and the truth
// comes with it.
func (p *phone) hangUp() {
	if p.conn != nil {
		p.conn.Close()
		p.conn, p.ready = nil, false
	}
}

func (p *phone) planDark(now time.Time) {
	if in, length, ok := p.coverage.NextDark(p.rng); ok {
		p.darkAt, p.darkFor = now.Add(in), length
	}
}

// goDark loses the signal: half of the time the connection is cut, half of the
// time it falls silent. Before and after the bookings the valleys are lit.
func (p *phone) goDark(now time.Time) {
	if p.swarm.calm.Load() {
		p.planDark(now)
		return
	}
	p.swarm.tally.count(darkStretches)
	p.darkUntil = now.Add(p.darkFor)
	p.link.cut(p.conn, p.darkFor, p.rng.IntN(2) == 0)
	p.conn, p.ready = nil, false
	p.planDark(p.darkUntil)
}

// dark says whether the phone has no signal, by the scenario.
func (p *phone) dark(now time.Time) bool { return now.Before(p.darkUntil) }
