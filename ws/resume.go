package ws

import (
	"hash/maphash"
	"slices"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// A phone that comes back says which trips it holds. What it holds is not told again:
//
//   - a truth names an open trip that is at the version the phone holds in same;
//   - a trip whose order the phone holds comes without its order, if it said lean.
//
// What a party sees of a trip at one version is always the same, but for the driver's
// position and the place in the queue, which follow a truth by themselves. From one version to the
// next it may see more or less (a driver sees the people only while he is bound), so
// an order is left out only when it is, field by field, what the phone was told before.
// Of an order that was told on another connection nobody knows that; it is taken for the
// same where what is seen of it never changes, which is for all but drivers.

// keptTrips bounds what a connection remembers, of a phone that wants to come back cheaply.
const keptTrips = wire.MaxKnown

// Ways in which a trip is told, as the metric has them.
const (
	tripWhole = "whole"
	tripLean  = "lean" // without its order
	tripSame  = "same" // by its name alone, in a truth
)

var tripWays = []string{tripWhole, tripLean, tripSame}

// held is what a phone holds of a trip. The zero held is nothing.
type held struct {
	version dispatch.Version // that it holds whole
	order   uint64           // of its order as told; 0 when only the phone says that it holds it
	ride    wire.Leg         // as told
}

// claimed says that only the phone says so.
func (h *held) claimed() bool { return h.version != 0 && h.order == 0 }

// takeKnown notes what a phone says it holds. It is called once, before anything is told.
func (k *kept) takeKnown(hello *wire.Hello) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resumes, k.lean = hello.Lean || len(hello.Known) > 0, hello.Lean
	for _, known := range hello.Known {
		claim := held{version: dispatch.Version(known.Version)}
		i := slices.IndexFunc(k.list, func(have keptTrip) bool { return string(have.Trip) == known.Trip })
		switch {
		case i >= 0:
			k.list[i].held = claim
		case len(k.list) < keptTrips: // receipts are worth more
			k.list = append(k.list, keptTrip{areaReceipt{Receipt: dispatch.Receipt{Trip: dispatch.TripID(known.Trip)}}, claim})
		}
	}
}

// lighten takes from a trip what the phone holds of it, and notes what it holds then. It
// returns how the trip is told.
func (k *kept) lighten(area geo.AreaID, trip *wire.Trip) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.resumes {
		return tripWhole
	}
	t := k.renew(area, dispatch.TripID(trip.Trip))
	if dispatch.Version(trip.Version) <= t.held.version {
		return tripWhole // late or twice: the phone passes it over
	}
	is := heldOf(trip)
	lean := k.lean && t.held.order == is.order
	return t.hold(is, trip, lean)
}

// hold notes what the phone holds once it has been told a trip, which comes without its
// order if it may.
func (t *keptTrip) hold(is held, trip *wire.Trip, lean bool) string {
	was := t.held
	t.held = is
	if !dispatch.State(trip.State).Open() {
		t.held = held{} // the phone may throw it away
	}
	if !lean || trip.Ride == nil && (was.claimed() || was.ride != (wire.Leg{})) {
		return tripWhole // an absent ride would be taken for the one before
	}
	strip(trip)
	if trip.Ride != nil && *trip.Ride == was.ride {
		trip.Ride = nil
	}
	return tripLean
}

// retell is lighten for a trip of a truth.
func (k *kept) retell(area geo.AreaID, who dispatch.Actor, trip *wire.Trip, v *dispatch.TripView) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.resumes {
		return tripWhole
	}
	t := k.renew(area, v.ID)
	is := heldOf(trip)
	if v.State.Open() && t.held.version == is.version && (t.held.claimed() || t.held.order == is.order) {
		t.held = is
		return tripSame
	}
	return t.hold(is, trip, k.lean && t.knows(is, who, v))
}

// holdsOnly forgets what the phone held that was in its last truth neither told nor named.
func (k *kept) holdsOnly(area geo.AreaID, present map[dispatch.TripID]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.list {
		if t := &k.list[i]; t.area != area || !present[t.Trip] {
			t.held = held{}
		}
	}
	k.list = slices.DeleteFunc(k.list, func(t keptTrip) bool { return t.Version == 0 && t.held == held{} })
}

// knows says whether a phone holds the order of a trip that has gone on since.
func (t *keptTrip) knows(is held, who dispatch.Actor, v *dispatch.TripView) bool {
	switch {
	case t.held.version == 0 || t.held.version >= is.version:
		return false // a higher one: what it holds is of a tail that we have lost
	case t.held.claimed():
		return who.Role != dispatch.RoleDriver && t.held.version >= v.Begun
	}
	return t.held.order == is.order
}

// unhold forgets what the phone holds: something that was to be told was not.
func (k *kept) unhold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.list {
		k.list[i].held = held{}
	}
}

// resume gives receipts with the trips of a truth, and leaves out what the phone holds. What
// has no version follows the truth. The trips are some of the views, in their order.
func (c *conn) resume(area geo.AreaID, truth *wire.Truth, views []dispatch.TripView, now dispatch.Instant) {
	who := c.party.Load().actor
	views = viewsOf(truth.Trips, views)
	ways := make([]string, len(views))
	present := make(map[dispatch.TripID]bool, len(views))
	for _, i := range c.kept.heldFirst(area, views) {
		present[views[i].ID] = true
		receipt, given := c.receipt(area, &views[i], now)
		ways[i] = c.kept.retell(area, who, &truth.Trips[i], &views[i])
		c.hub.metrics.tripTold(ways[i])
		if ways[i] != tripSame {
			truth.Trips[i].Receipt = c.sealed(who, receipt, given)
		}
	}
	follow := nameSame(truth, who, ways)
	c.kept.holdsOnly(area, present)
	c.lanes.follow(follow)
}

// viewsOf leaves the views of those trips, which are some of the views, in their order.
func viewsOf(trips []wire.Trip, views []dispatch.TripView) []dispatch.TripView {
	of := make([]dispatch.TripView, 0, len(trips))
	for _, v := range views {
		if len(of) < len(trips) && string(v.ID) == trips[len(of)].Trip {
			of = append(of, v)
		}
	}
	return of
}

// nameSame moves the trips of a truth that are the same to its list of names, and returns
// what has no version of them.
func nameSame(truth *wire.Truth, who dispatch.Actor, ways []string) (follow []told) {
	rest := truth.Trips[:0]
	for i, trip := range truth.Trips {
		if ways[i] != tripSame {
			rest = append(rest, trip)
			continue
		}
		truth.Same = append(truth.Same, trip.Trip)
		follow = append(follow, unversioned(who, &trip)...)
	}
	truth.Trips = rest
	return follow
}

// heldFirst is the order in which the trips of a truth are looked at: first those of which
// something is held. The others take the places of the oldest, and where there are more trips
// than places the first new one would push out the next that is held, and that one the next.
func (k *kept) heldFirst(area geo.AreaID, views []dispatch.TripView) []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	order := make([]int, 0, len(views))
	var others []int
	for i := range views {
		if t := k.find(area, views[i].ID); t != nil && t.held.version != 0 {
			order = append(order, i)
		} else {
			others = append(others, i)
		}
	}
	return append(order, others...)
}

// unversioned is what may have changed of a trip without its version.
func unversioned(who dispatch.Actor, trip *wire.Trip) (follow []told) {
	if trip.Queue != nil {
		follow = append(follow, told{body: wire.Queue{Trip: trip.Trip, Place: trip.Queue.Place, Of: trip.Queue.Of}})
	}
	if trip.Position != nil && who.Role != dispatch.RoleDriver {
		follow = append(follow, told{body: wire.DriverAt{Trip: trip.Trip, Fix: *trip.Position, ETA: trip.PickupETA}})
	}
	return follow
}

// orderSeed makes the numbers of orders differ from server to server.
var orderSeed = maphash.MakeSeed()

// heldOf is what a phone holds that has been told a whole trip.
func heldOf(trip *wire.Trip) held {
	h := held{version: dispatch.Version(trip.Version), order: maphash.Comparable(orderSeed, orderOf(trip)) | 1}
	if trip.Ride != nil {
		h.ride = *trip.Ride
	}
	return h
}

// order is what a lean trip is without, its ride apart.
type order struct {
	pickup, dropoff             wire.PlaceOut
	seats, wheelchairs, goods   int
	channel                     string
	requested, from, to, arrive int64
	booker                      wire.Party
	traveller                   wire.Traveller
	showsBooker, showsTraveller bool
}

func orderOf(t *wire.Trip) order {
	o := order{pickup: t.Pickup, dropoff: t.Dropoff, seats: t.Seats, wheelchairs: t.Wheelchairs, goods: t.GoodsL, channel: t.Channel,
		requested: t.RequestedAt, from: t.PickupFrom, to: t.PickupTo, arrive: t.ArriveBy, showsBooker: t.Booker != nil, showsTraveller: t.Traveller != nil}
	if t.Booker != nil {
		o.booker = *t.Booker
	}
	if t.Traveller != nil {
		o.traveller = *t.Traveller
	}
	return o
}

// strip leaves the order out.
func strip(t *wire.Trip) {
	t.Pickup, t.Dropoff, t.Seats, t.Wheelchairs, t.GoodsL, t.Channel = wire.PlaceOut{}, wire.PlaceOut{}, 0, 0, 0, ""
	t.RequestedAt, t.PickupFrom, t.PickupTo, t.ArriveBy, t.Booker, t.Traveller = 0, 0, 0, 0, nil, nil
}
