package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
)

// Bounds of what waits to be sent to the writer of an area.
const (
	// maxAway bounds the commands; the next is refused as unavailable.
	maxAway = 4096
	// maxAwayFixes bounds the drivers whose newest position waits; others' are dropped.
	maxAwayFixes = 65_536
	// maxSend bounds the letters in one Send.
	maxSend = 128
	// maxFixes bounds the positions in one letter.
	maxFixes = 2048
)

// Patience of a queue.
const (
	// fixesEvery is how often positions are sent on.
	fixesEvery = 250 * time.Millisecond
	// patience is how long a command may wait to be sent before its party is refused.
	patience    = 2 * time.Second
	sendTimeout = time.Second
)

// outgoing is something that waits for the writer of an area.
type outgoing struct {
	in    dispatch.Input // nil when gone
	mail  bool           // from another area; nobody waits for it
	gone  bool
	actor dispatch.Actor // who is gone
	since time.Time
}

// queue is what waits for the writer of an area while that is not here, or not yet, or
// not any more. Its goroutine sends it on as letters, or hands it to the engine here.
type queue struct {
	area *Area
	wake chan struct{} // holds a token when there may be something to do

	mu      sync.Mutex // guards the following fields
	hold    bool       // the writer here is about to begin or to end: nothing is sent
	sending bool       // a batch is on its way, and no more in waiting
	waiting []outgoing
	fixes   map[dispatch.DriverID]dispatch.Fix
}

func (q *queue) init(a *Area) {
	q.area, q.wake = a, make(chan struct{}, 1)
	q.fixes = map[dispatch.DriverID]dispatch.Fix{}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// add takes something, or returns false when the queue is full.
func (q *queue) add(o outgoing) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.area.local.Load(); l != nil && len(q.waiting) == 0 && !o.gone {
		return l.engine.Submit(o.in) == nil // the area has been taken meanwhile
	}
	if len(q.waiting) >= maxAway {
		return false
	}
	o.since = time.Now()
	q.waiting = append(q.waiting, o)
	q.signal()
	return true
}

// move keeps a driver's newest position until the next letter.
func (q *queue) move(fix dispatch.Fix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.fixes[fix.Driver]; !ok && len(q.fixes) >= maxAwayFixes {
		q.area.node.metrics.forwarded.WithLabelValues("dropped").Inc()
		return
	}
	q.fixes[fix.Driver] = fix
}

// stop holds everything back: the area is being taken, or given up.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hold = true
}

// resume goes on sending, what these inputs are first: a writer here has ended and left
// them undone.
func (q *queue) resume(first []dispatch.Input) {
	back := make([]outgoing, 0, len(first))
	for _, in := range first {
		by, _, _ := dispatch.Asker(in)
		back = append(back, outgoing{in: in, mail: by.Role == "", since: time.Now()})
	}
	q.mu.Lock()
	q.hold = false
	q.waiting = append(back, q.waiting...)
	q.mu.Unlock()
	q.signal()
}

// open hands what waits to the engine here, in order, and makes it the one that takes
// commands. It returns false when a batch is still on its way to the inbox, or when the
// engine takes nothing.
func (q *queue) open(l *life) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sending {
		return false
	}
	done := 0
	for _, o := range q.waiting {
		if !o.gone && l.engine.Submit(o.in) != nil {
			break
		}
		done++
	}
	q.waiting = slices.Delete(q.waiting, 0, done)
	if len(q.waiting) > 0 {
		return false
	}
	for _, fix := range q.fixes {
		l.engine.Slot().Put(fix)
	}
	clear(q.fixes)
	q.hold = false
	q.area.local.Store(l)
	return true
}

// run sends what waits until ctx ends.
func (q *queue) run(ctx context.Context) {
	tick := time.NewTicker(fixesEvery)
	defer tick.Stop()
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		case <-tick.C:
			q.expire()
			q.sendFixes(ctx)
		}
		for {
			err := q.send(ctx)
			if errors.Is(err, errNothing) {
				wait = firstRetry
				break
			}
			if err == nil {
				continue
			}
			q.expire()
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, lastRetry)
		}
	}
}

// errNothing: nothing waits that may be sent.
var errNothing = errors.New("nothing is to be sent")

// send sends one batch of commands. When the outcome is not known it is sent again:
// what comes twice is answered twice and done once.
func (q *queue) send(ctx context.Context) error {
	q.mu.Lock()
	if q.hold || len(q.waiting) == 0 {
		q.mu.Unlock()
		return errNothing
	}
	batch := slices.Clone(q.waiting[:min(len(q.waiting), maxSend)])
	q.waiting = slices.Delete(q.waiting, 0, len(batch))
	q.sending = true
	q.mu.Unlock()
	letters := make([][]byte, 0, len(batch))
	for _, o := range batch {
		if body, err := q.letter(o); err == nil {
			letters = append(letters, body)
		} else {
			q.area.node.cfg.Log.Error("a command cannot be sent to another server", "area", q.area.id, "err", err)
		}
	}
	err := q.put(ctx, letters)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sending = false
	if err != nil {
		q.waiting = append(batch, q.waiting...)
		return err
	}
	q.area.node.metrics.forwarded.WithLabelValues("command").Add(float64(len(letters)))
	return nil
}

func (q *queue) put(ctx context.Context, letters [][]byte) error {
	if len(letters) == 0 {
		return nil
	}
	fault.Point("forward.before")
	once, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := q.area.node.cfg.Exchange.Send(once, q.area.id, letters)
	if err != nil {
		q.area.node.metrics.exchangeNo.WithLabelValues("send").Inc()
		return err
	}
	fault.Point("forward.after")
	return nil
}

// letter is something that waits, as a letter.
func (q *queue) letter(o outgoing) ([]byte, error) {
	l := letter{kind: letterInput, from: q.area.node.cfg.ID}
	switch {
	case o.gone:
		l.kind, l.actor = letterGone, o.actor
		return l.bytes(), nil
	case o.mail:
		l.kind = letterMail
	}
	body, err := dispatch.MarshalInput(o.in)
	l.body = body
	return l.bytes(), err
}

// sendFixes sends the newest position of every driver who has moved. A letter that is
// lost is made up for by the next.
func (q *queue) sendFixes(ctx context.Context) {
	q.mu.Lock()
	if q.hold || len(q.fixes) == 0 {
		q.mu.Unlock()
		return
	}
	fixes := make([]dispatch.Fix, 0, len(q.fixes))
	for _, fix := range q.fixes {
		fixes = append(fixes, fix)
	}
	clear(q.fixes)
	q.mu.Unlock()
	var letters [][]byte
	for some := range slices.Chunk(fixes, maxFixes) {
		body, err := dispatch.MarshalFixes(some)
		if err != nil {
			q.area.node.cfg.Log.Error("positions cannot be sent to another server", "area", q.area.id, "err", err)
			return
		}
		letters = append(letters, letter{kind: letterFixes, from: q.area.node.cfg.ID, body: body}.bytes())
	}
	what := "position"
	if q.put(ctx, letters) != nil {
		what = "dropped"
	}
	q.area.node.metrics.forwarded.WithLabelValues(what).Add(float64(len(fixes)))
}

// expire refuses what has waited too long. It may have been sent; then its party's
// repeat is answered like the first.
func (q *queue) expire() {
	q.mu.Lock()
	old := 0
	for old < len(q.waiting) && time.Since(q.waiting[old].since) > patience {
		old++
	}
	expired := slices.Clone(q.waiting[:old])
	q.waiting = slices.Delete(q.waiting, 0, old)
	q.mu.Unlock()
	var notices []dispatch.Notice
	for _, o := range expired {
		if notice, ok := refused(o); ok {
			notices = append(notices, notice)
		}
	}
	q.area.node.metrics.forwarded.WithLabelValues("refused").Add(float64(len(expired)))
	if len(notices) > 0 {
		q.area.hub.Tell(notices)
	}
}

// refused is the answer to a command that could not be sent on; false when nobody waits
// for one: who asked for the truth or a board asks again.
func refused(o outgoing) (dispatch.Notice, bool) {
	if o.gone || o.mail {
		return dispatch.Notice{}, false
	}
	by, id, trip := dispatch.Asker(o.in)
	if id == "" && trip == "" {
		return dispatch.Notice{}, false
	}
	return dispatch.Notice{To: by, Body: dispatch.Refused{ID: id, Trip: trip, Refusal: *unavailable()}}, true
}
