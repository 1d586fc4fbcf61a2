package dispatch

import "time"

// Kind sorts refusals by what the client should do. The names travel on the wire.
type Kind string

// The kinds.
const (
	Invalid     Kind = "invalid"     // the command is malformed or out of range: mend it
	NotFound    Kind = "not_found"   // no such trip, offer, driver or village
	Conflict    Kind = "conflict"    // the state has moved on: look at the present truth
	Lapsed      Kind = "lapsed"      // too late: the offer or the trip is over
	Forbidden   Kind = "forbidden"   // this party may not do that
	Limited     Kind = "limited"     // a limit is reached: wait RetryAfter, or finish something
	Unavailable Kind = "unavailable" // the server cannot record now: repeat the same command after RetryAfter
)

// Refusal is a typed "no". It is an error for callers inside the server and a
// notice for the client.
type Refusal struct {
	Kind Kind
	// Code is a short stable word for programs, such as "offer_lapsed".
	Code string
	// Say is a sentence for people, saying what to do. It never holds names, phone numbers or positions.
	Say string
	// RetryAfter is how long to wait before trying again. Zero: trying again will not help, or may be done at once.
	RetryAfter time.Duration
}

// Error returns the code and the sentence.
func (r *Refusal) Error() string { return r.Code + ": " + r.Say }

func refuse(kind Kind, code, say string) *Refusal {
	return &Refusal{Kind: kind, Code: code, Say: say}
}
