package outside

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"cuntong/geo"
)

// Router is a [geo.Roads] whose answers are the built-in ones as corrected by a
// server. See the package's comment for what that means; above all, no call waits
// for the server. Make one with New; after Close it goes on answering with what it
// has.
type Router struct {
	// Static after construction.
	cfg      Config
	speaks   protocol
	client   *http.Client
	breaker  *gobreaker.CircuitBreaker[[]reply]
	fallback geo.Router
	stop     context.CancelFunc
	workers  sync.WaitGroup

	cache *cache
	queue chan question

	// changed says that changes to the roads are in force. Only Set writes it, and
	// nobody else uses the Router at that moment.
	changed bool
}

var _ geo.Roads = (*Router)(nil)

// New starts a Router. It does not ask the server whether it is there: one that is
// down now may be up later. The caller must Close it.
func New(cfg Config) (*Router, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Router{
		cfg:      cfg,
		speaks:   protocols[cfg.Kind],
		client:   newClient(cfg),
		fallback: cfg.Fallback,
		stop:     stop,
		cache:    newCache(cfg.CacheSize, cfg.Keep),
		queue:    make(chan question, cfg.Queue),
	}
	r.breaker = gobreaker.NewCircuitBreaker[[]reply](gobreaker.Settings{
		Name:          string(cfg.Kind),
		Timeout:       cfg.Rest,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= FailuresToRest },
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: r.breakerMoved,
	})
	for range cfg.Workers {
		r.workers.Go(func() { r.work(ctx) })
	}
	return r, nil
}

// Close stops asking the server and waits until nobody does.
func (r *Router) Close() {
	r.stop()
	r.workers.Wait()
	r.client.CloseIdleConnections()
}

func (r *Router) breakerMoved(_ string, _, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		r.cfg.Count(Opened)
	case gobreaker.StateClosed:
		r.cfg.Count(Closed)
	}
}

// Locate is the built-in Router's.
func (r *Router) Locate(p geo.Point, heading float64) geo.Spot { return r.fallback.Locate(p, heading) }

// Line is the built-in Router's: the way the server would take is not known.
func (r *Router) Line(from, to geo.Spot, by geo.Drive) []geo.Point {
	return r.fallback.Line(from, to, by)
}

// Floor is the built-in Router's; no corrected drive is quicker.
func (r *Router) Floor(straight geo.Meters) time.Duration { return r.fallback.Floor(straight) }

// Travel is the built-in Router's answer, corrected if the server has been heard on
// such a drive. It does not wait.
func (r *Router) Travel(from, to geo.Spot, by geo.Drive) (geo.Leg, bool) {
	leg, ok := r.fallback.Travel(from, to, by)
	if !ok {
		return leg, false
	}
	return r.corrected(leg, from, to, by), true
}

// NewFinder is the built-in Router's, corrected in the same way.
func (r *Router) NewFinder(class geo.VehicleClass) geo.Finder {
	return &finder{router: r, builtIn: r.fallback.NewFinder(class), class: class}
}

type finder struct {
	router  *Router
	builtIn geo.Finder
	class   geo.VehicleClass
	to      geo.Spot
}

func (f *finder) Aim(to geo.Spot) {
	f.to = to
	f.builtIn.Aim(to)
}

func (f *finder) From(from geo.Spot, leaves time.Time) (geo.Leg, bool) {
	leg, ok := f.builtIn.From(from, leaves)
	if !ok {
		return leg, false
	}
	return f.router.corrected(leg, from, f.to, geo.Drive{Class: f.class, Leaves: leaves}), true
}

// corrected applies what is known to a built-in answer, and asks for what is not.
func (r *Router) corrected(leg geo.Leg, from, to geo.Spot, by geo.Drive) geo.Leg {
	if leg.Duration < shortDrive {
		return leg
	}
	if r.changed {
		r.cfg.Count(Unused)
		return leg
	}
	k := key{from: cellOf(from.Point), to: cellOf(to.Point), class: r.speaks.classFor(by.Class)}
	c, ok, wanted := r.cache.find(k, time.Now())
	if wanted {
		r.ask(k, leg, from, to, by)
	}
	if !ok {
		r.cfg.Count(Miss)
		return leg
	}
	r.cfg.Count(Hit)
	better := c.apply(leg)
	better.Duration = max(better.Duration, r.Floor(geo.Distance(from.Point, to.Point)))
	return better
}

// ask queues a question to the server, or drops it.
func (r *Router) ask(k key, leg geo.Leg, from, to geo.Spot, by geo.Drive) {
	if k.class != by.Class { // compare like with like
		by.Class = k.class
		var ok bool
		if leg, ok = r.fallback.Travel(from, to, by); !ok {
			return
		}
	}
	if !r.cache.ask(k) {
		return
	}
	select {
	case r.queue <- question{key: k, from: from.Point, to: to.Point, builtIn: leg}:
	default:
		r.cache.forget(k)
		r.cfg.Count(Dropped)
	}
}

// Set sets the changes of the built-in roads; on a Router without any they only
// silence the server. While one is in force nothing is corrected.
func (r *Router) Set(changes []geo.RoadChange, now time.Time) (next time.Time) {
	r.changed = false
	for _, c := range changes {
		r.changed = r.changed || c.InForce(now)
		next = earlier(next, nextTurn(c, now))
	}
	if roads, ok := r.fallback.(geo.Roads); ok {
		next = earlier(next, roads.Set(changes, now))
	}
	return next
}

// nextTurn is when a change begins or ends next by itself; zero: never.
func nextTurn(c geo.RoadChange, now time.Time) (next time.Time) {
	for _, ms := range []int64{c.From, c.Until} {
		if ms > now.UnixMilli() {
			next = earlier(next, time.UnixMilli(ms))
		}
	}
	if c.Daily != nil && (c.Until == 0 || now.UnixMilli() < c.Until) {
		next = earlier(next, c.Daily.Next(now))
	}
	return next
}

// earlier is the first of two moments, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// Extent is the built-in roads'; on a Router without any no change concerns a road.
func (r *Router) Extent(change geo.RoadChange) geo.RoadExtent {
	if roads, ok := r.fallback.(geo.Roads); ok {
		return roads.Extent(change)
	}
	return geo.RoadExtent{}
}
