package ws

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"cuntong/bubble"
)

const (
	testIssuer   = "https://id.example/realm"
	testAudience = "cuntong-county"
)

// provider is an OpenID Connect provider: its keys, and how it answers.
type provider struct {
	t       testing.TB
	fetches atomic.Int64

	mu     sync.Mutex // guards the following fields
	status int
	raw    string // answers with it, if set
	keys   []jwkset.JWKMarshal
}

func newProvider(t testing.TB) *provider { return &provider{t: t, status: http.StatusOK} }

// publish makes the keys, by name, all that there are.
func (p *provider) publish(keys map[string]crypto.PublicKey) {
	p.t.Helper()
	var all []jwkset.JWKMarshal
	for kid, key := range keys {
		jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, jwk.Marshal())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = all
}

func (p *provider) answer(status int, raw string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.raw = status, raw
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.fetches.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	w.WriteHeader(p.status)
	if p.raw != "" {
		fmt.Fprint(w, p.raw)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": p.keys})
}

// RoundTrip lets a provider answer without a network, for tests in virtual time.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// issuer returns a judge of the provider's tokens, over a real socket.
func (p *provider) issuer(change ...func(*IssuerConfig)) *Issuer {
	p.t.Helper()
	server := httptest.NewServer(p)
	p.t.Cleanup(server.Close)
	return p.judge(append([]func(*IssuerConfig){func(c *IssuerConfig) { c.JWKS = server.URL + "/jwks" }}, change...)...)
}

func (p *provider) judge(change ...func(*IssuerConfig)) *Issuer {
	p.t.Helper()
	cfg := IssuerConfig{Issuer: testIssuer, Audience: testAudience, JWKS: "https://id.example/jwks", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, f := range change {
		f(&cfg)
	}
	i, err := NewIssuer(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(i.Close)
	return i
}

// signed makes a token as the provider does.
func signed(t testing.TB, kid string, key any, change func(claims jwt.MapClaims, header map[string]any)) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": testIssuer, "sub": "p1", "role": "passenger", "area": "leishan", "aud": testAudience,
		"iat": tokenTime.Unix(), "exp": tokenTime.Add(10 * time.Minute).Unix()}
	var method jwt.SigningMethod
	switch k := key.(type) {
	case *rsa.PrivateKey:
		method = jwt.SigningMethodRS256
	case *ecdsa.PrivateKey:
		method = map[int]jwt.SigningMethod{256: jwt.SigningMethodES256, 384: jwt.SigningMethodES384}[k.Curve.Params().BitSize]
	case ed25519.PrivateKey:
		method = jwt.SigningMethodEdDSA
	case []byte:
		method = jwt.SigningMethodHS256
	default:
		method, key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	if change != nil {
		change(claims, token.Header)
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// keys of every kind, made once: RSA keys take long.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, weak *rsa.PrivateKey
	ec, p384  *ecdsa.PrivateKey
	ed        ed25519.PrivateKey
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.weak, err = rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	k.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
})

func reasonOf(err error) AuthReason {
	var failed *AuthError
	if errors.As(err, &failed) {
		return failed.Reason
	}
	return ""
}

func TestIssuerTakes(t *testing.T) {
	keys := testKeys()
	p := newProvider(t)
	p.publish(map[string]crypto.PublicKey{"r": keys.rsa.Public(), "e": keys.ec.Public(), "d": keys.ed.Public()})
	i := p.issuer()
	for kid, key := range map[string]any{"r": keys.rsa, "e": keys.ec, "d": keys.ed} {
		got, err := i.Authenticate(signed(t, kid, key, nil), tokenTime)
		want := claimsOf(passenger)
		want.Issued, want.Expires = tokenTime.Truncate(time.Second), tokenTime.Add(10*time.Minute).Truncate(time.Second)
		if err != nil || got.Actor != want.Actor || got.Area != want.Area || !got.Issued.Equal(want.Issued) || !got.Expires.Equal(want.Expires) {
			t.Errorf("%s: %+v %v, want %+v", kid, got, err, want)
		}
	}
	driver := signed(t, "e", keys.ec, func(c jwt.MapClaims, _ map[string]any) {
		c["sub"], c["role"], c["vehicle"], c["seats"] = "d1", "driver", "minibus", 7
	})
	if got, err := i.Authenticate(driver, tokenTime); err != nil || got.Vehicle.Load.Seats != 7 {
		t.Errorf("a driver: %+v %v", got, err)
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestIssuerClaimsPrefix(t *testing.T) {
	keys := testKeys()
	p := newProvider(t)
	p.publish(map[string]crypto.PublicKey{"e": keys.ec.Public()})
	i := p.issuer(func(c *IssuerConfig) { c.ClaimsPrefix = "https://cuntong/" })
	got, err := i.Authenticate(signed(t, "e", keys.ec, func(c jwt.MapClaims, _ map[string]any) {
		c["sub"], c["role"] = "auth0|77", "operator" // what has no prefix says nothing
		c["https://cuntong/id"], c["https://cuntong/role"], c["https://cuntong/area"] = "a1", "agent", "leishan"
	}), tokenTime)
	if err != nil || got.Actor != agent {
		t.Errorf("%+v %v, want %v", got, err, agent)
	}
}

func TestIssuerTurnsDown(t *testing.T) {
	keys := testKeys()
	p := newProvider(t)
	p.publish(map[string]crypto.PublicKey{"r": keys.rsa.Public(), "e": keys.ec.Public(), "big": keys.p384.Public(), "weak": keys.weak.Public()})
	i := p.issuer()
	der, err := x509.MarshalPKIXPublicKey(keys.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	claim := func(name string, value any) string {
		return signed(t, "e", keys.ec, func(c jwt.MapClaims, _ map[string]any) {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		})
	}
	header := func(name string, value any) string {
		return signed(t, "e", keys.ec, func(_ jwt.MapClaims, h map[string]any) { h[name] = value })
	}
	raw := func(claims string) string {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"e"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		sig, err := jwt.SigningMethodES256.Sign(head, keys.ec)
		if err != nil {
			t.Fatal(err)
		}
		return head + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	good := signed(t, "e", keys.ec, nil)
	_, rest, _ := strings.Cut(good, ".")
	twice := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","alg":"ES256","kid":"e"}`)) + "." + rest
	fits := fmt.Sprintf(`"iss":%q,"sub":"p1","aud":%q,"area":"leishan","iat":%d,"exp":%d`, testIssuer, testAudience, tokenTime.Unix(), tokenTime.Unix()+60)
	if _, err := i.Authenticate(raw(`{"role":"passenger",`+fits+`}`), tokenTime); err != nil {
		t.Fatal(err)
	}
	// AuthLater: the set has no such key for such a method, as the test of missing keys goes on to show.
	for name, c := range map[string]struct {
		token string
		want  AuthReason
	}{
		"nothing":                    {"", AuthMissing},
		"noise":                      {"noise", AuthMalformed},
		"method none":                {signed(t, "e", nil, nil), AuthSignature},
		"HS256 with the public key":  {signed(t, "r", public, nil), AuthSignature},
		"HS256 with the DER of it":   {signed(t, "r", der, nil), AuthSignature},
		"another method for the key": {header("alg", "RS256"), AuthLater},
		"RS384":                      {forge(t, jwt.SigningMethodRS384, keys.rsa, nil), AuthSignature},
		"PS256":                      {forge(t, jwt.SigningMethodPS256, keys.rsa, nil), AuthSignature},
		"wrong curve":                {signed(t, "big", keys.p384, nil), AuthSignature},
		"wrong curve, lying":         {signed(t, "big", keys.p384, func(_ jwt.MapClaims, h map[string]any) { h["alg"] = "ES256" }), AuthLater},
		"weak key":                   {signed(t, "weak", keys.weak, nil), AuthLater},
		"no kid":                     {header("kid", ""), AuthSignature},
		"kid is a path":              {header("kid", "../../../../dev/null"), AuthLater},
		"kid is an address":          {header("kid", "https://evil.example/jwks"), AuthLater},
		"kid is long":                {header("kid", strings.Repeat("k", maxKidBytes+1)), AuthSignature},
		"kid is a number":            {header("kid", 7), AuthMalformed},
		"demands extensions":         {header("crit", []string{"exp"}), AuthMalformed},
		"alg twice":                  {twice, AuthMalformed},
		"expired":                    {claim("exp", tokenTime.Add(-tokenLeeway-time.Second).Unix()), AuthExpired},
		"never expires":              {claim("exp", nil), AuthClaims},
		"expires in a hundred years": {claim("exp", tokenTime.Add(MaxTokenLife*100).Unix()), AuthClaims},
		"not yet":                    {claim("nbf", tokenTime.Add(tokenLeeway+time.Second).Unix()), AuthEarly},
		"from the future":            {claim("iat", tokenTime.Add(tokenLeeway+time.Second).Unix()), AuthEarly},
		"no time of issue":           {claim("iat", nil), AuthClaims},
		"for others":                 {claim("aud", "somebody-else"), AuthClaims},
		"for nobody":                 {claim("aud", nil), AuthClaims},
		"by others":                  {claim("iss", "https://id.example/other"), AuthClaims},
		"by others, nearly":          {claim("iss", testIssuer+"/"), AuthClaims},
		"by nobody":                  {claim("iss", nil), AuthClaims},
		"role twice":                 {raw(`{"role":"passenger","role":"operator",` + fits + `}`), AuthMalformed},
		"role in capitals":           {raw(`{"Role":"operator",` + fits + `}`), AuthClaims},
		"role null":                  {raw(`{"role":null,` + fits + `}`), AuthClaims},
		"role of the server":         {claim("role", "system"), AuthClaims},
		"no subject":                 {claim("sub", nil), AuthClaims},
		"not UTF-8":                  {raw(`{"role":"passenger","x":"` + "\xff" + `",` + fits + `}`), AuthMalformed},
		"oversized":                  {claim("x", strings.Repeat("x", MaxTokenBytes)), AuthMalformed},
		"a million dots":             {strings.Repeat(".", 1_000_000), AuthMalformed},
		"dots that fit":              {strings.Repeat(".", MaxTokenBytes), AuthMalformed},
		"encrypted":                  {"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d", AuthMalformed},
		"deep":                       {raw(`{"x":` + strings.Repeat(`{"x":`, 300) + "1" + strings.Repeat("}", 300) + `,` + fits + `}`), AuthClaims},
		"another's signature":        {good[:strings.LastIndex(good, ".")] + claim("sub", "p2")[strings.LastIndex(good, "."):], AuthSignature},
	} {
		_, err := i.Authenticate(c.token, tokenTime)
		if got := reasonOf(err); got != c.want {
			t.Errorf("%s: reason %q (%v), want %s", name, got, errors.Unwrap(err), c.want)
		}
		if c.token != "" && len(c.token) > 10 && strings.Contains(fmt.Sprint(err, errors.Unwrap(err)), c.token) {
			t.Errorf("%s: the error repeats the token", name)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// TestEither: the method decides who judges, and a public key is never a secret.
func TestEither(t *testing.T) {
	keys := testKeys()
	p := newProvider(t)
	p.publish(map[string]crypto.PublicKey{"r": keys.rsa.Public()})
	der, err := x509.MarshalPKIXPublicKey(keys.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	shared := testKey(t, "a")
	either := Either{Shared: Keys{shared}, Issuer: p.issuer()}
	for name, token := range map[string]string{
		"shared": forge(t, jwt.SigningMethodHS256, shared.secret, nil),
		"issuer": signed(t, "r", keys.rsa, nil),
	} {
		if _, err := either.Authenticate(token, tokenTime); err != nil {
			t.Errorf("%s: %v", name, errors.Unwrap(err))
		}
	}
	ours := func(c jwt.MapClaims, _ map[string]any) { c["aud"] = audience }
	for name, token := range map[string]string{
		"HS256 with the public key":     signed(t, "r", public, ours),
		"RS256 for the shared audience": signed(t, "r", keys.rsa, ours),
		"shared secret as RS256":        signed(t, "r", shared.secret, func(_ jwt.MapClaims, h map[string]any) { h["alg"] = "RS256" }),
		"none":                          signed(t, "r", nil, ours),
		"method in small letters":       signed(t, "r", shared.secret, func(c jwt.MapClaims, h map[string]any) { c["aud"], h["alg"] = audience, "hs256" }),
	} {
		if _, err := either.Authenticate(token, tokenTime); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestRotation: whoever shows a token by a new key is let in, however many come at once, and
// whoever has one by the old key as long as that is published.
func TestRotation(t *testing.T) {
	bubble.Test(t, testRotation)
}

func testRotation(t *testing.T) {
	keys, p := testKeys(), newProvider(t)
	p.publish(map[string]crypto.PublicKey{"k0": keys.ec.Public()})
	i := p.judge(func(c *IssuerConfig) { c.Client = &http.Client{Transport: p} })
	synctest.Wait() // the fetch that nobody asked for
	if _, err := i.Authenticate(signed(t, "k0", keys.ec, nil), tokenTime); err != nil {
		t.Fatal(err)
	}
	fresh := keys.ec
	for turn := range 5 {
		old := fresh
		var err error
		if fresh, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
		was, is := fmt.Sprint("k", turn), fmt.Sprint("k", turn+1)
		p.publish(map[string]crypto.PublicKey{was: old.Public(), is: fresh.Public()})
		time.Sleep(fetchPause)
		before := p.fetches.Load()
		tokens := []string{signed(t, was, old, nil), signed(t, is, fresh, nil)}
		var failed atomic.Int64
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				if _, err := i.Authenticate(tokens[n%2], tokenTime); err != nil {
					failed.Add(1)
				}
			})
		}
		all.Wait()
		if failed.Load() != 0 || p.fetches.Load() != before+1 {
			t.Errorf("turn %d: %d good tokens turned down, %d fetches", turn, failed.Load(), p.fetches.Load()-before)
		}
	}
	time.Sleep(fetchPause)
	p.publish(map[string]crypto.PublicKey{"k9": fresh.Public()})
	_, _ = i.Authenticate(signed(t, "k9", fresh, nil), tokenTime)
	if _, err := i.Authenticate(signed(t, "k5", fresh, nil), tokenTime); err == nil {
		t.Error("a key that is no longer published was taken")
	}
}

// TestUnknownKeyFlood: whatever is thrown at it, the issuer is asked at most once in ten seconds; and whoever
// has a good token meanwhile is told to come back, not turned down.
func TestUnknownKeyFlood(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := newProvider(t)
		keys := testKeys()
		p.publish(map[string]crypto.PublicKey{"k0": keys.ec.Public()})
		i := p.judge(func(c *IssuerConfig) { c.Client = &http.Client{Transport: p} })
		defer i.Close()
		synctest.Wait()
		good := signed(t, "k0", keys.ec, nil)
		begin := time.Now()
		stop := begin.Add(2 * time.Minute)
		var all sync.WaitGroup
		for flooder := range 4 {
			all.Go(func() {
				for n := 0; time.Now().Before(stop); n++ {
					token := signed(t, fmt.Sprintf("x%d-%d", flooder, n), keys.ed, nil)
					if _, err := i.Authenticate(token, tokenTime); err == nil {
						t.Error("an unknown key was taken")
					}
					if _, err := i.Authenticate(good, tokenTime); err != nil {
						t.Errorf("a good token was turned down: %v", err)
					}
					time.Sleep(700 * time.Millisecond)
				}
			})
		}
		time.Sleep(41 * time.Second)
		_, other, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p.publish(map[string]crypto.PublicKey{"k0": keys.ec.Public(), "new": other.Public()})
		rotated := signed(t, "new", other, nil)
		for tries := 0; ; tries++ {
			_, err := i.Authenticate(rotated, tokenTime)
			if err == nil {
				break
			}
			if reasonOf(err) != AuthLater || tries > 20 {
				t.Fatalf("try %d with the new key: %v", tries, errors.Unwrap(err))
			}
			time.Sleep(time.Second)
		}
		all.Wait()
		span := time.Since(begin)
		if n, most := p.fetches.Load(), int64(span/fetchPause)+1; n > most {
			t.Errorf("%d fetches in %v, want at most %d", n, span, most)
		}
		i.keys.mu.Lock()
		defer i.keys.mu.Unlock()
		if len(i.keys.missing) > maxMissing {
			t.Errorf("%d names remembered", len(i.keys.missing))
		}
	})
}

// TestMissingKey: a name that the issuer does not have is turned down, at once the second time.
func TestMissingKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		keys, p := testKeys(), newProvider(t)
		p.publish(map[string]crypto.PublicKey{"k0": keys.ec.Public()})
		i := p.judge(func(c *IssuerConfig) { c.Client = &http.Client{Transport: p} })
		synctest.Wait() // the fetch that nobody asked for
		if _, err := i.Authenticate(signed(t, "k0", keys.ec, nil), tokenTime); err != nil {
			t.Fatal(err)
		}
		token := signed(t, "other", keys.ec, nil)
		if _, err := i.Authenticate(token, tokenTime); reasonOf(err) != AuthLater {
			t.Errorf("within the pause: %v", err)
		}
		time.Sleep(fetchPause)
		for range 3 {
			if _, err := i.Authenticate(token, tokenTime); reasonOf(err) != AuthSignature {
				t.Errorf("after the pause: %v", err)
			}
		}
		if n := p.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

// TestIssuerDown: tokens are taken by the keys that are known, for a day, and again as soon as the issuer is back.
func TestIssuerDown(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := newProvider(t)
		keys := testKeys()
		p.publish(map[string]crypto.PublicKey{"k0": keys.ec.Public()})
		p.answer(http.StatusInternalServerError, "")
		var log bytes.Buffer
		i := p.judge(func(c *IssuerConfig) {
			c.Client = &http.Client{Transport: p}
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		defer i.Close()
		synctest.Wait()
		good := signed(t, "k0", keys.ec, nil)
		if _, err := i.Authenticate(good, tokenTime); reasonOf(err) != AuthLater {
			t.Errorf("before any key was fetched: %v", err)
		}
		p.answer(http.StatusOK, "")
		time.Sleep(time.Minute)
		for _, raw := range []string{"", "{}", `{"keys":[]}`, "<html>", strings.Repeat(" ", maxJWKSBytes) + "{}"} {
			status := http.StatusOK
			if raw == "" {
				status = http.StatusBadGateway
			}
			p.answer(status, raw)
			for range 5 {
				time.Sleep(2 * time.Minute)
				if _, err := i.Authenticate(good, tokenTime); err != nil {
					t.Fatalf("while the issuer answers %.20q: %v", raw, err)
				}
			}
		}
		p.answer(http.StatusBadGateway, "")
		time.Sleep(keysGoodFor)
		if _, err := i.Authenticate(good, tokenTime); reasonOf(err) != AuthLater {
			t.Errorf("after a day: %v", err)
		}
		p.answer(http.StatusOK, "")
		time.Sleep(retryKeys)
		if _, err := i.Authenticate(good, tokenTime); err != nil {
			t.Errorf("when the issuer is back: %v", err)
		}
		i.Close()
		if n := strings.Count(log.String(), "cannot be fetched"); n != 2 {
			t.Errorf("the log complains %d times, want 2:\n%s", n, log.String())
		}
	})
}

func TestIssuerConfig(t *testing.T) {
	for _, bad := range []string{"", "http://id.example/jwks", "ftp://id.example/jwks", "https://", "https://user:pass@id.example/jwks", "http://127.0.0.1.evil.example/jwks", "//x", "http://10.0.0.1/"} {
		if _, err := NewIssuer(IssuerConfig{Issuer: "i", Audience: "a", JWKS: bad}); err == nil {
			t.Errorf("%s was taken", bad)
		} else if strings.Contains(err.Error(), "pass@") {
			t.Error("the error shows a password")
		}
	}
	for _, cfg := range []IssuerConfig{{JWKS: "https://id.example/", Issuer: "i"}, {JWKS: "https://id.example/", Audience: "a"}} {
		if _, err := NewIssuer(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// TestNoRedirectionInTheClear: the issuer's https address cannot lead to one that others can listen to.
func TestNoRedirectionInTheClear(t *testing.T) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://id.example/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	follow := newFetcher().CheckRedirect
	if follow(r, nil) == nil {
		t.Error("http was followed")
	}
	r.URL.Scheme = "https"
	if err := follow(r, nil); err != nil {
		t.Error(err)
	}
	if follow(r, make([]*http.Request, maxRedirects+1)) == nil {
		t.Error("redirections have no end")
	}
}

func TestReadKeysLeavesOut(t *testing.T) {
	keys := testKeys()
	ec := func(change map[string]any) map[string]any {
		x, y := make([]byte, 32), make([]byte, 32)
		keys.ec.X.FillBytes(x)
		keys.ec.Y.FillBytes(y)
		m := map[string]any{"kty": "EC", "crv": "P-256", "kid": "k", "x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y)}
		for name, value := range change {
			m[name] = value
		}
		return m
	}
	for name, key := range map[string]any{
		"secret":       map[string]any{"kty": "oct", "kid": "k", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
		"no name":      ec(map[string]any{"kid": ""}),
		"for secrecy":  ec(map[string]any{"use": "enc"}),
		"other method": ec(map[string]any{"alg": "ES384"}),
		"HS256":        ec(map[string]any{"alg": "HS256"}),
		"not on curve": ec(map[string]any{"x": base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))}),
		"other curve":  ec(map[string]any{"crv": "P-384"}),
		"not a key":    7,
		"unknown type": map[string]any{"kty": "PQ", "kid": "k"},
		"even RSA":     map[string]any{"kty": "RSA", "kid": "k", "n": base64.RawURLEncoding.EncodeToString(keys.rsa.N.Bytes()), "e": "Ag"},
		"endless RSA":  map[string]any{"kty": "RSA", "kid": "k", "n": base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{255}, 5000)), "e": "AQAB"},
	} {
		text, err := json.Marshal(map[string]any{"keys": []any{key}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readKeys(text); err == nil {
			t.Errorf("%s: taken as %v", name, got)
		}
		text, _ = json.Marshal(map[string]any{"keys": []any{key, ec(map[string]any{"kid": "good", "use": "sig", "alg": "ES256", "x5u": "http://127.0.0.1:1/"})}})
		if got, err := readKeys(text); err != nil || len(got) != 1 {
			t.Errorf("%s: the good key beside it is lost: %v %v", name, got, err)
		}
	}
}

func FuzzIssuer(f *testing.F) {
	keys := testKeys()
	p := newProvider(f)
	p.publish(map[string]crypto.PublicKey{"e": keys.ec.Public(), "r": keys.rsa.Public()})
	either := Either{Shared: Keys{testKey(f, "a")}, Issuer: p.issuer()}
	f.Add(signed(f, "e", keys.ec, nil))
	f.Add(signed(f, "r", keys.rsa, nil))
	f.Add(signed(f, "e", nil, nil))
	f.Add("a.b.c.d.e")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := either.Authenticate(token, tokenTime)
		if err != nil {
			if reasonOf(err) == "" {
				t.Fatalf("%v is no AuthError", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("a token was taken whose claims are bad: %v", err)
		}
	})
}

func FuzzReadKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AQ","y":"AQ"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := readKeys(text)
		for name, key := range keys {
			if err != nil || methodOf(key) != name.alg || name.kid == "" {
				t.Fatalf("%v %T %v", name, key, err)
			}
		}
	})
}
