package linktest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"cuntong/bubble"
	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws/client"
	"cuntong/ws/memlink"
	"cuntong/ws/wire"
)

// far are links in memory whose bytes are under way for a while, in each direction.
type far struct {
	lines    *memlink.Listener
	way      time.Duration
	carrying sync.WaitGroup
}

func (f *far) dial(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := f.lines.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	phone, end := net.Pipe()
	f.carrying.Go(func() { f.carry(end, server) })
	f.carrying.Go(func() { f.carry(server, end) })
	return phone, nil
}

// parcel is bytes, or nil for the end of them, and when they arrive.
type parcel struct {
	data []byte
	at   time.Time
}

// carry passes on what one end sends, its end too, in order and a way later.
func (f *far) carry(from, to net.Conn) {
	under := make(chan parcel, 1<<12)
	f.carrying.Go(func() {
		for p := range under {
			pause(time.Until(p.at))
			if p.data == nil {
				_ = to.Close()
				continue
			}
			_, _ = to.Write(p.data) // when nobody is there any more it is lost
		}
	})
	defer close(under)
	for {
		data := make([]byte, 4096)
		n, err := from.Read(data)
		at := time.Now().Add(f.way)
		if n > 0 {
			under <- parcel{data[:n], at}
		}
		if err != nil {
			under <- parcel{nil, at}
			return
		}
	}
}

// Over ten seconds each way, the slowest link that is promised, a driver is asked, says
// that he has the offer, and drives trip after trip, with the waits that hold for
// everybody, on one connection and without saying anything twice. A client of before, whose
// pongs are all there is, is reached as well.
func TestTripsOverTenSecondsEachWay(t *testing.T) {
	for _, name := range []string{"json", "pb", "plain"} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				lines := memlink.New(nil, nil)
				link := far{lines: lines, way: 10 * time.Second}
				t.Cleanup(link.carrying.Wait)
				w := newWorld(t, lines, lines.Dial, dispatch.DefaultRules())
				home := geo.Point{Lat: 26.47, Lon: 108.04}
				configure := func(a dispatch.Actor, seed uint64) client.Config {
					cfg := w.config(a, seed)
					cfg.Dial, cfg.Plain = link.dial, name == "plain"
					if name == "pb" {
						cfg.Codecs = []wire.Codec{wire.PB}
					}
					return cfg
				}
				d, p := meet(t, driver(1), configure(driver(1), 1), nil), meet(t, passenger(1), configure(passenger(1), 2), nil)
				ctx, stop := context.WithCancel(context.Background())
				over := make(chan struct{})
				go func() { defer close(over); drives(ctx, d, home) }()
				defer func() { stop(); <-over }()
				until(t, 3*time.Minute, "duty", func() bool { picture := d.Picture(); return picture.Duty != nil })
				pause(time.Minute) // his position is known, and his round trip
				rides(t, p, 3, home, time.Now().Add(20*time.Minute))
				stop()
				<-over
				ends := map[dispatch.OfferEnd]int{}
				for _, f := range w.ledger.all() {
					if b, ok := f.Body.(dispatch.OfferClosed); ok {
						ends[b.End]++
					}
				}
				if len(ends) != 0 {
					t.Errorf("offers ended %v", ends)
				}
				for _, who := range []*person{d, p} {
					if n, counts := who.downs(), who.Counts(); n != 0 || counts.Repeats != 0 {
						t.Errorf("%s lost %d connections, said %d things twice", who.who, n, counts.Repeats)
					}
				}
				if no := d.refusals(); len(no) != 0 {
					t.Errorf("refused: %+v", no)
				}
				w.judge(t, []*person{d, p}, 3)
			})
		})
	}
}
