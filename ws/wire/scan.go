package wire

import (
	"bytes"
	"strconv"
)

// DecodePosition reads a position frame without allocating, for the road that
// thousands of frames a second take. It returns false when the frame is no
// position, or too broken to tell: use [DecodeClient] then. When it returns true,
// p and the error are what DecodeClient gives. After an error p is as it was.
//
// It reads the frames that clients really send, whatever the order of their
// members, and accepts nothing else itself: anything odd, and everything wrong, is
// left to DecodeClient, so that there is one judge.
func DecodePosition(frame []byte, p *Position) (bool, error) {
	s := scanner{frame: frame}
	switch s.scanFrame() {
	case scanned:
		*p = s.found
		return true, nil
	case otherType:
		return false, nil
	}
	f, err := DecodeClient(frame)
	if f.Type != TypePosition {
		return false, nil
	}
	if err == nil {
		*p = f.Body.(Position)
	}
	return true, err
}

// verdict is what came of a scan.
type verdict int

const (
	odd       verdict = iota // not for the scanner to decide
	scanned                  // a position, and all of it is right
	otherType                // t says that it is something else
)

// scanner reads a position frame from left to right.
type scanner struct {
	frame []byte
	next  int // index of the byte to look at
	found Position
	seen  fieldSet // of the body
}

// fieldSet has a bit for every member of a position.
type fieldSet uint8

const (
	seenLat fieldSet = 1 << iota
	seenLon
	seenDatum
	seenAt
	seenAccuracy
	seenHeading
	seenSpeed
	seenMock
	seenRequired = seenLat | seenLon | seenDatum | seenAt
)

func (s *scanner) scanFrame() verdict {
	if len(s.frame) > MaxFrameBytes || !s.take('{') {
		return odd
	}
	typed := false
	for more := true; more; more = s.take(',') {
		name := s.name()
		switch {
		case string(name) == "t" && !typed:
			typed = true
			if t := s.word(); t == nil {
				return odd
			} else if string(t) != string(TypePosition) {
				return otherType
			}
		case string(name) == "b": // a second one repeats fields, which scanBody refuses
			if !s.scanBody() {
				return odd
			}
		default:
			return odd
		}
	}
	if !typed || s.seen == 0 || !s.take('}') || !s.atEnd() {
		return odd
	}
	return scanned
}

// scanBody reads the body and says whether it is one that DecodeClient accepts.
func (s *scanner) scanBody() bool {
	if !s.take('{') {
		return false
	}
	for more := true; more; more = s.take(',') {
		field, ok := s.scanField()
		if !ok || s.seen&field != 0 {
			return false
		}
		s.seen |= field
	}
	return s.take('}') && s.seen&seenRequired == seenRequired && s.found.check() == nil
}

func (s *scanner) scanField() (field fieldSet, ok bool) {
	p := &s.found
	switch string(s.name()) {
	case "lat":
		p.Lat, ok = s.number(-maxLat, maxLat)
		return seenLat, ok
	case "lon":
		p.Lon, ok = s.number(-maxLon, maxLon)
		return seenLon, ok
	case "datum":
		p.Datum, ok = s.datum()
		return seenDatum, ok
	case "at":
		p.At, ok = s.instant()
		return seenAt, ok
	case "accuracy_m":
		p.AccuracyM, ok = s.optional(maxAccuracyM)
		return seenAccuracy, ok
	case "heading_deg":
		p.HeadingDeg, ok = s.optional(maxHeadingDeg)
		return seenHeading, ok
	case "speed_mps":
		p.SpeedMPS, ok = s.optional(maxSpeedMPS)
		return seenSpeed, ok
	case "mock":
		p.Mock, ok = s.yesNo()
		return seenMock, ok
	}
	return 0, false
}

// yesNo reads true or false.
func (s *scanner) yesNo() (value, ok bool) {
	s.space()
	switch rest := s.frame[s.next:]; {
	case bytes.HasPrefix(rest, []byte("true")):
		s.next += len("true")
		return true, true
	case bytes.HasPrefix(rest, []byte("false")):
		s.next += len("false")
		return false, true
	}
	return false, false
}

// space passes over white space as JSON has it.
func (s *scanner) space() {
	for s.next < len(s.frame) {
		switch s.frame[s.next] {
		case ' ', '\t', '\n', '\r':
			s.next++
		default:
			return
		}
	}
}

// take passes over c, if it is what comes next.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.next < len(s.frame) && s.frame[s.next] == c {
		s.next++
		return true
	}
	return false
}

func (s *scanner) atEnd() bool {
	s.space()
	return s.next == len(s.frame)
}

// name reads a member's name and the colon. It returns nil when there is none, or
// when it is not made of a-z and _.
func (s *scanner) name() []byte {
	name := s.word()
	if !s.take(':') {
		return nil
	}
	return name
}

// word reads a string of a-z, 0-9 and _. It returns nil for anything else.
func (s *scanner) word() []byte {
	if !s.take('"') {
		return nil
	}
	start := s.next
	for ; s.next < len(s.frame); s.next++ {
		c := s.frame[s.next]
		if c >= 'a' && c <= 'z' || c == '_' || c >= '0' && c <= '9' {
			continue
		}
		if c != '"' {
			return nil
		}
		s.next++
		return s.frame[start : s.next-1]
	}
	return nil
}

func (s *scanner) datum() (string, bool) {
	switch string(s.word()) {
	case DatumWGS84:
		return DatumWGS84, true
	case DatumGCJ02:
		return DatumGCJ02, true
	case DatumBD09:
		return DatumBD09, true
	}
	return "", false
}

// instant reads a moment, up to a fraction, which it leaves to be stumbled over.
func (s *scanner) instant() (int64, bool) {
	s.space()
	if s.peek() == '0' {
		return 0, false // below the range, or not JSON
	}
	n, count := s.digits(0)
	return int64(n), count > 0 && count <= maxExactDigits && int64(n) <= instant.high
}

func (s *scanner) optional(high float64) (Optional, bool) {
	f, ok := s.number(0, high)
	return Some(f), ok
}

// number reads a JSON number within the range, up to an exponent, which it leaves
// to be stumbled over. A quotient of two
// integers that floats hold exactly is rounded once, and so is what strconv gives
// (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990); longer
// numbers go to strconv itself.
func (s *scanner) number(low, high float64) (float64, bool) {
	s.space()
	start := s.next
	if s.peek() == '-' {
		s.next++
	}
	leadingZero := s.peek() == '0'
	mantissa, wholes := s.digits(0)
	if wholes == 0 || leadingZero && wholes > 1 {
		return 0, false
	}
	decimals := 0
	if s.peek() == '.' {
		s.next++
		if mantissa, decimals = s.digits(mantissa); decimals == 0 {
			return 0, false
		}
	}
	var f float64
	if wholes+decimals > maxExactDigits {
		f, _ = strconv.ParseFloat(string(s.frame[start:s.next]), 64)
	} else if f = float64(mantissa) / powersOfTen[decimals]; s.frame[start] == '-' {
		f = -f
	}
	return f, f >= low && f <= high
}

// maxExactDigits is how many decimal digits a float64 holds for certain.
const maxExactDigits = 15

var powersOfTen = [maxExactDigits]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14}

// digits reads on at the end of n and returns how many digits there were. With
// more than 19 the number overflows and means nothing.
func (s *scanner) digits(n uint64) (uint64, int) {
	start := s.next
	for ; s.next < len(s.frame); s.next++ {
		d := s.frame[s.next] - '0'
		if d > 9 {
			break
		}
		n = n*10 + uint64(d)
	}
	return n, s.next - start
}

// peek returns the next byte without taking it, 0 at the end.
func (s *scanner) peek() byte {
	if s.next < len(s.frame) {
		return s.frame[s.next]
	}
	return 0
}
