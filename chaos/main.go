// Command chaos breaks real servers on purpose, with real people on them, and says
// whether anything that anybody was told was lost, doubled or forgotten. The answer
// must be no. docs/CHAOS.md tells how to run and read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"cuntong/chaos/plan"
	"cuntong/chaos/stage"

	"github.com/redis/go-redis/v9"
)

// hubVariable names the network in whose hub this process runs.
const hubVariable = "CUNTONG_CHAOS_NET"

// options are the command line.
type options struct {
	plans    string // names, separated by commas
	short    bool
	mutants  bool
	only     bool
	seed     uint64
	seeds    int
	race     bool
	loopback bool
	out      string
	plansDir string
	keep     bool
	strict   bool
}

func main() {
	var o options
	flag.StringVar(&o.plans, "plan", "", "names of plans to run, separated by commas; without it all of the form")
	flag.BoolVar(&o.short, "short", false, "the short form: a slice of the plans, and all mutants")
	flag.BoolVar(&o.mutants, "mutants", true, "run the mutants, which the oracle must catch")
	flag.BoolVar(&o.only, "only-mutants", false, "run nothing else")
	flag.Uint64Var(&o.seed, "seed", 0, "another seed than the plan's; with -plan it replays a run")
	flag.IntVar(&o.seeds, "seeds", 1, "run each plan under so many seeds, one after the other")
	flag.BoolVar(&o.race, "race", false, "build the servers with the race detector")
	flag.BoolVar(&o.loopback, "loopback", false, "no network of our own, even where we may make one: links are not cut")
	flag.StringVar(&o.out, "o", "out/chaos.json", "file of the report")
	flag.StringVar(&o.plansDir, "plans", "chaos/plans", "folder of the plans")
	flag.BoolVar(&o.keep, "keep", false, "keep histories and logs of good runs too")
	flag.BoolVar(&o.strict, "strict", false, "a target of time that is missed is a failure too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		code = max(code, 2)
	}
	os.Exit(code)
}

// run is the whole program; it goes into a network of its own first.
func run(ctx context.Context, o options) (code int, err error) {
	stage.Sweep()
	var network *stage.Net
	why := stage.NoNet()
	switch prefix := os.Getenv(hubVariable); {
	case prefix != "":
		network = stage.Inside(prefix)
	case !o.loopback && why == nil:
		return stage.Outside(ctx, hubVariable)
	case o.loopback:
		fmt.Println("on loopback, as asked: links are not cut and disks are not filled")
	default:
		fmt.Printf("on loopback, because %v: links are not cut and disks are not filled\n", why)
	}
	plans, err := choose(o)
	if err != nil {
		return 2, err
	}
	dir, err := stage.TempDir()
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(dir)
	second := slices.ContainsFunc(plans, func(p *plan.Plan) bool {
		return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Fault == plan.RollingUpgrade })
	})
	programs, err := stage.Build(dir, o.race, second)
	if err != nil {
		return 2, err
	}
	redis.SetLogger(silence{}) // what it would say of every dial that fails is the point here
	r := runner{o: o, dir: dir, net: network, programs: programs}
	report := r.all(ctx, plans)
	if err := report.write(o.out); err != nil {
		return 2, err
	}
	report.print(os.Stdout)
	if ctx.Err() != nil {
		return 2, errors.New("broken off")
	}
	return report.code(o.strict), nil
}

// silence takes the log of a library.
type silence struct{}

// Printf says nothing.
func (silence) Printf(context.Context, string, ...any) {}

// choose reads the plans that are asked for.
func choose(o options) ([]*plan.Plan, error) {
	files, err := filepath.Glob(filepath.Join(o.plansDir, "*.json"))
	if err != nil {
		return nil, err
	}
	wanted := strings.FieldsFunc(o.plans, func(r rune) bool { return r == ',' })
	named := len(wanted) > 0
	var plans []*plan.Plan
	for _, file := range files {
		p, err := plan.Read(file)
		if err != nil {
			return nil, err
		}
		if o.seed != 0 {
			p.Seed = o.seed
		}
		take := (o.mutants || o.only) && p.Mutant != "" || !o.only && p.Mutant == "" && (!o.short || p.Short)
		if named {
			take = slices.Contains(wanted, p.Name)
			wanted = slices.DeleteFunc(wanted, func(name string) bool { return name == p.Name })
		}
		if !take {
			continue
		}
		for range max(o.seeds, 1) {
			again := *p
			plans = append(plans, &again)
			p.Seed++
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("no plan %s in %s", strings.Join(wanted, ", "), o.plansDir)
	}
	return plans, nil
}
