package node

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
	"cuntong/geo"
)

// realServer starts a server on a real Redis.
func (w *world) realServer(mode, name string) (*server, *redisstore.Store) {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := redisstore.Open(context.Background(), redisstore.Config{Mode: mode, DataDir: w.t.TempDir(), Node: name, LeaseFor: leaseFor, Log: log, AllowUnsafe: true})
	if err != nil {
		w.t.Fatal(err)
	}
	s := &server{w: w, id: store.NodeID(), ended: make(chan error, 1), reg: prometheus.NewRegistry()}
	s.hub = newFakeHub(s)
	metrics := dispatch.NewMetrics(prometheus.NewRegistry())
	s.node, err = New(Config{
		ID: s.id, Name: name, Areas: w.areas, Exchange: store.Exchange(), Hub: s.hub, Now: store.Clock().Now, Log: log, Registerer: s.reg,
		Engine: func(area *geo.Area) (dispatch.EngineConfig, error) {
			l := store.Area(area.ID)
			return dispatch.EngineConfig{Area: area, Rules: dispatch.DefaultRules(), Router: geo.NewCrow(), Ledger: l, Mirror: l, Metrics: metrics, Log: log, Now: store.Clock().Now}, nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.ended <- s.node.Run(ctx) }()
	return s, store
}

// TestRealRedis: three servers on one redis-server; trips between phones at all of them,
// while servers come and go.
func TestRealRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: run make setup")
	}
	w := &world{t: t}
	for i := range 6 {
		w.areas = append(w.areas, &geo.Area{ID: geo.AreaID(fmt.Sprintf("county-%d", i))})
	}
	one, first := w.realServer(redisstore.ModeChild, "a")
	w.spreadReal(one)
	two, second := w.realServer("unix://"+first.Addr(), "b")
	w.spreadReal(one, two)
	three, third := w.realServer("unix://"+first.Addr(), "c")

	var riders sync.WaitGroup
	for i, a := range w.areas {
		riders.Go(func() { w.rides(a.ID, fmt.Sprint(i), three, []*server{one, two, three}[i%3]) })
	}
	w.spreadReal(one, two, three)
	if err := two.node.HandOver(context.Background()); err != nil || len(two.written()) != 0 {
		t.Errorf("after the hand-over %d areas are left: %v", len(two.written()), err)
	}
	riders.Wait()
	two.stop()
	w.spreadReal(one, three)
	for i, s := range []*server{two, three, one} {
		s.stop()
		if s.err != nil {
			t.Errorf("a server ends with %v", s.err)
		}
		if err := []*redisstore.Store{second, third, first}[i].Close(); err != nil {
			t.Error(err)
		}
	}
}

// rides lives through some trips with a driver at one server and a rider at another.
func (w *world) rides(area geo.AreaID, id string, drives, ridesAt *server) {
	driver := drives.connect(area, dispatch.RoleDriver, "d"+id)
	rider := ridesAt.connect(area, dispatch.RoleAgent, "p"+id)
	driver.insist(dispatch.StartDuty{Command: dispatch.Command{By: driver.who, ID: "duty"}, Driver: driver.who.Driver(), Vehicle: dispatch.Vehicle{Class: geo.Minivan, Load: dispatch.Load{Seats: 7}}}, "duty")
	for n := range 10 {
		trip := dispatch.TripID(fmt.Sprint("t", id, "-", n))
		cmd := func(by phone, word string) dispatch.Command {
			return dispatch.Command{By: by.who, ID: dispatch.CommandID(word + "-" + string(trip))}
		}
		driver.at(26)
		rider.insist(dispatch.Request{Command: cmd(rider, "ask"), Trip: trip, Order: order(rider.who, 26.01)}, "ask-"+dispatch.CommandID(trip))
		offer := driver.offered(trip)
		driver.insist(dispatch.Accept{Command: cmd(driver, "accept"), Trip: trip, Offer: offer}, "accept-"+dispatch.CommandID(trip))
		driver.insist(dispatch.Arrive{Command: cmd(driver, "arrive"), Trip: trip}, "arrive-"+dispatch.CommandID(trip))
		driver.insist(dispatch.Start{Command: cmd(driver, "start"), Trip: trip}, "start-"+dispatch.CommandID(trip))
		driver.insist(dispatch.Complete{Command: cmd(driver, "complete"), Trip: trip}, "complete-"+dispatch.CommandID(trip))
	}
}

// insist gives a command until it is done, as a phone does.
func (p phone) insist(in dispatch.Input, id dispatch.CommandID) {
	p.s.w.patiently(fmt.Sprintf("%s: %s", p.who, id), func(first bool) bool {
		for _, body := range p.all() {
			if d, ok := body.(dispatch.Done); ok && d.ID == id {
				return true
			}
		}
		if first {
			p.do(in)
		}
		return false
	})
}

// offered waits for the offer of a trip, told by itself or in a truth.
func (p phone) offered(trip dispatch.TripID) (offer dispatch.OfferID) {
	p.s.w.patiently(fmt.Sprintf("%s: an offer of %s", p.who, trip), func(again bool) bool {
		for _, body := range p.all() {
			switch b := body.(type) {
			case dispatch.OfferTold:
				if b.Offer.Trip == trip {
					offer = b.Offer.ID
				}
			case dispatch.Truth:
				if b.Offer != nil && b.Offer.Trip == trip {
					offer = b.Offer.ID
				}
			}
		}
		if again {
			p.at(26)
		}
		return offer != ""
	})
	return offer
}

// patiently looks for something every few milliseconds, the first time of each second
// with true.
func (w *world) patiently(what string, ok func(again bool) bool) {
	const look = 5 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for n := 0; ; n++ {
		if ok(n%200 == 0) {
			return
		}
		if time.Duration(n)*look > time.Minute {
			w.t.Errorf("waited in vain: %s", what)
			return
		}
		<-tick.C
	}
}

// spreadReal waits until all areas are written, as evenly as can be.
func (w *world) spreadReal(servers ...*server) {
	w.patiently(fmt.Sprint("the areas are spread over ", len(servers)), func(bool) bool {
		total := 0
		for _, s := range servers {
			n := len(s.written())
			if n > (len(w.areas)+len(servers)-1)/len(servers) {
				return false
			}
			total += n
		}
		return total == len(w.areas)
	})
}
