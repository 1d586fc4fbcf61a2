package ws

import (
	"context"
	"net"
	"time"
)

// unacknowledged is how long what was sent may go without the phone's TCP taking note of
// it. Then the system ends the connection, where it would go on sending again for a
// quarter of an hour: longer than any heartbeat's patience but that of a parked phone, of
// which this shows that it is not asleep but gone (RFC 5482).
const unacknowledged = time.Minute

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
	}, Control: giveUpUnacknowledged}
	return config.Listen(ctx, "tcp", addr)
}
