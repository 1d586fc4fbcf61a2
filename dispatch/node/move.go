package node

import (
	"context"
	"slices"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
)

// Patience of a hand-over.
const (
	// answerIn is how long a successor may take to load an area.
	answerIn = 5 * time.Second
	// preparedFor is how long a loaded area is kept for the moment it is given up.
	preparedFor = 10 * time.Second
	// moveAgain is after how long a hand-over that came to nothing is tried again.
	moveAgain = 10 * time.Second
	// whoParcel is how many whereabouts go into one parcel.
	whoParcel = 4096
)

// move is the planned giving up of an area by its writer:
//
//	writer ─ prepare ─► successor: loads without a lease ─ prepared ─► writer
//	writer: takes in nothing more, finishes what waits, releases the lease to the successor alone ─ go ─► successor: writes
//
// A successor who does not answer gets nothing, and the area stays. Owned by the
// keeper's goroutine.
type move struct {
	keeper      *keeper
	life        *life
	stopReading context.CancelFunc

	to    dispatch.NodeID  // who was asked; empty: nobody
	timer *time.Timer      // of the answer
	given bool             // the area is being given up
	heir  dispatch.NodeID  // to whom; empty: to anybody
	at    dispatch.Instant // when nothing more was taken in
}

// look begins a hand-over when the area is to be elsewhere.
func (m *move) look() {
	k, n := m.keeper, m.keeper.node
	if m.given || m.to != "" {
		return
	}
	v := n.pulse.view.Load()
	to := v.owner(k.area.id)
	settled := time.Since(v.since) > settleFor && time.Now().After(k.handRest)
	if to == "" || to == n.cfg.ID || !settled && !n.leaving.Load() {
		return
	}
	select {
	case n.moves <- struct{}{}:
	default:
		return // enough are under way
	}
	m.to, m.timer = to, time.NewTimer(answerIn)
	n.couriers.send(to, parcel{kind: parcelPrepare, area: k.area.id, epoch: m.life.epoch()})
}

// patience is readable when the successor has not answered in time.
func (m *move) patience() <-chan time.Time {
	if m.timer == nil {
		return nil
	}
	return m.timer.C
}

// unanswered goes on without the successor. A server that stops gives the area to
// anybody then.
func (m *move) unanswered() {
	n := m.keeper.node
	n.metrics.handovers.WithLabelValues(handUnanswered).Inc()
	n.cfg.Log.Warn("the server that should have the area has not loaded it in time", "area", m.keeper.area.id, "server", m.to)
	m.keeper.handRest = time.Now().Add(moveAgain)
	if n.leaving.Load() {
		m.give("")
		return
	}
	m.release()
}

// prepared gives the area to the successor who has loaded it.
func (m *move) prepared(by dispatch.NodeID) {
	if by == m.to && !m.given {
		m.give(by)
	}
}

// give has the engine finish and release the lease. What comes meanwhile waits in the
// queue, and goes on as letters once the engine has ended.
func (m *move) give(to dispatch.NodeID) {
	k := m.keeper
	m.given, m.timer = true, nil
	fault.Point("handover.prepared")
	k.area.queue.stop()
	k.area.local.Store(nil)
	m.stopReading()
	if to != "" {
		who := append(k.area.presence.all(), k.area.here.all(k.node.cfg.ID)...)
		for some := range slices.Chunk(who, whoParcel) {
			k.node.couriers.send(to, parcel{kind: parcelWho, area: k.area.id, who: some})
		}
	}
	m.heir, m.at = to, dispatch.InstantOf(k.node.cfg.Now())
	m.life.engine.Leave(to)
}

// release lets another hand-over begin.
func (m *move) release() {
	if m.to == "" {
		return
	}
	<-m.keeper.node.moves
	m.to, m.timer = "", nil
	for _, k := range m.keeper.node.keepers {
		k.wake()
	}
}

// ended tells the successor, once the engine has ended, that the area is his.
func (m *move) ended(err error) {
	k := m.keeper
	m.release()
	switch {
	case m.heir == "":
	case err != nil:
		k.node.metrics.handovers.WithLabelValues(handFailed).Inc()
	default:
		k.node.couriers.send(m.heir, parcel{kind: parcelGo, area: k.area.id, at: m.at})
		fault.Point("handover.told")
		k.node.metrics.handovers.WithLabelValues(handedOver).Inc()
	}
}

// follow acts on a word of another server while the area is written elsewhere.
func (k *keeper) follow(ctx context.Context, p parcel) {
	switch p.kind {
	case parcelPrepare:
		k.prepare(ctx, p.from)
	case parcelGo:
		k.handedAt = p.at
		if k.prepared == nil {
			k.handedAt = 0 // too late: the lease says whose the area is
		}
	}
}

// prepare loads the area ahead and says so.
func (k *keeper) prepare(ctx context.Context, writer dispatch.NodeID) {
	if k.node.leaving.Load() {
		return
	}
	l, err := k.ahead(ctx, answerIn)
	if err != nil {
		k.node.cfg.Log.Warn("an area that is to be written here could not be loaded ahead", "area", k.area.id, "err", err)
		return
	}
	k.prepared, k.preparing, k.handedAt = l, time.Now(), 0
	k.node.couriers.send(writer, parcel{kind: parcelPrepared, area: k.area.id})
}
