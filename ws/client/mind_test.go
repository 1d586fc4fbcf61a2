package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"cuntong/ws/wire"
)

// life is a mind with a clock of its own, checked after every step.
type life struct {
	t *testing.T
	*mind
	now time.Time
	// said are the frames it wanted sent, hung why it hung up last.
	said []send
	hung string
	seen []Event
}

func newLife(t *testing.T, role string, change ...func(*Config)) *life {
	t.Helper()
	cfg := Config{Addresses: []string{"ws://x/ws"}, Role: role, Token: noToken, IDs: "c", Rand: rand.New(rand.NewPCG(1, 2))}
	for _, f := range change {
		f(&cfg)
	}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	return &life{t: t, mind: newMind(&cfg), now: time.UnixMilli(1_773_446_400_000)}
}

func (l *life) wall() int64 { return l.now.UnixMilli() }

// settled checks, and collects what the mind wants.
func (l *life) settled() {
	l.t.Helper()
	if err := l.check(); err != nil {
		l.t.Fatal(err)
	}
	l.seen = append(l.seen, l.mind.events...)
	l.mind.events = nil
}

// pump takes what the mind wants sent now, up to the next wait, which it returns.
func (l *life) pump() time.Time {
	l.t.Helper()
	for range 1000 {
		out := l.next(l.now, l.wall())
		l.settled()
		if out.idle() {
			return out.due
		}
		if out.hangUp != "" {
			l.hung = out.hangUp
			l.down(l.now)
			l.settled()
			continue
		}
		l.said = append(l.said, out)
	}
	l.t.Fatal("the pump does not come to rest")
	return time.Time{}
}

// goOn lets time pass, and the mind do at every moment what it wants to.
func (l *life) goOn(d time.Duration) {
	l.t.Helper()
	for end := l.now.Add(d); ; {
		due := l.pump()
		if due.IsZero() || due.After(end) {
			l.now = end
			l.pump()
			return
		}
		if due.After(l.now) {
			l.now = due
		}
	}
}

func (l *life) frame(body any, re ...string) {
	l.t.Helper()
	f := wire.ServerFrame{Body: body}
	if len(re) > 0 {
		f.Re = re[0]
	}
	l.told(l.now, f)
	l.settled()
	l.pump()
}

// connect is a hello, a welcome and a truth.
func (l *life) connect(t wire.Truth) wire.Hello {
	l.t.Helper()
	h := l.greet(l.now, l.wall(), "", "", "")
	l.frame(wire.Welcome{HeartbeatS: 25, MaxFrameBytes: 4096})
	l.frame(t)
	return h
}

// take returns what was said since, and forgets it.
func (l *life) take() []send {
	out := l.said
	l.said = nil
	return out
}

func (l *life) do(t wire.Type, body any) string {
	l.t.Helper()
	id, err := l.ask(l.now, l.wall(), t, body, false)
	if err != nil {
		l.t.Fatal(err)
	}
	l.settled()
	l.pump()
	return id
}

func whole(id string, version int64, state string) wire.Trip {
	t := wire.Trip{
		Trip: id, Version: version, State: state, Pickup: wire.PlaceOut{Lat: 26, Lon: 108, Datum: "wgs84"}, Dropoff: wire.PlaceOut{Lat: 26.1, Lon: 108, Datum: "wgs84"},
		Seats: 2, Channel: "app", RequestedAt: 1000, PickupFrom: 1000, Ride: &wire.Leg{DistanceM: 5, DurationS: 6}, Receipt: "r-" + id + "-" + strconv.FormatInt(version, 10),
	}
	if isBound(state) {
		t.Driver = &wire.TripDriver{ID: "d1"}
	}
	return t
}

func lean(id string, version int64, state string) wire.Trip {
	t := wire.Trip{Trip: id, Version: version, State: state}
	if isBound(state) {
		t.Driver = &wire.TripDriver{ID: "d1"}
	}
	return t
}

func kinds(list []send) (out []wire.Type) {
	for _, s := range list {
		if !s.knock {
			out = append(out, s.kind)
		}
	}
	return out
}

func TestACommandIsTheSameUntilItIsAnswered(t *testing.T) {
	l := newLife(t, wire.RolePassenger)
	id := l.do(wire.TypeRequest, wire.Request{Trip: "t1"})
	if len(l.take()) != 0 {
		t.Fatal("sent without a connection")
	}
	l.connect(wire.Truth{})
	l.goOn(11 * time.Second)
	first := l.take()
	l.down(l.now)
	l.connect(wire.Truth{})
	second := l.take()
	all := append(first, second...)
	if len(all) != 3 || slices.ContainsFunc(all, func(s send) bool { return s.id != id || !reflect.DeepEqual(s.body, all[0].body) }) {
		t.Fatalf("said %+v: want the same three times", all)
	}
	l.frame(wire.Done{Trip: "t1", Version: 1, State: "requested"}, id)
	l.goOn(30 * time.Second)
	if left := kinds(l.take()); len(left) != 0 || len(l.calls) != 0 {
		t.Errorf("after the answer: %v", left)
	}
	l.frame(wire.Done{Trip: "t1", Version: 1, State: "requested"}, id)
	if last := l.seen[len(l.seen)-1]; last.Kind != Stray || last.Answer.ID != id {
		t.Errorf("the second answer is %+v", last)
	}
}

func TestAConnectionThatDoesNotAnswerIsGivenUp(t *testing.T) {
	l := newLife(t, wire.RolePassenger)
	l.connect(wire.Truth{})
	l.do(wire.TypeRequest, wire.Request{Trip: "t1"})
	for range 40 {
		l.goOn(time.Second)
		l.frame(wire.Pong{}) // alive
	}
	if l.hung == "" || len(kinds(l.take())) != sendings {
		t.Errorf("hung up for %q after %d sendings", l.hung, len(l.said))
	}
}

func TestDeedsOfTheDarkGoOneByOneWithTheirTime(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	l.connect(wire.Truth{Trips: []wire.Trip{whole("t1", 3, "assigned")}})
	live := l.do(wire.TypeArrive, wire.Arrive{Trip: "t1"})
	if got := l.take(); len(got) != 1 || got[0].body.(wire.Arrive).At != 0 {
		t.Fatalf("done with a signal: %+v, want it without a time", got)
	}
	l.down(l.now)
	arrived := l.wall()
	l.now = l.now.Add(10 * time.Minute)
	started := l.wall()
	start := l.do(wire.TypeStart, wire.Start{Trip: "t1", Code: "4821"})
	for range 10 {
		l.now = l.now.Add(30 * time.Second)
		l.position(wire.Position{Lat: 26 + float64(l.now.Unix()%10_000)/10_000, Lon: 108, Datum: "wgs84", At: l.wall()})
		l.settled()
	}
	complete := l.do(wire.TypeComplete, wire.Complete{Trip: "t1"})
	if got := l.shown("t1", "assigned"); got != "completed" {
		t.Errorf("shown as %s", got)
	}
	l.connect(wire.Truth{Same: []string{"t1"}})
	got := l.take()
	if !slices.Equal(kinds(got), []wire.Type{"arrive", "position"}) || got[0].id != live {
		t.Fatalf("on coming back it says %+v", got)
	}
	if a := got[0].body.(wire.Arrive); a.At != arrived || a.Seq != 1 {
		t.Errorf("repeated as %+v: want its time, %d", a, arrived)
	}
	l.frame(wire.Done{Trip: "t1", Version: 4, State: "arrived"}, live)
	l.frame(wire.Done{Trip: "t1", Version: 5, State: "riding"}, start)
	got = l.take()
	if !slices.Equal(kinds(got), []wire.Type{"start", "complete"}) || got[0].body != (wire.Start{Trip: "t1", Code: "4821", At: started, Seq: 2}) {
		t.Fatalf("then %+v", got)
	}
	l.frame(wire.Refused{Kind: wire.KindConflict, Code: "not_riding"}, complete)
	if e := l.seen[len(l.seen)-1]; e.Kind != Answered || e.Answer.Refused == nil || e.Answer.ID != complete {
		t.Errorf("the app is told %+v of a refusal", e)
	}
	got = l.take()
	if !slices.Equal(kinds(got), []wire.Type{"track"}) || len(got[0].body.(wire.Track).Fixes) != 10 {
		t.Fatalf("behind the deeds: %+v", got)
	}
	l.frame(wire.Done{}, got[0].id)
	if !l.idle() {
		t.Error("something is left")
	}
}

func TestAnOlderServerIsSpokenToAsItKnows(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	l.greet(l.now, l.wall(), "", "", "phone-1")
	l.frame(wire.Refused{Kind: wire.KindInvalid, Code: wire.CodeUnknownField, Field: "b.lean"})
	if l.retold != "lean" {
		t.Fatalf("retold %q", l.retold)
	}
	l.down(l.now)
	if h := l.connect(wire.Truth{Trips: []wire.Trip{whole("t1", 3, "assigned")}}); h.Lean || !h.Confirms {
		t.Errorf("the next hello is %+v", h)
	}
	l.down(l.now)
	l.now = l.now.Add(time.Hour)
	id := l.do(wire.TypeArrive, wire.Arrive{Trip: "t1"})
	l.now = l.now.Add(time.Hour)
	l.connect(wire.Truth{})
	l.take()
	l.frame(wire.Refused{Kind: wire.KindInvalid, Code: wire.CodeUnknownField, Field: "b.at"}, id)
	if got := l.take(); len(got) != 1 || got[0].id != id || got[0].body != (wire.Arrive{Trip: "t1"}) {
		t.Errorf("sent again as %+v", got)
	}
}

func TestLeanTripsAreMadeWhole(t *testing.T) {
	l := newLife(t, wire.RolePassenger)
	l.connect(wire.Truth{Trips: []wire.Trip{whole("t1", 1, "requested")}})
	l.frame(lean("t1", 3, "assigned"))
	l.frame(whole("t1", 2, "offered")) // late
	p := l.picture.show(l.now, true)
	got, _ := p.Trip("t1")
	want := whole("t1", 3, "assigned")
	want.Receipt = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("held as %+v\nwant %+v", got, want)
	}
	l.down(l.now)
	h := l.connect(wire.Truth{Trips: []wire.Trip{lean("t1", 4, "arrived")}, Same: nil})
	if !reflect.DeepEqual(h.Known, []wire.Held{{Trip: "t1", Version: 3}}) || !h.Lean {
		t.Errorf("hello %+v", h)
	}
	if got := l.picture.trips["t1"]; got.State != "arrived" || got.Seats != 2 {
		t.Errorf("held as %+v", got)
	}
	l.down(l.now)
	l.connect(wire.Truth{Same: []string{"t1", "never heard of"}})
	if l.hung == "" {
		t.Error("the same as what is not held was taken")
	}
	if h := l.greet(l.now, l.wall(), "", "", ""); h.Known != nil {
		t.Errorf("and said again to be known: %+v", h)
	}
}

func TestATruthReplacesThePicture(t *testing.T) {
	l := newLife(t, wire.RolePassenger)
	l.connect(wire.Truth{Trips: []wire.Trip{whole("t1", 7, "assigned"), whole("t2", 3, "parked")}})
	l.frame(wire.Truth{Trips: []wire.Trip{whole("t1", 5, "arrived")}})
	e := l.seen[len(l.seen)-1]
	if !slices.Equal(e.Gone, []string{"t2"}) {
		t.Errorf("told of %v that they are gone", e.Gone)
	}
	if p := l.picture.show(l.now, true); len(p.Trips) != 1 || p.Trips[0].Version != 5 {
		t.Errorf("held: %+v", p.Trips)
	}
}

func TestOffersAreConfirmedAndEnd(t *testing.T) {
	offer := wire.Offer{Offer: "t1/1", Trip: "t1", Version: 2, WaitS: 20, ConfirmS: 5}
	l := newLife(t, wire.RoleDriver)
	l.connect(wire.Truth{})
	l.frame(offer)
	if got := l.take(); !slices.Equal(kinds(got), []wire.Type{"seen"}) || got[0].body != (wire.Seen{Trip: "t1", Offer: "t1/1"}) {
		t.Fatalf("said %+v", got)
	}
	for name, end := range map[string]func(*life){
		"answered":  func(l *life) { l.frame(wire.Done{}, l.do(wire.TypeDecline, wire.Decline{Trip: "t1", Offer: "t1/1"})) },
		"gone":      func(l *life) { l.frame(wire.OfferGone{Trip: "t1", Offer: "t1/1", End: "lapsed"}) },
		"over":      func(l *life) { l.goOn(21 * time.Second) },
		"in a trip": func(l *life) { l.frame(whole("t1", 3, "assigned")) },
		"not in a truth": func(l *life) {
			l.frame(wire.Truth{})
		},
	} {
		l := newLife(t, wire.RoleDriver)
		l.connect(wire.Truth{Offer: &offer})
		if p := l.picture.show(l.now, true); p.Offer == nil || len(l.take()) != 1 {
			t.Fatal("no offer, or it is not confirmed")
		}
		if end(l); l.picture.offer != nil {
			t.Errorf("%s: it is still there", name)
		}
	}
}

func TestTheNewestPositionIsSent(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	at := func(lat float64) wire.Position {
		l.now = l.now.Add(5 * time.Second)
		return wire.Position{Lat: lat, Lon: 108, Datum: "wgs84", At: l.wall()}
	}
	l.position(at(26.1))
	l.position(at(26.2))
	l.connect(wire.Truth{})
	l.position(at(26.3))
	l.position(at(26.4))
	l.pump()
	var lats []float64
	for _, s := range l.take() {
		lats = append(lats, s.body.(wire.Position).Lat)
	}
	if !slices.Equal(lats, []float64{26.2, 26.4}) {
		t.Errorf("sent %v: want the newest of each time", lats)
	}
	if !l.dark.empty() {
		t.Error("positions are kept of no trip")
	}
}

// What was sent into a connection that was dead already is sent again with the track.
func TestDoubtfulPositionsComeWithTheTrack(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	l.connect(wire.Truth{Trips: []wire.Trip{whole("t1", 5, "riding")}})
	for i := range 20 {
		l.now = l.now.Add(5 * time.Second)
		l.position(wire.Position{Lat: 26 + float64(i)/1000, Lon: 108, Datum: "wgs84", At: l.wall()})
		l.pump()
		if i < 8 {
			l.told(l.now, wire.ServerFrame{Body: wire.Pong{}})
		}
	}
	if l.hung != "silent" {
		t.Fatalf("hung up for %q", l.hung)
	}
	l.take()
	l.connect(wire.Truth{Same: []string{"t1"}})
	var track wire.Track
	for _, s := range l.take() {
		if s.kind == wire.TypeTrack {
			track = s.body.(wire.Track)
		}
	}
	if n := len(track.Fixes); n < 11 || n > 14 || track.Fixes[n-1].Lat != 26.019 {
		t.Errorf("the track has %d positions, %+v: want those that nobody was heard after", n, track.Fixes)
	}
}

func TestTheDarkIsKeptCoarser(t *testing.T) {
	var d dark
	for i := range 5000 {
		d.keep(wire.Position{Lat: 26 + float64(i)/5000, Lon: 108, Datum: "wgs84", At: int64(i)*5000 + 1})
		if len(d.fixes) >= maxDark {
			t.Fatalf("%d kept", len(d.fixes))
		}
	}
	if n := len(d.fixes); n < maxDark/3 || d.fixes[0].At != 1 || d.fixes[n-1].At < 4950*5000 {
		t.Errorf("%d kept, from %d to %d ms", n, d.fixes[0].At, d.fixes[n-1].At)
	}
	for !d.empty() {
		frame, err := wire.EncodeClient(wire.TypeTrack, "c-1", d.cut(wire.MaxFrameBytes))
		if err == nil {
			_, err = wire.DecodeClient(frame)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestASilentConnectionIsKnockedAtAndGivenUp(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	l.connect(wire.Truth{})
	l.frame(wire.Heartbeat{EveryS: 4, SilentS: 11})
	begin := l.now
	l.goOn(6 * time.Second)
	if got := l.take(); len(got) != 1 || !got[0].knock {
		t.Fatalf("after 6 s it says %+v: want a ping", got)
	}
	l.goOn(4 * time.Second)
	if l.hung != "" {
		t.Fatal("given up too early")
	}
	l.goOn(2 * time.Second)
	if l.hung != "silent" || l.now.Sub(begin) != 12*time.Second {
		t.Errorf("hung up for %q", l.hung)
	}
}

func TestRefusedForNowIsSentAgainLater(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	l.connect(wire.Truth{})
	id := l.do(wire.TypeDuty, wire.Duty{On: true})
	l.take()
	l.frame(wire.Refused{Kind: wire.KindUnavailable, Code: "busy", RetryAfterMS: 4000}, id)
	l.goOn(3900 * time.Millisecond)
	if got := l.take(); len(got) != 0 {
		t.Fatalf("too early: %+v", got)
	}
	l.goOn(1200 * time.Millisecond)
	if got := l.take(); len(got) != 1 || got[0].id != id {
		t.Fatalf("said %+v", got)
	}
	l.frame(wire.Refused{Kind: wire.KindForbidden, Code: "role"}, id)
	if len(l.calls) != 0 {
		t.Error("refused for good, and kept")
	}
}

func TestReceiptsAreKeptAndGivenBack(t *testing.T) {
	l := newLife(t, wire.RolePassenger)
	l.connect(wire.Truth{})
	for i := range 30 {
		l.frame(whole(fmt.Sprint("t", i), 1, "requested"))
	}
	l.frame(whole("t3", 2, "completed"))
	l.frame(whole("t3", 1, "requested"))
	l.down(l.now)
	h := l.connect(wire.Truth{})
	if len(h.Receipts) != wire.MaxReceipts || h.Receipts[0] != "r-t3-2" || h.Receipts[1] != "r-t29-1" {
		t.Errorf("gave %v", h.Receipts)
	}
	l.frame(wire.Refused{Kind: wire.KindNotFound, Code: "trip_unknown", Trip: "t29"})
	l.down(l.now)
	l.now = l.now.Add(61 * time.Minute)
	if h := l.connect(wire.Truth{}); h.Receipts[0] != "r-t28-1" {
		t.Errorf("gave %v", h.Receipts)
	}
}

func TestACrashLosesNoCommand(t *testing.T) {
	for name, store := range map[string]Store{"memory": &MemoryStore{}, "file": FileStore(t.TempDir() + "/phone.json")} {
		l := newLife(t, wire.RoleDriver)
		l.connect(wire.Truth{Trips: []wire.Trip{whole("t1", 4, "arrived")}})
		l.down(l.now)
		l.do(wire.TypeStart, wire.Start{Trip: "t1"})
		for range 5 {
			l.now = l.now.Add(time.Minute)
			l.position(wire.Position{Lat: 26 + float64(l.now.Unix()%10_000)/10_000, Lon: 108, Datum: "wgs84", At: l.wall(), SpeedMPS: wire.Some(0)})
		}
		l.do(wire.TypeComplete, wire.Complete{Trip: "t1"})
		saved, err := l.saved()
		if err != nil {
			t.Fatal(err)
		}
		if saved, err = again(store, saved); err != nil {
			t.Fatal(err)
		}
		r := newLife(t, wire.RoleDriver, func(c *Config) { c.IDs = "other" })
		r.now = l.now.Add(time.Hour)
		if err := r.restore(r.now, saved); err != nil {
			t.Fatal(err)
		}
		if got := r.shown("t1", r.picture.trips["t1"].State); got != "completed" {
			t.Errorf("%s: shown as %s", name, got)
		}
		if h := r.connect(wire.Truth{Same: []string{"t1"}}); len(h.Receipts) != 1 || len(h.Known) != 1 {
			t.Errorf("%s: hello %+v", name, h)
		}
		for i := range 3 {
			got := r.take()
			if len(got) != 1 {
				t.Fatalf("%s: %d: %+v", name, i, got)
			}
			if s, ok := got[0].body.(wire.Start); ok && (got[0].id != "c-1" || s.Seq != 1 || s.At == 0) {
				t.Errorf("%s: %+v", name, got[0])
			}
			if tr, ok := got[0].body.(wire.Track); ok && (len(tr.Fixes) != 5 || !tr.Fixes[0].SpeedMPS.Set) {
				t.Errorf("%s: %+v", name, got[0])
			}
			r.frame(wire.Done{}, got[0].id)
		}
		if id := r.do(wire.TypeDuty, wire.Duty{}); id != "c-4" {
			t.Errorf("%s: the next command is %s: want an id that was never used", name, id)
		}
	}
}

func again(s Store, saved Saved) (Saved, error) {
	if _, err := s.Load(); err != nil {
		return Saved{}, err
	}
	if err := errors.Join(s.Save(saved), s.Save(saved)); err != nil {
		return Saved{}, err
	}
	return s.Load()
}

func TestABrokenFileIsNotTakenForAnEmptyOne(t *testing.T) {
	path := t.TempDir() + "/phone.json"
	if err := os.WriteFile(path, []byte(`{"Calls":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Addresses: []string{"ws://x"}, Role: wire.RoleDriver, Token: noToken, Store: FileStore(path)}); err == nil {
		t.Error("a broken file was taken")
	}
}

func TestThePaceIsKept(t *testing.T) {
	l := newLife(t, wire.RoleDriver)
	l.connect(wire.Truth{})
	begin := l.now
	n := 0
	for l.now.Before(begin.Add(20 * time.Second)) {
		l.now = l.now.Add(10 * time.Millisecond)
		l.position(wire.Position{Lat: 26, Lon: 108, Datum: "wgs84", At: l.wall()})
		l.pump()
		n += len(l.take())
	}
	if most := wire.FrameBurst + 20*wire.FramesPerSecond; n > most || n < most/2 {
		t.Errorf("%d frames in 20 s: the server takes %d", n, most)
	}
}
