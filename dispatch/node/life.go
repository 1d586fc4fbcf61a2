package node

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"cuntong/dispatch"
)

// writer is what is asked of a [dispatch.Engine].
type writer interface {
	Prepare(ctx context.Context) error
	Run(ctx context.Context) error
	Leave(next dispatch.NodeID)
	Orphans() []dispatch.Input
	Ready() error
	Submit(in dispatch.Input) *dispatch.Refusal
	SubmitMail(in dispatch.Input, settled func()) *dispatch.Refusal
	Slot() *dispatch.Slot
}

// life is one life of this server as the writer of an area: an engine, and the epoch
// under which it writes.
type life struct {
	area   *Area
	engine writer
	ledger *epochLedger
}

// newLife makes an engine that is not running.
func (k *keeper) newLife() (*life, error) {
	cfg, err := k.node.cfg.Engine(k.served)
	if err != nil {
		return nil, err
	}
	l := &life{area: k.area, ledger: &epochLedger{Ledger: cfg.Ledger}}
	cfg.Ledger, cfg.Teller, cfg.Postman = l.ledger, teller{l}, postman{k.node}
	engine, err := dispatch.NewEngine(cfg)
	l.engine = engine
	return l, err
}

// epoch is that under which this life writes; 0 before the lease is taken.
func (l *life) epoch() dispatch.Epoch { return dispatch.Epoch(l.ledger.epoch.Load()) }

// errPanic: a fault in the program ended a writer. What it had recorded is recorded,
// and what it had not was told to nobody.
var errPanic = errors.New("the writer of this area has panicked")

// run is the engine's Run; a panic in it costs this life and nothing else.
func (l *life) run(ctx context.Context) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, value, debug.Stack())
		}
	}()
	return l.engine.Run(ctx)
}

// epochLedger is a ledger that remembers the epoch it was given.
type epochLedger struct {
	dispatch.Ledger
	epoch atomic.Uint64
}

// Acquire implements [dispatch.Ledger].
func (l *epochLedger) Acquire(ctx context.Context) (dispatch.Epoch, error) {
	epoch, err := l.Ledger.Acquire(ctx)
	if err == nil {
		l.epoch.Store(uint64(epoch))
	}
	return epoch, err
}
