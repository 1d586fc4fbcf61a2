package swarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/ws/wire"
)

// Config says what to drive, where, and who is told.
type Config struct {
	// URL is the server's WebSocket address, such as ws://127.0.0.1:8080/ws; or those of
	// several servers, with commas between. A phone begins at any of them, and goes to
	// another one whenever a connection has ended or could not be made.
	URL string
	// TokenFor makes the bearer token of a party. It is called before each connect,
	// from many goroutines.
	TokenFor func(Party) (string, error)
	// Villages is where the simulated people live. The server must know the same ones.
	Villages *geo.Gazetteer
	Scenario plan.Scenario
	// Roads are what vehicles drive on. They are read from many goroutines, so nobody
	// may change them meanwhile: the server's own, which operators close, will not do.
	// Nil, or where none leads: roads drawn for the purpose.
	Roads geo.Router
	// Seed fixes the plan and what the parties do.
	Seed uint64
	// Prefix begins the ids of the parties. Two runs at a time against one server
	// need two. Empty means "sim"; at most 20 characters of the alphabet of ids.
	Prefix string
	// Run makes the ids of trips and commands differ from those of earlier runs. Empty
	// means by the time of day; at most 20 characters.
	Run string
	// Finish, when closed, ends the bookings early; then follows a short settling and
	// tidying up. Nil means never.
	Finish <-chan struct{}
	// Log gets a few lines a run, never one a trip. Nil means none.
	Log *slog.Logger
	// Observer is told what happens to trips. It is called from many goroutines and
	// must not block. Nil means nobody.
	Observer func(Event)
	// Progress is told once a second how it goes, from one goroutine. Nil means nobody.
	Progress func(Progress)
	// Wire is how frames are written: "json", which "" is too, or "pb".
	Wire string
	// DialContext makes the connections. Nil means TCP.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Party is somebody with a socket.
type Party struct {
	// Role is one of the roles of the wire.
	Role string
	ID   string
	// Vehicle is there for drivers.
	Vehicle *plan.Vehicle
}

// EventKind says what happened to a trip.
type EventKind string

// The kinds of event.
const (
	TripAssigned  EventKind = "assigned"
	TripCompleted EventKind = "completed"
	TripCancelled EventKind = "cancelled"
	TripUnserved  EventKind = "unserved"
)

// Event is something that happened to a trip, as the first party to learn of it saw it.
type Event struct {
	Kind   EventKind
	At     time.Time
	Trip   string
	Booker string
	// Driver is who was bound last, or "".
	Driver   string
	From, To string // names of the villages
	Seats    int
	// Waited is from the intended request to the assignment, 0 without one.
	Waited time.Duration
	// Took is from the intended request to this event.
	Took time.Duration
}

// Progress is how a run goes.
type Progress struct {
	// Stage is connecting, running, settling or tidying up.
	Stage string
	// Elapsed is since the bookings began, Length how long they go on; 0 without end.
	Elapsed, Length time.Duration
	// Counts are the counters so far; see [Counters].
	Counts map[string]int64
	// OpenTrips, Drivers, Riders: how many there are now; parties are counted while connected.
	OpenTrips, Drivers, Riders int64
	// OfferP50, OfferP99 are of request_to_offer so far.
	OfferP50, OfferP99 time.Duration
}

// The longest prefix and run, so that ids stay within 64 characters.
const maxNameLength = 20

// addresses are the servers' addresses; at least one, if only an empty one.
func (c *Config) addresses() []string { return strings.Split(c.URL, ",") }

// codec is how frames are written; nil when there is no such way.
func (c *Config) codec() wire.Codec {
	codec, _ := wire.CodecOf(wire.Protocol + "." + c.Wire)
	return codec
}

func (c *Config) complete() error {
	if c.Wire == "" {
		c.Wire = "json"
	}
	if c.codec() == nil {
		return fmt.Errorf("swarm: frames cannot be written as %q", c.Wire)
	}
	for _, address := range c.addresses() {
		u, err := url.Parse(address)
		switch {
		case err != nil:
			return fmt.Errorf("swarm: address: %w", err)
		case (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "":
			return fmt.Errorf("swarm: address %q: want ws://host:port/ws or wss://host/ws, or several with commas between", address)
		}
	}
	switch {
	case c.TokenFor == nil:
		return errors.New("swarm: nobody makes tokens: set TokenFor")
	case len(c.Prefix) > maxNameLength || len(c.Run) > maxNameLength:
		return fmt.Errorf("swarm: prefix and run have at most %d characters", maxNameLength)
	}
	if c.Prefix == "" {
		c.Prefix = "sim"
	}
	if c.Run == "" {
		c.Run = time.Now().UTC().Format("0102T150405.000")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = func(Event) {}
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	return nil
}
