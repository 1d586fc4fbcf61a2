package dispatch

import (
	"sync"
	"time"
)

// maxInbox bounds the commands that wait for the engine. When it is full the next
// command is refused as unavailable; its client repeats it under the same id.
const maxInbox = 4096

// inbox is what waits for the engine: commands in the order they came, and the
// slots of drivers who have moved. There is at most one slot a connection, so
// only the commands need a limit.
type inbox struct {
	wake chan struct{} // holds one token when something may be waiting

	mu       sync.Mutex // guards the following fields
	commands []arrival
	slots    []*Slot
}

// arrival is a command and when it came, by the monotonic clock.
type arrival struct {
	in Input
	at time.Time
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// add takes a command, or returns false when the inbox is full.
func (b *inbox) add(in Input) bool {
	b.mu.Lock()
	full := len(b.commands) >= maxInbox
	if !full {
		b.commands = append(b.commands, arrival{in: in, at: time.Now()})
	}
	b.mu.Unlock()
	if !full {
		b.signal()
	}
	return !full
}

func (b *inbox) addSlot(s *Slot) {
	b.mu.Lock()
	b.slots = append(b.slots, s)
	first := len(b.slots) == 1
	b.mu.Unlock()
	if first {
		b.signal()
	}
}

// take swaps everything that waits for the emptied lists of the last call.
func (b *inbox) take(commands []arrival, slots []*Slot) ([]arrival, []*Slot) {
	clear(commands)
	clear(slots)
	b.mu.Lock()
	defer b.mu.Unlock()
	takenCommands, takenSlots := b.commands, b.slots
	b.commands, b.slots = commands[:0], slots[:0]
	return takenCommands, takenSlots
}

func (b *inbox) depth() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.commands)
}
