package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// mirrorEvery is how often positions are shown to others.
const mirrorEvery = 500 * time.Millisecond

// mirrorer shows positions to others in batches, apart from the engine's goroutine
// so that a slow store costs dispatching nothing. It holds at most one position a
// driver; a newer one replaces an older one that has not been shown yet.
type mirrorer struct {
	mirror  Mirror
	metrics *Metrics
	log     *slog.Logger
	quit    chan struct{}

	mu      sync.Mutex // guards the following field
	waiting map[DriverID]MirrorFix
	gone    map[DriverID]bool
}

func newMirrorer(mirror Mirror, metrics *Metrics, log *slog.Logger) *mirrorer {
	return &mirrorer{
		mirror: mirror, metrics: metrics, log: log, quit: make(chan struct{}),
		waiting: map[DriverID]MirrorFix{}, gone: map[DriverID]bool{},
	}
}

func (m *mirrorer) show(fix MirrorFix) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[fix.Fix.Driver] = fix
	delete(m.gone, fix.Fix.Driver)
}

func (m *mirrorer) forget(id DriverID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, id)
	m.gone[id] = true
}

// take removes at most a batch of what waits.
func (m *mirrorer) take() (fixes []MirrorFix, gone []DriverID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, fix := range m.waiting {
		if len(fixes) == MaxMirrorBatch {
			break
		}
		fixes = append(fixes, fix)
		delete(m.waiting, id)
	}
	for id := range m.gone {
		if len(gone) == MaxMirrorBatch {
			break
		}
		gone = append(gone, id)
		delete(m.gone, id)
	}
	return fixes, gone
}

// run shows what waits every so often until stop is called, and once more then.
func (m *mirrorer) run(ctx context.Context) {
	ticker := time.NewTicker(mirrorEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-m.quit:
			m.flush(ctx)
			return
		case <-ticker.C:
		}
		err := m.flush(ctx)
		if err != nil && !failing {
			m.log.Warn("positions cannot be shown to others; dispatching is not affected", "err", err)
		}
		failing = err != nil
	}
}

func (m *mirrorer) stop() { close(m.quit) }

// flush shows what waits, a batch at a time. A batch that fails is dropped: the
// next position of each driver makes up for it.
func (m *mirrorer) flush(ctx context.Context) error {
	for {
		fixes, gone := m.take()
		if len(fixes)+len(gone) == 0 {
			return nil
		}
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTimeout)
		err := m.mirror.Show(once, fixes, gone)
		cancel()
		if err != nil {
			m.metrics.mirrorDropped.Add(float64(len(fixes) + len(gone)))
			return err
		}
	}
}
