package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// pool is a bounded number of connections to each server of a deployment. Its
// methods may be called from any goroutine.
type pool struct {
	// Static after construction.
	target target
	guide  *guide // nil without Sentinels
	conns  int

	now    atomic.Pointer[clients] // swapped under mu
	mu     sync.Mutex              // guards closed, and the swapping of now
	closed bool
}

// clients are the connections until they are all closed at once. One of the two is set.
type clients struct {
	one     *redis.Client
	cluster *redis.ClusterClient
}

func (c *clients) close() error {
	if c.cluster != nil {
		return c.cluster.Close()
	}
	return c.one.Close()
}

// newPool makes a pool; it dials when it is first used. g is nil without Sentinels.
func newPool(t target, g *guide, conns int) *pool {
	p := &pool{target: t, guide: g, conns: conns}
	p.now.Store(p.connect())
	return p
}

func (p *pool) connect() *clients {
	switch p.target.topology {
	case cluster:
		return &clients{cluster: p.target.clusterClient(p.conns)}
	case sentinel:
		o := p.target.options(p.conns)
		o.Addr = p.target.master // what the guide knows; it is looked up with every dial
		o.Dialer = p.guide.dial
		return &clients{one: redis.NewClient(o)}
	}
	return &clients{one: p.target.client(p.conns)}
}

// at returns the connections to the server that holds a key, as far as is known.
func (p *pool) at(ctx context.Context, key string) (*redis.Client, error) {
	c := p.now.Load()
	if c.cluster == nil {
		return c.one, nil
	}
	return c.cluster.MasterForKey(ctx, key)
}

// masters returns the connections to every server that takes writes.
func (p *pool) masters(ctx context.Context) ([]*redis.Client, error) {
	c := p.now.Load()
	if c.cluster == nil {
		return []*redis.Client{c.one}, nil
	}
	var mu sync.Mutex // guards found
	var found []*redis.Client
	err := c.cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, node)
		return nil
	})
	return found, err
}

// node returns the connections to one master of a cluster by its address, which
// a redirection named, after asking the cluster how it stands now.
func (p *pool) node(ctx context.Context, addr string) (*redis.Client, error) {
	masters, err := p.masters(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range masters {
		if sameAddr(m.Options().Addr, addr) {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: %s is not known as a master yet", errMovedAway, addr)
}

// sameAddr compares addresses; a redirection may leave the host out.
func sameAddr(a, b string) bool {
	if host, port, err := net.SplitHostPort(b); err == nil && host == "" {
		_, mine, _ := net.SplitHostPort(a)
		return mine == port
	}
	return a == b
}

// ping asks for a sign of life: one master is enough, since the areas of the others
// say for themselves how they are.
func (p *pool) ping(ctx context.Context) error {
	masters, err := p.masters(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range masters {
		err := m.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// pipelined sends commands about the keys that lie with one key.
func (p *pool) pipelined(ctx context.Context, key string, fill func(redis.Pipeliner) error) error {
	node, err := p.at(ctx, key)
	if err == nil {
		_, err = node.Pipelined(ctx, fill)
	}
	p.failed(ctx, err)
	return err
}

// failed is told of an error of a call. Where it may mean that another server is
// the master now, that is looked up, and connections to the old one are closed.
func (p *pool) failed(ctx context.Context, err error) {
	switch {
	case err == nil || !goneAway(err):
	case p.guide != nil:
		_, _ = p.guide.ask(ctx) // without an answer the next call meets the same error
	case p.target.topology == cluster:
		_, _ = p.masters(ctx) // asks the cluster how it stands; the next call meets the error, if any
	}
}

// goneAway says whether an error may mean that the server is no master any more.
func goneAway(err error) bool {
	reason := reasonOf(err)
	return reason == reasonNetwork || reason == reasonTimeout || reason == reasonReadOnly || reason == reasonMoved || reason == reasonLoading
}

// reset closes every connection of the generation that c is; calls under way on
// them end as unknown. It returns whether they were the present ones.
func (p *pool) reset(c *clients) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.now.Load() != c {
		return false // somebody has closed them already
	}
	p.now.Store(p.connect())
	_ = c.close() // what was on them is lost either way
	return true
}

func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.now.Load().close()
}

// errMovedAway: the server that was asked does not hold the key (any more).
var errMovedAway = errors.New("the keys have moved to another server")

// redirection reads MOVED and ASK: where to go, and whether for this once only.
func redirection(err error) (addr string, ask, ok bool) {
	var said redis.Error
	if !errors.As(err, &said) {
		return "", false, false
	}
	words := strings.Fields(said.Error())
	if len(words) != 3 || words[0] != "MOVED" && words[0] != "ASK" {
		return "", false, false
	}
	return words[2], words[0] == "ASK", true
}
