package redisstore

import (
	"context"
	_ "embed" // the scripts
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lease.lua
var leaseSource string

//go:embed release.lua
var releaseSource string

//go:embed append.lua
var appendSource string

//go:embed save.lua
var saveSource string

//go:embed snapshot.lua
var snapshotSource string

//go:embed page.lua
var pageSource string

// scripts are the changes and reads that are one step. Each is sent by its hash,
// and in full when the server does not know it (any more).
type scripts struct {
	lease, release, append, save, snapshot, page *redis.Script
}

// newScripts prepares them. The #! line makes Redis refuse a script as a whole
// before it starts when memory or permission is lacking, and refuse keys of other
// slots; plain leaves it out for the embedded server, which does not know it.
func newScripts(plain bool) scripts {
	script := func(source string) *redis.Script {
		if plain {
			_, source, _ = strings.Cut(source, "\n")
		}
		return redis.NewScript(source)
	}
	return scripts{
		lease:    script(leaseSource),
		release:  script(releaseSource),
		append:   script(appendSource),
		save:     script(saveSource),
		snapshot: script(snapshotSource),
		page:     script(pageSource),
	}
}

// call is one run of a script.
type call struct {
	name   string // for metrics and errors
	script *redis.Script
	keys   []string
	// echo is what the reply must begin with: the area and a word of the question.
	// The arguments begin with it too.
	echo [2]string
	args []any
	// bulk allows bulkTimeout.
	bulk bool
}

const (
	// callAttempts bounds what one call tries before it reports an unknown outcome.
	callAttempts = 2
	// maxRetryPause spreads second attempts, so that many areas do not come back at once.
	maxRetryPause = 50 * time.Millisecond
)

// run runs a script that is harmless to repeat, once more if the reply was lost,
// and returns what follows the echo in its reply.
func (s *Store) run(ctx context.Context, c call) ([]string, error) {
	for attempt := 1; ; attempt++ {
		reply, err := s.try(ctx, c)
		if err == nil {
			return reply, nil
		}
		reason := reasonOf(err)
		s.metrics.errors.WithLabelValues(c.name, reason).Inc()
		if attempt == callAttempts || !lostReply(reason) || !pause(ctx, rand.N(maxRetryPause)) {
			s.metrics.unknown.WithLabelValues(c.name).Inc()
			return nil, fmt.Errorf("%s of area %s: %w", c.name, c.echo[0], err)
		}
		s.metrics.retries.WithLabelValues(c.name).Inc()
	}
}

// try runs a script once and checks whom the reply speaks of.
func (s *Store) try(ctx context.Context, c call) ([]string, error) {
	ledger := s.ledger.Load()
	client := ledger.quick
	if c.bulk {
		client = ledger.bulk
	}
	args := append([]any{c.echo[0], c.echo[1]}, c.args...)
	answer := c.script.Run(ctx, client, c.keys, args...)
	if err := answer.Err(); err != nil {
		return nil, err
	}
	reply, err := answer.StringSlice()
	if err != nil || len(reply) < len(c.echo) || !slices.Equal(reply[:len(c.echo)], c.echo[:]) {
		s.distrust(ledger, c)
		return nil, errMismatch
	}
	return reply[len(c.echo):], nil
}

// distrust closes every connection of a pool in which a reply came to the wrong
// question: the others may be out of step as well. Calls under way on them end as
// unknown and are repeated on new ones.
func (s *Store) distrust(ledger *ledgerClient, c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ledger.Load() != ledger {
		return // somebody has closed them already
	}
	s.log.Error("a reply of redis answers another question; all connections are closed and opened again", "call", c.name, "area", c.echo[0])
	s.ledger.Store(newLedgerClient(s.target))
	ledger.quick.Close()
}

// pause waits for d and says whether ctx allows going on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// number reads a whole number of a reply.
func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %.40q is not a number", errMismatch, s)
	}
	return n, nil
}
