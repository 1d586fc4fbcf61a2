package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

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

// Store is a connection to one Redis. Its methods may be called from any goroutine.
type Store struct {
	// Static after Open.
	kind     Kind
	node     string
	leaseFor time.Duration
	log      *slog.Logger
	metrics  *metrics
	target   target
	scripts  scripts
	backend  backend
	mirror   *redis.Client // positions have connections of their own
	clock    *Clock
	exchange *exchange

	durable atomic.Bool
	ledger  atomic.Pointer[ledgerClient] // swapped under mu

	stop      context.CancelFunc // ends the look at the settings
	looking   sync.WaitGroup
	mu        sync.Mutex // guards closed, and the swapping of ledger
	closed    bool
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
// so, and goes on trying. A given server that refuses us or is too old, and a
// child that does not start, are errors.
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
	s := newStore(cfg, m, found)
	err = m.register(cfg.Registerer)
	if err == nil && s.kind == KindGiven {
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
	return found{kind: KindGiven, target: t}, err
}

func newStore(cfg Config, m *metrics, f found) *Store {
	s := &Store{
		kind:     f.kind,
		node:     cfg.Node,
		leaseFor: cfg.LeaseFor,
		log:      cfg.Log,
		metrics:  m,
		target:   f.target,
		scripts:  newScripts(f.target.plainLua),
		backend:  f.backend,
		mirror:   f.target.client(mirrorConns),
		stop:     func() {},
	}
	s.ledger.Store(newLedgerClient(f.target))
	s.clock = newClock(cfg.Log, m.clockOff)
	s.exchange = newExchange(s)
	m.info.WithLabelValues(string(f.kind)).Set(1)
	s.setDurable(f.durable)
	return s
}

func (s *Store) setDurable(yes bool) {
	s.durable.Store(yes)
	s.metrics.unsafeLedger.Set(1)
	if yes {
		s.metrics.unsafeLedger.Set(0)
	}
}

// Kind says what sort of server is used.
func (s *Store) Kind() Kind { return s.kind }

// Durable says whether an acknowledged fact is on the disk of the server, as far
// as can be known: false for the embedded server, for a child that syncs once a
// second, and for a given server whose settings are unsafe or cannot be read.
func (s *Store) Durable() bool { return s.durable.Load() }

// Addr is where the server is, for people: a path or host and port, never a password.
func (s *Store) Addr() string { return s.target.addr }

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

// Ping asks the server for a sign of life, by the ledger's connections.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.ledger.Load().quick.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis at %s: %w", s.target.addr, err)
	}
	return nil
}

// Close closes the connections and then ends a server that this process started,
// waiting until its files are complete. Areas must not be used any more. It may be
// called again; the second call returns what the first did.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.stop()
		s.looking.Wait()
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.closeErr = errors.Join(s.exchange.close(), s.ledger.Load().quick.Close(), s.mirror.Close())
		if s.backend != nil {
			s.closeErr = errors.Join(s.closeErr, s.backend.close())
		}
	})
	return s.closeErr
}
