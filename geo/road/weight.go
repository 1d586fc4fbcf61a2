package road

import (
	"time"

	"cuntong/geo"
)

// weight is a drive in one number: milliseconds in the upper half, decimetres in
// the lower. Added, both add; compared, time comes first and, of drives equally
// quick, the shorter is less. So every search finds one answer, whatever way it
// goes about it.
type weight uint64

// never is the weight of a road that cannot be driven. Two of it can be added.
const never weight = 1 << 62

func weightOf(t time.Duration, decimetres uint32) weight {
	return weight(t.Milliseconds())<<32 | weight(decimetres)
}

func (w weight) leg() geo.Leg {
	return geo.Leg{Duration: time.Duration(w>>32) * time.Millisecond, Distance: geo.Meters(w&0xffffffff) / 10}
}

// part is the share of w that takes so much of the way, each half rounded.
func (w weight) part(share float64) weight {
	if w >= never {
		return never
	}
	half := func(x weight) weight { return weight(float64(x)*share + 0.5) }
	return half(w>>32)<<32 | half(w&0xffffffff)
}
