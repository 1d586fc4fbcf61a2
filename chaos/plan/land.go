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

// Homes are where n people of each area live.
func (p *Plan) Homes(n int, stream uint64) []Place {
	rng := rand.New(rand.NewPCG(p.Seed, stream))
	var homes []Place
	for i := range p.Areas {
		middle := west + (float64(i)+0.5)*side
		for k := range n {
			home := Place{Area: AreaName(i), Lat: south + side/2 + (rng.Float64()-0.5)*aroundTown, Lon: middle + (rng.Float64()-0.5)*aroundTown}
			if float64(k) < p.Border*float64(n) && p.Areas > 1 {
				home.Lon = west + float64(i+1)*side - nearBorder*rng.Float64()
				if i == p.Areas-1 { // there is no area to the east of the last
					home.Lon = west + float64(i)*side + nearBorder*rng.Float64()
				}
			}
			homes = append(homes, home)
		}
	}
	return homes
}
