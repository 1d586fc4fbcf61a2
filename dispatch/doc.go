// Package dispatch decides which driver takes which trip, and remembers what was decided.
//
// It has two halves. The core decides: [Core.Apply] takes the time and one
// [Input] and returns an [Outcome], facts and notices, without clock, goroutine,
// lock, file or socket. The [Engine] does: one goroutine an area takes waiting
// inputs, applies them, appends the facts to a [Ledger], and only then passes
// the notices on.
//
//	phone ► ws ► Engine.Submit ► Core.Apply = decide ► fold ► Ledger.Append ► Teller.Tell ► phones
//
// What survives a crash is said by type. A [Fact] is durable: it is in the
// journal before anybody is told of it, and replaying the journal through the
// same fold gives the same state. A [Fix] (a position) is not durable and cannot
// be journaled by mistake.
//
// # Who may call what
//
// A Core belongs to one goroutine. The methods of an Engine may be called from
// any goroutine. Values handed out in notices are copies and may be kept.
package dispatch
