package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"cuntong/dispatch"
)

// Acquire takes or renews the right to write; see [dispatch.Ledger]. The lease
// runs by the server's clock. The first call of an Area, and the first after
// [Area.Release], raises the epoch, also when another Area of the same node name
// holds the lease. It returns
//
//	dispatch.ErrHeld    another name's lease runs; the text says whose and until when
//	dispatch.ErrFenced  this Area had the right and another writer has taken it; for good
//	dispatch.ErrBehind  the server does not know the lease this Area has: it lost data.
//	                    The Area holds nothing now, and the next call is a first one
//
// and anything else when it is not known. A lapsed lease nobody has taken is
// simply renewed.
func (a *Area) Acquire(ctx context.Context) (dispatch.Epoch, error) {
	if a.bad != nil {
		return 0, a.bad
	}
	c := a.call(callLease, a.token)
	c.script, c.keys = a.store.scripts.lease, []string{a.keys.lease(), a.keys.head()}
	c.args = []any{a.store.node, a.store.leaseFor.Milliseconds(), uint64(a.epoch), uint64(a.top)}
	reply, err := a.store.run(ctx, c)
	if err != nil {
		a.count("unknown")
		return 0, err
	}
	return a.acquired(reply)
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
			dispatch.Instant(until).Time().Format("2006-01-02T15:04:05.000Z"))
	case "fenced":
		return 0, fmt.Errorf("%w: area %s is at epoch %d, held last by %s; this writer has epoch %d", dispatch.ErrFenced, a.keys.area, epoch, owner, a.epoch)
	case "behind":
		lost := a.epoch
		a.epoch = 0
		return 0, fmt.Errorf("%w: redis knows area %s up to epoch %d and this writer has %d: redis has lost data", dispatch.ErrBehind, a.keys.area, epoch, lost)
	}
	return 0, fmt.Errorf("lease of area %s: verdict %q is not known", a.keys.area, verdict)
}

// Release gives the right up; see [dispatch.Ledger]. Without a lease it does
// nothing. It returns dispatch.ErrFenced when another writer has the area already.
func (a *Area) Release(ctx context.Context, _ dispatch.NodeID) error {
	if a.epoch == 0 {
		return nil
	}
	c := a.call(callRelease, a.token)
	c.script, c.keys = a.store.scripts.release, []string{a.keys.lease(), a.keys.head()}
	c.args = []any{uint64(a.epoch)}
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
	a.epoch = 0
	return nil
}

// count counts what became of a call about the lease.
func (a *Area) count(result string) { a.store.metrics.leases.WithLabelValues(result).Inc() }

// decimal prints a sequence for a script.
func decimal(n dispatch.Seq) string { return strconv.FormatUint(uint64(n), 10) }
