package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"cuntong/fault"
)

// maxEnded bounds the ended trips that wait for the archive. When there are more the
// oldest is dropped and counted: the journal holds it until the next snapshot.
const maxEnded = 50_000

// endedTrips are the trips that have ended since the last snapshot. The zero value is ready.
type endedTrips struct {
	trips   []EndedTrip
	dropped int
}

// add takes a trip as it ends.
func (l *endedTrips) add(seq Seq, at Instant, t *Trip) {
	paper, err := json.Marshal(t)
	if err != nil {
		l.dropped++ // a snapshot of it could not be made either
		return
	}
	l.trips = append(l.trips, EndedTrip{At: at, Seq: seq, Trip: t.ID, Paper: paper})
	if len(l.trips) > maxEnded {
		l.trips = slices.Delete(l.trips, 0, 1)
		l.dropped++
	}
}

// amend takes a trip that has been paid or measured since it ended. One that is in the
// archive already is there again, as it is now: of two entries the later counts.
func (l *endedTrips) amend(seq Seq, at Instant, t *Trip) {
	if i := slices.IndexFunc(l.trips, func(e EndedTrip) bool { return e.Trip == t.ID }); i >= 0 {
		l.trips = slices.Delete(l.trips, i, i+1)
	}
	l.add(seq, at, t)
}

// archive puts the trips that have ended into the archive, as far as it takes them.
func (e *Engine) archive(ctx context.Context) error {
	e.metrics.archived.WithLabelValues("dropped").Add(float64(e.ended.dropped))
	e.ended.dropped = 0
	for len(e.ended.trips) > 0 {
		some := e.ended.trips[:min(len(e.ended.trips), MaxBatchFacts)]
		err := e.once(ctx, ledgerTimeout, func(ctx context.Context) error { return e.cfg.Ledger.Archive(ctx, some) })
		if err != nil {
			e.metrics.archived.WithLabelValues("postponed").Add(float64(len(some)))
			return err
		}
		e.metrics.archived.WithLabelValues("kept").Add(float64(len(some)))
		e.ended.trips = e.ended.trips[len(some):]
	}
	e.ended.trips = nil
	return nil
}

// keep saves a snapshot when there are facts enough since the last one.
func (e *Engine) keep(ctx context.Context) error {
	if e.unsaved < e.cfg.SnapshotEvery+e.postponed {
		return nil
	}
	return e.save(ctx)
}

// save keeps a snapshot of everything recorded so far. A snapshot lets the journal
// forget, so the trips that have ended go to the archive first; an archive that takes
// nothing puts the snapshot off, and dispatching goes on.
func (e *Engine) save(ctx context.Context) error {
	if err := e.archive(ctx); err != nil {
		if isFinal(err) {
			return err
		}
		e.postponed += max(1, e.cfg.SnapshotEvery/10)
		e.cfg.Log.Warn("the archive takes no trips: the snapshot has to wait", "err", err, "facts", e.unsaved)
		return nil
	}
	begin := e.cfg.Now()
	state, err := e.core.Snapshot()
	if err != nil {
		return fmt.Errorf("snapshot of area %s: %w", e.cfg.Area.ID, err)
	}
	fault.Point("snapshot.before")
	err = e.insist(ctx, "snapshot", saveTimeout, func(ctx context.Context) error {
		if e.kept.saved >= e.core.Seq() { // the state that took a lost journal's place is one
			return nil
		}
		return e.cfg.Ledger.Save(ctx, e.core.Seq(), state)
	})
	if err != nil {
		return err
	}
	fault.Point("snapshot.after")
	e.unsaved, e.postponed = 0, 0
	e.kept.snapshot(e.core.Seq())
	e.metrics.snapshots.Observe(e.cfg.Now().Sub(begin).Seconds())
	return nil
}
