package redisstore

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embeddedTick is how often time passes for the keys of the embedded server. It
// walks all of them each time, so not more often than needed.
const embeddedTick = time.Second

// embedded is a miniredis on loopback TCP. Its in-memory connections are no way
// round the network: they stand still on pipelines over a few kilobytes.
type embedded struct {
	server *miniredis.Miniredis
	stop   chan struct{} // closed by close
	done   chan struct{} // closed when the ticker has ended
}

// startEmbedded starts the in-process server and says loudly what that means.
func startEmbedded(log *slog.Logger, why string) (found, error) {
	e := &embedded{server: miniredis.NewMiniRedis(), stop: make(chan struct{}), done: make(chan struct{})}
	// Loopback is open to everybody on this machine, and positions are people's.
	password := rand.Text()
	e.server.RequireAuth(password)
	if err := e.server.StartAddr("127.0.0.1:0"); err != nil {
		return found{}, fmt.Errorf("embedded redis: %w", err)
	}
	go e.tick()
	log.Warn("NOTHING IS KEPT: trips live in this process only and are gone when it ends; install redis-server or give the address of one", "why", why)
	return found{
		kind:    KindEmbedded,
		target:  target{network: "tcp", addr: e.server.Addr(), password: password, plainLua: true},
		backend: e,
	}, nil
}

// tick lets time pass for keys with a time to live, which stand still otherwise.
func (e *embedded) tick() {
	defer close(e.done)
	ticker := time.NewTicker(embeddedTick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-e.stop:
			return
		case now := <-ticker.C:
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (e *embedded) close() error {
	close(e.stop)
	<-e.done
	e.server.Close()
	return nil
}
