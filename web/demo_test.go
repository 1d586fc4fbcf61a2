package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cuntong/web"
)

// ask makes the request of a browser on this machine, changed as the case has it.
func ask(h http.Handler, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/demo/token", nil)
	r.RemoteAddr = "127.0.0.1:50000"
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func peer(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func TestDemoToken(t *testing.T) {
	minted := 0
	h := web.Handler(web.Config{Demo: true, OperatorToken: func() (string, error) { minted++; return "secret-token", nil }})
	cases := []struct {
		name   string
		change func(*http.Request)
		given  bool
	}{
		{"the page on this machine", nil, true},
		{"an older browser without Sec-Fetch-Site", func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, true},
		{"typed into the address bar", header("Sec-Fetch-Site", "none"), true},
		{"its own origin", header("Origin", "http://127.0.0.1:8080"), true},
		{"by name", host("localhost:8080"), true},
		{"by name, shouted, without a port", host("LOCALHOST"), true},
		{"another address of this machine", func(r *http.Request) { r.RemoteAddr, r.Host = "127.8.9.1:1", "127.8.9.1" }, true},
		{"IPv6", func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:50000", "[::1]:8080" }, true},
		{"IPv6 without a port", func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:50000", "[::1]" }, true},
		{"IPv4 in IPv6", peer("[::ffff:127.0.0.1]:50000"), true},

		{"from the village next door", peer("192.168.1.7:50000"), false},
		{"from the world", peer("[2001:db8::1]:50000"), false},
		{"from an address of no sense", peer("@"), false},
		{"from no address", peer(""), false},
		{"a name bound anew to this machine", host("evil.example:8080"), false},
		{"a name that begins well", host("localhost.evil.example"), false},
		{"a name that begins like an address", host("127.0.0.1.evil.example"), false},
		{"the machine's address in the village", host("192.168.1.2:8080"), false},
		{"any address", host("0.0.0.0:8080"), false},
		{"no host", host(""), false},
		{"a page from elsewhere", header("Origin", "https://evil.example"), false},
		{"a page of another server here", header("Origin", "http://127.0.0.1:3000"), false},
		{"a page of this host by its other name", header("Origin", "http://localhost:8080"), false},
		{"a page over another scheme", header("Origin", "https://127.0.0.1:8080"), false},
		{"a page of no origin", header("Origin", "null"), false},
		{"an empty origin", header("Origin", ""), false},
		{"two origins", func(r *http.Request) { r.Header["Origin"] = []string{"http://127.0.0.1:8080", "https://evil.example"} }, false},
		{"a script tag elsewhere", header("Sec-Fetch-Site", "cross-site"), false},
		{"another port of this machine", header("Sec-Fetch-Site", "same-site"), false},
		{"through a proxy", header("X-Forwarded-For", "203.0.113.9"), false},
		{"through a proxy that says so properly", header("Forwarded", "for=203.0.113.9"), false},
		{"through a proxy that says little", header("Via", "1.1 proxy"), false},
		{"through a proxy with a name of its own", header("X-Real-IP", "203.0.113.9"), false},
		{"through a proxy that keeps the host", header("X-Forwarded-Host", "evil.example"), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := minted
			w := ask(h, c.change)
			text := w.Body.String()
			if c.given {
				var answer struct{ Token string }
				if err := json.Unmarshal([]byte(text), &answer); err != nil || w.Code != http.StatusOK || answer.Token != "secret-token" {
					t.Errorf("%d %s (%v), want the token", w.Code, text, err)
				}
			} else {
				var answer struct{ Error string }
				if err := json.Unmarshal([]byte(text), &answer); err != nil || w.Code != http.StatusForbidden || answer.Error == "" {
					t.Errorf("%d %s (%v), want 403 and a reason", w.Code, text, err)
				}
				if minted != before || strings.Contains(text, "secret-token") {
					t.Error("a token was made for a stranger")
				}
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q, want no-store", w.Header().Get("Cache-Control"))
			}
		})
	}
}

func TestDemoTokenOnlyByGet(t *testing.T) {
	h := web.Handler(web.Config{Demo: true, OperatorToken: func() (string, error) { return "t", nil }})
	for _, method := range []string{"POST", "HEAD", "OPTIONS"} {
		w := ask(h, func(r *http.Request) { r.Method = method })
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestDemoTokenThatCannotBeMade(t *testing.T) {
	h := web.Handler(web.Config{Demo: true, OperatorToken: func() (string, error) { return "half", errors.New("key file: inner detail") }})
	w := ask(h, nil)
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "inner detail") || strings.Contains(w.Body.String(), "half") {
		t.Errorf("%d %s, want 503 without the detail", w.Code, w.Body)
	}
}

func TestNoDemoNoToken(t *testing.T) {
	mint := func() (string, error) { t.Error("a token was made"); return "t", nil }
	for name, cfg := range map[string]web.Config{"no demo": {OperatorToken: mint}, "no maker": {Demo: true}} {
		if w := ask(web.Handler(cfg), nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", name, w.Code)
		}
	}
}
