package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cuntong/ws/wire"
)

// watched puts into a county everything that a dispatcher should see: drivers out of
// reach, doubted, whom an offer has not reached, and parties who are kept out.
func watched(b wire.Board) wire.Board {
	lost := time.Now().Add(-3*time.Minute - 5*time.Second).UnixMilli()
	b.Drivers[0].LostAt = lost // has a trip
	b.Drivers[1].Trust, b.Drivers[1].Signs = wire.TrustPoor, []string{"mock", "tomorrow"}
	b.Drivers[20].LostAt, b.Drivers[20].Unseen = lost, true
	b.Drivers[21].Trust, b.Drivers[21].Signs = wire.TrustDoubtful, []string{"teleport"}
	b.Drivers[2].LinkMS = 2150
	b.Silent += 2
	b.Bars = []wire.Barred{
		{Role: wire.RoleDriver, ID: "d3", At: lost, Reason: "no licence"},
		{Role: wire.RolePassenger, ID: "d3", At: lost, Until: time.Now().Add(48 * time.Hour).UnixMilli(), Reason: "forty orders in an hour"},
	}
	return b
}

func TestDriversToWatch(t *testing.T) {
	b := watched(newCounty(7, time.Now()).board(40, 6, 12, 20))
	_, p := openBoard(t, demo, b)
	rows := p.shown("desk")
	want := []string{
		"on the way d3 barred: he cannot report on his trip 贵H·D0285 Look…", // a passenger of the same name changes nothing
		"on the way d1 no link, 3 min 贵H·D0211 Look…",
		"on the way d2 positions much doubted: the phone says the position is made up, tomorrow 贵H·D0248 Look…",
		"free d21 no link, 3 min · an offer has not reached his phone 贵H·D0951 Look…",
		"free d22 positions doubted: jumps faster than anything drives 贵H·D0988 Look…",
	}
	for i := range rows[:min(len(rows), len(want))] { // states are the county's own
		_, rest, _ := strings.Cut(rows[i], " d")
		_, wanted, _ := strings.Cut(want[i], " d")
		if rest != wanted {
			t.Errorf("row %d says %q, want … %q", i, rows[i], wanted)
		}
	}
	if len(rows) != 5+4+2 || p.text("desk-count") != "9" {
		t.Errorf("%d rows, of which %s are counted: %q", len(rows), p.text("desk-count"), rows)
	}
	if got := rows[len(rows)-2]; got != "barred driver d3 lifted by hand no licence Lift" {
		t.Errorf("who is kept out is shown as %q", got)
	}
	if got := js[string](p, `[...document.querySelectorAll("#driving tr")].find((r) => r.querySelector(".who").textContent === "d1").querySelector(".warn").textContent`); got != "no link, 3 min" {
		t.Errorf("the trip of who is out of reach says %q", got)
	}
	if got := js[[]string](p, `["#driving", "#desk"].map((list) => [...document.querySelectorAll(list + " > *")].find((r) => r.innerText.includes("贵H·D0211")).querySelector(".mark").dataset.look)`); !slices.Equal(got, []string{"coming away", "coming away"}) {
		t.Errorf("the marks of who is out of reach are %q", got)
	}
	p.do(chromedp.Click(chromedp.ID("language")))
	if got := p.shown("desk")[2]; !strings.Contains(got, "位置非常可疑：手机提示位置是虚拟的、tomorrow") {
		t.Errorf("in Chinese the doubt is %q", got)
	}
	p.quiet()
}

// The plan draws who is out of reach in another way than who is there, and a cross where
// somebody was found. It is a plan of its own, so that nothing else on it changes.
func TestPlanStrikesOutAndCrosses(t *testing.T) {
	_, p := openBoard(t, demo, newCounty(7, time.Now()).board(2, 1, 1, 1))
	js[any](p, `(async () => {
		const { Plan } = await import("./map.js");
		const { readBoard } = await import("./board.js");
		const canvas = document.body.appendChild(document.createElement("canvas"));
		canvas.style = "width: 300px; height: 300px";
		const plan = new Plan(canvas, { say: () => "", distance: () => "" }, { point() {}, toggle() {}, pin() {} });
		const drawn = async (change) => {
			change();
			for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
			return canvas.toDataURL();
		};
		const at = (lat) => ({ lat, lon: 109 + lat - 26, datum: "wgs84", at: 1, age_ms: 5 });
		const board = (...more) => readBoard({ drivers: [{ id: "far", position: at(26.1) }, ...more] });
		const show = (...more) => drawn(() => plan.show(board(...more), []));
		plan.show(board({ id: "near", position: at(26) }), []);
		await new Promise((over) => setTimeout(over, 1100)); // a glide is over
		const seen = {};
		for (const state of ["", "riding"]) {
			seen["there " + state] = await show({ id: "near", position: at(26), state, trip: state && "t" });
			seen["lost " + state] = await show({ id: "near", position: at(26), state, trip: state && "t", lost_at: 5 });
		}
		seen.crossed = await drawn(() => plan.spot({ name: "near", point: { lat: 26.05, lon: 109.05 } }));
		seen.again = await drawn(() => plan.spot(null));
		window.plans = seen;
	})().catch((err) => (window.plans = { err: String(err) })), null`)
	p.await("the plans", `window.plans`)
	if err := js[string](p, `plans.err ?? ""`); err != "" {
		t.Fatal(err)
	}
	if n := js[int](p, `new Set(["there ", "lost ", "there riding", "lost riding"].map((as) => plans[as])).size`); n != 4 {
		t.Errorf("only %d of 4 drivers look different", n)
	}
	if !js[bool](p, `plans.crossed !== plans["lost riding"] && plans.again === plans["lost riding"]`) {
		t.Error("there is no cross, or it stays")
	}
	p.quiet()
}

// Looking closely: by the keyboard alone, with a reason, shown on the plan and said to
// be recorded; and forgotten when the reader shuts it.
func TestLookingClosely(t *testing.T) {
	b := watched(newCounty(7, time.Now()).board(40, 6, 12, 20))
	s, p := openBoard(t, demo, b)
	p.do(chromedp.Focus(chromedp.ID("desk-new")), chromedp.KeyEvent("\r"))
	p.await("the form has the keyboard", `document.activeElement.id === "desk-act"`)
	if n := js[int](p, `document.getElementById("desk-known").children.length`); n != 40 {
		t.Errorf("%d drivers are offered to choose from, want 40", n)
	}
	p.do(chromedp.Focus(chromedp.ID("desk-who")), chromedp.KeyEvent("d3\r"))
	p.await("a reason is asked for", `document.getElementById("desk-said").textContent.startsWith("Say why") && document.activeElement.id === "desk-why"`)
	if n := len(s.looked()); n != 0 {
		t.Fatalf("%d looks without a reason", n)
	}
	p.do(chromedp.KeyEvent("the party rang: 他没来\r"))
	p.await("what there is to see", `!document.getElementById("looked").hidden && document.getElementById("desk-form").hidden && document.activeElement.id === "desk-new"`)
	if got := s.looked(); !slices.Equal(got, []wire.Look{{Driver: "d3", Reason: "the party rang: 他没来"}}) {
		t.Errorf("the page asked for %+v", got)
	}
	at := b.Drivers[2].Position
	if got := p.text("looked-more"); !strings.HasPrefix(got, fmt.Sprintf("%.6f, %.6f · heard ", at.Lat, at.Lon)) || !strings.Contains(got, "round trip 2.1 s") {
		t.Errorf("shown is %q", got)
	}
	if got := p.text("desk-said"); !strings.HasPrefix(got, "Recorded: you looked at d3 at ") || !strings.HasSuffix(got, "Why: the party rang: 他没来") {
		t.Errorf("the page says %q", got)
	}
	if got := p.text("card-title"); got != "d3" {
		t.Errorf("on the plan %q is shown", got)
	}
	p.do(chromedp.Click(chromedp.ID("language")))
	if got := p.text("desk-said"); !strings.HasPrefix(got, "已记录：您于 ") {
		t.Errorf("in Chinese the page says %q", got)
	}
	p.do(chromedp.Focus(chromedp.ID("looked-shut")), chromedp.KeyEvent("\r"))
	if !js[bool](p, `document.getElementById("looked").hidden && document.getElementById("desk-said").textContent === "" && document.activeElement.id === "desk-new"`) {
		t.Error("what was seen is not forgotten, or the keyboard is lost")
	}
	p.quiet()
}

func TestLookingAtATrip(t *testing.T) {
	b := watched(newCounty(7, time.Now()).board(40, 6, 12, 20))
	b.Waiting[0].Traveller, b.Waiting[0].StartCode = &wire.Traveller{Name: "奶奶", Phone: "+86 855 000 0000"}, "4821"
	s, p := openBoard(t, demo, b)
	js[any](p, fmt.Sprintf(`document.querySelector('#queue tr[data-trip="%s"] .way').click(), null`, b.Waiting[0].Trip))
	p.do(chromedp.Click(chromedp.ID("card-look")))
	p.await("the form, filled in", fmt.Sprintf(`document.getElementById("desk-act").value === "look trip" && document.getElementById("desk-who").value === %q && document.activeElement.id === "desk-why"`, b.Waiting[0].Trip))
	p.do(chromedp.KeyEvent("lost property\r"))
	p.await("the trip", `document.getElementById("looked-more").textContent.includes("奶奶 · +86 855 000 0000") && document.getElementById("looked-more").textContent.includes("start code 4821")`)
	s.refuse(&wire.Refused{Kind: wire.KindUnavailable, Code: "not_recording", Say: "No."})
	js[any](p, `document.getElementById("desk-new").click(), document.getElementById("desk-who").value = "d1", document.getElementById("desk-why").value = "why", document.getElementById("desk-form").requestSubmit(), null`)
	p.await("a look that is not recorded is not shown", `document.getElementById("desk-said").textContent.startsWith("The server cannot record") && document.getElementById("looked").hidden`)
	p.quiet()
}

func TestBarringSomebody(t *testing.T) {
	b := watched(newCounty(7, time.Now()).board(40, 6, 12, 20))
	b.Bars = nil
	s, p := openBoard(t, demo, b)
	p.do(chromedp.Click(chromedp.ID("desk-new")))
	if js[bool](p, `document.getElementById("desk-until-field").checkVisibility()`) {
		t.Error("a look has an end")
	}
	js[any](p, `document.getElementById("desk-act").value = "bar agent", document.getElementById("desk-act").dispatchEvent(new Event("change", {bubbles: true})), document.getElementById("desk-who").value = "a3", null`)
	p.do(chromedp.Focus(chromedp.ID("desk-why")), chromedp.KeyEvent("sold his password\r"))
	p.await("the page asks back", `document.getElementById("desk-do").textContent === "Really bar a3?"`)
	if got := s.barred(); len(got) != 0 {
		t.Fatalf("barred by one stroke: %+v", got)
	}
	p.do(chromedp.KeyEvent("\r"))
	p.await("the bar in the list", `[...document.querySelectorAll("#desk li")].some((n) => n.innerText.includes("a3")) && document.getElementById("desk-form").hidden`)
	got := s.barred()
	if day := time.Until(time.UnixMilli(got[0].Until)); len(got) != 1 || got[0].Role != wire.RoleAgent || got[0].ID != "a3" || got[0].Reason != "sold his password" || day < 23*time.Hour || day > 25*time.Hour {
		t.Errorf("barred are %+v", got)
	}
	if said := p.text("desk-said"); !strings.HasPrefix(said, "Barred: village agent a3, until ") {
		t.Errorf("the page says %q", said)
	}
	const lift = `document.querySelector("#desk li:last-child .act")`
	js[any](p, lift+`.focus(), null`)
	p.do(chromedp.KeyEvent("\r"))
	if got := js[string](p, lift+`.getAttribute("aria-label")`); got != "Really lift? a3" {
		t.Errorf("the button asks back %q", got)
	}
	p.do(chromedp.KeyEvent("\r"))
	p.await("nobody is kept out", `document.getElementById("desk-said").textContent === "Let in again: village agent a3." && document.activeElement.id === "desk-new"`)
	if got := s.barred(); len(got) != 0 {
		t.Errorf("barred are still %+v", got)
	}
	p.quiet()
}
