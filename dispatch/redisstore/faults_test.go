package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"cuntong/dispatch"
)

// once applies a fate to the first n replies of scripts on a key.
func once(n int, key string, f fate) func([]string, []byte) fate {
	return func(command []string, reply []byte) fate {
		if n > 0 && isScript(command, key) && reply[0] == '*' {
			n--
			return f
		}
		return fate{}
	}
}

func testLostReply(t *testing.T, h harness) {
	for name, f := range map[string]fate{"hang-up": {hangUp: true}, "silence": {swallow: true}} {
		id := newArea()
		p := startProxy(t, h.front(t, id))
		through := p.through()
		if f.swallow {
			through.patience = hurried
		}
		a := h.at(t, through, "node-a").Area(id)

		p.on(once(1, "lease", f))
		if epoch := acquire(t, a); epoch != 1 {
			t.Errorf("%s: epoch is %d, want 1: the lease was taken twice", name, epoch)
		}
		p.on(once(1, "journal", f))
		appendFacts(t, a, "one", 0, 3)
		p.on(nil)
		appendFacts(t, a, "two", 3, 2)
		wantJournal(t, h, id, nil, 0, 5)
		if f.hangUp { // silence is tried above and takes a timeout each time
			p.on(once(1, "snapshot", f))
		}
		save(t, a, 4, []byte("four"))
		wantJournal(t, h, id, []byte("four"), 4, 5)
		if f.hangUp {
			p.on(once(1, "lease", f))
		}
		release(t, a)
		if epoch := acquire(t, h.peer(t, "node-b").Area(id)); epoch != 2 {
			t.Errorf("%s: epoch is %d, want 2", name, epoch)
		}
		if got := counter(t, a.store.metrics.retries, callAppend); got == 0 {
			t.Errorf("%s: the retry was not counted", name)
		}
	}
}

func testUnknown(t *testing.T, h harness) {
	id := newArea()
	p := startProxy(t, h.front(t, id))
	a := h.at(t, p.through(), "node-a").Area(id)
	acquire(t, a)
	appendFacts(t, a, "one", 0, 1)

	p.on(once(callAttempts, "journal", fate{hangUp: true}))
	err := a.Append(t.Context(), "two", 1, facts(1, 3))
	if err == nil || errors.Is(err, dispatch.ErrBehind) || errors.Is(err, dispatch.ErrFenced) {
		t.Fatalf("with every reply lost the error is %v, want another", err)
	}
	if got := counter(t, a.store.metrics.unknown, callAppend); got == 0 {
		t.Error("the unknown outcome was not counted")
	}
	appendFacts(t, a, "two", 1, 3)
	wantJournal(t, h, id, nil, 0, 4)

	p.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Append(ctx, "three", 4, facts(4, 1)); err == nil {
		t.Error("an append to nobody is no error")
	}
	if err := a.store.Ping(t.Context()); err == nil {
		t.Error("a ping to nobody is no error")
	}
}

func testWrongReply(t *testing.T, h harness) {
	id := newArea()
	p := startProxy(t, h.front(t, id))
	s := h.at(t, p.through(), "node-a")
	a := s.Area(id)
	acquire(t, a)
	other := []byte("*4\r\n$7\r\nelsewhe\r\n$3\r\ntwo\r\n$4\r\ndone\r\n$1\r\n4\r\n")
	for name, wrong := range map[string][]byte{
		"another area":  other,
		"another batch": []byte(fmt.Sprintf("*4\r\n$%d\r\n%s\r\n$3\r\nold\r\n$4\r\ndone\r\n$1\r\n4\r\n", len(id), id)),
		"no array":      []byte("+OK\r\n"),
		"a number":      []byte(":7\r\n"),
		"short":         []byte("*0\r\n"),
	} {
		dials := p.dialled()
		p.on(once(1, "journal", fate{instead: wrong}))
		appendFacts(t, a, "one", 0, 1)
		if p.dialled() == dials {
			t.Errorf("%s: the connection was used again", name)
		}
	}
	p.on(once(callAttempts, "journal", fate{instead: other}))
	if err := a.Append(t.Context(), "two", 1, facts(1, 3)); err == nil {
		t.Error("a reply to another question was believed")
	}
	p.on(nil)
	appendFacts(t, a, "two", 1, 3)
	wantJournal(t, h, id, nil, 0, 4)
}

func testScriptFlush(t *testing.T, h harness) {
	id := newArea()
	raw := h.raw(t, id)
	a := h.writer(t, id)
	flush := func() {
		t.Helper()
		if err := raw.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	acquire(t, a)
	flush()
	appendFacts(t, a, "one", 0, 2)
	flush()
	save(t, a, 1, []byte("one"))
	flush()
	wantJournal(t, h, id, []byte("one"), 1, 2)
	flush()
	release(t, a)
}

// mendTo puts back what a server lost of the facts up to after, as the contract has it,
// and returns how many those were; 0 also when it cannot be done yet.
func mendTo(t *testing.T, a *Area, after dispatch.Seq) int {
	found, err := a.Head(t.Context())
	if err != nil || found.Seq >= after {
		return 0
	}
	n := min(int(after-found.Seq), dispatch.MaxBatchFacts)
	if err := a.Mend(t.Context(), found, dispatch.BatchID("mend-"+decimal(found.Seq)), facts(found.Seq, n)); err != nil {
		return 0
	}
	return n
}

// testCrash kills the server again and again under a writer that behaves as the
// contract says, and wants everything that was acknowledged.
func testCrash(t *testing.T, h harness) {
	if h.crash == nil {
		if h.store.Durable() {
			t.Error("the store calls itself durable and cannot come back from a crash")
		}
		t.Skip("this server keeps nothing")
	}
	if !h.store.Durable() {
		t.Error("the store does not call itself durable")
	}
	id := newArea()
	a := h.writer(t, id)
	var told atomic.Int64
	stop := make(chan struct{})
	var writer sync.WaitGroup
	mended := 0
	writer.Go(func() {
		for i, after := 1, dispatch.Seq(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			n := i%20 + 1
			for {
				err := a.Append(t.Context(), batch(i), after, facts(after, n))
				if err == nil {
					break
				}
				if errors.Is(err, dispatch.ErrBehind) && h.store.Copies() > 0 {
					mended += mendTo(t, a, after)
					continue
				}
				if errors.Is(err, dispatch.ErrBehind) || errors.Is(err, dispatch.ErrFenced) || t.Context().Err() != nil {
					t.Error("append:", err)
					return
				}
			}
			after += dispatch.Seq(n)
			told.Store(int64(after))
		}
	})
	for range 3 {
		was := told.Load()
		eventually(t, "facts are written", func() bool { return told.Load() > was+200 })
		h.crash()
	}
	was := told.Load()
	eventually(t, "facts are written after the last crash", func() bool { return told.Load() > was+200 })
	close(stop)
	writer.Wait()
	if mended > 0 {
		t.Logf("a replica was elected that lacked %d facts, and the writer put them back", mended)
	}
	wantJournal(t, h, id, nil, 0, dispatch.Seq(told.Load()))
	if epoch := acquire(t, a); epoch != 1 {
		t.Errorf("epoch is %d, want 1: the lease was forgotten", epoch)
	}
}
