package swarm

import (
	"math"
	"sync"
	"time"

	"cuntong/ws/wire"
)

// trackLength is how many positions of a driver are remembered, to recognise
// them when a rider sees one.
const trackLength = 16

// samePlace is how far apart in degrees the coordinates of a position and of its
// fix may be: a tenth of a metre, for encodings that round.
const samePlace = 1e-6

// track is the last positions that a driver with a trip has sent. Its methods may
// be called from any goroutine.
//
// A fix is recognised by its coordinates, which GPS noise makes unlike any other.
// Its time alone would not do: the server may take a phone's clock as it is when
// it is off by seconds only, which is longer than two positions are apart.
type track struct {
	mu sync.Mutex
	// Guarded by mu.
	sent [trackLength]sentPosition
	next int
}

type sentPosition struct {
	at       time.Time
	lat, lon float64
}

// add remembers a position sent at that time.
func (t *track) add(at time.Time, p wire.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[t.next%trackLength] = sentPosition{at, p.Lat, p.Lon}
	t.next++
}

// find returns when the position of that fix was sent. Of several at the same
// place, as of a phone without noise that stands, it takes the one nearest in time;
// ahead is how far the server's clock is ahead of ours.
func (t *track) find(f wire.Fix, ahead time.Duration) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, off := time.Time{}, int64(math.MaxInt64)
	for i := range min(t.next, trackLength) {
		s := &t.sent[i]
		if math.Abs(s.lat-f.Lat) > samePlace || math.Abs(s.lon-f.Lon) > samePlace {
			continue
		}
		apart := s.at.Add(ahead).UnixMilli() - f.At
		if apart = max(apart, -apart); apart < off {
			best, off = s.at, apart
		}
	}
	return best, !best.IsZero()
}
