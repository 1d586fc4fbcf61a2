package geo

import "fmt"

// VehicleClass is the kind of vehicle as far as driving time is concerned. The
// string is the wire form.
type VehicleClass string

// The classes. The pickup is called PickupTruck because Pickup is a place.
const (
	Car         VehicleClass = "car"
	Minivan     VehicleClass = "minivan"
	Minibus     VehicleClass = "minibus"
	Bus         VehicleClass = "bus"
	PickupTruck VehicleClass = "pickup"
)

// VehicleClasses returns every class, always in the same order. The caller owns
// the slice.
func VehicleClasses() []VehicleClass {
	return []VehicleClass{Car, Minivan, Minibus, Bus, PickupTruck}
}

// ParseVehicleClass reads the wire form exactly; anything else is an error that
// lists what is known.
func ParseVehicleClass(s string) (VehicleClass, error) {
	for _, c := range VehicleClasses() {
		if string(c) == s {
			return c, nil
		}
	}
	return "", fmt.Errorf("geo: unknown vehicle class %.40q: want one of %v", s, VehicleClasses())
}
