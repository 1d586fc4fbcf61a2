package main

import (
	"math"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// drive is one drive along the roads. The zero drive with a place to be stands
// there. Its speed is taken as the same all along; its time as a whole is the
// network's.
type drive struct {
	to    geo.Point
	begin dispatch.Instant
	takes time.Duration
	line  []geo.Point
	past  []geo.Meters // the length of the line up to each point
}

func newDrive(begin dispatch.Instant, to geo.Point, takes time.Duration, line []geo.Point) drive {
	d := drive{to: to, begin: begin, takes: takes, line: line}
	var length geo.Meters
	for i, p := range line {
		if i > 0 {
			length += geo.Distance(line[i-1], p)
		}
		d.past = append(d.past, length)
	}
	return d
}

// place is where one is at now, and the heading in degrees, or -1 when there is none.
func (d *drive) place(now dispatch.Instant, moving bool) (geo.Point, float64) {
	if !moving || len(d.line) < 2 || d.takes <= 0 || d.past[len(d.past)-1] == 0 {
		return d.to, -1
	}
	share := min(1, max(0, float64(now.Sub(d.begin))/float64(d.takes)))
	gone := d.past[len(d.past)-1] * geo.Meters(share)
	i := 1
	for i < len(d.past)-1 && d.past[i] < gone {
		i++
	}
	a, b := d.line[i-1], d.line[i]
	part := 0.0
	if piece := d.past[i] - d.past[i-1]; piece > 0 {
		part = float64((gone - d.past[i-1]) / piece)
	}
	return geo.Point{Lat: a.Lat + (b.Lat-a.Lat)*part, Lon: a.Lon + (b.Lon-a.Lon)*part}, bearing(a, b)
}

// bearing is the direction from a to b, close by, in degrees clockwise from north;
// -1 when they are the same.
func bearing(a, b geo.Point) float64 {
	north, east := b.Lat-a.Lat, (b.Lon-a.Lon)*math.Cos(a.Lat*math.Pi/180)
	if north == 0 && east == 0 {
		return -1
	}
	return math.Mod(math.Atan2(east, north)*180/math.Pi+360, 360)
}
