package swarm

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/ws/wire"
)

// bookingQueue is how many bookings may wait for one rider's goroutine. A booking
// that finds it full is shed and counted; it says that this program is too slow.
const bookingQueue = 256

// order is a booking with its trip's id and its moment.
type order struct {
	plan.Booking
	trip     string
	intended time.Time
}

// rider books: a passenger for himself, an agent for others.
type rider struct {
	phone
	// open is how many of his trips are not over, bookings on their way included.
	// The feeder adds, the rider takes off.
	open atomic.Int64

	rides map[string]*ride
	// next is when one of the rides has something to do, if stale is false.
	next  time.Time
	stale bool
}

// ride is one trip of a rider.
type ride struct {
	order
	version   int64
	state     string
	answered  bool
	boundAt   time.Time
	cancelled bool // asked for
	// since is the trip's place in the queue, by which it is known whether it is still
	// the same one; again is how often it was asked for again.
	since int64
	again int
}

func newRider(s *swarm, party Party, wait time.Duration, index int) *rider {
	r := &rider{phone: newPhone(s, party, &s.plan.Scenario.Riders.Coverage, wait, 0, index), rides: map[string]*ride{}}
	r.bookings = make(chan order, bookingQueue)
	return r
}

func (r *rider) connected(time.Time) {}

// book sends the request, or queues it while there is no connection.
func (r *rider) book(o order) {
	now := time.Now()
	r.swarm.tally.took(feedLag, now.Sub(o.intended))
	if !r.ask(wire.TypeRequest, o.trip, requestOf(o)) {
		r.swarm.tally.count(requestsShed)
		r.open.Add(-1)
		return
	}
	r.swarm.witness.intend(o.trip, r.party.ID, o.Booking, o.intended, r.dark(now))
	r.rides[o.trip] = &ride{order: o}
	r.stale = true
}

func requestOf(o order) wire.Request {
	body := wire.Request{
		Trip: o.trip, Seats: o.Seats, Wheelchairs: o.Wheelchairs, GoodsL: o.GoodsL,
		Pickup:  wire.Place{Village: string(o.From.Village), Stop: string(o.From.Stop)},
		Dropoff: wire.Place{Village: string(o.To.Village), Stop: string(o.To.Stop)},
	}
	if o.PickupDatum != "" {
		// The datum is one of ours and a village's point is on earth, so that this cannot fail.
		if p, err := geo.FromWGS84(o.From.Point, o.PickupDatum); err == nil {
			body.Pickup = wire.Place{Lat: wire.Some(p.Lat), Lon: wire.Some(p.Lon), Datum: string(o.PickupDatum), Name: shorten(o.From.Name)}
		}
	}
	if o.ByAgent {
		body.Traveller.Name = fmt.Sprintf("Simulated traveller %d", o.Index)
	}
	return body
}

func shorten(name string) string {
	if runes := []rune(name); len(runes) > wire.MaxNameRunes {
		return string(runes[:wire.MaxNameRunes])
	}
	return name
}

func (r *rider) done(c call, d wire.Done, at time.Time) {
	ride := r.rides[c.trip]
	if c.kind == wire.TypeRequest && ride != nil && ride.again > 0 && d.Version < ride.version {
		r.beginAnew(ride)
	} else {
		r.swarm.witness.done(d, "", at)
	}
	if c.kind == wire.TypeRequest && (ride == nil || !ride.answered) {
		r.swarm.tally.count(requestsDone)
		r.swarm.witness.answered(c.trip, false, at)
		if ride != nil {
			ride.answered = true
		}
	}
	if ride != nil && d.Version > ride.version {
		r.update(ride, d.Version, d.State, at)
	}
	r.stale = true
}

func (r *rider) refused(c call, _ wire.Refused, at time.Time) {
	ride := r.rides[c.trip]
	switch {
	case c.kind != wire.TypeRequest:
	case ride != nil && ride.answered:
		r.swarm.witness.lost(c.trip)
		r.forget(c.trip)
	default:
		r.swarm.tally.count(requestsRefused)
		r.swarm.witness.answered(c.trip, true, at)
		r.forget(c.trip)
	}
}

func (r *rider) truth(t wire.Truth, now time.Time) {
	listed := map[string]bool{}
	for _, trip := range t.Trips {
		listed[trip.Trip] = true
		if ride := r.rides[trip.Trip]; ride != nil && trip.Version < ride.version {
			r.swarm.witness.violation(TruthBehind, trip.Trip, fmt.Sprintf("%s was told version %d and, on coming back, %d", r.party.ID, ride.version, trip.Version))
		}
		r.see(trip, now)
	}
	if len(t.Trips) >= wire.MaxTruthTrips {
		return // it may have been cut short
	}
	for id, ride := range r.rides {
		if ride.answered && !listed[id] && !r.calls.about(id) && !r.askAgain(ride) {
			r.swarm.witness.lost(id)
			r.forget(id)
		}
	}
}

// maxAgain is how often a rider asks again for a trip that the server does not list.
const maxAgain = 3

// askAgain asks once more for a trip that the server does not list: it has ended
// unseen, and the answer says so, or it is lost. false: he wants it no more.
func (r *rider) askAgain(ride *ride) bool {
	if ride.cancelled || ride.again >= maxAgain || !r.ask(wire.TypeRequest, ride.trip, requestOf(ride.order)) {
		return false
	}
	ride.again++
	r.swarm.tally.count(requestsAgain)
	r.swarm.witness.askAgain(ride.trip)
	return true
}

func (r *rider) frame(body any, at time.Time) {
	switch body := body.(type) {
	case wire.Trip:
		r.see(body, at)
	case wire.DriverAt:
		r.sawDriver(body, at)
	}
}

// sawDriver times how long a position took from the driver's phone to this one.
func (r *rider) sawDriver(told wire.DriverAt, at time.Time) {
	driver := r.swarm.witness.position(told.Trip, told.Fix.At)
	if driver == "" {
		return
	}
	r.swarm.tally.count(positionsSeen)
	track := r.swarm.tracks[driver]
	if track == nil {
		return // somebody else's driver: the server's other business
	}
	if sent, ok := track.find(told.Fix, r.ahead); ok {
		r.swarm.tally.took(positionToVisible, at.Sub(sent))
	}
}

// see takes a telling of a trip: the witness notes every one, the rider only a
// newer version.
func (r *rider) see(t wire.Trip, at time.Time) {
	ours := r.swarm.witness.seen(view{trip: t, at: at, byOwner: true, upSince: r.upSince})
	ride := r.rides[t.Trip]
	if ride != nil && ride.again > 0 && t.RequestedAt > ride.since {
		r.beginAnew(ride)
	}
	if ride != nil {
		ride.since = max(ride.since, t.RequestedAt)
	}
	switch {
	case ride != nil && t.Version > ride.version:
		r.update(ride, t.Version, t.State, at)
	case ride == nil && !ours && !isOver(t.State) && !strings.HasPrefix(t.Trip, r.swarm.tripPrefix) && !r.calls.about(t.Trip):
		r.swarm.tally.count(leftovers)
		r.ask(wire.TypeCancel, t.Trip, wire.Cancel{Trip: t.Trip, Why: wire.WhyOther})
	}
}

// beginAnew forgets what is known of a trip that the server had lost and has taken again.
func (r *rider) beginAnew(ride *ride) {
	ride.version, ride.state, ride.boundAt = 0, "", time.Time{}
}

func (r *rider) update(ride *ride, version int64, state string, at time.Time) {
	ride.version, ride.state = version, state
	r.stale = true
	switch {
	case isOver(state):
		r.forget(ride.trip)
	case !isBound(state):
		ride.boundAt = time.Time{}
	case ride.boundAt.IsZero():
		ride.boundAt = at
	}
}

func (r *rider) forget(trip string) {
	if _, ok := r.rides[trip]; ok {
		delete(r.rides, trip)
		r.open.Add(-1)
		r.stale = true
	}
}

// act cancels what has waited too long or is no longer wanted.
func (r *rider) act(now time.Time) time.Time {
	if !r.stale && (r.next.IsZero() || now.Before(r.next)) {
		return r.next
	}
	r.next, r.stale = time.Time{}, false
	for _, ride := range r.rides {
		at, why := ride.givesUp()
		switch {
		case at.IsZero():
		case now.Before(at):
			r.next = earliest(r.next, at)
		default:
			ride.cancelled = true
			r.ask(wire.TypeCancel, ride.trip, wire.Cancel{Trip: ride.trip, Why: why})
		}
	}
	return r.next
}

// givesUp is when and why the party cancels if nothing changes; zero: never.
func (r *ride) givesUp() (at time.Time, why string) {
	switch {
	case !r.answered || r.cancelled || r.state == wire.StateRiding:
		return time.Time{}, ""
	case r.boundAt.IsZero() && r.ChangeMind && r.ChangeAfter < r.Patience:
		return r.intended.Add(r.ChangeAfter), wire.WhyChangedMind
	case r.boundAt.IsZero():
		return r.intended.Add(r.Patience), wire.WhyTooLong
	case r.CancelAssigned:
		return r.boundAt.Add(r.ChangeAfter), wire.WhyFoundOther
	}
	return time.Time{}, ""
}

func (r *rider) tidy(time.Time) {
	for _, ride := range r.rides {
		if !ride.cancelled && ride.state != wire.StateRiding {
			ride.cancelled = true
			r.ask(wire.TypeCancel, ride.trip, wire.Cancel{Trip: ride.trip, Why: wire.WhyOther})
		}
	}
}

func (r *rider) gone() {
	for trip := range r.rides {
		r.swarm.witness.lost(trip)
		r.forget(trip)
	}
}
