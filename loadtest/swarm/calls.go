package swarm

import (
	"slices"
	"time"

	"cuntong/ws/wire"

	"golang.org/x/time/rate"
)

const (
	// maxCalls bounds a party's commands without an answer. Beyond it new ones are not made.
	maxCalls = 1000
	// keptAnswers is how many answers to doubled commands are kept for comparison.
	keptAnswers = 16
)

// call is a command without an answer yet.
type call struct {
	id    string
	kind  wire.Type
	trip  string
	frame []byte
	// double: send it twice under the same id.
	double bool
	// due is before when it may not be sent; zero is now.
	due time.Time
	// session is the connection it was last sent on, 0 for none.
	session int
	sentAt  time.Time
	retries int
}

// calls is a party's commands without an answer, in the order of asking, which is
// also the order of sending. It belongs to the party's goroutine.
type calls struct {
	open []*call
	// wait is how long a command may go unanswered on a live connection.
	wait time.Duration
	// pace keeps the party under what the server admits: a polite phone is not cut off.
	pace *rate.Limiter
	// doubled are the last answers to commands that were sent twice.
	doubled []doubledAnswer
}

type doubledAnswer struct {
	id   string
	done bool
}

func newCalls(wait time.Duration) calls {
	return calls{wait: wait, pace: rate.NewLimiter(wire.FramesPerSecond*3/4, wire.FrameBurst/2)}
}

// add takes a command; false means that there are too many already.
func (c *calls) add(call *call) bool {
	if len(c.open) >= maxCalls {
		return false
	}
	c.open = append(c.open, call)
	return true
}

// find returns the command with that id, or nil.
func (c *calls) find(id string) *call {
	i := slices.IndexFunc(c.open, func(call *call) bool { return call.id == id })
	if i < 0 {
		return nil
	}
	return c.open[i]
}

// about says whether a command about the trip has no answer yet.
func (c *calls) about(trip string) bool {
	return slices.ContainsFunc(c.open, func(call *call) bool { return call.trip == trip })
}

// asked says whether a command of that kind has no answer yet.
func (c *calls) asked(kind wire.Type) bool {
	return slices.ContainsFunc(c.open, func(call *call) bool { return call.kind == kind })
}

// remove takes an answered command off, and keeps the answer if another is to come.
func (c *calls) remove(answered *call, done bool) {
	c.open = slices.DeleteFunc(c.open, func(call *call) bool { return call == answered })
	if answered.double {
		c.doubled = append(c.doubled, doubledAnswer{answered.id, done})
		if len(c.doubled) > keptAnswers {
			c.doubled = slices.Delete(c.doubled, 0, 1)
		}
	}
}

// takeDoubled returns the first answer to a command that was sent twice.
func (c *calls) takeDoubled(id string) (done, ok bool) {
	i := slices.IndexFunc(c.doubled, func(a doubledAnswer) bool { return a.id == id })
	if i < 0 {
		return false, false
	}
	done = c.doubled[i].done
	c.doubled = slices.Delete(c.doubled, i, i+1)
	return done, true
}

// ready returns the first command to send on that session now; or nil, and when
// there may be one (zero: not before something happens).
func (c *calls) ready(session int, now time.Time) (first *call, next time.Time) {
	for _, call := range c.open {
		switch {
		case call.session == session:
			next = earliest(next, call.sentAt.Add(c.wait))
		case call.due.After(now):
			next = earliest(next, call.due)
		case !c.pace.AllowN(now, 1):
			return nil, earliest(next, now.Add(100*time.Millisecond))
		default:
			return call, time.Time{}
		}
	}
	return nil, next
}

// late returns a command that has waited too long for its answer on that session, or nil.
func (c *calls) late(session int, now time.Time) *call {
	i := slices.IndexFunc(c.open, func(call *call) bool {
		return call.session == session && now.Sub(call.sentAt) >= c.wait
	})
	if i < 0 {
		return nil
	}
	return c.open[i]
}

// earliest returns the earlier of two moments, of which zero ones do not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
