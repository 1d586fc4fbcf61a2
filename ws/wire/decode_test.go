package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// request is a good request with more members in its body.
func request(members string) string {
	return `{"t":"request","id":"c1","b":{"trip":"t1","pickup":{"village":"a"},"dropoff":{"village":"b"},"seats":1` + members + `}}`
}

// pickup is a request whose pickup is place.
func pickup(place string) string {
	return `{"t":"request","id":"c1","b":{"trip":"t1","pickup":` + place + `,"dropoff":{"village":"b"},"seats":1}}`
}

// position is a position frame with these members in its body.
func position(members string) string { return `{"t":"position","b":{` + members + `}}` }

// road is a change to the roads with these members in its body.
func road(members string) string { return `{"t":"road","id":"c1","b":{"road":"r1",` + members + `}}` }

// where is a closure of a stretch with these members.
func where(members string) string { return road(`"closed":true,"where":{` + members + `}`) }

// malformed lists frames that must be refused, each for one reason.
var malformed = []struct {
	name, frame, code, field string
}{
	{"too big", `{"t":"ping","b":{}` + strings.Repeat(" ", MaxFrameBytes) + `}`, CodeTooBig, ""},
	{"bad utf-8", "{\"t\":\"ping\xff\",\"b\":{}}", CodeBadUTF8, ""},
	{"half a character", "{\"t\":\"ping\",\"b\":{}} \xe6\x9d", CodeBadUTF8, ""},
	{"too deep", `{"t":"ping","b":{"x":{"x":{"x":{"x":{"x":{}}}}}}}`, CodeTooDeep, ""},
	{"too deep in arrays", `[[[[[[[`, CodeTooDeep, ""},
	{"as deep as allowed", `{"t":"ping","b":{"x":[[[[1]]]]}}`, CodeUnknownField, "b.x"},
	{"brackets in a text are not depth", `{"t":"ping","b":{"x":"[[[[[[[[\"[[[[[[[["}}`, CodeUnknownField, "b.x"},

	{"receipts not a list", `{"t":"hello","b":{"now_ms":1,"receipts":"abc"}}`, CodeWrongType, "b.receipts"},
	{"receipts null", `{"t":"hello","b":{"now_ms":1,"receipts":null}}`, CodeWrongType, "b.receipts"},
	{"a receipt that is a number", `{"t":"hello","b":{"now_ms":1,"receipts":["abc",1]}}`, CodeWrongType, "b.receipts"},
	{"too many receipts", `{"t":"hello","b":{"now_ms":1,"receipts":[` + strings.Repeat(`"",`, MaxReceipts) + `""]}}`, CodeTooLong, "b.receipts"},
	{"a receipt too long", `{"t":"hello","b":{"now_ms":1,"receipts":["` + strings.Repeat("a", MaxReceiptBytes+1) + `"]}}`, CodeTooLong, "b.receipts"},

	{"nothing", ``, CodeBadJSON, ""},
	{"white space", "\n ", CodeBadJSON, ""},
	{"half an object", `{"t":"ping","b":{}`, CodeBadJSON, ""},
	{"not json", `ping`, CodeBadJSON, ""},
	{"array", `[{"t":"ping","b":{}}]`, CodeBadJSON, ""},
	{"null", `null`, CodeBadJSON, ""},
	{"two objects", `{"t":"ping","b":{}}{"t":"ping","b":{}}`, CodeBadJSON, ""},
	{"trailing comma", `{"t":"ping","b":{},}`, CodeBadJSON, ""},
	{"trailing letter", `{"t":"ping","b":{}}x`, CodeBadJSON, ""},
	{"byte order mark", "\ufeff" + `{"t":"ping","b":{}}`, CodeBadJSON, ""},
	{"comment", `{"t":"ping",/**/"b":{}}`, CodeBadJSON, ""},
	{"single quotes", `{'t':'ping','b':{}}`, CodeBadJSON, ""},
	{"not a number", position(`"lat":NaN,"lon":1,"datum":"wgs84","at":1`), CodeBadJSON, ""},
	{"leading zero", position(`"lat":01,"lon":1,"datum":"wgs84","at":1`), CodeBadJSON, ""},
	{"plus sign", position(`"lat":+1,"lon":1,"datum":"wgs84","at":1`), CodeBadJSON, ""},
	{"no digit after the point", position(`"lat":1.,"lon":1,"datum":"wgs84","at":1`), CodeBadJSON, ""},
	{"half a surrogate pair", request(`,"note":"\ud83d"`), CodeBadJSON, ""},
	{"raw line break in a text", request(",\"note\":\"a\nb\""), CodeBadJSON, ""},
	{"broken after an unknown type", `{"t":"what","b":{}`, CodeBadJSON, ""},

	{"type twice", `{"t":"ping","t":"ping","b":{}}`, CodeDuplicateField, "t"},
	{"field twice", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"lat":1`), CodeDuplicateField, "b.lat"},
	{"field twice, once escaped", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"\u006cat":1`), CodeDuplicateField, "b.lat"},
	{"field twice, deep", pickup(`{"village":"a","village":"c"}`), CodeDuplicateField, "b.pickup.village"},
	{"unknown field twice", `{"t":"ping","b":{"x":1,"x":1}}`, CodeDuplicateField, "b.x"},

	{"unknown envelope field", `{"t":"ping","b":{},"seq":1}`, CodeUnknownField, "seq"},
	{"re in a client's frame", `{"t":"ping","re":"c1","b":{}}`, CodeUnknownField, "re"},
	{"capital T", `{"T":"ping","b":{}}`, CodeUnknownField, "T"},
	{"unknown body field", `{"t":"ping","b":{"now":1}}`, CodeUnknownField, "b.now"},
	{"capital field", position(`"Lat":1,"lon":1,"datum":"wgs84","at":1`), CodeUnknownField, "b.Lat"},
	{"unknown deep field", pickup(`{"village":"a","lng":1}`), CodeUnknownField, "b.pickup.lng"},
	{"unknown field of the traveller", request(`,"traveller":{"age":70}`), CodeUnknownField, "b.traveller.age"},
	{"booker is not for the client to say", request(`,"booker":{"role":"operator","id":"o1"}`), CodeUnknownField, "b.booker"},
	{"ugly unknown field", `{"t":"ping","b":{"a\nb":1}}`, CodeUnknownField, `b."a\nb"`},
	{"id on a position", `{"t":"position","id":"c1","b":{"lat":1,"lon":1,"datum":"wgs84","at":1}}`, CodeUnknownField, "id"},
	{"id on a hello", `{"t":"hello","id":"c1","b":{"now_ms":1}}`, CodeUnknownField, "id"},

	{"no type", `{"b":{}}`, CodeMissingField, "t"},
	{"no body", `{"t":"ping"}`, CodeMissingField, "b"},
	{"no now", `{"t":"hello","b":{}}`, CodeMissingField, "b.now_ms"},
	{"no lat", position(`"lon":1,"datum":"wgs84","at":1`), CodeMissingField, "b.lat"},
	{"no lon", position(`"lat":1,"datum":"wgs84","at":1`), CodeMissingField, "b.lon"},
	{"no at", position(`"lat":1,"lon":1,"datum":"wgs84"`), CodeMissingField, "b.at"},
	{"no on", `{"t":"duty","id":"c1","b":{}}`, CodeMissingField, "b.on"},
	{"no on for watch", `{"t":"watch","b":{}}`, CodeMissingField, "b.on"},
	{"no trip", `{"t":"arrive","id":"c1","b":{}}`, CodeMissingField, "b.trip"},
	{"an empty reason to look", `{"t":"look","id":"c1","b":{"driver":"d1","reason":""}}`, CodeMissingField, "b.reason"},
	{"a blank reason to look", `{"t":"look","id":"c1","b":{"driver":"d1","reason":" \u3000 "}}`, CodeMissingField, "b.reason"},
	{"a blank reason to bar", `{"t":"bar","id":"c1","b":{"role":"driver","id":"d1","reason":" "}}`, CodeMissingField, "b.reason"},
	{"no offer", `{"t":"accept","id":"c1","b":{"trip":"t1"}}`, CodeMissingField, "b.offer"},
	{"no why", `{"t":"cancel","id":"c1","b":{"trip":"t1"}}`, CodeMissingField, "b.why"},
	{"no driver", `{"t":"end_duty","id":"c1","b":{}}`, CodeMissingField, "b.driver"},
	{"no seats", `{"t":"request","id":"c1","b":{"trip":"t1","pickup":{"village":"a"},"dropoff":{"village":"b"}}}`, CodeMissingField, "b.seats"},
	{"no pickup", `{"t":"request","id":"c1","b":{"trip":"t1","dropoff":{"village":"b"},"seats":1}}`, CodeMissingField, "b.pickup"},
	{"point without lat", pickup(`{"lon":1,"datum":"wgs84"}`), CodeMissingField, "b.pickup.lat"},
	{"point without lon", pickup(`{"lat":1,"datum":"wgs84"}`), CodeMissingField, "b.pickup.lon"},
	{"stop without village", pickup(`{"stop":"gate"}`), CodeMissingField, "b.pickup.village"},

	{"unknown type", `{"t":"teleport","b":{}}`, CodeUnknownType, "t"},
	{"a server's type", `{"t":"welcome","b":{}}`, CodeUnknownType, "t"},
	{"capital type", `{"t":"Ping","b":{}}`, CodeUnknownType, "t"},
	{"empty type", `{"t":"","b":{}}`, CodeUnknownType, "t"},

	{"command without id", `{"t":"arrive","b":{"trip":"t1"}}`, CodeMissingID, "id"},
	{"empty id", `{"t":"arrive","id":"","b":{"trip":"t1"}}`, CodeBadID, "id"},
	{"id with a space", `{"t":"arrive","id":"c 1","b":{"trip":"t1"}}`, CodeBadID, "id"},
	{"id with a brace", `{"t":"arrive","id":"c1","b":{"trip":"{t1}"}}`, CodeBadID, "b.trip"},
	{"id with a slash", `{"t":"arrive","id":"c1","b":{"trip":"t/1"}}`, CodeBadID, "b.trip"},
	{"id in Chinese", pickup(`{"village":"肇兴"}`), CodeBadID, "b.pickup.village"},
	{"id too long", `{"t":"arrive","id":"c1","b":{"trip":"` + strings.Repeat("t", MaxIDBytes+1) + `"}}`, CodeBadID, "b.trip"},
	{"command id too long", `{"t":"arrive","id":"` + strings.Repeat("c", MaxIDBytes+1) + `","b":{"trip":"t"}}`, CodeBadID, "id"},
	{"offer id too long", `{"t":"accept","id":"c1","b":{"trip":"t1","offer":"` + strings.Repeat("t", MaxOfferIDBytes+1) + `"}}`, CodeBadID, "b.offer"},
	{"offer id with a brace", `{"t":"accept","id":"c1","b":{"trip":"t1","offer":"{"}}`, CodeBadID, "b.offer"},
	{"empty village", pickup(`{"village":""}`), CodeBadID, "b.pickup.village"},
	{"empty traveller id", request(`,"traveller":{"id":""}`), CodeBadID, "b.traveller.id"},

	{"type is a number", `{"t":1,"b":{}}`, CodeWrongType, "t"},
	{"id is a number", `{"t":"arrive","id":7,"b":{"trip":"t1"}}`, CodeWrongType, "id"},
	{"id is null", `{"t":"ping","id":null,"b":{}}`, CodeWrongType, "id"},
	{"body is null", `{"t":"ping","b":null}`, CodeWrongType, "b"},
	{"body is an array", `{"t":"ping","b":[]}`, CodeWrongType, "b"},
	{"number in quotes", position(`"lat":"1","lon":1,"datum":"wgs84","at":1`), CodeWrongType, "b.lat"},
	{"time in quotes", position(`"lat":1,"lon":1,"datum":"wgs84","at":"1"`), CodeWrongType, "b.at"},
	{"time with a fraction", position(`"lat":1,"lon":1,"datum":"wgs84","at":1.5`), CodeWrongType, "b.at"},
	{"time with an exponent", position(`"lat":1,"lon":1,"datum":"wgs84","at":1e12`), CodeWrongType, "b.at"},
	{"null for an optional", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"speed_mps":null`), CodeWrongType, "b.speed_mps"},
	{"null for a text", request(`,"note":null`), CodeWrongType, "b.note"},
	{"null for an object", request(`,"traveller":null`), CodeWrongType, "b.traveller"},
	{"on is a number", `{"t":"duty","id":"c1","b":{"on":1}}`, CodeWrongType, "b.on"},
	{"on is null", `{"t":"duty","id":"c1","b":{"on":null}}`, CodeWrongType, "b.on"},
	{"place is a string", pickup(`"a"`), CodeWrongType, "b.pickup"},
	{"datum is a number", position(`"lat":1,"lon":1,"datum":84,"at":1`), CodeWrongType, "b.datum"},
	{"goods with a fraction", request(`,"goods_l":1.0`), CodeWrongType, "b.goods_l"},

	{"unknown datum", position(`"lat":1,"lon":1,"datum":"cgcs2000","at":1`), CodeBadValue, "b.datum"},
	{"capital datum", position(`"lat":1,"lon":1,"datum":"WGS84","at":1`), CodeBadValue, "b.datum"},
	{"empty datum", position(`"lat":1,"lon":1,"datum":"","at":1`), CodeBadValue, "b.datum"},
	{"unknown reason", `{"t":"cancel","id":"c1","b":{"trip":"t1","why":"bored"}}`, CodeBadValue, "b.why"},
	{"the server's reason", `{"t":"cancel","id":"c1","b":{"trip":"t1","why":"no_driver"}}`, CodeBadValue, "b.why"},
	{"unknown channel", request(`,"channel":"standing_order"`), CodeBadValue, "b.channel"},

	{"line break in a note", request(`,"note":"a\nb"`), CodeBadText, "b.note"},
	{"nul in a name", request(`,"traveller":{"name":"a\u0000"}`), CodeBadText, "b.traveller.name"},
	{"line separator", request(`,"note":"a\u2028b"`), CodeBadText, "b.note"},
	{"next line", request(`,"note":"a\u0085b"`), CodeBadText, "b.note"},
	{"turned writing", pickup(`{"lat":1,"lon":1,"datum":"wgs84","name":"\u202egate"}`), CodeBadText, "b.pickup.name"},
	{"escape in the client's name", `{"t":"hello","b":{"now_ms":1,"client":"\u001b[2J"}}`, CodeBadText, "b.client"},
	{"space in the token", `{"t":"hello","b":{"now_ms":1,"token":"a b"}}`, CodeBadText, "b.token"},

	{"name too long", request(`,"traveller":{"name":"` + strings.Repeat("村", MaxNameRunes+1) + `"}`), CodeTooLong, "b.traveller.name"},
	{"note too long", request(`,"note":"` + strings.Repeat("村", MaxNoteRunes+1) + `"`), CodeTooLong, "b.note"},
	{"phone too long", request(`,"traveller":{"phone":"` + strings.Repeat("1", MaxPhoneRunes+1) + `"}`), CodeTooLong, "b.traveller.phone"},
	{"client too long", `{"t":"hello","b":{"now_ms":1,"client":"` + strings.Repeat("c", MaxNameRunes+1) + `"}}`, CodeTooLong, "b.client"},
	{"token too long", `{"t":"hello","b":{"now_ms":1,"token":"` + strings.Repeat("c", MaxTokenBytes+1) + `"}}`, CodeTooLong, "b.token"},

	{"lat beyond the pole", position(`"lat":90.0000001,"lon":1,"datum":"wgs84","at":1`), CodeOutOfRange, "b.lat"},
	{"lat and lon swapped", position(`"lat":109.17,"lon":25.9,"datum":"wgs84","at":1`), CodeOutOfRange, "b.lat"},
	{"lon beyond the date line", position(`"lat":1,"lon":-180.5,"datum":"wgs84","at":1`), CodeOutOfRange, "b.lon"},
	{"lat beyond float64", position(`"lat":1e400,"lon":1,"datum":"wgs84","at":1`), CodeOutOfRange, "b.lat"},
	{"no fix", position(`"lat":0,"lon":0.0,"datum":"wgs84","at":1`), CodeOutOfRange, "b.lat"},
	{"point at no fix", pickup(`{"lat":0,"lon":0,"datum":"wgs84"}`), CodeOutOfRange, "b.pickup.lat"},
	{"accuracy below nought", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"accuracy_m":-1`), CodeOutOfRange, "b.accuracy_m"},
	{"heading below nought", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"heading_deg":-1`), CodeOutOfRange, "b.heading_deg"},
	{"heading beyond the circle", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"heading_deg":361`), CodeOutOfRange, "b.heading_deg"},
	{"faster than sound", position(`"lat":1,"lon":1,"datum":"wgs84","at":1,"speed_mps":340`), CodeOutOfRange, "b.speed_mps"},
	{"time of nought", position(`"lat":1,"lon":1,"datum":"wgs84","at":0`), CodeOutOfRange, "b.at"},
	{"time below nought", position(`"lat":1,"lon":1,"datum":"wgs84","at":-5`), CodeOutOfRange, "b.at"},
	{"time in microseconds", position(`"lat":1,"lon":1,"datum":"wgs84","at":1773446400000000`), CodeOutOfRange, "b.at"},
	{"time beyond int64", position(`"lat":1,"lon":1,"datum":"wgs84","at":99999999999999999999`), CodeOutOfRange, "b.at"},
	{"nobody rides", strings.Replace(request(``), `"seats":1`, `"seats":0`, 1), CodeOutOfRange, "b.seats"},
	{"a crowd", strings.Replace(request(``), `"seats":1`, `"seats":61`, 1), CodeOutOfRange, "b.seats"},
	{"wheelchairs below nought", request(`,"wheelchairs":-1`), CodeOutOfRange, "b.wheelchairs"},
	{"a house", request(`,"goods_l":20001`), CodeOutOfRange, "b.goods_l"},
	{"window ends before it begins", request(`,"pickup_from":2000,"pickup_to":1999`), CodeOutOfRange, "b.pickup_to"},
	{"there before fetched", request(`,"pickup_from":2000,"arrive_by":2000`), CodeOutOfRange, "b.arrive_by"},

	{"position without datum", position(`"lat":1,"lon":1,"at":1`), CodeUntaggedDatum, "b.datum"},
	{"point without datum", pickup(`{"lat":1,"lon":1}`), CodeUntaggedDatum, "b.pickup.datum"},

	{"both forms of a place", pickup(`{"village":"a","lat":1,"lon":1,"datum":"wgs84"}`), CodeBadPlace, "b.pickup"},
	{"village with a name", pickup(`{"village":"a","name":"gate"}`), CodeBadPlace, "b.pickup"},
	{"village with a latitude of nought", pickup(`{"village":"a","lat":0}`), CodeBadPlace, "b.pickup"},
	{"neither form of a place", pickup(`{}`), CodeBadPlace, "b.pickup"},
	{"only a note", pickup(`{"note":"by the tree"}`), CodeBadPlace, "b.pickup"},

	{"road without a place", road(`"closed":true`), CodeMissingField, "b.where"},
	{"road without an id", `{"t":"road","id":"c1","b":{"where":{},"closed":true}}`, CodeMissingField, "b.road"},
	{"lift without an id", `{"t":"lift_road","id":"c1","b":{}}`, CodeMissingField, "b.road"},
	{"route of nothing", `{"t":"route","b":{}}`, CodeMissingField, "b.trip"},
	{"route as a command", `{"t":"route","id":"c1","b":{"trip":"t1"}}`, CodeUnknownField, "id"},
	{"road without datum", where(`"lat":26,"lon":109`), CodeUntaggedDatum, "b.where.datum"},
	{"road without lat", where(`"lon":109,"datum":"wgs84"`), CodeMissingField, "b.where.lat"},
	{"road without lon", where(`"lat":26,"datum":"wgs84"`), CodeMissingField, "b.where.lon"},
	{"radius around nothing", where(`"radius_m":50`), CodeMissingField, "b.where.lat"},
	{"datum of nothing", where(`"datum":"wgs84","kinds":["track"]`), CodeMissingField, "b.where.lat"},
	{"road at no fix", where(`"lat":0,"lon":0,"datum":"wgs84"`), CodeOutOfRange, "b.where.lat"},
	{"radius of a country", where(`"lat":26,"lon":109,"datum":"wgs84","radius_m":200001`), CodeOutOfRange, "b.where.radius_m"},
	{"above the sky", where(`"above_m":9000`), CodeOutOfRange, "b.where.above_m"},
	{"kinds in one word", where(`"kinds":"track"`), CodeWrongType, "b.where.kinds"},
	{"kinds are null", where(`"kinds":null`), CodeWrongType, "b.where.kinds"},
	{"a kind is a number", where(`"kinds":[1]`), CodeWrongType, "b.where.kinds"},
	{"no kind", where(`"kinds":[]`), CodeBadValue, "b.where.kinds"},
	{"a kind twice", where(`"kinds":["track","ferry","track"]`), CodeBadValue, "b.where.kinds"},
	{"unknown kind", where(`"kinds":["track","footway"]`), CodeBadValue, "b.where.kinds"},
	{"unknown class", road(`"where":{},"closed":true,"vehicles":["tank"]`), CodeBadValue, "b.vehicles"},
	{"too slow", road(`"where":{},"pace":0.04`), CodeOutOfRange, "b.pace"},
	{"faster than usual", road(`"where":{},"pace":1.01`), CodeOutOfRange, "b.pace"},
	{"nothing is that light", road(`"where":{},"max_kg":0`), CodeOutOfRange, "b.max_kg"},
	{"a limit with a fraction", road(`"where":{},"max_height_cm":2.5`), CodeWrongType, "b.max_height_cm"},
	{"wider than a road", road(`"where":{},"max_width_cm":2001`), CodeOutOfRange, "b.max_width_cm"},
	{"closed is a word", road(`"where":{},"closed":"yes"`), CodeWrongType, "b.closed"},
	{"over before it begins", road(`"where":{},"closed":true,"from":2000,"until":2000`), CodeOutOfRange, "b.until"},
	{"hours of no length", road(`"where":{},"closed":true,"daily":{"from_min":0,"until_min":0,"zone_min":0}`), CodeOutOfRange, "b.daily.until_min"},
	{"hours of another day", road(`"where":{},"closed":true,"daily":{"from_min":1440,"until_min":0,"zone_min":480}`), CodeOutOfRange, "b.daily.from_min"},
	{"hours without a zone", road(`"where":{},"closed":true,"daily":{"from_min":1320,"until_min":300}`), CodeMissingField, "b.daily.zone_min"},
	{"beyond the date line's zone", road(`"where":{},"closed":true,"daily":{"from_min":1,"until_min":2,"zone_min":-721}`), CodeOutOfRange, "b.daily.zone_min"},
	{"a road's note of 201 bytes", road(`"where":{},"closed":true,"note":"` + strings.Repeat("村", 67) + `"`), CodeTooLong, "b.note"},

	{"there already", pickup(`{"village":"b","note":"the upper end"}`), CodeSamePlace, "b.dropoff"},
	{"there already, by points", `{"t":"request","id":"c1","b":{"trip":"t1","pickup":{"lat":26,"lon":109,"datum":"gcj02"},"dropoff":{"datum":"gcj02","lat":26.0,"lon":1.09e2,"name":"x"},"seats":1}}`, CodeSamePlace, "b.dropoff"},
}

func TestMalformed(t *testing.T) {
	for _, test := range malformed {
		t.Run(test.name, func(t *testing.T) {
			f, err := DecodeClient([]byte(test.frame))
			e := new(Error)
			if !errors.As(err, &e) {
				t.Fatalf("DecodeClient accepts %s as %+v", test.frame, f)
			}
			if e.Code != test.code || e.Field != test.field {
				t.Errorf("got %s at %q (%s), want %s at %q", e.Code, e.Field, e.Say, test.code, test.field)
			}
			if f.Body != nil {
				t.Errorf("a refused frame has the body %+v", f.Body)
			}
			checkTellable(t, e)
		})
	}
}

// checkTellable says whether e may be shown to the client as it is.
func checkTellable(t *testing.T, e *Error) {
	t.Helper()
	for _, s := range []string{e.Field, e.Say} {
		if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 || len(s) > 512 {
			t.Errorf("not fit to be shown: %q", s)
		}
	}
	if e.Say == "" || !strings.HasSuffix(e.Say, ".") {
		t.Errorf("not a sentence: %q", e.Say)
	}
	known := false
	for _, info := range Codes() {
		known = known || info.Code == e.Code && info.Kind == e.Refused().Kind
	}
	if !known {
		t.Errorf("code %q is not in the table", e.Code)
	}
}

// Every code that DecodeClient gives has a frame above, so that none is forgotten
// and none is dead.
func TestMalformedCoversCodes(t *testing.T) {
	tried := map[string]bool{CodeUnknownVillage: true, CodeNotYours: true, CodeRole: true, CodeRate: true,
		CodeBadToken: true, CodeTokenExpired: true, CodeOtherParty: true, CodeNoKeyYet: true}
	for _, test := range malformed {
		tried[test.code] = true
	}
	for _, info := range Codes() {
		if !tried[info.Code] {
			t.Errorf("no malformed frame has the code %s", info.Code)
		}
	}
}

// accepted lists frames that must be taken, each for what is unusual about it.
var accepted = []struct {
	name, frame string
	want        ClientFrame
}{
	{"white space", " {\n\t\"t\" : \"ping\" ,\r\n \"b\" : { } } ", ClientFrame{TypePing, "", Ping{}}},
	{"body first", `{"b":{"trip":"t1"},"id":"c1","t":"arrive"}`, ClientFrame{TypeArrive, "c1", Arrive{Trip: "t1"}}},
	{"escaped names", `{"\u0074":"\u0070ing","b":{}}`, ClientFrame{TypePing, "", Ping{}}},
	{"nought on the equator", position(`"lat":0,"lon":109,"datum":"wgs84","at":1`), ClientFrame{TypePosition, "", Position{Lat: 0, Lon: 109, Datum: DatumWGS84, At: 1}}},
	{"the date line", position(`"lat":-90,"lon":180,"datum":"bd09","at":253402300799999`), ClientFrame{TypePosition, "", Position{Lat: -90, Lon: 180, Datum: DatumBD09, At: lastInstant}}},
	{"heading north", position(`"lat":1,"lon":1,"datum":"gcj02","at":1,"heading_deg":0,"speed_mps":-0,"accuracy_m":1e-7`),
		ClientFrame{TypePosition, "", Position{Lat: 1, Lon: 1, Datum: DatumGCJ02, At: 1, HeadingDeg: Some(0), SpeedMPS: Some(0), AccuracyM: Some(1e-7)}}},
	{"a clock in 1970", `{"t":"hello","b":{"now_ms":1}}`, ClientFrame{TypeHello, "", Hello{NowMS: 1}}},
	{"offer of the server", `{"t":"accept","id":"c1","b":{"trip":"t1","offer":"t1/12"}}`, ClientFrame{TypeAccept, "c1", Accept{"t1", "t1/12"}}},
	{"longest id", `{"t":"arrive","id":"` + strings.Repeat("c", MaxIDBytes) + `","b":{"trip":"a-_.:@9Z"}}`, ClientFrame{TypeArrive, strings.Repeat("c", MaxIDBytes), Arrive{Trip: "a-_.:@9Z"}}},
	{"longest note in Chinese", request(`,"note":"` + strings.Repeat("村", MaxNoteRunes) + `"`), requested(Request{Note: strings.Repeat("村", MaxNoteRunes)})},
	{"emoji, in one piece and escaped", request(`,"note":"👨‍👩‍👧 \ud83d\udc4b & <b> \"q\""`), requested(Request{Note: "👨‍👩‍👧 👋 & <b> \"q\""})},
	{"empty texts", request(`,"note":"","traveller":{}`), requested(Request{})},
	{"every road there is", road(`"closed":true,"where":{}`), ClientFrame{TypeRoad, "c1", Road{Road: "r1", Closed: true}}},
	{"the nearest road on the equator", where(`"lat":0,"lon":109,"datum":"wgs84","radius_m":0,"kinds":["ferry"],"above_m":0`), ClientFrame{TypeRoad, "c1",
		Road{Road: "r1", Closed: true, Where: Stretch{Lat: Some(0), Lon: Some(109), Datum: DatumWGS84, Kinds: []string{"ferry"}}}}},
	{"over midnight, by UTC", road(`"where":{},"closed":false,"pace":1,"daily":{"from_min":1320,"until_min":0,"zone_min":0},"note":"` + strings.Repeat("村", 66) + `"`), ClientFrame{TypeRoad, "c1",
		Road{Road: "r1", Pace: 1, Daily: Hours{FromMin: 1320}, Note: strings.Repeat("村", 66)}}},
	{"two stops of one village", pickup(`{"village":"b","stop":"north"}`), func() ClientFrame {
		f := requested(Request{})
		r := f.Body.(Request)
		r.Pickup = Place{Village: "b", Stop: "north"}
		f.Body = r
		return f
	}()},
}

func TestAccepted(t *testing.T) {
	for _, test := range accepted {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeClient([]byte(test.frame))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// requested is the frame that request makes, with the optional members of r.
func requested(r Request) ClientFrame {
	r.Trip, r.Pickup, r.Dropoff, r.Seats = "t1", Place{Village: "a"}, Place{Village: "b"}, 1
	return ClientFrame{TypeRequest, "c1", r}
}

// A refusal must be able to name the command it answers.
func TestRefusedCommandKeepsItsID(t *testing.T) {
	for _, frame := range []string{
		`{"t":"arrive","id":"c1","b":{}}`,
		`{"b":{"trip":7},"id":"c1","t":"arrive"}`,
		`{"t":"arrive","id":"c1","b":{"trip":"t1"},"x":0}`,
	} {
		f, err := DecodeClient([]byte(frame))
		if err == nil || f.Type != TypeArrive || f.ID != "c1" {
			t.Errorf("%s: got type %q, id %q, error %v", frame, f.Type, f.ID, err)
		}
	}
	f, err := DecodeClient([]byte(`{"t":"teleport","id":"c1","b":{}}`))
	if err == nil || f.Type != "" || f.ID != "c1" {
		t.Errorf("unknown type: got type %q, id %q, error %v", f.Type, f.ID, err)
	}
	f, err = DecodeClient([]byte(`{"t":"ping","id":"c1","b":{}}`))
	if err == nil || f.ID != "" {
		t.Errorf("id where none belongs: got id %q, error %v", f.ID, err)
	}
}

// Errors repeat at most a short piece of what the client sent.
func TestErrorsRepeatLittle(t *testing.T) {
	secret := strings.Repeat("Secret-", 40)
	for _, frame := range []string{
		`{"t":"ping","b":{"` + strings.Repeat("Secret_", 40) + `":1}}`,
		`{"t":"` + secret + `","b":{}}`,
		`{"t":"ping","b":{"` + secret + `":1}}`,
		`{"t":"ping","b":{"` + secret + `":{"` + secret + `":1,"` + secret + `":1}}}`,
		request(`,"channel":"` + secret + `"`),
		request(`,"traveller":{"phone":"` + secret + `"}`),
		request(`,"traveller":{"id":"` + secret + `"}`),
		request(`,"note":"` + secret + `\n"`),
		`{"t":"ping","b":{"x":"` + secret,
	} {
		_, err := DecodeClient([]byte(frame))
		e := new(Error)
		if !errors.As(err, &e) {
			t.Errorf("accepted: %s", frame)
			continue
		}
		checkTellable(t, e)
		if strings.Count(e.Say, "Secret") > 5 || strings.Count(e.Field, "Secret") > 10 {
			t.Errorf("repeats too much: %v", e)
		}
	}
}

// Clients that write null for what they have not are told the cure.
func TestNullIsToldApart(t *testing.T) {
	_, err := DecodeClient([]byte(request(`,"note":null`)))
	if err == nil || !strings.Contains(err.Error(), "Leave the field out") {
		t.Errorf("null is refused with: %v", err)
	}
	_, err = DecodeClient([]byte(request(`,"note":7`)))
	if err == nil || strings.Contains(err.Error(), "null") {
		t.Errorf("a number is refused with: %v", err)
	}
}

// What is returned must not change when the read buffer is used again.
func TestDecodeSharesNoMemory(t *testing.T) {
	frame := []byte(`{"t":"request","id":"c1","b":{"trip":"t1","pickup":{"village":"a","note":"n"},"dropoff":{"village":"b"},"seats":1}}`)
	want, err := DecodeClient([]byte(string(frame)))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := DecodeClient(frame)
	for i := range frame {
		frame[i] = 'x'
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after the buffer was overwritten: %+v", got)
	}
}

func TestErrorClose(t *testing.T) {
	for code, want := range map[string]CloseCode{CodeTooBig: CloseTooBig, CodeBadUTF8: CloseBadUTF8, CodeBadJSON: 0} {
		got, ok := (&Error{Code: code}).Close()
		if got != want || ok != (want != 0) {
			t.Errorf("%s closes with %d, %v", code, got, ok)
		}
	}
}
