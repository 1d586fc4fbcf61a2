// Package proxy stands between two parties who speak RESP or WebSocket, knows where one
// message ends and the next begins, and loses, doubles, swaps and delays them by seed.
package proxy

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Mischief is what a proxy does to messages. The zero Mischief lets everything pass.
// Chances are from 0 to 1, and each message suffers at most one of them.
type Mischief struct {
	// Cut: the connection ends in place of this message. For a reply this means that the
	// command was executed and nobody hears of it.
	Cut float64 `json:"cut,omitempty"`
	// Hush: this message and all later ones of the connection in this direction never come.
	Hush float64 `json:"hush,omitempty"`
	// Lose: this message never comes. Not for RESP, where it would be Swap for ever.
	Lose float64 `json:"lose,omitempty"`
	// Double: it comes twice.
	Double float64 `json:"double,omitempty"`
	// Swap: it changes places with the next one, or comes alone after SwapWait.
	Swap float64 `json:"swap,omitempty"`
	// Hold: it, and all behind it, come up to HoldMS later.
	Hold   float64 `json:"hold,omitempty"`
	HoldMS int     `json:"hold_ms,omitempty"`
	// LagMS: every message comes so much later.
	LagMS int `json:"lag_ms,omitempty"`
	// Dark: nothing passes in either direction and nothing is closed.
	Dark bool `json:"dark,omitempty"`
}

// defaultSwapWait is the swapWait of a Proxy.
const defaultSwapWait = 30 * time.Millisecond

// splitter reads one whole message with its framing. Meek ones are let pass whole.
type splitter interface {
	next() (message []byte, meek bool, err error)
}

// Proxy serves one address until it is closed.
type Proxy struct {
	target string
	lines  net.Listener
	seed   uint64
	// splitters makes the readers of both directions of a new connection.
	splitters func(client, server net.Conn) (forth, back splitter, err error)
	// swapWait is how long a message that is to change places waits for another. A test
	// may change it before the first connection.
	swapWait time.Duration

	// Done counts what was done to messages.
	Done atomic.Int64

	forth, back atomic.Pointer[Mischief]
	served      sync.WaitGroup
	over        context.Context
	end         context.CancelFunc

	mu    sync.Mutex // guards the following fields
	conns map[net.Conn]struct{}
	count int
}

func start(listen, target string, seed uint64, splitters func(client, server net.Conn) (forth, back splitter, err error)) (*Proxy, error) {
	lines, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, lines: lines, seed: seed, splitters: splitters, swapWait: defaultSwapWait, conns: map[net.Conn]struct{}{}}
	p.over, p.end = context.WithCancel(context.Background())
	p.Set(Mischief{}, Mischief{})
	p.served.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.lines.Addr().String() }

// Set changes what is done to what clients send and to what servers answer, at once
// and on living connections too.
func (p *Proxy) Set(forth, back Mischief) {
	p.forth.Store(&forth)
	p.back.Store(&back)
}

// Close ends every connection and waits for the end.
func (p *Proxy) Close() {
	p.end()
	p.lines.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.served.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.lines.Accept()
		if err != nil {
			return
		}
		p.served.Go(func() { p.serve(client) })
	}
}

// keep notes a connection so that Close ends it, and says whether it is not too late.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return p.over.Err() == nil
}

func (p *Proxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// dialWait bounds the way to the server.
const dialWait = time.Second

func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	if !p.keep(client) {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, dialWait)
	if err != nil {
		return
	}
	defer p.drop(server)
	if !p.keep(server) {
		return
	}
	forth, back, err := p.splitters(client, server)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.count++
	n := uint64(p.count)
	p.mu.Unlock()
	var both sync.WaitGroup
	pass := func(from splitter, to net.Conn, what *atomic.Pointer[Mischief], way uint64) {
		defer client.Close()
		defer server.Close()
		l := lane{p: p, to: to, what: what, rng: rand.New(rand.NewPCG(p.seed, n<<1|way))}
		l.run(from)
	}
	both.Go(func() { pass(forth, server, &p.forth, 0) })
	both.Go(func() { pass(back, client, &p.back, 1) })
	both.Wait()
}

// lane is one direction of one connection. Owned by the goroutine that calls run.
type lane struct {
	p    *Proxy
	to   io.Writer
	what *atomic.Pointer[Mischief]
	rng  *rand.Rand
	hush bool
}

// run passes messages on until one side ends or a message is cut off.
func (l *lane) run(from splitter) {
	messages := make(chan message)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(messages)
		for {
			data, meek, err := from.next()
			if err != nil {
				return
			}
			select {
			case messages <- message{data, meek}:
			case <-stop:
				return
			}
		}
	}()
	for m := range messages {
		if !l.pass(m, messages) {
			return
		}
	}
}

type message struct {
	data []byte
	meek bool
}

// pass deals with one message and says whether the connection goes on.
func (l *lane) pass(m message, more <-chan message) bool {
	w := l.what.Load()
	for w.Dark {
		if !l.wait(20 * time.Millisecond) {
			return false
		}
		w = l.what.Load()
	}
	if w.LagMS > 0 && !l.wait(time.Duration(w.LagMS)*time.Millisecond) {
		return false
	}
	if l.hush {
		return true
	}
	if m.meek {
		return l.write(m.data)
	}
	dice := l.rng.Float64()
	hit := func(chance float64) bool {
		dice -= chance
		if dice+chance < 0 || dice >= 0 {
			return false
		}
		l.p.Done.Add(1)
		return true
	}
	switch {
	case hit(w.Cut):
		return false
	case hit(w.Hush):
		l.hush = true
		return true
	case hit(w.Lose):
		return true
	case hit(w.Double):
		return l.write(append(slices.Clone(m.data), m.data...))
	case hit(w.Swap):
		return l.swap(m, more)
	case hit(w.Hold):
		if !l.wait(time.Duration(l.rng.IntN(w.HoldMS+1)) * time.Millisecond) {
			return false
		}
	}
	return l.write(m.data)
}

// swap lets the next message go first, if there is one in time.
func (l *lane) swap(m message, more <-chan message) bool {
	timer := time.NewTimer(l.p.swapWait)
	defer timer.Stop()
	select {
	case next, ok := <-more:
		return (!ok || l.write(next.data)) && l.write(m.data) && ok
	case <-timer.C:
		return l.write(m.data)
	}
}

func (l *lane) write(data []byte) bool {
	_, err := l.to.Write(data)
	return err == nil
}

func (l *lane) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.p.over.Done():
		return false
	}
}
