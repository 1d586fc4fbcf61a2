package dispatch

import (
	"context"
	"errors"
)

// Epoch numbers the writers of an area. A higher epoch shuts out every lower one.
type Epoch uint64

// BatchID names one append, so that repeating it is harmless.
type BatchID string

// MaxBatchFacts bounds one append.
const MaxBatchFacts = 512

// Errors of a Ledger. Any other error leaves the outcome unknown: repeat the same
// call with the same arguments until it is known.
var (
	// ErrFenced: another writer has taken the area. Stop at once and tell nobody anything.
	ErrFenced = errors.New("another writer has taken this area")
	// ErrHeld: another writer holds the lease. Wait and ask again.
	ErrHeld = errors.New("the lease of this area is held by another writer")
	// ErrBehind: the journal's head is not where the writer left it. Facts were lost or
	// written by somebody else. Stop, and start again from what the journal holds.
	ErrBehind = errors.New("the journal's head is not where this writer left it")
	// ErrDamaged: what the ledger holds of this area is not whole, or a later program
	// wrote it. Reading it again will not help: look at it, or restore a backup.
	ErrDamaged = errors.New("the record of this area cannot be read")
)

// Ledger is the durable record of one area. One goroutine uses it at a time.
type Ledger interface {
	// Acquire takes or renews the right to write and returns its epoch. A first call
	// raises the epoch; later calls by the same holder keep it. It returns ErrHeld
	// while another holder's lease runs.
	Acquire(ctx context.Context) (Epoch, error)

	// Release gives the right up, so that the next writer need not wait. Only a
	// planned stop calls it.
	Release(ctx context.Context) error

	// Load returns the newest snapshot (nil and 0 when there is none) and calls each
	// for every fact after it, in order and without a gap. A fact that is missing or
	// cannot be read is ErrDamaged: nothing is skipped. Other errors may pass.
	Load(ctx context.Context, each func(Fact) error) (snapshot []byte, at Seq, err error)

	// Append records facts, all or none, after the fact with sequence after. Three
	// things may happen: it returns nil and the facts are durable (now, or by an
	// earlier call with this id); it returns ErrFenced or ErrBehind and nothing was
	// written; or it returns another error and the outcome is unknown.
	// At most MaxBatchFacts facts.
	Append(ctx context.Context, id BatchID, after Seq, facts []Fact) error

	// Save keeps state as the snapshot that holds every fact up to at, and lets the
	// journal forget facts that no reader needs any more. It returns ErrFenced when
	// another writer has taken the area.
	Save(ctx context.Context, at Seq, state []byte) error
}

// Mirror shows the positions of an area's drivers to others: H3 cells in Redis.
// It is lossy. One goroutine uses it at a time.
type Mirror interface {
	// Show writes where these drivers are now, and forgets those in gone. It is
	// called with at most MaxMirrorBatch of each and may drop what it cannot write.
	Show(ctx context.Context, fixes []MirrorFix, gone []DriverID) error

	// Shown returns the positions that are shown and not older than maxAge by the
	// server's clock, for a writer that starts. Older ones are swept away.
	Shown(ctx context.Context, now Instant, maxAgeMillis int64) ([]Fix, error)
}

// MirrorFix is a position with what others need to know about the driver.
type MirrorFix struct {
	Fix  Fix
	Free bool
}

// MaxMirrorBatch bounds one Show.
const MaxMirrorBatch = 1024

// Teller passes notices on. Tell is called from the engine's goroutine, in
// order, after the facts are durable. It must not block: a Teller that cannot
// keep up with somebody drops that somebody's connection, never the caller's time.
type Teller interface {
	Tell(notices []Notice)
}
