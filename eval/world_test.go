package main

import (
	"reflect"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// mine is the rules of ours as they are by default.
func mine() tuning {
	r := dispatch.DefaultRules()
	return tuning{window: r.Window, busyWithin: r.BusyWithin, ageBonus: r.AgeBonus}
}

// TestDayConservesTrips plays days from quiet to hopeless: every request ends exactly
// once, who counts as served was served in time, drivers drove no longer than they
// were there, and the same day comes out the same.
func TestDayConservesTrips(t *testing.T) {
	net := county(seed(t))
	demand := newGravity(net.villages, net.roads)
	all, err := policies(net, mine())
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range []int{3, 20, 60} {
		d := demand.day(seed(t), load, 6)
		for _, p := range all {
			r, err := play(net.villages, net.roads, p, d)
			if err != nil {
				t.Fatalf("%s at %d/h: %v", p.name, load, err)
			}
			of, served := 0, 0
			for _, v := range r.byVillage {
				of, served = of+v.of, served+v.served
			}
			if r.requests != load*8 || of != r.requests || served != len(r.waits) || len(r.waits) != r.completed || r.completed+r.unserved != r.requests {
				t.Errorf("%s at %d/h: %d requests (%d by village), %d completed (%d picked up, %d by village), %d unserved",
					p.name, load, r.requests, of, r.completed, len(r.waits), served, r.unserved)
			}
			for _, wait := range r.waits {
				if wait < 0 || wait > patience.Minutes() {
					t.Errorf("%s at %d/h: a wait of %v min counts as served", p.name, load, wait)
				}
			}
			if busy, there := r.empty+r.loaded+time.Duration(r.completed)*2*p.rules.StopTime, 6*(workday+2*time.Hour); busy > there || r.completed > 0 && r.loaded == 0 {
				t.Errorf("%s at %d/h: drivers were busy for %v of %v", p.name, load, busy, there)
			}
			if load != 20 {
				continue
			}
			again, err := play(net.villages, net.roads, p, d)
			r.decisions, again.decisions, r.thinking, again.thinking = nil, nil, 0, 0
			if err != nil || !reflect.DeepEqual(r, again) {
				t.Errorf("%s at %d/h: the same day comes out differently (%v)", p.name, load, err)
			}
		}
	}
}

// TestOneRide follows one party through a day of its own to the second.
func TestOneRide(t *testing.T) {
	at := func(lat float64) village { return village{point: geo.Point{Lat: lat, Lon: 109}, mass: 1} }
	villages := []village{at(26), at(26.02), at(26.06)}
	crow := geo.NewCrow()
	drive := func(a, b int) time.Duration {
		leg, _ := crow.Travel(geo.Spot{Point: villages[a].point}, geo.Spot{Point: villages[b].point}, geo.Drive{Class: geo.Car})
		return leg.Duration.Round(time.Millisecond)
	}
	d := day{requests: []request{{at: time.Minute, from: 1, to: 2}}, starts: []int{0}, phases: []time.Duration{0}}
	r, err := play(villages, crow, policy{router: crow, rules: greedy(0)}, d)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.waits) != 1 || !near(r.waits[0], drive(0, 1).Minutes(), 0.001) || !near(r.empty.Minutes(), drive(0, 1).Minutes(), 0.001) || !near(r.loaded.Minutes(), drive(1, 2).Minutes(), 0.001) {
		t.Errorf("waited %v min, empty %v, loaded %v; want %v, %v, %v", r.waits, r.empty, r.loaded, drive(0, 1).Minutes(), drive(0, 1), drive(1, 2))
	}
	if r.byVillage[1] != (share{1, 1}) || len(r.decisions) != 1 || r.servedPercent() != 100 {
		t.Errorf("%+v", r)
	}
}

// TestWhoCannotBeThereSaysSo: a policy that believes in quick roads asks a driver who
// knows better.
func TestWhoCannotBeThereSaysSo(t *testing.T) {
	at := func(lat float64) village { return village{point: geo.Point{Lat: lat, Lon: 109}, mass: 1} }
	villages := []village{at(26), at(26.10), at(26.15)} // 40 min at 30 km/h with detours
	believed, err := geo.NewCrowWith(1.8, map[geo.VehicleClass]float64{geo.Car: 90})
	if err != nil {
		t.Fatal(err)
	}
	d := day{requests: []request{{at: time.Minute, from: 1, to: 2}}, starts: []int{0}, phases: []time.Duration{0}}
	r, err := play(villages, geo.NewCrow(), policy{router: believed, rules: greedy(0)}, d)
	if err != nil {
		t.Fatal(err)
	}
	if r.declined != 1 || r.unserved != 1 || r.servedPercent() != 0 || r.declinedPercent() != 100 || r.waitOfAll() != 30 {
		t.Errorf("%+v: served %v %%, wait of all %v", r, r.servedPercent(), r.waitOfAll())
	}
}
