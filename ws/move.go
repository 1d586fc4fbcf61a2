package ws

import (
	"cuntong/dispatch"
	"cuntong/geo"
)

// Results of a move, as the metric has them.
const (
	moveDone    = "done"
	moveUnknown = "unknown_area" // the area is not served here
)

// move takes the connections of a driver from the area that told so to the one that has
// him now. His token, and what welcome said, stay what they are.
func (h *Hub) move(from geo.AreaID, to dispatch.DriverElsewhere) {
	area, ok := h.cfg.Areas(to.Area)
	if !ok {
		h.metrics.moved(moveUnknown)
		h.cfg.Log.Warn("a driver belongs to an area that is not served here: he stays", "id", to.Driver, "area", from, "to", to.Area)
		return
	}
	var room [16]*conn
	for _, c := range h.directory.find(dispatch.DriverActor(to.Driver), room[:0]) {
		if p := c.party.Load(); p.areaID == from && to.Area != from {
			c.moveTo(p, to, area)
		}
	}
}

// moveTo makes a connection, whose party is was, one of another area. Whatever is told by
// the old area from now on is not for it, answers to what it had asked there apart.
func (c *conn) moveTo(was *party, to dispatch.DriverElsewhere, area Area) {
	is := *was
	is.areaID, is.area, is.slot, is.former, is.left = to.Area, area, area.Slot(), was.areaID, to.Since
	if !c.party.CompareAndSwap(was, &is) {
		return // somebody else has moved it
	}
	h := c.hub
	h.metrics.moved(moveDone)
	c.lanes.renew()
	_ = c.sayHello(&is) // refused: the sweeper asks again
	h.sayGone(was)
	h.sayGone(&is) // in case it has ended meanwhile
}

// areaOf is the area that a command is for: a driver's that he has now, or the one that
// he has left, when it is about a trip of that, by its receipt, or where he was before.
func (c *conn) areaOf(p *party, in dispatch.Input) Area {
	if p.former == "" || !c.ofFormer(p, in) {
		return p.area
	}
	if area, served := c.hub.cfg.Areas(p.former); served {
		return area
	}
	return p.area
}

// ofFormer says whether a command is a matter of the area that a driver has left.
func (c *conn) ofFormer(p *party, in dispatch.Input) bool {
	if track, ok := in.(dispatch.Tracked); ok {
		return len(track.Fixes) > 0 && track.Fixes[0].At < p.left
	}
	_, _, trip := dispatch.Asker(in)
	return trip != "" && c.kept.proves(p.former, trip) && !c.kept.proves(p.areaID, trip)
}

// isAnswer says whether a notice answers something that one connection has asked.
func isAnswer(body dispatch.NoticeBody) bool {
	switch body.(type) {
	case dispatch.Done, dispatch.Refused, dispatch.RouteTold, dispatch.NearbyTold, dispatch.LookTold:
		return true
	}
	return false
}
