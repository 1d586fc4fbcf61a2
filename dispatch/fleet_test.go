package dispatch

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/geo"
)

// fleet is several servers on one Redis and the people of several areas, in virtual
// time and in one thread. The engines are the real ones; Redis, the lines and the
// people are models. Everything follows from the seed.
type fleet struct {
	rng     *rand.Rand
	now     int64 // true time in nanoseconds
	events  eventHeap
	counter int
	trouble bool // faults happen
	closing bool // and will not any more

	redis   *modelRedis
	areas   []*fleetArea
	lands   []*geo.Area
	nodes   []*fleetNode
	people  []*phone
	phones  map[Actor]*phone
	metrics *Metrics
	arbiter *arbiter
	broken  error // the first promise that was broken

	wanted, asked int // trips to be asked for, and asked for so far
	checkEvery    int // steps from one look at a whole core to the next
	recordedTrips map[TripID]bool
	askedIn       map[TripID]*fleetArea

	fleetCounts
}

// fleetCounts is what happened, to be told and to be sure that something did.
type fleetCounts struct {
	trips, crashes, pauses, takeovers, handovers, failovers, losses, totals, lostReplies, zombies, orphans, late, doubled int
	mends, reseeds, conflicts, prepared, letters, admitted                                                                int
}

func (c *fleetCounts) add(o fleetCounts) {
	to, from := reflect.ValueOf(c).Elem(), reflect.ValueOf(o)
	for i := range to.NumField() {
		field := to.Field(i)
		reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().SetInt(field.Int() + from.Field(i).Int())
	}
}

// event is something that happens at a moment; those of one moment in the order they were planned.
type event struct {
	at int64
	n  int
	do func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = event{}
	*h = (*h)[:len(*h)-1]
	return last
}

// after plans an event.
func (f *fleet) after(d time.Duration, do func()) {
	f.counter++
	heap.Push(&f.events, event{f.now + int64(max(d, 0)), f.counter, do})
}

// upTo is a random time below d.
func (f *fleet) upTo(d time.Duration) time.Duration { return time.Duration(f.rng.Int64N(int64(d))) }

// between is a random time.
func (f *fleet) between(low, high time.Duration) time.Duration { return low + f.upTo(high-low) }

func (f *fleet) fail(format string, args ...any) {
	if f.broken == nil {
		f.broken = fmt.Errorf("at %v: %w", time.Duration(f.now-int64(morning)*int64(time.Millisecond)), fmt.Errorf(format, args...))
	}
}

// trace tells what happens, when TRACE is set.
func (f *fleet) trace(format string, args ...any) {
	if fleetTrace {
		fmt.Printf("%9.3f "+format+"\n", append([]any{float64(f.now)/1e9 - float64(morning)/1e3}, args...)...)
	}
}

var fleetTrace = os.Getenv("TRACE") != ""

// runTo lets time go.
func (f *fleet) runTo(end int64) {
	for len(f.events) > 0 && f.events[0].at <= end && f.broken == nil {
		next := heap.Pop(&f.events).(event)
		f.now = max(f.now, next.at)
		next.do()
	}
	f.now = max(f.now, end)
}

// task is a thread of a server: it gives way when it sleeps, and ends where it
// stands when its server is killed.
type task struct {
	node   *fleetNode
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	turn   int // counts the sleeps, so that a timer of an earlier one wakes nobody
	asleep bool
	over   bool
}

// killed is what ends a task in the middle.
type killed struct{}

// start begins a task.
func (f *fleet) start(node *fleetNode, body func(t *task)) *task {
	t := &task{node: node}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer func() {
			t.over = true
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
			}
		}()
		body(t)
	})
	node.tasks = append(node.tasks, t)
	f.after(0, func() { f.wake(t, t.turn) })
	return t
}

// wake lets a task go on, unless it has done so meanwhile, or when its server goes on.
func (f *fleet) wake(t *task, turn int) {
	switch {
	case t.over || t.turn != turn:
	case t.node.pausedUntil > f.now:
		f.after(time.Duration(t.node.pausedUntil-f.now), func() { f.wake(t, turn) })
	default:
		t.turn++
		t.next()
	}
}

// sleep gives way for at least d.
func (t *task) sleep(d time.Duration) {
	f := t.node.fleet
	turn := t.turn
	f.after(d, func() { f.wake(t, turn) })
	if !t.yield(struct{}{}) {
		panic(killed{})
	}
}

// poke ends a sleep early.
func (t *task) poke() {
	turn := t.turn
	t.node.fleet.after(0, func() { t.node.fleet.wake(t, turn) })
}

// fleetNode is one server: a process that is killed, stopped and started.
type fleetNode struct {
	fleet       *fleet
	name        string
	run         int
	dead        bool
	pausedUntil int64
	wrong       time.Duration // of its reading of the shared clock
	tasks       []*task
	lives       map[geo.AreaID]*life
	epochs      map[geo.AreaID]epochSeen
}

// epochSeen is the highest epoch of an area that a server has seen, and since when
// Redis does not know it any more; 0: it does.
type epochSeen struct {
	epoch Epoch
	lost  int64
}

func (n *fleetNode) id() NodeID { return NodeID(fmt.Sprintf("%s~%d", n.name, n.run)) }

// clock is the shared clock as this server reads it.
func (n *fleetNode) clock() time.Time { return time.Unix(0, n.fleet.now+int64(n.wrong)).UTC() }

// pause stops a server, as SIGSTOP does.
func (f *fleet) pause(n *fleetNode, d time.Duration) {
	f.pauses++
	f.trace("pause %s for %v", n.id(), d)
	n.pausedUntil = max(n.pausedUntil, f.now+int64(d))
}

// crash kills a server and starts it again after a while.
func (f *fleet) crash(n *fleetNode) {
	f.crashes++
	f.trace("crash %s", n.id())
	n.kill()
	f.after(f.between(200*time.Millisecond, 5*time.Second), func() {
		n.run++
		n.dead, n.pausedUntil = false, 0
		n.wrong = f.upTo(40*time.Millisecond) - 20*time.Millisecond
	})
	for _, p := range f.people {
		if p.node == n {
			p.lost()
		}
	}
}

func (n *fleetNode) kill() {
	n.dead = true
	for _, t := range n.tasks {
		t.stop()
		t.over = true
	}
	n.tasks = nil
	n.lives = map[geo.AreaID]*life{}
}

// fleetArea is an area and the letters in its inbox.
type fleetArea struct {
	*modelArea
	geo     *geo.Area
	corner  geo.Point
	letters []*fleetLetter
}

type fleetLetter struct {
	in      Input
	knows   seen
	settled bool
}

// put leaves a letter in the inbox of an area, whoever writes it.
func (f *fleet) put(a *fleetArea, in Input, knows ...seen) {
	f.letters++
	a.letters = append(a.letters, &fleetLetter{in: in, knows: slices.Concat(knows...)})
	if l := f.writer(a); l != nil && l.task.asleep {
		l.task.poke()
	}
}

// writer returns an engine that thinks it writes an area, the one that is right if there is one.
func (f *fleet) writer(a *fleetArea) *life {
	var found *life
	for _, n := range f.nodes {
		if l := n.lives[a.geo.ID]; l != nil && l.serving {
			if found = l; a.writer == l.ledger.token {
				return l
			}
		}
	}
	return found
}

// life is one engine, from its start to its end.
type life struct {
	fleet   *fleet
	host    *fleetNode
	area    *fleetArea
	engine  *Engine
	ledger  *modelLedger
	task    *task
	serving bool
	began   int64 // when it took the area
	steady  int64 // since when nothing has held it up
	given   map[*fleetLetter]bool
	hellos  map[Actor][]seen // of hellos that wait for the truth, what their senders knew
}

// begin starts an engine on a server. With prepare it reads ahead first, and calls ready.
func (f *fleet) begin(n *fleetNode, a *fleetArea, prepare bool, ready func()) *life {
	l := &life{fleet: f, host: n, area: a, given: map[*fleetLetter]bool{}, hellos: map[Actor][]seen{}}
	f.counter++
	token := fmt.Sprintf("%s/%d", n.id(), f.counter)
	l.ledger = &modelLedger{redis: f.redis, area: a.modelArea, life: l, node: n.id(), token: token}
	var err error
	l.engine, err = NewEngine(EngineConfig{
		Area: a.geo, Neighbours: f.lands, Rules: f.rules(), Router: geo.NewCrow(), Ledger: l.ledger, Mirror: noMirror{}, Teller: l, Postman: l,
		Metrics: f.metrics, Log: slog.New(slog.DiscardHandler),
		Now: n.clock, Sleep: l.sleep, Chance: f.rng.Float64,
		RenewEvery: time.Second, SnapshotEvery: 150, BatchPrefix: token,
	})
	if err != nil {
		panic(err)
	}
	if f.redis.breaks.toldFirst {
		l.engine.mutant = func(name string) bool { return name == "told_first" }
	}
	n.lives[a.geo.ID] = l
	l.task = f.start(n, func(*task) { l.run(prepare, ready) })
	return l
}

func (f *fleet) rules() Rules {
	rules := DefaultRules()
	rules.OfferWait = 10 * time.Second
	rules.Patience = 3 * time.Minute
	rules.PickupGrace = 2 * time.Minute
	rules.RideGrace = 2 * time.Minute
	rules.FreeWait = 20 * time.Second
	rules.LapseRest = 30 * time.Second
	rules.KeepEnded = 25
	rules.KeepCommands = 500
	return rules
}

func fleetMetrics() *Metrics { return NewMetrics(prometheus.NewRegistry()) }

// run is the life of an engine, as [Engine.Run] is but for the waiting.
func (l *life) run(prepare bool, ready func()) {
	e, f, ctx := l.engine, l.fleet, context.Background()
	if prepare {
		if e.Prepare(ctx) == nil {
			f.prepared++
		}
		if ready != nil {
			ready()
		} else if f.rng.IntN(3) == 0 { // it stands by for a while
			l.task.sleep(f.upTo(15 * time.Second))
		}
	}
	f.after(f.between(2*time.Second, 8*time.Second), func() {
		if !l.serving {
			e.Leave("")
		}
	})
	left, err := e.load(ctx)
	if err == nil && !left {
		f.takeovers++
		f.trace("%s writes %s at %d, epoch %d", l.ledger.token, l.area.geo.ID, e.recorded, e.epoch)
		l.serving, l.steady, l.began = true, f.now, f.now
		var next NodeID
		if next, err = l.serve(ctx); err == nil {
			err = e.finish(next)
		}
	}
	l.end(err)
}

// serve is [Engine.serve] without timers.
func (l *life) serve(ctx context.Context) (NodeID, error) {
	e, f := l.engine, l.fleet
	renewAt := f.now + int64(e.cfg.RenewEvery)
	for {
		select {
		case next := <-e.leave:
			return next, nil
		default:
		}
		l.readInbox()
		if wait := min(e.untilDue(), time.Duration(renewAt-f.now)); wait > 0 && e.inbox.depth()+e.inbox.waitingSlots() == 0 {
			due := f.now + int64(wait)
			l.task.asleep = true
			l.task.sleep(wait)
			l.task.asleep = false
			if f.now > due {
				l.steady = f.now
			}
			l.readInbox()
		}
		if f.now >= renewAt {
			if err := e.renew(ctx); err != nil {
				return "", err
			}
			renewAt = f.now + int64(e.cfg.RenewEvery)
		}
		f.arbiter.late(l)
		if err := e.step(ctx); err != nil {
			return "", err
		}
		f.arbiter.stepped(l)
	}
}

// end hands on what an engine leaves behind.
func (l *life) end(err error) {
	f, e := l.fleet, l.engine
	f.trace("%s ends with %s: %v", l.ledger.token, l.area.geo.ID, err)
	l.serving = false
	e.inbox.close()
	if l.host.lives[l.area.geo.ID] == l {
		delete(l.host.lives, l.area.geo.ID)
	}
	switch {
	case errors.Is(err, ErrBehind):
		f.conflicts++
		f.fail("a writer of area %s met a journal that it does not know: %w", l.area.geo.ID, err)
	case errors.Is(err, ErrDamaged):
		f.fail("area %s: %w", l.area.geo.ID, err)
	}
	for _, in := range e.Orphans() {
		f.orphans++
		f.put(l.area, in)
	}
}

// sleep is the engine's, when it waits for Redis.
func (l *life) sleep(_ context.Context, d time.Duration) {
	l.task.sleep(d)
	l.steady = l.fleet.now
}

// readInbox takes the letters that wait.
func (l *life) readInbox() {
	if l.ledger.area.writer != l.ledger.token && len(l.area.letters) > 0 && l.fleet.rng.IntN(3) > 0 {
		return
	}
	a := l.area
	for len(a.letters) > 0 && a.letters[0].settled {
		a.letters = a.letters[1:]
	}
	for _, letter := range a.letters {
		if letter.settled || l.given[letter] {
			continue
		}
		if l.engine.SubmitMail(letter.in, func() {
			letter.settled = true
			delete(l.given, letter)
			if l.fleet.trouble && l.fleet.rng.IntN(50) == 0 { // it could not be discarded
				l.fleet.doubled++
				l.fleet.put(a, letter.in)
			}
		}) != nil {
			return
		}
		l.given[letter] = true
		l.expectTruth(letter.in, letter.knows)
	}
}

// expectTruth notes what the sender of a hello knew.
func (l *life) expectTruth(in Input, knows seen) {
	if hello, ok := in.(Hello); ok {
		l.hellos[hello.By] = append(l.hellos[hello.By], knows)
	}
}

// Tell is the servers' way to the phones.
func (l *life) Tell(notices []Notice) {
	f := l.fleet
	for _, n := range notices {
		f.arbiter.told(l, n)
		p := f.phones[n.To]
		if p == nil || n.Body.Lossy() {
			continue
		}
		if f.trouble && f.rng.IntN(60) == 0 {
			p.lost()
			continue
		}
		at := f.now
		f.after(f.between(5*time.Millisecond, 60*time.Millisecond), func() { p.hear(at, n.Body) })
	}
}

// Post is the way from area to area.
func (l *life) Post(_ geo.AreaID, letters []AreaLetter) {
	f := l.fleet
	for _, letter := range letters {
		for _, a := range f.areas {
			if a.geo.ID != letter.To {
				continue
			}
			copies := 1
			if f.trouble {
				copies = []int{0, 1, 1, 1, 1, 1, 1, 1, 1, 2}[f.rng.IntN(10)]
			}
			for i := range copies {
				wait := f.upTo(100 * time.Millisecond)
				if i > 0 { // the second one is late
					wait = f.upTo(time.Minute)
				}
				f.after(wait, func() {
					body := letter.Body
					if admit, ok := body.(Admit); ok && i > 0 && f.redis.breaks.noTransfer {
						admit.Transfer = TransferID(f.now / int64(time.Millisecond))
						body = admit
					}
					f.put(a, body)
				})
			}
		}
	}
}
