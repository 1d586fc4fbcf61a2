package ws

import (
	"context"
	"net"
	"time"
)

// Keep-alive probes of TCP. Our own pings find the dead; probes are the last
// resort, and each one wakes a phone's radio, so they are rare.
const (
	keepAliveIdle     = 5 * time.Minute
	keepAliveInterval = 30 * time.Second
	keepAliveCount    = 3
)

// Listen listens for connections of phones on a TCP address such as ":8080".
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable:   true,
		Idle:     keepAliveIdle,
		Interval: keepAliveInterval,
		Count:    keepAliveCount,
	}}
	return config.Listen(ctx, "tcp", addr)
}
