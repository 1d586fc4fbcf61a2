package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
)

// reserveFor is how long only the server that an area is handed to may take it.
const reserveFor = 1500 * time.Millisecond

// Acquire takes or renews the right to write; see [dispatch.Ledger]. The lease
// runs by the server's clock. The first call of an Area, and the first after
// [Area.Release], raises the epoch, also when another Area of the same node name
// holds the lease, and is durable like an append. It returns
//
//	dispatch.ErrHeld    another name's lease runs, or the area is being handed to another
//	                    server; the text says whose and until when
//	dispatch.ErrFenced  this Area had the right and another writer has taken it; for good
//	dispatch.ErrBehind  the server knows less than this Area: it lost data. The Area
//	                    keeps its epoch, for [Area.Mend] and [Area.Reseed]
//
// and anything else when it is not known. A lapsed lease nobody has taken is
// simply renewed. A store whose server is not fit for a ledger takes no area.
func (a *Area) Acquire(ctx context.Context) (dispatch.Epoch, error) {
	if a.bad != nil {
		return 0, a.bad
	}
	first := a.epoch == 0
	if first {
		if err := a.store.fit(); err != nil {
			return 0, err
		}
		fault.Point("lease.before")
	}
	c := a.call(callLease, a.token)
	c.script, c.keys, c.durable = a.store.scripts.lease, []string{a.keys.lease(), a.keys.head()}, first
	c.args = []any{a.store.node, a.token, uint64(a.epoch), uint64(a.top), decimal(a.last), a.store.leaseFor.Milliseconds(), string(a.store.id)}
	reply, err := a.store.run(ctx, c)
	if err != nil {
		a.count("unknown")
		return 0, err
	}
	epoch, err := a.acquired(reply)
	if first && err == nil {
		fault.Point("lease.taken")
	}
	return epoch, err
}

// acquired turns the answer of lease.lua into that of Acquire.
func (a *Area) acquired(reply []string) (dispatch.Epoch, error) {
	if len(reply) != 4 {
		return 0, fmt.Errorf("lease of area %s: %w", a.keys.area, errMismatch)
	}
	verdict, owner := reply[0], reply[2]
	epoch, err := number(reply[1])
	if err != nil {
		return 0, err
	}
	until, err := number(reply[3])
	if err != nil {
		return 0, err
	}
	a.count(verdict)
	switch verdict {
	case "taken", "kept":
		a.epoch = dispatch.Epoch(epoch)
		a.top = max(a.top, a.epoch)
		return a.epoch, nil
	case "held":
		return 0, fmt.Errorf("%w: %s holds area %s until %s by the clock of redis", dispatch.ErrHeld, owner, a.keys.area,
			clockTime(until))
	case "reserved":
		return 0, fmt.Errorf("%w: area %s is being handed to %s until %s by the clock of redis", dispatch.ErrHeld, a.keys.area, owner, clockTime(until))
	case "fenced":
		return 0, fmt.Errorf("%w: area %s is at epoch %d, held last by %s; this writer has epoch %d", dispatch.ErrFenced, a.keys.area, epoch, owner, a.epoch)
	case "behind":
		return 0, fmt.Errorf("%w: redis knows area %s up to epoch %d, this writer has %d and fact %d: redis has lost data", dispatch.ErrBehind, a.keys.area, epoch, a.epoch, a.last)
	}
	return 0, fmt.Errorf("lease of area %s: verdict %q is not known", a.keys.area, verdict)
}

// clockTime prints milliseconds of the clock of Redis.
func clockTime(millis uint64) string {
	return dispatch.Instant(millis).Time().Format("2006-01-02T15:04:05.000Z")
}

// Release gives the right up; see [dispatch.Ledger]. With next, nobody but that run
// of a server may take it for a second and a half. Without a lease it does nothing.
// It returns dispatch.ErrFenced when another writer has the area already.
func (a *Area) Release(ctx context.Context, next dispatch.NodeID) error {
	if a.epoch == 0 {
		return nil
	}
	fault.Point("handover.before")
	c := a.call(callRelease, a.token)
	c.script, c.keys = a.store.scripts.release, []string{a.keys.lease(), a.keys.head()}
	c.args = []any{uint64(a.epoch), a.token, string(next), reserveFor.Milliseconds()}
	reply, err := a.store.run(ctx, c)
	if err != nil {
		a.count("unknown")
		return err
	}
	if len(reply) != 1 {
		return fmt.Errorf("release of area %s: %w", a.keys.area, errMismatch)
	}
	a.count(reply[0])
	if reply[0] == "fenced" {
		return fmt.Errorf("%w: area %s", dispatch.ErrFenced, a.keys.area)
	}
	a.epoch, a.last = 0, 0
	fault.Point("handover.released")
	return nil
}

// count counts what became of a call about the lease.
func (a *Area) count(result string) { a.store.metrics.leases.WithLabelValues(result).Inc() }

// decimal prints a sequence for a script.
func decimal(n dispatch.Seq) string { return strconv.FormatUint(uint64(n), 10) }
