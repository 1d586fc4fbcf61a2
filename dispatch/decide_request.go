package dispatch

import (
	"fmt"
	"time"

	"cuntong/geo"
)

func (c *Core) decideRequest(now Instant, in Request) ([]FactBody, *Refusal) {
	if t := c.trips[in.Trip]; t != nil {
		return nil, c.askedAgain(t, in)
	}
	order := in.Order
	order.Booker = in.By
	if order.PickupWindow.From == 0 {
		order.PickupWindow.From = now
	}
	if refusal := checkOrder(now, order); refusal != nil {
		return nil, refusal
	}
	if refusal := c.roomFor(in.By); refusal != nil {
		return nil, refusal
	}
	if !c.area.Contains(order.Pickup.Point) {
		return nil, refuse(Invalid, "outside_area", "The pickup lies outside this service area. Ask the county it lies in.")
	}
	if refusal := c.braked(now, in); refusal != nil {
		return nil, refusal
	}
	direct, ok := c.direct(order.PickupWindow.From, order)
	if !ok {
		return nil, c.noRoad()
	}
	if direct.Duration > c.rules.MaxRide {
		return nil, refuse(Invalid, "too_far", fmt.Sprintf("The ride would take %d minutes: at most %d can be booked.",
			int(direct.Duration.Minutes()), int(c.rules.MaxRide.Minutes())))
	}
	if by := order.ArriveBy; by != 0 && order.PickupWindow.From.Add(direct.Duration) > by {
		return nil, refuse(Invalid, "too_late", fmt.Sprintf("The ride takes %d minutes: nobody could be there in time. Ask for a later arrival.",
			int(direct.Duration.Minutes())))
	}
	patience := max(now, order.PickupWindow.From).Add(c.rules.Patience)
	if to := order.PickupWindow.To; to != 0 {
		patience = min(patience, to)
	}
	return []FactBody{TripRequested{Trip: in.Trip, Order: order, Direct: direct.Round(), Patience: patience,
		Version: c.missed.after(in.Trip), StartCode: c.startCode(in.Trip, order)}}, nil
}

// direct is the drive from pickup to drop-off by the first class of vehicle that
// can do it, leaving at the given moment: a car, as a rule.
func (c *Core) direct(leaves Instant, o Order) (leg geo.Leg, ok bool) {
	from, to := c.spot(o.Pickup), c.spot(o.Dropoff)
	for _, class := range geo.VehicleClasses() {
		if leg, ok = c.router.Travel(from, to, c.leaving(leaves, Vehicle{Class: class})); ok {
			return leg, true
		}
	}
	return geo.Leg{}, false
}

// noRoad says why nobody can drive there.
func (c *Core) noRoad() *Refusal {
	if len(c.changes) > 0 {
		return refuse(Invalid, "road_closed", "No road leads from the pickup to the drop-off that is open for the whole ride. Choose another stop or time, or ask the operator.")
	}
	return refuse(Invalid, "no_road", "No road is known between the pickup and the drop-off. Choose another stop.")
}

// askedAgain judges a request for a trip that exists: the same order of the same
// booker is the same trip, anything else is another trip under a taken name.
func (c *Core) askedAgain(t *Trip, in Request) *Refusal {
	again := in.Order
	again.Booker = in.By
	if again.PickupWindow.From == 0 {
		again.PickupWindow.From = t.Order.PickupWindow.From
	}
	if again == t.Order {
		return nil
	}
	return refuse(Conflict, "trip_id_taken", "A trip with this id exists. Choose a new id for another trip.")
}

func checkOrder(now Instant, o Order) *Refusal {
	load, window := o.Load, o.PickupWindow
	switch {
	case o.Product != ProductSolo:
		return refuse(Invalid, "product", "Only solo trips can be booked.")
	case load.Seats < 1 || load.Seats > maxSeats:
		return refuse(Invalid, "seats", fmt.Sprintf("Ask for 1 to %d seats.", maxSeats))
	case load.Wheelchairs < 0 || load.Wheelchairs > min(maxWheelchairs, load.Seats):
		return refuse(Invalid, "wheelchairs", fmt.Sprintf("Ask for 0 to %d wheelchair places, and no more than seats.", maxWheelchairs))
	case load.GoodsLitres < 0 || load.GoodsLitres > maxGoodsLitres:
		return refuse(Invalid, "goods_l", fmt.Sprintf("Ask for 0 to %d litres of goods.", maxGoodsLitres))
	case o.Pickup.Point.Validate() != nil || o.Dropoff.Point.Validate() != nil:
		return refuse(Invalid, "out_of_range", "Pickup and drop-off must be places on Earth.")
	case geo.Distance(o.Pickup.Point, o.Dropoff.Point) < samePlace:
		return refuse(Invalid, "same_place", "Pickup and drop-off are the same place.")
	case window.From > now.Add(bookAhead):
		return refuse(Invalid, "too_far_ahead", fmt.Sprintf("Book at most %d minutes ahead.", bookAhead/time.Minute))
	case window.To != 0 && (window.To <= now || window.To < window.From):
		return refuse(Invalid, "window_over", "The pickup window is over. Ask for a later one.")
	case o.ArriveBy != 0 && o.ArriveBy <= now:
		return refuse(Invalid, "window_over", "The arrival time is over. Ask for a later one.")
	}
	return nil
}

// roomFor says whether by has reached a limit on open trips.
func (c *Core) roomFor(by Actor) *Refusal {
	open := len(c.deadlines.heap)
	switch {
	case open >= c.rules.MaxOpenTrips:
		return limited("area_full", "As many trips are open as this area admits. Try again later.", time.Minute)
	case by.Role == RolePassenger && c.booked[by] >= c.rules.MaxOpenPerPassenger,
		by.Role == RoleAgent && c.booked[by] >= c.rules.MaxOpenPerAgent:
		return limited("too_many_trips", "You have as many open trips as you may. Finish or cancel one first.", 0)
	}
	return nil
}
