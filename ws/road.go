package ws

import (
	"math"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// changeRoad takes the point to WGS-84. Whether the change makes sense is the
// core's question.
func changeRoad(cmd dispatch.Command, b wire.Road) (dispatch.Input, *dispatch.Refusal) {
	change := geo.RoadChange{
		ID:        geo.RoadChangeID(b.Road),
		Where:     geo.Stretch{Radius: geo.Meters(b.Where.RadiusM), Above: geo.Meters(b.Where.AboveM), Kinds: wordsOf[geo.RoadKind](b.Where.Kinds)},
		Vehicles:  wordsOf[geo.VehicleClass](b.Vehicles),
		Closed:    b.Closed,
		Pace:      b.Pace,
		MaxMass:   b.MaxKG,
		MaxHeight: b.MaxHeightCM,
		MaxWidth:  b.MaxWidthCM,
		From:      b.From,
		Until:     b.Until,
		Note:      b.Note,
	}
	if b.Daily != (wire.Hours{}) {
		change.Daily = &geo.Hours{From: b.Daily.FromMin, Until: b.Daily.UntilMin, Zone: b.Daily.ZoneMin}
	}
	if b.Where.IsRound() {
		point, err := geo.ToWGS84(geo.Point{Lat: b.Where.Lat.Value, Lon: b.Where.Lon.Or(0)}, geo.Datum(b.Where.Datum))
		if err != nil {
			return nil, refusePoint(err)
		}
		change.Where.Center = &point
	}
	return dispatch.ChangeRoad{Command: cmd, Change: change}, nil
}

func wayOut(w *dispatch.Way) *wire.Way {
	if w == nil {
		return nil
	}
	leg := legOut(w.Leg)
	return &wire.Way{DistanceM: leg.DistanceM, DurationS: leg.DurationS, Line: w.Line}
}

// roadOut shows a change to the roads to an operator.
func roadOut(v dispatch.RoadView) wire.RoadState {
	c := v.Change
	road := wire.Road{
		Road:        string(c.ID),
		Where:       wire.Stretch{RadiusM: float64(c.Where.Radius), AboveM: float64(c.Where.Above), Kinds: wordsOf[string](c.Where.Kinds)},
		Closed:      c.Closed,
		Pace:        c.Pace,
		MaxKG:       c.MaxMass,
		MaxHeightCM: c.MaxHeight,
		MaxWidthCM:  c.MaxWidth,
		From:        c.From,
		Until:       c.Until,
		Vehicles:    wordsOf[string](c.Vehicles),
		Note:        c.Note,
	}
	if p := c.Where.Center; p != nil {
		road.Where.Lat, road.Where.Lon, road.Where.Datum = wire.Some(p.Lat), wire.Some(p.Lon), wire.DatumWGS84
	}
	if h := c.Daily; h != nil {
		road.Daily = wire.Hours{FromMin: h.From, UntilMin: h.Until, ZoneMin: h.Zone}
	}
	return wire.RoadState{Change: road, InForce: v.InForce,
		Extent: wire.Extent{Segments: v.Extent.Segments, LengthM: int64(math.Round(float64(v.Extent.Length))), Names: v.Extent.Names}}
}

// wordsOf returns a list of words as words of another type; nil for an empty one.
func wordsOf[To, From ~string](list []From) []To {
	var words []To
	for _, word := range list {
		words = append(words, To(word))
	}
	return words
}
