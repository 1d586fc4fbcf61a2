package ws

import (
	"fmt"
	"reflect"
	"strings"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// onlooker is what a party is to a trip that it is told of. A party can be several.
type onlooker uint8

const (
	asBooker    onlooker = 1 << iota // booked it
	asTraveller                      // travels, by his own account
	asDriver                         // the driver, while he is bound to it
	asDrove                          // the driver with whom it ended
	asFormer                         // a driver who has given it back or lost it; or was only asked
	asOperator                       // an operator of the area
	asLooker                         // an operator who looks closely, and has said why

	onlookers = 7
)

// onlookerNames are the columns of the table in docs/PROTOCOL.md.
var onlookerNames = [onlookers]string{"booker", "traveller", "bound driver", "driver at its end", "former driver", "operator", "operator who looks"}

// onlookerOf says what who is to a trip now; 0: it is none of his business.
func onlookerOf(who dispatch.Actor, v *dispatch.TripView) onlooker {
	var as onlooker
	if who == v.Order.Booker {
		as |= asBooker
	}
	switch who.Role {
	case dispatch.RoleOperator:
		as |= asOperator
	case dispatch.RolePassenger:
		if who.ID == v.Order.Traveller.ID {
			as |= asTraveller
		}
	case dispatch.RoleDriver:
		switch his := v.Driver == who.Driver(); {
		case his && v.State.HasDriver():
			as |= asDriver
		case his && !v.State.Open():
			as |= asDrove
		default:
			as |= asFormer
		}
	}
	return as
}

// when is in which states of a trip a field is seen.
type when uint8

const (
	never  when = iota
	always      // in every state
	open        // until it has ended
	bound       // while a driver is bound: assigned, arrived, riding
	met         // while a driver is bound, or parked and one is in sight
	masked      // always, but only the first three and the last four digits
)

func (w when) String() string {
	return [...]string{"", "always", "while open", "while bound", "while bound or parked", "masked"}[w]
}

func (w when) in(s dispatch.State) bool {
	switch w {
	case always:
		return true
	case open:
		return s.Open()
	case bound:
		return s.HasDriver()
	case met:
		return s.HasDriver() || s == dispatch.Parked
	}
	return false
}

// sight is a field of a trip, by its name on the wire, and when each onlooker sees it.
type sight struct {
	field string
	when  [onlookers]when
}

// Rows of the table that many fields share. In the order of [onlookerNames].
var (
	everybody = [onlookers]when{always, always, always, always, always, always, always}
	parties   = [onlookers]when{always, always, always, always, never, always, always}
	present   = [onlookers]when{always, always, always, never, never, always, always}
	people    = [onlookers]when{always, always, bound, never, never, always, always}
	drive     = [onlookers]when{bound, bound, bound, never, never, always, always}
)

// sights is who sees what of a trip. What is not here, nobody sees.
//
// Where a trip went is not a secret before a driver who was told so already, and the
// first clients count on it. Where somebody's driver is, his party sees from accept to
// completion only; who rides and how to ring them, the driver for as long.
var sights = []sight{
	{"trip", everybody},
	{"version", everybody},
	{"state", everybody},
	{"pickup", everybody},
	{"pickup.note", people},
	{"dropoff", everybody},
	{"dropoff.note", people},
	{"seats", everybody},
	{"wheelchairs", everybody},
	{"goods_l", everybody},
	{"channel", everybody},
	{"requested_at", everybody},
	{"since", everybody},
	{"pickup_from", everybody},
	{"pickup_to", everybody},
	{"arrive_by", everybody},
	{"ride", parties},
	{"queue", present},
	{"gives_up_at", present},
	{"overdue", present},
	{"ended", everybody},
	{"booker", people},
	{"traveller", people},
	{"traveller.phone", [onlookers]when{always, masked, bound, never, never, masked, always}},
	{"driver", drive},
	{"position", [onlookers]when{bound, bound, never, never, never, bound, bound}}, // the driver knows where he is
	{"pickup_eta", [onlookers]when{met, met, bound, never, never, always, always}},
	{"cut", [onlookers]when{met, met, bound, never, never, always, always}},
	{"arrived_at", parties},
	{"started_at", parties},
	{"driven_m", parties},
	{"paid_fen", parties},
	{"start_code", [onlookers]when{open, open, never, never, never, open, open}},
	{"start_check", [onlookers]when{never, never, bound, never, never, never, never}},
	{"receipt", [onlookers]when{always, always, bound, always, always, never, never}},
}

// fates says what becomes of each field of a trip for one kind of onlooker in one state.
type fates struct {
	hidden      []int // fields of wire.Trip that are taken out
	note, phone fate  // of what lies deeper
}

type fate uint8

const (
	hidden fate = iota
	halved      // masked
	shown
)

// tripFates are the rules for every onlooker and state, worked out once.
var tripFates = func() map[dispatch.State][1 << onlookers]fates {
	all := map[dispatch.State][1 << onlookers]fates{}
	for _, state := range dispatch.States() {
		var of [1 << onlookers]fates
		for as := range of {
			of[as] = fatesOf(onlooker(as), state)
		}
		all[state] = of
	}
	return all
}()

func fatesOf(as onlooker, state dispatch.State) fates {
	typ := reflect.TypeFor[wire.Trip]()
	f := fates{note: fateOf("pickup.note", as, state), phone: fateOf("traveller.phone", as, state)}
	for i := range typ.NumField() {
		if name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); fateOf(name, as, state) == hidden {
			f.hidden = append(f.hidden, i)
		}
	}
	return f
}

// fateOf is the best that any of the things a party is to a trip gives it.
func fateOf(field string, as onlooker, state dispatch.State) fate {
	best := hidden
	for _, row := range sights {
		for i, when := range row.when {
			if row.field != field || as&(1<<i) == 0 {
				continue
			}
			switch {
			case when == masked:
				best = max(best, halved)
			case when.in(state):
				best = shown
			}
		}
	}
	return best
}

// sees takes out of a trip what an onlooker may not see of it in this state, or returns
// false when it is none of his business at all.
func sees(as onlooker, state dispatch.State, trip *wire.Trip) bool {
	if as == 0 {
		return false
	}
	f := tripFates[state][as]
	if f.note == hidden {
		trip.Pickup.Note, trip.Dropoff.Note = "", ""
	}
	fields := reflect.ValueOf(trip).Elem()
	for _, i := range f.hidden {
		fields.Field(i).SetZero()
	}
	if t := trip.Traveller; t != nil && f.phone != shown {
		seen := *t
		seen.Phone = ""
		if f.phone == halved {
			seen.Phone = mask(t.Phone)
		}
		trip.Traveller = &seen
	}
	return true
}

// The digits of a telephone number that are left of a masked one, if at least as many
// are hidden.
const (
	maskKeepsFirst = 3
	maskKeepsLast  = 4
	maskHides      = 4
)

// mask hides the middle of a telephone number, and a short one whole. Nothing but
// digits is left of it: people write words into such fields.
func mask(phone string) string {
	if phone == "" {
		return ""
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
	hide := len(digits) - maskKeepsFirst - maskKeepsLast
	if hide < maskHides {
		return strings.Repeat("*", max(maskHides, min(len(digits), maskKeepsFirst+maskKeepsLast)))
	}
	return digits[:maskKeepsFirst] + strings.Repeat("*", hide) + digits[len(digits)-maskKeepsLast:]
}

// sightTable is who sees which field of a trip, as rows of a table in Markdown: for
// docs/PROTOCOL.md, which a test holds against it.
func sightTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| field | %s |\n|---%s|\n", strings.Join(onlookerNames[:], " | "), strings.Repeat("|---", onlookers))
	for _, row := range sights {
		fmt.Fprintf(&b, "| `%s`", row.field)
		for _, when := range row.when {
			fmt.Fprintf(&b, " | %s", when)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
