package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/geo"
)

// Kind is what sort of server a store uses. For display.
type Kind string

// The kinds.
const (
	KindEmbedded Kind = "embedded"
	KindChild    Kind = "child"
	KindGiven    Kind = "given"
)

// Store is a connection to one deployment of Redis. Its methods may be called from
// any goroutine.
type Store struct {
	// Static after Open.
	kind        Kind
	node        string
	id          dispatch.NodeID
	leaseFor    time.Duration
	archiveKeep time.Duration
	wanted      int  // Config.Copies
	allowUnsafe bool // Config.AllowUnsafe
	log         *slog.Logger
	metrics     *metrics
	target      target
	scripts     scripts
	backend     backend
	guide       *guide // nil without Sentinels
	ledger      *pool
	mirror      *pool // positions have connections of their own
	clock       *Clock
	exchange    *exchange

	durable atomic.Bool
	copies  atomic.Int64           // what the topology asks for, as high as ever seen
	unfit   atomic.Pointer[error]  // why no area is taken; nil: the servers are fit
	said    atomic.Pointer[string] // the troubles that were last complained of

	stop      context.CancelFunc // ends what goes on in the background
	going     sync.WaitGroup
	mu        sync.Mutex // guards pools
	pools     []*pool
	closeOnce sync.Once
	closeErr  error
}

// backend is a server that this process has to end.
type backend interface {
	// close ends the server in order. It is called once, when no client is left.
	close() error
}

// Open finds or starts the server that cfg.Mode asks for. ctx bounds the start of
// a child, which may have a long journal to read; later events are not bound by it.
//
// A given server that cannot be reached is not an error: the store opens, says
// so, and goes on trying; until it has seen the server's settings it takes no area.
// A given server that refuses us, is too old, or whose settings let acknowledged
// facts be lost (see [Config.AllowUnsafe]), and a child that does not start, are
// errors.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	redis.SetLogger(libraryLog{cfg.Log})
	m := newMetrics()
	found, err := find(ctx, cfg, m)
	if err != nil {
		return nil, err
	}
	found.target.patience = cfg.patience
	s := newStore(cfg, m, found)
	err = m.register(cfg.Registerer)
	if err == nil && s.kind == KindGiven {
		s.unfit.Store(&errNotSeen)
		err = s.look(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.exchange.setClock(ctx)
	return s, nil
}

// found is a server that is there, or should be.
type found struct {
	kind    Kind
	target  target
	backend backend // nil for a given server
	durable bool
}

// find starts or names the server of a mode.
func find(ctx context.Context, cfg Config, m *metrics) (found, error) {
	switch cfg.Mode {
	case ModeEmbedded:
		return startEmbedded(cfg.Log, "the mode asks for it")
	case ModeChild:
		path, err := findServer(ctx)
		if err != nil {
			return found{}, err
		}
		return startChild(ctx, cfg, m, path)
	case ModeAuto:
		path, err := findServer(ctx)
		if err != nil {
			return startEmbedded(cfg.Log, err.Error())
		}
		// A fit server that does not start is an error and no reason to keep nothing.
		return startChild(ctx, cfg, m, path)
	}
	t, err := parseURL(cfg.Mode)
	switch {
	case err != nil:
	case cfg.Password != nil && t.password != "":
		err = errors.New("redis: a password is in the address and in a file: give one of them")
	default:
		t.ask = cfg.Password
	}
	return found{kind: KindGiven, target: t}, err
}

func newStore(cfg Config, m *metrics, f found) *Store {
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		kind:        f.kind,
		node:        cfg.Node,
		id:          dispatch.NodeID(cfg.Node + "~" + strings.ToLower(rand.Text()[:runWord])),
		leaseFor:    cfg.LeaseFor,
		archiveKeep: cfg.ArchiveKeep,
		wanted:      cfg.Copies,
		allowUnsafe: cfg.AllowUnsafe,
		log:         cfg.Log,
		metrics:     m,
		target:      f.target,
		scripts:     newScripts(f.target.plainLua),
		backend:     f.backend,
		stop:        stop,
	}
	if f.target.topology == sentinel {
		s.guide = newGuide(f.target, s.masterChanged)
		s.going.Go(func() { s.guide.watch(ctx) })
	}
	s.ledger, s.mirror = s.newPool(ledgerConns), s.newPool(mirrorConns)
	s.learn(0)
	s.clock = newClock(cfg.Log, m.clockOff)
	s.exchange = newExchange(s)
	s.setDurable(f.durable)
	m.info.WithLabelValues(string(s.kind)).Set(1)
	return s
}

// runWord is how long the word is that tells one run of a server from the next.
const runWord = 10

// newPool returns at most conns more connections to each server, which end with the store.
func (s *Store) newPool(conns int) *pool {
	p := newPool(s.target, s.guide, conns)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools = append(s.pools, p)
	return p
}

// masterChanged closes every connection to a server that is no master any more.
func (s *Store) masterChanged(from, to string) {
	s.metrics.masters.Inc()
	s.log.Warn("redis has another master; all connections are closed and opened to it", "before", from, "now", to)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pools {
		p.reset(p.now.Load())
	}
}

// NodeID names this run of this server, unlike every other.
func (s *Store) NodeID() dispatch.NodeID { return s.id }

// Copies is how many replicas must have a change on their disks before it is acknowledged.
func (s *Store) Copies() int {
	if s.wanted != 0 {
		return max(s.wanted, 0)
	}
	return int(s.copies.Load())
}

// learn is told how many replicas a master has. A replica that went away does not
// lower what is asked for.
func (s *Store) learn(replicas int) {
	s.copies.Store(max(s.copies.Load(), int64(replicas+1)/2))
	s.metrics.copies.Set(float64(s.Copies()))
}

func (s *Store) setDurable(durable bool) {
	s.durable.Store(durable)
	unsafe := 1.0
	if durable {
		unsafe = 0
	}
	s.metrics.unsafeLedger.Set(unsafe)
}

// fit says why no area may be taken; nil: it may.
func (s *Store) fit() error {
	if err := s.unfit.Load(); err != nil {
		return *err
	}
	return nil
}

// Kind says what sort of server is used.
func (s *Store) Kind() Kind { return s.kind }

// Durable says whether an acknowledged fact is on the disk of the server, as far
// as can be known: false for the embedded server, for a child that syncs once a
// second, and for given servers whose settings are unsafe or cannot be read.
func (s *Store) Durable() bool { return s.durable.Load() }

// Addr is where the server is, for people: a path, or hosts and ports, never a password.
func (s *Store) Addr() string { return s.target.String() }

// Area returns the ledger and the mirror of one area, for one writer's life. Two
// calls return two writers, of whom the later to [Area.Acquire] shuts the earlier out.
func (s *Store) Area(id geo.AreaID) *Area {
	_, err := geo.ParseAreaID(string(id))
	return &Area{
		store: s,
		keys:  keys{area: id},
		bad:   err,
		token: rand.Text(),
		shown: make(map[driverID]place),
		ghost: make(map[ghost]struct{}),
	}
}

// Ping asks for a sign of life, by the ledger's connections, and says whether areas
// may be taken: a server whose settings are unsafe and which was away when the store
// opened answers with an error here, until they are mended.
func (s *Store) Ping(ctx context.Context) error {
	err := s.ledger.ping(ctx)
	if err != nil {
		s.ledger.failed(ctx, err)
	} else {
		err = s.fit()
	}
	if err != nil {
		return fmt.Errorf("redis at %s: %w", s.target, err)
	}
	return nil
}

// Close closes the connections and then ends a server that this process started,
// waiting until its files are complete. Areas must not be used any more. It may be
// called again; the second call returns what the first did.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.stop()
		s.going.Wait()
		s.closeErr = s.exchange.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range s.pools {
			s.closeErr = errors.Join(s.closeErr, p.close())
		}
		if s.guide != nil {
			s.closeErr = errors.Join(s.closeErr, s.guide.close())
		}
		if s.backend != nil {
			s.closeErr = errors.Join(s.closeErr, s.backend.close())
		}
	})
	return s.closeErr
}
