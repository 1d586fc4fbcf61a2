package dispatch

import (
	"context"
	"errors"
	"time"

	"cuntong/geo"
)

// NodeID names one run of one server: its configured name, a '~' and a word that
// differs from run to run.
type NodeID string

// Peer is a server as the others see it.
type Peer struct {
	ID   NodeID `json:"id"`
	Name string `json:"name"`
	// Leaving says that a planned stop has begun: it takes no areas and gives up those it has.
	Leaving bool `json:"leaving,omitempty"`
	// Seen is when it was last heard of, by the clock of the exchange.
	Seen Instant `json:"-"`
}

// Tenure is who may write an area.
type Tenure struct {
	Area  geo.AreaID
	Node  NodeID // empty: nobody holds a lease, or it has been given up
	Epoch Epoch
	Until Instant // when the lease runs out, by the clock of the exchange
	Next  NodeID  // who alone may take it for a moment; empty: anybody
}

// LetterID is the place of a letter in its box. Later letters have later places.
type LetterID string

// Letter is a message between servers, as bytes.
type Letter struct {
	ID   LetterID
	Body []byte
}

// Bounds of an exchange.
const (
	// MaxLetter bounds the body of one letter, in bytes.
	MaxLetter = 1 << 20
	// MaxLetters bounds one Send, Deliver, Receive and Collect.
	MaxLetters = 512
)

// ErrBoxFull: too many letters wait in an inbox. Nothing was put into it.
var ErrBoxFull = errors.New("the inbox of this area is full")

// Exchange is how the servers on one Redis find and reach each other. All methods
// may be called from any goroutine; Receive and Collect hold a connection of their
// own while they wait.
//
// An area has an inbox: what is put there is read by whoever writes the area, now or
// after a crash, until he discards it. A server has a post box, for what may be lost
// with it: when it is full the oldest letters are forgotten, so a letter says where
// it stands among its fellows and its reader notices a gap.
type Exchange interface {
	// Beat tells that self lives and returns every server that was heard of lately,
	// self included, and the time by the clock of the exchange.
	Beat(ctx context.Context, self Peer) (peers []Peer, now Instant, err error)
	// Bye takes a server, and its post box, off the list.
	Bye(ctx context.Context, id NodeID) error
	// Tenures returns who may write each of these areas, in their order.
	Tenures(ctx context.Context, areas []geo.AreaID) ([]Tenure, error)

	// Send puts letters into the inbox of an area, all or none, in order. It returns
	// ErrBoxFull and has put nothing, or another error and they may be there or not:
	// sending again may then double them.
	Send(ctx context.Context, area geo.AreaID, letters [][]byte) error
	// Receive returns the oldest letters after the given one (empty: all), and waits
	// for one up to wait. None is no error.
	Receive(ctx context.Context, area geo.AreaID, after LetterID, wait time.Duration) ([]Letter, error)
	// Discard forgets the letters of an inbox up to and including the given one.
	Discard(ctx context.Context, area geo.AreaID, upTo LetterID) error

	// Deliver puts letters into the post box of a server, in order. After an error they
	// may be there or not.
	Deliver(ctx context.Context, to NodeID, letters [][]byte) error
	// Collect is Receive for a server's own post box. What is collected need not be discarded.
	Collect(ctx context.Context, me NodeID, after LetterID, wait time.Duration) ([]Letter, error)
}
