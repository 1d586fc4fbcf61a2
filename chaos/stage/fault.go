package stage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"cuntong/chaos/plan"
	"cuntong/chaos/proxy"
	"cuntong/dispatch/redisstore/redistest"
)

// Event is a fault that was done.
type Event struct {
	Fault  string        `json:"fault"`
	Target string        `json:"target"` // as it was resolved
	From   time.Duration `json:"from"`
	Until  time.Duration `json:"until"`
	// Server and Areas: which server it hit, as phones know it, and which areas that wrote.
	Server string   `json:"server,omitempty"`
	Areas  []string `json:"areas,omitempty"`
	// Master: the fault made, or could make, another node the master.
	Master bool `json:"master,omitempty"`
	// Hits counts the messages that a proxy did something to.
	Hits int64 `json:"hits,omitempty"`
	// Skipped says why it was not done.
	Skipped string `json:"skipped,omitempty"`
	Error   string `json:"error,omitempty"`
}

// doing is one fault while it is done. Owned by the goroutine that does it.
type doing struct {
	*Stage
	step  plan.Step
	rng   *rand.Rand
	event *Event
	now   func() time.Duration
}

// Faults does every step of the plan at its time and returns what was done when the
// last has ended, or the context has. Now is the clock of the run.
func (s *Stage) Faults(ctx context.Context, now func() time.Duration) []Event {
	steps := s.Plan.Expand()
	events := make([]Event, len(steps))
	begin := now()
	var all sync.WaitGroup
	for i, step := range steps {
		if !pause(ctx, begin+step.At()-now()) {
			events = events[:i]
			break
		}
		d := doing{Stage: s, step: step, rng: rand.New(rand.NewPCG(s.Plan.Seed, uint64(1000+i))), event: &events[i], now: now}
		all.Go(func() { d.do(ctx) })
	}
	all.Wait()
	return events
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// do does the fault, waits, and mends it.
func (d *doing) do(ctx context.Context) {
	d.event.Fault, d.event.Target, d.event.From = d.step.Fault, d.step.Target, d.now()
	if d.step.To != "" {
		d.event.Target += " | " + d.step.To
	}
	defer func() { d.event.Until = d.now() }()
	if d.step.NeedsRoot() && d.net == nil {
		d.event.Skipped = "needs a network and disks of its own: root, iproute2 and nftables"
		return
	}
	var err error
	switch d.step.Fault {
	case plan.ServerKill, plan.ServerPause, plan.ServerTerm, plan.ServerPoint:
		err = d.server(ctx)
	case plan.RollingUpgrade:
		err = d.upgrade(ctx)
	case plan.RedisKill, plan.RedisPause:
		err = d.redis(ctx)
	case plan.RedisSlow, plan.ScriptFlush, plan.PostDelete:
		err = d.command(ctx)
	case plan.SentinelOrder, plan.ClusterOrder:
		err = d.order(ctx)
	case plan.SlotMove:
		err = d.moveSlot(ctx)
	case plan.DiskFull:
		err = d.fillDisk(ctx)
	case plan.Cut, plan.CutOneWay, plan.Flap:
		err = d.cut(ctx)
	case plan.Replies, plan.Frames:
		d.mischief(ctx)
	}
	if err != nil {
		d.event.Error = err.Error()
	}
}

// hold waits for the length of the fault, and says whether to mend it now.
func (d *doing) hold(ctx context.Context) bool {
	return pause(ctx, d.step.Duration()) && !d.step.Last
}

// findWait is how long somebody who is to be hit is looked for: there may be no master,
// or no writer, just now.
const findWait = 8 * time.Second

// find calls try until it finds whom the fault is to hit.
func (d *doing) find(ctx context.Context, try func() error) error {
	for until := time.Now().Add(findWait); ; {
		err := try()
		if err == nil || time.Now().After(until) || !pause(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

// pick is the server that a target names: s0, writer:a1, or random.
func (d *doing) pick(ctx context.Context) (*Server, error) {
	target := d.step.Target
	if area, ok := strings.CutPrefix(target, "writer:"); ok {
		if server := d.Writer(ctx, area); server != nil {
			return server, nil
		}
		return nil, fmt.Errorf("nobody writes area %s", area)
	}
	if target == "random" {
		first := d.rng.IntN(len(d.Servers))
		for i := range d.Servers {
			if server := d.Servers[(first+i)%len(d.Servers)]; server.Alive() {
				return server, nil
			}
		}
		return nil, errors.New("no server runs")
	}
	for _, server := range d.Servers {
		if server.Name == target {
			return server, nil
		}
	}
	return nil, fmt.Errorf("no server %q", target)
}

// askWait is how long Redis may take to say who writes what. When it is away the
// fault goes on without knowing.
const askWait = 300 * time.Millisecond

// server hits one dispatchd.
func (d *doing) server(ctx context.Context) error {
	var s *Server
	if err := d.find(ctx, func() (err error) {
		s, err = d.pick(ctx)
		return err
	}); err != nil {
		return err
	}
	d.event.Target, d.event.Server = s.Name, d.Front(s)
	asking, done := context.WithTimeout(ctx, askWait)
	defer done()
	for _, area := range d.Plan.AreaNames() {
		if d.Writer(asking, area) == s {
			d.event.Areas = append(d.event.Areas, area)
		}
	}
	d.event.From = d.now()
	switch d.step.Fault {
	case plan.ServerPause:
		s.signal(syscall.SIGSTOP, false)
		if d.hold(ctx) {
			s.signal(syscall.SIGCONT, false)
		}
		return nil
	case plan.ServerKill:
		s.kill()
	case plan.ServerTerm:
		s.signal(syscall.SIGTERM, true)
		if !s.await(30 * time.Second) {
			s.kill()
			return fmt.Errorf("%s did not end within 30 s of SIGTERM", s.Name)
		}
		d.event.Until = d.now()
	case plan.ServerPoint:
		return d.point(ctx, s)
	}
	if !d.hold(ctx) {
		return nil
	}
	return s.start(d.programs[0], "")
}

// point starts a server anew with an order to break at a point, waits until it has,
// and starts it again.
func (d *doing) point(ctx context.Context, s *Server) error {
	d.event.Target += " " + d.step.Point
	s.kill()
	if err := s.start(d.programs[0], d.step.Point); err != nil {
		return err
	}
	stopped := strings.Contains(d.step.Point, "=stop")
	broke := false
	for until := time.Now().Add(d.step.Duration()); time.Now().Before(until) && !broke; {
		if !pause(ctx, 20*time.Millisecond) {
			return nil
		}
		broke = !s.Alive() || stopped && stoppedState(s)
		d.event.From = d.now()
	}
	if !broke {
		d.event.Skipped = "the point was not passed in time"
	}
	if stopped {
		pause(ctx, 5*time.Second)
		s.signal(syscall.SIGCONT, false)
		return nil
	}
	s.kill()
	pause(ctx, time.Second)
	return s.start(d.programs[0], "")
}

// stoppedState says whether a process has been stopped.
func stoppedState(s *Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.life.over() {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.life.cmd.Process.Pid))
	_, after, found := strings.Cut(string(text), ") ")
	return err == nil && found && after[0] == 'T'
}

// upgrade stops the servers one after the other and starts each as the other version.
func (d *doing) upgrade(ctx context.Context) error {
	for _, s := range d.Servers {
		s.signal(syscall.SIGTERM, true)
		if !s.await(30 * time.Second) {
			s.kill()
			return fmt.Errorf("%s did not end within 30 s of SIGTERM", s.Name)
		}
		if err := s.start(d.programs[1], ""); err != nil {
			return err
		}
		if err := s.listening(20 * time.Second); err != nil {
			return err
		}
		if !d.hold(ctx) {
			return nil
		}
	}
	return nil
}

// nodes are the Redis nodes that a target names: master, replicas, all, r1, master:a1.
func (d *doing) nodes(ctx context.Context, target string) []*redistest.Server {
	if area, ok := strings.CutPrefix(target, "master:"); ok {
		return some(d.Set.MasterFor(ctx, "{"+area+"}:head"))
	}
	if area, ok := strings.CutPrefix(target, "replicas:"); ok {
		return d.replicasOf(ctx, area)
	}
	switch target {
	case "master":
		return some(d.Set.Master(ctx))
	case "replicas":
		return d.Set.Replicas(ctx)
	case "replica":
		if all := d.Set.Replicas(ctx); len(all) > 0 {
			return some(all[d.rng.IntN(len(all))])
		}
	case "all", "redis":
		return d.Set.Data
	}
	for i, node := range d.Set.Data {
		if fmt.Sprint("r", i) == target {
			return some(node)
		}
	}
	return nil
}

// replicasOf are the replicas of the master that serves an area.
func (d *doing) replicasOf(ctx context.Context, area string) []*redistest.Server {
	master := d.Set.MasterFor(ctx, "{"+area+"}:head")
	if master == nil {
		return nil
	}
	var found []*redistest.Server
	text, err := master.Do(ctx, "info", "replication")
	for _, node := range d.Set.Data {
		host, port, _ := strings.Cut(node.Addr, ":")
		if err == nil && strings.Contains(fmt.Sprint(text), "ip="+host+",port="+port+",") {
			found = append(found, node)
		}
	}
	return found
}

func some(node *redistest.Server) []*redistest.Server {
	if node == nil {
		return nil
	}
	return []*redistest.Server{node}
}

// redis kills or pauses nodes.
func (d *doing) redis(ctx context.Context) error {
	var nodes []*redistest.Server
	if err := d.find(ctx, func() error {
		if nodes = d.nodes(ctx, d.step.Target); len(nodes) == 0 {
			return fmt.Errorf("no node is %q now", d.step.Target)
		}
		return nil
	}); err != nil {
		return err
	}
	d.event.Target += " " + d.names(nodes)
	d.event.Master = d.Plan.Topology != "standalone" && strings.HasPrefix(d.step.Target, "master")
	d.event.From = d.now()
	for _, node := range nodes {
		if d.step.Fault == plan.RedisKill {
			node.Kill()
		} else {
			node.Pause()
		}
	}
	if !d.hold(ctx) {
		return nil
	}
	var errs []error
	for _, node := range nodes {
		if d.step.Fault == plan.RedisKill {
			errs = append(errs, node.Start(ctx))
		} else {
			node.Resume()
		}
	}
	return errors.Join(errs...)
}

func (d *doing) names(nodes []*redistest.Server) string {
	var names []string
	for _, node := range nodes {
		names = append(names, d.nameOf(node))
	}
	return strings.Join(names, ",")
}

func (d *doing) nameOf(node *redistest.Server) string {
	for i, other := range d.Set.Data {
		if other == node {
			return fmt.Sprint("r", i)
		}
	}
	return node.Addr
}

// command gives Redis an order that hurts.
func (d *doing) command(ctx context.Context) error {
	switch d.step.Fault {
	case plan.PostDelete:
		return d.deletePost(ctx)
	case plan.ScriptFlush:
		var errs []error
		for _, node := range d.Set.Data {
			if node.PID() != 0 {
				_, err := node.Do(ctx, "script", "flush")
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	for _, node := range d.nodes(ctx, d.step.Target) {
		if _, err := node.Do(ctx, "client", "pause", d.step.DurationMS, "all"); err != nil {
			return err
		}
	}
	d.hold(ctx)
	return nil
}

// deletePost deletes the post boxes of all servers and the list of who lives: whatever
// hangs on them must come back by itself. The inboxes are ledger and stay.
func (d *doing) deletePost(ctx context.Context) error {
	client := d.Client()
	defer client.Close()
	deleted := 0
	for _, node := range d.Set.Data {
		if node.PID() == 0 {
			continue
		}
		direct := node.Client()
		keys, err := direct.Keys(ctx, "*").Result()
		direct.Close()
		if err != nil {
			return err
		}
		for _, key := range keys {
			if strings.Contains(key, "post") || strings.Contains(key, "nodes") {
				n, err := client.Del(ctx, key).Result()
				if err != nil {
					return err
				}
				deleted += int(n)
			}
		}
	}
	d.event.Target = fmt.Sprintf("%d keys", deleted)
	return nil
}

// fillDisk leaves no room where Redis writes, and starts what has died of it.
func (d *doing) fillDisk(ctx context.Context) error {
	if d.disk == "" {
		return errors.New("the plan has no small disk")
	}
	filler := filepath.Join(d.disk, "filler")
	f, err := os.Create(filler)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	for size := len(block); size > 0; size /= 2 { // to the last byte
		_, _ = f.Write(block[:size])
	}
	f.Close()
	d.hold(ctx)
	err = os.Remove(filler)
	for _, node := range d.Set.Data {
		if node.PID() == 0 {
			err = errors.Join(err, node.Start(ctx))
		}
	}
	return err
}

// mischief sets a proxy.
func (d *doing) mischief(ctx context.Context) {
	var forth, back proxy.Mischief
	if d.step.Forth != nil {
		forth = *d.step.Forth
	}
	if d.step.Back != nil {
		back = *d.step.Back
	}
	proxies := d.Stage.Frames
	if d.step.Fault == plan.Replies {
		proxies = []*proxy.Proxy{d.Redis}
	}
	for _, p := range proxies {
		d.event.Hits -= p.Done.Load()
		p.Set(forth, back)
	}
	defer func() {
		for _, p := range proxies {
			d.event.Hits += p.Done.Load()
		}
	}()
	if !d.hold(ctx) {
		return
	}
	for _, p := range proxies {
		p.Set(proxy.Mischief{}, proxy.Mischief{})
	}
}

// Mend ends every fault: everything runs, everything passes.
func (s *Stage) Mend(ctx context.Context) error {
	errs := []error{s.net.Heal()}
	for _, p := range append([]*proxy.Proxy{s.Redis}, s.Frames...) {
		if p != nil {
			p.Set(proxy.Mischief{}, proxy.Mischief{})
		}
	}
	for _, node := range s.Set.All() {
		node.Resume()
		if node.PID() == 0 {
			errs = append(errs, node.Start(ctx))
		}
	}
	errs = append(errs, s.Set.Healthy(ctx))
	for _, server := range s.Servers {
		server.signal(syscall.SIGCONT, false)
		if !server.Alive() {
			errs = append(errs, server.start(s.programs[0], ""))
		}
	}
	for _, server := range s.Servers {
		errs = append(errs, server.listening(30*time.Second))
	}
	return errors.Join(errs...)
}
