package client

import (
	"time"

	"cuntong/ws/wire"
)

// pace keeps a client under what the server admits, with a quarter of it left for
// pings and pongs. It is a bucket of tokens that fills evenly.
type pace struct {
	tokens float64
	at     time.Time
}

const (
	paceRate  = float64(wire.FramesPerSecond) * 3 / 4 // a second
	paceBurst = float64(wire.FrameBurst) / 2
)

func newPace() pace { return pace{tokens: paceBurst} }

// take takes a token, if there is one.
func (p *pace) take(now time.Time) bool {
	if !p.at.IsZero() {
		p.tokens = min(paceBurst, p.tokens+now.Sub(p.at).Seconds()*paceRate)
	}
	p.at = now
	if p.tokens < 1 {
		return false
	}
	p.tokens--
	return true
}

// due is when there will be one.
func (p *pace) due(now time.Time) time.Time {
	return now.Add(time.Duration((1 - p.tokens) / paceRate * float64(time.Second)))
}
