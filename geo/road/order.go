package road

import "slices"

// order returns each vertex's place in the order of contraction, 0 first. Dead
// ends and bends go first; what remains is dissected ([piece.dissect]). Contracting
// in that order keeps the hierarchy small whatever the roads weigh today.
//
// The places are a postorder of the elimination tree, which changes nothing about
// the hierarchy but lays the vertices of a valley side by side in memory.
func order(g *Graph) []int32 {
	net := linksOf(g)
	sequence, rest := reduce(net)
	sequence = newPiece(g, rest).dissect(sequence)
	return net.postorder(sequence)
}

// links is an undirected graph without loops and parallels.
type links struct {
	first []int32 // by vertex: its first link; one more than vertices
	far   []int32 // by link: the vertex at its far end, ascending about one vertex
}

func (n *links) of(v int32) []int32 { return n.far[n.first[v]:n.first[v+1]] }

// linksOf says which vertices some lane joins.
func linksOf(g *Graph) *links {
	n := &links{first: make([]int32, len(g.junction)+1)}
	each := func(visit func(v, w int32)) {
		for v := range int32(len(g.junction)) {
			for _, l := range g.lane[g.first[v]:g.first[v+1]] {
				if w := g.head[l]; w != v {
					visit(v, w)
					visit(w, v)
				}
			}
		}
	}
	each(func(v, _ int32) { n.first[v+1]++ })
	for v := range g.junction {
		n.first[v+1] += n.first[v]
	}
	n.far = make([]int32, n.first[len(g.junction)])
	next := slices.Clone(n.first)
	each(func(v, w int32) {
		n.far[next[v]] = w
		next[v]++
	})
	return n.compact()
}

// compact sorts the links about each vertex and drops parallels.
func (n *links) compact() *links {
	end := int32(0)
	for v := range len(n.first) - 1 {
		row := n.far[n.first[v]:n.first[v+1]]
		slices.Sort(row)
		n.first[v] = end
		end += int32(copy(n.far[end:], slices.Compact(row)))
	}
	n.first[len(n.first)-1] = end
	n.far = slices.Clip(n.far[:end])
	return n
}

// reduction contracts vertices with at most two links, in place: the row of a
// vertex never grows by that.
type reduction struct {
	links
	degree []int32 // by vertex; gone when it was contracted
	round  []int32 // by vertex: the last in which a neighbour was contracted
	waits  []bool  // by vertex: queued for the next round
	next   []int32
}

const gone = -1

// reduce contracts dead ends and bends until none is left, and returns them in
// order and the graph that remains. It goes in rounds in which no two neighbours
// are contracted, so that a road of a thousand bends becomes a tree ten deep
// and not a thousand.
func reduce(n *links) (sequence []int32, rest *links) {
	r := &reduction{links: links{first: n.first, far: slices.Clone(n.far)}}
	vertices := int32(len(n.first) - 1)
	r.degree, r.round, r.waits = make([]int32, vertices), make([]int32, vertices), make([]bool, vertices)
	for v := range vertices {
		r.degree[v] = n.first[v+1] - n.first[v]
		r.queue(v)
	}
	var now []int32
	for round := int32(1); len(r.next) > 0; round++ {
		now, r.next = r.next, now[:0]
		for _, v := range now {
			r.waits[v] = false
			if r.round[v] == round {
				r.queue(v)
				continue
			}
			r.contract(v, round)
			sequence = append(sequence, v)
		}
	}
	return sequence, r.rest()
}

func (r *reduction) queue(v int32) {
	if r.degree[v] <= 2 && r.degree[v] != gone && !r.waits[v] {
		r.waits[v] = true
		r.next = append(r.next, v)
	}
}

func (r *reduction) row(v int32) []int32 { return r.far[r.first[v]:][:r.degree[v]] }

// contract takes v away and joins its two neighbours if it has two.
func (r *reduction) contract(v, round int32) {
	row := r.row(v)
	r.degree[v] = gone
	for i, u := range row {
		about := r.row(u)
		at := slices.Index(about, v)
		if other := row[len(row)-1-i]; len(row) == 2 && !slices.Contains(about, other) {
			about[at] = other
		} else {
			about[at] = about[len(about)-1]
			r.degree[u]--
		}
		r.round[u] = round
		r.queue(u)
	}
}

// rest is what was not contracted; the vertices that were have no links.
func (r *reduction) rest() *links {
	n := &links{first: make([]int32, len(r.first))}
	for v := range r.degree {
		if r.degree[v] != gone {
			n.far = append(n.far, r.row(int32(v))...)
		}
		n.first[v+1] = int32(len(n.far))
	}
	return n.compact()
}

// postorder returns each vertex's place when the elimination tree of a sequence is
// walked children first. The tree is that of J. W. H. Liu, "The role of elimination
// trees in sparse factorization", SIAM J. Matrix Anal. Appl. 11(1), 1990: the parent
// of a vertex is the first, in sequence, that it is joined to once it is contracted.
func (n *links) postorder(sequence []int32) []int32 {
	place := make([]int32, len(sequence))
	for i, v := range sequence {
		place[v] = int32(i)
	}
	parent, top := make([]int32, len(sequence)), make([]int32, len(sequence))
	for i, v := range sequence {
		i := int32(i)
		parent[i], top[i] = gone, i
		for _, u := range n.of(v) {
			// Up from every earlier neighbour to the top of its tree, which v now
			// becomes the parent of; the way is shortened for the next.
			for j := place[u]; j < i; {
				up := top[j]
				top[j] = i
				if up == j {
					parent[j] = i
					break
				}
				j = up
			}
		}
	}
	at := numbered(parent)
	for v := range place {
		place[v] = at[place[v]]
	}
	return place
}

// numbered counts a forest's nodes children first; parents come after children
// already, so every node's subtree has its size when the node is met.
func numbered(parent []int32) []int32 {
	size := make([]int32, len(parent))
	for i, p := range parent {
		size[i]++
		if p != gone {
			size[p] += size[i]
		}
	}
	// Backwards: each node takes the last free place of its parent's block.
	at, free := make([]int32, len(parent)), make([]int32, len(parent))
	root := int32(len(parent)) - 1
	for i := len(parent) - 1; i >= 0; i-- {
		last := &root
		if p := parent[i]; p != gone {
			last = &free[p]
		}
		at[i] = *last
		*last -= size[i]
		free[i] = at[i] - 1
	}
	return at
}
