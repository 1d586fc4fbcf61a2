package wire

import (
	"reflect"

	"github.com/go-json-experiment/json"
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

// ServerFrame is a frame from the server.
type ServerFrame struct {
	Type Type
	// Re is the id of the command that is answered, in done and refused.
	Re string
	// Body is a value (not a pointer) of the type that belongs to Type; nil when
	// Type is one that this program does not know.
	Body any
}

// DecodeClient reads a frame from a client, strictly. The error is an [*Error].
// After an error Type and ID are set as far as they could be read, so that the
// refusal can name the command; Body is nil.
func DecodeClient(frame []byte) (ClientFrame, error) {
	var env struct {
		T  string         `json:"t"`
		ID string         `json:"id"`
		B  jsontext.Value `json:"b"`
	}
	if len(frame) > MaxFrameBytes {
		return ClientFrame{}, &Error{CodeTooBig, "", "keep a frame within 4096 bytes"}
	}
	if err := json.Unmarshal(frame, &env, json.RejectUnknownMembers(true)); err != nil {
		return ClientFrame{}, &Error{CodeBadJSON, "", "send one JSON object a frame"}
	}
	c := findClientType(env.T)
	if c == nil {
		return ClientFrame{}, &Error{CodeUnknownType, "t", "this type is not known"}
	}
	f := ClientFrame{Type: c.name, ID: env.ID}
	body := reflect.New(c.body)
	if err := json.Unmarshal(env.B, body.Interface(), json.RejectUnknownMembers(true)); err != nil {
		return f, &Error{CodeBadJSON, "b", "mend the body"}
	}
	f.Body = body.Elem().Interface()
	return f, nil
}

// DecodePosition reads a position frame without allocating. It returns false
// when the frame is not a position (or not one that can be told at a glance):
// use [DecodeClient] then. When it returns true, the verdict is that of DecodeClient.
func DecodePosition(frame []byte, p *Position) (bool, error) {
	f, err := DecodeClient(frame)
	if err != nil {
		return f.Type == TypePosition, err
	}
	got, ok := f.Body.(Position)
	if ok {
		*p = got
	}
	return ok, nil
}

// DecodeServer reads a frame from the server, tolerantly: unknown fields are left
// out, and a frame of an unknown type has a nil Body and is no error. For clients.
func DecodeServer(frame []byte) (ServerFrame, error) {
	var env struct {
		T  string         `json:"t"`
		Re string         `json:"re"`
		B  jsontext.Value `json:"b"`
	}
	if err := json.Unmarshal(frame, &env); err != nil {
		return ServerFrame{}, &Error{CodeBadJSON, "", "this is not a frame of " + Subprotocol}
	}
	f := ServerFrame{Type: Type(env.T), Re: env.Re}
	s := findServerType(env.T)
	if s == nil {
		return f, nil
	}
	body := reflect.New(s.body)
	if err := json.Unmarshal(env.B, body.Interface()); err != nil {
		return f, &Error{CodeBadJSON, "b", "this is not a frame of " + Subprotocol}
	}
	f.Body = body.Elem().Interface()
	return f, nil
}
