package client

import (
	"math/rand/v2"
	"slices"
	"time"

	"cuntong/ws/wire"
)

const (
	// unavailableWait is how much longer the truth may take while the server says that it
	// cannot reach the area.
	unavailableWait = 60 * time.Second
	// maxAsides bounds the questions and confirmations that wait to be sent.
	maxAsides = 64
	// freshFor is how old a position may be to be sent as the present one.
	freshFor = 30 * time.Second
)

// mind is what a client knows and decides. Guarded by Client.mu.
//
// Moments (now) are by a clock that measures waiting; wall is the phone's own clock,
// Unix ms, which goes to the server and to nothing else.
type mind struct {
	// Static after construction.
	role   string
	plain  bool
	repeat time.Duration
	wait   time.Duration
	open   int
	ids    string
	again  func(Command, wire.Refused) bool

	rng *rand.Rand

	// The connection. session counts them, and is that of the last one.
	session int
	stage   stage
	opened  time.Time // when the present stage began
	// patience is how long the present stage may last; for ready it is of no meaning.
	patience time.Duration
	pulse    pulse
	way      time.Duration // how long it took to connect: one round trip at least
	drained  time.Duration
	roomy    int // the longest frame that the server takes
	why      string
	hello    wire.Hello // the last one
	// old are the fields of hello that the server does not know; old["at"] is about
	// deeds, old["track"] and old["seen"] are about the types.
	old     map[string]bool
	retold  string // the field for which the next hello differs from this one
	doubted bool   // what the server called the same is not held: the next hello names no trips

	pace   pace
	calls  []*call // in the order of asking
	tracks []*call // the positions of the dark in pieces, behind the calls
	asides []aside // questions and confirmations
	named  int     // commands so far, for their ids
	seq    int64   // deeds so far
	owed   owed
	renew  renewal

	picture  picture
	pocket   pocket
	spot     *wire.Position // to be sent: the newest
	newest   *wire.Position // sent or not
	dark     dark
	doubtful []wire.Position // sent, and perhaps into a dead connection

	// What the caller takes out: events for the app, whether the pump should look,
	// whether there is something to save.
	events []Event
	stir   bool
	dirty  bool
	counts Counts
}

// stage is how far a connection has come.
type stage int

const (
	away     stage = iota // none
	greeting              // hello has been sent
	welcomed              // the truth is to come
	ready
)

// aside is a message that is not answered by done.
type aside struct {
	kind wire.Type
	body any
}

// send is what the pump does next. The zero send is nothing, until due.
type send struct {
	kind wire.Type
	id   string
	body any
	// twice: see [Command.Twice].
	twice bool
	// knock is a WebSocket ping, hangUp the end of the connection, for that reason.
	knock  bool
	hangUp string
	// fetch is for a new token.
	fetch bool
	// due is when to look again; zero: not before something happens.
	due time.Time
}

func (s *send) idle() bool { return s.kind == "" && !s.knock && !s.fetch && s.hangUp == "" }

func newMind(cfg *Config) *mind {
	return &mind{
		role: cfg.Role, plain: cfg.Plain, repeat: cfg.Repeat, wait: cfg.Patience, open: cfg.Open, ids: cfg.IDs, again: cfg.Again, rng: cfg.Rand,
		old: map[string]bool{}, pace: newPace(), picture: newPicture(cfg.Role), pulse: newPulse(),
	}
}

// enter begins a stage of the connection.
func (m *mind) enter(s stage, now time.Time, patience time.Duration) {
	m.stage, m.opened, m.patience, m.stir = s, now, patience, true
}

// greet begins a connection and returns its first frame.
func (m *mind) greet(now time.Time, wall int64, token, name, device string) wire.Hello {
	m.session++
	m.drained, m.retold, m.why, m.roomy = 0, "", "", wire.MaxFrameBytes
	m.pulse = newPulse()
	m.pulse.took(m.way)
	m.pulse.heard(now)
	m.enter(greeting, now, m.wait+m.pulse.slow())
	h := wire.Hello{Token: token, NowMS: wall, Client: name}
	room := helloRoom - len(token)
	if !m.old["device"] {
		h.Device = device
	}
	if !m.old["receipts"] {
		h.Receipts, room = m.pocket.give(now, room)
	}
	if m.plain {
		return m.said(h)
	}
	h.Lean, h.Confirms = !m.old["lean"], !m.old["confirms"] && m.role == wire.RoleDriver
	if !m.doubted && !m.old["known"] {
		h.Known = m.picture.known(now, room)
	}
	m.doubted = false
	return m.said(h)
}

// said notes a hello, without its secret.
func (m *mind) said(h wire.Hello) wire.Hello {
	m.hello = h
	m.hello.Token = ""
	return h
}

// down ends a connection, if there is one.
func (m *mind) down(now time.Time) {
	unsent := m.spot
	m.stage, m.asides, m.spot = away, nil, nil
	m.calls = slices.DeleteFunc(m.calls, func(c *call) bool { return c.Type == wire.TypeRenew })
	m.owed = owed{}
	m.keepDoubtful()
	if unsent != nil {
		m.keepDark(*unsent)
	}
}

// told takes a frame of the server's.
func (m *mind) told(now time.Time, f wire.ServerFrame) {
	if m.stage == away {
		return
	}
	m.heard(now)
	switch body := f.Body.(type) {
	case wire.Done:
		m.done(now, f.Re, body)
		return
	case wire.Refused:
		if f.Re != "" {
			m.refused(now, f.Re, body)
			return
		}
		m.rebuked(now, body)
	case wire.Welcome:
		m.welcome(now, body)
		return
	case wire.Truth:
		if m.stage < welcomed {
			m.hangUp("a truth before the welcome")
			return
		}
		body = m.picture.truth(now, body)
		m.doubted = m.picture.missed
		m.truth(now, &body)
		m.events = append(m.events, Event{Kind: Told, Session: m.session, At: now, Body: body, Gone: m.picture.gone})
		return
	case wire.Trip:
		whole, fresh := m.trip(now, body)
		m.events = append(m.events, Event{Kind: Told, Session: m.session, At: now, Body: whole, Stale: !fresh})
		return
	case wire.Offer:
		m.offered(now, &body)
	case wire.OfferGone:
		m.picture.endOffer(body.Offer)
	case wire.DutyState:
		m.picture.duty(body)
	case wire.Queue:
		m.picture.queue(body)
	case wire.DriverAt:
		m.picture.driverAt(body)
	case wire.Heartbeat:
		m.pulse.set(body)
		m.stir = true
	case wire.Drain:
		m.drained = min(time.Duration(max(body.ComeBackAfterMS, 0))*time.Millisecond, maxRetryAfter)
	case nil:
		return // a newer server's word
	}
	m.events = append(m.events, Event{Kind: Told, Session: m.session, At: now, Body: f.Body})
}

func (m *mind) welcome(now time.Time, w wire.Welcome) {
	if m.stage != greeting {
		return
	}
	if w.MaxFrameBytes > 0 {
		m.roomy = min(w.MaxFrameBytes, wire.MaxFrameBytes)
	}
	if every := time.Duration(w.HeartbeatS) * time.Second; every > 0 && every < m.pulse.silent {
		m.pulse.every = every
	}
	m.pulse.took(now.Sub(m.opened))
	m.enter(welcomed, now, m.wait+m.pulse.slow())
	m.events = append(m.events, Event{Kind: Up, Session: m.session, At: now, Body: w, Hello: new(m.hello)})
}

// truth follows a truth into the rest of the mind.
func (m *mind) truth(now time.Time, t *wire.Truth) {
	for i := range t.Trips {
		m.pocket.keep(now, &t.Trips[i])
	}
	if m.doubted {
		m.hangUp("the server calls a trip the same that is not held")
	}
	if t.Offer != nil {
		m.offered(now, t.Offer)
	}
	if m.stage == welcomed {
		m.enter(ready, now, 0)
		m.spot = m.newest
	}
	m.owed, m.dirty, m.stir = owed{}, true, true
}

// trip takes a telling of a trip, and says whether it is news.
func (m *mind) trip(now time.Time, t wire.Trip) (whole wire.Trip, fresh bool) {
	whole, fresh = m.picture.tell(now, t)
	m.pocket.keep(now, &whole)
	if m.picture.missed && m.stage == ready {
		m.hangUp("a lean trip came of which the order is not held")
	}
	if m.owed.trip == t.Trip && t.Version >= m.owed.version {
		m.owed = owed{}
	}
	m.dirty = m.dirty || fresh
	return whole, fresh
}

// offered takes an offer, and confirms it.
func (m *mind) offered(now time.Time, o *wire.Offer) {
	if m.role != wire.RoleDriver || o.Offer == "" {
		return
	}
	m.picture.offered(now, o)
	if o.ConfirmS > 0 && !m.plain && !m.old["seen"] {
		m.put(aside{wire.TypeSeen, wire.Seen{Trip: o.Trip, Offer: o.Offer}})
	}
}

// put lines up a message that is not answered.
func (m *mind) put(a aside) {
	if len(m.asides) >= maxAsides {
		m.asides = slices.Delete(m.asides, 0, 1)
		m.counts.AsidesDropped++
	}
	m.asides = append(m.asides, a)
	m.stir = true
}

// hangUp ends the connection at the next look, for a reason.
func (m *mind) hangUp(why string) {
	if m.why == "" {
		m.why, m.stir = why, true
	}
}

// next says what to send now, or when to look again.
func (m *mind) next(now time.Time, wall int64) send {
	m.picture.expire(now)
	if m.stage == away {
		return send{}
	}
	if m.why == "" {
		m.why = m.overdue(now)
	}
	if m.why != "" {
		return send{hangUp: m.why}
	}
	if m.pulse.knockDue(now) {
		m.pulse.knocked = now
		return send{knock: true}
	}
	if m.stage == ready && m.renew.due(now) {
		m.renew.fetching = true
		return send{fetch: true}
	}
	due := m.pulse.due()
	if m.stage == ready && !m.renew.fetching {
		due = earliest(due, m.renew.at)
	}
	if m.stage < ready {
		return send{due: earliest(due, m.opened.Add(m.patience))}
	}
	out, later := m.speak(now, wall)
	if out.idle() {
		out.due = earliest(due, later)
	}
	return out
}

// overdue says why the connection is of no use any more, "" if it is.
func (m *mind) overdue(now time.Time) string {
	switch {
	case m.pulse.dead(now):
		return "silent"
	case m.stage < ready && !now.Before(m.opened.Add(m.patience)):
		return "no welcome or truth in time"
	case m.owed.trip != "" && !now.Before(m.owed.until):
		return "the picture of a trip is behind the answers"
	}
	return ""
}

// speak chooses what is said next on a connection that is ready: what cannot wait,
// commands, the present position, and what is past.
func (m *mind) speak(now time.Time, wall int64) (out send, due time.Time) {
	if m.owed.trip != "" {
		due = m.owed.until
	}
	if len(m.asides) == 0 && len(m.calls) == 0 && m.spot == nil && len(m.tracks) == 0 && m.dark.empty() {
		return send{}, due
	}
	c, later := m.ready(now)
	due = earliest(due, later)
	if m.spot != nil && wall-m.spot.At >= freshFor.Milliseconds() {
		m.spot = nil // if it is of use, it is among those of the dark
	}
	if len(m.asides) == 0 && c == nil && m.spot == nil {
		if c, later = m.nextTrack(now); c == nil {
			return send{}, earliest(due, later)
		}
	}
	if !m.pace.take(now) {
		return send{}, earliest(due, m.pace.due(now))
	}
	switch {
	case len(m.asides) > 0:
		a := m.asides[0]
		m.asides = slices.Delete(m.asides, 0, 1)
		return send{kind: a.kind, body: a.body}, due
	case c != nil:
		return m.sendCall(c, now, wall), due
	}
	p := *m.spot
	m.spot = nil
	m.doubt(p)
	return send{kind: wire.TypePosition, body: p}, due
}

// earliest returns the earlier of two moments, of which zero ones do not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
