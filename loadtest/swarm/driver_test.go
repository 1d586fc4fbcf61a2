package swarm

import (
	"math"
	"testing"
	"time"

	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/ws/wire"
)

// idleDriver is a driver on duty without a connection.
func idleDriver(t *testing.T) *driver {
	t.Helper()
	s := brisk()
	s.Drivers.Count, s.Riders.Passengers = 1, 1
	cfg := Config{URL: "ws://127.0.0.1/ws", TokenFor: func(Party) (string, error) { return "", nil }, Villages: hamlets(t), Scenario: s, Run: "test"}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, cfg.Villages, 1)
	if err != nil {
		t.Fatal(err)
	}
	sw := newSwarm(cfg, p, time.Second, soon)
	sw.witness.intend("t1", "p", plan.Booking{}, time.Now(), false)
	sw.witness.intend("t2", "p", plan.Booking{}, time.Now(), false)
	d := sw.drivers[0]
	d.truth(wire.Truth{Duty: &wire.DutyState{On: true}}, time.Now())
	return d
}

func (d *driver) mine(trip string, version int64, state string) wire.Trip {
	return wire.Trip{Trip: trip, Version: version, State: state, Driver: &wire.TripDriver{ID: d.party.ID}}
}

func (d *driver) charged() []Violation { return d.swarm.witness.conclude() }

// TestTruthOvertakesWhatADriverBelieved plays the times when the phone was away
// while the world went on.
func TestTruthOvertakesWhatADriverBelieved(t *testing.T) {
	now := time.Now()
	onDuty := &wire.DutyState{On: true}
	offer1, offer2 := wire.Offer{Trip: "t1", Offer: "t1/1", Version: 2}, wire.Offer{Trip: "t2", Offer: "t2/1", Version: 2}

	t.Run("another offer", func(t *testing.T) {
		d := idleDriver(t)
		d.frame(offer1, now)
		d.do(accept, now) // without a connection: the answer waits
		d.truth(wire.Truth{Duty: onDuty, Offer: &offer2}, now)
		if d.offer == nil || d.offer.Offer != "t2/1" || len(d.charged()) != 0 {
			t.Errorf("he holds %+v, the server is charged with %v", d.offer, d.charged())
		}
	})
	t.Run("no offer, and his answer under way", func(t *testing.T) {
		d := idleDriver(t)
		d.frame(offer1, now)
		d.do(accept, now)
		d.truth(wire.Truth{Duty: onDuty}, now)
		if d.offer == nil {
			t.Error("he forgot the offer that he has accepted")
		}
	})
	t.Run("an offer instead of the trip", func(t *testing.T) {
		d := idleDriver(t)
		d.frame(d.mine("t1", 3, wire.StateAssigned), now)
		d.doJob(arrive)
		d.truth(wire.Truth{Duty: onDuty, Offer: &offer2}, now)
		if d.job != nil || d.offer == nil || len(d.charged()) != 0 {
			t.Errorf("he drives %+v and holds %+v, the server is charged with %v", d.job, d.offer, d.charged())
		}
	})
	t.Run("the trip went on", func(t *testing.T) {
		d := idleDriver(t)
		d.frame(d.mine("t1", 3, wire.StateAssigned), now)
		d.truth(wire.Truth{Duty: onDuty, Trips: []wire.Trip{d.mine("t1", 4, wire.StateArrived)}}, now)
		if d.job == nil || d.job.version != 4 || d.todo != board {
			t.Errorf("he drives %+v and will do %v: want version 4, to board", d.job, d.todo)
		}
	})
	t.Run("off duty", func(t *testing.T) {
		d := idleDriver(t)
		d.truth(wire.Truth{}, now)
		if !d.calls.asked(wire.TypeDuty) {
			t.Error("he does not go on duty again")
		}
	})
}

func TestDriverIgnoresOldNewsAndKnowsALie(t *testing.T) {
	now := time.Now()
	d := idleDriver(t)
	d.frame(d.mine("t1", 5, wire.StateArrived), now)
	d.frame(d.mine("t1", 3, wire.StateAssigned), now)
	if d.job == nil || d.job.state != wire.StateArrived || len(d.charged()) != 0 {
		t.Errorf("an old version made him %+v; charged %v", d.job, d.charged())
	}
	d.frame(wire.Trip{Trip: "t1", Version: 2, State: wire.StateRequested}, now)
	if d.job == nil {
		t.Error("a version from before he had the trip took it from him")
	}
	d.frame(wire.Offer{Trip: "t2", Offer: "t2/1"}, now)
	if got := d.charged(); len(got) != 1 || got[0].Kind != TwoTrips {
		t.Errorf("asked while he drives, he charges the server with %v", got)
	}
}

// A driver who is asked again without having been told the end of the first offer charges the
// server with it, also when the first one's time must be over.
func TestDriverKnowsTwoOffersAtOnce(t *testing.T) {
	now := time.Now()
	for _, after := range []time.Duration{time.Second, time.Minute} {
		d := idleDriver(t)
		d.frame(wire.Offer{Trip: "t1", Offer: "t1/1", WaitS: 20}, now)
		d.frame(wire.Offer{Trip: "t2", Offer: "t2/1", WaitS: 20}, now.Add(after))
		if got := d.charged(); len(got) != 1 || got[0].Kind != TwoTrips {
			t.Errorf("a second offer after %v: charged %v", after, got)
		}
	}
}

func TestRiderKeepsTheNewestVersion(t *testing.T) {
	r := idleDriver(t).swarm.riders[0]
	r.rides["t1"] = &ride{order: order{trip: "t1"}, answered: true}
	r.open.Store(1)
	now := time.Now()
	r.frame(wire.Trip{Trip: "t1", Version: 4, State: wire.StateArrived}, now)
	r.frame(wire.Trip{Trip: "t1", Version: 2, State: wire.StateRequested}, now)
	if ride := r.rides["t1"]; ride == nil || ride.version != 4 || ride.state != wire.StateArrived {
		t.Errorf("after old news the ride is %+v: want version 4, arrived", ride)
	}
	r.frame(wire.Trip{Trip: "t1", Version: 6, State: wire.StateCompleted}, now)
	if len(r.rides) != 0 || r.open.Load() != 0 {
		t.Errorf("%d rides, %d open after the end", len(r.rides), r.open.Load())
	}
}

func TestVehiclesMoveAtTheTimeScale(t *testing.T) {
	d := idleDriver(t)
	now := time.Now()
	d.driveTo(d.swarm.plan.Nearby(d.spot, false, d.rng).Point, now)
	start, _, _ := d.way.at(now)
	later, _, moving := d.way.at(now.Add(100 * time.Millisecond))
	if start == later || !moving {
		t.Errorf("after 100 ms at 600 times the speed of life he is still at %v", start)
	}
	if end, _, moving := d.way.at(d.way.arrives().Add(time.Second)); moving || end != d.way.road.End() {
		t.Errorf("after his arrival he is at %v and moves: %v", end, moving)
	}
}

// TestVehiclesFollowGivenRoads gives them the straight line for a road, which a
// drawn one never is.
func TestVehiclesFollowGivenRoads(t *testing.T) {
	d := idleDriver(t)
	d.swarm.cfg.Roads = geo.NewCrow()
	now := time.Now()
	from, to := d.spot.Point, d.swarm.plan.Nearby(d.spot, false, d.rng).Point
	d.driveTo(to, now)
	straight := geo.Distance(from, to)
	if length := d.way.road.Length(); math.Abs(length-float64(straight)) > 1 || d.way.road.End() != to {
		t.Errorf("he drives %.0f m to %v, the road has %.0f m to %v", length, d.way.road.End(), straight, to)
	}
	leg, _ := geo.NewCrow().Travel(geo.Spot{Point: from}, geo.Spot{Point: to}, geo.Drive{Class: d.who.Vehicle.Class})
	want := time.Duration(float64(leg.Duration) / d.swarm.plan.Scenario.TimeScale)
	if took := d.way.arrives().Sub(now); took < want-time.Millisecond || took > want+time.Millisecond {
		t.Errorf("he takes %v, the road takes %v", took, want)
	}
	d.swarm.cfg.Roads = noWay{}
	d.driveTo(from, d.way.arrives())
	if length := d.way.road.Length(); length < 1.05*float64(straight) {
		t.Errorf("where no road leads he drives %.0f m, and straight it is %.0f m", length, straight)
	}
}

// TestNobodyDrivesFasterThanACarCan: beside the road a few metres may take no time.
func TestNobodyDrivesFasterThanACarCan(t *testing.T) {
	d := idleDriver(t)
	d.swarm.cfg.Roads = noTime{}
	d.driveTo(d.swarm.plan.Nearby(d.spot, false, d.rng).Point, time.Now())
	if speed := d.way.speed / d.swarm.plan.Scenario.TimeScale; speed > 40.1 {
		t.Errorf("he drives %.0f metres a second", speed)
	}
}

// noTime is all it takes to get anywhere.
type noTime struct{ geo.Crow }

func (noTime) Travel(from, to geo.Spot, by geo.Drive) (geo.Leg, bool) {
	return geo.Leg{Duration: time.Millisecond}, true
}

// noWay has no road to anywhere.
type noWay struct{ geo.Crow }

func (noWay) Travel(from, to geo.Spot, by geo.Drive) (geo.Leg, bool) { return geo.Leg{}, false }
