package ws

import (
	"hash/maphash"
	"sync"

	"cuntong/dispatch"
	"cuntong/geo"
)

// shards is how many locks the roster and the directory have: enough that
// connections that come and go seldom meet the engine that looks for somebody.
const shards = 64

// roster is every connection, those without a hello included. The zero roster is empty.
type roster struct{ shards [shards]rosterShard }

type rosterShard struct {
	mu    sync.Mutex // guards the following field and conn.place of the conns in it
	conns []*conn
}

func (r *roster) shardOf(c *conn) *rosterShard { return &r.shards[c.number%shards] }

func (r *roster) add(c *conn) {
	s := r.shardOf(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.place = len(s.conns)
	s.conns = append(s.conns, c)
}

func (r *roster) remove(c *conn) {
	s := r.shardOf(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.conns) - 1
	s.conns[c.place] = s.conns[last]
	s.conns[c.place].place = c.place
	s.conns[last] = nil
	s.conns = s.conns[:last]
}

// shard returns buf[:0] filled with the connections of one shard at this moment.
func (r *roster) shard(i int, buf []*conn) []*conn {
	s := &r.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(buf[:0], s.conns...)
}

// directory finds the connections of a party. Only those whose hello was accepted
// are in it.
type directory struct {
	seed   maphash.Seed
	shards [shards]directoryShard
}

type directoryShard struct {
	mu sync.RWMutex // guards the following field and conn.older of the conns in it
	// newest is the newest connection of each party; the others follow by conn.older.
	newest map[dispatch.Actor]*conn
}

func newDirectory() *directory {
	d := &directory{seed: maphash.MakeSeed()}
	for i := range d.shards {
		d.shards[i].newest = map[dispatch.Actor]*conn{}
	}
	return d
}

func (d *directory) shardOf(a dispatch.Actor) *directoryShard {
	return &d.shards[maphash.Comparable(d.seed, a)%shards]
}

// add enters a connection and takes out the oldest ones of its party beyond limit,
// which it returns, newest first.
func (d *directory) add(c *conn, a dispatch.Actor, limit int) (replaced []*conn) {
	s := d.shardOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.older = s.newest[a]
	s.newest[a] = c
	keep := c
	for range limit - 1 {
		if keep.older == nil {
			return nil
		}
		keep = keep.older
	}
	for old := keep.older; old != nil; old = old.older {
		replaced = append(replaced, old)
	}
	keep.older = nil
	return replaced
}

// settle takes out the oldest connections of a party beyond limit, newest first, when one has been
// let in. Those that have not been let in yet do not count, and stay: who holds a token that is
// worthless must not push out the party itself.
func (d *directory) settle(a dispatch.Actor, limit int) (replaced []*conn) {
	s := d.shardOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept *conn
	for c := s.newest[a]; c != nil; c = c.older {
		if c.early.judged.Load() {
			limit--
		}
		if c.early.judged.Load() && limit < 0 {
			replaced = append(replaced, c)
			kept.older = c.older // the first one stays in any case
			continue
		}
		kept = c
	}
	return replaced
}

// has says whether a party has a connection that belongs to this area.
func (d *directory) has(a dispatch.Actor, area geo.AreaID) bool {
	s := d.shardOf(a)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := s.newest[a]; c != nil; c = c.older {
		if c.party.Load().areaID == area {
			return true
		}
	}
	return false
}

// remove takes a connection out, if it is still in.
func (d *directory) remove(c *conn, a dispatch.Actor) {
	s := d.shardOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.newest[a]
	if have == c {
		if c.older == nil {
			delete(s.newest, a)
		} else {
			s.newest[a] = c.older
		}
		return
	}
	for ; have != nil; have = have.older {
		if have.older == c {
			have.older = c.older
			return
		}
	}
}

// find returns buf[:0] filled with the connections of a party.
func (d *directory) find(a dispatch.Actor, buf []*conn) []*conn {
	s := d.shardOf(a)
	s.mu.RLock()
	defer s.mu.RUnlock()
	buf = buf[:0]
	for c := s.newest[a]; c != nil; c = c.older {
		buf = append(buf, c)
	}
	return buf
}
