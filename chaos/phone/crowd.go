package phone

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// quitting says that nobody should begin anything new.
type quitting struct{ flag atomic.Bool }

func (q *quitting) asked() bool { return q.flag.Load() }

// Crowd is everybody who takes part.
type Crowd struct {
	cfg    *Config
	quit   quitting
	lives  sync.WaitGroup
	cancel context.CancelFunc
}

// Start lets everybody live until Stop, or until the context ends.
func Start(ctx context.Context, cfg *Config) (*Crowd, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &Crowd{cfg: cfg, cancel: cancel}
	for i, home := range cfg.Drivers {
		p, err := newPhone(c.cfg, "driver", fmt.Sprintf("d%d", i+1), home.Area, stream(cfg.Seed, 1, i))
		if err != nil {
			cancel()
			return nil, err
		}
		d := &driver{phone: p, home: home.At, at: home.At}
		c.lives.Go(func() { c.live(ctx, &d.phone, d) })
	}
	for i, home := range cfg.Passengers {
		p, err := newPhone(c.cfg, "passenger", fmt.Sprintf("p%d", i+1), home.Area, stream(cfg.Seed, 2, i))
		if err != nil {
			cancel()
			return nil, err
		}
		r := &passenger{phone: p, at: home.At, quit: &c.quit}
		c.lives.Go(func() { c.live(ctx, &r.phone, r) })
	}
	for i, home := range cfg.Operators {
		p, err := newPhone(c.cfg, "operator", fmt.Sprintf("o%d", i+1), home.Area, stream(cfg.Seed, 3, i))
		if err != nil {
			cancel()
			return nil, err
		}
		o := &operator{phone: p, quit: &c.quit}
		c.lives.Go(func() { c.live(ctx, &o.phone, o) })
	}
	return c, nil
}

// live spreads the first connections over a second.
func (c *Crowd) live(ctx context.Context, p *phone, r role) {
	if pause(ctx, time.Duration(p.rng.Int64N(int64(time.Second)))) {
		p.run(ctx, r)
	}
}

// stream is a source of chance of its own for each phone.
func stream(seed uint64, kind, index int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(kind)<<32|uint64(index)))
}

// Quit asks everybody to begin nothing new; what is under way goes on.
func (c *Crowd) Quit() { c.quit.flag.Store(true) }

// Busy counts those who wait for something: a trip that is not over, an answer.
func (c *Crowd) Busy() int { return int(c.cfg.busy.Load()) }

// Stop ends every life and returns when they have ended.
func (c *Crowd) Stop() {
	c.cancel()
	c.lives.Wait()
}
