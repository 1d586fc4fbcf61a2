package oracle

import (
	"math"
	"slices"
	"strings"
	"time"

	"cuntong/chaos/history"
)

// AreaOf is the area a command was about: that of its trip, which the phones name
// after it, or that of who gave it.
func AreaOf(op history.Op) string {
	if area, _, ok := strings.Cut(op.Trip, "."); ok {
		return area
	}
	return op.Area
}

// Gap is the longest that anybody waited for the done of a command, repeats and
// reconnecting included, of those who waited at some moment between from and until.
func Gap(h history.History, from, until time.Duration) time.Duration {
	var longest time.Duration
	for _, op := range h.Ops {
		if op.Outcome == history.OK && op.Invoke < until && op.Return > from {
			longest = max(longest, op.Return-op.Invoke)
		}
	}
	return longest
}

// Takeover is how long after the death of a server the first command of one of its
// areas was acknowledged by another that was sent after it; false: none was.
func Takeover(h history.History, at time.Duration, area, dead string) (time.Duration, bool) {
	first := time.Duration(math.MaxInt64)
	for _, op := range h.Ops {
		if op.Outcome == history.OK && op.LastSent > at && op.Server != dead && AreaOf(op) == area {
			first = min(first, op.Return-at)
		}
	}
	return first, first != math.MaxInt64
}

// Handover is the longest that anybody who stayed connected to a server other than
// the leaving one waited for a command of an area while it changed hands.
func Handover(h history.History, from, until time.Duration, area, leaving string) time.Duration {
	var longest time.Duration
	for _, op := range h.Ops {
		if op.Outcome == history.OK && op.Sends == 1 && op.Server != leaving && AreaOf(op) == area && op.Invoke < until && op.Return > from {
			longest = max(longest, op.Return-op.Invoke)
		}
	}
	return longest
}

// Silence is the longest span between two moments in which no command of an area was
// acknowledged, of all areas the longest. It is the gap in the service, where [Gap] is
// that in somebody's day.
func Silence(h history.History, from, until time.Duration, areas []string) time.Duration {
	acks := map[string][]time.Duration{}
	for _, op := range h.Ops {
		if op.Outcome == history.OK && op.Return > from && op.Return < until {
			acks[AreaOf(op)] = append(acks[AreaOf(op)], op.Return)
		}
	}
	var longest time.Duration
	for _, area := range areas {
		last := from
		for _, at := range append(slices.Sorted(slices.Values(acks[area])), until) {
			longest = max(longest, at-last)
			last = at
		}
	}
	return longest
}

// Acks counts the commands, and the completed trips among them, that were acknowledged
// between two moments.
func Acks(h history.History, from, until time.Duration) (acks, trips int) {
	for _, op := range h.Ops {
		if op.Outcome == history.OK && op.Return >= from && op.Return < until {
			acks++
			if op.Kind == "complete" {
				trips++
			}
		}
	}
	return acks, trips
}

// Percentile is the least value that share of the values do not exceed; 0 of none.
func Percentile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(math.Ceil(share*float64(len(sorted))))-1)]
}
