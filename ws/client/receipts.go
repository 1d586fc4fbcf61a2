package client

import (
	"slices"
	"time"

	"cuntong/ws/wire"
)

const (
	// keepReceipt is how long the receipt of a trip that has ended is kept.
	keepReceipt = time.Hour
	maxPocket   = 64
	// helloRoom is what a hello may give to the token, receipts and known trips, in bytes.
	helloRoom = wire.MaxFrameBytes - 512
)

// pocket keeps the newest receipt of each trip: what the server said, and sealed.
type pocket struct {
	receipts []Receipt // the one that came last is last
}

// Receipt is the newest receipt of a trip.
type Receipt struct {
	Trip    string
	Version int64
	Text    string
	// Asked is when the trip was asked for, Unix ms: when the server has lost a trip and
	// taken it again, it is later than before.
	Asked int64
	Ended time.Time // zero while the trip is open
}

// keep puts the receipt of a trip in the place of an older one.
func (p *pocket) keep(now time.Time, t *wire.Trip) {
	if t.Receipt == "" || len(t.Receipt) > wire.MaxReceiptBytes || t.Trip == "" {
		return
	}
	r := Receipt{Trip: t.Trip, Version: t.Version, Text: t.Receipt, Asked: t.RequestedAt}
	if isOver(t.State) {
		r.Ended = now
	}
	i := slices.IndexFunc(p.receipts, func(old Receipt) bool { return old.Trip == r.Trip })
	switch {
	case i >= 0 && p.receipts[i].Version >= r.Version && r.Asked <= p.receipts[i].Asked:
		return
	case i >= 0:
		p.receipts = slices.Delete(p.receipts, i, i+1)
	case len(p.receipts) >= maxPocket:
		p.receipts = slices.Delete(p.receipts, 0, 1)
	}
	p.receipts = append(p.receipts, r)
}

// drop throws the receipt of a trip away.
func (p *pocket) drop(trip string) {
	p.receipts = slices.DeleteFunc(p.receipts, func(r Receipt) bool { return r.Trip == trip })
}

// dropAbove throws the receipt of a trip away that is of a higher version: the server
// has begun anew.
func (p *pocket) dropAbove(trip string, version int64) {
	p.receipts = slices.DeleteFunc(p.receipts, func(r Receipt) bool { return r.Trip == trip && r.Version > version })
}

// give returns what goes into a hello, newest first, and the room that is left.
func (p *pocket) give(now time.Time, room int) ([]string, int) {
	p.receipts = slices.DeleteFunc(p.receipts, func(r Receipt) bool { return !r.Ended.IsZero() && now.Sub(r.Ended) > keepReceipt })
	var texts []string
	for _, r := range slices.Backward(p.receipts) {
		need := len(r.Text) + len(`"",`)
		if need > room || len(texts) >= wire.MaxReceipts {
			break
		}
		room -= need
		texts = append(texts, r.Text)
	}
	return texts, room
}
