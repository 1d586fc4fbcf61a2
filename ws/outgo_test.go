package ws

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

const outNow = dispatch.Instant(1_790_000_000_000)

// fullTrip is a trip of which everything is known, with a driver named in every
// state: what a party may not see must be left out here, not be missing there.
func fullTrip(state dispatch.State) dispatch.TripView {
	return dispatch.TripView{
		ID: "t1", Version: 4, State: state,
		Order: dispatch.Order{
			Booker: agent, Traveller: dispatch.Traveller{ID: "p1", Name: "TRAVELLER", Phone: "138 1234 5678"},
			Channel: dispatch.ChannelAgent, Product: dispatch.ProductSolo, Load: dispatch.Load{Seats: 2, Wheelchairs: 1, GoodsLitres: 40},
			Pickup:       dispatch.Place{Village: "langde", Pickup: "gate", Name: "朗德", Point: geo.Point{Lat: 26.4, Lon: 108}, Note: "NOTE"},
			Dropoff:      dispatch.Place{Name: "clinic", Point: geo.Point{Lat: 26.5, Lon: 108.1}},
			PickupWindow: dispatch.Window{From: 1, To: 2}, ArriveBy: 3,
		},
		RequestedAt: 10, Since: 20, Driver: "d1", Vehicle: dispatch.Vehicle{ID: "PLATE", Class: geo.Minibus, Load: dispatch.Load{Seats: 7}},
		Direct: geo.Leg{Distance: 1234.6, Duration: 90500 * time.Millisecond}, PickupETA: 30, QueuePlace: 1, QueueOf: 2, Overdue: 1, Cut: true, GivesUpAt: 40,
		EndedBy: operator, EndedWhy: dispatch.ReasonTooLong,
		LastPosition: &dispatch.Fix{Driver: "d1", Point: geo.Point{Lat: 26.45, Lon: 108.05}, At: outNow - 1500, HeadingDegrees: 0, SpeedMPS: -1},
	}
}

func TestOffersHideThePeople(t *testing.T) {
	v := fullTrip(dispatch.Offered)
	offer := dispatch.OfferTold{Offer: dispatch.OfferView{ID: "t1/1", Trip: "t1", TripVersion: 2, Until: outNow + 20_000, WaitSeconds: 99,
		Approach: geo.Leg{Distance: 10, Duration: time.Minute}, Direct: v.Direct, Pickup: v.Order.Pickup, Dropoff: v.Order.Dropoff, Load: v.Order.Load}}
	f, ok := outgo(driver1, offer, outNow+5_000)
	if !ok {
		t.Fatal("not told")
	}
	got := f.Body.(wire.Offer)
	want := wire.Offer{Offer: "t1/1", Trip: "t1", Version: 2, Until: int64(outNow) + 20_000, WaitS: 15,
		Approach: wire.Leg{DistanceM: 10, DurationS: 60}, Ride: wire.Leg{DistanceM: 1235, DurationS: 91},
		Pickup:  wire.PlaceOut{Village: "langde", Stop: "gate", Name: "朗德", Lat: 26.4, Lon: 108, Datum: "wgs84"},
		Dropoff: wire.PlaceOut{Name: "clinic", Lat: 26.5, Lon: 108.1, Datum: "wgs84"}, Seats: 2, Wheelchairs: 1, GoodsL: 40}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f, _ := outgo(driver1, offer, outNow+60_000); f.Body.(wire.Offer).WaitS != 0 {
		t.Errorf("a late offer has %v s left", f.Body.(wire.Offer).WaitS)
	}
	for _, who := range []dispatch.Actor{passenger, agent, operator} {
		if _, ok := outgo(who, offer, outNow); ok {
			t.Errorf("an offer was told to %s", who)
		}
	}
}

func TestOutgoOfTheRest(t *testing.T) {
	fix := dispatch.Fix{Driver: "d1", Point: geo.Point{Lat: 26.4, Lon: 108}, At: outNow - 2500, AccuracyMeters: 7, HeadingDegrees: 0, SpeedMPS: 3}
	slow := fix
	slow.LinkMillis = 1500
	fixWire := wire.Fix{Lat: 26.4, Lon: 108, Datum: "wgs84", At: int64(outNow) - 2500, AgeMS: 2500,
		HeadingDeg: wire.Some(0), SpeedMPS: wire.Some(3), AccuracyM: wire.Some(7)}
	vehicle := wire.Vehicle{ID: string(minibus.ID), Class: "minibus", Seats: 7}
	for _, c := range []struct {
		who  dispatch.Actor
		body dispatch.NoticeBody
		want wire.ServerFrame
	}{
		{passenger, dispatch.Done{ID: "c1", Trip: "t1", Version: 3, State: dispatch.Parked},
			wire.ServerFrame{Type: "done", Re: "c1", Body: wire.Done{Trip: "t1", Version: 3, State: "parked"}}},
		{passenger, dispatch.Refused{ID: "c1", Trip: "t1", Refusal: dispatch.Refusal{Kind: dispatch.Limited, Code: "too_early", Say: "Wait.", RetryAfter: 1500 * time.Millisecond}},
			wire.ServerFrame{Type: "refused", Re: "c1", Body: wire.Refused{Kind: "limited", Code: "too_early", Say: "Wait.", RetryAfterMS: 1500, Trip: "t1"}}},
		{driver1, dispatch.OfferGone{Trip: "t1", Offer: "t1/1", End: dispatch.OfferLapsed},
			wire.ServerFrame{Type: "offer_gone", Body: wire.OfferGone{Trip: "t1", Offer: "t1/1", End: "lapsed"}}},
		{passenger, dispatch.QueueTold{Trip: "t1", Place: 2, Of: 9}, wire.ServerFrame{Type: "queue", Body: wire.Queue{Trip: "t1", Place: 2, Of: 9}}},
		{passenger, dispatch.DriverAt{Trip: "t1", Fix: fix, ETA: 77, Left: 1234.5}, wire.ServerFrame{Type: "driver_at", Body: wire.DriverAt{Trip: "t1", Fix: fixWire, ETA: 77, DistanceM: 1235}}},
		{driver1, dispatch.DutyTold{On: true, Duty: dispatch.DutyView{Driver: "d1", Vehicle: minibus, Since: 5, Plan: dispatch.Plan{{Kind: dispatch.StopPickup, Trip: "t1", Place: dispatch.Place{Name: "x", Note: "NOTE"}}}}},
			wire.ServerFrame{Type: "duty", Body: wire.DutyState{On: true, Vehicle: &vehicle, Since: 5, Plan: []wire.Stop{{Kind: "pickup", Trip: "t1", Place: wire.PlaceOut{Name: "x", Datum: "wgs84", Note: "NOTE"}}}}}},
		{driver1, dispatch.DutyTold{}, wire.ServerFrame{Type: "duty", Body: wire.DutyState{}}},
		{driver1, dispatch.RouteTold{Trip: "t1", Approach: &dispatch.Way{Leg: geo.Leg{Distance: 10.6, Duration: 1500 * time.Millisecond}, Line: "_p~iF~ps|U"}},
			wire.ServerFrame{Type: "route", Body: wire.RouteTold{Trip: "t1", Approach: &wire.Way{DistanceM: 11, DurationS: 2, Line: "_p~iF~ps|U"}}}},
		{operator, dispatch.RoadTold{Road: fullRoad()}, wire.ServerFrame{Type: "road", Body: fullRoadOut}},
		{operator, dispatch.BoardTold{Matching: &dispatch.MatchingView{P50: 1234 * time.Microsecond, P99: 5 * time.Millisecond, Count: 7}, Board: dispatch.Board{At: 1, Area: leishan, Counts: map[dispatch.State]int{dispatch.Parked: 2}, OnDuty: 3, Free: 2, Silent: 1,
			Drivers: []dispatch.DriverView{{ID: "d1", Vehicle: minibus, Trip: "t1", State: dispatch.Riding, Fix: &fix}, {ID: "d2", Vehicle: minibus, Fix: &slow, LostAt: 9, Unseen: true}}, Roads: []dispatch.RoadView{fullRoad()},
			Bars: []dispatch.BarView{{Party: driver1, Until: 8, At: 7, Reason: "why"}, {Party: passenger, At: 6}}}},
			wire.ServerFrame{Type: "board", Body: wire.Board{At: 1, Area: "leishan", Counts: map[string]int{"parked": 2}, Waiting: []wire.Trip{}, Driving: []wire.Trip{}, Ended: []wire.Trip{},
				Drivers: []wire.BoardDriver{{ID: "d1", Vehicle: vehicle, Trip: "t1", State: "riding", Position: &fixWire}, {ID: "d2", Vehicle: vehicle, Position: &fixWire, LinkMS: 1500, LostAt: 9, Unseen: true}}, OnDuty: 3, Free: 2, Silent: 1, Roads: []wire.RoadState{fullRoadOut},
				Bars:    []wire.Barred{{Role: "driver", ID: driver1.ID, Until: 8, At: 7, Reason: "why"}, {Role: "passenger", ID: passenger.ID, At: 6}},
				Latency: &wire.Latency{RequestToOfferP50MS: 1.23, RequestToOfferP99MS: 5, Count: 7}}}},
	} {
		got, ok := outgo(c.who, c.body, outNow)
		if !ok {
			t.Errorf("%T was not told to %s", c.body, c.who)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.body, diff)
		}
		if _, err := wire.EncodeServer(got.Type, got.Re, got.Body); err != nil {
			t.Errorf("%T: %v", c.body, err)
		}
		if c.body.Lossy() != got.Type.IsLossy() {
			t.Errorf("%T: the domain says lossy %v, the protocol %v", c.body, c.body.Lossy(), got.Type.IsLossy())
		}
	}
	for _, c := range []struct {
		who  dispatch.Actor
		body dispatch.NoticeBody
	}{{passenger, dispatch.DutyTold{}}, {driver1, dispatch.DriverAt{}}, {agent, dispatch.BoardTold{}}, {driver1, dispatch.BoardTold{}}, {agent, dispatch.RoadTold{}}} {
		if _, ok := outgo(c.who, c.body, outNow); ok {
			t.Errorf("%T was told to %s", c.body, c.who)
		}
	}
}

func TestTruthIsBounded(t *testing.T) {
	b := dispatch.Truth{At: 9}
	for i := range wire.MaxTruthTrips + 10 {
		v := fullTrip(dispatch.Parked)
		v.ID = dispatch.TripID(fmt.Sprint("t", i))
		b.Trips = append(b.Trips, v)
	}
	b.Trips[100].Order.Booker = operator // none of the agent's business
	f, _ := outgo(agent, b, outNow)
	got := f.Body.(wire.Truth)
	if len(got.Trips) != wire.MaxTruthTrips-1 || got.Trips[0].Trip != "t10" {
		t.Errorf("%d trips from %s on, want %d from t10 on: the newest, and none of others", len(got.Trips), got.Trips[0].Trip, wire.MaxTruthTrips-1)
	}
	frame, err := wire.EncodeServer(f.Type, "", f.Body)
	if err != nil || len(frame) > wire.MaxServerFrameBytes {
		t.Errorf("%d bytes, %v", len(frame), err)
	}
	if estimate := weigh(b); estimate < len(frame)/2 {
		t.Errorf("weighed %d bytes, is %d", estimate, len(frame))
	}
	empty, _ := outgo(driver1, dispatch.Truth{At: 9}, outNow)
	text, _ := json.Marshal(empty.Body)
	if string(text) != `{"at":9,"trips":[]}` {
		t.Errorf("the empty truth is %s", text)
	}
}

func TestTruthOfADriver(t *testing.T) {
	f, _ := outgo(driver1, dispatch.Truth{At: 9, Duty: &dispatch.DutyView{Driver: "d1", Vehicle: minibus, Since: 3},
		Offer: &dispatch.OfferView{ID: "t1/1", Trip: "t1", Until: outNow + 1000}, Trips: []dispatch.TripView{fullTrip(dispatch.Riding)}}, outNow)
	got := f.Body.(wire.Truth)
	if got.Duty == nil || !got.Duty.On || got.Offer == nil || got.Offer.WaitS != 1 || len(got.Trips) != 1 || got.Trips[0].Traveller == nil {
		t.Errorf("%+v", got)
	}
}
