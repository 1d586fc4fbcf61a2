package linktest

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// pipes are links in memory, for tests in virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// valley is where one phone is: with a signal or without.
type valley struct {
	lines *pipes

	mu    sync.Mutex // guards the following fields
	dark  bool
	conns []*line
}

var errDark = errors.New("no signal")

func (v *valley) dial(ctx context.Context, network, address string) (net.Conn, error) {
	v.mu.Lock()
	dark := v.dark
	v.mu.Unlock()
	if dark {
		return nil, errDark
	}
	c, err := v.lines.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: c}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.dark {
		l.lost.Store(true)
	}
	v.conns = append(v.conns, l)
	return l, nil
}

// night takes the signal away: the connections hang, and nobody is told, or they break.
func (v *valley) night(silently bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dark = true
	for _, l := range v.conns {
		if l.lost.Store(true); !silently {
			l.Conn.Close()
		}
	}
	v.conns = nil
}

func (v *valley) day() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dark = false
}

// line is a connection that may be lost: then nothing comes through any more, in
// either direction, for ever.
type line struct {
	net.Conn
	lost atomic.Bool
}

func (l *line) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		if err != nil || !l.lost.Load() {
			return n, err
		}
	}
}

func (l *line) Write(p []byte) (int, error) {
	if l.lost.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}
