// Package webtest opens pages in a real browser, and hears what they complain of.
package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Patience bounds every wait on a browser. The machine may be busy with other tests.
const Patience = 2 * time.Minute

// Tab is one page in a profile of its own, with everything it complained about. It is
// for the goroutine of its test.
type Tab struct {
	// Context is for commands of the Chrome DevTools Protocol that Tab has no method for.
	Context context.Context
	t       *testing.T

	mu         sync.Mutex
	complaints []string // guarded by mu
	fetched    []string // guarded by mu
	sent       []string // guarded by mu
}

// browser is the one that all tests of a program share: starting it takes two seconds.
// What a page keeps it keeps in its own profile, so that no test finds what another left.
var browser struct {
	once sync.Once
	ctx  context.Context // static after once
	stop func()
	err  error
}

// Stop ends the browser, if a test has begun one. TestMain calls it when the tests are over.
func Stop() {
	if browser.stop != nil {
		browser.stop()
	}
}

// Find returns the path of a browser, or skips the test. In CI its absence is a failure:
// a check that nobody runs is not a check.
func Find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no chromium on PATH: apt-get install chromium")
	}
	t.Skip("no chromium on PATH: the page is not tried in a browser (apt-get install chromium)")
	return ""
}

func start(path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(Patience),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	browser.ctx, browser.stop = ctx, func() { stop(); stopAllocator() }
	browser.err = chromedp.Do(ctx)
}

// Open opens an empty page in a new profile; both are gone when the test ends.
func Open(t *testing.T) *Tab {
	t.Helper()
	path := Find(t)
	browser.once.Do(func() { start(path) })
	if browser.err != nil {
		t.Fatalf("chromium does not start: %v", browser.err)
	}
	p := &Tab{t: t}
	ctx, stop := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	p.Context = ctx
	t.Cleanup(stop)
	p.Do(chromedp.EmulateViewport(1440, 900), enable)
	return p
}

// enable turns on the events that listen reads.
var enable = chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Shanghai"})
	return err
})

// listen notes every complaint: errors and warnings on the console, uncaught
// exceptions, and the browser's own log, where violations of the content security
// policy and failed requests end up. It also notes what the page asks for and sends.
func (p *Tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note := func(format string, args ...any) { p.complaints = append(p.complaints, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			note("console.%s: %s", e.Type, arg.Value)
		}
	case *runtime.EventExceptionThrown:
		note("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		note("log (%s, %s): %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		p.fetched = append(p.fetched, e.Request.URL)
	case *network.EventWebSocketCreated:
		p.fetched = append(p.fetched, e.URL)
	case *network.EventWebSocketFrameSent:
		p.sent = append(p.sent, string(e.Response.PayloadData))
	}
}

// Unexpected returns the complaints but those that contain one of the expected words.
func (p *Tab) Unexpected(expected ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, c := range p.complaints {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(c, e) }) {
			out = append(out, c)
		}
	}
	return out
}

// Fetched returns the addresses that the page asked for or connected to.
func (p *Tab) Fetched() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.fetched)
}

// Sent returns the frames that the page sent over WebSockets.
func (p *Tab) Sent() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// Do takes steps in the page, or ends the test.
func (p *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Do(p.Context, steps...) }()
	select {
	case err := <-done:
		if err != nil {
			p.t.Fatalf("browser: %v", err)
		}
	case <-time.After(Patience):
		p.t.Fatalf("browser: no answer in %v", Patience)
	}
}

// JS evaluates an expression in the page.
func JS[T any](p *Tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.Context, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// Await polls until an expression is true. A page's policy may forbid it to evaluate
// text, so that the polling is done from here.
func (p *Tab) Await(what, expression string) {
	p.t.Helper()
	deadline := time.Now().Add(Patience)
	for time.Now().Before(deadline) {
		if JS[bool](p, "Boolean("+expression+")") {
			return
		}
		<-time.After(30 * time.Millisecond)
	}
	p.t.Fatalf("waited %v in vain: %s\nthe page: %q\ncomplaints: %q", Patience, what, JS[string](p, `document.body.innerText`), p.Unexpected())
}

// Text returns the text of the element with an id.
func (p *Tab) Text(id string) string {
	p.t.Helper()
	return JS[string](p, fmt.Sprintf(`document.getElementById(%q).textContent`, id))
}
