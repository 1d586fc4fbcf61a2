package wire

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ServerFrame is a frame from the server.
type ServerFrame struct {
	Type Type
	// Re is the id of the command that is answered, in done and refused.
	Re string
	// Body is a value (not a pointer) of the type that belongs to Type; nil when
	// Type is one that this program does not know.
	Body any
}

// DecodeServer reads a frame from the server, tolerantly: unknown fields are left
// out, absent ones are zero, and a frame of an unknown type has a nil Body and is no
// error. For clients. The error is an [*Error].
func DecodeServer(frame []byte) (ServerFrame, error) {
	if len(frame) > MaxServerFrameBytes {
		return ServerFrame{}, tooBigForClient(len(frame))
	}
	var outer struct {
		T  string         `json:"t"`
		Re string         `json:"re"`
		B  jsontext.Value `json:"b"`
	}
	if err := json.Unmarshal(frame, &outer); err != nil {
		return ServerFrame{}, serverError("", err)
	}
	if outer.T == "" {
		return ServerFrame{}, &Error{CodeMissingField, "t", "The frame has no type."}
	}
	f := ServerFrame{Type: Type(outer.T), Re: outer.Re}
	known := findServerType(outer.T)
	if known == nil {
		return f, nil
	}
	if outer.B.Kind() != jsontext.KindBeginObject {
		return f, &Error{CodeMissingField, "b", "The frame has no body."}
	}
	body := reflect.New(known.body)
	if err := json.Unmarshal(outer.B, body.Interface()); err != nil {
		return f, serverError("b", err)
	}
	f.Body = body.Elem().Interface()
	return f, nil
}

func tooBigForClient(bytes int) *Error {
	return &Error{CodeTooBig, "", fmt.Sprintf("The server's frames have at most %d bytes; this one has %d.", MaxServerFrameBytes, bytes)}
}

// serverError puts an error of the JSON reader into our words, below the field prefix.
func serverError(prefix string, err error) *Error {
	e := &Error{CodeWrongType, "", "This value is not what " + Subprotocol + " has here."}
	semantic := new(json.SemanticError)
	if errors.As(err, &semantic) {
		e.Field = pointerPath(semantic.JSONPointer)
	} else {
		e = syntaxError(err)
	}
	if prefix != "" {
		e.under(prefix)
	}
	return e
}
