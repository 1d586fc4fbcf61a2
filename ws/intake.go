package ws

import (
	"errors"
	"fmt"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// intake turns the frame of a command or question into the input it stands for. It
// is a function of its arguments alone: a repeated frame gives an equal input, by which the core
// knows a repeat. Moments of deeds and tracks are still the phone's, for [onOurClock]. Package wire
// has checked ids, reasons and ranges.
func intake(p *party, f wire.ClientFrame, villages *geo.Gazetteer) (dispatch.Input, *dispatch.Refusal) {
	cmd := dispatch.Command{By: p.actor, ID: dispatch.CommandID(f.ID)}
	switch b := f.Body.(type) {
	case wire.Request:
		return request(cmd, b, villages)
	case wire.Duty:
		return duty(cmd, p, b), nil
	case wire.Accept:
		return dispatch.Accept{Command: cmd, Trip: dispatch.TripID(b.Trip), Offer: dispatch.OfferID(b.Offer)}, nil
	case wire.Decline:
		return dispatch.Decline{Command: cmd, Trip: dispatch.TripID(b.Trip), Offer: dispatch.OfferID(b.Offer)}, nil
	case wire.Arrive:
		return dispatch.Arrive{Command: cmd, Trip: dispatch.TripID(b.Trip), Deed: deed(b.At, b.Seq)}, nil
	case wire.Start:
		return dispatch.Start{Command: cmd, Trip: dispatch.TripID(b.Trip), Code: b.Code, Deed: deed(b.At, b.Seq)}, nil
	case wire.Complete:
		return dispatch.Complete{Command: cmd, Trip: dispatch.TripID(b.Trip), Deed: deed(b.At, b.Seq)}, nil
	case wire.Release:
		return dispatch.Release{Command: cmd, Trip: dispatch.TripID(b.Trip), Why: dispatch.Reason(b.Why), Deed: deed(b.At, b.Seq)}, nil
	case wire.Cancel:
		return dispatch.Cancel{Command: cmd, Trip: dispatch.TripID(b.Trip), Why: dispatch.Reason(b.Why), Deed: deed(b.At, b.Seq)}, nil
	case wire.Paid:
		return dispatch.Paid{Command: cmd, Trip: dispatch.TripID(b.Trip), Fen: b.Fen, Deed: deed(b.At, b.Seq)}, nil
	case wire.Track:
		return tracked(cmd, b)
	case wire.EndDuty:
		return dispatch.EndDuty{Command: cmd, Driver: dispatch.DriverID(b.Driver)}, nil
	case wire.Road:
		return changeRoad(cmd, b)
	case wire.LiftRoad:
		return dispatch.RestoreRoad{Command: cmd, ID: geo.RoadChangeID(b.Road)}, nil
	case wire.Bar:
		return dispatch.Bar{Command: cmd, Party: namedParty(b.Role, b.ID), Until: dispatch.Instant(b.Until), Reason: b.Reason}, nil
	case wire.Logout: // everywhere; of this connection only is the hub's own business
		return dispatch.SignOut{Command: cmd}, nil
	case wire.LiftBar:
		return dispatch.LiftBar{Command: cmd, Party: namedParty(b.Role, b.ID)}, nil
	case wire.Route:
		return dispatch.AskRoute{By: p.actor, Trip: dispatch.TripID(b.Trip)}, nil
	case wire.Nearby:
		around, bad := place("around", b.Around, villages)
		return dispatch.AskNearby{By: p.actor, Around: around.Point}, bad
	case wire.Look:
		return dispatch.Look{Command: cmd, Trip: dispatch.TripID(b.Trip), Driver: dispatch.DriverID(b.Driver), Reason: b.Reason}, nil
	}
	return nil, refusal(dispatch.Invalid, wire.CodeUnknownType, fmt.Sprintf("The server does not take %s.", f.Type))
}

// namedParty is the party that an operator names. Package wire has checked the role.
func namedParty(role, id string) dispatch.Actor {
	return dispatch.Actor{Role: dispatch.Role(role), ID: id}
}

func duty(cmd dispatch.Command, p *party, b wire.Duty) dispatch.Input {
	driver := p.actor.Driver()
	if !b.On {
		return dispatch.EndDuty{Command: cmd, Driver: driver}
	}
	return dispatch.StartDuty{Command: cmd, Driver: driver, Vehicle: *p.vehicle}
}

// request resolves the places and fills in what the role decides. Times are taken
// as they are: "at two o'clock" means that, whatever the phone's clock shows.
func request(cmd dispatch.Command, b wire.Request, villages *geo.Gazetteer) (dispatch.Input, *dispatch.Refusal) {
	channel, bad := channelOf(cmd.By.Role, b.Channel)
	if bad != nil {
		return nil, bad
	}
	pickup, bad := place("pickup", b.Pickup, villages)
	if bad != nil {
		return nil, bad
	}
	dropoff, bad := place("dropoff", b.Dropoff, villages)
	if bad != nil {
		return nil, bad
	}
	if pickup.Point == dropoff.Point {
		return nil, refusal(dispatch.Invalid, wire.CodeSamePlace, "Pickup and drop-off are the same place. Choose another drop-off.")
	}
	pickup.Note = joinNotes(pickup.Note, b.Note)
	return dispatch.Request{Command: cmd, Trip: dispatch.TripID(b.Trip), Order: dispatch.Order{
		Booker:       cmd.By,
		Traveller:    dispatch.Traveller{ID: b.Traveller.ID, Name: b.Traveller.Name, Phone: b.Traveller.Phone},
		Channel:      channel,
		Product:      dispatch.ProductSolo,
		Load:         dispatch.Load{Seats: b.Seats, Wheelchairs: b.Wheelchairs, GoodsLitres: b.GoodsL},
		Pickup:       pickup,
		Dropoff:      dropoff,
		PickupWindow: dispatch.Window{From: dispatch.Instant(b.PickupFrom), To: dispatch.Instant(b.PickupTo)},
		ArriveBy:     dispatch.Instant(b.ArriveBy),
	}}, nil
}

// joinNotes puts the note on the whole request to the one on the pickup, which is
// where the driver reads it.
func joinNotes(pickup, request string) string {
	if pickup == "" || request == "" {
		return pickup + request
	}
	return pickup + " / " + request
}

// channelOf is how a booking came in: through the app for a passenger, and what an
// agent or operator says it was, which unsaid is their own desk.
func channelOf(role dispatch.Role, said string) (dispatch.Channel, *dispatch.Refusal) {
	channel := dispatch.Channel(said)
	if role == dispatch.RolePassenger {
		if said != "" && channel != dispatch.ChannelApp {
			return "", refusal(dispatch.Forbidden, wire.CodeRole, "A passenger books through the app: leave channel out.")
		}
		return dispatch.ChannelApp, nil
	}
	switch channel {
	case dispatch.ChannelAgent, dispatch.ChannelDesk, dispatch.ChannelText:
		return channel, nil
	case "":
		if role == dispatch.RoleAgent {
			return dispatch.ChannelAgent, nil
		}
		return dispatch.ChannelDesk, nil
	}
	return "", refusal(dispatch.Forbidden, wire.CodeRole, "Give agent, desk or text as the channel, or leave it out.")
}

// place resolves a place of either form.
func place(field string, in wire.Place, villages *geo.Gazetteer) (dispatch.Place, *dispatch.Refusal) {
	if in.IsPoint() {
		point, err := geo.ToWGS84(geo.Point{Lat: in.Lat.Value, Lon: in.Lon.Or(0)}, geo.Datum(in.Datum))
		if err != nil {
			bad := refusePoint(err)
			bad.Say = field + ": " + bad.Say
			return dispatch.Place{}, bad
		}
		return dispatch.Place{Name: in.Name, Point: point, Note: in.Note}, nil
	}
	village, ok := villages.Village(geo.VillageID(in.Village))
	if !ok {
		return dispatch.Place{}, refusal(dispatch.NotFound, wire.CodeUnknownVillage, field+": no village has this id. Search for it by name.")
	}
	stop, ok := villages.Pickup(village.ID, geo.PickupID(in.Stop))
	if !ok {
		return dispatch.Place{}, refusal(dispatch.NotFound, wire.CodeUnknownVillage, field+": the village has no such stop. Leave stop out for the usual one.")
	}
	name := village.Name
	if stop.Name != "" && stop.Name != name {
		name += " " + stop.Name
	}
	return dispatch.Place{Village: village.ID, Pickup: stop.ID, Name: name, Point: stop.Point, Note: in.Note}, nil
}

// refusePoint words an error of package geo.
func refusePoint(err error) *dispatch.Refusal {
	switch {
	case errors.Is(err, geo.ErrUntaggedDatum):
		return refusal(dispatch.Invalid, wire.CodeUntaggedDatum, "Say in which datum the coordinates are: wgs84, gcj02 or bd09.")
	case errors.Is(err, geo.ErrUnknownDatum):
		return refusal(dispatch.Invalid, wire.CodeBadValue, "The datum is not known: give wgs84, gcj02 or bd09.")
	}
	return refusal(dispatch.Invalid, wire.CodeOutOfRange, "The coordinates are not a place on earth.")
}

func refusal(kind dispatch.Kind, code, say string) *dispatch.Refusal {
	return &dispatch.Refusal{Kind: kind, Code: code, Say: say}
}

// refusedBody is a refusal on the wire.
func refusedBody(r *dispatch.Refusal, trip dispatch.TripID) wire.Refused {
	return wire.Refused{Kind: string(r.Kind), Code: r.Code, Say: r.Say, RetryAfterMS: int64(r.RetryAfter / time.Millisecond), Trip: string(trip)}
}

// tripOf is the trip that a command or question speaks of, or "".
func tripOf(f wire.ClientFrame) dispatch.TripID {
	switch b := f.Body.(type) {
	case wire.Request:
		return dispatch.TripID(b.Trip)
	case wire.Accept:
		return dispatch.TripID(b.Trip)
	case wire.Decline:
		return dispatch.TripID(b.Trip)
	case wire.Arrive:
		return dispatch.TripID(b.Trip)
	case wire.Start:
		return dispatch.TripID(b.Trip)
	case wire.Complete:
		return dispatch.TripID(b.Trip)
	case wire.Release:
		return dispatch.TripID(b.Trip)
	case wire.Cancel:
		return dispatch.TripID(b.Trip)
	case wire.Paid:
		return dispatch.TripID(b.Trip)
	case wire.Route:
		return dispatch.TripID(b.Trip)
	case wire.Look:
		return dispatch.TripID(b.Trip)
	}
	return ""
}
