package wire

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"cuntong/ws/wire/pb"
)

// noSuchPB is a number that no message has.
const noSuchPB = 99

// jsonMember is a member of a JSON object as it stands there.
type jsonMember struct {
	name  string
	value jsontext.Value
}

// membersOf takes a JSON object apart, with what comes twice.
func membersOf(object jsontext.Value) ([]jsonMember, bool) {
	dec := jsontext.NewDecoder(strings.NewReader(string(object)), jsontext.AllowDuplicateNames(true))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return nil, false
	}
	var list []jsonMember
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, false
		}
		m := jsonMember{name: name.String()}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		m.value = slices.Clone(value)
		list = append(list, m)
	}
	return list, true
}

// pbOfJSON writes a client's frame, good or bad, in protobuf as its JSON has it: what is
// unknown there has an unknown number, what is of a wrong type a wrong form. It returns
// false for what cannot be said in protobuf.
func pbOfJSON(frame []byte) (pb []byte, ok bool) {
	if !jsontext.Value(frame).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, false
	}
	members, ok := membersOf(frame)
	var body jsontext.Value
	var types []string
	for _, m := range members {
		switch {
		case m.name == "id" && m.value.Kind() == jsontext.KindString:
			pb, _ = appendPBString(pb, pbID, unquote(m.value))
		case m.name == "id":
			pb = appendPBVarint(pb, pbID, 0)
		case m.name == "t" && m.value.Kind() == jsontext.KindString:
			types = append(types, unquote(m.value))
		case m.name == "b" && body == nil && m.value.Kind() == jsontext.KindBeginObject:
			body = m.value
		case m.name == "t" || m.name == "b":
			return nil, false
		default:
			pb = appendPBVarint(pb, noSuchPB, 0)
		}
	}
	if body == nil {
		return nil, false
	}
	for _, name := range types {
		kind := findClientType(name)
		if kind == nil {
			pb = protowire.AppendString(protowire.AppendTag(pb, noSuchPB, protowire.BytesType), "")
			continue
		}
		inner, datum, ok := pbOfObject(pbTypeNamed(pbClientTypes, Type(name), DatumWGS84).shape, body)
		of := pbTypeNamed(pbClientTypes, Type(name), datum)
		if !ok || of == nil {
			return nil, false
		}
		pb = protowire.AppendBytes(protowire.AppendTag(pb, of.number, protowire.BytesType), inner)
	}
	return pb, ok
}

// pbOfObject returns the datum, too, of an object that has no field for it.
func pbOfObject(s *pbShape, object jsontext.Value) (pb []byte, datum string, ok bool) {
	members, ok := membersOf(object)
	if !ok {
		return nil, "", false
	}
	if s == pbShapes[reflect.TypeFor[Track]()] {
		return pbOfTrack(object)
	}
	for _, m := range members {
		i := slices.IndexFunc(s.fields, func(f pbField) bool { return f.member == m.name })
		switch {
		case i >= 0:
			if pb, ok = pbOfMember(pb, &s.fields[i], m.value, members); !ok {
				return nil, "", false
			}
		case m.name == "lon" && s.fields[0].kind == pbPoint: // goes with lat
		case m.name == "datum" && s.fields[0].kind == pbPoint:
			if m.value.Kind() != jsontext.KindString || datum != "" {
				return nil, "", false
			}
			datum = unquote(m.value)
		default:
			pb = appendPBVarint(pb, noSuchPB, 0)
		}
	}
	return pb, datum, true
}

// pbOfTrack writes a track that is good.
func pbOfTrack(object jsontext.Value) ([]byte, string, bool) {
	f, err := DecodeClient([]byte(`{"t":"track","id":"x","b":` + string(object) + `}`))
	if err != nil {
		return nil, "", false
	}
	track := f.Body.(Track)
	for _, f := range track.Fixes {
		if !exact(f.Lat, 1e6) || !exact(f.Lon, 1e6) || !exact(f.AccuracyM.Value, 10) || !exact(f.HeadingDeg.Value, 1) || !exact(f.SpeedMPS.Value, 10) {
			return nil, "", false
		}
	}
	pb, err := appendTrack(nil, track.Fixes)
	return pb, track.Datum, err == nil
}

// exact says whether v is a whole number of the smaller unit.
func exact(v, scale float64) bool {
	n := math.Round(v * scale)
	return n/scale == v && math.Abs(n) < 1<<31
}

func pbOfMember(pb []byte, f *pbField, v jsontext.Value, among []jsonMember) ([]byte, bool) {
	number := func() (float64, bool) {
		n, err := strconv.ParseFloat(string(v), 64)
		return n, err == nil
	}
	switch kind := v.Kind(); {
	case f.kind == pbMessage && kind == jsontext.KindBeginObject:
		inner, _, ok := pbOfObject(f.shape, v)
		return protowire.AppendBytes(protowire.AppendTag(pb, f.number, protowire.BytesType), inner), ok
	case f.isList(false) && f.kind != pbParts && kind == jsontext.KindBeginArray:
		return pbOfList(pb, f, v)
	case f.kind == pbBool && (kind == jsontext.KindTrue || kind == jsontext.KindFalse):
		return appendPBVarint(pb, f.number, protowire.EncodeBool(kind == jsontext.KindTrue)), true
	case (f.kind == pbInt || f.kind == pbZigzag) && kind == jsontext.KindNumber:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if f.kind == pbZigzag {
			return appendPBVarint(pb, f.number, protowire.EncodeZigZag(n)), err == nil
		}
		return appendPBVarint(pb, f.number, uint64(n)), err == nil
	case f.kind == pbPoint && kind == jsontext.KindNumber:
		return pbOfPoint(pb, f, v, among)
	case f.kind == pbDouble && kind == jsontext.KindNumber:
		n, ok := number()
		return protowire.AppendFixed64(protowire.AppendTag(pb, f.number, protowire.Fixed64Type), math.Float64bits(n)), ok
	case pbScale[f.kind] != 0 && kind == jsontext.KindNumber:
		n, ok := number()
		whole := int64(math.Round(n * pbScale[f.kind]))
		if f.kind == pbE6 {
			return appendPBVarint(pb, f.number, protowire.EncodeZigZag(whole)), ok && exact(n, pbScale[f.kind])
		}
		return appendPBVarint(pb, f.number, uint64(whole)), ok && exact(n, pbScale[f.kind])
	case f.kind == pbString && kind == jsontext.KindString:
		pb, err := appendPBString(pb, f.number, unquote(v))
		return pb, err == nil
	case f.hasText() && f.kind != pbRaws && kind == jsontext.KindString:
		return pbOfWord(pb, f, unquote(v))
	case f.kind == pbParts && kind != jsontext.KindString:
		return appendPBVarint(pb, f.number+pbText, 0), true
	case f.form(false) == protowire.VarintType:
		return protowire.AppendBytes(protowire.AppendTag(pb, f.number, protowire.BytesType), nil), true
	}
	return appendPBVarint(pb, f.number, 0), true
}

// pbOfWord writes a word as its number or as the text beside it.
func pbOfWord(pb []byte, f *pbField, word string) ([]byte, bool) {
	if i := slices.Index(f.words, word); i > 0 {
		return appendPBVarint(pb, f.number, uint64(i)), true
	}
	pb, err := appendPBString(pb, f.number+pbText, word)
	return pb, err == nil
}

func pbOfPoint(pb []byte, f *pbField, lat jsontext.Value, among []jsonMember) ([]byte, bool) {
	i := slices.IndexFunc(among, func(m jsonMember) bool { return m.name == "lon" })
	if i < 0 || among[i].value.Kind() != jsontext.KindNumber {
		return nil, false
	}
	y, bad := strconv.ParseFloat(string(lat), 64)
	x, worse := strconv.ParseFloat(string(among[i].value), 64)
	point := uint64(uint32(int32(math.Round(y*1e6))))<<32 | uint64(uint32(int32(math.Round(x*1e6))))
	return protowire.AppendFixed64(protowire.AppendTag(pb, f.number, protowire.Fixed64Type), point),
		bad == nil && worse == nil && exact(x, 1e6) && exact(y, 1e6)
}

func pbOfList(pb []byte, f *pbField, list jsontext.Value) ([]byte, bool) {
	dec := jsontext.NewDecoder(strings.NewReader(string(list)), jsontext.AllowDuplicateNames(true))
	_, _ = dec.ReadToken()
	number := f.number
	if f.kind == pbRaws {
		number += pbText
	}
	count := 0
	for ; dec.PeekKind() != jsontext.KindEndArray; count++ {
		v, err := dec.ReadValue()
		switch {
		case err != nil:
			return nil, false
		case f.kind == pbMessages && v.Kind() == jsontext.KindBeginObject:
			inner, _, ok := pbOfObject(f.shape, slices.Clone(v))
			if !ok {
				return nil, false
			}
			pb = protowire.AppendBytes(protowire.AppendTag(pb, number, protowire.BytesType), inner)
		case f.kind != pbMessages && v.Kind() == jsontext.KindString:
			pb, _ = appendPBString(pb, number, unquote(v))
		default:
			pb = appendPBVarint(pb, number, 0)
		}
	}
	return pb, count > 0
}

// sameJudgement holds a frame in JSON against the same in protobuf: both are accepted
// as the same, or refused. It returns why, or false when protobuf cannot say it.
func sameJudgement(t *testing.T, frame []byte) (inJSON, inPB *Error, ok bool) {
	t.Helper()
	pb, ok := pbOfJSON(frame)
	if !ok || len(frame) > MaxFrameBytes || deeperThan(frame, MaxDepth) { // protobuf does not go into what it does not know
		return nil, nil, false
	}
	samePBVerdict(t, pb)
	want, wantErr := DecodeClient(frame)
	got, gotErr := PB.DecodeClient(pb)
	if (wantErr == nil) != (gotErr == nil) {
		t.Errorf("%s\nJSON: %v\npb %x: %v", frame, wantErr, pb, gotErr)
	}
	if wantErr == nil && !cmp.Equal(want, got) {
		t.Errorf("%s\nJSON: %+v\npb %x: %+v", frame, want, pb, got)
	}
	return blamed(wantErr), blamed(gotErr), true
}

func blamed(err error) *Error {
	e := new(Error)
	errors.As(err, &e)
	return e
}

// Whatever JSON refuses, the compact wire refuses for the same reason at the same place,
// if it can say it at all.
func TestPBMalformedAsJSON(t *testing.T) {
	said := map[string]int{}
	for _, test := range malformed {
		t.Run(test.name, func(t *testing.T) {
			inJSON, inPB, ok := sameJudgement(t, []byte(test.frame))
			if !ok {
				t.Skip("not to be said in protobuf")
			}
			said[test.code]++
			if test.name == "capital T" { // in protobuf a frame whose type cannot be found
				inJSON = &Error{Code: CodeUnknownType, Field: "t"}
			}
			field := inPB.Field
			if test.code == CodeUnknownField && strings.Contains(field, "field_99") || test.name == "unknown field twice" {
				field = strings.ReplaceAll(field, "field_99", test.field[strings.LastIndex(test.field, ".")+1:])
			}
			if inPB.Code != inJSON.Code || field != inJSON.Field {
				t.Errorf("JSON: %v\npb: %v", inJSON, inPB)
			}
			checkTellable(t, inPB)
		})
	}
	for _, info := range Codes() {
		switch info.Code {
		case CodeTooBig, CodeBadUTF8, CodeTooDeep, CodeBadJSON, CodeUntaggedDatum, CodeUnknownVillage, CodeNotYours, CodeRole, CodeRate,
			CodeBadToken, CodeTokenExpired, CodeOtherParty, CodeNoKeyYet:
			continue // TestPBMalformed, or not from here
		}
		if said[info.Code] == 0 {
			t.Errorf("no malformed frame with the code %s can be said in protobuf", info.Code)
		}
	}
	t.Logf("said in protobuf: %v", said)
}

// Frames that are wrong in a way that only protobuf has.
func TestPBMalformed(t *testing.T) {
	field := func(number protowire.Number, inner ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), inner)
	}
	position := func(more ...byte) []byte {
		b := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 25<<32|109)
		return field(2, append(appendPBVarint(b, 2, 1), more...)...)
	}
	tests := []struct {
		name        string
		frame       []byte
		code, field string
	}{
		{"nothing", nil, CodeMissingField, "t"},
		{"too big", make([]byte, MaxFrameBytes+1), CodeTooBig, ""},
		{"only an id", field(pbID, 'c'), CodeMissingField, "t"},
		{"json", []byte(`{"t":"ping","b":{}}`), CodeBadJSON, ""},
		{"a length beyond the end", []byte{2<<3 | 2, 9, 1}, CodeBadJSON, ""},
		{"a group", []byte{2<<3 | 3, 2<<3 | 4}, CodeBadJSON, ""},
		{"field nought", []byte{0, 0}, CodeBadJSON, ""},
		{"a varint without end", position(2<<3, 0x80), CodeBadJSON, ""},
		{"a varint of eleven bytes", position(3<<3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), CodeBadJSON, ""},
		{"half a character", field(pbID, 0xe6, 0x9d), CodeBadUTF8, ""},
		{"half a character within", field(8, 1<<3|2, 1, 0xff), CodeBadUTF8, ""},
		{"unknown type", field(77), CodeUnknownType, "t"},
		{"unknown field of the frame", append(field(13), 77<<3&0x7f|0x80, 4, 0), CodeUnknownField, "field_77"},
		{"unknown field", position(7<<3, 0), CodeUnknownField, "b.field_7"},
		{"two bodies", append(field(13), field(13)...), CodeDuplicateField, "t"},
		{"a field twice", position(2<<3, 1), CodeDuplicateField, "b.at"},
		{"a word twice", field(20, 2<<3, 1, 2<<3, 1), CodeDuplicateField, "b.why"},
		{"a word and its text", append(field(pbID, 'c'), field(20, append([]byte{1<<3 | 2, 1, 't', 2 << 3, 1}, field(102, 'r')...)...)...), CodeDuplicateField, "b.why"},
		{"a word that is not in the list", append(field(pbID, 'c'), field(20, 1<<3|2, 1, 't', 2<<3, 77)...), CodeBadValue, "b.why"},
		{"word nought", append(field(pbID, 'c'), field(20, 1<<3|2, 1, 't', 2<<3, 0)...), CodeBadValue, "b.why"},
		{"a position as a number", []byte{2 << 3, 1}, CodeUnknownType, "t"},
		{"a moment of eight bytes", field(2, 2<<3|1, 0, 0, 0, 0, 0, 0, 0, 1), CodeWrongType, "b.at"},
		{"true is two", append(field(pbID, 'c'), field(18, 1<<3, 2)...), CodeWrongType, "b.on"},
		{"a token as a number", field(12, 1<<3, 1, 2<<3, 5), CodeWrongType, "b.token"},
		{"half a token as a number", field(12, 1<<3, 1, 2<<3|2, 1, 'a', 2<<3, 5), CodeWrongType, "b.token"},
		{"an offer twice", append(field(pbID, 'c'), field(6, 1<<3|2, 1, 't', 2<<3, 1, 2<<3, 1)...), CodeDuplicateField, "b.offer"},
		{"a time below nought", field(2, 2<<3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), CodeOutOfRange, "b.at"},
		{"beyond the pole", field(2, 1<<3|1, 0, 0, 0, 0, 0, 0, 0, 0x7f), CodeOutOfRange, "b.lat"},
		{"no point", field(2, 2<<3, 1), CodeMissingField, "b.lat"},
		{"the point nought", field(2, append(make([]byte, 0), 1<<3|1, 0, 0, 0, 0, 0, 0, 0, 0, 2<<3, 1)...), CodeOutOfRange, "b.lat"},
		{"columns that do not fit", track(1, 1, 2, 2, 1, 1), CodeWrongType, "b.fixes"},
		{"a column too few", track(1, 1, 2, 1), CodeWrongType, "b.fixes"},
		{"a column twice", track(1, 1, 2, 1, 3, 1, 1, 1), CodeWrongType, "b.fixes"},
		{"accuracies for half of it", track(1, 2, 2, 2, 3, 2, 4, 1), CodeWrongType, "b.fixes"},
		{"more accuracies than positions", track(1, 1, 2, 1, 3, 1, 4, 2), CodeWrongType, "b.fixes"},
		{"mocked and not there", track(1, 1, 2, 1, 3, 1, 7, 2), CodeWrongType, "b.fixes"},
		{"an unknown column", track(1, 1, 2, 1, 3, 1, 9, 1), CodeUnknownField, "b.field_9"},
		{"no columns", track(), CodeMissingField, "b.fixes"},
		{"no positions", track(1, 0, 2, 0, 3, 0), CodeBadValue, "b.fixes"},
		{"too many positions", track(1, MaxTrackFixes+1, 2, MaxTrackFixes+1, 3, MaxTrackFixes+1), CodeTooLong, "b.fixes"},
		{"very many positions", track(1, 1000, 2, 1000, 3, 1000), CodeTooLong, "b.fixes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := PB.DecodeClient(test.frame)
			if e := blamed(err); err == nil || e.Code != test.code || e.Field != test.field {
				t.Errorf("%x: got %v (%+v), want %s at %q", test.frame, err, f, test.code, test.field)
			} else {
				checkTellable(t, e)
			}
			samePBVerdict(t, test.frame)
		})
	}
}

// pbTextBound is how long the JSON of a frame may become, whatever is in it: the longest
// name of a member takes two bytes in protobuf, and sixty positions are a track.
func pbTextBound(frame []byte) int { return 9*len(frame) + 16<<10 }

// What a frame costs does not grow with what it repeats: an offer is told by its trip,
// which has to be looked for in the whole message.
func TestPBRepeatedFieldsAreCheap(t *testing.T) {
	body := protowire.AppendString(protowire.AppendTag(nil, pbTripNumber, protowire.BytesType), strings.Repeat("a", 2000))
	for len(body) < MaxFrameBytes-16 {
		body = appendPBVarint(body, 2, 1)
	}
	frame := protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), body)
	text, err := pbClientText(nil, frame)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > pbTextBound(frame) {
		t.Errorf("a frame of %d bytes becomes %d of JSON", len(frame), len(text))
	}
}

// track is a frame of a track with columns of so many positions: number, count, and so on.
func track(columns ...int) []byte {
	var body []byte
	for i := 0; i < len(columns); i += 2 {
		values := []byte{}
		for n := range columns[i+1] {
			values = append(values, byte(2+2*min(n, 1)))
		}
		body = protowire.AppendBytes(protowire.AppendTag(body, protowire.Number(columns[i]), protowire.BytesType), values)
	}
	b := protowire.AppendString(protowire.AppendTag(nil, pbID, protowire.BytesType), "c")
	return protowire.AppendBytes(protowire.AppendTag(b, 15, protowire.BytesType), body)
}

// samePBVerdict is sameVerdict for the compact wire.
func samePBVerdict(t *testing.T, frame []byte) {
	t.Helper()
	f, wantErr := PB.DecodeClient(frame)
	want, isPosition := f.Body.(Position)
	before := Position{Lat: 1, Datum: "untouched"}
	got := before
	ok, err := PB.DecodePosition(frame, &got)
	switch {
	case ok != (f.Type == TypePosition):
		t.Errorf("%x: DecodePosition says position %v, DecodeClient type %q (%v)", frame, ok, f.Type, wantErr)
	case ok && !sameError(err, wantErr), !ok && err != nil:
		t.Errorf("%x: DecodePosition gives %v, DecodeClient %v", frame, err, wantErr)
	case ok && isPosition && !samePosition(got, want):
		t.Errorf("%x: DecodePosition reads %+v, DecodeClient %+v", frame, got, want)
	case !(ok && isPosition) && got != before:
		t.Errorf("%x: not accepted, and yet stored %+v", frame, got)
	}
}

// seedPB adds every golden and every bad frame in protobuf.
func seedPB(f *testing.F, direction string) {
	for name, frame := range goldens(f) {
		if strings.HasPrefix(name, direction) {
			pb, _ := throughPB(f, direction == "client_", []byte(frame))
			f.Add(pb)
		}
	}
	for _, test := range malformed {
		if pb, ok := pbOfJSON([]byte(test.frame)); ok && direction == "client_" {
			f.Add(pb)
		}
	}
}

// What the compact wire accepts it writes and reads as the same; so does JSON; and
// protobuf's own code reads it too. What it refuses it can tell the client.
func FuzzPBClient(f *testing.F) {
	seedPB(f, "client_")
	f.Fuzz(func(t *testing.T, frame []byte) {
		samePBVerdict(t, frame)
		if text, err := pbClientText(nil, frame); err == nil && len(frame) <= MaxFrameBytes && len(text) > pbTextBound(frame) {
			t.Errorf("%x becomes %d bytes of JSON", frame, len(text))
		}
		got, err := PB.DecodeClient(frame)
		if err != nil {
			checkTellable(t, blamed(err))
			return
		}
		if err := proto.Unmarshal(frame, &pb.ClientFrame{}); err != nil {
			t.Errorf("%x is accepted, and is no ClientFrame: %v", frame, err)
		}
		for _, codec := range []Codec{PB, JSON} {
			text, err := codec.EncodeClient(got.Type, got.ID, got.Body)
			if err != nil {
				t.Fatalf("%+v cannot be encoded: %v", got, err)
			}
			if len(text) > MaxFrameBytes {
				continue // JSON takes more room
			}
			again, err := codec.DecodeClient(text)
			if err != nil || !cmp.Equal(got, again, cmpopts.EquateEmpty()) {
				t.Errorf("%T: %+v is encoded as %q, which is read as %+v (%v)", codec, got, text, again, err)
			}
		}
	})
}

// What the compact wire reads of the server it writes and reads as the same, and JSON
// says the same.
func FuzzPBServer(f *testing.F) {
	seedPB(f, "server_")
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := PB.DecodeServer(frame)
		if err != nil {
			checkTellable(t, blamed(err))
			return
		}
		if got.Body == nil {
			return // of a type that only newer servers send
		}
		if got.Type != TypeDone && got.Type != TypeRefused {
			got.Re = "" // tolerated, but never sent
		}
		for _, codec := range []Codec{PB, JSON} {
			text, err := codec.AppendServer(nil, got.Type, got.Re, got.Body)
			if err != nil {
				t.Fatalf("%T: %+v cannot be encoded: %v", codec, got, err)
			}
			again, err := codec.DecodeServer(text)
			if err != nil || !cmp.Equal(got, again, cmpopts.EquateEmpty()) {
				t.Errorf("%T: %+v\nis encoded as %q,\nwhich is read as %+v (%v)\n%s", codec, got, text, again, err, cmp.Diff(got, again))
			}
		}
	})
}

// A frame in JSON and the same in protobuf are accepted as the same, or both refused.
func FuzzPBAsJSON(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, frame []byte) { sameJudgement(t, frame) })
}
