package swarm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"cuntong/loadtest/plan"
	"cuntong/ws/client"
	"cuntong/ws/wire"
)

const (
	// connectSlack is how much longer than the scenario says connecting may take
	// before the bookings begin without the stragglers.
	connectSlack = 15 * time.Second
	// hurriedSettle bounds the settling of a run that was ended early.
	hurriedSettle = 5 * time.Second
	// tidyWait bounds the wait for trips and duties to be called off. Answers to
	// commands are waited for as long as swarm.answerWait.
	tidyWait = 5 * time.Second
	// defaultAnswerWait is how long a command may go unanswered on a live connection
	// before the phone hangs up and asks again on a new one; it is sent again twice in between.
	defaultAnswerWait = 30 * time.Second
	// glance is how often Run looks whether a stage is over.
	glance = 50 * time.Millisecond
	// maxUnknown bounds the commands without an answer that are kept in words.
	maxUnknown = 100
)

// swarm is one run.
type swarm struct {
	// Static after construction.
	cfg        Config
	plan       *plan.Plan
	addresses  []string // of the servers
	codecs     []wire.Codec
	buffers    *sync.Pool // to write with
	tally      *tally
	witness    *witness
	tracks     map[string]*track // by driver
	tripPrefix string
	riders     []*rider
	drivers    []*driver
	feeder     feeder
	answerWait time.Duration
	backoff    client.Backoff // of the clients; zero is the protocol's

	// tidying is closed when trips are to be called off.
	tidying chan struct{}
	// calm: no phone loses its signal now. concluded: every stage had its time,
	// so that an answer that has not come is missing and not late.
	calm, concluded atomic.Bool
	// stage is a string. begun is when the bookings began, in Unix ns; 0 before.
	stage atomic.Value
	begun atomic.Int64

	mu sync.Mutex
	// Guarded by mu.
	unknowns []string
}

// Run connects the parties, lets them live through the scenario, and says what
// was seen. It returns an error when the configuration is wrong or nobody could
// connect. When the context ends it stops at once, leaving trips and duties as
// they are, and returns what it has; to end early and tidily close Config.Finish.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	p, err := plan.New(cfg.Scenario, cfg.Villages, cfg.Seed)
	if err != nil {
		return nil, err
	}
	return newSwarm(cfg, p, defaultAnswerWait, client.Backoff{}).run(ctx)
}

func newSwarm(cfg Config, p *plan.Plan, answerWait time.Duration, backoff client.Backoff) *swarm {
	s := &swarm{
		cfg: cfg, plan: p, addresses: cfg.addresses(), answerWait: answerWait, backoff: backoff, tally: newTally(), tracks: map[string]*track{},
		tripPrefix: cfg.Prefix + "-" + cfg.Run + "-", tidying: make(chan struct{}),
		codecs: []wire.Codec{cfg.codec()}, buffers: new(sync.Pool),
	}
	s.stage.Store("connecting")
	s.calm.Store(true)
	s.witness = newWitness(s.tally, cfg.Observer)
	d, r := &p.Scenario.Drivers, &p.Scenario.Riders
	for _, who := range p.Drivers() {
		party := Party{Role: wire.RoleDriver, ID: fmt.Sprintf("%s-d%05d", cfg.Prefix, who.Index), Vehicle: &who.Vehicle}
		s.tracks[party.ID] = new(track)
		s.drivers = append(s.drivers, newDriver(s, party, who, spread(d.ConnectOverSeconds, who.Index, d.Count)))
	}
	for i := range r.Passengers {
		party := Party{Role: wire.RolePassenger, ID: fmt.Sprintf("%s-p%05d", cfg.Prefix, i)}
		s.riders = append(s.riders, newRider(s, party, spread(r.ConnectOverSeconds, i, r.Passengers), i))
	}
	for i := range r.Agents {
		party := Party{Role: wire.RoleAgent, ID: fmt.Sprintf("%s-a%05d", cfg.Prefix, i)}
		s.riders = append(s.riders, newRider(s, party, spread(r.ConnectOverSeconds, i, r.Agents), i))
	}
	s.feeder = feeder{swarm: s, passengers: s.riders[:r.Passengers], agents: s.riders[r.Passengers:]}
	return s
}

// spread is when number i of n connects.
func spread(over float64, i, n int) time.Duration {
	return time.Duration(over * float64(i) / float64(n) * float64(time.Second))
}

func (s *swarm) run(ctx context.Context) (*Result, error) {
	living, die := context.WithCancel(ctx)
	defer die()
	result := &Result{Scenario: s.plan.Scenario, URL: s.cfg.URL, Seed: s.cfg.Seed, Run: s.cfg.Run, Started: time.Now()}
	s.cfg.Log.Info("connecting", "url", s.cfg.URL, "drivers", len(s.drivers), "riders", len(s.riders), "seed", s.cfg.Seed, "run", s.cfg.Run)

	var parties, sampler sync.WaitGroup
	for _, d := range s.drivers {
		parties.Go(func() { d.run(living, d) })
	}
	for _, r := range s.riders {
		parties.Go(func() { r.run(living, r) })
	}
	curve, sampled := &series{swarm: s, step: time.Second}, make(chan struct{})
	sampler.Go(func() { curve.run(ctx, sampled) })

	err := s.stages(ctx, result)
	// Order of stopping: the sampler, so that leaving does not look like a breakdown;
	// then the parties, who still count.
	close(sampled)
	sampler.Wait()
	s.concluded.Store(ctx.Err() == nil)
	die()
	parties.Wait()
	if err != nil {
		return nil, err
	}
	result.Samples, result.Step = curve.samples, curve.step
	s.report(result)
	return result, nil
}

// stages goes through the run's life and notes how long each part took.
func (s *swarm) stages(ctx context.Context, result *Result) error {
	mark := time.Now()
	lap := func(stage string, into *time.Duration) {
		now := time.Now()
		*into = now.Sub(mark)
		mark = now
		s.stage.Store(stage)
	}
	if err := s.connected(ctx); err != nil {
		return err
	}
	lap("running", &result.Connecting)

	s.begun.Store(mark.UnixNano())
	s.calm.Store(false)
	s.feeder.run(ctx, mark, s.cfg.Finish)
	s.until(ctx, s.length()-time.Since(mark), s.finished)
	s.calm.Store(true)
	result.Interrupted = s.finished() || ctx.Err() != nil
	lap("settling", &result.Running)

	settle := s.plan.Scenario.Settle()
	if s.finished() {
		settle = min(settle, hurriedSettle)
	}
	s.until(ctx, settle, func() bool { return s.tally.open.Load() == 0 && s.tally.pending.Load() == 0 })
	lap("tidying up", &result.Settling)

	s.witness.callOff()
	close(s.tidying)
	s.until(ctx, tidyWait, func() bool {
		return s.tally.open.Load() == 0 && s.tally.onDuty.Load() == 0 && s.tally.pending.Load() == 0
	})
	s.until(ctx, s.answerWait, func() bool { return s.tally.pending.Load() == 0 })
	lap("over", &result.Tidying)
	return nil
}

// connected waits until every party has tried once and those let in are in, or
// the time for it is over.
func (s *swarm) connected(ctx context.Context) error {
	sc := &s.plan.Scenario
	limit := time.Duration(max(sc.Drivers.ConnectOverSeconds, sc.Riders.ConnectOverSeconds)*float64(time.Second)) + connectSlack
	parties := int64(len(s.drivers) + len(s.riders))
	in := func() int64 { return s.tally.drivers.Load() + s.tally.riders.Load() }
	away := func() int64 { return s.tally.counts[turnedAway].Load() }
	s.until(ctx, limit, func() bool {
		return s.finished() || (in()+away() >= parties && s.tally.onDuty.Load() >= s.tally.drivers.Load() && s.tally.pending.Load() == 0)
	})
	if ctx.Err() != nil || s.finished() || in() > 0 {
		return nil
	}
	_, reasons, _, fail := s.tally.words()
	for reason := range reasons {
		return fmt.Errorf("swarm: the server at %s let nobody in: %s", s.cfg.URL, reason)
	}
	if fail == "" {
		fail = "no attempt came to an end"
	}
	return errors.New("swarm: nobody could connect to " + s.cfg.URL + ": " + fail)
}

// until waits until the condition holds or the time is over.
func (s *swarm) until(ctx context.Context, limit time.Duration, holds func() bool) {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && !holds(); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *swarm) finished() bool {
	select {
	case <-s.cfg.Finish:
		return true
	default:
		return false
	}
}

// unknown files a command whose result its party will not learn; owed says that
// the server had it and did not answer.
func (s *swarm) unknown(party Party, id string, c call, owed bool) {
	s.tally.count(unanswered)
	say := fmt.Sprintf("%s %s of %s about trip %q", c.kind, id, party.ID, c.trip)
	if owed {
		s.witness.violation(NoAnswer, c.trip, say+" was sent on a connection that lives, and never answered")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unknowns) < maxUnknown {
		s.unknowns = append(s.unknowns, say)
	}
}

// length is how long bookings come.
func (s *swarm) length() time.Duration {
	if s.plan.Scenario.Repeat {
		return math.MaxInt64 / 4 // seventy years: until somebody ends it
	}
	return s.plan.Scenario.Length()
}

// sinceBegun is the time since the bookings began, 0 before.
func (s *swarm) sinceBegun(now time.Time) time.Duration {
	if begun := s.begun.Load(); begun > 0 {
		return time.Duration(now.UnixNano() - begun)
	}
	return 0
}

func (s *swarm) progress() Progress {
	p := Progress{
		Stage: s.stage.Load().(string), Elapsed: s.sinceBegun(time.Now()), Counts: s.tally.snapshot(),
		OpenTrips: s.tally.open.Load(), Drivers: s.tally.drivers.Load(), Riders: s.tally.riders.Load(),
	}
	if !s.plan.Scenario.Repeat {
		p.Length = s.plan.Scenario.Length()
	}
	q := s.tally.quantiles(requestToOffer, 50, 99)
	p.OfferP50, p.OfferP99 = q[0], q[1]
	return p
}

func (s *swarm) report(r *Result) {
	r.Violations = s.witness.conclude()
	r.Counts = s.tally.snapshot()
	r.Refusals, r.TurnedAway, r.Closes, _ = s.tally.words()
	for i, info := range latencyInfos {
		r.Latencies = append(r.Latencies, Latency{info, s.tally.timings[i].all})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Unknown = s.unknowns
	s.cfg.Log.Info("over", "completed", r.Counts["completed"], "violations", r.Counts["violations"])
}
