package plan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// The land is a row of square areas. They share their borders.
const (
	west, south = 109.0, 25.0
	side        = 0.1 // degrees, about ten kilometres
	// nearBorder is how far from the border those at the border live, in degrees.
	nearBorder = 0.002
	// aroundTown is how far from the middle the others live.
	aroundTown = 0.003
)

// AreaName is that of area i, counted from 0 in the west.
func AreaName(i int) string { return fmt.Sprintf("a%d", i+1) }

// AreaNames are those of all areas of a plan.
func (p *Plan) AreaNames() []string {
	names := make([]string, p.Areas)
	for i := range names {
		names[i] = AreaName(i)
	}
	return names
}

// GeoJSON is the land as dispatchd reads it.
func (p *Plan) GeoJSON() []byte {
	type object = map[string]any
	var features []object
	for i := range p.Areas {
		w, e := west+float64(i)*side, west+float64(i+1)*side
		ring := [][]float64{{w, south}, {e, south}, {e, south + side}, {w, south + side}, {w, south}}
		features = append(features, object{
			"type": "Feature", "properties": object{"id": AreaName(i), "name": AreaName(i)},
			"geometry": object{"type": "Polygon", "coordinates": [][][]float64{ring}},
		})
	}
	text, err := json.Marshal(object{"type": "FeatureCollection", "features": features})
	if err != nil {
		panic(err) // numbers and strings
	}
	return text
}

// Place is where somebody lives.
type Place struct {
	Area     string
	Lat, Lon float64
}

// DriverHomes are where the drivers live.
func (p *Plan) DriverHomes() []Place {
	return p.homes(1, func(area int) int {
		if p.Uneven && area%2 == 1 {
			return max(1, p.Drivers/4)
		}
		return p.Drivers
	})
}

// PassengerHomes are where the passengers live.
func (p *Plan) PassengerHomes() []Place { return p.homes(2, func(int) int { return p.Passengers }) }

// OperatorHomes are where the operators live: one in each area, if there are any.
func (p *Plan) OperatorHomes() []Place {
	return p.homes(3, func(int) int {
		if p.Operators {
			return 1
		}
		return 0
	})
}

// homes are where so many people of each area live. Those at the border are the first.
func (p *Plan) homes(stream uint64, count func(area int) int) []Place {
	rng := rand.New(rand.NewPCG(p.Seed, stream))
	var homes []Place
	for i := range p.Areas {
		middle := west + (float64(i)+0.5)*side
		n := count(i)
		for k := range n {
			home := Place{Area: AreaName(i), Lat: south + side/2 + (rng.Float64()-0.5)*aroundTown, Lon: middle + (rng.Float64()-0.5)*aroundTown}
			if float64(k) < p.Border*float64(n) && p.Areas > 1 {
				home.Lon = west + float64(i+1)*side - nearBorder*rng.Float64()
				if i == p.Areas-1 || i > 0 && k%2 == 1 { // to the other side; there is no area east of the last
					home.Lon = west + float64(i)*side + nearBorder*rng.Float64()
				}
			}
			homes = append(homes, home)
		}
	}
	return homes
}
