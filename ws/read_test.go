package ws

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

func TestBadFramesAreRefused(t *testing.T) {
	w := newWorld(t)
	deep := strings.Repeat(`{"a":`, 7) + "1" + strings.Repeat("}", 7)
	for name, c := range map[string]struct {
		who             dispatch.Actor
		frame, re, code string
	}{
		"noise":             {driver1, `noise`, "", wire.CodeBadJSON},
		"too deep":          {driver1, deep, "", wire.CodeTooDeep},
		"unknown type":      {driver1, `{"t":"fly","b":{}}`, "", wire.CodeUnknownType},
		"unknown field":     {driver1, `{"t":"arrive","id":"c1","b":{"trip":"t1","speed":9}}`, "c1", wire.CodeUnknownField},
		"twice":             {driver1, `{"t":"arrive","id":"c1","b":{"trip":"t1","trip":"t2"}}`, "c1", wire.CodeDuplicateField},
		"no id":             {driver1, `{"t":"arrive","b":{"trip":"t1"}}`, "", wire.CodeMissingID},
		"bad id":            {driver1, `{"t":"arrive","id":"c 1","b":{"trip":"t1"}}`, "", wire.CodeBadID},
		"position nowhere":  {driver1, `{"t":"position","b":{"lat":91,"lon":0,"datum":"wgs84","at":1790000000000}}`, "", wire.CodeOutOfRange},
		"position untagged": {driver1, `{"t":"position","b":{"lat":26.4,"lon":108,"at":1790000000000}}`, "", wire.CodeUntaggedDatum},
		"null island":       {driver1, `{"t":"position","b":{"lat":0,"lon":0,"datum":"wgs84","at":1790000000000}}`, "", wire.CodeOutOfRange},
		"unknown village":   {passenger, `{"t":"request","id":"c1","b":{"trip":"t1","seats":1,"pickup":{"village":"nowhere"},"dropoff":{"village":"langde"}}}`, "c1", wire.CodeUnknownVillage},
		"unknown stop":      {passenger, `{"t":"request","id":"c1","b":{"trip":"t1","seats":1,"pickup":{"village":"langde","stop":"moon"},"dropoff":{"village":"xijiang"}}}`, "c1", wire.CodeUnknownVillage},
		"same place":        {passenger, `{"t":"request","id":"c1","b":{"trip":"t1","seats":1,"pickup":{"village":"langde"},"dropoff":{"village":"langde","stop":"gate"}}}`, "c1", wire.CodeSamePlace},
		"untagged datum":    {passenger, `{"t":"request","id":"c1","b":{"trip":"t1","seats":1,"pickup":{"lat":26.4,"lon":108},"dropoff":{"village":"langde"}}}`, "c1", wire.CodeUntaggedDatum},
	} {
		p := w.connect(c.who)
		inputs := len(w.area.got())
		p.raw(c.frame)
		f := p.want(wire.TypeRefused)
		if got := f.Body.(wire.Refused); f.Re != c.re || got.Code != c.code {
			t.Errorf("%s: re=%q %+v, want re=%q code=%s", name, f.Re, got, c.re, c.code)
		}
		p.quiet()
		if len(w.area.got()) != inputs || len(w.area.gotFixes()) != 0 {
			t.Errorf("%s: it reached the area", name)
		}
		w.leave(p)
	}
}

func TestFramesThatEndTheConnection(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Linger = 200 * time.Millisecond })
	for name, c := range map[string]struct {
		send func(*phone)
		want wire.CloseCode
	}{
		"binary":      {func(p *phone) { _ = p.ws.WriteMessage(websocket.BinaryMessage, []byte(`{"t":"ping","b":{}}`)) }, wire.CloseBinary},
		"bad UTF-8":   {func(p *phone) { p.raw("{\"t\":\"ping\",\"b\":{\"\xff\":1}}") }, wire.CloseBadUTF8},
		"oversized":   {func(p *phone) { p.raw(strings.Repeat(" ", wire.MaxFrameBytes+1)) }, wire.CloseTooBig},
		"huge":        {func(p *phone) { _ = p.ws.WriteMessage(websocket.TextMessage, make([]byte, 1<<20)) }, wire.CloseTooBig},
		"hello twice": {func(p *phone) { p.send(wire.TypeHello, "", wire.Hello{NowMS: 1}) }, wire.CloseProtocol},
		"in pieces too big": {func(p *phone) {
			part, _ := p.ws.NextWriter(websocket.TextMessage)
			for range 10 { // each flush of the small buffer is a fragment
				_, _ = part.Write(bytes.Repeat([]byte(" "), wire.MaxFrameBytes/8))
			}
			_ = part.Close()
		}, wire.CloseTooBig},
	} {
		w.dialer.WriteBufferSize = 256
		// One driver each, so that none replaces another that is still closing.
		p := w.connect(dispatch.Actor{Role: dispatch.RoleDriver, ID: "d" + strconv.Itoa(int(c.want)) + strconv.Itoa(len(name))})
		c.send(p)
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatalf("%s: not closed", name)
		}
		if !websocket.IsCloseError(p.err, int(c.want)) {
			t.Errorf("%s: %v, want %d", name, p.err, c.want)
		}
	}
	w.eventually("all are counted", func() bool {
		return w.closes("1003") == 1 && w.closes("1007") == 1 && w.closes("1009") == 3 && w.closes("4501") == 1
	})
}

// Who says hello twice is told so, and not only sent away.
func TestSecondHelloIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	p.send(wire.TypeHello, "", wire.Hello{NowMS: 1})
	if got := p.want(wire.TypeRefused).Body.(wire.Refused); got.Code != wire.CodeUnknownType || got.Field != "t" {
		t.Errorf("refused %+v", got)
	}
	p.wantClose(wire.CloseProtocol)
}

// A frame of exactly the limit is read, in one piece or many.
func TestLargestFrame(t *testing.T) {
	w := newWorld(t)
	w.dialer.WriteBufferSize = 256
	p := w.connect(driver1)
	frame := `{"t":"arrive","id":"c1","b":{"trip":"t1"}}`
	frame += strings.Repeat(" ", wire.MaxFrameBytes-len(frame))
	p.raw(frame)
	p.want(wire.TypeDone)
	part, err := p.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(frame); i += 512 {
		_, _ = part.Write([]byte(frame[i : i+512]))
	}
	if err := part.Close(); err != nil {
		t.Fatal(err)
	}
	p.want(wire.TypeDone)
}

// The library finds broken framing; the client is told, and may come back.
func TestBrokenFraming(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Linger = 200 * time.Millisecond })
	p := w.connect(driver1)
	_, _ = p.ws.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0}) // opcode 3 does not exist
	<-p.ended
	if !websocket.IsCloseError(p.err, websocket.CloseProtocolError) {
		t.Errorf("%v, want 1002", p.err)
	}
	w.eventually("it is counted", func() bool { return w.closes("1002") == 1 })
}

func TestFirstFrameMustBeHello(t *testing.T) {
	w := newWorld(t)
	for name, frame := range map[string]string{
		"a command":      `{"t":"arrive","id":"c1","b":{"trip":"t1"}}`,
		"a ping":         `{"t":"ping","b":{}}`,
		"noise":          `noise`,
		"a broken hello": `{"t":"hello","b":{"now":1}}`,
	} {
		p := w.dial(w.token(driver1))
		p.raw(frame)
		p.want(wire.TypeRefused)
		p.wantClose(wire.CloseProtocol)
		if w.hub.Connections()[dispatch.RoleDriver] != 0 {
			t.Errorf("%s: let in", name)
		}
	}
	p := w.dial(w.token(driver1))
	_ = p.ws.WriteMessage(websocket.BinaryMessage, []byte("x"))
	p.wantClose(wire.CloseBinary)
	if len(w.area.got()) != 0 {
		t.Errorf("the area got %+v", w.area.got())
	}
}

func TestTooManyMalformed(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	for range w.hub.cfg.MaxMalformed {
		p.raw(`{"t":"fly","b":{}}`)
	}
	p.want(wire.TypeRefused)
	p.send(wire.TypePing, "", wire.Ping{})
	p.until(wire.TypePong)
	p.raw(`{"t":"fly","b":{}}`)
	p.wantClose(wire.CloseProtocol)
	w.leave(p)
	// A sensor that loses its mind is not the program's fault.
	q := w.connect(driver1)
	for range w.hub.cfg.MaxMalformed + 5 {
		q.raw(`{"t":"position","b":{"lat":0,"lon":0,"datum":"wgs84","at":1790000000000}}`)
	}
	q.wantRefused("", wire.CodeOutOfRange)
	q.send(wire.TypePing, "", wire.Ping{})
	q.until(wire.TypePong)
}

func TestTooManyFrames(t *testing.T) {
	inFakeTime(t, func(w *world) {
		w.area.set(func(a *fakeArea) { a.mute = true })
		p := w.dial(w.token(driver1))
		p.send(wire.TypeHello, "", wire.Hello{NowMS: 1})
		p.want(wire.TypeWelcome)
		for range 20 + 5 { // one burst and a little
			p.send(wire.TypePing, "", wire.Ping{})
		}
		for f := p.next(); f.Type != wire.TypeRefused; f = p.next() {
			if f.Type != wire.TypePong {
				t.Fatalf("%s, want pongs, then refused", f.Type)
			}
		}
		go func() {
			for range 20*excessBursts + 100 {
				if p.ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"ping","b":{}}`)) != nil {
					return
				}
			}
		}()
		p.wantClose(wire.CloseFlood)
		if w.dropped(dropRate) == 0 {
			t.Error("no frame was shed")
		}
	}, func(c *Config) { c.FrameBurst = 20 })
}

// Pings of the protocol below are frames like any other.
func TestPingFlood(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.connect(driver1)
		go func() {
			for range 10_000 {
				if p.ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Second)) != nil {
					return
				}
			}
		}()
		p.wantClose(wire.CloseFlood)
	})
}

func TestPingIsAnswered(t *testing.T) {
	w := newWorld(t)
	p := w.dialDeaf(w.token(driver1))
	pong := make(chan string, 1)
	p.ws.SetPongHandler(func(payload string) error {
		pong <- payload
		return nil
	})
	p.listen()
	p.hello()
	if err := p.ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-pong:
		if got != "are you there" {
			t.Errorf("pong %q", got)
		}
	case <-time.After(patience):
		t.Fatal("no pong")
	}
}

// The phone's clock is an hour off, either way; then a little, which is trusted.
func TestPhoneClocks(t *testing.T) {
	inFakeTime(t, testPhoneClocks)
}

func testPhoneClocks(w *world) {
	t := w.t
	for _, off := range []time.Duration{-time.Hour, time.Hour, -3 * time.Second, 3 * time.Second, 0} {
		seen := len(w.area.gotFixes())
		p := w.dial(w.token(driver1))
		phoneNow := time.Now().Add(off)
		p.send(wire.TypeHello, "", wire.Hello{NowMS: phoneNow.UnixMilli()})
		p.want(wire.TypeWelcome)
		p.want(wire.TypeTruth)
		const age = 10 * time.Second
		p.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: phoneNow.Add(-age).UnixMilli()})
		p.quiet()
		fix := w.area.gotFixes()[seen]
		told := fix.Received.Sub(fix.At)
		if late := told - age; late.Abs() > 3*time.Second {
			t.Errorf("a clock %v off: a position %v old counts as %v old", off, age, told)
		}
		p.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: phoneNow.Add(20 * time.Second).UnixMilli()})
		p.quiet()
		// One from the future is taken as of now by the core, which is told how far ahead it was.
		if fix := w.area.gotFixes()[seen+1]; fix.At < fix.Received.Add(15*time.Second) || fix.At > fix.Received.Add(25*time.Second) {
			t.Errorf("a clock %v off: a position 20 s from the future is %v ahead", off, fix.At.Sub(fix.Received))
		}
		w.leave(p)
	}
}

func TestClockBehind(t *testing.T) {
	for _, c := range []struct{ phone, ours, took, want int64 }{
		{1_000_000, 1_000_000, 0, 0},
		{1_000_000, 1_004_999, 0, 0}, // may be the way of the hello
		{1_004_999, 1_000_000, 0, 0},
		{1_000_000, 1_005_000, 0, 5_000},
		{4_600_000, 1_000_000, 0, -3_600_000},
		{1_000_000, 1_010_000, 20_000, 0},       // was right, ten seconds ago
		{1_000_000, 1_024_999, 20_000, 0},       // the whole time may have been the way here,
		{1_004_999, 1_000_000, 20_000, 0},       // or none of it
		{1_000_000, 1_310_000, 20_000, 300_000}, // five minutes behind
		{1_300_000, 1_010_000, 20_000, -300_000},
	} {
		if got := clockBehind(c.phone, dispatch.Instant(c.ours), time.Duration(c.took)*time.Millisecond); got != c.want {
			t.Errorf("phone %d, ours %d, within %d ms: behind %d ms, want %d", c.phone, c.ours, c.took, got, c.want)
		}
	}
}

func TestPositionReachesTheSlot(t *testing.T) {
	w := newWorld(t)
	p := w.connect(driver1)
	there := geo.Point{Lat: 26.5, Lon: 108.1}
	bd, err := geo.FromWGS84(there, geo.BD09)
	if err != nil {
		t.Fatal(err)
	}
	p.send(wire.TypePosition, "", wire.Position{Lat: bd.Lat, Lon: bd.Lon, Datum: "bd09", At: time.Now().UnixMilli(),
		AccuracyM: wire.Some(7), HeadingDeg: wire.Some(0), SpeedMPS: wire.Some(12.5)})
	p.send(wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: "wgs84", At: time.Now().UnixMilli()})
	p.quiet()
	fixes := w.area.gotFixes()
	if len(fixes) != 2 {
		t.Fatalf("%d positions, want 2", len(fixes))
	}
	if f := fixes[0]; f.Driver != "d1" || geo.Distance(f.Point, there) > 0.5 || f.AccuracyMeters != 7 || f.HeadingDegrees != 0 || f.SpeedMPS != 12.5 {
		t.Errorf("%+v", f)
	}
	if f := fixes[1]; f.HeadingDegrees >= 0 || f.SpeedMPS >= 0 || f.AccuracyMeters != 0 {
		t.Errorf("what was not said is known: %+v", f)
	}
}

// A position costs the read loop no memory, from the frame to the slot.
func TestPositionAllocatesNothing(t *testing.T) {
	h := &Hub{cfg: DefaultConfig(), started: time.Now(), metrics: newMetrics(nil)}
	h.cfg.Now = time.Now
	c := &conn{hub: h}
	p := newParty(claimsOf(driver1), slotArea{})
	c.party.Store(p)
	c.early.judged.Store(true)
	frame := []byte(fmt.Sprintf(`{"t":"position","b":{"lat":26.512345,"lon":108.112345,"datum":"gcj02","at":%d,"accuracy_m":6.5}}`, time.Now().UnixMilli()))
	s := h.getScratch()
	if got := testing.AllocsPerRun(1000, func() {
		c.pace = pace{}
		now := h.moment()
		if !c.admitted(now) {
			t.Fatal("not admitted")
		}
		c.handle(frame, s, now)
	}); got != 0 {
		t.Errorf("%v allocations a position, want none", got)
	}
	if c.lanes.must != nil {
		t.Error("it was refused")
	}
}

type slotArea struct{}

func (slotArea) Submit(dispatch.Input) *dispatch.Refusal { return nil }
func (slotArea) Slot() Positions                         { return slotArea{} }
func (slotArea) Put(dispatch.Fix)                        {}
func (slotArea) Gone(dispatch.Actor)                     {}

// FuzzFrames feeds a connection whatever comes: it never panics, and answers at
// most once.
func FuzzFrames(f *testing.F) {
	for _, kind := range wire.ClientTypes() {
		id := ""
		if kind.IsCommand() {
			id = "c1"
		}
		frame, err := wire.EncodeClient(kind, id, bodies[kind])
		if err != nil {
			f.Fatal(err)
		}
		for role := range roles {
			f.Add(role, frame)
		}
	}
	w := newWorld(f)
	w.connect(driver1)
	var real *conn
	w.hub.each(func(c *conn) { real = c })
	f.Fuzz(func(t *testing.T, role int, frame []byte) {
		c := &conn{hub: w.hub, ws: real.ws}
		c.lanes.writing = true // nothing is written
		c.party.Store(newParty(claimsOf(dispatch.Actor{Role: roles[uint(role)%uint(len(roles))], ID: "x"}), slotArea{}))
		c.handle(frame, w.hub.getScratch(), w.hub.moment())
		if n := len(c.lanes.must) + len(c.lanes.loose); n > 1 {
			t.Fatalf("%d answers to one frame", n)
		}
	})
}
