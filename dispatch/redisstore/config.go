package redisstore

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
// with renewals every half second another node has a dead one's area within it.
const DefaultLease = 2 * time.Second

// The bounds of [Config.LeaseFor].
const (
	MinLease = 100 * time.Millisecond
	MaxLease = time.Hour
)

// NoCopies as [Config.Copies] acknowledges what the master alone has.
const NoCopies = -1

// maxCopies bounds [Config.Copies]; nobody has more replicas.
const maxCopies = 16

// Config says which Redis to use and how. The zero value lacks Node.
type Config struct {
	// Mode is "auto", "embedded", "child", or an address. Empty means auto. Addresses
	// are, with rediss in the place of redis for TLS:
	//
	//	redis://user:password@host:6379/0
	//	unix://user:password@/run/redis/redis.sock?db=0
	//	redis+sentinel://user:password@h1:26379,h2:26379,h3:26379/mymaster?db=0&sentinel_user=u&sentinel_password=p
	//	redis+cluster://user:password@h1:6379,h2:6379
	//
	// With TLS the parameters ca, cert and key name files (PEM): who signs the servers'
	// certificates (without it, whom this machine trusts), and our own, where they ask
	// for one. They are read once. The server's name is always verified.
	Mode string
	// Password tells that of a given server, in the place of one in its address, so that none need be where
	// everybody can read it who may list processes. It is asked for each new connection, from any goroutine, so
	// that the password may change; with an error there is no connection. Nil: what the address says.
	Password func() (string, error)
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
	// Copies is how many replicas must have a change on their disks before it is
	// acknowledged. Zero: by topology, so that a majority of the copies has it, the
	// master's included (none without replicas, 1 with one or two, 2 with three); replicas
	// that go away do not lower it. -1: none. Other kinds of server than a given one
	// ignore it.
	Copies int
	// AllowUnsafe makes a given server serve although its settings let acknowledged
	// facts be lost. It is complained of all the same.
	AllowUnsafe bool
	// ArchiveKeep is how long finished trips stay in the archive, by the clock of Redis.
	// Zero: for ever.
	ArchiveKeep time.Duration
	// Durability of a child. Empty means always. Other kinds of server ignore it.
	Durability Durability
	// Log is where events of the server go, and the child's own log. Nil: [slog.Default].
	Log *slog.Logger
	// Registerer takes the metrics; nil keeps them to the store. Two stores cannot
	// share one registerer.
	Registerer prometheus.Registerer

	// patience is added to every limit of a connection or a call. It is there for tests,
	// whose machine may be so busy that Redis answers after seconds; else it is zero.
	patience time.Duration
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
	if c.Copies < NoCopies || c.Copies > maxCopies {
		errs = append(errs, fmt.Errorf("copies are %d: want %d to %d", c.Copies, NoCopies, maxCopies))
	}
	if c.ArchiveKeep < 0 {
		errs = append(errs, fmt.Errorf("archive is kept for %v: want 0 or more", c.ArchiveKeep))
	}
	if c.Durability != DurabilityAlways && c.Durability != DurabilityEverySecond {
		errs = append(errs, fmt.Errorf("durability %q: want %s or %s", c.Durability, DurabilityAlways, DurabilityEverySecond))
	}
	if (c.Mode == ModeAuto || c.Mode == ModeChild) && c.DataDir == "" {
		errs = append(errs, fmt.Errorf("redis mode %s needs a data folder", c.Mode))
	}
	return c, errors.Join(errs...)
}
