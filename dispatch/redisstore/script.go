package redisstore

import (
	"bufio"
	"cmp"
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cuntong/fault"
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

//go:embed head.lua
var headSource string

//go:embed mend.lua
var mendSource string

//go:embed reseed.lua
var reseedSource string

//go:embed archive.lua
var archiveSource string

// scripts are the changes and reads that are one step. Each is sent by its hash,
// and in full when the server does not know it (any more).
type scripts struct {
	lease, release, append, save, snapshot, page, head, mend, reseed, archive *redis.Script
}

// newScripts prepares them. The #! line makes Redis refuse a script as a whole
// before it starts when memory or permission is lacking, and refuse keys of other
// slots; plain leaves it out for the embedded server, which does not know it.
func newScripts(plain bool) scripts {
	script := func(source string) *redis.Script {
		source = leased(source)
		if plain {
			_, source, _ = strings.Cut(source, "\n")
		}
		return redis.NewScript(source)
	}
	return scripts{
		lease:    script(leaseSource),
		release:  script(releaseSource),
		append:   script(placeless(unfenced(appendSource))),
		save:     script(saveSource),
		snapshot: script(snapshotSource),
		page:     script(pageSource),
		head:     script(headSource),
		mend:     script(mendSource),
		reseed:   script(reseedSource),
		archive:  script(archiveSource),
	}
}

// The lines of the scripts that a test build may leave out.
const (
	epochLine  = "if epoch > mine then return answer('fenced') end\n"
	olderLine  = "if epoch < mine then return answer('behind') end\n"
	writerLine = "if writer ~= ARGV[4] then return answer('fenced') end\n"
	raiseLine  = "  epoch = math.max(epoch, tonumber(ARGV[6])) + 1\n"
	placeLine  = "if seq ~= after then return answer('behind') end\n"
	doneLine   = "return answer('done')"
)

// unfenced leaves the comparison of writers out of a script, in a test build.
func unfenced(source string) string {
	if fault.Mutant("no_epoch") {
		for _, line := range []string{epochLine, olderLine, writerLine} {
			source = strings.Replace(source, line, "", 1)
		}
	}
	return source
}

// placeless lets a batch follow whatever the journal ends with, in a test build that
// leaves the comparison of writers out: the place that a batch names is a fence too,
// and while it stands nothing shows that the other is gone.
func placeless(source string) string {
	if fault.Mutant("no_epoch") || fault.Mutant("lease_ttl") {
		source = strings.Replace(source, placeLine, "local wanted = after + count\nafter = seq\n", 1)
		source = strings.Replace(source, doneLine, "seq = wanted\n"+doneLine, 1)
	}
	return source
}

// leased lets time alone decide who writes, in a test build: the next writer gets
// the number of the one before.
func leased(source string) string {
	if fault.Mutant("lease_ttl") {
		source = strings.Replace(source, writerLine, "", 1)
		source = strings.Replace(source, raiseLine, "  epoch = math.max(epoch, 1)\n", 1)
	}
	return source
}

// call is one run of a script.
type call struct {
	name   string // for metrics and errors
	script *redis.Script
	keys   []string
	// echo is what the reply must begin with: the area and a word of the question.
	// The arguments begin with it too, and a verdict follows in the reply.
	echo [2]string
	args []any
	// bulk allows bulkTimeout.
	bulk bool
	// durable wants what the script wrote on as many copies as the topology asks for,
	// unless its verdict is one of refusals.
	durable bool
}

const (
	// callAttempts bounds what one call tries before it reports an unknown outcome.
	callAttempts = 2
	// maxRetryPause spreads second attempts, so that many areas do not come back at once.
	maxRetryPause = 50 * time.Millisecond
	// copiesWait and bulkCopiesWait are how long replicas may take to have a change on
	// their disks. They leave the master half of the time of the call, and more.
	copiesWait     = callTimeout / 2
	bulkCopiesWait = 2 * copiesWait
)

// errPending: it is written, and not on enough copies yet. Asking again waits again.
var errPending = errors.New("pending: not enough replicas have it yet")

// refusals are verdicts after which nothing was written.
var refusals = []string{"held", "reserved", "fenced", "behind"}

// run runs a script that is harmless to repeat, once more if the reply was lost or
// copies are missing, and returns what follows the echo in its reply.
func (s *Store) run(ctx context.Context, c call) ([]string, error) {
	for attempt := 1; ; attempt++ {
		reply, err := s.try(ctx, s.ledger, c)
		if err == nil {
			return reply, nil
		}
		reason := reasonOf(err)
		s.metrics.errors.WithLabelValues(c.name, reason).Inc()
		s.ledger.failed(ctx, err)
		if attempt == callAttempts || !lostReply(reason) || !pause(ctx, rand.N(maxRetryPause)) {
			s.metrics.unknown.WithLabelValues(c.name).Inc()
			return nil, fmt.Errorf("%s of area %s: %w", c.name, c.echo[0], err)
		}
		s.metrics.retries.WithLabelValues(c.name).Inc()
	}
}

// try runs a script once by the connections of a pool, follows the cluster where it
// redirects, and checks whom the reply speaks of.
func (s *Store) try(ctx context.Context, p *pool, c call) ([]string, error) {
	began := p.now.Load()
	node, err := p.at(ctx, c.keys[0])
	if err != nil {
		return nil, err
	}
	answer, acks, err := s.send(ctx, node, c, false)
	for range clusterRedirects {
		addr, ask, ok := redirection(err)
		if !ok {
			break
		}
		if node, err = p.node(ctx, addr); err != nil {
			return nil, err
		}
		s.metrics.errors.WithLabelValues(c.name, reasonMoved).Inc()
		answer, acks, err = s.send(ctx, node, c, ask)
	}
	if err != nil {
		return nil, err
	}
	reply, err := answer.StringSlice()
	if err != nil || len(reply) < len(c.echo) || !slices.Equal(reply[:len(c.echo)], c.echo[:]) {
		s.distrust(p, began, c)
		return nil, errMismatch
	}
	reply = reply[len(c.echo):]
	if want := s.Copies(); c.durable && acks < want && (len(reply) == 0 || !slices.Contains(refusals, reply[0])) {
		s.metrics.pending.WithLabelValues(c.name).Inc()
		return nil, fmt.Errorf("%w: %d of %d", errPending, acks, want)
	}
	return reply, nil
}

// send runs a script on one server, by its hash and if need be in full.
func (s *Store) send(ctx context.Context, node *redis.Client, c call, ask bool) (answer *redis.Cmd, acks int, err error) {
	wait := copiesWait + s.target.patience
	if c.bulk {
		node, wait = node.WithTimeout(bulkTimeout+s.target.patience), bulkCopiesWait+s.target.patience
	}
	copies := 0
	if c.durable {
		copies = s.Copies()
	}
	if fault.Mutant("wait_elsewhere") && copies > 0 {
		return waitElsewhere(ctx, node, c, copies, wait)
	}
	answer, acks, err = perform(ctx, node, c, c.script.EvalSha, ask, copies, wait)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		answer, acks, err = perform(ctx, node, c, c.script.Eval, ask, copies, wait)
	}
	return answer, acks, err
}

// perform sends a script and, behind it on the same connection, WAIT: on another one
// WAIT would answer for what that one wrote last. ASKING before it lets a server
// that is taking a slot over answer for this once.
func perform(ctx context.Context, node *redis.Client, c call, eval func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd,
	ask bool, copies int, wait time.Duration) (answer *redis.Cmd, acks int, err error) {
	pipe := node.Pipeline()
	if ask {
		_ = pipe.Process(ctx, redis.NewStatusCmd(ctx, "asking")) // queues only
	}
	answer = eval(ctx, pipe, c.keys, append([]any{c.echo[0], c.echo[1]}, c.args...)...)
	waited := redis.NewIntCmd(ctx, "wait", copies, wait.Milliseconds())
	if copies > 0 {
		_ = pipe.Process(ctx, waited) // queues only
	}
	_, err = pipe.Exec(ctx)
	if err := answer.Err(); err != nil {
		return answer, 0, err
	}
	if answer.Val() == nil && err != nil { // a new connection was refused: the library says so of none of the commands
		return answer, 0, err
	}
	return answer, int(waited.Val()), waited.Err()
}

// waitElsewhere is perform with a safeguard left out: WAIT comes by a connection that
// has written nothing, for which whatever replicas have is enough. A server that
// asks for a password is told it there, and then tells the truth now and then.
func waitElsewhere(ctx context.Context, node *redis.Client, c call, copies int, wait time.Duration) (answer *redis.Cmd, acks int, err error) {
	o := node.Options()
	other, err := o.Dialer(ctx, o.Network, o.Addr)
	if err != nil {
		return nil, 0, err
	}
	defer other.Close()
	lines := bufio.NewReader(other)
	if o.Password != "" {
		fmt.Fprintf(other, "AUTH %s %s\r\n", cmp.Or(o.Username, "default"), o.Password)
		if _, err := lines.ReadString('\n'); err != nil {
			return nil, 0, err
		}
	}
	answer = c.script.Run(ctx, node, c.keys, append([]any{c.echo[0], c.echo[1]}, c.args...)...)
	if err := answer.Err(); err != nil {
		return answer, 0, err
	}
	fmt.Fprintf(other, "WAIT %d %d\r\n", copies, wait.Milliseconds())
	line, err := lines.ReadString('\n')
	if err == nil {
		acks, err = strconv.Atoi(strings.Trim(line, ":\r\n"))
	}
	return answer, acks, err
}

// distrust closes every connection of the pool in which a reply came to the wrong
// question: the others may be out of step as well. Calls under way on them end as
// unknown and are repeated on new ones.
func (s *Store) distrust(p *pool, began *clients, c call) {
	if p.reset(began) {
		s.log.Error("a reply of redis answers another question; all connections are closed and opened again", "call", c.name, "of", c.echo[0])
	}
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
