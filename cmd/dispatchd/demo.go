package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/loadtest/swarm"
	"cuntong/ws"
)

// The demo: the people of the load test, in this process, over real sockets to
// this server, for as long as it runs.
const (
	demoScenario = "market-morning"
	demoTokenTTL = 12 * time.Hour
)

// demoNote is what the page says of the demo; empty without one.
func (c *serveCmd) demoNote() string {
	if !c.Demo {
		return ""
	}
	real := "the places are real, the roads are generated"
	if c.Roads != "" {
		real = "the places and the roads are real"
	}
	return fmt.Sprintf("Simulated drivers and riders. Vehicles move %g times faster than life; %s.", c.DemoSpeed, real)
}

// demoArea is the area that the simulated people belong to.
func (s *server) demoArea() geo.AreaID { return s.county.areas[0].ID }

func (s *server) demoOperator() (string, error) {
	return ws.Mint(s.key, ws.Claims{Actor: dispatch.Actor{Role: dispatch.RoleOperator, ID: "demo"}, Area: s.demoArea()}, demoTokenTTL)
}

func (s *server) demoToken(p swarm.Party) (string, error) {
	claims := ws.Claims{Actor: dispatch.Actor{Role: dispatch.Role(p.Role), ID: p.ID}, Area: s.demoArea()}
	if v := p.Vehicle; v != nil {
		claims.Vehicle = dispatch.Vehicle{
			ID:    dispatch.VehicleID(v.ID),
			Class: v.Class,
			Load:  dispatch.Load{Seats: v.Seats, Wheelchairs: v.Wheelchairs, GoodsLitres: v.GoodsL},
		}
	}
	return ws.Mint(s.key, claims, demoTokenTTL)
}

// runDemo lets the simulated people live until ctx ends.
func (s *server) runDemo(ctx context.Context) error {
	scenario, err := plan.Named(demoScenario)
	if err != nil {
		return err
	}
	scenario.TimeScale = s.cfg.DemoSpeed
	scenario.Drivers.Count = s.cfg.DemoDrivers
	if err := succeed(ctx, s.takesPhones); err != nil {
		return nil // it ended before it began
	}
	_, err = swarm.Run(ctx, swarm.Config{
		URL:      "ws://" + loopback(s.public.listener.Addr()) + "/ws",
		TokenFor: s.demoToken,
		Villages: s.county.villages,
		Scenario: scenario,
		Roads:    s.county.router(), // not an engine's: that one is closed and opened while these are driven
		Seed:     s.cfg.DemoSeed,
		Prefix:   "demo",
		Log:      s.log,
		Observer: s.logTrip,
	})
	if err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// loopback is an address of this machine under which a listener answers.
func loopback(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
}

// logTrip writes a line for each simulated trip that ends.
func (s *server) logTrip(e swarm.Event) {
	if e.Kind == swarm.TripAssigned {
		return
	}
	s.log.Info("trip "+string(e.Kind), "trip", e.Trip, "from", e.From, "to", e.To, "seats", e.Seats, "driver", e.Driver,
		"waited_ms", e.Waited.Milliseconds(), "took_s", int(e.Took.Seconds()))
}

// demoWelcome says what to open and what to try.
func (s *server) demoWelcome(host string) string {
	return fmt.Sprintf(`
  Cuntong 村通, a demo county: %d places of Qiandongnan, %d simulated drivers, a market morning.
  %s

  Open   http://%s        who waits, who drives, the last matches
  See    http://%s/metrics
  Try    bin/dispatchd token --data-dir %s --area %s --role passenger --id me
         and book a trip with docs/PROTOCOL.md in hand;
         or close a road on the page and see who is asked instead
  Stop   Ctrl-C

`, s.county.villages.Len(), s.cfg.DemoDrivers, s.cfg.demoNote(), host, s.private.listener.Addr(), s.cfg.DataDir, s.demoArea())
}
