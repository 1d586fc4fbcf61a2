package linktest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"cuntong/chaos/proxy"
	"cuntong/dispatch"
	"cuntong/dispatch/redisstore/redistest"
	"cuntong/geo"
	"cuntong/ws/client"
	"cuntong/ws/wire"
)

// link is something wrong with the way between phones and server.
type link struct {
	name string
	// toxics are those of toxiproxy, in its JSON, in both directions; with phases they
	// hold for so long and are then away for as long, again and again.
	toxics []string
	phases time.Duration
	// down stops the proxy in the phases.
	down bool
	// mischief is what happens to single messages instead.
	mischief *proxy.Mischief
	long     bool // only in the long form
	trips    int  // of each passenger then; 0 is 5
}

var links = []link{
	{name: "nothing wrong"},
	{name: "latency 300 ms ± 150", toxics: []string{`{"type":"latency","attributes":{"latency":300,"jitter":150}}`}},
	{name: "latency 2 s ± 1", toxics: []string{`{"type":"latency","attributes":{"latency":2000,"jitter":1000}}`}, long: true},
	{name: "latency 5 s ± 1.5", toxics: []string{`{"type":"latency","attributes":{"latency":5000,"jitter":1500}}`}, long: true}, // a round trip of ten seconds
	{name: "latency 10 s ± 2", toxics: []string{`{"type":"latency","attributes":{"latency":10000,"jitter":2000}}`}, long: true, trips: 2},
	{name: "2 KB/s", toxics: []string{`{"type":"bandwidth","attributes":{"rate":2}}`}},
	{name: "slices of 16 bytes", toxics: []string{`{"type":"slicer","attributes":{"average_size":16,"size_variation":8,"delay":1000}}`}},
	{name: "resets", toxics: []string{`{"type":"reset_peer","attributes":{"timeout":0}}`}, phases: 700 * time.Millisecond},
	{name: "black holes", toxics: []string{`{"type":"timeout","attributes":{"timeout":0}}`}, phases: 700 * time.Millisecond},
	{name: "cut after 3,000 bytes", toxics: []string{`{"type":"limit_data","attributes":{"bytes":3000}}`}},
	{name: "down and up", down: true, phases: 700 * time.Millisecond},
	{name: "30 % of messages lost", mischief: &proxy.Mischief{Lose: 0.3}},
	{name: "30 % doubled, 30 % swapped", mischief: &proxy.Mischief{Double: 0.3, Swap: 0.3}},
	{name: "lost, doubled, swapped, late", mischief: &proxy.Mischief{Lose: 0.1, Double: 0.1, Swap: 0.2, Hold: 0.2, HoldMS: 800}, long: true},
}

// row is what one link came to.
type row struct {
	link, codec                string
	trips, reconnects, repeats int64
	took                       time.Duration
}

// TestLinks drives trips over each kind of bad link, in both codecs: every one is
// completed exactly once, nobody drives two, and all pictures are right in the end.
// LINKS=long takes all links and more trips.
func TestLinks(t *testing.T) {
	long, seed := os.Getenv("LINKS") == "long", uint64(1)
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	var mu sync.Mutex
	var rows []row
	t.Run("all", func(t *testing.T) {
		for i, l := range links {
			for j, name := range []string{"json", "pb"} {
				codec, ok := wire.CodecOf(wire.Protocol + "." + name)
				if !ok || l.long && !long || !long && (i+j)%2 == 1 && l.mischief == nil {
					continue // in the short form TCP's troubles take turns
				}
				t.Run(l.name+" "+name, func(t *testing.T) {
					t.Parallel()
					r := travel(t, l, codec, seed+uint64(i), long)
					mu.Lock()
					defer mu.Unlock()
					rows = append(rows, row{l.name, name, r.trips, r.reconnects, r.repeats, r.took})
				})
			}
		}
	})
	var text strings.Builder
	table(&text, rows)
	t.Logf("seed %d\n%s", seed, text.String())
}

func table(out io.Writer, rows []row) {
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.link, b.link), cmp.Compare(a.codec, b.codec)) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "link\tcodec\ttrips\treconnects\trepeats\tseconds\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.1f\t\n", r.link, r.codec, r.trips, r.reconnects, r.repeats, r.took.Seconds())
	}
	w.Flush()
}

// travel drives trips over one link.
func travel(t *testing.T, l link, codec wire.Codec, seed uint64, long bool) row {
	lines, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rules := dispatch.DefaultRules()
	rules.OfferWait, rules.FreshFor, rules.Window, rules.LapseRest = 5*time.Second, 5*time.Minute, 0, 0
	if strings.HasPrefix(l.name, "latency") {
		rules.OfferWait = time.Minute
	}
	w := newWorld(t, lines, new(net.Dialer).DialContext, rules)
	address, mend := l.lay(t, lines.Addr().String(), seed)
	trips, people := 2, 2
	if long {
		trips, people = cmp.Or(l.trips, 5), 4
	}
	if !long && l.mischief != nil && l.mischief.Lose > 0 {
		trips = 1 // most of the time goes by in waiting for what was lost
	}
	configure := func(a dispatch.Actor, n int) client.Config {
		cfg := w.config(a, seed<<8+uint64(n))
		cfg.Addresses, cfg.Codecs = []string{"ws://" + address + "/ws"}, []wire.Codec{codec}
		cfg.Backoff = client.Backoff{Base: 100 * time.Millisecond, Top: time.Second, Steady: time.Second}
		if cfg.Repeat, cfg.Patience = time.Second, 2*time.Second; strings.HasPrefix(l.name, "latency") {
			cfg.Repeat, cfg.Patience = 0, 0
		}
		return cfg
	}
	ctx, stop := context.WithCancel(context.Background())
	var driving sync.WaitGroup
	defer driving.Wait()
	defer stop()
	begun := time.Now()
	var all, riders []*person
	for i := range people {
		d := meet(t, driver(i), configure(driver(i), 2*i), nil)
		p := meet(t, passenger(i), configure(passenger(i), 2*i+1), nil)
		p.lossy = l.mischief != nil
		all, riders = append(all, d, p), append(riders, p)
		driving.Go(func() { drives(ctx, d, geo.Point{Lat: 26.47, Lon: 108.04 + float64(i)/100}) })
	}
	limit := patience
	if long {
		limit = 15 * time.Minute
	}
	var done sync.WaitGroup
	for i, p := range riders {
		done.Go(func() { rides(t, p, trips, geo.Point{Lat: 26.47, Lon: 108.041 + float64(i)/100}, begun.Add(limit)) })
	}
	done.Wait()
	r := row{trips: int64(trips * people), took: time.Since(begun)}
	mend()
	for _, p := range all {
		p.HangUp("to compare")
		c := p.Counts()
		r.reconnects += max(c.Connects-1, 0)
		r.repeats += c.Repeats
	}
	w.judge(t, all, trips*people)
	return r
}

// lay puts the link before a server, and returns where it begins and how it is mended.
func (l link) lay(t *testing.T, server string, seed uint64) (address string, mend func()) {
	t.Helper()
	if l.mischief != nil {
		p, err := proxy.WebSocket("127.0.0.1:0", server, seed)
		if err != nil {
			t.Fatal(err)
		}
		p.Set(*l.mischief, *l.mischief)
		t.Cleanup(p.Close)
		return p.Addr(), func() { p.Set(proxy.Mischief{}, proxy.Mischief{}) }
	}
	quiet := zerolog.Nop()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), quiet)
	address, err := redistest.FreeAddr("127.0.0.1") // it is left and taken again
	if err != nil {
		t.Fatal(err)
	}
	p := toxiproxy.NewProxy(api, "link", address, server)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var flickering sync.WaitGroup
	if l.phases == 0 {
		l.poison(t, p)
	} else {
		flickering.Go(func() { l.flicker(ctx, t, p) })
	}
	t.Cleanup(func() {
		cancel()
		flickering.Wait()
		p.Stop()
	})
	return p.Listen, func() {
		cancel()
		flickering.Wait()
		p.Toxics.ResetToxics(context.Background())
	}
}

func (l link) poison(t *testing.T, p *toxiproxy.Proxy) {
	for i, toxic := range l.toxics {
		for _, stream := range []string{"upstream", "downstream"} {
			text := strings.Replace(toxic, "{", fmt.Sprintf(`{"name":"%d %s","stream":%q,`, i, stream, stream), 1)
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
				t.Error(err)
			}
		}
	}
}

// flicker has the link be bad and good in turns, and leaves it good.
func (l link) flicker(ctx context.Context, t *testing.T, p *toxiproxy.Proxy) {
	ticker := time.NewTicker(l.phases)
	defer ticker.Stop()
	for bad := false; ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if bad && l.down {
				_ = p.Start() // else the test fails by it
			}
			return
		}
		switch bad = !bad; {
		case l.down && bad:
			p.Stop()
		case l.down:
			if err := p.Start(); err != nil {
				t.Error(err)
			}
		case bad:
			l.poison(t, p)
		default:
			p.Toxics.ResetToxics(ctx)
		}
	}
}

// drives is a driver's app: he is on duty there, takes everything, and does at once
// what is to be done next, whether anybody hears of it or not.
func drives(ctx context.Context, p *person, home geo.Point) {
	_, _ = p.Do(wire.TypeDuty, wire.Duty{On: true})
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if n%10 == 0 {
			p.Position(at(home))
		}
		picture := p.Picture()
		if o := picture.Offer; o != nil && p.Shown(o.Trip) == "" {
			_, _ = p.Do(wire.TypeAccept, wire.Accept{Trip: o.Trip, Offer: o.Offer})
		}
		for _, trip := range picture.Trips {
			switch p.Shown(trip.Trip) {
			case wire.StateAssigned:
				_, _ = p.Do(wire.TypeArrive, wire.Arrive{Trip: trip.Trip})
				_, _ = p.Do(wire.TypeStart, wire.Start{Trip: trip.Trip})
			case wire.StateArrived:
				_, _ = p.Do(wire.TypeStart, wire.Start{Trip: trip.Trip})
			case wire.StateRiding:
				_, _ = p.Do(wire.TypeComplete, wire.Complete{Trip: trip.Trip})
			}
		}
	}
}

// rides is a passenger's app: so many trips one after the other. Somebody who has not
// heard of his trip for a while looks again.
func rides(t *testing.T, p *person, trips int, from geo.Point, end time.Time) {
	for n := range trips {
		id := fmt.Sprintf("%s-%d", p.who.ID, n)
		_, _ = p.Do(wire.TypeRequest, wire.Request{Trip: id, Pickup: place(from), Dropoff: place(geo.Point{Lat: from.Lat + 0.05, Lon: from.Lon}), Seats: 1})
		looked, was := time.Now(), ""
		for p.state(id) != wire.StateCompleted {
			pause(50 * time.Millisecond)
			if state := p.state(id); state != was {
				looked, was = time.Now(), state
			}
			if time.Since(looked) > 3*time.Second && p.lossy {
				p.HangUp("to look again")
				looked = time.Now()
			}
			if time.Now().After(end) {
				t.Errorf("%s is %q; refused: %+v", id, p.state(id), p.refusals())
				return
			}
		}
	}
}

// judge compares what the journal says with what everybody sees in the end.
func (w *world) judge(t *testing.T, all []*person, trips int) {
	t.Helper()
	until(t, patience, "everybody to be back and to have said everything", func() bool {
		return !slices.ContainsFunc(all, func(p *person) bool { picture := p.Picture(); return !picture.Fresh || !p.Idle() })
	})
	completed, driverOf, holds := map[dispatch.TripID]int{}, map[dispatch.TripID]dispatch.DriverID{}, map[dispatch.DriverID]dispatch.TripID{}
	for _, f := range w.ledger.all() {
		if o, ok := f.Body.(dispatch.OfferMade); ok {
			driverOf[o.Trip] = o.Driver
		}
		switch id, state := dispatch.TripOf(f.Body); state {
		case dispatch.Assigned:
			if other := holds[driverOf[id]]; other != "" && other != id {
				t.Errorf("%s has %s and gets %s", driverOf[id], other, id)
			}
			holds[driverOf[id]] = id
		case dispatch.Completed:
			completed[id]++
			delete(holds, driverOf[id])
		}
	}
	for id, n := range completed {
		if n != 1 {
			t.Errorf("%s was completed %d times", id, n)
		}
	}
	if len(completed) != trips {
		t.Errorf("%d trips were completed of %d", len(completed), trips)
	}
	for _, p := range all {
		w.sees(t, p)
	}
}

// sees compares a person's picture with that of a client that has just come and knows
// nothing. What his last command did may be told a moment after its answer.
func (w *world) sees(t *testing.T, p *person) {
	t.Helper()
	cfg := w.config(p.who, 99)
	cfg.Plain, cfg.IDs = true, "fresh"
	fresh := meet(t, p.who, cfg, nil)
	until(t, patience, "a fresh look", func() bool { picture := fresh.Picture(); return picture.Fresh })
	theirs := settled(fresh)
	mine := settled(p)
	for end := time.Now().Add(patience); !reflect.DeepEqual(mine, theirs); mine = settled(p) {
		if pause(50 * time.Millisecond); time.Now().After(end) {
			t.Errorf("%s sees %+v\nand the server says %+v", p.who, mine, theirs)
			return
		}
	}
}

// settled are the trips in a person's picture, without what differs between two looks at the
// same trip: the position is of the moment, the receipt sealed anew.
func settled(p *person) []wire.Trip {
	trips := p.Picture().Trips
	for i := range trips {
		trips[i].Position, trips[i].Receipt = nil, ""
	}
	return trips
}
