package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuntong/geo"
	"cuntong/geo/road"
	"cuntong/geo/road/terrain"
)

// roadFile writes generated roads about the demo's villages to a file.
func roadFile(t *testing.T, junctions int) string {
	t.Helper()
	g, err := terrain.Generate(terrain.Params{Seed: 5, Junctions: junctions, SouthWest: geo.Point{Lat: 25.9, Lon: 108.9}, NorthEast: geo.Point{Lat: 26.5, Lon: 109.3}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "county.road")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := g.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return path
}

// parsed is the configuration of serve with these flags.
func parsed(t *testing.T, args ...string) (*serveCmd, error) {
	t.Helper()
	var commands cli
	parser, err := newParser(&commands, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return &commands.Serve, err
}

func TestRoadsOfAFile(t *testing.T) {
	path := roadFile(t, 300)
	s := builtServer(t, "--roads", path, "--villages", "demo/villages.csv")
	if _, ok := s.county.router().(*road.Today); !ok {
		t.Fatalf("drives are estimated by a %T", s.county.router())
	}
	log := s.std.err.(*bytes.Buffer).String()
	for _, want := range []string{`"msg":"roads"`, "generated, seed 5; no real road", `"km":`, "villages lie off the roads", `"of":32`, `"such_as":"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not hold %s:\n%s", want, log)
		}
	}
}

func TestRoadsOfTheDemo(t *testing.T) {
	s := builtServer(t, "--demo")
	by := geo.Drive{Class: geo.Minibus}
	router := s.county.router()
	var from geo.Spot
	for v := range s.county.villages.All() {
		to := router.Locate(v.Centre, -1)
		if from.Segment == 0 {
			from = to
		}
		if leg, ok := router.Travel(from, to, by); !ok || leg.Distance < geo.Distance(from.Point, to.Point)*99/100 {
			t.Errorf("to %s it is %v, %v", v.Name, leg, ok)
		}
	}
	if log := s.std.err.(*bytes.Buffer).String(); strings.Contains(log, "off the roads") || !strings.Contains(log, "no real road") {
		t.Errorf("the log says\n%s", log)
	}
	if note := s.cfg.demoNote(); !strings.Contains(note, "the roads are generated") {
		t.Errorf("the note says %q", note)
	}
	if a, b := s.county.router(), s.county.router(); a == b {
		t.Error("what is closed in one area is closed in another")
	}
}

func TestWithoutRoadsDrivesAreEstimated(t *testing.T) {
	s := builtServer(t, "--villages", "demo/villages.csv")
	if _, ok := s.county.router().(geo.Crow); !ok || s.county.drawing() != nil {
		t.Errorf("drives are estimated by a %T, and %v is drawn", s.county.router(), s.county.drawing())
	}
}

func TestFilesThatHoldNoRoads(t *testing.T) {
	good, err := os.ReadFile(roadFile(t, 300))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(good)
	broken[len(broken)/2] ^= 0x40
	for name, data := range map[string][]byte{"empty": nil, "foreign": []byte("PK\x03\x04, and so on, for a while, to be long enough"), "cut": good[:len(good)/2], "broken": broken} {
		path := filepath.Join(t.TempDir(), name+".road")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := parsed(t, "--roads", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.county(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "import roads") {
			t.Errorf("%s: %v, want the file's name and what to do", name, err)
		}
	}
	if _, err := parsed(t, "--roads", "/nowhere/at.all"); err == nil || !strings.Contains(err.Error(), "/nowhere/at.all") {
		t.Errorf("missing: %v", err)
	}
}

func TestTheDrawingIsBounded(t *testing.T) {
	s := builtServer(t, "--demo")
	all := s.county.drawing()
	points := func(c county) (n int, least int) {
		least = 9
		for _, l := range c.drawing().Lines {
			n += len(l.Points)
			least = min(least, l.Rank)
			if len(l.Points) < 2 {
				t.Fatalf("a line of %d points", len(l.Points))
			}
		}
		return n, least
	}
	if n, least := points(s.county); n > drawnPoints || n < 2*s.county.roads.Segments() || least != 0 {
		t.Errorf("%d points of the demo are drawn, ranks from %d: want all roads", n, least)
	}
	if all.Credit != "generated, seed 1; no real road" {
		t.Errorf("the credit is %q", all.Credit)
	}
	large, err := terrain.Generate(terrain.Params{Seed: 1, Junctions: 40_000, SouthWest: geo.Point{Lat: 25.5, Lon: 108.5}, NorthEast: geo.Point{Lat: 27, Lon: 110}})
	if err != nil {
		t.Fatal(err)
	}
	if n, least := points(county{roads: large}); n > drawnPoints || n == 0 || least == 0 {
		t.Errorf("%d points of a large network are drawn, ranks from %d: want the tracks left out", n, least)
	}
}
