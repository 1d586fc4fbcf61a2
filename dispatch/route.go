package dispatch

import "cuntong/geo"

// AskRoute asks for the way of a trip on the map. It changes nothing. The parties
// of a trip may ask, its driver, a driver who is being asked for it, and operators.
type AskRoute struct {
	By   Actor
	Trip TripID
}

// RouteTold is the way of a trip as it is now. It answers AskRoute.
type RouteTold struct {
	Trip TripID
	// Driver is where the ways begin, if one of them begins with a driver; else empty.
	Driver DriverID
	// Approach is the way from the driver to the pickup; nil when nobody is on it.
	Approach *Way
	// Ride is the way to the drop-off: from the pickup or, on board, from where the
	// vehicle is. Nil when no road leads there.
	Ride *Way
}

// Way is a drive and its line on the map.
type Way struct {
	Leg geo.Leg
	// Line is an encoded polyline of precision 5, [geo.EncodePolyline].
	Line string
}

// How finely a line is drawn: it is to be looked at on a phone.
const (
	lineTolerance geo.Meters = 15
	linePoints    int        = 300
)

// route answers in, or refuses.
func (r *run) route(in AskRoute) {
	c := r.core
	t := c.trips[in.Trip]
	if c.mayDo(in) != nil || !t.State.Open() {
		r.tell(in.By, Refused{Trip: in.Trip, Refusal: *refuse(NotFound, "trip_unknown", "No such trip.")})
		return
	}
	told := RouteTold{Trip: t.ID}
	pave, v := c.paveOf(t), Vehicle{Class: geo.Car}
	driver := t.Driver
	if t.Offer != nil && (in.By == DriverActor(t.Offer.Driver) || in.By.Role == RoleOperator) {
		driver = t.Offer.Driver // nobody else may see where a driver is who has not accepted
	}
	if d := c.drivers[driver]; d != nil {
		v = d.Vehicle
	}
	from := pave.pickup
	if f := c.fixes[driver]; f != nil {
		switch t.State {
		case Offered, Assigned:
			told.Approach, told.Driver = c.way(r.now, f.spot, pave.pickup, v), driver
		case Riding:
			from, told.Driver = f.spot, driver
		}
	}
	told.Ride = c.way(r.now, from, pave.dropoff, v)
	r.tell(in.By, told)
}

func (c *Core) way(now Instant, from, to geo.Spot, v Vehicle) *Way {
	by := c.leaving(now, v)
	leg, ok := c.router.Travel(from, to, by)
	if !ok {
		return nil
	}
	line := geo.Simplify(c.router.Line(from, to, by), lineTolerance, linePoints)
	return &Way{Leg: leg.Round(), Line: geo.EncodePolyline(line)}
}
