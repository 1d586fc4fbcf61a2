package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of an HTTP request before it becomes a WebSocket.
const (
	// headerWait is for the TLS handshake, too, which is a round trip or two: phones may be
	// ten seconds away in each direction.
	headerWait  = 30 * time.Second
	idleWait    = time.Minute
	headerBytes = 16 << 10
)

// readiness answers /healthz and /readyz.
type readiness struct {
	draining atomic.Bool
	check    func() error // nil error: ready
}

// publicRoutes are what phones, browsers and load balancers see.
func publicRoutes(hub, tickets, page http.Handler, ready *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws", hub) // which answers what is no GET, too
	mux.Handle("/ticket", tickets)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", ready.serve)
	mux.Handle("/", page)
	return mux
}

// serve says whether commands are taken and recorded now, and if not, why.
func (r *readiness) serve(w http.ResponseWriter, _ *http.Request) {
	err := r.check()
	if r.draining.Load() {
		err = errors.New("stopping")
	}
	if err != nil {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// privateRoutes are what operators see.
func privateRoutes(reg *prometheus.Registry, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// httpServer is one listener and what answers on it.
type httpServer struct {
	server   http.Server
	listener net.Listener
}

func newHTTPServer(listener net.Listener, handler http.Handler, log *slog.Logger) *httpServer {
	return &httpServer{
		listener: listener,
		server: http.Server{
			Handler:           handler,
			ReadHeaderTimeout: headerWait,
			IdleTimeout:       idleWait,
			MaxHeaderBytes:    headerBytes,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
}

// run serves until stop is called.
func (s *httpServer) run() error {
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *httpServer) stop(ctx context.Context) error { return s.server.Shutdown(ctx) }
