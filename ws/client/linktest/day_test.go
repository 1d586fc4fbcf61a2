package linktest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"cuntong/bubble"
	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/client"
	"cuntong/ws/memlink"
	"cuntong/ws/wire"
)

// end is how a trip ended, as its passenger saw it last.
type end struct {
	state, driver               string
	arrived, started, completed int64
	fen, metres                 int64
}

const (
	pairs     = 3
	tripsADay = 3
	everyTrip = 2 * time.Hour
)

// TestADay lives through a working day twice, in virtual time, through client, hub and
// engine: once with a signal everywhere, and once with dark stretches of up to 45 minutes
// on both sides, which begin in the middle of trips. Both days end alike.
func TestADay(t *testing.T) {
	seeds := []uint64{1}
	if os.Getenv("LINKS") == "long" {
		for s := range uint64(19) {
			seeds = append(seeds, s+2)
		}
	}
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{n}
	}
	var lit map[string]end
	bubble.Test(t, func(t *testing.T) { lit, _ = day(t, nil) })
	for _, seed := range seeds {
		t.Run(fmt.Sprint("SEED=", seed), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				got, nights := day(t, rand.New(rand.NewPCG(seed, 7)))
				for trip, want := range lit {
					if !alike(got[trip], want) {
						t.Errorf("%s ended as %+v\nwith a signal   as %+v", trip, got[trip], want)
					}
				}
				if len(lit) != pairs*tripsADay || nights == 0 {
					t.Errorf("%d trips, %d dark stretches", len(lit), nights)
				}
			})
		})
	}
}

// alike compares two ends. A phone says when it did something, and the server when it
// heard of it, which is a moment later.
func alike(a, b end) bool {
	near := func(x, y, off int64) bool { return x-y <= off && y-x <= off }
	return a.state == wire.StateCompleted && a.state == b.state && a.driver == b.driver && a.fen == b.fen &&
		near(a.arrived, b.arrived, 1000) && near(a.started, b.started, 1000) && near(a.completed, b.completed, 1000) &&
		b.metres > 0 && near(a.metres, b.metres, b.metres/50)
}

// day is a working day; without dice there is a signal everywhere.
func day(t *testing.T, dice *rand.Rand) (ends map[string]end, nights int) {
	lines := memlink.New(nil, nil)
	w := newWorld(t, lines, lines.Dial, dispatch.DefaultRules())
	told := map[string]end{}
	var mu sync.Mutex
	var working sync.WaitGroup
	for i := range pairs {
		dv, pv := &valley{lines: lines}, &valley{lines: lines}
		dc, pc := w.config(driver(i), uint64(2*i)), w.config(passenger(i), uint64(2*i+1))
		dc.Dial, pc.Dial = dv.dial, pv.dial
		d := meet(t, driver(i), dc, nil)
		p := meet(t, passenger(i), pc, func(p *person, e client.Event) {
			mu.Lock()
			defer mu.Unlock()
			for _, trip := range tripsIn(e.Body) {
				if trip.State == wire.StateCompleted {
					told[trip.Trip] = end{trip.State, "", trip.ArrivedAt, trip.StartedAt, trip.Since, trip.PaidFen, trip.DrivenM}
				}
			}
		})
		home := geo.Point{Lat: 26.2 + float64(i)*0.4, Lon: 108.04}
		plan := nightsOf(dice)
		nights += len(plan)
		working.Go(func() { works(t, d, home, plan, dv, pv) })
		working.Go(func() { books(p, home) })
	}
	working.Wait()
	ends = w.ends()
	for trip, saw := range told { // who was dark when it ended finds it gone from his truth
		if saw.driver = ends[trip].driver; !alike(saw, ends[trip]) {
			t.Errorf("%s was told as %+v\nand ended as %+v", trip, saw, ends[trip])
		}
	}
	return ends, nights
}

// ends is what the journal says of each trip.
func (w *world) ends() map[string]end {
	ends := map[string]end{}
	for _, f := range w.ledger.all() {
		id, state := dispatch.TripOf(f.Body)
		e := ends[string(id)]
		done := func(d dispatch.Deed) int64 { return int64(cmp.Or(d.DoneAt, f.At)) }
		switch b := f.Body.(type) {
		case dispatch.OfferMade:
			e.driver = string(b.Driver)
		case dispatch.DriverArrived:
			e.arrived = done(b.Deed)
		case dispatch.RideStarted:
			e.started = done(b.Deed)
		case dispatch.TripCompleted:
			e.state, e.completed, e.metres = string(state), done(b.Deed), b.DrivenM
		case dispatch.TripMeasured:
			e.metres = b.DrivenM
		case dispatch.TripPaid:
			e.fen = b.Fen
		}
		if id != "" {
			ends[string(id)] = e
		}
	}
	return ends
}

func tripsIn(body any) []wire.Trip {
	switch b := body.(type) {
	case wire.Trip:
		return []wire.Trip{b}
	case wire.Truth:
		return b.Trips
	}
	return nil
}

// night is a dark stretch, from the beginning of the day.
type night struct {
	from, until                 time.Duration
	driver, passenger, silently bool
}

// nightsOf draws one stretch for each trip, which begins when the driver has accepted.
func nightsOf(dice *rand.Rand) (list []night) {
	for n := range tripsADay {
		if dice == nil {
			return nil
		}
		from := time.Duration(n)*everyTrip + 2*time.Minute + time.Duration(dice.Int64N(int64(25*time.Minute)))
		list = append(list, night{from, from + time.Duration(dice.Int64N(int64(45*time.Minute))), dice.IntN(4) > 0, dice.IntN(2) > 0, dice.IntN(2) > 0})
	}
	return list
}

// works is a driver's day, second by second.
func works(t *testing.T, d *person, home geo.Point, nights []night, dv, pv *valley) {
	d.do(wire.TypeDuty, wire.Duty{On: true})
	for second := range int(tripsADay * everyTrip / time.Second) {
		now := time.Duration(second) * time.Second
		for _, n := range nights {
			if now == n.from.Truncate(time.Second) {
				if n.driver {
					dv.night(n.silently)
				}
				if n.passenger {
					pv.night(n.silently)
				}
			}
			if now == n.until.Truncate(time.Second) {
				dv.day()
				pv.day()
			}
		}
		into := (now % everyTrip)
		id := fmt.Sprintf("p%s-%d", d.who.ID[1:], now/everyTrip)
		switch into {
		case time.Minute:
			if o := d.Picture().Offer; o != nil {
				d.do(wire.TypeAccept, wire.Accept{Trip: o.Trip, Offer: o.Offer})
			} else {
				t.Errorf("%s was not offered %s", d.who, id)
			}
		case 10 * time.Minute:
			d.do(wire.TypeArrive, wire.Arrive{Trip: id})
		case 13 * time.Minute:
			d.do(wire.TypeStart, wire.Start{Trip: id})
		case 33 * time.Minute:
			d.do(wire.TypeComplete, wire.Complete{Trip: id})
		case 34 * time.Minute:
			d.do(wire.TypePaid, wire.Paid{Trip: id, Fen: int64(1000 + now/everyTrip)})
		}
		if second%10 == 0 {
			where := home
			if ride := into - 13*time.Minute; ride > 0 && ride < 20*time.Minute {
				where.Lat += ride.Minutes() / 20 * 0.1
			} else if ride >= 20*time.Minute && into < 50*time.Minute {
				where.Lat += 0.1
			}
			d.Position(at(where))
		}
		pause(time.Second)
	}
	until(t, 10*time.Minute, "everything to be told", d.Idle)
	for _, no := range d.refusals() {
		t.Errorf("%s of %s was refused: %+v", no.Type, d.who, no.Refused)
	}
}

// books is a passenger's day: a trip every two hours.
func books(p *person, home geo.Point) {
	for n := range tripsADay {
		pause(50 * time.Second)
		p.do(wire.TypeRequest, wire.Request{Trip: fmt.Sprintf("%s-%d", p.who.ID, n), Pickup: place(home), Dropoff: place(geo.Point{Lat: home.Lat + 0.1, Lon: home.Lon}), Seats: 1})
		pause(everyTrip - 50*time.Second)
	}
}
