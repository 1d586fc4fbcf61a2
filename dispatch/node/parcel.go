package node

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cuntong/dispatch"
	"cuntong/geo"
)

// parcelKind is what a parcel to the post box of a server holds.
type parcelKind byte

// The kinds. They never change meaning: servers of two versions may run side by side.
const (
	parcelNotices  parcelKind = 'n' // notices of an area's writer to parties at the server; none: some were lost
	parcelPrepare  parcelKind = 'p' // the area is to be yours: load it and say so
	parcelPrepared parcelKind = 'r' // I have loaded it
	parcelWho      parcelKind = 'w' // who of the area's parties is where
	parcelGo       parcelKind = 'x' // the area has been given up to you
)

// parcel is what one server puts into the post box of another.
type parcel struct {
	kind   parcelKind
	area   geo.AreaID
	epoch  dispatch.Epoch // of the writer that sends it; 0: the sender does not write
	from   dispatch.NodeID
	number uint64           // of parcelNotices: one more than that of the one before it
	begins bool             // of parcelNotices: none of this writer came before it from this courier
	bodies [][]byte         // of parcelNotices
	at     dispatch.Instant // of parcelGo: when the old writer took in nothing more
	who    []whereabout     // of parcelWho
}

// whereabout is a party and a server at which it has a connection.
type whereabout struct {
	node  dispatch.NodeID
	actor dispatch.Actor
}

// errParcel: bytes that are no parcel, or one of a later program.
var errParcel = errors.New("a parcel cannot be read")

func (p parcel) bytes() []byte {
	size := 64 + len(p.from) + 80*len(p.who)
	for _, body := range p.bodies {
		size += len(body) + binary.MaxVarintLen32
	}
	b := append(make([]byte, 0, size), byte(p.kind))
	b = putString(b, string(p.area))
	b = binary.AppendUvarint(b, uint64(p.epoch))
	b = putString(b, string(p.from))
	switch p.kind {
	case parcelNotices:
		b = binary.AppendUvarint(b, p.number)
		b = append(b, flag(p.begins))
		for _, body := range p.bodies {
			b = putString(b, string(body))
		}
	case parcelGo:
		b = binary.AppendUvarint(b, uint64(p.at))
	case parcelWho:
		for _, w := range p.who {
			b = putString(b, string(w.node))
			b = putString(b, string(w.actor.Role))
			b = putString(b, w.actor.ID)
		}
	}
	return b
}

func flag(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}

// readParcel reads a parcel. Its bodies share b.
func readParcel(b []byte) (parcel, error) {
	if len(b) == 0 {
		return parcel{}, fmt.Errorf("%w: it is empty", errParcel)
	}
	p := parcel{kind: parcelKind(b[0])}
	r := reading{left: b[1:]}
	p.area, p.epoch, p.from = geo.AreaID(r.text()), dispatch.Epoch(r.number()), dispatch.NodeID(r.text())
	switch p.kind {
	case parcelNotices:
		p.number, p.begins = r.number(), r.number() != 0
		for len(r.left) > 0 {
			p.bodies = append(p.bodies, r.part())
		}
	case parcelGo:
		p.at = dispatch.Instant(r.number())
	case parcelWho:
		for len(r.left) > 0 {
			p.who = append(p.who, whereabout{dispatch.NodeID(r.text()), dispatch.Actor{Role: dispatch.Role(r.text()), ID: r.text()}})
		}
	case parcelPrepare, parcelPrepared:
	default:
		return parcel{}, fmt.Errorf("%w: kind %q is not known", errParcel, p.kind)
	}
	if r.bad {
		return parcel{}, fmt.Errorf("%w: it ends too soon", errParcel)
	}
	return p, nil
}
