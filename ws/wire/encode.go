package wire

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
)

// EncodeClient writes a client's frame. body is a value of the type that belongs
// to t (or a pointer to one), id the command id where t is a command and "" where
// it is not; else there is an error. Values are not checked: that is the server's part.
func EncodeClient(t Type, id string, body any) ([]byte, error) {
	c := findClientType(string(t))
	switch {
	case c == nil:
		return nil, fmt.Errorf("wire: %q is not a type that clients send", t)
	case !isBody(body, c.body):
		return nil, fmt.Errorf("wire: a frame of type %q has a body of type %v, not %T", t, c.body, body)
	case c.command && id == "":
		return nil, fmt.Errorf("wire: %q is a command: it needs an id", t)
	case !c.command && id != "":
		return nil, fmt.Errorf("wire: %q is not a command: it has no id", t)
	}
	return json.Marshal(clientEnvelope{t, id, body}, json.Deterministic(true))
}

// EncodeServer writes a server's frame. body is a value of the type that belongs
// to t (or a pointer to one); re is the id of the command that is answered, for
// done and refused, and "" otherwise.
func EncodeServer(t Type, re string, body any) ([]byte, error) {
	return AppendServer(nil, t, re, body)
}

// AppendServer is [EncodeServer] that appends to dst. After an error dst is unchanged.
func AppendServer(dst []byte, t Type, re string, body any) ([]byte, error) {
	s := findServerType(string(t))
	switch {
	case s == nil:
		return dst, fmt.Errorf("wire: %q is not a type that the server sends", t)
	case !isBody(body, s.body):
		return dst, fmt.Errorf("wire: a frame of type %q has a body of type %v, not %T", t, s.body, body)
	case re != "" && t != TypeDone && t != TypeRefused:
		return dst, fmt.Errorf("wire: %q answers no command: it has no re", t)
	}
	buf := bytes.NewBuffer(dst)
	if err := json.MarshalWrite(buf, serverEnvelope{t, re, body}, json.Deterministic(true)); err != nil {
		return dst, fmt.Errorf("wire: %s: %w", t, err)
	}
	return buf.Bytes(), nil
}

type clientEnvelope struct {
	T  Type   `json:"t"`
	ID string `json:"id,omitzero"`
	B  any    `json:"b"`
}

type serverEnvelope struct {
	T  Type   `json:"t"`
	Re string `json:"re,omitzero"`
	B  any    `json:"b"`
}

func isBody(body any, want reflect.Type) bool {
	got := reflect.TypeOf(body)
	return got == want || got != nil && got.Kind() == reflect.Pointer && got.Elem() == want && !reflect.ValueOf(body).IsNil()
}
