package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

const (
	// dialWait bounds one attempt to connect, and the fetching of a token. An attempt to
	// which that was too short has the next one take twice as long, up to dialMost: over a
	// link with a round trip of 25 s, TCP, TLS and the upgrade take one each.
	dialWait = 30 * time.Second
	dialMost = 2 * time.Minute
	// writeWait bounds one write, for which the kernel has a buffer.
	writeWait = 15 * time.Second
)

// comeAndGo makes one connection after the other.
func (c *Client) comeAndGo(ctx context.Context) (end ending) {
	wait, failures, used := c.cfg.First, 0, ""
	for at := 0; ; at = (at + 1) % len(c.addresses) {
		came, err := c.rest(ctx, wait)
		if err != nil {
			return ending{err: err}
		}
		if came {
			failures, c.dialFor = 0, dialWait // the network is another one
		}
		end = c.connect(ctx, c.addresses[at], &used)
		if ctx.Err() != nil {
			return ending{err: ctx.Err()}
		}
		if end.final {
			return end
		}
		if end.lasted >= c.cfg.Backoff.Steady {
			failures = 0
		}
		c.mu.Lock()
		wait, failures = c.cfg.Backoff.wait(c.rng, end, failures)
		event := Event{Kind: Down, Session: c.session, At: time.Now(), Err: end.err, Code: end.code, Wait: wait}
		if end.lasted == 0 {
			event.Kind = Failed
			c.counts.Failures++
		}
		c.mu.Unlock()
		c.tell(ctx, []Event{event})
	}
}

// rest waits before the next attempt: for the time, or for the network and then a
// moment. It says whether the network came back meanwhile.
func (c *Client) rest(ctx context.Context, wait time.Duration) (came bool, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		c.mu.Lock()
		offline := c.offline
		if came && !offline {
			timer.Reset(c.cfg.Backoff.draw(c.rng, 0))
		}
		c.mu.Unlock()
		due := timer.C
		if offline {
			came, due = true, nil
		}
		select {
		case <-due:
			return came, nil
		case <-c.network:
		case <-ctx.Done():
			return came, ctx.Err()
		}
	}
}

// connect makes one connection and reads it to its end. used is the token of the last
// attempt that was turned away with it.
func (c *Client) connect(ctx context.Context, address string, used *string) ending {
	begun := time.Now()
	token, err := c.token(ctx)
	switch {
	case err != nil:
		return ending{err: fmt.Errorf("no token: %w", err), final: errors.Is(err, ErrSignIn)}
	case token.Text == *used && *used != "":
		return ending{err: errors.New("client: the token is of no use any more, and there is no other"), final: true}
	}
	conn, end := c.dial(ctx, address, token)
	if conn == nil {
		return c.used(end, token, used)
	}
	said := make(chan struct{})
	bye := context.AfterFunc(ctx, func() { defer close(said); sayBye(conn) })
	if err = c.hello(conn, token); err == nil {
		err = c.read(ctx, conn, begun)
	}
	if !bye() {
		<-said
	}
	conn.Close()
	return c.used(c.ended(err, begun), token, used)
}

// ended follows the end of a connection.
func (c *Client) ended(err error, begun time.Time) ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.why != "" {
		err = fmt.Errorf("client: hung up: %s", c.why)
	}
	end := judge(err, c.drained)
	if c.stage > greeting {
		end.lasted = max(now.Sub(begun), 1)
	}
	if c.retold != "" {
		// The server is older than we are, and does not know a field of hello.
		end.final = false
	}
	c.conn = nil
	c.down(now)
	c.after()
	return end
}

// used notes a token that is of no use any more.
func (c *Client) used(end ending, token Token, used *string) ending {
	if *used = ""; end.stale {
		*used = token.Text
	}
	return end
}

func (c *Client) token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	return c.cfg.Token(ctx)
}

// dial makes the connection. A nil one comes with an ending.
func (c *Client) dial(ctx context.Context, address string, token Token) (*websocket.Conn, ending) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.dialFor)
	defer cancel()
	header := http.Header{}
	if !c.cfg.InHello {
		header.Set("Authorization", "Bearer "+token.Text)
	}
	conn, resp, err := c.dialer.DialContext(ctx, address, header)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.dialFor = min(2*c.dialFor, dialMost)
		}
		return nil, judgeHandshake(resp, err)
	}
	codec := codecOf(c.cfg.Codecs, conn.Subprotocol())
	if codec == nil {
		conn.Close()
		err := fmt.Errorf("client: the server speaks %q and not %s", conn.Subprotocol(), strings.Join(c.dialer.Subprotocols, " or "))
		return nil, ending{err: err, final: true}
	}
	conn.SetReadLimit(wire.MaxServerFrameBytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offline {
		conn.Close()
		return nil, ending{err: errors.New("client: the network has gone")}
	}
	c.conn, c.codec, c.way = conn, codec, time.Since(begun)
	return conn, ending{}
}

// hello says the first frame.
func (c *Client) hello(conn *websocket.Conn, token Token) error {
	c.mu.Lock()
	now := time.Now()
	c.renew.schedule(now, token)
	text := token.Text
	if !c.cfg.InHello {
		text = ""
	}
	body := c.greet(now, c.wall(), text, c.cfg.Name, c.cfg.Device)
	codec := c.codec
	c.after()
	c.mu.Unlock()
	conn.SetPingHandler(func(data string) error {
		c.mu.Lock()
		c.heard(time.Now())
		c.mu.Unlock()
		if err := conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait)); err != nil {
			conn.Close() // the reader says why
		}
		return nil
	})
	conn.SetPongHandler(func(string) error {
		c.mu.Lock()
		c.heard(time.Now())
		c.mu.Unlock()
		return nil
	})
	return c.write(conn, codec, wire.TypeHello, "", body, false)
}

// read passes frames on until the connection ends.
func (c *Client) read(ctx context.Context, conn *websocket.Conn, begun time.Time) error {
	var buf bytes.Buffer
	for {
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return err
		}
		if c.cfg.Tap != nil {
			c.cfg.Tap(false, buf.Bytes())
		}
		c.take(ctx, buf.Bytes(), begun)
	}
}

// take takes a frame.
func (c *Client) take(ctx context.Context, data []byte, begun time.Time) {
	now := time.Now()
	f, err := c.codec.DecodeServer(data)
	c.mu.Lock()
	if err != nil {
		c.counts.Unreadable++
		c.heard(now)
		session := c.session
		c.mu.Unlock()
		c.tell(ctx, []Event{{Kind: Unreadable, Session: session, At: now, Err: err}})
		return
	}
	c.told(now, f)
	list := c.taken()
	for i := range list {
		if list[i].Kind == Up {
			c.counts.Connects++
			list[i].Took = now.Sub(begun)
		}
	}
	c.after()
	c.mu.Unlock()
	c.tell(ctx, list)
}

// sayBye ends a connection in good manners.
func sayBye(conn *websocket.Conn) {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// Whether the server hears it or not, the connection closes.
	_ = conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(time.Second))
	conn.Close()
}
