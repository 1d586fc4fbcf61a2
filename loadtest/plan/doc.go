// Package plan works out beforehand what a load test does: who drives, who books what, when, and by which road.
//
// It is pure: no goroutine, no clock, no socket. A [Scenario], a gazetteer and a
// seed give one [Plan], always the same, so that two servers can be given the
// same morning and a strange run can be repeated. Package swarm carries the plan
// out.
//
//	Scenario ─┐
//	Gazetteer ├─► New ─► Plan ─► Drivers   who stands where, in what vehicle
//	seed ─────┘               ├► Bookings  who asks for what, at which moment
//	                          └► Road      the bends between two places
//
// Everything in it is simulated: village sizes, market days and roads are drawn
// from the seed and claim nothing about the real ones.
package plan
