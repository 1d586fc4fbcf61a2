package ws

import (
	"crypto"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// tokenAt is a token that is made a while from now and runs for ttl from then.
func (w *world) tokenAt(c Claims, from time.Duration, ttl time.Duration) string {
	w.t.Helper()
	token, err := mintAt(w.key, c, time.Now().Add(from), ttl)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func TestRenewKeepsAConnection(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dial(w.tokenFor(claimsOf(driver1), 5*time.Minute))
		p.hello()
		later(4 * time.Minute)
		p.send(wire.TypeRenew, "r1", wire.Renew{Token: w.tokenFor(claimsOf(driver1), 5*time.Minute)})
		if f := p.want(wire.TypeDone); f.Re != "r1" {
			t.Errorf("done for %q", f.Re)
		}
		later(4 * time.Minute)
		if p.over() {
			t.Fatal("closed although the token was renewed")
		}
		later(2 * time.Minute)
		p.wantClose(wire.CloseExpired)
	})
}

func TestRenewTurnsDown(t *testing.T) {
	inFakeTime(t, func(w *world) {
		later(time.Hour)
		p := w.dial(w.tokenFor(claimsOf(driver1), 5*time.Minute))
		p.hello()
		other, elsewhere, van, role := claimsOf(driver1), claimsOf(driver1), claimsOf(driver1), claimsOf(driver1)
		other.Actor.ID = "d2"
		elsewhere.Area = "elsewhere"
		van.Vehicle.Load.Seats++
		role.Actor.Role, role.Vehicle = dispatch.RoleOperator, dispatch.Vehicle{}
		for code, tokens := range map[string][]string{
			wire.CodeOtherParty: {w.tokenFor(other, time.Hour), w.tokenFor(elsewhere, time.Hour), w.tokenFor(van, time.Hour), w.tokenFor(role, time.Hour),
				w.tokenAt(claimsOf(driver1), -2*time.Second, 24*time.Hour)},
			wire.CodeBadToken:     {"noise", w.tokenFor(other, time.Hour) + "x"},
			wire.CodeTokenExpired: {w.tokenAt(claimsOf(driver1), -time.Hour, time.Minute)},
		} {
			for _, token := range tokens {
				p.send(wire.TypeRenew, "r", wire.Renew{Token: token})
				if no := p.wantRefused("r", code); no.Kind != wire.KindForbidden {
					t.Errorf("%s is %s", code, no.Kind)
				}
			}
		}
		if p.over() {
			t.Fatal("a token that is no good ended the connection")
		}
		later(5*time.Minute + tokenLeeway + 2*time.Second)
		p.wantClose(wire.CloseExpired)
	})
}

// TestRenewNeverShortens: a token that ends sooner is taken, and the old one's end stays.
func TestRenewNeverShortens(t *testing.T) {
	inFakeTime(t, func(w *world) {
		p := w.dial(w.tokenFor(claimsOf(agent), time.Hour))
		p.hello()
		p.send(wire.TypeRenew, "r1", wire.Renew{Token: w.tokenFor(claimsOf(agent), time.Minute)})
		p.want(wire.TypeDone)
		later(10 * time.Minute)
		if p.over() {
			t.Fatal("closed by the shorter token")
		}
	})
}

// TestRenewByTheIssuer: a provider's tokens renew, and a key that cannot be had at present is no refusal for good.
func TestRenewByTheIssuer(t *testing.T) {
	keys, pr := testKeys(), newProvider(t)
	pr.publish(map[string]crypto.PublicKey{"e": keys.ec.Public()})
	issuer := pr.issuer(func(c *IssuerConfig) { c.now = func() time.Time { return tokenTime } }) // the pause between two fetches does not end
	w := newWorld(t, func(c *Config) { c.Auth, c.Receipts = issuer, Keys{testKey(t, "a")} })
	token := func(kid string) string {
		return signed(t, kid, keys.ec, func(c jwt.MapClaims, _ map[string]any) {
			c["iat"], c["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
		})
	}
	p := w.dial(token("e"))
	p.hello()
	p.send(wire.TypeRenew, "r1", wire.Renew{Token: token("e")})
	p.want(wire.TypeDone)
	p.send(wire.TypeRenew, "r2", wire.Renew{Token: token("new")})
	if no := p.wantRefused("r2", wire.CodeNoKeyYet); no.Kind != wire.KindUnavailable || no.RetryAfterMS == 0 {
		t.Errorf("%+v", no)
	}
	if status, header, body := w.tryUpgrade(bearer(token("new"))); status != 503 || header.Get("Retry-After") != "10" || body.Kind != wire.KindUnavailable {
		t.Errorf("a key that cannot be had: %d %v %+v", status, header, body)
	}
}

// TestHelloSaysWhenTheTokenWasMade, so that the core knows those from before a sign-out; and a renewed one's.
func TestHelloSaysWhenTheTokenWasMade(t *testing.T) {
	inFakeTime(t, func(w *world) {
		later(time.Hour)
		begin := time.Now().Truncate(time.Second)
		p := w.dial(w.tokenFor(claimsOf(agent), time.Hour))
		p.hello()
		issued := func() dispatch.Instant {
			for in := range slicesBackward(w.area.got()) {
				if hello, ok := in.(dispatch.Hello); ok {
					return hello.Issued
				}
			}
			return -1
		}
		if got := issued(); got != dispatch.InstantOf(begin) {
			t.Errorf("issued %v, want %v", got, dispatch.InstantOf(begin))
		}
		later(time.Minute)
		p.send(wire.TypeRenew, "r1", wire.Renew{Token: w.tokenFor(claimsOf(agent), time.Hour)})
		p.want(wire.TypeDone)
		w.hub.Refresh(leishan)
		later(5 * time.Second)
		if got := issued(); got < dispatch.InstantOf(begin.Add(time.Minute)) {
			t.Errorf("after renew issued %v", got)
		}
	})
}

func slicesBackward(in []dispatch.Input) func(func(dispatch.Input) bool) {
	return func(yield func(dispatch.Input) bool) {
		for i := len(in) - 1; i >= 0; i-- {
			if !yield(in[i]) {
				return
			}
		}
	}
}

func TestLogoutEndsThisConnection(t *testing.T) {
	w := newWorld(t)
	one, two := w.connect(agent), w.connect(agent)
	one.send(wire.TypeLogout, "l1", wire.Logout{})
	if f := one.want(wire.TypeDone); f.Re != "l1" {
		t.Errorf("done for %q", f.Re)
	}
	one.wantClose(wire.CloseSignedOut)
	two.quiet()
}

// TestLogoutEverywhere: the area hears of it, and what it tells ends every connection, behind the answer.
func TestLogoutEverywhere(t *testing.T) {
	w := newWorld(t)
	one, two := w.connect(agent), w.connect(agent)
	w.area.set(func(a *fakeArea) { a.mute = true })
	one.send(wire.TypeLogout, "l1", wire.Logout{Everywhere: true})
	w.eventually("the area hears of it", func() bool { return count[dispatch.SignOut](w.area) == 1 })
	w.area.tell(agent, dispatch.Done{ID: "l1"})
	w.area.tell(agent, dispatch.ShutOut{Why: dispatch.ShutSignedOut})
	if f := one.want(wire.TypeDone); f.Re != "l1" {
		t.Errorf("done for %q", f.Re)
	}
	one.wantClose(wire.CloseSignedOut)
	two.wantClose(wire.CloseSignedOut)
}
