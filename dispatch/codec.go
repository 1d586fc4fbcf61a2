package dispatch

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"

	"cuntong/geo"
)

// LetterFormat is the version of inputs and notices as servers send them to each
// other. Letters live for seconds, so a reader accepts its own version only up to
// itself: the server that is updated last tells so in its log.
//
//	1  the first
//	2  positions with what the phone's system says of them and with the round trip
//	3  what is doubted of drivers who are quoted and handed over, and who is barred
const LetterFormat = 3

// The names of the inputs on paper. They never change meaning.
var inputKinds = kindsOf(map[string]Input{
	"hello":        Hello{},
	"start_duty":   StartDuty{},
	"end_duty":     EndDuty{},
	"moved":        Moved{},
	"request":      Request{},
	"accept":       Accept{},
	"decline":      Decline{},
	"arrive":       Arrive{},
	"start":        Start{},
	"complete":     Complete{},
	"release":      Release{},
	"cancel":       Cancel{},
	"paid":         Paid{},
	"tracked":      Tracked{},
	"watch":        Watch{},
	"tick":         Tick{},
	"ask_route":    AskRoute{},
	"ask_nearby":   AskNearby{},
	"look":         Look{},
	"change_road":  ChangeRoad{},
	"restore_road": RestoreRoad{},
	"ask_quote":    AskQuote{},
	"quote":        Quote{},
	"borrow":       Borrow{},
	"no_loan":      NoLoan{},
	"admit":        Admit{},
	"settled":      Settled{},
	"bar_abroad":   BarAbroad{},
	"bar_known":    BarKnown{},
	"bar":          Bar{},
	"lift_bar":     LiftBar{},
	"sign_out":     SignOut{},
	"offer_seen":   OfferSeen{},
	"link_lost":    LinkLost{},
})

// The names of the notices on paper. They never change meaning.
var noticeKinds = kindsOf(map[string]NoticeBody{
	"done":             Done{},
	"refused":          Refused{},
	"truth":            Truth{},
	"offer":            OfferTold{},
	"offer_gone":       OfferGone{},
	"wanted":           Wanted{},
	"trip":             TripTold{},
	"queue":            QueueTold{},
	"driver_at":        DriverAt{},
	"duty":             DutyTold{},
	"board":            BoardTold{},
	"route":            RouteTold{},
	"nearby":           NearbyTold{},
	"look":             LookTold{},
	"road":             RoadTold{},
	"driver_elsewhere": DriverElsewhere{},
	"shut_out":         ShutOut{},
})

// kinds are the types of one interface and their names.
type kinds[T any] struct {
	types map[string]reflect.Type
	names map[reflect.Type]string
}

func kindsOf[T any](examples map[string]T) kinds[T] {
	k := kinds[T]{types: map[string]reflect.Type{}, names: map[reflect.Type]string{}}
	for name, example := range examples {
		k.types[name] = reflect.TypeOf(example)
		k.names[reflect.TypeOf(example)] = name
	}
	return k
}

// paper is an input or a notice as bytes. B is the body's type on writing, and what
// is yet to be read on reading.
type paper[B any] struct {
	Format int    `json:"v"`
	Kind   string `json:"kind"`
	To     *Actor `json:"to,omitempty"` // of a notice
	Body   B      `json:"body"`
}

// write writes body down. To is nil for an input.
func (k kinds[T]) write(to *Actor, body T) ([]byte, error) {
	kind, ok := k.names[reflect.TypeOf(body)]
	if !ok {
		return nil, fmt.Errorf("%T has no name on paper", body)
	}
	line, err := json.Marshal(paper[T]{Format: LetterFormat, Kind: kind, To: to, Body: body})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return line, nil
}

// read is the inverse of write. A field that is not known is an error, because
// leaving it out would make another command under the same id.
func (k kinds[T]) read(line []byte) (to *Actor, body T, err error) {
	var p paper[json.RawMessage]
	if err := json.Unmarshal(line, &p); err != nil {
		return nil, body, fmt.Errorf("letter: %w", err)
	}
	if p.Format < 1 || p.Format > LetterFormat {
		return nil, body, fmt.Errorf("letter has format %d: this program reads 1 to %d; run a newer one", p.Format, LetterFormat)
	}
	typ, ok := k.types[p.Kind]
	if !ok {
		return nil, body, fmt.Errorf("letter is of kind %.40q, which this program does not know: run a newer one", p.Kind)
	}
	into := reflect.New(typ)
	d := json.NewDecoder(bytes.NewReader(p.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Interface()); err != nil {
		return nil, body, fmt.Errorf("letter (%s) cannot be read by this program; if it is from a newer one, run that: %w", p.Kind, err)
	}
	return p.To, into.Elem().Interface().(T), nil
}

// errNotText: JSON would change a string, and with it the command.
var errNotText = errors.New("a text in it is not UTF-8")

// MarshalInput writes an input for another server. Not every value can be written:
// an infinite number and a text that is not UTF-8 are errors.
func MarshalInput(in Input) ([]byte, error) {
	line, err := inputKinds.write(nil, in)
	if err == nil && !utf8.ValidString(fmt.Sprintf("%+v", in)) {
		return nil, fmt.Errorf("%T: %w", in, errNotText)
	}
	return line, err
}

// UnmarshalInput reads what [MarshalInput] wrote: exactly the same input, but that
// an empty list may come back as none. What a later program wrote is an error.
func UnmarshalInput(line []byte) (Input, error) {
	_, in, err := inputKinds.read(line)
	return in, err
}

// MarshalNotice writes a notice for another server.
func MarshalNotice(n Notice) ([]byte, error) { return noticeKinds.write(&n.To, n.Body) }

// UnmarshalNotice reads what [MarshalNotice] wrote, as [UnmarshalInput] does.
func UnmarshalNotice(line []byte) (Notice, error) {
	to, body, err := noticeKinds.read(line)
	if err == nil && to == nil {
		err = errors.New("notice is to nobody")
	}
	if err != nil {
		return Notice{}, err
	}
	return Notice{To: *to, Body: body}, nil
}

// MaxFixes bounds the positions of one batch.
const MaxFixes = 4096

// fixNumbers are the numbers of a position on paper, 8 bytes each, since format 2; format 1 had
// oldFixNumbers.
const (
	fixNumbers    = 8
	oldFixNumbers = 7
)

// mockBit is set in the last number of a position, the round trip in milliseconds, when
// the phone says that the position is made up.
const mockBit = 1 << 63

// MarshalFixes writes positions for another server, about 80 bytes each: the
// version, how many, and of each the driver's id behind its length and eight
// numbers of eight bytes. At most [MaxFixes].
func MarshalFixes(fixes []Fix) ([]byte, error) {
	if len(fixes) > MaxFixes {
		return nil, fmt.Errorf("%d positions: at most %d go at once", len(fixes), MaxFixes)
	}
	b := binary.AppendUvarint([]byte{LetterFormat}, uint64(len(fixes)))
	for _, f := range fixes {
		if len(f.Driver) > MaxIDLength {
			return nil, fmt.Errorf("position of a driver whose id has %d bytes: at most %d", len(f.Driver), MaxIDLength)
		}
		b = append(b, byte(len(f.Driver)))
		b = append(b, f.Driver...)
		link := uint64(max(0, f.LinkMillis))
		if f.Mock {
			link |= mockBit
		}
		for _, n := range [fixNumbers]uint64{
			uint64(f.At), uint64(f.Received), math.Float64bits(f.Point.Lat), math.Float64bits(f.Point.Lon),
			math.Float64bits(float64(f.AccuracyMeters)), math.Float64bits(f.HeadingDegrees), math.Float64bits(f.SpeedMPS), link,
		} {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
	}
	return b, nil
}

// errFixes: a batch of positions is cut short, too long, or no such batch.
var errFixes = errors.New("this is no batch of positions")

// UnmarshalFixes reads what [MarshalFixes] of this or an earlier version wrote. What a
// later program wrote is an error.
func UnmarshalFixes(b []byte) ([]Fix, error) {
	if len(b) == 0 {
		return nil, errFixes
	}
	numbers := fixNumbers
	switch b[0] {
	case LetterFormat, 2:
	case 1:
		numbers = oldFixNumbers
	default:
		return nil, fmt.Errorf("positions have format %d: this program reads 1 to %d; run a newer one", b[0], LetterFormat)
	}
	count, n := binary.Uvarint(b[1:])
	if n <= 0 || count > MaxFixes {
		return nil, errFixes
	}
	b = b[1+n:]
	if uint64(len(b)) < count*uint64(1+8*numbers) {
		return nil, errFixes
	}
	fixes := make([]Fix, count)
	for i := range fixes {
		var ok bool
		if fixes[i], b, ok = cutFix(b, numbers); !ok {
			return nil, errFixes
		}
	}
	if len(b) != 0 {
		return nil, errFixes
	}
	return fixes, nil
}

// cutFix reads one position of so many numbers and returns what follows it.
func cutFix(b []byte, numbers int) (f Fix, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) > MaxIDLength || len(b) < 1+int(b[0])+8*numbers {
		return Fix{}, nil, false
	}
	f.Driver, b = DriverID(b[1:1+b[0]]), b[1+b[0]:]
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	float := func(i int) float64 { return math.Float64frombits(number(i)) }
	f.At, f.Received = Instant(number(0)), Instant(number(1))
	f.Point = geo.Point{Lat: float(2), Lon: float(3)}
	f.AccuracyMeters, f.HeadingDegrees, f.SpeedMPS = geo.Meters(float(4)), float(5), float(6)
	if numbers > oldFixNumbers {
		f.Mock, f.LinkMillis = number(7)&mockBit != 0, int64(number(7)&^mockBit)
	}
	return f, b[8*numbers:], true
}
