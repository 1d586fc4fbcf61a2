package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/dispatch"
	"cuntong/geo"
)

// Hub is what a node wants of the connections here. Its methods are called from many
// goroutines and must not block.
type Hub interface {
	// Teller passes the notices of one area on to its parties here.
	Teller(geo.AreaID) dispatch.Teller
	// Refresh has the present truth asked for anew by each connection of an area.
	Refresh(geo.AreaID)
	// Doubt has no party of an area here asked for a trip before it has been told the
	// truth: what it was told until now may lack something.
	Doubt(geo.AreaID)
}

// Config is what a node is made of.
type Config struct {
	// ID is this run of this server, Name its name among the others.
	ID   dispatch.NodeID
	Name string
	// Areas are all that may be written here. Every server must have the same.
	Areas []*geo.Area
	// Exchange is how the servers reach each other.
	Exchange dispatch.Exchange
	// Engine returns what the engine of an area is made of, for one life as its writer:
	// the ledger must be a new one each time. The node sets Teller and Postman. It is
	// called from many goroutines, for one area at a time.
	Engine func(*geo.Area) (dispatch.EngineConfig, error)
	// Hub is who is connected here.
	Hub Hub
	// Dark, when set, is given what the writers here tell parties who are connected nowhere,
	// as far as is known: for a moment after an area was taken over, somebody who is connected
	// to another server may count as such. It is called from many goroutines and must not block.
	Dark func(geo.AreaID, []dispatch.Notice)
	// Now is the clock that all servers share.
	Now func() time.Time
	// Log takes what an operator wants to read.
	Log *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
}

// Node is one server among several. Make it with [New]; [Node.Run] runs it.
type Node struct {
	// Static after construction.
	cfg     Config
	ids     []geo.AreaID
	areas   map[geo.AreaID]*Area
	keepers map[geo.AreaID]*keeper
	metrics *metrics
	pulse   *pulse
	post    *post
	moves   chan struct{} // holds a token for each hand-over under way
	fatal   chan error    // holds why this run must end

	leaving atomic.Bool
	couriers
}

// maxMoves bounds the hand-overs under way at a time: each costs both servers a loading.
const maxMoves = 4

// New returns a node that is not running.
func New(cfg Config) (*Node, error) {
	if cfg.ID == "" || cfg.Name == "" || cfg.Exchange == nil || cfg.Engine == nil || cfg.Hub == nil || cfg.Now == nil {
		return nil, errors.New("node: id, name, exchange, engine, hub and clock must be set")
	}
	n := &Node{
		cfg:     cfg,
		areas:   map[geo.AreaID]*Area{},
		keepers: map[geo.AreaID]*keeper{},
		metrics: newMetrics(cfg.Registerer),
		moves:   make(chan struct{}, maxMoves),
		fatal:   make(chan error, 1),
	}
	n.couriers.node = n
	n.pulse = newPulse(n)
	n.post = &post{node: n}
	for _, area := range cfg.Areas {
		a := newArea(n, area.ID)
		n.ids = append(n.ids, area.ID)
		n.areas[area.ID] = a
		n.keepers[area.ID] = newKeeper(n, area, a)
	}
	return n, nil
}

// Area returns where the inputs of an area go, whoever writes it; false when the area
// is not served.
func (n *Node) Area(id geo.AreaID) (*Area, bool) {
	a, ok := n.areas[id]
	return a, ok
}

// byeTimeout bounds taking this server off the list.
const byeTimeout = time.Second

// Run serves until ctx ends, then ends every area written here in order and takes this
// server off the list. It returns an error only when another process of the same name
// has taken over.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	carrying, stopCarrying := context.WithCancel(context.WithoutCancel(ctx))
	var writing, moving sync.WaitGroup
	for _, k := range n.keepers {
		writing.Go(func() { k.run(ctx) })
	}
	for _, a := range n.areas {
		moving.Go(func() { a.queue.run(carrying) })
	}
	moving.Go(func() { n.post.run(carrying) })
	moving.Go(func() { n.pulse.run(carrying) })
	n.couriers.start(carrying)
	var err error
	select {
	case <-ctx.Done():
	case err = <-n.fatal:
		cancel()
	}
	writing.Wait()
	n.couriers.flush(byeTimeout)
	stopCarrying()
	moving.Wait()
	n.couriers.wait()
	bye, done := context.WithTimeout(context.WithoutCancel(ctx), byeTimeout)
	defer done()
	if byeErr := n.cfg.Exchange.Bye(bye, n.cfg.ID); byeErr != nil {
		n.cfg.Log.Warn("this server could not be taken off the list; it vanishes by itself", "err", byeErr)
	}
	return err
}

// fail ends the run.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default: // it ends already
	}
}

// lookEvery is how often a hand-over of everything is looked at.
const lookEvery = 20 * time.Millisecond

// HandOver begins a planned stop: this server takes no area any more, and gives those it
// writes to the others. It returns nil when it writes none, or at once when nobody is
// there to take them, and the error of ctx when that ends first. What comes here
// meanwhile, and afterwards until Run ends, is sent on, and notices arrive.
func (n *Node) HandOver(ctx context.Context) error {
	n.leaving.Store(true)
	n.pulse.hurry()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		v := n.pulse.view.Load()
		if n.writing() == 0 || v == nil || time.Since(v.read) > staleAfter || !v.others(n.cfg.ID) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d areas are still written here: %w", n.writing(), ctx.Err())
		case <-look.C:
		}
	}
}

// writing counts the areas written here, or on the way to be.
func (n *Node) writing() int {
	count := 0
	for _, k := range n.keepers {
		if k.writes.Load() {
			count++
		}
	}
	return count
}

// Ready returns nil while the servers hear each other and every area has a writer that
// lives, here or elsewhere; otherwise what is missing.
func (n *Node) Ready() error {
	v := n.pulse.view.Load()
	if v == nil || time.Since(v.read) > staleAfter {
		if errs := n.notReadyHere(); errs != nil {
			return errs
		}
		return errors.New("the store does not answer: which servers live is not known")
	}
	var errs []error
	for id, a := range n.areas {
		if err := n.keepers[id].ready(a, v); err != nil {
			errs = append(errs, fmt.Errorf("area %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// notReadyHere says which of the areas written here cannot record.
func (n *Node) notReadyHere() error {
	var errs []error
	for id, a := range n.areas {
		if l := a.local.Load(); l != nil {
			if err := l.engine.Ready(); err != nil {
				errs = append(errs, fmt.Errorf("area %s: %w", id, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Writes says whether this server writes an area now and takes commands for it.
func (n *Node) Writes(id geo.AreaID) bool {
	a, ok := n.areas[id]
	return ok && a.local.Load() != nil
}
