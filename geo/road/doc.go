// Package road knows the roads: where they lie, how long a vehicle takes on them,
// which are closed today, and so who can be where soonest.
//
//	Builder, Graph    the roads as they were surveyed; never changed once built
//	Today             the roads as they are: a geo.Router that can be told of a
//	                  landslide, ice or a night ban
//	Matrix            drives between many places at once
//
// Like geo it is pure: no goroutine outlives a call, no clock is read, and the
// same roads and the same changes give the same answers.
package road
