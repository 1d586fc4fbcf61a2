package wire

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// decodePBServer is [DecodeServer] for [PB].
func decodePBServer(frame []byte) (ServerFrame, error) {
	if len(frame) > MaxServerFrameBytes {
		return ServerFrame{}, tooBigForClient(len(frame))
	}
	var f ServerFrame
	var known *pbType
	var body pbValue
	unknown := false
	for left := frame; len(left) > 0; {
		v, rest, err := nextPBValue(left)
		if err != nil {
			return ServerFrame{}, err
		}
		left = rest
		t := pbTypeNumbered(pbServerTypes, v.number)
		switch {
		case v.number == pbID && v.form == protowire.BytesType:
			if !utf8.Valid(v.bytes) {
				return ServerFrame{}, notUTF8()
			}
			f.Re = string(v.bytes)
		case t != nil && v.form == protowire.BytesType:
			known, body = t, v // of several the last counts, as everywhere in protobuf
		default:
			unknown = true
		}
	}
	switch {
	case known == nil && unknown: // of a type that only newer servers send
		return ServerFrame{Type: unknownPBType, Re: f.Re}, nil
	case known == nil:
		return ServerFrame{}, &Error{CodeMissingField, "t", "The frame has no type."}
	}
	f.Type = known.name
	value := reflect.New(known.shape.typ).Elem()
	if err := known.shape.read(body.bytes, value); err != nil {
		return ServerFrame{}, err
	}
	f.Body = value.Interface()
	return f, nil
}

// unknownPBType is what a frame of an unknown type is called: its name does not travel.
const unknownPBType Type = "unknown"

func notUTF8() *Error { return &Error{CodeBadUTF8, "", "Send UTF-8."} }

// pbValue is one field as it stands in a message.
type pbValue struct {
	number protowire.Number
	form   protowire.Type
	n      uint64 // of a varint, fixed64 or fixed32
	bytes  []byte // of the bytes form
}

// nextPBValue takes the first field off a message.
func nextPBValue(b []byte) (v pbValue, rest []byte, err *Error) {
	number, form, n := protowire.ConsumeTag(b)
	if n < 0 {
		return v, nil, notPB()
	}
	v.number, v.form = number, form
	b = b[n:]
	switch form {
	case protowire.VarintType:
		v.n, n = protowire.ConsumeVarint(b)
	case protowire.Fixed64Type:
		v.n, n = protowire.ConsumeFixed64(b)
	case protowire.Fixed32Type:
		var fixed uint32
		fixed, n = protowire.ConsumeFixed32(b)
		v.n = uint64(fixed)
	case protowire.BytesType:
		v.bytes, n = protowire.ConsumeBytes(b)
	default: // groups are not of proto3
		n = -1
	}
	if n < 0 {
		return v, nil, notPB()
	}
	return v, b[n:], nil
}

// notPB says that the bytes make no sense, as syntaxError does of JSON.
func notPB() *Error {
	return &Error{CodeBadJSON, "", "This is not one message of " + SubprotocolPB + " (protobuf)."}
}

// read fills v, which is zero, from a message. What it does not know it
// leaves out.
func (s *pbShape) read(b []byte, v reflect.Value) *Error {
	for i := range s.fields {
		f := &s.fields[i]
		switch {
		case f.kind == pbImplied:
			v.Field(f.index).SetString(f.usual())
		case f.listed && (f.kind == pbStrings || f.kind == pbMessages):
			v.Field(f.index).Set(reflect.MakeSlice(s.typ.Field(f.index).Type, 0, 0))
		case f.listed && f.kind == pbCounts:
			v.Field(f.index).Set(reflect.ValueOf(map[string]int{}))
		}
	}
	var later pbLater
	for len(b) > 0 {
		value, rest, err := nextPBValue(b)
		if err != nil {
			return err
		}
		b = rest
		f, text := s.find(value.number)
		switch {
		case s.cuts && value.number == pbReceiptCut && value.form == protowire.VarintType:
			later.cut = value.n
		case f == nil || value.form != f.form(text):
		case f.beside != nil && !text:
			later.keep(f, value)
		default:
			if err := f.read(value, text, v); err != nil {
				return err
			}
		}
	}
	later.store(v)
	return nil
}

// pbLater is what is told by another member, and so is read when all are there.
type pbLater struct {
	count  int
	fields [12]struct {
		field *pbField
		value pbValue
	}
	cut uint64 // of the receipt
}

// keep keeps the last value of a field.
func (l *pbLater) keep(f *pbField, value pbValue) {
	i := 0
	for i < l.count && l.fields[i].field != f {
		i++
	}
	l.fields[i].field, l.fields[i].value = f, value
	l.count = max(l.count, i+1)
}

func (l *pbLater) store(within reflect.Value) {
	for _, kept := range l.fields[:l.count] {
		into, beside := within.Field(kept.field.index), within.FieldByIndex(kept.field.beside)
		switch kept.field.kind {
		case pbOffset:
			into.SetInt(beside.Int() + protowire.DecodeZigZag(kept.value.n))
		case pbOffer:
			into.SetString(beside.String() + "/" + strconv.FormatUint(kept.value.n, 10))
		case pbReceipt:
			raw := kept.value.bytes
			if cut := l.cut; cut > 0 && cut <= uint64(len(raw))+1 {
				raw = slices.Concat(raw[:cut-1], []byte(beside.String()), raw[cut-1:])
			}
			into.SetString(base64.RawURLEncoding.EncodeToString(raw))
		}
	}
}

// form is how the field's values are written.
func (f *pbField) form(text bool) protowire.Type {
	if text {
		return protowire.BytesType
	}
	switch f.kind {
	case pbInt, pbZigzag, pbOffset, pbBool, pbE6, pbTenths, pbWhole, pbThousandths, pbWord, pbOffer:
		return protowire.VarintType
	case pbDouble, pbPoint:
		return protowire.Fixed64Type
	}
	return protowire.BytesType
}

// read stores one value of the field in the object within.
func (f *pbField) read(value pbValue, text bool, within reflect.Value) *Error {
	into := within.Field(f.index)
	if text || f.kind == pbString || f.kind == pbImplied || f.kind == pbStrings {
		if !utf8.Valid(value.bytes) {
			return notUTF8()
		}
		return f.store(into, string(value.bytes))
	}
	switch f.kind {
	case pbInt:
		into.SetInt(int64(value.n))
	case pbZigzag:
		into.SetInt(protowire.DecodeZigZag(value.n))
	case pbBool:
		into.SetBool(value.n != 0)
	case pbE6, pbTenths, pbWhole, pbThousandths, pbDouble:
		setNumber(into, f.number64(value.n))
	case pbWord:
		into.SetString(f.word(value.n))
	case pbRaw, pbRaws:
		return f.store(into, base64.RawURLEncoding.EncodeToString(value.bytes))
	case pbParts:
		part := base64.RawURLEncoding.EncodeToString(value.bytes)
		if before := into.String(); before != "" {
			part = before + "." + part
		}
		into.SetString(part)
	case pbCounts:
		return readCount(into, value.bytes)
	case pbMessage, pbMessages:
		return f.readMessage(into, value.bytes)
	}
	return nil
}

// store keeps a text, or adds it to a list of texts.
func (f *pbField) store(into reflect.Value, text string) *Error {
	if into.Kind() == reflect.Slice {
		into.Set(reflect.Append(into, reflect.ValueOf(text)))
	} else {
		into.SetString(text)
	}
	return nil
}

// number64 is a number as it was before it was scaled. A quotient of two integers that
// floats hold exactly is what reading the decimal gives.
func (f *pbField) number64(n uint64) float64 {
	switch f.kind {
	case pbDouble:
		if d := math.Float64frombits(n); !math.IsNaN(d) && !math.IsInf(d, 0) {
			return d
		}
		return 0 // JSON has no such numbers
	case pbE6:
		return unscaled(protowire.DecodeZigZag(n), 1e6)
	}
	return unscaled(int64(n), pbScale[f.kind])
}

// unscaled is the inverse of scaled. What nobody measures is cut down to what floats
// keep exactly.
func unscaled(n int64, scale float64) float64 {
	const most = 1 << 50
	return float64(max(-most, min(n, most))) / scale
}

func setNumber(into reflect.Value, v float64) {
	if into.Kind() == reflect.Struct { // an Optional
		into.Field(1).SetBool(true)
		into = into.Field(0)
	}
	into.SetFloat(v)
}

// word is the word of a number, or the number itself when no word has it.
func (f *pbField) word(n uint64) string {
	if n < uint64(len(f.words)) {
		return f.words[n]
	}
	return strconv.FormatUint(n, 10)
}

// readMessage reads an object within an object.
func (f *pbField) readMessage(into reflect.Value, b []byte) *Error {
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(f.shape.typ))
		return f.shape.read(b, into.Elem())
	case reflect.Slice:
		item := reflect.New(f.shape.typ).Elem()
		err := f.shape.read(b, item)
		into.Set(reflect.Append(into, item))
		return err
	}
	into.SetZero()
	return f.shape.read(b, into)
}

// readCount reads one entry of a map.
func readCount(into reflect.Value, b []byte) *Error {
	key, count := "", int64(0)
	for len(b) > 0 {
		value, rest, err := nextPBValue(b)
		if err != nil {
			return err
		}
		b = rest
		switch {
		case value.number == 1 && value.form == protowire.BytesType:
			key = string(value.bytes)
		case value.number == 2 && value.form == protowire.VarintType:
			count = int64(value.n)
		}
	}
	if !utf8.ValidString(key) {
		return notUTF8()
	}
	into.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(int(count)))
	return nil
}
