package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static/*.html static/*.css static/*.js static/*.svg
var static embed.FS

// Config says what the page may offer.
type Config struct {
	// County is the name at the top of the page. Empty: the id of the operator's area.
	County string
	// Demo puts a ribbon on the page that says so, and lets browsers on this machine
	// in without a token of their own.
	Demo bool
	// OperatorToken makes a short-lived operator token for the demo. It is called
	// from many goroutines. Nil: nobody is let in without a token.
	OperatorToken func() (string, error)
	// DemoNote is what the ribbon says in English. Empty, and in other languages: the
	// page's own words, which name no numbers.
	DemoNote string
	// Roads are drawn beneath the villages. Anybody who opens the page may read them.
	// Nil: none are known.
	Roads *Roads
}

// contentTypes is what the page is made of. They are spelled out because the
// machine's own table may call a script text/plain.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
}

// Handler serves the page: / and its files to GET and HEAD, 404 for everything
// else, /roads.json where roads are known, and GET /demo/token in a demo. It is to be mounted at the root, beside /ws,
// to which the page connects.
func Handler(cfg Config) http.Handler {
	entries, err := fs.ReadDir(static, "static")
	if err != nil {
		panic("web: the embedded files are gone: " + err.Error())
	}
	s := site{}
	for _, e := range entries {
		name := e.Name()
		if name == "index.html" {
			s["/"] = newFile(name, index(cfg))
			continue
		}
		s["/"+name] = newFile(name, read(name))
	}
	if cfg.Roads != nil {
		s["/roads.json"] = newPacked("roads.json", cfg.Roads.encode())
	}
	if cfg.Demo && cfg.OperatorToken != nil {
		s["/demo/token"] = demoToken(cfg.OperatorToken)
	}
	return guarded(s)
}

// site is what there is, by exact path. Nothing is tidied or redirected: a path is
// either one of these or not found. Static after construction.
type site map[string]http.Handler

// ServeHTTP answers with what is at the path.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := s[r.URL.Path]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// read returns an embedded file. The set is fixed when the binary is built, and a
// test opens every one.
func read(name string) []byte {
	body, err := static.ReadFile("static/" + name)
	if err != nil {
		panic("web: embedded file: " + err.Error())
	}
	return body
}

// index fills the few words of the page that the configuration knows.
func index(cfg Config) []byte {
	var out bytes.Buffer
	page := template.Must(template.New("index").Parse(string(read("index.html"))))
	if err := page.Execute(&out, cfg); err != nil {
		panic("web: index.html: " + err.Error())
	}
	return out.Bytes()
}

// file is one file with its tag, both static after construction.
type file struct {
	body, contentType, etag string
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	return &file{string(body), contentTypes[path.Ext(name)], `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// ServeHTTP lets a browser keep the file and ask each time whether it still holds:
// after an upgrade nobody runs half of an old page.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(f.body))
}
