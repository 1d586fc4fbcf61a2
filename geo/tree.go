package geo

import (
	"fmt"
	"math"

	"github.com/uber/h3-go/v4"
)

// The tree. Under the root stand the H3 base cells that have keys, under each
// the children that have keys, and so on down to leaves. A key is filed by the
// cell H3 gives for it, and may then roam a little (keepReach) before it is
// filed anew.
//
// The search does not rely on who is filed where, because H3's children stick
// out of their parents. It relies on one thing only, which every change keeps:
// no key below a node is farther from the node's centre than its reach.
const (
	leafMax    = 32 // a leaf with more keys splits
	mergeMax   = 12 // a subtree with no more keys becomes a leaf; far below leafMax, so that a key to and fro does not flap
	finestLeaf = 12 // cells 10 m across do not split: who stands that close is one crowd
)

type tree[K comparable] struct {
	root  node[K]
	moved func(K, spot[K]) // told of every key whose spot is new
}

// node is a cell: a leaf when kids is nil (and it is not the root), otherwise an
// inner node.
type node[K comparable] struct {
	parent *node[K] // nil: the root
	slot   int      // in parent.kids
	cell   Cell     // the root has none
	count  int      // keys below
	kids   []kid[K]

	// Leaf only, in step with each other. Positions stand apart from the rest
	// because the search reads all of them and few of the others.
	at    []vec
	items []item[K]
}

// kid is what an inner node knows of a child without touching it.
type kid[K comparable] struct {
	centre vec
	reach  float64 // chord; no key below is farther from centre
	digit  int
	node   *node[K]
}

type item[K comparable] struct {
	key   K
	seq   uint64 // order of first Put
	point Point
}

func (n *node[K]) isRoot() bool { return n.parent == nil }

func (n *node[K]) isLeaf() bool { return n.kids == nil && n.parent != nil }

// resolution of the node's cell; the root stands one above the base cells.
func (n *node[K]) resolution() int {
	if n.isRoot() {
		return -1
	}
	return n.cell.Resolution()
}

// keeps says whether a key of this leaf that is now at v may stay.
func (n *node[K]) keeps(v vec) bool {
	reach := keepReach[n.resolution()]
	return n.parent.kids[n.slot].centre.chord2(v) <= reach*reach
}

// stretch makes the reaches from n to the root cover v.
func (n *node[K]) stretch(v vec) {
	for ; !n.isRoot(); n = n.parent {
		k := &n.parent.kids[n.slot]
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

// child returns the child of n that the cell, of resolution finestLeaf, belongs
// to; a new leaf when there is none.
func (n *node[K]) child(cell Cell) *node[K] {
	resolution := n.resolution() + 1
	digit := cell.base()
	if resolution > 0 {
		digit = cell.digit(resolution)
	}
	for i := range n.kids {
		if n.kids[i].digit == digit {
			return n.kids[i].node
		}
	}
	own := cell.ancestor(resolution)
	leaf := &node[K]{parent: n, slot: len(n.kids), cell: own}
	n.kids = append(n.kids, kid[K]{centre: unit(own.Centre()), digit: digit, node: leaf})
	return leaf
}

// insert files a key that is in no leaf.
func (t *tree[K]) insert(it item[K], at vec) { t.fileBelow(&t.root, it, at, finestCell(it.point)) }

func finestCell(p Point) Cell {
	c, err := h3.LatLngToCell(h3.LatLng{Lat: p.Lat, Lng: p.Lon}, finestLeaf)
	if err != nil {
		panic(fmt.Sprintf("geo: H3 has no cell for %v: %v", p, err))
	}
	return Cell(c)
}

func (t *tree[K]) fileBelow(n *node[K], it item[K], at vec, cell Cell) {
	for !n.isLeaf() {
		n = n.child(cell)
	}
	n.at = append(n.at, at)
	n.items = append(n.items, it)
	n.add(1)
	n.stretch(at)
	t.moved(it.key, spot[K]{leaf: n, pos: len(n.items) - 1})
	if len(n.items) > leafMax && n.resolution() < finestLeaf {
		t.split(n)
	}
}

// split makes a leaf an inner node and files its keys again, below it or, where
// one has roamed out of the cell, from the root. It may split on below: the
// depth is bounded by finestLeaf.
func (t *tree[K]) split(n *node[K]) {
	at, items := n.at, n.items
	n.at, n.items = nil, nil
	n.kids = make([]kid[K], 0, 7)
	n.add(-len(items))

	resolution := n.resolution()
	var strays []int
	for i, it := range items {
		cell := finestCell(it.point)
		if cell.ancestor(resolution) != n.cell {
			strays = append(strays, i)
			continue
		}
		t.fileBelow(n, it, at[i], cell)
	}
	if n.count == 0 {
		t.drop(n)
	}
	for _, i := range strays {
		t.insert(items[i], at[i])
	}
}

// remove takes a key out of its leaf; the caller forgets or refiles it.
func (t *tree[K]) remove(s spot[K]) {
	n, last := s.leaf, len(s.leaf.items)-1
	if s.pos != last {
		n.at[s.pos], n.items[s.pos] = n.at[last], n.items[last]
		t.moved(n.items[s.pos].key, s)
	}
	n.items[last] = item[K]{} // let go of what the key points to
	n.at, n.items = n.at[:last], n.items[:last]
	n.add(-1)
	if last == 0 {
		n = t.drop(n)
	} else if cap(n.items) > 2*leafMax && last < cap(n.items)/4 {
		n.at = append(make([]vec, 0, 2*last), n.at...)
		n.items = append(make([]item[K], 0, 2*last), n.items...)
	}
	t.merge(n)
}

// drop takes an empty node out, and every ancestor that is empty with it. It
// returns the nearest one that stays.
func (t *tree[K]) drop(n *node[K]) *node[K] {
	for !n.isRoot() && n.count == 0 {
		parent, last := n.parent, len(n.parent.kids)-1
		parent.kids[n.slot] = parent.kids[last]
		parent.kids[n.slot].node.slot = n.slot
		parent.kids[last] = kid[K]{}
		parent.kids = parent.kids[:last]
		n = parent
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
	kids := top.kids
	top.kids = nil
	top.at = make([]vec, 0, leafMax)
	top.items = make([]item[K], 0, leafMax)
	top.parent.kids[top.slot].reach = 0
	t.gather(top, kids)
}

// gather moves the keys below kids into the leaf.
func (t *tree[K]) gather(leaf *node[K], kids []kid[K]) {
	for _, k := range kids {
		t.gather(leaf, k.node.kids)
		for i, it := range k.node.items {
			leaf.at = append(leaf.at, k.node.at[i])
			leaf.items = append(leaf.items, it)
			leaf.stretch(k.node.at[i])
			t.moved(it.key, spot[K]{leaf: leaf, pos: len(leaf.items) - 1})
		}
	}
}
