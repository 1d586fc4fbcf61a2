package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/geo"
	"cuntong/ws"
	"cuntong/ws/wire"
)

// The measure of coming back: phones with a trip each, their server killed and started
// again. All must have their truth within half a minute of the kill, and whatever
// happened to their trips meanwhile. The baseline is a server that only upgrades and
// answers hello with two frames, killed in the same way.
const (
	returnPhones    = 15_000
	returnProcesses = 4 // of phones, each from a source address of its own
	returnBudget    = 30.0
	returnChanged   = 500 // trips cancelled by the desk: half just before the kill, half while the phones come back
	returnTogether  = 64  // first connections of a process at a time
)

// returned is one run: how long it took, and what was lost.
type returned struct {
	seconds float64 // from the kill to the last truth
	lost    int     // phones without their trip, or that do not know what became of it
}

// comingBack measures return_15000_s.
func comingBack(ctx context.Context, log io.Writer) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 12*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "return")
	if err != nil {
		return Row{}, err
	}
	defer os.RemoveAll(dir)
	bare, err := (&returnRun{log: log, dir: dir, bare: true}).take(ctx)
	if err != nil {
		return Row{}, fmt.Errorf("bare: %w", err)
	}
	ours, err := (&returnRun{log: log, dir: dir}).take(ctx)
	if err != nil {
		return Row{}, err
	}
	if ours.lost > 0 {
		return Row{}, fmt.Errorf("%d phones have lost something: how soon they were back is of no interest", ours.lost)
	}
	return compare(Row{Name: "return_15000_s", Value: ours.seconds, Unit: "s", Baseline: "s, a bare server that knows nobody", BaselineValue: bare.seconds,
		Budget: returnBudget, Absolute: true}), nil
}

// returnRun is one server and its phones.
type returnRun struct {
	log    io.Writer
	dir    string
	bare   bool
	addr   string
	server *exec.Cmd
	phones []*child
}

func (r *returnRun) take(ctx context.Context) (returned, error) {
	defer r.stop()
	if err := r.prepare(ctx); err != nil {
		return returned{}, err
	}
	if err := r.startServer(ctx); err != nil {
		return returned{}, err
	}
	if err := r.connect(ctx); err != nil {
		return returned{}, err
	}
	cancelled := map[string]bool{}
	if !r.bare {
		if err := r.cancelTrips(ctx, 0, returnChanged/2, cancelled); err != nil {
			return returned{}, err
		}
	}
	killed := time.Now()
	_ = r.server.Process.Kill() // it lives, so this cannot fail
	_ = r.server.Wait()
	if err := r.startServer(ctx); err != nil {
		return returned{}, err
	}
	up := time.Since(killed)
	desk := make(chan error, 1)
	go func() {
		if r.bare {
			desk <- nil
			return
		}
		desk <- r.cancelTrips(ctx, returnChanged/2, returnChanged, cancelled)
	}()
	for _, p := range r.phones {
		if _, err := awaitLine(p, "back"); err != nil {
			return returned{}, err
		}
	}
	result := returned{seconds: time.Since(killed).Seconds()}
	if err := <-desk; err != nil {
		return returned{}, fmt.Errorf("the desk: %w", err)
	}
	var err error
	result.lost, err = r.lost(cancelled)
	fmt.Fprintf(r.log, "  %d phones back %.1f s after the kill, the server %.1f s; %d trips changed meanwhile, %d phones lost something; bare %t\n",
		returnPhones, result.seconds, up.Seconds(), len(cancelled), result.lost, r.bare)
	return result, err
}

func (r *returnRun) prepare(ctx context.Context) (err error) {
	if r.addr, _, err = freeAddrs(); err != nil || r.bare {
		return err
	}
	secret := base64.StdEncoding.EncodeToString([]byte("a secret that guards nothing at all, in a file"))
	if err := os.WriteFile(filepath.Join(r.dir, "secret"), []byte(secret), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(r.dir, "dispatchd"), "./cmd/dispatchd").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

// startServer starts the server, which starts its Redis, and waits until it takes commands.
func (r *returnRun) startServer(ctx context.Context) error {
	if r.bare {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		r.server = exec.CommandContext(ctx, self, "child", "return-bare", r.addr)
		if r.server.Stdin, err = os.Open("/dev/zero"); err != nil { // which does not end
			return err
		}
	} else {
		r.server = exec.CommandContext(ctx, filepath.Join(r.dir, "dispatchd"), "serve", "--node", "bench", "--redis", "child", "--data-dir", r.dir,
			"--listen", r.addr, "--private-listen", "127.0.0.1:0", "--log-level", "error", "--passenger-orders", "0", "--device-orders", "0", "--cell-unknown", "0", "--frames-per-sec", "1000", "--frame-burst", "10000")
	}
	r.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r.server.Stderr = os.Stderr
	if err := r.server.Start(); err != nil {
		return err
	}
	var err error
	for range 4 { // two minutes: how long it takes is what is measured
		if err = awaitReady(ctx, r.addr); err == nil {
			return nil
		}
	}
	return err
}

// connect starts the processes of phones, and waits until all are connected and have their trip.
func (r *returnRun) connect(ctx context.Context) error {
	for i := range returnProcesses {
		p, err := startChild(ctx, "return-phones", r.addr, fmt.Sprintf("127.0.0.%d", i+2), strconv.Itoa(i), r.dir, strconv.FormatBool(r.bare))
		if err != nil {
			return err
		}
		r.phones = append(r.phones, p)
	}
	for _, p := range r.phones {
		if _, err := awaitLine(p, "ready"); err != nil {
			return err
		}
	}
	return nil
}

func (r *returnRun) stop() {
	for _, p := range r.phones {
		p.stop()
	}
	if r.server != nil && r.server.Process != nil {
		_ = r.server.Process.Kill() // it has ended already, or ends now
		_ = r.server.Wait()
	}
}

// awaitLine reads what a child prints up to this line, and returns what came before it.
func awaitLine(p *child, want string) (before []string, err error) {
	for {
		line, err := p.line()
		if err != nil || line == want {
			return before, err
		}
		before = append(before, line)
	}
}

// tripOfPhone is the trip of a phone, spread over the processes.
func tripOfPhone(i int) string {
	return fmt.Sprintf("trip-%d-%d", i%returnProcesses, i/returnProcesses)
}

// cancelTrips has the desk cancel some of the trips, one after the other's answer. They are
// entered into done when the server has said so.
func (r *returnRun) cancelTrips(ctx context.Context, from, to int, done map[string]bool) error {
	key, err := ws.LoadKey(filepath.Join(r.dir, "secret"))
	if err != nil {
		return err
	}
	var conn *websocket.Conn
	err = poll(ctx, "the desk is let in", func() bool {
		conn, err = join(ctx, key, r.addr, ws.Claims{Actor: dispatch.Actor{Role: dispatch.RoleOperator, ID: "desk"}, Area: "county"})
		return err == nil
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := from; i < to; i++ {
		trip := tripOfPhone(i * (returnPhones / returnChanged))
		if err := say(conn, wire.TypeCancel, "cancel-"+trip, wire.Cancel{Trip: trip, Why: wire.WhyMistake}); err != nil {
			return err
		}
		if err := hear(conn, wire.TypeDone); err != nil {
			return err
		}
		done[trip] = true
	}
	return nil
}

// lost asks the phones what they hold, and counts those that hold something else than was
// recorded. What was told last may be on its way: they are asked again for a while.
func (r *returnRun) lost(cancelled map[string]bool) (lost int, err error) {
	for range 20 {
		lost = 0
		for _, p := range r.phones {
			if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
				return 0, err
			}
			lines, err := awaitLine(p, "that is all")
			if err != nil {
				return 0, err
			}
			for _, line := range lines {
				trip, state, _ := strings.Cut(line, " ")
				if r.bare {
					continue
				}
				if (state == wire.StateCancelled) != cancelled[trip] || state == "" {
					lost++
				}
			}
		}
		if lost == 0 {
			return 0, nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return lost, nil
}

// returnBare serves hello with two frames that are always the same.
func returnBare(ctx context.Context, addr string) error {
	upgrader := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}, ReadBufferSize: 512, WriteBufferSize: 1024}
	welcome, err := wire.EncodeServer(wire.TypeWelcome, "", wire.Welcome{Session: "s", Role: wire.RolePassenger, ID: "p", Area: "county", Protocol: wire.Protocol})
	if err != nil {
		return err
	}
	truth, err := wire.EncodeServer(wire.TypeTruth, "", wire.Truth{At: 1, Trips: []wire.Trip{}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
			if err := errors.Join(conn.WriteMessage(websocket.TextMessage, welcome), conn.WriteMessage(websocket.TextMessage, truth)); err != nil {
				return
			}
		}
	})
	listener, err := ws.Listen(ctx, addr)
	if err != nil {
		return err
	}
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

// returning is a process of phones.
type returning struct {
	addr, from string
	process    int
	bare       bool
	key        ws.Key
	connected  atomic.Int64 // phones with a truth on the present connection
	phones     []*returningPhone
}

// returningPhone is a passenger who waits for a driver, and comes back as docs/PROTOCOL.md says.
type returningPhone struct {
	of   *returning
	id   string
	trip string
	conn *websocket.Conn // owned by live

	mu      sync.Mutex // guards the following fields
	version int64
	state   string
}

// returnClients runs until ctx ends. It prints "ready" when all phones are connected with their
// trips, "back" whenever all are connected again, and, asked by SIGUSR1, what they hold.
func returnClients(ctx context.Context, addr, from string, process int, dir string, bare bool) error {
	r := &returning{addr: addr, from: from, process: process, bare: bare}
	if !bare {
		key, err := ws.LoadKey(filepath.Join(dir, "secret"))
		if err != nil {
			return err
		}
		r.key = key
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	room := make(chan struct{}, returnTogether)
	var ready sync.WaitGroup
	for i := range returnPhones / returnProcesses {
		p := &returningPhone{of: r, id: fmt.Sprintf("p-%d-%d", process, i), trip: fmt.Sprintf("trip-%d-%d", process, i)}
		r.phones = append(r.phones, p)
		ready.Add(1)
		go p.live(ctx, room, ready.Done)
	}
	ready.Wait()
	fmt.Println("ready")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			r.report()
		case <-tick.C:
			switch all := r.connected.Load() == int64(len(r.phones)); {
			case away && all:
				away = false
				fmt.Println("back")
			case !all:
				away = true
			}
		}
	}
}

func (r *returning) report() {
	for _, p := range r.phones {
		p.mu.Lock()
		fmt.Println(p.trip, p.state)
		p.mu.Unlock()
	}
	fmt.Println("that is all")
}

// live connects again and again. The first time it waits for room, and ready is called.
func (p *returningPhone) live(ctx context.Context, room chan struct{}, ready func()) {
	room <- struct{}{}
	first := true
	attempt := 0
	for ctx.Err() == nil {
		least, err := p.connect(ctx, first)
		if err == nil {
			if first {
				<-room
				ready()
				first = false
			}
			attempt = 0
			p.of.connected.Add(1)
			p.read()
			p.of.connected.Add(-1)
			_ = p.conn.Close() // it has ended
		}
		bound := time.Second
		if least == 0 {
			bound = min(60*time.Second, time.Second<<min(attempt, 6))
			attempt++
		}
		select {
		case <-time.After(least + rand.N(bound)):
		case <-ctx.Done():
		}
	}
}

// connect connects up to the truth, and the first time up to a trip. When it is turned away
// it returns the time that it was given.
func (p *returningPhone) connect(ctx context.Context, first bool) (least time.Duration, err error) {
	header := http.Header{}
	if !p.of.bare {
		token, err := ws.Mint(p.of.key, ws.Claims{Actor: dispatch.Actor{Role: dispatch.RolePassenger, ID: p.id}, Area: "county"}, time.Hour)
		if err != nil {
			return 0, err
		}
		header.Set("Authorization", "Bearer "+token)
	}
	dialer := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}, ReadBufferSize: 512, WriteBufferSize: 512, HandshakeTimeout: 20 * time.Second,
		NetDialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.of.from)}}).DialContext}
	conn, resp, err := dialer.DialContext(ctx, "ws://"+p.of.addr+"/ws", header)
	if err != nil {
		if resp != nil {
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			return time.Duration(seconds) * time.Second, err
		}
		return 0, err
	}
	p.conn = conn
	hello := wire.Hello{NowMS: time.Now().UnixMilli(), Lean: true}
	if p.version > 0 {
		hello.Known = []wire.Held{{Trip: p.trip, Version: p.version}}
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second)) // never fails: the library only keeps it
	err = say(conn, wire.TypeHello, "", hello)
	for told := false; err == nil && !told; {
		told, err = p.take(wire.TypeTruth)
	}
	if err == nil && first && !p.of.bare {
		err = p.request()
	}
	_ = conn.SetReadDeadline(time.Time{})
	if err != nil {
		_ = conn.Close() // the first error is the one to tell
	}
	return 0, err
}

// request asks for the phone's trip, and waits until it is told of it.
func (p *returningPhone) request() error {
	i, _ := strconv.Atoi(p.id[strings.LastIndex(p.id, "-")+1:])
	at := geo.Point{Lat: 26 + float64(i%100)*0.001, Lon: 108 + float64(i/100)*0.001}
	err := say(p.conn, wire.TypeRequest, "r1", wire.Request{Trip: p.trip, Seats: 1, Pickup: pointPlace(at), Dropoff: pointPlace(geo.Point{Lat: at.Lat + 0.02, Lon: at.Lon})})
	for err == nil && p.version == 0 {
		_, err = p.take(wire.TypeTrip)
	}
	return err
}

// read takes what comes until the connection ends.
func (p *returningPhone) read() {
	for {
		if _, err := p.take(""); err != nil {
			return
		}
	}
}

// take reads a frame and keeps what it says of the trip. It says whether it was of that type.
func (p *returningPhone) take(want wire.Type) (bool, error) {
	f, err := next(p.conn)
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch b := f.Body.(type) {
	case wire.Refused:
		if b.Code != wire.CodeRate {
			return false, fmt.Errorf("refused: %+v", b)
		}
	case wire.Trip:
		if b.Version > p.version {
			p.version, p.state = b.Version, b.State
		}
	case wire.Truth:
		held := p.state
		p.state = ""
		for _, same := range b.Same {
			if same == p.trip {
				p.state = held
			}
		}
		for _, trip := range b.Trips {
			if trip.Trip == p.trip {
				p.version, p.state = trip.Version, trip.State
			}
		}
	}
	return f.Type == want, nil
}
