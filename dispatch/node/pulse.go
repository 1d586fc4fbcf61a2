package node

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// The rhythm of a server.
const (
	tenuresEvery = 250 * time.Millisecond
	beatEvery    = 500 * time.Millisecond
	// deadAfter is how long a server is believed to live without a beat.
	deadAfter = 1500 * time.Millisecond
	// settleFor is how long the dealing must have been the same before an area is moved
	// to whom it is dealt: servers that start together come within it.
	settleFor = 2 * time.Second
	// staleAfter is after how long without an answer what is known counts for nothing.
	staleAfter   = 3 * time.Second
	pulseTimeout = 2 * time.Second
	// forgetAfter is after how long without a beat a server is forgotten, with those who
	// are there.
	forgetAfter = 10 * time.Second
	// sweepEvery is after how many readings of the tenures it is looked for servers that
	// nobody has heard of.
	sweepEvery = 40
)

// view is what the pulse has read. It is not changed once it is shown.
type view struct {
	read    time.Time         // when, by the clock of this process
	now     dispatch.Instant  // when, by that of the exchange
	peers   []dispatch.Peer   // that live, this server included
	known   []dispatch.NodeID // that were heard of lately, and may come back; in order
	names   []string          // of the runs that count, in order
	runs    map[string]dispatch.NodeID
	dealt   placement
	since   time.Time // the dealing has been the same
	tenures map[geo.AreaID]dispatch.Tenure
	before  []dispatch.NodeID // who was on the list when this server came
}

// lives says whether a run of a server lives, and whether it is leaving.
func (v *view) lives(id dispatch.NodeID) (yes, leaving bool) {
	for _, p := range v.peers {
		if p.ID == id {
			return true, p.Leaving
		}
	}
	return false, false
}

// others says whether anybody but this server may take areas.
func (v *view) others(self dispatch.NodeID) bool {
	for _, id := range v.runs {
		if id != self {
			return true
		}
	}
	return false
}

// owner is the run to which an area is dealt; empty when nobody may write.
func (v *view) owner(area geo.AreaID) dispatch.NodeID { return v.runs[v.dealt[area]] }

// held says whether somebody's lease of an area runs.
func (v *view) held(area geo.AreaID) (dispatch.Tenure, bool) {
	t := v.tenures[area]
	return t, t.Node != "" && t.Until > v.now
}

// overtaken says whether a run of our own name need not be asked: it lives no more, or it
// was there before this one.
func (v *view) overtaken(id dispatch.NodeID) bool {
	lives, leaving := v.lives(id)
	return !lives || !leaving && slices.Contains(v.before, id)
}

// nameOf is the configured name of a server, without what differs from run to run.
func nameOf(id dispatch.NodeID) string {
	if i := strings.LastIndexByte(string(id), '~'); i >= 0 {
		return string(id[:i])
	}
	return string(id)
}

// pulse says that this server lives, and reads who else does and who may write what.
type pulse struct {
	node *Node
	view atomic.Pointer[view] // nil before the first reading
	soon chan struct{}        // holds a token when the next beat must not wait
	// company is closed when servers have come or gone.
	company atomic.Pointer[chan struct{}]

	// Owned by run.
	heard   map[dispatch.NodeID]time.Time // when each server was on the list last
	known   []dispatch.NodeID             // who was on it within forgetAfter
	peers   []dispatch.Peer               // who live
	before  []dispatch.NodeID
	offset  time.Duration // from the clock of this process to that of the exchange
	base    time.Time
	dealt   placement
	dealtTo []string
	since   time.Time
	sweep   int
	// strangers are servers at which parties were when everything was looked at last, and
	// which nobody had heard of.
	strangers map[dispatch.NodeID]bool
}

func newPulse(n *Node) *pulse {
	p := &pulse{node: n, soon: make(chan struct{}, 1), base: time.Now(), heard: map[dispatch.NodeID]time.Time{}}
	p.company.Store(newSignal())
	return p
}

// hurry has the next beat sent at once.
func (p *pulse) hurry() {
	select {
	case p.soon <- struct{}{}:
	default:
	}
}

func (p *pulse) run(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	var beaten time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-p.soon:
			beaten = time.Time{}
		}
		if time.Since(beaten) > beatEvery-tenuresEvery/2 || p.peers == nil {
			beaten = time.Now()
			p.beat(ctx)
		}
		if p.peers != nil {
			p.look(ctx)
		}
		next.Reset(p.untilNext())
	}
}

// justAfter is how long after the end of a lease it is looked at.
const justAfter = 5 * time.Millisecond

// untilNext is the time to the next reading: at once after the end of a lease that
// another server does not renew.
func (p *pulse) untilNext() time.Duration {
	wait := tenuresEvery
	if v := p.view.Load(); v != nil {
		for _, t := range v.tenures {
			if left := t.Until.Sub(p.now()); t.Node != "" && left > 0 {
				wait = min(wait, left+justAfter)
			}
		}
	}
	return wait
}

// beat says that this server lives and hears who else does.
func (p *pulse) beat(ctx context.Context) {
	once, cancel := context.WithTimeout(ctx, pulseTimeout)
	defer cancel()
	cfg := &p.node.cfg
	began := time.Now()
	peers, now, err := cfg.Exchange.Beat(once, dispatch.Peer{ID: cfg.ID, Name: cfg.Name, Leaving: p.node.leaving.Load()})
	if err != nil {
		p.node.metrics.exchangeNo.WithLabelValues("beat").Inc()
		return
	}
	middle := began.Add(time.Since(began) / 2)
	p.offset = now.Time().Sub(p.base) - middle.Sub(p.base)
	p.hear(peers)
	p.peers = slices.DeleteFunc(slices.Clone(peers), func(peer dispatch.Peer) bool {
		return peer.ID != cfg.ID && now.Sub(peer.Seen) > deadAfter
	})
	p.deal()
}

// hear notes who is on the list.
func (p *pulse) hear(peers []dispatch.Peer) {
	now := time.Now()
	first := len(p.heard) == 0
	for _, peer := range peers {
		p.heard[peer.ID] = now
		if first && peer.ID != p.node.cfg.ID {
			p.before = append(p.before, peer.ID)
		}
	}
	maps.DeleteFunc(p.heard, func(_ dispatch.NodeID, at time.Time) bool { return now.Sub(at) > forgetAfter })
	known := slices.Sorted(maps.Keys(p.heard))
	if !slices.Equal(known, p.known) {
		p.known = known
		close(*p.company.Swap(newSignal()))
	}
}

// newSignal returns a channel that will be closed.
func newSignal() *chan struct{} {
	ch := make(chan struct{})
	return &ch
}

// now is the time by the clock of the exchange.
func (p *pulse) now() dispatch.Instant {
	return dispatch.InstantOf(p.base.Round(0).Add(p.offset + time.Since(p.base)))
}

// deal deals the areas anew when the servers that may have some have changed.
func (p *pulse) deal() {
	names := slices.Sorted(maps.Keys(runs(p.peers)))
	if p.dealt != nil && slices.Equal(names, p.dealtTo) {
		return
	}
	p.dealt, p.dealtTo, p.since = place(p.node.ids, names), names, time.Now()
	p.node.cfg.Log.Info("the areas are dealt anew", "servers", len(names), "areas", len(p.node.ids))
}

// look reads who may write what, and shows everything to the keepers.
func (p *pulse) look(ctx context.Context) {
	once, cancel := context.WithTimeout(ctx, pulseTimeout)
	defer cancel()
	n := p.node
	read, now := time.Now(), p.now()
	tenures, err := n.cfg.Exchange.Tenures(once, n.ids)
	if err != nil || len(tenures) != len(n.ids) {
		n.metrics.exchangeNo.WithLabelValues("tenures").Inc()
		return
	}
	v := &view{read: read, now: now, peers: p.peers, known: p.known, names: p.dealtTo, runs: runs(p.peers), dealt: p.dealt, since: p.since, before: p.before,
		tenures: make(map[geo.AreaID]dispatch.Tenure, len(tenures))}
	for _, t := range tenures {
		v.tenures[t.Area] = t
	}
	old := p.view.Swap(v)
	n.metrics.peers.Set(float64(len(v.peers)))
	n.metrics.areas.Set(float64(n.writing()))
	n.sawPeers(old, v)
	if old != nil && v.read.Sub(old.read) > deadAfter {
		n.refreshAll("box") // others may have taken this server for dead, and told its phones nothing
	}
	for _, k := range n.keepers {
		k.saw(old, v)
	}
}

// sawPeers forgets what was known of servers that are gone.
func (n *Node) sawPeers(old, v *view) {
	p := n.pulse
	if p.sweep++; old != nil && slices.Equal(old.known, v.known) && p.sweep%sweepEvery != 0 {
		return
	}
	alive := make(map[dispatch.NodeID]bool, len(v.known))
	for _, id := range v.known {
		alive[id] = true
	}
	// Letters may come from a server that this one has not heard of yet, or that came and
	// went between two beats: it is given until the next look at everything.
	strangers := map[dispatch.NodeID]bool{}
	for _, a := range n.areas {
		a.presence.strangers(alive, strangers)
	}
	for id := range strangers {
		alive[id] = !p.strangers[id]
	}
	if p.sweep%sweepEvery == 0 {
		p.strangers = strangers
	}
	n.couriers.keepOnly(alive)
	for _, a := range n.areas {
		a.presence.keepOnly(alive)
	}
}
