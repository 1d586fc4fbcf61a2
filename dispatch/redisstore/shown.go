package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/geo"
)

const (
	// scanPage is how many keys the server looks at in one step.
	scanPage = 1000
	// cellPage is how many cells are read at once.
	cellPage = 256
	// maxShown bounds the drivers read back; no area has more on duty.
	maxShown = 1_000_000
)

// Shown reads the positions back; see [dispatch.Mirror]. They come in the order of
// the drivers' ids. Entries that are older than maxAgeMillis or as far in the
// future, that stand in two cells, or that cannot be read are removed and counted.
// It walks all keys of the server that has the area once, and is for the start of a writer.
func (a *Area) Shown(ctx context.Context, now dispatch.Instant, maxAgeMillis int64) ([]dispatch.Fix, error) {
	if a.bad != nil {
		return nil, a.bad
	}
	r := reading{area: a, now: now, maxAge: time.Duration(maxAgeMillis) * time.Millisecond, newest: make(map[driverID]entry)}
	if err := r.scan(ctx); err != nil {
		a.store.metrics.errors.WithLabelValues(callMirror, reasonOf(err)).Inc()
		return nil, fmt.Errorf("positions of area %s: %w", a.keys.area, err)
	}
	fixes := make([]dispatch.Fix, 0, len(r.newest))
	for driver, e := range r.newest {
		fixes = append(fixes, e.fix)
		a.shown[driver] = place{cell: e.cell, received: e.fix.Received}
	}
	slices.SortFunc(fixes, func(x, y dispatch.Fix) int { return cmp.Compare(x.Driver, y.Driver) })
	return fixes, nil
}

// reading is one Shown under way.
type reading struct {
	area   *Area
	now    dispatch.Instant
	maxAge time.Duration
	newest map[driverID]entry
	sweep  map[string][]string // key -> drivers to remove from it
	broken []string            // keys that are no cells
}

// entry is a position and the cell it stands in.
type entry struct {
	fix  dispatch.Fix
	cell geo.Cell
}

// scan reads every cell of the area. The server may name a cell twice.
func (r *reading) scan(ctx context.Context) error {
	node, err := r.area.store.mirror.at(ctx, r.area.keys.cellPrefix())
	if err != nil {
		return err
	}
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, r.area.keys.cells(), scanPage).Result()
		if err != nil {
			return err
		}
		for page := range slices.Chunk(keys, cellPage) {
			if err := r.cells(ctx, page); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// cells reads a page of cells and removes what should not be there.
func (r *reading) cells(ctx context.Context, keys []string) error {
	replies := make([]*redis.MapStringStringCmd, len(keys))
	err := r.area.store.mirror.pipelined(ctx, r.area.keys.cellPrefix(), func(p redis.Pipeliner) error {
		for i, key := range keys {
			replies[i] = p.HGetAll(ctx, key)
		}
		return nil
	})
	if err != nil && !isWrongType(err) {
		return err
	}
	r.sweep = make(map[string][]string)
	for i, key := range keys {
		cell, err := r.area.keys.cellOf(key)
		if err != nil || isWrongType(replies[i].Err()) {
			r.broken = append(r.broken, key)
			r.count("damaged")
			continue
		}
		if err := replies[i].Err(); err != nil {
			return err
		}
		for driver, text := range replies[i].Val() {
			r.take(cell, driverID(driver), text)
		}
	}
	return r.clean(ctx)
}

// take decides about one entry.
func (r *reading) take(cell geo.Cell, driver driverID, text string) {
	m, err := unpack(driver, cell, text)
	if err != nil {
		r.remove(cell, driver, "damaged")
		return
	}
	if age := r.now.Sub(m.Fix.At); age > r.maxAge || age < -r.maxAge {
		r.remove(cell, driver, "old")
		return
	}
	was, twice := r.newest[driver]
	switch {
	case !twice && len(r.newest) >= maxShown:
		r.area.store.metrics.mirrorDrops.WithLabelValues("shown_full").Inc()
		return
	case twice && was.cell != cell && !later(m.Fix, was.fix):
		r.remove(cell, driver, "doubled")
		return
	case twice && was.cell != cell:
		r.remove(was.cell, driver, "doubled")
	}
	r.newest[driver] = entry{fix: m.Fix, cell: cell}
}

// later says whether x is a newer position than y.
func later(x, y dispatch.Fix) bool {
	return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.Received, y.Received)) > 0
}

func (r *reading) remove(cell geo.Cell, driver driverID, why string) {
	key := r.area.keys.cell(cell)
	r.sweep[key] = append(r.sweep[key], string(driver))
	r.count(why)
}

func (r *reading) count(why string) {
	r.area.store.metrics.mirrorSweeps.WithLabelValues(why).Inc()
}

// clean removes what the last page found.
func (r *reading) clean(ctx context.Context) error {
	if len(r.sweep) == 0 && len(r.broken) == 0 {
		return nil
	}
	err := r.area.store.mirror.pipelined(ctx, r.area.keys.cellPrefix(), func(p redis.Pipeliner) error {
		for key, drivers := range r.sweep {
			p.HDel(ctx, key, drivers...)
		}
		if len(r.broken) > 0 {
			p.Del(ctx, r.broken...)
		}
		return nil
	})
	r.broken = nil
	return err
}

func isWrongType(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && redis.HasErrorPrefix(err, "WRONGTYPE")
}
