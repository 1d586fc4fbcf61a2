// Package swarm drives simulated drivers and riders over real sockets.
//
// It uses the reference client (ws/client) and knows nothing else of the server: what
// it measures and what it calls a violation is what a phone could see. Package plan
// says beforehand who does what and when; this package does it.
//
//	plan.Bookings ─► feeder ─► rider ─┐              ┌─► tally    counts, latencies, samples
//	                          driver ─┴► phone ─────┴─► witness  what all phones together saw
//	                                       └► ws/client ► socket
//
// The files, in the order of reading:
//
//	config.go   what a run needs         swarm.go   the run from connecting to tidying up
//	phone.go    what every party has in common: a client, commands, bad coverage
//	rider.go    those who book           driver.go  those who drive
//	witness.go  what was seen of a trip  tally.go   what was counted
//
// # Goroutines
//
// Every party has three: two of its client, which read and write, and one that does
// everything else (phone.run) and owns the party's state. The feeder, the sampler
// and Run itself make three more. Run returns when all have ended.
//
// # Load that does not wait
//
// Bookings are handed out at the moments of the plan whether or not earlier ones
// have been answered, and latencies count from those moments. A server that
// stalls for a second is charged with every request of that second, not with one
// (G. Tene, "How NOT to measure latency": coordinated omission).
package swarm
