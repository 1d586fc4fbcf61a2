package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// askEvery is how often Sentinels are asked who the master is.
	askEvery = 300 * time.Millisecond
	// askWait bounds one question.
	askWait = 500 * time.Millisecond
)

// guide knows which server Sentinels call the master. It asks all of them, all the
// time, and believes the one with the newest configuration: a Sentinel that was cut
// off together with an old master goes on naming it.
type guide struct {
	// Static after construction.
	target    target
	sentinels []*redis.SentinelClient
	changed   func(from, to string) // called from the goroutine that found out

	asking sync.Mutex // held while Sentinels are asked, so that it is done once for all
	mu     sync.Mutex // guards the following fields
	master string
	epoch  uint64
	asked  time.Time
}

// newGuide makes one for a target with Sentinels.
func newGuide(t target, changed func(from, to string)) *guide {
	g := &guide{target: t, changed: changed}
	for _, addr := range t.seeds {
		o := t.options(1)
		o.CredentialsProviderContext = nil // the Sentinels have a password of their own
		o.Addr, o.Username, o.Password, o.DB = addr, t.sentinelUsername, t.sentinelPassword, 0
		g.sentinels = append(g.sentinels, redis.NewSentinelClient(o))
	}
	return g
}

func (g *guide) close() error {
	var errs []error
	for _, s := range g.sentinels {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// watch asks until ctx ends.
func (g *guide) watch(ctx context.Context) {
	for pause(ctx, askEvery) {
		g.ask(ctx)
	}
}

// answer is what one Sentinel says.
type answer struct {
	master string
	epoch  uint64
	err    error
}

// ask asks the Sentinels, unless somebody else did since this call began.
func (g *guide) ask(ctx context.Context) (master string, err error) {
	began := time.Now()
	g.asking.Lock()
	defer g.asking.Unlock()
	g.mu.Lock()
	if g.asked.After(began) {
		defer g.mu.Unlock()
		return g.master, nil
	}
	g.mu.Unlock()
	best, all, err := g.askAll(ctx)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	was := g.master
	if best.epoch < g.epoch && !all {
		best.master, best.epoch = g.master, g.epoch // those that know better cannot be reached now
	}
	g.master, g.epoch, g.asked = best.master, best.epoch, time.Now()
	g.mu.Unlock()
	if was != "" && was != best.master {
		g.changed(was, best.master)
	}
	return best.master, nil
}

// askAll asks every Sentinel at once and returns the newest answer, and whether all answered.
func (g *guide) askAll(ctx context.Context) (best answer, all bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWait+g.target.patience)
	defer cancel()
	answers := make(chan answer, len(g.sentinels))
	for _, s := range g.sentinels {
		go func() { answers <- g.askOne(ctx, s) }()
	}
	var errs []error
	for range g.sentinels {
		a := <-answers
		if a.err != nil {
			errs = append(errs, a.err)
		} else if best.master == "" || a.epoch > best.epoch {
			best = a
		}
	}
	if best.master == "" {
		return answer{}, false, fmt.Errorf("no Sentinel says where %s is: %w", g.target.master, errors.Join(errs...))
	}
	return best, len(errs) == 0, nil
}

func (g *guide) askOne(ctx context.Context, s *redis.SentinelClient) answer {
	addr, err := s.GetMasterAddrByName(ctx, g.target.master).Result()
	if err != nil {
		return answer{err: err}
	}
	about, err := s.Master(ctx, g.target.master).Result()
	if err != nil || len(addr) != 2 {
		return answer{err: errors.Join(err, fmt.Errorf("the address has %d parts", len(addr)))}
	}
	epoch, err := number(about["config-epoch"])
	return answer{master: net.JoinHostPort(addr[0], addr[1]), epoch: epoch, err: err}
}

// where returns the master, as it was known a moment ago.
func (g *guide) where(ctx context.Context) (string, error) {
	g.mu.Lock()
	master, fresh := g.master, time.Since(g.asked) < 2*askEvery
	g.mu.Unlock()
	if fresh {
		return master, nil
	}
	return g.ask(ctx)
}

// dial opens a connection to the master; the address it is given is only its name.
func (g *guide) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	addr, err := g.where(ctx)
	if err != nil {
		return nil, err
	}
	return g.target.dial(ctx, network, addr)
}
