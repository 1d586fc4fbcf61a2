package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws"
	"cuntong/ws/wire"
)

// The measure of positions: many drivers send them one frame at a time, as phones
// do, to the hub with its engine, and the same to a bare loop of the library that
// reads frames and throws them away.
//
// What is compared is the frames taken in by one second of the server's processor
// time. Frames a second by the clock would say little here: on loopback the sender
// does the work of the network, so that on a small machine the clients reach their
// limit before either server does.
const (
	positionsClients = 2     // processes
	positionsDrivers = 1_000 // each
	positionsRounds  = 3     // of each server, in turn
	positionsWarmUp  = time.Second
	positionsTime    = 3 * time.Second
	positionsBudget  = 0.6
)

// intakeCount is what a server says of itself.
type intakeCount struct {
	Frames     int64   `json:"frames"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// positions measures positions_in.
func positions(ctx context.Context, log io.Writer) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	rates := map[string]float64{}
	kinds := []string{"positions-bare", "positions-hub"}
	for round := range positionsRounds {
		for _, kind := range kinds {
			perCPU, perSecond, err := positionsOnce(ctx, kind)
			if err != nil {
				return Row{}, fmt.Errorf("%s: %w", kind, err)
			}
			fmt.Fprintf(log, "  round %d, %s: %.0f frames a CPU second, %.0f a second by the clock\n", round+1, kind, perCPU, perSecond)
			rates[kind] += perCPU / positionsRounds
		}
	}
	return compare(Row{Name: "positions_in", Value: rates["positions-hub"], Unit: "frames/CPU s", Baseline: "bare gorilla read loop",
		BaselineValue: rates["positions-bare"], Budget: positionsBudget, AtLeast: true}), nil
}

// positionsOnce runs one server and its clients, and returns the frames taken in by
// a second of processor time and by a second of the clock.
func positionsOnce(ctx context.Context, kind string) (perCPU, perSecond float64, err error) {
	server, err := startChild(ctx, kind)
	if err != nil {
		return 0, 0, err
	}
	defer server.stop()
	addr, err := server.line()
	if err != nil {
		return 0, 0, err
	}
	for i := range positionsClients {
		client, err := startChild(ctx, "positions-client", kind, addr, fmt.Sprintf("127.0.0.%d", i+2))
		if err != nil {
			return 0, 0, err
		}
		defer client.stop()
		if ready, err := client.line(); err != nil || ready != "ready" {
			return 0, 0, fmt.Errorf("client %d: %q %w", i, ready, err)
		}
	}
	time.Sleep(positionsWarmUp)
	begin := time.Now()
	before, err := readIntake(ctx, addr)
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(positionsTime)
	after, err := readIntake(ctx, addr)
	if err != nil {
		return 0, 0, err
	}
	frames := float64(after.Frames - before.Frames)
	return frames / (after.CPUSeconds - before.CPUSeconds), frames / time.Since(begin).Seconds(), nil
}

func readIntake(ctx context.Context, addr string) (intakeCount, error) {
	var n intakeCount
	return n, getJSON(ctx, "http://"+addr+"/intake", &n)
}

// serveIntake tells how many frames came and what they cost.
func serveIntake(frames *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		seconds := time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
		_ = json.NewEncoder(w).Encode(intakeCount{Frames: frames.Load(), CPUSeconds: seconds}) // the reader finds out
	}
}

// positionsHub is the hub with its engine. A frame counts when it is in the slot.
func positionsHub(ctx context.Context) error {
	var frames atomic.Int64
	s, err := newBenchServer(ctx, benchParts{
		hub:   func(c *ws.Config) { c.FramesPerSecond, c.FrameBurst = 1_000, 10_000 },
		area:  func(a ws.Area) ws.Area { return countingArea{a, &frames} },
		extra: map[string]http.Handler{"/intake": serveIntake(&frames)},
	})
	if err != nil {
		return err
	}
	fmt.Println(s.addr)
	<-ctx.Done()
	s.stop()
	return nil
}

// countingArea counts the positions that reach the engine's slots.
type countingArea struct {
	ws.Area
	frames *atomic.Int64
}

func (a countingArea) Slot() ws.Positions { return countingSlot{a.Area.Slot(), a.frames} }

type countingSlot struct {
	ws.Positions
	frames *atomic.Int64
}

func (s countingSlot) Put(f dispatch.Fix) {
	s.frames.Add(1)
	s.Positions.Put(f)
}

// positionsBare is a loop of the library, with its defaults, that throws frames away.
func positionsBare(ctx context.Context) error {
	var frames atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/intake", serveIntake(&frames))
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
			frames.Add(1)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	fmt.Println(listener.Addr())
	<-ctx.Done()
	return server.Close()
}

// positionsClient connects drivers, prints "ready", and has them send positions as
// fast as the server takes them, until ctx ends.
func positionsClient(ctx context.Context, kind, addr, from string) error {
	connect := connectDrivers
	if kind == "positions-bare" {
		connect = connectBare
	}
	drivers, err := connect(ctx, addr, from, positionsDrivers, from)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	const senders = 4
	var all sync.WaitGroup
	for i := range senders {
		share := drivers[i*len(drivers)/senders : (i+1)*len(drivers)/senders]
		all.Go(func() { sendPositions(ctx, share) })
	}
	all.Wait()
	return nil
}

// sendPositions has each driver in turn send where he is, one frame a write. Each
// drives about a kilometre up and down. The time is one that the server takes as
// "now", so that the frames can be made beforehand.
func sendPositions(ctx context.Context, drivers []*websocket.Conn) {
	const steps = 32
	frames := make([]*websocket.PreparedMessage, 0, steps)
	for i := range steps {
		at := time.Now().Add(time.Hour).UnixMilli()
		frame, err := wire.EncodeClient(wire.TypePosition, "", wire.Position{Lat: 26.4 + float64(i)*0.0003, Lon: 108.000001, Datum: wire.DatumWGS84,
			At: at, AccuracyM: wire.Some(6.5), HeadingDeg: wire.Some(181), SpeedMPS: wire.Some(9.7)})
		if err != nil {
			panic(err) // a body of our own making
		}
		prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, frame)
		if err != nil {
			panic(err)
		}
		frames = append(frames, prepared)
	}
	for step := 0; ctx.Err() == nil; step++ {
		for _, d := range drivers {
			if d.WritePreparedMessage(frames[step%steps]) != nil {
				return // the server has stopped
			}
		}
	}
}

// connectBare connects without a word: the bare loop would not understand it.
func connectBare(ctx context.Context, addr, from string, n int, _ string) ([]*websocket.Conn, error) {
	drivers := make([]*websocket.Conn, n)
	for i := range drivers {
		conn, err := dialFrom(ctx, addr, from, "")
		if err != nil {
			return nil, err
		}
		drivers[i] = conn
	}
	return drivers, nil
}
