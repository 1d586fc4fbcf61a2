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
	// maxLookPause bounds the pauses between attempts to see a server's settings.
	maxLookPause = 5 * time.Second
	// lookAgain is how often the settings are looked at once they were seen: servers
	// come, become masters, and are set otherwise.
	lookAgain = 15 * time.Second
	// mostLag and wantedLag bound min-replicas-max-lag, in seconds: for how long a
	// master without its replicas goes on writing what it will lose.
	mostLag   = 10
	wantedLag = 2
)

var (
	// errTooOld: the server cannot run the scripts.
	errTooOld = errors.New("too old")
	// errWrongKind: the server is something else than the address says.
	errWrongKind = errors.New("the address is of another kind")
	// errUnsafe: acknowledged facts could be lost.
	errUnsafe = errors.New("unsafe settings: redis may lose trips that people were told of")
	// errNotSeen: nothing is known of the server.
	errNotSeen = errors.New("its settings have not been seen yet")
)

// look asks a given deployment for versions, settings and replicas, and goes on
// doing so in the background. One that answers "no" is an error, and so are unsafe
// settings unless they are allowed.
func (s *Store) look(ctx context.Context) error {
	first, cancel := context.WithTimeout(ctx, firstLook+s.target.patience)
	defer cancel()
	err := s.lookOnce(first)
	if isRefusal(err) {
		return err
	}
	if err != nil {
		s.log.Warn("redis cannot be reached yet; the store goes on trying", "addr", s.target.String(), "error", err)
	}
	later, stop := context.WithCancel(context.Background())
	end := s.stop
	s.stop = func() { stop(); end() }
	s.going.Go(func() { s.lookOn(later, err == nil) })
	return nil
}

// lookOn looks again and again until ctx ends.
func (s *Store) lookOn(ctx context.Context, seen bool) {
	wait := 100 * time.Millisecond
	if seen {
		wait = lookAgain
	}
	for pause(ctx, wait) {
		err := s.lookOnce(ctx)
		switch {
		case err == nil && !seen:
			s.log.Info("redis can be reached now", "addr", s.target.String())
		case isRefusal(err) && !errors.Is(err, errUnsafe):
			s.log.Error("redis refuses this server", "addr", s.target.String(), "error", err)
		}
		if seen = seen || err == nil; seen {
			wait = lookAgain
		} else {
			wait = min(2*wait, maxLookPause) // also while it is unsafe: somebody may be mending it
		}
	}
}

// lookOnce looks once, complains of what is new, and returns errUnsafe with
// everything that must be mended.
func (s *Store) lookOnce(ctx context.Context) error {
	view, err := s.survey(ctx)
	if reasonOf(err) == reasonDenied {
		return fmt.Errorf("redis at %s: %w: look at the user and password given, and at what that user may do (deploy/users.conf)", s.target, err)
	}
	if err != nil {
		return fmt.Errorf("redis at %s: %w", s.target, err)
	}
	// What a master has on average: a replica that is given from one master to another
	// must not raise for ever what is asked of all.
	s.learn(view.replicas / max(view.masters, 1))
	if want := s.Copies(); view.fewest < want {
		const say = "every change is to be on %d replicas and a master has %d: add replicas, or ask for fewer copies"
		if s.wanted > 0 {
			view.trouble("", say, want, view.fewest)
		} else { // one is away, which is no setting: until it is back WAIT holds what needs it
			view.note("", say, want, view.fewest)
		}
	}
	s.setDurable(len(view.troubles) == 0)
	s.complain(view)
	if len(view.troubles) == 0 || s.allowUnsafe {
		s.unfit.Store(nil)
		return nil
	}
	err = fmt.Errorf("redis at %s: %w:\n  %s\nMend this, or allow it if trips may be lost", s.target, errUnsafe, strings.Join(view.troubles, "\n  "))
	if s.unfit.Load() != nil { // a server that was fit goes on: its writers are held by WAIT and min-replicas
		s.unfit.Store(&err)
	}
	return err
}

// complain logs troubles and notes that were not there the last time.
func (s *Store) complain(view *view) {
	all := strings.Join(append(append([]string(nil), view.troubles...), view.notes...), "\n")
	if was := s.said.Swap(&all); was != nil && *was == all {
		return
	}
	for _, trouble := range view.troubles {
		s.log.Warn("UNSAFE: redis may lose trips that people were told of: "+trouble, "addr", s.target.String())
	}
	for _, note := range view.notes {
		s.log.Warn("redis: "+note, "addr", s.target.String())
	}
}

// view is what a look has found.
type view struct {
	troubles []string // acknowledged facts could be lost
	notes    []string // worth knowing
	masters  int
	replicas int // of all masters together
	fewest   int // that a master has
}

func (v *view) trouble(addr, format string, args ...any) {
	v.troubles = append(v.troubles, subject(addr)+fmt.Sprintf(format, args...))
}

func (v *view) note(addr, format string, args ...any) {
	v.notes = append(v.notes, subject(addr)+fmt.Sprintf(format, args...))
}

// subject begins a sentence about a server.
func subject(addr string) string {
	if addr == "" {
		return ""
	}
	return addr + ": "
}

// survey looks at every data node. A master that does not answer is an error, a
// replica that does not is a note.
func (s *Store) survey(ctx context.Context) (*view, error) {
	masters, err := s.ledger.masters(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{fewest: maxCopies}
	for _, master := range masters {
		if err := s.surveyMaster(ctx, v, master); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// surveyMaster looks at one master and its replicas.
func (s *Store) surveyMaster(ctx context.Context, v *view, master *redis.Client) error {
	addr := ""
	if s.target.topology != single {
		addr = master.Options().Addr
	}
	has, err := v.inspect(ctx, addr, master, s.target.topology)
	if err != nil {
		return err
	}
	addrs, err := s.replicaAddrs(ctx, master)
	if err != nil {
		return err
	}
	atLeast, _ := strconv.Atoi(has["min-replicas-to-write"])
	count := max(len(addrs), atLeast)
	v.masters, v.replicas, v.fewest = v.masters+1, v.replicas+count, min(v.fewest, count)
	if count > 0 {
		v.guards(addr, has)
	}
	for _, replica := range addrs {
		o := s.target.options(1)
		o.Network, o.Addr = "tcp", replica
		client := redis.NewClient(o)
		has, err := v.inspect(ctx, replica, client, s.target.topology)
		_ = client.Close() // nothing is under way on it
		if errors.Is(err, errTooOld) {
			return err
		}
		if err != nil {
			v.note(replica, "this replica cannot be looked at: %v", err)
			continue
		}
		v.guards(replica, has)
	}
	if s.target.topology == sentinel {
		return s.guide.places(ctx, v, addrs)
	}
	return nil
}

// settingNames are what is asked for.
var settingNames = []string{"appendonly", "appendfsync", "maxmemory-policy", "min-replicas-to-write", "min-replicas-max-lag",
	"cluster-require-full-coverage", "cluster-allow-replica-migration"}

// inspect looks at one server, and complains of settings under which it could lose
// facts by itself.
func (v *view) inspect(ctx context.Context, addr string, client *redis.Client, as topology) (map[string]string, error) {
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, err
	}
	about, err := client.Info(ctx, "server").Result()
	version := infoField(about, "redis_version")
	switch major, ok := majorVersion(version); {
	case err != nil && !isSaid(err):
		return nil, err
	case err != nil || !ok:
		v.trouble(addr, "its version cannot be read: allow INFO")
	case major < minVersion:
		return nil, fmt.Errorf("version %s is %w: use %d.0 or later", version, errTooOld, minVersion)
	}
	if mode := infoField(about, "redis_mode"); mode == "sentinel" || (mode == "cluster") != (as == cluster) && mode != "" {
		return nil, fmt.Errorf("%w: this server is of kind %s; begin with redis+sentinel:// and redis+cluster:// for those", errWrongKind, mode)
	}
	settings := map[string]string{}
	for _, name := range settingNames {
		values, err := client.ConfigGet(ctx, name).Result()
		if err != nil && !isSaid(err) {
			return nil, err
		}
		settings[name] = values[name]
	}
	for _, trouble := range unsafeSettings(settings) {
		v.trouble(addr, "%s", trouble)
	}
	if settings["cluster-require-full-coverage"] == "yes" && as == cluster {
		v.note(addr, "cluster-require-full-coverage is yes, so every area stops when one master is without a replica to take its place: CONFIG SET cluster-require-full-coverage no")
	}
	if settings["cluster-allow-replica-migration"] == "yes" && as == cluster {
		v.trouble(addr, "cluster-allow-replica-migration is yes, so a master may come to have more replicas than are waited for, and lose its place to one that lacks what was acknowledged: CONFIG SET cluster-allow-replica-migration no, and the same in its configuration file")
	}
	return settings, nil
}

// guards complains of a server that would go on writing without its replicas.
func (v *view) guards(addr string, has map[string]string) {
	if n, err := strconv.Atoi(has["min-replicas-to-write"]); err == nil && n < 1 {
		v.trouble(addr, "min-replicas-to-write is %d, so a master that is cut off goes on writing what will be lost: CONFIG SET min-replicas-to-write 1, and the same in its configuration file", n)
	}
	switch lag, err := strconv.Atoi(has["min-replicas-max-lag"]); {
	case err != nil:
		v.trouble(addr, "min-replicas-to-write and min-replicas-max-lag cannot be read: allow CONFIG GET, and make sure they are 1 and %d", wantedLag)
	case lag > mostLag || lag == 0:
		v.trouble(addr, "min-replicas-max-lag is %d, so a master that is cut off goes on writing for so many seconds (0: for ever): CONFIG SET min-replicas-max-lag %d, and the same in its configuration file", lag, wantedLag)
	case lag > wantedLag:
		v.note(addr, "min-replicas-max-lag is %d seconds: %d would end the writing of a master that is cut off sooner", lag, wantedLag)
	}
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
	return errors.Is(err, errTooOld) || errors.Is(err, errWrongKind) || errors.Is(err, errUnsafe) || reasonOf(err) == reasonDenied
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
