package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Whoever opens sockets and says nothing keeps nobody out: of those who are not let in
// yet the longest silent one goes, and who has become a WebSocket is none of them.
func TestDoorstep(t *testing.T) {
	taken := make(chan net.Conn, 1)
	door := newDoorstep(2, prometheus.NewRegistry())
	side, addr := startSide(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws" {
			fmt.Fprint(w, "page")
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		taken <- conn
	}), func(s *http.Server) { s.ConnState, s.ReadHeaderTimeout = door.changed, 0 })
	defer side.server.Close()

	open := func(waiting int) net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		until(t, fmt.Sprintf("%d on the doorstep", waiting), func() bool { return door.count() == float64(waiting) })
		return conn
	}
	upgraded := open(1)
	fmt.Fprint(upgraded, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
	inside := <-taken
	defer inside.Close()
	until(t, "the WebSocket to be inside", func() bool { return door.count() == 0 })

	reader := open(1)
	silent := open(2)
	fmt.Fprint(reader, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(reader), nil); err != nil {
		t.Fatal(err)
	}
	open(2)
	_ = silent.SetReadDeadline(time.Now().Add(patience))
	if n, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the longest silent one read %d, %v", n, err)
	}
	fmt.Fprint(reader, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(reader), nil); err != nil {
		t.Errorf("somebody who had said something was closed: %v", err)
	}
	go inside.Write([]byte("x"))
	if n, err := upgraded.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the WebSocket read %d, %v", n, err)
	}
	if n := testutil.ToFloat64(door.closed); n != 1 {
		t.Errorf("%v were closed, want 1", n)
	}
}
