package wire

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// A track is written in columns, which are lists of signed numbers: what changes little
// from one position to the next takes a byte or two. Each number is the difference from
// the one before it, the first from nought; the moments, which come at a steady pace,
// are differences of differences. (The idea is that of T. Pelkonen et al., "Gorilla: A
// Fast, Scalable, In-Memory Time Series Database", VLDB 2015, and of OpenStreetMap's
// DenseNodes.) In the columns of what may be absent the number is one more than the
// value, and nought where there is none; a column without any value is left out.

// The columns of a track, by their number in the .proto.
const (
	trackLat      protowire.Number = iota + 1 // millionths of a degree
	trackLon                                  //
	trackAt                                   // ms
	trackAccuracy                             // tenths of a metre, and one
	trackHeading                              // degrees, and one
	trackSpeed                                // tenths of a metre a second, and one
	trackMock                                 // not a column: the places, from nought, of the mocked
)

func appendTrack(b []byte, fixes []TrackFix) (_ []byte, err error) {
	columns := [...]struct {
		number protowire.Number
		value  func(*TrackFix) (int64, error)
	}{
		{trackLat, func(f *TrackFix) (int64, error) { return scaled(f.Lat, 1e6) }},
		{trackLon, func(f *TrackFix) (int64, error) { return scaled(f.Lon, 1e6) }},
		{trackAt, func(f *TrackFix) (int64, error) { return f.At, nil }},
		{trackAccuracy, func(f *TrackFix) (int64, error) { return scaledOrNone(f.AccuracyM, 10) }},
		{trackHeading, func(f *TrackFix) (int64, error) { return scaledOrNone(f.HeadingDeg, 1) }},
		{trackSpeed, func(f *TrackFix) (int64, error) { return scaledOrNone(f.SpeedMPS, 10) }},
	}
	values := make([]int64, len(fixes))
	for _, c := range columns {
		any := false
		for i := range fixes {
			if values[i], err = c.value(&fixes[i]); err != nil {
				return b, err
			}
			any = any || values[i] != 0
		}
		if any || c.number <= trackAt {
			b = appendColumn(b, c.number, values)
		}
	}
	var mock []byte
	for i := range fixes {
		if fixes[i].Mock {
			mock = protowire.AppendVarint(mock, uint64(i))
		}
	}
	if mock != nil {
		b = protowire.AppendBytes(protowire.AppendTag(b, trackMock, protowire.BytesType), mock)
	}
	return b, nil
}

func scaledOrNone(v Optional, scale float64) (int64, error) {
	if !v.Set {
		return 0, nil
	}
	n, err := scaled(v.Value, scale)
	return n + 1, err
}

// appendColumn writes the differences of values, packed.
func appendColumn(b []byte, number protowire.Number, values []int64) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	start := len(b)
	b = append(b, 0)
	var last, step int64
	for i, v := range values {
		d := v - last
		last = v
		if number == trackAt && i > 0 {
			d, step = d-step, d
		}
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(d))
	}
	return fitLength(b, start)
}

// column is one column of a track that is being read.
type column struct {
	left       []byte
	last, step int64
	begun      bool
}

// next returns the next value of column number, or false when there is none.
func (c *column) next(number protowire.Number) (int64, bool) {
	u, n := protowire.ConsumeVarint(c.left)
	if n < 0 {
		return 0, false
	}
	c.left = c.left[n:]
	d := protowire.DecodeZigZag(u)
	if number == trackAt && c.begun {
		c.step += d
		d = c.step
	}
	c.begun = true
	c.last += d
	return c.last, true
}

// appendFixesText writes the list of positions that columns make. When they do not fit
// together it writes what no list of positions is.
func appendFixesText(out, track []byte) ([]byte, *Error) {
	var columns [trackMock + 1]column
	for len(track) > 0 {
		v, rest, err := nextPBValue(track)
		if err != nil {
			return nil, err
		}
		track = rest
		switch {
		case v.number > trackMock: // said elsewhere
		case v.form != protowire.BytesType || columns[v.number].left != nil:
			return append(out, `{}`...), nil
		default:
			columns[v.number].left = append([]byte{}, v.bytes...)
		}
	}
	begin := len(out)
	out = append(out, '[')
	mock, mocks := nextMock(&columns[trackMock])
	for i := 0; len(columns[trackLat].left) > 0 && i <= MaxTrackFixes; i++ {
		var ok bool
		if out, ok = appendFixText(out, &columns, mocks && mock == uint64(i)); !ok {
			return append(out[:begin], `{}`...), nil
		}
		out = append(out, ',')
		if mocks && mock == uint64(i) {
			mock, mocks = nextMock(&columns[trackMock])
		}
	}
	for i := range columns {
		if len(columns[trackLat].left) == 0 && len(columns[i].left) > 0 || i == int(trackMock) && mocks {
			return append(out[:begin], `{}`...), nil
		}
	}
	return append(trimComma(out), ']'), nil
}

// nextMock returns the place of the next mocked position.
func nextMock(c *column) (place uint64, ok bool) {
	place, n := protowire.ConsumeVarint(c.left)
	if n < 0 {
		return math.MaxUint64, false
	}
	c.left = c.left[n:]
	return place, true
}

// appendFixText writes the next position of the columns, or returns false when a
// column ends too soon.
func appendFixText(out []byte, columns *[trackMock + 1]column, mock bool) ([]byte, bool) {
	lat, okLat := columns[trackLat].next(trackLat)
	lon, okLon := columns[trackLon].next(trackLon)
	at, okAt := columns[trackAt].next(trackAt)
	if !okLat || !okLon || !okAt {
		return out, false
	}
	out = appendDecimal(append(out, `{"lat":`...), lat, 6)
	out = appendDecimal(append(out, `,"lon":`...), lon, 6)
	out = strconv.AppendInt(append(out, `,"at":`...), at, 10)
	for _, c := range [...]struct {
		number protowire.Number
		name   string
		digits int
	}{{trackAccuracy, `,"accuracy_m":`, 1}, {trackHeading, `,"heading_deg":`, 0}, {trackSpeed, `,"speed_mps":`, 1}} {
		column := &columns[c.number]
		if column.left == nil {
			continue
		}
		v, ok := column.next(c.number)
		if !ok {
			return out, false
		}
		if v != 0 {
			out = appendDecimal(append(out, c.name...), v-1, c.digits)
		}
	}
	if mock {
		out = append(out, `,"mock":true`...)
	}
	return append(out, '}'), true
}
