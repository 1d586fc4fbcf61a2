package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"cuntong/geo"
	"cuntong/geo/road/osm"
)

// importCmd turns data from elsewhere into what the server reads.
type importCmd struct {
	Roads    importRoadsCmd    `cmd:"" help:"Make a file of roads out of an OpenStreetMap extract."`
	Villages importVillagesCmd `cmd:"" help:"Check a file of villages, or take them from an OpenStreetMap extract, and write them as WGS-84 CSV."`
}

// importVillagesCmd checks a file of villages and writes it in the server's own form.
type importVillagesCmd struct {
	File  string `arg:"" type:"existingfile" help:"CSV or GeoJSON file of villages, or an OpenStreetMap extract (.osm.pbf)."`
	Datum string `enum:",wgs84,gcj02,bd09" default:"" help:"Datum of its coordinates: wgs84 (GPS), gcj02 (most Chinese maps) or bd09 (Baidu). Needed for CSV and GeoJSON; an extract is in wgs84."`
	Out   string `short:"o" type:"path" help:"File to write; default: standard output."`
}

// Run reads, checks, converts and writes.
func (c *importVillagesCmd) Run(std *std) error {
	villages, err := c.read(std)
	if err != nil {
		return err
	}
	if c.Out == "" {
		return villages.WriteCSV(std.out)
	}
	if err := writeFile(c.Out, villages.WriteCSV); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.err, "%d villages written to %s\n", villages.Len(), c.Out)
	return err
}

// read reads the file in the form that its ending says.
func (c *importVillagesCmd) read(std *std) (*geo.Gazetteer, error) {
	extract := strings.ToLower(filepath.Ext(c.File)) == ".pbf"
	switch {
	case !extract && c.Datum == "":
		return nil, fmt.Errorf("%s: say --datum: wgs84, gcj02 or bd09", c.File)
	case !extract:
		return readVillages(c.File, geo.Datum(c.Datum))
	case c.Datum != "" && c.Datum != string(geo.WGS84):
		return nil, fmt.Errorf("%s: an OpenStreetMap extract is in wgs84, not in %s", c.File, c.Datum)
	}
	bar := newProgress(std.err, "reading "+filepath.Base(c.File))
	villages, summary, err := osm.ReadPlaces(std.ctx, c.File, bar.tell)
	bar.end()
	if err != nil {
		return nil, err
	}
	for _, t := range summary.Found {
		fmt.Fprintf(std.err, "%6d  %s\n", t.Count, t.What)
	}
	for _, t := range summary.Dropped {
		fmt.Fprintf(std.err, "%6d  dropped: %s\n", t.Count, t.What)
	}
	return villages, nil
}

// readVillages reads a CSV or, by its ending, a GeoJSON file.
func readVillages(path string, datum geo.Datum) (*geo.Gazetteer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read := geo.ReadCSV
	switch strings.ToLower(filepath.Ext(path)) {
	case ".geojson", ".json":
		read = geo.ReadGeoJSON
	}
	villages, err := read(f, datum)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return villages, nil
}

// writeFile writes a file whole or not at all.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	buffered := bufio.NewWriter(f)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	// What is imported is public; the server that reads it may be another user's.
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
