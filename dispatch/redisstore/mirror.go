package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/geo"
)

const (
	// CellLife is how long a cell stays after the last position was written to it,
	// and how long the position of a driver who fell silent stays among others.
	CellLife = 2 * time.Minute
	// sweepEvery is how often the writer looks for drivers who fell silent.
	sweepEvery = 30 * time.Second
	// maxGhosts bounds the removals waiting for a server that does not answer. Beyond
	// it the removal is forgotten and counted: the entry is old, and readers see that.
	maxGhosts = 4 * dispatch.MaxMirrorBatch
)

// place is where a driver's entry is and when the server heard of him.
type place struct {
	cell     geo.Cell
	received dispatch.Instant
}

// ghost is an entry that should not be there.
type ghost struct {
	driver driverID
	cell   geo.Cell
}

// Show writes positions into the H3 cells; see [dispatch.Mirror]. A driver who
// moved to another cell is written there first and removed here after, so that a
// reader sees him twice rather than not at all. A driver in gone is forgotten even
// if fixes has him too. Positions beyond [dispatch.MaxMirrorBatch], or nowhere on
// earth, are dropped and counted. After an error the positions may or may not have
// been written; removals are remembered and tried again with the next Show.
func (a *Area) Show(ctx context.Context, fixes []dispatch.MirrorFix, gone []dispatch.DriverID) error {
	if a.bad != nil {
		return a.bad
	}
	plan := a.plan(fixes, gone)
	if len(plan.write) == 0 && len(plan.remove) == 0 {
		return nil
	}
	err := a.carryOut(ctx, plan)
	if err != nil {
		m := a.store.metrics
		m.errors.WithLabelValues(callMirror, reasonOf(err)).Inc()
		m.mirrorDrops.WithLabelValues("unreachable").Add(float64(plan.positions))
		a.remember(plan)
		return fmt.Errorf("positions of area %s: %w", a.keys.area, err)
	}
	for g := range plan.removed {
		delete(a.ghost, g)
	}
	a.store.metrics.mirrorWrites.Add(float64(plan.positions))
	return nil
}

// showing is what one Show will do.
type showing struct {
	write     map[geo.Cell][]any    // driver, position, driver, position …
	remove    map[geo.Cell][]string // drivers
	removed   map[ghost]struct{}    // the same as remove
	positions int
}

// plan decides what to write and remove, and notes where every driver will be.
func (a *Area) plan(fixes []dispatch.MirrorFix, gone []driverID) showing {
	drops := a.store.metrics.mirrorDrops
	if over := len(fixes) - dispatch.MaxMirrorBatch; over > 0 {
		drops.WithLabelValues("batch_full").Add(float64(over))
		fixes = fixes[:dispatch.MaxMirrorBatch]
	}
	texts := make(map[driverID]string, len(fixes))
	stale := make(map[ghost]struct{}, len(a.ghost))
	for g := range a.ghost {
		stale[g] = struct{}{}
	}
	leave := func(driver driverID) {
		if was, ok := a.shown[driver]; ok {
			stale[ghost{driver, was.cell}] = struct{}{}
			delete(a.shown, driver)
		}
		delete(texts, driver)
	}
	var latest dispatch.Instant
	for _, fix := range fixes {
		p, err := pack(fix)
		if err != nil {
			drops.WithLabelValues("invalid").Inc()
			continue
		}
		leave(fix.Fix.Driver)
		texts[fix.Fix.Driver] = p.text
		a.shown[fix.Fix.Driver] = place{cell: p.cell, received: fix.Fix.Received}
		latest = max(latest, fix.Fix.Received)
	}
	for _, driver := range gone {
		leave(driver)
	}
	for _, driver := range a.silent(latest) {
		leave(driver)
		a.store.metrics.mirrorSweeps.WithLabelValues("silent").Inc()
	}
	return a.sort(texts, stale)
}

// sort lays a plan out by cell. Where a driver stands now nothing is removed.
func (a *Area) sort(texts map[driverID]string, stale map[ghost]struct{}) showing {
	s := showing{
		write:     make(map[geo.Cell][]any, len(texts)),
		remove:    make(map[geo.Cell][]string, len(stale)),
		removed:   stale,
		positions: len(texts),
	}
	for driver, text := range texts {
		cell := a.shown[driver].cell
		s.write[cell] = append(s.write[cell], string(driver), text)
	}
	for g := range stale {
		if now, ok := a.shown[g.driver]; ok && now.cell == g.cell {
			delete(stale, g)
			delete(a.ghost, g)
			continue
		}
		s.remove[g.cell] = append(s.remove[g.cell], string(g.driver))
	}
	return s
}

// silent returns drivers not heard of for [CellLife], by the clock of the newest
// position: nobody else would remove them from a cell that others keep alive. It
// looks every sweepEvery and returns at most one batch, the rest with the next Show.
func (a *Area) silent(latest dispatch.Instant) []driverID {
	if latest.Sub(a.swept) < sweepEvery {
		return nil
	}
	var found []driverID
	for driver, p := range a.shown {
		if latest.Sub(p.received) <= CellLife {
			continue
		}
		if found = append(found, driver); len(found) == dispatch.MaxMirrorBatch {
			return found
		}
	}
	a.swept = latest
	return found
}

// carryOut sends a plan as one pipeline, the writing before the removing.
func (a *Area) carryOut(ctx context.Context, plan showing) error {
	return a.store.mirror.pipelined(ctx, a.keys.cellPrefix(), func(p redis.Pipeliner) error {
		for cell, entries := range plan.write {
			key := a.keys.cell(cell)
			p.HSet(ctx, key, entries...)
			p.Expire(ctx, key, CellLife)
		}
		for cell, drivers := range plan.remove {
			p.HDel(ctx, a.keys.cell(cell), drivers...)
		}
		return nil
	})
}

// remember keeps the removals of a plan whose outcome is unknown.
func (a *Area) remember(plan showing) {
	for g := range plan.removed {
		if _, known := a.ghost[g]; !known && len(a.ghost) >= maxGhosts {
			a.store.metrics.mirrorDrops.WithLabelValues("removals_full").Inc()
			continue
		}
		a.ghost[g] = struct{}{}
	}
}
