// Package redisstore keeps an area's facts and positions in Redis.
//
// [Open] finds or starts a server and returns a [Store]; [Store.Area] returns the
// [dispatch.Ledger] and [dispatch.Mirror] of one area. There are three kinds of
// server and one code path:
//
//	a given URL     the operator's Redis, alone, with Sentinels or as a Cluster; unsafe settings are refused
//	a child         redis-server from PATH on a unix socket, append-only file in the data folder
//	embedded        miniredis in this process: for trying things out, nothing is kept
//
// # What lies where
//
//	{area}:lease      hash    who may write, under which epoch, until when; whom it is being handed to
//	{area}:head       hash    sequence of the last fact, epoch and token of the writer, id of the last batch,
//	                          sequence of the snapshot, of the last fact that was forgotten, of the last trip archived
//	{area}:journal    stream  the facts after the snapshot before the last, entry <sequence>-0, field f
//	{area}:snapshot   string  a header line, then the state up to a sequence
//	{area}:archive    stream  finished trips, entry <milliseconds>-<sequence>, field t
//	{area}:h3:<cell>  hash    driver -> position; lossy, gone two minutes after the last write
//	{area}:inbox      stream  letters to whoever writes the area, until he discards them; field p the letter before, b the letter
//	{area}:inbox:last string  id of the last letter ever put there
//	post:{<server>}   stream  letters to one run of a server, the same fields; gone three minutes after it last looked
//	post:{<server>}:last      the same as of an inbox
//	cuntong:nodes     hash    run of a server -> when it was last heard of, and its name
//
// # Promises
//
// Acknowledged means: on the disk of the master, and on those of as many replicas as
// make a majority of the copies. A change goes with WAIT behind it on the same
// connection; too few answers are an error that says "pending", and the caller
// repeats. What a server lost in a fail-over all the same is put back by the writer,
// with [Area.Head], [Area.Mend] and [Area.Reseed].
//
// A change of the ledger is one script, hence all or nothing. Every script is
// harmless when it runs twice, because a reply may be lost after the work is
// done. Every reply repeats the area and a word of the question, and a reply
// that answers another question closes the connections and counts as no reply.
// No key of the ledger has a time to live: leases are compared with the clock
// of Redis, and a key that vanished by itself would look like a loss.
//
// Letters are the exception to the second sentence: who sends some again because
// the reply was lost may double them. They are never missed: each names the one
// before it, so that a reader notices when Redis came back without some he has had
// and gave their places to others.
//
// # Who may call what
//
// A Store may be used from any goroutine. An Area's ledger methods belong to one
// goroutine at a time and its mirror methods to one, which may be another.
package redisstore
