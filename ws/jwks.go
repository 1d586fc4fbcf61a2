package ws

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/prometheus/client_golang/prometheus"
)

// The fetching of an issuer's keys.
const (
	// fetchPause is the least time between the beginnings of two fetches, whatever anybody sends.
	fetchPause = 10 * time.Second
	// fetchWait is how long one fetch may take. It is less than a connection has for its hello.
	fetchWait = 3 * time.Second
	// refreshKeys is the time between two fetches that nobody asked for: how long a key that the
	// issuer has withdrawn is taken at most, while the issuer answers.
	refreshKeys = 5 * time.Minute
	// retryKeys is the same after one that failed.
	retryKeys = 15 * time.Second
	// keysGoodFor is how long keys are taken while the issuer does not answer. After that its tokens
	// are turned away until it does: somebody may keep us from hearing that a key was stolen.
	keysGoodFor = 24 * time.Hour

	maxJWKSBytes  = 256 << 10 // of the issuer's answer
	maxJWKSKeys   = 100       // taken of it
	maxMissing    = 1024      // names remembered that the last fetch did not bring
	maxKidBytes   = 200
	maxRedirects  = 3
	minRSABits    = 2048
	maxRSABits    = 8192
	maxPrefixSize = 200
)

// IssuerConfig says whose tokens are taken. All but ClaimsPrefix, Client, Log and Registerer must be set.
type IssuerConfig struct {
	// Issuer is what iss must be, to the letter.
	Issuer string
	// JWKS is the address of the issuer's keys: https, or http on this machine.
	JWKS string
	// Audience is what aud must be or contain.
	Audience string
	// ClaimsPrefix stands before the names of our claims (role, area, vehicle, vehicle_id, seats,
	// wheelchairs, goods_l, and id, which goes before sub), for providers whose custom claims must be addresses.
	ClaimsPrefix string
	// Client fetches the keys. Nil: one of its own, which trusts whom this machine trusts.
	Client *http.Client
	// Log takes what an operator wants to read. Nil: [slog.Default].
	Log *slog.Logger
	// Registerer takes the metrics. Nil: they are counted and not shown.
	Registerer prometheus.Registerer

	now func() time.Time // for waiting; nil: time.Now
}

func (c *IssuerConfig) validate() error {
	var errs []error
	if c.Issuer == "" || c.Audience == "" {
		errs = append(errs, errors.New("issuer and audience must be set"))
	}
	if len(c.ClaimsPrefix) > maxPrefixSize {
		errs = append(errs, fmt.Errorf("prefix of claims: want at most %d bytes", maxPrefixSize))
	}
	u, err := url.Parse(c.JWKS)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.Join(append(errs, errors.New("address of the keys: want https://host/path, without a user"))...)
	}
	return errors.Join(append(errs, mayFetch(u))...)
}

// mayFetch keeps the keys from being fetched where others could change them on the way.
func mayFetch(u *url.URL) error {
	if u.Scheme == "https" {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("the issuer's keys are fetched by https only, but for this machine: not from %s://%s", u.Scheme, u.Host)
}

// keyName is how a token names its key. The method belongs to it: a key is never used with another one.
type keyName struct{ alg, kid string }

// keyring holds the public keys of an issuer. They are replaced as a whole by each fetch that brings
// any. A name that is not among them causes a fetch, though never more often than every fetchPause,
// and everybody who waits for that fetch shares it. Library keyfunc, which does nearly this, lets one who comes
// during a fetch queue for another, or fail; so only the reading of keys (jwkset) is taken from its author.
type keyring struct {
	// Static after construction.
	cfg     IssuerConfig
	now     func() time.Time
	log     *slog.Logger
	fetches *prometheus.CounterVec
	stop    context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup

	mu      sync.Mutex // guards the following fields
	keys    map[keyName]crypto.PublicKey
	fresh   time.Time            // when keys came; zero: never
	begun   time.Time            // when the last fetch began; zero: never
	going   *fetch               // the one under way, if any
	missing map[keyName]struct{} // asked for before the last fetch, which did not bring them
	failing bool                 // the last fetch failed, and that has been said
}

// fetch is one fetch. ok is set before done is closed.
type fetch struct {
	done chan struct{}
	ok   bool
}

func newKeyring(cfg IssuerConfig) (*keyring, error) {
	k := &keyring{cfg: cfg, now: cfg.now, log: cfg.Log,
		fetches: counters("cuntong_ws_jwks_fetches_total", "Fetches of the OpenID Connect issuer's keys, by result.", "result")}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.Default()
	}
	if cfg.Client == nil {
		k.cfg.Client = newFetcher()
	}
	if cfg.Registerer != nil {
		age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cuntong_ws_jwks_age_seconds",
			Help: "How long ago the issuer's keys were fetched; -1: never. They are taken for a day."}, k.age)
		if err := errors.Join(cfg.Registerer.Register(k.fetches), cfg.Registerer.Register(age)); err != nil {
			return nil, err
		}
	}
	k.ctx, k.stop = context.WithCancel(context.Background())
	k.running.Go(k.refresh)
	return k, nil
}

// newFetcher returns a client that goes nowhere the keys may not be fetched from.
func newFetcher() *http.Client {
	return &http.Client{
		Timeout: fetchWait,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchWait,
			ResponseHeaderTimeout:  fetchWait,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        time.Minute,
			MaxIdleConns:           1,
			MaxConnsPerHost:        1,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirections")
			}
			return mayFetch(r.URL)
		},
	}
}

func (k *keyring) close() {
	k.stop()
	k.running.Wait()
	k.cfg.Client.CloseIdleConnections()
}

// find returns the key of a name. When it is not there it is fetched, if that may be now, and waited for.
func (k *keyring) find(name keyName) (crypto.PublicKey, error) {
	if name.kid == "" || len(name.kid) > maxKidBytes {
		return nil, errors.New("the token does not name its key")
	}
	k.mu.Lock()
	key, have := k.lookup(name)
	if have {
		k.mu.Unlock()
		return key, nil
	}
	under, ours := k.going, false
	if under == nil {
		under, ours = k.begin(), true
	}
	_, missing := k.missing[name]
	k.mu.Unlock()
	if under == nil {
		if missing {
			return nil, errors.New("the issuer has no such key")
		}
		return nil, errKeyLater
	}
	<-under.done
	return k.found(name, under.ok && ours)
}

// found looks again after a fetch. sure says that it was begun for this name, and succeeded:
// then a name that it did not bring does not exist.
func (k *keyring) found(name keyName, sure bool) (crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, have := k.lookup(name)
	switch {
	case have:
		return key, nil
	case !sure:
		return nil, errKeyLater
	}
	if len(k.missing) < maxMissing {
		k.missing[name] = struct{}{}
	}
	return nil, errors.New("the issuer has no such key")
}

// lookup returns a key that may still be used.
func (k *keyring) lookup(name keyName) (crypto.PublicKey, bool) {
	if k.now().Sub(k.fresh) > keysGoodFor {
		return nil, false
	}
	key, have := k.keys[name]
	return key, have
}

// begin begins a fetch, or returns nil when the last one began too short a time ago, or at the end.
func (k *keyring) begin() *fetch {
	now := k.now()
	if !k.begun.IsZero() && now.Sub(k.begun) < fetchPause || k.ctx.Err() != nil {
		return nil
	}
	f := &fetch{done: make(chan struct{})}
	k.begun, k.going, k.missing = now, f, map[keyName]struct{}{}
	k.running.Go(func() { k.run(f) })
	return f
}

// run does a fetch.
func (k *keyring) run(f *fetch) {
	ctx, cancel := context.WithTimeout(k.ctx, fetchWait)
	defer cancel()
	keys, err := k.load(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(f.done)
	k.going = nil
	if err != nil {
		k.fetches.WithLabelValues("failed").Inc()
		if !k.failing && k.ctx.Err() == nil {
			k.log.Warn("the issuer's keys cannot be fetched; those that are known serve on", "issuer", k.cfg.Issuer, "keys", len(k.keys), "err", err)
		}
		k.failing = true
		return
	}
	k.fetches.WithLabelValues("ok").Inc()
	if k.failing || k.fresh.IsZero() || len(keys) != len(k.keys) {
		k.log.Info("the issuer's keys were fetched", "issuer", k.cfg.Issuer, "keys", len(keys))
	}
	k.keys, k.fresh, k.failing, f.ok = keys, k.now(), false, true
}

// refresh fetches in the background until the end.
func (k *keyring) refresh() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-timer.C:
		}
		k.mu.Lock()
		f := k.going
		if f == nil {
			f = k.begin()
		}
		k.mu.Unlock()
		wait := retryKeys
		if f != nil {
			<-f.done
			if f.ok {
				wait = refreshKeys
			}
		}
		timer.Reset(wait)
	}
}

func (k *keyring) age() float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fresh.IsZero() {
		return -1
	}
	return k.now().Sub(k.fresh).Seconds()
}

// load asks the issuer.
func (k *keyring) load(ctx context.Context) (map[keyName]crypto.PublicKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.cfg.JWKS, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := k.cfg.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answers with status %d", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKSBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxJWKSBytes {
		return nil, fmt.Errorf("the issuer's answer is longer than %d bytes", maxJWKSBytes)
	}
	return readKeys(text)
}

// readKeys reads a JWK Set (RFC 7517 section 5). Keys that are of no use here are left out, as section 5
// wants it; a set without any that is of use is an error.
func readKeys(text []byte) (map[keyName]crypto.PublicKey, error) {
	var set struct {
		Keys []stdjson.RawMessage `json:"keys"`
	}
	if err := stdjson.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("not a set of keys: %w", err)
	}
	keys := map[keyName]crypto.PublicKey{}
	for _, text := range set.Keys[:min(len(set.Keys), maxJWKSKeys)] {
		if name, key, ok := readKey(text); ok {
			keys[name] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in the issuer's set can sign tokens by a method that is taken")
	}
	return keys, nil
}

// readKey reads one key, or returns false when it is of no use here: without a name, a secret, not for
// signatures, too weak, of another curve, or for another method.
func readKey(text []byte) (keyName, crypto.PublicKey, bool) {
	var m jwkset.JWKMarshal
	if stdjson.Unmarshal(text, &m) != nil || m.KID == "" || len(m.KID) > maxKidBytes || m.USE != "" && m.USE != jwkset.UseSig {
		return keyName{}, nil, false
	}
	// Certificates are not looked at, and nothing is fetched that a key points to.
	m.X5C, m.X5U, m.X5T, m.X5TS256 = nil, "", "", ""
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return keyName{}, nil, false
	}
	alg := methodOf(jwk.Key())
	if alg == "" || m.ALG != "" && string(m.ALG) != alg {
		return keyName{}, nil, false
	}
	return keyName{alg: alg, kid: m.KID}, jwk.Key(), true
}

// methodOf is the one method that a key is used with; "" when it is none of ours.
func methodOf(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= minRSABits && bits <= maxRSABits && key.E >= 3 && key.E&1 == 1 && key.E < 1<<31 {
			return "RS256"
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}
