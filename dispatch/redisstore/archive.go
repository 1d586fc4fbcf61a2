package redisstore

import (
	"context"
	"fmt"

	"cuntong/dispatch"
	"cuntong/fault"
)

// Archive keeps finished trips in the stream {area}:archive, entry <milliseconds of
// At>-<Seq>, field t, and forgets those older than [Config.ArchiveKeep]; see
// [dispatch.Ledger]. The trips come in the order of their sequences, and one that is
// not above those of earlier calls is taken for a repetition. It is durable like an
// append. Without trips it only forgets. It returns dispatch.ErrBehind when the
// server does not know this writer's epoch.
func (a *Area) Archive(ctx context.Context, trips []dispatch.EndedTrip) error {
	if err := a.holds(); err != nil {
		return err
	}
	if len(trips) > dispatch.MaxBatchFacts {
		return fmt.Errorf("archive of area %s: %d trips: at most %d", a.keys.area, len(trips), dispatch.MaxBatchFacts)
	}
	args := []any{uint64(a.epoch), a.token, a.store.archiveKeep.Milliseconds()}
	var last dispatch.Seq
	for _, trip := range trips {
		if trip.Seq <= last {
			return fmt.Errorf("archive of area %s: trip at fact %d after one at fact %d: want them in order", a.keys.area, trip.Seq, last)
		}
		last = trip.Seq
		args = append(args, max(int64(trip.At), 0), decimal(trip.Seq), trip.Paper)
	}
	c := a.call(callArchive, decimal(last))
	c.script, c.keys, c.args = a.store.scripts.archive, []string{a.keys.head(), a.keys.archive()}, args
	c.bulk, c.durable = true, true
	fault.Point("archive.before")
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return err
	}
	verdict, seq, err := verdictAt(reply)
	if err != nil {
		return fmt.Errorf("archive of area %s: %w", a.keys.area, err)
	}
	if verdict != "done" {
		return a.refused(callArchive, verdict, seq, last)
	}
	fault.Point("archive.after")
	a.store.metrics.archived.Add(float64(len(trips)))
	return nil
}
