package dispatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"cuntong/fault"
	"cuntong/geo"
)

// DriverReleased: a free driver belongs to another area from now on. Until
// [TransferSettled] he is on his way there and nowhere else.
type DriverReleased struct {
	Driver   DriverID   `json:"driver"`
	To       geo.AreaID `json:"to"`
	Transfer TransferID `json:"transfer"`
	Vehicle  Vehicle    `json:"vehicle"`
	Since    Instant    `json:"since"` // when his duty began
	Home     geo.AreaID `json:"home"`  // where
	// For is the trip of that area that he was lent for; empty: he went there by himself.
	For TripID `json:"for,omitempty"`
}

// TransferSettled: the other area has him.
type TransferSettled struct {
	To       geo.AreaID `json:"to"`
	Transfer TransferID `json:"transfer"`
}

// DriverAdmitted: a driver whom another area released belongs to this one.
type DriverAdmitted struct {
	Driver   DriverID   `json:"driver"`
	From     geo.AreaID `json:"from"`
	Transfer TransferID `json:"transfer"`
	// Done: all transfers from there up to this one are settled.
	Done    TransferID `json:"done,omitempty"`
	Vehicle Vehicle    `json:"vehicle"`
	Since   Instant    `json:"since"`
	Home    geo.AreaID `json:"home"`
	For     TripID     `json:"for,omitempty"`
	// Band is how far his positions are believed, with the signs against him and since when.
	// Empty, as in journals from before it was handed over: as far as here before.
	Band       TrustBand `json:"band,omitempty"`
	Signs      []Sign    `json:"signs,omitempty"`
	DoubtSince Instant   `json:"doubt_since,omitempty"`
	// SignedOut: tokens of his that were issued up to then count no more.
	SignedOut Instant `json:"signed_out,omitempty"`
}

func (DriverReleased) kind() string  { return "driver_released" }
func (TransferSettled) kind() string { return "transfer_settled" }
func (DriverAdmitted) kind() string  { return "driver_admitted" }

// Bounds of transfers.
const (
	// maxTransfers bounds the transfers to one other area from the first that is not
	// settled on. When it is reached nobody is released there. It bounds as well what
	// the other side must remember.
	maxTransfers = 256
	// resendAfter is how long an answer to [Admit] is waited for before it is sent again.
	resendAfter = 2 * time.Second
	// maxResent bounds what one tick sends again; the rest follow at once.
	maxResent = 64
	// maxGone bounds the drivers of whom is known where they went. Beyond it the one who
	// went first is forgotten: he is then a stranger here, and nothing but the area he
	// is in keeps him from beginning a second duty.
	maxGone = 50_000
)

// outflow is the transfers to one other area.
type outflow struct {
	To   geo.AreaID `json:"to"`
	Last TransferID `json:"last"` // the highest number that was used
	// Open are the transfers from the first that is not settled on, oldest first.
	Open []*transfer `json:"open,omitempty"`
}

// transfer is one driver on his way.
type transfer struct {
	DriverReleased
	Settled bool `json:"settled,omitempty"`

	fix  Fix     // soft: where he was; At 0: not known
	sent Instant // soft: when he was last handed over; 0: not by this writer
}

// next is the number of a transfer that begins now.
func (o *outflow) next(now Instant) TransferID { return max(o.Last+1, TransferID(now)) }

// done is the number up to which every transfer is settled.
func (o *outflow) done() TransferID {
	if len(o.Open) == 0 {
		return o.Last
	}
	return o.Open[0].Transfer - 1
}

// find returns the transfer of a number if it is not settled, or nil.
func (o *outflow) find(n TransferID) *transfer {
	if o == nil {
		return nil
	}
	i := slices.IndexFunc(o.Open, func(t *transfer) bool { return t.Transfer == n && !t.Settled })
	if i < 0 {
		return nil
	}
	return o.Open[i]
}

// inflow is the transfers from one other area that have been admitted here.
//
// A number is known when it is not above Done, or is among Above. The sender says
// with every transfer up to which all are settled, hence admitted, so that Above
// holds at most maxTransfers: what the sender had open when it sent the highest of them.
type inflow struct {
	From  geo.AreaID   `json:"from"`
	Done  TransferID   `json:"done"`
	Above []TransferID `json:"above,omitempty"` // ascending
}

func (i *inflow) knows(n TransferID) bool {
	return i != nil && (n <= i.Done || slices.Contains(i.Above, n))
}

// take notes that transfer n has been admitted, and all up to done before it.
func (i *inflow) take(n, done TransferID) {
	if at, known := slices.BinarySearch(i.Above, n); !known {
		i.Above = slices.Insert(i.Above, at, n)
	}
	i.Done = max(i.Done, done)
	i.Above = slices.DeleteFunc(i.Above, func(n TransferID) bool { return n <= i.Done })
}

// gone is where a driver went who was on duty here.
type gone struct {
	Driver   DriverID   `json:"driver"`
	To       geo.AreaID `json:"to"`
	Transfer TransferID `json:"transfer"`
	Seq      Seq        `json:"seq"` // of the release
	// Home is where his duty began; empty: here, or not known.
	Home geo.AreaID `json:"home,omitempty"`
	// Settled: he has been admitted there.
	Settled bool `json:"settled,omitempty"`
}

// since is when he was released.
func (g *gone) since() Instant { return Instant(g.Transfer) }

// release hands a free driver to another area, for one of its trips or because he is
// there, and says whether it could. Who is barred goes nowhere.
func (r *run) release(id DriverID, to geo.AreaID, trip TripID) bool {
	c := r.core
	o := c.outflows[to]
	if o == nil {
		o = &outflow{To: to}
	}
	if _, barred := c.shut.barred(r.now, DriverActor(id)); barred {
		return false
	}
	if len(o.Open) >= maxTransfers {
		r.happened(BorderFull)
		return false
	}
	d, f := c.drivers[id], c.fixes[id]
	r.record(DriverReleased{
		Driver: id, To: to, Transfer: o.next(r.now), Vehicle: d.Vehicle, Since: d.Since,
		Home: cmp.Or(d.Home, c.area.ID), For: trip,
	}, nil)
	o = c.outflows[to]
	t := o.Open[len(o.Open)-1]
	if f != nil {
		t.fix = f.Fix
	}
	r.handOver(o, t)
	return true
}

func (r *run) handOver(o *outflow, t *transfer) {
	t.sent = r.now
	r.post(o.To, Admit{From: r.core.area.ID, Transfer: t.Transfer, Done: o.done(), Driver: t.Driver,
		Vehicle: t.Vehicle, Since: t.Since, Home: t.Home, For: t.For, Fix: t.fix,
		Doubt: r.core.doubtOf(r.now, t.Driver), SignedOut: r.core.shut.signedOut[DriverActor(t.Driver)].UpTo})
}

// handOverAgain repeats what has not been answered for a while.
func (r *run) handOverAgain() {
	n := 0
	for _, o := range r.core.flowsOut() {
		for _, t := range o.Open {
			if n == maxResent {
				return
			}
			if !t.Settled && r.now >= t.sent.Add(resendAfter) {
				r.handOver(o, t)
				r.happened(BorderResent)
				n++
			}
		}
	}
}

// handOverAt is when the next transfer is to be repeated.
func (c *Core) handOverAt() (at Instant, ok bool) {
	for _, o := range c.outflows {
		for _, t := range o.Open {
			if due := t.sent.Add(resendAfter); !t.Settled && (!ok || due < at) {
				at, ok = due, true
			}
		}
	}
	return at, ok
}

// flowsOut returns the transfers to other areas in the order of their ids.
func (c *Core) flowsOut() []*outflow {
	return slices.SortedFunc(maps.Values(c.outflows), func(a, b *outflow) int { return cmp.Compare(a.To, b.To) })
}

// admit takes in a driver whom another area has released, once, and says so each time.
func (r *run) admit(in Admit) {
	c := r.core
	if c.inflows[in.From].knows(in.Transfer) && !fault.Mutant("no_transfer_id") {
		r.happened(BorderRepeated)
	} else {
		r.record(DriverAdmitted{Driver: in.Driver, From: in.From, Transfer: in.Transfer, Done: in.Done,
			Vehicle: in.Vehicle, Since: in.Since, Home: in.Home, For: in.For,
			Band: in.Doubt.band(), Signs: in.Doubt.Signs, DoubtSince: in.Doubt.Since, SignedOut: in.SignedOut}, nil)
		c.watching.takeOver(in.Driver, in.Doubt)
		r.happened(BorderAdmitted)
		if in.Fix.At != 0 {
			in.Fix.Driver = in.Driver
			r.place(in.Fix)
		}
		r.gotLoan(in.For)
		r.keepOut(DriverActor(in.Driver))
	}
	r.post(in.From, Settled{From: c.area.ID, Transfer: in.Transfer})
}

// settled notes that a driver has been admitted elsewhere, and sends his connections
// after him. They are not sent before: an area that does not have him yet would take
// him for somebody who is off duty, and might let him begin a second time.
func (r *run) settled(in Settled) {
	c := r.core
	t := c.outflows[in.From].find(in.Transfer)
	if t == nil {
		return
	}
	driver, forgotten := t.Driver, c.goneForgotten
	r.record(TransferSettled{To: in.From, Transfer: in.Transfer}, nil)
	for range c.goneForgotten - forgotten {
		r.happened(BorderForgotten)
	}
	r.pointTo(driver)
}

// pointTo tells the connections of a driver where he belongs, once he does.
func (r *run) pointTo(id DriverID) {
	if g := r.core.gone[id]; g != nil && g.Settled {
		r.tell(DriverActor(id), DriverElsewhere{Driver: id, Area: g.To, Since: g.since()})
	}
}

// leftBy returns the driver whom a command is about and who has gone elsewhere, or empty.
// What he reports on a trip of this area is judged here all the same: nobody else knows it.
func (c *Core) leftBy(in Input) DriverID {
	cmd, trip := commandOf(in)
	driver := cmd.By.Driver()
	if t := c.trips[trip]; c.relation(cmd.By, t) != AsStranger {
		return ""
	}
	switch in := in.(type) {
	case StartDuty:
		driver = in.Driver
	case EndDuty:
		driver = in.Driver
	}
	if c.gone[driver] == nil {
		return ""
	}
	return driver
}

// elsewhereFor is how long a driver whose connection is about to be led elsewhere
// waits before he repeats a command.
const elsewhereFor = time.Second

func refuseElsewhere() Refusal {
	return Refusal{Kind: Unavailable, Code: "elsewhere", RetryAfter: elsewhereFor,
		Say: "This driver belongs to the next county now. Repeat it in a moment: it will be taken there."}
}

// fitsTransfer says why a fact about a driver's coming or going cannot follow.
func (c *Core) fitsTransfer(body FactBody) error {
	switch b := body.(type) {
	case DriverReleased:
		d, o := c.drivers[b.Driver], c.outflows[b.To]
		switch {
		case d == nil || !d.Free():
			return fmt.Errorf("driver %s is not on duty or not free", b.Driver)
		case o != nil && b.Transfer <= o.Last:
			return fmt.Errorf("transfer %d to %s is not above %d", b.Transfer, b.To, o.Last)
		}
	case TransferSettled:
		if c.outflows[b.To].find(b.Transfer) == nil {
			return fmt.Errorf("no transfer %d to %s is under way", b.Transfer, b.To)
		}
	case DriverAdmitted:
		if c.inflows[b.From].knows(b.Transfer) && !fault.Mutant("no_transfer_id") {
			return fmt.Errorf("transfer %d from %s has been admitted", b.Transfer, b.From)
		}
	}
	return nil
}

func (c *Core) foldDriverReleased(seq Seq, b DriverReleased) {
	o := c.outflows[b.To]
	if o == nil {
		o = &outflow{To: b.To}
		c.outflows[b.To] = o
	}
	o.Last = b.Transfer
	o.Open = append(o.Open, &transfer{DriverReleased: b})
	c.gone[b.Driver] = &gone{Driver: b.Driver, To: b.To, Transfer: b.Transfer, Seq: seq, Home: b.Home}
	delete(c.drivers, b.Driver)
	delete(c.links, b.Driver)
	c.forget(b.Driver)
	c.quiet.remove(b.Driver)
}

func (c *Core) foldTransferSettled(b TransferSettled) {
	o := c.outflows[b.To]
	t := o.find(b.Transfer)
	t.Settled = true
	n := 0
	for n < len(o.Open) && o.Open[n].Settled {
		n++
	}
	o.Open = slices.Delete(o.Open, 0, n)
	if g := c.gone[t.Driver]; g != nil && g.To == b.To && g.Transfer == b.Transfer {
		g.Settled = true
		c.forgetGone()
	}
}

// forgetGone makes room by forgetting who went first, of those who have arrived.
func (c *Core) forgetGone() {
	for len(c.gone) > maxGone {
		var first *gone
		for _, g := range c.gone {
			if g.Settled && (first == nil || g.Seq < first.Seq) {
				first = g
			}
		}
		if first == nil {
			return
		}
		delete(c.gone, first.Driver)
		c.goneForgotten++
	}
}

func (c *Core) foldDriverAdmitted(at Instant, b DriverAdmitted) {
	i := c.inflows[b.From]
	if i == nil {
		i = &inflow{From: b.From}
		c.inflows[b.From] = i
	}
	i.take(b.Transfer, b.Done)
	delete(c.gone, b.Driver)
	if b.Band != "" {
		c.foldTrust(cmp.Or(b.DoubtSince, at), TrustChanged{Driver: b.Driver, Band: b.Band, Signs: b.Signs})
	}
	if who := DriverActor(b.Driver); b.SignedOut > c.shut.signedOut[who].UpTo {
		c.shut.fold(at, PartySignedOut{Party: who, UpTo: b.SignedOut})
	}
	if c.drivers[b.Driver] != nil {
		return // he has begun anew here after his area's ledger lost him: one self is enough
	}
	c.drivers[b.Driver] = &Driver{ID: b.Driver, Vehicle: b.Vehicle, Since: b.Since, Home: b.Home, Admitted: at}
	c.quiet.add(b.Driver, at)
	c.settle(b.Driver)
}
