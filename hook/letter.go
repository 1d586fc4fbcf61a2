package hook

import (
	"encoding/json"
	"fmt"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// tripNews is how long news of a trip is worth sending.
const tripNews = 10 * time.Minute

// letter is one thing to be sent to one party, and until when that makes sense.
type letter struct {
	key     key
	id      string // names it to the gateway; a repeat has the same
	expires time.Time
	body    payload
}

// key names what a newer letter takes the place of.
type key struct {
	to   dispatch.Actor
	trip dispatch.TripID
}

// payload is the body of a request.
type payload struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
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
	Pickup  string           `json:"pickup,omitempty"`
	Dropoff string           `json:"dropoff,omitempty"`
	Seats   int              `json:"seats,omitempty"`
	// ApproachS is the drive to the pickup, in seconds.
	ApproachS int64 `json:"approach_s,omitempty"`
	// PickupETA is when the driver is expected at the pickup, Unix ms.
	PickupETA dispatch.Instant `json:"pickup_eta,omitempty"`
	Vehicle   string           `json:"vehicle,omitempty"`
	Why       dispatch.Reason  `json:"why,omitempty"`
}

type party struct {
	Role dispatch.Role `json:"role"`
	ID   string        `json:"id"`
}

// letterOf is what a notice is worth sending, or false. Offers are, to their drivers; the
// states below, to who booked and who travels; and to a driver that the trip he drives
// to has been called off.
func letterOf(area geo.AreaID, n dispatch.Notice, now time.Time) (letter, bool) {
	switch b := n.Body.(type) {
	case dispatch.OfferTold:
		return offerLetter(area, n.To, b.Offer, now), true
	case dispatch.TripTold:
		if toldOf(n.To.Role, b.Trip.State) {
			return tripLetter(area, n.To, &b.Trip, now), true
		}
	}
	return letter{}, false
}

// toldOf says whether somebody is sent word of a trip in this state.
func toldOf(role dispatch.Role, state dispatch.State) bool {
	switch state {
	case dispatch.Cancelled:
		return role != dispatch.RoleOperator
	case dispatch.Assigned, dispatch.Arrived, dispatch.Riding, dispatch.Completed, dispatch.Unserved:
		return role == dispatch.RolePassenger || role == dispatch.RoleAgent
	}
	return false
}

func offerLetter(area geo.AreaID, to dispatch.Actor, o dispatch.OfferView, now time.Time) letter {
	return letter{
		key:     key{to, o.Trip},
		id:      fmt.Sprintf("offer.%s.%s", o.ID, to.ID),
		expires: o.Until.Time(),
		body: payload{Type: "offer", Timestamp: stamp(now), Data: data{
			Area: area, To: party{to.Role, to.ID}, Trip: o.Trip, Version: o.TripVersion, Expires: o.Until, Offer: o.ID,
			Pickup: o.Pickup.Name, Dropoff: o.Dropoff.Name, Seats: o.Load.Seats, ApproachS: int64(o.Approach.Duration.Seconds()),
		}},
	}
}

func tripLetter(area geo.AreaID, to dispatch.Actor, v *dispatch.TripView, now time.Time) letter {
	expires := now.Add(tripNews)
	l := letter{
		key:     key{to, v.ID},
		id:      fmt.Sprintf("trip.%s.%d.%s.%s", v.ID, v.Version, to.Role, to.ID),
		expires: expires,
		body: payload{Type: "trip." + string(v.State), Timestamp: stamp(now), Data: data{
			Area: area, To: party{to.Role, to.ID}, Trip: v.ID, Version: v.Version, Expires: dispatch.InstantOf(expires),
			Pickup: v.Order.Pickup.Name, Dropoff: v.Order.Dropoff.Name, Seats: v.Order.Load.Seats, PickupETA: v.PickupETA, Why: v.EndedWhy,
		}},
	}
	if v.State.HasDriver() {
		l.body.Data.Vehicle = string(v.Vehicle.ID)
	}
	return l
}

func stamp(now time.Time) string { return now.UTC().Format(time.RFC3339Nano) }

// write is the body on paper.
func (l *letter) write() []byte {
	body, err := json.Marshal(l.body)
	if err != nil {
		panic(fmt.Sprintf("a letter cannot be written: %v", err)) // it holds only texts and whole numbers
	}
	return body
}
