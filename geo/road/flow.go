package road

import "slices"

// role is what a vertex is to a flow.
type role uint8

const (
	neither role = iota
	source
	sink
)

// flow sends as many ways as possible from some vertices of a piece to others, no
// two through the same vertex; by Menger's theorem the fewest vertices that
// separate them are as many. It works in layers (E. A. Dinic, Soviet Math. Doklady
// 11, 1970). Every vertex has a gate in (twice its number) and a gate out (one more)
// with room for one way between them.
type flow struct {
	p *piece
	// By vertex.
	role       []role
	through    []bool  // a way goes through it
	prev, next []int32 // where that way comes from and goes to; gone at its ends
	link       []int32 // the next link to try in this round
	// By gate: how far from the sinks; gone when too far or used up.
	level []int32

	starts, ends []int32 // the sources and sinks with a neighbour that is none
	queue, track []int32 // of gates
}

func newFlow(p *piece) *flow {
	n := len(p.vertex)
	return &flow{
		p: p, role: make([]role, n), through: make([]bool, n),
		prev: make([]int32, n), next: make([]int32, n), link: make([]int32, n), level: make([]int32, 2*n),
	}
}

// cut starts anew and returns the size of the cut between sources and sinks, whose
// numbers are in the lower halves. It gives up when that exceeds limit.
func (f *flow) cut(sources, sinks []uint64, limit int) (cut int, ok bool) {
	clear(f.role)
	clear(f.through)
	for _, key := range sources {
		f.role[uint32(key)] = source
	}
	for _, key := range sinks {
		f.role[uint32(key)] = sink
	}
	// A way need not go back into the sources, nor on from a sink.
	f.starts, f.ends = f.rim(f.starts[:0], sources), f.rim(f.ends[:0], sinks)
	for f.layer() {
		copy(f.link, f.p.first)
		for _, s := range f.starts {
			if f.level[2*s] != gone && f.send(s) {
				cut++
			}
			if cut > limit {
				return cut, false
			}
		}
	}
	return cut, true
}

// rim appends those of the keys' vertices that have neighbours of another role.
func (f *flow) rim(rim []int32, keys []uint64) []int32 {
	for _, key := range keys {
		v := int32(uint32(key))
		if slices.ContainsFunc(f.p.of(v), func(u int32) bool { return f.role[u] != f.role[v] }) {
			rim = append(rim, v)
		}
	}
	return rim
}

// sides says for each vertex on which side of the cut it lies, gone for the cut
// itself, and returns how many are on the smaller side.
func (f *flow) sides(side []int32) (smaller int) {
	var size [2]int
	for v := range side {
		in, out := f.level[2*v] != gone, f.level[2*v+1] != gone
		switch {
		case out && !in:
			side[v] = gone
			continue
		case in || f.role[v] == sink:
			side[v] = 1
		default:
			side[v] = 0
		}
		size[side[v]]++
	}
	return min(size[0], size[1])
}

// layer finds how far every gate is from the sinks, back along what a way may go,
// and says whether there is one from a source; if so it stops at its layer. Found
// from that end, every gate with a level leads on to a sink.
func (f *flow) layer() bool {
	for i := range f.level {
		f.level[i] = gone
	}
	f.queue = f.queue[:0]
	for _, t := range f.ends {
		f.reach(2*t+1, 0)
	}
	for i := 0; i < len(f.queue); i++ {
		gate := f.queue[i]
		v, far := gate>>1, f.level[gate]+1
		switch {
		case gate&1 == 1:
			if before := f.outward(v); before != gone {
				f.reach(before, far)
			}
			continue
		case f.role[v] == source:
			return true
		case f.through[v]:
			f.reach(2*v+1, far)
		}
		for _, u := range f.p.of(v) {
			if f.role[u] != sink {
				f.reach(2*u+1, far)
			}
		}
	}
	return false
}

func (f *flow) reach(gate, level int32) {
	if f.level[gate] == gone {
		f.level[gate] = level
		f.queue = append(f.queue, gate)
	}
}

// inward is the only gate that comes after the gate into v: out on the other side,
// or, where a way goes through v already, back to where that way came from.
func (f *flow) inward(v int32) int32 {
	switch {
	case !f.through[v]:
		return 2*v + 1
	case f.prev[v] != gone:
		return 2*f.prev[v] + 1
	}
	return gone
}

// outward is the only gate that comes before the gate out of v; see inward.
func (f *flow) outward(v int32) int32 {
	switch {
	case !f.through[v]:
		return 2 * v
	case f.next[v] != gone:
		return 2 * f.next[v]
	}
	return gone
}

// send looks for one more way from s through the layers.
func (f *flow) send(s int32) bool {
	f.track = append(f.track[:0], 2*s)
	for len(f.track) > 0 {
		gate := f.track[len(f.track)-1]
		if f.level[gate] == 0 {
			f.settle()
			return true
		}
		if after := f.after(gate); after != gone {
			f.track = append(f.track, after)
			continue
		}
		f.level[gate] = gone
		f.track = f.track[:len(f.track)-1]
	}
	return false
}

// after is a gate in the next layer that can be gone to from this one.
func (f *flow) after(gate int32) int32 {
	v, far := gate>>1, f.level[gate]-1
	if gate&1 == 0 {
		if after := f.inward(v); after != gone && f.level[after] == far {
			return after
		}
		return gone
	}
	if f.through[v] && f.level[2*v] == far {
		return 2 * v
	}
	for ; f.link[v] < f.p.first[v+1]; f.link[v]++ {
		if in := 2 * f.p.far[f.link[v]]; f.level[in] == far {
			return in
		}
	}
	return gone
}

// settle makes the way that was found one of the ways. Where it went against an
// older one, the two exchange their ends.
func (f *flow) settle() {
	f.prev[f.track[0]>>1] = gone
	for i, gate := range f.track {
		f.level[gate] = gone
		v := gate >> 1
		if i+1 == len(f.track) {
			f.next[v] = gone
			break
		}
		after := f.track[i+1]
		u := after >> 1
		switch {
		case gate&1 == 1 && u == v:
			f.through[v] = false
		case gate&1 == 1:
			f.next[v], f.prev[u] = u, v
		case u == v:
			f.through[v] = true
		}
	}
}
