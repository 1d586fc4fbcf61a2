package web_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cuntong/ws/wire"
)

// shown is what a list of the page says, row by row.
func (p *tab) shown(list string) []string {
	p.t.Helper()
	return js[[]string](p, fmt.Sprintf(`[...document.getElementById(%q).children].map((n) => n.innerText.replace(/\s+/g, " ").trim())`, list))
}

func TestClosingARoadByAClick(t *testing.T) {
	b := newCounty(7, time.Now()).board(10, 6, 4, 4)
	s, p := openBoard(t, demo, b)
	if !js[bool](p, `document.getElementById("roads-empty").checkVisibility() && document.getElementById("road-form").hidden`) {
		t.Error("the panel does not say that no road is closed")
	}
	p.do(chromedp.Click(chromedp.ID("road-new")))
	pinned := js[int](p, `(() => {
		const plan = document.getElementById("plan"), box = plan.getBoundingClientRect();
		let pinned = 0;
		for (let x = 4; x < box.width; x += 12) for (let y = 4; y < box.height; y += 12) {
			plan.dispatchEvent(new MouseEvent("click", {clientX: box.left + x, clientY: box.top + y, bubbles: true}));
			if (!document.getElementById("card").hidden) pinned++;
		}
		return pinned;
	})()`)
	if pinned > 0 {
		t.Errorf("%d clicks for a place pinned a driver instead", pinned)
	}
	at := js[[]float64](p, `(() => {
		const plan = document.getElementById("plan"), box = plan.getBoundingClientRect(), [x, y] = [Math.round(box.width / 3), Math.round(box.height / 2)];
		plan.dispatchEvent(new MouseEvent("click", {clientX: box.left + x, clientY: box.top + y, bubbles: true}));
		return document.getElementById("road-where").value.split(", ").map(Number);
	})()`)
	if len(at) != 2 || math.Abs(at[0]-26.1) > 0.5 || math.Abs(at[1]-109) > 0.5 {
		t.Fatalf("the click is taken for %v", at)
	}
	if !js[bool](p, `document.getElementById("card").hidden && !document.getElementById("pin").hidden && document.activeElement.id === "road-note"`) {
		t.Error("the click did something else, or the place is not shown")
	}
	p.do(chromedp.SendKeys(chromedp.ID("road-note"), "landslide\r"))
	p.await("the closure in the list", `document.querySelectorAll("#roads li").length === 1 && document.getElementById("road-form").hidden`)
	if got := p.shown("roads")[0]; !strings.HasPrefix(got, "closed X106 2 segments, 1.3 km until ") || !strings.HasSuffix(got, "landslide Lift") {
		t.Errorf("the list shows %q", got)
	}
	if got := p.text("road-said"); got != "It holds: X106, 2 segments, 1.3 km." {
		t.Errorf("the page says %q", got)
	}
	asked := s.changes()[0]
	day := time.Until(time.UnixMilli(asked.Until))
	if !asked.Closed || asked.Where.Lat.Value != at[0] || asked.Where.Lon.Value != at[1] || asked.Where.Datum != wire.DatumWGS84 ||
		asked.Where.RadiusM != 0 || asked.Note != "landslide" || day < 23*time.Hour || day > 25*time.Hour {
		t.Errorf("the page asked for %+v", asked)
	}
	p.quiet()
}

// Everything that a pointer can do the keyboard can, and a closure is lifted by two
// strokes and not by one.
func TestRoadsByKeyboard(t *testing.T) {
	s, p := openBoard(t, demo, newCounty(7, time.Now()).board(10, 6, 4, 4))
	p.do(chromedp.Focus(chromedp.ID("road-new")), chromedp.KeyEvent("\r"))
	p.await("the form has the keyboard", `document.activeElement.id === "road-where"`)
	p.do(chromedp.KeyEvent("somewhere\r"))
	p.await("a complaint", `document.getElementById("road-said").textContent.startsWith("Give a place") && document.activeElement.id === "road-where"`)
	js[any](p, `document.getElementById("road-where").value = "", document.getElementById("road-what").value = "50", document.getElementById("road-radius").value = "500", document.getElementById("road-until").value = "0", null`)
	p.do(chromedp.KeyEvent("26.0421, 109.1314\r"))
	p.await("the change in the list, and the keyboard back", `document.querySelectorAll("#roads li").length === 1 && document.activeElement.id === "road-new"`)
	if got := p.shown("roads")[0]; got != "at 50 % of the usual pace X106 2 segments, 1.3 km lifted by hand Lift" {
		t.Errorf("the list shows %q", got)
	}
	if got := s.changes()[0]; got.Closed || got.Pace != 0.5 || got.Where.RadiusM != 500 || got.Until != 0 || got.Note != "" {
		t.Errorf("the page asked for %+v", got)
	}
	p.do(chromedp.Click(chromedp.ID("language")))
	if got := p.shown("roads")[0]; !strings.Contains(got, "车速为平常的 50 %") {
		t.Errorf("in Chinese the list shows %q", got)
	}
	p.do(chromedp.Click(chromedp.ID("language")))
	js[any](p, `document.querySelector("#roads .act").focus(), null`)
	p.do(chromedp.KeyEvent("\r"))
	if got := js[string](p, `document.querySelector("#roads .act").getAttribute("aria-label")`); got != "Really lift? X106" {
		t.Errorf("the button asks back %q", got)
	}
	p.do(chromedp.KeyEvent("\r"))
	p.await("the road lifted", `document.querySelectorAll("#roads li").length === 0 && document.getElementById("road-said").textContent === "Lifted: X106."`)
	if !js[bool](p, `document.activeElement.id === "road-new" && document.getElementById("roads-empty").checkVisibility()`) {
		t.Error("the keyboard is lost with the row")
	}
	p.quiet()
}

func TestRoadsThatAreRefused(t *testing.T) {
	s, p := openBoard(t, demo, newCounty(7, time.Now()).board(10, 6, 4, 4))
	for code, want := range map[string]string{"road_unknown": "There is no such road there", "tomorrow": "<b>Not today</b>"} {
		s.refuse(&wire.Refused{Kind: wire.KindNotFound, Code: code, Say: "<b>Not today</b>"})
		js[any](p, `document.getElementById("road-form").hidden && document.getElementById("road-new").click(), document.getElementById("road-where").value = "26, 109", document.getElementById("road-form").requestSubmit(), null`)
		p.await("the refusal of "+code, fmt.Sprintf(`document.getElementById("road-said").textContent.startsWith(%q)`, want))
	}
	if !js[bool](p, `!document.getElementById("road-form").hidden && document.getElementById("road-where").value === "26, 109"`) {
		t.Error("what was typed is gone")
	}
	js[any](p, `document.getElementById("road-note").value = "村".repeat(67), document.getElementById("road-form").requestSubmit(), null`)
	p.await("a note that is too long", `document.getElementById("road-said").textContent.startsWith("This is too long")`)
	p.do(chromedp.Focus(chromedp.ID("road-where")), chromedp.KeyEvent("\u001b"))
	if !js[bool](p, `document.getElementById("road-form").hidden && document.activeElement.id === "road-new"`) {
		t.Error("Escape does not shut the form")
	}
	if n := len(s.changes()); n != 2 {
		t.Errorf("%d changes were asked for, want 2", n)
	}
	p.quiet()
}

func TestTripsSayNoRoadAndWhen(t *testing.T) {
	b := newCounty(7, time.Now()).board(10, 6, 4, 4)
	b.Driving[1].Cut, b.Driving[1].Overdue = true, 2
	b.Waiting[1].State = wire.StateParked
	b.Waiting[1].PickupETA = time.Date(2026, 3, 14, 6, 5, 0, 0, time.UTC).UnixMilli() // 14:05 in Shanghai, where the tests' browser is
	b.Waiting[1].GivesUpAt = b.At + time.Hour.Milliseconds()
	_, p := openBoard(t, demo, b)
	if got := js[string](p, `document.querySelector("#driving tr:nth-child(2) .warn").textContent`); got != "no road" {
		t.Errorf("the trip that is cut off says %q", got)
	}
	if got := js[string](p, `document.querySelector("#queue tr:nth-child(2) .soon").textContent`); got != "≈ 14:05" {
		t.Errorf("the trip that waits says %q", got)
	}
	p.quiet()
}
