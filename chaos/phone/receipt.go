package phone

import (
	"slices"

	"cuntong/ws/wire"
)

// keptReceipts is how many receipts a phone shows: those of its last trips.
const keptReceipts = 8

// receipt is what a phone keeps of a trip for the day on which nobody else remembers it.
type receipt struct {
	trip    string
	version int64
	paper   string
}

// keep keeps the receipt of a trip, if it is the newest of that trip.
func (p *phone) keep(t wire.Trip) {
	if t.Receipt == "" || !p.cfg.Receipts {
		return
	}
	i := slices.IndexFunc(p.receipts, func(r receipt) bool { return r.trip == t.Trip })
	if i >= 0 && p.receipts[i].version >= t.Version {
		return
	}
	if i >= 0 {
		p.receipts = slices.Delete(p.receipts, i, i+1)
	}
	p.receipts = append(p.receipts, receipt{t.Trip, t.Version, t.Receipt})
	if len(p.receipts) > keptReceipts {
		p.receipts = slices.Delete(p.receipts, 0, 1)
	}
}

// show puts the receipts that are kept into a hello.
func (p *phone) show(hello *wire.Hello) {
	for _, r := range p.receipts {
		hello.Receipts = append(hello.Receipts, r.paper)
	}
}
