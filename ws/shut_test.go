package ws

import (
	"slices"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// Whoever the area shuts out is closed with the code that says why, and nobody else.
func TestShutOut(t *testing.T) {
	for _, row := range []struct {
		why  dispatch.ShutWhy
		code wire.CloseCode
	}{{dispatch.ShutBarred, wire.CloseBarred}, {dispatch.ShutSignedOut, wire.CloseSignedOut}, {dispatch.ShutReplaced, wire.CloseReplaced}} {
		t.Run(string(row.why), func(t *testing.T) {
			w := newWorld(t)
			one, two, other := w.connect(passenger), w.connect(passenger), w.connect(agent)
			w.hub.Teller("elsewhere").Tell([]dispatch.Notice{{To: passenger, Body: dispatch.ShutOut{Why: row.why}}})
			one.quiet()
			w.area.tell(passenger, dispatch.ShutOut{Why: row.why})
			one.wantClose(row.code)
			two.wantClose(row.code)
			other.quiet()
		})
	}
}

// A hello that is answered with a shut-out ends only its own connection when the
// token is at fault.
func TestShutOutOnlyThatSession(t *testing.T) {
	w := newWorld(t)
	good := w.connect(passenger)
	bad := w.dial(w.token(passenger))
	session := bad.hello().Session
	w.area.tell(passenger, dispatch.ShutOut{Why: dispatch.ShutSignedOut, Only: session})
	bad.wantClose(wire.CloseSignedOut)
	good.quiet()
}

// What is sent behind a hello is done when the area has let the party in, in its order, and not at
// all when it has not.
func TestNothingIsDoneBeforeTheTruth(t *testing.T) {
	for _, in := range []bool{true, false} {
		w := newWorld(t)
		w.area.set(func(a *fakeArea) { a.mute = true })
		p := w.dial(w.token(passenger))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		session := p.want(wire.TypeWelcome).Body.(wire.Welcome).Session
		for _, id := range []string{"c1", "c2"} {
			p.send(wire.TypeCancel, id, wire.Cancel{Trip: "t1", Why: wire.WhyTooLong})
		}
		p.send(wire.TypePing, "", wire.Ping{})
		p.want(wire.TypePong) // what came before it has been looked at
		if n := count[dispatch.Cancel](w.area); n != 0 {
			t.Errorf("%d were handed over before the hello was judged", n)
		}
		if !in {
			w.area.tell(passenger, dispatch.ShutOut{Why: dispatch.ShutSignedOut, Only: session})
			p.wantClose(wire.CloseSignedOut)
			if n := count[dispatch.Cancel](w.area); n != 0 {
				t.Errorf("%d were handed over of who was shut out", n)
			}
			continue
		}
		w.area.tell(passenger, dispatch.Truth{})
		p.want(wire.TypeTruth)
		w.eventually("both are there", func() bool { return count[dispatch.Cancel](w.area) == 2 })
		var ids []dispatch.CommandID
		for _, in := range w.area.got() {
			if cmd, ok := commandIn(in); ok {
				ids = append(ids, cmd.ID)
			}
		}
		if !slices.Equal(ids, []dispatch.CommandID{"c1", "c2"}) {
			t.Errorf("handed over as %q", ids)
		}
	}
}

// Who shows a token that is worthless neither takes the place of the party's own connection nor
// moves it on the map; who is let in does both.
func TestWhoIsNotLetInReplacesNobody(t *testing.T) {
	w := newWorld(t)
	good := w.connect(driver1)
	w.area.set(func(a *fakeArea) { a.mute = true })
	enter := func() (*phone, string) {
		p := w.dial(w.token(driver1))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		session := p.want(wire.TypeWelcome).Body.(wire.Welcome).Session
		p.send(wire.TypePosition, "", wire.Position{Lat: 26.5, Lon: 108.5, Datum: "wgs84", At: time.Now().UnixMilli()})
		p.send(wire.TypePing, "", wire.Ping{})
		p.want(wire.TypePong)
		return p, session
	}
	bad, session := enter()
	w.area.tell(driver1, dispatch.ShutOut{Why: dispatch.ShutSignedOut, Only: session})
	bad.wantClose(wire.CloseSignedOut)
	good.quiet()
	if got := w.area.gotFixes(); len(got) != 0 {
		t.Errorf("positions %+v of who was not let in", got)
	}
	newer, _ := enter()
	w.area.tell(driver1, dispatch.Truth{})
	newer.want(wire.TypeTruth)
	good.wantClose(wire.CloseReplaced)
	w.eventually("the position is there", func() bool { return len(w.area.gotFixes()) == 1 })
}

// The truth that answers one connection's hello lets in no other one.
func TestTheTruthIsForWhoAsked(t *testing.T) {
	w := newWorld(t)
	w.area.set(func(a *fakeArea) { a.mute = true })
	enter := func() (*phone, string) {
		p := w.dial(w.token(passenger))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
		return p, p.want(wire.TypeWelcome).Body.(wire.Welcome).Session
	}
	bad, _ := enter()
	good, session := enter()
	bad.send(wire.TypeCancel, "c1", wire.Cancel{Trip: "t1", Why: wire.WhyTooLong})
	w.eventually("both hellos are there", func() bool { return count[dispatch.Hello](w.area) == 2 }) // who is welcome has not asked yet
	w.area.tell(passenger, dispatch.Truth{For: session})
	good.want(wire.TypeTruth)
	bad.send(wire.TypePing, "", wire.Ping{})
	bad.want(wire.TypePong)
	if n := count[dispatch.Cancel](w.area); n != 0 {
		t.Errorf("%d were handed over of who was not let in", n)
	}
}

// While the hello cannot be handed over a command is refused as the hello is, and what waits for
// a truth that does not come is bounded.
func TestBeforeTheTruthIsBounded(t *testing.T) {
	w := newWorld(t)
	c := w.silentConn(passenger, wire.Hello{})
	p := c.party.Load()
	p.area = w.area
	c.early.unasked.Store(refusal(dispatch.Unavailable, "busy", "x"))
	if no := c.submit(p, asks{in: dispatch.Cancel{}}); no == nil || no.Code != "busy" {
		t.Errorf("refused %+v", no)
	}
	c.early.unasked.Store(nil)
	for range 3 * w.hub.cfg.MaxWaiting {
		if no := c.submit(p, asks{in: dispatch.Cancel{}}); no != nil {
			t.Fatalf("refused %+v", no)
		}
	}
	if n := len(c.early.list); n != w.hub.cfg.MaxWaiting {
		t.Errorf("%d wait, want %d", n, w.hub.cfg.MaxWaiting)
	}
}

// The answer to who signed out goes before the close.
func TestSignedOutIsAnswered(t *testing.T) {
	w := newWorld(t)
	p := w.connect(passenger)
	w.area.set(func(a *fakeArea) { a.mute = true })
	p.send(wire.TypeCancel, "c1", wire.Cancel{Trip: "t1", Why: wire.WhyTooLong})
	w.eventually("the command is there", func() bool { return count[dispatch.Cancel](w.area) == 1 })
	w.area.tell(passenger, dispatch.Done{ID: "c1"})
	w.area.tell(passenger, dispatch.ShutOut{Why: dispatch.ShutSignedOut})
	p.want(wire.TypeDone)
	p.wantClose(wire.CloseSignedOut)
}

// A driver who is at two servers keeps the newer connection, in whatever order the
// servers hear of them.
func TestReplacedByAnotherServer(t *testing.T) {
	w := newWorld(t)
	p := w.dial(w.token(driver1))
	p.hello()
	hello := w.area.got()[0].(dispatch.Hello)
	if hello.Session == "" || hello.Began == 0 {
		t.Fatalf("the core is not told of the session: %+v", hello)
	}
	w.area.set(func(a *fakeArea) { a.mute = true })
	shut := dispatch.ShutOut{Why: dispatch.ShutReplaced, Except: hello.Session, Before: hello.Began}
	w.area.tell(driver1, shut) // his own
	shut.Except = "!elsewhere-1"
	w.area.tell(driver1, shut) // of one that began in the same millisecond, whose name is lower
	shut.Except = "~elsewhere-1"
	shut.Before--
	w.area.tell(driver1, shut) // of an older one, late
	p.quiet()
	w.eventually("his hello is said again, for the older one to be told", func() bool { return count[dispatch.Hello](w.area) > 1 })
	shut.Before = hello.Began + 1
	w.area.tell(driver1, shut)
	p.wantClose(wire.CloseReplaced)
}

// Of two that begin at two servers in the same millisecond one stays.
func TestReplacedInTheSameMillisecond(t *testing.T) {
	var worlds [2]*world
	var phones [2]*phone
	var hellos [2]dispatch.Hello
	for i := range worlds {
		worlds[i] = newWorld(t)
		phones[i] = worlds[i].dial(worlds[i].token(driver1))
		phones[i].hello()
		hellos[i] = worlds[i].area.got()[0].(dispatch.Hello)
		worlds[i].area.set(func(a *fakeArea) { a.mute = true })
	}
	newer := 0
	if hellos[1].Session > hellos[0].Session {
		newer = 1
	}
	for i, w := range worlds {
		began := hellos[i].Began // as if both had begun then
		w.area.tell(driver1, dispatch.ShutOut{Why: dispatch.ShutReplaced, Except: hellos[1-i].Session, Before: began})
	}
	phones[1-newer].wantClose(wire.CloseReplaced)
	phones[newer].quiet()
}

func TestOperatorBars(t *testing.T) {
	w := newWorld(t)
	p := w.connect(operator)
	p.send(wire.TypeBar, "c1", wire.Bar{Role: "passenger", ID: "p9", Until: 5, Reason: "why"})
	p.want(wire.TypeDone)
	p.send(wire.TypeLiftBar, "c2", wire.LiftBar{Role: "passenger", ID: "p9"})
	p.want(wire.TypeDone)
	who := dispatch.Actor{Role: dispatch.RolePassenger, ID: "p9"}
	got := w.area.got()[1:]
	if got[0] != (dispatch.Bar{Command: dispatch.Command{By: operator, ID: "c1"}, Party: who, Until: 5, Reason: "why"}) ||
		got[1] != (dispatch.LiftBar{Command: dispatch.Command{By: operator, ID: "c2"}, Party: who}) {
		t.Errorf("the area got %+v", got)
	}
}
