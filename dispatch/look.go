package dispatch

// Look asks for everything about one trip or one driver on duty: exactly one of the
// two is set. It changes nothing and is repeated at will; who looked at whom, and why,
// the hub records. Operators only.
type Look struct {
	Command
	Trip   TripID
	Driver DriverID
	Reason string
}

// LookTold answers [Look], before its Done.
type LookTold struct {
	// ID is that of the command: nobody but who asked is to see it.
	ID CommandID
	// Trip is whole, or nil.
	Trip *TripView
	// Driver is as on the board, or nil.
	Driver *DriverView
}

// decideLook says why there is nothing to see, or nothing.
func (c *Core) decideLook(in Look) *Refusal {
	switch {
	case in.Driver != "" && c.drivers[in.Driver] == nil:
		return refuse(NotFound, "driver_unknown", "No such driver is on duty.")
	case in.Driver == "" && c.trips[in.Trip] == nil:
		return refuse(NotFound, "trip_unknown", "No such trip.")
	}
	return nil
}

// show tells an operator what he looks at.
func (r *run) show(in Look) {
	c := r.core
	told := LookTold{ID: in.ID}
	if in.Driver != "" {
		v := c.driverView(r.now, in.Driver)
		told.Driver = &v
	} else {
		v := c.view(r.now, c.trips[in.Trip])
		told.Trip = &v
	}
	r.tell(in.By, told)
}
