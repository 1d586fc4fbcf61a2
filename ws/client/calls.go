package client

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"cuntong/ws/wire"
)

// window is how many commands may wait for their answers on a connection. The server
// takes 16, questions among them.
const window = 12

// Command is what was asked of the server.
type Command struct {
	ID   string
	Type wire.Type
	// Trip is what it is about, "" for none.
	Trip string
	Body any
	// DoneAt is when it was given, by the phone's clock.
	DoneAt time.Time
	// Sent is how often it has been sent, Put how often the server has put it off;
	// Session is the connection it was last sent on and may be answered on, 0 for none.
	Sent, Put, Session int
	// Twice sends it twice at once, for tests of servers.
	Twice bool
}

// Answer is how a command ended: exactly one of Done and Refused is there.
type Answer struct {
	Command
	Done    *wire.Done
	Refused *wire.Refused
}

// call is a command without an answer yet.
type call struct {
	Command
	doneAt, seq int64 // a deed's, Unix ms by the phone's clock; 0 for other commands
	stamped     bool  // they are in the frame
	tries       int   // sendings on that connection
	sentAt      time.Time
	due         time.Time // before when it may not be sent; zero is now
}

// owed is a trip of which an answer has told more than the picture has.
type owed struct {
	trip    string
	version int64
	until   time.Time
}

// owedFor is how long the trip may take to follow the answer.
const owedFor = 10 * time.Second

// ask lines up a command.
func (m *mind) ask(now time.Time, wall int64, t wire.Type, body any, twice bool) (string, error) {
	if len(m.calls) >= m.open {
		return "", ErrFull
	}
	m.named++
	c := &call{Command: Command{
		ID: m.ids + "-" + strconv.Itoa(m.named), Type: t, Trip: tripOf(body), Body: body,
		DoneAt: time.UnixMilli(wall), Twice: twice,
	}}
	if m.isDeed(t) {
		m.seq++
		c.doneAt, c.seq = wall, m.seq
	}
	m.calls = append(m.calls, c)
	m.stir, m.dirty = true, true
	return c.ID, nil
}

// tripOf is the trip that a command is about.
func tripOf(body any) string {
	v := reflect.Indirect(reflect.ValueOf(body))
	if v.Kind() != reflect.Struct {
		return ""
	}
	if f := v.FieldByName("Trip"); f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// isAside says that a command neither waits for others nor has them wait.
func isAside(t wire.Type) bool { return t == wire.TypeRenew || t == wire.TypeLogout }

// waits says whether a command has to wait for the answer to an earlier one: a driver's
// come one by one, those of others by trip.
func (m *mind) waits(i int) bool {
	c := m.calls[i]
	if isAside(c.Type) {
		return false
	}
	for _, before := range m.calls[:i] {
		if !isAside(before.Type) && (m.role == wire.RoleDriver || c.Trip != "" && c.Trip == before.Trip) {
			return true
		}
	}
	return false
}

// ready returns the first command to send now, or nil, and when to look again.
func (m *mind) ready(now time.Time) (first *call, due time.Time) {
	flying := 0
	for i, c := range m.calls {
		switch {
		case m.flies(c, now):
			flying++
			due = earliest(due, m.landsAt(c))
		case flying >= window:
			return nil, due
		case c.due.After(now):
			due = earliest(due, c.due)
		case m.waits(i):
		default:
			return c, due
		}
	}
	return nil, due
}

// flies says whether a command is on its way, or its answer, and not to be sent again yet.
func (m *mind) flies(c *call, now time.Time) bool {
	return c.Session == m.session && now.Before(m.landsAt(c))
}

// landsAt is when the answer to a command that was sent is late.
func (m *mind) landsAt(c *call) time.Time { return c.sentAt.Add(m.repeat + m.pulse.slow()) }

// sendCall sends a command, or ends a connection on which it was sent in vain too often.
func (m *mind) sendCall(c *call, now time.Time, wall int64) send {
	if c.Session != m.session {
		c.Session, c.tries = m.session, 0
	}
	if c.tries >= sendings {
		m.events = append(m.events, Event{Kind: Late, Session: m.session, At: now, Answer: &Answer{Command: c.Command}})
		m.hangUp("a command is not answered")
		return send{hangUp: m.why}
	}
	if c.seq > 0 && !c.stamped && (c.Sent > 0 || wall-c.doneAt >= nowMS) && !m.old["at"] {
		c.Body, c.stamped = stamp(c.Body, c.doneAt, c.seq), true
	}
	c.tries++
	c.Sent++
	c.sentAt = now
	if c.Sent > 1 {
		m.counts.Repeats++
	}
	return send{kind: c.Type, id: c.ID, body: c.Body, twice: c.Twice && c.Sent == 1}
}

// find returns the command of that id, or nil.
func (m *mind) find(id string) *call {
	for _, list := range [][]*call{m.calls, m.tracks} {
		if i := slices.IndexFunc(list, func(c *call) bool { return c.ID == id }); i >= 0 {
			return list[i]
		}
	}
	return nil
}

// settle takes an answered command off.
func (m *mind) settle(now time.Time, c *call, done *wire.Done, no *wire.Refused) {
	is := func(other *call) bool { return other == c }
	m.calls = slices.DeleteFunc(m.calls, is)
	m.tracks = slices.DeleteFunc(m.tracks, is)
	switch body := c.Body.(type) {
	case wire.Accept:
		m.picture.endOffer(body.Offer)
	case wire.Decline:
		m.picture.endOffer(body.Offer)
	}
	m.stir, m.dirty = true, true
	m.events = append(m.events, Event{Kind: Answered, Session: m.session, At: now, Answer: &Answer{c.Command, done, no}})
}

// stray tells of an answer to a command that is not open: a second one, mostly.
func (m *mind) stray(now time.Time, id string, done *wire.Done, no *wire.Refused) {
	m.counts.Strays++
	m.events = append(m.events, Event{Kind: Stray, Session: m.session, At: now, Answer: &Answer{Command{ID: id}, done, no}})
}

func (m *mind) done(now time.Time, id string, d wire.Done) {
	c := m.find(id)
	switch {
	case c == nil:
		m.stray(now, id, &d, nil)
		return
	case c.tries == 1 && c.Session == m.session:
		m.pulse.took(now.Sub(c.sentAt))
	}
	switch {
	case c.Type == wire.TypeRequest:
		m.pocket.dropAbove(d.Trip, d.Version)
	}
	if h := m.picture.trips[d.Trip]; isBound(d.State) && m.role == wire.RoleDriver && (h == nil || h.Version < d.Version) {
		m.owed = owed{d.Trip, d.Version, now.Add(owedFor)}
	}
	m.settle(now, c, &d, nil)
}

func (m *mind) refused(now time.Time, id string, r wire.Refused) {
	c := m.find(id)
	if c == nil {
		m.stray(now, id, nil, &r)
		return
	}
	if m.older(c, r) {
		c.Session, m.stir = 0, true
		return
	}
	if m.again(c.Command, r) {
		c.Put++
		c.Session, c.tries = 0, 0
		wait := time.Duration(min(max(r.RetryAfterMS, 100), maxRetryAfter.Milliseconds())) * time.Millisecond
		c.due = now.Add(wait + time.Duration(m.rng.Int64N(int64(wait)/4+1)))
		m.counts.PutOff++
		m.stir = true
		m.events = append(m.events, Event{Kind: PutOff, Session: m.session, At: now, Answer: &Answer{c.Command, nil, &r}})
		return
	}
	m.settle(now, c, nil, &r)
}

// SendAgain says which refused commands are sent again: what the server could not
// take now, until it can; what is limited, as often as five times, if the server says
// for how long. A no-show that comes too early is the app's affair.
func SendAgain(c Command, r wire.Refused) bool {
	switch r.Kind {
	case wire.KindUnavailable:
		return true
	case wire.KindLimited:
		return r.RetryAfterMS > 0 && c.Type != wire.TypeCancel && c.Put < 5
	}
	return false
}

// older learns from a refusal that the server is older than this client, and says
// whether the command goes out again as the server knows it.
func (m *mind) older(c *call, r wire.Refused) bool {
	field := strings.TrimPrefix(r.Field, "b.")
	if r.Code != wire.CodeUnknownField || !c.stamped || field != "at" && field != "seq" {
		return false
	}
	m.old["at"] = true
	c.Body, c.stamped = stamp(c.Body, 0, 0), false
	return true
}

// rebuked takes a refusal of what is no command.
func (m *mind) rebuked(now time.Time, r wire.Refused) {
	switch {
	case m.stage == greeting && r.Code == wire.CodeUnknownField:
		field, _, _ := strings.Cut(strings.TrimPrefix(r.Field, "b."), ".")
		field, _, _ = strings.Cut(field, "[")
		if !m.old[field] {
			m.old[field], m.retold = true, field
		}
	case m.stage == welcomed && r.Kind == wire.KindUnavailable:
		m.patience = now.Sub(m.opened) + unavailableWait
	case r.Code == "trip_unknown":
		m.pocket.drop(r.Trip)
		m.dirty = true
	}
}

// randomName draws how the ids of a client begin.
func randomName(rng *rand.Rand) string {
	const letters = "abcdefghjkmnpqrstuvwxyz23456789"
	name := make([]byte, 9)
	for i := range name {
		name[i] = letters[rng.IntN(len(letters))]
	}
	return string(name)
}
