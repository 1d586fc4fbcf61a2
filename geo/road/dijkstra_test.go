package road

import "container/heap"

// dijkstra is the plain search that every other is compared with (E. W. Dijkstra,
// "A note on two problems in connexion with graphs", Numerische Mathematik 1,
// 1959): the weight of every vertex from the nearest source. With stop, it ends as
// soon as that says so of a vertex that is settled.
func dijkstra(g *Graph, weightOf func(Lane) weight, sources []seed, stop func(v int32) bool) []weight {
	dist := make([]weight, len(g.junction))
	for v := range dist {
		dist[v] = never
	}
	var q seedHeap
	for _, s := range sources {
		if s.cost < dist[s.vertex] {
			dist[s.vertex] = s.cost
			heap.Push(&q, s)
		}
	}
	for len(q) > 0 {
		s := heap.Pop(&q).(seed)
		if s.cost > dist[s.vertex] {
			continue
		}
		if stop != nil && stop(s.vertex) {
			break
		}
		for _, l := range g.lane[g.first[s.vertex]:g.first[s.vertex+1]] {
			if w := s.cost + min(weightOf(l), never); w < dist[g.head[l]] {
				dist[g.head[l]] = w
				heap.Push(&q, seed{g.head[l], w})
			}
		}
	}
	return dist
}

type seedHeap []seed

func (q seedHeap) Len() int           { return len(q) }
func (q seedHeap) Less(i, j int) bool { return q[i].cost < q[j].cost }
func (q seedHeap) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *seedHeap) Push(s any)        { *q = append(*q, s.(seed)) }
func (q *seedHeap) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	*q = (*q)[:last]
	return s
}
