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
	// ErrTrimmed: the journal begins after the fact that was asked for.
	ErrTrimmed = errors.New("the journal has forgotten facts that are wanted: load the snapshot")
)

// Head is where an area's journal ends, as the ledger has it now.
type Head struct {
	Seq   Seq   // of the newest fact
	Epoch Epoch // of the writer who appended last, or took the area since
	// Mine says that the last to take the area is the holder who asks.
	Mine bool
	// Batch is the id of the last append under Epoch; empty after a take-over.
	Batch    BatchID
	Snapshot Seq // of the newest snapshot; 0: there is none
}

// EndedTrip is a finished trip for the archive. Its place there is the moment of its
// last fact and that fact's sequence, so that putting it there twice is harmless.
type EndedTrip struct {
	At   Instant
	Seq  Seq
	Trip TripID
	// Paper is the whole trip as JSON.
	Paper []byte
}

// Ledger is the durable record of one area. One goroutine uses it at a time.
//
// Durable means what the topology promises: on the disk of the server, and where it
// has replicas on those of as many of them as a fail-over needs to know it.
type Ledger interface {
	// Acquire takes or renews the right to write and returns its epoch. A first call
	// raises the epoch, durably; later calls by the same holder keep it. It returns
	// ErrHeld while another holder's lease runs, or while the area is being handed to
	// another, and ErrBehind when the server knows less than this holder: see Mend.
	Acquire(ctx context.Context) (Epoch, error)

	// Release gives the right up, so that the next writer need not wait. Only a
	// planned stop calls it. With next, only that server may take it for a moment.
	Release(ctx context.Context, next NodeID) error

	// Load returns the newest snapshot (nil and 0 when there is none) and calls each
	// for every fact after it, in order and without a gap. A fact that is missing or
	// cannot be read is ErrDamaged: nothing is skipped. Other errors may pass. It
	// needs no lease.
	Load(ctx context.Context, each func(Fact) error) (snapshot []byte, at Seq, err error)

	// LoadAfter calls each for every fact after the given one, for a reader who has
	// everything up to it. It returns ErrTrimmed, and has called nothing, when the
	// journal has forgotten facts that this reader lacks: then Load. It needs no lease.
	LoadAfter(ctx context.Context, after Seq, each func(Fact) error) error

	// Append records facts, all or none, after the fact with sequence after. Three
	// things may happen: it returns nil and the facts are durable (now, or by an
	// earlier call with this id); it returns ErrFenced or ErrBehind and nothing was
	// written; or it returns another error and the outcome is unknown (they may be
	// written, and not durable yet). At most MaxBatchFacts facts.
	Append(ctx context.Context, id BatchID, after Seq, facts []Fact) error

	// Save keeps state as the snapshot that holds every fact up to at, and lets the
	// journal forget facts that no reader needs any more. It returns ErrFenced when
	// another writer has taken the area.
	Save(ctx context.Context, at Seq, state []byte) error

	// Archive keeps finished trips, oldest first, apart from what is loaded, and
	// forgets those older than the archive is to keep. It returns ErrFenced when
	// another writer has taken the area. At most MaxBatchFacts trips.
	Archive(ctx context.Context, trips []EndedTrip) error

	// Head returns where the journal ends now.
	Head(ctx context.Context) (Head, error)

	// Mend is Append for a holder whose ledger has come back behind him: it lost its
	// tail in a fail-over. Found must be what Head returned, and is compared: the facts
	// follow it, under this holder's epoch, which the ledger learns again. It returns
	// ErrFenced when another writer has a higher epoch, ErrBehind when the journal is
	// not as found.
	Mend(ctx context.Context, found Head, id BatchID, facts []Fact) error

	// Reseed is Mend for a ledger that lost more than the holder keeps as facts: state,
	// which holds every fact up to at, takes the place of everything found. At must not
	// be before it.
	Reseed(ctx context.Context, found Head, at Seq, state []byte) error
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
