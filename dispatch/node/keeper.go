package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
	"cuntong/geo"
)

// Patience of a keeper.
const (
	// leftAfter is how long an area may be free before anybody takes it, dealt to him or not.
	leftAfter = time.Second
	// giveBackFor is how long an area whose epoch Redis has lost is left to its writer: he
	// renews every half second, and a Redis that has just come back is slow.
	giveBackFor = 4 * time.Second
	// nobodyAfter is how long an area may be without a writer before what comes here for it is refused.
	nobodyAfter = 5 * time.Second
	// loadingLook and loadingSlow are how often a keeper looks whether its engine is ready.
	loadingLook = 2 * time.Millisecond
	loadingSlow = 100 * time.Millisecond
	slowAfter   = 2 * time.Second
	// catchUpFor bounds how long the letters of before hold up those who come now.
	catchUpFor = time.Second
	// almostOver is how little of a lease is left only when its writer is silent.
	almostOver = 700 * time.Millisecond
	// loadFor bounds loading an area ahead of taking it.
	loadFor = 2 * time.Minute
	// firstBackoff and lastBackoff are how long an area is left alone whose engine has ended with an error.
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 30 * time.Second
	// soundAfter is how long a writer must have served for its end to begin the waits anew.
	soundAfter    = 30 * time.Second
	tenureTimeout = 2 * time.Second
)

// maxOrders bounds the words of other servers that wait for a keeper; more are dropped,
// and those who wait for an answer go on without.
const maxOrders = 8

// keeper follows the writer of one area, or is one.
type keeper struct {
	// Static after construction.
	node   *Node
	served *geo.Area
	area   *Area
	poke   chan struct{} // holds a token when there is a new view
	orders chan parcel

	writes atomic.Bool           // this server writes the area, or is about to
	failed atomic.Pointer[error] // why the last life ended; nil: in order
	lived  atomic.Int64          // when the area was last seen to have a writer, as freeSince

	freeSince atomic.Int64 // when nobody was seen to hold the lease first, in ns since the pulse began; 0: somebody does

	top       atomic.Uint64 // the highest epoch seen
	lostSince atomic.Int64  // when a lower one was seen first, as freeSince; 0: it was not

	// Owned by run.
	readers   sync.WaitGroup
	prepared  *life // loaded, and waiting for the area to be given up
	preparing time.Time
	handedAt  dispatch.Instant // when the old writer stopped; 0: not handed over
	rest      time.Time        // the area is left alone until then
	endedAt   time.Time        // of the last life; what was read before it counts for nothing
	asked     *parcel          // a word that came too early
	backoff   time.Duration
	handRest  time.Time // no hand-over is begun until then
}

func newKeeper(n *Node, served *geo.Area, a *Area) *keeper {
	return &keeper{node: n, served: served, area: a, poke: make(chan struct{}, 1), orders: make(chan parcel, maxOrders), backoff: firstBackoff}
}

// order passes a word of another server on. It does not block.
func (k *keeper) order(p parcel) {
	select {
	case k.orders <- p:
	default:
		k.node.metrics.parcels.WithLabelValues("full").Inc()
	}
}

// saw is called by the pulse with each new view.
func (k *keeper) saw(old, v *view) {
	t, held := v.held(k.area.id)
	seen := int64(v.read.Sub(k.node.pulse.base)) + 1
	k.compare(t.Epoch, seen)
	if held {
		k.freeSince.Store(0)
	} else {
		k.freeSince.CompareAndSwap(0, seen)
	}
	if k.area.local.Load() != nil || held && nameOf(t.Node) != k.node.cfg.Name {
		k.lived.Store(seen)
	}
	k.area.nobody.Store(!held && k.free(v) > nobodyAfter && !k.writes.Load())
	if old != nil && old.tenures[k.area.id].Epoch != t.Epoch && t.Node != k.node.cfg.ID && held {
		k.area.followed(t.Epoch)
		k.node.refresh(k.area.id, "writer")
	}
	k.wake()
}

// compare looks whether Redis has lost the epoch of an area, and with it perhaps the
// journal: its writer, who lives as far as is known, then has giveBackFor to bring
// back what he knows. Who took the area before that would make the loss last.
func (k *keeper) compare(epoch dispatch.Epoch, seen int64) {
	since := k.lostSince.Load()
	switch {
	case uint64(epoch) < k.top.Load() && since == 0:
		k.lostSince.Store(seen)
	case uint64(epoch) < k.top.Load() && time.Duration(seen-since) < giveBackFor:
	default:
		k.top.Store(uint64(epoch))
		k.lostSince.Store(0)
	}
}

func (k *keeper) wake() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// free is how long this server has seen nobody hold the lease.
func (k *keeper) free(v *view) time.Duration {
	since := k.freeSince.Load()
	if since == 0 {
		return 0
	}
	return v.read.Sub(k.node.pulse.base) - time.Duration(since)
}

// followed notes that another writer has the area. An epoch below the one known means
// that Redis has lost the higher one; what counts is what it says now.
func (a *Area) followed(epoch dispatch.Epoch) {
	a.telling.mu.Lock()
	defer a.telling.mu.Unlock()
	a.telling.epoch = min(a.telling.epoch, epoch)
}

// run follows and writes until ctx ends.
func (k *keeper) run(ctx context.Context) {
	defer k.readers.Wait()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-k.poke:
		case p := <-k.orders:
			k.follow(ctx, p)
		}
		if p := k.asked; p != nil {
			k.asked = nil
			k.follow(ctx, *p)
		}
		if why := k.due(); why != "" {
			k.write(ctx, why)
		} else if k.node.pulse.view.Load() != nil {
			k.lookAhead(ctx)
		}
	}
}

// due says why the area is to be taken now; empty: it is not.
func (k *keeper) due() string {
	v := k.node.pulse.view.Load()
	if v == nil || k.node.leaving.Load() || time.Now().Before(k.rest) || uint64(v.tenures[k.area.id].Epoch) < k.top.Load() {
		return ""
	}
	if k.prepared != nil && time.Since(k.preparing) > preparedFor {
		k.prepared = nil
	}
	if k.handedAt != 0 && k.prepared != nil {
		return takenHanded
	}
	if !v.read.After(k.endedAt) {
		return ""
	}
	self, mine := k.node.cfg.ID, v.owner(k.area.id) == k.node.cfg.ID
	t, held := v.held(k.area.id)
	switch {
	case held && t.Node == self:
		return takenFree
	case held:
		if mine && nameOf(t.Node) == k.node.cfg.Name && v.overtaken(t.Node) {
			return takenRestarted
		}
		return ""
	case t.Next == self:
		return takenHanded
	case t.Next != "" && !k.left(v):
		return ""
	case t.Node == "" && mine:
		return takenFree
	case k.heir(v, t):
		return takenExpired
	case mine:
		return takenFree
	case k.left(v):
		return takenLeft
	}
	return ""
}

// heir says whether the area is this server's when its writer is no more.
func (k *keeper) heir(v *view, t dispatch.Tenure) bool {
	return t.Node != "" && t.Node != k.node.cfg.ID && (v.owner(k.area.id) == k.node.cfg.ID || k.standsIn(v, t))
}

// lookAhead loads an area ahead whose writer has not renewed his lease when he should
// have, so that taking it costs only what is new.
func (k *keeper) lookAhead(ctx context.Context) {
	v := k.node.pulse.view.Load()
	t, held := v.held(k.area.id)
	if k.prepared != nil || k.node.leaving.Load() || time.Now().Before(k.rest) || !held || t.Until.Sub(v.now) > almostOver || !k.heir(v, t) {
		return
	}
	l, err := k.ahead(ctx, answerIn)
	if err != nil {
		k.node.cfg.Log.Warn("an area whose writer is silent could not be loaded ahead", "area", k.area.id, "err", err)
		k.rest = time.Now().Add(firstBackoff)
		return
	}
	k.prepared, k.preparing, k.handedAt = l, time.Now(), 0
}

// standsIn says whether the area is to be taken in place of its writer, who seems to
// live, to whom it is dealt, and who does not renew his lease.
func (k *keeper) standsIn(v *view, t dispatch.Tenure) bool {
	next := nextOf(k.area.id, v.names, nameOf(t.Node))
	return v.owner(k.area.id) == t.Node && next != "" && v.runs[next] == k.node.cfg.ID
}

// left says whether the area has been free for so long that anybody may take it. Who
// comes first is left to chance, so that one server does not take all.
func (k *keeper) left(v *view) bool {
	return k.free(v) > leftAfter+rand.N(leftAfter)
}

// write takes the area and serves it until it is given up, lost, or ctx ends.
func (k *keeper) write(ctx context.Context, why string) {
	l, handed := k.prepared, k.handedAt
	k.prepared, k.handedAt = nil, 0
	k.writes.Store(true)
	defer k.writes.Store(false)
	if l == nil {
		var err error
		if l, err = k.ahead(ctx, loadFor); err != nil {
			if ctx.Err() == nil {
				k.ended(nil, err)
			}
			return
		}
	}
	fault.Point("take.before")
	k.area.queue.stop()
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.run(running) }()
	loaded, err := k.load(l, done, stop)
	if loaded {
		fault.Point("take.after")
		k.node.metrics.takeovers.WithLabelValues(why).Inc()
		if handed != 0 {
			k.node.metrics.handover.Observe(dispatch.InstantOf(k.node.cfg.Now()).Sub(handed).Seconds())
		}
		k.node.cfg.Log.Info("this server writes the area", "area", k.area.id, "epoch", l.epoch(), "why", why)
		err = k.serve(ctx, l, done)
	}
	stop()
	k.area.queue.stop()
	k.area.local.Store(nil)
	k.ended(l, err)
}

// ahead makes an engine and loads the journal without the lease, so that little is left
// to be read once the lease runs.
func (k *keeper) ahead(ctx context.Context, bound time.Duration) (*life, error) {
	l, err := k.newLife()
	if err != nil {
		return nil, err
	}
	once, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	return l, l.engine.Prepare(once)
}

// load waits until the engine serves, or has ended. It ends it when another server
// has the area.
func (k *keeper) load(l *life, done <-chan error, stop context.CancelFunc) (loaded bool, err error) {
	look := time.NewTicker(loadingLook)
	defer look.Stop()
	for begin := time.Now(); ; {
		select {
		case err := <-done:
			return false, err
		case <-look.C:
			if time.Since(begin) > slowAfter {
				look.Reset(loadingSlow)
			}
		case <-k.poke:
			v := k.node.pulse.view.Load()
			t, held := v.held(k.area.id)
			if held && nameOf(t.Node) != k.node.cfg.Name && v.read.After(begin) && l.epoch() == 0 {
				stop() // somebody was quicker
			}
		case p := <-k.orders:
			if p.kind == parcelPrepare && l.epoch() == 0 {
				k.asked = &p // its writer lives
				stop()
			}
		}
		if l.engine.Ready() == nil {
			return true, nil
		}
	}
}

// serve lets the engine take commands, reads the inbox for it, and hands the area over
// when it is to be elsewhere. It returns how the engine ended.
func (k *keeper) serve(ctx context.Context, l *life, done <-chan error) error {
	living, stopDiscarding := context.WithCancel(ctx)
	defer stopDiscarding()
	reading, stopReading := context.WithCancel(living)
	r := newReader(l)
	k.readers.Go(func() { r.run(reading, living) })
	began := time.Now()
	move := move{keeper: k, life: l, stopReading: stopReading}
	opened := k.open(l, r)
	k.node.refresh(k.area.id, "writer")
	for {
		select {
		case err := <-done:
			if time.Since(began) > soundAfter {
				k.backoff = firstBackoff
			}
			move.ended(err)
			return err
		case <-k.poke:
			opened = opened || k.area.queue.open(l)
			move.look()
		case <-move.patience():
			move.unanswered()
		case p := <-k.orders:
			if p.kind == parcelPrepared {
				move.prepared(p.from)
			}
		}
	}
}

// open makes the engine the one that takes commands here, after the letters of before.
// It returns false when it does not take them; then it is tried again.
func (k *keeper) open(l *life, r *reader) bool {
	bound := time.NewTimer(catchUpFor)
	defer bound.Stop()
	select {
	case <-r.caught:
	case <-bound.C:
	}
	k.area.nobody.Store(false)
	k.failed.Store(nil)
	look := time.NewTicker(loadingLook)
	defer look.Stop()
	for l.engine.Ready() == nil {
		if k.area.queue.open(l) {
			return true
		}
		<-look.C
	}
	return false
}

// ended notes how a life ended, and sends on what it left undone.
func (k *keeper) ended(l *life, err error) {
	k.endedAt = time.Now()
	var orphans []dispatch.Input
	if l != nil && !errors.Is(err, errPanic) {
		orphans = l.engine.Orphans()
	}
	k.area.queue.resume(orphans)
	fault.Point("orphans.returned")
	k.area.presence.clear()
	reason := reasonOf(err)
	k.node.metrics.ends.WithLabelValues(reason).Inc()
	if err == nil {
		k.node.cfg.Log.Info("this server does not write the area any more", "area", k.area.id)
		return
	}
	k.failed.Store(&err)
	k.rest = time.Now().Add(k.backoff/2 + rand.N(k.backoff/2))
	k.node.cfg.Log.Error("writing the area has ended", "area", k.area.id, "reason", reason, "orphans", len(orphans), "again_after", time.Until(k.rest).Round(time.Millisecond).String(), "err", err)
	k.backoff = min(2*k.backoff, lastBackoff)
	if reason == "fenced" {
		k.lookForNamesake()
	}
}

// reasonOf is the metric label of an end.
func reasonOf(err error) string {
	switch {
	case err == nil:
		return "planned"
	case errors.Is(err, dispatch.ErrFenced):
		return "fenced"
	case errors.Is(err, dispatch.ErrBehind):
		return "behind"
	case errors.Is(err, dispatch.ErrDamaged):
		return "damaged"
	case errors.Is(err, errPanic):
		return "panic"
	}
	return "other"
}

// lookForNamesake ends this run when the area was taken by another process of our name:
// of two, the newer is meant, and they would take the areas from each other for ever.
func (k *keeper) lookForNamesake() {
	ctx, cancel := context.WithTimeout(context.Background(), tenureTimeout)
	defer cancel()
	tenures, err := k.node.cfg.Exchange.Tenures(ctx, []geo.AreaID{k.area.id})
	if err != nil || len(tenures) != 1 || k.node.leaving.Load() {
		return
	}
	if by := tenures[0].Node; by != k.node.cfg.ID && nameOf(by) == k.node.cfg.Name {
		k.node.fail(fmt.Errorf("another process of the name %s runs, %s, and has taken area %s from this one: %w", k.node.cfg.Name, by, k.area.id, dispatch.ErrFenced))
	}
}

// betweenWriters is how long an area may change hands before anybody is troubled by it.
const betweenWriters = time.Second

// ready says why the area has no writer who takes commands; nil: it has one.
func (k *keeper) ready(a *Area, v *view) error {
	if l := a.local.Load(); l != nil {
		return l.engine.Ready()
	}
	if t, held := v.held(a.id); held && t.Node != k.node.cfg.ID {
		if nameOf(t.Node) == k.node.cfg.Name {
			return errors.New("it is still held by the run before this one, which is no more")
		}
		return nil
	}
	if err := k.failed.Load(); err != nil {
		return *err
	}
	if lived := k.lived.Load(); lived != 0 && time.Since(k.node.pulse.base)-time.Duration(lived) < betweenWriters {
		return nil
	}
	if k.writes.Load() {
		return errors.New("it is being loaded")
	}
	return errors.New("it has no writer")
}
