package main

import (
	"cmp"
	"container/heap"
	"fmt"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// What everybody does alike, whatever the policy.
const (
	// reportEvery is how often a phone reports where it is while it moves; one that
	// stands reports every second time. The core forgets who is silent for 30 s.
	reportEvery = 10 * time.Second
	// overtime is how long after the last request everybody must be home: more is
	// a fault of the simulation or of the core.
	overtime = 24 * time.Hour
)

// dayBegins is a morning. It only matters to roads that are closed at night.
var dayBegins = dispatch.InstantOf(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))

// world is one day under one policy: a core, the drivers and the riders who act
// on what it tells them, and the moments that are yet to come.
type world struct {
	core     *dispatch.Core
	roads    geo.Router // as they are, not as the policy believes
	villages []village
	stop     time.Duration // that a party takes to get on or off
	day      day
	drivers  []*driver
	by       map[dispatch.DriverID]*driver
	riders   map[dispatch.TripID]*rider
	now      dispatch.Instant
	agenda   agenda
	pending  []dispatch.Input // to be applied now
	commands int              // given so far
	planned  int              // moments put on the agenda so far
	left     int              // requests that have not ended, those to come included
	result   result
}

// rider is one request and what became of it.
type rider struct {
	request
	id     dispatch.TripID
	picked bool // a driver was there
	ended  bool
}

// play lives through a day under a policy.
func play(villages []village, roads geo.Router, p policy, d day) (result, error) {
	w := &world{
		core:     dispatch.NewCore(&geo.Area{ID: "eval", Name: "eval"}, p.rules, p.router),
		roads:    roads,
		villages: villages,
		stop:     p.rules.StopTime,
		day:      d,
		by:       map[dispatch.DriverID]*driver{},
		riders:   map[dispatch.TripID]*rider{},
		now:      dayBegins,
		left:     len(d.requests),
	}
	w.result.byVillage = make([]share, len(villages))
	w.begin()
	for w.left > 0 {
		err := w.settle()
		if err == nil {
			err = w.next()
		}
		if err != nil {
			return w.result, fmt.Errorf("at %s: %w", w.now.Time().Format(time.TimeOnly), err)
		}
		if w.now.Sub(dayBegins) > workday+overtime {
			return w.result, fmt.Errorf("%d trips are still open a day after the last request", w.left)
		}
	}
	return w.result, w.close()
}

// begin puts the drivers on duty and the requests on the agenda.
func (w *world) begin() {
	for i, start := range w.day.starts {
		d := newDriver(w, i, w.villages[start].point)
		w.drivers, w.by[d.id] = append(w.drivers, d), d
		w.send(dispatch.StartDuty{Command: w.command(d.actor()), Driver: d.id, Vehicle: d.vehicle()})
		w.report(d)
		w.at(w.now.Add(w.day.phases[i]), func() error {
			w.keepReporting(d, true)
			return nil
		})
	}
	for i, r := range w.day.requests {
		w.at(dayBegins.Add(r.at), func() error {
			w.ask(i, r)
			return nil
		})
	}
}

// ask sends a request.
func (w *world) ask(i int, r request) {
	who := dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprintf("p%d", i)}
	from, to := w.villages[r.from], w.villages[r.to]
	one := &rider{request: r, id: dispatch.TripID(fmt.Sprintf("t%04d", i))}
	w.riders[one.id] = one
	w.result.byVillage[r.from].of++
	w.send(dispatch.Request{Command: w.command(who), Trip: one.id, Order: dispatch.Order{
		Channel:      dispatch.ChannelApp,
		Product:      dispatch.ProductSolo,
		Load:         dispatch.Load{Seats: 1},
		Pickup:       dispatch.Place{Name: from.name, Point: from.point},
		Dropoff:      dispatch.Place{Name: to.name, Point: to.point},
		PickupWindow: dispatch.Window{From: w.now, To: w.now.Add(patience)},
	}})
}

// settle applies what is pending, and what that brings about, until all have said
// what they have to say at this moment.
func (w *world) settle() error {
	for len(w.pending) > 0 {
		in := w.pending[0]
		w.pending = w.pending[1:]
		begin := time.Now()
		out := w.core.Apply(w.now, in)
		w.result.timed(out, time.Since(begin))
		for _, f := range out.Facts {
			w.happened(f)
		}
		for _, n := range out.Notices {
			if err := w.told(in, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// next goes on to the next moment at which anybody has something to do. The
// core's deadlines come first among things at the same moment.
func (w *world) next() error {
	due, waits := w.core.NextDeadline()
	if waits && (len(w.agenda) == 0 || due <= w.agenda[0].at) {
		w.now = max(w.now, due)
		w.send(dispatch.Tick{})
		return nil
	}
	entry := heap.Pop(&w.agenda).(moment) // phones report for as long as there are trips
	w.now = entry.at
	return entry.do()
}

// happened keeps count of a fact.
func (w *world) happened(f dispatch.Fact) {
	switch b := f.Body.(type) {
	case dispatch.DriverArrived:
		if r := w.riders[b.Trip]; !r.picked {
			r.picked = true
			w.result.pickedUp(r.from, f.At.Sub(dayBegins)-r.at)
		}
	case dispatch.TripCompleted:
		w.result.completed++
		w.end(b.Trip)
	case dispatch.TripUnserved:
		w.result.unserved++
		w.end(b.Trip)
	case dispatch.TripReleased:
		w.result.released++
	}
}

func (w *world) end(id dispatch.TripID) {
	w.riders[id].ended = true
	w.left--
}

// told lets a driver act on what he is told. Riders only wait.
func (w *world) told(in dispatch.Input, n dispatch.Notice) error {
	d := w.by[n.To.Driver()]
	switch b := n.Body.(type) {
	case dispatch.Refused:
		if _, late := in.(dispatch.Accept); !late {
			return fmt.Errorf("%T of %s is refused: %s", in, n.To, b.Refusal.Code)
		}
	case dispatch.OfferTold:
		w.answer(d, b.Offer)
	case dispatch.TripTold:
		if d != nil {
			return w.learn(d, b.Trip)
		}
	}
	return nil
}

// close checks that every request has ended one way or the other, once.
func (w *world) close() error {
	for _, r := range w.riders {
		if !r.ended {
			return fmt.Errorf("trip %s has not ended", r.id)
		}
	}
	w.result.requests = len(w.day.requests)
	if r := w.result; len(w.riders) != r.requests || r.completed+r.unserved != r.requests {
		return fmt.Errorf("%d completed and %d unserved trips of %d requests", r.completed, r.unserved, r.requests)
	}
	return nil
}

func (w *world) send(in dispatch.Input) { w.pending = append(w.pending, in) }

func (w *world) command(by dispatch.Actor) dispatch.Command {
	w.commands++
	return dispatch.Command{By: by, ID: dispatch.CommandID(fmt.Sprintf("c%d", w.commands))}
}

// at puts something on the agenda.
func (w *world) at(when dispatch.Instant, do func() error) {
	w.planned++
	heap.Push(&w.agenda, moment{at: when, order: w.planned, do: do})
}

// moment is when somebody does something.
type moment struct {
	at    dispatch.Instant
	order int // of those at the same time
	do    func() error
}

// agenda is what is to come, a heap by time and then first come first; it
// implements [heap.Interface].
type agenda []moment

// Len implements [heap.Interface].
func (a agenda) Len() int { return len(a) }

// Less implements [heap.Interface].
func (a agenda) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), cmp.Compare(a[i].order, a[j].order)) < 0
}

// Swap implements [heap.Interface].
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements [heap.Interface].
func (a *agenda) Push(x any) { *a = append(*a, x.(moment)) }

// Pop implements [heap.Interface].
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
