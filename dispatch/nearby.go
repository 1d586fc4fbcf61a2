package dispatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"cuntong/geo"
)

// AskNearby asks how many free drivers are about a place. It changes nothing, and is
// not for drivers.
type AskNearby struct {
	By     Actor
	Around geo.Point
}

// NearbyTold answers [AskNearby] from a map that is the same for everybody, so that
// asking often, or from many places, shows no more than asking once.
type NearbyTold struct {
	At    Instant      // the moment it shows
	Next  Instant      // when there will be a newer one
	Cells []NearbyCell // the nearest to the place; at most [MaxNearbyCells]
}

// NearbyCell is a piece of the country with at least three drivers in or about it.
type NearbyCell struct {
	Middle geo.Point
	Radius geo.Meters // from there to its corners
	Many   bool       // ten and more
}

// MaxNearbyCells bounds the cells of a [NearbyTold].
const MaxNearbyCells = 7

// How coarse the map of free drivers is. The numbers are those of docs/adr/0017, which
// says what they hold against.
const (
	// nearbyEvery is how long a map is shown; up to nearbyJitter more, by the secret, so
	// that nobody knows of a moment beforehand that it will be shown.
	nearbyEvery  = 5 * time.Minute
	nearbyJitter = time.Minute
	// nearbyOnDuty is how long a driver must have been on duty here to be counted, so that
	// nobody sees by the map who has just begun.
	nearbyOnDuty = 10 * time.Minute
	// nearbyFew is how many drivers a cell must have to be shown, nearbyMany from how many
	// on it has many.
	nearbyFew  = 3
	nearbyMany = 10
	// nearbyFine is the H3 resolution of the map; where too few are, theirs are put
	// together in coarser ones down to nearbyCoarse, and not shown if they are too few
	// there. Cells of 7 are 5 km², of 5 253 km².
	nearbyFine   = 7
	nearbyCoarse = 5
	// A driver counts where he is not: he is put between nearbyLeast and nearbyMost away
	// from where he is. Distance and direction follow from the secret, from him and from
	// the cell that he is in, so that watching somebody who stands still does not
	// average them out.
	nearbyLeast geo.Meters = 600
	nearbyMost  geo.Meters = 1800
)

// nearbyMap is the free drivers of one moment, coarsely.
type nearbyMap struct {
	at, next Instant // next is when a newer one is made
	cells    []NearbyCell
}

// nearby is what there is to be shown of the free drivers. It is soft: a writer that
// starts shows nobody until its first map is some minutes old.
type nearby struct {
	secret [32]byte
	shown  nearbyMap
	made   nearbyMap // will be shown next, when it is no longer new
}

// HideNearby sets the secret by which drivers are put elsewhere on the map of
// [AskNearby]. It should outlive the writer and be known to nobody. Without it anybody
// who knows this program can tell where. Call it before the first Apply.
func (c *Core) HideNearby(secret [32]byte) { c.nearby.secret = secret }

// lookAround makes a new map when the last one has been there for long enough, and then
// shows the last one: what is shown is never what is.
func (c *Core) lookAround(now Instant) {
	n := &c.nearby
	if now < n.made.next {
		return
	}
	n.shown = n.made
	if now.Sub(n.made.next) > nearbyEvery { // nobody was there to make one in time
		n.shown = nearbyMap{}
	}
	n.made = c.makeNearby(now)
}

// makeNearby draws the map of this moment.
func (c *Core) makeNearby(now Instant) nearbyMap {
	wait := nearbyEvery + time.Duration(c.nearby.chance("wait", uint64(now))*float64(nearbyJitter))
	m := nearbyMap{at: now, next: now.Add(wait)}
	counts := map[geo.Cell]int{}
	for f := c.fresh.oldest; f != nil; f = f.newer {
		id := f.Fix.Driver
		if d := c.drivers[id]; c.available(id) && now.Sub(max(d.Since, d.Admitted)) >= nearbyOnDuty {
			if cell, err := geo.CellOf(c.nearby.elsewhere(id, f.Fix.Point), nearbyFine); err == nil {
				counts[cell]++
			}
		}
	}
	for resolution := nearbyFine; ; resolution-- {
		few := map[geo.Cell]int{}
		for cell, n := range counts {
			if n >= nearbyFew {
				m.cells = append(m.cells, nearbyCellOf(cell, n))
			} else if parent, err := cell.Parent(resolution - 1); err == nil {
				few[parent] += n
			}
		}
		if counts = few; resolution == nearbyCoarse {
			break
		}
	}
	slices.SortFunc(m.cells, func(a, b NearbyCell) int {
		return cmp.Or(cmp.Compare(a.Middle.Lat, b.Middle.Lat), cmp.Compare(a.Middle.Lon, b.Middle.Lon), cmp.Compare(a.Radius, b.Radius))
	})
	return m
}

func nearbyCellOf(cell geo.Cell, drivers int) NearbyCell {
	c := NearbyCell{Middle: cell.Centre(), Many: drivers >= nearbyMany}
	for _, corner := range cell.Boundary() {
		c.Radius = max(c.Radius, geo.Distance(c.Middle, corner))
	}
	return c
}

// elsewhere is where on the map a driver counts who is at p.
func (n *nearby) elsewhere(driver DriverID, p geo.Point) geo.Point {
	cell, err := geo.CellOf(p, nearbyFine)
	if err != nil {
		return p
	}
	turn := 2 * math.Pi * n.chance("turn "+string(driver), uint64(cell))
	// Every place in the ring is as likely as any other.
	least, most := float64(nearbyLeast*nearbyLeast), float64(nearbyMost*nearbyMost)
	away := math.Sqrt(least + (most-least)*n.chance("away "+string(driver), uint64(cell)))
	const metersPerDegree = math.Pi / 180 * 6_371_009
	lat := p.Lat + away*math.Cos(turn)/metersPerDegree
	lon := p.Lon + away*math.Sin(turn)/(metersPerDegree*math.Cos(p.Lat*math.Pi/180))
	return geo.Point{Lat: max(-90, min(90, lat)), Lon: math.Remainder(lon, 360)}
}

// chance is a number from 0 to 1 that nobody can foresee without the secret: SHA-256
// with the secret first, whose length is fixed and whose outcome is not shown.
func (n *nearby) chance(what string, number uint64) float64 {
	b := append(make([]byte, 0, 128), n.secret[:]...)
	b = binary.BigEndian.AppendUint64(b, number)
	sum := sha256.Sum256(append(b, what...))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// near answers a question for the drivers about a place.
func (r *run) near(in AskNearby) {
	n := &r.core.nearby
	told := NearbyTold{At: cmp.Or(n.shown.at, n.made.at), Next: n.made.next}
	type near struct {
		cell NearbyCell
		away geo.Meters
	}
	list := make([]near, len(n.shown.cells))
	for i, cell := range n.shown.cells {
		list[i] = near{cell, geo.Distance(in.Around, cell.Middle)}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(a.away, b.away) })
	for _, cell := range list[:min(len(list), MaxNearbyCells)] {
		told.Cells = append(told.Cells, cell.cell)
	}
	r.tell(in.By, told)
}
