package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cuntong/geo/road/osm"
)

// importRoadsCmd makes a file of roads out of an OpenStreetMap extract.
type importRoadsCmd struct {
	File      string `arg:"" type:"existingfile" help:"OpenStreetMap extract, .osm.pbf."`
	Elevation string `type:"existingdir" help:"Folder with SRTM elevation tiles such as N26E107.hgt, .hgt.zip or .hgt.gz; without it every road is taken as level."`
	Out       string `short:"o" required:"" type:"path" help:"File to write, such as region.road."`
}

// Run reads the extract and writes the file, whole or not at all.
func (c *importRoadsCmd) Run(std *std) error {
	if err := writable(c.Out); err != nil {
		return err
	}
	if in, err := os.Stat(c.File); err == nil {
		if out, err := os.Stat(c.Out); err == nil && os.SameFile(in, out) {
			return fmt.Errorf("%s is the extract itself: say another file to write", c.Out)
		}
	}
	bar := newProgress(std.err, "reading "+filepath.Base(c.File))
	roads, summary, err := osm.ReadFile(std.ctx, c.File, osm.Options{Elevation: c.Elevation, Progress: bar.tell})
	bar.end()
	if std.ctx.Err() != nil {
		return errors.New("stopped; nothing was written")
	}
	if err != nil {
		return err
	}
	var size int64
	err = writeFile(c.Out, func(w io.Writer) (err error) {
		size, err = roads.WriteTo(w)
		return err
	})
	if err != nil {
		return err
	}
	if err := summary.Write(std.err); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.err, "%.1f MB written to %s. %s, %s\n", float64(size)/1e6, c.Out, osm.Source, osm.Licence)
	return err
}

// writable finds out before the work that its outcome has a place to go to.
func writable(path string) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no folder %s", path, dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder: say the file to write", path)
	}
	return nil
}

// progress shows how far something is: as a bar on a terminal, as a line now and
// then elsewhere.
type progress struct {
	w        io.Writer
	what     string
	terminal bool
	shown    int // hundredths; -1: nothing
	at       time.Time
}

// plainEvery is how often a line is written where there is no terminal.
const plainEvery = 10 * time.Second

func newProgress(w io.Writer, what string) *progress {
	p := &progress{w: w, what: what, shown: -1, at: time.Now()}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// tell shows a share of the whole, 0 to 1.
func (p *progress) tell(share float64) {
	const width = 40
	now := int(share * 100)
	switch {
	case now <= p.shown:
	case p.terminal:
		p.shown = now
		fmt.Fprintf(p.w, "\r%s [%s%s] %3d %%", p.what, strings.Repeat("=", now*width/100), strings.Repeat(" ", width-now*width/100), now)
	case time.Since(p.at) >= plainEvery:
		p.shown, p.at = now, time.Now()
		fmt.Fprintf(p.w, "%s: %d %%\n", p.what, now)
	}
}

// end leaves the bar's line.
func (p *progress) end() {
	if p.terminal && p.shown >= 0 {
		fmt.Fprintln(p.w)
	}
}
