package swarm

import (
	"fmt"
	"math"
	"strings"
	"time"

	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/ws/wire"
)

// driver drives: he waits for offers, thinks, fetches people and takes them there.
type driver struct {
	phone
	// Static after construction.
	who   plan.Driver
	rules *plan.Drivers
	track *track

	onDuty  bool
	tidying bool
	spot    plan.Spot // where he is, or heads for, while idle
	way     drive
	offer   *wire.Offer // live and not turned down
	// unlisted: the server has said that no offer is live; his answer is on its way.
	unlisted bool
	last     string // id of the last offer seen, for repeats
	job      *job
	// known is the newest version of the last trips he was told of, newest last.
	known []knownTrip

	todo   todo
	todoAt time.Time
	beat   time.Time // the next position
}

// job is the trip that he has accepted.
type job struct {
	trip            string
	version         int64
	state           string
	pickup, dropoff geo.Point
	// leaving: he has asked to be rid of it.
	leaving bool
	// trouble counts refusals that he did not understand.
	trouble int
}

type knownTrip struct {
	trip    string
	version int64
}

// maxKnown bounds driver.known.
const maxKnown = 8

// todo is what a driver does next of his own accord.
type todo int

const (
	nothing todo = iota
	wander
	accept
	decline
	giveBack
	arrive
	board
	complete
)

func newDriver(s *swarm, party Party, who plan.Driver, wait time.Duration) *driver {
	rules := &s.plan.Scenario.Drivers
	d := &driver{
		phone: newPhone(s, party, &rules.Coverage, wait, time.Duration(rules.ClockOffSeconds*float64(time.Second)), who.Index),
		who:   who, rules: rules, spot: who.Home, track: s.tracks[party.ID],
		way: drive{road: plan.Standing(who.Home.Point), begun: time.Now(), speed: who.MetersPerSecond * s.plan.Scenario.TimeScale},
	}
	return d
}

func (d *driver) connected(now time.Time) { d.beat = now }

func (d *driver) truth(t wire.Truth, now time.Time) {
	d.setDuty(t.Duty != nil && t.Duty.On)
	if !d.onDuty && !d.tidying && !d.calls.asked(wire.TypeDuty) {
		d.ask(wire.TypeDuty, "", wire.Duty{On: true})
	}
	if d.offer != nil && d.overtaken(t.Offer) {
		d.offer = nil
		d.rest(now)
	}
	d.unlisted = d.offer != nil && t.Offer == nil
	mine := map[string]bool{}
	for _, trip := range t.Trips {
		if d.behind(trip) {
			d.swarm.witness.violation(TruthBehind, trip.Trip, fmt.Sprintf("%s was told a newer version than %d, which he found on coming back", d.party.ID, trip.Version))
		}
		if isBound(trip.State) {
			mine[trip.Trip] = true
		}
		d.see(trip, now, true)
	}
	if d.job != nil && !mine[d.job.trip] {
		d.dropJob(now)
	}
	if t.Offer != nil {
		d.asked(*t.Offer, now)
	}
	if d.todo == nothing && d.offer == nil && d.job == nil {
		d.rest(now)
	}
}

// overtaken says whether the offer he holds is over, by the live one in the truth.
// Without one it may also be that his answer is still on its way.
func (d *driver) overtaken(live *wire.Offer) bool {
	if live == nil {
		return !d.calls.about(d.offer.Trip)
	}
	return live.Offer != d.offer.Offer
}

func (d *driver) frame(body any, at time.Time) {
	switch body := body.(type) {
	case wire.Offer:
		d.asked(body, at)
	case wire.OfferGone:
		if d.offer != nil && d.offer.Offer == body.Offer {
			d.offer = nil
			d.rest(at)
		}
	case wire.Trip:
		d.see(body, at, false)
	case wire.DutyState:
		d.setDuty(body.On)
	}
}

func (d *driver) setDuty(on bool) {
	switch {
	case on && !d.onDuty:
		d.swarm.tally.onDuty.Add(1)
		d.beat = time.Now() // so that he can be found at once
	case !on && d.onDuty:
		d.swarm.tally.onDuty.Add(-1)
	}
	d.onDuty = on
}

// asked takes an offer and makes up his mind.
func (d *driver) asked(o wire.Offer, at time.Time) {
	if o.Offer == d.last {
		return
	}
	d.last = o.Offer
	d.swarm.tally.count(offers)
	d.swarm.witness.offer(o, at)
	switch {
	case d.offer != nil && !d.unlisted:
		d.swarm.witness.violation(TwoTrips, o.Trip, fmt.Sprintf("%s was asked under %s while he was asked under %s", d.party.ID, o.Offer, d.offer.Offer))
	case d.job != nil && !d.job.leaving:
		d.swarm.witness.violation(TwoTrips, o.Trip, fmt.Sprintf("%s was asked under %s while he had %s", d.party.ID, o.Offer, d.job.trip))
	}
	d.offer, d.unlisted = &o, false
	u := d.rng.Float64()
	think := d.rules.ThinkSeconds.DrawSeconds(d.rng)
	switch {
	case d.tidying:
		d.plan(decline, at)
	case u < d.rules.Lapse:
		d.plan(nothing, time.Time{})
	case u < d.rules.Lapse+d.rules.Decline:
		d.plan(decline, at.Add(think))
	default:
		d.plan(accept, at.Add(think))
	}
}

// see takes a telling of a trip. The witness notes every one; the driver acts on a
// newer version, and after a reconnect (fresh) on what the truth says.
func (d *driver) see(t wire.Trip, at time.Time, fresh bool) {
	ours := d.swarm.witness.seen(view{trip: t, at: at})
	newer := d.learn(t)
	mine := t.Driver != nil && t.Driver.ID == d.party.ID && isBound(t.State)
	switch {
	case !newer && !(fresh && mine && d.job == nil):
	case mine && !ours && !strings.HasPrefix(t.Trip, d.swarm.tripPrefix):
		d.clear(t)
	case mine:
		d.adopt(t, at)
	case d.job != nil && d.job.trip == t.Trip:
		d.dropJob(at)
	}
}

// behind says whether he was told a newer version of the trip before.
func (d *driver) behind(t wire.Trip) bool {
	for _, k := range d.known {
		if k.trip == t.Trip {
			return t.Version < k.version
		}
	}
	return false
}

// learn keeps the newest version of a trip, and says whether this is newer.
func (d *driver) learn(t wire.Trip) bool {
	for i := range d.known {
		if k := &d.known[i]; k.trip == t.Trip {
			newer := t.Version > k.version
			k.version = max(k.version, t.Version)
			return newer
		}
	}
	d.known = append(d.known, knownTrip{t.Trip, t.Version})
	if len(d.known) > maxKnown {
		d.known = d.known[1:]
	}
	return true
}

// clear gets rid of a trip that an earlier run has left to him.
func (d *driver) clear(t wire.Trip) {
	d.swarm.tally.count(leftovers)
	if t.State == wire.StateRiding {
		d.ask(wire.TypeComplete, t.Trip, wire.Complete{Trip: t.Trip})
		return
	}
	d.ask(wire.TypeRelease, t.Trip, wire.Release{Trip: t.Trip, Why: wire.WhyOther})
}

// adopt makes a trip that is his his job, or brings the job up to date.
func (d *driver) adopt(t wire.Trip, at time.Time) {
	if d.offer != nil && d.offer.Trip == t.Trip {
		d.offer = nil
	}
	if d.job != nil && d.job.trip != t.Trip {
		if !d.job.leaving {
			d.swarm.witness.violation(TwoTrips, t.Trip, fmt.Sprintf("%s was given %s while he had %s", d.party.ID, t.Trip, d.job.trip))
		}
		d.swarm.witness.hold(d.job.trip, d.party.ID, false)
		d.job = nil
	}
	if d.job == nil {
		d.take(t.Trip, pointOf(t.Pickup), pointOf(t.Dropoff))
	}
	d.progress(t.Version, t.State, at)
}

func pointOf(p wire.PlaceOut) geo.Point { return geo.Point{Lat: p.Lat, Lon: p.Lon} }

func (d *driver) take(trip string, pickup, dropoff geo.Point) {
	d.job = &job{trip: trip, pickup: pickup, dropoff: dropoff}
	d.swarm.witness.hold(trip, d.party.ID, true)
}

// progress brings the job to a newer version and plans what follows from its state.
func (d *driver) progress(version int64, state string, at time.Time) {
	j := d.job
	if version <= j.version {
		return
	}
	changed := j.state != state
	j.version, j.state, j.leaving = version, state, false
	if !changed {
		return
	}
	switch state {
	case wire.StateAssigned:
		d.driveTo(j.pickup, at)
		d.plan(arrive, d.way.arrives())
		if d.rng.Float64() < d.rules.Release {
			d.plan(giveBack, at.Add(time.Duration(d.rng.Float64()*float64(d.way.arrives().Sub(at)))))
		}
	case wire.StateArrived:
		d.plan(board, at.Add(d.rules.BoardSeconds.DrawSeconds(d.rng)))
	case wire.StateRiding:
		d.driveTo(j.dropoff, at)
		d.plan(complete, d.way.arrives())
		if d.tidying {
			d.plan(complete, at)
		}
	}
}

func (d *driver) driveTo(to geo.Point, now time.Time) {
	here, _, _ := d.way.at(now)
	d.way = d.swarm.setOut(&d.who, here, to, now)
}

func (d *driver) plan(what todo, at time.Time) { d.todo, d.todoAt = what, at }

// dropJob is the end of a job, however it ended.
func (d *driver) dropJob(now time.Time) {
	if d.job == nil {
		return
	}
	d.swarm.witness.hold(d.job.trip, d.party.ID, false)
	d.job = nil
	here, _, _ := d.way.at(now)
	d.way.road, d.way.begun = plan.Standing(here), now
	d.spot = d.swarm.plan.Near(here)
	d.rest(now)
}

// rest is what a driver does without offer and job.
func (d *driver) rest(now time.Time) {
	switch {
	case d.offer != nil || d.job != nil:
	case d.tidying:
		d.plan(nothing, time.Time{})
		if d.onDuty && !d.calls.asked(wire.TypeDuty) {
			d.ask(wire.TypeDuty, "", wire.Duty{On: false})
		}
	default:
		free := now
		if a := d.way.arrives(); a.After(now) {
			free = a
		}
		d.plan(wander, free.Add(d.rules.RestSeconds.DrawSeconds(d.rng)))
	}
}

// act does what is due.
func (d *driver) act(now time.Time) time.Time {
	if !d.todoAt.IsZero() && !now.Before(d.todoAt) {
		what := d.todo
		d.plan(nothing, time.Time{})
		d.do(what, now)
	}
	if d.barred {
		return d.todoAt
	}
	if !now.Before(d.beat) {
		d.sendPosition(now)
		every := d.rules.PositionEverySeconds * (1 + d.rules.PositionJitter*(2*d.rng.Float64()-1))
		d.beat = now.Add(time.Duration(every * float64(time.Second)))
	}
	return earliest(d.beat, d.todoAt)
}

func (d *driver) do(what todo, now time.Time) {
	switch what {
	case wander:
		d.spot = d.swarm.plan.Nearby(d.spot, d.rng.Float64() >= d.rules.Wander, d.rng)
		d.driveTo(d.spot.Point, now)
		d.rest(now)
	case accept:
		d.accept(now)
	case decline:
		if d.offer != nil && d.ask(wire.TypeDecline, d.offer.Trip, wire.Decline{Trip: d.offer.Trip, Offer: d.offer.Offer}) {
			d.swarm.tally.count(declines)
		}
		d.offer = nil
		d.rest(now)
	default:
		d.doJob(what)
	}
}

// accept takes the offer that he has.
func (d *driver) accept(now time.Time) {
	if d.offer == nil {
		return
	}
	trip := d.offer.Trip
	if d.ready { // else the wait for a signal would be timed with it
		d.swarm.witness.accepting(trip, now) // first, for the booker may be told before ask returns
	}
	if !d.ask(wire.TypeAccept, trip, wire.Accept{Trip: trip, Offer: d.offer.Offer}) {
		d.swarm.witness.accepting(trip, time.Time{})
		return
	}
	d.swarm.tally.count(accepts)
}

// doJob reports a step of the job.
func (d *driver) doJob(what todo) {
	if d.job == nil {
		return
	}
	trip := d.job.trip
	switch what {
	case arrive:
		d.ask(wire.TypeArrive, trip, wire.Arrive{Trip: trip})
	case board:
		if d.rng.Float64() < d.rules.NoShow && !d.tidying {
			d.job.leaving = d.ask(wire.TypeCancel, trip, wire.Cancel{Trip: trip, Why: wire.WhyNoShow})
			return
		}
		d.ask(wire.TypeStart, trip, wire.Start{Trip: trip})
	case complete:
		d.job.leaving = d.ask(wire.TypeComplete, trip, wire.Complete{Trip: trip})
	case giveBack:
		d.job.leaving = d.ask(wire.TypeRelease, trip, wire.Release{Trip: trip, Why: wire.WhyBreakdown})
	}
}

func (d *driver) done(c call, done wire.Done, at time.Time) {
	d.swarm.witness.done(done, d.party.ID, at)
	switch c.kind {
	case wire.TypeDuty:
		return // a duty frame says which
	case wire.TypeAccept:
		if d.offer != nil && d.offer.Trip == c.trip {
			d.take(c.trip, pointOf(d.offer.Pickup), pointOf(d.offer.Dropoff))
			d.offer = nil
		}
	case wire.TypeRelease:
		d.swarm.tally.count(releases)
	}
	d.learn(wire.Trip{Trip: c.trip, Version: done.Version})
	switch {
	case d.job == nil || d.job.trip != c.trip:
	case isBound(done.State) && c.kind != wire.TypeRelease:
		d.progress(done.Version, done.State, at)
	default:
		d.dropJob(at)
	}
}

// maxTrouble is how often a driver asks for the truth about one job before he
// leaves it to the server's deadlines.
const maxTrouble = 3

func (d *driver) refused(c call, r wire.Refused, at time.Time) {
	switch {
	case c.kind == wire.TypeAccept && d.offer != nil && d.offer.Trip == c.trip:
		d.offer = nil
		d.rest(at)
	case d.job == nil || d.job.trip != c.trip:
	case c.kind == wire.TypeCancel:
		// Too early to call it a no-show: the party turns up after all.
		d.job.leaving = false
		d.ask(wire.TypeStart, c.trip, wire.Start{Trip: c.trip})
	case d.job.trouble < maxTrouble:
		d.job.leaving = false
		d.job.trouble++
		d.swarm.cfg.Log.Warn("command refused; asking for the truth", "driver", d.party.ID, "command", c.kind, "code", r.Code)
		d.hangUp("a command was refused")
	}
}

func (d *driver) book(order) {} // drivers do not

func (d *driver) tidy(now time.Time) {
	d.tidying = true
	switch {
	case d.offer != nil:
		d.do(decline, now)
	case d.job == nil:
		d.rest(now)
	case d.job.state == wire.StateRiding && !d.job.leaving:
		d.plan(complete, now)
	default:
		d.plan(nothing, time.Time{}) // its booker is cancelling it
	}
}

func (d *driver) gone() { d.setDuty(false) }

// sendPosition says where the phone believes to be; without a signal it is kept for
// the track of the trip.
func (d *driver) sendPosition(now time.Time) {
	p, heading, moving := d.way.at(now)
	noise := d.rules.GPSNoiseMeters
	north, east := d.rng.NormFloat64()*noise, d.rng.NormFloat64()*noise
	const metersPerDegree = 111_195
	body := wire.Position{
		Lat:       round6(p.Lat + north/metersPerDegree),
		Lon:       round6(p.Lon + east/metersPerDegree/math.Cos(p.Lat*math.Pi/180)),
		Datum:     wire.DatumWGS84,
		At:        now.Add(d.skew).UnixMilli(),
		AccuracyM: wire.Some(math.Round(max(noise, 1) * 1.5)),
		SpeedMPS:  wire.Some(0),
	}
	if moving {
		body.HeadingDeg = wire.Some(math.Round(heading))
		// In life: the time scale moves the vehicle, not its speedometer.
		body.SpeedMPS = wire.Some(math.Round(d.way.speed/d.swarm.plan.Scenario.TimeScale*10) / 10)
	}
	if d.job != nil {
		d.track.add(now, body)
	}
	d.client.Position(body)
	if d.up {
		d.swarm.tally.count(positionsSent)
	}
}

func round6(deg float64) float64 { return math.Round(deg*1e6) / 1e6 }
