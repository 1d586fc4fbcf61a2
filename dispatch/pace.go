package dispatch

import "time"

// pace is how quick the engine is with the inputs of each class, as measured, and
// how long one that comes now would wait. The zero value knows nothing and foresees
// no waiting.
type pace struct {
	each [classes]time.Duration // the core's time for one input
	// around is what a step takes beside the inputs of a class: those that go before,
	// and the recording.
	around [classes]time.Duration
	away   [classes]crowd
}

// crowd is those who were turned away and are to come again: each is given a place
// in a line that moves as quickly as the engine works, so that they do not all come
// back at once.
type crowd struct {
	people int
	at     time.Time // when the line last moved
}

// stepTimes is what one step did and how long it took.
type stepTimes struct {
	done [classes]int
	took [classes]time.Duration
	all  time.Duration // recording and telling included
}

const (
	// learnOne part in so many of what is known is replaced by what a step has shown.
	learnOne = 8
	// longestAround is the most that one step says about the next: when it stood still
	// because Redis was away, that says nothing.
	longestAround = time.Second
)

// learn takes what a step has shown.
func (p *pace) learn(step stepTimes) {
	for c := range classes {
		if step.done[c] == 0 {
			continue
		}
		p.each[c] = blend(p.each[c], step.took[c]/time.Duration(step.done[c]))
		p.around[c] = blend(p.around[c], min(step.all-step.took[c], longestAround))
	}
}

func blend(known, shown time.Duration) time.Duration {
	if known == 0 {
		return shown
	}
	return known + (shown-known)/learnOne
}

// wait is how long an input of class c would wait behind so many of its class: their
// own time, and what goes on around them in as many steps as they need.
func (p *pace) wait(c class, behind int) time.Duration {
	own := p.each[c] * time.Duration(behind)
	steps := own/p.share(c) + 1
	return own + steps*p.around[c]
}

// mostShare bounds what a class may have of one step, and so how long what is critical
// waits for it.
const mostShare = 100 * time.Millisecond

// share is how much of the core's time a class has in one step: as much as the rest
// of the step takes, so that a slow Redis costs at most half of what could be done.
func (p *pace) share(c class) time.Duration { return max(share[c], min(p.around[c], mostShare)) }

// turnAway gives somebody who was not taken a place in the line, and returns when it is due.
func (p *pace) turnAway(c class, now time.Time, waiting int) time.Duration {
	one := p.wait(c, waiting+1) / time.Duration(waiting+1)
	line := &p.away[c]
	if one > 0 {
		moved := max(0, now.Sub(line.at)/one)
		if moved >= time.Duration(line.people) {
			line.people, line.at = 0, now
		} else {
			line.people -= int(moved)
			line.at = line.at.Add(moved * one)
		}
	}
	line.people++
	return min(unavailableFor/2+one*time.Duration(waiting+line.people), longestAway)
}

// longestAway is the longest that anybody is asked to stay away.
const longestAway = time.Minute
