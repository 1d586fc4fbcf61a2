package main

import "cuntong/geo"

const (
	// nearArea is how near two areas must come to each other to be neighbours: a driver
	// from further off is hardly ever the nearest.
	nearArea geo.Meters = 20_000
	// borderSamples bounds the points of a border that are looked at.
	borderSamples = 500
)

// neighbours returns, for each area, those that touch it or come near. It looks at the
// corners of the borders, not at every point of the edges between them: areas that come
// near by the middle of two long edges alone are not noticed.
func neighbours(areas []*geo.Area) map[geo.AreaID][]*geo.Area {
	near := map[geo.AreaID][]*geo.Area{}
	for i, a := range areas {
		for _, b := range areas[:i] {
			if comesNear(a, b) || comesNear(b, a) {
				near[a.ID] = append(near[a.ID], b)
				near[b.ID] = append(near[b.ID], a)
			}
		}
	}
	return near
}

// comesNear says whether a corner of a's border lies in b or near it.
func comesNear(a, b *geo.Area) bool {
	if len(a.Polygons) == 0 || len(b.Polygons) == 0 {
		return true // an area without a border is everywhere
	}
	points := 0
	for _, polygon := range a.Polygons {
		points += len(polygon.Outer)
	}
	step := points/borderSamples + 1
	at := 0
	for _, polygon := range a.Polygons {
		for _, p := range polygon.Outer {
			if at++; at%step == 0 && b.Distance(p) <= nearArea {
				return true
			}
		}
	}
	return false
}
