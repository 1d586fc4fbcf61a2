package ws

import (
	"strings"

	"cuntong/ws/wire"
)

// inJSON is cuntong.v1.json as the conformance suite speaks it.
var inJSON = dialect{
	codec: wire.JSON, opcode: opText, other: opBinary,
	padded: func(n int) []byte {
		m := `{"t":"cancel","id":"m","b":{"trip":"t1","why":"mistake"}}`
		return []byte(m + strings.Repeat(" ", n-len(m)))
	},
	paddedSays: done,
}

func jsonRows() []row {
	return []row{
		{"1 framing: an empty text is no message", text(""), alive, "bad_json"},
		{"4 UTF-8: three bytes split over fragments", all(rawFrame(opText, []byte("{\"t\":\"\xe6")), rawFrame(fin|opCont, []byte("\x9d\x91\",\"b\":{}}"))), alive, "unknown_type"},
		{"4 UTF-8: a lone continuation byte", text("{\"t\":\"\x80\"}"), 1007, ""},
		{"4 UTF-8: overlong", text("{\"t\":\"\xc0\xaf\"}"), 1007, ""},
		{"4 UTF-8: half of a surrogate pair", text("{\"t\":\"\xed\xa0\x80\"}"), 1007, ""},
		{"4 UTF-8: beyond U+10FFFF", text("{\"t\":\"\xf4\x90\x80\x80\"}"), 1007, ""},
		{"4 UTF-8: cut short at the end of a fragment", all(rawFrame(opText, []byte("{\"t\":\"\xe6")), rawFrame(fin|opCont, []byte("\"}"))), 1007, ""},
		{"6 limits: nested a hundred thousand deep", text(strings.Repeat("[", 100_000)), 1009, ""},
		{"6 limits: nested two thousand deep", text(`{"t":"ping","b":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}"), alive, "too_deep"},
		{"6 limits: a number of a thousand digits", text(`{"t":"ping","b":{"x":` + strings.Repeat("9", 1000) + "}}"), alive, "unknown_field"},
		{"6 limits: 1e999999", text(`{"t":"position","b":{"lat":1e999999}}`), alive, "out_of_range"},
		{"6 limits: a field twice", text(`{"t":"ping","t":"watch","b":{}}`), alive, "duplicate_field"},
		{"7 protobuf in a text message, whose tags are no UTF-8", text(string(inPB.cancels("m"))), 1007, ""},
		{"7 protobuf in a text message, all of it letters", text("\x0a\x01m"), alive, "bad_json"},
	}
}
