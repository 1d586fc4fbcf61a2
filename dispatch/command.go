package dispatch

import (
	"encoding/json"
	"fmt"
	"hash/fnv"

	"cuntong/geo"
)

// commandKey names one command of one party.
type commandKey struct {
	By Actor     `json:"by"`
	ID CommandID `json:"id"`
}

// answer is what a command that took effect was answered, kept for its repeats.
type answer struct {
	commandKey
	Sum     uint64  `json:"sum,string"`
	Trip    TripID  `json:"trip,omitempty"`
	Version Version `json:"version,omitempty"`
	State   State   `json:"state,omitempty"`
}

// commandMemory keeps the answers to the last commands that took effect. When it
// is full the oldest is forgotten.
type commandMemory struct {
	limit   int
	answers map[commandKey]answer
	order   []commandKey // oldest first, from head on
	head    int
}

func newCommandMemory(limit int) commandMemory {
	return commandMemory{limit: limit, answers: map[commandKey]answer{}}
}

func (m *commandMemory) find(by Actor, id CommandID) (answer, bool) {
	if id == "" {
		return answer{}, false
	}
	a, ok := m.answers[commandKey{by, id}]
	return a, ok
}

func (m *commandMemory) keep(a answer) {
	if _, ok := m.answers[a.commandKey]; !ok {
		m.order = append(m.order, a.commandKey)
	}
	m.answers[a.commandKey] = a
	if len(m.answers) > m.limit {
		delete(m.answers, m.order[m.head])
		m.head++
	}
	if m.head > m.limit {
		m.order = append([]commandKey(nil), m.order[m.head:]...)
		m.head = 0
	}
}

// all returns the answers, oldest first.
func (m *commandMemory) all() []answer {
	var all []answer
	for _, key := range m.order[m.head:] {
		all = append(all, m.answers[key])
	}
	return all
}

// sumOf hashes what a command asks for, without the time it came and without its
// [Deed], whose time is moved onto the server's clock anew with every connection. It
// tells a repeat from another command under the same id; it is no defence against
// forgery, which a party could only practise on its own commands.
//
// Journals hold such sums: of what could be asked before deeds were known it is the
// number it was then.
func sumOf(in Input) uint64 {
	h := fnv.New64a()
	if change, ok := in.(ChangeRoad); ok { // it holds pointers, which are other ones each time
		paper, _ := json.Marshal(change.Change)
		fmt.Fprintf(h, "%T %+v %s", in, change.Command, paper)
		return h.Sum64()
	}
	fmt.Fprintf(h, "%T %+v", in, asked(in))
	return h.Sum64()
}

// asked is what of a command makes it another command when it is otherwise.
func asked(in Input) any {
	type trip struct {
		Command
		Trip TripID
	}
	type why struct {
		Command
		Trip TripID
		Why  Reason
	}
	switch in := in.(type) {
	case Request:
		return struct {
			Command
			Trip  TripID
			Order Order
		}{in.Command, in.Trip, in.Order}
	case Arrive:
		return trip{in.Command, in.Trip}
	case Start:
		if in.Code != "" {
			return struct {
				trip
				Code string
			}{trip{in.Command, in.Trip}, in.Code}
		}
		return trip{in.Command, in.Trip}
	case Complete:
		return trip{in.Command, in.Trip}
	case Release:
		return why{in.Command, in.Trip, in.Why}
	case Cancel:
		return why{in.Command, in.Trip, in.Why}
	case Paid:
		return struct {
			trip
			Fen int64
		}{trip{in.Command, in.Trip}, in.Fen}
	case Tracked:
		points := make([]geo.Point, len(in.Fixes))
		for i, f := range in.Fixes {
			points[i] = f.Point
		}
		return struct {
			Command
			Driver DriverID
			Points []geo.Point
		}{in.Command, in.Driver, points}
	}
	return in
}

// commandOf returns the command part of in, and the trip it speaks of.
func commandOf(in Input) (Command, TripID) {
	switch in := in.(type) {
	case StartDuty:
		return in.Command, ""
	case EndDuty:
		return in.Command, ""
	case Request:
		return in.Command, in.Trip
	case Accept:
		return in.Command, in.Trip
	case Decline:
		return in.Command, in.Trip
	case Arrive:
		return in.Command, in.Trip
	case Start:
		return in.Command, in.Trip
	case Complete:
		return in.Command, in.Trip
	case Release:
		return in.Command, in.Trip
	case Cancel:
		return in.Command, in.Trip
	case Paid:
		return in.Command, in.Trip
	case Tracked:
		return in.Command, ""
	case ChangeRoad:
		return in.Command, ""
	case RestoreRoad:
		return in.Command, ""
	case Look:
		return in.Command, in.Trip
	case Bar:
		return in.Command, ""
	case LiftBar:
		return in.Command, ""
	case SignOut:
		return in.Command, ""
	}
	return Command{}, ""
}

// command judges one command: a repeat gets its old answer, any other is decided
// and then either refused or recorded and answered.
func (r *run) command(in Input) {
	c := r.core
	cmd, trip := commandOf(in)
	sum := sumOf(in)
	if old, ok := c.commands.find(cmd.By, cmd.ID); ok {
		r.repeat(cmd, trip, sum, old)
		return
	}
	if _, barred := c.shut.barred(r.now, cmd.By); barred {
		r.tell(cmd.By, Refused{ID: cmd.ID, Trip: trip, Refusal: *refuseBarred()})
		return
	}
	c.heardFrom(cmd.By.Driver())
	if driver := c.leftBy(in); driver != "" {
		r.tell(cmd.By, Refused{ID: cmd.ID, Trip: trip, Refusal: refuseElsewhere()})
		r.pointTo(driver)
		return
	}
	refusal := c.mayDo(in)
	var bodies []FactBody
	if refusal == nil {
		bodies, refusal = c.decide(r.now, in)
	}
	if refusal != nil {
		for _, body := range bodies {
			r.record(body, nil)
		}
		r.tell(cmd.By, Refused{ID: cmd.ID, Trip: trip, Refusal: *refusal})
		return
	}
	for i, body := range bodies {
		var cause *Cause
		if i == len(bodies)-1 && cmd.ID != "" {
			cause = &Cause{By: cmd.By, ID: cmd.ID, Sum: sum}
		}
		r.record(body, cause)
	}
	if look, ok := in.(Look); ok {
		r.show(look)
	}
	if req, ok := in.(Request); ok && len(bodies) > 0 && req.By.Role == RolePassenger && req.Device != "" {
		c.brakes.devices.take(r.now, req.Device)
	}
	done := Done{ID: cmd.ID, Trip: trip}
	if t := c.trips[trip]; t != nil {
		done.Version, done.State = t.Version, t.State
	}
	r.tell(cmd.By, done)
	r.shutOut(in)
}

func (r *run) repeat(cmd Command, trip TripID, sum uint64, old answer) {
	if old.Sum != sum {
		r.tell(cmd.By, Refused{ID: cmd.ID, Trip: trip, Refusal: *refuse(Conflict, "id_reused",
			"This command id was used for another command. Choose a new id.")})
		return
	}
	r.tell(cmd.By, Done{ID: old.ID, Trip: old.Trip, Version: old.Version, State: old.State})
}
