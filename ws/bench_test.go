package ws

import (
	"fmt"
	"testing"
	"time"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// quietHub is a hub without a listener, whose sweeper does not run.
func quietHub() *Hub {
	h := &Hub{cfg: DefaultConfig(), started: time.Now(), metrics: newMetrics(nil), directory: newDirectory()}
	h.cfg.Now = time.Now
	return h
}

// BenchmarkPosition is a position from the frame to the slot.
func BenchmarkPosition(b *testing.B) {
	h := quietHub()
	c := &conn{hub: h}
	c.party.Store(newParty(claimsOf(driver1), slotArea{}))
	c.early.judged.Store(true)
	frame, err := wire.EncodeClient(wire.TypePosition, "", wire.Position{Lat: 26.512345, Lon: 108.112345, Datum: "wgs84", At: time.Now().UnixMilli(), AccuracyM: wire.Some(6.5)})
	if err != nil {
		b.Fatal(err)
	}
	s := h.getScratch()
	b.ReportAllocs()
	for b.Loop() {
		c.pace = pace{}
		if now := h.moment(); c.admitted(now) {
			c.handle(frame, s, now)
		}
	}
}

// BenchmarkTell is what the engine spends on one notice to a party whose writer is busy.
func BenchmarkTell(b *testing.B) {
	h := quietHub()
	for i := range 15_000 {
		who := dispatch.Actor{Role: dispatch.RolePassenger, ID: fmt.Sprint("p", i)}
		c := &conn{hub: h, number: uint64(i)}
		c.lanes.writing, c.lanes.truth = true, truthTold
		c.party.Store(newParty(claimsOf(who), slotArea{}))
		h.directory.add(c, who, 1)
	}
	notices := []dispatch.Notice{{To: dispatch.Actor{Role: dispatch.RolePassenger, ID: "p777"}, Body: driverAt("t1", 1)}}
	teller := h.Teller(leishan)
	b.ReportAllocs()
	for b.Loop() {
		teller.Tell(notices)
	}
}

// BenchmarkSweep is one look at 15,000 idle connections, which comes once a second.
func BenchmarkSweep(b *testing.B) {
	h := quietHub()
	s := newSweeper(h)
	for i := range 15_000 {
		c := &conn{hub: h, number: uint64(i)}
		c.heard.Store(1 << 40)
		p := newParty(claimsOf(driver1), slotArea{})
		p.expires = 1 << 60
		c.party.Store(p)
		h.roster.add(c)
	}
	now := h.moment()
	b.ReportAllocs()
	for b.Loop() {
		s.sweep(now)
	}
}
