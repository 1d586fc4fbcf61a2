package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// The measure of two servers: the same people on one server and on two, each held
// to a fifth of a core, so that the servers and nothing else are the limit.
const (
	serverShare    = 0.2 // of a core
	serverAreas    = 8
	serverPairs    = 320 // drivers with a rider each, all at it as fast as they are answered
	serverWarmUp   = 4 * time.Second
	serverMeasured = 12 * time.Second
	serverBudget   = 1.6
	areaDegrees    = 1.0 // side of an area
)

// twoServers measures how many trips a second two servers carry, against one. Phones
// do not know which server writes their area: half of them are at the wrong one.
// A second row gives every phone the right one.
func twoServers(ctx context.Context, log io.Writer) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	hold, err := newHold()
	if err != nil {
		return nil, fmt.Errorf("servers cannot be held to a share of the processor here: %w", err)
	}
	defer hold.remove()
	dir, err := os.MkdirTemp("", "servers")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "dispatchd")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/dispatchd").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	one, err := carried(ctx, log, hold, dir, program, 1, false)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, told := range []bool{false, true} {
		two, err := carried(ctx, log, hold, dir, program, 2, told)
		if err != nil {
			return nil, err
		}
		row := Row{Name: "two_servers_any", Value: two, Unit: "trips/s", Baseline: "one server", BaselineValue: one, Budget: serverBudget, AtLeast: true}
		if told {
			row.Name = "two_servers_right"
		}
		rows = append(rows, compare(row))
	}
	return rows, nil
}

// carried starts a Redis and n servers on it, lets the people at them, and returns
// the trips completed a second. With right, every phone connects to the server that
// writes its area.
func carried(ctx context.Context, log io.Writer, hold *hold, dir, program string, n int, right bool) (float64, error) {
	dir, err := os.MkdirTemp(dir, "run")
	if err != nil {
		return 0, err
	}
	f := &site{dir: dir, program: program, hold: hold}
	defer f.stop()
	if err := f.start(ctx, n); err != nil {
		return 0, err
	}
	crowd, err := f.connect(ctx, right)
	if err != nil {
		return 0, err
	}
	defer crowd.stop()
	redisBefore, serversBefore := f.cpu()
	begin := time.Now()
	trips, err := crowd.measure(ctx)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin).Seconds()
	redisAfter, serversAfter := f.cpu()
	rate := float64(trips) / serverMeasured.Seconds()
	fmt.Fprintf(log, "  %d servers, right %t: %.0f trips/s; cores used: servers %.2f of %.2f, redis %.2f\n", n, right, rate,
		(serversAfter-serversBefore)/took, float64(n)*serverShare, (redisAfter-redisBefore)/took)
	return rate, nil
}

// site is a Redis and the servers on it.
type site struct {
	dir, program string
	hold         *hold
	redis        *exec.Cmd
	servers      []*exec.Cmd
	addrs        []string // public
	private      []string
}

// start starts a redis-server and n servers, and waits until all areas are served.
func (f *site) start(ctx context.Context, n int) error {
	if err := f.files(); err != nil {
		return err
	}
	socket := filepath.Join(f.dir, "redis.sock")
	f.redis = exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--dir", f.dir, "--appendonly", "yes",
		"--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction")
	f.redis.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := f.redis.Start(); err != nil {
		return err
	}
	err := poll(ctx, "redis listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close() // it was only a knock
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	for i := range n {
		addr, private, err := freeAddrs()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, f.program, "serve", "--node", "server-"+strconv.Itoa(i), "--redis", "unix://"+socket,
			"--data-dir", f.dir, "--secret-file", filepath.Join(f.dir, "secret"), "--areas", filepath.Join(f.dir, "areas.geojson"),
			"--listen", addr, "--private-listen", private, "--reach", "1m", "--passenger-orders", "0", "--device-orders", "0", "--cell-unknown", "0", "--fastest-kmh", "0", "--frames-per-sec", "1000", "--frame-burst", "10000", "--log-level", "error")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		f.servers, f.addrs, f.private = append(f.servers, cmd), append(f.addrs, addr), append(f.private, private)
	}
	for _, addr := range f.addrs {
		if err := awaitReady(ctx, addr); err != nil {
			return err
		}
	}
	if err := f.awaitShares(ctx); err != nil {
		return err
	}
	for i, cmd := range f.servers {
		if err := f.hold.take(i, cmd.Process.Pid); err != nil {
			return err
		}
	}
	return nil
}

// files writes the secret and the areas: squares beside each other.
func (f *site) files() error {
	if err := os.WriteFile(filepath.Join(f.dir, "secret"), []byte(base64.StdEncoding.EncodeToString(make([]byte, 48))), 0o600); err != nil {
		return err
	}
	type object = map[string]any
	var features []object
	for i := range serverAreas {
		west, south := 100+float64(i)*areaDegrees, 26.0
		features = append(features, object{"type": "Feature", "properties": object{"id": areaName(i), "name": areaName(i)},
			"geometry": object{"type": "Polygon", "coordinates": [][][2]float64{{{west, south}, {west + areaDegrees, south},
				{west + areaDegrees, south + areaDegrees}, {west, south + areaDegrees}, {west, south}}}}})
	}
	text, err := json.Marshal(object{"type": "FeatureCollection", "features": features})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, "areas.geojson"), text, 0o600)
}

func areaName(i int) string { return "area-" + strconv.Itoa(i) }

func freeAddrs() (public, private string, err error) {
	for _, addr := range []*string{&public, &private} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		*addr = l.Addr().String()
	}
	return public, private, nil
}

// poll asks until ok, for half a minute at most.
func poll(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func awaitReady(ctx context.Context, addr string) error {
	return poll(ctx, "a server is ready", func() bool {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close() // only the status counts
		return resp.StatusCode == http.StatusOK
	})
}

// awaitShares waits until every server writes as many areas as the others.
func (f *site) awaitShares(ctx context.Context) error {
	return poll(ctx, "the areas are shared out", func() bool {
		for i := range f.servers {
			if f.written(i) != serverAreas/len(f.servers) {
				return false
			}
		}
		return true
	})
}

// written is how many areas a server writes, by its own account.
func (f *site) written(i int) int {
	resp, err := http.Get("http://" + f.private[i] + "/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "cuntong_node_areas "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return -1
}

// writer is the server that writes an area, as its lease says.
func (f *site) writer(ctx context.Context, area int) (int, error) {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(f.dir, "redis.sock"), DisableIdentity: true})
	defer client.Close()
	owner, err := client.HGet(ctx, "{"+areaName(area)+"}:lease", "owner").Result()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimPrefix(owner, "server-"))
}

// cpu is the processor time in seconds that redis and the servers have used.
func (f *site) cpu() (redis, servers float64) {
	for _, cmd := range f.servers {
		servers += cpuSeconds(cmd.Process.Pid)
	}
	return cpuSeconds(f.redis.Process.Pid), servers
}

// cpuSeconds reads utime and stime of proc(5); a tick is 10 ms on Linux.
func cpuSeconds(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return float64(user+system) / 100
}

func (f *site) stop() {
	for _, cmd := range append(f.servers, f.redis) {
		if cmd != nil && cmd.Process != nil {
			_ = cmd.Process.Kill() // it has ended already, or ends now
			_ = cmd.Wait()
		}
	}
}

// hold keeps processes to a share of the processor by control groups.
type hold struct{ groups []string }

func newHold() (*hold, error) {
	h := &hold{}
	for i := range 2 {
		name := fmt.Sprintf("cuntong-bench-%d-%d", os.Getpid(), i)
		group, err := newGroup(name)
		if err != nil {
			h.remove()
			return nil, err
		}
		h.groups = append(h.groups, group)
	}
	return h, nil
}

// newGroup makes a control group of either version.
func newGroup(name string) (string, error) {
	const period = 100_000 // µs
	quota := strconv.Itoa(int(serverShare * period))
	first := filepath.Join("/sys/fs/cgroup/cpu", name)
	if err := os.Mkdir(first, 0o755); err == nil {
		return first, errors.Join(os.WriteFile(filepath.Join(first, "cpu.cfs_period_us"), []byte(strconv.Itoa(period)), 0o644),
			os.WriteFile(filepath.Join(first, "cpu.cfs_quota_us"), []byte(quota), 0o644))
	}
	second := filepath.Join("/sys/fs/cgroup", name)
	if err := os.Mkdir(second, 0o755); err != nil {
		return "", err
	}
	return second, os.WriteFile(filepath.Join(second, "cpu.max"), []byte(quota+" "+strconv.Itoa(period)), 0o644)
}

func (h *hold) take(i, pid int) error {
	return os.WriteFile(filepath.Join(h.groups[i], "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
}

func (h *hold) remove() {
	for _, group := range h.groups {
		_ = os.Remove(group) // one that is left over is empty and limits nobody
	}
}
