package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/gorilla/websocket"
	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
	"cuntong/geo"
	"cuntong/ws"
	"cuntong/ws/wire"
)

// The measure of latency: one rider books, one driver is asked, nothing else goes on.
const (
	latencyWarmUp = 200
	latencyRounds = 2_000
	latencyBudget = 3
)

// latency measures request_to_offer_p50: from the rider's frame going out to the
// driver's offer coming in, with every fact synced to disk, against what cannot be
// avoided: a bare WebSocket echo and a bare Redis PING, one after the other. A
// second row does the same with a sync a second, for what the disk costs.
func latency(ctx context.Context, log io.Writer) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	var rows []Row
	for _, sync := range []redisstore.Durability{redisstore.DurabilityAlways, redisstore.DurabilityEverySecond} {
		row, err := latencyOf(ctx, log, sync)
		if err != nil {
			return nil, fmt.Errorf("latency with %s: %w", sync, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func latencyOf(ctx context.Context, log io.Writer, sync redisstore.Durability) (Row, error) {
	dir, err := os.MkdirTemp("", "latency")
	if err != nil {
		return Row{}, err
	}
	defer os.RemoveAll(dir)
	store, err := redisstore.Open(ctx, redisstore.Config{Mode: redisstore.ModeChild, DataDir: dir, Node: "bench",
		Durability: sync, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return Row{}, err
	}
	defer store.Close()
	area := store.Area(benchArea)
	server, err := newBenchServer(ctx, benchParts{ledger: area, mirror: area, hub: func(c *ws.Config) { c.FramesPerSecond, c.FrameBurst = 1000, 10_000 }})
	if err != nil {
		return Row{}, err
	}
	defer server.stop()
	echo, err := echoTimes(ctx)
	if err != nil {
		return Row{}, fmt.Errorf("echo: %w", err)
	}
	ping, err := pingTimes(ctx, store.Addr())
	if err != nil {
		return Row{}, fmt.Errorf("ping: %w", err)
	}
	offers, err := offerTimes(ctx, server.addr)
	if err != nil {
		return Row{}, err
	}
	floor := percentile(echo, 50) + percentile(ping, 50)
	value := percentile(offers, 50)
	fmt.Fprintf(log, "  fsync %s: request to offer p50 %v p99 %v; echo p50 %v, PING p50 %v\n", sync, value, percentile(offers, 99),
		percentile(echo, 50), percentile(ping, 50))
	name := "request_to_offer_p50"
	if sync != redisstore.DurabilityAlways {
		name += "_" + string(sync)
	}
	ratio := value.Seconds() / floor.Seconds()
	return Row{Name: name, Value: micros(value), Unit: "µs", Baseline: "WebSocket echo + Redis PING", BaselineValue: micros(floor),
		Ratio: ratio, Budget: latencyBudget, Within: ratio <= latencyBudget}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func percentile(times []time.Duration, p int) time.Duration {
	slices.Sort(times)
	return times[(len(times)-1)*p/100]
}

// timed calls once for warming up, then for counting, and returns how long each took.
func timed(ctx context.Context, call func(i int) (time.Duration, error)) ([]time.Duration, error) {
	times := make([]time.Duration, 0, latencyRounds)
	for i := range latencyWarmUp + latencyRounds {
		took, err := call(i)
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if i >= latencyWarmUp {
			times = append(times, took)
		}
	}
	return times, nil
}

// echoTimes measures a bare gorilla server that sends back what it reads.
func echoTimes(ctx context.Context) ([]time.Duration, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(echo)}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+listener.Addr().String(), nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	frame := []byte(latencyRequest(0))
	return timed(ctx, func(int) (time.Duration, error) {
		begin := time.Now()
		if err := conn.WriteMessage(websocket.TextMessage, frame); err != nil {
			return 0, err
		}
		_, _, err := conn.ReadMessage()
		return time.Since(begin), err
	})
}

func echo(w http.ResponseWriter, r *http.Request) {
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, frame, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, frame) != nil {
			return
		}
	}
}

func pingTimes(ctx context.Context, addr string) ([]time.Duration, error) {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: addr})
	defer client.Close()
	return timed(ctx, func(int) (time.Duration, error) {
		begin := time.Now()
		err := client.Ping(ctx).Err()
		return time.Since(begin), err
	})
}

func latencyRequest(i int) string {
	return fmt.Sprintf(`{"t":"request","id":"r%d","b":{"trip":"t%d","seats":1,"pickup":{"village":"v"},`+
		`"dropoff":{"lat":26.3,"lon":108.1,"datum":"wgs84"}}}`, i, i)
}

// offerTimes measures from a rider's request to a driver's offer, again and again:
// the trip is cancelled before the next one.
func offerTimes(ctx context.Context, addr string) ([]time.Duration, error) {
	key, err := benchKey()
	if err != nil {
		return nil, err
	}
	driver, err := connectDriver(ctx, addr, "127.0.0.1", key, "d1")
	if err != nil {
		return nil, err
	}
	defer driver.Close()
	rider, err := connectRider(ctx, addr, key)
	if err != nil {
		return nil, err
	}
	defer rider.Close()
	return timed(ctx, func(i int) (time.Duration, error) {
		if err := say(driver, wire.TypePosition, "", wire.Position{Lat: 26.4, Lon: 108, Datum: wire.DatumWGS84, At: time.Now().UnixMilli()}); err != nil {
			return 0, err
		}
		frame := []byte(latencyRequest(i))
		begin := time.Now()
		if err := rider.WriteMessage(websocket.TextMessage, frame); err != nil {
			return 0, err
		}
		offered, err := hearAt(driver, wire.TypeOffer)
		if err != nil {
			return 0, fmt.Errorf("round %d: %w", i, err)
		}
		err = say(rider, wire.TypeCancel, fmt.Sprintf("x%d", i), wire.Cancel{Trip: fmt.Sprintf("t%d", i), Why: string(dispatch.ReasonChanged)})
		if err != nil {
			return 0, err
		}
		return offered.Sub(begin), hear(driver, wire.TypeOfferGone)
	})
}

func connectRider(ctx context.Context, addr string, key ws.Key) (*websocket.Conn, error) {
	token, err := ws.Mint(key, ws.Claims{Actor: dispatch.Actor{Role: dispatch.RolePassenger, ID: "p1"}, Area: geo.AreaID(benchArea)}, time.Hour)
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}}
	conn, _, err := dialer.DialContext(ctx, "ws://"+addr+"/ws", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	go drainRider(conn)
	return conn, say(conn, wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli()})
}

// drainRider reads what the rider is told, so that his lane never fills.
func drainRider(conn *websocket.Conn) {
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}
