package ws

import (
	"testing"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

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
	}
}
