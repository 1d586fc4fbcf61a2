package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cuntong/geo"
)

// phone is a driver or a passenger with a line that breaks. It repeats a command under
// its id until it is answered, and says hello when it is back.
type phone struct {
	fleet *fleet
	who   Actor
	area  *fleetArea
	node  *fleetNode // nil: not connected
	back  int64      // when it connects again

	trips   map[TripID]*known // those that are open as far as it knows
	offer   *OfferView
	offerAt int64
	onDuty  bool
	waiting Input // the command that is not answered
	sent    int64
	count   int
	fixed   int64 // when it last told where it is
	greeted int64
}

// known is what a phone knows of a trip.
type known struct {
	view TripView
	at   int64 // when it was told
}

// seen is what a phone knew when it said hello.
type seen []seenTrip

type seenTrip struct {
	trip    TripID
	version Version
}

// lost breaks the line.
func (p *phone) lost() {
	if p.node != nil {
		p.node = nil
		p.back = p.fleet.now + int64(p.fleet.between(300*time.Millisecond, 4*time.Second))
	}
}

// send brings an input to a server, and from there to whoever writes the area.
func (p *phone) send(in Input, knows seen) {
	f, n, run := p.fleet, p.node, 0
	if n == nil {
		return
	}
	run = n.run
	arrive := func() {
		if !n.dead && n.run == run {
			f.arrive(n, p.area, in, knows)
		}
	}
	if !f.trouble {
		f.after(f.between(5*time.Millisecond, 60*time.Millisecond), arrive)
		return
	}
	switch roll := f.rng.IntN(100); {
	case roll < 2:
		p.lost()
		return
	case roll < 4: // late, after whatever is repeated meanwhile
		f.late++
		f.after(f.upTo(20*time.Second), arrive)
		return
	case roll < 8:
		f.doubled++
		f.after(f.upTo(5*time.Second), arrive)
	}
	f.after(f.between(5*time.Millisecond, 60*time.Millisecond), arrive)
}

// arrive is an input at a server.
func (f *fleet) arrive(n *fleetNode, a *fleetArea, in Input, knows seen) {
	if n.pausedUntil > f.now {
		f.after(time.Duration(n.pausedUntil-f.now), func() {
			if !n.dead {
				f.arrive(n, a, in, knows)
			}
		})
		return
	}
	l := n.lives[a.geo.ID]
	if moved, ok := in.(Moved); ok {
		if l = f.writer(a); l != nil && l.serving {
			moved.Fix.Received = InstantOf(l.host.clock())
			l.engine.Slot().Put(moved.Fix)
		}
		return
	}
	if l != nil && l.serving && f.rng.IntN(4) > 0 {
		if l.engine.Submit(in) == nil {
			l.expectTruth(in, knows)
			if l.task.asleep {
				l.task.poke()
			}
			return
		}
	}
	f.put(a, in, knows)
}

// live lets a phone act every few seconds, for as long as the fleet lives.
func (p *phone) live() {
	p.act()
	p.fleet.after(p.fleet.between(1500*time.Millisecond, 4*time.Second), p.live)
}

func (p *phone) act() {
	f := p.fleet
	if p.node == nil || p.node.dead {
		if f.now < p.back {
			return
		}
		n := f.nodes[f.rng.IntN(len(f.nodes))]
		if n.dead || n.pausedUntil > f.now {
			return
		}
		p.node = n
		p.hello()
	}
	if p.who.Role == RoleDriver && f.now-p.fixed > int64(8*time.Second) {
		p.fixed = f.now
		at := InstantOf(time.Unix(0, f.now))
		p.send(Moved{Fix: Fix{Driver: p.who.Driver(), Point: p.drives(), At: at, Received: at}}, nil)
	}
	switch {
	case p.waiting != nil && f.now-p.sent > int64(4*time.Second):
		p.sent = f.now
		p.send(p.waiting, nil)
	case p.waiting != nil:
	case f.now-p.greeted > int64(time.Minute):
		p.hello()
	default:
		p.decide()
	}
}

func (a *fleetArea) somewhere(f *fleet) geo.Point {
	return geo.Point{Lat: a.corner.Lat + f.rng.Float64()*areaSide, Lon: a.corner.Lon + f.rng.Float64()*areaSide}
}

// drives is where a driver is next: now and then in another area.
func (p *phone) drives() geo.Point {
	if p.fleet.rng.IntN(12) == 0 {
		return p.fleet.areas[p.fleet.rng.IntN(len(p.fleet.areas))].somewhere(p.fleet)
	}
	return p.area.somewhere(p.fleet)
}

// open returns the trips that a phone knows, in order.
func (p *phone) open() []TripID { return slices.Sorted(maps.Keys(p.trips)) }

func (p *phone) hello() {
	p.greeted = p.fleet.now
	var knows seen
	for _, id := range p.open() {
		k := p.trips[id]
		knows = append(knows, seenTrip{id, k.view.Version})
	}
	p.send(Hello{By: p.who}, knows)
}

func (p *phone) command() Command {
	p.count++
	return Command{By: p.who, ID: CommandID(fmt.Sprintf("%s-%d", p.who.ID, p.count))}
}

func (p *phone) ask(in Input) {
	p.waiting, p.sent = in, p.fleet.now
	p.send(in, nil)
}

// decide does what somebody in this place would.
func (p *phone) decide() {
	f := p.fleet
	if p.who.Role == RoleDriver {
		p.drive()
		return
	}
	for _, id := range p.open() {
		if p.trips[id].view.State.Open() {
			if f.rng.IntN(60) == 0 {
				p.ask(Cancel{Command: p.command(), Trip: id, Why: ReasonChanged})
			}
			return
		}
	}
	if f.asked < f.wanted && f.rng.IntN(3) == 0 {
		f.asked++
		order := Order{Booker: p.who, Channel: ChannelApp, Product: ProductSolo, Load: Load{Seats: 1 + f.rng.IntN(3)},
			Pickup: Place{Point: p.area.somewhere(f)}, Dropoff: Place{Point: p.area.somewhere(f)}}
		trip := TripID(fmt.Sprintf("t%d", f.asked))
		f.askedIn[trip] = p.area
		p.ask(Request{Command: p.command(), Trip: trip, Order: order})
	}
}

func (p *phone) drive() {
	f := p.fleet
	if !p.onDuty {
		p.ask(StartDuty{Command: p.command(), Driver: p.who.Driver(), Vehicle: Vehicle{Class: geo.Minivan, Load: Load{Seats: 4}}})
		return
	}
	if o := p.offer; o != nil {
		switch roll := f.rng.IntN(20); {
		case roll < 12:
			p.ask(Accept{Command: p.command(), Trip: o.Trip, Offer: o.ID})
		case roll == 12:
			p.ask(Decline{Command: p.command(), Trip: o.Trip, Offer: o.ID})
		}
		return
	}
	for _, id := range p.open() {
		k := p.trips[id]
		if !k.view.State.HasDriver() || k.view.Driver != p.who.Driver() {
			continue
		}
		switch roll := f.rng.IntN(60); {
		case roll == 0:
			p.ask(Release{Command: p.command(), Trip: id, Why: ReasonBreakdown})
		case roll == 1:
			p.ask(Cancel{Command: p.command(), Trip: id, Why: ReasonNoShow})
		case roll < 30:
			p.ask(nextReport(p.command(), k.view))
		}
		return
	}
	if f.rng.IntN(400) == 0 && f.asked < f.wanted {
		p.ask(EndDuty{Command: p.command(), Driver: p.who.Driver()})
	}
}

// hear is a notice that arrives.
func (p *phone) hear(at int64, body NoticeBody) {
	if p.node == nil || p.node.dead {
		return
	}
	switch b := body.(type) {
	case Done:
		if p.answered(b.ID) && b.Trip != "" {
			if o := p.offer; o != nil && o.Trip == b.Trip {
				p.offer = nil
			}
		}
	case Refused:
		if p.answered(b.ID) {
			p.offer = nil
			p.hello()
		}
	case TripTold:
		p.learn(at, b.Trip)
	case OfferTold:
		p.offer, p.offerAt = &b.Offer, at
		p.confirm()
	case OfferGone:
		if p.offer != nil && p.offer.ID == b.Offer {
			p.offer = nil
		}
	case DutyTold:
		p.onDuty = b.On
	case Truth:
		p.truth(at, b)
	case DriverElsewhere:
		for _, a := range p.fleet.areas {
			if a.geo.ID == b.Area && a != p.area {
				p.area, p.waiting = a, nil
				p.hello()
			}
		}
	}
}

// confirm says that the phone has the offer it was told of.
func (p *phone) confirm() {
	if o := p.offer; o != nil && o.Confirm != 0 {
		p.send(OfferSeen{Driver: p.who.Driver(), Trip: o.Trip, Offer: o.ID, RTT: p.fleet.upTo(2 * time.Second)}, nil)
	}
}

func (p *phone) answered(id CommandID) bool {
	if cmd, _ := commandOf(p.waiting); p.waiting == nil || cmd.ID != id {
		return false
	}
	p.waiting = nil
	return true
}

func (p *phone) learn(at int64, v TripView) {
	if k := p.trips[v.ID]; k != nil && k.view.Version > v.Version {
		return
	}
	if p.offer != nil && p.offer.Trip == v.ID && v.State != Offered {
		p.offer = nil
	}
	mine := p.who.Role != RoleDriver || v.State.HasDriver() && v.Driver == p.who.Driver()
	if !v.State.Open() || !mine {
		delete(p.trips, v.ID)
		return
	}
	p.trips[v.ID] = &known{v, at}
}

func (p *phone) truth(at int64, b Truth) {
	if p.who.Role == RoleDriver {
		p.onDuty = b.Duty != nil
		p.offer = b.Offer
		p.confirm()
	}
	for id, k := range p.trips {
		if k.at < at {
			delete(p.trips, id)
		}
	}
	for _, v := range b.Trips {
		p.learn(at, v)
	}
}
