package client

import (
	"context"
	"sync"
	"time"

	"cuntong/ws/wire"

	"github.com/gorilla/websocket"
)

// pump writes what the mind wants written, at its time, until the context ends.
func (c *Client) pump(ctx context.Context) {
	var fetches sync.WaitGroup
	defer fetches.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		c.mu.Lock()
		now := time.Now()
		out := c.next(now, c.wall())
		conn, codec := c.conn, c.codec
		list := c.taken()
		c.after()
		if c.closing && c.idle() {
			c.stop(ErrClosed)
		}
		c.mu.Unlock()
		c.tell(ctx, list)
		switch {
		case out.fetch:
			fetches.Go(func() { c.fetch(ctx) })
			continue
		case out.idle() || conn == nil:
		default:
			c.put1(conn, codec, &out)
			continue
		}
		wait := time.Hour
		if !out.due.IsZero() {
			wait = max(out.due.Sub(now), 0)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-c.wake:
		case <-ctx.Done():
		}
	}
}

// put1 does what is to be sent next.
func (c *Client) put1(conn *websocket.Conn, codec wire.Codec, out *send) {
	switch {
	case out.hangUp != "":
		conn.Close() // the reader ends, and says so
		c.mu.Lock()
		if c.conn == conn {
			c.conn = nil
		}
		c.mu.Unlock()
	case out.knock:
		if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)) != nil {
			conn.Close()
		}
	default:
		if c.write(conn, codec, out.kind, out.id, out.body, out.twice) != nil {
			conn.Close()
		}
	}
}

// write writes one frame.
func (c *Client) write(conn *websocket.Conn, codec wire.Codec, t wire.Type, id string, body any, twice bool) error {
	frame, err := codec.EncodeClient(t, id, body)
	if err != nil {
		return err
	}
	kind := websocket.TextMessage
	if codec.Binary() {
		kind = websocket.BinaryMessage
	}
	for n := 1; ; n++ {
		if c.cfg.Tap != nil {
			c.cfg.Tap(true, frame)
		}
		conn.SetWriteDeadline(time.Now().Add(writeWait))
		if err := conn.WriteMessage(kind, frame); err != nil || n > 1 || !twice {
			return err
		}
	}
}

// fetch gets a new token for the living connection.
func (c *Client) fetch(ctx context.Context) {
	token, err := c.token(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed(time.Now(), c.wall(), token, err)
	c.after()
}
