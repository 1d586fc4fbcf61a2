package ws

import (
	"slices"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// Auditor keeps who looked at whose position. Note takes one record, or returns false
// when it has no room: it must not block, and may be called from any goroutine.
type Auditor interface {
	Note(AuditRecord) bool
}

// What somebody did, in an [AuditRecord].
const (
	// AuditPosition: a party is shown where the driver of its trip is; the first time on
	// a connection. AuditPositionEnd: for how long and how often it was.
	AuditPosition    = "position"
	AuditPositionEnd = "position_end"
	// AuditBoard: an operator's board shows where drivers are; the first time, and again
	// every ten minutes. AuditBoardEnd: from when to when, and all the drivers.
	AuditBoard    = "board"
	AuditBoardEnd = "board_end"
	// AuditLook: an operator asks for a close look, and why. AuditLookShown: what he was shown.
	AuditLook      = "look"
	AuditLookShown = "look_shown"
)

// AuditRecord is who looked at whose position, and when. It says no position.
type AuditRecord struct {
	At      dispatch.Instant    `json:"at"` // Unix ms
	What    string              `json:"what"`
	Role    dispatch.Role       `json:"role"`
	ID      string              `json:"id"`
	Session string              `json:"session"`
	Area    geo.AreaID          `json:"area"`
	Command string              `json:"command,omitempty"` // of a look
	Trip    dispatch.TripID     `json:"trip,omitempty"`
	Driver  dispatch.DriverID   `json:"driver,omitempty"`
	Drivers []dispatch.DriverID `json:"drivers,omitempty"` // on a board, by id; at most maxBoardLooks
	More    int                 `json:"more,omitempty"`    // drivers beyond that
	Reason  string              `json:"reason,omitempty"`
	From    dispatch.Instant    `json:"from,omitempty"`
	To      dispatch.Instant    `json:"to,omitempty"`
	Frames  int                 `json:"frames,omitempty"` // with a position in them
}

const (
	// maxLooks bounds the trips on which a connection is seen to look at the driver; beyond
	// it the record of one is ended, and begun anew with its next position.
	maxLooks = 256
	// maxBoardLooks bounds the drivers in the record of a board.
	maxBoardLooks = 1000
	// boardLook is how long one record of a board goes on, in ms: so much of it is lost
	// with a server that dies.
	boardLook = 600_000
)

// looks is what a connection has been shown of where drivers are. It is owned by the
// writer, and after the last one by the reader that ends the connection.
type looks struct {
	trips map[tripLook]*look
	board *look
	seen  map[dispatch.DriverID]bool // on the board
	more  int
}

type tripLook struct {
	trip   dispatch.TripID
	driver dispatch.DriverID
}

// look is one that goes on.
type look struct {
	from, to dispatch.Instant
	frames   int
}

// record begins a record of a connection.
func (c *conn) record(what string, now dispatch.Instant) AuditRecord {
	p := c.party.Load()
	return AuditRecord{At: now, What: what, Role: p.actor.Role, ID: p.actor.ID, Session: c.session(), Area: p.areaID}
}

// note hands a record over, and says whether it was taken.
func (c *conn) note(r AuditRecord) bool {
	h := c.hub
	if h.cfg.Audit == nil || h.cfg.Audit.Note(r) {
		h.metrics.audit.WithLabelValues(r.What).Inc()
		return true
	}
	h.metrics.audit.WithLabelValues("lost").Inc()
	return false
}

// audit records whose position a frame shows before it is written. It returns false when
// it must not be written: a close look, which is rare and somebody's choice, is not shown
// when it cannot be recorded. A passenger's driver and the board are shown all the same,
// and what is not recorded is counted: a full disk must not leave people on the road.
func (c *conn) audit(next told, f *wire.ServerFrame, now dispatch.Instant) bool {
	if _, told := next.body.(dispatch.NoticeBody); !told {
		return true // our own frames have no positions, and may come before the hello
	}
	me := c.party.Load().actor.Driver()
	switch b := next.body.(type) {
	case dispatch.DriverAt:
		c.looksAt(b.Trip, b.Fix.Driver, now)
	case dispatch.RouteTold:
		if b.Driver != "" && b.Driver != me {
			c.looksAt(b.Trip, b.Driver, now)
		}
	case dispatch.TripTold:
		c.auditTrip(f.Body.(wire.Trip), me, now)
	case dispatch.Truth:
		for _, trip := range f.Body.(wire.Truth).Trips {
			c.auditTrip(trip, me, now)
		}
	case dispatch.BoardTold:
		c.looksAtBoard(f.Body.(wire.Board), now)
	case dispatch.LookTold:
		return c.looksClosely(b, now)
	}
	return true
}

func (c *conn) auditTrip(trip wire.Trip, me dispatch.DriverID, now dispatch.Instant) {
	id := dispatch.TripID(trip.Trip)
	switch {
	case trip.Position != nil && trip.Driver != nil && dispatch.DriverID(trip.Driver.ID) != me:
		c.looksAt(id, dispatch.DriverID(trip.Driver.ID), now)
	case !dispatch.State(trip.State).HasDriver():
		for key, l := range c.looks.trips {
			if key.trip == id {
				c.looksAway(key, l, now)
			}
		}
	}
}

// looksAt notes that a frame shows where the driver of a trip is.
func (c *conn) looksAt(trip dispatch.TripID, driver dispatch.DriverID, now dispatch.Instant) {
	key := tripLook{trip, driver}
	l := c.looks.trips[key]
	if l == nil {
		if len(c.looks.trips) >= maxLooks {
			for other, l := range c.looks.trips {
				c.looksAway(other, l, now)
				break
			}
		}
		if c.looks.trips == nil {
			c.looks.trips = map[tripLook]*look{}
		}
		l = &look{from: now}
		c.looks.trips[key] = l
		r := c.record(AuditPosition, now)
		r.Trip, r.Driver = trip, driver
		c.note(r)
	}
	l.to = now
	l.frames++
}

// looksAway ends a record.
func (c *conn) looksAway(key tripLook, l *look, now dispatch.Instant) {
	delete(c.looks.trips, key)
	if len(c.looks.trips) == 0 {
		c.looks.trips = nil // an idle connection keeps nothing
	}
	r := c.record(AuditPositionEnd, now)
	r.Trip, r.Driver, r.From, r.To, r.Frames = key.trip, key.driver, l.from, l.to, l.frames
	c.note(r)
}

// looksAtBoard notes the drivers whom a board shows.
func (c *conn) looksAtBoard(board wire.Board, now dispatch.Instant) {
	if l := c.looks.board; l != nil && now-l.from >= boardLook {
		c.looksAwayFromBoard(now)
	}
	first := c.looks.board == nil
	if first {
		c.looks.board, c.looks.seen = &look{from: now}, map[dispatch.DriverID]bool{}
	}
	c.looks.board.to = now
	c.looks.board.frames++
	for _, d := range board.Drivers {
		if d.Position != nil {
			c.looks.onBoard(d.ID)
		}
	}
	for _, trips := range [][]wire.Trip{board.Waiting, board.Driving, board.Ended} {
		for _, trip := range trips {
			if trip.Position != nil && trip.Driver != nil {
				c.looks.onBoard(trip.Driver.ID)
			}
		}
	}
	if first {
		r := c.record(AuditBoard, now)
		r.Drivers, r.More = c.looks.drivers(), c.looks.more
		c.note(r)
	}
}

func (l *looks) onBoard(driver string) {
	id := dispatch.DriverID(driver)
	switch {
	case l.seen[id]:
	case len(l.seen) < maxBoardLooks:
		l.seen[id] = true
	default:
		l.more++
	}
}

func (l *looks) drivers() []dispatch.DriverID {
	var ids []dispatch.DriverID
	for id := range l.seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (c *conn) looksAwayFromBoard(now dispatch.Instant) {
	l := c.looks.board
	r := c.record(AuditBoardEnd, now)
	r.From, r.To, r.Frames = l.from, l.to, l.frames
	r.Drivers, r.More = c.looks.drivers(), c.looks.more
	c.looks.board, c.looks.seen, c.looks.more = nil, nil, 0
	c.note(r)
}

// looksClosely notes what an operator is shown who has asked for it.
func (c *conn) looksClosely(b dispatch.LookTold, now dispatch.Instant) bool {
	r := c.record(AuditLookShown, now)
	r.Command = string(b.ID)
	if b.Driver != nil {
		r.Driver, r.Trip = b.Driver.ID, b.Driver.Trip
	}
	if b.Trip != nil {
		r.Trip, r.Driver = b.Trip.ID, b.Trip.Driver
	}
	return c.note(r)
}

// wantsToLook notes that an operator asks for a close look, or says why he may not now.
func (c *conn) wantsToLook(f wire.ClientFrame, now moment) *dispatch.Refusal {
	b, ok := f.Body.(wire.Look)
	if !ok {
		return nil
	}
	r := c.record(AuditLook, now.wall)
	r.Command, r.Trip, r.Driver, r.Reason = f.ID, dispatch.TripID(b.Trip), dispatch.DriverID(b.Driver), b.Reason
	if c.note(r) {
		return nil
	}
	no := refusal(dispatch.Unavailable, "not_recording", "Who looks at whom cannot be recorded at present, so it is not shown. Try again soon, and tell who runs the server.")
	no.RetryAfter = auditRetry
	return no
}

// looksNoMore ends every record of a connection. No writer is left.
func (c *conn) looksNoMore() {
	if c.looks.trips == nil && c.looks.board == nil {
		return
	}
	now := c.hub.moment().wall
	for key, l := range c.looks.trips {
		c.looksAway(key, l, now)
	}
	if c.looks.board != nil {
		c.looksAwayFromBoard(now)
	}
}
