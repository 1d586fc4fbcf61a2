package dispatch

import (
	"testing"
	"time"
)

// A step that waited for the ledger through an outage makes everything look slow. It
// must not keep everybody out for ever: nobody who is kept out shows that it is over.
func TestAnOutageDoesNotKeepRequestsOut(t *testing.T) {
	b := newInbox()
	request := arrival{in: Request{Trip: "t1"}}
	step := stepTimes{all: 30 * time.Second}
	step.done[creation], step.took[creation] = 1, time.Millisecond
	b.paced(step)
	if reason, _ := b.add(request); reason != "" {
		t.Fatalf("the first after an outage was turned away: %s", reason)
	}
	if reason, _ := b.add(request); reason != shedWait {
		t.Fatalf("who would wait for half a minute was taken in: %q", reason)
	}
	// A few good steps, one request each, and all is as before.
	step.all = 10 * time.Millisecond
	for range 50 {
		b.take(creation)
		b.paced(step)
		if reason, _ := b.add(request); reason != "" {
			t.Fatalf("turned away from an empty queue: %s", reason)
		}
	}
	if reason, _ := b.add(request); reason != "" {
		t.Fatalf("still turned away: %s", reason)
	}
}
