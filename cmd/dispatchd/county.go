package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"

	"cuntong/geo"
	"cuntong/geo/road"
)

//go:embed demo/villages.csv
var demoVillages []byte

//go:embed demo/area.geojson
var demoArea []byte

// county is what is served: areas, the villages in them, and the roads between those.
type county struct {
	areas    []*geo.Area
	villages *geo.Gazetteer
	roads    *road.Graph // nil: none are known
}

// county reads the areas, villages and roads that the configuration names.
func (c *serveCmd) county() (county, error) {
	var served county
	var err error
	if served.areas, err = c.readAreas(); err != nil {
		return served, err
	}
	if served.villages, err = c.readVillages(); err != nil {
		return served, err
	}
	served.roads, err = c.readRoads(served.villages)
	return served, err
}

func (c *serveCmd) readAreas() ([]*geo.Area, error) {
	switch {
	case c.Areas != "":
		f, err := os.Open(c.Areas)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		areas, err := geo.ReadAreas(f, geo.Datum(c.Datum))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Areas, err)
		}
		return areas, nil
	case c.Demo:
		return geo.ReadAreas(bytes.NewReader(demoArea), geo.WGS84)
	}
	id, err := geo.ParseAreaID(c.Area)
	if err != nil {
		return nil, err
	}
	return []*geo.Area{{ID: id, Name: c.Area}}, nil
}

func (c *serveCmd) readVillages() (*geo.Gazetteer, error) {
	switch {
	case c.Villages != "":
		return readVillages(c.Villages, geo.Datum(c.Datum))
	case c.Demo:
		return geo.ReadCSV(bytes.NewReader(demoVillages), geo.WGS84)
	}
	return geo.NewGazetteer(nil)
}
