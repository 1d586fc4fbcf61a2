// Package web is the page an operator opens.
//
// It is a handful of plain files inside the binary: no build step, nothing fetched
// from anywhere else, so that it works in a county hall whose line to the world is
// down. The page speaks the same protocol as every other client (package ws/wire)
// and knows nothing that an operator's token does not open.
//
// The files, each with one trade:
//
//	index.html  the skeleton, readable without a script
//	app.css     how it looks, by day and by night
//	app.js      puts the rest together
//	client.js   the wire: connect, hello, watch, come back
//	board.js    from what the server sends to what the page shows
//	focus.js    what the reader looks at
//	page.js     numbers and tables
//	map.js      the plan: drivers and places, north up
//	projection.js  from degrees to pixels
//	marks.js    the shapes that stand for states, in tables and on the plan
//	roads.js    the roads beneath the plan
//	changes.js  roads that are closed or slow today, and closing one
//	desk.js     drivers to watch, a close look, and who is kept out
//	words.js    every sentence, in English and Chinese
//	refusals.js the same for the codes of refusals and closes
//
// Whatever comes over the wire becomes text, never markup; lists are bounded; a
// field that the page does not know, or that is not what it should be, is left out.
package web
