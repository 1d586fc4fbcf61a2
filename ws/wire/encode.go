package wire

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// EncodeClient writes a client's frame. body is a value of the type that belongs
// to t (or a pointer to one), id the command id where t is a command and "" where
// it is not; else there is an error. Values are not checked: that is the server's part.
func EncodeClient(t Type, id string, body any) ([]byte, error) {
	if err := checkClient(findClientType(string(t)), t, id, body); err != nil {
		return nil, err
	}
	return orNil(appendFrame(make([]byte, 0, typicalFrame), t, "id", id, body))
}

// checkClient says what is wrong with the arguments of EncodeClient.
func checkClient(c *clientType, t Type, id string, body any) error {
	switch {
	case c == nil:
		return fmt.Errorf("wire: %q is not a type that clients send", t)
	case !isBody(body, c.body):
		return fmt.Errorf("wire: a frame of type %q has a body of type %v, not %T", t, c.body, body)
	case c.command && id == "":
		return fmt.Errorf("wire: %q is a command: it needs an id", t)
	case !c.command && id != "":
		return fmt.Errorf("wire: %q is not a command: it has no id", t)
	}
	return nil
}

// EncodeServer writes a server's frame. body is a value of the type that belongs
// to t (or a pointer to one); re is the id of the command that is answered, for
// done and refused, and "" otherwise.
func EncodeServer(t Type, re string, body any) ([]byte, error) {
	return orNil(AppendServer(make([]byte, 0, typicalFrame), t, re, body))
}

// AppendServer is [EncodeServer] that appends to dst. After an error it returns dst as it was.
func AppendServer(dst []byte, t Type, re string, body any) ([]byte, error) {
	if err := checkServer(findServerType(string(t)), t, re, body); err != nil {
		return dst, err
	}
	out, err := appendFrame(dst, t, "re", re, body)
	if err == nil && len(out)-len(dst) > MaxServerFrameBytes {
		return dst, fmt.Errorf("wire: a %s of %d bytes: at most %d", t, len(out)-len(dst), MaxServerFrameBytes)
	}
	return out, err
}

// checkServer says what is wrong with the arguments of AppendServer.
func checkServer(s *serverType, t Type, re string, body any) error {
	switch {
	case s == nil:
		return fmt.Errorf("wire: %q is not a type that the server sends", t)
	case !isBody(body, s.body):
		return fmt.Errorf("wire: a frame of type %q has a body of type %v, not %T", t, s.body, body)
	case re != "" && t != TypeDone && t != TypeRefused:
		return fmt.Errorf("wire: %q answers no command: it has no re", t)
	}
	return nil
}

func orNil(frame []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return frame, nil
}

// typicalFrame is room for most frames, in bytes.
const typicalFrame = 512

// deterministic makes equal values equal frames: the members of maps are sorted.
// HTML is not escaped.
var deterministic = json.JoinOptions(json.Deterministic(true))

// appendFrame writes the envelope and leaves the body to the JSON package. The
// names of types need no escaping.
func appendFrame(dst []byte, t Type, idName, id string, body any) ([]byte, error) {
	out := append(dst, `{"t":"`...)
	out = append(out, t...)
	out = append(out, '"')
	if id != "" {
		out = append(out, `,"`...)
		out = append(out, idName...)
		out = append(out, `":`...)
		var err error
		if out, err = jsontext.AppendQuote(out, id); err != nil {
			return dst, fmt.Errorf("wire: %s of %s: %w", idName, t, err)
		}
	}
	buf := bytes.NewBuffer(append(out, `,"b":`...))
	if err := json.MarshalWrite(buf, body, deterministic); err != nil {
		return dst, fmt.Errorf("wire: %s: %w", t, err)
	}
	return append(buf.Bytes(), '}'), nil
}

func isBody(body any, want reflect.Type) bool {
	got := reflect.TypeOf(body)
	return got == want || got != nil && got.Kind() == reflect.Pointer && got.Elem() == want && !reflect.ValueOf(body).IsNil()
}
