package ws

import (
	"math"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// outgo turns a notice into the frame that tells it to one party, or returns false
// when there is nothing in it that the party may see.
func outgo(to dispatch.Actor, body dispatch.NoticeBody, now dispatch.Instant) (wire.ServerFrame, bool) {
	switch b := body.(type) {
	case dispatch.Done:
		return wire.ServerFrame{Type: wire.TypeDone, Re: string(b.ID),
			Body: wire.Done{Trip: string(b.Trip), Version: int64(b.Version), State: string(b.State)}}, true
	case dispatch.Refused:
		return wire.ServerFrame{Type: wire.TypeRefused, Re: string(b.ID), Body: refusedBody(&b.Refusal, b.Trip)}, true
	case dispatch.Truth:
		return wire.ServerFrame{Type: wire.TypeTruth, Body: truthOut(to, b, now)}, true
	case dispatch.OfferTold:
		return wire.ServerFrame{Type: wire.TypeOffer, Body: offerOut(b.Offer, now)}, to.Role == dispatch.RoleDriver
	case dispatch.OfferGone:
		return wire.ServerFrame{Type: wire.TypeOfferGone,
			Body: wire.OfferGone{Trip: string(b.Trip), Offer: string(b.Offer), End: string(b.End)}}, true
	case dispatch.TripTold:
		trip, ok := tripOut(to, b.Trip, now)
		return wire.ServerFrame{Type: wire.TypeTrip, Body: trip}, ok
	case dispatch.QueueTold:
		return wire.ServerFrame{Type: wire.TypeQueue, Body: wire.Queue{Trip: string(b.Trip), Place: b.Place, Of: b.Of}}, true
	case dispatch.DriverAt:
		return wire.ServerFrame{Type: wire.TypeDriverAt,
			Body: wire.DriverAt{Trip: string(b.Trip), Fix: fixOut(b.Fix, now), ETA: int64(b.ETA), DistanceM: int64(math.Round(float64(b.Left)))}}, to.Role != dispatch.RoleDriver
	case dispatch.DutyTold:
		return wire.ServerFrame{Type: wire.TypeDuty, Body: dutyOut(b.On, b.Duty)}, to.Role == dispatch.RoleDriver
	case dispatch.RouteTold:
		return wire.ServerFrame{Type: wire.TypeRoute,
			Body: wire.RouteTold{Trip: string(b.Trip), Approach: wayOut(b.Approach), Ride: wayOut(b.Ride)}}, true
	case dispatch.NearbyTold:
		return wire.ServerFrame{Type: wire.TypeNearby, Body: nearbyOut(b)}, to.Role != dispatch.RoleDriver
	case dispatch.LookTold:
		return wire.ServerFrame{Type: wire.TypeLook, Body: lookOut(b, now)}, to.Role == dispatch.RoleOperator
	case dispatch.RoadTold:
		return wire.ServerFrame{Type: wire.TypeRoad, Body: roadOut(b.Road)}, to.Role == dispatch.RoleOperator
	case dispatch.BoardTold:
		return wire.ServerFrame{Type: wire.TypeBoard, Body: boardOut(b, now)}, to.Role == dispatch.RoleOperator
	}
	return wire.ServerFrame{}, false
}

// tripOut shows a trip to one party, or returns false when it is none of its business.
func tripOut(to dispatch.Actor, v dispatch.TripView, now dispatch.Instant) (wire.Trip, bool) {
	trip, as := wholeTrip(&v, now), onlookerOf(to, &v)
	if as&asDriver != 0 && v.StartCode != "" { // worked out for nobody else
		trip.StartCheck = startCheck(v.ID, v.StartCode)
	}
	return trip, sees(as, v.State, &trip)
}

// wholeTrip is everything about a trip. [sees] takes out what somebody may not see.
func wholeTrip(v *dispatch.TripView, now dispatch.Instant) wire.Trip {
	o := &v.Order
	trip := wire.Trip{
		Trip:        string(v.ID),
		Version:     int64(v.Version),
		State:       string(v.State),
		Pickup:      placeOut(o.Pickup, true),
		Dropoff:     placeOut(o.Dropoff, true),
		Seats:       o.Load.Seats,
		Wheelchairs: o.Load.Wheelchairs,
		GoodsL:      o.Load.GoodsLitres,
		Channel:     string(o.Channel),
		RequestedAt: int64(v.RequestedAt),
		Since:       int64(v.Since),
		PickupFrom:  int64(o.PickupWindow.From),
		PickupTo:    int64(o.PickupWindow.To),
		ArriveBy:    int64(o.ArriveBy),
		Booker:      &wire.Party{Role: string(o.Booker.Role), ID: o.Booker.ID},
		PickupETA:   int64(v.PickupETA),
		Cut:         v.Cut,
		GivesUpAt:   int64(v.GivesUpAt),
		Overdue:     v.Overdue,
		ArrivedAt:   int64(v.ArrivedAt),
		StartedAt:   int64(v.StartedAt),
		DrivenM:     v.DrivenM,
		PaidFen:     v.PaidFen,
		StartCode:   v.StartCode,
	}
	if o.Traveller != (dispatch.Traveller{}) {
		trip.Traveller = &wire.Traveller{ID: o.Traveller.ID, Name: o.Traveller.Name, Phone: o.Traveller.Phone}
	}
	if v.Direct != (geo.Leg{}) {
		ride := legOut(v.Direct)
		trip.Ride = &ride
	}
	if v.QueuePlace > 0 {
		trip.Queue = &wire.QueuePlace{Place: v.QueuePlace, Of: v.QueueOf}
	}
	if v.EndedWhy != "" {
		trip.Ended = &wire.Ended{ByRole: string(v.EndedBy.Role), Why: string(v.EndedWhy)}
	}
	if v.Driver != "" {
		vehicle := vehicleOut(v.Vehicle)
		trip.Driver = &wire.TripDriver{ID: string(v.Driver), Vehicle: &vehicle}
		trip.Position = fixOrNil(v.LastPosition, now)
	}
	return trip
}

func truthOut(to dispatch.Actor, b dispatch.Truth, now dispatch.Instant) wire.Truth {
	truth := wire.Truth{At: int64(b.At), Trips: []wire.Trip{}}
	if b.Duty != nil {
		duty := dutyOut(true, *b.Duty)
		truth.Duty = &duty
	}
	if b.Offer != nil {
		offer := offerOut(*b.Offer, now)
		truth.Offer = &offer
	}
	// When there are too many, the newest matter more.
	for _, v := range b.Trips[max(0, len(b.Trips)-wire.MaxTruthTrips):] {
		if trip, ok := tripOut(to, v, now); ok {
			truth.Trips = append(truth.Trips, trip)
		}
	}
	return truth
}

// offerOut leaves the notes out: people put names and telephone numbers into them,
// and the driver has not accepted.
func offerOut(v dispatch.OfferView, now dispatch.Instant) wire.Offer {
	offer := wire.Offer{
		Offer:       string(v.ID),
		Trip:        string(v.Trip),
		Version:     int64(v.TripVersion),
		Until:       int64(v.Until),
		WaitS:       max(0, v.Until.Sub(now).Seconds()),
		Approach:    legOut(v.Approach),
		Ride:        legOut(v.Direct),
		Pickup:      placeOut(v.Pickup, false),
		Dropoff:     placeOut(v.Dropoff, false),
		Seats:       v.Load.Seats,
		Wheelchairs: v.Load.Wheelchairs,
		GoodsL:      v.Load.GoodsLitres,
	}
	if v.Confirm != 0 { // the time to answer begins when this arrives
		offer.WaitS, offer.ConfirmS = v.WaitSeconds, max(0, v.Confirm.Sub(now).Seconds())
	}
	return offer
}

func dutyOut(on bool, v dispatch.DutyView) wire.DutyState {
	if !on {
		return wire.DutyState{}
	}
	vehicle := vehicleOut(v.Vehicle)
	duty := wire.DutyState{On: true, Vehicle: &vehicle, Since: int64(v.Since)}
	for _, stop := range v.Plan {
		duty.Plan = append(duty.Plan, wire.Stop{Kind: string(stop.Kind), Trip: string(stop.Trip), Place: placeOut(stop.Place, true)})
	}
	return duty
}

func boardOut(told dispatch.BoardTold, now dispatch.Instant) wire.Board {
	b := told.Board
	board := wire.Board{
		At:      int64(b.At),
		Area:    string(b.Area),
		Counts:  make(map[string]int, len(b.Counts)),
		Waiting: tripsOut(b.Waiting, now),
		Driving: tripsOut(b.Driving, now),
		Ended:   tripsOut(b.Ended, now),
		Drivers: make([]wire.BoardDriver, len(b.Drivers)),
		OnDuty:  b.OnDuty,
		Free:    b.Free,
		Silent:  b.Silent,
	}
	if m := told.Matching; m != nil {
		board.Latency = &wire.Latency{RequestToOfferP50MS: millis(m.P50), RequestToOfferP99MS: millis(m.P99), Count: int64(m.Count)}
	}
	for state, n := range b.Counts {
		board.Counts[string(state)] = n
	}
	for _, road := range b.Roads {
		board.Roads = append(board.Roads, roadOut(road))
	}
	for _, bar := range b.Bars {
		board.Bars = append(board.Bars, wire.Barred{Role: string(bar.Party.Role), ID: bar.Party.ID, Until: int64(bar.Until), At: int64(bar.At), Reason: bar.Reason})
	}
	for i, d := range b.Drivers {
		board.Drivers[i] = boardDriverOut(d, now)
	}
	return board
}

func boardDriverOut(d dispatch.DriverView, now dispatch.Instant) wire.BoardDriver {
	out := wire.BoardDriver{ID: string(d.ID), Vehicle: vehicleOut(d.Vehicle), Trip: string(d.Trip),
		State: string(d.State), Position: fixOrNil(d.Fix, now), LostAt: int64(d.LostAt), Unseen: d.Unseen}
	if d.Trust != dispatch.TrustFull {
		out.Trust = string(d.Trust)
	}
	for _, sign := range d.Signs {
		out.Signs = append(out.Signs, string(sign))
	}
	if d.Fix != nil {
		out.LinkMS = d.Fix.LinkMillis
	}
	return out
}

func lookOut(b dispatch.LookTold, now dispatch.Instant) wire.LookTold {
	var told wire.LookTold
	if b.Trip != nil {
		trip := wholeTrip(b.Trip, now)
		sees(asLooker, b.Trip.State, &trip)
		told.Trip = &trip
	}
	if b.Driver != nil {
		driver := boardDriverOut(*b.Driver, now)
		told.Driver = &driver
	}
	return told
}

// millis is d in milliseconds, to the hundredth.
func millis(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }

// tripsOut shows trips to an operator.
func tripsOut(views []dispatch.TripView, now dispatch.Instant) []wire.Trip {
	trips := make([]wire.Trip, len(views))
	for i, v := range views {
		trips[i], _ = tripOut(dispatch.Actor{Role: dispatch.RoleOperator}, v, now) // operators see every trip
	}
	return trips
}

func placeOut(p dispatch.Place, withNote bool) wire.PlaceOut {
	out := wire.PlaceOut{
		Village: string(p.Village),
		Stop:    string(p.Pickup),
		Name:    p.Name,
		Lat:     p.Point.Lat,
		Lon:     p.Point.Lon,
		Datum:   wire.DatumWGS84,
	}
	if withNote {
		out.Note = p.Note
	}
	return out
}

func vehicleOut(v dispatch.Vehicle) wire.Vehicle {
	return wire.Vehicle{ID: string(v.ID), Class: string(v.Class), Seats: v.Load.Seats, Wheelchairs: v.Load.Wheelchairs, GoodsL: v.Load.GoodsLitres}
}

func legOut(l geo.Leg) wire.Leg {
	return wire.Leg{DistanceM: int64(math.Round(float64(l.Distance))), DurationS: int64(math.Round(l.Duration.Seconds()))}
}

func fixOrNil(f *dispatch.Fix, now dispatch.Instant) *wire.Fix {
	if f == nil {
		return nil
	}
	out := fixOut(*f, now)
	return &out
}

func fixOut(f dispatch.Fix, now dispatch.Instant) wire.Fix {
	out := wire.Fix{
		Lat:   f.Point.Lat,
		Lon:   f.Point.Lon,
		Datum: wire.DatumWGS84,
		At:    int64(f.At),
		AgeMS: max(0, int64(now-f.At)),
	}
	if f.HeadingDegrees >= 0 {
		out.HeadingDeg = wire.Some(f.HeadingDegrees)
	}
	if f.SpeedMPS >= 0 {
		out.SpeedMPS = wire.Some(f.SpeedMPS)
	}
	if f.AccuracyMeters > 0 {
		out.AccuracyM = wire.Some(float64(f.AccuracyMeters))
	}
	return out
}
