// Package history is what the phones of a fault test have lived through: what each
// asked and was answered, and everything it was told, by one monotonic clock.
package history

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"
)

// Outcome is how a command ended for the one who gave it.
type Outcome string

// The outcomes. Unknown says that no answer ever came: the command may have taken
// effect, may never, and may still.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// Op is one command. Sending it again under its id is the same Op.
type Op struct {
	Client string `json:"client"`
	Role   string `json:"role"`
	Area   string `json:"area"` // the client's own
	ID     string `json:"id"`
	Kind   string `json:"kind"` // the type of the frame
	Trip   string `json:"trip,omitempty"`
	Offer  string `json:"offer,omitempty"`
	// Invoke is when it was first sent, LastSent when last, Return when its answer came;
	// all since the beginning of the run.
	Invoke   time.Duration `json:"invoke"`
	LastSent time.Duration `json:"last_sent"`
	Return   time.Duration `json:"return,omitempty"`
	Sends    int           `json:"sends"`
	Server   string        `json:"server,omitempty"` // that answered
	Outcome  Outcome       `json:"outcome"`
	Code     string        `json:"code,omitempty"`    // of a refusal
	Version  int64         `json:"version,omitempty"` // as answered
	State    string        `json:"state,omitempty"`   // as answered
	// Shaky says that the same frame may have come to the server twice and out of order
	// although it was sent once, so that a refusal need not be the last word.
	Shaky bool `json:"shaky,omitempty"`
}

// Sight is one look at a trip that a client was given.
type Sight struct {
	At      time.Duration `json:"at"`
	Client  string        `json:"client"`
	Server  string        `json:"server"`
	Session int           `json:"session"` // counts the client's connections
	Via     string        `json:"via"`     // the type of the frame: truth, trip, offer, done
	Trip    string        `json:"trip"`
	Version int64         `json:"version"`
	State   string        `json:"state"`
	Driver  string        `json:"driver,omitempty"` // when the frame names one
	Offer   string        `json:"offer,omitempty"`
}

// Look is the first truth of a driver's connection: a read of what he holds.
type Look struct {
	Client string        `json:"client"`
	Server string        `json:"server"`
	Invoke time.Duration `json:"invoke"` // hello sent
	Return time.Duration `json:"return"` // truth read
	Trip   string        `json:"trip,omitempty"`
	State  string        `json:"state,omitempty"`
	Duty   bool          `json:"duty"`
}

// Log is an append-only history. It may be used from any goroutine.
type Log struct {
	begun time.Time

	mu     sync.Mutex // guards the following fields
	ops    []*Op
	sights []Sight
	looks  []Look
	done   int // completed trips that were acknowledged
	acks   int // commands answered with ok
}

// New begins a history now.
func New() *Log { return &Log{begun: time.Now()} }

// Now is the time since the beginning, by a monotonic clock.
func (l *Log) Now() time.Duration { return time.Since(l.begun) }

// Begun is when the history began, by the wall.
func (l *Log) Begun() time.Time { return l.begun }

// Begin adds a command that is sent now, with an open end.
func (l *Log) Begin(op Op) *Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	op.Invoke = l.Now()
	op.LastSent, op.Sends, op.Outcome = op.Invoke, 1, Unknown
	l.ops = append(l.ops, &op)
	return &op
}

// Again notes that a command is sent once more.
func (l *Log) Again(op *Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	op.LastSent = l.Now()
	op.Sends++
}

// End closes a command with its answer.
func (l *Log) End(op *Op, server string, outcome Outcome, code string, version int64, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	op.Return, op.Server, op.Outcome, op.Code, op.Version, op.State = l.Now(), server, outcome, code, version, state
	if outcome != OK {
		return
	}
	l.acks++
	if op.Kind == "complete" {
		l.done++
	}
}

// See adds a sight; its time is set.
func (l *Log) See(s Sight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.At = l.Now()
	l.sights = append(l.sights, s)
}

// Look adds a look, which ends now.
func (l *Log) Look(k Look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.Return = l.Now()
	l.looks = append(l.looks, k)
}

// Counts returns how many completions and how many commands in all have been
// acknowledged so far.
func (l *Log) Counts() (trips, acks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done, l.acks
}

// History is a Log that has ended: copies, nobody writes to them.
type History struct {
	Begun  time.Time
	Ops    []Op
	Sights []Sight
	Looks  []Look
}

// Close returns everything so far.
func (l *Log) Close() History {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := History{Begun: l.begun, Sights: slices.Clone(l.sights), Looks: slices.Clone(l.looks)}
	for _, op := range l.ops {
		h.Ops = append(h.Ops, *op)
	}
	return h
}

// Write writes a history as lines of JSON, ops first.
func (h History) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	write := func(kind string, what any) error { return enc.Encode(map[string]any{kind: what}) }
	for _, op := range h.Ops {
		if err := write("op", op); err != nil {
			return err
		}
	}
	for _, s := range h.Sights {
		if err := write("sight", s); err != nil {
			return err
		}
	}
	for _, k := range h.Looks {
		if err := write("look", k); err != nil {
			return err
		}
	}
	return out.Flush()
}
