package phone

import (
	"time"

	"cuntong/chaos/history"
	"cuntong/ws/wire"
)

// driver accepts nearly everything, and drives in tens of milliseconds.
type driver struct {
	phone
	home Point

	at     Point     // where he is
	goHome time.Time // when he drives back home; zero: he is there, or has a trip
	onDuty bool
	asked  bool // duty has been asked for on this connection
	offer  *wire.Offer
	until  time.Time // of the offer
	ignore string    // an offer that he lets lapse
	trip   string    // that he is bound to
	state  string
	vers   int64
	next   time.Time // of the next stage
	sentAt time.Time // of the last position
	doubts int       // how often in a row the server would not have what he reports
	looked bool      // the first truth of this connection has been written down
}

func (d *driver) connected() { d.asked, d.looked, d.offer, d.sentAt = false, false, nil, time.Time{} }

func (d *driver) truth(t wire.Truth) {
	d.onDuty, d.offer = t.Duty != nil && t.Duty.On, nil
	d.trip, d.state, d.vers = "", "", 0
	for _, trip := range t.Trips {
		if bound(trip.State) {
			d.hold(trip.Trip, trip.Version, trip.State)
			d.follow(trip)
		}
	}
	if t.Offer != nil {
		d.consider(*t.Offer)
	}
	if !d.looked {
		d.looked = true
		d.cfg.Log.Look(history.Look{Client: d.id, Server: d.server, Invoke: d.helloAt, Trip: d.trip, State: d.state, Duty: d.onDuty})
		d.anew()
	}
}

func bound(state string) bool {
	return state == wire.StateAssigned || state == wire.StateArrived || state == wire.StateRiding
}

// homeAfter is how long a driver without a trip stays where it ended, on average.
const homeAfter = 3 * time.Second

// follow puts him where his trip is: at the pickup until the ride, then at its end.
func (d *driver) follow(t wire.Trip) {
	place := t.Pickup
	if t.State == wire.StateRiding {
		place = t.Dropoff
	}
	d.at, d.goHome = Point{place.Lat, place.Lon}, time.Now().Add(d.jitter(homeAfter))
}

// hold notes where his trip stands.
func (d *driver) hold(trip string, version int64, state string) {
	if trip == d.trip && version <= d.vers {
		return
	}
	if !bound(state) {
		if trip == d.trip {
			d.trip, d.state, d.vers = "", "", 0
		}
		return
	}
	d.trip, d.state, d.vers = trip, state, version
	d.next = time.Now().Add(d.jitter(d.cfg.Step))
}

func (d *driver) consider(o wire.Offer) {
	d.offer = &o
	d.until = time.Now().Add(time.Duration(o.WaitS * float64(time.Second)))
	d.next = time.Now().Add(d.jitter(d.cfg.Step))
	if d.rng.IntN(60) == 0 {
		d.ignore = o.Offer
	}
}

func (d *driver) frame(body any) {
	switch b := body.(type) {
	case wire.Offer:
		d.consider(b)
	case wire.OfferGone:
		if d.offer != nil && d.offer.Offer == b.Offer {
			d.offer = nil
		}
	case wire.Trip:
		mine := b.Driver != nil && b.Driver.ID == d.id
		if mine || b.Trip == d.trip {
			state := b.State
			if !mine {
				state = "" // it is somebody else's now, or over
			} else {
				d.follow(b)
			}
			d.hold(b.Trip, b.Version, state)
		}
	case wire.DutyState:
		d.onDuty = b.On
		d.asked = d.asked && b.On
	}
}

func (d *driver) answered(op *history.Op) {
	d.next = time.Now().Add(d.jitter(d.cfg.Step))
	switch {
	case op.Kind == "duty":
		d.onDuty = op.Outcome == history.OK
		d.asked = d.onDuty
	case op.Kind == "accept" || op.Kind == "decline":
		if d.offer != nil && d.offer.Offer == op.Offer {
			d.offer = nil
		}
		switch {
		case op.Outcome != history.OK || op.Kind != "accept":
		case op.Sends == 1:
			d.hold(op.Trip, op.Version, op.State)
		default:
			// It may have taken effect long ago, and somebody may have taken the trip from
			// him since: what is so now only a truth says.
			d.hangUp = true
		}
	case op.Outcome == history.OK && op.Trip == d.trip:
		d.doubts = 0
		d.hold(op.Trip, op.Version, op.State)
	case op.Outcome == history.Refused && op.Trip == d.trip:
		// He and the server see the trip differently: its frame is on the way. If it was
		// lost, only a new truth helps.
		d.next = time.Now().Add(500 * time.Millisecond)
		if d.doubts++; d.doubts > 1 {
			d.doubts, d.hangUp = 0, true
		}
	}
}

func (d *driver) busy() bool { return d.trip != "" || d.waits() }

// act gives one command at a time.
func (d *driver) act(now time.Time) time.Time {
	if !d.ready {
		return now.Add(time.Second)
	}
	if now.Sub(d.sentAt) >= positionEvery {
		d.position(now)
	}
	due := d.sentAt.Add(positionEvery)
	switch {
	case d.waits():
		return due
	case !d.onDuty && !d.asked:
		d.asked = true
		d.give(wire.TypeDuty, wire.Duty{On: true}, "", "")
	case d.offer != nil && now.After(d.until):
		d.offer = nil
	case d.trip == "" && d.offer == nil:
		return due
	case now.Before(d.next):
		return earlier(due, d.next)
	case d.trip != "":
		d.drive()
	case d.offer.Offer != d.ignore:
		d.reply(*d.offer)
	}
	return due
}

// reply accepts nearly always.
func (d *driver) reply(o wire.Offer) {
	if d.rng.IntN(30) == 0 {
		d.give(wire.TypeDecline, wire.Decline{Trip: o.Trip, Offer: o.Offer}, o.Trip, o.Offer)
		return
	}
	d.give(wire.TypeAccept, wire.Accept{Trip: o.Trip, Offer: o.Offer}, o.Trip, o.Offer)
}

// drive takes the trip one stage further; now and then he gives it back.
func (d *driver) drive() {
	switch {
	case d.state != wire.StateRiding && d.rng.IntN(60) == 0:
		d.give(wire.TypeRelease, wire.Release{Trip: d.trip, Why: wire.WhyBreakdown}, d.trip, "")
	case d.state == wire.StateAssigned:
		d.give(wire.TypeArrive, wire.Arrive{Trip: d.trip}, d.trip, "")
	case d.state == wire.StateArrived:
		d.give(wire.TypeStart, wire.Start{Trip: d.trip}, d.trip, "")
	case d.state == wire.StateRiding:
		d.give(wire.TypeComplete, wire.Complete{Trip: d.trip}, d.trip, "")
	}
}

// position says where he is, by a clock that may be wrong.
func (d *driver) position(now time.Time) {
	d.sentAt = now
	if d.trip == "" && !d.goHome.IsZero() && now.After(d.goHome) {
		d.at, d.goHome = d.home, time.Time{}
	}
	frame, err := wire.EncodeClient(wire.TypePosition, "", wire.Position{
		Lat: d.at.Lat + (d.rng.Float64()-0.5)*1e-4, Lon: d.at.Lon + (d.rng.Float64()-0.5)*1e-4,
		Datum: wire.DatumWGS84, At: now.Add(d.skew).UnixMilli(),
	})
	if err == nil {
		_ = d.write(frame) // the next one comes in a moment
	}
}
