package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"cuntong/dispatch"
	"cuntong/fault"
)

// Bounds and rhythm of reading an inbox.
const (
	// maxUnsettled bounds the letters that the engine has and has not settled; beyond,
	// nothing more is read.
	maxUnsettled = 2048
	// maxSlots bounds the drivers elsewhere whose slots are kept.
	maxSlots = 65_536
	// listenFor is how long one question waits for letters; alone, a server looks so often.
	listenFor = time.Second
	// aloneEvery is how often a server that is alone looks for letters: of those who were here before.
	aloneEvery = 2 * time.Second
	// readTimeout bounds one question, beyond what it waits.
	readTimeout = 2 * time.Second
	// discardEvery is how often settled letters are forgotten.
	discardEvery   = 200 * time.Millisecond
	discardTimeout = time.Second
	// busyWait is how long a reader waits for an engine that takes nothing.
	busyWait = 10 * time.Millisecond
)

// reader reads the inbox of an area for one life as its writer.
type reader struct {
	life   *life
	node   *Node
	caught chan struct{} // closed when the letters of before have been read

	// Owned by read.
	after dispatch.LetterID
	slots map[dispatch.DriverID]*dispatch.Slot

	mu      sync.Mutex // guards the following fields
	letters []*received
}

// received is a letter that has been read and not discarded.
type received struct {
	id      dispatch.LetterID
	settled bool
	told    uint64 // the place of the newest parcel when it was settled
}

func newReader(l *life) *reader {
	return &reader{life: l, node: l.area.node, caught: make(chan struct{}), slots: map[dispatch.DriverID]*dispatch.Slot{}}
}

// run reads until reading ends, and discards until living ends.
func (r *reader) run(reading, living context.Context) {
	var both sync.WaitGroup
	both.Go(func() { r.read(reading) })
	both.Go(func() { r.discardAll(living) })
	both.Wait()
}

// read reads letters and hands them to the engine.
func (r *reader) read(ctx context.Context) {
	caught := false
	retry := firstRetry
	for ctx.Err() == nil {
		wait := time.Duration(0)
		if caught {
			wait = listenFor
			if v := r.node.pulse.view.Load(); v != nil && len(v.known) == 1 {
				wait = 0
				r.pause(ctx, aloneEvery)
			}
		}
		letters, err := r.receive(ctx, wait)
		if err != nil {
			r.pause(ctx, retry)
			retry = min(2*retry, lastRetry)
			continue
		}
		retry = firstRetry
		if len(letters) == 0 && !caught {
			caught = true
			close(r.caught)
		}
		for _, l := range letters {
			if !r.take(ctx, l) {
				return
			}
		}
	}
}

func (r *reader) receive(ctx context.Context, wait time.Duration) ([]dispatch.Letter, error) {
	once, cancel := context.WithTimeout(ctx, wait+readTimeout)
	defer cancel()
	letters, err := r.node.cfg.Exchange.Receive(once, r.life.area.id, r.after, wait)
	if err != nil && ctx.Err() == nil {
		r.node.metrics.exchangeNo.WithLabelValues("receive").Inc()
	}
	return letters, err
}

// pause waits, or until ctx ends or other servers have come.
func (r *reader) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-*r.node.pulse.company.Load():
	}
}

// take hands one letter to the engine, and waits while that takes nothing. It returns
// false when ctx has ended: the letter then stays in its box.
func (r *reader) take(ctx context.Context, l dispatch.Letter) bool {
	r.node.metrics.letters.WithLabelValues("received").Inc()
	r.after = l.ID
	note := r.note(l.ID)
	in, err := r.open(l)
	if err != nil {
		r.node.metrics.letters.WithLabelValues("unreadable").Inc()
		r.node.cfg.Log.Error("a letter in the inbox is passed over", "area", r.life.area.id, "err", err)
	}
	if in == nil {
		r.settle(note)
		return true
	}
	for r.unsettled() > maxUnsettled || r.life.engine.SubmitMail(in, func() { r.settle(note) }) != nil {
		r.pause(ctx, busyWait)
		if ctx.Err() != nil {
			return false
		}
	}
	return true
}

// open reads a letter, learns from it where its party is, and returns the input in it;
// nil when it holds none that the engine must settle.
func (r *reader) open(l dispatch.Letter) (dispatch.Input, error) {
	paper, err := readLetter(l.Body)
	if err != nil {
		return nil, err
	}
	switch paper.kind {
	case letterGone:
		r.life.area.presence.forget(paper.from, paper.actor)
		return nil, nil
	case letterFixes:
		fixes, err := dispatch.UnmarshalFixes(paper.body)
		for _, fix := range fixes {
			r.learn(paper.from, dispatch.DriverActor(fix.Driver))
			r.move(fix)
		}
		return nil, err
	}
	in, err := dispatch.UnmarshalInput(paper.body)
	if err != nil {
		return nil, err
	}
	if by, _, _ := dispatch.Asker(in); paper.kind == letterInput && by.Role != "" {
		r.learn(paper.from, by)
	}
	return in, nil
}

// learn notes at which other server a party is.
func (r *reader) learn(at dispatch.NodeID, actor dispatch.Actor) {
	if at != r.node.cfg.ID && !r.life.area.presence.learn(at, actor) {
		r.node.metrics.unlearned.Inc()
	}
}

// move puts the position of a driver elsewhere into his slot.
func (r *reader) move(fix dispatch.Fix) {
	slot := r.slots[fix.Driver]
	if slot == nil {
		if len(r.slots) >= maxSlots {
			clear(r.slots)
		}
		slot = r.life.engine.Slot()
		r.slots[fix.Driver] = slot
	}
	slot.Put(fix)
}

// note remembers a letter until it is discarded.
func (r *reader) note(id dispatch.LetterID) *received {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &received{id: id}
	r.letters = append(r.letters, l)
	return l
}

// settle is called by the engine once what a letter brought about is recorded and told.
func (r *reader) settle(l *received) {
	told := r.node.couriers.sent()
	r.mu.Lock()
	defer r.mu.Unlock()
	l.settled, l.told = true, told
}

func (r *reader) unsettled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.letters)
}

// discardAll forgets settled letters every so often, and once more when ctx has ended.
func (r *reader) discardAll(ctx context.Context) {
	tick := time.NewTicker(discardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			r.discard(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			r.discard(ctx)
		}
	}
}

// discard forgets the letters at the beginning of the inbox that are settled, and whose
// parties have been told by parcels that are delivered. What comes after them stays.
func (r *reader) discard(ctx context.Context) {
	delivered := r.node.couriers.undelivered()
	r.mu.Lock()
	n := 0
	for n < len(r.letters) && r.letters[n].settled && r.letters[n].told < delivered {
		n++
	}
	var last dispatch.LetterID
	if n > 0 {
		last = r.letters[n-1].id
	}
	r.mu.Unlock()
	if n == 0 {
		return
	}
	once, cancel := context.WithTimeout(ctx, discardTimeout)
	defer cancel()
	if err := r.node.cfg.Exchange.Discard(once, r.life.area.id, last); err != nil {
		r.node.metrics.exchangeNo.WithLabelValues("discard").Inc()
		return // the next time, or by the next writer, to whom they are repeats
	}
	fault.Point("mail.settled")
	r.node.metrics.letters.WithLabelValues("discarded").Add(float64(n))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters = slices.Delete(r.letters, 0, n)
}
