package ws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/wire"
)

// memoryAudit keeps records, or takes none while it is full.
type memoryAudit struct {
	mu      sync.Mutex // guards the following fields
	records []AuditRecord
	full    bool
}

func (a *memoryAudit) Note(r AuditRecord) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.full {
		a.records = append(a.records, r)
	}
	return !a.full
}

func (a *memoryAudit) all() []AuditRecord {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.records)
}

func (a *memoryAudit) set(full bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full = full
}

// coreArea is an Area that a real core decides, one input after another, at moments of
// its own: a day takes as long as it takes to write its frames.
type coreArea struct {
	teller dispatch.Teller

	mu   sync.Mutex // guards the following fields
	core *dispatch.Core
	now  dispatch.Instant
}

func (a *coreArea) Submit(in dispatch.Input) *dispatch.Refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now++
	a.teller.Tell(a.core.Apply(a.now, in).Notices)
	return nil
}

func (a *coreArea) Slot() Positions      { return a }
func (a *coreArea) Gone(dispatch.Actor)  {}
func (a *coreArea) Put(fix dispatch.Fix) { _ = a.Submit(dispatch.Moved{Fix: fix}) }

// newCoreWorld is a hub before a real core.
func newCoreWorld(t *testing.T, audit Auditor) (*world, *coreArea) {
	area := &coreArea{now: dispatch.InstantOf(time.Now())}
	w := newWorld(t, func(c *Config) {
		c.Audit = audit
		c.Areas = func(id geo.AreaID) (Area, bool) { return area, id == leishan }
		c.FramesPerSecond, c.FrameBurst = 1000, 10_000
	})
	area.teller = w.hub.Teller(leishan)
	area.core = dispatch.NewCore(&geo.Area{ID: leishan, Name: "Leishan"}, dispatch.DefaultRules(), geo.NewCrow())
	return w, area
}

// sawDriver is one frame with a driver's position in it: who got it, and whose it was.
type sawDriver struct {
	session, driver string
	kind            wire.Type
}

// positionsIn lists the drivers whose positions a frame has.
func positionsIn(f wire.ServerFrame) []string {
	var drivers []string
	trip := func(t wire.Trip) {
		if t.Position != nil {
			drivers = append(drivers, t.Driver.ID)
		}
	}
	switch b := f.Body.(type) {
	case wire.Trip:
		trip(b)
	case wire.Truth:
		for _, t := range b.Trips {
			trip(t)
		}
	case wire.DriverAt:
		drivers = append(drivers, "d1") // who drives in this world
	case wire.RouteTold:
		if b.Approach != nil {
			drivers = append(drivers, "d1")
		}
	case wire.Board:
		for _, d := range b.Drivers {
			if d.Position != nil {
				drivers = append(drivers, d.ID)
			}
		}
	case wire.LookTold:
		if b.Driver != nil && b.Driver.Position != nil {
			drivers = append(drivers, b.Driver.ID)
		}
		if b.Trip != nil {
			trip(*b.Trip)
		}
	}
	return drivers
}

// TestEveryPositionIsRecorded lives through a day of trips over real sockets, with a
// passenger, an operator who watches and looks, and people who come and go. Every frame
// with a driver's position that anybody but he himself got has a record, and what is
// told of a trip after its end has no position.
func TestEveryPositionIsRecorded(t *testing.T) {
	audit := &memoryAudit{}
	w, _ := newCoreWorld(t, audit)
	rng := rand.New(rand.NewPCG(1, 9))
	var seen []sawDriver
	ended := map[string]bool{}
	take := func(p *phone, session string, f wire.ServerFrame) {
		for _, driver := range positionsIn(f) {
			seen = append(seen, sawDriver{session, driver, f.Type})
		}
		switch b := f.Body.(type) {
		case wire.Trip:
			ended[session+b.Trip] = ended[session+b.Trip] || b.State == wire.StateCompleted || b.State == wire.StateCancelled
		case wire.DriverAt:
			if ended[session+b.Trip] {
				t.Errorf("the position of the driver of %s is told after its end", b.Trip)
			}
		}
	}
	// ask sends, and reads on to the answer.
	ask := func(p *phone, session string, kind wire.Type, id string, body any, until ...wire.Type) wire.ServerFrame {
		p.send(kind, id, body)
		for {
			f := p.next()
			take(p, session, f)
			if slices.Contains(until, f.Type) && (id == "" || f.Re == id) {
				return f
			}
		}
	}
	d := w.connect(driver1)
	drive := func(lat float64) {
		d.send(wire.TypePosition, "", wire.Position{Lat: lat, Lon: 108.04, Datum: wire.DatumWGS84, At: time.Now().UnixMilli()})
		ask(d, "", wire.TypePing, "", wire.Ping{}, wire.TypePong)
	}
	answered := []wire.Type{wire.TypeDone, wire.TypeRefused}
	ask(d, "", wire.TypeDuty, "on", wire.Duty{On: true}, answered...)
	drive(26.470)
	for trip := range 12 {
		id := fmt.Sprint("t", trip)
		p, o := w.dial(w.token(passenger)), w.dial(w.token(operator))
		sp, so := p.hello().Session, o.hello().Session
		ask(o, so, wire.TypeWatch, "", wire.Watch{On: true}, wire.TypeBoard)
		ask(p, sp, wire.TypeRequest, id+"r", wire.Request{Trip: id, Pickup: wire.Place{Village: "langde"}, Dropoff: wire.Place{Village: "xijiang"}, Seats: 1}, answered...)
		if f := ask(d, "", wire.TypeAccept, id+"a", wire.Accept{Trip: id, Offer: id + "/1"}, answered...); f.Type != wire.TypeDone {
			t.Fatalf("trip %d: %+v", trip, f.Body)
		}
		for range 1 + rng.IntN(4) {
			drive(26.470 + rng.Float64()/100)
		}
		if rng.IntN(2) == 0 { // he comes back in the middle of it
			p.hangUp()
			p = w.dial(w.token(passenger))
			p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
			sp = p.want(wire.TypeWelcome).Body.(wire.Welcome).Session
			take(p, sp, p.want(wire.TypeTruth))
		}
		ask(p, sp, wire.TypeRoute, "", wire.Route{Trip: id}, wire.TypeRoute)
		ask(o, so, wire.TypeLook, id+"l", wire.Look{Driver: "d1", Reason: "lost property " + id}, answered...)
		ask(o, so, wire.TypeLook, id+"m", wire.Look{Trip: id, Reason: "he has not come"}, answered...)
		for _, step := range []struct {
			kind wire.Type
			body any
		}{{wire.TypeArrive, wire.Arrive{Trip: id}}, {wire.TypeStart, wire.Start{Trip: id}}, {wire.TypeComplete, wire.Complete{Trip: id}}} {
			ask(d, "", step.kind, id+string(step.kind), step.body, answered...)
			drive(26.470)
		}
		ask(o, so, wire.TypeWatch, "", wire.Watch{On: true}, wire.TypeBoard)
		ask(p, sp, wire.TypePing, "", wire.Ping{}, wire.TypePong)
		p.hangUp()
		o.hangUp()
	}
	d.hangUp()
	w.eventually("every record has ended", func() bool {
		open := 0
		for _, r := range audit.all() {
			switch r.What {
			case AuditPosition, AuditBoard:
				open++
			case AuditPositionEnd, AuditBoardEnd:
				open--
			}
		}
		return w.live() == 0 && open == 0
	})
	checkRecords(t, audit.all(), seen)
}

// checkRecords: every frame that was seen has its record, records have ends, and none
// has a position in it.
func checkRecords(t *testing.T, records []AuditRecord, seen []sawDriver) {
	t.Helper()
	kinds, frames, ends := map[wire.Type]int{}, 0, 0
	for _, s := range seen {
		if s.session == "" {
			continue // the driver himself
		}
		kinds[s.kind]++
		if !slices.ContainsFunc(records, func(r AuditRecord) bool {
			return r.Session == s.session && (string(r.Driver) == s.driver || slices.Contains(r.Drivers, dispatch.DriverID(s.driver))) &&
				(s.kind == wire.TypeBoard) == (r.What == AuditBoard || r.What == AuditBoardEnd) && (s.kind == wire.TypeLook) == strings.HasPrefix(r.What, "look")
		}) {
			t.Errorf("%+v has no record", s)
		}
	}
	for _, kind := range []wire.Type{wire.TypeTrip, wire.TypeDriverAt, wire.TypeTruth, wire.TypeRoute, wire.TypeBoard, wire.TypeLook} {
		if kinds[kind] == 0 {
			t.Errorf("no frame of type %s had a position: the day has not shown what it should", kind)
		}
	}
	begun := 0
	for _, r := range records {
		switch r.What {
		case AuditPosition, AuditBoard:
			begun++
		case AuditPositionEnd, AuditBoardEnd:
			ends++
			if r.What == AuditPositionEnd {
				frames += r.Frames
			}
			if r.From > r.To || r.Frames == 0 {
				t.Errorf("%+v", r)
			}
		case AuditLook:
			if r.Reason == "" || r.Command == "" {
				t.Errorf("a look without a reason: %+v", r)
			}
		}
		r.Session = "" // letters by chance, among them words of three
		line, _ := json.Marshal(r)
		for _, leak := range []string{"lat", "lon", "26.4", "108.0"} {
			if bytes.Contains(line, []byte(leak)) {
				t.Errorf("a record says where: %s", line)
			}
		}
	}
	onTrips := 0
	for _, s := range seen {
		if s.session != "" && s.kind != wire.TypeBoard && s.kind != wire.TypeLook {
			onTrips++
		}
	}
	if frames < onTrips { // some may have been written that nobody read any more
		t.Errorf("%d frames with the position of a trip's driver were seen, %d are in the records", onTrips, frames)
	}
	if begun != ends {
		t.Errorf("%d records were begun, %d ended", begun, ends)
	}
	t.Logf("%d frames with positions were seen: %v; %d records", len(seen), kinds, len(records))
}

// TestNoLookWithoutARecord: when it cannot be recorded, a close look is refused and not
// shown; what a passenger sees of his driver he sees.
func TestNoLookWithoutARecord(t *testing.T) {
	audit := &memoryAudit{full: true}
	w, _ := newCoreWorld(t, audit)
	d, o := w.connect(driver1), w.connect(operator)
	d.send(wire.TypeDuty, "c1", wire.Duty{On: true})
	d.want(wire.TypeDuty)
	d.want(wire.TypeDone)
	o.send(wire.TypeLook, "c1", wire.Look{Driver: "d1", Reason: "a test"})
	if no := o.wantRefused("c1", "not_recording"); no.Kind != wire.KindUnavailable || no.RetryAfterMS == 0 {
		t.Errorf("%+v", no)
	}
	if w.counted(w.hub.metrics.audit.WithLabelValues("lost")) == 0 {
		t.Error("what was not recorded is not counted")
	}
	o.send(wire.TypeWatch, "", wire.Watch{On: true})
	if board := o.want(wire.TypeBoard).Body.(wire.Board); len(board.Drivers) != 1 {
		t.Errorf("the board is not shown: %+v", board)
	}
	audit.set(false)
	o.send(wire.TypeLook, "c1", wire.Look{Driver: "d1", Reason: "a test"})
	o.want(wire.TypeLook)
	o.want(wire.TypeDone)
}

// TestAuditFile: lines are whole, survive a rotation, and are readable by nobody else.
func TestAuditFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := OpenAudit(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	lines := func(path string) int {
		data, _ := os.ReadFile(path)
		for line := range bytes.Lines(data) {
			var r AuditRecord
			if err := json.Unmarshal(line, &r); err != nil || r.Reason != "line\nbreak" {
				t.Errorf("%s: %v", line, err)
			}
		}
		return bytes.Count(data, []byte("\n"))
	}
	note := func() {
		if !a.Note(AuditRecord{At: 1, What: AuditLook, Reason: "line\nbreak"}) {
			t.Error("not taken")
		}
	}
	w := &world{t: t}
	note()
	w.eventually("a line is written", func() bool { return lines(path) == 1 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	sent := 0
	w.eventually("the new file has lines", func() bool {
		note()
		sent++
		return lines(path) > 0
	})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := lines(path) + lines(path+".1"); got != 1+sent {
		t.Errorf("%d lines of %d are there", got, 1+sent)
	}
}

// TestAuditOfARoute: the line of a way begins where the driver is, and counts as his position.
func TestAuditOfARoute(t *testing.T) {
	audit := &memoryAudit{}
	w := newWorld(t, func(c *Config) { c.Audit = audit })
	p := w.connect(passenger)
	w.area.set(func(a *fakeArea) { a.mute = true })
	p.send(wire.TypeRoute, "", wire.Route{Trip: "t1"})
	w.eventually("the question arrives", func() bool { return count[dispatch.AskRoute](w.area) == 1 })
	w.area.tell(passenger, dispatch.RouteTold{Trip: "t1", Driver: "d1", Approach: &dispatch.Way{Line: "_p~iF~ps|U"}})
	p.want(wire.TypeRoute)
	if got := audit.all(); len(got) != 1 || got[0].What != AuditPosition || got[0].Driver != "d1" || got[0].Trip != "t1" {
		t.Errorf("recorded: %+v", got)
	}
}
