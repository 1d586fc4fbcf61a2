package hook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

const (
	// tripNews is how long news of a trip is worth sending at least; that somebody comes is
	// worth it until he is due.
	tripNews = 10 * time.Minute
	// muchOff is how far from what was said a driver must be due for it to be news.
	muchOff = 10 * time.Minute
)

// letter is one thing to be sent to one party, and until when that makes sense.
type letter struct {
	key     key
	id      string // names it to the gateway; whoever writes the same letter gives it the same
	expires time.Time
	body    payload
}

// key names what a newer letter takes the place of. The same ids may be of others in
// another area.
type key struct {
	area geo.AreaID
	to   dispatch.Actor
	trip dispatch.TripID
}

// payload is the body of a request.
type payload struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // when it came to be so
	Data      data   `json:"data"`
}

type data struct {
	Area    geo.AreaID       `json:"area"`
	To      party            `json:"to"`
	Trip    dispatch.TripID  `json:"trip"`
	Version dispatch.Version `json:"version"`
	// Expires is when it is of no use any more, Unix ms.
	Expires dispatch.Instant `json:"expires"`
	Offer   dispatch.OfferID `json:"offer,omitempty"`
	// Booker is the role of who booked, where To is a number that he gave.
	Booker  dispatch.Role `json:"booker,omitempty"`
	Pickup  string        `json:"pickup,omitempty"`
	Dropoff string        `json:"dropoff,omitempty"`
	Seats   int           `json:"seats,omitempty"`
	// ApproachS is the drive to the pickup, in seconds.
	ApproachS int64 `json:"approach_s,omitempty"`
	// PickupETA is when the driver is expected at the pickup, Unix ms.
	PickupETA dispatch.Instant `json:"pickup_eta,omitempty"`
	Vehicle   string           `json:"vehicle,omitempty"`
	Why       dispatch.Reason  `json:"why,omitempty"`
}

// party is to whom a letter goes: to an account by its id, to a traveller without one by
// the number that was given with the order.
type party struct {
	Role  dispatch.Role `json:"role"`
	ID    string        `json:"id,omitempty"`
	Phone string        `json:"phone,omitempty"`
}

// The types of letters. Those of trips are named after its state but for two.
const (
	typeOffer    = "offer"
	typeWanted   = "wanted"        // a trip waits that he could take, were he connected
	typeReleased = "trip.released" // its driver does not come, and another is looked for
	typeRetimed  = "trip.retimed"  // he is due much later or sooner than was said
)

// told is what a party was last told of a trip.
type told struct {
	id   string           // of the letter
	news string           // what the letter before it was about, if this one only gives another time; else id
	eta  dispatch.Instant // when the driver was said to be due
}

func offerLetter(k key, o dispatch.OfferView, now time.Time) letter {
	return letter{
		key:     k,
		id:      idOf(k, typeOffer, string(o.ID)),
		expires: o.Until.Time(),
		body: payload{Type: typeOffer, Timestamp: stamp(now), Data: data{
			Area: k.area, To: party{Role: k.to.Role, ID: k.to.ID}, Trip: o.Trip, Version: o.TripVersion, Expires: o.Until, Offer: o.ID,
			Pickup: o.Pickup.Name, Dropoff: o.Dropoff.Name, Seats: o.Load.Seats, ApproachS: int64(o.Approach.Duration.Seconds()),
		}},
	}
}

// wantedLetter tells a driver who is out of reach that a trip waits. It is named by the trip,
// so that who has had it is not told again.
func wantedLetter(k key, w dispatch.Wanted, now time.Time) letter {
	expires := now.Add(tripNews)
	if until := w.Until.Time(); until.Before(expires) {
		expires = until
	}
	return letter{key: k, id: idOf(k, typeWanted), expires: expires, body: payload{Type: typeWanted, Timestamp: stamp(now), Data: data{
		Area: k.area, To: party{Role: k.to.Role, ID: k.to.ID}, Trip: w.Trip, Version: w.Version, Expires: dispatch.InstantOf(expires),
		Pickup: w.Pickup.Name, Dropoff: w.Dropoff.Name, Seats: w.Load.Seats,
	}}}
}

// tripLetter is what a party is sent of a trip as it stands, and what it has been told then;
// the same as before where there is no news, and nothing where how the trip stands is not
// worth a letter. A letter is named by what came to be so and when, which the next writer of
// the area knows too: what he writes again has the name that it had.
func tripLetter(k key, v *dispatch.TripView, last told, now time.Time) (letter, told) {
	kind, since := newsOf(k.to, v)
	if kind == "" {
		return letter{}, told{}
	}
	at := since.Time()
	id := idOf(k, kind, fmt.Sprint(since))
	next := told{id: id, news: id, eta: v.PickupETA}
	if last.news == id {
		if v.State != dispatch.Assigned || v.PickupETA.Sub(last.eta).Abs() < muchOff {
			return letter{}, last
		}
		kind, at = typeRetimed, now
		next.id = idOf(k, kind, fmt.Sprint(since), fmt.Sprint(v.PickupETA))
	}
	expires := expiry(v, now)
	l := letter{key: k, id: next.id, expires: expires, body: payload{Type: kind, Timestamp: stamp(at), Data: data{
		Area: k.area, To: party{Role: k.to.Role, ID: k.to.ID}, Trip: v.ID, Version: v.Version, Expires: dispatch.InstantOf(expires),
		Pickup: v.Order.Pickup.Name, Dropoff: v.Order.Dropoff.Name, Seats: v.Order.Load.Seats, PickupETA: v.PickupETA, Why: v.EndedWhy,
	}}}
	if k.to.ByPhone() {
		l.body.Data.To.Phone, l.body.Data.Booker = v.Order.Traveller.Phone, v.Order.Booker.Role
	}
	if v.State.HasDriver() {
		l.body.Data.Vehicle = string(v.Vehicle.ID)
	}
	return l, next
}

// newsOf is the type of letter that a party is sent of a trip as it stands, and when it came
// to be so; empty: none. Whoever has only a telephone is not told that he sits in the
// vehicle: each letter is his number once more in somebody's hands.
func newsOf(to dispatch.Actor, v *dispatch.TripView) (kind string, since dispatch.Instant) {
	party := to.Role == dispatch.RolePassenger || to.Role == dispatch.RoleAgent
	switch v.State {
	case dispatch.Cancelled:
		if to.Role != dispatch.RoleOperator {
			return typeOf(v.State), v.Since
		}
	case dispatch.Assigned, dispatch.Arrived, dispatch.Unserved:
		if party {
			return typeOf(v.State), v.Since
		}
	case dispatch.Riding, dispatch.Completed:
		if party && !to.ByPhone() {
			return typeOf(v.State), v.Since
		}
	case dispatch.Requested, dispatch.Parked, dispatch.Offered:
		if v.LetGoAt != 0 && to.Role != dispatch.RoleOperator { // the driver must not chase it
			return typeReleased, v.LetGoAt
		}
	}
	return "", 0
}

func typeOf(state dispatch.State) string { return "trip." + string(state) }

// expiry is until when it is worth saying how a trip stands. What was done in a dead valley
// may have been long ago when it is heard of.
func expiry(v *dispatch.TripView, now time.Time) time.Time {
	switch least := now.Add(tripNews); {
	case v.State == dispatch.Arrived || v.State == dispatch.Riding:
		return v.Since.Time().Add(tripNews)
	case v.State == dispatch.Assigned && v.PickupETA.Time().After(least):
		return v.PickupETA.Time()
	default:
		return least
	}
}

// idOf names a letter. The specification forbids what somebody else chose, such as the id of
// a trip, in a name that is signed with full stops around it; and names stand in the logs of
// proxies, where neither people nor trips should.
func idOf(k key, parts ...string) string {
	sum := sha256.New()
	for _, part := range append([]string{string(k.area), string(k.to.Role), k.to.ID, string(k.trip)}, parts...) {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return "msg_" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:18])
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// write is the body on paper.
func (l *letter) write() []byte {
	body, err := json.Marshal(l.body)
	if err != nil {
		panic(fmt.Sprintf("a letter cannot be written: %v", err)) // it holds only texts and whole numbers
	}
	return body
}
