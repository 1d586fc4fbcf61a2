package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"cuntong/web"
)

var files = map[string]string{
	"/":              "text/html; charset=utf-8",
	"/app.css":       "text/css; charset=utf-8",
	"/app.js":        "text/javascript; charset=utf-8",
	"/board.js":      "text/javascript; charset=utf-8",
	"/changes.js":    "text/javascript; charset=utf-8",
	"/client.js":     "text/javascript; charset=utf-8",
	"/desk.js":       "text/javascript; charset=utf-8",
	"/refusals.js":   "text/javascript; charset=utf-8",
	"/focus.js":      "text/javascript; charset=utf-8",
	"/map.js":        "text/javascript; charset=utf-8",
	"/marks.js":      "text/javascript; charset=utf-8",
	"/page.js":       "text/javascript; charset=utf-8",
	"/projection.js": "text/javascript; charset=utf-8",
	"/roads.js":      "text/javascript; charset=utf-8",
	"/words.js":      "text/javascript; charset=utf-8",
	"/icon.svg":      "image/svg+xml",
}

func get(h http.Handler, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryFileIsServed(t *testing.T) {
	h := web.Handler(web.Config{})
	for path, contentType := range files {
		r := get(h, "GET", path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != contentType {
			t.Errorf("%s: %d %s, want 200 %s", path, r.StatusCode, r.Header.Get("Content-Type"), contentType)
		}
		if r.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: Cache-Control %q, want no-cache", path, r.Header.Get("Cache-Control"))
		}
		if body(t, r) == "" {
			t.Errorf("%s is empty", path)
		}
	}
	entries, err := os.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(files) {
		t.Errorf("%d files in static, %d in this test: add the new one", len(entries), len(files))
	}
}

func TestNothingElseIsThere(t *testing.T) {
	h := web.Handler(web.Config{})
	for _, path := range []string{"/index.html", "/static/app.js", "/app.js/", "//app.js", "/App.js", "/../app.js", "/handler.go", "/demo/token", "/favicon.ico", "/ws", "/roads.json", "/%2e%2e/app.js"} {
		for _, method := range []string{"GET", "POST", "HEAD"} {
			if r := get(h, method, path); r.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: %d, want 404", method, path, r.StatusCode)
			}
		}
	}
}

func TestOnlyReading(t *testing.T) {
	h := web.Handler(web.Config{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		r := get(h, method, "/")
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	r := get(h, "HEAD", "/app.js")
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Length") == "" || body(t, r) != "" {
		t.Errorf("HEAD: %d, length %q", r.StatusCode, r.Header.Get("Content-Length"))
	}
}

func TestProtectionOnEveryAnswer(t *testing.T) {
	h := web.Handler(web.Config{Demo: true, OperatorToken: func() (string, error) { return "t", nil }})
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	for _, target := range []string{"GET /", "GET /app.js", "POST /", "GET /nowhere", "GET /demo/token"} {
		method, path, _ := strings.Cut(target, " ")
		r := get(h, method, path)
		for name, value := range want {
			if r.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", target, name, r.Header.Get(name), value)
			}
		}
		policy := "; " + r.Header.Get("Content-Security-Policy") + ";"
		for _, rule := range []string{
			"default-src 'self'", "connect-src 'self' ws: wss:", "style-src 'self'", "script-src 'self'", "img-src 'self' data:",
			"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "object-src 'none'",
		} {
			if !strings.Contains(policy, "; "+rule+";") {
				t.Errorf("%s: the policy %q does not have %q", target, policy, rule)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy has an unsafe rule: %s", target, policy)
		}
	}
}

func TestUnchangedIsNotSentAgain(t *testing.T) {
	plain, demo := web.Handler(web.Config{}), web.Handler(web.Config{Demo: true})
	for path := range files {
		tag := get(plain, "GET", path).Header.Get("ETag")
		if len(tag) < 10 || tag[0] != '"' {
			t.Fatalf("%s: ETag %q", path, tag)
		}
		if r := get(plain, "GET", path, "If-None-Match", tag); r.StatusCode != http.StatusNotModified || body(t, r) != "" {
			t.Errorf("%s: %d with its own tag, want 304", path, r.StatusCode)
		}
		if r := get(plain, "GET", path, "If-None-Match", `"another"`); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d with another tag, want 200", path, r.StatusCode)
		}
		if same := get(demo, "GET", path).Header.Get("ETag") == tag; same != (path != "/") {
			t.Errorf("%s: same tag in a demo: %v", path, same)
		}
	}
}

func TestConfigurationIsEscaped(t *testing.T) {
	hostile := `"><script>alert(1)</script>`
	page := body(t, get(web.Handler(web.Config{County: hostile, Demo: true, DemoNote: hostile}), "GET", "/"))
	if strings.Contains(page, "<script>") {
		t.Errorf("the configuration became markup:\n%.600s", page)
	}
	if !strings.Contains(page, `name="demo"`) || !strings.Contains(page, `name="county"`) {
		t.Errorf("the page does not hold the configuration:\n%.600s", page)
	}
	if plain := body(t, get(web.Handler(web.Config{DemoNote: "x"}), "GET", "/")); strings.Contains(plain, `name="demo"`) {
		t.Error("a page that is no demo says that it is one")
	}
}

// The page must work with the line to the world cut: it names nothing outside.
func TestNothingFromElsewhere(t *testing.T) {
	h := web.Handler(web.Config{Demo: true})
	for path := range files {
		text := strings.ReplaceAll(body(t, get(h, "GET", path)), "http://www.w3.org/2000/svg", "")
		for _, sign := range []string{"http://", "https://", "//cdn", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", " style=", " onclick"} {
			if strings.Contains(text, sign) {
				t.Errorf("%s holds %q", path, sign)
			}
		}
	}
}
