package road

import "cuntong/geo"

// drive is the weight of a lane for a class of vehicle on a dry summer's day; never
// where it may not go.
func (g *Graph) drive(l Lane, class geo.VehicleClass) weight {
	return never
}
