package main

import (
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
	crow, err := line()
	if err != nil {
		return nil, err
	}
	mine := t.apply(dispatch.DefaultRules())
	return []policy{
		byLine: {"line", "straight line", "the free driver nearest by straight line who can be there in time, at once; who asked first comes first", crow, greedy(t.stop)},
		byRoad: {"road", "road, greedy", "the free driver nearest by road, at once; who asked first comes first", net.roads, greedy(t.stop)},
		ours:   {"cuntong", "cuntong", "by road, those who compete judged together, busy drivers included", net.roads, mine},
	}, mine.Validate()
}

// line is the straight line as it is used: it says who is nearest, and nothing of when
// he is there. It is quick enough never to turn down a drive that can be made in
// time; the drivers know which cannot.
func line() (geo.Crow, error) {
	return geo.NewCrowWith(1, map[geo.VehicleClass]float64{geo.Car: 150})
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
	flags.DurationVar(&t.stop, "stop", usual.StopTime, "how long a party takes to get on or off")
	flags.Float64Var(&t.ageBonus, "age-bonus", usual.AgeBonus, "how much the time already waited counts in a contest")
}

// apply returns rules with these instead.
func (t tuning) apply(rules dispatch.Rules) dispatch.Rules {
	rules.Window, rules.BusyWithin, rules.AgeBonus, rules.StopTime = t.window, t.busyWithin, t.ageBonus, t.stop
	return rules
}
