// Command eval compares ways of matching on a real road network: the dispatcher's
// own core, in virtual time, against what a straight line would have done.
//
//	go run ./eval [-osm FILE] [-elevation DIR] [-seed N] [-seeds N] [-loads 10,20,30,40] [-o out/eval.json]
//
// Every policy gets the same requests and the same drivers at the same places, and
// every driver drives by the roads, whatever the policy believes about them. The
// network is real; the demand and the fleet are invented, see demand.go.
//
// It prints a table, and writes the figures as JSON and a page with charts beside
// it. A figure outside its target is marked and does not fail the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	osm, elevation string
	seed           uint64
	seeds          int
	loads          []int // requests an hour
	drivers        int
	out            string
	tuning         tuning
}

func run(ctx context.Context, args []string, out io.Writer) error {
	opt, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	begin := time.Now()
	net, err := loadNetwork(ctx, opt.osm, opt.elevation)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d villages on its roads, %d left out; read in %v\n", net.name, len(net.villages), net.left, time.Since(begin).Round(time.Millisecond))
	study, err := survey(ctx, net, opt, out)
	if err != nil {
		return err
	}
	study.took = time.Since(begin)
	if err := study.printTable(out); err != nil {
		return err
	}
	if err := study.writeJSON(opt.out); err != nil {
		return err
	}
	page := strings.TrimSuffix(opt.out, filepath.Ext(opt.out)) + ".html"
	if err := study.writePage(page); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s and %s written after %v\n", opt.out, page, study.took.Round(time.Second))
	return nil
}

func parseOptions(args []string) (options, error) {
	var opt options
	flags := flag.NewFlagSet("eval", flag.ContinueOnError)
	flags.StringVar(&opt.osm, "osm", "../shared/data/andorra/andorra.osm.pbf", "the network: an OpenStreetMap extract `file` (.osm.pbf)")
	flags.StringVar(&opt.elevation, "elevation", "", "a `folder` of SRTM tiles, for the grades of the roads; empty: flat roads")
	flags.Uint64Var(&opt.seed, "seed", 1, "the first seed")
	flags.IntVar(&opt.seeds, "seeds", 30, "how many seeds, counted up from the first; 2 to 10000")
	flags.IntVar(&opt.drivers, "drivers", 12, "drivers on duty; 1 to 1000")
	flags.StringVar(&opt.out, "o", "out/eval.json", "write the figures to this `file`, and a page of charts beside it")
	loads := flags.String("loads", "10,20,30,40", "requests an hour, one or more `numbers` separated by commas")
	opt.tuning.flags(flags)
	if err := flags.Parse(args); err != nil {
		return opt, err
	}
	if flags.NArg() == 1 && !isSet(flags, "osm") {
		opt.osm = flags.Arg(0)
	} else if flags.NArg() > 0 {
		return opt, fmt.Errorf("%q is too much: give one extract, and the rest as flags", flags.Args())
	}
	if opt.seeds < 2 || opt.seeds > 10_000 || opt.drivers < 1 || opt.drivers > 1000 {
		return opt, fmt.Errorf("%d seeds and %d drivers: want 2 to 10000 and 1 to 1000", opt.seeds, opt.drivers)
	}
	for _, word := range strings.Split(*loads, ",") {
		load, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || load < 1 || load > maxLoad {
			return opt, fmt.Errorf("load %q: want requests an hour, 1 to %d", word, maxLoad)
		}
		opt.loads = append(opt.loads, load)
	}
	slices.Sort(opt.loads)
	opt.loads = slices.Compact(opt.loads)
	return opt, nil
}

func isSet(flags *flag.FlagSet, name string) bool {
	set := false
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}
