package swarm

import (
	"context"
	"net"
	"sync"
	"time"
)

// lines are the connections that one phone makes. They can be left hanging: then the
// phone has none any more, and the server has to find out.
type lines struct {
	// Static after construction.
	dialer func(ctx context.Context, network, address string) (net.Conn, error)

	mu sync.Mutex
	// Guarded by mu.
	now   *line
	stale net.Conn // left hanging; the next connection takes its place
}

func newLines(dialer func(context.Context, string, string) (net.Conn, error)) *lines {
	if dialer == nil {
		dialer = new(net.Dialer).DialContext
	}
	return &lines{dialer: dialer}
}

func (l *lines) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dialer(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.drop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = &line{Conn: conn, lines: l}
	return l.now, nil
}

// hush has the present connection hang instead of close.
func (l *lines) hush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now != nil {
		l.now.hushed = true
	}
}

// drop closes what hangs.
func (l *lines) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stale != nil {
		l.stale.Close()
		l.stale = nil
	}
}

// line is one connection.
type line struct {
	net.Conn
	lines  *lines
	hushed bool // guarded by lines.mu
}

// Close closes the connection, or leaves it hanging.
func (c *line) Close() error {
	c.lines.mu.Lock()
	defer c.lines.mu.Unlock()
	if c.lines.now == c {
		c.lines.now = nil
		if c.hushed {
			c.lines.stale = c.Conn
		}
	}
	if c.hushed {
		return c.Conn.SetDeadline(time.Now()) // who reads and writes is to stop
	}
	return c.Conn.Close()
}
