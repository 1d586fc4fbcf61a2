package ws

import (
	"slices"

	"cuntong/dispatch"
	"cuntong/geo"
)

// party is who speaks on a connection. It does not change: a driver who is taken to
// another area is another party.
type party struct {
	actor   dispatch.Actor
	role    int // index in roles
	areaID  geo.AreaID
	former  geo.AreaID // from where he was taken to this one; else empty
	area    Area
	expires dispatch.Instant  // the leeway of tokens included
	vehicle *dispatch.Vehicle // drivers only
	slot    Positions         // drivers only
}

func newParty(c Claims, area Area) *party {
	p := &party{
		actor:   c.Actor,
		role:    slices.Index(roles, c.Actor.Role),
		areaID:  c.Area,
		area:    area,
		expires: dispatch.InstantOf(c.Expires.Add(tokenLeeway)),
	}
	if c.Actor.Role == dispatch.RoleDriver {
		vehicle := c.Vehicle
		p.vehicle, p.slot = &vehicle, area.Slot()
	}
	return p
}
