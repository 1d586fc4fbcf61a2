package swarm

import (
	"slices"
	"sync"
	"time"

	"cuntong/ws/wire"
)

const (
	// keepReceipt is how long the receipt of a trip that has ended is kept.
	keepReceipt = time.Hour
	// helloRoom is what a hello may give to receipts, in bytes of the frame.
	helloRoom = wire.MaxFrameBytes - 512
)

// pocket keeps the newest receipts of a phone: what the server said of its trips, and
// sealed. The party puts them in, the link gives them back.
type pocket struct {
	mu sync.Mutex
	// Guarded by mu.
	receipts []receipt // the one that came last is last
}

type receipt struct {
	trip    string
	version int64
	text    string
	ended   time.Time // zero while the trip is open
}

// keep puts the receipt of a trip in the place of an older one.
func (p *pocket) keep(t wire.Trip, at time.Time) {
	if t.Receipt == "" {
		return
	}
	r := receipt{trip: t.Trip, version: t.Version, text: t.Receipt}
	if isOver(t.State) {
		r.ended = at
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.receipts, func(old receipt) bool { return old.trip == r.trip })
	switch {
	case i >= 0 && p.receipts[i].version > r.version:
		return
	case i >= 0:
		p.receipts = slices.Delete(p.receipts, i, i+1)
	case len(p.receipts) >= wire.MaxReceipts:
		p.receipts = slices.Delete(p.receipts, 0, 1)
	}
	p.receipts = append(p.receipts, r)
}

// drop throws the receipt of a trip away that begins anew.
func (p *pocket) drop(trip string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receipts = slices.DeleteFunc(p.receipts, func(r receipt) bool { return r.trip == trip })
}

// all returns what goes into a hello, newest first.
func (p *pocket) all(now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receipts = slices.DeleteFunc(p.receipts, func(r receipt) bool { return !r.ended.IsZero() && now.Sub(r.ended) > keepReceipt })
	var texts []string
	room := helloRoom
	for _, r := range slices.Backward(p.receipts) {
		if room -= len(r.text) + len(`"",`); room < 0 {
			break
		}
		texts = append(texts, r.text)
	}
	return texts
}
