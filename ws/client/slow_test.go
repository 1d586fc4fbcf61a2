package client

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"cuntong/bubble"
	"cuntong/ws/wire"
)

// Over a link on which it took long to connect, the welcome, the truth and answers may take
// as much longer.
func TestSlowLinkIsWaitedFor(t *testing.T) {
	for _, c := range []struct{ way, welcome, repeat time.Duration }{
		{0, 30 * time.Second, 10 * time.Second},
		{25 * time.Second, 55 * time.Second, 10*time.Second + 25*time.Second*7/8}, // for the welcome comes at once here
		{5 * time.Minute, time.Minute, 40 * time.Second},                          // there is an end to it
	} {
		l := newLife(t, wire.RoleDriver)
		l.way = c.way
		l.greet(l.now, l.wall(), "", "", "")
		if l.goOn(c.welcome - time.Millisecond); l.hung != "" {
			t.Errorf("connected in %v: hung up before %v: %s", c.way, c.welcome, l.hung)
		}
		if l.goOn(time.Millisecond); l.hung == "" {
			t.Errorf("connected in %v: waits for the welcome after %v", c.way, c.welcome)
		}
		l.connect(wire.Truth{})
		l.do(wire.TypeDuty, wire.Duty{On: true})
		l.goOn(c.repeat - time.Millisecond)
		said := func(s send) bool { return s.kind == wire.TypeDuty }
		if n := len(slices.DeleteFunc(l.take(), func(s send) bool { return !said(s) })); n != 1 {
			t.Errorf("connected in %v: said %d times before %v", c.way, n, c.repeat)
		}
		l.goOn(time.Millisecond)
		if !slices.ContainsFunc(l.take(), said) {
			t.Errorf("connected in %v: not said again after %v", c.way, c.repeat)
		}
	}
}

// An attempt to connect that was given too little time is followed by one with twice as
// much, two minutes at most, until the network is another one.
func TestAttemptsMayTakeLonger(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var took []time.Duration
		cfg := Config{Addresses: []string{"ws://x/ws"}, Role: wire.RoleDriver, Backoff: Backoff{Base: 1, Top: 1}}
		cfg.Token = func(context.Context) (Token, error) { return Token{Text: "t"}, nil }
		cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			begun := time.Now()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begun))
			return nil, ctx.Err()
		}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		over := make(chan struct{})
		go func() { defer close(over); _ = c.Run(ctx) }()
		time.Sleep(5*time.Minute + 40*time.Second) // the fifth attempt has begun
		c.Network(false)
		time.Sleep(2 * time.Minute)
		c.Network(true)
		time.Sleep(31 * time.Second)
		mu.Lock()
		got := slices.Clone(took)
		mu.Unlock()
		stop()
		<-over
		want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 2 * time.Minute, 2 * time.Minute, 30 * time.Second}
		if len(got) < len(want) || !slices.Equal(got[:3], want[:3]) || got[len(got)-1] != 30*time.Second || slices.Max(got) != 2*time.Minute {
			t.Errorf("attempts took %v, want %v", got, want)
		}
	})
}
