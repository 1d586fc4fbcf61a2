package swarm

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"cuntong/ws/memlink"
)

// Links in memory for tests in virtual time. Unlike those of net.Pipe they hold what is
// written until it is read, as the kernel does: a dispatcher that writes under its lock
// waits for nobody.

// side is one direction of a link.
type side struct {
	mu      sync.Mutex // guards the following fields
	held    []byte
	closed  bool
	changed chan struct{} // closed, and replaced, when there is something to look at
}

func newSide() *side { return &side{changed: make(chan struct{})} }

// change does something and has whoever waits look again.
func (s *side) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	close(s.changed)
	s.changed = make(chan struct{})
}

// pipeEnd is one end of a link.
type pipeEnd struct {
	in, out *side
	addr    net.Addr

	mu       sync.Mutex // guards the following fields
	readBy   time.Time
	writeBy  time.Time
	finished bool
}

func newLink(addr net.Addr) (client, server net.Conn) {
	forth, back := newSide(), newSide()
	return &pipeEnd{in: back, out: forth, addr: addr}, &pipeEnd{in: forth, out: back, addr: addr}
}

func (e *pipeEnd) Read(p []byte) (int, error) {
	for {
		e.mu.Lock()
		by, finished := e.readBy, e.finished
		e.mu.Unlock()
		e.in.mu.Lock()
		n := copy(p, e.in.held)
		e.in.held = e.in.held[n:]
		closed, changed := e.in.closed, e.in.changed
		e.in.mu.Unlock()
		switch {
		case finished:
			return 0, net.ErrClosed
		case !by.IsZero() && !time.Now().Before(by):
			return 0, os.ErrDeadlineExceeded
		case n > 0 || len(p) == 0:
			return n, nil
		case closed:
			return 0, io.EOF
		}
		if by.IsZero() {
			<-changed
			continue
		}
		timer := time.NewTimer(time.Until(by))
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	e.mu.Lock()
	by, finished := e.writeBy, e.finished
	e.mu.Unlock()
	if finished {
		return 0, net.ErrClosed
	}
	if !by.IsZero() && !time.Now().Before(by) {
		return 0, os.ErrDeadlineExceeded
	}
	e.out.change(func() {
		if !e.out.closed { // else nobody reads it, and who writes does not know yet
			e.out.held = append(e.out.held, p...)
		}
	})
	return len(p), nil
}

// Close ends both directions; what was written before can still be read.
func (e *pipeEnd) Close() error {
	e.mu.Lock()
	e.finished = true
	e.mu.Unlock()
	for _, s := range []*side{e.in, e.out} {
		s.change(func() { s.closed = true })
	}
	return nil
}

func (e *pipeEnd) SetDeadline(t time.Time) error {
	_ = e.SetWriteDeadline(t)
	return e.SetReadDeadline(t)
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	e.readBy = t
	e.mu.Unlock()
	e.in.change(func() {})
	return nil
}

func (e *pipeEnd) SetWriteDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writeBy = t
	return nil
}

func (e *pipeEnd) LocalAddr() net.Addr  { return e.addr }
func (e *pipeEnd) RemoteAddr() net.Addr { return e.addr }

// exchange is where links are made: it dials, and hands out the other ends.
type exchange struct {
	mu    sync.Mutex // guards the following field
	lines map[string]*memlink.Listener
}

// listen opens an address.
func (x *exchange) listen(addr *net.TCPAddr) *memlink.Listener {
	l := memlink.New(addr, func() (client, server net.Conn) { return newLink(addr) })
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lines == nil {
		x.lines = map[string]*memlink.Listener{}
	}
	x.lines[addr.String()] = l
	return l
}

func (x *exchange) dial(ctx context.Context, network, address string) (net.Conn, error) {
	x.mu.Lock()
	l := x.lines[address]
	x.mu.Unlock()
	return l.Dial(ctx, network, address)
}
