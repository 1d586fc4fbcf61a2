package dispatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"cuntong/geo"
)

// Bar keeps a party out of the area: its connections are closed, and it is let in again
// when the bar is over or lifted. Operators only, and not against themselves.
//
// A driver who is barred goes off duty at once. If he has a trip it stays as it is,
// because the party may be on board: he cannot report on it any more, so an operator
// gives it to another driver or ends it. The bar goes after him into the areas that he
// came from and went to: see [BarAbroad].
type Bar struct {
	Command
	Party Actor
	// Until is when it is over; 0: when it is lifted.
	Until  Instant
	Reason string
}

// LiftBar lets a party in again, in every area that was told of its bar. Operators only,
// of any of these areas. It may be repeated.
type LiftBar struct {
	Command
	Party Actor
}

// SignOut makes what was issued to a party up to now worthless: whoever shows such a
// token is turned away. Any party may, for itself.
type SignOut struct{ Command }

func (Bar) isInput()     {}
func (LiftBar) isInput() {}
func (SignOut) isInput() {}

// PartyBarred: an operator keeps a party out.
type PartyBarred struct {
	Party  Actor   `json:"party"`
	Until  Instant `json:"until,omitempty"` // 0: until it is lifted
	By     Actor   `json:"by"`
	Reason string  `json:"reason,omitempty"`
	word
}

// BarLifted: an operator lets a party in again.
type BarLifted struct {
	Party Actor `json:"party"`
	By    Actor `json:"by"`
	word
}

// word is what a fact about a bar says of other areas.
type word struct {
	// At is when the operator said so; 0: when the fact was recorded. Of two words about
	// one party the later one counts, in every area.
	At Instant `json:"at,omitempty"`
	// From is the area that told this one; empty: it was said here.
	From geo.AreaID `json:"from,omitempty"`
	// Areas are to be told: the driver may be there, or come from there.
	Areas []geo.AreaID `json:"areas,omitempty"`
}

// PartySignedOut: tokens of a party that were issued up to a moment count no more.
type PartySignedOut struct {
	Party Actor   `json:"party"`
	UpTo  Instant `json:"up_to"`
}

func (PartyBarred) kind() string    { return "party_barred" }
func (BarLifted) kind() string      { return "bar_lifted" }
func (PartySignedOut) kind() string { return "party_signed_out" }

// ShutWhy is why a party's connections are closed.
type ShutWhy string

// The reasons. The names travel between servers.
const (
	ShutBarred    ShutWhy = "barred"
	ShutSignedOut ShutWhy = "signed_out"
	ShutReplaced  ShutWhy = "replaced" // by a newer one of the same driver
)

// ShutOut tells the hubs to close connections of a party. It takes the place of the
// truth that a hello asked for, but for ShutReplaced, which goes before it.
type ShutOut struct {
	Why ShutWhy
	// Until is when a bar is over; 0: when it is lifted.
	Until Instant
	// Only is the session that is closed; empty: all of the party's. Who comes with a
	// token that counts no more must not put out who has a good one.
	Only string
	// Except is a session that stays.
	Except string
	// Before, if not 0, lets stay what began then or later: the notice may be late.
	Before Instant
}

func (ShutOut) isNotice() {}

// Lossy reports false: whoever is shut out must not stay.
func (ShutOut) Lossy() bool { return false }

// Bounds of who is shut out.
const (
	// maxBars bounds the bars of an area. Those that are over make room; when none is,
	// another is refused.
	maxBars = 10_000
	// maxSignedOut bounds the parties whose sign-out is remembered; beyond it the oldest
	// is forgotten. Tokens live for hours, and so many do not sign out in a day.
	maxSignedOut = 20_000
)

// shut is who is kept out: part of the durable state.
type shut struct {
	bars      map[Actor]bar
	signedOut map[Actor]signedOut
	// errands follow from the bars, but for how far they have come.
	errands map[barErrand]barTold
}

type bar struct {
	Party  Actor   `json:"party"`
	Until  Instant `json:"until,omitempty"`
	At     Instant `json:"at"` // when the operator said so
	Reason string  `json:"reason,omitempty"`
	By     Actor   `json:"by,omitzero"`
	// Lifted: it is over, and kept so that an older word from elsewhere does not count.
	Lifted bool `json:"lifted,omitempty"`
	// Areas know of it, or are to be told.
	Areas []geo.AreaID `json:"areas,omitempty"`
}

type signedOut struct {
	Party Actor   `json:"party"`
	UpTo  Instant `json:"up_to"`
}

func newShut() shut {
	return shut{bars: map[Actor]bar{}, signedOut: map[Actor]signedOut{}, errands: map[barErrand]barTold{}}
}

func (b bar) over(now Instant) bool { return b.Lifted || b.Until != 0 && b.Until <= now }

// barred returns the bar that keeps who out at now.
func (s *shut) barred(now Instant, who Actor) (bar, bool) {
	if len(s.bars) == 0 {
		return bar{}, false
	}
	b, ok := s.bars[who]
	return b, ok && !b.over(now)
}

// against says why a party that says hello is not let in; ok is false when it is.
func (s *shut) against(now Instant, in Hello) (out ShutOut, ok bool) {
	if b, barred := s.barred(now, in.By); barred {
		return ShutOut{Why: ShutBarred, Until: b.Until}, true
	}
	// A token that does not say when it was made may be from before: it counts as such.
	if was, known := s.signedOut[in.By]; known && in.Issued <= was.UpTo {
		return ShutOut{Why: ShutSignedOut, Only: in.Session}, true
	}
	return ShutOut{}, false
}

func (c *Core) decideBar(now Instant, in Bar) ([]FactBody, *Refusal) {
	switch have, barred := c.shut.barred(now, in.Party); {
	case in.By.Role != RoleOperator:
		return nil, refuse(Forbidden, "role", "Only operators bar anybody.")
	case in.Party == in.By:
		return nil, refuse(Invalid, "yourself", "You cannot bar yourself.")
	case in.Until != 0 && in.Until <= now:
		return nil, refuse(Invalid, "window_over", "The bar would be over already. Give a later end, or none.")
	case barred && have.Until == in.Until && have.Reason == in.Reason:
		return nil, nil
	case !barred && c.shut.lasting(now) >= maxBars:
		return nil, limited("bars_full", fmt.Sprintf("%d parties are barred: lift some first.", maxBars), time.Minute)
	}
	barred := PartyBarred{Party: in.Party, Until: in.Until, By: in.By, Reason: in.Reason, word: c.wordNow(now, in.Party)}
	return append([]FactBody{barred}, c.offDuty(in.Party)...), nil
}

// offDuty takes who is kept out off duty, if he is a driver and has no trip.
func (c *Core) offDuty(party Actor) (bodies []FactBody) {
	d := c.drivers[party.Driver()]
	if d == nil || len(d.Plan) > 0 {
		return nil
	}
	if d.Offer != "" {
		bodies = append(bodies, OfferClosed{Trip: d.Offer, End: OfferWithdrawn})
	}
	return append(bodies, DutyEnded{Driver: d.ID})
}

func (c *Core) decideLiftBar(now Instant, in LiftBar) ([]FactBody, *Refusal) {
	if in.By.Role != RoleOperator {
		return nil, refuse(Forbidden, "role", "Only operators lift a bar.")
	}
	if have, barred := c.shut.bars[in.Party]; !barred || have.Lifted {
		return nil, nil
	}
	return []FactBody{BarLifted{Party: in.Party, By: in.By, word: c.wordNow(now, in.Party)}}, nil
}

func (c *Core) decideSignOut(now Instant, in SignOut) ([]FactBody, *Refusal) {
	return []FactBody{PartySignedOut{Party: in.By, UpTo: now}}, nil
}

// refuseBarred says no to a command of who is kept out.
func refuseBarred() *Refusal {
	return refuse(Forbidden, "barred", "An operator has barred you. Ask the county's desk.")
}

// lasting counts the bars that are not over.
func (s *shut) lasting(now Instant) (n int) {
	if len(s.bars) < maxBars {
		return len(s.bars)
	}
	for _, b := range s.bars {
		if !b.over(now) {
			n++
		}
	}
	return n
}

// newest lists the bars that are not over, the newest first, at most so many.
func (s *shut) newest(now Instant, most int) []BarView {
	var bars []BarView
	for _, b := range s.bars {
		if !b.over(now) {
			bars = append(bars, BarView{Party: b.Party, Until: b.Until, At: b.At, Reason: b.Reason})
		}
	}
	slices.SortFunc(bars, func(a, b BarView) int { return cmp.Or(cmp.Compare(b.At, a.At), a.Party.compare(b.Party)) })
	return bars[:min(len(bars), most)]
}

// fold changes who is kept out by one fact.
func (s *shut) fold(at Instant, body FactBody) {
	if len(s.bars) >= maxBars {
		maps.DeleteFunc(s.bars, func(_ Actor, old bar) bool { return old.over(at) })
	}
	switch b := body.(type) {
	case PartyBarred:
		s.bars[b.Party] = bar{Party: b.Party, Until: b.Until, At: cmp.Or(b.At, at), Reason: b.Reason, By: b.By, Areas: b.known()}
		s.toTell(b.Party, b.Areas)
	case BarLifted:
		if delete(s.bars, b.Party); len(b.known()) > 0 {
			s.bars[b.Party] = bar{Party: b.Party, At: cmp.Or(b.At, at), By: b.By, Lifted: true, Areas: b.known()}
		}
		s.toTell(b.Party, b.Areas)
	case PartySignedOut:
		s.signedOut[b.Party] = signedOut(b)
		if len(s.signedOut) > maxSignedOut {
			delete(s.signedOut, s.firstSignedOut())
		}
	}
}

func (s *shut) firstSignedOut() Actor {
	return slices.MinFunc(slices.Collect(maps.Values(s.signedOut)), func(a, b signedOut) int {
		return cmp.Or(cmp.Compare(a.UpTo, b.UpTo), a.Party.compare(b.Party))
	}).Party
}

// compare orders parties by role and id.
func (a Actor) compare(b Actor) int {
	return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID))
}

// onPaper lists who is kept out in an order that depends on nothing but the state.
func (s *shut) onPaper() (bars []bar, out []signedOut) {
	return slices.SortedFunc(maps.Values(s.bars), func(a, b bar) int { return a.Party.compare(b.Party) }),
		slices.SortedFunc(maps.Values(s.signedOut), func(a, b signedOut) int { return a.Party.compare(b.Party) })
}

func (s *shut) restore(bars []bar, out []signedOut) {
	for _, b := range bars {
		s.bars[b.Party] = b
		s.toTell(b.Party, b.Areas)
	}
	for _, o := range out {
		s.signedOut[o.Party] = o
	}
}

// shutOut tells the hubs whom a command has shut out, behind its answer, which may go
// to a connection that is closed now.
func (r *run) shutOut(in Input) {
	switch in := in.(type) {
	case Bar:
		r.closeBarred(in.Party)
		r.passBars()
	case LiftBar:
		r.passBars()
	case SignOut:
		r.tell(in.By, ShutOut{Why: ShutSignedOut, Before: r.now + 1})
	}
}

// closeBarred closes the connections of who is barred.
func (r *run) closeBarred(party Actor) {
	if b, barred := r.core.shut.barred(r.now, party); barred {
		r.tell(party, ShutOut{Why: ShutBarred, Until: b.Until})
	}
}

// replaced closes the older connections of a driver, wherever they are: he has one.
// One that began later stays, in whatever order the hellos came.
func (r *run) replaced(in Hello) {
	if in.By.Role == RoleDriver && in.Session != "" {
		r.tell(in.By, ShutOut{Why: ShutReplaced, Except: in.Session, Before: in.Began})
	}
}

// checkShut: what is kept of who is shut out is under its own name and within its bounds.
func (c *Core) checkShut(fail func(string, ...any)) {
	if len(c.shut.errands) > maxBarAreas*maxBars {
		fail("%d areas are to be told of %d bars", len(c.shut.errands), len(c.shut.bars))
	}
	if len(c.shut.bars) > maxBars || len(c.shut.signedOut) > maxSignedOut {
		fail("%d bars and %d sign-outs are kept", len(c.shut.bars), len(c.shut.signedOut))
	}
	for who, b := range c.shut.bars {
		if b.Party != who {
			fail("the bar of %s is kept as that of %s", b.Party, who)
		}
		if d := c.drivers[who.Driver()]; who.Role == RoleDriver && d != nil && d.Offer != "" && !b.over(c.last) {
			fail("driver %s is barred and asked for trip %s", who.ID, d.Offer)
		}
	}
	for who, o := range c.shut.signedOut {
		if o.Party != who {
			fail("the sign-out of %s is kept as that of %s", o.Party, who)
		}
	}
}
