package ws

import (
	"testing"

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
	shut := dispatch.ShutOut{Why: dispatch.ShutReplaced, Except: hello.Session, Before: hello.Began}
	w.area.tell(driver1, shut) // his own
	shut.Except = "elsewhere-1"
	w.area.tell(driver1, shut) // of one that began at the same time
	shut.Before--
	w.area.tell(driver1, shut) // of an older one, late
	p.quiet()
	shut.Before = hello.Began + 1
	w.area.tell(driver1, shut)
	p.wantClose(wire.CloseReplaced)
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
