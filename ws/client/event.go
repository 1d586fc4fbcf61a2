package client

import (
	"time"

	"cuntong/ws/wire"
)

// Kind says what an event is.
type Kind int

// The kinds of event.
const (
	// Up: the server has welcomed us. Body is the wire.Welcome, Hello what we had said
	// (without the token), Took how long it was from the dial.
	Up Kind = iota
	// Told: a message of the server's, in Body, a value of package wire: trips are whole,
	// and a truth has all its trips in Trips. Stale says that a trip is no news, Gone which
	// open trips a truth has left out.
	Told
	// Answered: a command is answered for good, in Answer.
	Answered
	// PutOff: a command was refused, in Answer, and will be sent again by itself.
	PutOff
	// Stray: a second answer to a command, or one to none, in Answer.
	Stray
	// Late: a command was not answered on a connection that lives, which is given up.
	Late
	// Down: the connection ended, for Err; Wait is when the next attempt is made.
	Down
	// Failed: an attempt to connect failed, for Err; Wait is when the next one is made.
	Failed
	// Ended: the client does not come back by itself, for Err. It is the last event of Run.
	Ended
	// Unreadable: a frame of the server's could not be read, for Err.
	Unreadable
	// Unsaved: the store failed, with Err. What is kept is kept in memory only.
	Unsaved
)

// Event is what a client tells its app.
type Event struct {
	Kind Kind
	// Session counts the connections, from 1.
	Session int
	At      time.Time
	Body    any
	Hello   *wire.Hello
	Stale   bool
	Gone    []string
	Answer  *Answer
	Err     error
	// Code is of the close, 0 without one.
	Code int
	Wait time.Duration
	Took time.Duration
}

// lossy says whether an event may be dropped when the app is slow.
func (e *Event) lossy() bool {
	return e.Kind == Told && isLossy(e.Body)
}

// Counts are what a client has done and dropped since it was made.
type Counts struct {
	// Connects are connections that were welcomed, Failures attempts that were not.
	Connects, Failures int64
	// Repeats are commands sent again for want of an answer, PutOff because the server
	// asked for it; Strays are answers to no command.
	Repeats, PutOff, Strays int64
	// EventsDropped were too many for the app, AsidesDropped for the socket.
	EventsDropped, AsidesDropped int64
	// Unreadable are frames of the server's that could not be read.
	Unreadable int64
}
