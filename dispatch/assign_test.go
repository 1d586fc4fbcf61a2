package dispatch

import (
	"math"
	"math/rand/v2"
	"testing"
)

// total is what an assignment costs; it fails when a column is given twice.
func total(t *testing.T, cost [][]int64, taken []int) int64 {
	t.Helper()
	given := map[int]bool{}
	sum := int64(0)
	for i, j := range taken {
		if given[j] {
			t.Fatalf("column %d is given twice in %v", j, taken)
		}
		given[j] = true
		sum += cost[i][j]
	}
	return sum
}

// cheapest tries every assignment.
func cheapest(cost [][]int64, row int, used []bool) int64 {
	if row == len(cost) {
		return 0
	}
	best := int64(math.MaxInt64 / 2)
	for j, c := range cost[row] {
		if used[j] || c >= impossible {
			continue
		}
		used[j] = true
		best = min(best, c+cheapest(cost, row+1, used))
		used[j] = false
	}
	return best
}

// randomCosts has a private last resort for each row, as a contest has.
func randomCosts(rng *rand.Rand, rows, drivers int) [][]int64 {
	cost := make([][]int64, rows)
	scale := int64(1) << (1 + rng.IntN(22)) // few different costs make ties
	for i := range cost {
		cost[i] = make([]int64, drivers+rows)
		for j := range cost[i] {
			switch {
			case j == drivers+i:
				cost[i][j] = 86_400_000 + rng.Int64N(3_600_000)
			case j >= drivers || rng.IntN(4) == 0:
				cost[i][j] = impossible
			default:
				cost[i][j] = rng.Int64N(scale)
			}
		}
	}
	return cost
}

func TestAssignIsCheapest(t *testing.T) {
	for _, seed := range seeds(t, 2000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		cost := randomCosts(rng, 1+rng.IntN(7), rng.IntN(6))
		got := assign(cost)
		if sum, want := total(t, cost, got.taken), cheapest(cost, 0, make([]bool, len(cost[0]))); sum != want {
			t.Fatalf("SEED=%d: %v costs %d, the cheapest %d: %v", seed, got.taken, sum, want, cost)
		}
		certify(t, cost, got)
	}
	eight := randomCosts(rand.New(rand.NewPCG(8, 8)), 8, 3)
	if got := assign(eight); total(t, eight, got.taken) != cheapest(eight, 0, make([]bool, len(eight[0]))) {
		t.Errorf("eight rows: %v is not the cheapest", got.taken)
	}
}

// Above eight rows the prices are the proof.
func TestAssignIsCertified(t *testing.T) {
	for _, seed := range seeds(t, 300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		cost := randomCosts(rng, 9+rng.IntN(40), rng.IntN(90))
		certify(t, cost, assign(cost))
	}
	if got := assign(nil); got.taken != nil {
		t.Errorf("nothing to assign gives %v", got)
	}
}

// certify checks the dual: prices that no pair undercuts, met by every pair taken,
// and free columns at no price. Weak duality does the rest.
func certify(t *testing.T, cost [][]int64, a assignment) {
	t.Helper()
	total(t, cost, a.taken)
	if err := proved(cost, a); err != nil {
		t.Fatal(err)
	}
}
