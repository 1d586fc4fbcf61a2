package road

// order returns each vertex's place in the order of contraction.
func order(g *Graph) []int32 {
	rank := make([]int32, len(g.junction))
	for i := range rank {
		rank[i] = int32(i)
	}
	return rank
}
