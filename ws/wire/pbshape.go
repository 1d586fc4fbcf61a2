package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// pbShape is how one type of object is written in protobuf: a number and a kind for
// each of its members. The members themselves are those of the struct.
type pbShape struct {
	typ    reflect.Type
	fields []pbField
	cuts   bool // has a pbReceipt
	// byNumber is the place of a number in fields, counted from 1; 0: no such field.
	byNumber [maxPBNumber + 1]uint8
}

// pbField is one member in protobuf.
type pbField struct {
	member string // its name in JSON
	index  int    // in the struct
	number protowire.Number
	kind   pbKind
	words  []string // of kind pbWord: the words by their number
	beside []int    // of kinds pbOffset, pbOffer and pbReceipt: the member, perhaps within another, that the value is told by
	shape  *pbShape // of kinds pbMessage and pbMessages
	// always says that the field is written although it is zero: there it says something.
	always bool
	// listed says that an absent field is an empty list and not none.
	listed bool
}

const (
	maxPBNumber = 255
	// pbText is added to the number of a field to get that of its text, for what its
	// own form cannot say: a word without a number, a receipt that is not base64url.
	pbText = 100
)

// pbReceiptCut is the number of what goes with a receipt: the place in it, counted from
// 1, where the id of the trip has been taken out; absent: nothing has.
const pbReceiptCut = 15

// pbKind is the form of a value.
type pbKind uint8

const (
	pbString      pbKind = iota + 1
	pbInt                // int64 as it is
	pbZigzag             // sint64 as it is
	pbBool               //
	pbE6                 // sint32, millionths
	pbTenths             // uint32, tenths
	pbWhole              // uint32, rounded
	pbThousandths        // int64, thousandths
	pbDouble             // double
	pbPoint              // fixed64: lat in the upper half and lon, the next member, in the lower, both in millionths
	pbWord               // an enum, or a text beside it
	pbImplied            // a text that is absent when it is the usual one: WGS-84, or the protocol
	pbOffer              // the number of an offer of the trip, or a text beside it
	pbRaw                // bytes that are base64url in JSON, or a text beside it
	pbRaws               // a list of such
	pbReceipt            // as pbRaw, without the id of the trip in it
	pbOffset             // sint64, ms after another moment of the object
	pbParts              // bytes whose parts are base64url with dots between in JSON, or a text beside it
	pbStrings            // a list
	pbCounts             // a map of counts
	pbMessage            //
	pbMessages           // a list
	pbFixes              // the columns of a track
)

// pbUnits are the kinds of the table that do not follow from a member's type.
var pbUnits = map[string]pbKind{"zigzag": pbZigzag, "e6": pbE6, "tenths": pbTenths, "whole": pbWhole, "thousandths": pbThousandths,
	"double": pbDouble, "point": pbPoint, "implied": pbImplied, "offer": pbOffer, "raw": pbRaw, "raws": pbRaws, "receipt": pbReceipt, "offset": pbOffset, "parts": pbParts, "fixes": pbFixes}

// pbVocabularies are the enums of the .proto, by name; a word's number is its place.
// A list is closed: a word that is added to the protocol later travels as text, so
// that a client that does not know it can show it all the same.
var pbVocabularies = map[string][]string{
	"Datum":        {"", DatumWGS84, DatumGCJ02, DatumBD09},
	"Role":         {"", RoleDriver, RolePassenger, RoleAgent, RoleOperator, "system"},
	"State":        {"", StateRequested, StateOffered, StateParked, StateAssigned, StateArrived, StateRiding, StateCompleted, StateCancelled, StateUnserved},
	"Why":          {"", WhyChangedMind, WhyFoundOther, WhyTooLong, WhyMistake, WhyNoShow, WhyBreakdown, WhyRoad, WhyOther, "overdue", "no_driver"},
	"Channel":      {"", ChannelApp, ChannelAgent, ChannelDesk, ChannelText},
	"Kind":         {"", KindInvalid, KindNotFound, KindConflict, KindLapsed, KindForbidden, KindLimited, KindUnavailable},
	"End":          {"", EndLapsed, EndUnseen, EndWithdrawn},
	"StopKind":     {"", StopPickup, StopDropoff},
	"VehicleClass": {"", "car", "minivan", "minibus", "bus", "pickup"},
	"Amount":       {"", SomeDrivers, ManyDrivers},
	"Trust":        {"", TrustDoubtful, TrustPoor},
}

// pbShapes are the shapes of all objects.
var pbShapes = makePBShapes()

// makePBShapes gives every member of every object its number. A line is the members,
// each with its number and, where the type does not say it, its kind; "!" marks those
// that are always written. What is within another object comes before it.
func makePBShapes() map[reflect.Type]*pbShape {
	all := map[reflect.Type]*pbShape{}
	add := func(sample any, members string) {
		s := parsePBShape(all, reflect.TypeOf(sample), members)
		all[s.typ] = s
	}
	addPBObjects(add)
	addPBServer(add)
	addPBClient(add)
	return all
}

// addPBObjects adds what is within messages.
func addPBObjects(add func(any, string)) {
	add(Vehicle{}, "id 1, class 2 VehicleClass, seats 3, wheelchairs 4, goods_l 5")
	add(PlaceOut{}, "village 1, stop 2, name 3, lat 4 e6, lon 5 e6, datum 6 implied, note 7")
	add(Fix{}, "lat 1 e6, lon 2 e6, at 3, age_ms 4, heading_deg 5 whole, speed_mps 6 tenths, accuracy_m 7 tenths, datum 8 implied")
	add(Leg{}, "distance_m 1, duration_s 2")
	add(Party{}, "role 1 Role, id 2")
	add(Traveller{}, "id 1, name 2, phone 3")
	add(TripDriver{}, "id 1, vehicle 2")
	add(QueuePlace{}, "place 1, of 2")
	add(Ended{}, "by_role 1 Role, why 2 Why")
	add(Trip{}, `trip 1, version 2, state 3 State, since 4, position 5, pickup_eta 6 offset, receipt 7 receipt, arrived_at 8 offset,
		started_at 9 offset, driver 10, pickup 11, dropoff 12, ride 13, requested_at 14 offset, seats 16, wheelchairs 17, goods_l 18,
		channel 19 Channel, pickup_from 20 offset, pickup_to 21 offset, arrive_by 22 offset, booker 23, traveller 24, queue 25, overdue 26,
		cut 27, ended 28, driven_m 29, paid_fen 30, start_code 31, start_check 32 parts, gives_up_at 33 offset`)
	add(Stop{}, "kind 1 StopKind, trip 2, place 3")
	add(DutyState{}, "on 1, vehicle 2, since 3, plan 4")
	add(Offer{}, `trip 1, offer 2 offer, version 3, until 4, wait_s 5 thousandths, confirm_s 6 thousandths, approach 7 !, ride 8 !,
		pickup 9, dropoff 10, seats 11, wheelchairs 12, goods_l 13`)
	add(OfferGone{}, "trip 1, offer 2 offer, end 3 End")
	add(Held{}, "trip 1, version 2")
	add(Hours{}, "from_min 1 !, until_min 2 !, zone_min 3 zigzag !")
	add(Stretch{}, "lat 1 e6, lon 2 e6, datum 3 Datum, radius_m 4 double, kinds 5, above_m 6 double")
	add(Road{}, `road 1, where 2 !, vehicles 3, closed 4, pace 5 double, max_kg 6, max_height_cm 7, max_width_cm 8, from 9, until 10,
		daily 11, note 12`)
	add(Extent{}, "segments 1, length_m 2, names 3")
	add(RoadState{}, "change 1, extent 2, in_force 3")
	add(BoardDriver{}, "id 1, vehicle 2, trip 3, state 4 State, position 5, trust 6 Trust, signs 7, link_ms 8, lost_at 9, unseen 10")
	add(Barred{}, "role 1 Role, id 2, until 3, at 4, reason 5")
	add(Latency{}, "request_to_offer_p50_ms 1 thousandths, request_to_offer_p99_ms 2 thousandths, count 3")
	add(Way{}, "distance_m 1, duration_s 2, line 3")
	add(Place{}, "village 1, stop 2, lat 3 e6, lon 4 e6, datum 5 Datum, name 6, note 7")
	add(NearbyCell{}, "lat 1 e6, lon 2 e6, radius_m 3, drivers 4 Amount, datum 5 implied")
}

// addPBServer adds what the server sends and is not within another message.
func addPBServer(add func(any, string)) {
	add(Board{}, `at 1, area 2, counts 3, waiting 4, driving 5, ended 6, drivers 7, on_duty 8, free 9, silent 10, roads 11, latency 12, bars 13`)
	add(Welcome{}, "session 1, role 2 Role, id 3, area 4, server_time 5, heartbeat_s 6, max_frame_bytes 7, protocol 8 implied")
	add(Truth{}, "at 1, trips 2, same 3, duty 4, offer 5")
	add(Done{}, "trip 1, version 2, state 3 State")
	add(Refused{}, "kind 1 Kind, code 2, say 3, field 4, retry_after_ms 5, trip 6")
	add(Queue{}, "trip 1, place 2, of 3")
	add(DriverAt{}, "trip 1, fix 2, eta 3 offset, distance_m 4")
	add(RouteTold{}, "trip 1, approach 2, ride 3")
	add(NearbyTold{}, "at 1, next 2, cells 3")
	add(LookTold{}, "trip 1, driver 2")
	add(Heartbeat{}, "every_s 1, silent_s 2")
	add(Drain{}, "come_back_after_ms 1")
	add(Pong{}, "")
}

// addPBClient adds what clients send.
func addPBClient(add func(any, string)) {
	add(Hello{}, "now_ms 1, token 2 parts, client 3, receipts 4 raws, known 5, lean 6, confirms 7, device 8")
	add(Position{}, "lat 1 point !, at 2, accuracy_m 3 tenths, heading_deg 4 whole, speed_mps 5 tenths, mock 6")
	add(Track{}, "fixes 1 fixes !")
	add(Duty{}, "on 1 !")
	add(Request{}, `trip 1, pickup 2 !, dropoff 3 !, seats 4, wheelchairs 5, goods_l 6, traveller 7, channel 8 Channel, note 9, pickup_from 10,
		pickup_to 11, arrive_by 12`)
	add(Seen{}, "trip 1, offer 2 offer")
	add(Accept{}, "trip 1, offer 2 offer")
	add(Decline{}, "trip 1, offer 2 offer")
	add(Arrive{}, "trip 1, at 2, seq 3")
	add(Start{}, "trip 1, code 2, at 3, seq 4")
	add(Complete{}, "trip 1, at 2, seq 3")
	add(Paid{}, "trip 1, fen 2 !, at 3, seq 4")
	add(Release{}, "trip 1, why 2 Why, at 3, seq 4")
	add(Cancel{}, "trip 1, why 2 Why, at 3, seq 4")
	add(EndDuty{}, "driver 1")
	add(LiftRoad{}, "road 1")
	add(Route{}, "trip 1")
	add(Nearby{}, "around 1 !")
	add(Watch{}, "on 1 !")
	add(Look{}, "trip 1, driver 2, reason 3")
	add(Bar{}, "role 1 Role, id 2, until 3, reason 4")
	add(LiftBar{}, "role 1 Role, id 2")
	add(Renew{}, "token 1 parts")
	add(Logout{}, "everywhere 1")
	add(Ping{}, "")
}

func parsePBShape(known map[reflect.Type]*pbShape, t reflect.Type, members string) *pbShape {
	s := &pbShape{typ: t}
	for line := range strings.SplitSeq(members, ",") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		f := pbField{member: words[0]}
		number, err := strconv.Atoi(words[1])
		if err != nil {
			panic(fmt.Sprintf("wire: %s.%s has no number", t, f.member))
		}
		f.number = protowire.Number(number)
		f.index = slices.IndexFunc(reflect.VisibleFields(t), func(of reflect.StructField) bool { return memberName(of) == f.member })
		if f.index < 0 {
			panic(fmt.Sprintf("wire: %s has no member %s", t, f.member))
		}
		field := t.Field(f.index)
		f.listed = !strings.HasSuffix(field.Tag.Get("json"), ",omitzero")
		for _, word := range words[2:] {
			switch {
			case word == "!":
				f.always = true
			case pbUnits[word] != 0:
				f.kind = pbUnits[word]
			default:
				f.kind, f.words = pbWord, pbVocabularies[word]
			}
		}
		if f.kind == 0 {
			f.kind = pbKindOf(field.Type)
		}
		f.beside = besideOf(f.kind, t)
		s.cuts = s.cuts || f.kind == pbReceipt
		if f.kind == pbMessage || f.kind == pbMessages {
			inner := field.Type
			for inner.Kind() != reflect.Struct {
				inner = inner.Elem()
			}
			if f.shape = known[inner]; f.shape == nil {
				panic(fmt.Sprintf("wire: %s has no numbers, but %s of %s is one", inner, f.member, t))
			}
		}
		s.fields = append(s.fields, f)
		s.byNumber[f.number] = uint8(len(s.fields))
		if f.kind == pbFixes {
			for column := trackLat; column <= trackMock; column++ {
				s.byNumber[column] = uint8(len(s.fields))
			}
		}
	}
	return s
}

// usual is what an absent pbImplied says.
func (f *pbField) usual() string {
	if f.member == "datum" {
		return DatumWGS84
	}
	return Protocol
}

// besideOf finds the member that values of a kind are told by.
func besideOf(kind pbKind, t reflect.Type) []int {
	trip, _ := t.FieldByName("Trip")
	since, hasSince := t.FieldByName("Since")
	switch {
	case kind == pbOffer || kind == pbReceipt:
		return trip.Index
	case kind == pbOffset && hasSince:
		return since.Index
	case kind == pbOffset:
		fix, _ := t.FieldByName("Fix")
		at, _ := fix.Type.FieldByName("At")
		return append(slices.Clone(fix.Index), at.Index...)
	}
	return nil
}

func memberName(of reflect.StructField) string {
	name, _, _ := strings.Cut(of.Tag.Get("json"), ",")
	return name
}

// pbKindOf is the form of a member of which the table does not say more.
func pbKindOf(t reflect.Type) pbKind {
	switch t.Kind() {
	case reflect.String:
		return pbString
	case reflect.Int, reflect.Int64:
		return pbInt
	case reflect.Bool:
		return pbBool
	case reflect.Struct, reflect.Pointer:
		return pbMessage
	case reflect.Map:
		return pbCounts
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return pbStrings
		}
		return pbMessages
	}
	panic(fmt.Sprintf("wire: no form for a %s", t))
}

// hasText says whether the field has a text beside it.
func (f *pbField) hasText() bool {
	switch f.kind {
	case pbWord, pbOffer, pbRaw, pbRaws, pbReceipt, pbParts:
		return true
	}
	return false
}

// find returns the field with a number, nil when there is none. Text says that the
// number is that of the text beside it.
func (s *pbShape) find(number protowire.Number) (f *pbField, text bool) {
	if number > maxPBNumber {
		return nil, false
	}
	if i := s.byNumber[number]; i > 0 {
		return &s.fields[i-1], false
	}
	if number > pbText {
		if i := s.byNumber[number-pbText]; i > 0 && s.fields[i-1].hasText() {
			return &s.fields[i-1], true
		}
	}
	return nil, false
}

// pbType is a type of message and its number in the frame. A position and a track
// have one for each datum, so that the datum costs nothing.
type pbType struct {
	number protowire.Number
	name   Type
	datum  string
	shape  *pbShape
}

// The numbers of the messages in ClientFrame and ServerFrame. Number 1 is the id of
// the command, or of the command that is answered; numbers up to 15 take one byte.
var (
	pbClientTypes = makePBTypes(clientBody, `position 2 wgs84, position 3 gcj02, position 4 bd09, seen 5, accept 6, decline 7, arrive 8, start 9,
		complete 10, paid 11, hello 12, ping 13, request 14, track 15 wgs84, track 16 gcj02, track 17 bd09, duty 18, release 19, cancel 20,
		end_duty 21, road 22, lift_road 23, route 24, nearby 25, watch 26, look 27, bar 28, lift_bar 29, renew 30, logout 31`)
	pbServerTypes = makePBTypes(serverBody, `driver_at 2, trip 3, done 4, refused 5, offer 6, offer_gone 7, pong 8, queue 9, truth 10, welcome 11,
		duty 12, heartbeat 13, drain 14, route 15, nearby 16, road 17, look 18, board 19`)
)

// pbID is the number of a frame's id or re.
const pbID = 1

func makePBTypes(body func(string) reflect.Type, types string) []pbType {
	var list []pbType
	for line := range strings.SplitSeq(types, ",") {
		words := append(strings.Fields(line), "")
		number, err := strconv.Atoi(words[1])
		if err != nil {
			panic("wire: " + line + " has no number")
		}
		list = append(list, pbType{protowire.Number(number), Type(words[0]), words[2], pbShapes[body(words[0])]})
	}
	return list
}

func clientBody(name string) reflect.Type { return findClientType(name).body }
func serverBody(name string) reflect.Type { return findServerType(name).body }

// pbTypeNumbered returns the type with a number, nil when there is none.
func pbTypeNumbered(types []pbType, number protowire.Number) *pbType {
	for i := range types {
		if types[i].number == number {
			return &types[i]
		}
	}
	return nil
}

// pbTypeNamed returns the type of a name and, where it has one, a datum.
func pbTypeNamed(types []pbType, name Type, datum string) *pbType {
	for i := range types {
		if types[i].name == name && (types[i].datum == "" || types[i].datum == datum) {
			return &types[i]
		}
	}
	return nil
}
