package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"cuntong/dispatch"
	"cuntong/geo"
)

// CellResolution is the H3 resolution of the mirror's cells: about 0.74 km² each,
// 1 km from middle to middle, so that a reader who wants a neighbourhood of a few
// kilometres asks for tens of keys and a county has a few thousand.
const CellResolution = 8

// positionFormat begins every entry of a cell. The fields, parted by commas:
//
//	1   version
//	2   latitude, WGS-84, millionths of a degree
//	3   longitude, the same
//	4   when the phone was there, milliseconds since 1970 UTC
//	5   when the server had it, the same
//	6   heading, whole degrees clockwise from north, 0 to 359, or -
//	7   speed, centimetres a second, or -
//	8   the phone's own estimate of its error, decimetres; 0 is unknown
//	9   f free, b busy
//
// Text, because people look at it with redis-cli, and about sixty bytes.
const positionFormat = "1"

const (
	positionFields = 9
	// maxPosition is longer than any entry.
	maxPosition   = 128
	maxSpeed      = 30_000    // cm/s
	maxAccuracy   = 1_000_000 // dm
	maxInstant    = 1 << 53
	unknownNumber = "-"
)

var errPosition = errors.New("not a position")

// packed is a position as the mirror keeps it: rounded, with its cell.
type packed struct {
	cell geo.Cell
	text string
}

// pack writes a position down. The cell is that of the rounded point, so that a
// reader can check an entry against the key it stands under. It refuses a point
// that is not on earth and a time that is not set; what the phone says beside
// that becomes unknown when it is out of range.
func pack(m dispatch.MirrorFix) (packed, error) {
	fix := m.Fix
	point := geo.Point{Lat: micro(fix.Point.Lat), Lon: micro(fix.Point.Lon)}
	cell, err := geo.CellOf(point, CellResolution)
	if err != nil {
		return packed{}, err
	}
	if !isInstant(fix.At) || !isInstant(fix.Received) {
		return packed{}, fmt.Errorf("%w: time %d, %d", errPosition, fix.At, fix.Received)
	}
	accuracy := rounded(float64(fix.AccuracyMeters)*10, maxAccuracy)
	if accuracy == unknownNumber {
		accuracy = "0"
	}
	heading := rounded(fix.HeadingDegrees, 360)
	if heading == "360" {
		heading = "0"
	}
	state := "b"
	if m.Free {
		state = "f"
	}
	return packed{cell: cell, text: strings.Join([]string{
		positionFormat,
		strconv.FormatInt(int64(math.Round(point.Lat*1e6)), 10),
		strconv.FormatInt(int64(math.Round(point.Lon*1e6)), 10),
		strconv.FormatInt(int64(fix.At), 10),
		strconv.FormatInt(int64(fix.Received), 10),
		heading,
		rounded(fix.SpeedMPS*100, maxSpeed),
		accuracy,
		state,
	}, ",")}, nil
}

// unpack reads what pack wrote for a driver under the key of a cell. It takes
// nothing else: not another spelling of the same number, nor a point elsewhere.
func unpack(driver driverID, cell geo.Cell, text string) (dispatch.MirrorFix, error) {
	if err := dispatch.CheckID(string(driver)); err != nil {
		return dispatch.MirrorFix{}, err
	}
	fields := strings.Split(text, ",")
	if len(text) > maxPosition || len(fields) != positionFields || fields[0] != positionFormat {
		return dispatch.MirrorFix{}, fmt.Errorf("%w: %.40q", errPosition, text)
	}
	r := numbers{fields: fields}
	m := dispatch.MirrorFix{Free: fields[8] == "f", Fix: dispatch.Fix{
		Driver:         driver,
		Point:          geo.Point{Lat: float64(r.at(1, -90e6, 90e6)) / 1e6, Lon: float64(r.at(2, -180e6, 180e6)) / 1e6},
		At:             dispatch.Instant(r.at(3, 1, maxInstant)),
		Received:       dispatch.Instant(r.at(4, 1, maxInstant)),
		HeadingDegrees: float64(r.orUnknown(5, 359)),
		SpeedMPS:       float64(r.orUnknown(6, maxSpeed)) / 100,
		AccuracyMeters: geo.Meters(r.at(7, 0, maxAccuracy)) / 10,
	}}
	if m.Fix.SpeedMPS < 0 {
		m.Fix.SpeedMPS = -1
	}
	if r.bad || fields[8] != "f" && fields[8] != "b" {
		return dispatch.MirrorFix{}, fmt.Errorf("%w: %.80q", errPosition, text)
	}
	if at, err := geo.CellOf(m.Fix.Point, CellResolution); err != nil || at != cell {
		return dispatch.MirrorFix{}, fmt.Errorf("%w: %.80q does not lie in cell %s", errPosition, text, cell)
	}
	return m, nil
}

// numbers reads fields and remembers whether one was wrong.
type numbers struct {
	fields []string
	bad    bool
}

// at reads a field that must be a number from low to high in its shortest spelling.
func (r *numbers) at(i int, low, high int64) int64 {
	n, err := strconv.ParseInt(r.fields[i], 10, 64)
	if err != nil || n < low || n > high || strconv.FormatInt(n, 10) != r.fields[i] {
		r.bad = true
		return 0
	}
	return n
}

// orUnknown reads a number from 0 to high, or -1 for "-".
func (r *numbers) orUnknown(i int, high int64) int64 {
	if r.fields[i] == unknownNumber {
		return -1
	}
	return r.at(i, 0, high)
}

// rounded prints v as a whole number, or "-" when it is not within 0 to high.
func rounded(v, high float64) string {
	if !(v >= 0 && v <= high) {
		return unknownNumber
	}
	return strconv.FormatInt(int64(math.Round(v)), 10)
}

// micro cuts degrees to millionths: a decimetre.
func micro(degrees float64) float64 { return math.Round(degrees*1e6) / 1e6 }

func isInstant(i dispatch.Instant) bool { return i >= 1 && i <= maxInstant }
