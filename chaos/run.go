package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cuntong/chaos/history"
	"cuntong/chaos/oracle"
	"cuntong/chaos/phone"
	"cuntong/chaos/plan"
	"cuntong/chaos/stage"
)

const (
	// warmUp is how long everybody may take to come, settleFor how long the trips that
	// are under way may take to end once everything is mended.
	warmUp    = time.Minute
	settleFor = 100 * time.Second
	// mendWait bounds the mending, readWait the last reading of the ledger.
	mendWait = 90 * time.Second
	readWait = 30 * time.Second
	// mutantTries is under how many seeds a mutant may get away: what its plan waits for
	// is likely and not certain.
	mutantTries = 3
)

// runner runs one plan after the other.
type runner struct {
	o        options
	dir      string
	net      *stage.Net
	programs [2]string
}

// result is what came of one run.
type result struct {
	Plan     string         `json:"plan"`
	Seed     uint64         `json:"seed"`
	About    string         `json:"about"`
	Topology string         `json:"topology"`
	Mutant   string         `json:"mutant,omitempty"`
	Tries    int            `json:"tries,omitempty"` // seeds that a mutant took, if more than one
	Took     float64        `json:"took_s"`
	Verdict  oracle.Verdict `json:"verdict"`
	Events   []stage.Event  `json:"events"`
	Times    times          `json:"times"`
	// Failed says why the run could not be judged.
	Failed string `json:"failed,omitempty"`
	Kept   string `json:"kept,omitempty"` // where histories and logs are
}

// all runs every plan.
func (r *runner) all(ctx context.Context, plans []*plan.Plan) *report {
	rep := &report{begun: time.Now()}
	for i, p := range plans {
		if ctx.Err() != nil {
			break
		}
		fmt.Printf("%d/%d %s (seed %d): %s\n", i+1, len(plans), p.Name, p.Seed, p.About)
		begun := time.Now()
		res := r.one(ctx, p)
		for tries := 1; p.Mutant != "" && !res.caught() && tries < mutantTries && ctx.Err() == nil; tries++ {
			again := *p
			again.Seed += uint64(tries)
			fmt.Printf("    not caught (%s %s); again under seed %d\n", res.Verdict.Findings.String(), res.Failed, again.Seed)
			res = r.one(ctx, &again)
			res.Tries = tries + 1
		}
		res.Took = time.Since(begun).Seconds()
		rep.Runs = append(rep.Runs, res)
		res.printLine(os.Stdout)
	}
	return rep
}

// one runs one plan and judges it.
func (r *runner) one(ctx context.Context, p *plan.Plan) (res *result) {
	res = &result{Plan: p.Name, Seed: p.Seed, About: p.About, Topology: p.Topology, Mutant: p.Mutant}
	dir := filepath.Join(r.dir, fmt.Sprintf("%s-%d", p.Name, p.Seed))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		res.Failed = err.Error()
		return res
	}
	log := history.New()
	var journals []oracle.Journal
	err := r.live(ctx, p, dir, log, res, &journals)
	h := log.Close()
	if err != nil {
		res.Failed = err.Error()
	} else {
		found := res.Verdict.Findings
		res.Verdict = oracle.Judge(h, journals)
		for _, v := range found.First {
			res.Verdict.Findings.Add(v.Rule, v.What)
		}
		res.measure(h, p.AreaNames())
		res.checkTraffic(h, p)
	}
	if r.o.keep || p.Mutant == "" && !res.good() || p.Mutant != "" && !res.caught() {
		res.keep(dir, filepath.Join(filepath.Dir(r.o.out), "chaos", filepath.Base(dir)), h, journals)
	}
	os.RemoveAll(dir)
	return res
}

// live sets the stage, lets people live on it while it is broken, and mends it.
func (r *runner) live(ctx context.Context, p *plan.Plan, dir string, log *history.Log, res *result, journals *[]oracle.Journal) (err error) {
	s, err := stage.Start(ctx, p, dir, r.net, r.programs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var sources []oracle.Source
	for name, client := range s.Sources() {
		defer client.Close()
		sources = append(sources, oracle.Source{Name: name, Client: client})
	}
	reader := oracle.NewReader(sources, p.AreaNames())
	reading, stopReading := context.WithCancel(ctx)
	var read sync.WaitGroup
	read.Go(func() { reader.Run(reading) })
	defer read.Wait()
	defer stopReading()

	crowd, err := phone.Start(ctx, people(p, s, log))
	if err != nil {
		return err
	}
	defer crowd.Stop()
	if err := warm(ctx, p, log); err != nil {
		return err
	}
	begin := log.Now()
	breaking, stopBreaking := context.WithCancel(ctx)
	var broken sync.WaitGroup
	broken.Go(func() { res.Events = s.Faults(breaking, log.Now) })
	wait(ctx, p.Duration()-(log.Now()-begin))
	stopBreaking()
	broken.Wait()
	mending, done := context.WithTimeout(ctx, mendWait)
	defer done()
	if err := s.Mend(mending); err != nil {
		res.Verdict.Findings.Add(oracle.RuleServer, "after all faults: "+err.Error())
	}
	crowd.Quit()
	if waiting := settle(ctx, crowd); waiting > 0 {
		res.Verdict.Findings.Add(oracle.RuleStuck, fmt.Sprintf("%d people still wait, %v after everything was mended", waiting, settleFor))
	}
	crowd.Stop()
	stopReading()
	read.Wait()
	for _, server := range s.Servers {
		for _, end := range server.Sudden() {
			res.Verdict.Findings.Add(oracle.RuleServer, end)
		}
	}
	finishing, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	if *journals, err = reader.Finish(finishing, s.Right(finishing)); err != nil {
		return err
	}
	loadable(finishing, s, &res.Verdict.Findings)
	return nil
}

// people are everybody the plan wants.
func people(p *plan.Plan, s *stage.Stage, log *history.Log) *phone.Config {
	homes := func(places []plan.Place) []phone.Home {
		var all []phone.Home
		for _, place := range places {
			all = append(all, phone.Home{Area: place.Area, At: phone.Point{Lat: place.Lat, Lon: place.Lon}})
		}
		return all
	}
	return &phone.Config{
		Seed: p.Seed, Servers: s.Fronts(), Secret: s.Secret, Log: log,
		Drivers: homes(p.DriverHomes()), Passengers: homes(p.PassengerHomes()), Operators: homes(p.OperatorHomes()),
		Think: time.Duration(p.ThinkMS) * time.Millisecond, Step: time.Duration(p.StepMS) * time.Millisecond,
		Receipts: !p.NoReceipts, Shaky: p.Frames,
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// warm waits until trips are being completed, before anything is broken.
func warm(ctx context.Context, p *plan.Plan, log *history.Log) error {
	for until := time.Now().Add(warmUp); ; {
		wait(ctx, 50*time.Millisecond)
		trips, _ := log.Counts()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case trips >= p.Areas:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("only %d trips within %v, before any fault", trips, warmUp)
		}
	}
}

// settle waits until nobody waits for anything any more, and returns how many still do.
func settle(ctx context.Context, crowd *phone.Crowd) int {
	quiet := 0
	for until := time.Now().Add(settleFor); time.Now().Before(until) && quiet < 10 && ctx.Err() == nil; {
		wait(ctx, 100*time.Millisecond)
		if crowd.Busy() == 0 {
			quiet++
		} else {
			quiet = 0
		}
	}
	return crowd.Busy()
}

// keep puts everything about a run where somebody can look at it.
func (res *result) keep(dir, to string, h history.History, journals []oracle.Journal) {
	os.RemoveAll(to)
	if err := os.MkdirAll(to, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return
	}
	res.Kept = to
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, file := range logs {
		name := filepath.Base(file)
		if text, err := os.ReadFile(file); err == nil {
			_ = os.WriteFile(filepath.Join(to, name), text, 0o644) // what can be kept is
		}
	}
	if f, err := os.Create(filepath.Join(to, "history.jsonl")); err == nil {
		_ = h.Write(f)
		f.Close()
	}
	for _, j := range journals {
		if f, err := os.Create(filepath.Join(to, "journal-"+j.Area+".jsonl")); err == nil {
			for _, e := range j.Entries {
				fmt.Fprintln(f, e.Line)
			}
			f.Close()
		}
	}
	if text, err := json.MarshalIndent(res, "", " "); err == nil {
		_ = os.WriteFile(filepath.Join(to, "result.json"), text, 0o644)
	}
}
