package ws

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

func newWorldAreas(a Area) func(geo.AreaID) (Area, bool) {
	return func(id geo.AreaID) (Area, bool) { return a, id == leishan }
}

func TestHelloWelcomeTruth(t *testing.T) {
	w := newWorld(t)
	for _, who := range []dispatch.Actor{driver1, passenger, agent, operator} {
		p := w.dial(w.token(who))
		got := p.hello()
		want := wire.Welcome{Session: got.Session, Role: string(who.Role), ID: who.ID, Area: "leishan", ServerTime: got.ServerTime,
			HeartbeatS: 25, MaxFrameBytes: 4096, Protocol: "cuntong.v1"}
		if got != want || got.Session == "" || got.ServerTime == 0 {
			t.Errorf("welcome %+v, want %+v", got, want)
		}
		if n := w.hub.Connections()[who.Role]; n != 1 {
			t.Errorf("%d connections of a %s, want 1", n, who.Role)
		}
		p.hangUp()
		w.eventually("it is gone", func() bool { return w.hub.Connections()[who.Role] == 0 && w.live() == 0 })
	}
	w.eventually("all are counted as broken", func() bool { return w.closes("broken") == 4 })
}

func TestTheTruthComesFirst(t *testing.T) {
	w := newWorld(t)
	w.area.set(func(a *fakeArea) {
		a.before = []dispatch.NoticeBody{dispatch.TripTold{Trip: dispatch.TripView{ID: "t1", State: dispatch.Parked, Order: dispatch.Order{Booker: passenger}}}}
	})
	p := w.dial(w.token(passenger))
	p.hello() // wants truth right after welcome
	if got := w.dropped(dropEarly); got != 1 {
		t.Errorf("%v notices dropped before the truth, want 1", got)
	}
	p.quiet()
}

func TestNewestDriverWins(t *testing.T) {
	w := newWorld(t)
	old := w.connect(driver1)
	young := w.connect(driver1)
	old.wantClose(wire.CloseReplaced)
	w.area.tell(driver1, dispatch.OfferTold{Offer: dispatch.OfferView{ID: "t1/1", Trip: "t1"}})
	young.want(wire.TypeOffer)
	w.eventually("the older is gone", func() bool { return w.live() == 1 })
	young.send(wire.TypeArrive, "c1", wire.Arrive{Trip: "t1"})
	young.want(wire.TypeDone)
	// The end of the older does not take the younger out.
	w.area.tell(driver1, dispatch.DutyTold{})
	young.want(wire.TypeDuty)
}

func TestFifthPhoneOfAPassenger(t *testing.T) {
	w := newWorld(t)
	var phones []*phone
	for range 5 {
		phones = append(phones, w.connect(passenger))
	}
	phones[0].wantClose(wire.CloseReplaced)
	w.area.tell(passenger, dispatch.QueueTold{Trip: "t1", Place: 2, Of: 3})
	for _, p := range phones[1:] {
		p.want(wire.TypeQueue)
	}
	// The middle one goes; the others stay.
	phones[2].hangUp()
	w.eventually("it is gone", func() bool { return w.hub.Connections()[dispatch.RolePassenger] == 3 })
	if found := w.hub.directory.find(passenger, nil); len(found) != 3 {
		t.Errorf("%d connections in the directory, want 3", len(found))
	}
	w.area.tell(passenger, dispatch.QueueTold{Trip: "t1", Place: 1, Of: 3})
	for _, i := range []int{1, 3, 4} {
		phones[i].want(wire.TypeQueue)
	}
}

func TestAnswerGoesToThePhoneThatAsked(t *testing.T) {
	w := newWorld(t)
	one, two := w.connect(passenger), w.connect(passenger)
	one.send(wire.TypeCancel, "c1", wire.Cancel{Trip: "t1", Why: wire.WhyTooLong})
	if f := one.want(wire.TypeDone); f.Re != "c1" {
		t.Errorf("done re=%q", f.Re)
	}
	one.quiet()
	two.quiet()
}

func TestTellersOfOtherAreas(t *testing.T) {
	w := newWorld(t)
	p := w.connect(passenger)
	w.hub.Teller("elsewhere").Tell([]dispatch.Notice{{To: passenger, Body: dispatch.QueueTold{Trip: "t"}}, {To: agent, Body: dispatch.QueueTold{Trip: "t"}}})
	p.quiet()
	if got := w.dropped(dropNobody); got != 2 {
		t.Errorf("%v dropped, want 2: one in another area, one not connected", got)
	}
}

// What only the gateway passes on is told on no connection, and is not counted as left out.
func TestByTheGatewayAlone(t *testing.T) {
	w := newWorld(t)
	d := w.connect(driver1)
	w.area.tell(driver1, dispatch.Wanted{Trip: "t1"})
	w.area.tell(dispatch.Actor{Role: dispatch.RolePassenger}, tripTold("t1", 1))
	d.quiet()
	if got := w.dropped(dropNobody) + w.dropped(dropHidden); got != 0 {
		t.Errorf("%v dropped", got)
	}
}

func TestRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	w.area.set(func(a *fakeArea) {
		a.no = &dispatch.Refusal{Kind: dispatch.Unavailable, Code: "not_recording", Say: "Later.", RetryAfter: 2 * time.Second}
	})
	for i := range 40 { // more than may wait: a refused command does not wait
		id := fmt.Sprint("c", i)
		p.send(wire.TypeStart, id, wire.Start{Trip: "t1"})
		if got := p.wantRefused(id, "not_recording"); got.RetryAfterMS != 2000 || got.Trip != "t1" {
			t.Fatalf("%+v", got)
		}
	}
}

func TestTooManyCommandsWait(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	w.area.set(func(a *fakeArea) { a.mute = true })
	limit := w.hub.cfg.MaxWaiting
	for i := range limit + 1 {
		p.send(wire.TypeArrive, fmt.Sprint("c", i), wire.Arrive{Trip: "t1"})
	}
	p.wantRefused(fmt.Sprint("c", limit), wire.CodeRate)
	if got := count[dispatch.Arrive](w.area); got != limit {
		t.Errorf("%d reached the area, want %d", got, limit)
	}
}

// A command sent twice is handed over twice and answered twice: the core knows repeats.
func TestDuplicates(t *testing.T) {
	w := newWorld(t)
	p := w.connect(passenger)
	for range 2 {
		p.send(wire.TypeRequest, "c1", bodies[wire.TypeRequest])
	}
	p.want(wire.TypeDone)
	p.want(wire.TypeDone)
	if got := w.area.got(); len(got) != 3 || got[1] != got[2] {
		t.Errorf("the area got %+v, want two equal requests", got[1:])
	}
}

// A bug costs one connection, and nobody else anything.
func TestPanicEndsOneConnection(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		area, _ := c.Areas(leishan)
		c.Areas = newWorldAreas(panicArea{area})
	})
	other := w.connect(agent)
	p := w.connect(driver1)
	p.send(wire.TypeArrive, "c1", wire.Arrive{Trip: "t1"})
	<-p.ended
	w.eventually("it is gone", func() bool { return w.live() == 1 })
	if got := w.counted(w.hub.metrics.panics); got != 1 {
		t.Errorf("%v panics counted, want 1", got)
	}
	if log := w.log.String(); !strings.Contains(log, "panicArea") {
		t.Errorf("the log does not show where: %s", log)
	}
	other.quiet()
}

type panicArea struct{ Area }

func (a panicArea) Submit(in dispatch.Input) *dispatch.Refusal {
	if _, ok := in.(dispatch.Arrive); ok {
		panic("a bug")
	}
	return a.Area.Submit(in)
}

func TestOneGoroutineAnIdleConnection(t *testing.T) {
	w := newWorld(t)
	const n = 100
	var phones []*phone
	for i := range n {
		p := w.connect(dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)})
		p.send(wire.TypeCancel, "c1", wire.Cancel{Trip: "t1", Why: wire.WhyTooLong})
		p.want(wire.TypeDone)
		phones = append(phones, p)
	}
	inHub := func() (goroutines, waiting int) {
		stacks := make([]byte, 8<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "ws.(*conn).") {
				goroutines++
			}
			if strings.Contains(stack, "ws.(*conn).readFrame") {
				waiting++
			}
		}
		return goroutines, waiting
	}
	w.eventually("one goroutine each, waiting in readFrame", func() bool {
		goroutines, waiting := inHub()
		return goroutines == n && waiting == n
	})
	for _, p := range phones {
		p.hangUp()
	}
	w.eventually("none is left", func() bool {
		goroutines, _ := inHub()
		return goroutines == 0
	})
}

func TestMetricsAreLinted(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	p.raw("noise")
	p.wantRefused("", wire.CodeBadJSON)
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "cuntong_ws_") {
			t.Errorf("the name %s does not begin with cuntong_ws_", f.GetName())
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), "d1") {
					t.Errorf("%s has a party in its label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestTheLogKeepsSecrets(t *testing.T) {
	w := newWorld(t)
	// Neither a moment of the log nor the name of a session can be read as one of these.
	const lat, lon, id = 61.234567, 108.112345, "passenger-of-this-test"
	token := w.token(dispatch.Actor{Role: dispatch.RolePassenger, ID: id})
	p := w.dial(token)
	p.hello()
	p.send(wire.TypeRequest, "c1", wire.Request{Trip: "t1", Seats: 1, Pickup: point(lat, lon, "wgs84"), Dropoff: village("langde", ""),
		Traveller: wire.Traveller{Name: "Yang", Phone: "13800000000"}})
	p.want(wire.TypeDone)
	p.raw(`{"t":"cancel","id":"c2","b":{"trip":"t1","why":"13800000000"}}`)
	p.wantRefused("c2", wire.CodeBadValue)
	p.hangUp()
	bad := w.dial("")
	bad.send(wire.TypeHello, "", wire.Hello{NowMS: 1, Token: token[:len(token)-3]})
	bad.wantClose(wire.CloseBadToken)
	w.eventually("both ends are logged", func() bool { return strings.Count(w.log.String(), "connection closed") == 2 })
	for _, secret := range []string{token[:20], "13800000000", "61.234", "108.112", "Yang", id} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log shows %q:\n%s", secret, w.log.String())
		}
	}
}
