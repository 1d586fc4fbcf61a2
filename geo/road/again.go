package road

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// again is a metric some of whose lanes weigh something else now.
type again struct {
	state *state
	lanes []Lane
}

func (a again) weigh() { a.state.m.update(a.lanes, a.state.weight) }

// weighAll weighs each metric again. No two share what they write, so it does not
// matter which is first or whether they take turns: they do where there is little to
// do, a closed road for example, and otherwise share the processors.
func weighAll(metrics []again) {
	const little = 100
	lanes := 0
	for _, a := range metrics {
		lanes += len(a.lanes)
	}
	if lanes <= little {
		for _, a := range metrics {
			a.weigh()
		}
		return
	}
	together(len(metrics), func(i int) { metrics[i].weigh() })
}

// together calls do with each number below n, at once on as many processors as there
// are, and returns when all calls have. When some panic it does, for the one with the
// lowest number.
func together(n int, do func(i int)) {
	var next atomic.Int64
	panics := make([]error, n)
	guarded := func(i int) {
		defer func() {
			if value := recover(); value != nil {
				panics[i] = fmt.Errorf("%v\n\n%s", value, debug.Stack())
			}
		}()
		do(i)
	}
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				guarded(int(i))
			}
		})
	}
	all.Wait()
	for _, err := range panics {
		if err != nil {
			panic(err)
		}
	}
}
