package wire

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// rule says what values a field takes. Rules hold no state.
type rule interface {
	// read takes the next value and stores it through into, a pointer to the
	// field. The error's path is relative to the field.
	read(dec *jsontext.Decoder, into any) *Error
	// want describes the values, to end a sentence that begins "want".
	want() string
}

// maxWhole is the largest number that every JSON library keeps exactly.
const maxWhole = 1<<53 - 1

// lastInstant is the end of the year 9999 in Unix ms.
const lastInstant = 253_402_300_799_999

// instant is a moment in Unix ms. The range is wide because phones' clocks are
// wrong; 0 would mean "not set".
var instant = whole{1, lastInstant, "a moment in Unix ms, a whole number"}

// vocabulary holds the rule of every field of every client message. One name
// means one thing everywhere.
var vocabulary = map[string]rule{
	"token":  bearer{},
	"client": text{MaxNameRunes},
	"now_ms": instant,

	"receipts": receipts{},
	"known":    list[Held]{shapeOf[Held]("a trip and its version"), MaxKnown},
	"version":  count(1, maxWhole),
	"lean":     yesNo{},
	"confirms": yesNo{},
	"device":   id{},

	"lat":         number{-maxLat, maxLat},
	"lon":         number{-maxLon, maxLon},
	"datum":       choice{[]string{DatumWGS84, DatumGCJ02, DatumBD09}},
	"at":          instant,
	"accuracy_m":  number{0, maxAccuracyM},
	"heading_deg": number{0, maxHeadingDeg},
	"speed_mps":   number{0, maxSpeedMPS},
	"mock":        yesNo{},
	"fixes":       list[TrackFix]{shapeOf[TrackFix]("a position"), MaxTrackFixes},

	"on": yesNo{},

	"trip":   id{},
	"offer":  offerID{},
	"driver": id{},
	"id":     id{},
	"why":    choice{Reasons()},
	"seq":    count(1, maxWhole),
	"code":   digits{4},
	"fen":    count(1, MaxFen),

	"role":       choice{everybody},
	"reason":     said{text{MaxNoteRunes}},
	"everywhere": yesNo{},
	"around":     object{shapeOf[Place]("a place")},

	"pickup":  object{shapeOf[Place]("a place")},
	"dropoff": object{shapeOf[Place]("a place")},
	"village": id{},
	"stop":    id{},
	"name":    text{MaxNameRunes},
	"note":    text{MaxNoteRunes},

	"seats":       count(1, MaxSeats),
	"wheelchairs": count(0, MaxWheelchairs),
	"goods_l":     count(0, MaxGoodsL),
	"traveller":   object{shapeOf[Traveller]("a traveller")},
	"phone":       text{MaxPhoneRunes},
	"channel":     choice{[]string{ChannelApp, ChannelAgent, ChannelDesk, ChannelText}},
	"pickup_from": instant,
	"pickup_to":   instant,
	"arrive_by":   instant,

	"road":          id{},
	"where":         object{shapeOf[Stretch]("a stretch of road")},
	"radius_m":      number{0, maxRadiusM},
	"kinds":         words{roadKinds},
	"above_m":       number{0, maxAboveM},
	"vehicles":      words{vehicleClasses},
	"closed":        yesNo{},
	"pace":          number{minPace, 1},
	"max_kg":        count(1, maxMassKG),
	"max_height_cm": count(1, maxSizeCM),
	"max_width_cm":  count(1, maxSizeCM),
	"from":          instant,
	"until":         instant,
	"daily":         object{shapeOf[Hours]("hours of the day")},
	"from_min":      count(0, lastMinute),
	"until_min":     count(0, lastMinute),
	"zone_min":      count(firstZone, lastZone),
}

// id is a name that a client or the server has given to something.
type id struct{}

func (id) want() string {
	return fmt.Sprintf("1 to %d of A-Z a-z 0-9 - _ . : @", MaxIDBytes)
}

func (r id) read(dec *jsontext.Decoder, into any) *Error {
	s, err := readString(dec, r)
	if err != nil {
		return err
	}
	if !isID(s) {
		return complain(CodeBadID, r)
	}
	*into.(*string) = s
	return nil
}

func isID(s string) bool {
	return s != "" && len(s) <= MaxIDBytes && strings.IndexFunc(s, notInID) < 0
}

func notInID(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-_.:@", r)
}

// offerID is the server's name for an offer, which clients send back as it came.
type offerID struct{}

func (offerID) want() string { return "the id of the offer as it came" }

func (r offerID) read(dec *jsontext.Decoder, into any) *Error {
	s, err := readString(dec, r)
	if err != nil {
		return err
	}
	if s == "" || len(s) > MaxOfferIDBytes || strings.IndexFunc(s, notInOfferID) >= 0 {
		return complain(CodeBadID, r)
	}
	*into.(*string) = s
	return nil
}

func notInOfferID(r rune) bool { return r != '/' && notInID(r) }

// bearer is a token: printable ASCII without spaces.
type bearer struct{}

func (bearer) want() string {
	return fmt.Sprintf("the bearer token, at most %d characters", MaxTokenBytes)
}

func (r bearer) read(dec *jsontext.Decoder, into any) *Error {
	s, err := readString(dec, r)
	switch {
	case err != nil:
		return err
	case len(s) > MaxTokenBytes:
		return complain(CodeTooLong, r)
	case strings.IndexFunc(s, notInToken) >= 0:
		return complain(CodeBadText, r)
	}
	*into.(*string) = s
	return nil
}

func notInToken(r rune) bool { return r <= ' ' || r > '~' }

// receipts are what the server gave out and nobody else can read. One that makes no
// sense is not a mistake of the client's program.
type receipts struct{}

func (receipts) want() string {
	return fmt.Sprintf("a list of at most %d receipts as they came, each at most %d characters", MaxReceipts, MaxReceiptBytes)
}

func (r receipts) read(dec *jsontext.Decoder, into any) *Error {
	if dec.PeekKind() != jsontext.KindBeginArray {
		return complainOfKind(dec, r)
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	var list []string
	for dec.PeekKind() != jsontext.KindEndArray {
		s, err := readString(dec, r)
		switch {
		case err != nil:
			return err
		case len(list) >= MaxReceipts, len(s) > MaxReceiptBytes:
			return complain(CodeTooLong, r)
		}
		list = append(list, s)
	}
	*into.(*[]string) = list
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	return nil
}

// digits is a text of so many digits.
type digits struct{ count int }

func (r digits) want() string { return fmt.Sprintf("%d digits in quotes", r.count) }

func (r digits) read(dec *jsontext.Decoder, into any) *Error {
	s, err := readString(dec, r)
	if err != nil {
		return err
	}
	if len(s) != r.count || strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' }) >= 0 {
		return complain(CodeBadValue, r)
	}
	*into.(*string) = s
	return nil
}

// list is one or more objects of one shape.
type list[Item any] struct {
	shape *shape
	most  int
}

func (r list[Item]) want() string {
	return fmt.Sprintf("a list of 1 to %d, each %s", r.most, r.shape.name)
}

func (r list[Item]) read(dec *jsontext.Decoder, into any) *Error {
	if dec.PeekKind() != jsontext.KindBeginArray {
		return complainOfKind(dec, r)
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	var items []Item
	for dec.PeekKind() != jsontext.KindEndArray {
		if len(items) >= r.most {
			return complain(CodeTooLong, r)
		}
		var item Item
		if err := r.shape.read(dec, &item); err != nil {
			return err.under(strconv.Itoa(len(items)))
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return &Error{CodeBadValue, "", "Leave the field out instead of sending an empty list: want " + r.want() + "."}
	}
	*into.(*[]Item) = items
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	return nil
}

// text is words for people, on one line.
type text struct{ maxRunes int }

func (r text) want() string {
	return fmt.Sprintf("a text of at most %d characters on one line", r.maxRunes)
}

func (r text) read(dec *jsontext.Decoder, into any) *Error {
	s, err := readString(dec, r)
	switch {
	case err != nil:
		return err
	case utf8.RuneCountInString(s) > r.maxRunes:
		return complain(CodeTooLong, r)
	case strings.IndexFunc(s, notInText) >= 0:
		return complain(CodeBadText, r)
	}
	*into.(*string) = s
	return nil
}

// said is a text that says something.
type said struct{ text }

func (r said) want() string { return r.text.want() + ", not blank" }

func (r said) read(dec *jsontext.Decoder, into any) *Error {
	if err := r.text.read(dec, into); err != nil {
		return err
	}
	if strings.TrimSpace(*into.(*string)) == "" {
		return complain(CodeMissingField, r)
	}
	return nil
}

// notInText refuses control characters, every kind of line break, and the
// characters that turn the direction of writing, with which one text can be made
// to look like another.
func notInText(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// choice is one of a list of words.
type choice struct{ of []string }

func (r choice) want() string { return "one of " + strings.Join(r.of, ", ") }

func (r choice) read(dec *jsontext.Decoder, into any) *Error {
	s, err := readString(dec, r)
	if err != nil {
		return err
	}
	i := slices.Index(r.of, s)
	if i < 0 {
		return &Error{CodeBadValue, "", fmt.Sprintf("%s is not in the list: want %s.", piece(s), r.want())}
	}
	*into.(*string) = r.of[i]
	return nil
}

// words is a list of some of the words of another list.
type words struct{ of []string }

func (r words) want() string {
	return fmt.Sprintf("a list of 1 to %d of %s", len(r.of), strings.Join(r.of, ", "))
}

func (r words) read(dec *jsontext.Decoder, into any) *Error {
	if dec.PeekKind() != jsontext.KindBeginArray {
		return complainOfKind(dec, r)
	}
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	var list []string
	for dec.PeekKind() != jsontext.KindEndArray {
		var word string
		if err := choice(r).read(dec, &word); err != nil {
			return err
		}
		if slices.Contains(list, word) {
			return &Error{CodeBadValue, "", "Name " + word + " once: want " + r.want() + "."}
		}
		list = append(list, word)
	}
	if len(list) == 0 {
		return &Error{CodeBadValue, "", "Leave the field out instead of sending an empty list: want " + r.want() + "."}
	}
	*into.(*[]string) = list
	if _, err := dec.ReadToken(); err != nil {
		return syntaxError(err)
	}
	return nil
}

// whole is a number without fraction or exponent.
type whole struct {
	low, high int64
	what      string
}

func count(low, high int64) whole { return whole{low, high, "a whole number"} }

func (r whole) want() string { return fmt.Sprintf("%s from %d to %d", r.what, r.low, r.high) }

func (r whole) read(dec *jsontext.Decoder, into any) *Error {
	raw, err := readKind(dec, jsontext.KindNumber, r)
	if err != nil {
		return err
	}
	if strings.ContainsAny(string(raw), ".eE") {
		return &Error{CodeWrongType, "", "Write this number without fraction or exponent: want " + r.want() + "."}
	}
	n, bad := strconv.ParseInt(string(raw), 10, 64)
	if bad != nil || n < r.low || n > r.high {
		return complain(CodeOutOfRange, r)
	}
	switch into := into.(type) {
	case *int:
		*into = int(n)
	case *int64:
		*into = n
	}
	return nil
}

// number is a finite number.
type number struct{ low, high float64 }

func (r number) want() string { return fmt.Sprintf("a number from %g to %g", r.low, r.high) }

func (r number) read(dec *jsontext.Decoder, into any) *Error {
	raw, err := readKind(dec, jsontext.KindNumber, r)
	if err != nil {
		return err
	}
	f, bad := strconv.ParseFloat(string(raw), 64)
	if bad != nil || !(f >= r.low && f <= r.high) || math.IsNaN(f) {
		return complain(CodeOutOfRange, r)
	}
	switch into := into.(type) {
	case *float64:
		*into = f
	case *Optional:
		*into = Some(f)
	}
	return nil
}

// yesNo is true or false.
type yesNo struct{}

func (yesNo) want() string { return "true or false" }

func (r yesNo) read(dec *jsontext.Decoder, into any) *Error {
	switch kind := dec.PeekKind(); kind {
	case jsontext.KindTrue, jsontext.KindFalse:
		*into.(*bool) = kind == jsontext.KindTrue
		return skip(dec)
	}
	return complainOfKind(dec, r)
}

// object is a body within a body.
type object struct{ shape *shape }

func (r object) want() string { return r.shape.name }

func (r object) read(dec *jsontext.Decoder, into any) *Error {
	return r.shape.read(dec, into)
}

func readString(dec *jsontext.Decoder, r rule) (string, *Error) {
	raw, err := readKind(dec, jsontext.KindString, r)
	if err != nil {
		return "", err
	}
	return unquote(raw), nil
}

// unquote returns what a valid JSON string says.
func unquote(raw jsontext.Value) string {
	inner := raw[1 : len(raw)-1]
	if slices.Index(inner, '\\') < 0 {
		return string(inner)
	}
	plain, _ := jsontext.AppendUnquote(nil, raw)
	return string(plain)
}

func readKind(dec *jsontext.Decoder, kind jsontext.Kind, r rule) (jsontext.Value, *Error) {
	if dec.PeekKind() != kind {
		return nil, complainOfKind(dec, r)
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return nil, syntaxError(err)
	}
	return raw, nil
}

func complainOfKind(dec *jsontext.Decoder, r rule) *Error {
	if dec.PeekKind() == jsontext.KindNull {
		return &Error{CodeWrongType, "", "Leave the field out instead of sending null: want " + r.want() + "."}
	}
	return complain(CodeWrongType, r)
}

func complain(code string, r rule) *Error {
	return &Error{code, "", "Mend this field: want " + r.want() + "."}
}
