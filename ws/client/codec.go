package client

import (
	"reflect"

	"cuntong/ws/wire"
)

// codecOf is the codec of that name, or nil.
func codecOf(list []wire.Codec, subprotocol string) wire.Codec {
	for _, c := range list {
		if c.Subprotocol() == subprotocol {
			return c
		}
	}
	return nil
}

// isLossy is for the types of message of which the newest is enough.
func isLossy(body any) bool {
	switch body.(type) {
	case wire.Queue, wire.DriverAt, wire.Board, wire.Pong:
		return true
	}
	return false
}

// flat is what a pointer to a message points to, and anything else as it is.
func flat(body any) any {
	if v := reflect.ValueOf(body); v.Kind() == reflect.Pointer && !v.IsNil() {
		return v.Elem().Interface()
	}
	return body
}
