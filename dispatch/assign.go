package dispatch

import "math"

// impossible is the cost of a pair that may not be.
const impossible = math.MaxInt64 / 4

// assignment is the outcome of assign.
type assignment struct {
	// taken is, for each row, the column it is given.
	taken []int
	// rows and columns are dual prices: rows[i]+columns[j] <= cost[i][j] for every pair,
	// with equality for those taken, and columns[j] <= 0, with equality for those left
	// over. They prove, without another search, that no assignment is cheaper.
	rows, columns []int64
}

// assign gives every row a column of its own so that the costs add up to the least
// there can be. Rows must not outnumber columns, and some complete assignment must
// be possible. Among equally cheap ones the outcome is always the same.
//
// It is the shortest augmenting path method for the rectangular linear assignment
// problem: R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for
// dense and sparse linear assignment problems", Computing 38, 1987; without their
// initial heuristics, which a few dozen rows do not repay. O(rows² · columns).
func assign(cost [][]int64) assignment {
	rows := len(cost)
	if rows == 0 {
		return assignment{}
	}
	columns := len(cost[0])
	a := augmenter{
		cost:       cost,
		assignment: assignment{taken: make([]int, rows), rows: make([]int64, rows), columns: make([]int64, columns)},
		owner:      make([]int, columns),
		reached:    make([]int64, columns),
		from:       make([]int, columns),
		closed:     make([]bool, columns),
	}
	for j := range a.owner {
		a.owner[j] = -1
	}
	for i := range cost {
		a.augment(i)
	}
	for j, i := range a.owner {
		if i >= 0 {
			a.taken[i] = j
		}
	}
	return a.assignment
}

// augmenter is an assignment of the first rows, being extended by one more.
type augmenter struct {
	assignment
	cost    [][]int64
	owner   []int   // by column: its row, or -1
	reached []int64 // by column: the cheapest alternating path found to it
	from    []int   // by column: the row that path comes from
	closed  []bool  // by column: no cheaper path will be found
}

// augment finds the cheapest alternating path from a new row to a column nobody
// has (Dijkstra over reduced costs), corrects the prices, and gives every row on
// the path its next column.
func (a *augmenter) augment(row int) {
	for j := range a.reached {
		a.reached[j], a.closed[j] = impossible, false
	}
	at, far, end := row, int64(0), -1
	for end < 0 {
		next := -1
		for j, closed := range a.closed {
			if closed {
				continue
			}
			if d := far + a.cost[at][j] - a.rows[at] - a.columns[j]; d < a.reached[j] {
				a.reached[j], a.from[j] = d, at
			}
			if next < 0 || a.reached[j] < a.reached[next] {
				next = j
			}
		}
		a.closed[next], far = true, a.reached[next]
		if at = a.owner[next]; at < 0 {
			end = next
		}
	}
	a.reprice(row, far)
	for at := end; ; {
		i := a.from[at]
		a.owner[at] = i
		at, a.taken[i] = a.taken[i], at
		if i == row {
			return
		}
	}
}

// reprice keeps every reduced cost from falling below zero and makes the path cost nothing.
func (a *augmenter) reprice(row int, far int64) {
	a.rows[row] += far
	for j, closed := range a.closed {
		if !closed || a.reached[j] == far {
			continue
		}
		a.columns[j] += a.reached[j] - far
		a.rows[a.owner[j]] += far - a.reached[j]
	}
}
