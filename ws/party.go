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
	former  geo.AreaID       // from where he was taken to this one; else empty
	left    dispatch.Instant // when he was released there
	home    geo.AreaID       // what the token says
	area    Area
	expires dispatch.Instant  // the leeway of tokens included
	issued  dispatch.Instant  // when the token was made; 0: it does not say
	vehicle *dispatch.Vehicle // drivers only
	slot    Positions         // drivers only
}

func newParty(c Claims, area Area) *party {
	p := &party{
		actor:   c.Actor,
		role:    slices.Index(roles, c.Actor.Role),
		areaID:  c.Area,
		area:    area,
		home:    c.Area,
		expires: endOf(c),
		issued:  issuedAt(c),
	}
	if c.Actor.Role == dispatch.RoleDriver {
		vehicle := c.Vehicle
		p.vehicle, p.slot = &vehicle, area.Slot()
	}
	return p
}
