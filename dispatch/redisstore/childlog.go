package redisstore

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

const (
	// maxChildLine cuts a line of the child's log.
	maxChildLine = 2048
	// keptChildLines is how many of its last lines are repeated when it dies.
	keptChildLines = 8
)

// childLog passes the child's log on, line by line, and keeps the last lines for
// the day it dies. Redis calls much of what it says at every start a warning, so
// only its own words "warning", "error" and the like count as one here.
type childLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards the following fields
	rest []byte     // a line whose end has not come yet
	kept []string
}

// childPrefix is "pid:role day month year time level " before every line.
var childPrefix = regexp.MustCompile(`^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ ([.\-*#]) `)

var childAlarm = regexp.MustCompile(`(?i)warning|error|fail|fatal|can't|truncat|bad file|panic|crash`)

// Write takes a piece of the log. It never fails.
func (l *childLog) Write(piece []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, piece...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			break
		}
		l.line(string(line))
		l.rest = rest
	}
	if len(l.rest) > maxChildLine {
		l.line(string(l.rest))
		l.rest = nil
	}
	return len(piece), nil
}

// line passes one line on.
func (l *childLog) line(text string) {
	level := "#" // without a prefix: something before the log began
	if m := childPrefix.FindStringSubmatch(text); m != nil {
		text, level = text[len(m[0]):], m[1]
	}
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	text = text[:min(len(text), maxChildLine)]
	if text == "" {
		return
	}
	l.kept = append(l.kept, text)
	l.kept = l.kept[max(0, len(l.kept)-keptChildLines):]
	if level == "#" && childAlarm.MatchString(text) {
		l.log.Warn("redis-server says", "line", text)
		return
	}
	l.log.Debug("redis-server says", "line", text)
}

// last returns the last lines.
func (l *childLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.kept, " | ")
}
