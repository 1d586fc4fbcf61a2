package ws

import (
	"log/slog"
	"time"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// renew takes a new token of the same party in the place of the one that the connection was opened
// with, so that it may stay. A token that is no good changes nothing: the connection ends when the old one does.
func (c *conn) renew(p *party, f wire.ClientFrame, token string, now moment) {
	claims, failed := c.hub.judge(token)
	if failed != nil {
		c.hub.metrics.authFailed(failed.Reason)
		c.hub.log(slog.LevelInfo, "token turned down", func() []any { return c.logAttrs("reason", failed.Reason, "renewing", true) })
		c.refuse(f, failed.refused(), now)
		return
	}
	if no := p.unlike(claims); no != "" {
		c.refuse(f, wire.Refused{Kind: wire.KindForbidden, Code: wire.CodeOtherParty, Say: no}, now)
		return
	}
	for !c.party.CompareAndSwap(p, p.renewed(claims)) {
		p = c.party.Load() // a driver was taken to another area meanwhile
	}
	c.put(wire.Done{}, f.ID)
}

// unlike says in what a token is not one that p can go on with; "" when it is. An older one than that in
// use is not: the party may have signed out in between, which makes it worthless.
func (p *party) unlike(c Claims) string {
	switch {
	case c.Actor != p.actor || c.Area != p.home:
		return "The token is somebody else's. Connect anew with it."
	case p.vehicle != nil && c.Vehicle != *p.vehicle:
		return "The token is for another vehicle. Connect anew with it."
	case issuedAt(c) < p.issued:
		return "The token was issued before the one in use. Fetch a new one."
	}
	return ""
}

// renewed returns p with a new token, whose end may be no earlier than that of the old one.
func (p *party) renewed(c Claims) *party {
	is := *p
	is.expires, is.issued = max(p.expires, endOf(c)), issuedAt(c)
	return &is
}

// issuedAt is when a token was made; 0: it does not say.
func issuedAt(c Claims) dispatch.Instant {
	if c.Issued.IsZero() {
		return 0
	}
	return dispatch.InstantOf(c.Issued)
}

// endOf is when a connection with this token is closed: the leeway of tokens included.
func endOf(c Claims) dispatch.Instant { return dispatch.InstantOf(c.Expires.Add(tokenLeeway)) }

// logout ends this connection, or hands the end of all of the party's to its area, which remembers it and
// has every server close them, this one included.
func (c *conn) logout(p *party, f wire.ClientFrame, everywhere bool, now moment) {
	if everywhere {
		c.command(p, f, now)
		return
	}
	c.put(wire.Done{}, f.ID)
	c.finish(wire.CloseSignedOut, true)
}

// refused is the error as the body of a refusal.
func (e *AuthError) refused() wire.Refused {
	switch e.Reason {
	case AuthExpired:
		return wire.Refused{Kind: wire.KindForbidden, Code: wire.CodeTokenExpired, Say: e.Error()}
	case AuthLater:
		return wire.Refused{Kind: wire.KindUnavailable, Code: wire.CodeNoKeyYet, Say: e.Error(), RetryAfterMS: int64(fetchPause / time.Millisecond)}
	}
	return wire.Refused{Kind: wire.KindForbidden, Code: wire.CodeBadToken, Say: e.Error()}
}
