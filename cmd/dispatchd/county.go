package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"

	"cuntong/geo"
)

//go:embed demo/villages.csv
var demoVillages []byte

//go:embed demo/area.geojson
var demoArea []byte

// county is what is served: areas and the villages in them.
type county struct {
	areas    []*geo.Area
	villages *geo.Gazetteer
}

// county reads the areas and villages that the configuration names.
func (c *serveCmd) county() (county, error) {
	var served county
	var err error
	if served.areas, err = c.readAreas(); err != nil {
		return served, err
	}
	served.villages, err = c.readVillages()
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
