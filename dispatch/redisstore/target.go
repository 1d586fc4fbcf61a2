package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// topology is how the servers of a deployment stand to each other.
type topology int

const (
	single   topology = iota // one server, perhaps with replicas that nobody promotes
	sentinel                 // a master, found by asking Sentinels
	cluster                  // masters that share the slots
)

// target is where a deployment of Redis is and how to talk to it.
type target struct {
	topology           topology
	network, addr      string   // of a single server
	seeds              []string // the Sentinels, or some nodes of a cluster
	master             string   // what the Sentinels call it
	username, password string
	ask                func() (string, error) // the password, where it may change; nil: it does not
	// sentinelUsername and sentinelPassword are what the Sentinels ask for.
	sentinelUsername, sentinelPassword string
	db                                 int
	tls                                *tls.Config
	// plainLua says that the server does not know the #! line of a script.
	plainLua bool
	patience time.Duration // see Config
}

// String is the address for people, without a password.
func (t target) String() string {
	switch t.topology {
	case sentinel:
		return strings.Join(t.seeds, ",") + "/" + t.master
	case cluster:
		return strings.Join(t.seeds, ",")
	}
	return t.addr
}

// schemes are the beginnings of addresses, without TLS.
var schemes = map[string]topology{"redis": single, "unix": single, "redis+sentinel": sentinel, "redis+cluster": cluster}

// parameters are what may follow the ? of an address, beside those of TLS.
var parameters = map[topology][]string{
	single:   {"db"},
	sentinel: {"db", "sentinel_user", "sentinel_password"},
	cluster:  {},
}

// tlsParameters name files.
var tlsParameters = []string{"ca", "cert", "key"}

const (
	redisPort    = "6379"
	sentinelPort = "26379"
	// maxSeeds bounds the servers an address may name.
	maxSeeds = 64
)

// parseURL reads the address of a deployment. Its errors never hold the address,
// which may hold a password.
func parseURL(s string) (target, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	plain := strings.Replace(scheme, "rediss", "redis", 1)
	top, known := schemes[plain]
	if !ok || !known {
		return target{}, fmt.Errorf("redis mode is neither %s, %s, %s nor an address that begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://", ModeAuto, ModeEmbedded, ModeChild)
	}
	t := target{topology: top, network: "tcp"}
	hosts, u, err := splitHosts(rest)
	if err != nil {
		return target{}, fmt.Errorf("redis address cannot be read: %w", err)
	}
	t.username = u.User.Username()
	t.password, _ = u.User.Password()
	secure := plain != scheme
	if err := t.readQuery(u.Query(), secure); err != nil {
		return target{}, fmt.Errorf("redis address: %w", err)
	}
	if scheme == "unix" {
		t.network, t.addr = "unix", u.Path
		if u.Path == "" || hosts != "" {
			return target{}, errors.New("redis address: a unix socket is unix:///its/path")
		}
		return t, nil
	}
	if err := t.readPlace(hosts, strings.Trim(u.Path, "/")); err != nil {
		return target{}, fmt.Errorf("redis address: %w", err)
	}
	return t, nil
}

// splitHosts takes the list of hosts, which no URL has, out of what follows ://.
func splitHosts(rest string) (hosts string, u *url.URL, err error) {
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	user, hosts := "", rest[:end]
	if i := strings.LastIndex(hosts, "@"); i >= 0 {
		user, hosts = hosts[:i+1], hosts[i+1:]
	}
	u, err = url.Parse("redis://" + user + "host" + rest[end:])
	if err != nil {
		// The library's error quotes what it could not read.
		return "", nil, errors.New("write % and other signs of a user, a password or a parameter as %25 and so on")
	}
	if u.User == nil {
		u.User = url.User("")
	}
	return hosts, u, nil
}

// readQuery reads the parameters.
func (t *target) readQuery(query url.Values, secure bool) error {
	for name := range query {
		switch {
		case slices.Contains(parameters[t.topology], name):
		case slices.Contains(tlsParameters, name) && secure:
		case slices.Contains(tlsParameters, name):
			return fmt.Errorf("parameter %s goes with TLS: let the address begin with rediss", name)
		default:
			return fmt.Errorf("parameter %q is not known: want %s", name, strings.Join(append(slices.Clone(parameters[t.topology]), tlsParameters...), ", "))
		}
	}
	t.sentinelUsername, t.sentinelPassword = query.Get("sentinel_user"), query.Get("sentinel_password")
	if query.Has("db") {
		if err := t.readDB(query.Get("db")); err != nil {
			return err
		}
	}
	if !secure {
		return nil
	}
	var err error
	t.tls, err = readTLS(query.Get("ca"), query.Get("cert"), query.Get("key"))
	return err
}

func (t *target) readDB(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return errors.New("the database is a number from 0 on")
	}
	t.db = n
	return nil
}

// readPlace reads hosts and path.
func (t *target) readPlace(hosts, path string) error {
	port := redisPort
	if t.topology == sentinel {
		port = sentinelPort
	}
	for host := range strings.SplitSeq(hosts, ",") {
		addr, err := hostPort(host, port)
		if err != nil {
			return err
		}
		t.seeds = append(t.seeds, addr)
	}
	switch {
	case len(t.seeds) > maxSeeds:
		return fmt.Errorf("%d servers: name at most %d, the others are found through them", len(t.seeds), maxSeeds)
	case t.topology == sentinel && (path == "" || strings.Contains(path, "/")):
		return errors.New("say which master is meant: redis+sentinel://h1,h2,h3/mymaster")
	case t.topology == sentinel:
		t.master = path
	case t.topology == cluster && path != "":
		return errors.New("a cluster has one database: nothing may follow the hosts")
	case t.topology == single && len(t.seeds) > 1:
		return errors.New("one server has one host: redis+sentinel:// and redis+cluster:// take several")
	case t.topology == single:
		t.addr, t.seeds = t.seeds[0], nil
		if path != "" {
			return t.readDB(path)
		}
	}
	return nil
}

// hostPort completes a host that lacks a port.
func hostPort(host, port string) (string, error) {
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	} else if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strings.ContainsAny(host, "[]") {
		return "", errors.New("a host is written h, h:6379 or [::1]:6379")
	}
	if host == "" {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

// readTLS reads the files of TLS. Without ca those whom this machine trusts may
// sign for the server.
func readTLS(ca, cert, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca: there is no certificate in %s", ca)
		}
	}
	if (cert == "") != (key == "") {
		return nil, errors.New("cert and key go together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert and key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
