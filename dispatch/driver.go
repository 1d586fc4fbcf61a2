package dispatch

import "cuntong/geo"

// Vehicle is a thing that is driven: its class, what it holds, and its plate.
type Vehicle struct {
	ID    VehicleID        `json:"id,omitempty"`
	Class geo.VehicleClass `json:"class"`
	Load  Load             `json:"load"`
}

// Driver is a person on duty with a vehicle.
type Driver struct {
	ID      DriverID `json:"id"`
	Vehicle Vehicle  `json:"vehicle"`
	// Since is when the duty began.
	Since Instant `json:"since"`
	// Offer is the trip he is being asked for, or empty. A driver holds at most one
	// live offer or the plan he is driving, never both.
	Offer TripID `json:"offer,omitempty"`
	// Plan is what he has promised to drive, in order.
	Plan Plan `json:"plan,omitempty"`
	// Home is the area where his duty began; empty: here.
	Home geo.AreaID `json:"home,omitempty"`
	// Admitted is when he came from another area; zero: he has not.
	Admitted Instant `json:"admitted,omitempty"`
}

// Free says whether he may be asked: on duty, with no offer and no plan.
func (d *Driver) Free() bool { return d.Offer == "" && len(d.Plan) == 0 }

// StopKind is what happens at a stop.
type StopKind string

// The kinds of stop.
const (
	StopPickup  StopKind = "pickup"
	StopDropoff StopKind = "dropoff"
)

// Stop is one place a driver has promised to be at, for one trip.
type Stop struct {
	Kind  StopKind `json:"kind"`
	Trip  TripID   `json:"trip"`
	Place Place    `json:"place"`
}

// Plan is the stops that remain, in driving order. A solo ride is a plan of two.
type Plan []Stop

// Trip returns the trip of the next stop, or "" when nothing is planned.
func (p Plan) Trip() TripID {
	if len(p) == 0 {
		return ""
	}
	return p[0].Trip
}

// Fix is where a driver was at a moment. It is not durable: the next one replaces it.
type Fix struct {
	Driver DriverID
	Point  geo.Point
	// At is when the phone was there, by the server's clock.
	At Instant
	// Received is when the server had it.
	Received Instant
	// AccuracyMeters is the phone's own estimate of its error; 0 means unknown.
	AccuracyMeters geo.Meters
	// HeadingDegrees is clockwise from north; negative means unknown.
	HeadingDegrees float64
	// SpeedMPS is metres a second; negative means unknown.
	SpeedMPS float64
	// Mock: the phone's system says that the position is made up.
	Mock bool
	// LinkMillis is the round trip to the phone as last measured; 0 means unknown.
	LinkMillis int64
}
