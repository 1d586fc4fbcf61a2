package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cuntong/geo"
)

// modelRedis is Redis as far as the ledger is concerned: what the scripts do, a
// master whose replicas lag behind, and the ways in which it fails. Its state is
// copied by value, so that a fail-over is going back to an earlier one.
type modelRedis struct {
	fleet *fleet
	areas map[geo.AreaID]*modelArea
	// undo holds what each write has replaced, newest last; offset counts the writes.
	undo   []undone
	offset int
	// acked is how far each replica has come.
	acked [2]int
	down  bool
	back  int64 // when it was last away
	run   int   // counts the masters: what was sent to an old one does not arrive

	breaks breaks
}

// breaks are the safeguards that are left out.
type breaks struct {
	noEpoch    bool // a writer who was shut out may append
	noBatch    bool // a repeated append is one more
	noWait     bool // what no replica has is acknowledged
	toldFirst  bool // people are told before it is recorded
	ttlOnly    bool // who holds the lease by his own reckoning may append
	noTransfer bool // who is handed over twice is not known again
}

// modelArea is what the keys of one area hold. It is copied by value: the facts are
// never changed in place, and a state that is gone back to has no room behind them.
type modelArea struct {
	seq, snapshot, trimmed Seq
	epoch                  Epoch
	writer                 string
	batch                  BatchID
	facts                  []Fact // all there ever were; those up to trimmed are for the arbiter alone
	state                  []byte
	owner                  string
	lease                  Epoch
	token                  string
	until                  int64
	next                   NodeID
	nextUntil              int64
	archived               int
	shadow                 []Fact // of the time before Redis lost them
}

type undone struct {
	area *modelArea
	was  modelArea
	at   int64
}

const (
	modelLease   = 3 * time.Second
	modelReserve = 2 * time.Second
	modelUndo    = 400 // most writes that a fail-over can lose
)

var (
	errModelDown    = errors.New("redis is away")
	errModelLost    = errors.New("no reply came")
	errModelPending = errors.New("written, and too few replicas have it")
)

// write keeps what an area was before it is changed.
func (m *modelRedis) write(a *modelArea) {
	m.undo = append(m.undo, undone{a, *a, m.fleet.now})
	m.offset++
	if over := len(m.undo) - 2*modelUndo; over > 0 {
		m.undo = append([]undone(nil), m.undo[modelUndo:]...)
	}
}

// replicate lets the replicas take what is written, each now or later, and says
// whether one of them has it: the majority with the master.
func (m *modelRedis) replicate() bool {
	prompt := 75
	if m.breaks.noWait {
		prompt = 50
	}
	for i := range m.acked {
		if m.offset-m.acked[i] > modelUndo/2 || m.fleet.rng.IntN(100) < prompt {
			m.acked[i] = m.offset
		}
	}
	return max(m.acked[0], m.acked[1]) == m.offset
}

// since returns how many writes there were before a moment.
func (m *modelRedis) since(at int64) int {
	n := m.offset
	for i := len(m.undo) - 1; i >= 0 && m.undo[i].at >= at; i-- {
		n--
	}
	return n
}

// leasesAt says whether every lease would still run for so long if only so many
// writes were left.
func (m *modelRedis) leasesAt(offset int, long time.Duration) bool {
	left := map[*modelArea]int64{}
	for _, a := range m.areas {
		left[a] = a.until
	}
	for i := 1; i <= m.offset-offset; i++ {
		last := m.undo[len(m.undo)-i]
		left[last.area] = last.was.until
	}
	for _, until := range left {
		if until < m.fleet.now+int64(long) {
			return false
		}
	}
	return true
}

// lose goes back to the state after so many writes.
func (m *modelRedis) lose(offset int) {
	for _, a := range m.areas {
		defer func(facts []Fact) { a.shadow = facts }(a.facts)
	}
	for m.offset > offset && len(m.undo) > 0 {
		last := m.undo[len(m.undo)-1]
		*last.area = last.was
		last.area.facts = last.area.facts[:len(last.area.facts):len(last.area.facts)]
		m.undo = m.undo[:len(m.undo)-1]
		m.offset--
	}
	m.acked = [2]int{m.offset, m.offset}
	m.run++
	for _, a := range m.fleet.areas {
		m.fleet.trace("redis has lost what came after: %s is at %d, epoch %d, was at %d", a.geo.ID, a.seq, a.epoch, len(a.shadow))
	}
}

// wipe loses everything there ever was.
func (m *modelRedis) wipe() {
	for _, a := range m.areas {
		shadow := a.shadow
		*a = modelArea{shadow: shadow}
	}
	m.undo = nil
	m.fleet.trace("redis has lost everything")
}

// failOver promotes the replica that has come furthest.
func (m *modelRedis) failOver() { m.lose(max(m.acked[0], m.acked[1])) }

// modelLedger is one writer's ledger.
type modelLedger struct {
	redis *modelRedis
	area  *modelArea
	life  *life
	node  NodeID
	token string
	epoch Epoch
	top   Epoch
	known Seq
	until int64 // of the lease, as the writer reckons
	valid bool  // it ran when the request at hand was sent
}

// call carries one script to Redis and its answer back, or not. A request that is
// late is executed after the caller has given up.
func (l *modelLedger) call(writes bool, script func() error) error {
	m, rng := l.redis, l.redis.fleet.rng
	run, valid := m.run, m.fleet.now < l.until
	execute := func() error {
		l.valid = valid
		if m.down || m.run != run {
			return errModelDown
		}
		before := m.offset
		err := script()
		if err == nil && m.offset > before && !m.replicate() && !m.breaks.noWait {
			return errModelPending
		}
		return err
	}
	fleet := m.fleet
	often := 15
	if b := m.breaks; b.noEpoch || b.ttlOnly {
		often = 50
	}
	if !fleet.trouble || rng.IntN(1000) >= often {
		return execute()
	}
	defer func() { l.life.steady = fleet.now }()
	kind := rng.IntN(6)
	if often > 15 && kind < 3 { // stopped for about as long as it takes to be replaced
		fleet.pause(l.life.host, fleet.between(3*time.Second, 6*time.Second))
		l.life.task.sleep(0)
		return execute()
	}
	switch kind {
	case 0: // the request is lost
		l.life.task.sleep(200 * time.Millisecond)
		return errModelLost
	case 1: // the reply is lost
		_ = execute()
		fleet.lostReplies++
		l.life.task.sleep(200 * time.Millisecond)
		return errModelLost
	case 2: // the request comes late: the caller does not wait for it
		if writes {
			l.later(execute)
		}
		l.life.task.sleep(200 * time.Millisecond)
		return errModelLost
	case 3: // the server is stopped before its request leaves
		fleet.pause(l.life.host, fleet.upTo(8*time.Second))
		l.life.task.sleep(0)
		return execute()
	case 4: // the server is stopped while the reply is under way
		err := execute()
		fleet.pause(l.life.host, fleet.upTo(8*time.Second))
		l.life.task.sleep(0)
		return err
	}
	l.life.task.sleep(fleet.upTo(20 * time.Millisecond))
	err := execute()
	l.life.task.sleep(fleet.upTo(20 * time.Millisecond))
	return err
}

// later executes a request after a while, as a zombie's.
func (l *modelLedger) later(execute func() error) {
	fleet := l.redis.fleet
	fleet.after(fleet.upTo(6*time.Second), func() {
		if execute() == nil {
			fleet.zombies++
		}
	})
}

// Acquire is lease.lua.
func (l *modelLedger) Acquire(context.Context) (epoch Epoch, err error) {
	mine := l.epoch
	err = l.call(true, func() error { epoch, err = l.acquire(mine); return err })
	if err != nil {
		return 0, err
	}
	l.epoch, l.top = epoch, max(l.top, epoch)
	l.until = l.redis.fleet.now + int64(modelLease)
	return epoch, nil
}

func (l *modelLedger) acquire(mine Epoch) (Epoch, error) {
	a, now := l.area, l.redis.fleet.now
	epoch, taken := max(a.lease, a.epoch), false
	switch {
	case mine > 0 && epoch > mine:
		return 0, ErrFenced
	case mine > 0 && a.epoch < mine:
		return 0, ErrBehind
	case mine > 0 && a.writer != l.token:
		return 0, ErrFenced
	case mine > 0 && a.seq < l.known:
		return 0, ErrBehind
	case mine > 0:
	case a.token != l.token || a.writer != l.token:
		if a.owner != "" && a.until > now {
			return 0, ErrHeld
		}
		if a.next != "" && a.next != l.node && a.nextUntil > now {
			return 0, ErrHeld
		}
		epoch, taken = max(epoch, l.top)+1, true
	}
	l.redis.write(a)
	a.owner, a.token, a.lease, a.until, a.next = string(l.node), l.token, epoch, now+int64(modelLease), ""
	if taken {
		a.epoch, a.writer, a.batch = epoch, l.token, ""
	}
	return epoch, nil
}

// Release is release.lua.
func (l *modelLedger) Release(_ context.Context, next NodeID) error {
	mine := l.epoch
	if mine == 0 {
		return nil
	}
	err := l.call(true, func() error {
		a := l.area
		if e := max(a.lease, a.epoch); e > mine || e == mine && a.writer != l.token {
			return ErrFenced
		}
		l.redis.write(a)
		a.owner, a.token, a.lease, a.until = "", "", mine, 0
		a.next, a.nextUntil = next, l.redis.fleet.now+int64(modelReserve)
		return nil
	})
	if err == nil {
		l.epoch = 0
	}
	return err
}

// Load reads everything.
func (l *modelLedger) Load(_ context.Context, each func(Fact) error) (state []byte, at Seq, err error) {
	var facts []Fact
	err = l.call(false, func() error {
		a := l.area
		state, at, facts = a.state, a.snapshot, a.facts[a.snapshot:a.seq]
		return nil
	})
	for _, f := range facts {
		if err == nil {
			err = each(f)
		}
	}
	return state, at, err
}

// LoadAfter reads on.
func (l *modelLedger) LoadAfter(_ context.Context, after Seq, each func(Fact) error) error {
	var facts []Fact
	err := l.call(false, func() error {
		a := l.area
		if after < a.trimmed {
			return ErrTrimmed
		}
		if after < a.seq {
			facts = a.facts[after:a.seq]
		}
		return nil
	})
	for _, f := range facts {
		if err == nil {
			err = each(f)
		}
	}
	return err
}

// fence is the first part of every script that writes.
func (l *modelLedger) fence(epoch Epoch) error {
	a := l.area
	switch b := l.redis.breaks; {
	case b.noEpoch:
		return nil
	case b.ttlOnly && !l.valid:
		return ErrFenced
	case b.ttlOnly:
		return nil
	case a.epoch > epoch:
		return ErrFenced
	case a.epoch < epoch:
		return ErrBehind
	case a.writer != l.token:
		return ErrFenced
	}
	return nil
}

// Append is append.lua.
func (l *modelLedger) Append(_ context.Context, id BatchID, after Seq, facts []Fact) error {
	if len(facts) == 0 || len(facts) > MaxBatchFacts {
		return fmt.Errorf("%d facts", len(facts))
	}
	epoch, a := l.epoch, l.area
	err := l.call(true, func() error {
		if err := l.fence(epoch); err != nil {
			return err
		}
		end := after + Seq(len(facts))
		switch {
		case l.redis.breaks.noBatch && a.seq >= end: // one more
			for i := range facts {
				facts[i].Seq = a.seq + Seq(i) + 1
			}
		case a.batch == id && a.seq == end:
			l.redis.write(a)
			return nil
		case a.seq != after:
			return ErrBehind
		}
		l.redis.write(a)
		l.extend(facts)
		a.batch = id
		return nil
	})
	if err == nil {
		l.known = max(l.known, after+Seq(len(facts)))
	}
	return err
}

func (l *modelLedger) extend(facts []Fact) {
	a := l.area
	a.facts = append(a.facts, facts...)
	a.seq += Seq(len(facts))
}

// Save is save.lua.
func (l *modelLedger) Save(_ context.Context, at Seq, state []byte) error {
	epoch, a := l.epoch, l.area
	return l.call(true, func() error {
		if err := l.fence(epoch); err != nil {
			return err
		}
		if at > a.seq || at < a.snapshot {
			return ErrBehind
		}
		l.redis.write(a)
		if at > a.snapshot {
			a.trimmed = a.snapshot
		}
		a.state, a.snapshot = state, at
		return nil
	})
}

// Archive counts.
func (l *modelLedger) Archive(_ context.Context, trips []EndedTrip) error {
	epoch, a := l.epoch, l.area
	return l.call(true, func() error {
		if err := l.fence(epoch); err != nil {
			return err
		}
		l.redis.write(a)
		a.archived += len(trips)
		return nil
	})
}

// Head is head.lua.
func (l *modelLedger) Head(context.Context) (head Head, err error) {
	err = l.call(false, func() error { head = l.head(); return nil })
	return head, err
}

func (l *modelLedger) head() Head {
	a := l.area
	return Head{Seq: a.seq, Epoch: a.epoch, Mine: a.writer == l.token, Batch: a.batch, Snapshot: a.snapshot}
}

// take is the second part of mend.lua and reseed.lua.
func (l *modelLedger) take(epoch Epoch, batch BatchID) {
	a := l.area
	a.epoch, a.writer, a.batch = epoch, l.token, batch
	a.owner, a.token, a.lease, a.until, a.next = string(l.node), l.token, epoch, l.redis.fleet.now+int64(modelLease), ""
}

// Mend is mend.lua.
func (l *modelLedger) Mend(_ context.Context, found Head, id BatchID, facts []Fact) error {
	epoch, a := l.epoch, l.area
	return l.call(true, func() error {
		switch head := l.head(); {
		case max(a.epoch, a.lease) > epoch, a.epoch == epoch && !head.Mine:
			return ErrFenced
		case a.epoch == epoch && a.batch == id && a.seq == found.Seq+Seq(len(facts)):
			l.redis.write(a)
			return nil
		case head.Seq != found.Seq || head.Epoch != found.Epoch || head.Batch != found.Batch || head.Mine != found.Mine:
			return ErrBehind
		}
		l.redis.write(a)
		l.extend(facts)
		l.take(epoch, id)
		return nil
	})
}

// Reseed is reseed.lua.
func (l *modelLedger) Reseed(_ context.Context, found Head, at Seq, state []byte) error {
	epoch, a := l.epoch, l.area
	return l.call(true, func() error {
		switch head := l.head(); {
		case max(a.epoch, a.lease) > epoch, a.epoch == epoch && !head.Mine:
			return ErrFenced
		case a.epoch == epoch && a.batch == "" && a.seq == at && a.snapshot == at:
			l.redis.write(a)
			return nil
		case head.Seq != found.Seq || head.Epoch != found.Epoch || head.Batch != found.Batch || head.Mine != found.Mine || head.Seq > at:
			return ErrBehind
		}
		l.redis.write(a)
		a.seq, a.snapshot, a.trimmed, a.state = at, at, at, state
		e := l.life.engine // for the arbiter: what the state holds
		a.facts = append(append(make([]Fact, 0, at), a.shadow[:e.recorded]...), e.hand.facts[e.recorded+Seq(len(e.hand.facts))-at:]...)
		l.take(epoch, "")
		return nil
	})
}

// noMirror shows nothing.
type noMirror struct{}

func (noMirror) Show(context.Context, []MirrorFix, []DriverID) error  { return nil }
func (noMirror) Shown(context.Context, Instant, int64) ([]Fix, error) { return nil, nil }
