// Package memlink lets tests of WebSocket servers and clients connect in memory, where
// virtual time (testing/synctest) knows when everybody waits.
package memlink

import (
	"context"
	"net"
	"sync"
)

// Listener is an address in memory: what dials it is accepted. Make one with [New]. Its methods may
// be called from anywhere.
type Listener struct {
	addr  net.Addr
	link  func() (client, server net.Conn)
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// New returns a listener that says it is at addr, nil being port 80 of this machine. Its links are
// made by link, nil being [net.Pipe], where whoever writes waits for the reader.
func New(addr net.Addr, link func() (client, server net.Conn)) *Listener {
	if addr == nil {
		addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	}
	if link == nil {
		link = net.Pipe
	}
	return &Listener{addr: addr, link: link, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Dial connects, whatever network and address say, once somebody accepts. Its error is
// [net.ErrClosed] when the listener is closed, or that of ctx.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := l.link()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements [net.Listener]: it waits for the next one who dials.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. The links that were made stay. It may be called more than once.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return l.addr }
