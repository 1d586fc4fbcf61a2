package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"cuntong/web/webtest"
)

// mast is a line to a server that can be cut: what is connected breaks, and what
// connects is turned away, until there is a signal again.
type mast struct {
	lines net.Listener
	to    string
	over  sync.WaitGroup

	mu    sync.Mutex // guards the following fields
	dark  bool
	conns map[net.Conn]bool
}

func newMast(t *testing.T, to string) *mast {
	t.Helper()
	lines, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mast{lines: lines, to: to, conns: map[net.Conn]bool{}}
	m.over.Go(m.accept)
	t.Cleanup(func() {
		lines.Close()
		m.night()
		m.over.Wait()
	})
	return m
}

func (m *mast) accept() {
	for {
		phone, err := m.lines.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", m.to)
		if err != nil || !m.open(phone, server) {
			phone.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		m.over.Go(func() { m.pass(server, phone) })
		m.over.Go(func() { m.pass(phone, server) })
	}
}

func (m *mast) open(conns ...net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dark {
		return false
	}
	for _, c := range conns {
		m.conns[c] = true
	}
	return true
}

func (m *mast) pass(to, from net.Conn) {
	_, _ = io.Copy(to, from) // an end is an end, whoever made it
	to.Close()
	from.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, to)
	delete(m.conns, from)
}

func (m *mast) night() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dark = true
	for c := range m.conns {
		c.Close()
	}
}

func (m *mast) day() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dark = false
}

// examplePages serves the client of the examples, from an origin of its own.
func examplePages(t *testing.T) string {
	t.Helper()
	pages := httptest.NewServer(http.FileServer(http.Dir("../../examples/js")))
	t.Cleanup(pages.Close)
	return pages.URL
}

// standAt lets pages of an origin know where the browser is.
func standAt(origin string, lat, lon float64) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		allow := browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: "geolocation"}, Setting: browser.PermissionSettingGranted, Origin: origin,
			BrowserContextID: chromedp.FromContext(ctx).BrowserContextID}
		if _, err := chromedp.Call(ctx, browser.SetPermission, allow); err != nil {
			return chromedp.Void{}, err
		}
		accuracy := 5.0
		_, err := chromedp.Call(ctx, emulation.SetGeolocationOverride, emulation.SetGeolocationOverrideParams{Latitude: &lat, Longitude: &lon, Accuracy: &accuracy})
		return chromedp.Void{}, err
	}
}

// TestADriverInABrowser drives the page of the examples in Chromium against this server:
// from an origin that is allowed, with tickets; the signal goes in mid-trip, the page is
// even loaded anew in the dark, and what was done there is told when the signal is back.
func TestADriverInABrowser(t *testing.T) {
	webtest.Find(t)
	pages := examplePages(t)
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--origins", pages)
	until(t, "the server is ready", p.ready)
	line := newMast(t, p.public)
	token := p.tokenFor("driver", "d1", "--vehicle", "minivan", "--seats", "7")
	tab := webtest.Open(t)
	tab.Do(standAt(pages, 26.00, 109.00), chromedp.Navigate(fmt.Sprintf("%s/index.html#ws://%s/ws,%s", pages, line.lines.Addr(), token)))
	press := func(what, says string) {
		t.Helper()
		tab.Await(what, fmt.Sprintf(`document.getElementById("next").textContent === %q`, says))
		webtest.JS[any](tab, `document.getElementById("next").click(), null`)
	}
	tab.Await("a connection", `document.getElementById("link").textContent === "connected"`)
	press("the driver may begin", "begin work")
	tab.Await("duty", `document.getElementById("what").textContent === "on duty"`)
	rider := p.dial("passenger", "p1")
	rider.ask("t1", 26.01, 109.00)
	press("the offer", "yes")
	rider.hear("trip", "state=assigned")

	tab.Await("the driver knows", `document.getElementById("next").textContent === "I am there"`)
	line.night()
	tab.Await("the page says that there is no signal", `document.getElementById("link").textContent.startsWith("no signal")`)
	press("arrive in the dark", "I am there")
	press("start in the dark", "on board")
	tab.Do(chromedp.Reload()) // the browser was closed, or its system wanted the memory
	press("complete in the dark, in a page that was loaded there", "set down")
	tab.Await("all three are kept", `document.getElementById("left").textContent.startsWith("3 to be told")`)
	webtest.JS[any](tab, `window.dark = Date.now(), null`)
	tab.Await("what was done is no longer now", `Date.now() - dark > 2_100`)
	line.day()
	rider.hear("trip", "state=arrived")
	rider.hear("trip", "state=riding")
	rider.hear("trip", "state=completed")
	tab.Await("nothing is left to be told", `document.getElementById("left").textContent === "" && document.getElementById("link").textContent === "connected" && document.getElementById("what").textContent === "on duty"`)
	whatABrowserShowed(t, tab, token)
}

// whatABrowserShowed looks through what the page asked for and sent: no token but to
// POST /ticket, the trip it held on coming back, and its deeds with their times, in order.
func whatABrowserShowed(t *testing.T, tab *webtest.Tab, token string) {
	t.Helper()
	tickets := 0
	for _, url := range tab.Fetched() {
		if strings.Contains(url, token) {
			t.Errorf("the token stands in an address: %s", url)
		}
		if strings.HasPrefix(url, "ws:") && strings.Contains(url, "?ticket=") {
			tickets++
		}
	}
	if at := webtest.JS[string](tab, `location.href`); strings.Contains(at, "#") {
		t.Errorf("the address bar shows %s", at)
	}
	var known bool
	var deeds []string
	for _, text := range tab.Sent() {
		if strings.Contains(text, token) {
			t.Errorf("the token was sent with a ticket: %.80s", text)
		}
		var frame struct {
			T string
			B struct {
				Known []struct{ Trip string }
				At    int64
				Seq   int64
			}
		}
		if err := json.Unmarshal([]byte(text), &frame); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		known = known || frame.T == "hello" && len(frame.B.Known) == 1 && frame.B.Known[0].Trip == "t1"
		if frame.B.At != 0 && frame.B.Seq != 0 && !strings.Contains(strings.Join(deeds, " "), frame.T) {
			deeds = append(deeds, frame.T)
		}
	}
	if !known || tickets < 2 || strings.Join(deeds, " ") != "arrive start complete" {
		t.Errorf("known: %t, %d tickets, told late: %q", known, tickets, deeds)
	}
}

// TestABrowserIsSentAway: a page of another origin gets in neither with a ticket nor with
// a token, and one of the server's comes back no sooner than a drain has told it.
func TestABrowserIsSentAway(t *testing.T) {
	webtest.Find(t)
	pages, others := examplePages(t), examplePages(t)
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--origins", pages)
	until(t, "the server is ready", p.ready)
	token := p.tokenFor("driver", "d1", "--vehicle", "minivan", "--seats", "7")
	begin := func(from string, tickets bool) *webtest.Tab {
		t.Helper()
		tab := webtest.Open(t)
		tab.Do(chromedp.Navigate(from + "/README.md")) // any page of that origin
		webtest.JS[any](tab, fmt.Sprintf(`import("%s/cuntong.js").then(({ Cuntong }) => {
			window.heard = [];
			window.c = new Cuntong({ urls: ["ws://%s/ws"], role: "driver", token: async () => %q, tickets: %t, on: (kind, x) => heard.push([kind, x]) });
			c.start();
		}), null`, from, p.public, token, tickets))
		return tab
	}
	for _, tickets := range []bool{true, false} {
		tab := begin(others, tickets)
		tab.Await("being turned away", `window.heard?.some(([kind, x]) => kind === "down" && x.code === 1006)`)
		if webtest.JS[bool](tab, `heard.some(([kind]) => kind === "up")`) {
			t.Errorf("a page of another origin got in (tickets: %t)", tickets)
		}
		webtest.JS[any](tab, `c.stop(), null`)
	}
	tab := begin(pages, true)
	tab.Await("the truth", `window.heard?.some(([kind, x]) => kind === "told" && x.t === "truth")`)
	p.signal(syscall.SIGTERM)
	tab.Await("being sent away", `heard.some(([kind, x]) => kind === "down")`)
	if !webtest.JS[bool](tab, `(() => {
		const drain = heard.find(([kind, x]) => kind === "told" && x.t === "drain"), down = heard.find(([kind]) => kind === "down");
		return drain !== undefined && down[1].wait >= drain[1].b.come_back_after_ms;
	})()`) {
		t.Errorf("heard %s", webtest.JS[string](tab, `JSON.stringify(heard)`))
	}
	if err := p.end(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestASharedPhone: what one driver left untold is not told for the next.
func TestASharedPhone(t *testing.T) {
	webtest.Find(t)
	pages := examplePages(t)
	p := startServer(t, t.TempDir(), "--redis", "embedded", "--origins", pages)
	until(t, "the server is ready", p.ready)
	tab := webtest.Open(t)
	tab.Do(chromedp.Navigate(pages + "/README.md"))
	webtest.JS[any](tab, `localStorage.setItem("cuntong", JSON.stringify({ who: "driver d1", ids: "x", named: 7, calls: [{ id: "x-7", t: "complete", b: { trip: "t9" } }], trips: [{ trip: "t9", version: 5, state: "riding" }] })), null`)
	webtest.JS[any](tab, fmt.Sprintf(`import("%s/cuntong.js").then(({ Cuntong }) => {
		window.heard = [];
		window.c = new Cuntong({ urls: ["ws://%s/ws"], role: "driver", token: async () => %q, tickets: true, on: (kind, x) => heard.push([kind, x]) });
		window.left = c.open;
		c.do("duty", { on: true });
		c.start();
	}), null`, pages, p.public, p.tokenFor("driver", "d2", "--vehicle", "minivan", "--seats", "7")))
	tab.Await("his own command done", `window.heard?.some(([kind, x]) => kind === "answered" && x.done && x.command.t === "duty")`)
	if webtest.JS[int](tab, `left`) != 1 || webtest.JS[int](tab, `c.open`) != 0 || webtest.JS[int](tab, `c.picture.trips.size`) != 0 {
		t.Error("the other driver's things are still there")
	}
	for _, text := range tab.Sent() {
		if strings.Contains(text, `"complete"`) {
			t.Errorf("told for somebody else: %s", text)
		}
	}
}

// TestAnEndedTokenIsNotShownTwice: after 4503 the page comes back with another token, and
// stays away when there is none.
func TestAnEndedTokenIsNotShownTwice(t *testing.T) {
	webtest.Find(t)
	tab := webtest.Open(t)
	pages := examplePages(t)
	tab.Do(chromedp.Navigate(pages + "/README.md"))
	webtest.JS[any](tab, fmt.Sprintf(`import("%s/cuntong.js").then(({ Cuntong }) => {
		window.heard = [];
		const tokens = ["first", "second", "second"], shown = [];
		const open = () => {
			const ws = { readyState: 1, close() {}, send: (text) => shown.push(JSON.parse(text).b.token) };
			setTimeout(() => { ws.onopen(); ws.onclose({ code: 4503 }); });
			return ws;
		};
		new Cuntong({ urls: ["ws://nowhere/ws"], role: "driver", store: null, random: () => 0, token: async () => tokens.shift(), open,
			on: (kind, x) => heard.push(kind === "ended" ? [kind, x, shown.join(" ")].join(" ") : kind) }).start();
	}), null`, pages))
	tab.Await("the end", `window.heard?.some((kind) => kind.startsWith("ended"))`)
	if got := webtest.JS[[]string](tab, `heard`); strings.Join(got, ", ") != "down, down, ended 4503 first second" {
		t.Errorf("heard %q", got)
	}
}
