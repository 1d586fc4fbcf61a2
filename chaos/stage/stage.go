package stage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cuntong/chaos/plan"
	"cuntong/chaos/proxy"
	"cuntong/dispatch/redisstore/redistest"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Stage is everything that runs for one plan.
type Stage struct {
	// Static after Start.
	Plan     *plan.Plan
	Dir      string // logs, configuration and data
	Secret   []byte
	Set      *redistest.Set
	Servers  []*Server
	Frames   []*proxy.Proxy // before each server, when the plan wants them
	Redis    *proxy.Proxy   // before Redis, when the plan wants it
	net      *Net
	programs [2]string
	disk     string // the folder that is a small disk; empty: none
}

// Start starts Redis and the servers, and waits until the servers answer. Network may be nil.
func Start(ctx context.Context, p *plan.Plan, dir string, network *Net, programs [2]string) (*Stage, error) {
	s := &Stage{Plan: p, Dir: dir, net: network, programs: programs}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stage) start(ctx context.Context) error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	s.Secret = []byte(hex.EncodeToString(secret))
	for file, text := range map[string][]byte{"secret": s.Secret, "areas.geojson": s.Plan.GeoJSON()} {
		if err := os.WriteFile(filepath.Join(s.Dir, file), text, 0o600); err != nil {
			return err
		}
	}
	if err := s.startRedis(ctx); err != nil {
		return err
	}
	url := s.Set.URL()
	if s.Plan.Proxy {
		var err error
		if s.Redis, err = proxy.Redis(net.JoinHostPort(s.net.host(hubName), "0"), s.Set.Data[0].Addr, s.Plan.Seed); err != nil {
			return err
		}
		url = "redis://" + s.Redis.Addr()
	}
	return s.startServers(url)
}

// startRedis starts the topology of the plan.
func (s *Stage) startRedis(ctx context.Context) error {
	o := redistest.Options{Dir: filepath.Join(s.Dir, "redis"), Settings: s.Plan.Settings}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	if s.Plan.DiskMB > 0 && s.net != nil {
		// Only in the mount namespace of our hub, and gone with it.
		if err := syscall.Mount("ctchaos", o.Dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700", s.Plan.DiskMB)); err != nil {
			return fmt.Errorf("a small disk: %w", err)
		}
		s.disk = o.Dir
	}
	for i := range maxRedis {
		place := fmt.Sprint("r", i)
		o.Places = append(o.Places, redistest.Place{Host: s.net.host(place), Exec: s.net.exec(place)})
	}
	var err error
	switch s.Plan.Topology {
	case "sentinel":
		s.Set, err = redistest.Sentinels(ctx, o)
	case "cluster":
		s.Set, err = redistest.Cluster(ctx, o, s.Plan.Replicas)
	default:
		s.Set, err = redistest.Alone(ctx, o)
	}
	return err
}

// startServers starts every dispatchd and what stands before it.
func (s *Stage) startServers(url string) error {
	for i := range s.Plan.Servers {
		place, name := fmt.Sprint("s", i), fmt.Sprint("s", i)
		host, skew := s.net.host(place), ""
		if i < len(s.Plan.Skew) {
			skew = s.Plan.Skew[i]
		}
		server := &Server{
			Name: name, place: place, prefix: s.net.exec(place), skew: skew, mutant: s.Plan.Mutant, dir: s.Dir,
			Addr: net.JoinHostPort(host, freePort()), private: net.JoinHostPort(host, freePort()),
		}
		server.args = append([]string{
			"serve", "--listen", server.Addr, "--private-listen", server.private, "--redis", url, "--node", name,
			"--secret-file", filepath.Join(s.Dir, "secret"), "--areas", filepath.Join(s.Dir, "areas.geojson"), "--data-dir", filepath.Join(s.Dir, name),
			"--log-format", "json", "--drain-for", "4s", "--window", "100ms", "--offer-wait", "5s", "--patience", "1m", "--lapse-rest", "1s",
			"--passenger-orders", "0", "--device-orders", "0", "--cell-unknown", "0", "--fastest-kmh", "0", // few people, who order and move all the time
			"--snapshot-every", fmt.Sprint(s.Plan.SnapshotEvery), "--frames-per-sec", "200", "--frame-burst", "400", "--ping-every", "5s",
		}, s.Plan.Flags...)
		s.Servers = append(s.Servers, server)
		if err := server.start(s.programs[0], ""); err != nil {
			return err
		}
		if s.Plan.Frames {
			p, err := proxy.WebSocket("127.0.0.1:0", server.Addr, s.Plan.Seed+uint64(i))
			if err != nil {
				return err
			}
			s.Frames = append(s.Frames, p)
		}
	}
	for _, server := range s.Servers {
		if err := server.listening(30 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

// Fronts are the addresses that phones connect to.
func (s *Stage) Fronts() []string {
	var addrs []string
	for i, server := range s.Servers {
		if len(s.Frames) > 0 {
			addrs = append(addrs, s.Frames[i].Addr())
		} else {
			addrs = append(addrs, server.Addr)
		}
	}
	return addrs
}

// Front is the address under which phones know a server.
func (s *Stage) Front(server *Server) string {
	for i, other := range s.Servers {
		if other == server {
			return s.Fronts()[i]
		}
	}
	return ""
}

// Client reaches Redis as it is now, past all proxies. The caller closes it.
func (s *Stage) Client() redis.UniversalClient {
	const wait = 3 * time.Second
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	var data, sentinels []string
	for _, server := range s.Set.Data {
		data = append(data, server.Addr)
	}
	for _, server := range s.Set.Sentinels {
		sentinels = append(sentinels, server.Addr)
	}
	switch s.Plan.Topology {
	case "sentinel":
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: redistest.MasterName, SentinelAddrs: sentinels, Protocol: 2,
			DialTimeout: wait, ReadTimeout: wait, ContextTimeoutEnabled: true, DisableIdentity: true, PoolSize: 2})
	case "cluster":
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: data, Protocol: 2, ClusterStateReloadInterval: time.Second,
			DialTimeout: wait, ReadTimeout: wait, ContextTimeoutEnabled: true, DisableIdentity: true, PoolSize: 2, MaintNotificationsConfig: quiet})
	}
	return redis.NewClient(&redis.Options{Addr: data[0], Protocol: 2, DialTimeout: wait, ReadTimeout: wait,
		ContextTimeoutEnabled: true, DisableIdentity: true, PoolSize: 2, MaintNotificationsConfig: quiet})
}

// Whole is the name of the one source of a Cluster.
const Whole = "cluster"

// Sources are the clients by which every copy of the ledger can be read, by name. The
// caller closes them.
func (s *Stage) Sources() map[string]redis.UniversalClient {
	if s.Plan.Topology == "cluster" {
		return map[string]redis.UniversalClient{Whole: s.Client()}
	}
	sources := map[string]redis.UniversalClient{}
	for _, node := range s.Set.Data {
		sources[node.Addr] = node.Client()
	}
	return sources
}

// Right is the name of the source that counts now; empty: there is none.
func (s *Stage) Right(ctx context.Context) string {
	if s.Plan.Topology == "cluster" {
		return Whole
	}
	if master := s.Set.Master(ctx); master != nil {
		return master.Addr
	}
	return ""
}

// Writer is the server that holds the lease of an area now; nil: none of them.
func (s *Stage) Writer(ctx context.Context, area string) *Server {
	client := s.Client()
	defer client.Close()
	owner, err := client.HGet(ctx, "{"+area+"}:lease", "owner").Result()
	if err != nil {
		return nil
	}
	name, _, _ := strings.Cut(owner, "~")
	for _, server := range s.Servers {
		if server.Name == name {
			return server
		}
	}
	return nil
}

// Close ends everything.
func (s *Stage) Close() error {
	for _, server := range s.Servers {
		server.signal(syscall.SIGCONT, false)
		server.kill()
	}
	for _, p := range s.Frames {
		p.Close()
	}
	if s.Redis != nil {
		s.Redis.Close()
	}
	var errs []error
	if s.Set != nil {
		for _, node := range s.Set.All() { // their own folder may be a disk that goes away now
			errs = append(errs, os.WriteFile(filepath.Join(s.Dir, filepath.Base(node.Dir)+".log"), []byte(node.Log()), 0o600))
		}
		errs = append(errs, s.Set.Close())
	}
	if s.disk != "" {
		errs = append(errs, syscall.Unmount(s.disk, syscall.MNT_DETACH))
	}
	return errors.Join(append(errs, s.net.Heal())...)
}
