package main

import (
	"fmt"
	"strings"

	"cuntong/geo"
	"cuntong/geo/road"
	"cuntong/geo/road/terrain"
	"cuntong/web"
)

// The roads of the demo are the same every time, whatever else its seed changes.
const (
	demoRoadSeed     = 1
	demoJunctions    = 4000
	demoMaxJunctions = 100_000
)

// readRoads reads the roads that the configuration names, or invents some for a
// demo; nil when there are none.
func (c *serveCmd) readRoads(villages *geo.Gazetteer) (*road.Graph, error) {
	switch {
	case c.Roads != "":
		g, err := road.Open(c.Roads)
		if err != nil {
			return nil, fmt.Errorf("--roads: %w", err)
		}
		return g, nil
	case c.Demo && villages.Len() > 0:
		g, err := demoRoads(villages)
		if err != nil {
			return nil, fmt.Errorf("no roads can be generated for the demo: %w; give --roads, or villages that lie closer together", err)
		}
		return g, nil
	}
	return nil, nil
}

// demoRoads invents roads that lead to every village and pickup point.
func demoRoads(villages *geo.Gazetteer) (*road.Graph, error) {
	var places []geo.Point
	for v := range villages.All() {
		places = append(places, stops(v)...)
	}
	junctions := min(max(demoJunctions, 8*len(places)), demoMaxJunctions)
	return terrain.Generate(terrain.Params{Seed: demoRoadSeed, Villages: places, Junctions: junctions})
}

// stops are where people of a village are met.
func stops(v geo.Village) []geo.Point {
	points := []geo.Point{v.Centre}
	for _, p := range v.Pickups {
		points = append(points, p.Point)
	}
	return points
}

// router returns what estimates drives: a new one each time, because what one area
// closes is not closed in another.
func (c county) router() geo.Router {
	if c.roads == nil {
		return geo.NewCrow()
	}
	return road.NewToday(c.roads)
}

// tellRoads logs what drives are estimated by, and which villages the router does not
// find on its roads.
func (s *server) tellRoads(router geo.Router) {
	g := s.county.roads
	if g == nil {
		s.log.Info("no roads are known: drives are estimated by straight line", "circuity", geo.DefaultCircuity)
		return
	}
	s.log.Info("roads", "junctions", g.Junctions(), "segments", g.Segments(), "km", int(g.Length()/1000), "source", g.Source(), "licence", g.Licence())
	var far []string
	for v := range s.county.villages.All() {
		for _, p := range stops(v) {
			if router.Locate(p, -1).Segment == 0 {
				far = append(far, v.Name)
				break
			}
		}
	}
	if len(far) > 0 {
		const named = 5
		s.log.Warn("villages lie off the roads: nobody can be fetched there or taken there; do the roads cover the county, and are both in the same datum?",
			"villages", len(far), "of", s.county.villages.Len(), "such_as", strings.Join(far[:min(named, len(far))], " "))
	}
}

// drawnRanks are the kinds of road that the page draws alike, the least first.
var drawnRanks = map[geo.RoadKind]int{
	geo.Service: 0, geo.Track: 0, geo.Ferry: 0,
	geo.Unclassified: 1, geo.Residential: 1, geo.LivingStreet: 1,
	geo.Secondary: 2, geo.Tertiary: 2,
	geo.Motorway: 3, geo.Trunk: 3, geo.Primary: 3,
}

const (
	// drawnPoints bounds what a browser is given to draw; the least roads are left out first.
	drawnPoints = 60_000
	// drawnWithin is how far off a drawn road may lie: less than a pixel of a county.
	drawnWithin geo.Meters = 25
	// drawnMost bounds the points of one segment.
	drawnMost = 64
)

// drawing is the roads as the page draws them; nil when there are none.
func (c county) drawing() *web.Roads {
	g := c.roads
	if g == nil {
		return nil
	}
	var byRank [4][]road.SegmentID
	for id := range road.SegmentID(g.Segments()) {
		rank := drawnRanks[g.Segment(id).Kind]
		byRank[rank] = append(byRank[rank], id)
	}
	drawing := &web.Roads{Credit: credit(g)}
	left := drawnPoints
	for rank := len(byRank) - 1; rank >= 0 && 2*len(byRank[rank]) <= left; rank-- {
		lines := drawnLines(g, rank, byRank[rank])
		for _, l := range lines {
			left -= len(l.Points)
		}
		if left < 0 {
			break
		}
		drawing.Lines = append(drawing.Lines, lines...)
	}
	return drawing
}

func drawnLines(g *road.Graph, rank int, ids []road.SegmentID) (lines []web.RoadLine) {
	for _, id := range ids {
		line := web.RoadLine{Rank: rank}
		for _, p := range geo.Simplify(g.Segment(id).Shape, drawnWithin, drawnMost) {
			line.Points = append(line.Points, [2]float64{p.Lat, p.Lon})
		}
		lines = append(lines, line)
	}
	return lines
}

// credit is what must stand beside the roads wherever they are shown.
func credit(g *road.Graph) string {
	if g.Licence() == "" {
		return g.Source()
	}
	return g.Source() + " (" + g.Licence() + ")"
}
