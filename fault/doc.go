// Package fault lets a test build break the server on purpose, at named points and in
// named ways; in any other build every function of it does nothing and costs nothing.
//
// A test build is one with the tag "chaos". It reads its orders once, from the
// environment:
//
//	CUNTONG_FAULT=append.after=kill@3,lease.before=stop:2s@0.01
//	    at the third passing of append.after the process kills itself, and at each
//	    passing of lease.before it stops for two seconds with a chance of one in a hundred
//	CUNTONG_MUTANT=no_epoch,wait_elsewhere
//	    the named safeguards are left out: a suite that does not notice is worthless
//	CUNTONG_SKEW=-5m
//	    the clock of the process is off by so much
package fault
