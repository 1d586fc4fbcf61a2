package main

import (
	"fmt"
	"slices"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// driver accepts what he is offered if he can be there while the party waits, drives
// there by the roads, and on to where the party wants to go. Between trips he stands where the last one ended.
type driver struct {
	id    dispatch.DriverID
	world *world
	jobs  []job // accepted, in this order; the first is at hand
	phase phase
	// drive is where he is going; drive.to is where he stands otherwise.
	drive drive
	// turn counts what he set about; a moment planned in an earlier turn is void.
	turn int
}

// job is a trip he has accepted.
type job struct {
	trip            dispatch.TripID
	pickup, dropoff geo.Point
}

// phase is what a driver is doing.
type phase int

const (
	standing phase = iota
	approaching
	loading
	riding
	unloading
)

func newDriver(w *world, i int, at geo.Point) *driver {
	return &driver{id: dispatch.DriverID(fmt.Sprintf("d%02d", i)), world: w, drive: drive{to: at}}
}

func (d *driver) actor() dispatch.Actor { return dispatch.DriverActor(d.id) }

func (d *driver) vehicle() dispatch.Vehicle {
	return dispatch.Vehicle{ID: dispatch.VehicleID("v-" + string(d.id)), Class: geo.Car, Load: dispatch.Load{Seats: 4}}
}

func (d *driver) moving() bool { return d.phase == approaching || d.phase == riding }

// keepReporting sends a position and puts the next on the agenda. odd is every
// second time, when one who stands does not report.
func (w *world) keepReporting(d *driver, odd bool) {
	if d.moving() || !odd {
		w.report(d)
	}
	w.at(w.now.Add(reportEvery), func() error {
		w.keepReporting(d, !odd)
		return nil
	})
}

// report sends where a driver is.
func (w *world) report(d *driver) {
	p, heading := d.drive.place(w.now, d.moving())
	w.send(dispatch.Moved{Fix: dispatch.Fix{
		Driver: d.id, Point: p, At: w.now, Received: w.now,
		AccuracyMeters: 5, HeadingDegrees: heading, SpeedMPS: -1,
	}})
}

// learn takes what the core says of a trip to a driver: one that is his is put at
// the end of his list, one that is not, or no longer, is taken off it.
func (w *world) learn(d *driver, v dispatch.TripView) error {
	at := slices.IndexFunc(d.jobs, func(j job) bool { return j.trip == v.ID })
	mine := v.State.HasDriver() && v.Driver == d.id
	switch {
	case mine && at < 0:
		d.jobs = append(d.jobs, job{trip: v.ID, pickup: v.Order.Pickup.Point, dropoff: v.Order.Dropoff.Point})
	case !mine && at == 0:
		d.jobs = d.jobs[1:]
		w.halt(d)
	case !mine && at > 0:
		d.jobs = slices.Delete(d.jobs, at, at+1)
	}
	if d.phase != standing || len(d.jobs) == 0 {
		return nil
	}
	return w.setOff(d, approaching, d.jobs[0].pickup)
}

// answer accepts an offer. Drivers know their roads: one who cannot be there in time
// says so, and the next is asked. A policy that looks at the roads asks no such one.
func (w *world) answer(d *driver, o dispatch.OfferView) {
	at := w.roads.Locate(d.drive.to, -1)
	leg, ok := w.roads.Travel(at, w.roads.Locate(o.Pickup.Point, -1), geo.Drive{Class: geo.Car, Leaves: w.now.Time()})
	if asked := dayBegins.Add(w.riders[o.Trip].at); ok && w.now.Add(leg.Duration) <= asked.Add(patience) {
		w.send(dispatch.Accept{Command: w.command(d.actor()), Trip: o.Trip, Offer: o.ID})
		return
	}
	w.result.declined++
	w.send(dispatch.Decline{Command: w.command(d.actor()), Trip: o.Trip, Offer: o.ID})
}

// halt stops a driver where he is: his party is off, or has been set down.
func (w *world) halt(d *driver) {
	at, _ := d.drive.place(w.now, d.moving())
	if d.phase == approaching {
		w.result.empty += w.now.Sub(d.drive.begin)
	}
	d.turn++
	d.phase, d.drive = standing, drive{to: at, begin: w.now}
}

// setOff lets a driver drive somewhere.
func (w *world) setOff(d *driver, as phase, to geo.Point) error {
	from, by := w.roads.Locate(d.drive.to, -1), geo.Drive{Class: geo.Car, Leaves: w.now.Time()}
	there := w.roads.Locate(to, -1)
	leg, ok := w.roads.Travel(from, there, by)
	if !ok {
		return fmt.Errorf("driver %s finds no road from %v to %v", d.id, d.drive.to, to)
	}
	d.phase, d.drive = as, newDrive(w.now, to, leg.Duration, w.roads.Line(from, there, by))
	w.once(d, leg.Duration, func() error { return w.reached(d) })
	return nil
}

// once does something after a while, unless the driver sets off or is halted first.
func (w *world) once(d *driver, after time.Duration, do func() error) {
	d.turn++
	turn := d.turn
	w.at(w.now.Add(after), func() error {
		if d.turn != turn {
			return nil
		}
		return do()
	})
}

// reached lets a driver be where he was going: at a pickup he lets the party get in,
// at a drop-off out.
func (w *world) reached(d *driver) error {
	trip, took := d.jobs[0].trip, w.now.Sub(d.drive.begin)
	d.drive = drive{to: d.drive.to, begin: w.now}
	if d.phase == approaching {
		w.result.empty += took
		d.phase = loading
		w.report(d)
		w.send(dispatch.Arrive{Command: w.command(d.actor()), Trip: trip})
		w.once(d, w.stop, func() error {
			w.send(dispatch.Start{Command: w.command(d.actor()), Trip: trip})
			return w.setOff(d, riding, d.jobs[0].dropoff)
		})
		return nil
	}
	w.result.loaded += took
	d.phase = unloading
	w.report(d)
	w.once(d, w.stop, func() error {
		w.send(dispatch.Complete{Command: w.command(d.actor()), Trip: trip})
		return nil
	})
	return nil
}
