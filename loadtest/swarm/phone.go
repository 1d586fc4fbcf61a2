package swarm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/ws/client"
	"cuntong/ws/wire"
)

const (
	// eventQueue is how many events may wait for their party. A full queue stops the
	// reading, and TCP then holds the server back: that is how a slow phone looks.
	eventQueue = 64
	// maxCalls bounds a party's commands without an answer. Beyond it new ones are not made.
	maxCalls = 1000
	// keptAnswers is how many answers to doubled commands are kept for comparison.
	keptAnswers = 16
	// sendings is how often a command is sent on one connection, before it is late.
	sendings = 3
)

// phone is what every party has: a client, commands, and bad coverage. All of it
// belongs to the party's goroutine, which is the one that calls run.
type phone struct {
	// Static after construction.
	swarm    *swarm
	client   *client.Client
	lines    *lines
	party    Party
	coverage *plan.Coverage
	rng      *rand.Rand
	bookings chan order    // nil for drivers
	skew     time.Duration // by how much the phone's clock is ahead

	session int
	up      bool
	gauged  bool // counted among those who are connected
	upSince time.Time
	// ready: the truth of this session has come.
	ready bool
	// ahead is how far the server's clock is ahead of ours, as the welcome told it.
	ahead time.Duration
	// barred: the server said not to come back.
	barred bool
	calls  calls

	darkAt    time.Time // when the signal goes next; zero: never
	darkFor   time.Duration
	darkUntil time.Time
	unlit     bool // the client has been told that there is no network
}

// call is a command without an answer yet.
type call struct {
	kind   wire.Type
	trip   string
	double bool // it was sent twice under the same id
}

// calls are a party's commands without an answer, by id.
type calls struct {
	open map[string]call
	// doubled are the last answers to commands that were sent twice.
	doubled []doubledAnswer
}

type doubledAnswer struct {
	id   string
	done bool
}

// about says whether a command about the trip has no answer yet.
func (c *calls) about(trip string) bool {
	for _, call := range c.open {
		if call.trip == trip {
			return true
		}
	}
	return false
}

// asked says whether a command of that kind has no answer yet.
func (c *calls) asked(kind wire.Type) bool {
	for _, call := range c.open {
		if call.kind == kind {
			return true
		}
	}
	return false
}

// take takes an answered command off, and keeps the answer if another is to come.
func (c *calls) take(id string, done bool) (call, bool) {
	answered, ok := c.open[id]
	delete(c.open, id)
	if answered.double {
		if len(c.doubled) >= keptAnswers {
			c.doubled = append(c.doubled[:0], c.doubled[1:]...)
		}
		c.doubled = append(c.doubled, doubledAnswer{id, done})
	}
	return answered, ok
}

// takeDoubled returns the first answer to a command that was sent twice.
func (c *calls) takeDoubled(id string) (done, ok bool) {
	for i, a := range c.doubled {
		if a.id == id {
			c.doubled = append(c.doubled[:i], c.doubled[i+1:]...)
			return a.done, true
		}
	}
	return false, false
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
	done(c call, d wire.Done, at time.Time)
	refused(c call, r wire.Refused, at time.Time)
	// book is a booking whose moment has come.
	book(o order)
	// act does what is due, and says when to look again; zero: not before something happens.
	act(now time.Time) (next time.Time)
	// tidy calls everything off.
	tidy(now time.Time)
	// gone follows the server's word not to come back.
	gone()
}

// newPhone makes a phone that connects after wait; its clock is off by at most so much.
func newPhone(s *swarm, party Party, coverage *plan.Coverage, wait, clockOff time.Duration, index int) phone {
	p := phone{
		swarm: s, party: party, coverage: coverage, rng: plan.Stream(s.plan.Seed, party.Role, uint64(index)),
		lines: newLines(s.cfg.DialContext), calls: calls{open: map[string]call{}},
	}
	skew := time.Duration((2*p.rng.Float64() - 1) * float64(clockOff))
	p.skew = skew
	var err error
	p.client, err = client.New(client.Config{
		Addresses: s.addresses, Role: party.Role, Name: "cuntong-loadtest/2", Device: "phone-" + party.ID, IDs: s.cfg.Run,
		Codecs: s.codecs, Clock: func() time.Time { return time.Now().Add(skew) },
		Rand:  plan.Stream(s.plan.Seed, "link of "+party.Role, uint64(index)),
		Token: func(context.Context) (client.Token, error) { return s.token(party) },
		Dial:  p.lines.dial, Buffers: s.buffers, First: wait, Repeat: s.answerWait / sendings, Backoff: s.backoff,
		Open: maxCalls, Events: eventQueue, Again: again, Tap: s.tally.tap,
	})
	if err != nil {
		panic(fmt.Sprintf("swarm: a complete configuration does not make a client: %v", err))
	}
	return p
}

// token makes a token; without one there is no use in trying.
func (s *swarm) token(party Party) (client.Token, error) {
	text, err := s.cfg.TokenFor(party)
	if err != nil {
		err = fmt.Errorf("%w: %w", client.ErrSignIn, err)
	}
	return client.Token{Text: text}, err
}

// again says which refused commands are sent again. A limit is about this command,
// and a no-show that comes too early is given up; a server that is away comes back.
func again(c client.Command, r wire.Refused) bool {
	switch {
	case r.RetryAfterMS <= 0:
		return false
	case r.Kind == wire.KindUnavailable:
		return c.Put < 60
	}
	return r.Kind == wire.KindLimited && c.Type != wire.TypeCancel && c.Put < 5
}

// run lives the party's life until the context ends.
func (p *phone) run(ctx context.Context, r role) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		// How it ended is told as an event.
		_ = p.client.Run(ctx)
	}()
	defer p.lines.drop()
	defer func() { <-over }()
	tidy := p.swarm.tidying
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.leave()
			return
		case e := <-p.client.Events():
			p.handle(e, r)
		case o := <-p.bookings:
			r.book(o)
		case <-tidy:
			tidy = nil
			r.tidy(time.Now())
		case <-timer.C:
		}
		now := time.Now()
		if next := earliest(r.act(now), p.live(now)); !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

// earliest returns the earlier of two moments, of which zero ones do not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// leave files the commands that never had an answer. The server broke its promise
// where it had the command on a connection that still lives.
func (p *phone) leave() {
	p.gauge(-1)
	for _, c := range p.client.Open() {
		if open, mine := p.calls.open[c.ID]; mine {
			owed := p.ready && c.Session == p.session && p.swarm.concluded.Load()
			p.swarm.unknown(p.party, c.ID, open, owed)
		}
	}
}

// gauge counts the party among those who are connected, or no more.
func (p *phone) gauge(n int64) {
	if p.gauged == (n > 0) {
		return
	}
	p.gauged = n > 0
	if p.party.Role == wire.RoleDriver {
		p.swarm.tally.drivers.Add(n)
	} else {
		p.swarm.tally.riders.Add(n)
	}
}

// handle takes what the client tells. Frames of a session that the phone has hung
// up on are lost, as they are in a valley.
func (p *phone) handle(e client.Event, r role) {
	tally := p.swarm.tally
	switch e.Kind {
	case client.Up:
		p.connected(e, r)
	case client.Down, client.Failed, client.Ended:
		p.ended(e, r)
	case client.Unreadable:
		tally.count(brokenFrames)
		p.swarm.cfg.Log.Warn("frame from the server could not be read", "party", p.party.ID, "err", e.Err)
	case client.Late:
		tally.count(lateAnswers)
	case client.PutOff:
		tally.refused(e.Answer.Refused.Kind, e.Answer.Refused.Code)
		tally.count(retries)
	case client.Stray:
		p.stray(e.Answer)
	case client.Answered:
		p.answered(e.Answer, e.At, r)
	case client.Told:
		if p.up && e.Session == p.session {
			p.told(e.Body, e.At, r)
		}
	}
}

func (p *phone) connected(e client.Event, r role) {
	tally := p.swarm.tally
	p.gauge(1)
	tally.count(connects)
	tally.took(connecting, e.Took)
	if p.session > 0 {
		tally.count(reconnects)
	}
	tally.add(receiptsGiven, len(e.Hello.Receipts))
	p.session, p.ready = e.Session, false
	if now := time.Now(); !now.Before(p.darkUntil) {
		p.up, p.upSince = true, e.At
		p.ahead = time.UnixMilli(e.Body.(wire.Welcome).ServerTime).Sub(e.At)
		if p.darkAt.IsZero() {
			p.planDark(now)
		}
		r.connected(now)
	}
}

// ended follows the end of a connection, or of an attempt to make one.
func (p *phone) ended(e client.Event, r role) {
	tally := p.swarm.tally
	p.gauge(-1)
	p.up, p.ready = false, false
	if e.Code != 0 {
		tally.closed(e.Code)
	}
	switch e.Kind {
	case client.Failed:
		tally.failed(e.Err)
	case client.Ended:
		tally.failed(e.Err)
		tally.sentAway(e.Err.Error())
		p.swarm.cfg.Log.Warn("party was told not to come back", "party", p.party.ID, "why", e.Err)
		p.turnedAway(r)
	}
}

// turnedAway gives everything up: the server wants no more of this party.
func (p *phone) turnedAway(r role) {
	p.barred = true
	for id, c := range p.calls.open {
		p.swarm.unknown(p.party, id, c, false)
	}
	p.swarm.tally.pending.Add(-int64(len(p.calls.open)))
	clear(p.calls.open)
	r.gone()
}

// told takes a frame that answers no command.
func (p *phone) told(body any, at time.Time, r role) {
	switch body := body.(type) {
	case wire.Truth:
		if p.ready {
			p.swarm.tally.count(truthsAgain)
		}
		r.truth(body, at)
		p.ready = true
	case wire.Refused:
		p.swarm.tally.refused(body.Kind, body.Code)
	case wire.Drain:
		p.swarm.tally.count(drains)
	default:
		r.frame(body, at)
	}
}

// answered takes a final answer.
func (p *phone) answered(a *client.Answer, at time.Time, r role) {
	c, ours := p.calls.take(a.ID, a.Done != nil)
	if a.Refused != nil {
		p.swarm.tally.refused(a.Refused.Kind, a.Refused.Code)
	}
	if !ours {
		return // a piece of the track
	}
	p.swarm.tally.pending.Add(-1)
	if a.Done != nil {
		r.done(c, *a.Done, at)
	} else {
		r.refused(c, *a.Refused, at)
	}
}

// stray takes a second answer, which must not say anything else than the first.
func (p *phone) stray(a *client.Answer) {
	first, doubled := p.calls.takeDoubled(a.ID)
	if a.Refused != nil {
		p.swarm.tally.refused(a.Refused.Kind, a.Refused.Code)
	}
	switch {
	case !doubled:
		p.swarm.tally.count(strayAnswers)
	case first && a.Refused != nil && a.Refused.Kind != wire.KindLimited && a.Refused.Kind != wire.KindUnavailable:
		p.swarm.witness.violation(OtherAnswer, "", fmt.Sprintf("command %s of %s was done, and its repeat refused (%s)", a.ID, p.party.ID, a.Refused.Kind))
	}
}

// ask makes a command about a trip ("" for none). false: too many are open.
func (p *phone) ask(kind wire.Type, trip string, body any) bool {
	if p.barred {
		return false
	}
	do, double := p.client.Do, p.rng.Float64() < p.coverage.Duplicate
	if double {
		do = p.client.DoTwice
	}
	id, err := do(kind, body)
	switch {
	case errors.Is(err, client.ErrFull):
		return false
	case err != nil:
		panic(fmt.Sprintf("swarm: %T does not make a frame: %v", body, err))
	}
	if double {
		p.swarm.tally.count(duplicates)
	}
	p.calls.open[id] = call{kind, trip, double}
	p.swarm.tally.pending.Add(1)
	return true
}

// live does what every phone does in time: lose its signal and find it again. It
// returns when to look again.
func (p *phone) live(now time.Time) time.Time {
	if p.unlit && !p.dark(now) {
		p.unlit = false
		p.client.Network(true)
	}
	if !p.darkAt.IsZero() && !now.Before(p.darkAt) {
		p.goDark(now)
	}
	if p.unlit {
		return earliest(p.darkAt, p.darkUntil)
	}
	return p.darkAt
}

// hangUp breaks the connection off; the client makes a new one, and the truth
// comes with it.
func (p *phone) hangUp(why string) {
	p.client.HangUp(why)
	p.up, p.ready = false, false
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
	p.darkUntil, p.unlit = now.Add(p.darkFor), true
	if p.rng.IntN(2) == 0 {
		p.lines.hush()
	}
	p.client.Network(false)
	p.up, p.ready = false, false
	p.planDark(p.darkUntil)
}

// dark says whether the phone has no signal, by the scenario.
func (p *phone) dark(now time.Time) bool { return now.Before(p.darkUntil) }
