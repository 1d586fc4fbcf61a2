package wire

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
)

// A client's frame in protobuf is turned into the JSON that says the same, and that is
// judged: there is one judge, and what he says of a field he says in both. The turning
// itself refuses only what is no protobuf and no UTF-8; what JSON has no way of
// saying, such as a field without a name, it says in a way that the judge refuses.

// decodePBClient is [DecodeClient] for [PB].
func decodePBClient(frame []byte) (ClientFrame, error) {
	if len(frame) > MaxFrameBytes {
		return ClientFrame{}, tooBig(len(frame))
	}
	r := readers.Get().(*reader)
	defer r.put()
	text, err := pbClientText(r.text[:0], frame)
	if err != nil {
		return ClientFrame{}, err
	}
	if cap(text) <= keptText {
		r.text = text
	}
	f, err := r.read(text)
	if err != nil {
		return f, err
	}
	return f, nil
}

// keptText is the largest buffer for JSON that is kept, in bytes: long tracks are rare.
const keptText = 4096

// pbClientText appends the JSON of a client's frame.
func pbClientText(out, frame []byte) ([]byte, *Error) {
	var t *pbType
	var body []byte
	out = append(out, '{')
	bodies, strange := 0, protowire.Number(0)
	for left := frame; len(left) > 0; {
		v, rest, err := nextPBValue(left)
		if err != nil {
			return nil, err
		}
		left = rest
		of := pbTypeNumbered(pbClientTypes, v.number)
		switch {
		case v.number == pbID:
			if out, err = appendTextMember(out, "id", v, protowire.BytesType); err != nil {
				return nil, err
			}
		case of != nil && v.form == protowire.BytesType:
			t, body = of, v.bytes
			bodies++
		default:
			strange = v.number
		}
	}
	switch {
	case bodies > 1:
		out = append(out, `"t":0,"t":0,`...) // twice
	case t != nil && strange != 0:
		out = append(appendStrange(out, strange), `:0,`...)
		fallthrough
	case t != nil:
		out = append(append(append(out, `"t":"`...), t.name...), `","b":{`...)
		if t.datum != "" {
			out = append(append(append(out, `"datum":"`...), t.datum...), `",`...)
		}
		var err *Error
		if out, err = t.shape.appendText(out, body); err != nil {
			return nil, err
		}
		out = append(endObject(out), ',')
	case strange != 0:
		out = strconv.AppendInt(append(out, `"t":"`...), int64(strange), 10)
		out = append(out, `","b":{},`...)
	default:
		out = append(out, `"b":{},`...)
	}
	return endObject(out), nil
}

// appendStrange writes the name of a field that has none.
func appendStrange(out []byte, number protowire.Number) []byte {
	out = strconv.AppendInt(append(out, `"field_`...), int64(number), 10)
	return append(out, '"')
}

// endObject ends an object whose last member may be followed by a comma.
func endObject(out []byte) []byte { return append(trimComma(out), '}') }

func trimComma(out []byte) []byte {
	if out[len(out)-1] == ',' {
		return out[:len(out)-1]
	}
	return out
}

// appendTextMember writes a text member and a comma.
func appendTextMember(out []byte, name string, v pbValue, want protowire.Type) ([]byte, *Error) {
	out = append(append(append(out, '"'), name...), `":`...)
	if v.form != want {
		return append(out, `{},`...), nil
	}
	out, bad := jsontext.AppendQuote(out, v.bytes)
	if bad != nil {
		return nil, notUTF8()
	}
	return append(out, ','), nil
}

// appendText writes the members of a message, each with a comma behind it. A field that
// comes twice is a member that comes twice, which the judge refuses. What it says the
// second time is not looked at: some values are looked for in the whole message, and a
// frame that names one of these a thousand times must not cost a thousand looks.
func (s *pbShape) appendText(out, b []byte) ([]byte, *Error) {
	whole := b
	var seen [maxPBNumber + 1]bool
	for len(b) > 0 {
		v, rest, err := nextPBValue(b)
		if err != nil {
			return nil, err
		}
		b = rest
		f, text := s.find(v.number)
		if f == nil {
			out = append(appendStrange(out, v.number), `:0,`...)
			continue
		}
		number := v.number
		if f.kind == pbFixes {
			number = f.number // it is all the columns
		}
		again := seen[number]
		seen[number] = true
		if again && f.isList(text) {
			continue // written whole when it came first
		}
		out = append(append(append(out, '"'), f.member...), `":`...)
		if again {
			out = append(out, `0,`...)
			continue
		}
		if out, err = f.appendValue(out, v, text, whole); err != nil {
			return nil, err
		}
		out = append(out, ',')
	}
	return out, nil
}

// isList says that the field may come several times.
func (f *pbField) isList(text bool) bool {
	switch f.kind {
	case pbStrings, pbMessages, pbRaws, pbFixes:
		return true
	case pbParts:
		return !text
	}
	return false
}

// appendValue writes the value of one field of the message within.
func (f *pbField) appendValue(out []byte, v pbValue, text bool, within []byte) ([]byte, *Error) {
	if f.isList(text) {
		return f.appendListText(out, v.number, text, within)
	}
	if v.form != f.form(text) {
		return f.appendWrong(out), nil
	}
	switch {
	case text || f.kind == pbString || f.kind == pbImplied:
		return quotePB(out, v.bytes)
	case f.kind == pbMessage:
		out, err := f.shape.appendText(append(out, '{'), v.bytes)
		if err != nil {
			return nil, err
		}
		return endObject(out), nil
	}
	switch f.kind {
	case pbInt:
		return strconv.AppendInt(out, int64(v.n), 10), nil
	case pbZigzag:
		return strconv.AppendInt(out, protowire.DecodeZigZag(v.n), 10), nil
	case pbBool:
		if v.n > 1 {
			return f.appendWrong(out), nil
		}
		return strconv.AppendBool(out, v.n == 1), nil
	case pbPoint:
		out = appendDecimal(out, int64(int32(v.n>>32)), 6)
		return appendDecimal(append(out, `,"lon":`...), int64(int32(v.n)), 6), nil
	case pbE6:
		return appendDecimal(out, protowire.DecodeZigZag(v.n), 6), nil
	case pbTenths:
		return appendDecimal(out, int64(v.n), 1), nil
	case pbWhole:
		return strconv.AppendInt(out, int64(v.n), 10), nil
	case pbDouble:
		if d := math.Float64frombits(v.n); !math.IsNaN(d) && !math.IsInf(d, 0) {
			return strconv.AppendFloat(out, d, 'g', -1, 64), nil
		}
		return f.appendWrong(out), nil
	case pbWord:
		return jsonQuote(out, f.word(v.n)), nil
	case pbOffer:
		return appendOfferText(out, v.n, within)
	case pbRaw:
		return appendBase64(out, v.bytes), nil
	}
	return f.appendWrong(out), nil
}

// appendWrong writes what no rule takes, because the form of the value is not the
// field's.
func (f *pbField) appendWrong(out []byte) []byte {
	if f.kind == pbMessage {
		return append(out, '0')
	}
	return append(out, `{}`...)
}

// appendListText writes all values of one number in the message within as a list.
func (f *pbField) appendListText(out []byte, number protowire.Number, text bool, within []byte) ([]byte, *Error) {
	switch f.kind {
	case pbFixes:
		return appendFixesText(out, within)
	case pbParts:
		return appendPartsText(out, number, within)
	}
	out = append(out, '[')
	for len(within) > 0 {
		v, rest, err := nextPBValue(within)
		if err != nil {
			return nil, err
		}
		within = rest
		switch {
		case v.number != number:
			continue
		case v.form != protowire.BytesType:
			out = append(out, `{}`...)
		case f.kind == pbMessages:
			if out, err = f.shape.appendText(append(out, '{'), v.bytes); err == nil {
				out = endObject(out)
			}
		case f.kind == pbRaws && !text:
			out = appendBase64(out, v.bytes)
		default:
			out, err = quotePB(out, v.bytes)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, ',')
	}
	return append(out[:len(out)-1], ']'), nil
}

// appendPartsText writes parts in base64url with dots between.
func appendPartsText(out []byte, number protowire.Number, within []byte) ([]byte, *Error) {
	begin := len(out)
	out = append(out, '"')
	for len(within) > 0 {
		v, rest, err := nextPBValue(within)
		if err != nil {
			return nil, err
		}
		within = rest
		switch {
		case v.number != number:
		case v.form != protowire.BytesType:
			return append(out[:begin], `{}`...), nil
		default:
			out = append(base64.RawURLEncoding.AppendEncode(out, v.bytes), '.')
		}
	}
	return append(out[:len(out)-1], '"'), nil
}

// appendOfferText writes the id of the offer with a number, which may stand before the
// trip that it is of.
func appendOfferText(out []byte, n uint64, within []byte) ([]byte, *Error) {
	var trip []byte
	for len(within) > 0 {
		v, rest, err := nextPBValue(within)
		if err != nil {
			return nil, err
		}
		within = rest
		if v.number == pbTripNumber {
			trip = v.bytes
		}
	}
	return quotePB(out, strconv.AppendUint(append(trip[:len(trip):len(trip)], '/'), n, 10))
}

// pbTripNumber is the number of the trip in every message with an offer.
const pbTripNumber = 1

func quotePB(out, text []byte) ([]byte, *Error) {
	out, bad := jsontext.AppendQuote(out, text)
	if bad != nil {
		return nil, notUTF8()
	}
	return out, nil
}

// jsonQuote is quotePB for our own words.
func jsonQuote(out []byte, word string) []byte {
	return append(append(append(out, '"'), word...), '"')
}

func appendBase64(out, raw []byte) []byte {
	return append(base64.RawURLEncoding.AppendEncode(append(out, '"'), raw), '"')
}

// appendDecimal writes n with its last digits behind the point.
func appendDecimal(out []byte, n int64, digits int) []byte {
	u := uint64(n)
	if n < 0 {
		out = append(out, '-')
		u = -u
	}
	scale := uint64(1)
	for range digits {
		scale *= 10
	}
	out = strconv.AppendUint(out, u/scale, 10)
	if digits > 0 {
		out = append(out, '.')
	}
	for scale /= 10; scale > 0; scale /= 10 {
		out = append(out, '0'+byte(u/scale%10))
	}
	return out
}
