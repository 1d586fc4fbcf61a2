package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"cuntong/ws"
)

// The measure of memory: idle, authenticated connections of drivers on duty, each
// of which has sent a command and a position, against the same server without them.
const (
	memoryConnections = 15_000
	memoryClients     = 4 // processes; each from a source address of its own
	memoryWarmUp      = 300
	memoryBudgetKB    = 12
	// memoryIdle is how long they are idle before memory is read: longer than one
	// round of pings.
	memoryIdle = 30 * time.Second
)

// usage is what a server process says of itself after collecting its garbage.
type usage struct {
	RSSKB       int64  `json:"rss_kb"`
	Goroutines  int    `json:"goroutines"`
	HeapBytes   uint64 `json:"heap_bytes"`
	StackBytes  uint64 `json:"stack_bytes"`
	Connections int    `json:"connections"`
}

// memory measures rss_per_connection_kb.
func memory(ctx context.Context, log io.Writer) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	server, err := startChild(ctx, "memory-server")
	if err != nil {
		return Row{}, err
	}
	defer server.stop()
	addr, err := server.line()
	if err != nil {
		return Row{}, err
	}
	if err := warmUp(ctx, addr); err != nil {
		return Row{}, err
	}
	empty, err := readUsage(ctx, addr)
	if err != nil {
		return Row{}, err
	}
	for i := range memoryClients {
		client, err := startChild(ctx, "memory-client", addr, fmt.Sprintf("127.0.0.%d", i+2), strconv.Itoa(memoryConnections/memoryClients), strconv.Itoa(i))
		if err != nil {
			return Row{}, err
		}
		defer client.stop()
		if ready, err := client.line(); err != nil || ready != "ready" {
			return Row{}, fmt.Errorf("client %d: %q %w", i, ready, err)
		}
	}
	select {
	case <-time.After(memoryIdle):
	case <-ctx.Done():
		return Row{}, ctx.Err()
	}
	full, err := readUsage(ctx, addr)
	if err != nil {
		return Row{}, err
	}
	if full.Connections != memoryConnections {
		return Row{}, fmt.Errorf("%d of %d connections are left: the figure would flatter", full.Connections, memoryConnections)
	}
	n := float64(memoryConnections)
	value := float64(full.RSSKB-empty.RSSKB) / n
	fmt.Fprintf(log, "  %d connections: %.2f KB resident each; Go heap %.0f B, stacks %.0f B, goroutines %.3f each; empty server %d KB\n",
		full.Connections, value, float64(full.HeapBytes-empty.HeapBytes)/n, float64(full.StackBytes-empty.StackBytes)/n,
		float64(full.Goroutines-empty.Goroutines)/n, empty.RSSKB)
	// The figure is a difference to its baseline already, so the bound is on itself.
	return Row{Name: "rss_per_connection_kb", Value: value, Unit: "KB", Baseline: "KB, the same server empty",
		BaselineValue: float64(empty.RSSKB), Ratio: value, Budget: memoryBudgetKB, Within: value <= memoryBudgetKB}, nil
}

// warmUp connects and hangs up, so that what the server makes once is not counted
// as the connections'.
func warmUp(ctx context.Context, addr string) error {
	drivers, err := connectDrivers(ctx, addr, "127.0.0.1", memoryWarmUp, "warm")
	for _, d := range drivers {
		_ = d.Close() // it is thrown away
	}
	if err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	for {
		u, err := readUsage(ctx, addr)
		if err != nil || u.Connections == 0 {
			return err
		}
	}
}

func readUsage(ctx context.Context, addr string) (usage, error) {
	var u usage
	return u, getJSON(ctx, "http://"+addr+"/usage", &u)
}

// memoryServer serves until ctx ends, and prints its address first.
func memoryServer(ctx context.Context) error {
	var s *benchServer
	usage := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(usageNow(s.hub)) // the reader finds out
	}
	s, err := newBenchServer(ctx, benchParts{extra: map[string]http.Handler{"/usage": http.HandlerFunc(usage)}})
	if err != nil {
		return err
	}
	fmt.Println(s.addr)
	<-ctx.Done()
	s.stop()
	return nil
}

// usageNow collects garbage, gives what is free back, and reads what is left.
func usageNow(hub *ws.Hub) usage {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{RSSKB: residentKB(), Goroutines: runtime.NumGoroutine(), HeapBytes: m.HeapAlloc, StackBytes: m.StackInuse}
	for _, n := range hub.Connections() {
		u.Connections += n
	}
	return u
}

// residentKB is what this process has in memory.
func residentKB() int64 { return statusKB("VmRSS") }

// statusKB is a line of this process's status, -1 when it has none.
func statusKB(name string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return -1
			}
			return kb
		}
	}
	return -1
}

// memoryClient connects n drivers, prints "ready", and keeps them idle until ctx ends.
func memoryClient(ctx context.Context, addr, from string, n int, prefix string) error {
	drivers, err := connectDrivers(ctx, addr, from, n, prefix)
	if err != nil {
		return err
	}
	for _, d := range drivers {
		go func() { // answers pings until the process ends
			for {
				if _, _, err := d.NextReader(); err != nil {
					return
				}
			}
		}()
	}
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}
