package ws

import (
	"time"

	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// write is the writer: it takes what waits in the lanes, one thing at a time so
// that the newest wins until the last moment, and ends when nothing waits.
func (c *conn) write() {
	defer func() {
		if value := recover(); value != nil {
			c.hub.panicked(c, value)
			c.writeFailed()
		}
	}()
	for {
		next, ok := c.lanes.next()
		if !ok {
			return
		}
		if err := c.writeOne(next); err != nil {
			c.writeFailed()
			return
		}
	}
}

// writeFailed gives the connection up: the reader wakes and ends it.
func (c *conn) writeFailed() {
	_ = c.ws.Close() // whatever it says, the socket is gone
	c.lanes.abandon()
}

func (c *conn) writeOne(next told) error {
	deadline := time.Now().Add(c.pulse.writeWait(c.hub.cfg.WriteWait))
	switch b := next.body.(type) {
	case sendPing:
		return c.ws.WriteControl(websocket.PingMessage, c.pulse.ping(false, time.Now()), deadline)
	case sendPong:
		return c.ws.WriteControl(websocket.PongMessage, b.payload, deadline)
	case sendClose:
		message := websocket.FormatCloseMessage(int(b.code), b.code.Reason())
		err := c.ws.WriteControl(websocket.CloseMessage, message, deadline)
		c.readUntil(c.hub.cfg.Linger)
		return err
	}
	offer := unconfirmedIn(next.body)
	if offer != nil {
		c.pulse.expect(*offer, time.Now())
	}
	if err := c.writeFrame(next, deadline); err != nil || offer == nil || c.confirms {
		return err
	}
	return c.ws.WriteControl(websocket.PingMessage, c.pulse.ping(true, time.Now()), deadline)
}

// unconfirmedIn is the offer in a notice whose arrival is waited for, or nil.
func unconfirmedIn(body any) *dispatch.OfferView {
	var offer *dispatch.OfferView
	switch b := body.(type) {
	case dispatch.OfferTold:
		offer = &b.Offer
	case dispatch.Truth:
		offer = b.Offer
	}
	if offer == nil || offer.Confirm == 0 {
		return nil
	}
	return offer
}

// writeFrame encodes and writes one frame. One that cannot be encoded is a bug: it
// is left out, and the rest goes on.
func (c *conn) writeFrame(next told, deadline time.Time) error {
	h := c.hub
	s := h.getScratch()
	defer h.putScratch(s)
	f, ok := c.toFrame(next)
	if !ok {
		h.metrics.drop(dropHidden)
		return nil
	}
	if !c.audit(next, &f, h.moment().wall) {
		h.metrics.drop(dropUnrecorded)
		return nil
	}
	out, err := c.codec().AppendServer(s.out[:0], f.Type, f.Re, f.Body)
	s.out = out[:0]
	if err != nil || len(out) > wire.MaxServerFrameBytes {
		c.kept.unhold()
		h.metrics.drop(dropEncode)
		h.cfg.Log.Error("a frame could not be encoded", c.logAttrs("type", f.Type, "bytes", len(out), "err", err)...)
		return nil
	}
	_ = c.ws.SetWriteDeadline(deadline) // never fails: the library only keeps it
	begin := time.Now()
	err = c.ws.WriteMessage(messageKind(c.codec()), out)
	h.metrics.wrote(f, time.Since(begin))
	return err
}

// toFrame turns what waited into a frame, or returns false when there is nothing in
// it that this party may see.
func (c *conn) toFrame(next told) (wire.ServerFrame, bool) {
	if notice, ok := next.body.(dispatch.NoticeBody); ok {
		now := c.hub.moment().wall
		f, ok := outgo(c.party.Load().actor, notice, now)
		if ok {
			c.stamp(&f, next, now)
		}
		return f, ok
	}
	f := wire.ServerFrame{Re: next.re, Body: next.body}
	switch next.body.(type) {
	case wire.Welcome:
		f.Type = wire.TypeWelcome
	case wire.Done:
		f.Type = wire.TypeDone
	case wire.Refused:
		f.Type = wire.TypeRefused
	case wire.Drain:
		f.Type = wire.TypeDrain
	case wire.Heartbeat:
		f.Type = wire.TypeHeartbeat
	case wire.Pong:
		f.Type = wire.TypePong
	case wire.Queue:
		f.Type = wire.TypeQueue
	case wire.DriverAt:
		f.Type = wire.TypeDriverAt
	}
	return f, true
}
