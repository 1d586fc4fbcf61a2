package dispatch

import (
	"cmp"
	"maps"
	"time"

	"cuntong/geo"
)

// brakes hold up orders that come faster than people give them. They are derived from
// facts, in memory only, and begin anew from the trips in memory after a snapshot.
// Operators are never braked, and agents only by their own rate.
type brakes struct {
	passengers buckets[string]
	devices    buckets[string] // of passengers
	agents     buckets[string]
	cells      map[geo.Cell]*cellBrake
	swept      Instant // when room for cells was last made
}

// The codes of the refusals.
const (
	codeOrdersFast = "orders_fast"
	codeCellBusy   = "cell_busy"
)

// maxBuckets bounds the buckets of each kind. When there are so many, those that are
// full again make room; when none is, another party goes unbraked: the limits on open
// trips still hold.
const (
	maxBuckets = 50_000
	// sweepEvery is how often room is looked for at most: it looks at all of them.
	sweepEvery = time.Minute
)

// buckets are token buckets (Turner 1986) that hold an hour's worth: each key may do
// perHour at once, and that many an hour in the long run. 0: as many as it likes.
type buckets[K comparable] struct {
	perHour float64
	by      map[K]bucket
	swept   Instant // when room was last made
}

type bucket struct {
	left float64
	at   Instant
}

func newBuckets[K comparable](perHour int) buckets[K] {
	return buckets[K]{perHour: float64(perHour), by: map[K]bucket{}}
}

func (b *buckets[K]) now(at Instant, key K) float64 {
	have, known := b.by[key]
	if !known {
		return b.perHour
	}
	return min(b.perHour, have.left+b.perHour*max(0, at.Sub(have.at).Hours()))
}

// wait is how long key has to wait for its next; 0: it need not.
func (b *buckets[K]) wait(at Instant, key K) time.Duration {
	if b.perHour == 0 {
		return 0
	}
	if left := b.now(at, key); left < 1 {
		return time.Duration((1 - left) / b.perHour * float64(time.Hour)).Round(time.Second)
	}
	return 0
}

func (b *buckets[K]) take(at Instant, key K) {
	if b.perHour == 0 {
		return
	}
	left := b.now(at, key) - 1
	if _, known := b.by[key]; !known && len(b.by) >= maxBuckets {
		if at.Sub(b.swept) >= sweepEvery {
			b.swept = at
			maps.DeleteFunc(b.by, func(old K, _ bucket) bool { return b.now(at, old) >= b.perHour })
		}
		if len(b.by) >= maxBuckets {
			return
		}
	}
	b.by[key] = bucket{max(0, left), at}
}

// cellBrake is what happened of late to orders from one cell, H3 resolution 7, about
// 5 km². What happened counts half after half an hour.
type cellBrake struct {
	vain, rode float64 // drives to the pickup for nobody, and for somebody
	at         Instant
	open       int     // trips of passengers who are not known, and not on board
	next       Instant // when one of them is let through while it brakes
}

const (
	cellResolution = 7
	cellHalf       = 30 * time.Minute
	// cellVain is from how many drives in vain a cell brakes, if those for somebody are
	// not at least half as many: at a market both are many.
	cellVain = 12.0
	// cellTrial is how often somebody who is not known gets through all the same, so that
	// an honest newcomer waits a minute and a cell that is honest again shows it: the more drives
	// were in vain the more seldom, down to every cellTrialMost.
	cellTrial, cellTrialMost = time.Minute, 5 * time.Minute
	// cellUnproved is the share of Rules.CellUnknown that may wait where nobody has been
	// fetched of late: at a market the first have long been fetched when so many wait.
	cellUnproved = 2.0 / 3
	// maxCells bounds the cells that are watched; a county has a few hundred. Beyond,
	// cells are not watched.
	maxCells = 4096
)

func newBrakes(rules Rules) brakes {
	return brakes{
		passengers: newBuckets[string](rules.PassengerOrders),
		devices:    newBuckets[string](rules.DeviceOrders),
		agents:     newBuckets[string](rules.AgentOrders),
		cells:      map[geo.Cell]*cellBrake{},
	}
}

func (b *cellBrake) decay(now Instant) {
	if now > b.at {
		left := halved(now.Sub(b.at), cellHalf)
		b.vain, b.rode, b.at = b.vain*left, b.rode*left, now
	}
}

// braked says why an order comes too fast, or nil. It changes nothing.
func (c *Core) braked(now Instant, in Request) *Refusal {
	var wait time.Duration
	switch in.By.Role {
	case RolePassenger:
		wait = c.brakes.passengers.wait(now, in.By.ID)
		if in.Device != "" {
			wait = max(wait, c.brakes.devices.wait(now, in.Device))
		}
	case RoleAgent:
		wait = c.brakes.agents.wait(now, in.By.ID)
	}
	if wait > 0 {
		return limited("orders_fast", "You order faster than trips can be driven. Wait, or ring the county's desk.", wait)
	}
	return c.cellBraked(now, in)
}

// cellBraked holds up passengers who are not known from a cell where drivers go in vain,
// or where too many of them wait at once.
func (c *Core) cellBraked(now Instant, in Request) *Refusal {
	b := c.brakes.cells[cellOf(in.Order.Pickup)]
	if b == nil || in.By.Role != RolePassenger || c.known(in.By) {
		return nil
	}
	left := 1.0
	if now > b.at {
		left = halved(now.Sub(b.at), cellHalf)
	}
	inVain := b.vain*left >= cellVain && b.rode < b.vain/2
	most := float64(c.rules.CellUnknown)
	if b.rode*left < 1 {
		most *= cellUnproved
	}
	many := most > 0 && float64(b.open) >= most
	if wait := b.next.Sub(now); (inVain || many) && wait > 0 {
		return limited("cell_busy", "Many orders come from there just now. Try again in a minute, or ring the county's desk.", wait)
	}
	return nil
}

// known says whether a party has ridden, or rides, within the memory of the area.
func (c *Core) known(who Actor) bool {
	for _, id := range c.parties[who] {
		if s := c.trips[id].State; s == Completed || s == Riding {
			return true
		}
	}
	return false
}

func cellOf(p Place) geo.Cell {
	cell, _ := geo.CellOf(p.Point, cellResolution) // the place is on Earth, or the cell is that of nowhere
	return cell
}

// noteOrder counts an order.
func (c *Core) noteOrder(at Instant, t *Trip) {
	switch by := t.Order.Booker; by.Role {
	case RolePassenger:
		c.brakes.passengers.take(at, by.ID)
	case RoleAgent:
		c.brakes.agents.take(at, by.ID)
	}
	if t.Order.Booker.Role != RolePassenger || c.known(t.Order.Booker) {
		return
	}
	if b := c.cellBrakeOf(at, t); b != nil {
		t.unknown = true
		b.open++
		b.next = max(b.next, at.Add(b.trial(at)))
	}
}

// trial is how long it is from now until the next who is not known gets through a brake.
func (b *cellBrake) trial(now Instant) time.Duration {
	b.decay(now)
	vain := max(0, b.vain-2*b.rode) / cellVain
	return max(cellTrial, min(cellTrialMost, time.Duration(vain*float64(cellTrial))))
}

// noteRide counts a drive to the pickup for somebody, who is known from now on.
func (c *Core) noteRide(at Instant, t *Trip) {
	if b := c.cellBrakeOf(at, t); b != nil {
		b.waitsNot(t)
		b.decay(at)
		b.rode++
	}
}

// waitsNot counts t no longer among the trips of who is not known.
func (b *cellBrake) waitsNot(t *Trip) {
	if t.unknown {
		t.unknown = false
		b.open--
	}
}

// noteEnd counts what came of an order for which a driver came and nobody got in.
// An order that ended before a driver was on his way says nothing: at a market many give up.
func (c *Core) noteEnd(at Instant, t *Trip, before State) {
	b := c.cellBrakeOf(at, t)
	if b == nil {
		return
	}
	b.waitsNot(t)
	b.decay(at)
	if before.HasDriver() && before != Riding && t.State == Cancelled && t.EndedBy.Role != RoleOperator && t.Order.Booker.Role == RolePassenger {
		b.vain++
	}
}

func (c *Core) cellBrakeOf(at Instant, t *Trip) *cellBrake {
	cell := cellOf(t.Order.Pickup)
	b := c.brakes.cells[cell]
	if b != nil {
		return b
	}
	if len(c.brakes.cells) >= maxCells && at.Sub(c.brakes.swept) >= sweepEvery {
		c.brakes.swept = at
		maps.DeleteFunc(c.brakes.cells, func(_ geo.Cell, b *cellBrake) bool {
			b.decay(at)
			return b.open == 0 && b.vain < 1
		})
	}
	if len(c.brakes.cells) >= maxCells {
		return nil
	}
	b = &cellBrake{at: at}
	c.brakes.cells[cell] = b
	return b
}

// rebrake counts the trips of a snapshot, the oldest first.
func (c *Core) rebrake(t *Trip) {
	c.noteOrder(t.RequestedAt, t)
	before := Requested
	switch {
	case t.State == Riding || t.State == Completed:
		c.noteRide(cmp.Or(t.StartedAt, t.Since), t)
		before = Riding
	case t.Driver != "":
		before = Assigned
	}
	if !t.State.Open() {
		c.noteEnd(t.Since, t, before)
	}
}

// checkBrakes: the brakes count the open trips of who is not known, and stay within their bounds.
func (c *Core) checkBrakes(fail func(string, ...any)) {
	open := map[geo.Cell]int{}
	for id, t := range c.trips {
		if t.unknown {
			open[cellOf(t.Order.Pickup)]++
			if !t.State.Open() {
				fail("trip %s has ended and counts as open", id)
			}
		}
	}
	for cell, b := range c.brakes.cells {
		if b.open != open[cell] {
			fail("cell %s counts %d open trips of unknown passengers: there are %d", cell, b.open, open[cell])
		}
	}
	if n := max(len(c.brakes.passengers.by), len(c.brakes.devices.by), len(c.brakes.agents.by)); n > maxBuckets || len(c.brakes.cells) > maxCells {
		fail("%d buckets and %d cells are kept", n, len(c.brakes.cells))
	}
}
