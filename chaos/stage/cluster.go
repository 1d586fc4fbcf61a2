package stage

import (
	"context"
	"fmt"
	"net"
	"time"

	"cuntong/chaos/plan"
	"cuntong/dispatch/redisstore/redistest"
)

// order asks the Sentinels, or a replica of a Cluster, for a planned fail-over.
func (d *doing) order(ctx context.Context) error {
	d.event.Master = true
	if d.step.Fault == plan.SentinelOrder {
		for _, sentinel := range d.Set.Sentinels {
			if _, err := sentinel.Do(ctx, "sentinel", "failover", redistest.MasterName); err == nil {
				d.event.Target = sentinel.Addr
				d.hold(ctx)
				return nil
			}
		}
		return fmt.Errorf("no Sentinel would")
	}
	var nodes []*redistest.Server
	if err := d.find(ctx, func() error {
		if nodes = d.replicasOf(ctx, d.step.Target); len(nodes) == 0 {
			return fmt.Errorf("area %s has no replica now", d.step.Target)
		}
		return nil
	}); err != nil {
		return err
	}
	d.event.Target += " " + d.nameOf(nodes[0])
	_, err := nodes[0].Do(ctx, "cluster", "failover")
	d.hold(ctx)
	return err
}

// moveLimit bounds the moving of a slot.
const moveLimit = 20 * time.Second

// moveSlot moves the slot of an area to another master, key by key, under load.
func (d *doing) moveSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, moveLimit)
	defer cancel()
	key := "{" + d.step.Target + "}:head"
	var from *redistest.Server
	if err := d.find(ctx, func() error {
		if from = d.Set.MasterFor(ctx, key); from == nil {
			return fmt.Errorf("nobody serves %s", key)
		}
		return nil
	}); err != nil {
		return err
	}
	slot, err := from.Do(ctx, "cluster", "keyslot", key)
	if err != nil {
		return err
	}
	to, err := d.otherMaster(ctx, from)
	if err != nil {
		return err
	}
	d.event.Target += fmt.Sprintf(" slot %v from %s to %s", slot, d.nameOf(from), d.nameOf(to))
	fromID, err := from.Do(ctx, "cluster", "myid")
	if err != nil {
		return err
	}
	toID, err := to.Do(ctx, "cluster", "myid")
	if err != nil {
		return err
	}
	if _, err := to.Do(ctx, "cluster", "setslot", slot, "importing", fromID); err != nil {
		return err
	}
	if _, err := from.Do(ctx, "cluster", "setslot", slot, "migrating", toID); err != nil {
		return err
	}
	if err := migrate(ctx, from, to, slot); err != nil {
		return err
	}
	for _, node := range []*redistest.Server{to, from} {
		if _, err := node.Do(ctx, "cluster", "setslot", slot, "node", toID); err != nil {
			return err
		}
	}
	return nil
}

// otherMaster is a master that is not this one.
func (d *doing) otherMaster(ctx context.Context, not *redistest.Server) (*redistest.Server, error) {
	for i := range d.Plan.Areas * 20 {
		if m := d.Set.MasterFor(ctx, fmt.Sprintf("{probe%d}", i)); m != nil && m != not {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no other master")
}

// migrate moves every key of a slot, one after the other, with a moment between two so
// that scripts meet a slot that is half here and half there.
func migrate(ctx context.Context, from, to *redistest.Server, slot any) error {
	host, port, err := net.SplitHostPort(to.Addr)
	if err != nil {
		return err
	}
	for {
		reply, err := from.Do(ctx, "cluster", "getkeysinslot", slot, 10)
		if err != nil {
			return err
		}
		keys, _ := reply.([]any)
		if len(keys) == 0 {
			return nil
		}
		for _, key := range keys {
			if _, err := from.Do(ctx, "migrate", host, port, key, 0, 5000, "replace"); err != nil {
				return err
			}
			if !pause(ctx, 50*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
}
