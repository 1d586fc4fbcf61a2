package geo

import (
	"math"
	"slices"
)

// The tree. A node's seven kids are the seven children of its cell, as far as
// they have keys, and so on down to leaves, which hold the keys. A key is filed
// by the cell H3 gives for it, and may then roam a little (keepReach) before it
// is filed anew.
//
// The search does not rely on who is filed where, because H3's children stick
// out of their parents. It relies on one thing only, which every change keeps:
// no key below a node is farther from the node's centre than its reach.
const (
	leafMax  = 32 // a leaf with more keys splits, unless it is at finestLevel
	mergeMax = 12 // a subtree with no more keys becomes a leaf; far below leafMax, so that a key to and fro does not flap
)

type tree[K comparable] struct {
	root  node[K]
	moved func(K, spot[K]) // told of every key that is filed anew
}

// node is a leaf, which holds keys, or an inner node, which has a row of kids.
//
// A search among a million keys waits for memory more than it computes. What it
// reads of a node therefore stands in the row of its parent, and what it reads
// of a leaf in one slice; the rest, here, it never touches.
type node[K comparable] struct {
	row *row[K] // of the kids; nil: a leaf

	// Leaf only, in step with the slots in the parent's row.
	seqs   []uint64 // order of first Put, rising
	points []Point

	parent *node[K] // nil: the root
	path   path     // of the key the node was made for; the first level digits are the node's
	level  int
	count  int // keys below
}

// row is what an inner node knows of its kids, by digit.
type row[K comparable] struct {
	kids  [arity]kid[K]
	nodes [arity]*node[K] // nil: there is no such kid
	used  int             // how many there are
}

// kid is what a search reads of a node: one cache line.
type kid[K comparable] struct {
	centre vec
	reach  float64   // chord: no key below is farther from the centre; absent when there is no such kid
	row    *row[K]   // of an inner node
	slots  []slot[K] // of a leaf
}

type slot[K comparable] struct {
	at  vec
	key K
}

// absent as a reach puts the bound of a kid that is not there at infinity.
var absent = math.Inf(-1)

func newRow[K comparable]() *row[K] {
	r := new(row[K])
	for i := range r.kids {
		r.kids[i].reach = absent
	}
	return r
}

// item is a key on its way from one leaf to another.
type item[K comparable] struct {
	slot[K]
	seq   uint64
	point Point
}

func (n *node[K]) isRoot() bool { return n.parent == nil }

func (n *node[K]) isLeaf() bool { return n.row == nil }

// self is what the parent's row holds of n, which is not the root.
func (n *node[K]) self() *kid[K] { return &n.parent.row.kids[n.path.digit(n.level)] }

// keeps says whether a key of this leaf that is now at v may stay.
func (n *node[K]) keeps(v vec) bool {
	return n.self().centre.chord2(v) <= keepReach[n.level]*keepReach[n.level]
}

// stretch makes the reaches from n to the root cover v.
func (n *node[K]) stretch(v vec) {
	for ; !n.isRoot(); n = n.parent {
		k := n.self()
		if d2 := k.centre.chord2(v); d2 > k.reach*k.reach {
			k.reach = math.Sqrt(d2)
		}
	}
}

// add changes the counts from n to the root.
func (n *node[K]) add(keys int) {
	for ; n != nil; n = n.parent {
		n.count += keys
	}
}

// child returns the kid of n on the path; a new leaf when there is none.
func (n *node[K]) child(to path) *node[K] {
	level := n.level + 1
	digit := to.digit(level)
	if n.row.nodes[digit] == nil {
		n.row.nodes[digit] = &node[K]{parent: n, path: to, level: level}
		n.row.kids[digit] = kid[K]{centre: unit(to.cell(level).Centre())}
		n.row.used++
	}
	return n.row.nodes[digit]
}

// pos finds a key of the leaf by its seq.
func (n *node[K]) pos(seq uint64) int {
	i, _ := slices.BinarySearch(n.seqs, seq)
	return i
}

// put adds a key to the leaf.
func (n *node[K]) put(it item[K]) {
	self, i := n.self(), n.pos(it.seq)
	self.slots = slices.Insert(self.slots, i, it.slot)
	n.seqs = slices.Insert(n.seqs, i, it.seq)
	n.points = slices.Insert(n.points, i, it.point)
}

// take removes a key from the leaf. A leaf that has outgrown leafMax, a crowd,
// gives room back as it thins out.
func (n *node[K]) take(seq uint64) item[K] {
	self, i := n.self(), n.pos(seq)
	it := item[K]{slot: self.slots[i], seq: seq, point: n.points[i]}
	self.slots = slices.Delete(self.slots, i, i+1)
	n.seqs = slices.Delete(n.seqs, i, i+1)
	n.points = slices.Delete(n.points, i, i+1)
	if room := cap(n.seqs); room > 2*leafMax && len(n.seqs) < room/4 {
		self.slots, n.seqs, n.points = slices.Clone(self.slots), slices.Clone(n.seqs), slices.Clone(n.points)
	}
	return it
}

// gather appends the keys below n, leaf by leaf.
func (n *node[K]) gather(items []item[K]) []item[K] {
	if n.isLeaf() {
		for i, s := range n.self().slots {
			items = append(items, item[K]{slot: s, seq: n.seqs[i], point: n.points[i]})
		}
		return items
	}
	for _, kid := range n.row.nodes {
		if kid != nil {
			items = kid.gather(items)
		}
	}
	return items
}

// insert files a key that is in no leaf.
func (t *tree[K]) insert(it item[K]) { t.fileBelow(&t.root, it, pathTo(it.point)) }

func (t *tree[K]) fileBelow(n *node[K], it item[K], to path) {
	for !n.isLeaf() {
		n = n.child(to)
	}
	n.put(it)
	n.add(1)
	n.stretch(it.at)
	t.moved(it.key, spot[K]{leaf: n, seq: it.seq})
	if n.count > leafMax && n.level < finestLevel {
		t.split(n)
	}
}

// split makes a leaf an inner node and files its keys again, below it or, where
// one has roamed out of the cell, from the root. It may split on below: the
// depth is bounded by finestLevel.
func (t *tree[K]) split(n *node[K]) {
	items := n.gather(nil)
	n.add(-n.count)
	n.seqs, n.points, n.self().slots = nil, nil, nil
	n.row = newRow[K]()
	n.self().row = n.row

	var strays []item[K]
	for _, it := range items {
		to := pathTo(it.point)
		if !to.shares(n.path, n.level) {
			strays = append(strays, it)
			continue
		}
		t.fileBelow(n, it, to)
	}
	t.merge(t.drop(n)) // strays can leave few behind
	for _, it := range strays {
		t.insert(it)
	}
}

// remove takes a key out of its leaf and returns it; the caller forgets it or
// files it anew.
func (t *tree[K]) remove(s spot[K]) item[K] {
	it := s.leaf.take(s.seq)
	s.leaf.add(-1)
	t.merge(t.drop(s.leaf))
	return it
}

// drop takes n out if it is empty, and every ancestor that is empty with it. It
// returns the nearest node that stays.
func (t *tree[K]) drop(n *node[K]) *node[K] {
	for !n.isRoot() && n.count == 0 {
		*n.self() = kid[K]{reach: absent}
		n.parent.row.nodes[n.path.digit(n.level)] = nil
		n.parent.row.used--
		n = n.parent
	}
	return n
}

// merge makes a leaf of the topmost node from n upwards that has few keys.
func (t *tree[K]) merge(n *node[K]) {
	var top *node[K]
	for ; !n.isRoot() && n.count <= mergeMax; n = n.parent {
		top = n
	}
	if top == nil || top.isLeaf() {
		return
	}
	items := top.gather(make([]item[K], 0, mergeMax))
	top.row = nil
	*top.self() = kid[K]{centre: top.self().centre}
	for _, it := range items {
		top.put(it)
		top.stretch(it.at)
		t.moved(it.key, spot[K]{leaf: top, seq: it.seq})
	}
}
