package geo

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// VillageID names a village within this system for ever: 1 to 64 of A-Z a-z 0-9
// and . _ -, chosen by whoever makes the gazetteer. Official codes change when
// villages are merged, so they are kept apart from it.
type VillageID string

// PickupID names a pickup point within its village; the same characters.
type PickupID string

// Village is a named place people travel from and to, down to a hamlet. What a
// Gazetteer returns shares its slices with it and must not be written to.
type Village struct {
	ID      VillageID
	Code    string   // the 12-digit statistical code, or ""
	Name    string   // as it is written there, usually Chinese; at most 100 characters
	Pinyin  string   // syllables apart ("li ping") so that initials can be told, or ""
	Aliases []string // other names, at most 32
	Centre  Point    // WGS-84
	Pickups []Pickup // at most 32; the first is the usual one
}

// Pickup is a place where one is met: the village mouth, the market.
type Pickup struct {
	ID    PickupID
	Name  string
	Point Point // WGS-84, at most 20 km from the village's centre
}

// Limits on one village. They bound memory and catch files whose columns are
// mixed up.
const (
	maxIDBytes     = 64
	maxNameRunes   = 100
	maxPinyinBytes = 400
	maxAliases     = 32
	maxPickups     = 32
	maxPickupAway  = 20 * 1000 * Meters(1)
)

// ParseVillageID checks that s is a village id.
func ParseVillageID(s string) (VillageID, error) {
	if err := checkID("village", s); err != nil {
		return "", fmt.Errorf("geo: %w", err)
	}
	return VillageID(s), nil
}

// ParsePickupID checks that s is a pickup id.
func ParsePickupID(s string) (PickupID, error) {
	if err := checkID("pickup", s); err != nil {
		return "", fmt.Errorf("geo: %w", err)
	}
	return PickupID(s), nil
}

func checkID(what, s string) error {
	ok := len(s) >= 1 && len(s) <= maxIDBytes
	for i := 0; i < len(s) && ok; i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
	}
	if !ok {
		return fmt.Errorf("%s id %.80q: want 1 to %d of A-Z a-z 0-9 . _ -", what, s, maxIDBytes)
	}
	return nil
}

// validate returns every fault of one village, each a sentence without a full stop.
func (v Village) validate() []string {
	var faults []string
	fault := func(err error) {
		if err != nil {
			faults = append(faults, strings.TrimPrefix(err.Error(), "geo: "))
		}
	}
	fault(checkID("village", string(v.ID)))
	fault(checkCode(v.Code))
	fault(checkName("name", v.Name))
	if v.Pinyin != "" {
		fault(checkName("pinyin", v.Pinyin))
	}
	fault(v.Centre.Validate())
	if len(v.Aliases) > maxAliases {
		fault(fmt.Errorf("%d aliases: at most %d", len(v.Aliases), maxAliases))
	}
	for _, alias := range v.Aliases {
		fault(checkName("alias", alias))
	}
	return append(faults, v.validatePickups()...)
}

func (v Village) validatePickups() []string {
	var faults []string
	if len(v.Pickups) > maxPickups {
		faults = append(faults, fmt.Sprintf("%d pickups: at most %d", len(v.Pickups), maxPickups))
	}
	seen := make(map[PickupID]bool, len(v.Pickups))
	for _, p := range v.Pickups {
		errs := []error{checkID("pickup", string(p.ID)), checkName("pickup name", p.Name), p.Point.Validate()}
		if seen[p.ID] {
			errs = append(errs, fmt.Errorf("pickup id %q appears twice", p.ID))
		}
		seen[p.ID] = true
		if away := Distance(v.Centre, p.Point); away > maxPickupAway {
			errs = append(errs, fmt.Errorf("pickup %q is %.0f km from the centre: at most %.0f km",
				p.ID, away/1000, maxPickupAway/1000))
		}
		for _, err := range errs {
			if err != nil {
				faults = append(faults, strings.TrimPrefix(err.Error(), "geo: "))
			}
		}
	}
	return faults
}

func checkCode(code string) error {
	if code == "" {
		return nil
	}
	if len(code) != 12 || strings.Trim(code, "0123456789") != "" {
		return fmt.Errorf("code %.40q: want the 12 digits of the statistical code, or nothing", code)
	}
	return nil
}

// checkName refuses what could not be written back to CSV or shown on one line.
func checkName(what, s string) error {
	switch {
	case !utf8.ValidString(s):
		return fmt.Errorf("%s %.40q is not UTF-8", what, s)
	case strings.TrimSpace(s) == "":
		return fmt.Errorf("%s is missing", what)
	case utf8.RuneCountInString(s) > maxNameRunes:
		return fmt.Errorf("%s %.40q…: at most %d characters", what, s, maxNameRunes)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%s %.40q begins or ends with a space", what, s)
	case strings.ContainsAny(s, "|;"):
		return fmt.Errorf("%s %.40q: the separators | and ; are not allowed in it", what, s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s %.40q has a control character in it", what, s)
	}
	return nil
}
