package main

import (
	"context"
	"fmt"
	"time"

	"cuntong/dispatch"
	"cuntong/dispatch/node"
	"cuntong/geo"
	"cuntong/hook"
	"cuntong/ws"
)

// renewals is how many times a lease is renewed within its length.
const renewals = 4

// nodeArea is an area of the node as the hub wants it.
type nodeArea struct{ *node.Area }

// Slot narrows the node's slot to what a connection may do with it.
func (a nodeArea) Slot() ws.Positions { return a.Area.Slot() }

// buildNode makes this server one among those on its Redis.
func (s *server) buildNode() (err error) {
	s.outsideEvents = newOutsideMetric(s.registry)
	s.tellRoads(s.county.router())
	routers := map[geo.AreaID]geo.Router{}
	for _, area := range s.county.areas {
		if routers[area.ID], err = s.outsideRouter(s.county.router()); err != nil {
			return err
		}
	}
	metrics := dispatch.NewMetrics(s.registry)
	near := neighbours(s.county.areas)
	engine := func(area *geo.Area) (dispatch.EngineConfig, error) {
		ledger := s.store.Area(area.ID)
		return dispatch.EngineConfig{
			NearbySecret:  s.key.Derive("cuntong nearby " + string(area.ID)),
			Area:          area,
			Neighbours:    near[area.ID],
			Rules:         s.cfg.rules(),
			Router:        routers[area.ID],
			StartCode:     s.key.StartCodes(area.ID),
			Ledger:        ledger,
			Mirror:        ledger,
			Metrics:       metrics,
			Log:           s.log,
			Now:           s.store.Clock().Now,
			RenewEvery:    s.cfg.Lease / renewals,
			SnapshotEvery: s.cfg.Rules.SnapshotEvery,
		}, nil
	}
	dark, err := s.buildHook()
	if err != nil {
		return err
	}
	s.node, err = node.New(node.Config{
		Dark:       dark,
		ID:         s.store.NodeID(),
		Name:       s.name(),
		Areas:      s.county.areas,
		Exchange:   s.store.Exchange(),
		Engine:     engine,
		Hub:        s.hub,
		Now:        s.store.Clock().Now,
		Log:        s.log,
		Registerer: s.registry,
	})
	return err
}

// buildHook makes the way to the SMS or push gateway, if there is one.
func (s *server) buildHook() (dark func(geo.AreaID, []dispatch.Notice), err error) {
	if s.cfg.HookURL == "" {
		return nil, nil
	}
	text, err := readSecret("--hook-secret-file", s.cfg.HookSecretFile)
	if err != nil {
		return nil, err
	}
	secret, err := hook.ParseSecret(text)
	if err != nil {
		return nil, fmt.Errorf("--hook-secret-file %s: %w", s.cfg.HookSecretFile, err)
	}
	s.warnOfReaders(s.cfg.HookSecretFile)
	s.hook, err = hook.New(hook.Config{URL: s.cfg.HookURL, Secret: secret, Now: s.store.Clock().Now, Log: s.log, Registerer: s.registry})
	if err != nil {
		return nil, err
	}
	return s.hook.Tell, nil
}

// handOver gives the areas written here to the other servers, if there are any.
func (s *server) handOver(ctx context.Context) {
	begin := time.Now()
	once, cancel := context.WithTimeout(ctx, s.cfg.DrainFor/2)
	defer cancel()
	if err := s.node.HandOver(once); err != nil {
		s.log.Warn("not every area could be given to another server in time", "err", err)
		return
	}
	s.log.Info("no area is left to be given away", "took", time.Since(begin).Round(time.Millisecond).String())
}
