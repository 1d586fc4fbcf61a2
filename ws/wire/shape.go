package wire

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// shape is how one type of object is read: what members it has, which of them
// must be there, and the rule of each. It is read off the struct's json tags, so
// that a message is defined in one place; "omitzero" marks what may be absent.
type shape struct {
	name    string
	members []member
}

type member struct {
	name     string
	index    int // of the field in the struct
	required bool
}

// checked is an object whose members must agree with one another. It is asked once
// they have been read.
type checked interface {
	check() *Error
}

// shapeOf returns the shape of T, which errors call name.
func shapeOf[T any](name string) *shape {
	s := &shape{name: name}
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		tag, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		s.members = append(s.members, member{name: tag, index: i, required: options != "omitzero"})
	}
	return s
}

// read takes the next value, which must be an object of this shape, and stores it
// through into, a pointer to the struct.
func (s *shape) read(dec *jsontext.Decoder, into any) *Error {
	if dec.PeekKind() != jsontext.KindBeginObject {
		return &Error{CodeWrongType, "", "Send an object here."}
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	target := reflect.ValueOf(into).Elem()
	var seen uint64 // one bit a member
	for dec.PeekKind() != jsontext.KindEndObject {
		i, err := s.readName(dec)
		if err != nil {
			return err
		}
		m := s.members[i]
		if err := vocabulary[m.name].read(dec, target.Field(m.index).Addr().Interface()); err != nil {
			return err.under(m.name)
		}
		seen |= 1 << i
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for i, m := range s.members {
		if m.required && seen&(1<<i) == 0 {
			return missing(m.name)
		}
	}
	if c, ok := into.(checked); ok {
		return c.check()
	}
	return nil
}

// missing complains of a field that is not there.
func missing(name string) *Error {
	if name == "datum" {
		return &Error{CodeUntaggedDatum, name, "Name the datum of these coordinates: want " + vocabulary[name].want() + "."}
	}
	return &Error{CodeMissingField, name, "Add this field: want " + vocabulary[name].want() + "."}
}

// readName takes a member's name and returns its place in s.members.
func (s *shape) readName(dec *jsontext.Decoder) (int, *Error) {
	raw, err := dec.ReadValue()
	if err != nil {
		return 0, syntaxError(err)
	}
	for i := range s.members {
		if string(raw[1:len(raw)-1]) == s.members[i].name {
			return i, nil
		}
	}
	name := unquote(raw) // the name may have been written with escapes
	for i := range s.members {
		if name == s.members[i].name {
			return i, nil
		}
	}
	return 0, &Error{CodeUnknownField, pathName(name), fmt.Sprintf("Leave out %s: %s has no such field.", piece(name), s.name)}
}
