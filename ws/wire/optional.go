package wire

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Optional is a number that may be absent, for quantities whose zero means
// something: a heading of 0 is north. The zero Optional is absent.
type Optional struct {
	Value float64
	Set   bool
}

// Some returns v as a number that is there.
func Some(v float64) Optional { return Optional{Value: v, Set: true} }

// Or returns the number, or other when it is absent.
func (o Optional) Or(other float64) float64 {
	if o.Set {
		return o.Value
	}
	return other
}

// IsZero says that the number is absent. The encoder leaves it out then.
func (o Optional) IsZero() bool { return !o.Set }

// MarshalJSONTo writes the number, or null when it is absent.
func (o Optional) MarshalJSONTo(enc *jsontext.Encoder) error {
	if !o.Set {
		return enc.WriteToken(jsontext.Null)
	}
	return enc.WriteToken(jsontext.Float(o.Value))
}

// UnmarshalJSONFrom reads a number; null is absent.
func (o *Optional) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == 'n' {
		*o = Optional{}
		return dec.SkipValue()
	}
	o.Set = true
	return json.UnmarshalDecode(dec, &o.Value)
}
