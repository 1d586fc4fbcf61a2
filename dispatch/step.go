package dispatch

import (
	"context"
	"time"
)

// batchFull is when a batch is recorded before more is decided.
const batchFull = MaxBatchFacts / 2

// share is how much of the core's time the inputs of a class have in one step at
// least. What is left over waits for the next step, behind what is critical then.
// Critical inputs have as much as they need.
var share = [classes]time.Duration{critical: time.Second, greeting: 5 * time.Millisecond, creation: 10 * time.Millisecond, mending: 2 * time.Millisecond, viewing: 2 * time.Millisecond}

// Positions have their share too. While more is asked for than one step can do they
// have less, but always a few: a county whose drivers are nowhere serves nobody.
const (
	slotsShare = 5 * time.Millisecond
	slotsFew   = 64
)

// step takes what waits, the most important first and the rest within its share of
// time, and brings it to its end: decided, recorded, told.
func (e *Engine) step(ctx context.Context) error {
	e.stepping.Store(time.Now().UnixNano())
	defer e.stepping.Store(0)
	begin := e.cfg.Now()
	var times stepTimes
	for c := range classes {
		if c == creation { // who asks is matched to where drivers are now
			if err := e.stepSlots(ctx); err != nil {
				return err
			}
		}
		if err := e.stepClass(ctx, c, &times); err != nil {
			return err
		}
	}
	if err := e.apply(ctx, arrival{in: Tick{}}); err != nil {
		return err
	}
	if err := e.commit(ctx); err != nil {
		return err
	}
	times.all = e.cfg.Now().Sub(begin)
	e.inbox.paced(times)
	e.publish()
	if e.inbox.depth()+e.inbox.waitingSlots() > 0 {
		e.inbox.signal()
	}
	return e.keep(ctx)
}

// stepClass takes those inputs of a class that wait now, within the class's share.
func (e *Engine) stepClass(ctx context.Context, c class, times *stepTimes) error {
	begin, most := e.cfg.Now(), e.inbox.share(c)
	for n := e.inbox.waiting(c); n > 0; n-- {
		came, ok := e.inbox.take(c)
		if !ok {
			break
		}
		if err := e.apply(ctx, came); err != nil {
			return err
		}
		times.done[c]++
		if c != critical && e.cfg.Now().Sub(begin) >= most {
			break
		}
	}
	times.took[c] = e.cfg.Now().Sub(begin)
	return nil
}

// stepSlots takes the newest positions of those drivers who have waited longest.
func (e *Engine) stepSlots(ctx context.Context) error {
	begin, behind := e.cfg.Now(), e.inbox.behind(creation)
	for n := range e.inbox.waitingSlots() {
		if n >= slotsFew && (behind || e.cfg.Now().Sub(begin) >= slotsShare) {
			return nil
		}
		slot, ok := e.inbox.takeSlot()
		if !ok {
			return nil
		}
		if err := e.apply(ctx, arrival{in: Moved{Fix: slot.take()}}); err != nil {
			return err
		}
	}
	return nil
}

// apply lets the core decide on one input, and commits when the batch is full.
func (e *Engine) apply(ctx context.Context, came arrival) error {
	in, b := came.in, &e.hand
	begin := time.Now()
	out := e.core.Apply(e.now(), in)
	e.metrics.applied(in, out, time.Since(begin))
	switch in.(type) {
	case Request:
		if len(out.Matches) > 0 {
			b.offered = append(b.offered, came.at)
		}
	case Watch:
		e.addSpeed(out.Notices)
	case Moved, Tick:
		came.in = nil
	}
	if came.in != nil {
		b.came = append(b.came, came)
	}
	b.facts = append(b.facts, out.Facts...)
	b.notices = append(b.notices, out.Notices...)
	b.letters = append(b.letters, out.Letters...)
	e.mirrorOf(in, out)
	if len(b.facts) > batchFull {
		return e.commit(ctx)
	}
	return nil
}

// mirrorOf passes on what an input means for the positions that others see.
func (e *Engine) mirrorOf(in Input, out Outcome) {
	if moved, ok := in.(Moved); ok && out.Ignored == "" {
		if f := e.core.fixes[moved.Fix.Driver]; f != nil {
			e.mirror.show(MirrorFix{Fix: f.Fix, Free: e.core.available(moved.Fix.Driver)})
		}
	}
	for _, id := range e.core.takeForgotten() {
		e.mirror.forget(id)
	}
}
