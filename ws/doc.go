// Package ws holds the connections of phones and desks.
//
// One [Hub] takes WebSocket upgrades, learns who is there, turns frames into the
// inputs of package dispatch, and dispatch's notices into frames. What the frames
// look like is said in package wire, and nowhere else.
//
//	phone ► ServeHTTP ► conn.read ► wire ► may ► intake ► Area.Submit
//	                                     └► a position ► Positions.Put
//	phone ◄ conn.write ◄ wire ◄ outgo ◄ lanes ◄ Hub.Teller ◄ engine
//
// # Goroutines
//
// An idle connection is one goroutine with a shallow stack, waiting in a read. A
// writer exists only while there is something to write: putting a frame into the
// lanes of an idle connection starts it, and it ends when the lanes are empty, so
// there is at most one at a time. Heartbeats, timeouts and boards come from one
// sweeper for all connections; no connection has a timer of its own.
//
// The reader owns its connection: it starts the writer, and ends only when the
// writer has ended. The hub waits for the readers.
//
// # Limits
//
// What waits for a slow phone is bounded twice. State goes into the must-arrive
// lane; when that is full the connection is closed with "slow", and the truth that
// the phone gets when it comes back says it all. Positions and other notices that
// a newer one makes worthless go into the newest-wins lane, one to a trip. Neither
// the engine nor any other phone ever waits for a slow one.
//
// # Locks
//
// No lock is held while a socket is read or written, and none while another is taken.
package ws
