package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// A client must live with what a newer server sends.
func TestDecodeServerIsTolerant(t *testing.T) {
	tests := []struct {
		name, frame string
		want        ServerFrame
	}{
		{"unknown type", `{"t":"weather","b":{"rain_mm":3}}`, ServerFrame{Type: "weather"}},
		{"unknown type, body of another kind", `{"t":"weather","b":[1]}`, ServerFrame{Type: "weather"}},
		{"unknown type without body", `{"t":"weather"}`, ServerFrame{Type: "weather"}},
		{"unknown fields everywhere", `{"t":"driver_at","seq":9,"b":{"trip":"t1","road":"G76","fix":{"lat":1,"lon":2,"datum":"wgs84","at":3,"age_ms":4,"floor":[{"deep":{"er":1}}]}}}`,
			ServerFrame{Type: TypeDriverAt, Body: DriverAt{Trip: "t1", Fix: Fix{Lat: 1, Lon: 2, Datum: DatumWGS84, At: 3, AgeMS: 4}}}},
		{"missing fields", `{"t":"done","re":"c1","b":{}}`, ServerFrame{Type: TypeDone, Re: "c1", Body: Done{}}},
		{"null", `{"t":"driver_at","b":{"trip":null,"fix":{"lat":1,"heading_deg":null},"eta":null}}`, ServerFrame{Type: TypeDriverAt, Body: DriverAt{Fix: Fix{Lat: 1}}}},
		{"north, standing", `{"t":"driver_at","b":{"fix":{"heading_deg":0,"speed_mps":0}}}`,
			ServerFrame{Type: TypeDriverAt, Body: DriverAt{Fix: Fix{HeadingDeg: Some(0), SpeedMPS: Some(0)}}}},
		{"a state of tomorrow", `{"t":"done","re":"c1","b":{"state":"hovering"}}`, ServerFrame{Type: TypeDone, Re: "c1", Body: Done{State: "hovering"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeServer([]byte(test.frame))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestDecodeServerRefuses(t *testing.T) {
	tests := []struct{ name, frame, code, field string }{
		{"nothing", ``, CodeBadJSON, ""},
		{"half", `{"t":"pong","b":{}`, CodeBadJSON, ""},
		{"two", `{"t":"pong","b":{}}{}`, CodeBadJSON, ""},
		{"not utf-8", "{\"t\":\"pong\xff\",\"b\":{}}", CodeBadJSON, ""},
		{"no type", `{"b":{}}`, CodeMissingField, "t"},
		{"no body", `{"t":"pong"}`, CodeMissingField, "b"},
		{"a body that is no object", `{"t":"pong","b":[]}`, CodeMissingField, "b"},
		{"a type that is a number", `{"t":1,"b":{}}`, CodeWrongType, "t"},
		{"a field of another type", `{"t":"driver_at","b":{"fix":{"lat":"1"}}}`, CodeWrongType, "b.fix.lat"},
		{"a field twice", `{"t":"done","b":{"trip":"a","trip":"b"}}`, CodeDuplicateField, "b.trip"},
		{"too big", `{"t":"pong","b":{}}` + strings.Repeat(" ", MaxServerFrameBytes), CodeTooBig, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := DecodeServer([]byte(test.frame))
			e := new(Error)
			if !errors.As(err, &e) || e.Code != test.code || e.Field != test.field || f.Body != nil {
				t.Fatalf("got %+v, %v; want %s at %q", f, err, test.code, test.field)
			}
			checkTellable(t, e)
		})
	}
}

func TestOptional(t *testing.T) {
	if got := Some(0).Or(7); got != 0 {
		t.Errorf("a number that is there gives %v", got)
	}
	if got := (Optional{}).Or(7); got != 7 {
		t.Errorf("an absent number gives %v", got)
	}
}
