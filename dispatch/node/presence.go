package node

import (
	"slices"
	"sync"
	"sync/atomic"

	"cuntong/dispatch"
)

// maxPresence bounds the parties of one area that are known to be at other servers. More
// are not learned: they get the answers that reach them when they ask again.
const maxPresence = 200_000

// presence is which party of an area is at which other server, as far as is known.
// A party may be at several.
type presence struct {
	size atomic.Int64 // of at; read without the lock on the way of every notice

	mu sync.Mutex // guards the following field
	at map[dispatch.Actor][]dispatch.NodeID
}

// learn notes where a party is, and returns false when there is no room for it.
func (p *presence) learn(node dispatch.NodeID, actor dispatch.Actor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodes, known := p.at[actor]
	if slices.Contains(nodes, node) {
		return true
	}
	if !known && len(p.at) >= maxPresence {
		return false
	}
	if p.at == nil {
		p.at = map[dispatch.Actor][]dispatch.NodeID{}
	}
	p.at[actor] = append(slices.Clip(nodes), node) // readers may hold the old list
	p.size.Store(int64(len(p.at)))
	return true
}

// forget notes that a party is there no more.
func (p *presence) forget(node dispatch.NodeID, actor dispatch.Actor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.without(actor, func(n dispatch.NodeID) bool { return n == node })
}

// keepOnly forgets everybody at servers that are not among these.
func (p *presence) keepOnly(alive map[dispatch.NodeID]bool) {
	if p.size.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for actor := range p.at {
		p.without(actor, func(n dispatch.NodeID) bool { return !alive[n] })
	}
}

// strangers adds the servers that are not among these.
func (p *presence) strangers(known, found map[dispatch.NodeID]bool) {
	if p.size.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, nodes := range p.at {
		for _, node := range nodes {
			if !known[node] {
				found[node] = true
			}
		}
	}
}

// clear forgets everybody.
func (p *presence) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.at)
	p.size.Store(0)
}

// without takes servers out of a party's list. The caller holds the lock.
func (p *presence) without(actor dispatch.Actor, gone func(dispatch.NodeID) bool) {
	nodes := p.at[actor]
	if !slices.ContainsFunc(nodes, gone) {
		return
	}
	if nodes = slices.DeleteFunc(slices.Clone(nodes), gone); len(nodes) == 0 {
		delete(p.at, actor)
	} else {
		p.at[actor] = nodes
	}
	p.size.Store(int64(len(p.at)))
}

// find returns the servers at which a party is. The list is not to be changed.
func (p *presence) find(actor dispatch.Actor) []dispatch.NodeID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[actor]
}

// all returns everything that is known.
func (p *presence) all() []whereabout {
	p.mu.Lock()
	defer p.mu.Unlock()
	var who []whereabout
	for actor, nodes := range p.at {
		for _, node := range nodes {
			who = append(who, whereabout{node, actor})
		}
	}
	return who
}
