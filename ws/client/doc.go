// Package client is a phone's or a desk's side of cuntong.v1, for any role.
//
// It is written from docs/PROTOCOL.md alone, as somebody outside would write it, and
// may be read as an example: it imports the messages (ws/wire), a WebSocket library
// and nothing else.
//
//	app ─► Do, Send, Position ─► mind ─► pump ─► socket
//	app ◄─ Events, Picture ◄──── mind ◄─ Run ◄── socket
//
// The mind (mind.go) decides: what is told, sent, kept, repeated and given up, and
// when. It has no clock, no socket and no goroutine, and [mind.check] says after each
// step of each test whether it is sound. [Client] is what happens around it.
//
// What it does for its app:
//
//   - It comes back (backoff.go), to any of several addresses, says what it holds, and
//     ends up with the present truth (picture.go).
//   - A command is repeated under its id until it is answered, on as many connections
//     as it takes and after a restart of the program (calls.go, store.go).
//   - What a driver does without a signal is kept with its time and number, and sent in
//     order once there is one, each when the one before is answered (deeds.go).
//   - Positions go out while there is a connection, the newest only; those of a trip
//     that could not be sent are kept, thinned, and sent behind the deeds (track.go).
//   - Offers are confirmed at once; receipts are kept and given back (receipts.go);
//     tokens are renewed before they end; a dead connection is noticed (pulse.go).
//
// # Goroutines
//
// Run reads; it starts one more, the pump, which does all writing but the answers to
// pings, and returns only when that has ended. Every method may be called from any
// goroutine, and none of them waits for the network, but Ask and Close.
//
// # Queues
//
//	events to the app          Config.Events  lossy ones are dropped when it is half full,
//	                                          the others hold the reading up ("slow reader")
//	commands without an answer Config.Open    Do refuses the next one ([ErrFull])
//	questions and confirmations  64           the oldest is dropped
//	position to send           one            the newest wins
//	positions of the dark      720            coarser: every other one is dropped
//	receipts                   64             the oldest is dropped; 20 are given back
//	trips held                 500            those that ended first are dropped
//
// What was dropped is in [Client.Counts].
package client
