// Package plan is what is to be done to a system in one run, as data: which servers it
// has, who lives with it, and which faults come when.
package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"cuntong/chaos/proxy"
)

// Plan is one run. The same plan and seed do the same things at the same moments to the
// same targets, as far as those are named and not chosen by what is so at the time.
type Plan struct {
	Name  string `json:"name"`
	About string `json:"about"` // what must hold, in a sentence or two
	Seed  uint64 `json:"seed"`
	// Short says that the plan is part of the short form.
	Short bool `json:"short,omitempty"`

	// Topology is of Redis: standalone, sentinel (3 data nodes with a Sentinel each) or
	// cluster (3 masters with Replicas each).
	Topology string `json:"topology"`
	Replicas int    `json:"replicas,omitempty"` // of each master of a cluster; default 2
	// Settings are lines of redis.conf that come last.
	Settings []string `json:"settings,omitempty"`
	// Servers of dispatchd, 1 to 5.
	Servers int `json:"servers"`
	// Areas, in a row from west to east, 1 to 6.
	Areas int `json:"areas"`
	// Drivers and Passengers of each area; Border is which share of them lives within a
	// few hundred metres of the next area.
	Drivers    int     `json:"drivers"`
	Passengers int     `json:"passengers"`
	Operators  bool    `json:"operators,omitempty"`
	Border     float64 `json:"border,omitempty"`
	// Uneven: every other area has a quarter of the drivers only, so that they must come
	// from its neighbours.
	Uneven bool `json:"uneven,omitempty"`
	// ThinkMS is how long a passenger waits on average between trips, StepMS how long a
	// driver takes from stage to stage.
	ThinkMS int `json:"think_ms"`
	StepMS  int `json:"step_ms"`
	// DurationMS is how long the load lasts; MinTrips how many must have been completed
	// and acknowledged by then on a slow machine.
	DurationMS int `json:"duration_ms"`
	MinTrips   int `json:"min_trips"`
	// NoReceipts: the phones show no receipts, as old ones do not. For mutants whose
	// damage receipts would repair.
	NoReceipts bool `json:"no_receipts,omitempty"`
	// SnapshotEvery is how many facts there are between two snapshots; default 700.
	SnapshotEvery int `json:"snapshot_every,omitempty"`
	// Flags are further flags of every server.
	Flags []string `json:"flags,omitempty"`
	// Proxy puts a proxy between the servers and a standalone Redis; Frames one between
	// the phones and each server.
	Proxy  bool `json:"proxy,omitempty"`
	Frames bool `json:"frames,omitempty"`
	// DiskMB puts the files of Redis on a disk of that size.
	DiskMB int `json:"disk_mb,omitempty"`
	// Skew is by how much the clock of each server is wrong, as "5m".
	Skew []string `json:"skew,omitempty"`
	// Mutant is a safeguard that every server leaves out. The oracle must find that.
	Mutant string `json:"mutant,omitempty"`

	Steps []Step `json:"steps"`
}

// Step is one fault, or the same one several times.
type Step struct {
	AtMS  int    `json:"at_ms"`
	Fault string `json:"fault"`
	// Target says whom it concerns; see docs/CHAOS.md. To is the other side of a cut.
	Target string `json:"target,omitempty"`
	To     string `json:"to,omitempty"`
	// DurationMS is how long it lasts; for what dies, until it is started again.
	DurationMS int `json:"duration_ms,omitempty"`
	// Times and EveryMS repeat it, each time up to a fifth of EveryMS later by the seed.
	Times   int `json:"times,omitempty"`
	EveryMS int `json:"every_ms,omitempty"`
	// Point is an order for a test build, as append.after=kill@3.
	Point string `json:"point,omitempty"`
	// Back and Forth are what a proxy does to replies and commands, or to frames from and
	// to the server.
	Back  *proxy.Mischief `json:"back,omitempty"`
	Forth *proxy.Mischief `json:"forth,omitempty"`
	// Last leaves the state as it is until everything is mended at the end.
	Last bool `json:"last,omitempty"`
}

// The faults. docs/CHAOS.md says of each what is done and what must hold.
const (
	ServerKill     = "server_kill"
	ServerPause    = "server_pause"
	ServerTerm     = "server_term"
	ServerPoint    = "server_point"
	RollingUpgrade = "rolling_upgrade"
	RedisKill      = "redis_kill"
	RedisPause     = "redis_pause"
	RedisSlow      = "redis_slow"
	ScriptFlush    = "script_flush"
	PostDelete     = "post_delete"
	DiskFull       = "disk_full"
	SentinelOrder  = "sentinel_failover"
	ClusterOrder   = "cluster_failover"
	SlotMove       = "slot_move"
	Cut            = "cut"
	CutOneWay      = "cut_one_way"
	Flap           = "flap"
	Replies        = "replies"
	Frames         = "frames"
)

// faults are all there are, and whether each needs network namespaces.
var faults = map[string]bool{
	ServerKill: false, ServerPause: false, ServerTerm: false, ServerPoint: false, RollingUpgrade: false,
	RedisKill: false, RedisPause: false, RedisSlow: false, ScriptFlush: false, PostDelete: false, DiskFull: true,
	SentinelOrder: false, ClusterOrder: false, SlotMove: false, Cut: true, CutOneWay: true, Flap: true,
	Replies: false, Frames: false,
}

// NeedsRoot says whether a step can only be done to namespaces and file systems of our own.
func (s Step) NeedsRoot() bool { return faults[s.Fault] }

// Duration is how long it lasts.
func (s Step) Duration() time.Duration { return time.Duration(s.DurationMS) * time.Millisecond }

// At is when it begins, from the beginning of the load.
func (s Step) At() time.Duration { return time.Duration(s.AtMS) * time.Millisecond }

// Duration is how long the load lasts.
func (p *Plan) Duration() time.Duration { return time.Duration(p.DurationMS) * time.Millisecond }

// Read reads a plan from a file, strictly.
func Read(file string) (*Plan, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := &Plan{Replicas: 2, SnapshotEvery: 700}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// Validate says everything that is wrong with a plan.
func (p *Plan) Validate() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(p.Name != "" && p.About != "", "a plan has a name and says what it is about")
	want(slices.Contains([]string{"standalone", "sentinel", "cluster"}, p.Topology), "topology %q", p.Topology)
	want(p.Servers >= 1 && p.Servers <= 5, "%d servers", p.Servers)
	want(p.Areas >= 1 && p.Areas <= 6, "%d areas", p.Areas)
	want(p.Drivers >= 1 && p.Passengers >= 1, "%d drivers and %d passengers an area", p.Drivers, p.Passengers)
	want(p.DurationMS >= 1000 && p.MinTrips >= 1, "a load of %d ms with at least %d trips", p.DurationMS, p.MinTrips)
	want(p.ThinkMS >= 1 && p.StepMS >= 1, "think_ms %d, step_ms %d", p.ThinkMS, p.StepMS)
	want(!p.Proxy || p.Topology == "standalone", "a proxy stands before a standalone Redis only")
	for i, s := range p.Steps {
		_, known := faults[s.Fault]
		want(known, "step %d: fault %q", i+1, s.Fault)
		want(s.AtMS >= 0 && s.AtMS < p.DurationMS, "step %d at %d ms of %d", i+1, s.AtMS, p.DurationMS)
		want(s.Times == 0 || s.EveryMS > 0, "step %d: %d times every %d ms", i+1, s.Times, s.EveryMS)
		want(s.Fault != Replies || p.Proxy, "step %d: replies need a proxy", i+1)
		want(s.Fault != Frames || p.Frames, "step %d: frames need a proxy for frames", i+1)
		want(s.Fault != ServerPoint || s.Point != "", "step %d: no point", i+1)
	}
	return errors.Join(errs...)
}

// Expand returns every single fault in the order of time.
func (p *Plan) Expand() []Step {
	rng := rand.New(rand.NewPCG(p.Seed, 77))
	var all []Step
	for _, s := range p.Steps {
		for i := range max(s.Times, 1) {
			one := s
			one.Times, one.EveryMS = 0, 0
			one.AtMS += i * s.EveryMS
			if s.EveryMS > 0 {
				one.AtMS += rng.IntN(s.EveryMS/5 + 1)
			}
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b Step) int { return a.AtMS - b.AtMS })
	return all
}
