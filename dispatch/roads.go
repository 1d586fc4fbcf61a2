package dispatch

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"cuntong/geo"
)

// ChangeRoad makes a change to the roads hold: a closure, a slower pace, a limit. The
// same id again replaces the change. For operators.
type ChangeRoad struct {
	Command
	Change geo.RoadChange
}

// RestoreRoad lifts a change. For operators.
type RestoreRoad struct {
	Command
	ID geo.RoadChangeID `json:"change"` // on paper Command has an ID too
}

// RoadChanged: a change to the roads holds from now on, or from the time it names.
type RoadChanged struct {
	Change geo.RoadChange `json:"change"`
	By     Actor          `json:"by"`
}

// RoadRestored: a change was lifted, or its time is over.
type RoadRestored struct {
	ID geo.RoadChangeID `json:"id"`
	By Actor            `json:"by"`
}

// TripRetimed: the roads changed under a trip that has a driver.
type TripRetimed struct {
	Trip TripID `json:"trip"`
	// ETA is when the driver is now expected at the pickup or, once he has been there, was.
	ETA Instant `json:"eta,omitempty"`
	// Deadline is when he is overdue where he has to go.
	Deadline Instant `json:"deadline"`
	// Ride is the drive from pickup to drop-off by his vehicle.
	Ride geo.Leg `json:"ride,omitzero"`
	// Cut: no road leads to where the trip has to go.
	Cut bool `json:"cut,omitempty"`
}

// maxRoadChanges bounds the changes of an area that are kept at once.
const maxRoadChanges = 500

func (c *Core) decideChangeRoad(now Instant, in ChangeRoad) ([]FactBody, *Refusal) {
	if refusal := c.mayChangeRoads(in.By); refusal != nil {
		return nil, refusal
	}
	known, exists := c.changes[in.Change.ID]
	switch err := in.Change.Validate(); {
	case err != nil:
		return nil, refuse(Invalid, "road_change", fmt.Sprintf("This is no change to a road: %s.", strings.TrimPrefix(err.Error(), geo.ErrRoadChange.Error()+": ")))
	case in.Change.Until != 0 && Instant(in.Change.Until) <= now:
		return nil, refuse(Invalid, "window_over", "The time of this change is over. Give it a later end, or none.")
	case exists && sameChange(known, in.Change):
		return nil, nil
	case !exists && len(c.changes) >= maxRoadChanges:
		return nil, limited("roads_full", fmt.Sprintf("At most %d changes can hold at once. Lift some first.", maxRoadChanges), 0)
	case c.roads.Extent(in.Change).Segments == 0:
		return nil, refuse(NotFound, "road_unknown", "There is no such road there. Move the place, widen the circle, or drop a condition.")
	}
	return []FactBody{RoadChanged{Change: in.Change, By: in.By}}, nil
}

func (c *Core) decideRestoreRoad(in RestoreRoad) ([]FactBody, *Refusal) {
	if refusal := c.mayChangeRoads(in.By); refusal != nil {
		return nil, refusal
	}
	if _, exists := c.changes[in.ID]; !exists {
		return nil, refuse(NotFound, "change_unknown", "No change of this id holds. It may have been lifted already.")
	}
	return []FactBody{RoadRestored{ID: in.ID, By: in.By}}, nil
}

func (c *Core) mayChangeRoads(by Actor) *Refusal {
	switch {
	case by.Role != RoleOperator:
		return refuse(Forbidden, "role", "Only operators change roads.")
	case c.roads == nil:
		return refuse(Conflict, "no_roads", "This server knows no roads, so none can be closed. Start it with --roads.")
	}
	return nil
}

// sameChange says whether two changes are one. They hold slices and pointers.
func sameChange(a, b geo.RoadChange) bool { return reflect.DeepEqual(a, b) }

// refreshRoads makes the changes hold whose time has come, and none else.
func (r *run) refreshRoads() {
	c := r.core
	if c.roads == nil || !c.roadsStale && (c.roadsNext == 0 || r.now < c.roadsNext) {
		return
	}
	r.endChanges()
	next := c.roads.Set(c.roadChanges(), r.now.Time())
	c.roadsStale, c.roadsNext = false, 0
	if !next.IsZero() {
		c.roadsNext = max(InstantOf(next), r.now+1)
	}
	c.forgetRoads()
	r.reviewing = true
}

// roadChanges returns the changes in the order of their ids.
func (c *Core) roadChanges() []geo.RoadChange {
	return slices.SortedFunc(maps.Values(c.changes), func(a, b geo.RoadChange) int { return cmp.Compare(a.ID, b.ID) })
}

// endChanges lifts the changes whose time is over.
func (r *run) endChanges() {
	for _, change := range r.core.roadChanges() {
		if change.Until != 0 && Instant(change.Until) <= r.now {
			r.record(RoadRestored{ID: change.ID, By: Actor{Role: RoleSystem}}, nil)
		}
	}
}

// review puts every open trip on the list of those to look at again, because the
// roads have changed: those with a driver first, each part first come first.
func (r *run) review() {
	if !r.reviewing {
		return
	}
	r.reviewing = false
	c := r.core
	var trips []*Trip
	for _, entry := range c.deadlines.heap {
		trips = append(trips, c.trips[entry.trip])
	}
	slices.SortFunc(trips, inQueueOrder)
	c.relook = nil
	for _, withDriver := range []bool{true, false} {
		for _, t := range trips {
			if t.State.HasDriver() == withDriver {
				c.relook = append(c.relook, t.ID)
			}
		}
	}
}

// maxRelook bounds the trips that are looked at again in one step after the roads
// have changed; the rest follow at once in the next.
const maxRelook = 64

// lookAgain judges trips on roads that have changed: drivers under way are timed
// anew, those who cannot come any more are let go, and those who wait may have better luck.
func (r *run) lookAgain() {
	c := r.core
	n := min(len(c.relook), maxRelook)
	ids := c.relook[:n]
	c.relook = c.relook[n:]
	for _, id := range ids {
		t := c.trips[id]
		switch {
		case t == nil || !t.State.Open():
		case t.State == Parked && r.now < t.Patience:
			r.contest([]*Trip{t})
		case t.State == Offered || t.State.HasDriver():
			r.retime(t)
		}
	}
}

// retime judges a trip with a driver, or one being offered, on roads that have changed.
func (r *run) retime(t *Trip) {
	c := r.core
	if t.State == Offered {
		if !c.offerStands(r.now, t) {
			r.record(OfferClosed{Trip: t.ID, End: OfferWithdrawn}, nil)
		}
		return
	}
	d := c.drivers[t.Driver]
	a := c.lookAhead(r.now, d)
	leg, rideable := c.rideBy(max(r.now, a.next), t, d.Vehicle)
	lost := c.lost(d.ID) && t.State != Arrived
	cut := !a.known
	if lost {
		cut = t.State == Riding && t.Cut || t.State == Assigned && !rideable
	}
	if t.State == Assigned && (cut || a.known && a.next.Sub(r.now) > c.rules.Reach) {
		r.record(TripReleased{Trip: t.ID, By: Actor{Role: RoleSystem}, Why: ReasonRoad}, nil)
		return
	}
	next := TripRetimed{Trip: t.ID, ETA: t.PickupETA, Deadline: t.Deadline, Ride: t.Ride, Cut: cut}
	if rideable {
		next.Ride = leg.Round()
	}
	if !cut && !lost {
		switch t.State {
		case Assigned:
			next.ETA = a.next
			next.Deadline = max(t.Deadline, a.next.Add(c.rules.PickupGrace))
		case Riding:
			next.Deadline = max(t.Deadline, a.next.Add(c.rules.RideGrace))
		}
	}
	if next.matters(t) {
		r.record(next, nil)
	}
}

// retimeMatters is how much a time must change to be told.
const retimeMatters = time.Minute

func (b TripRetimed) matters(t *Trip) bool {
	return b.Cut != t.Cut || b.ETA.Sub(t.PickupETA).Abs() >= retimeMatters ||
		(b.Ride.Duration-t.Ride.Duration).Abs() >= retimeMatters
}

// offerStands says whether the driver who is being asked for t could do it, and in
// about the time that he was told.
func (c *Core) offerStands(now Instant, t *Trip) bool {
	d := c.drivers[t.Offer.Driver]
	if c.lost(d.ID) {
		return true // he may answer yet
	}
	leg, ok := c.router.Travel(c.fixes[d.ID].spot, c.paveOf(t).pickup, c.leaving(now, d.Vehicle))
	if !ok || leg.Duration > c.rules.Reach {
		return false
	}
	ride, ok := c.rideBy(now.Add(leg.Duration), t, d.Vehicle)
	return ok && (leg.Duration-t.Offer.Approach.Duration).Abs() < retimeMatters && (ride.Duration-t.Offer.Ride.Duration).Abs() < retimeMatters
}

// lost says that nobody knows where on the roads a driver is: he is not heard of, or
// his phone puts him beside them all. That is no reason to take a trip from him.
func (c *Core) lost(id DriverID) bool {
	f := c.fixes[id]
	return f == nil || f.spot.Segment == 0
}

// foldRoad folds a fact about the roads.
func (c *Core) foldRoad(body FactBody) {
	switch b := body.(type) {
	case RoadChanged:
		c.changes[b.Change.ID] = b.Change
		delete(c.extents, b.Change.ID)
	case RoadRestored:
		delete(c.changes, b.ID)
		delete(c.extents, b.ID)
	}
	c.roadsStale = true
}

// RoadView is a change to the roads as told to operators.
type RoadView struct {
	Change  geo.RoadChange
	Extent  geo.RoadExtent
	InForce bool // its time is at hand
}

// RoadTold tells an operator what his change to the roads concerns.
type RoadTold struct{ Road RoadView }

func (c *Core) roadView(now Instant, change geo.RoadChange) RoadView {
	v := RoadView{Change: change, InForce: change.InForce(now.Time())}
	if c.roads == nil {
		return v // they were known when the change was made
	}
	extent, known := c.extents[change.ID]
	if !known {
		extent = c.roads.Extent(change)
		c.extents[change.ID] = extent
	}
	v.Extent = extent
	return v
}
