package main

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// doorstep bounds the sockets that are no WebSockets: in the TLS handshake, sending a
// header, fetching the page. Who opens sockets and says nothing would otherwise use up
// the files of the process, and keep everybody out. When there is one too many, the one
// with which nothing has happened for the longest time is closed: a phone that is
// being let in is quicker than that.
type doorstep struct {
	limit  int
	closed prometheus.Counter

	mu      sync.Mutex // guards the following fields
	waiting *list.List // of net.Conn, the longest waiting first
	places  map[net.Conn]*list.Element
}

func newDoorstep(limit int, reg prometheus.Registerer) *doorstep {
	d := &doorstep{
		limit: limit, waiting: list.New(), places: map[net.Conn]*list.Element{},
		closed: prometheus.NewCounter(prometheus.CounterOpts{Name: "cuntong_http_crowded_out_total", Help: "Sockets closed before they became WebSockets, because there were too many of them."}),
	}
	sockets := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cuntong_http_sockets", Help: "Sockets of the public side that are no WebSockets, or not yet."}, d.count)
	reg.MustRegister(sockets, d.closed)
	return d
}

func (d *doorstep) count() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return float64(d.waiting.Len())
}

// changed is the ConnState of an [http.Server].
func (d *doorstep) changed(c net.Conn, state http.ConnState) {
	if last := d.note(c, state); last != nil {
		d.closed.Inc()
		_ = bare(last).Close()
	}
}

// note counts a socket in or out, and returns one that is to be closed, or nil.
func (d *doorstep) note(c net.Conn, state http.ConnState) net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	place, known := d.places[c]
	switch {
	case state == http.StateHijacked || state == http.StateClosed:
		if known {
			d.waiting.Remove(place)
			delete(d.places, c)
		}
		return nil
	case known:
		d.waiting.MoveToBack(place)
		return nil
	}
	d.places[c] = d.waiting.PushBack(c)
	if d.waiting.Len() <= d.limit {
		return nil
	}
	first := d.waiting.Remove(d.waiting.Front()).(net.Conn)
	delete(d.places, first)
	return first
}

// bare is what a socket is without TLS, whose goodbye may have to wait for the other end:
// whoever closes here is the one who accepts all others.
func bare(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}
