package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// minVersion is the first major version of Redis that knows what the scripts need.
	minVersion = 7
	// firstLook bounds how long Open waits for a given server.
	firstLook = 2 * time.Second
	// maxLookPause bounds the pauses between later attempts.
	maxLookPause = 5 * time.Second
)

// look asks a given server for its version and settings. A server that answers
// "no" is an error. One that does not answer is looked at again in the background
// until it does or the store is closed.
func (s *Store) look(ctx context.Context) error {
	first, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	err := s.lookOnce(first)
	if err == nil || isRefusal(err) {
		return err
	}
	s.log.Warn("redis cannot be reached yet; the store goes on trying", "addr", s.target.addr, "error", err)
	later, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.looking.Go(func() { s.lookUntil(later) })
	return nil
}

// lookUntil looks until the server has answered or ctx ends.
func (s *Store) lookUntil(ctx context.Context) {
	for wait := 100 * time.Millisecond; pause(ctx, wait); wait = min(2*wait, maxLookPause) {
		err := s.lookOnce(ctx)
		if err == nil {
			s.log.Info("redis can be reached now", "addr", s.target.addr)
			return
		}
		if isRefusal(err) {
			s.log.Error("redis refuses this server", "addr", s.target.addr, "error", err)
		}
	}
}

// errTooOld: the server cannot run the scripts.
var errTooOld = errors.New("too old")

// lookOnce asks once, and complains of settings under which facts could be lost.
func (s *Store) lookOnce(ctx context.Context) error {
	client := s.ledger.Load().quick
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis at %s: %w", s.target.addr, err)
	}
	var troubles []string
	about, err := client.Info(ctx, "server").Result()
	version := infoField(about, "redis_version")
	switch major, ok := majorVersion(version); {
	case err != nil && !isSaid(err):
		return err
	case err != nil || !ok:
		troubles = append(troubles, "its version cannot be read: allow INFO")
	case major < minVersion:
		return fmt.Errorf("redis at %s is version %s, %w: use %d.0 or later", s.target.addr, version, errTooOld, minVersion)
	}
	settings := map[string]string{}
	for _, name := range []string{"appendonly", "appendfsync", "maxmemory-policy"} {
		values, err := client.ConfigGet(ctx, name).Result()
		if err != nil && !isSaid(err) {
			return err
		}
		settings[name] = values[name]
	}
	troubles = append(troubles, unsafeSettings(settings)...)
	s.setDurable(len(troubles) == 0)
	for _, trouble := range troubles {
		s.log.Warn("UNSAFE: redis may lose trips that people were told of: "+trouble, "addr", s.target.addr)
	}
	return nil
}

// unsafeSettings says what to change on a server so that it keeps what it has
// acknowledged.
func unsafeSettings(have map[string]string) []string {
	var troubles []string
	for _, want := range []struct{ name, value, else_ string }{
		{"appendonly", "yes", "nothing is on its disk after an answer"},
		{"appendfsync", "always", "the last seconds are not on its disk"},
		{"maxmemory-policy", "noeviction", "it deletes journals when its memory is full"},
	} {
		switch got := have[want.name]; got {
		case want.value:
		case "":
			troubles = append(troubles, fmt.Sprintf("%s cannot be read: allow CONFIG GET, and make sure it is %s", want.name, want.value))
		default:
			troubles = append(troubles, fmt.Sprintf("%s is %s, so %s: CONFIG SET %s %s, and the same in its configuration file", want.name, got, want.else_, want.name, want.value))
		}
	}
	return troubles
}

// isRefusal says whether the server has answered, and trying again would get the
// same answer.
func isRefusal(err error) bool {
	return errors.Is(err, errTooOld) || reasonOf(err) == reasonDenied
}

// isSaid says whether an error is the server's own word.
func isSaid(err error) bool {
	var said redis.Error
	return errors.As(err, &said)
}

// infoField finds a field in what INFO returns.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// majorVersion reads the number before the first dot.
func majorVersion(version string) (int, bool) {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return n, err == nil
}
