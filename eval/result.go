package main

import (
	"time"

	"cuntong/dispatch"
)

// result is what a day came to under one policy.
type result struct {
	requests, completed, unserved int
	released                      int       // trips taken from a driver on his way
	declined                      int       // offers to drivers who could not have been there in time
	waits                         []float64 // minutes from the request to the driver's being there, of those served
	empty                         time.Duration
	loaded                        time.Duration
	// byVillage is who was served, by the village they started from.
	byVillage []share
	// decisions is how long the core took over each input that made it offer a trip
	// or park one, and inputs over all of them together.
	decisions []time.Duration
	inputs    int
	thinking  time.Duration
}

// share is so many served of so many.
type share struct{ served, of int }

// pickedUp counts a party whose driver is there.
func (r *result) pickedUp(village int, waited time.Duration) {
	r.waits = append(r.waits, waited.Minutes())
	r.byVillage[village].served++
}

// timed counts how long the core took over an input.
func (r *result) timed(out dispatch.Outcome, took time.Duration) {
	r.inputs++
	r.thinking += took
	for _, f := range out.Facts {
		switch f.Body.(type) {
		case dispatch.OfferMade, dispatch.TripParked:
			r.decisions = append(r.decisions, took)
			return
		}
	}
}

// servedPercent is how many of all requests were picked up.
func (r *result) servedPercent() float64 { return 100 * float64(len(r.waits)) / float64(r.requests) }

// meanWait is in minutes, of those served.
func (r *result) meanWait() float64 { return sum(r.waits) / float64(max(1, len(r.waits))) }

// waitOfAll is in minutes, of all requests, where one that is not served has
// waited as long as its patience lasts. Unlike the wait of those served it does not
// become shorter by leaving those far away unserved (it is the restricted mean of
// P. Royston and M. Parmar, BMC Medical Research Methodology 13:152, 2013).
func (r *result) waitOfAll() float64 {
	left := float64(r.requests - len(r.waits))
	return (sum(r.waits) + left*patience.Minutes()) / float64(r.requests)
}

// emptyMinutes is the driving to pickups for each ride.
func (r *result) emptyMinutes() float64 { return r.empty.Minutes() / float64(max(1, r.completed)) }

// declinedPercent is how many offers, of a hundred requests, went to drivers who could
// not have been there in time.
func (r *result) declinedPercent() float64 { return 100 * float64(r.declined) / float64(r.requests) }
