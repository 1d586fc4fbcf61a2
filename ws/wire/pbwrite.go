package wire

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// encodePBClient is [EncodeClient] for [PB].
func encodePBClient(t Type, id string, body any) ([]byte, error) {
	c := findClientType(string(t))
	if err := checkClient(c, t, id, body); err != nil {
		return nil, err
	}
	v := reflect.Indirect(reflect.ValueOf(body))
	out, err := appendPBFrame(make([]byte, 0, typicalPBFrame), pbTypeNamed(pbClientTypes, t, datumOf(v)), id, v)
	if err != nil {
		return nil, fmt.Errorf("wire: %s: %w", t, err)
	}
	return out, nil
}

// appendPBServer is [AppendServer] for [PB].
func appendPBServer(dst []byte, t Type, re string, body any) ([]byte, error) {
	s := findServerType(string(t))
	if err := checkServer(s, t, re, body); err != nil {
		return dst, err
	}
	out, err := appendPBFrame(dst, pbTypeNamed(pbServerTypes, t, ""), re, reflect.Indirect(reflect.ValueOf(body)))
	if err == nil && len(out)-len(dst) > MaxServerFrameBytes {
		err = fmt.Errorf("%d bytes: at most %d", len(out)-len(dst), MaxServerFrameBytes)
	}
	if err != nil {
		return dst, fmt.Errorf("wire: %s: %w", t, err)
	}
	return out, nil
}

// typicalPBFrame is room for most frames, in bytes.
const typicalPBFrame = 128

// datumOf is the datum of a position or a track, "" of anything else.
func datumOf(body reflect.Value) string {
	switch body.Type() {
	case reflect.TypeFor[Position](), reflect.TypeFor[Track]():
		return body.FieldByName("Datum").String()
	}
	return ""
}

func appendPBFrame(b []byte, t *pbType, id string, body reflect.Value) ([]byte, error) {
	if t == nil {
		return b, fmt.Errorf("the datum must be %s, %s or %s", DatumWGS84, DatumGCJ02, DatumBD09)
	}
	out := b
	var err error
	if id != "" {
		if out, err = appendPBString(out, pbID, id); err != nil {
			return b, err
		}
	}
	if out, err = t.shape.appendWithin(out, t.number, body); err != nil {
		return b, err
	}
	return out, nil
}

// appendWithin writes v as the field of another message, its length before it.
func (s *pbShape) appendWithin(b []byte, number protowire.Number, v reflect.Value) ([]byte, error) {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	start := len(b)
	b, err := s.append(append(b, 0), v)
	if err != nil {
		return b, err
	}
	return fitLength(b, start), nil
}

// fitLength puts the length of what follows into the byte at start, making room when
// one byte does not hold it.
func fitLength(b []byte, start int) []byte {
	n := len(b) - start - 1
	if n < 1<<7 {
		b[start] = byte(n)
		return b
	}
	return slices.Replace(b, start, start+1, protowire.AppendVarint(make([]byte, 0, 5), uint64(n))...)
}

// append writes the members of v, which is of the type of s.
func (s *pbShape) append(b []byte, v reflect.Value) (_ []byte, err error) {
	for i := range s.fields {
		f := &s.fields[i]
		field := v.Field(f.index)
		if field.IsZero() && !f.always && f.kind != pbImplied {
			continue
		}
		if b, err = f.append(b, field, v); err != nil {
			return b, fmt.Errorf("%s: %w", f.member, err)
		}
	}
	return b, nil
}

// append writes one field of the object it is in.
func (f *pbField) append(b []byte, v, within reflect.Value) ([]byte, error) {
	switch f.kind {
	case pbString:
		return appendPBString(b, f.number, v.String())
	case pbInt:
		return appendPBVarint(b, f.number, uint64(v.Int())), nil
	case pbZigzag:
		return appendPBVarint(b, f.number, protowire.EncodeZigZag(v.Int())), nil
	case pbOffset:
		return appendPBVarint(b, f.number, protowire.EncodeZigZag(v.Int()-within.FieldByIndex(f.beside).Int())), nil
	case pbBool:
		return appendPBVarint(b, f.number, protowire.EncodeBool(v.Bool())), nil
	case pbE6, pbTenths, pbWhole, pbThousandths, pbDouble:
		return f.appendNumber(b, v)
	case pbPoint:
		lat, err := scaled(v.Float(), 1e6)
		lon, bad := scaled(within.Field(f.index+1).Float(), 1e6)
		if err == nil {
			err = bad
		}
		b = protowire.AppendTag(b, f.number, protowire.Fixed64Type)
		return protowire.AppendFixed64(b, uint64(uint32(clampInt32(lat)))<<32|uint64(uint32(clampInt32(lon)))), err
	case pbMessage:
		return f.shape.appendWithin(b, f.number, reflect.Indirect(v))
	case pbStrings, pbMessages, pbCounts, pbRaws:
		return f.appendList(b, v)
	case pbFixes:
		return appendTrack(b, v.Interface().([]TrackFix))
	}
	return f.appendWord(b, v.String(), within)
}

// appendNumber writes a float64 or an Optional in the unit of the field.
func (f *pbField) appendNumber(b []byte, v reflect.Value) ([]byte, error) {
	if v.Kind() == reflect.Struct { // an Optional
		if !v.Field(1).Bool() {
			return b, nil
		}
		v = v.Field(0)
	}
	if f.kind == pbDouble {
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return b, errNumber
		}
		b = protowire.AppendTag(b, f.number, protowire.Fixed64Type)
		return protowire.AppendFixed64(b, math.Float64bits(v.Float())), nil
	}
	n, err := scaled(v.Float(), pbScale[f.kind])
	if f.kind == pbE6 {
		return appendPBVarint(b, f.number, protowire.EncodeZigZag(n)), err
	}
	return appendPBVarint(b, f.number, uint64(n)), err
}

// pbScale is how many of its unit make a whole.
var pbScale = map[pbKind]float64{pbE6: 1e6, pbTenths: 10, pbWhole: 1, pbThousandths: 1000}

var errNumber = fmt.Errorf("not a number that can be written")

// scaled is v in a smaller unit, rounded.
func scaled(v, scale float64) (int64, error) {
	v = math.Round(v * scale)
	if !(math.Abs(v) < 1<<62) {
		return 0, errNumber
	}
	return int64(v), nil
}

func clampInt32(n int64) int32 { return int32(max(math.MinInt32, min(n, math.MaxInt32))) }

// appendWord writes what is a text in JSON and has a shorter form here.
func (f *pbField) appendWord(b []byte, word string, within reflect.Value) ([]byte, error) {
	switch f.kind {
	case pbWord:
		if i := slices.Index(f.words, word); i > 0 {
			return appendPBVarint(b, f.number, uint64(i)), nil
		}
	case pbImplied:
		if word == f.usual() {
			return b, nil
		}
		return appendPBString(b, f.number, word)
	case pbOffer:
		if n, ok := offerNumber(word, within.FieldByIndex(f.beside).String()); ok {
			return appendPBVarint(b, f.number, n), nil
		}
	case pbRaw:
		if raw, ok := rawOf(word); ok {
			return protowire.AppendBytes(protowire.AppendTag(b, f.number, protowire.BytesType), raw), nil
		}
	case pbReceipt:
		if raw, ok := rawOf(word); ok {
			return f.appendReceipt(b, raw, within.FieldByIndex(f.beside).String()), nil
		}
	case pbParts:
		if parts, ok := partsOf(word); ok {
			for _, raw := range parts {
				b = protowire.AppendBytes(protowire.AppendTag(b, f.number, protowire.BytesType), raw)
			}
			return b, nil
		}
	}
	return appendPBString(b, f.number+pbText, word)
}

// appendReceipt writes a receipt without the id of the trip, which it says once more.
func (f *pbField) appendReceipt(b, raw []byte, trip string) []byte {
	if cut := bytes.Index(raw, []byte(trip)); cut >= 0 && trip != "" {
		raw = slices.Delete(raw, cut, cut+len(trip))
		b = appendPBVarint(b, pbReceiptCut, uint64(cut)+1)
	}
	return protowire.AppendBytes(protowire.AppendTag(b, f.number, protowire.BytesType), raw)
}

// offerNumber returns n of the offer trip/n, or false when the id is none of these.
func offerNumber(offer, trip string) (uint64, bool) {
	digits, ok := strings.CutPrefix(offer, trip)
	digits, slash := strings.CutPrefix(digits, "/")
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, ok && slash && trip != "" && err == nil && strconv.FormatUint(n, 10) == digits
}

// rawOf returns the bytes of which text is the one base64url (RFC 4648, section 5,
// without padding).
func rawOf(text string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return raw, err == nil && text != "" && base64.RawURLEncoding.EncodeToString(raw) == text
}

// partsOf is rawOf for texts with dots between.
func partsOf(text string) (parts [][]byte, ok bool) {
	for part := range strings.SplitSeq(text, ".") {
		raw, ok := rawOf(part)
		if !ok {
			return nil, false
		}
		parts = append(parts, raw)
	}
	return parts, true
}

// appendList writes a list or a map.
func (f *pbField) appendList(b []byte, v reflect.Value) (_ []byte, err error) {
	switch f.kind {
	case pbMessages:
		for i := range v.Len() {
			if b, err = f.shape.appendWithin(b, f.number, v.Index(i)); err != nil {
				return b, err
			}
		}
	case pbStrings:
		for _, s := range v.Interface().([]string) {
			if b, err = appendPBString(b, f.number, s); err != nil {
				return b, err
			}
		}
	case pbRaws: // all as bytes or all as text, so that they keep their order
		list := v.Interface().([]string)
		whole := !slices.ContainsFunc(list, func(s string) bool { _, ok := rawOf(s); return !ok })
		for _, s := range list {
			if raw, _ := rawOf(s); whole {
				b = protowire.AppendBytes(protowire.AppendTag(b, f.number, protowire.BytesType), raw)
			} else if b, err = appendPBString(b, f.number+pbText, s); err != nil {
				return b, err
			}
		}
	case pbCounts:
		counts := v.Interface().(map[string]int)
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			b = protowire.AppendTag(b, f.number, protowire.BytesType)
			start := len(b)
			if b, err = appendPBString(append(b, 0), 1, key); err != nil {
				return b, err
			}
			b = fitLength(appendPBVarint(b, 2, uint64(counts[key])), start)
		}
	}
	return b, nil
}

func appendPBVarint(b []byte, number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), n)
}

var errUTF8 = fmt.Errorf("not UTF-8")

func appendPBString(b []byte, number protowire.Number, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, errUTF8
	}
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), s), nil
}
