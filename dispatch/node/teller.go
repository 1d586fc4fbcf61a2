package node

import (
	"cuntong/dispatch"
	"cuntong/geo"
)

// telling passes the notices of an area on to the parties here, whichever server's
// writer they come from, and never those of a writer after those of a later one: what a
// phone is told does not go back. It also notices what may be missing: what a number in
// between was given to, or the last words of a writer when there is another. Then nobody
// is asked for a trip before he has had the truth.
//
// Its methods are called with Area.telling.mu held.

// accept says whether the notices of a writer may still be told here.
func (a *Area) accept(epoch dispatch.Epoch) bool {
	if epoch < a.telling.epoch {
		a.node.metrics.parcels.WithLabelValues("stale").Inc()
		return false
	}
	if epoch > a.telling.epoch {
		a.telling.epoch = epoch
		a.node.cfg.Hub.Doubt(a.id)
	}
	return true
}

// tellHere tells the parties here what the writer of an epoch, which runs here, says.
func (a *Area) tellHere(epoch dispatch.Epoch, notices []dispatch.Notice) {
	a.telling.mu.Lock()
	defer a.telling.mu.Unlock()
	if a.accept(epoch) {
		a.hub.Tell(notices)
	}
}

// tellFrom tells the parties here what a writer elsewhere has sent, and returns whether
// something before it is missing.
func (a *Area) tellFrom(p parcel, notices []dispatch.Notice) (gap bool) {
	t := &a.telling
	t.mu.Lock()
	defer t.mu.Unlock()
	if !a.accept(p.epoch) {
		return false
	}
	another := p.epoch != t.stream
	if !another && p.number < t.next {
		a.node.metrics.parcels.WithLabelValues("doubled").Inc()
		return false
	}
	expected := another && p.begins || !another && p.number == t.next
	gap = !expected || len(p.bodies) == 0
	t.stream, t.next = p.epoch, p.number+1
	if gap {
		a.node.cfg.Hub.Doubt(a.id)
	}
	a.hub.Tell(notices)
	return gap
}

// teller is the [dispatch.Teller] of one life as the writer of an area: the parties here
// at once, the others by way of their servers' post boxes.
type teller struct{ life *life }

// Tell implements [dispatch.Teller].
func (t teller) Tell(notices []dispatch.Notice) {
	a, epoch := t.life.area, t.life.epoch()
	a.tellHere(epoch, notices)
	a.tellDark(notices)
	if a.presence.size.Load() == 0 {
		return
	}
	bodies := map[dispatch.NodeID][][]byte{}
	for _, n := range notices {
		nodes := a.presence.find(n.To)
		if len(nodes) == 0 {
			continue
		}
		body, err := dispatch.MarshalNotice(n)
		if err != nil {
			a.node.cfg.Log.Error("a notice cannot be sent to another server", "area", a.id, "err", err)
			continue
		}
		for _, node := range nodes {
			bodies[node] = append(bodies[node], body)
		}
	}
	for node, list := range bodies {
		a.node.couriers.notices(node, a.id, epoch, list)
	}
}

// tellDark passes on what is told to parties who are connected nowhere. Only an area's
// writer does, so that it is passed on once.
func (a *Area) tellDark(notices []dispatch.Notice) {
	if a.node.cfg.Dark == nil {
		return
	}
	var dark []dispatch.Notice
	for _, n := range notices {
		if !n.Body.Lossy() && !a.here.has(n.To) && len(a.presence.find(n.To)) == 0 {
			dark = append(dark, n)
		}
	}
	if len(dark) > 0 {
		a.node.cfg.Dark(a.id, dark)
	}
}

// postman is the [dispatch.Postman] of every area written here.
type postman struct{ node *Node }

// Post implements [dispatch.Postman]: to the engine of the area if it is written here,
// else into that area's inbox. What cannot be passed on is dropped; the core repeats
// what matters.
func (p postman) Post(_ geo.AreaID, letters []dispatch.AreaLetter) {
	for _, l := range letters {
		if a, ok := p.node.Area(l.To); ok {
			a.mail(l.Body)
		}
	}
}
