package oracle

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"cuntong/chaos/history"

	"github.com/anishathalye/porcupine"
)

// checkLimit bounds all the checking of orders; what is not decided then is a failure.
const checkLimit = 60 * time.Second

// ask is the input of both models: a command, or a look (kind "look").
type ask struct {
	kind, by, role, trip string
}

// said is their output.
type said struct {
	sure    bool // done; else the command may have taken effect or not, at any time
	version int64
	state   string
	held    string // of a look
}

// rideState is a trip as the answers about it allow.
type rideState struct {
	state   string
	driver  string
	version int64 // of the last answer; facts that nobody asked for come between
}

// tripModel: a trip is requested once, taken by one driver at a time, goes through its
// life in order, and its versions rise.
var tripModel = porcupine.Model{
	Init: func() any { return rideState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(rideState), input.(ask), output.(said)
		next, ok := s.follow(in)
		if !out.sure {
			if ok {
				return true, next
			}
			return true, s
		}
		if ok && out.version > s.version {
			next.version, next.state = out.version, out.state
			return true, next
		}
		// It was so already: nothing changed.
		same := out.version >= s.version && out.state == s.state && in.kind != "request" && in.kind != "accept" && in.kind != "release"
		return same && (in.kind == "cancel" || s.driver == in.by), s
	},
}

// follow is the state after a command, and whether it may follow.
func (s rideState) follow(in ask) (rideState, bool) {
	next := s
	switch in.kind {
	case "request":
		next.state = "requested"
		return next, s.state == ""
	case "accept":
		next.state, next.driver = "assigned", in.by
		return next, s.driver == "" && isOpen(s.state)
	case "arrive":
		next.state = "arrived"
		return next, s.state == "assigned" && s.driver == in.by
	case "start":
		next.state = "riding"
		return next, s.state == "arrived" && s.driver == in.by
	case "complete":
		next.state = "completed"
		return next, s.state == "riding" && s.driver == in.by
	case "release":
		next.state, next.driver = "requested", ""
		return next, (s.state == "assigned" || s.state == "arrived") && (in.role == "operator" || s.driver == in.by)
	case "cancel":
		next.state, next.driver = "cancelled", ""
		return next, isOpen(s.state) && (s.state != "riding" || in.role == "operator")
	}
	return s, false
}

// driverModel: a driver is a register that holds at most one trip; taking one needs it
// empty, and a look at it shows what it holds.
var driverModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		holds, in, out := state.(string), input.(ask), output.(said)
		switch in.kind {
		case "look":
			return holds == out.held, holds
		case "accept":
			if out.sure {
				return holds == "", in.trip
			}
			if holds == "" {
				return true, in.trip
			}
			return true, holds
		case "complete":
			// Completing again what is completed is done, and changes nothing.
			if holds == in.trip {
				return true, ""
			}
			return !out.sure || in.role != "driver" || holds == "", holds
		}
		if holds == in.trip { // release and cancel
			return true, ""
		}
		return !(out.sure && in.kind == "release" && in.role == "driver"), holds
	},
}

// operation makes an operation of a command; ok is false when it cannot have done anything.
func operation(op history.Op) (o porcupine.Operation, ok bool) {
	o = porcupine.Operation{
		Input: ask{kind: op.Kind, by: op.Client, role: op.Role, trip: op.Trip},
		Call:  int64(op.Invoke), Return: math.MaxInt64, Output: said{},
	}
	switch op.Outcome {
	case history.OK:
		o.Return, o.Output = int64(op.Return), said{sure: true, version: op.Version, state: op.State}
	case history.Refused:
		if op.Sends == 1 && !op.Shaky {
			return o, false
		}
	}
	return o, true
}

// checkOrders looks for an order of everything that was answered about each trip and
// each driver that one server alone could have given.
func checkOrders(h history.History, found *Findings) (partitions int) {
	trips, drivers := map[string][]porcupine.Operation{}, map[string][]porcupine.Operation{}
	takers := map[string][]string{} // of a trip: the drivers who accepted it, or may have
	for _, op := range h.Ops {
		if op.Kind == "accept" && op.Outcome != history.Refused && !slices.Contains(takers[op.Trip], op.Client) {
			takers[op.Trip] = append(takers[op.Trip], op.Client)
		}
	}
	for _, op := range h.Ops {
		o, ok := operation(op)
		if !ok || op.Trip == "" || op.Kind == "decline" {
			continue
		}
		trips[op.Trip] = append(trips[op.Trip], o)
		switch op.Kind {
		case "accept", "complete", "release", "cancel":
			if op.Role == "driver" {
				drivers[op.Client] = append(drivers[op.Client], o)
				continue
			}
			for _, driver := range takers[op.Trip] {
				drivers[driver] = append(drivers[driver], o)
			}
		}
	}
	for _, look := range h.Looks {
		drivers[look.Client] = append(drivers[look.Client], porcupine.Operation{
			Input: ask{kind: "look", by: look.Client}, Call: int64(look.Invoke), Return: int64(look.Return), Output: said{sure: true, held: look.Trip},
		})
	}
	c := checker{found: found, until: time.Now().Add(checkLimit), room: make(chan struct{}, runtime.NumCPU())}
	c.all(RuleTrip, "trip", tripModel, trips)
	c.all(RuleDriver, "driver", driverModel, drivers)
	return len(trips) + len(drivers)
}

// checker checks partitions, some at once.
type checker struct {
	until time.Time
	room  chan struct{}

	mu    sync.Mutex // guards the following field
	found *Findings
}

func (c *checker) all(rule, what string, model porcupine.Model, partitions map[string][]porcupine.Operation) {
	var done sync.WaitGroup
	for key, ops := range partitions {
		c.room <- struct{}{}
		done.Go(func() {
			defer func() { <-c.room }()
			verdict := porcupine.CheckOperationsTimeout(model, ops, max(time.Until(c.until), time.Millisecond))
			if verdict == porcupine.Ok {
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if verdict == porcupine.Unknown {
				c.found.add(RuleUndecided, "%s %s: %d commands could not be put in order within %v", what, key, len(ops), checkLimit)
				return
			}
			c.found.add(rule, "%s %s: the answers to its %d commands fit no order", what, key, len(ops))
		})
	}
	done.Wait()
}
