package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cuntong/geo"
	"cuntong/loadtest/plan"
	"cuntong/loadtest/report"
	"cuntong/loadtest/swarm"

	"github.com/alecthomas/kong"
)

// The demo county's files, seen from the root of the module.
const (
	demoVillages = "cmd/dispatchd/demo/villages.csv"
	demoArea     = "cmd/dispatchd/demo/area.geojson"
)

// options is the command line; every flag has its environment variable. What
// changes the scenario is a pointer: absent, the scenario's own value counts.
type options struct {
	URL        string `default:"ws://127.0.0.1:8080/ws" help:"WebSocket address of the server, or of several with commas between."`
	SecretFile string `default:"data/secret" type:"path" help:"File with the server's secret, with which tokens are made. The default is that of a server started in this folder."`
	Area       string `help:"Service area of the tokens. Default: that of the demo county with its villages, else 'county'."`
	Villages   string `type:"path" help:"Where people live: a CSV or GeoJSON file, the same that the server has. Default: the demo county's, when run in the root of the module."`
	Datum      string `default:"wgs84" enum:"wgs84,gcj02,bd09" help:"Datum of the coordinates in --villages."`
	Prefix     string `default:"load" help:"Begins the ids of drivers, riders and trips. Two runs at a time need two; the server's demo uses 'sim'."`

	Wire string `default:"json" enum:"json,pb" help:"How frames are written: cuntong.v1.json or cuntong.v1.pb."`

	Scenario   string         `default:"thousand-drivers" help:"A scenario file, or one of the built-in scenarios: ${scenarios}."`
	Drivers    *int           `help:"Number of drivers."`
	Passengers *int           `help:"Number of passengers."`
	Agents     *int           `help:"Number of village agents."`
	Rate       *float64       `help:"Bookings a minute, all the time."`
	Duration   *time.Duration `help:"How long bookings come. A repeating scenario goes on until Ctrl-C without it."`
	TimeScale  *float64       `help:"How much faster than in life vehicles move."`
	Seed       uint64         `default:"1" help:"The same seed makes the same bookings at the same moments."`

	JSON   string   `type:"path" name:"json" help:"Write the report as JSON to this file."`
	HTML   string   `type:"path" name:"html" help:"Write the report as a page to this file."`
	FailIf []string `sep:"none" placeholder:"FIGURE>NUMBER" help:"Exit with 2 if this holds, such as 'request_to_offer_p99_ms>250'. May be repeated. See --figures."`
	Quiet  bool     `help:"No progress and no warnings, only the report."`

	Figures  bool `help:"List the figures that --fail-if may name, and stop."`
	Describe bool `help:"Print the scenario as it would be run, as JSON, and stop."`

	thresholds []report.Threshold
	scenario   plan.Scenario
}

// parse reads the command line. done says that all that was asked for has been
// written to out.
func parse(args []string, out io.Writer) (o *options, done bool, err error) {
	o = new(options)
	parser, err := kong.New(o,
		kong.Name("loadtest"),
		kong.Description("Lets simulated drivers and riders loose on a server and reports what they saw. Exits with 0 when all thresholds held, 2 when one was broken, 1 when the run could not be made."),
		kong.Vars{"scenarios": strings.Join(plan.Names(), ", ")},
		kong.DefaultEnvars("CUNTONG_LOADTEST"),
		kong.Writers(out, out),
		kong.Exit(func(int) { done = true }), // after --help
	)
	if err != nil {
		return nil, false, err
	}
	_, err = parser.Parse(args)
	switch {
	case done:
		return o, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("%w (--help lists the flags)", err)
	case o.Figures:
		return o, true, listFigures(out)
	}
	if err := errors.Join(o.readThresholds(), o.readScenario()); err != nil {
		return nil, false, err
	}
	if o.Describe {
		return o, true, report.WriteScenario(out, o.scenario)
	}
	return o, false, nil
}

func listFigures(out io.Writer) error {
	_, err := fmt.Fprintln(out, strings.Join(report.FigureNames(), "\n"))
	return err
}

func (o *options) readThresholds() error {
	var errs []error
	for _, s := range o.FailIf {
		t, err := report.ParseThreshold(s)
		o.thresholds, errs = append(o.thresholds, t), append(errs, err)
	}
	return errors.Join(errs...)
}

// readScenario finds the scenario and puts the flags over it.
func (o *options) readScenario() error {
	s, err := findScenario(o.Scenario)
	if err != nil {
		return err
	}
	set(&s.Drivers.Count, o.Drivers)
	set(&s.Riders.Passengers, o.Passengers)
	set(&s.Riders.Agents, o.Agents)
	set(&s.TimeScale, o.TimeScale)
	if o.Rate != nil {
		s = s.AtRate(*o.Rate)
	}
	if o.Duration != nil {
		s = s.Lasting(*o.Duration)
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("scenario %q with the flags given: %w", s.Name, err)
	}
	o.scenario = s
	return nil
}

func set[T any](field *T, flag *T) {
	if flag != nil {
		*field = *flag
	}
}

// findScenario takes a built-in name for itself and anything else for a file.
func findScenario(name string) (plan.Scenario, error) {
	if slices.Contains(plan.Names(), name) {
		return plan.Named(name)
	}
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return plan.Scenario{}, fmt.Errorf("%s is neither a file nor one of the built-in scenarios: %s", name, strings.Join(plan.Names(), ", "))
	} else if err != nil {
		return plan.Scenario{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, plan.MaxScenarioBytes+1))
	if err != nil {
		return plan.Scenario{}, err
	}
	s, err := plan.Decode(data)
	if err != nil {
		return plan.Scenario{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// config reads the files that the run needs.
func (o *options) config() (swarm.Config, error) {
	villages, area, err := o.readCounty()
	if err != nil {
		return swarm.Config{}, err
	}
	mint, err := newMint(o.SecretFile, area)
	if err != nil {
		return swarm.Config{}, err
	}
	return swarm.Config{
		URL: o.URL, TokenFor: mint.token, Villages: villages, Scenario: o.scenario, Seed: o.Seed, Prefix: o.Prefix, Wire: o.Wire,
	}, nil
}

func (o *options) readCounty() (*geo.Gazetteer, string, error) {
	path, area := o.Villages, o.Area
	if path == "" {
		path = demoVillages
		if _, err := os.Stat(path); err != nil {
			return nil, "", fmt.Errorf("where do people live? Give --villages, or run in the root of the module for the demo county")
		}
		if area == "" {
			area = demoAreaID()
		}
	}
	if area == "" {
		area = "county"
	}
	g, err := readVillages(path, geo.Datum(o.Datum))
	return g, area, err
}

// demoAreaID is the id of the demo county, or "" where it cannot be read.
func demoAreaID() string {
	f, err := os.Open(demoArea)
	if err != nil {
		return ""
	}
	defer f.Close()
	areas, err := geo.ReadAreas(f, geo.WGS84)
	if err != nil || len(areas) == 0 {
		return ""
	}
	return string(areas[0].ID)
}

func readVillages(path string, datum geo.Datum) (*geo.Gazetteer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read := geo.ReadCSV
	if ext := strings.ToLower(filepath.Ext(path)); ext == ".json" || ext == ".geojson" {
		read = geo.ReadGeoJSON
	}
	g, err := read(f, datum)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}
