package client

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"cuntong/ws/wire"
)

const (
	// maxHeld bounds the trips that are held; of the ended ones those that ended first go.
	maxHeld = 500
	// endedFor is how long a trip that has ended is held.
	endedFor = 30 * time.Minute
	// knownBytes is what a trip takes in hello's known, beside its id.
	knownBytes = len(`{"trip":"","version":9007199254740991},`)
)

// Picture is what the server has said, as far as it holds.
type Picture struct {
	// Fresh says that there is a connection and that its truth has come.
	Fresh bool
	// At is the moment of the last truth, by the server's clock; zero: there was none.
	At time.Time
	// Duty and Offer are a driver's.
	Duty  *wire.DutyState
	Offer *wire.Offer
	// OfferUntil is when the offer is over, by [time.Now].
	OfferUntil time.Time
	// Trips are whole, in the order they were asked for.
	Trips []wire.Trip
}

// Trip returns a trip of the picture.
func (p *Picture) Trip(id string) (wire.Trip, bool) {
	i := slices.IndexFunc(p.Trips, func(t wire.Trip) bool { return t.Trip == id })
	if i < 0 {
		return wire.Trip{}, false
	}
	return p.Trips[i], true
}

// held is a trip as it was last told.
type held struct {
	wire.Trip
	// whole: its order is there. mine: it concerns the party; of one that does no more
	// only the version is of use.
	whole, mine bool
	ended       time.Time // zero while it is open
}

// picture is what the server has told. Its offer may be over already.
type picture struct {
	role       string
	at         int64
	driving    *wire.DutyState
	offer      *wire.Offer
	offerUntil time.Time
	trips      map[string]*held
	// missed: a trip could not be made whole.
	missed bool
	// gone are the open trips that the last truth has left out.
	gone []string
}

func newPicture(role string) picture { return picture{role: role, trips: map[string]*held{}} }

// isOver says whether a state is the last one. States that are not known are not.
func isOver(state string) bool {
	return state == wire.StateCompleted || state == wire.StateCancelled || state == wire.StateUnserved
}

// isBound says whether a trip in that state has a driver.
func isBound(state string) bool {
	return state == wire.StateAssigned || state == wire.StateArrived || state == wire.StateRiding
}

// isLean says whether a trip came without its order.
func isLean(t *wire.Trip) bool { return t.Pickup == wire.PlaceOut{} }

// complete puts the order that is held into a trip that came without.
func (h *held) complete(t wire.Trip) wire.Trip {
	o := &h.Trip
	t.Pickup, t.Dropoff = o.Pickup, o.Dropoff
	t.Seats, t.Wheelchairs, t.GoodsL = o.Seats, o.Wheelchairs, o.GoodsL
	t.Channel, t.RequestedAt = o.Channel, o.RequestedAt
	t.PickupFrom, t.PickupTo, t.ArriveBy = o.PickupFrom, o.PickupTo, o.ArriveBy
	t.Booker, t.Traveller = o.Booker, o.Traveller
	if t.Ride == nil {
		t.Ride = o.Ride
	}
	return t
}

// whole makes a held trip of one that came, from the one that was held before, if any.
func (p *picture) whole(now time.Time, old *held, t wire.Trip) *held {
	h := &held{Trip: t, whole: !isLean(&t), mine: p.concerns(&t)}
	switch {
	case h.whole:
	case old != nil && old.whole:
		h.Trip, h.whole = old.complete(t), true
	default:
		p.missed = true
	}
	if isOver(t.State) {
		h.ended = now
	}
	return h
}

// concerns says whether a trip is one of the party's: a driver's is the one that he is
// bound to, and he is told once more when he no longer is.
func (p *picture) concerns(t *wire.Trip) bool { return p.role != wire.RoleDriver || isBound(t.State) }

// truth replaces the picture, and returns the truth with all its trips, whole.
func (p *picture) truth(now time.Time, t wire.Truth) wire.Truth {
	old := p.trips
	p.trips, p.missed, p.gone = make(map[string]*held, len(t.Trips)+len(t.Same)), false, nil
	list := make([]wire.Trip, 0, min(len(t.Trips)+len(t.Same), maxHeld))
	for _, trip := range t.Trips {
		if trip.Trip == "" || len(p.trips) >= maxHeld {
			continue
		}
		h := p.whole(now, old[trip.Trip], trip)
		h.mine = true
		p.trips[trip.Trip] = h
		list = append(list, h.Trip)
	}
	for _, id := range t.Same {
		h := old[id]
		if h == nil || !h.whole {
			p.missed = true
			continue
		}
		if p.trips[id] == nil && len(p.trips) < maxHeld {
			p.trips[id] = h
			list = append(list, h.Trip)
		}
	}
	for id, h := range old {
		if p.trips[id] == nil && h.mine && !isOver(h.State) {
			p.gone = append(p.gone, id)
		}
	}
	slices.Sort(p.gone)
	p.at, p.driving, p.offer = t.At, t.Duty, nil
	t.Trips, t.Same = list, nil
	return t
}

// tell takes a telling of a trip, and says whether it is news.
func (p *picture) tell(now time.Time, t wire.Trip) (whole wire.Trip, fresh bool) {
	old := p.trips[t.Trip]
	if t.Trip == "" || old != nil && t.Version <= old.Version {
		if old != nil && old.whole && isLean(&t) {
			t = old.complete(t)
		}
		return t, false
	}
	if p.missed = false; old == nil {
		p.makeRoom(now)
	}
	h := p.whole(now, old, t)
	p.trips[t.Trip] = h
	if p.offer != nil && p.offer.Trip == t.Trip && t.Version > p.offer.Version {
		p.offer = nil // he has it, or the trip has gone on without him
	}
	return h.Trip, true
}

// makeRoom forgets trips that ended long ago, and, when there are too many, those that
// ended first; if none has ended, any.
func (p *picture) makeRoom(now time.Time) {
	if len(p.trips) < maxHeld/4 {
		return
	}
	maps.DeleteFunc(p.trips, func(_ string, h *held) bool { return !h.ended.IsZero() && now.Sub(h.ended) > endedFor })
	if len(p.trips) < maxHeld {
		return
	}
	ids := slices.SortedFunc(maps.Keys(p.trips), func(a, b string) int {
		x, y := p.trips[a].ended, p.trips[b].ended
		if x.IsZero() != y.IsZero() {
			return map[bool]int{true: 1, false: -1}[x.IsZero()]
		}
		return cmp.Or(x.Compare(y), cmp.Compare(a, b))
	})
	delete(p.trips, ids[0])
}

func (p *picture) offered(now time.Time, o *wire.Offer) {
	p.offer = o
	p.offerUntil = now.Add(time.Duration(min(max(o.WaitS, 0), 3600) * float64(time.Second)))
}

// endOffer forgets the offer of that id.
func (p *picture) endOffer(id string) {
	if p.offer != nil && p.offer.Offer == id {
		p.offer = nil
	}
}

// expire forgets an offer that is over.
func (p *picture) expire(now time.Time) {
	if p.offer != nil && !now.Before(p.offerUntil) {
		p.offer = nil
	}
}

func (p *picture) duty(d wire.DutyState) {
	p.driving = nil
	if d.On {
		p.driving = &d
	}
}

func (p *picture) queue(q wire.Queue) {
	if h := p.trips[q.Trip]; h != nil && h.State == wire.StateParked {
		h.Queue = &wire.QueuePlace{Place: q.Place, Of: q.Of}
	}
}

func (p *picture) driverAt(d wire.DriverAt) {
	if h := p.trips[d.Trip]; h != nil && isBound(h.State) {
		h.Position = &d.Fix
		if h.State == wire.StateAssigned && d.ETA > 0 {
			h.PickupETA = d.ETA
		}
	}
}

// driving is the trip that a driver is bound to, or nil.
func (p *picture) bound() *held {
	for _, h := range p.trips {
		if h.mine && isBound(h.State) {
			return h
		}
	}
	return nil
}

// known lists the trips that are held whole, the newest first, as far as there is room
// for them in a hello.
func (p *picture) known(now time.Time, room int) []wire.Held {
	var list []wire.Held
	for _, h := range p.sorted(now) {
		if room -= knownBytes + len(h.Trip.Trip); room < 0 || len(list) >= wire.MaxKnown {
			break
		}
		if h.Version > 0 {
			list = append(list, wire.Held{Trip: h.Trip.Trip, Version: h.Version})
		}
	}
	return list
}

// sorted returns the trips that concern the party and are held whole, those asked for
// last first.
func (p *picture) sorted(now time.Time) []*held {
	if len(p.trips) == 0 {
		return nil
	}
	list := make([]*held, 0, len(p.trips))
	for _, h := range p.trips {
		if h.mine && h.whole && (h.ended.IsZero() || now.Sub(h.ended) <= endedFor) {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b *held) int {
		return cmp.Or(cmp.Compare(b.RequestedAt, a.RequestedAt), cmp.Compare(b.Trip.Trip, a.Trip.Trip))
	})
	return list
}

// show copies the picture.
func (p *picture) show(now time.Time, fresh bool) Picture {
	out := Picture{Fresh: fresh, Duty: p.driving}
	if p.at > 0 {
		out.At = time.UnixMilli(p.at)
	}
	if p.offer != nil && now.Before(p.offerUntil) {
		out.Offer, out.OfferUntil = p.offer, p.offerUntil
	}
	for _, h := range slices.Backward(p.sorted(now)) {
		out.Trips = append(out.Trips, h.Trip)
	}
	return out
}
