package node

import (
	"sync"
	"sync/atomic"
	"time"

	"cuntong/dispatch"
	"cuntong/geo"
)

// Area is where the inputs of one area go, whoever writes it: to the engine here, or
// to its writer by letter. Its methods may be called from any goroutine and do not block.
type Area struct {
	// Static after construction.
	node *Node
	id   geo.AreaID
	hub  dispatch.Teller // the parties here

	// local is this server's life as the writer, while its engine takes commands; nil
	// while the area is written elsewhere, and while it is being taken or given up.
	local    atomic.Pointer[life]
	queue    queue
	presence presence // who is at other servers; of use to the writer
	here     here
	nobody   atomic.Bool // no writer has been seen for some time

	telling struct {
		mu     sync.Mutex     // guards the following fields, and the order of what is told
		epoch  dispatch.Epoch // of the newest writer that has told something
		stream dispatch.Epoch // whose notices come by parcel
		next   uint64         // the number that follows
	}
}

func newArea(n *Node, id geo.AreaID) *Area {
	a := &Area{node: n, id: id, hub: n.cfg.Hub.Teller(id)}
	a.nobody.Store(true)
	a.queue.init(a)
	return a
}

// unavailableFor is how long a client is asked to wait when nothing can be passed on.
const unavailableFor = 2 * time.Second

func unavailable() *dispatch.Refusal {
	return &dispatch.Refusal{Kind: dispatch.Unavailable, Code: "not_recording", RetryAfter: unavailableFor,
		Say: "The server cannot record anything now. Repeat your request in a moment."}
}

// Submit hands an input over; see [dispatch.Engine.Submit]. What is written elsewhere is
// sent on; if that turns out to be impossible its party is told so by a refusal that
// comes as a notice.
func (a *Area) Submit(in dispatch.Input) *dispatch.Refusal {
	if hello, ok := in.(dispatch.Hello); ok {
		a.here.add(hello.By)
	}
	if l := a.local.Load(); l != nil {
		refusal := l.engine.Submit(in)
		if refusal == nil || a.local.Load() == l {
			return refusal
		}
	}
	return a.away(outgoing{in: in})
}

// mail is Submit for an input from another area, which nobody waits for.
func (a *Area) mail(in dispatch.Input) {
	if l := a.local.Load(); l != nil && l.engine.Submit(in) == nil {
		return
	}
	_ = a.away(outgoing{in: in, mail: true})
}

// away queues what cannot be handed to an engine here.
func (a *Area) away(o outgoing) *dispatch.Refusal {
	if a.nobody.Load() || !a.queue.add(o) {
		a.node.metrics.forwarded.WithLabelValues("refused").Inc()
		return unavailable()
	}
	return nil
}

// Gone says that the last connection here of a party has gone.
func (a *Area) Gone(actor dispatch.Actor) {
	a.here.remove(actor)
	if a.local.Load() == nil && !a.nobody.Load() {
		a.queue.add(outgoing{gone: true, actor: actor})
	}
}

// Slot returns a place for the positions of one driver connection.
func (a *Area) Slot() *Slot { return &Slot{area: a} }

// Slot takes a driver's positions, of which only the newest counts, wherever his area is
// written.
type Slot struct {
	area *Area
	at   atomic.Pointer[lifeSlot]
}

// lifeSlot is the slot of the engine of one life.
type lifeSlot struct {
	life *life
	slot *dispatch.Slot
}

// Put hands over a position. It never blocks and may be called from any goroutine.
func (s *Slot) Put(fix dispatch.Fix) {
	l := s.area.local.Load()
	if l == nil {
		s.area.queue.move(fix)
		return
	}
	at := s.at.Load()
	if at == nil || at.life != l {
		at = &lifeSlot{l, l.engine.Slot()}
		s.at.Store(at)
	}
	at.slot.Put(fix)
}

// here is which parties of an area have a connection here. It is bounded by the
// connections that the hub allows.
type here struct {
	mu      sync.Mutex // guards the following field
	parties map[dispatch.Actor]struct{}
}

func (h *here) add(actor dispatch.Actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parties == nil {
		h.parties = map[dispatch.Actor]struct{}{}
	}
	h.parties[actor] = struct{}{}
}

func (h *here) has(actor dispatch.Actor) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, here := h.parties[actor]
	return here
}

func (h *here) remove(actor dispatch.Actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.parties, actor)
}

// all returns everybody who is here, as at this node.
func (h *here) all(node dispatch.NodeID) []whereabout {
	h.mu.Lock()
	defer h.mu.Unlock()
	who := make([]whereabout, 0, len(h.parties))
	for actor := range h.parties {
		who = append(who, whereabout{node, actor})
	}
	return who
}
