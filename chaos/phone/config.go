package phone

import (
	"sync/atomic"
	"time"

	"cuntong/chaos/history"
)

// Point is a place in degrees, WGS-84.
type Point struct{ Lat, Lon float64 }

// Home is where somebody lives: an area, and a point in it.
type Home struct {
	Area string
	At   Point
}

// Config says who takes part.
type Config struct {
	Seed uint64
	// Servers are addresses, host:port, of the public sides. A phone takes any.
	Servers []string
	// Secret signs the tokens.
	Secret []byte
	Log    *history.Log
	// Drivers, Passengers and Operators are where each of them lives.
	Drivers, Passengers, Operators []Home
	// Think is how long a passenger waits on average between two trips.
	Think time.Duration
	// Step is how long a driver takes on average from one stage of a trip to the next.
	Step time.Duration
	// Receipts says that phones keep the receipts they are given and show them on return.
	Receipts bool
	// Shaky says that frames may be doubled and swapped on the way.
	Shaky bool

	busy atomic.Int64 // how many wait for something
}

const (
	// resendAfter is how long a phone waits for an answer on a living connection
	// before it sends the command again under its id.
	resendAfter = 3 * time.Second
	// dialWait, helloWait and writeWait bound the parts of coming back.
	dialWait  = time.Second
	helloWait = 4 * time.Second
	writeWait = 2 * time.Second
	// firstBound and lastBound are the back-off between connections: full jitter
	// below a bound that doubles.
	firstBound = 100 * time.Millisecond
	lastBound  = time.Second
	// silentAfter is how long a phone believes in a connection on which nothing comes.
	silentAfter = 8 * time.Second
	// frameQueue is how many frames may wait for their phone; then the socket waits.
	frameQueue = 64
	// positionEvery is how often a driver says where he is.
	positionEvery = time.Second
	// stuckAfter is how long somebody with business waits for news before he calls again.
	stuckAfter = 6 * time.Second
	// maxSkew is how wrong the clock of a phone may be.
	maxSkew = 4 * time.Minute
)
