package ws

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"cuntong/dispatch"
	"cuntong/ws/wire"
)

// tryUpgrade upgrades and returns the answer to an upgrade that is refused.
func (w *world) tryUpgrade(change func(http.Header, *websocket.Dialer)) (int, http.Header, wire.Refused) {
	w.t.Helper()
	dialer, header := w.dialer, http.Header{}
	change(header, &dialer)
	ws, resp, err := dialer.Dial(w.url(), header)
	if !errors.Is(err, websocket.ErrBadHandshake) {
		if ws != nil {
			_ = ws.Close()
		}
		w.t.Fatalf("the upgrade was not refused: %v", err)
	}
	defer resp.Body.Close()
	var body wire.Refused
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		w.t.Errorf("the body is not JSON: %v", err)
	}
	if body.Say == "" || body.Kind == "" || body.Code == "" {
		w.t.Errorf("the body says nothing: %+v", body)
	}
	return resp.StatusCode, resp.Header, body
}

func TestUpgradeRefused(t *testing.T) {
	w := newWorld(t)
	elsewhere := claimsOf(driver1)
	elsewhere.Area = "elsewhere"
	expired, err := mintAt(w.key, claimsOf(driver1), time.Now().Add(-time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(http.Header, *websocket.Dialer)
		status int
		code   string
	}{
		"noise":           {bearer("noise"), 401, "bad_token"},
		"expired":         {bearer(expired), 401, "token_expired"},
		"method none":     {bearer(forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil)), 401, "bad_token"},
		"wrong area":      {bearer(w.tokenFor(elsewhere, time.Hour)), 403, "wrong_area"},
		"other scheme":    {func(h http.Header, _ *websocket.Dialer) { h.Set("Authorization", "Basic YTpi") }, 401, "bad_token"},
		"foreign page":    {func(h http.Header, _ *websocket.Dialer) { h.Set("Origin", "https://evil.example") }, 403, "origin"},
		"no subprotocol":  {func(_ http.Header, d *websocket.Dialer) { d.Subprotocols = nil }, 400, "subprotocol"},
		"old subprotocol": {func(_ http.Header, d *websocket.Dialer) { d.Subprotocols = []string{"cuntong.v0.json"} }, 400, "subprotocol"},
	} {
		status, header, body := w.tryUpgrade(c.change)
		if status != c.status || body.Code != c.code {
			t.Errorf("%s: %d %+v, want %d %s", name, status, body, c.status, c.code)
		}
		if status == 401 && header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	if w.live() != 0 {
		t.Errorf("%d connections were opened", w.live())
	}
	resp, err := http.Get(strings.Replace(w.url(), "ws:", "http:", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a plain GET: %d, want 426", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestTwoOrigins: no browser sends two, so whoever does wants to show each of two readers another one.
func TestTwoOrigins(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Origins = []string{"https://desk.example"} })
	r, err := http.NewRequest(http.MethodGet, "http://"+w.listen.Addr().String()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Origin"] = []string{"https://desk.example", "https://evil.example"}
	if w.hub.originAllowed(r) {
		t.Error("allowed")
	}
	r.Header["Origin"] = []string{""}
	if w.hub.originAllowed(r) {
		t.Error("an empty one is allowed")
	}
}

func TestOrigins(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Origins = []string{"https://desk.example"} })
	for origin, want := range map[string]bool{
		"":                                          true,
		"https://desk.example":                      true,
		"https://DESK.example":                      true,
		"http://" + w.listen.Addr().String():        true,
		"https://desk.example.evil":                 false,
		"https://evil.example":                      false,
		"http://desk.example":                       false,
		"null":                                      false,
		"https://evil.desk.example":                 false,
		"https://desk.example:8443":                 false,
		"https://desk.example.":                     false,
		"https://desk.example/":                     false,
		"https://evil.example/desk.example":         false,
		"https://evil.example?https://desk.example": false,
		"https://desk.example@evil.example":         false,
		"https://desk.example https://evil.example": false,
		"https://desk.exаmple":                      false, // a Cyrillic letter
		"://" + w.listen.Addr().String():            true,  // no browser says so; the host decides
	} {
		r, err := http.NewRequest(http.MethodGet, "http://"+w.listen.Addr().String()+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if got := w.hub.originAllowed(r); got != want {
			t.Errorf("origin %q: allowed %v, want %v", origin, got, want)
		}
	}
}

func TestServerFull(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxConnections = 2 })
	first := w.connect(passenger)
	w.connect(driver1)
	status, header, body := w.tryUpgrade(func(http.Header, *websocket.Dialer) {})
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || body.Code != "server_full" {
		t.Errorf("one too many: %d %v %+v, want 503 with Retry-After", status, header, body)
	}
	// A browser cannot see that status, so it is let in and told.
	ws, _, err := w.dialer.Dial(w.url(), http.Header{"Origin": {"http://" + w.listen.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	browser := &phone{t: t, ws: ws, codec: w.codec, frames: make(chan wire.ServerFrame, 16), ended: make(chan struct{})}
	t.Cleanup(browser.hangUp)
	browser.listen()
	_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"hello","b":{"now_ms":1}}`)) // fails when the close was quicker
	browser.wantClose(wire.CloseFull)
	first.hangUp()
	w.eventually("a place is free", func() bool { return w.live() == 1 })
	w.connect(agent)
}

func TestTokenInHello(t *testing.T) {
	w := newWorld(t)
	p := w.dial("")
	p.send(wire.TypeHello, "", wire.Hello{NowMS: time.Now().UnixMilli(), Token: w.token(agent)})
	if got := p.want(wire.TypeWelcome).Body.(wire.Welcome); got.Role != "agent" || got.ID != "a1" {
		t.Errorf("welcome %+v", got)
	}
	p.want(wire.TypeTruth)

	elsewhere := claimsOf(agent)
	elsewhere.Area = "elsewhere"
	expired, err := mintAt(w.key, claimsOf(agent), time.Now().Add(-time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token string
		want  wire.CloseCode
	}{
		"none":        {"", wire.CloseBadToken},
		"noise":       {"noise", wire.CloseBadToken},
		"method none": {forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), wire.CloseBadToken},
		"expired":     {expired, wire.CloseExpired},
		"wrong area":  {w.tokenFor(elsewhere, time.Hour), wire.CloseWrongArea},
	} {
		p := w.dial("")
		p.send(wire.TypeHello, "", wire.Hello{NowMS: 1, Token: c.token})
		p.wantClose(c.want)
		if n := len(p.frames); n != 0 {
			t.Errorf("%s: %d frames before the close", name, n)
		}
	}
	if got := count[dispatch.Hello](w.area); got != 1 {
		t.Errorf("%d hellos reached the area, want 1", got)
	}
}

func TestConfigValidate(t *testing.T) {
	good := func() Config {
		c := DefaultConfig()
		w := &fakeArea{}
		c.Auth, c.Gazetteer = Keys{testKey(t, "a")}, testVillages(t)
		c.Areas = newWorldAreas(w)
		return c
	}
	c := good()
	if err := c.Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"no authenticator":      func(c *Config) { c.Auth = nil },
		"no areas":              func(c *Config) { c.Areas = nil },
		"no gazetteer":          func(c *Config) { c.Gazetteer = nil },
		"zero connections":      func(c *Config) { c.MaxConnections = 0 },
		"silence below pings":   func(c *Config) { c.SilentAfter = c.PingEvery },
		"lane too short":        func(c *Config) { c.LaneFrames = 1 },
		"origin with a path":    func(c *Config) { c.Origins = []string{"https://a.example/"} },
		"origin without scheme": func(c *Config) { c.Origins = []string{"a.example"} },
		"no time to write":      func(c *Config) { c.WriteWait = 0 },
	} {
		c := good()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
		if _, err := NewHub(c); err == nil {
			t.Errorf("%s: a hub was made", name)
		}
	}
}
