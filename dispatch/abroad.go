package dispatch

import "cuntong/geo"

// AreaLetter is what the core of one area says to that of another. It arrives there
// as an input; it may be lost, late, or come twice.
type AreaLetter struct {
	To   geo.AreaID
	Body Input
}

// Postman passes letters between areas on, wherever their writers are. Post is called
// from the engine's goroutine after the facts are durable, and must not block: what
// cannot be sent is dropped, because the core repeats what matters until it is
// acknowledged.
type Postman interface {
	Post(from geo.AreaID, letters []AreaLetter)
}
