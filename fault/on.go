//go:build chaos

package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Enabled says whether this is a test build.
const Enabled = true

// order is what is to happen at one point.
type order struct {
	verb   string        // kill, stop (SIGSTOP to itself; somebody else continues it), sleep
	length time.Duration // of a sleep
	nth    int           // at this passing only; 0: by chance
	chance float64
}

var (
	orders  map[string]order
	mutants []string
	skew    time.Duration

	mu     sync.Mutex // guards the following field
	passed = map[string]int{}
)

func init() {
	var err error
	if orders, err = parseOrders(os.Getenv("CUNTONG_FAULT")); err == nil {
		skew, err = parseSkew(os.Getenv("CUNTONG_SKEW"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(2)
	}
	if names := os.Getenv("CUNTONG_MUTANT"); names != "" {
		mutants = strings.Split(names, ",")
	}
	if len(orders) > 0 || len(mutants) > 0 || skew != 0 {
		fmt.Fprintln(os.Stderr, "fault: THIS PROCESS IS BROKEN ON PURPOSE:", os.Getenv("CUNTONG_FAULT"), mutants, skew)
	}
}

func parseSkew(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}

// parseOrders reads point=verb[:length]@nth or @chance, separated by commas.
func parseOrders(s string) (map[string]order, error) {
	found := map[string]order{}
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		point, what, ok := strings.Cut(part, "=")
		what, when, ok2 := strings.Cut(what, "@")
		if !ok || !ok2 {
			return nil, fmt.Errorf("order %q: want point=verb@when", part)
		}
		var o order
		var length string
		o.verb, length, _ = strings.Cut(what, ":")
		if o.verb != "kill" && o.verb != "stop" && o.verb != "sleep" {
			return nil, fmt.Errorf("order %q: want kill, stop or sleep", part)
		}
		if length != "" {
			d, err := time.ParseDuration(length)
			if err != nil {
				return nil, fmt.Errorf("order %q: %w", part, err)
			}
			o.length = d
		}
		if n, err := strconv.Atoi(when); err == nil && n > 0 {
			o.nth = n
		} else if o.chance, err = strconv.ParseFloat(when, 64); err != nil || o.chance <= 0 || o.chance > 1 {
			return nil, fmt.Errorf("order %q: want a count from 1 on, or a chance above 0 and up to 1", part)
		}
		found[point] = o
	}
	return found, nil
}

// Point is a place at which a test build may kill, stop or slow the process.
func Point(name string) {
	o, ok := orders[name]
	if !ok {
		return
	}
	mu.Lock()
	passed[name]++
	n := passed[name]
	mu.Unlock()
	if o.nth > 0 && n != o.nth || o.nth == 0 && rand.Float64() >= o.chance {
		return
	}
	fmt.Fprintf(os.Stderr, "fault: %s at passing %d of %s\n", o.verb, n, name)
	switch o.verb {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "sleep":
		time.Sleep(o.length)
	}
}

// Mutant says whether a safeguard is to be left out.
func Mutant(name string) bool { return slices.Contains(mutants, name) }

// Skew is by how much the clock of the process is off.
func Skew() time.Duration { return skew }
