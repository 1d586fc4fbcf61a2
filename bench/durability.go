package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/dispatch"
	"cuntong/dispatch/redisstore"
	"cuntong/dispatch/redisstore/redistest"
	"cuntong/geo"
)

// The measure of durability: one fact an append, beside one XADD of the same bytes
// on the same server.
const (
	durabilityWarmUp = 200
	durabilityRounds = 2_000
	// durabilityWriters append at once where appends a second are measured.
	durabilityWriters = 16
	durabilityTime    = 2 * time.Second
)

// level is a way to call a fact written.
type level struct {
	name     string
	replicas int
	settings []string
	// latency bounds the p99 of an append by that of an XADD, rate its appends a second.
	latency, rate float64
}

var levels = []level{
	{name: "everysec", settings: []string{"appendfsync everysec"}, latency: 3, rate: 0.33},
	{name: "always", latency: 3, rate: 0.33},
	{name: "always_wait1", replicas: 2, latency: 6, rate: 0.15},
}

// durabilityNames are the figures of every level.
func durabilityNames() []string {
	var names []string
	for _, l := range levels {
		names = append(names, "append_p99_"+l.name, "append_rate_"+l.name)
	}
	return names
}

// durability measures append_p99_<level> and append_rate_<level>: what an append
// costs where a server syncs once a second, before every answer, and where one
// replica of two has synced as well. The baseline is a bare XADD on the same server,
// which waits for no replica.
func durability(ctx context.Context, _ io.Writer) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	var rows []Row
	for _, l := range levels {
		taken, err := durabilityOf(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("durability %s: %w", l.name, err)
		}
		rows = append(rows, taken...)
	}
	return rows, nil
}

func durabilityOf(ctx context.Context, l level) ([]Row, error) {
	set, err := redistest.Replicated(ctx, redistest.Options{Settings: l.settings}, l.replicas)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	store, err := redisstore.Open(ctx, redisstore.Config{Mode: set.URL(), Node: "bench", AllowUnsafe: true, LeaseFor: time.Hour,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if want := (l.replicas + 1) / 2; store.Copies() != want {
		return nil, fmt.Errorf("an append waits for %d replicas, want %d", store.Copies(), want)
	}
	bare := set.Data[0].Client()
	defer bare.Close()
	ours, theirs, err := appendTimes(ctx, store, bare)
	if err != nil {
		return nil, err
	}
	appends, err := inOneTime(ctx, func(ctx context.Context, writer int) (func() error, error) {
		return newAppender(ctx, store, fmt.Sprint("rate-", writer))
	})
	if err != nil {
		return nil, err
	}
	xadds, err := inOneTime(ctx, func(ctx context.Context, writer int) (func() error, error) {
		return newAdder(ctx, bare, fmt.Sprint("bare-", writer)), nil
	})
	if err != nil {
		return nil, err
	}
	return []Row{
		compare(Row{Name: "append_p99_" + l.name, Value: millis(percentile(ours, 99)), Unit: "ms", Baseline: "bare XADD, p99", BaselineValue: millis(percentile(theirs, 99)), Budget: l.latency}),
		compare(Row{Name: "append_rate_" + l.name, Value: appends, Unit: "/s", Baseline: "bare XADDs a second", BaselineValue: xadds, Budget: l.rate, AtLeast: true}),
	}, nil
}

// appendTimes alternates appends and bare XADDs, so that both meet the same disk.
func appendTimes(ctx context.Context, store *redisstore.Store, bare *redis.Client) (ours, theirs []time.Duration, err error) {
	record, err := newAppender(ctx, store, "latency")
	if err != nil {
		return nil, nil, err
	}
	add := newAdder(ctx, bare, "bare")
	for i := range durabilityWarmUp + durabilityRounds {
		began := time.Now()
		if err := record(); err != nil {
			return nil, nil, err
		}
		recorded := time.Now()
		if err := add(); err != nil {
			return nil, nil, err
		}
		if i >= durabilityWarmUp {
			ours = append(ours, recorded.Sub(began))
			theirs = append(theirs, time.Since(recorded))
		}
	}
	return ours, theirs, nil
}

// oneFact is what is written each time.
func oneFact(seq dispatch.Seq) dispatch.Fact {
	return dispatch.Fact{Seq: seq, At: 1_700_000_000_000, Body: dispatch.DutyEnded{Driver: "d1"}, Cause: &dispatch.Cause{By: dispatch.DriverActor("d1"), ID: "c1", Sum: 1}}
}

// newAppender takes an area and returns what appends the next fact to it.
func newAppender(ctx context.Context, store *redisstore.Store, area string) (func() error, error) {
	a := store.Area(geo.AreaID(area))
	if _, err := a.Acquire(ctx); err != nil {
		return nil, err
	}
	seq := dispatch.Seq(0)
	return func() error {
		err := a.Append(ctx, dispatch.BatchID(fmt.Sprint("b", seq)), seq, []dispatch.Fact{oneFact(seq + 1)})
		seq++
		return err
	}, nil
}

// newAdder returns what adds the next entry to a stream.
func newAdder(ctx context.Context, bare *redis.Client, stream string) func() error {
	seq := dispatch.Seq(0)
	return func() error {
		seq++
		line, err := dispatch.MarshalFact(oneFact(seq))
		if err != nil {
			return err
		}
		return bare.XAdd(ctx, &redis.XAddArgs{Stream: stream, ID: fmt.Sprint(seq, "-0"), Values: []any{"f", line}}).Err()
	}
}

// inOneTime lets several writers write for a while and returns their writes a second.
func inOneTime(ctx context.Context, start func(ctx context.Context, writer int) (func() error, error)) (float64, error) {
	writes := make([]func() error, durabilityWriters)
	for i := range writes {
		var err error
		if writes[i], err = start(ctx, i); err != nil {
			return 0, err
		}
	}
	var count atomic.Int64
	errs := make(chan error, durabilityWriters)
	var all sync.WaitGroup
	began := time.Now()
	for _, write := range writes {
		all.Go(func() {
			for time.Since(began) < durabilityTime {
				if err := write(); err != nil {
					errs <- err
					return
				}
				count.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(count.Load()) / took.Seconds(), nil
	}
}
