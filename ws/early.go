package ws

import (
	"sync"
	"sync/atomic"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// notLetIn is how many more connections a party may have than else while it is not known whether they
// are let in.
const notLetIn = 8

// early is what a party has asked for before its hello was answered. A good token says who
// it is, but only its area knows whether it has signed out since or is barred, and says so in
// the place of the first truth. Until then nothing that it sends is handed over: else whoever holds
// a stolen token could act with each connection until the answer came.
type early struct {
	judged  atomic.Bool                      // a truth has come: what is sent is handed over at once
	unasked atomic.Pointer[dispatch.Refusal] // why the hello could not be handed over; nil: it was

	mu   sync.Mutex    // guards the following fields, and hands over in the order in which it was sent
	list []asks        // at most Config.MaxWaiting; the oldest goes, and is repeated by its phone
	fix  *dispatch.Fix // the newest position
}

// asks is a command or question that waits for the first truth.
type asks struct {
	in      dispatch.Input
	frame   wire.ClientFrame
	awaited string // see awaitedBy
}

// sayHello hands the hello over.
func (c *conn) sayHello(p *party) *dispatch.Refusal {
	no := p.area.Submit(c.hello(p))
	c.early.unasked.Store(no)
	return no
}

// submit hands a command or question over to the party's area, or keeps it until the first truth.
// It is called by the reader.
func (c *conn) submit(p *party, ask asks) *dispatch.Refusal {
	e := &c.early
	if !e.judged.Load() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.judged.Load() {
			if no := e.unasked.Load(); no != nil {
				return no
			}
			if len(e.list) >= c.hub.cfg.MaxWaiting {
				e.list = append(e.list[:0], e.list[1:]...)
			}
			e.list = append(e.list, ask)
			return nil
		}
	}
	return c.areaOf(p, ask.in).Submit(ask.in)
}

// letIn hands over what was asked for before the first truth, and closes the connections of the party
// whose place this one takes. It is called when the truth has been told, and does not block.
func (c *conn) letIn() {
	e := &c.early
	if e.judged.Load() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ask := range e.list {
		if no := c.areaOf(c.party.Load(), ask.in).Submit(ask.in); no != nil {
			c.lanes.unask(ask.awaited)
			c.put(refusedBody(no, tripOf(ask.frame)), ask.frame.ID)
		}
	}
	p := c.party.Load()
	if e.fix != nil && p.slot != nil {
		p.slot.Put(*e.fix)
	}
	e.list, e.fix = nil, nil
	e.judged.Store(true)
	for _, old := range c.hub.directory.settle(p.actor, c.hub.cfg.partyLimit(p.actor.Role)) {
		old.finish(wire.CloseReplaced, false)
	}
}

// putFix passes a driver's position on, or keeps it until the first truth. It is called by the
// reader.
func (c *conn) putFix(p *party, fix dispatch.Fix) {
	e := &c.early
	if !e.judged.Load() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.judged.Load() {
			kept := fix // a copy, so that the others need no memory
			e.fix = &kept
			return
		}
	}
	p.slot.Put(fix)
}
