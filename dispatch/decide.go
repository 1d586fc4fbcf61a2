package dispatch

import (
	"fmt"
	"time"

	"cuntong/geo"
)

// decide reads the state and returns the facts a command brings about, or why it
// is refused. No facts and no refusal: what is asked for is so already. Both: it is
// refused, and that is to be remembered.
func (c *Core) decide(now Instant, in Input) ([]FactBody, *Refusal) {
	switch in := in.(type) {
	case StartDuty:
		return c.decideStartDuty(in)
	case EndDuty:
		return c.decideEndDuty(in)
	case Request:
		return c.decideRequest(now, in)
	case Accept:
		return c.decideAccept(now, in)
	case Decline:
		return c.decideDecline(in)
	case Arrive:
		return c.decideArrive(now, in)
	case Start:
		return c.decideStart(now, in)
	case Complete:
		return c.decideComplete(now, in)
	case Paid:
		return c.decidePaid(now, in)
	case Release:
		return c.decideRelease(now, in)
	case Cancel:
		return c.decideCancel(now, in)
	case ChangeRoad:
		return c.decideChangeRoad(now, in)
	case RestoreRoad:
		return c.decideRestoreRoad(in)
	case Look:
		return nil, c.decideLook(in)
	case Bar:
		return c.decideBar(now, in)
	case LiftBar:
		return c.decideLiftBar(now, in)
	case SignOut:
		return c.decideSignOut(now, in)
	}
	return nil, refuse(Invalid, "unknown_input", fmt.Sprintf("The server does not know %T.", in))
}

func (c *Core) decideStartDuty(in StartDuty) ([]FactBody, *Refusal) {
	if in.Vehicle.Load.Seats < 1 {
		return nil, refuse(Invalid, "no_seats", "The vehicle has no seats: ask the operator for a token with seats.")
	}
	d := c.drivers[in.Driver]
	switch {
	case d == nil && len(c.drivers) >= c.rules.MaxDrivers:
		return nil, limited("drivers_full", "As many drivers are on duty as this area admits. Try again later.", time.Minute)
	case d != nil && d.Vehicle == in.Vehicle:
		return nil, nil
	case d != nil && !d.Free():
		return nil, refuse(Conflict, "on_trip", "Finish the trip or the offer at hand before changing vehicle.")
	}
	return []FactBody{DutyStarted{Driver: in.Driver, Vehicle: in.Vehicle}}, nil
}

func (c *Core) decideEndDuty(in EndDuty) ([]FactBody, *Refusal) {
	d := c.drivers[in.Driver]
	switch {
	case d == nil && in.By.Role == RoleOperator:
		return nil, refuse(NotFound, "driver_unknown", "No such driver is on duty.")
	case d == nil:
		return nil, nil
	case len(d.Plan) > 0:
		return nil, refuse(Conflict, "on_trip", "Complete the trip or give it back before going off duty.")
	}
	var bodies []FactBody
	if d.Offer != "" {
		bodies = append(bodies, OfferClosed{Trip: d.Offer, End: OfferWithdrawn})
	}
	return append(bodies, DutyEnded{Driver: in.Driver}), nil
}

func (c *Core) decideAccept(now Instant, in Accept) ([]FactBody, *Refusal) {
	t, refusal := c.offeredTo(in.By, in.Trip, in.Offer)
	if t == nil || t.State != Offered {
		return nil, refusal
	}
	eta := now.Add(c.approach(now, t).Duration)
	assigned := TripAssigned{Trip: t.ID, ETA: eta, Deadline: max(eta, t.Order.PickupWindow.From).Add(c.rules.PickupGrace)}
	if ride, ok := c.rideBy(eta, t, c.drivers[t.Offer.Driver].Vehicle); ok && ride.Round() != t.Offer.Ride {
		assigned.Ride = ride.Round()
	}
	return []FactBody{assigned}, nil
}

// approach estimates the drive to the pickup of the driver who is being asked,
// from where he is now if that is known.
func (c *Core) approach(now Instant, t *Trip) geo.Leg {
	d := c.drivers[t.Offer.Driver]
	if f := c.fixes[d.ID]; f != nil {
		if leg, ok := c.router.Travel(f.spot, c.spot(t.Order.Pickup), c.leaving(now, d.Vehicle)); ok {
			return leg
		}
	}
	return t.Offer.Approach
}

func (c *Core) decideDecline(in Decline) ([]FactBody, *Refusal) {
	t, refusal := c.offeredTo(in.By, in.Trip, in.Offer)
	switch {
	case refusal != nil:
		return nil, refusal
	case t.State != Offered:
		return nil, refuse(Conflict, "accepted_already", "This offer was accepted. Give the trip back with release.")
	}
	return []FactBody{OfferClosed{Trip: t.ID, End: OfferDeclined}}, nil
}

// offeredTo finds the trip that by is being asked for under that offer, or that
// he accepted under it and still drives.
func (c *Core) offeredTo(by Actor, trip TripID, offer OfferID) (*Trip, *Refusal) {
	t := c.trips[trip]
	switch as := c.relation(by, t); {
	case as&AsAsked != 0 && t.Offer.ID == offer, as&AsBound != 0 && offerID(t.ID, t.Offers) == offer:
		return t, nil
	}
	return nil, refuse(Lapsed, "offer_lapsed", "This offer is over. Wait for the next one.")
}

// offerID names the nth offer of a trip.
func offerID(trip TripID, n int) OfferID { return OfferID(fmt.Sprintf("%s/%d", trip, n)) }

func (c *Core) decideArrive(now Instant, in Arrive) ([]FactBody, *Refusal) {
	if t := c.trips[in.Trip]; c.relation(in.By, t)&AsTaken != 0 {
		return c.reclaim(now, t, in)
	}
	t, refusal := c.driving(in.By, in.Trip)
	switch {
	case refusal != nil:
		return nil, refusal
	case t.State != Assigned:
		return nil, nil // arrived, or riding already
	}
	deed, refusal := c.judgeDeed(now, t, t.Since, in.Deed)
	if refusal != nil {
		return nil, refusal
	}
	return []FactBody{c.arrived(now, t, deed)}, nil
}

// arrived is the fact of a deed that is right.
func (c *Core) arrived(now Instant, t *Trip, deed Deed) DriverArrived {
	return DriverArrived{Trip: t.ID, Deed: deed,
		Deadline: next(now, max(deed.at(now), t.Order.PickupWindow.From).Add(c.rules.FreeWait+c.rules.PickupGrace))}
}

func (c *Core) decideStart(now Instant, in Start) ([]FactBody, *Refusal) {
	t, refusal := c.starting(in)
	switch {
	case refusal != nil:
		return nil, refusal
	case t.State == Assigned:
		return nil, refuse(Conflict, "not_arrived", "Report your arrival at the pickup first.")
	case t.State != Arrived:
		return nil, nil
	}
	deed, refusal := c.judgeDeed(now, t, t.Since, in.by(in.By))
	if refusal != nil {
		return nil, refusal
	}
	if missed, refusal := wrongCode(t, in); refusal != nil {
		return missed, refusal
	}
	return []FactBody{RideStarted{Trip: t.ID, Deed: deed, Deadline: next(now, deed.at(now).Add(c.ride(t).Duration+c.rules.RideGrace))}}, nil
}

func (c *Core) decideComplete(now Instant, in Complete) ([]FactBody, *Refusal) {
	if t := c.trips[in.Trip]; t != nil && t.State == Completed && t.Driver == in.By.Driver() && in.By.Role == RoleDriver {
		return nil, nil
	}
	t, refusal := c.driving(in.By, in.Trip)
	switch {
	case refusal != nil:
		return nil, refusal
	case t.State != Riding:
		return nil, refuse(Conflict, "not_riding", "Report the start of the ride first.")
	}
	deed, refusal := c.judgeDeed(now, t, t.Since, in.Deed)
	if refusal != nil {
		return nil, refusal
	}
	return []FactBody{TripCompleted{Trip: t.ID, Deed: deed, DrivenM: c.driven(t, deed.at(now))}}, nil
}

// starting finds the trip that is to be started: by its driver, or by an operator, who
// needs no code.
func (c *Core) starting(in Start) (*Trip, *Refusal) {
	if in.By.Role != RoleOperator {
		return c.driving(in.By, in.Trip)
	}
	t := c.trips[in.Trip]
	switch {
	case t == nil:
		return nil, refuse(NotFound, "trip_unknown", "No such trip.")
	case !t.State.HasDriver():
		return nil, refuse(Conflict, "no_driver", "This trip has no driver who could start it.")
	}
	return t, nil
}

// driving finds the trip that by is bound to.
func (c *Core) driving(by Actor, trip TripID) (*Trip, *Refusal) {
	t := c.trips[trip]
	if as := c.relation(by, t); as&AsBound == 0 {
		return nil, rulesOf["arrive"].notHis(t, as)
	}
	return t, nil
}

func (c *Core) decideRelease(now Instant, in Release) ([]FactBody, *Refusal) {
	t := c.trips[in.Trip]
	switch {
	case in.DoneAt != 0 && t.Taken.from(in.By) && in.DoneAt <= t.Taken.At:
		return nil, nil // he had given it back before it was taken from him
	case c.relation(in.By, t)&AsTaken != 0:
		return nil, refuse(Conflict, "not_your_trip", "This trip is not, or no longer, yours to give back.")
	case t.State == Riding:
		return nil, refuse(Conflict, "riding", "The party is on board: complete the trip, or ask the operator to cancel it.")
	case t.State != Assigned && t.State != Arrived:
		return nil, refuse(Conflict, "no_driver", "This trip has no driver to take it from.")
	}
	deed, refusal := c.judgeDeed(now, t, t.Since, in.by(in.By))
	if refusal != nil {
		return nil, refusal
	}
	return []FactBody{TripReleased{Trip: t.ID, By: in.By, Why: in.Why, Deed: deed}}, nil
}

func (c *Core) decideCancel(now Instant, in Cancel) ([]FactBody, *Refusal) {
	t := c.trips[in.Trip]
	deed := Deed{}
	switch {
	case t.State == Cancelled && t.EndedBy == in.By:
		return nil, nil
	case !t.State.Open():
		return nil, refuse(Lapsed, "trip_over", "This trip is over.")
	case in.By.Role == RoleOperator:
	case in.By.Role == RoleDriver:
		var refusal *Refusal
		if deed, refusal = c.mayReportNoShow(now, t, in); refusal != nil {
			return nil, refusal
		}
	case t.State == Riding:
		return nil, refuse(Conflict, "riding", "The ride has started: it ends when the driver completes it.")
	}
	return []FactBody{TripCancelled{Trip: t.ID, By: in.By, Why: in.Why, Deed: deed}}, nil
}

// mayReportNoShow says why a driver may not end the trip for want of a passenger, or
// when he has. What counts is how long he had waited when he gave up, not when that
// became known.
func (c *Core) mayReportNoShow(now Instant, t *Trip, in Cancel) (Deed, *Refusal) {
	switch {
	case in.Why != ReasonNoShow:
		return Deed{}, refuse(Forbidden, "role", "A driver ends a trip only for a no-show; otherwise give it back with release.")
	case t.State != Arrived:
		return Deed{}, refuse(Conflict, "not_arrived", "Report your arrival at the pickup first.")
	}
	deed, refusal := c.judgeDeed(now, t, t.Since, in.Deed)
	if refusal != nil {
		return Deed{}, refusal
	}
	left := max(t.Since, t.Order.PickupWindow.From).Add(c.rules.FreeWait).Sub(deed.at(now)) // he may have come early
	switch {
	case left > 0 && deed.DoneAt != 0: // waiting now does not make it longer then
		return Deed{}, limited("too_early", "You had not waited long enough at the pickup to report a no-show.", 0)
	case left > 0:
		return Deed{}, limited("too_early", "Wait a little longer at the pickup before reporting a no-show.", left)
	}
	return deed, nil
}

// traveller returns the traveller's own account; zero when he has none.
func (o Order) traveller() Actor {
	if o.Traveller.ID == "" {
		return Actor{}
	}
	return Actor{Role: RolePassenger, ID: o.Traveller.ID}
}

func limited(code, say string, wait time.Duration) *Refusal {
	return &Refusal{Kind: Limited, Code: code, Say: say, RetryAfter: wait}
}

// Bounds of an order.
const (
	maxSeats       = 60
	maxWheelchairs = 10
	maxGoodsLitres = 20_000
	// bookAhead is how far in the future a pickup may be wanted.
	bookAhead = 15 * time.Minute
	// samePlace is the distance under which a pickup and a drop-off are the same.
	samePlace geo.Meters = 50
)
