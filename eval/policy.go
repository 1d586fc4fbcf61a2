package main

import (
	"errors"
	"flag"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// policy is a way of matching: what the core believes of the roads, and its rules.
type policy struct {
	key, name, about string
	router           geo.Router
	rules            dispatch.Rules
}

// The policies, by place in the list that policies returns. The first is what the
// others are compared with.
const (
	byLine = iota
	byRoad
	ours
)

// policies are all that are compared, on a network.
func policies(net network, t tuning) ([]policy, error) {
	crow, err := scaled(net)
	if err != nil {
		return nil, err
	}
	mine := t.apply(dispatch.DefaultRules())
	return []policy{
		byLine: {"line", "straight line", "the free driver nearest by straight line, at once; who asked first comes first", crow, greedy(t.stop)},
		byRoad: {"road", "road, greedy", "the free driver nearest by road, at once; who asked first comes first", net.roads, greedy(t.stop)},
		ours:   {"cuntong", "cuntong", "by road, those who compete judged together, busy drivers included", net.roads, mine},
	}, mine.Validate()
}

// scaled is the straight line at its best: with the detours and the speed that are
// usual between the villages of this network. With others it would turn down rides
// that can be had, or promise such that cannot, and look worse for no fault of its own.
func scaled(net network) (geo.Crow, error) {
	var detours, speeds []float64
	by := geo.Drive{Class: geo.Car, Leaves: dayBegins.Time()}
	for _, from := range net.villages {
		for _, to := range net.villages {
			straight := geo.Distance(from.point, to.point)
			leg, ok := net.roads.Travel(net.roads.Locate(from.point, -1), net.roads.Locate(to.point, -1), by)
			if ok && straight > 0 && leg.Duration > 0 {
				detours = append(detours, float64(leg.Distance/straight))
				speeds = append(speeds, float64(leg.Distance)/1000/leg.Duration.Hours())
			}
		}
	}
	if len(detours) == 0 {
		return geo.Crow{}, errors.New("no two villages are apart and joined by a road")
	}
	detour, speed := quantile(detours, 0.5), quantile(speeds, 0.5)
	return geo.NewCrowWith(min(10, max(1, detour)), map[geo.VehicleClass]float64{geo.Car: min(150, max(1, speed))})
}

// settings are what tells the policy from the others.
func (p policy) settings() map[string]any {
	return map[string]any{
		"about": p.about, "window_s": p.rules.Window.Seconds(), "busy_within_min": p.rules.BusyWithin.Minutes(),
		"age_bonus": p.rules.AgeBonus, "stop_s": p.rules.StopTime.Seconds(), "reach_min": p.rules.Reach.Minutes(),
	}
}

// firstCome is an age bonus so large that who asked first is served first.
const firstCome = 10

// greedy rules match each request as it comes, among free drivers; a driver who
// becomes free goes to who asked first.
func greedy(stop time.Duration) dispatch.Rules {
	r := dispatch.DefaultRules()
	r.StopTime = stop
	r.Window, r.BusyWithin, r.AgeBonus = 0, 0, firstCome
	return r
}

// tuning is rules to try instead of the default ones.
type tuning struct {
	window, busyWithin time.Duration
	stop               time.Duration // that a party takes to get on or off, under every policy
	ageBonus           float64
}

func (t *tuning) flags(flags *flag.FlagSet) {
	usual := dispatch.DefaultRules()
	flags.DurationVar(&t.window, "window", usual.Window, "how long requests that compete are gathered")
	flags.DurationVar(&t.busyWithin, "busy-within", usual.BusyWithin, "drivers who are free within this `time` count as candidates; 0: none")
	flags.DurationVar(&t.stop, "stop", 0, "how long a party takes to get on or off")
	flags.Float64Var(&t.ageBonus, "age-bonus", usual.AgeBonus, "how much the time already waited counts in a contest")
}

// apply returns rules with these instead.
func (t tuning) apply(rules dispatch.Rules) dispatch.Rules {
	rules.Window, rules.BusyWithin, rules.AgeBonus, rules.StopTime = t.window, t.busyWithin, t.ageBonus, t.stop
	return rules
}
