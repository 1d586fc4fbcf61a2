package main

import (
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
	"cuntong/ws/wire"
)

// The measure of bytes: what crosses the sockets, in either direction and without the
// upgrade, of one position, of ten of them, and of a whole ordinary trip.
const (
	positionBytesMax = 27
	positions10Max   = 121
	tripBudgetPB     = 3_000
	tripBudgetJSON   = 12_000
	// followed is how many positions the driver sends on his way to the pickup, and as
	// many during the ride. The passenger is told each.
	followed = 4
	// between is how far the clock is put forward before each, and before what is done
	// next: nobody waits for it, but moments are told as far apart as they are.
	between = 20 * time.Second
)

// leapingClock can be put forward.
type leapingClock struct{ ahead atomic.Int64 }

func (c *leapingClock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *leapingClock) leap(d time.Duration) { c.ahead.Add(int64(d)) }

// bytesNames are the figures of this measure.
var bytesNames = []string{"position_bytes_pb", "positions10_bytes_pb", "trip_bytes_pb", "trip_bytes_json"}

// bytesOnTheWire measures all of them.
func bytesOnTheWire(ctx context.Context, log io.Writer) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	villages, err := geo.NewGazetteer([]geo.Village{
		{ID: "zhaoxing", Name: "肇兴", Centre: geo.Point{Lat: 25.909412, Lon: 109.177206}, Pickups: []geo.Pickup{{ID: "gate", Name: "寨门", Point: geo.Point{Lat: 25.909412, Lon: 109.177206}}}},
		{ID: "liping-town", Name: "黎平", Centre: geo.Point{Lat: 26.230118, Lon: 109.136554}, Pickups: []geo.Pickup{{ID: "market", Name: "市场", Point: geo.Point{Lat: 26.230118, Lon: 109.136554}}}},
	})
	if err != nil {
		return nil, err
	}
	clock := &leapingClock{}
	server, err := newBenchServer(ctx, benchParts{now: clock.now, hub: func(c *ws.Config) { c.Gazetteer = villages }})
	if err != nil {
		return nil, err
	}
	defer server.stop()
	rows, err := positionBytes(ctx, server.addr, clock, log)
	if err != nil {
		return nil, err
	}
	trips, err := tripBytes(ctx, server.addr, clock, log)
	return append(rows, trips...), err
}

// positionBytes sends one position, and a track of ten, in both ways of writing.
func positionBytes(ctx context.Context, addr string, clock *leapingClock, log io.Writer) ([]Row, error) {
	tallies := map[wire.Codec]*tally{}
	for i, codec := range []wire.Codec{wire.PB, wire.JSON} {
		all := newTally()
		tallies[codec] = all
		p, err := all.dial(ctx, addr, clock, codec, ws.Claims{Actor: dispatch.DriverActor(dispatch.DriverID(fmt.Sprintf("d%d", i))), Vehicle: busOf(7)})
		if err != nil {
			return nil, err
		}
		track := tenFixes()
		first := track.Fixes[4]
		err = errors.Join(p.hello(false),
			p.say(wire.TypePosition, "", wire.Position{Lat: first.Lat, Lon: first.Lon, Datum: track.Datum, At: first.At, AccuracyM: first.AccuracyM, HeadingDeg: wire.Some(241), SpeedMPS: wire.Some(13.2)}),
			p.say(wire.TypeTrack, "d1-77", track),
			p.until(wire.TypeDone),
			p.settle(),
			all.agrees())
		p.close()
		if err != nil {
			return nil, err
		}
	}
	pb, text := tallies[wire.PB], tallies[wire.JSON]
	var rows []Row
	for _, r := range []struct {
		name   string
		of     line
		budget float64
	}{{"position_bytes_pb", line{"up", wire.TypePosition}, positionBytesMax}, {"positions10_bytes_pb", line{"up", wire.TypeTrack}, positions10Max}} {
		small, large := pb.lines[r.of], text.lines[r.of]
		fmt.Fprintf(log, "  %s: %d bytes of payload, %d with header and mask; JSON %d and %d, with permessage-deflate %d with header and mask\n",
			r.name, small.payload, small.wire, large.payload, large.wire, large.deflated)
		rows = append(rows, compare(Row{Name: r.name, Value: float64(small.payload), Unit: "B", Baseline: "JSON", BaselineValue: float64(large.payload),
			Budget: r.budget, Absolute: true}))
	}
	return rows, nil
}

// tenFixes are a minute and a half on a mountain road, every ten seconds, with all that
// a phone measures.
func tenFixes() wire.Track {
	track := wire.Track{Datum: wire.DatumWGS84}
	at, lat, lon := time.Now().Add(-time.Hour).UnixMilli(), 25.931204, 109.171035
	headings := []float64{348, 352, 3, 17, 41, 38, 12, 355, 341, 330}
	speeds := []float64{8.3, 8.9, 9.4, 7.1, 5.2, 6.8, 9.9, 11.4, 12.1, 10.6}
	accuracies := []float64{6.5, 6.5, 7.2, 9.8, 14.1, 9.3, 6.1, 5.4, 5.4, 6}
	for i := range headings {
		track.Fixes = append(track.Fixes, wire.TrackFix{Lat: math.Round(lat*1e6) / 1e6, Lon: math.Round(lon*1e6) / 1e6, At: at,
			AccuracyM: wire.Some(accuracies[i]), HeadingDeg: wire.Some(headings[i]), SpeedMPS: wire.Some(speeds[i])})
		along := headings[i] * math.Pi / 180
		lat += 10 * speeds[i] * math.Cos(along) / 111_195
		lon += 10 * speeds[i] * math.Sin(along) / 100_000
		at += 10_000 + int64(i*37%23) - 11
	}
	return track
}

// tripBytes makes the same trip in both ways of writing, and in JSON without what the
// clients need not be told twice.
func tripBytes(ctx context.Context, addr string, clock *leapingClock, log io.Writer) ([]Row, error) {
	pb, err := weighTrip(ctx, addr, clock, wire.PB, true, "1")
	if err != nil {
		return nil, fmt.Errorf("in pb: %w", err)
	}
	text, err := weighTrip(ctx, addr, clock, wire.JSON, true, "2")
	if err != nil {
		return nil, fmt.Errorf("in JSON: %w", err)
	}
	whole, err := weighTrip(ctx, addr, clock, wire.JSON, false, "3")
	if err != nil {
		return nil, fmt.Errorf("in JSON, not lean: %w", err)
	}
	fmt.Fprintf(log, "a trip, both sides, both directions, with headers and masks: pb %d B, JSON %d B, JSON with permessage-deflate %d B; not lean: JSON %d B, with permessage-deflate %d B\n",
		pb.sum().wire, text.sum().wire, text.sum().deflated, whole.sum().wire, whole.sum().deflated)
	fmt.Fprintf(log, "of these a position and what the passenger is told of it: pb %d B, JSON %d B, %d times\n", pb.perPosition(), text.perPosition(), 2*followed)
	if err := printTallies(log, pb, text); err != nil {
		return nil, err
	}
	return []Row{
		compare(Row{Name: "trip_bytes_pb", Value: float64(pb.sum().wire), Unit: "B", Baseline: "JSON, lean", BaselineValue: float64(text.sum().wire), Budget: tripBudgetPB, Absolute: true}),
		compare(Row{Name: "trip_bytes_json", Value: float64(text.sum().wire), Unit: "B", Baseline: "JSON, not lean", BaselineValue: float64(whole.sum().wire), Budget: tripBudgetJSON, Absolute: true}),
	}, nil
}

// weighTrip makes one trip from the hello of both to its end.
func weighTrip(ctx context.Context, addr string, clock *leapingClock, codec wire.Codec, lean bool, name string) (*tally, error) {
	all := newTally()
	driver, err := all.dial(ctx, addr, clock, codec, ws.Claims{Actor: dispatch.DriverActor(dispatch.DriverID("d021" + name)), Vehicle: busOf(7)})
	if err != nil {
		return nil, err
	}
	defer driver.close()
	rider, err := all.dial(ctx, addr, clock, codec, ws.Claims{Actor: dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1" + name}})
	if err != nil {
		return nil, err
	}
	defer rider.close()
	if err := errors.Join(driver.hello(lean), driver.command(wire.TypeDuty, wire.Duty{On: true}), driver.position(), rider.hello(lean)); err != nil {
		return nil, err
	}
	trip := "p1" + name + "-20260314-1"
	err = rider.command(wire.TypeRequest, wire.Request{Trip: trip, Pickup: wire.Place{Village: "zhaoxing", Stop: "gate", Note: "by the drum tower"}, Dropoff: wire.Place{Village: "liping-town"}, Seats: 2})
	if err != nil {
		return nil, err
	}
	if err := driver.take(trip, lean); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		state  dispatch.State
		next   wire.Type
		body   any
		follow bool
	}{
		{dispatch.Assigned, wire.TypeArrive, wire.Arrive{Trip: trip}, true},
		{dispatch.Arrived, wire.TypeStart, wire.Start{Trip: trip}, false},
		{dispatch.Riding, wire.TypeComplete, wire.Complete{Trip: trip}, true},
		{dispatch.Completed, "", nil, false},
	} {
		err := errors.Join(driver.reach(step.state), rider.reach(step.state))
		for i := 0; err == nil && step.follow && i < followed; i++ {
			clock.leap(between)
			err = errors.Join(driver.position(), rider.until(wire.TypeDriverAt))
		}
		if err == nil && step.next != "" {
			clock.leap(between)
			err = driver.command(step.next, step.body)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.state, err)
		}
	}
	return all, errors.Join(driver.settle(), rider.settle(), all.agrees())
}

func busOf(seats int) dispatch.Vehicle {
	return dispatch.Vehicle{ID: "贵H·D0217", Class: geo.Minibus, Load: dispatch.Load{Seats: seats}}
}

// line is a kind of message in one direction.
type line struct {
	way  string // "up" to the server, "down" from it
	kind wire.Type
}

// weight is what messages weigh.
type weight struct{ count, payload, wire, deflated int }

// tally is what crossed some sockets, counted twice: message by message, and byte by
// byte beneath the library.
type tally struct {
	lines map[line]weight
	raw   atomic.Int64
}

func newTally() *tally { return &tally{lines: map[line]weight{}} }

func (t *tally) add(l line, payload []byte) {
	header := 2
	if l.way == "up" {
		header += 4 // the mask
	}
	w := t.lines[l]
	w.count++
	w.payload += len(payload)
	w.wire += header + extended(len(payload)) + len(payload)
	small := deflated(payload)
	w.deflated += header + extended(small) + small
	t.lines[l] = w
}

// extended is how many bytes of a header a length takes beyond the first (RFC 6455,
// section 5.2).
func extended(n int) int {
	switch {
	case n < 126:
		return 0
	case n < 1<<16:
		return 2
	}
	return 8
}

// deflated is the length of a payload as gorilla sends it with permessage-deflate: level
// 1, and no context kept from message to message.
func deflated(payload []byte) int {
	n := counter(0)
	w, err := flate.NewWriter(&n, 1)
	if err == nil {
		_, err = w.Write(payload)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return 0 // does not happen: n takes everything
	}
	return int(n) - 4 // the end that is always the same (RFC 7692, section 7.2.1)
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// sum is all but what only settles the count.
func (t *tally) sum() (all weight) {
	return t.sumBut(wire.TypePing, wire.TypePong)
}

func (t *tally) sumBut(kinds ...wire.Type) (all weight) {
	for l, w := range t.lines {
		if slices.Contains(kinds, l.kind) {
			continue
		}
		all.count += w.count
		all.payload += w.payload
		all.wire += w.wire
		all.deflated += w.deflated
	}
	return all
}

// perPosition is what a position takes with what the passenger is told of it.
func (t *tally) perPosition() int {
	up, down := t.lines[line{"up", wire.TypePosition}], t.lines[line{"down", wire.TypeDriverAt}]
	return up.wire/up.count + down.wire/max(1, down.count)
}

// agrees says whether the two ways of counting come to the same.
func (t *tally) agrees() error {
	if raw, sum := int(t.raw.Load()), t.sumBut().wire; raw != sum {
		return fmt.Errorf("%d bytes crossed the sockets, %d were in messages", raw, sum)
	}
	return nil
}

// printTallies shows what is heavy.
func printTallies(log io.Writer, pb, text *tally) error {
	t := tabwriter.NewWriter(log, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmessage\ttimes\tpb B\tJSON B\tdeflated B\t")
	for _, l := range slices.SortedFunc(maps.Keys(pb.lines), func(a, b line) int { return pb.lines[b].wire - pb.lines[a].wire }) {
		small, large := pb.lines[l], text.lines[l]
		if l.kind == wire.TypePing || l.kind == wire.TypePong {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t\n", l.way, l.kind, small.count, small.wire, large.wire, large.deflated)
	}
	return t.Flush()
}

// weighedConn counts the bytes of a socket once it is told to.
type weighedConn struct {
	net.Conn
	into *atomic.Int64
	open *atomic.Bool
}

func (c weighedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count(n)
	return n, err
}

func (c weighedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.count(n)
	return n, err
}

func (c weighedConn) count(n int) {
	if c.open.Load() {
		c.into.Add(int64(n))
	}
}

// weighedPhone is a client whose messages are weighed.
type weighedPhone struct {
	ws       *websocket.Conn
	codec    wire.Codec
	clock    *leapingClock
	all      *tally
	name     string
	commands int
	state    dispatch.State // of the trip, as it was told last
	offer    string
}

// dial connects, and counts from the end of the upgrade.
func (t *tally) dial(ctx context.Context, addr string, clock *leapingClock, codec wire.Codec, claims ws.Claims) (*weighedPhone, error) {
	key, err := benchKey()
	if err != nil {
		return nil, err
	}
	claims.Area = benchArea
	token, err := ws.Mint(key, claims, time.Hour)
	if err != nil {
		return nil, err
	}
	open := new(atomic.Bool)
	dialer := websocket.Dialer{Subprotocols: []string{codec.Subprotocol()}, NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return weighedConn{conn, &t.raw, open}, err
	}}
	conn, resp, err := dialer.DialContext(ctx, "ws://"+addr+"/ws", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // empty
	open.Store(true)
	deadline, _ := ctx.Deadline()
	conn.SetPingHandler(func(payload string) error { // the library's, and weighed
		t.add(line{"down", "(ping)"}, []byte(payload))
		t.add(line{"up", "(pong)"}, []byte(payload))
		return conn.WriteControl(websocket.PongMessage, []byte(payload), deadline)
	})
	return &weighedPhone{ws: conn, codec: codec, clock: clock, all: t, name: claims.Actor.ID}, conn.SetReadDeadline(deadline)
}

func (p *weighedPhone) close() { _ = p.ws.Close() } // nobody is left to be told

func (p *weighedPhone) say(t wire.Type, id string, body any) error {
	frame, err := p.codec.EncodeClient(t, id, body)
	if err != nil {
		return err
	}
	p.all.add(line{"up", t}, frame)
	kind := websocket.TextMessage
	if p.codec.Binary() {
		kind = websocket.BinaryMessage
	}
	return p.ws.WriteMessage(kind, frame)
}

// hear reads one message and keeps what later steps ask for.
func (p *weighedPhone) hear() (wire.ServerFrame, error) {
	_, frame, err := p.ws.ReadMessage()
	if err != nil {
		return wire.ServerFrame{}, err
	}
	f, err := p.codec.DecodeServer(frame)
	if err != nil {
		return f, err
	}
	p.all.add(line{"down", f.Type}, frame)
	switch b := f.Body.(type) {
	case wire.Trip:
		p.state = dispatch.State(b.State)
	case wire.Offer:
		p.offer = b.Offer
	case wire.Refused:
		if b.Code != "unknown_type" {
			return f, fmt.Errorf("%w: %s: %+v", errRefused, p.name, b)
		}
	}
	return f, nil
}

// until reads up to a message of that type.
func (p *weighedPhone) until(want wire.Type) error {
	for {
		if f, err := p.hear(); err != nil || f.Type == want {
			return err
		}
	}
}

// reach reads until the trip is in that state.
func (p *weighedPhone) reach(state dispatch.State) error {
	for p.state != state {
		if _, err := p.hear(); err != nil {
			return err
		}
	}
	return nil
}

// hello says what a client says that spares the link; one that is not lean says what it must,
// and is told as much as the first clients were.
func (p *weighedPhone) hello(lean bool) error {
	hello := wire.Hello{NowMS: p.clock.now().UnixMilli(), Client: "village-app/1.5"}
	if lean {
		hello.Lean, hello.Confirms, hello.Device = true, true, "phone-5f3a9c"
	}
	return errors.Join(p.say(wire.TypeHello, "", hello), p.until(wire.TypeTruth))
}

// settle reads all that is on its way, refusals too.
func (p *weighedPhone) settle() error {
	if err := p.say(wire.TypePing, "", wire.Ping{}); err != nil {
		return err
	}
	for {
		if f, err := p.hear(); err != nil && !errors.Is(err, errRefused) || f.Type == wire.TypePong {
			return err
		}
	}
}

var errRefused = errors.New("refused")

// command sends a command and reads up to its answer.
func (p *weighedPhone) command(t wire.Type, body any) error {
	p.commands++
	return errors.Join(p.say(t, fmt.Sprintf("%s-%d", p.name, p.commands), body), p.until(wire.TypeDone))
}

func (p *weighedPhone) position() error {
	return p.say(wire.TypePosition, "", wire.Position{Lat: 25.915021, Lon: 109.169877, Datum: wire.DatumWGS84, At: p.clock.now().UnixMilli(),
		AccuracyM: wire.Some(6.5), HeadingDeg: wire.Some(241), SpeedMPS: wire.Some(9.7)})
}

// take confirms the offer, if the client says that it does, and accepts it.
func (p *weighedPhone) take(trip string, confirms bool) error {
	for p.offer == "" {
		if _, err := p.hear(); err != nil {
			return err
		}
	}
	if confirms {
		if err := p.say(wire.TypeSeen, "", wire.Seen{Trip: trip, Offer: p.offer}); err != nil {
			return err
		}
	}
	return p.command(wire.TypeAccept, wire.Accept{Trip: trip, Offer: p.offer})
}
