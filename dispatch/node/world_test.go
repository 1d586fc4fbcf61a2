package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/bubble"
	"cuntong/dispatch"
	"cuntong/geo"
)

// world is a Redis in memory and the servers on it. Its tests run in virtual time.
type world struct {
	t     *testing.T
	areas []*geo.Area

	mu      sync.Mutex // guards the following fields
	peers   map[dispatch.NodeID]dispatch.Peer
	boxes   map[string][]dispatch.Letter
	letters int
	records map[geo.AreaID]*record
	// down is what fails, by server; "" for all.
	down map[dispatch.NodeID]bool
	// trouble is asked before every call of the exchange.
	trouble func(call string) error
	servers []*server
	stolen  *server // whose parcels vanish
}

// record is the journal and lease of an area.
type record struct {
	facts    []dispatch.Fact
	batch    dispatch.BatchID
	epoch    dispatch.Epoch
	node     dispatch.NodeID
	until    time.Time
	next     dispatch.NodeID
	reserved time.Time
	damaged  bool
}

const leaseFor = 2 * time.Second

var errDown = errors.New("redis is away")

// inWorld runs a test in virtual time.
func inWorld(t *testing.T, areas int, test func(*world)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		w := &world{t: t, peers: map[dispatch.NodeID]dispatch.Peer{}, boxes: map[string][]dispatch.Letter{},
			records: map[geo.AreaID]*record{}, down: map[dispatch.NodeID]bool{}, trouble: func(string) error { return nil }}
		for i := range areas {
			area := &geo.Area{ID: geo.AreaID(fmt.Sprintf("county-%d", i))}
			w.areas = append(w.areas, area)
			w.records[area.ID] = &record{}
		}
		defer func() {
			for _, s := range w.servers {
				s.stop()
			}
		}()
		test(w)
	})
}

// fail lets every call of a kind fail; "" ends it.
func (w *world) fail(call string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = func(c string) error {
		if c == call {
			return err
		}
		return nil
	}
}

// cut cuts a server, or with "" all, off from Redis.
func (w *world) cut(id dispatch.NodeID, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[id] = yes
}

// steal takes every parcel to a server away; nil ends it.
func (w *world) steal(from *server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stolen = from
}

// server is one node, its hub, and the world as it reaches it.
type server struct {
	w      *world
	id     dispatch.NodeID
	node   *Node
	hub    *fakeHub
	cancel context.CancelFunc
	ended  chan error
	err    error
	reg    *prometheus.Registry
}

// start starts a server of a name and a run.
func (w *world) start(name, run string) *server {
	w.t.Helper()
	s := &server{w: w, id: dispatch.NodeID(name + "~" + run), ended: make(chan error, 1), reg: prometheus.NewRegistry()}
	s.hub = newFakeHub(s)
	metrics := dispatch.NewMetrics(prometheus.NewRegistry())
	log := slog.New(slog.DiscardHandler)
	var err error
	s.node, err = New(Config{
		ID: s.id, Name: name, Areas: w.areas, Exchange: &exchange{w, s.id}, Hub: s.hub, Now: time.Now, Log: log, Registerer: s.reg,
		Engine: func(area *geo.Area) (dispatch.EngineConfig, error) {
			l := &ledger{w: w, node: s.id, area: area.ID}
			return dispatch.EngineConfig{Area: area, Rules: dispatch.DefaultRules(), Router: geo.NewCrow(), Ledger: l, Mirror: noMirror{}, Metrics: metrics, Log: log, Now: time.Now}, nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.ended <- s.node.Run(ctx) }()
	w.servers = append(w.servers, s)
	return s
}

// stop ends a server as on a planned stop, without handing over.
func (s *server) stop() {
	s.cancel()
	if s.ended != nil {
		s.err = <-s.ended
		s.ended = nil
	}
}

// die cuts a server off from everything, as kill -9 does, but for what its phones hear.
func (s *server) die() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.down[s.id] = true
}

func (s *server) back() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	delete(s.w.down, s.id)
}

func (s *server) area(id geo.AreaID) *Area {
	a, ok := s.node.Area(id)
	if !ok {
		s.w.t.Fatalf("area %s is not served", id)
	}
	return a
}

// written returns which areas a server writes.
func (s *server) written() []geo.AreaID {
	var ids []geo.AreaID
	for _, a := range s.w.areas {
		if s.node.Writes(a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// count reads a metric of the server.
func (s *server) count(c prometheus.Collector) int { return int(testutil.ToFloat64(c)) }

// until lets virtual time pass until a condition holds.
func (w *world) until(what string, ok func() bool) time.Duration {
	w.t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > time.Minute {
			w.t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
	return time.Since(begin)
}

// pass lets virtual time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// spread waits until all areas are written, as evenly as can be.
func (w *world) spread(servers ...*server) {
	w.t.Helper()
	w.until("the areas are spread", func() bool {
		total := 0
		for _, s := range servers {
			n := len(s.written())
			if n > (len(w.areas)+len(servers)-1)/len(servers) {
				return false
			}
			total += n
		}
		return total == len(w.areas)
	})
}

// fakeHub holds what its parties have heard.
type fakeHub struct {
	server *server

	mu        sync.Mutex // guards the following fields
	heard     map[dispatch.Actor][]dispatch.NoticeBody
	here      map[geo.AreaID][]dispatch.Actor
	doubted   map[dispatch.Actor]bool // have had no truth since the last Doubt
	refreshed int
	deaf      bool // does not do what Refresh asks for
}

func newFakeHub(s *server) *fakeHub {
	return &fakeHub{server: s, heard: map[dispatch.Actor][]dispatch.NoticeBody{}, here: map[geo.AreaID][]dispatch.Actor{}, doubted: map[dispatch.Actor]bool{}}
}

func (h *fakeHub) Teller(area geo.AreaID) dispatch.Teller { return hubTeller{h, area} }

type hubTeller struct {
	hub  *fakeHub
	area geo.AreaID
}

func (t hubTeller) Tell(notices []dispatch.Notice) {
	for _, n := range notices {
		if !t.hub.tell(t.area, n) {
			_ = t.hub.server.area(t.area).Submit(dispatch.Hello{By: n.To})
		}
	}
}

// tell returns false when who is to be asked for a trip must be told the truth first.
func (h *fakeHub) tell(area geo.AreaID, n dispatch.Notice) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.here[area], n.To) {
		return true
	}
	switch n.Body.(type) {
	case dispatch.Truth:
		delete(h.doubted, n.To)
	case dispatch.OfferTold:
		if h.doubted[n.To] {
			return false
		}
	}
	h.heard[n.To] = append(h.heard[n.To], n.Body)
	return true
}

func (h *fakeHub) Doubt(area geo.AreaID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, who := range h.here[area] {
		h.doubted[who] = true
	}
}

func (h *fakeHub) Refresh(area geo.AreaID) {
	h.mu.Lock()
	h.refreshed++
	parties := slices.Clone(h.here[area])
	if h.deaf {
		parties = nil
	}
	h.mu.Unlock()
	for _, p := range parties {
		_ = h.server.area(area).Submit(dispatch.Hello{By: p})
	}
}

// phone is a party at a server.
type phone struct {
	s    *server
	area *Area
	who  dispatch.Actor
}

// connect has a party say hello at a server.
func (s *server) connect(area geo.AreaID, role dispatch.Role, id string) phone {
	p := phone{s: s, area: s.area(area), who: dispatch.Actor{Role: role, ID: id}}
	s.hub.mu.Lock()
	s.hub.here[area] = append(s.hub.here[area], p.who)
	s.hub.mu.Unlock()
	_ = p.area.Submit(dispatch.Hello{By: p.who})
	return p
}

func (p phone) disconnect() {
	h := p.s.hub
	h.mu.Lock()
	h.here[p.area.id] = slices.DeleteFunc(h.here[p.area.id], func(a dispatch.Actor) bool { return a == p.who })
	h.mu.Unlock()
	p.area.Gone(p.who)
}

// all returns what a party has heard.
func (p phone) all() []dispatch.NoticeBody {
	p.s.hub.mu.Lock()
	defer p.s.hub.mu.Unlock()
	return slices.Clone(p.s.hub.heard[p.who])
}

// hears waits for a notice, and returns it.
func hears[T dispatch.NoticeBody](p phone, what string, ok func(T) bool) T {
	p.s.w.t.Helper()
	var found T
	defer func() {
		if p.s.w.t.Failed() {
			for _, body := range p.all() {
				p.s.w.t.Logf("%s heard %.200s", p.who, fmt.Sprintf("%T %+v", body, body))
			}
		}
	}()
	p.s.w.until(fmt.Sprintf("%s hears %s", p.who, what), func() bool {
		for _, body := range p.all() {
			if n, is := body.(T); is && ok(n) {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

// done waits for the answer to a command.
func (p phone) done(id dispatch.CommandID) dispatch.Done {
	p.s.w.t.Helper()
	return hears(p, "the answer to "+string(id), func(d dispatch.Done) bool { return d.ID == id })
}

func (p phone) do(in dispatch.Input) { _ = p.area.Submit(in) }

// duty puts a driver to work at a place.
func (p phone) duty(lat float64) {
	p.s.w.t.Helper()
	cmd := dispatch.Command{By: p.who, ID: "duty"}
	p.do(dispatch.StartDuty{Command: cmd, Driver: p.who.Driver(), Vehicle: dispatch.Vehicle{Class: geo.Minivan, Load: dispatch.Load{Seats: 7}}})
	p.done("duty")
	p.at(lat)
}

func (p phone) at(lat float64) {
	now := dispatch.InstantOf(time.Now())
	p.area.Slot().Put(dispatch.Fix{Driver: p.who.Driver(), Point: geo.Point{Lat: lat, Lon: 108}, At: now, Received: now, HeadingDegrees: -1, SpeedMPS: -1})
}

// ask books a trip.
func (p phone) ask(trip dispatch.TripID, lat float64) *dispatch.Refusal {
	cmd := dispatch.Command{By: p.who, ID: dispatch.CommandID("ask-" + trip)}
	return p.area.Submit(dispatch.Request{Command: cmd, Trip: trip, Order: order(p.who, lat)})
}

func order(by dispatch.Actor, lat float64) dispatch.Order {
	return dispatch.Order{Booker: by, Channel: dispatch.ChannelApp, Product: dispatch.ProductSolo, Pickup: dispatch.Place{Point: geo.Point{Lat: lat, Lon: 108}}, Dropoff: dispatch.Place{Point: geo.Point{Lat: lat + .1, Lon: 108}}, Load: dispatch.Load{Seats: 1}}
}

// accept takes the offer of a trip once it is heard of.
func (p phone) accept(trip dispatch.TripID) {
	p.s.w.t.Helper()
	offer := hears(p, "an offer", func(o dispatch.OfferTold) bool { return o.Offer.Trip == trip })
	id := dispatch.CommandID("accept-" + trip)
	p.do(dispatch.Accept{Command: dispatch.Command{By: p.who, ID: id}, Trip: trip, Offer: offer.Offer.ID})
	p.done(id)
}

// asked is the trip that a driver is asked for, by what he has heard; nobody may be asked for
// a trip while he is asked for another.
func (p phone) asked() (trip dispatch.TripID) {
	for _, body := range p.all() {
		switch b := body.(type) {
		case dispatch.Truth:
			trip = ""
			if b.Offer != nil {
				trip = b.Offer.Trip
			}
		case dispatch.OfferTold:
			if trip != "" {
				p.s.w.t.Fatalf("%s is asked for %s while he is asked for %s", p.who, b.Offer.Trip, trip)
			}
			trip = b.Offer.Trip
		case dispatch.OfferGone:
			trip = ""
		}
	}
	return trip
}

// cancel calls a trip off.
func (p phone) cancel(trip dispatch.TripID) {
	p.s.w.t.Helper()
	id := dispatch.CommandID("cancel-" + trip)
	p.do(dispatch.Cancel{Command: dispatch.Command{By: p.who, ID: id}, Trip: trip})
	p.done(id)
}

// state waits for a trip to be told in a state.
func (p phone) state(trip dispatch.TripID, state dispatch.State) {
	p.s.w.t.Helper()
	hears(p, string(state), func(t dispatch.TripTold) bool { return t.Trip.ID == trip && t.Trip.State == state })
}

type noMirror struct{}

func (noMirror) Show(context.Context, []dispatch.MirrorFix, []dispatch.DriverID) error { return nil }
func (noMirror) Shown(context.Context, dispatch.Instant, int64) ([]dispatch.Fix, error) {
	return nil, nil
}

// exchange is the world as one server reaches it.
type exchange struct {
	w    *world
	self dispatch.NodeID
}

// in locks the world for a call.
func (x *exchange) in(call string) (func(), error) {
	time.Sleep(time.Millisecond) // a round trip
	x.w.mu.Lock()
	if x.w.down[x.self] || x.w.down[""] {
		x.w.mu.Unlock()
		return nil, errDown
	}
	if err := x.w.trouble(call); err != nil {
		x.w.mu.Unlock()
		return nil, err
	}
	return x.w.mu.Unlock, nil
}

func (x *exchange) Beat(_ context.Context, self dispatch.Peer) ([]dispatch.Peer, dispatch.Instant, error) {
	out, err := x.in("beat")
	if err != nil {
		return nil, 0, err
	}
	defer out()
	now := dispatch.InstantOf(time.Now())
	self.Seen = now
	x.w.peers[self.ID] = self
	maps.DeleteFunc(x.w.peers, func(_ dispatch.NodeID, p dispatch.Peer) bool { return now.Sub(p.Seen) > 2*time.Second })
	return slices.Collect(maps.Values(x.w.peers)), now, nil
}

func (x *exchange) Bye(_ context.Context, id dispatch.NodeID) error {
	out, err := x.in("bye")
	if err != nil {
		return err
	}
	defer out()
	delete(x.w.peers, id)
	delete(x.w.boxes, "post "+string(id))
	return nil
}

func (x *exchange) Tenures(_ context.Context, areas []geo.AreaID) ([]dispatch.Tenure, error) {
	out, err := x.in("tenures")
	if err != nil {
		return nil, err
	}
	defer out()
	var tenures []dispatch.Tenure
	for _, id := range areas {
		r := x.w.records[id]
		t := dispatch.Tenure{Area: id, Node: r.node, Epoch: r.epoch, Until: dispatch.InstantOf(r.until)}
		if time.Now().Before(r.reserved) {
			t.Next = r.next
		}
		tenures = append(tenures, t)
	}
	return tenures, nil
}

func (x *exchange) put(call, box string, most int, letters [][]byte) error {
	out, err := x.in(call)
	if err != nil {
		return err
	}
	defer out()
	if len(x.w.boxes[box])+len(letters) > most && call == "send" {
		return dispatch.ErrBoxFull
	}
	if x.w.stolen != nil && box == "post "+string(x.w.stolen.id) {
		return nil
	}
	for _, body := range letters {
		x.w.letters++
		x.w.boxes[box] = append(x.w.boxes[box], dispatch.Letter{ID: dispatch.LetterID(fmt.Sprintf("%09d", x.w.letters)), Body: body})
	}
	if over := len(x.w.boxes[box]) - most; over > 0 {
		x.w.boxes[box] = x.w.boxes[box][over:]
	}
	return nil
}

func (x *exchange) get(ctx context.Context, call, box string, after dispatch.LetterID, wait time.Duration) ([]dispatch.Letter, error) {
	for begin := time.Now(); ; {
		out, err := x.in(call)
		if err != nil {
			return nil, err
		}
		var found []dispatch.Letter
		for _, l := range x.w.boxes[box] {
			if l.ID > after && len(found) < dispatch.MaxLetters {
				found = append(found, l)
			}
		}
		out()
		if len(found) > 0 || time.Since(begin) >= wait || ctx.Err() != nil {
			return found, ctx.Err()
		}
	}
}

const memoryBox = 4096

func (x *exchange) Send(_ context.Context, area geo.AreaID, letters [][]byte) error {
	return x.put("send", "inbox "+string(area), memoryBox, letters)
}

func (x *exchange) Receive(ctx context.Context, area geo.AreaID, after dispatch.LetterID, wait time.Duration) ([]dispatch.Letter, error) {
	return x.get(ctx, "receive", "inbox "+string(area), after, wait)
}

func (x *exchange) Discard(_ context.Context, area geo.AreaID, upTo dispatch.LetterID) error {
	out, err := x.in("discard")
	if err != nil {
		return err
	}
	defer out()
	box := "inbox " + string(area)
	x.w.boxes[box] = slices.DeleteFunc(x.w.boxes[box], func(l dispatch.Letter) bool { return l.ID <= upTo })
	return nil
}

func (x *exchange) Deliver(_ context.Context, to dispatch.NodeID, letters [][]byte) error {
	return x.put("deliver", "post "+string(to), memoryBox, letters)
}

func (x *exchange) Collect(ctx context.Context, me dispatch.NodeID, after dispatch.LetterID, wait time.Duration) ([]dispatch.Letter, error) {
	return x.get(ctx, "collect", "post "+string(me), after, wait)
}

// ledger is the record of an area for one writer's life.
type ledger struct {
	w     *world
	node  dispatch.NodeID
	area  geo.AreaID
	epoch dispatch.Epoch
}

func (l *ledger) in() (*record, func(), error) {
	time.Sleep(time.Millisecond)
	l.w.mu.Lock()
	if l.w.down[l.node] || l.w.down[""] {
		l.w.mu.Unlock()
		return nil, nil, errDown
	}
	return l.w.records[l.area], l.w.mu.Unlock, nil
}

func (l *ledger) Acquire(context.Context) (dispatch.Epoch, error) {
	r, out, err := l.in()
	if err != nil {
		return 0, err
	}
	defer out()
	now := time.Now()
	switch {
	case l.epoch != 0 && r.epoch > l.epoch:
		return 0, dispatch.ErrFenced
	case l.epoch == 0 && r.node != "" && nameOf(r.node) != nameOf(l.node) && now.Before(r.until),
		l.epoch == 0 && r.next != "" && r.next != l.node && now.Before(r.reserved):
		return 0, dispatch.ErrHeld
	case l.epoch == 0:
		r.epoch++
		l.epoch = r.epoch
	}
	r.node, r.until, r.next = l.node, now.Add(leaseFor), ""
	return l.epoch, nil
}

func (l *ledger) Release(_ context.Context, next dispatch.NodeID) error {
	r, out, err := l.in()
	if err != nil {
		return err
	}
	defer out()
	if r.epoch > l.epoch {
		return dispatch.ErrFenced
	}
	r.node, r.until, r.next, r.reserved, l.epoch = "", time.Time{}, next, time.Now().Add(leaseFor), 0
	return nil
}

func (l *ledger) Load(_ context.Context, each func(dispatch.Fact) error) ([]byte, dispatch.Seq, error) {
	return nil, 0, l.LoadAfter(context.Background(), 0, each)
}

func (l *ledger) LoadAfter(_ context.Context, after dispatch.Seq, each func(dispatch.Fact) error) error {
	r, out, err := l.in()
	if err != nil {
		return err
	}
	facts, damaged := slices.Clone(r.facts), r.damaged
	out()
	if damaged {
		return dispatch.ErrDamaged
	}
	for _, f := range facts {
		if f.Seq > after {
			if err := each(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *ledger) Append(_ context.Context, id dispatch.BatchID, after dispatch.Seq, facts []dispatch.Fact) error {
	r, out, err := l.in()
	if err != nil {
		return err
	}
	defer out()
	switch {
	case r.epoch != l.epoch:
		return dispatch.ErrFenced
	case r.batch == id:
		return nil
	case int(after) != len(r.facts):
		return dispatch.ErrBehind
	}
	r.facts, r.batch = append(r.facts, facts...), id
	return nil
}

func (l *ledger) Save(context.Context, dispatch.Seq, []byte) error { return nil }

func (l *ledger) Archive(context.Context, []dispatch.EndedTrip) error { return nil }

func (l *ledger) Head(context.Context) (dispatch.Head, error) {
	r, out, err := l.in()
	if err != nil {
		return dispatch.Head{}, err
	}
	defer out()
	return dispatch.Head{Seq: dispatch.Seq(len(r.facts)), Epoch: r.epoch, Mine: r.epoch == l.epoch, Batch: r.batch}, nil
}

func (l *ledger) Mend(context.Context, dispatch.Head, dispatch.BatchID, []dispatch.Fact) error {
	return dispatch.ErrBehind
}

func (l *ledger) Reseed(context.Context, dispatch.Head, dispatch.Seq, []byte) error {
	return dispatch.ErrBehind
}
