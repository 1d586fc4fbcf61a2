package ws

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cuntong/dispatch"
)

var tokenTime = time.UnixMilli(1_790_000_000_000)

func testKey(t testing.TB, fill string) Key {
	t.Helper()
	key, err := ParseKey([]byte(strings.Repeat(fill, MinKeyBytes)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestTokenSaysWhatWasMinted(t *testing.T) {
	key := testKey(t, "a")
	full := claimsOf(driver1)
	full.Vehicle.Load = dispatch.Load{Seats: 7, Wheelchairs: 1, GoodsLitres: 400}
	for _, want := range []Claims{full, claimsOf(passenger), claimsOf(agent), claimsOf(operator)} {
		token, err := mintAt(key, want, tokenTime, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		got, err := verifyAt([]Key{testKey(t, "b"), key}, token, tokenTime)
		if err != nil {
			t.Fatal(err)
		}
		want.Expires = tokenTime.Add(time.Hour).Truncate(time.Second)
		if !got.Expires.Equal(want.Expires) {
			t.Errorf("expires %v, want %v", got.Expires, want.Expires)
		}
		if !got.Issued.Equal(tokenTime.Truncate(time.Second)) {
			t.Errorf("issued %v, want %v", got.Issued, tokenTime)
		}
		got.Expires, got.Issued = want.Expires, want.Issued
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestMintRefusesWhatVerifyWould(t *testing.T) {
	driver := claimsOf(driver1)
	for name, change := range map[string]func(*Claims){
		"role of the server":  func(c *Claims) { c.Actor.Role = dispatch.RoleSystem },
		"no role":             func(c *Claims) { c.Actor.Role = "" },
		"no subject":          func(c *Claims) { c.Actor.ID = "" },
		"subject with braces": func(c *Claims) { c.Actor.ID = "{d1}" },
		"area in capitals":    func(c *Claims) { c.Area = "Leishan" },
		"driver on foot":      func(c *Claims) { c.Vehicle = dispatch.Vehicle{} },
		"no seats":            func(c *Claims) { c.Vehicle.Load.Seats = 0 },
		"unknown vehicle":     func(c *Claims) { c.Vehicle.Class = "horse" },
		"negative goods":      func(c *Claims) { c.Vehicle.Load.GoodsLitres = -1 },
		"plate with newline":  func(c *Claims) { c.Vehicle.ID = "a\nb" },
		"long plate":          func(c *Claims) { c.Vehicle.ID = dispatch.VehicleID(strings.Repeat("x", 65)) },
		"agent with vehicle":  func(c *Claims) { c.Actor.Role = dispatch.RoleAgent },
	} {
		c := driver
		change(&c)
		if _, err := Mint(testKey(t, "a"), c, time.Hour); err == nil {
			t.Errorf("%s: a token was made", name)
		}
	}
	for _, ttl := range []time.Duration{0, -time.Second, MaxTokenLife + 1} {
		if _, err := Mint(testKey(t, "a"), driver, ttl); err == nil {
			t.Errorf("a token for %v was made", ttl)
		}
	}
}

// forge makes tokens that Mint would not.
func forge(t testing.TB, method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": "p1", "role": "passenger", "area": "leishan", "aud": audience,
		"iat": tokenTime.Unix(), "exp": tokenTime.Add(time.Hour).Unix()}
	if change != nil {
		change(claims)
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifyTurnsDown(t *testing.T) {
	key := testKey(t, "a")
	secret := key.secret
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) string {
		return forge(t, jwt.SigningMethodHS256, secret, func(c jwt.MapClaims) {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		})
	}
	good := forge(t, jwt.SigningMethodHS256, secret, nil)
	if _, err := verifyAt([]Key{key}, good, tokenTime); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(good, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT"}`)) + "." + rest
	for name, c := range map[string]struct {
		token string
		want  AuthReason
	}{
		"nothing":             {"", AuthMissing},
		"noise":               {"noise", AuthMalformed},
		"two dots":            {"..", AuthMalformed},
		"cut short":           {good[:len(good)-1], AuthMalformed},
		"last letters lost":   {good[:len(good)-3], AuthSignature},
		"signature removed":   {good[:strings.LastIndex(good, ".")+1], AuthSignature},
		"too long":            {with("padding", strings.Repeat("x", MaxTokenBytes)), AuthMalformed},
		"another secret":      {forge(t, jwt.SigningMethodHS256, testKey(t, "b").secret, nil), AuthSignature},
		"no method":           {unsigned, AuthSignature},
		"method none":         {forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), AuthSignature},
		"HS512":               {forge(t, jwt.SigningMethodHS512, secret, nil), AuthSignature},
		"RS256":               {forge(t, jwt.SigningMethodRS256, rsaKey, nil), AuthSignature},
		"expired":             {with("exp", tokenTime.Add(-tokenLeeway-time.Second).Unix()), AuthExpired},
		"never expires":       {with("exp", nil), AuthClaims},
		"from the future":     {with("iat", tokenTime.Add(tokenLeeway+time.Second).Unix()), AuthEarly},
		"not yet":             {with("nbf", tokenTime.Add(tokenLeeway+time.Second).Unix()), AuthEarly},
		"for others":          {with("aud", "somebody-else"), AuthClaims},
		"for nobody":          {with("aud", nil), AuthClaims},
		"no subject":          {with("sub", nil), AuthClaims},
		"subject not an id":   {with("sub", "a b"), AuthClaims},
		"no role":             {with("role", nil), AuthClaims},
		"role of the server":  {with("role", "system"), AuthClaims},
		"no area":             {with("area", nil), AuthClaims},
		"driver on foot":      {with("role", "driver"), AuthClaims},
		"passenger with seat": {with("seats", 3), AuthClaims},
		"seats in words":      {with("seats", "three"), AuthMalformed},
	} {
		_, err := verifyAt([]Key{key}, c.token, tokenTime)
		var failed *AuthError
		if !errors.As(err, &failed) {
			t.Errorf("%s: %v, want an AuthError", name, err)
			continue
		}
		if failed.Reason != c.want {
			t.Errorf("%s: reason %s (%v), want %s", name, failed.Reason, failed.err, c.want)
		}
		if c.token != "" && strings.Contains(failed.Error(), c.token) {
			t.Errorf("%s: the error repeats the token", name)
		}
	}
}

func TestTokenLeeway(t *testing.T) {
	key := testKey(t, "a")
	token, err := mintAt(key, claimsOf(agent), tokenTime, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{-tokenLeeway, 0, time.Minute + tokenLeeway - time.Second} {
		if _, err := verifyAt([]Key{key}, token, tokenTime.Add(at)); err != nil {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if _, err := verifyAt([]Key{key}, token, tokenTime.Add(time.Minute+tokenLeeway+time.Second)); err == nil {
		t.Error("a token past its end and the leeway was taken")
	}
}

func TestKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.key")
	made, err := NewKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v, want 0600", info.Mode().Perm())
	}
	loaded, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made.secret, loaded.secret) || len(made.secret) < MinKeyBytes {
		t.Error("the key loaded is not the key made")
	}
	if _, err := NewKey(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a key file was overwritten: %v", err)
	}
	other, err := NewKey(path + "2")
	if err != nil || bytes.Equal(other.secret, made.secret) {
		t.Errorf("two new keys are equal (%v)", err)
	}
	for name, text := range map[string]string{
		"empty": "", "short": strings.Repeat("x", MinKeyBytes-1), "blank": strings.Repeat(" ", 100) + "\n", "long": strings.Repeat("x", MaxKeyBytes+1),
	} {
		bad := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(bad); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestKeyDoesNotShow(t *testing.T) {
	secret := strings.Repeat("s3cret", 10)
	key, err := ParseKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", key, "keys", fmt.Sprint(Keys{key}))
	shown := fmt.Sprintf("%v %+v %#v %s", key, key, key, key) + log.String()
	if strings.Contains(shown, "s3cret") || strings.Contains(shown, "115 51") || strings.Contains(shown, "0x73, 0x33") {
		t.Errorf("the key shows: %s", shown)
	}
}

func FuzzVerify(f *testing.F) {
	key := testKey(f, "a")
	f.Add(forge(f, jwt.SigningMethodHS256, key.secret, nil))
	f.Add("a.b.c")
	f.Add(strings.Repeat(".", 5000))
	f.Fuzz(func(t *testing.T, token string) {
		c, err := verifyAt([]Key{key}, token, tokenTime)
		if err != nil {
			var failed *AuthError
			if !errors.As(err, &failed) {
				t.Fatalf("%v is no AuthError", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("a token was taken whose claims are bad: %v", err)
		}
	})
}
