package linktest

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"cuntong/ws/memlink"
)

// valley is where one phone is: with a signal or without.
type valley struct {
	lines *memlink.Listener

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
	c, err := v.lines.Dial(ctx, network, address)
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
