package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cuntong/ws/wire"
)

// Saved is what survives a restart of the program.
type Saved struct {
	// IDs and Named make the ids of commands, Seq the numbers of deeds.
	IDs   string
	Named int
	Seq   int64
	Calls []SavedCall
	// Tracks go behind the calls.
	Tracks   []SavedCall
	Fixes    []wire.Position
	Receipts []Receipt
	// Trips are those held whole and open, so that a driver can finish his ride after a
	// restart in the dark.
	Trips []wire.Trip
}

// SavedCall is a command without an answer: its frame in JSON, and for a deed when it
// was done, Unix ms by the phone's clock, and its number.
type SavedCall struct {
	Frame   json.RawMessage
	DoneAt  int64
	Seq     int64
	Stamped bool
}

// Store keeps what must survive a restart.
type Store interface {
	// Load returns what was saved last; a zero Saved when nothing was.
	Load() (Saved, error)
	// Save replaces it. When it returns nil the new one is there after a crash of the
	// machine; else the old one or the new one is. The client calls it before a command
	// is sent, never two at a time, and waits for it.
	Save(Saved) error
}

// MemoryStore is a Store that does not survive the program, for tests and for parties
// that need not. The zero MemoryStore is empty.
type MemoryStore struct {
	mu sync.Mutex // guards the following field
	at []byte
}

// Load implements [Store].
func (s *MemoryStore) Load() (out Saved, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at != nil {
		err = json.Unmarshal(s.at, &out)
	}
	return out, err
}

// Save implements [Store].
func (s *MemoryStore) Save(saved Saved) error {
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = text
	return nil
}

// FileStore is a Store in one file, which is written beside it, made durable and then
// put in its place, so that a crash leaves the old one or the new one whole.
type FileStore string

// Load implements [Store].
func (path FileStore) Load() (Saved, error) {
	text, err := os.ReadFile(string(path))
	if errors.Is(err, fs.ErrNotExist) {
		return Saved{}, nil
	}
	if err != nil {
		return Saved{}, err
	}
	var out Saved
	if err := json.Unmarshal(text, &out); err != nil {
		return Saved{}, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// Save implements [Store].
func (path FileStore) Save(saved Saved) error {
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	beside := string(path) + ".new"
	if err := writeDurably(beside, text); err != nil {
		return err
	}
	if err := os.Rename(beside, string(path)); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(string(path)))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func writeDurably(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// saved says what has to survive now.
func (m *mind) saved() (Saved, error) {
	s := Saved{IDs: m.ids, Named: m.named, Seq: m.seq, Fixes: m.dark.fixes, Receipts: m.pocket.receipts}
	var err error
	if s.Calls, err = framed(m.calls); err != nil {
		return s, err
	}
	if s.Tracks, err = framed(m.tracks); err != nil {
		return s, err
	}
	for _, h := range m.picture.trips {
		if h.mine && h.whole && !isOver(h.State) {
			s.Trips = append(s.Trips, h.Trip)
		}
	}
	return s, nil
}

func framed(list []*call) (out []SavedCall, err error) {
	for _, c := range list {
		if c.Type == wire.TypeRenew {
			continue // a token is kept nowhere
		}
		frame, err := wire.EncodeClient(c.Type, c.ID, c.Body)
		if err != nil {
			return nil, err
		}
		out = append(out, SavedCall{frame, c.DoneAt.UnixMilli(), c.seq, c.stamped})
	}
	return out, nil
}

// restore takes up what was saved.
func (m *mind) restore(now time.Time, s Saved) error {
	if s.IDs != "" {
		m.ids = s.IDs // and its counter: none comes twice
	}
	m.named, m.seq = max(s.Named, 0), max(s.Seq, 0)
	m.dark.fixes, m.pocket.receipts = s.Fixes, s.Receipts
	m.dark.saved = len(s.Fixes)
	var err error
	if m.calls, err = unframed(s.Calls); err != nil {
		return err
	}
	if m.tracks, err = unframed(s.Tracks); err != nil {
		return err
	}
	for _, t := range s.Trips {
		m.picture.tell(now, t)
	}
	return nil
}

func unframed(list []SavedCall) (out []*call, err error) {
	for _, s := range list {
		f, err := wire.DecodeClient(s.Frame)
		if err != nil {
			return nil, err
		}
		c := &call{Command: Command{
			ID: f.ID, Type: f.Type, Trip: tripOf(f.Body), Body: flat(f.Body), DoneAt: time.UnixMilli(s.DoneAt), Sent: 1,
		}}
		if s.Seq > 0 {
			c.doneAt, c.seq, c.stamped = s.DoneAt, s.Seq, s.Stamped
		}
		out = append(out, c)
	}
	return out, nil
}
