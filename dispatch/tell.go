package dispatch

import (
	"cmp"
	"slices"
	"time"
)

// bonds is what bound a trip to drivers and to the queue before a fact.
type bonds struct {
	trip   *Trip
	offer  *Offer   // the live offer
	driver DriverID // who drove it
	place  int      // its place in the queue
}

// bonds returns what the trip that body speaks of is bound to now.
func (c *Core) bonds(body FactBody) bonds {
	id, _ := TripOf(body)
	t := c.trips[id]
	if t == nil {
		return bonds{}
	}
	return bonds{trip: t, offer: t.Offer, driver: t.Driver, place: c.queue.place(t)}
}

// after notes whom a recorded fact is to be told.
func (r *run) after(body FactBody, before bonds) {
	c := r.core
	switch b := body.(type) {
	case DutyStarted:
		r.tell(DriverActor(b.Driver), DutyTold{On: true, Duty: c.dutyView(c.drivers[b.Driver])})
		return
	case DutyEnded:
		r.tell(DriverActor(b.Driver), DutyTold{})
		return
	case OfferMade:
		r.offers = append(r.offers, b.Trip)
	case OfferClosed:
		if b.End != OfferDeclined {
			r.tell(DriverActor(before.offer.Driver), OfferGone{Trip: b.Trip, Offer: before.offer.ID, End: b.End})
		}
	case TripCancelled:
		if before.offer != nil {
			r.tell(DriverActor(before.offer.Driver), OfferGone{Trip: b.Trip, Offer: before.offer.ID, End: OfferWithdrawn})
		}
	case DriverArrived:
		r.out.Waits = append(r.out.Waits, before.trip.ArrivedAt-before.trip.RequestedAt)
		if eta := before.trip.PickupETA; eta != 0 {
			r.out.ETAErrors = append(r.out.ETAErrors, before.trip.ArrivedAt.Sub(eta).Abs())
		}
	case TripRequested:
		before.trip = c.trips[b.Trip]
	case RoadChanged:
		r.tell(b.By, RoadTold{Road: c.roadView(r.now, b.Change)})
		return
	case TrustChanged, // shown on the board
		PartyBarred, BarLifted, PartySignedOut: // the hubs hear of it behind the answer
		return
	case RoadRestored, DriverReleased, TransferSettled, DriverAdmitted, OfferDelivered:
		return
	case TripReclaimed:
		if before.offer != nil {
			r.tell(DriverActor(before.offer.Driver), OfferGone{Trip: b.Trip, Offer: before.offer.ID, End: OfferWithdrawn})
		}
	case TripRecovered:
		if o := before.offer; o != nil && before.trip.Offer == nil && before.trip.Driver != o.Driver {
			r.tell(DriverActor(o.Driver), OfferGone{Trip: b.Trip, Offer: o.ID, End: OfferWithdrawn})
		}
	}
	r.touch(before)
}

func (r *run) touch(before bonds) {
	t := before.trip
	now := r.core.queue.place(t)
	if now != before.place {
		// Everybody behind the old place moves up, everybody behind the new one down.
		for _, place := range []int{before.place, now} {
			if place > 0 && (r.shifted == 0 || place < r.shifted) {
				r.shifted = place
			}
		}
	}
	former := before.driver
	if former == t.Driver {
		former = ""
	}
	i := slices.IndexFunc(r.touched, func(have touched) bool { return have.trip == t })
	if i < 0 {
		r.touched = append(r.touched, touched{trip: t, former: former})
		return
	}
	if former != "" {
		r.touched[i].former = former
	}
}

// maxQueueTold bounds how many waiting parties hear that they have moved up.
const maxQueueTold = 20

// announce tells the parties of every trip that changed where it stands now,
// once, and those who wait their new places.
func (r *run) announce() {
	c := r.core
	for _, changed := range r.touched {
		t := changed.trip
		told := TripTold{Trip: c.view(r.now, t)}
		for _, who := range t.parties() {
			r.tell(who, told)
		}
		if t.Order.Traveller.byPhone() {
			r.tell(byPhone, told)
		}
		for _, driver := range []DriverID{t.Driver, changed.former} {
			if driver != "" {
				r.tell(DriverActor(driver), told)
			}
		}
	}
	// Offers come last: a driver whose trip has just been taken from him hears of that
	// before he is asked for another.
	for _, id := range r.offers {
		if t := c.trips[id]; t != nil && t.Offer != nil {
			r.tell(DriverActor(t.Offer.Driver), OfferTold{Offer: c.offerView(r.now, t)})
		}
	}
	if r.shifted == 0 {
		return
	}
	first := min(r.shifted-1, len(c.queue))
	for i, t := range c.queue[first:min(first+maxQueueTold, len(c.queue))] {
		if slices.ContainsFunc(r.touched, func(told touched) bool { return told.trip == t }) {
			continue // his place was part of what he was just told
		}
		for _, who := range t.parties() {
			r.tell(who, QueueTold{Trip: t.ID, Place: first + i + 1, Of: len(c.queue)})
		}
	}
}

// byPhone says whether nothing but his telephone reaches the traveller.
func (t Traveller) byPhone() bool { return t.ID == "" && t.Phone != "" }

// tellAgainFor is how long what travellers were told by telephone is told again by a new writer.
const tellAgainFor = 10 * time.Minute

// tellAgain is what travellers by telephone may not have been told because the writer
// before ended between recording and telling: connected parties ask, they cannot. Who
// passes it on names it as before, so that what they were told is not told twice.
func (c *Core) tellAgain(now Instant) []Notice {
	var again []Notice
	tell := func(t *Trip, at Instant) {
		if t.Order.Traveller.byPhone() && now.Sub(at) < tellAgainFor {
			again = append(again, Notice{To: byPhone, Body: TripTold{Trip: c.view(now, t)}})
		}
	}
	for _, entry := range c.deadlines.heap {
		t := c.trips[entry.trip]
		switch {
		case t.State == Assigned:
			tell(t, max(t.Since, t.PickupETA))
		case t.State.HasDriver():
			tell(t, t.Since)
		default:
			tell(t, t.LetGoAt)
		}
	}
	for _, id := range slices.Backward(c.ended) {
		t := c.trips[id]
		if now.Sub(t.overAt()) >= tellAgainFor {
			break
		}
		tell(t, t.overAt())
	}
	slices.SortFunc(again, func(a, b Notice) int {
		return cmp.Compare(a.Body.(TripTold).Trip.ID, b.Body.(TripTold).Trip.ID)
	})
	return again
}
