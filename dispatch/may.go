package dispatch

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Relation is what a party is to the thing that it speaks of. A party can be several at once.
type Relation uint16

// The relations. A trip that does not exist, or is in another area, is everybody's as a
// stranger's is.
const (
	AsStranger  Relation = 1 << iota // has nothing to do with it
	AsResident                       // is a party of this area: of what belongs to nobody
	AsBooker                         // booked the trip
	AsTraveller                      // travels, by his own account
	AsAsked                          // the driver who holds the live offer of it
	AsBound                          // the driver who is bound to it
	AsDrove                          // the driver with whom it ended
	AsTaken                          // the driver from whom the server took it, because he was not heard of
	AsFormer                         // a driver who declined it, let it lapse, or gave it back
	AsHimself                        // it is his own: his duty, his position, his session
	AsOperator                       // an operator of the area
)

var relationNames = []string{"stranger", "any of the area", "booker", "traveller", "asked driver", "bound driver",
	"driver at its end", "driver it was taken from", "former driver", "himself", "operator"}

// String names the relations in r.
func (r Relation) String() string {
	var names []string
	for i, name := range relationNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// object is what a message is about.
type object string

// The objects.
const (
	aTrip   object = "trip"
	newTrip object = "new trip"
	aDuty   object = "duty"
	itself  object = "himself"
	anArea  object = "area"
)

// rule says who may send a message: by role, the relations of which he must have one.
type rule struct {
	message string // on the wire
	input   string // as it comes to the core, by its name on paper; empty: the hub answers it
	object  object

	driver, passenger, agent, operator Relation
}

// rules is the whole policy: who may do what with what. What is not here nobody may.
// docs/PROTOCOL.md has it as a table. Where more is asked than who it is (the state of
// a trip, a time, a limit), decide says so after this.
var rules = []rule{
	{"hello", "hello", itself, AsHimself, AsHimself, AsHimself, AsHimself},
	{"position", "moved", itself, AsHimself, 0, 0, 0},
	{"track", "tracked", aDuty, AsHimself, 0, 0, 0},
	{"duty", "start_duty", aDuty, AsHimself, 0, 0, 0}, // the end of one's own duty is the row of end_duty
	{"request", "request", newTrip, 0, AsResident, AsResident, AsResident},
	{"seen", "offer_seen", aTrip, AsAsked, 0, 0, 0},
	{"accept", "accept", aTrip, AsAsked | AsBound, 0, 0, 0},
	{"decline", "decline", aTrip, AsAsked | AsBound, 0, 0, 0},
	{"arrive", "arrive", aTrip, AsBound | AsTaken, 0, 0, 0},
	{"start", "start", aTrip, AsBound, 0, 0, AsOperator},
	{"complete", "complete", aTrip, AsBound | AsDrove, 0, 0, 0},
	{"paid", "paid", aTrip, AsBound | AsDrove, 0, 0, 0},
	{"release", "release", aTrip, AsBound | AsTaken, 0, 0, AsOperator},
	{"cancel", "cancel", aTrip, AsBound | AsDrove, AsBooker | AsTraveller, AsBooker, AsOperator},
	{"end_duty", "end_duty", aDuty, AsHimself, 0, 0, AsOperator},
	{"road", "change_road", anArea, 0, 0, 0, AsOperator},
	{"lift_road", "restore_road", anArea, 0, 0, 0, AsOperator},
	{"route", "ask_route", aTrip, AsAsked | AsBound, AsBooker | AsTraveller, AsBooker, AsOperator},
	{"nearby", "ask_nearby", anArea, 0, AsResident, AsResident, AsResident},
	{"watch", "watch", anArea, 0, 0, 0, AsOperator},
	{"look", "look", anArea, 0, 0, 0, AsOperator},
	{"bar", "bar", anArea, 0, 0, 0, AsOperator},
	{"lift_bar", "lift_bar", anArea, 0, 0, 0, AsOperator},
	{"renew", "", itself, AsHimself, AsHimself, AsHimself, AsHimself},
	{"logout", "sign_out", itself, AsHimself, AsHimself, AsHimself, AsHimself},
	{"ping", "", itself, AsHimself, AsHimself, AsHimself, AsHimself},
}

// rulesOf are the rules by the names of inputs.
var rulesOf = func() map[string]*rule {
	of := map[string]*rule{}
	for i := range rules {
		of[rules[i].input] = &rules[i]
	}
	return of
}()

// ruleFor is the rule for an input; nil: there is none, and nobody may.
func ruleFor(in Input) *rule { return rulesOf[inputKinds.names[reflect.TypeOf(in)]] }

// by is which relations let a party of a role through.
func (r *rule) by(role Role) Relation {
	switch role {
	case RoleDriver:
		return r.driver
	case RolePassenger:
		return r.passenger
	case RoleAgent:
		return r.agent
	case RoleOperator:
		return r.operator
	}
	return 0
}

// mayDo says why who gives a command, or asks a question, may not do so. It is the one
// place that consults the rules, and comes before any decision.
func (c *Core) mayDo(in Input) *Refusal {
	by, _, trip := Asker(in)
	rule := ruleFor(in)
	if rule == nil {
		return refuse(Forbidden, "role", fmt.Sprintf("No rule says who may do this (%T).", in))
	}
	allowed := rule.by(by.Role)
	if allowed == 0 {
		return refuse(Forbidden, "role", "Only other roles than yours may do this.")
	}
	switch rule.object {
	case aTrip:
		t := c.trips[trip]
		if as := c.relation(by, t); as&allowed == 0 {
			return rule.notHis(t, as)
		}
	case aDuty:
		if c.relationToDuty(by, dutyOf(in))&allowed == 0 {
			return refuse(Forbidden, "not_yours", "A driver does this only for himself.")
		}
	}
	return nil // the others are the asker's own, or the area's, which are his by his token
}

// relation is what a party is to a trip, which may be nil.
func (c *Core) relation(by Actor, t *Trip) Relation {
	if t == nil {
		return AsStranger
	}
	var as Relation
	if by == t.Order.Booker {
		as |= AsBooker
	}
	if by == t.Order.traveller() {
		as |= AsTraveller
	}
	switch by.Role {
	case RoleOperator:
		as |= AsOperator
	case RoleDriver:
		as |= t.relationOf(by.Driver())
	}
	if as == 0 {
		return AsStranger
	}
	return as
}

// relationOf is what a driver is to a trip; 0: nothing.
func (t *Trip) relationOf(id DriverID) Relation {
	var as Relation
	if t.Offer != nil && t.Offer.Driver == id {
		as |= AsAsked
	}
	switch {
	case t.Driver == id && t.State.HasDriver():
		as |= AsBound
	case t.Driver == id && !t.State.Open():
		as |= AsDrove
	case t.Taken.from(DriverActor(id)):
		as |= AsTaken
	case slices.ContainsFunc(t.Asked, func(a Asked) bool { return a.Driver == id }):
		as |= AsFormer
	}
	return as
}

// dutyOf is whose duty an input is about.
func dutyOf(in Input) DriverID {
	switch in := in.(type) {
	case StartDuty:
		return in.Driver
	case EndDuty:
		return in.Driver
	case Tracked:
		return in.Driver
	}
	return ""
}

func (c *Core) relationToDuty(by Actor, driver DriverID) Relation {
	switch {
	case by == DriverActor(driver):
		return AsHimself
	case by.Role == RoleOperator:
		return AsOperator
	}
	return AsStranger
}

// notHis refuses what a party may not do with a trip. Whoever has nothing to do with it
// is told the same as of a trip that there is not: the ids of trips are made by
// programs, and can be guessed.
func (r *rule) notHis(t *Trip, as Relation) *Refusal {
	switch {
	case r.message == "accept" || r.message == "decline":
		return refuse(Lapsed, "offer_lapsed", "This offer is over. Wait for the next one.")
	case as&AsDrove != 0:
		return refuse(Lapsed, "trip_over", "This trip is over.")
	case as&AsTaken != 0:
		return t.whyTaken()
	case as&(AsFormer|AsAsked) != 0 && r.message != "route":
		return refuse(Conflict, "not_your_trip", "This trip is not, or no longer, yours.")
	}
	return refuse(NotFound, "trip_unknown", "No such trip.")
}

// PolicyRow is one row of the table of who may do what, in words.
type PolicyRow struct {
	// Message is its type on the wire.
	Message string
	// Object is what it is about.
	Object string
	// May is, for each role that may at all, what its party must be to the object.
	May map[Role]string
}

// Policy returns the table of who may do what, for the manual and the tests.
func Policy() []PolicyRow {
	var rows []PolicyRow
	for _, r := range rules {
		row := PolicyRow{Message: r.message, Object: string(r.object), May: map[Role]string{}}
		for _, role := range []Role{RoleDriver, RolePassenger, RoleAgent, RoleOperator} {
			if as := r.by(role); as != 0 {
				row.May[role] = as.String()
			}
		}
		rows = append(rows, row)
	}
	return rows
}
