package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"cuntong/geo"
)

// importCmd turns data from elsewhere into what the server reads.
type importCmd struct {
	Villages importVillagesCmd `cmd:"" help:"Check a file of villages and write it as WGS-84 CSV."`
}

// importVillagesCmd checks a file of villages and writes it in the server's own form.
type importVillagesCmd struct {
	File  string `arg:"" type:"existingfile" help:"CSV or GeoJSON file of villages."`
	Datum string `required:"" enum:"wgs84,gcj02,bd09" help:"Datum of its coordinates: wgs84 (GPS), gcj02 (most Chinese maps) or bd09 (Baidu)."`
	Out   string `short:"o" type:"path" help:"File to write; default: standard output."`
}

// Run reads, checks, converts and writes.
func (c *importVillagesCmd) Run(std *std) error {
	villages, err := readVillages(c.File, geo.Datum(c.Datum))
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
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
