package dispatch

import "cuntong/geo"

// DriverReleased: a free driver belongs to another area from now on. Until
// [TransferSettled] he is on his way there and nowhere else.
type DriverReleased struct {
	Driver   DriverID   `json:"driver"`
	To       geo.AreaID `json:"to"`
	Transfer TransferID `json:"transfer"`
	Vehicle  Vehicle    `json:"vehicle"`
	Since    Instant    `json:"since"` // when his duty began
	Home     geo.AreaID `json:"home"`  // where
	// For is the trip of that area that he was lent for; empty: he went there by himself.
	For TripID `json:"for,omitempty"`
}

// TransferSettled: the other area has him.
type TransferSettled struct {
	To       geo.AreaID `json:"to"`
	Transfer TransferID `json:"transfer"`
}

// DriverAdmitted: a driver whom another area released belongs to this one.
type DriverAdmitted struct {
	Driver   DriverID   `json:"driver"`
	From     geo.AreaID `json:"from"`
	Transfer TransferID `json:"transfer"`
	// Done: all transfers from there up to this one are settled.
	Done    TransferID `json:"done,omitempty"`
	Vehicle Vehicle    `json:"vehicle"`
	Since   Instant    `json:"since"`
	Home    geo.AreaID `json:"home"`
	For     TripID     `json:"for,omitempty"`
}

func (DriverReleased) kind() string  { return "driver_released" }
func (TransferSettled) kind() string { return "transfer_settled" }
func (DriverAdmitted) kind() string  { return "driver_admitted" }
func (TripRecovered) kind() string   { return "trip_recovered" }
