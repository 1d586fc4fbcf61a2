package osm

import (
	"math"
	"strconv"
	"strings"
)

// The values of tags are written by people. What cannot be read is taken as not
// said: a limit that is made up would close a road.

// zones are the limits that a value such as CN:rural stands for, in km/h. China's:
// Regulation for the Implementation of the Road Traffic Safety Law, articles 45 and
// 78, for a road with one lane in each direction; others as is usual.
var zones = map[string]uint8{
	"CN:urban": 50, "CN:rural": 70, "CN:motorway": 120,
	"urban": 50, "rural": 80, "trunk": 90, "motorway": 120,
	"living_street": 20, "walk": 7, "zone30": 30, "zone:30": 30, "zone20": 20, "zone:20": 20,
}

// speed reads a posted limit in whole km/h; 0: none, or not to be read. Of several
// values the lowest counts.
func speed(value string) uint8 {
	lowest := uint8(0)
	for one := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ';' || r == ',' || r == '|' || r == '；' }) {
		if v := oneSpeed(strings.TrimSpace(one)); v > 0 && (lowest == 0 || v < lowest) {
			lowest = v
		}
	}
	return lowest
}

func oneSpeed(value string) uint8 {
	if v, ok := zones[value]; ok {
		return v
	}
	if _, zone, ok := strings.Cut(value, ":"); ok {
		return zones[zone]
	}
	v, unit := number(value)
	switch unit {
	case "", "km/h", "kmh", "kph", "kmph", "公里", "公里/小时", "千米/小时", "km":
	case "mph":
		v *= 1.609344
	case "knots":
		v *= 1.852
	default:
		return 0
	}
	if !(v >= 1 && v <= 200) {
		return 0
	}
	return uint8(math.Round(v))
}

// maxTonnes is more than any road asks of a vehicle; a number beyond it was meant
// as kilograms.
const maxTonnes = 200

// mass reads a weight limit in kilograms; 0: none.
func mass(value string) int {
	v, unit := number(value)
	switch unit {
	case "", "t", "吨", "tonnes", "tons", "ton":
		if v > maxTonnes {
			v /= 1000
		}
	case "kg", "公斤", "千克":
		v /= 1000
	case "st":
		v *= 0.90718474
	case "lt":
		v *= 1.0160469
	case "lbs", "lb":
		v *= 0.00045359237
	default:
		return 0
	}
	if !(v > 0 && v <= maxTonnes) {
		return 0
	}
	return int(math.Round(v * 1000))
}

// size reads a height or width in centimetres; 0: none.
func size(value string) int {
	if feet, inches, ok := strings.Cut(value, "'"); ok {
		f, _ := number(feet)
		cm := f * 30.48
		if inches = strings.TrimSuffix(strings.TrimSpace(inches), `"`); inches != "" {
			i, _ := number(inches)
			cm += i * 2.54
		}
		return bounded(cm)
	}
	v, unit := number(value)
	switch unit {
	case "", "m", "米":
		return bounded(v * 100)
	case "cm", "厘米":
		return bounded(v)
	case "ft":
		return bounded(v * 30.48)
	case "in":
		return bounded(v * 2.54)
	}
	return 0
}

// bounded drops what is no height or width of a road.
func bounded(cm float64) int {
	if !(cm >= 50 && cm <= 2000) {
		return 0
	}
	return int(math.Round(cm))
}

// number splits a value into its number and what follows. Full-width digits and a
// decimal comma are read; no number is NaN.
func number(value string) (v float64, unit string) {
	value = strings.Map(func(r rune) rune {
		switch {
		case r >= '０' && r <= '９':
			return r - '０' + '0'
		case r == '．' || r == ',':
			return '.'
		}
		return r
	}, strings.TrimSpace(value))
	end := strings.IndexFunc(value, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(value)
	}
	v, err := strconv.ParseFloat(value[:end], 64)
	if err != nil {
		return math.NaN(), ""
	}
	return v, strings.ToLower(strings.TrimSpace(value[end:]))
}

// maxCrossing is the longest ferry that is believed, in seconds.
const maxCrossing = 24 * 3600

// duration reads the time of a crossing in seconds: minutes, h:mm, h:mm:ss or ISO
// 8601 such as PT1H30M; 0: not said.
func duration(value string) uint32 {
	value = strings.TrimSpace(value)
	var seconds float64
	if rest, ok := strings.CutPrefix(value, "PT"); ok {
		for rest != "" {
			v, unit := number(rest)
			if math.IsNaN(v) || unit == "" {
				return 0
			}
			switch unit[0] {
			case 'h':
				seconds += v * 3600
			case 'm':
				seconds += v * 60
			case 's':
				seconds += v
			default:
				return 0
			}
			rest = unit[1:]
		}
	} else {
		parts := strings.Split(value, ":")
		for _, part := range parts {
			v, unit := number(part)
			if math.IsNaN(v) || unit != "" && unit != "min" {
				return 0
			}
			seconds = seconds*60 + v
		}
		if len(parts) < 3 {
			seconds *= 60
		}
	}
	if !(seconds >= 1 && seconds <= maxCrossing) {
		return 0
	}
	return uint32(seconds)
}
