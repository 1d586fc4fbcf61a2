package swarm

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cuntong/geo"
	"cuntong/ws/memlink"
	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// fake is a dispatcher just good enough to be driven: the first free driver gets
// the first waiting trip. It speaks the wire and nothing else, and breaks its
// promises on demand.
type fake struct {
	t       *testing.T
	g       *geo.Gazetteer
	faults  faults
	links   exchange
	server  *address
	other   *address // a second address of the same dispatcher
	started time.Time

	mu sync.Mutex
	// Guarded by mu.
	clients map[string]*fakeClient // connected, by role:id
	onDuty  []string               // driver ids in the order they came
	trips   map[string]*fakeTrip
	waiting []string
	memory  map[string]wire.ServerFrame // answers by role:id:command
	timers  []*time.Timer
	asked   int // commands so far
	came    int // requests so far
	stalled []func()
	broken  map[string]bool
	first   map[string]int   // parties by the address to which they came first
	met     map[string]bool  // parties that have said hello
	given   map[string]bool  // "role:id receipt"
	newest  int              // receipts that came back and were the newest of an open trip
	told    map[string]int64 // the newest version by "role:id trip", as far as it went out on a live connection
}

// faults are what goes wrong.
type faults struct {
	cutEvery   int           // every nth command is done, but instead of the answer the connection breaks
	drainAfter time.Duration // everybody is sent away once
	replay     bool          // every state is told twice, with an old one in between
	busy       bool          // every other request is refused once with retry_after
	turnAway   bool          // no token is good
	stallUntil int           // no request is answered before so many have come
	lie        ViolationKind // which promise to break, once
	truthEvery time.Duration // everybody's truth is told again so often
	downAfter  time.Duration // the second address goes away, connections and all
}

type fakeClient struct {
	role, id string
	host     string     // the address it came to
	mu       sync.Mutex // one writer at a time
	conn     *websocket.Conn
}

type fakeTrip struct {
	wire.Trip
	booker string // role:id
	driver string // id
	offer  string
	offers int
	asked  map[string]bool
	timer  *time.Timer
	ending *wire.Ended
}

const fakeOfferWait = time.Second

func newFake(t *testing.T, g *geo.Gazetteer, f faults) *fake {
	s := &fake{
		t: t, g: g, faults: f, started: time.Now(), clients: map[string]*fakeClient{}, trips: map[string]*fakeTrip{},
		memory: map[string]wire.ServerFrame{}, broken: map[string]bool{}, told: map[string]int64{},
		first: map[string]int{}, given: map[string]bool{}, met: map[string]bool{},
	}
	s.server, s.other = s.open(7001), s.open(7002)
	t.Cleanup(s.close)
	if f.drainAfter > 0 {
		s.later(f.drainAfter, s.drain)
	}
	if f.truthEvery > 0 {
		s.later(f.truthEvery, s.tellTruths)
	}
	if f.downAfter > 0 {
		s.later(f.downAfter, s.goDown)
	}
	return s
}

// address is one at which the dispatcher can be reached.
type address struct {
	*memlink.Listener
	http   *http.Server
	served chan struct{}
}

func (s *fake) open(port int) *address {
	a := &address{Listener: s.links.listen(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port}), http: &http.Server{Handler: http.HandlerFunc(s.serve)}, served: make(chan struct{})}
	go func() {
		defer close(a.served)
		_ = a.http.Serve(a.Listener)
	}()
	return a
}

func (a *address) url() string { return "ws://" + a.Addr().String() + "/ws" }

func (a *address) end() {
	_ = a.http.Close()
	<-a.served
}

func (s *fake) url() string { return s.server.url() }

func (s *fake) close() {
	s.mu.Lock()
	for _, timer := range s.timers {
		timer.Stop()
	}
	for _, c := range s.clients {
		c.conn.Close()
	}
	s.mu.Unlock()
	s.server.end()
	s.other.end()
}

func (s *fake) bothURLs() string { return s.server.url() + "," + s.other.url() }

// tellTruths tells everybody the truth once more. The lock is held.
func (s *fake) tellTruths() {
	for _, c := range s.clients {
		s.tellTruth(c)
	}
	s.later(s.faults.truthEvery, s.tellTruths)
}

// goDown is the end of the second address. The lock is held.
func (s *fake) goDown() {
	_ = s.other.Listener.Close()
	for _, c := range s.clients {
		if c.host == s.other.Addr().String() {
			_ = c.conn.Close()
		}
	}
}

// later runs f under the lock.
func (s *fake) later(d time.Duration, f func()) *time.Timer {
	timer := time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	})
	s.timers = append(s.timers, timer)
	return timer
}

func (s *fake) drain() {
	for _, c := range s.clients {
		c.send(wire.TypeDrain, "", wire.Drain{ComeBackAfterMS: 50})
		c.close(wire.CloseDrain)
	}
}

func (c *fakeClient) send(t wire.Type, re string, body any) bool {
	frame, err := wire.EncodeServer(t, re, body)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	// A client that has gone is noticed by the reader.
	return c.conn.WriteMessage(websocket.TextMessage, frame) == nil
}

func (c *fakeClient) close(code wire.CloseCode) {
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), code.Reason()), time.Now().Add(time.Second))
	c.conn.Close()
}

func (s *fake) serve(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	role, id, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ":")
	c := &fakeClient{role: role, id: id, host: r.Host, conn: conn}
	if s.faults.turnAway {
		c.close(wire.CloseBadToken)
		return
	}
	defer s.left(c)
	for first := true; ; first = false {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		f, err := wire.DecodeClient(data)
		switch {
		case err != nil:
			s.t.Errorf("%s sent %s: %v", id, data, err)
			return
		case !f.Type.MayBeSentBy(role):
			s.t.Errorf("%s sent %s, which is not for its role", id, f.Type)
		case first != (f.Type == wire.TypeHello):
			s.t.Errorf("%s sent %s as its first frame: %v", id, f.Type, first)
		}
		s.take(c, f)
	}
}

func (s *fake) left(c *fakeClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(c)
}

// leave takes a client off the list. The lock is held.
func (s *fake) leave(c *fakeClient) {
	if s.clients[c.role+":"+c.id] == c {
		delete(s.clients, c.role+":"+c.id)
	}
}

func (s *fake) take(c *fakeClient, f wire.ClientFrame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch body := f.Body.(type) {
	case wire.Hello:
		if key := c.role + ":" + c.id; !s.met[key] {
			s.met[key] = true
			s.first[c.host]++
		}
		s.checkReceipts(c, body.Receipts)
		s.greet(c)
	case wire.Position:
		s.moved(c.id, body)
	default:
		s.command(c, f)
	}
	s.match()
}

func (s *fake) greet(c *fakeClient) {
	key := c.role + ":" + c.id
	if old := s.clients[key]; old != nil {
		old.close(wire.CloseReplaced)
	}
	s.clients[key] = c
	c.send(wire.TypeWelcome, "", wire.Welcome{Session: "s", Role: c.role, ID: c.id, Area: "a", ServerTime: time.Now().UnixMilli(), HeartbeatS: 5, MaxFrameBytes: wire.MaxFrameBytes, Protocol: wire.Protocol})
	s.tellTruth(c)
}

// checkReceipts wants no receipt that the client was not given, and counts those that
// are the newest of a trip. Older ones are no fault: what was told last may have been
// lost on its way.
func (s *fake) checkReceipts(c *fakeClient, given []string) {
	key := c.role + ":" + c.id
	for _, receipt := range given {
		if !s.given[key+" "+receipt] {
			s.t.Errorf("%s gave %s, which it never got", key, receipt)
		}
	}
	for _, t := range s.trips {
		if !isOver(t.State) && slices.Contains(given, receiptOf(t)) {
			s.newest++
		}
	}
}

func receiptOf(t *fakeTrip) string { return fmt.Sprintf("%s/%d", t.Trip.Trip, t.Version) }

func (s *fake) tellTruth(c *fakeClient) {
	key := c.role + ":" + c.id
	truth := wire.Truth{At: time.Now().UnixMilli(), Trips: []wire.Trip{}}
	for _, t := range s.trips {
		mine := t.booker == key || (c.role == wire.RoleDriver && t.driver == c.id && isBound(t.State))
		if mine && !isOver(t.State) {
			view := t.Trip
			view.Receipt = receiptOf(t)
			s.given[key+" "+view.Receipt] = true
			if s.faults.lie == TruthBehind && s.told[key+" "+t.Trip.Trip] > 1 {
				view.Version = 1
			}
			truth.Trips = append(truth.Trips, view)
		}
		if c.role == wire.RoleDriver && t.State == wire.StateOffered && t.driver == c.id {
			o := s.offerOf(t)
			truth.Offer = &o
		}
	}
	for _, id := range s.onDuty {
		if c.role == wire.RoleDriver && id == c.id {
			truth.Duty = &wire.DutyState{On: true}
		}
	}
	c.send(wire.TypeTruth, "", truth)
}

// once says whether to break the promise now: the first time it is asked.
func (s *fake) once() bool {
	first := !s.broken["promise"]
	s.broken["promise"] = true
	return first
}

func (s *fake) command(c *fakeClient, f wire.ClientFrame) {
	key := c.role + ":" + c.id + ":" + f.ID
	answer, repeated := s.memory[key]
	if repeated && s.faults.lie == OtherAnswer && answer.Type == wire.TypeDone && s.once() {
		answer = wire.ServerFrame{Type: wire.TypeRefused, Body: wire.Refused{Kind: wire.KindConflict, Code: "lie", Say: "No."}}
	}
	if !repeated {
		s.asked++
		answer = s.judge(c, f)
		if r, refused := answer.Body.(wire.Refused); !refused || r.Kind != wire.KindUnavailable {
			s.memory[key] = answer
		}
		if s.faults.lie == Lost && f.Type == wire.TypeRequest && s.asked > 20 && s.once() {
			s.lose(f.Body.(wire.Request).Trip)
		}
		if s.faults.lie == NoAnswer && f.Type == wire.TypeRequest && s.once() {
			s.memory[key] = wire.ServerFrame{}
			return
		}
		if s.faults.cutEvery > 0 && s.asked%s.faults.cutEvery == 0 {
			c.conn.Close()
			return
		}
	}
	if answer.Body == nil {
		return
	}
	if f.Type != wire.TypeRequest || s.faults.stallUntil == 0 {
		c.send(answer.Type, f.ID, answer.Body)
		return
	}
	if !repeated {
		s.came++
	}
	s.stalled = append(s.stalled, func() { c.send(answer.Type, f.ID, answer.Body) })
	if s.came >= s.faults.stallUntil {
		for _, send := range s.stalled {
			send()
		}
		s.stalled = nil
	}
}

func (s *fake) judge(c *fakeClient, f wire.ClientFrame) wire.ServerFrame {
	no := func(kind, code string) wire.ServerFrame {
		return wire.ServerFrame{Type: wire.TypeRefused, Body: wire.Refused{Kind: kind, Code: code, Say: "No."}}
	}
	if s.faults.busy && f.Type == wire.TypeRequest && s.asked%2 == 0 && !s.broken[f.ID] {
		s.broken[f.ID] = true
		return wire.ServerFrame{Type: wire.TypeRefused, Body: wire.Refused{Kind: wire.KindUnavailable, Code: "journal_away", Say: "Again.", RetryAfterMS: 20}}
	}
	switch body := f.Body.(type) {
	case wire.Duty:
		return s.duty(c, body.On)
	case wire.Request:
		return s.request(c, body)
	case wire.Accept:
		t := s.trips[body.Trip]
		if t == nil || t.State != wire.StateOffered || t.driver != c.id || t.offer != body.Offer {
			return no(wire.KindLapsed, "offer_lapsed")
		}
		t.timer.Stop()
		answer := s.become(t, wire.StateAssigned)
		if s.faults.lie == TwoDrivers && s.once() {
			t.driver = s.free(t)
			s.become(t, wire.StateAssigned)
		}
		return answer
	case wire.Decline:
		t := s.trips[body.Trip]
		if t == nil || t.State != wire.StateOffered || t.driver != c.id {
			return no(wire.KindLapsed, "offer_lapsed")
		}
		return s.withdraw(t, "")
	case wire.Arrive:
		return s.step(c, body.Trip, wire.StateAssigned, wire.StateArrived)
	case wire.Start:
		return s.step(c, body.Trip, wire.StateArrived, wire.StateRiding)
	case wire.Complete:
		return s.step(c, body.Trip, wire.StateRiding, wire.StateCompleted)
	case wire.Release:
		t := s.trips[body.Trip]
		if t == nil || t.driver != c.id || !isBound(t.State) {
			return no(wire.KindConflict, "not_your_trip")
		}
		s.waiting = append(s.waiting, t.Trip.Trip)
		answer := s.become(t, wire.StateRequested)
		t.driver = ""
		return answer
	case wire.Cancel:
		return s.cancel(c, body)
	}
	return no(wire.KindInvalid, "unknown_type")
}

func (s *fake) duty(c *fakeClient, on bool) wire.ServerFrame {
	var rest []string
	for _, id := range s.onDuty {
		if id != c.id {
			rest = append(rest, id)
		}
	}
	if s.onDuty = rest; on {
		s.onDuty = append(s.onDuty, c.id)
	}
	c.send(wire.TypeDuty, "", wire.DutyState{On: on})
	return wire.ServerFrame{Type: wire.TypeDone, Body: wire.Done{}}
}

func (s *fake) request(c *fakeClient, body wire.Request) wire.ServerFrame {
	if t := s.trips[body.Trip]; t != nil {
		return wire.ServerFrame{Type: wire.TypeDone, Body: wire.Done{Trip: body.Trip, Version: t.Version, State: t.State}}
	}
	t := &fakeTrip{booker: c.role + ":" + c.id, asked: map[string]bool{}}
	now := time.Now().UnixMilli()
	t.Trip = wire.Trip{Trip: body.Trip, Seats: body.Seats, RequestedAt: now, Since: now, Pickup: s.place(body.Pickup), Dropoff: s.place(body.Dropoff)}
	s.trips[body.Trip] = t
	s.waiting = append(s.waiting, body.Trip)
	return s.become(t, wire.StateRequested)
}

// lose forgets a trip a moment after it was taken, and has everybody come back for whom
// it is his.
func (s *fake) lose(trip string) {
	s.later(50*time.Millisecond, func() {
		t := s.trips[trip]
		delete(s.trips, trip)
		s.waiting = slices.DeleteFunc(s.waiting, func(id string) bool { return id == trip })
		if t.timer != nil {
			t.timer.Stop()
		}
		for _, c := range []*fakeClient{s.clients[t.booker], s.clients["driver:"+t.driver]} {
			if c != nil {
				_ = c.conn.Close()
				s.leave(c)
			}
		}
	})
}

func (s *fake) place(p wire.Place) wire.PlaceOut {
	out := wire.PlaceOut{Village: p.Village, Lat: p.Lat.Value, Lon: p.Lon.Value, Datum: wire.DatumWGS84}
	if !p.IsPoint() {
		stop, ok := s.g.Pickup(geo.VillageID(p.Village), geo.PickupID(p.Stop))
		if !ok {
			s.t.Errorf("no such place: %+v", p)
		}
		out.Lat, out.Lon = stop.Point.Lat, stop.Point.Lon
	}
	return out
}

func (s *fake) step(c *fakeClient, trip, from, to string) wire.ServerFrame {
	t := s.trips[trip]
	if t == nil || t.driver != c.id || t.State != from {
		return wire.ServerFrame{Type: wire.TypeRefused, Body: wire.Refused{Kind: wire.KindConflict, Code: "not_" + from, Say: "No."}}
	}
	return s.become(t, to)
}

func (s *fake) cancel(c *fakeClient, body wire.Cancel) wire.ServerFrame {
	t := s.trips[body.Trip]
	if t == nil || isOver(t.State) || t.State == wire.StateRiding {
		return wire.ServerFrame{Type: wire.TypeRefused, Body: wire.Refused{Kind: wire.KindConflict, Code: "riding", Say: "No."}}
	}
	if t.State == wire.StateOffered {
		s.withdraw(t, wire.EndWithdrawn)
	}
	t.ending = &wire.Ended{ByRole: c.role, Why: body.Why}
	return s.become(t, wire.StateCancelled)
}

// become moves a trip on, tells whom it concerns, and returns the answer.
func (s *fake) become(t *fakeTrip, state string) wire.ServerFrame {
	before := t.Trip
	t.Version++
	t.State, t.Since, t.Ended = state, time.Now().UnixMilli(), t.ending
	t.Trip.Driver = nil
	if isBound(state) || isBound(before.State) {
		t.Trip.Driver = &wire.TripDriver{ID: t.driver}
	}
	if s.faults.lie == Revived && state == wire.StateCompleted && s.once() {
		defer func() {
			s.become(t, wire.StateRiding)
			s.become(t, wire.StateCompleted)
		}()
	}
	s.tell(t, before)
	return wire.ServerFrame{Type: wire.TypeDone, Body: wire.Done{Trip: t.Trip.Trip, Version: t.Version, State: state}}
}

func (s *fake) tell(t *fakeTrip, before wire.Trip) {
	booker, driver := s.clients[t.booker], s.clients["driver:"+t.driver]
	view := t.Trip
	view.Receipt = receiptOf(t)
	for _, c := range []*fakeClient{booker, driver} {
		if c == nil || (c == driver && t.Trip.Driver == nil) {
			continue
		}
		s.given[c.role+":"+c.id+" "+view.Receipt] = true
		if c.send(wire.TypeTrip, "", view) {
			s.told[c.role+":"+c.id+" "+view.Trip] = view.Version
		}
		if s.faults.replay && before.Version > 0 {
			c.send(wire.TypeTrip, "", before)
			c.send(wire.TypeTrip, "", view)
		}
		if s.faults.lie == TwoMeanings && t.State == wire.StateRiding && s.once() {
			other := view
			other.Since++
			c.send(wire.TypeTrip, "", other)
		}
	}
}

// match offers waiting trips to free drivers, first to first.
func (s *fake) match() {
	var still []string
	for _, id := range s.waiting {
		t := s.trips[id]
		if t == nil || isOver(t.State) {
			continue
		}
		driver := s.free(t)
		if driver == "" {
			if t.State == wire.StateRequested {
				s.become(t, wire.StateParked)
			}
			still = append(still, id)
			continue
		}
		t.driver, t.asked[driver] = driver, true
		t.offers++
		t.offer = fmt.Sprintf("%s.%d", t.Trip.Trip, t.offers)
		s.become(t, wire.StateOffered)
		offer := t.offer
		t.timer = s.later(fakeOfferWait, func() {
			if t.offer == offer && t.State == wire.StateOffered {
				s.withdraw(t, wire.EndLapsed)
				s.match()
			}
		})
		if c := s.clients["driver:"+driver]; c != nil {
			c.send(wire.TypeOffer, "", s.offerOf(t))
		}
	}
	s.waiting = still
}

func (s *fake) free(t *fakeTrip) string {
	busy := map[string]bool{}
	for _, other := range s.trips {
		if other.State == wire.StateOffered || isBound(other.State) {
			busy[other.driver] = true
		}
	}
	for _, other := range s.trips {
		if s.faults.lie == TwoTrips && other.State == wire.StateAssigned && s.once() {
			return other.driver
		}
	}
	for _, id := range s.onDuty {
		if !busy[id] && !t.asked[id] && s.clients["driver:"+id] != nil {
			return id
		}
	}
	return ""
}

// withdraw ends an offer; a driver who declined (end "") is told by the answer.
func (s *fake) withdraw(t *fakeTrip, end string) wire.ServerFrame {
	t.timer.Stop()
	if c := s.clients["driver:"+t.driver]; c != nil && end != "" {
		c.send(wire.TypeOfferGone, "", wire.OfferGone{Trip: t.Trip.Trip, Offer: t.offer, End: end})
	}
	t.driver = ""
	s.waiting = append(s.waiting, t.Trip.Trip)
	return s.become(t, wire.StateRequested)
}

func (s *fake) offerOf(t *fakeTrip) wire.Offer {
	return wire.Offer{
		Offer: t.offer, Trip: t.Trip.Trip, Version: t.Version, Until: time.Now().Add(fakeOfferWait).UnixMilli(), WaitS: fakeOfferWait.Seconds(),
		Pickup: t.Pickup, Dropoff: t.Dropoff, Seats: t.Seats,
	}
}

func (s *fake) moved(driver string, p wire.Position) {
	for _, t := range s.trips {
		if t.driver == driver && isBound(t.State) {
			if c := s.clients[t.booker]; c != nil {
				c.send(wire.TypeDriverAt, "", wire.DriverAt{Trip: t.Trip.Trip, Fix: wire.Fix{Lat: p.Lat, Lon: p.Lon, Datum: p.Datum, At: p.At}})
			}
		}
	}
}
