package redisstore

import (
	"context"
	"fmt"

	"cuntong/dispatch"
	"cuntong/fault"
)

// Head returns where the journal ends; see [dispatch.Ledger]. It needs no lease.
func (a *Area) Head(ctx context.Context) (dispatch.Head, error) {
	if a.bad != nil {
		return dispatch.Head{}, a.bad
	}
	c := a.call(callHead, a.token)
	c.script, c.keys = a.store.scripts.head, []string{a.keys.head()}
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return dispatch.Head{}, err
	}
	if len(reply) != 5 {
		return dispatch.Head{}, fmt.Errorf("head of area %s: %w", a.keys.area, errMismatch)
	}
	var numbers [3]uint64
	for i, text := range []string{reply[0], reply[1], reply[4]} {
		if numbers[i], err = number(text); err != nil {
			return dispatch.Head{}, fmt.Errorf("head of area %s: %w", a.keys.area, err)
		}
	}
	return dispatch.Head{
		Seq: dispatch.Seq(numbers[0]), Epoch: dispatch.Epoch(numbers[1]), Mine: reply[2] == a.token,
		Batch: dispatch.BatchID(reply[3]), Snapshot: dispatch.Seq(numbers[2]),
	}, nil
}

// Mend appends what the server lost; see [dispatch.Ledger]. The lease is this
// writer's again after it. A batch that can never be recorded is an error as with
// [Area.Append]. Repeating it with the same arguments is harmless.
func (a *Area) Mend(ctx context.Context, found dispatch.Head, id dispatch.BatchID, facts []dispatch.Fact) error {
	if err := a.holds(); err != nil {
		return err
	}
	lines, err := a.lines(callMend, id, found.Seq, facts)
	if err != nil {
		return err
	}
	c := a.call(callMend, string(id))
	c.script, c.keys, c.durable = a.store.scripts.mend, []string{a.keys.head(), a.keys.journal(), a.keys.lease()}, true
	c.args = append(a.mending(found), lines...)
	fault.Point("mend.before")
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return err
	}
	fault.Point("mend.after")
	return a.recorded(callMend, reply, found.Seq, facts)
}

// Reseed puts state in the place of what the server has; see [dispatch.Ledger]. The
// lease is this writer's again after it. State may have up to [MaxSnapshot] bytes.
// Repeating it with the same arguments is harmless.
func (a *Area) Reseed(ctx context.Context, found dispatch.Head, at dispatch.Seq, state []byte) error {
	if err := a.holds(); err != nil {
		return err
	}
	if len(state) > MaxSnapshot {
		return fmt.Errorf("snapshot of area %s has %d bytes: at most %d can be kept", a.keys.area, len(state), MaxSnapshot)
	}
	c := a.call(callReseed, decimal(at))
	c.script, c.bulk, c.durable = a.store.scripts.reseed, true, true
	c.keys = []string{a.keys.head(), a.keys.journal(), a.keys.lease(), a.keys.snapshot()}
	c.args = append(a.mending(found), sealSnapshot(a.keys.area, at, state))
	fault.Point("reseed.before")
	reply, err := a.store.run(ctx, c)
	if err != nil {
		return err
	}
	fault.Point("reseed.after")
	return a.recorded(callReseed, reply, at, nil)
}

// mending is what mend.lua and reseed.lua are told of the writer and of what it found.
func (a *Area) mending(found dispatch.Head) []any {
	mine := 0
	if found.Mine {
		mine = 1
	}
	return []any{uint64(a.epoch), a.token, decimal(found.Seq), uint64(found.Epoch), string(found.Batch), mine,
		a.store.node, a.store.leaseFor.Milliseconds(), string(a.store.id)}
}

// holds says whether this writer has an epoch to write under.
func (a *Area) holds() error {
	if a.bad == nil && a.epoch == 0 {
		return fmt.Errorf("%w: this writer of area %s holds no lease: Acquire comes first", dispatch.ErrFenced, a.keys.area)
	}
	return a.bad
}
