// Package outside lets a routing server outside the process, OSRM or Valhalla,
// correct what the built-in roads say about drives.
//
// Whoever asks never waits for it. A [geo.Router] is asked by the one writer of an
// area, many times for every trip, and a server across a network takes milliseconds
// when it is well and seconds when it is not. So every question is answered at once,
// by the built-in Router; the same question goes into a bounded queue, and a few
// goroutines put what is queued to the server. What comes back is kept as a
// correction: how much longer or shorter the server says the drive is, in time and
// in length. From then on it is applied to every drive between the same two
// neighbourhoods, so that it stays right while a driver moves. The first trip of a
// morning is matched by the built-in roads alone.
//
//	question ──► built-in answer ──► × correction, if one is known ──► answer
//	                  │                        ▲
//	                  └─► queue ─► server ─────┘   (behind a time-out and a breaker)
//
// # What the built-in roads keep to themselves
//
// Whether a road leads somewhere at all; where a point lies on the roads; the line
// that is drawn; and everything while changes to the roads are in force. A server
// outside knows of no landslide: while one is set, its corrections are not used,
// and it is not asked.
//
// # What is lost
//
// The same question need not get the same answer twice: it depends on what the
// server has said by then. A journal can be replayed all the same, because a core
// that replays does not ask: its facts carry the estimates. What cannot be repeated
// exactly is a simulation over such a Router. And while corrections are still coming
// in, one driver may be judged with a correction and another without.
package outside
