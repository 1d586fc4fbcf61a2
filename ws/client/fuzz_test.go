package client

import (
	"context"
	"fmt"
	"testing"
	"time"

	"cuntong/ws/wire"
)

func noToken(context.Context) (Token, error) { return Token{Text: "x"}, nil }

// FuzzMind lets a server say anything in any order, and an app ask for anything in
// between; [mind.check] is asked after every step.
func FuzzMind(f *testing.F) {
	f.Add([]byte("\x00\x10\x20\x31\x42\x53\x64\x75\x86\x97\xa8\xb9\xca\xdb\xec\xfd"), false)
	f.Add([]byte("hello, welcome, truth and trips, offers; and down it goes again"), true)
	f.Fuzz(func(t *testing.T, script []byte, rider bool) {
		role := wire.RoleDriver
		if rider {
			role = wire.RoleAgent
		}
		l := newLife(t, role)
		d := dice(script)
		for range 400 {
			if len(d) < 2 {
				break
			}
			l.anything(&d)
			l.settled()
			l.pump()
		}
		if saved, err := l.saved(); err != nil {
			t.Fatal(err)
		} else if err := newLife(t, role).restore(l.now, saved); err != nil {
			t.Fatal(err)
		}
	})
}

// dice are the bytes of a script, thrown one after the other; zero when they are used up.
type dice []byte

func (d *dice) throw(sides int) int {
	if len(*d) == 0 {
		return 0
	}
	n := int((*d)[0]) % sides
	*d = (*d)[1:]
	return n
}

func (d *dice) of(words ...string) string { return words[d.throw(len(words))] }

// anything is one step of a life.
func (l *life) anything(d *dice) {
	switch d.throw(9) {
	case 0:
		l.down(l.now)
		l.greet(l.now, l.wall(), "", "", "")
	case 1:
		l.frame(wire.Welcome{HeartbeatS: d.throw(100) - 1, MaxFrameBytes: d.throw(3) * 300})
		l.frame(d.truth())
	case 2:
		l.now = l.now.Add(time.Duration(d.throw(256)) * time.Duration(d.throw(256)) * 10 * time.Millisecond)
	case 3:
		l.down(l.now)
	case 4:
		l.position(wire.Position{Lat: float64(d.throw(90)), Lon: 108, Datum: d.of("wgs84", "gcj02"), At: l.wall() - int64(d.throw(200))*1000})
	case 5, 6:
		l.asks(d)
	default:
		body, re := d.frame(l)
		l.told(l.now, wire.ServerFrame{Body: body, Re: re})
	}
}

func (l *life) asks(d *dice) {
	trip := d.of("a", "b", "c")
	t, body := wire.TypeArrive, any(wire.Arrive{Trip: trip})
	switch d.throw(8) {
	case 0:
		t, body = wire.TypeStart, wire.Start{Trip: trip}
	case 1:
		t, body = wire.TypeComplete, wire.Complete{Trip: trip}
	case 2:
		t, body = wire.TypeRequest, wire.Request{Trip: trip, Pickup: wire.Place{Village: "x"}, Dropoff: wire.Place{Village: "y"}, Seats: 1}
	case 3:
		t, body = wire.TypeCancel, wire.Cancel{Trip: trip, Why: "other"}
	case 4:
		t, body = wire.TypeAccept, wire.Accept{Trip: trip, Offer: d.of("a/1", "b/1")}
	case 5:
		t, body = wire.TypeRenew, wire.Renew{Token: "x"}
	case 6:
		t, body = wire.TypePaid, wire.Paid{Trip: trip, Fen: 1}
	}
	_, _ = l.ask(l.now, l.wall(), t, body, d.throw(2) == 0) // full is an answer
}

func (d *dice) trip() wire.Trip {
	id := d.of("a", "b", "c", "", fmt.Sprint("t", d.throw(256), d.throw(8)))
	state := d.of("requested", "offered", "parked", "assigned", "arrived", "riding", "completed", "cancelled", "unserved", "made up")
	t := wire.Trip{Trip: id, Version: int64(d.throw(12)) - 1, State: state, Receipt: d.of("", "r1", "r2"), RequestedAt: int64(d.throw(3))}
	if d.throw(2) == 0 {
		t.Pickup, t.Seats = wire.PlaceOut{Lat: 26}, 1
	}
	return t
}

func (d *dice) truth() wire.Truth {
	t := wire.Truth{At: int64(d.throw(100))}
	for range d.throw(4) {
		t.Trips = append(t.Trips, d.trip())
	}
	for range d.throw(3) {
		t.Same = append(t.Same, d.of("a", "b", "c", ""))
	}
	if d.throw(2) == 0 {
		t.Offer = d.offer()
	}
	return t
}

func (d *dice) offer() *wire.Offer {
	return &wire.Offer{Offer: d.of("a/1", "b/1", ""), Trip: d.of("a", "b"), Version: int64(d.throw(9)), WaitS: float64(d.throw(40)) - 5, ConfirmS: float64(d.throw(3))}
}

func (d *dice) frame(l *life) (body any, re string) {
	re = d.of("", "c-1", "c-2", "nobody")
	if n := len(l.calls); n > 0 && d.throw(2) == 0 {
		re = l.calls[d.throw(n)].ID
	} else if n := len(l.tracks); n > 0 {
		re = l.tracks[0].ID
	}
	switch d.throw(13) {
	case 0:
		return d.truth(), ""
	case 1:
		return d.trip(), ""
	case 2, 3:
		return wire.Done{Trip: d.of("a", "b", ""), Version: int64(d.throw(9)), State: d.of("requested", "assigned", "riding", "completed")}, re
	case 4, 5:
		return wire.Refused{
			Kind: d.of("invalid", "unavailable", "limited", "lapsed", "new"), Code: d.of("unknown_field", "trip_unknown", "busy"),
			Field: d.of("", "b.at", "b.known[3].trip", "b.lean"), RetryAfterMS: int64(d.throw(200))*100 - 300, Trip: d.of("a", "b"),
		}, re
	case 6:
		return *d.offer(), ""
	case 7:
		return wire.OfferGone{Offer: d.of("a/1", "b/1")}, ""
	case 8:
		return wire.Heartbeat{EveryS: d.throw(20) - 2, SilentS: d.throw(70) - 2}, ""
	case 9:
		return wire.DutyState{On: d.throw(2) == 0}, ""
	case 10:
		return wire.Queue{Trip: d.of("a", "b"), Place: 1}, ""
	case 11:
		return wire.DriverAt{Trip: d.of("a", "b"), ETA: 5}, ""
	}
	return wire.Drain{ComeBackAfterMS: int64(d.throw(256)) * int64(d.throw(256)) * 1000}, ""
}
