package ws

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// auditRoom is how many records wait to be written; one more is not taken.
	auditRoom = 4096
	// auditRetry is how long a file that cannot be written is left alone.
	auditRetry = time.Second
	// auditPeek is how often it is looked whether the file has been renamed away.
	auditPeek = time.Second
)

// AuditFile is an [Auditor] that appends to a file: one JSON object a line, readable by
// its owner alone. When the file is renamed away, as logrotate does, a new one is begun
// under the old name within a second of the next record. A record is in the operating
// system's hands when it is written and on the disk some seconds later.
type AuditFile struct {
	path    string
	log     *slog.Logger
	records chan AuditRecord
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once

	// Owned by run.
	file   *os.File
	peeked time.Time
}

// OpenAudit opens the file, which it makes when there is none, and begins to write. End
// with [AuditFile.Close].
func OpenAudit(path string, log *slog.Logger) (*AuditFile, error) {
	a := &AuditFile{path: path, log: log, records: make(chan AuditRecord, auditRoom), stop: make(chan struct{}), done: make(chan struct{})}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("audit file: %w", err)
	}
	go a.run()
	return a, nil
}

// Note implements [Auditor]. It returns false while as many records wait as may.
func (a *AuditFile) Note(r AuditRecord) bool {
	select {
	case a.records <- r:
		return true
	default:
		return false
	}
}

// Close writes what waits, and closes the file. Notes after it are not written.
func (a *AuditFile) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return a.file.Close()
}

func (a *AuditFile) open() error {
	file, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if a.file != nil {
		_ = a.file.Close() // its lines are with the operating system
	}
	a.file = file
	return nil
}

func (a *AuditFile) run() {
	defer close(a.done)
	for {
		select {
		case r := <-a.records:
			a.write(a.lines(r))
		case <-a.stop:
			for {
				select {
				case r := <-a.records:
					a.write(a.lines(r))
				default:
					_ = a.file.Sync() // best effort at the end
					return
				}
			}
		}
	}
}

// lines puts a record and those that wait behind it into one write.
func (a *AuditFile) lines(r AuditRecord) []byte {
	var lines []byte
	for n := 0; ; n++ {
		line, _ := json.Marshal(r) // strings and numbers: it cannot fail
		lines = append(append(lines, line...), '\n')
		if n == 255 {
			return lines
		}
		select {
		case r = <-a.records:
		default:
			return lines
		}
	}
}

// write appends lines, and tries again until it can, or until the end. What was written of them
// in part is not written twice.
func (a *AuditFile) write(lines []byte) {
	for said := false; ; said = true {
		err := a.follow()
		if err == nil {
			var n int
			n, err = a.file.Write(lines)
			if lines = lines[n:]; err == nil {
				return
			}
		}
		if !said {
			a.log.Error("who looked at whom cannot be recorded", "file", a.path, "err", err)
		}
		select {
		case <-a.stop:
			return
		case <-time.After(auditRetry):
		}
	}
}

// follow begins a new file when the old one has been renamed away.
func (a *AuditFile) follow() error {
	if time.Since(a.peeked) < auditPeek {
		return nil
	}
	a.peeked = time.Now()
	there, err := os.Stat(a.path)
	if err == nil {
		ours, err := a.file.Stat()
		if err == nil && os.SameFile(there, ours) {
			return nil
		}
	}
	return a.open()
}
