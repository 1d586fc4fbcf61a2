package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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

// patience bounds every wait on a browser. This machine may be busy with other tests.
const patience = 2 * time.Minute

// tab is one page in a profile of its own, with everything it complained about.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // guarded by mu
	fetched    []string // addresses asked for; guarded by mu
}

// findChromium returns the path of a browser, or skips. In CI its absence is a failure:
// a check that nobody runs is not a check.
func findChromium(t *testing.T) string {
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

// browser is the one that all tests share: starting it takes two seconds. What a page
// keeps it keeps in a profile of its own, so that no test finds what another has left.
var browser struct {
	once sync.Once
	ctx  context.Context // static after once
	stop func()
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	os.Exit(code)
}

func startBrowser(path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(patience),
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

// openTab opens an empty page in a new profile; both are gone when the test ends.
func openTab(t *testing.T) *tab {
	t.Helper()
	path := findChromium(t)
	browser.once.Do(func() { startBrowser(path) })
	if browser.err != nil {
		t.Fatalf("chromium does not start: %v", browser.err)
	}
	p := &tab{t: t}
	ctx, stop := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(stop)
	p.do(chromedp.EmulateViewport(1440, 900), enable)
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
// policy and failed requests end up.
func (p *tab) listen(event any) {
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
	}
}

// unexpected returns the complaints but those that contain one of the expected words.
func (p *tab) unexpected(expected ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
next:
	for _, c := range p.complaints {
		for _, e := range expected {
			if strings.Contains(c, e) {
				continue next
			}
		}
		out = append(out, c)
	}
	return out
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Do(p.ctx, steps...) }()
	select {
	case err := <-done:
		if err != nil {
			p.t.Fatalf("browser: %v", err)
		}
	case <-time.After(patience):
		p.t.Fatalf("browser: no answer in %v", patience)
	}
}

// js evaluates an expression in the page.
func js[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// await polls until an expression is true. The page's policy forbids it to evaluate
// text, so that the polling is done from here.
func (p *tab) await(what, expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if js[bool](p, "Boolean("+expression+")") {
			return
		}
		<-time.After(30 * time.Millisecond)
	}
	p.t.Fatalf("waited %v in vain: %s\nlink: %q\ncomplaints: %q", patience, what,
		js[string](p, `document.body.dataset.link`), p.unexpected())
}

func (p *tab) text(id string) string {
	p.t.Helper()
	return js[string](p, fmt.Sprintf(`document.getElementById(%q).textContent`, id))
}
