package dispatch

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cuntong/geo"
)

// snapshotFormat is the version of the encoding of a snapshot.
//
//	1  the first
//	2  with changes to the roads
//	3  with drivers who have come from other areas and gone there
//	4  with who is barred and signed out, and whose positions are doubted
const snapshotFormat = 4

// snapshot is the durable state on paper, in an order that depends on nothing but
// the state: equal states give equal bytes.
type snapshot struct {
	Format   int              `json:"v"`
	Seq      Seq              `json:"seq"`
	Last     Instant          `json:"last"`
	Open     []*Trip          `json:"open"`  // by time of request
	Ended    []*Trip          `json:"ended"` // oldest end first
	Drivers  []*Driver        `json:"drivers"`
	Commands []answer         `json:"commands"`
	Roads    []geo.RoadChange `json:"roads,omitempty"`    // by id
	Outflows []*outflow       `json:"outflows,omitempty"` // by area
	Inflows  []*inflow        `json:"inflows,omitempty"`  // by area
	Gone     []*gone          `json:"gone,omitempty"`     // who went first, first

	Bars      []bar       `json:"bars,omitempty"`       // by party
	SignedOut []signedOut `json:"signed_out,omitempty"` // by party
	Trust     []trusted   `json:"trust,omitempty"`      // by driver
}

// Snapshot writes the durable state, for [Core.Restore].
func (c *Core) Snapshot() ([]byte, error) {
	s := snapshot{Format: snapshotFormat, Seq: c.seq, Last: c.last, Commands: c.commands.all(), Roads: c.roadChanges()}
	for _, t := range c.trips {
		if t.State.Open() {
			s.Open = append(s.Open, t)
		}
	}
	slices.SortFunc(s.Open, inQueueOrder)
	for _, id := range c.ended {
		s.Ended = append(s.Ended, c.trips[id])
	}
	s.Outflows = c.flowsOut()
	s.Inflows = slices.SortedFunc(maps.Values(c.inflows), func(a, b *inflow) int { return cmp.Compare(a.From, b.From) })
	s.Gone = slices.SortedFunc(maps.Values(c.gone), func(a, b *gone) int { return cmp.Compare(a.Seq, b.Seq) })
	s.Bars, s.SignedOut = c.shut.onPaper()
	s.Trust = slices.SortedFunc(maps.Values(c.trust), func(a, b trusted) int { return cmp.Compare(a.Driver, b.Driver) })
	s.Drivers = slices.SortedFunc(maps.Values(c.drivers), func(a, b *Driver) int { return cmp.Compare(a.ID, b.ID) })
	return json.Marshal(s)
}

// Restore takes the state of a snapshot. The core must be new.
func (c *Core) Restore(data []byte) error {
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if s.Format < 1 || s.Format > snapshotFormat {
		return fmt.Errorf("the snapshot has format %d: this program reads 1 to %d; run a newer one", s.Format, snapshotFormat)
	}
	if slices.Contains(s.Open, nil) || slices.Contains(s.Ended, nil) || slices.Contains(s.Drivers, nil) || s.emptyFlow() {
		return errors.New("snapshot: an entry is empty")
	}
	c.seq, c.last = s.Seq, s.Last
	for _, d := range s.Drivers {
		c.drivers[d.ID] = d
		c.quiet.add(d.ID, s.Last)
	}
	for _, t := range slices.SortedFunc(slices.Values(slices.Concat(s.Ended, s.Open)), inQueueOrder) {
		c.admit(t)
	}
	for _, t := range s.Ended {
		c.leaveBooked(t.Order.Booker)
		c.ended = append(c.ended, t.ID)
		c.drives(t)
	}
	for _, t := range s.Open {
		c.deadlines.set(t.ID, t.Deadline)
		switch t.State {
		case Parked:
			c.queue.add(t)
		case Requested:
			c.gathering = append(c.gathering, t.ID)
		}
	}
	for _, o := range s.Outflows {
		c.outflows[o.To] = o
	}
	for _, i := range s.Inflows {
		c.inflows[i.From] = i
	}
	for _, g := range s.Gone {
		c.gone[g.Driver] = g
	}
	for _, change := range s.Roads {
		c.changes[change.ID] = change
	}
	c.shut.restore(s.Bars, s.SignedOut)
	for _, t := range s.Trust {
		c.trust[t.Driver] = t
	}
	for _, t := range slices.SortedFunc(maps.Values(c.trips), inQueueOrder) {
		c.rebrake(t)
	}
	for _, a := range s.Commands {
		c.commands.keep(a)
	}
	return c.Check()
}

func (s *snapshot) emptyFlow() bool {
	return slices.Contains(s.Outflows, nil) || slices.Contains(s.Inflows, nil) || slices.Contains(s.Gone, nil) ||
		slices.ContainsFunc(s.Outflows, func(o *outflow) bool { return slices.Contains(o.Open, nil) })
}
