package client

import (
	"time"

	"cuntong/ws/wire"
)

const (
	// renewBefore is how long before its end a token is renewed at the latest; of one
	// that lives shorter, when a quarter of its life is left.
	renewBefore = 5 * time.Minute
	// renewAgain is the wait after a failure.
	renewAgain = 30 * time.Second
)

// renewal is when the token of a living connection is to be renewed.
type renewal struct {
	at       time.Time // zero: never
	fetching bool
}

// schedule follows a new token.
func (r *renewal) schedule(now time.Time, t Token) {
	r.at = time.Time{}
	if left := t.Expires.Sub(now); !t.Expires.IsZero() && left > 0 {
		r.at = now.Add(left - min(renewBefore, left/4))
	}
}

func (r *renewal) due(now time.Time) bool {
	return !r.fetching && !r.at.IsZero() && !now.Before(r.at)
}

// renewed takes a fetched token, or that there is none yet. The token of a connection
// that has ended meanwhile is not sent: the next one shows a token of its own.
func (m *mind) renewed(now time.Time, wall int64, t Token, err error) {
	m.renew.fetching, m.stir = false, true
	if err != nil {
		m.renew.at = now.Add(renewAgain)
		return
	}
	m.renew.schedule(now, t)
	if m.stage == ready {
		// When too many commands wait, the next connection will be made with a new token.
		_, _ = m.ask(now, wall, wire.TypeRenew, wire.Renew{Token: t.Text}, false)
	}
}
