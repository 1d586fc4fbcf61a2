package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rules are what a county decides about dispatching. Zero values are not
// meaningful: start from [DefaultRules].
type Rules struct {
	// OfferWait is how long a driver has to answer an offer. 5 s to 5 min.
	OfferWait time.Duration
	// ConfirmWait is how long an offer may take to reach its driver's phone and the phone's
	// word of that to come back, on a quick link; then the next driver is asked. A slow one
	// has up to 30 s more. 2 s to 15 s.
	ConfirmWait time.Duration
	// Patience is how long a trip waits for a driver before it ends unserved. 1 min to 24 h.
	Patience time.Duration
	// FreshFor is how long a position counts: a driver not heard of for longer is not matched. 5 s to 10 min.
	FreshFor time.Duration
	// Reach is the longest drive to a pickup that a driver is asked for. 1 min to 12 h.
	Reach time.Duration
	// Window is how long a trip waits, after it was asked for, for others that want the
	// same drivers, so that they are judged together; a trip without a rival does
	// not wait. 0 to 10 s.
	Window time.Duration
	// BusyWithin is how soon a driver with a trip must be expected to be free to be
	// waited for. 0 to 2 h; 0: only drivers who are free are thought of.
	BusyWithin time.Duration
	// StopTime is how long a party is expected to take to get on or off. 0 to 30 min.
	StopTime time.Duration
	// AgeBonus is how many seconds of driving a second of waiting outweighs when not all
	// can be served. 0 to 10; with 0 the far ones starve.
	AgeBonus float64
	// MaxRide is the longest ride that can be booked, by the estimate for a car. 1 min to 48 h.
	MaxRide time.Duration
	// DutySilence is how long a driver may be on duty without a word while he has
	// neither offer nor trip; then his duty ends. 1 min to 7 days.
	DutySilence time.Duration
	// LapseRest is how long a driver who let an offer lapse is left alone about that trip. 0 to 24 h.
	LapseRest time.Duration
	// PickupGrace is how much later than expected a driver may arrive before the trip is overdue. 1 min to 24 h.
	PickupGrace time.Duration
	// FreeWait is how long a driver waits at the pickup before he may report a no-show. 0 to 2 h.
	FreeWait time.Duration
	// RideGrace is how much longer than expected a ride may take before it is overdue. 1 min to 24 h.
	RideGrace time.Duration
	// OverdueLimit is how many times an assigned trip may be overdue before it is taken from its driver and matched again. 1 to 100.
	OverdueLimit int

	// StartCode says which trips need a start code. Those who are to be fetched at other
	// hours than StartCodeFrom to StartCodeUntil, in minutes since midnight at a place
	// StartCodeZone minutes ahead of UTC, need none; when the two are equal it is at all hours.
	StartCode                     StartCodeRule
	StartCodeFrom, StartCodeUntil int
	StartCodeZone                 int
	// FastestKMH is what nothing drives, in km/h, so that a position further on is a sign
	// of one that is made up. 0 to 2,000; 0: positions are not weighed at all.
	FastestKMH int
	// DoubtfulWait and PoorWait are how much longer than expected a driver is taken to be on
	// his way to a pickup whose positions are doubted, a little and much. 0 to 1 h; 0: doubt
	// is only shown.
	DoubtfulWait, PoorWait time.Duration

	// PassengerOrders, DeviceOrders and AgentOrders are how many orders an hour a passenger,
	// a phone of passengers and an agent may give, of which as many at once. 0 to 100,000; 0: no limit.
	PassengerOrders, DeviceOrders, AgentOrders int
	// CellUnknown bounds the open trips from one cell (H3 resolution 7, about 5 km²) of
	// passengers who have not ridden of late and are not on board; beyond it one a minute. Two
	// thirds of it where nobody has been fetched of late. 0 to 100,000; 0: no limit.
	CellUnknown int

	// MaxOpenTrips bounds the open trips of an area; beyond it requests are refused. 1 to 1,000,000.
	MaxOpenTrips int
	// MaxOpenPerPassenger bounds the open trips a passenger has booked. 1 to 1,000.
	MaxOpenPerPassenger int
	// MaxOpenPerAgent bounds the open trips a village agent has booked. 1 to 100,000.
	MaxOpenPerAgent int
	// MaxDrivers bounds the drivers on duty in an area. 1 to 1,000,000.
	MaxDrivers int
	// KeepEnded is how many ended trips stay in memory, for late and repeated commands. 0 to 1,000,000.
	KeepEnded int
	// KeepCommands is how many commands that took effect are remembered, so that a repeat gets the same answer.
	// The oldest is forgotten first; a repeat of it is then judged by the state of its trip. 1 to 10,000,000.
	KeepCommands int
}

// DefaultRules suit a mountain county.
func DefaultRules() Rules {
	return Rules{
		OfferWait:           20 * time.Second,
		ConfirmWait:         5 * time.Second,
		Patience:            30 * time.Minute,
		FreshFor:            30 * time.Second,
		Reach:               time.Hour,
		Window:              2 * time.Second,
		BusyWithin:          20 * time.Minute,
		StopTime:            time.Minute,
		AgeBonus:            0.5,
		MaxRide:             6 * time.Hour,
		DutySilence:         12 * time.Hour,
		LapseRest:           2 * time.Minute,
		PickupGrace:         20 * time.Minute,
		FreeWait:            5 * time.Minute,
		RideGrace:           time.Hour,
		OverdueLimit:        3,
		StartCode:           StartCodeOff,
		StartCodeZone:       8 * 60,
		FastestKMH:          200,
		DoubtfulWait:        2 * time.Minute,
		PoorWait:            10 * time.Minute,
		PassengerOrders:     20,
		DeviceOrders:        40,
		AgentOrders:         600,
		CellUnknown:         150,
		MaxOpenTrips:        20_000,
		MaxOpenPerPassenger: 2,
		MaxOpenPerAgent:     200,
		MaxDrivers:          100_000,
		KeepEnded:           2_000,
		KeepCommands:        20_000,
	}
}

// Validate says what is out of range, all at once.
func (r Rules) Validate() error {
	return errors.Join(
		within("offer wait", r.OfferWait, 5*time.Second, maxOfferWait),
		within("confirm wait", r.ConfirmWait, 2*time.Second, maxConfirmWait),
		within("patience", r.Patience, time.Minute, 24*time.Hour),
		within("position freshness", r.FreshFor, 5*time.Second, 10*time.Minute),
		within("reach", r.Reach, time.Minute, 12*time.Hour),
		within("window", r.Window, 0, 10*time.Second),
		within("busy within", r.BusyWithin, 0, 2*time.Hour),
		within("stop time", r.StopTime, 0, 30*time.Minute),
		within("age bonus", r.AgeBonus, 0, 10),
		within("longest ride", r.MaxRide, time.Minute, 48*time.Hour),
		within("duty silence", r.DutySilence, time.Minute, 7*24*time.Hour),
		within("lapse rest", r.LapseRest, 0, 24*time.Hour),
		within("pickup grace", r.PickupGrace, time.Minute, 24*time.Hour),
		within("free wait", r.FreeWait, 0, 2*time.Hour),
		within("ride grace", r.RideGrace, time.Minute, 24*time.Hour),
		within("overdue limit", r.OverdueLimit, 1, 100),
		oneOf("start code", r.StartCode, StartCodeOff, StartCodeApp, StartCodeAll),
		within("start code from", r.StartCodeFrom, 0, 24*60-1),
		within("start code until", r.StartCodeUntil, 0, 24*60-1),
		within("start code zone", r.StartCodeZone, -12*60, 14*60),
		within("fastest drive in km/h", r.FastestKMH, 0, 2_000),
		within("wait for a doubtful driver", r.DoubtfulWait, 0, time.Hour),
		within("wait for a driver of poor trust", r.PoorWait, r.DoubtfulWait, time.Hour),
		within("orders a passenger", r.PassengerOrders, 0, 100_000),
		within("orders a device", r.DeviceOrders, 0, 100_000),
		within("orders an agent", r.AgentOrders, 0, 100_000),
		within("open trips a cell of unknown passengers", r.CellUnknown, 0, 100_000),
		within("open trips", r.MaxOpenTrips, 1, 1_000_000),
		within("open trips a passenger", r.MaxOpenPerPassenger, 1, 1_000),
		within("open trips an agent", r.MaxOpenPerAgent, 1, 100_000),
		within("drivers", r.MaxDrivers, 1, 1_000_000),
		within("ended trips kept", r.KeepEnded, 0, 1_000_000),
		within("commands kept", r.KeepCommands, 1, 10_000_000),
	)
}

func oneOf[T comparable](name string, v T, allowed ...T) error {
	if !slices.Contains(allowed, v) {
		return fmt.Errorf("%s is %v: want one of %v", name, v, allowed)
	}
	return nil
}

func within[T int | float64 | time.Duration](name string, v, low, high T) error {
	if !(v >= low && v <= high) {
		return fmt.Errorf("%s is %v: want %v to %v", name, v, low, high)
	}
	return nil
}
