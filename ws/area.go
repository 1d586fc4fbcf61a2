package ws

import "cuntong/dispatch"

// Area is where the inputs of one service area go. All methods are called from
// many goroutines, those that tell included, and must not block.
type Area interface {
	// Submit hands an input over. Nil means taken, and the answer comes through the
	// area's [dispatch.Teller]; a refusal means that nothing was done.
	Submit(dispatch.Input) *dispatch.Refusal
	// Slot returns a place for the positions of one driver connection.
	Slot() Positions
	// Gone says that the last connection here of a party has gone. It may be said
	// again. Whoever has come meanwhile is heard of after it, by a hello.
	Gone(dispatch.Actor)
}

// Positions takes a driver's positions, of which only the newest counts.
type Positions interface {
	Put(dispatch.Fix)
}

// EngineArea is the Area that an engine serves.
func EngineArea(e *dispatch.Engine) Area { return engineArea{e} }

type engineArea struct{ *dispatch.Engine }

// Slot narrows the engine's slot to what a connection may do with it.
func (a engineArea) Slot() Positions { return a.Engine.Slot() }

// Gone does nothing: an engine tells everybody, wherever he is.
func (engineArea) Gone(dispatch.Actor) {}
