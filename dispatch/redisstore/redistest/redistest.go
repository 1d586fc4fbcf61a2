// Package redistest starts real redis-server processes in temporary folders: one
// alone, a master with replicas, three under Sentinels, a Cluster.
//
// It is for tests, for the fault suite and for scripts that show a deployment.
// Each server has a handle by which it can be killed, stopped, continued and
// started again on its files. A server dies with the process that started it.
//
//	set, err := redistest.Sentinels(ctx, redistest.Options{})
//	defer set.Close()
//	store, err := redisstore.Open(ctx, redisstore.Config{Mode: set.URL(), Node: "a"})
//	set.Master(ctx).Kill()
//
// The settings are those that the ledger asks for (append-only file, a sync before
// every answer, no eviction, and a replica before every write where there are
// replicas) unless [Options.Settings] says otherwise.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options says how servers are started. The zero value starts them on loopback, in
// a folder of their own, without password and without TLS.
type Options struct {
	// Dir is the folder in which each server gets one. Empty: a temporary folder,
	// which Close removes.
	Dir string
	// Places says where each data node runs, in the order of [Set.Data]; the Sentinel
	// beside a data node runs at the same place. Missing ones are on loopback.
	Places []Place
	// Settings are lines of redis.conf for every data node, as "appendfsync everysec".
	// They come last and win.
	Settings []string
	// Password is that of the default user, also between the servers. Empty: none.
	Password string
	// Users are lines of the ACL file, as "user dispatchd on >secret ~* &* +@all". The
	// default user is written before them.
	Users []string
	// SentinelPassword is what the Sentinels ask for. Empty: none.
	SentinelPassword string
	// TLS makes every server speak nothing else, also to each other, and ask its
	// clients for a certificate. See [Set.Papers].
	TLS bool
}

// Place is where a server runs.
type Place struct {
	// Host is the address it listens on and is known by; empty: 127.0.0.1.
	Host string
	// Exec is a command that becomes the server, as "ip", "netns", "exec", "a". It
	// must not leave a process of its own between us and the server.
	Exec []string
}

// Limits of waiting. They are no expectations.
const (
	answerWait  = time.Minute
	healthyWait = 3 * time.Minute
	pollEvery   = 20 * time.Millisecond
)

// MasterName is what the Sentinels call the one they watch.
const MasterName = "mymaster"

// Missing says why no server can be started on this machine; nil: it can.
func Missing() error {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return errors.New("needs redis-server 7.0 or later on PATH (Debian: apt-get install redis-server)")
	}
	return nil
}

// Set is the servers of one topology. Its methods may be called from any goroutine.
type Set struct {
	// Static after construction.
	Data      []*Server // the first is, or the first few are, the masters at the start
	Sentinels []*Server // Sentinels[i] is beside Data[i]
	Papers    Papers    // files of TLS; empty without
	scheme    string    // of its URL, without TLS
	opts      Options
	dir       string
	temporary bool

	closeOnce sync.Once
}

// newSet makes the folder, and the papers of TLS.
func newSet(scheme string, o Options) (*Set, error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	s := &Set{scheme: scheme, opts: o, dir: o.Dir}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "redistest-")
		if err != nil {
			return nil, err
		}
		s.dir, s.temporary = dir, true
	}
	if o.TLS {
		var hosts []string
		for i := range max(len(o.Places), 1) {
			hosts = append(hosts, s.place(i).Host)
		}
		papers, err := writePapers(filepath.Join(s.dir, "tls"), hosts)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.Papers = papers
	}
	return s, nil
}

// place is where data node i runs.
func (s *Set) place(i int) Place {
	var p Place
	if i < len(s.opts.Places) {
		p = s.opts.Places[i]
	}
	if p.Host == "" {
		p.Host = "127.0.0.1"
	}
	return p
}

// begun returns the set when err is nil, and ends its servers otherwise.
func (s *Set) begun(err error) (*Set, error) {
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redistest: %w", err), s.Close())
	}
	return s, nil
}

// All returns every server.
func (s *Set) All() []*Server { return append(append([]*Server(nil), s.Data...), s.Sentinels...) }

// URL is the address of the set as dispatchd takes it, with the password of the
// default user.
func (s *Set) URL() string {
	user := ""
	if s.opts.Password != "" {
		user = "default"
	}
	return s.URLOf(user, s.opts.Password)
}

// URLOf is URL for a user of the ACL file.
func (s *Set) URLOf(user, password string) string {
	u := url.URL{Scheme: s.scheme}
	query := url.Values{}
	servers := s.Data
	switch s.scheme {
	case "redis":
		servers = s.Data[:1]
	case "redis+sentinel":
		servers, u.Path = s.Sentinels, "/"+MasterName
		if s.opts.SentinelPassword != "" {
			query.Set("sentinel_password", s.opts.SentinelPassword)
		}
	}
	if s.opts.TLS {
		u.Scheme = strings.Replace(s.scheme, "redis", "rediss", 1)
		query.Set("ca", s.Papers.CA)
		query.Set("cert", s.Papers.Cert)
		query.Set("key", s.Papers.Key)
	}
	var addrs []string
	for _, server := range servers {
		addrs = append(addrs, server.Addr)
	}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	u.Host, u.RawQuery = strings.Join(addrs, ","), query.Encode()
	return u.String()
}

// Close kills every server and removes a temporary folder.
func (s *Set) Close() error {
	var err error
	s.closeOnce.Do(func() {
		for _, server := range s.All() {
			server.Kill()
		}
		if s.temporary {
			err = os.RemoveAll(s.dir)
		}
	})
	return err
}

// Healthy waits until every server is up and has what its part in the topology
// needs: replicas in step, Sentinels that know each other, slots that are served.
func (s *Set) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthyWait)
	defer cancel()
	check := s.healthyReplicas
	switch {
	case len(s.Sentinels) > 0:
		check = s.healthySentinels
	case s.scheme == "redis+cluster":
		check = s.healthyCluster
	}
	return until(ctx, "the servers are in step", func() error { return check(ctx) })
}

// until calls try until it returns nil.
func until(ctx context.Context, what string, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting until %s: %w: %w", what, ctx.Err(), err)
		case <-timer.C:
		}
	}
}
