package redisstore

import (
	"cuntong/dispatch"
)

type driverID = dispatch.DriverID

// Area is the ledger and the mirror of one area, as one writer sees them. It
// implements [dispatch.Ledger] and [dispatch.Mirror].
//
// A writer that was shut out stays shut out: every method of the ledger that
// writes returns [dispatch.ErrFenced] from then on.
type Area struct {
	// Static after construction.
	store *Store
	keys  keys
	bad   error  // why the id is none
	token string // tells this writer from every other, whatever its name

	// Owned by the goroutine that uses the ledger.
	epoch dispatch.Epoch // 0: no lease
	top   dispatch.Epoch // the highest ever held
	last  dispatch.Seq   // the last fact this writer knows to be recorded under its epoch

	// Owned by the goroutine that uses the mirror.
	shown map[driverID]place // where each driver's entry is
	ghost map[ghost]struct{} // entries whose removal is not confirmed
	swept dispatch.Instant   // when the silent were last looked for
}

var (
	_ dispatch.Ledger = (*Area)(nil)
	_ dispatch.Mirror = (*Area)(nil)
)

// call prepares a script of this area; word is what its reply repeats beside the area.
func (a *Area) call(name, word string) call {
	return call{name: name, echo: [2]string{string(a.keys.area), word}}
}
