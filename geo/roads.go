package geo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Roads is a [Router] over roads that are not the same every day. Whoever calls
// Set must be the only one who uses it at that moment.
type Roads interface {
	Router

	// Set makes exactly these changes hold, those whose time is at hand; what
	// held before and is not among them is lifted. It takes the next Travel to see
	// it. next is when the outcome will be another because a change begins or ends
	// by itself; zero when never. Changes must be valid ([RoadChange.Validate]).
	Set(changes []RoadChange, now time.Time) (next time.Time)

	// Extent says what a change concerns, without making it.
	Extent(change RoadChange) RoadExtent
}

// RoadExtent is how much road a change concerns.
type RoadExtent struct {
	Segments int
	Length   Meters
	Names    []string // of the roads, sorted, at most eight
}

// RoadChangeID names a change to the roads: a client's word of 1 to 64 ASCII
// letters, digits and -_.:@ characters.
type RoadChangeID string

// RoadKind is what sort of road something is, after OpenStreetMap's highway tag.
// The string is the wire form.
type RoadKind string

// The kinds, from the widest to the narrowest.
const (
	Motorway     RoadKind = "motorway"
	Trunk        RoadKind = "trunk"
	Primary      RoadKind = "primary"
	Secondary    RoadKind = "secondary"
	Tertiary     RoadKind = "tertiary"
	Unclassified RoadKind = "unclassified"
	Residential  RoadKind = "residential"
	LivingStreet RoadKind = "living_street"
	Service      RoadKind = "service"
	Track        RoadKind = "track"
	Ferry        RoadKind = "ferry"
)

// RoadKinds returns every kind, widest first. The caller owns the slice.
func RoadKinds() []RoadKind {
	return []RoadKind{Motorway, Trunk, Primary, Secondary, Tertiary, Unclassified, Residential, LivingStreet, Service, Track, Ferry}
}

// Stretch selects roads: those that meet every condition that is set. One without
// any condition selects every road there is.
type Stretch struct {
	// Center and Radius select what passes through a circle. A zero Radius selects
	// the one segment nearest to Center; with no Center the place does not matter.
	Center *Point `json:"center,omitempty"`
	Radius Meters `json:"radius_m,omitempty"`
	// Kinds selects by kind.
	Kinds []RoadKind `json:"kinds,omitempty"`
	// Above selects what climbs higher than this above sea level; 0: any height.
	Above Meters `json:"above_m,omitempty"`
}

// RoadChange is something that makes roads other than they were drawn: a
// landslide, ice, a weak bridge, a night ban. At least one of Closed, Pace and
// the limits is set.
type RoadChange struct {
	ID    RoadChangeID `json:"id"`
	Where Stretch      `json:"where"`
	// Vehicles says whom it concerns; empty: all.
	Vehicles []VehicleClass `json:"vehicles,omitempty"`
	// Closed lets nobody through, in either direction.
	Closed bool `json:"closed,omitempty"`
	// Pace is the share of the usual speed that can be driven, 0.05 to 1; 0 stands for 1.
	// Of several changes on one road the slowest counts.
	Pace float64 `json:"pace,omitempty"`
	// MaxMass (kilograms), MaxHeight and MaxWidth (centimetres) close the road to
	// classes whose vehicles are heavier, higher or wider; 0: no limit.
	MaxMass   int `json:"max_kg,omitempty"`
	MaxHeight int `json:"max_height_cm,omitempty"`
	MaxWidth  int `json:"max_width_cm,omitempty"`
	// From and Until bound it in time, in milliseconds since 1970 UTC; 0: open.
	From  int64 `json:"from,omitempty"`
	Until int64 `json:"until,omitempty"`
	// Daily makes it hold at certain hours only, every day.
	Daily *Hours `json:"daily,omitempty"`
	// Note says why, in words: "landslide at the second bridge". At most 200 bytes.
	Note string `json:"note,omitempty"`
}

// Hours is a part of every day in minutes since midnight, local time. One that
// ends before it begins goes over midnight: 1320 to 300 is from ten in the
// evening to five in the morning.
type Hours struct {
	From  int `json:"from_min"`
	Until int `json:"until_min"`
	// Zone is how many minutes local time is ahead of UTC: 480 in China.
	Zone int `json:"zone_min"`
}

// Hold says whether t lies in the hours.
func (h Hours) Hold(t time.Time) bool {
	minute := h.minute(t)
	if h.From <= h.Until {
		return minute >= h.From && minute < h.Until
	}
	return minute >= h.From || minute < h.Until
}

// Next is the first moment after t at which the hours begin or end.
func (h Hours) Next(t time.Time) time.Time {
	start, minute := t.Truncate(time.Minute), h.minute(t)
	until := func(mark int) int { return (mark-minute-1+dayMinutes)%dayMinutes + 1 }
	return start.Add(time.Duration(min(until(h.From), until(h.Until))) * time.Minute)
}

// minute is how many minutes of the local day have passed at t.
func (h Hours) minute(t time.Time) int {
	const day = dayMinutes * 60
	second := (t.Unix() + int64(h.Zone)*60) % day
	return int((second+day)%day) / 60
}

const dayMinutes = 24 * 60

// InForce says whether the change holds at t.
func (c RoadChange) InForce(t time.Time) bool {
	ms := t.UnixMilli()
	return (c.From == 0 || ms >= c.From) && (c.Until == 0 || ms < c.Until) && (c.Daily == nil || c.Daily.Hold(t))
}

// ErrRoadChange says that a change to the roads is not one. Test with errors.Is.
var ErrRoadChange = errors.New("geo: bad road change")

// Bounds of a RoadChange.
const (
	maxChangeID          = 64
	maxChangeNote        = 200
	minPace              = 0.05
	maxRadius     Meters = 200_000
	maxMass              = 1_000_000           // kilograms
	maxSize              = 10_000              // centimetres
	maxChangeTime        = 253_402_300_799_999 // the end of the year 9999
)

// Validate says what is wrong with the change; the error wraps ErrRoadChange.
func (c RoadChange) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrRoadChange, fmt.Sprintf(format, args...))
	}
	w := c.Where
	switch {
	case len(c.ID) < 1 || len(c.ID) > maxChangeID:
		return bad("an id of %d bytes: want 1 to %d", len(c.ID), maxChangeID)
	case strings.ContainsFunc(string(c.ID), notInID):
		return bad("id %q: want ASCII letters, digits and -_.:@", c.ID)
	case !c.Closed && c.Pace == 0 && c.MaxMass == 0 && c.MaxHeight == 0 && c.MaxWidth == 0:
		return bad("nothing changes: set closed, pace or a limit")
	case c.Pace != 0 && !(c.Pace >= minPace && c.Pace <= 1):
		return bad("pace %v: want %v to 1", c.Pace, minPace)
	case c.MaxMass < 0 || c.MaxMass > maxMass:
		return bad("at most %d kg: want 0 to %d", c.MaxMass, maxMass)
	case c.MaxHeight < 0 || c.MaxHeight > maxSize || c.MaxWidth < 0 || c.MaxWidth > maxSize:
		return bad("at most %d cm high and %d cm wide: want 0 to %d", c.MaxHeight, c.MaxWidth, maxSize)
	case w.Center != nil && w.Center.Validate() != nil:
		return bad("the centre is no place on earth")
	case !(w.Radius >= 0 && w.Radius <= maxRadius) || w.Radius > 0 && w.Center == nil:
		return bad("radius %v: want 0 to %v, with a centre", w.Radius, maxRadius)
	case !(w.Above >= 0 && w.Above < 9000):
		return bad("above %v m: want 0 to 9000", w.Above)
	case c.From < 0 || c.Until < 0 || c.Until != 0 && c.Until <= c.From:
		return bad("it ends before it begins")
	case c.From > maxChangeTime || c.Until > maxChangeTime:
		return bad("a time after the year 9999: want milliseconds since 1970")
	case len(c.Note) > maxChangeNote || !utf8.ValidString(c.Note):
		return bad("a note of %d bytes: want at most %d, in UTF-8", len(c.Note), maxChangeNote)
	case c.Daily != nil && !c.Daily.valid():
		return bad("hours %+v: want minutes 0 to 1439 that differ, and a zone of -720 to 840", *c.Daily)
	case len(w.Kinds) > len(RoadKinds()) || len(c.Vehicles) > len(VehicleClasses()):
		return bad("%d kinds and %d classes: there are %d and %d", len(w.Kinds), len(c.Vehicles), len(RoadKinds()), len(VehicleClasses()))
	}
	for _, kind := range w.Kinds {
		if !slices.Contains(RoadKinds(), kind) {
			return bad("unknown kind of road %.40q: want one of %v", kind, RoadKinds())
		}
	}
	for _, class := range c.Vehicles {
		if _, err := ParseVehicleClass(string(class)); err != nil {
			return bad("%v", err)
		}
	}
	return nil
}

func notInID(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !letter && !(r >= '0' && r <= '9') && !strings.ContainsRune("-_.:@", r)
}

func (h Hours) valid() bool {
	return h.From >= 0 && h.From < dayMinutes && h.Until >= 0 && h.Until < dayMinutes && h.From != h.Until && h.Zone >= -720 && h.Zone <= 840
}
