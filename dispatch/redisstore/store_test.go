package redisstore

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cuntong/dispatch"
)

func seq(n int) dispatch.Seq { return dispatch.Seq(n) }

func TestConfig(t *testing.T) {
	good, err := Config{Mode: ModeEmbedded, Node: "node-a"}.withDefaults()
	if err != nil || good.LeaseFor != DefaultLease || good.Durability != DurabilityAlways || good.Log == nil {
		t.Errorf("defaults are %+v, %v", good, err)
	}
	_, err = Config{Node: "{}", LeaseFor: time.Millisecond, Durability: "never"}.withDefaults()
	for _, want := range []string{"node name", "lease is 1ms", `durability "never"`, "data folder"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

func TestParseURL(t *testing.T) {
	three := []string{"h1:26379", "h2:26380", "[::1]:26379"}
	for url, want := range map[string]target{
		"redis://10.0.0.5":                     {network: "tcp", addr: "10.0.0.5:6379"},
		"redis://u:secret@h:6400/3":            {network: "tcp", addr: "h:6400", username: "u", password: "secret", db: 3},
		"redis://u:s%40cret@h?db=4":            {network: "tcp", addr: "h:6379", username: "u", password: "s@cret", db: 4},
		"redis://:secret@[::1]:6400":           {network: "tcp", addr: "[::1]:6400", password: "secret"},
		"unix:///run/redis.sock?db=2":          {network: "unix", addr: "/run/redis.sock", db: 2},
		"rediss://h":                           {network: "tcp", addr: "h:6379", tls: &tls.Config{}},
		"unix://u:secret@/run/redis/redis.soc": {network: "unix", addr: "/run/redis/redis.soc", username: "u", password: "secret"},
		"redis+sentinel://u:secret@h1,h2:26380,[::1]/county?db=2&sentinel_user=w&sentinel_password=x%26y": {topology: sentinel, network: "tcp", seeds: three,
			master: "county", username: "u", password: "secret", db: 2, sentinelUsername: "w", sentinelPassword: "x&y"},
		"rediss+sentinel://h1,h2:26380,[::1]/county": {topology: sentinel, network: "tcp", seeds: three, master: "county", tls: &tls.Config{}},
		"redis+cluster://u:secret@h1:7000,h2":        {topology: cluster, network: "tcp", seeds: []string{"h1:7000", "h2:6379"}, username: "u", password: "secret"},
		"rediss+cluster://h1":                        {topology: cluster, network: "tcp", seeds: []string{"h1:6379"}, tls: &tls.Config{}},
	} {
		got, err := parseURL(url)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{}), cmpopts.IgnoreTypes(&tls.Config{})); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", url, err, diff)
		}
		if (got.tls != nil) != (want.tls != nil) || got.tls != nil && (got.tls.InsecureSkipVerify || got.tls.MinVersion < tls.VersionTLS12) {
			t.Errorf("%s: TLS is %v", url, got.tls)
		}
		if strings.Contains(got.String(), "secret") || got.String() == "" {
			t.Errorf("%s is shown as %q", url, got)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for url, want := range map[string]string{
		"redis+sentinel://:secret@a,b":               "which master",
		"redis+sentinel://:secret@a/x/y":             "which master",
		"sentinel://:secret@a":                       "neither",
		"redis+cluster://:secret@a/3":                "one database",
		"redis+cluster://:secret@a?db=3":             `"db" is not known`,
		"redis://:secret@a:1,b:2":                    "one host",
		"http://:secret@a":                           "neither",
		"memory":                                     "neither",
		"redis://:secret@a/x":                        "database",
		"redis://:secret@a/-1":                       "database",
		"redis://:secret@a/%zz":                      "%25",
		"redis://:se%cret@a":                         "%25",
		"redis://a:secret":                           "a host is written",
		"redis://:secret@a:99999":                    "a host is written",
		"rediss://:secret@a?skip_verify=true":        "skip_verify",
		"rediss://:secret@a?ca=/no/such/file":        "no such file",
		"rediss://:secret@a?cert=/no/such/file":      "go together",
		"redis://:secret@a?ca=/ca.pem":               "rediss",
		"redis://:secret@a?sentinel_password=secret": "sentinel_password",
		"unix://:secret@":                            "unix:///",
		"unix://:secret@host/run/x":                  "unix:///",
		"redis://u:secret@[::1":                      "a host is written",
	} {
		_, err := parseURL(url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error is %v, want one with %q and no password", url, err, want)
		}
	}
}

func TestGivenThatIsAwayAtFirst(t *testing.T) {
	g := startGiven(t)
	g.kill()
	book, log := newLogBook()
	s := open(t, Config{Mode: g.url(), Log: log})
	if !strings.Contains(book.String(), "cannot be reached yet") || s.Durable() {
		t.Errorf("durable %v, log: %s", s.Durable(), book)
	}
	a := s.Area(newArea())
	if _, err := a.Acquire(t.Context()); !errors.Is(err, errNotSeen) {
		t.Errorf("a lease from nobody: %v", err)
	}
	g.start()
	eventually(t, "the settings are known", s.Durable)
	acquire(t, a)
	appendFacts(t, a, "one", 0, 1)
}

func TestGivenThatNeverCame(t *testing.T) {
	s := open(t, Config{Mode: "redis://" + freeAddr(t)})
	if err := s.Ping(t.Context()); err == nil {
		t.Error("nobody answers a ping")
	}
}

func TestGivenThatRefuses(t *testing.T) {
	g := startGiven(t, "--requirepass", "right")
	for _, url := range []string{g.url(), "redis://:wrong@" + g.addr, "redis://:right@" + g.addr + "/99"} {
		_, err := Open(t.Context(), Config{Mode: url, Node: "node-a", Log: quiet(), patience: unhurried})
		if err == nil || strings.Contains(err.Error(), "wrong") && !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("%s: error is %v", url, err)
		}
	}
	s := open(t, Config{Mode: "redis://:right@" + g.addr + "/3"})
	if s.Kind() != KindGiven || s.Addr() != g.addr {
		t.Errorf("kind %s at %s", s.Kind(), s.Addr())
	}
	appendFacts(t, harness{store: s}.writer(t, newArea()), "one", 0, 1)
}

func TestUnsafeSettings(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"safe":    {nil, nil},
		"no file": {[]string{"--appendonly", "no"}, []string{"CONFIG SET appendonly yes"}},
		"all wrong": {[]string{"--appendfsync", "everysec", "--maxmemory-policy", "allkeys-lru"},
			[]string{"CONFIG SET appendfsync always", "CONFIG SET maxmemory-policy noeviction"}},
		"not readable": {[]string{"--rename-command", "CONFIG", "", "--rename-command", "INFO", ""},
			[]string{"appendonly cannot be read", "version cannot be read"}},
	} {
		g := startGiven(t, c.args...)
		safe := len(c.says) == 0
		s, err := Open(t.Context(), Config{Mode: g.url(), Node: "node-a", Log: quiet(), patience: unhurried})
		if err == nil {
			s.Close()
		}
		if (err == nil) != safe {
			t.Errorf("%s: open says %v", name, err)
		}
		book, log := newLogBook()
		s = open(t, Config{Mode: g.url(), Log: log, AllowUnsafe: true})
		if s.Durable() != safe || (testutil.ToFloat64(s.metrics.unsafeLedger) == 0) != safe || strings.Contains(book.String(), "UNSAFE") == safe {
			t.Errorf("%s: durable %v, log %s", name, s.Durable(), book)
		}
		acquire(t, s.Area(newArea()))
		for _, want := range c.says {
			if !strings.Contains(book.String(), want) || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the log or the error lacks %q: %s; %v", name, want, book, err)
			}
		}
	}
}

// A server that comes late and proves unsafe is not served by.
func TestGivenThatProvesUnsafe(t *testing.T) {
	g := startGiven(t, "--appendfsync", "everysec")
	g.kill()
	s := open(t, Config{Mode: g.url()})
	g.start()
	a := s.Area(newArea())
	eventually(t, "the settings were looked at", func() bool { return errors.Is(s.Ping(t.Context()), errUnsafe) })
	if _, err := a.Acquire(t.Context()); !errors.Is(err, errUnsafe) || !strings.Contains(err.Error(), "CONFIG SET appendfsync always") {
		t.Errorf("acquire says %v", err)
	}
	client := s.target.client(1)
	defer client.Close()
	if err := client.ConfigSet(t.Context(), "appendfsync", "always").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is served by when it has been mended", func() bool { return s.Ping(t.Context()) == nil })
	acquire(t, a)
}

func TestMajorVersion(t *testing.T) {
	for version, want := range map[string]int{"7.0.15": 7, "10.2": 10, "8": 8} {
		if got, ok := majorVersion(version); !ok || got != want {
			t.Errorf("%s: %d, %v", version, got, ok)
		}
	}
	if _, ok := majorVersion(""); ok {
		t.Error("nothing is a version")
	}
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	s := open(t, Config{Mode: ModeEmbedded, Registerer: r})
	a := s.Area(newArea())
	acquire(t, a)
	appendFacts(t, a, "one", 0, 5)
	show(t, a, at("d1", rongjiang, now))
	m := s.metrics
	m.retries.WithLabelValues(callAppend)
	m.unknown.WithLabelValues(callAppend)
	m.pending.WithLabelValues(callAppend)
	m.errors.WithLabelValues(callAppend, reasonTimeout)
	m.mirrorDrops.WithLabelValues("invalid")
	m.mirrorSweeps.WithLabelValues("old")
	m.letters.WithLabelValues(boxInbox, "sent")
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	families := must(r.Gather())(t)
	if len(families) != 19 {
		t.Errorf("%d metrics, want 19", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "cuntong_store_") || len(f.GetHelp()) < 20 {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
	want := `
# HELP cuntong_store_info Always 1; says which kind of Redis is in use.
# TYPE cuntong_store_info gauge
cuntong_store_info{kind="embedded"} 1
# HELP cuntong_store_lease_calls_total Calls to take, renew or release the right to write an area, by result.
# TYPE cuntong_store_lease_calls_total counter
cuntong_store_lease_calls_total{result="taken"} 1
# HELP cuntong_store_ledger_unsafe 1 when acknowledged facts could be lost with the server's power or memory, or when its settings could not be read yet.
# TYPE cuntong_store_ledger_unsafe gauge
cuntong_store_ledger_unsafe 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "cuntong_store_info", "cuntong_store_lease_calls_total", "cuntong_store_ledger_unsafe"); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), Config{Mode: ModeEmbedded, Node: "n", Registerer: r, Log: quiet()}); err == nil {
		t.Error("two stores share a registerer")
	}
}

func TestEmbeddedTimePasses(t *testing.T) {
	s := open(t, Config{Mode: ModeEmbedded})
	s.mirror.now.Load().one.Set(t.Context(), "soon", "gone", 50*time.Millisecond)
	eventually(t, "the key has expired", func() bool { return s.mirror.now.Load().one.Exists(t.Context(), "soon").Val() == 0 })
}

// Positions are people's, and loopback is open to everybody on a machine.
func TestEmbeddedIsNotOpenToOthers(t *testing.T) {
	s := open(t, Config{Mode: ModeEmbedded})
	stranger := s.target
	stranger.password = ""
	client := stranger.client(1)
	defer client.Close()
	err := client.Ping(t.Context()).Err()
	if reasonOf(err) != reasonDenied || !isRefusal(err) {
		t.Errorf("a stranger is told %v", err)
	}
}
