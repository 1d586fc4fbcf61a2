// Package node is one server among several on one Redis: which areas it writes, how what
// arrives at the wrong server reaches the writer, and how notices reach the socket.
//
// It moves messages and decides who tries to write. Nothing here can do harm to what
// is recorded: an append is refused unless its writer holds the newest epoch, so whatever
// is lost, doubled, late or decided by two servers at once costs time and no promise.
//
//	phone ► ws ► Area.Submit ─┬─ the area is written here ──► Engine.Submit
//	                          └─ elsewhere: a letter ► the area's inbox ► the writer's reader ► Engine.SubmitMail
//
//	Engine ► Teller.Tell ─┬─► the hub here ► phone
//	                      └─ parcels to where the party is ► that server's post box ► the hub there ► phone
//
// Each area has a keeper, a goroutine that follows the writer or is one: it runs the
// engine and hands the area over. One pulse for the whole server says that it lives, and
// reads who else does and who may write what.
//
// # Who may call what
//
// The methods of a [Node] and of an [Area] may be called from any goroutine; [Node.Run] once.
package node
