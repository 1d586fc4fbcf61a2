package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
)

// The modes of [Config.Mode]. Anything else is read as a URL.
const (
	// ModeAuto starts a child when a fit redis-server is on PATH and is embedded otherwise.
	ModeAuto = "auto"
	// ModeEmbedded keeps everything in this process; nothing outlives it.
	ModeEmbedded = "embedded"
	// ModeChild starts redis-server with its files in the data folder.
	ModeChild = "child"
)

// Durability is when a child server calls a fact written.
type Durability string

// The durabilities of a child.
const (
	// DurabilityAlways syncs to the disk before every answer: nothing acknowledged is
	// lost with the power. The default.
	DurabilityAlways Durability = "always"
	// DurabilityEverySecond syncs once a second: a crash of a program loses nothing,
	// loss of power up to two seconds.
	DurabilityEverySecond Durability = "everysec"
)

// DefaultLease is how long a writer's right runs when [Config.LeaseFor] is zero:
// with renewals every third of it another node has a dead one's area within it.
const DefaultLease = 3 * time.Second

// The bounds of [Config.LeaseFor].
const (
	MinLease = 100 * time.Millisecond
	MaxLease = time.Hour
)

// Config says which Redis to use and how. The zero value lacks Node.
type Config struct {
	// Mode is "auto", "embedded", "child", or the URL of one server: redis://,
	// rediss:// (TLS) or unix://. Empty means auto.
	Mode string
	// DataDir is the folder under which a child keeps its files, in "redis". Needed
	// for auto and child. Made when missing. Its absolute path is bounded by what a
	// unix socket's address can hold, about 90 bytes.
	DataDir string
	// Node is this process's name as a writer, unlike that of every other node: 1 to
	// 64 ASCII letters, digits and "-_.:@". The newest process of a name shuts out the
	// older ones, so that a server that was killed need not wait for its own lease.
	Node string
	// LeaseFor is how long the right to write runs without renewal, by the server's
	// clock. Zero means [DefaultLease]. MinLease to MaxLease.
	LeaseFor time.Duration
	// Durability of a child. Empty means always. Other kinds of server ignore it.
	Durability Durability
	// Log is where events of the server go, and the child's own log. Nil: [slog.Default].
	Log *slog.Logger
	// Registerer takes the metrics; nil keeps them to the store. Two stores cannot
	// share one registerer.
	Registerer prometheus.Registerer
}

// withDefaults fills what is empty and says what is wrong, all at once.
func (c Config) withDefaults() (Config, error) {
	if c.Mode == "" {
		c.Mode = ModeAuto
	}
	if c.LeaseFor == 0 {
		c.LeaseFor = DefaultLease
	}
	if c.Durability == "" {
		c.Durability = DurabilityAlways
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	var errs []error
	if err := dispatch.CheckID(c.Node); err != nil {
		errs = append(errs, fmt.Errorf("node name: %w", err))
	}
	if c.LeaseFor < MinLease || c.LeaseFor > MaxLease {
		errs = append(errs, fmt.Errorf("lease is %v: want %v to %v", c.LeaseFor, MinLease, MaxLease))
	}
	if c.Durability != DurabilityAlways && c.Durability != DurabilityEverySecond {
		errs = append(errs, fmt.Errorf("durability %q: want %s or %s", c.Durability, DurabilityAlways, DurabilityEverySecond))
	}
	if (c.Mode == ModeAuto || c.Mode == ModeChild) && c.DataDir == "" {
		errs = append(errs, fmt.Errorf("redis mode %s needs a data folder", c.Mode))
	}
	return c, errors.Join(errs...)
}

// target is where a server is and how to talk to it.
type target struct {
	network, addr      string
	username, password string
	db                 int
	tls                *tls.Config
	// plainLua says that the server does not know the #! line of a script.
	plainLua bool
}

// laterSchemes are addresses that will mean something one day.
var laterSchemes = []string{"sentinel", "redis-sentinel", "redis+sentinel", "cluster", "redis-cluster", "redis+cluster"}

// parseURL reads the address of one server. Its errors never hold the URL, which
// may hold a password.
func parseURL(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return target{}, fmt.Errorf("redis address cannot be read: %w", err)
	}
	if slices.Contains(laterSchemes, u.Scheme) || strings.Contains(u.Host, ",") {
		return target{}, errors.New("redis Sentinel and Cluster are not supported yet: give the redis://, rediss:// or unix:// address of one server")
	}
	if !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) {
		return target{}, fmt.Errorf("redis mode is neither %s, %s, %s nor an address that begins with redis://, rediss:// or unix://", ModeAuto, ModeEmbedded, ModeChild)
	}
	for name := range u.Query() {
		if name != "db" {
			return target{}, fmt.Errorf("redis address: parameter %q is not known: only db may be given", name)
		}
	}
	o, err := redis.ParseURL(s)
	if err != nil {
		return target{}, fmt.Errorf("redis address cannot be read: %s", strings.ReplaceAll(err.Error(), s, "it"))
	}
	return target{network: o.Network, addr: o.Addr, username: o.Username, password: o.Password, db: o.DB, tls: o.TLSConfig}, nil
}
