package ws

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// mode is what a connection's heartbeat goes by: who it is and what he is at.
type mode int64

// The modes.
const (
	modeOpen   mode = iota // what holds at first; while a trip of his is open; operators always
	modeDuty               // a driver on duty, whether or not he is asked or driving
	modeParked             // nothing is going on: a driver off duty, anybody else without a trip
)

// rhythm is the heartbeat of one mode: who has not been heard of for as long as every is
// pinged, who has not for as long as silent is dead. Spread is how much a ping may be
// early or late by chance; one is never early for a driver on duty, whose positions come
// just as often.
type rhythm struct {
	every, early, late, silent time.Duration
}

// rhythm is the table of heartbeats.
//
//	open     Config.PingEvery, SilentAfter     25 s ± a tenth       60 s
//	duty     Config.DutyPing, DutySilent        4 s + a fifth       11 s
//	parked   Config.ParkedPing, ParkedSilent    4 min ± a tenth      9 min
//
// With a sweep a second, a link that dies on duty is known dead within 12 s. Parked
// phones are pinged less often than their radios fall asleep and more often than
// networks forget connections, which some do after 5 min.
func (cfg *Config) rhythm(m mode) rhythm {
	switch m {
	case modeDuty:
		return rhythm{cfg.DutyPing, 0, cfg.DutyPing / 5, cfg.DutySilent}
	case modeParked:
		return rhythm{cfg.ParkedPing, cfg.ParkedPing / 10, cfg.ParkedPing / 10, cfg.ParkedSilent}
	}
	return rhythm{cfg.PingEvery, cfg.PingEvery / 10, cfg.PingEvery / 10, cfg.SilentAfter}
}

// pulse is how alive a connection is, and how quick.
type pulse struct {
	// beat is the mode, and in the bits above it since when it holds: uptime in ms.
	beat atomic.Int64
	// trip is the smoothed round trip in microseconds; 0: not known.
	trip atomic.Int64
	lost atomic.Bool // it has been said that the link is lost

	// Owned by the sweeper.
	pinged int64   // when it was last pinged; uptime in ms
	chance float32 // where between early (-1) and late (1) the next ping comes; below -1: sooner

	mu     sync.Mutex // guards the following fields
	open   []dispatch.TripID
	number uint32 // of the newest ping
	timed  uint32 // the ping whose answer is waited for to measure the round trip; 0: none
	sent   time.Time
	asked  *toldOffer // the offer that this connection was told of and has not confirmed
	guess  bool       // the round trip is a guess
}

// toldOffer is an offer on its way to a phone.
type toldOffer struct {
	trip   dispatch.TripID
	offer  dispatch.OfferID
	number uint32 // of the ping behind it; 0: none is
	sent   time.Time
}

// mode returns the mode and since when it holds, in ms of uptime.
func (p *pulse) mode() (m mode, since int64) {
	beat := p.beat.Load()
	return mode(beat & 3), beat >> 2
}

// maxOpen bounds the trips of a party that are counted as open. With more it counts as
// having one until the next truth.
const maxOpen = wire.MaxTruthTrips

// note learns from a notice that passes what the party is at. It returns whether the
// mode has changed.
func (p *pulse) note(role dispatch.Role, body dispatch.NoticeBody, now moment) (mode, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, _ := p.mode()
	is := was
	switch b := body.(type) {
	case dispatch.Truth:
		p.open = p.open[:0]
		for i := range b.Trips {
			p.follow(&b.Trips[i])
		}
		is = p.modeOf(role, b.Duty != nil)
	case dispatch.DutyTold:
		is = p.modeOf(role, b.On)
	case dispatch.TripTold:
		p.follow(&b.Trip)
		is = p.modeOf(role, was == modeDuty)
	}
	if len(p.open) == 0 {
		p.open = nil
	}
	if is == was {
		return is, false
	}
	p.beat.Store(now.up<<2 | int64(is))
	return is, true
}

// follow keeps count of the open trips.
func (p *pulse) follow(v *dispatch.TripView) {
	i := slices.Index(p.open, v.ID)
	switch {
	case v.State.Open() && i < 0 && len(p.open) < maxOpen:
		p.open = append(p.open, v.ID)
	case !v.State.Open() && i >= 0:
		p.open = slices.Delete(p.open, i, i+1)
	}
}

func (p *pulse) modeOf(role dispatch.Role, onDuty bool) mode {
	switch {
	case role == dispatch.RoleDriver && onDuty:
		return modeDuty
	case role == dispatch.RoleOperator, role != dispatch.RoleDriver && len(p.open) > 0:
		return modeOpen
	}
	return modeParked
}

// expect notes an offer that is about to be written.
func (p *pulse) expect(o dispatch.OfferView, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = &toldOffer{trip: o.Trip, offer: o.ID, sent: now}
}

// ping returns the payload of the next ping, which stands right behind an offer or
// anywhere. Pongs come in order, and one may answer for those before it (RFC 6455,
// 5.5.3): so the answer to this ping or a later one shows that the offer has arrived.
//
// One ping at a time is timed, the next only once it has been answered: on a link whose
// round trip is longer than the time between pings the newest one never has been.
func (p *pulse) ping(behindOffer bool, now time.Time) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	if p.timed == 0 || now.Sub(p.sent) > maxRoundTrip {
		p.timed, p.sent = p.number, now
	}
	if behindOffer && p.asked != nil {
		p.asked.number = p.number
	}
	return strconv.AppendUint(nil, uint64(p.number), 36)
}

// pong learns from the answer to a ping: the round trip, and that an offer has arrived,
// which is returned. What answers nothing that was asked is left.
func (p *pulse) pong(payload string, now time.Time) (seen *toldOffer) {
	n, err := strconv.ParseUint(payload, 36, 32)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || n == 0 || n > uint64(p.number) {
		return nil
	}
	o := p.asked
	switch {
	case uint32(n) == p.timed:
		p.measured(now.Sub(p.sent))
	case o != nil && uint32(n) == o.number: // the offer's own is always timed
		p.measured(now.Sub(o.sent))
	}
	if uint32(n) >= p.timed { // with a later one: when the one that is timed came is not known
		p.timed = 0
	}
	if o == nil || o.number == 0 || uint32(n) < o.number {
		return nil
	}
	p.asked = nil
	return o
}

// seen takes a phone's word that it has an offer, which must be the one that this
// connection was told of last.
func (p *pulse) seen(trip dispatch.TripID, offer dispatch.OfferID, now time.Time) *toldOffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.asked
	if o == nil || o.trip != trip || o.offer != offer {
		return nil
	}
	p.measured(now.Sub(o.sent))
	p.asked = nil
	return o
}

// unconfirmed puts an offer back whose confirmation the area has not taken.
func (p *pulse) unconfirmed(o *toldOffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == nil {
		p.asked = o
	}
}

// maxRoundTrip bounds what is believed of a round trip.
const maxRoundTrip = time.Minute

// measured smooths the round trip: a moving average as in RFC 6298, with a quarter for
// the newest, because here they are few. The lock is held.
func (p *pulse) measured(took time.Duration) {
	sample := min(max(took, time.Microsecond), maxRoundTrip).Microseconds()
	if old := p.trip.Load(); old != 0 && !p.guess {
		sample = old + (sample-old)/4
	}
	p.guess = false
	p.trip.Store(max(sample, 1))
}

// maxGuess is how much of a round trip that is a guess the area is told of. A longer one is
// measured before a traveller is to wait for it.
const maxGuess = 5 * time.Second

// guessed takes the time from the answer to the upgrade to the hello for a round trip
// until one is measured: the phone or this server may have had other things to do. It
// says whether one should be measured at once.
func (p *pulse) guessed(took time.Duration) (measure bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.measured(took)
	p.guess = true
	return took > maxGuess
}

// roundTrip is the smoothed round trip; 0: not known.
func (p *pulse) roundTrip() time.Duration {
	return time.Duration(p.trip.Load()) * time.Microsecond
}

// reckoned is the round trip that the area reckons with; 0: not known.
func (p *pulse) reckoned() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guess {
		return min(p.roundTrip(), maxGuess)
	}
	return p.roundTrip()
}

// millis is the round trip as positions carry it: at least 1 when it is known.
func (p *pulse) millis() int64 {
	if trip := p.reckoned(); trip > 0 {
		return max(1, trip.Milliseconds())
	}
	return 0
}

// What a slow link gets on top of the silence that is allowed: as much as its round
// trip is longer than quickEnough, and slowest at most. A write may take as much longer
// as the round trip, and slowest at most: the kernel's buffer is empty only when all of
// it has been acknowledged.
const (
	quickEnough = 2 * time.Second
	slowest     = 25 * time.Second
)

// writeWait is how long a write may take that takes so long on a quick link.
func (p *pulse) writeWait(quick time.Duration) time.Duration {
	return quick + min(p.roundTrip(), slowest)
}

// patience is how long the connection may be silent.
func (p *pulse) patience(r rhythm) time.Duration {
	return r.silent + min(max(0, p.roundTrip()-quickEnough), slowest)
}

// pingDue says whether a connection is to be pinged that was last heard of at heard.
// One that knows no other rhythm is pinged even while it speaks: it wants to hear us.
func (p *pulse) pingDue(r rhythm, heard, now int64, knows bool) bool {
	since := p.pinged
	if knows {
		since = max(since, heard)
	}
	chance := time.Duration(0)
	switch {
	case p.chance > 0:
		chance = time.Duration(p.chance * float32(r.late))
	case r.early > 0:
		chance = time.Duration(p.chance * float32(r.early))
	}
	if now-since < (r.every + chance).Milliseconds() {
		return false
	}
	p.pinged, p.chance = now, 2*rand.Float32()-1
	return true
}

// firstChance has a new connection pinged after half of the time to all of it, at random,
// so that those that came back together are not pinged together.
func firstChance() float32 { return -5 * rand.Float32() }
