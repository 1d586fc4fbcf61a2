package phone

import "cuntong/ws/wire"

// keep keeps the receipt of a trip frame.
func (p *phone) keep(wire.Trip) {}

// show puts the receipts that are kept into a hello.
func (p *phone) show(*wire.Hello) {}
