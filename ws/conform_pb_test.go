package ws

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"cuntong/ws/wire"
	"cuntong/ws/wire/pb"
)

// inPB is cuntong.v1.pb as the conformance suite speaks it.
var inPB = dialect{
	codec: wire.PB, opcode: opBinary, other: opText,
	padded: func(n int) []byte { // by a field that nobody knows: there are no blanks in protobuf
		m := pbCancel(cancelTrip, cancelWhy)
		for size := n; ; size-- {
			if b := slices.Concat(m, pbBytes(noSuchField, make([]byte, size))); len(b) <= n {
				return b
			}
		}
	},
	paddedSays: "unknown_field",
}

// Numbers of ws/wire/pb/cuntong.proto that the cases are made of.
const (
	pbFrameID   = 1
	pbPosition  = 2
	pbTrack     = 15
	pbRequest   = 14
	pbDuty      = 18
	pbCancelled = 20
	noSuchField = 99
)

func pbBytes(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func pbVarint(number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

// The fields of a good cancel.
var (
	cancelTrip = pbBytes(1, []byte("t1"))
	cancelWhy  = pbVarint(2, 4)
)

// pbCancel is a cancel under the id m.
func pbCancel(fields ...[]byte) []byte {
	return slices.Concat(pbBytes(pbFrameID, []byte("m")), pbBytes(pbCancelled, bytes.Join(fields, nil)))
}

// pbTracked is a track under the id m.
func pbTracked(columns ...[]byte) []byte {
	return slices.Concat(pbBytes(pbFrameID, []byte("m")), pbBytes(pbTrack, bytes.Join(columns, nil)))
}

// nestedPB is a message within a message within a message.
func nestedPB(depth int) []byte {
	var b []byte
	for range depth {
		b = pbBytes(noSuchField, b)
	}
	return b
}

func pbRows() []row {
	good := pbCancel(cancelTrip, cancelWhy)
	point := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 26_000_000<<32|108_000_000)
	at := pbVarint(2, 1_773_446_433_507)
	column := func(number protowire.Number, values ...byte) []byte { return pbBytes(number, values) }
	lat, lon, moments := column(1, 2, 2), column(2, 2, 2), column(3, 2, 2)
	var rows []row
	for _, c := range []struct {
		name string
		send []byte
		says string
	}{
		{"1 framing: an empty message says nothing", nil, "missing_field"},
		{"4 UTF-8: bytes that are none, where none are wanted", pbCancel(cancelTrip, cancelWhy, pbVarint(3, 1_773_446_433_507)), done},
		{"6 limits: nested thirteen hundred deep where nothing is known", slices.Concat(good, nestedPB(600)), "unknown_field"},
		{"6 limits: nested deep within what is known", pbCancel(cancelTrip, cancelWhy, nestedPB(600)), "unknown_field"},
		{"6 limits: a field two thousand times", pbCancel(bytes.Repeat(cancelWhy, 2000)), "duplicate_field"},
		{"6 limits: lat beyond the pole", pbBytes(pbPosition, slices.Concat(protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 1<<62), at)), "out_of_range"},
		{"7 protobuf: JSON in a binary message", inJSON.cancels("m"), "bad_json"},
		{"7 protobuf: noise", bytes.Repeat([]byte{0xFF}, 50), "bad_json"},
		{"7 protobuf: noughts", make([]byte, 50), "bad_json"},
		{"7 protobuf: cut within a tag", append(good[:len(good):len(good)], 0x98), "bad_json"},
		{"7 protobuf: cut within a length", good[:5], "bad_json"},
		{"7 protobuf: cut within a value", good[:len(good)-1], "bad_json"},
		{"7 protobuf: a length beyond the end", slices.Concat(good, []byte{noSuchField<<3&0x7F | 0x82, 6, 0xFF, 0xFF, 0xFF, 0xFF, 7}), "bad_json"},
		{"7 protobuf: a length of 2^63", slices.Concat(good, []byte{0x9A, 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}), "bad_json"},
		{"7 protobuf: a length cut short within", pbCancel(cancelTrip, []byte{1<<3 | 2, 9}), "bad_json"},
		{"7 protobuf: a varint of eleven bytes", pbCancel(cancelTrip, append([]byte{2 << 3}, append(bytes.Repeat([]byte{0x80}, 10), 1)...)), "bad_json"},
		{"7 protobuf: a varint longer than it must be", pbCancel(cancelTrip, []byte{2 << 3, 0x84, 0x80, 0}), done},
		{"7 protobuf: a group", slices.Concat(good, []byte{noSuchField<<3&0x7F | 0x83, 6, noSuchField<<3&0x7F | 0x84, 6}), "bad_json"},
		{"7 protobuf: field nought", append([]byte{0, 0}, good...), "bad_json"},
		{"7 protobuf: a field number beyond 2^29", append([]byte{0x80, 0x80, 0x80, 0x80, 0x10, 0}, good...), "unknown_field"},
		{"7 protobuf: the fields in another order", slices.Concat(pbBytes(pbCancelled, slices.Concat(cancelWhy, cancelTrip)), pbBytes(pbFrameID, []byte("m"))), done},
		{"7 protobuf: an unknown field of the frame", slices.Concat(good, pbVarint(noSuchField, 1)), "unknown_field"},
		{"7 protobuf: an unknown field within", pbCancel(cancelTrip, cancelWhy, pbVarint(noSuchField, 1)), "unknown_field"},
		{"7 protobuf: an unknown type", slices.Concat(pbBytes(pbFrameID, []byte("m")), pbBytes(noSuchField, nil)), "unknown_type"},
		{"7 protobuf: two bodies", slices.Concat(good, pbBytes(pbDuty, pbVarint(1, 1))), "duplicate_field"},
		{"7 protobuf: two ids", slices.Concat(pbBytes(pbFrameID, []byte("l")), good), "duplicate_field"},
		{"7 protobuf: a field twice", pbCancel(cancelTrip, cancelTrip, cancelWhy), "duplicate_field"},
		{"7 protobuf: a word and its text", pbCancel(cancelTrip, cancelWhy, pbBytes(102, []byte("mistake"))), "duplicate_field"},
		{"7 protobuf: a word as text", pbCancel(cancelTrip, pbBytes(102, []byte("mistake"))), done},
		{"7 protobuf: a word that nobody knows, as text", pbCancel(cancelTrip, pbBytes(102, []byte("weather"))), "bad_value"},
		{"7 protobuf: a number that no word has", pbCancel(cancelTrip, pbVarint(2, 77)), "bad_value"},
		{"7 protobuf: a number that no enum can have", pbCancel(cancelTrip, pbVarint(2, 1<<63)), "bad_value"},
		{"7 protobuf: word nought", pbCancel(cancelTrip, pbVarint(2, 0)), "bad_value"},
		{"7 protobuf: a text where a number belongs", pbCancel(cancelTrip, pbBytes(2, []byte("mistake"))), "wrong_type"},
		{"7 protobuf: a number where a text belongs", pbCancel(pbVarint(1, 1), cancelWhy), "wrong_type"},
		{"7 protobuf: a list where one belongs", pbCancel(cancelTrip, pbBytes(2, []byte{4})), "wrong_type"},
		{"7 protobuf: truth is neither 0 nor 1", slices.Concat(pbBytes(pbFrameID, []byte("m")), pbBytes(pbDuty, pbVarint(1, 2))), "wrong_type"},
		{"7 protobuf: what must be there is not", pbCancel(cancelWhy), "missing_field"},
		{"7 protobuf: a command without an id", pbBytes(pbCancelled, slices.Concat(cancelTrip, cancelWhy)), "missing_id"},
		{"7 protobuf: a position", pbBytes(pbPosition, slices.Concat(point, at)), ""},
		{"7 protobuf: a position twice in a frame", bytes.Repeat(pbBytes(pbPosition, slices.Concat(point, at)), 2), "duplicate_field"},
		{"7 protobuf: a position in two halves", slices.Concat(pbBytes(pbPosition, point), pbBytes(pbPosition, at)), "duplicate_field"},
		{"7 protobuf: columns, packed", pbTracked(lat, lon, moments), done},
		{"7 protobuf: columns, not packed", pbTracked(pbVarint(1, 2), pbVarint(1, 2), lon, moments), "wrong_type"},
		{"7 protobuf: columns packed in two pieces", pbTracked(column(1, 2), column(1, 2), lon, moments), "wrong_type"},
		{"7 protobuf: columns that do not fit together", pbTracked(column(1, 2), lon, moments), "wrong_type"},
	} {
		rows = append(rows, row{c.name, binaries(c.send), alive, c.says})
	}
	for name, bad := range map[string]string{"a lone continuation byte": "\x80", "overlong": "\xc0\xaf", "half of a surrogate pair": "\xed\xa0\x80", "beyond U+10FFFF": "\xf4\x90\x80\x80"} {
		rows = append(rows,
			row{"4 UTF-8: in a text, " + name, binaries(pbCancel(pbBytes(1, []byte(bad)), cancelWhy)), 1007, ""},
			row{"4 UTF-8: in the id, " + name, binaries(slices.Concat(pbBytes(pbFrameID, []byte(bad)), pbBytes(pbDuty, nil))), 1007, ""},
			row{"4 UTF-8: in a place, " + name, binaries(slices.Concat(pbBytes(pbFrameID, []byte("m")), pbBytes(pbRequest, pbBytes(2, pbBytes(7, []byte(bad)))))), 1007, ""})
	}
	return append(rows, row{"4 UTF-8: three bytes split over fragments", func() []byte {
		b := pbCancel(cancelTrip, pbBytes(102, []byte("村")))
		return all(rawFrame(opBinary, b[:len(b)-1]), rawFrame(fin|opCont, b[len(b)-1:]))
	}(), alive, "bad_value"})
}

// The numbers that the cases are made of are those of the .proto.
func TestConformNumbers(t *testing.T) {
	fields := (&pb.ClientFrame{}).ProtoReflect().Descriptor().Fields()
	for number, name := range map[protowire.Number]string{pbFrameID: "id", pbPosition: "position_wgs84", pbTrack: "track_wgs84", pbRequest: "request",
		pbDuty: "duty", pbCancelled: "cancel"} {
		if f := fields.ByNumber(number); f == nil || string(f.Name()) != name {
			t.Errorf("%d is %v, want %s", number, f, name)
		}
	}
	if fields.ByNumber(noSuchField) != nil {
		t.Errorf("%d is a field", noSuchField)
	}
	var f pb.ClientFrame
	if err := proto.Unmarshal(pbCancel(cancelTrip, cancelWhy), &f); err != nil || f.GetCancel().GetTrip() != "t1" || f.GetCancel().GetWhy() != pb.Why_WHY_MISTAKE {
		t.Errorf("a cancel is read as %v (%v)", &f, err)
	}
}
