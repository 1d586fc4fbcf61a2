package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ClientFrame is a frame from a client.
type ClientFrame struct {
	Type Type
	// ID is the command id; "" where Type is not a command.
	ID string
	// Body is a value (not a pointer) of the type that belongs to Type.
	Body any
}

// DecodeClient reads a frame from a client, strictly. The error is an [*Error].
// After an error Type and ID are set as far as they could be read, so that the
// refusal can name the command; Body is nil. Nothing returned shares memory with
// frame.
func DecodeClient(frame []byte) (ClientFrame, error) {
	r := readers.Get().(*reader)
	defer r.put()
	f, err := r.decode(frame)
	if err != nil {
		return f, err
	}
	return f, nil
}

// reader is the workspace for one frame.
type reader struct {
	frame, body bytes.Buffer
	envelope    jsontext.Decoder // of frame; finds duplicates
	inner       jsontext.Decoder // of body, which the envelope has found valid
	text        []byte           // what a frame in protobuf was turned into
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// put returns r to the pool without what it read.
func (r *reader) put() {
	r.frame, r.body = bytes.Buffer{}, bytes.Buffer{}
	r.envelope.Reset(&r.frame)
	r.inner.Reset(&r.body)
	readers.Put(r)
}

func (r *reader) decode(frame []byte) (ClientFrame, *Error) {
	if len(frame) > MaxFrameBytes {
		return ClientFrame{}, tooBig(len(frame))
	}
	return r.read(frame)
}

func tooBig(bytes int) *Error {
	return &Error{CodeTooBig, "", fmt.Sprintf("Keep a frame within %d bytes; this one has %d.", MaxFrameBytes, bytes)}
}

// read is the judge of what clients say, in JSON or turned into it.
func (r *reader) read(frame []byte) (ClientFrame, *Error) {
	switch {
	case !utf8.Valid(frame):
		return ClientFrame{}, &Error{CodeBadUTF8, "", "Send UTF-8."}
	case deeperThan(frame, MaxDepth):
		return ClientFrame{}, &Error{CodeTooDeep, "", fmt.Sprintf("Nest objects at most %d deep.", MaxDepth)}
	}
	e, err := r.readEnvelope(frame)
	if err != nil {
		return e.ClientFrame, err
	}
	r.body = *bytes.NewBuffer(e.body)
	r.inner.Reset(&r.body, jsontext.AllowDuplicateNames(true))
	body := reflect.New(e.kind.body)
	if err := e.kind.shape.read(&r.inner, body.Interface()); err != nil {
		return e.ClientFrame, err.under("b")
	}
	e.Body = body.Elem().Interface()
	return e.ClientFrame, nil
}

// envelope is the outer object of a client's frame.
type envelope struct {
	ClientFrame
	kind *clientType
	body jsontext.Value

	hasT, hasID, hasB bool
	// fault is the first thing found wrong that does not make the rest unreadable.
	fault *Error
}

// blame keeps the first fault.
func (e *envelope) blame(fault *Error) {
	if e.fault == nil {
		e.fault = fault
	}
}

// readEnvelope reads the frame to its end, so that a broken frame is called
// broken whatever else is wrong with it.
func (r *reader) readEnvelope(frame []byte) (envelope, *Error) {
	var e envelope
	r.frame = *bytes.NewBuffer(frame)
	dec := &r.envelope
	dec.Reset(&r.frame)
	if dec.PeekKind() != jsontext.KindBeginObject {
		return e, &Error{CodeBadJSON, "", "Send exactly one JSON object a frame."}
	}
	if _, err := dec.ReadToken(); err != nil {
		return e, syntaxError(err)
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		if err := e.readMember(dec, frame); err != nil {
			return e, syntaxError(err)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return e, syntaxError(err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return e, &Error{CodeBadJSON, "", "Send nothing after the object: one object a frame."}
	}
	e.complete()
	return e, e.fault
}

func (e *envelope) readMember(dec *jsontext.Decoder, frame []byte) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	name := unquote(raw)
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch name {
	case "t":
		e.hasT = true
		e.takeType(value)
	case "id":
		e.hasID = true
		e.takeID(value)
	case "b":
		e.hasB = true
		// value is valid until the next read only; the frame stays.
		end := dec.InputOffset()
		e.body = jsontext.Value(frame[end-int64(len(value)) : end])
	default:
		e.blame(&Error{CodeUnknownField, pathName(name), fmt.Sprintf("Leave out %s: a frame has t, b and, for commands, id.", piece(name))})
	}
	return nil
}

func (e *envelope) takeType(value jsontext.Value) {
	if value.Kind() != jsontext.KindString {
		e.blame(&Error{CodeWrongType, "t", "Send t as a string: the type of the message."})
		return
	}
	name := unquote(value)
	if e.kind = findClientType(name); e.kind == nil {
		e.blame(&Error{CodeUnknownType, "t", fmt.Sprintf("Clients send no message of type %s; types are case-sensitive.", piece(name))})
		return
	}
	e.Type = e.kind.name
}

func (e *envelope) takeID(value jsontext.Value) {
	if value.Kind() != jsontext.KindString {
		e.blame(&Error{CodeWrongType, "id", "Send id as a string: want " + id{}.want() + "."})
		return
	}
	s := unquote(value)
	if !isID(s) {
		e.blame(&Error{CodeBadID, "id", "Choose another command id: want " + id{}.want() + "."})
		return
	}
	e.ID = s
}

// complete checks what must be there once all members are read.
func (e *envelope) complete() {
	switch {
	case !e.hasT:
		e.blame(&Error{CodeMissingField, "t", "Add t: the type of the message."})
	case e.kind == nil:
		// takeType has said so
	case e.kind.command && !e.hasID:
		e.blame(&Error{CodeMissingID, "id", fmt.Sprintf("Add id: %s is a command, and its answer names the id.", e.Type)})
	case !e.kind.command && e.hasID:
		e.ID = ""
		e.blame(&Error{CodeUnknownField, "id", fmt.Sprintf("Leave out id: %s is not a command and is not answered by id.", e.Type)})
	}
	if !e.hasB {
		e.blame(&Error{CodeMissingField, "b", "Add b: the body, {} when it is empty."})
	} else if e.body.Kind() != jsontext.KindBeginObject {
		e.blame(&Error{CodeWrongType, "b", "Send b as an object."})
	}
}

// deeperThan says whether brackets nest deeper than limit. On a frame that is
// not JSON the answer means nothing, but it comes in one pass all the same.
func deeperThan(frame []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(frame); i++ {
		switch c := frame[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// skip passes over a value that has been looked at.
func skip(dec *jsontext.Decoder) *Error {
	if err := dec.SkipValue(); err != nil {
		return syntaxError(err)
	}
	return nil
}

// syntaxError puts an error of the JSON reader into our words. Its own text may
// repeat the frame.
func syntaxError(err error) *Error {
	syntax := new(jsontext.SyntacticError)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return &Error{CodeDuplicateField, pointerPath(syntax.JSONPointer), "Send each field once."}
	case errors.As(err, &syntax):
		return &Error{CodeBadJSON, "", fmt.Sprintf("This is not JSON (RFC 8259) at byte %d.", syntax.ByteOffset)}
	}
	return &Error{CodeBadJSON, "", "This is not JSON (RFC 8259)."}
}

// pointerPath turns /b/pickup/lat into b.pickup.lat.
func pointerPath(p jsontext.Pointer) string {
	var path []string
	for name := range p.Tokens() {
		path = append(path, pathName(name))
	}
	return strings.Join(path, ".")
}
