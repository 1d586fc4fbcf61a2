package dispatch

import (
	"slices"
	"time"

	"cuntong/geo"
)

// BorderEvent is something that happened between two areas. The names are metric labels.
type BorderEvent string

// The events.
const (
	BorderAsked     BorderEvent = "asked"     // a neighbour was asked for a quote
	BorderQuoted    BorderEvent = "quoted"    // a neighbour was answered with a driver
	BorderBorrowed  BorderEvent = "borrowed"  // a driver was asked for
	BorderLent      BorderEvent = "lent"      // a driver was released for a neighbour's trip
	BorderDenied    BorderEvent = "denied"    // a driver was asked for in vain
	BorderCrossed   BorderEvent = "crossed"   // a driver was released to where he has driven
	BorderAdmitted  BorderEvent = "admitted"  // a driver was taken in
	BorderRepeated  BorderEvent = "repeated"  // a driver who had been taken in was handed over again
	BorderResent    BorderEvent = "resent"    // a driver is handed over again, or a bar told again, because nobody has answered
	BorderFull      BorderEvent = "full"      // there is no room: a neighbour was not asked, a driver not released, a bar not taken
	BorderForgotten BorderEvent = "forgotten" // where a driver has gone was forgotten, for want of room
	BorderBar       BorderEvent = "bar"       // a bar, or its end, was taken from another area
)

// Border says which areas lie around this one. It is to be called right after
// [NewCore]; without it no driver comes from elsewhere or goes there.
func (c *Core) Border(neighbours []*geo.Area) {
	c.neighbours = slices.DeleteFunc(slices.Clone(neighbours), func(a *geo.Area) bool { return a.ID == c.area.ID })
}

// post sends a letter to another area, after the facts are recorded.
func (r *run) post(to geo.AreaID, body Input) {
	r.out.Letters = append(r.out.Letters, AreaLetter{To: to, Body: body})
}

func (r *run) happened(event BorderEvent) { r.out.Borders = append(r.out.Borders, event) }

// letter takes what another area says.
func (r *run) letter(in Input) {
	switch in := in.(type) {
	case AskQuote:
		r.quote(in)
	case Quote:
		r.quoted(in)
	case Borrow:
		r.lend(in)
	case NoLoan:
		r.noLoan(in)
	case Admit:
		r.admit(in)
	case Settled:
		r.settled(in)
	case BarAbroad:
		r.barAbroad(in)
	case BarKnown:
		r.barKnown(in)
	}
}

const (
	// crossMargin is how far outside the border a driver must be to belong to the
	// neighbour: more than phones err by, so that nobody is handed to and fro on a road
	// along the border.
	crossMargin geo.Meters = 300
	// admitGrace is how long a driver who has just come stays, wherever he is: he is to
	// be asked for what he came for, and to answer.
	admitGrace = 30 * time.Second
	// noMansStep is after how much driving one who is in no area is looked at again.
	noMansStep geo.Meters = 100
)

// cross lets a free driver go to the neighbour in whose land he is.
//
// How far he is from the border is worked out only when he may have reached it: who
// was ten kilometres inside is not looked at again before he has moved so far.
func (r *run) cross(id DriverID) {
	c := r.core
	if len(c.neighbours) == 0 || !c.available(id) {
		return
	}
	f := c.fixes[id]
	at := f.Fix.Point
	if f.Fix.AccuracyMeters > crossMargin || f.inside > 0 && geo.Distance(f.insideAt, at) < f.inside {
		return
	}
	f.insideAt = at
	if f.inside = c.area.ToBorder(at) + crossMargin; c.area.Contains(at) {
		return
	}
	if f.inside = 2*crossMargin - f.inside; f.inside > 0 { // out, but not far enough
		return
	}
	i := slices.IndexFunc(c.neighbours, func(a *geo.Area) bool { return a.Contains(at) })
	if i < 0 {
		f.inside = noMansStep
		return
	}
	if r.now >= c.drivers[id].Admitted.Add(admitGrace) && r.release(id, c.neighbours[i].ID, "") {
		r.happened(BorderCrossed)
	}
}
