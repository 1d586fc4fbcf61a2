package linktest

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// TestTheSmallClient has the JavaScript client of the examples drive a trip against the
// real server; its program dies in the dark, and the ride is over when it is back.
func TestTheSmallClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on PATH: the client of the examples is not tested (apt-get install nodejs)")
	}
	if exec.Command(node, "--experimental-websocket", "-e", "new WebSocket('ws://127.0.0.1:1').onerror = () => {}").Run() != nil {
		t.Skip("this node has no WebSocket: the client of the examples is not tested")
	}
	lines, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rules := dispatch.DefaultRules()
	rules.Window = 0
	w := newWorld(t, lines, new(net.Dialer).DialContext, rules)
	token, err := w.config(driver(1), 1).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := meet(t, passenger(1), w.config(passenger(1), 2), nil)
	p.do(wire.TypeRequest, wire.Request{Trip: "t1", Pickup: place(geo.Point{Lat: 26.471, Lon: 108.04}), Dropoff: place(geo.Point{Lat: 26.57, Lon: 108.04}), Seats: 1})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, "--experimental-websocket", "--no-warnings", "../../../examples/js/trip.mjs", "ws://"+lines.Addr().String()+"/ws", token.Text).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "duty accept arrive start complete" {
		t.Fatalf("%v: %s", err, out)
	}
	until(t, patience, "the end", func() bool { return p.state("t1") == wire.StateCompleted })
	for _, f := range w.ledger.all() {
		if started, ok := f.Body.(dispatch.RideStarted); ok {
			t.Logf("started: %+v", started)
		}
	}
}
