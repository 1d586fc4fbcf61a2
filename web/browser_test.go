package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cuntong/web"
	"cuntong/web/webtest"
	"cuntong/ws/wire"
)

var demo = web.Config{Demo: true, OperatorToken: func() (string, error) { return "minted", nil }}

// openBoard opens the page on a server that shows a board, and waits for it.
func openBoard(t *testing.T, cfg web.Config, b wire.Board) (*fakeServer, *tab) {
	t.Helper()
	webtest.Find(t)
	s := newFakeServer(t, cfg)
	s.board = b
	p := openTab(t)
	p.do(chromedp.Navigate(s.url))
	p.awaitLive()
	return s, p
}

func (p *tab) awaitLive() {
	p.t.Helper()
	p.await("a live board", `document.body.dataset.link === "live" && !document.getElementById("board").hidden && document.getElementById("n-waiting").textContent !== "–"`)
}

func (p *tab) rows(table string) []string {
	p.t.Helper()
	return js[[]string](p, fmt.Sprintf(`[...document.querySelectorAll("#%s tr")].map((r) => r.querySelector(".way").title)`, table))
}

// quiet fails when the page complained of anything but what is expected.
func (p *tab) quiet(expected ...string) {
	p.t.Helper()
	if c := p.Unexpected(expected...); len(c) > 0 {
		p.t.Errorf("the page complained:\n%s", strings.Join(c, "\n"))
	}
}

func TestBoardInABrowser(t *testing.T) {
	b := newCounty(7, time.Now()).board(40, 6, 12, 20)
	s, p := openBoard(t, demo, b)
	if got := s.tokens(); !slices.Equal(got, []string{"minted"}) {
		t.Errorf("tokens %q, want the minted one, once", got)
	}
	for id, want := range map[string]int{
		"n-waiting": b.Counts["parked"] + b.Counts["requested"], "n-asked": b.Counts["offered"], "n-coming": b.Counts["assigned"] + b.Counts["arrived"],
		"n-riding": b.Counts["riding"], "n-drivers": 40, "n-free": b.Free, "n-silent": b.Silent, "n-busy": 40 - b.Free - b.Silent,
	} {
		if got := p.text(id); got != fmt.Sprint(want) {
			t.Errorf("%s shows %q, want %d", id, got, want)
		}
	}
	for table, trips := range map[string][]wire.Trip{"queue": b.Waiting, "driving": b.Driving, "ended": b.Ended} {
		var want []string
		for _, trip := range trips {
			want = append(want, trip.Pickup.Name+" → "+trip.Dropoff.Name)
		}
		if got := p.rows(table); !slices.Equal(got, want) {
			t.Errorf("%s shows %q, want %q", table, got, want)
		}
	}
	if got := p.text("n-p50"); got != "3.1 ms" {
		t.Errorf("latency shows %q", got)
	}
	p.outside(s)
	p.quiet()
}

// outside fails when the page asked anybody but its own server for anything.
func (p *tab) outside(s *fakeServer) {
	p.t.Helper()
	fetched := p.Fetched()
	if len(fetched) < len(files) {
		p.t.Errorf("only %d requests were seen: %q", len(fetched), fetched)
	}
	for _, url := range fetched {
		if !strings.HasPrefix(url, s.url) && url != strings.Replace(s.url, "http", "ws", 1)+"/ws" {
			p.t.Errorf("the page asked for %s", url)
		}
	}
}

func TestAnEmptyCounty(t *testing.T) {
	s, p := openBoard(t, demo, wire.Board{At: time.Now().UnixMilli(), Area: "liping"})
	if !js[bool](p, `["queue", "driving", "ended", "plan"].every((id) => document.getElementById(id + "-empty").checkVisibility()) && document.getElementById("speed").hidden`) {
		t.Error("the page does not say that there is nobody")
	}
	b := newCounty(8, time.Now().Add(time.Minute)).board(5, 4, 1, 1)
	s.show(b)
	p.await("somebody", `document.querySelectorAll("#queue tr").length === 4 && !document.getElementById("plan-empty").checkVisibility()`)
	p.quiet()
}

func TestRowsKeepTheirPlaceAndFocus(t *testing.T) {
	b := newCounty(3, time.Now()).board(10, 6, 4, 4)
	s, p := openBoard(t, demo, b)
	js[any](p, `(window.kept = document.querySelector("#queue tr:nth-child(2)")).querySelector("button").focus(), null`)
	first := b.Waiting[0]
	first.State, first.Queue, first.Version = wire.StateAssigned, nil, 9
	first.Driver = &wire.TripDriver{ID: "d9"}
	b.At += 1000
	b.Waiting = b.Waiting[1:]
	b.Driving = append([]wire.Trip{first}, b.Driving...)
	s.show(b)
	p.await("the trip among those driven", `document.querySelectorAll("#driving tr").length === 5`)
	if !js[bool](p, `kept.isConnected && kept === document.querySelector("#queue tr") && kept.contains(document.activeElement)`) {
		t.Error("the row was made anew, or lost the keyboard")
	}
	p.quiet()
}

func TestHostileNamesStayText(t *testing.T) {
	hostile := []string{
		`<img src=x onerror="window.hit=1">`,
		`"><script>window.hit=1</script>`,
		"\u202Egnp.exe \u2066\u200Fback",
		strings.Repeat("龘", 200),
		strings.Repeat("w", 200),
		`javascript:window.hit=1`,
		`{title}&lt;b&gt;$&`,
		"\u0627\u0644\u0645\u062F\u064A\u0646\u0629",
		"__proto__",
	}
	b := newCounty(5, time.Now()).board(len(hostile), len(hostile), len(hostile), len(hostile))
	for i, name := range hostile {
		for _, trip := range []*wire.Trip{&b.Waiting[i], &b.Driving[i], &b.Ended[i]} {
			trip.Trip += name
			trip.Pickup.Name, trip.Dropoff.Note, trip.Pickup.Note, trip.Pickup.Village = name, name, name, name
			trip.Booker.Role, trip.State = name, name
			trip.Ended = &wire.Ended{ByRole: name, Why: name}
			trip.Driver = &wire.TripDriver{ID: name, Vehicle: &wire.Vehicle{ID: name, Class: name}}
		}
		b.Drivers[i].ID, b.Drivers[i].State, b.Drivers[i].Vehicle.Class = name, name, name
	}
	for i, name := range hostile {
		b.Roads = append(b.Roads, wire.RoadState{Change: wire.Road{Road: fmt.Sprint("r", i), Closed: true, Note: name}, Extent: wire.Extent{Names: []string{name}}})
	}
	b.Area = hostile[0] + hostile[4][:100]
	_, p := openBoard(t, web.Config{Demo: true, DemoNote: hostile[0], OperatorToken: demo.OperatorToken}, b)
	names := js[[]string](p, `[...document.querySelectorAll("#queue tr .way bdi:first-child")].map((n) => n.textContent)`)
	for i, want := range hostile {
		want = strings.NewReplacer("\u202E", "", "\u2066", "", "\u200F", "").Replace(want)
		if i >= len(names) || names[i] != want {
			t.Errorf("name %d is not what was sent: got %q, want %q", i, names, want)
		}
	}
	if got := p.text("county"); got != b.Area {
		t.Errorf("county shows %q", got)
	}
	if got := p.text("note"); got != hostile[0] {
		t.Errorf("ribbon shows %q", got)
	}
	walkDrivers(p, len(hostile))
	if n := js[int](p, `document.querySelectorAll("img, main script, iframe, [onerror]").length`); n != 0 {
		t.Errorf("%d elements grew out of names", n)
	}
	if js[bool](p, `window.hit === 1`) {
		t.Error("a name was run")
	}
	if over := js[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		t.Errorf("a long name pushes the page %d pixels beyond the screen", over)
	}
	p.quiet()
}

// walkDrivers steps through all drivers with the keyboard, so that each is on the card once.
func walkDrivers(p *tab, n int) {
	p.do(chromedp.Focus(chromedp.ID("plan")))
	for range n {
		js[any](p, `document.getElementById("plan").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true})), null`)
		if js[bool](p, `document.getElementById("card").hidden`) {
			p.t.Error("a driver has no card")
		}
	}
}

func TestComesBack(t *testing.T) {
	b := newCounty(9, time.Now()).board(10, 3, 3, 3)
	s, p := openBoard(t, demo, b)
	for i, code := range []wire.CloseCode{wire.CloseGoingAway, wire.CloseSilent} {
		s.drop(code)
		b.At += 1000
		b.Waiting = b.Waiting[:2-i]
		s.show(b)
		p.await(fmt.Sprintf("the board after close %d", code), fmt.Sprintf(`document.body.dataset.link === "live" && document.querySelectorAll("#queue tr").length === %d`, 2-i))
	}
	s.say(`{"t":"drain","b":{"come_back_after_ms":60000}}`)
	s.drop(wire.CloseDrain)
	p.await("a planned pause", `document.getElementById("link-word").textContent === "Server is moving" && /as of .* · next try in (60|[45]\d) s/.test(document.getElementById("link-more").textContent)`)
	if got := len(p.rows("queue")); got != 1 {
		t.Errorf("%d rows while away, want what was last known", got)
	}
	p.quiet()
}

func TestReplacedWaitsForAPerson(t *testing.T) {
	s, p := openBoard(t, demo, newCounty(9, time.Now()).board(4, 1, 1, 1))
	s.drop(wire.CloseReplaced)
	p.await("a button", `document.body.dataset.link === "replaced" && !document.getElementById("link-go").hidden`)
	p.do(chromedp.Click(chromedp.ID("link-go")))
	p.awaitLive()
	if got := len(s.tokens()); got != 2 {
		t.Errorf("%d hellos, want 2", got)
	}
	p.quiet()
}

func TestSigningIn(t *testing.T) {
	webtest.Find(t)
	s := newFakeServer(t, web.Config{}, "good.token")
	s.board = newCounty(2, time.Now()).board(4, 1, 1, 1)
	p := openTab(t)
	p.do(chromedp.Navigate(s.url))
	p.await("the form", `!document.getElementById("sign-in").hidden && document.activeElement.id === "token"`)
	p.do(chromedp.SendKeys(chromedp.ID("token"), "bad.token\r"))
	p.await("a refusal", `document.getElementById("sign-in-why").textContent.includes("did not accept")`)
	p.do(chromedp.SendKeys(chromedp.ID("token"), " good.token \r"))
	p.awaitLive()
	if kept := js[[]string](p, `[sessionStorage.getItem("cuntong.token"), JSON.stringify(localStorage), document.cookie, location.href, document.getElementById("token").value]`); kept[0] != "good.token" || strings.Contains(strings.Join(kept[1:], " "), "good") {
		t.Errorf("the token is kept in the wrong places: %q", kept)
	}
	p.do(chromedp.Reload())
	p.awaitLive()
	if got := s.tokens(); !slices.Equal(got, []string{"bad.token", "good.token", "good.token"}) {
		t.Errorf("tokens %q", got)
	}
	p.quiet()
}

func TestTokenInTheFragment(t *testing.T) {
	webtest.Find(t)
	s := newFakeServer(t, demo, "from.the-fragment_1")
	s.board = newCounty(2, time.Now()).board(4, 1, 1, 1)
	p := openTab(t)
	p.do(chromedp.Navigate(s.url + "/#token=from.the-fragment_1"))
	p.awaitLive()
	if got := js[string](p, `location.href`); got != s.url+"/" {
		t.Errorf("the address bar shows %q", got)
	}
	if n := js[int](p, `history.length`); n > 2 {
		t.Errorf("%d entries in the history: the token may be in one", n)
	}
	for _, url := range p.Fetched() {
		if strings.Contains(url, "fragment_1") {
			t.Errorf("the token went out in %s", url)
		}
	}
	if got := s.tokens(); !slices.Equal(got, []string{"from.the-fragment_1"}) {
		t.Errorf("tokens %q", got)
	}
	p.quiet()
}

func TestDemoTokenTurnedDown(t *testing.T) {
	webtest.Find(t)
	s := newFakeServer(t, demo, "good")
	s.board = newCounty(2, time.Now()).board(4, 1, 1, 1)
	p := openTab(t)
	p.do(chromedp.Navigate(s.url))
	p.await("the form, after one more try", `!document.getElementById("sign-in").hidden`)
	if got := s.tokens(); !slices.Equal(got, []string{"minted", "minted"}) {
		t.Errorf("tokens %q, want two tries and no more", got)
	}
	p.quiet()
}

func TestPlanAndRowsPointAtEachOther(t *testing.T) {
	b := newCounty(4, time.Now()).board(6, 2, 3, 2)
	for i := range b.Drivers {
		b.Drivers[i].Position = &wire.Fix{Lat: 26 + float64(i)*0.05, Lon: 109 + float64(i)*0.05, Datum: wire.DatumWGS84}
	}
	_, p := openBoard(t, demo, b)
	trip := b.Drivers[1].Trip
	row := fmt.Sprintf(`document.querySelector('#driving tr[data-trip="%s"]')`, trip)
	walkDrivers(p, 2)
	if !js[bool](p, row+`.classList.contains("on") && document.getElementById("card-title").textContent === "d2"`) {
		t.Errorf("the row of %s is not marked, or the card shows %q", trip, p.text("card-title"))
	}
	p.do(chromedp.KeyEvent("\u001b"))
	if !js[bool](p, `document.getElementById("card").hidden && !document.querySelector("tr.on")`) {
		t.Error("Escape does not let go")
	}
	js[any](p, row+`.querySelector("button").click(), null`)
	if !js[bool](p, row+`.querySelector("button").getAttribute("aria-pressed") === "true" && document.getElementById("card-title").textContent === "d2"`) {
		t.Error("a click on the row does not show its driver")
	}
	js[any](p, `document.getElementById("card-shut").click(), null`)
	found := hoverAll(p)
	for _, d := range b.Drivers {
		if !slices.Contains(found, d.ID) {
			t.Errorf("the pointer does not find %s on the plan; it finds %q", d.ID, found)
		}
	}
	p.quiet()
}

// hoverAll moves the pointer all over the plan and returns what the card showed.
func hoverAll(p *tab) []string {
	return js[[]string](p, `(() => {
		const plan = document.getElementById("plan"), box = plan.getBoundingClientRect(), seen = new Set();
		for (let x = 4; x < box.width; x += 8) for (let y = 4; y < box.height; y += 8) {
			plan.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + x, clientY: box.top + y, bubbles: true}));
			if (!document.getElementById("card").hidden) seen.add(document.getElementById("card-title").textContent);
		}
		plan.dispatchEvent(new PointerEvent("pointerleave"));
		return [...seen];
	})()`)
}

func TestBothLanguages(t *testing.T) {
	b := newCounty(6, time.Now()).board(6, 2, 3, 2)
	_, p := openBoard(t, demo, b)
	english := js[[]string](p, `[...document.querySelectorAll("[data-word]")].map((n) => n.textContent)`)
	p.do(chromedp.Click(chromedp.ID("language")))
	if got := js[string](p, `document.documentElement.lang`); got != "zh-CN" {
		t.Errorf("lang %q", got)
	}
	chinese := js[[]string](p, `[...document.querySelectorAll("[data-word]")].map((n) => n.textContent)`)
	for i := range english {
		if english[i] == chinese[i] {
			t.Errorf("%q is the same in both languages", english[i])
		}
	}
	if got := p.text("note"); !strings.Contains(got, "模拟") {
		t.Errorf("ribbon shows %q", got)
	}
	p.do(chromedp.Reload())
	p.awaitLive()
	if got := js[string](p, `document.documentElement.lang`); got != "zh-CN" {
		t.Errorf("the language is forgotten: %q", got)
	}
	p.quiet()
}

func TestFitsEveryScreen(t *testing.T) {
	_, p := openBoard(t, demo, newCounty(6, time.Now()).board(120, 50, 50, 50))
	for range 2 {
		for _, width := range []int64{360, 390, 720, 1099, 1100, 1440, 1920, 2560} {
			p.do(chromedp.EmulateViewport(width, 900))
			p.await("the new width", fmt.Sprintf(`innerWidth === %d`, width))
			p.fits(width)
		}
		p.do(chromedp.Click(chromedp.ID("language")))
	}
	p.quiet()
}

// fits fails when the page is wider than the screen or a number or heading is cut off.
func (p *tab) fits(width int64) {
	p.t.Helper()
	if over := js[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		p.t.Errorf("at %d pixels the page is %d too wide", width, over)
	}
	cut := js[[]string](p, `[...document.querySelectorAll(".big, .split, .number dt, .bar button, .clock, .head h2, #link-word")]
		.filter((n) => n.checkVisibility() && n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== "inline").map((n) => n.textContent)`)
	if len(cut) > 0 {
		p.t.Errorf("at %d pixels these are cut: %q", width, cut)
	}
}

// Whatever a newer or a broken server sends, the page goes on.
func TestOddBoardsDoNotBreakThePage(t *testing.T) {
	b := newCounty(6, time.Now()).board(6, 2, 3, 2)
	s, p := openBoard(t, demo, b)
	for i, odd := range []string{
		`{}`, `{"waiting":null}`, `{"waiting":[null,1,"x",[],{}],"drivers":{},"counts":[1],"latency":"soon"}`,
		`{"waiting":[{"trip":"t","state":"towed","pickup":[],"dropoff":{"lat":"x"},"since":"now","queue":7}],"new":{"deep":[[[]]]}}`,
		`{"drivers":[{"id":"d","position":{"lat":1e308,"lon":-1e308}},{"id":"e","state":7,"position":{"lat":-89,"lon":179}}],"on_duty":-4,"free":1e99}`,
	} {
		s.say(fmt.Sprintf(`{"t":"board","b":%s}`, strings.Replace(odd, "{", fmt.Sprintf(`{"at":%d,`, b.At+int64(i)+1), 1)))
	}
	s.say(`{"t":"tomorrow","b":{}}`)
	s.say(`not a frame`)
	b.At += 60_000
	b.Waiting = b.Waiting[:1]
	s.show(b)
	p.await("the good board after the odd ones", `document.querySelectorAll("#queue tr").length === 1 && document.body.dataset.link === "live"`)
	p.quiet()
}

// The tests above rest on hearing the page complain; this one holds the ear against
// a page that does.
func TestComplaintsAreHeard(t *testing.T) {
	_, p := openBoard(t, demo, newCounty(6, time.Now()).board(1, 1, 1, 1))
	js[any](p, `(() => { const s = document.createElement("script"); s.textContent = "window.ran = 1"; document.body.append(s); return null })()`)
	js[any](p, `setTimeout(() => { throw new Error("on purpose") }), console.error("aloud"), null`)
	deadline := time.Now().Add(webtest.Patience)
	for time.Now().Before(deadline) {
		all := strings.Join(p.Unexpected(), "\n")
		if strings.Contains(all, "Content Security Policy") && strings.Contains(all, "on purpose") && strings.Contains(all, "aloud") {
			if js[bool](p, `window.ran === 1`) {
				t.Error("the policy let an inline script run")
			}
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Errorf("heard only: %q", p.Unexpected())
}
