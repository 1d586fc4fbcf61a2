package main

import (
	"context"
	"fmt"
	"log/slog"

	"cuntong/chaos/oracle"
	"cuntong/chaos/stage"
	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
	"cuntong/geo"

	"github.com/prometheus/client_golang/prometheus"
)

// loadable checks that what Redis holds in the end is what a server could start from,
// and that the state it gives keeps the core's own promises.
func loadable(ctx context.Context, s *stage.Stage, found *oracle.Findings) {
	store, err := redisstore.Open(ctx, redisstore.Config{
		Mode: s.Set.URL(), Node: "auditor", Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		found.Add(oracle.RuleUnreadable, fmt.Sprintf("the store cannot be opened: %v", err))
		return
	}
	defer store.Close()
	for _, name := range s.Plan.AreaNames() {
		if err := loadArea(ctx, store, geo.AreaID(name)); err != nil {
			found.Add(oracle.RuleUnreadable, fmt.Sprintf("area %s: %v", name, err))
		}
	}
}

// loadArea starts a core from the snapshot and the journal after it.
func loadArea(ctx context.Context, store *redisstore.Store, id geo.AreaID) error {
	var facts []dispatch.Fact
	snapshot, _, err := store.Area(id).Load(ctx, func(f dispatch.Fact) error {
		facts = append(facts, f)
		return nil
	})
	if err != nil {
		return err
	}
	core := dispatch.NewCore(&geo.Area{ID: id, Name: string(id)}, dispatch.DefaultRules(), geo.Crow{})
	if snapshot != nil {
		if err := core.Restore(snapshot); err != nil {
			return err
		}
	}
	for _, f := range facts {
		if err := core.Replay(f); err != nil {
			return err
		}
	}
	return core.Check()
}
