package web_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cuntong/web"
)

// fewRoads are a main road across the county of the tests, and a track.
func fewRoads() *web.Roads {
	return &web.Roads{Credit: `generated, seed 1; "no" real road <b>`, Lines: []web.RoadLine{
		{Rank: 3, Points: [][2]float64{{25.7, 108.6}, {26.2, 109.1}, {26.7, 109.5}}},
		{Rank: 0, Points: [][2]float64{{26.2, 109.1}, {26.20001, 109.09998}}},
	}}
}

func TestRoadsAreServedPackedAndPlain(t *testing.T) {
	h := web.Handler(web.Config{Roads: fewRoads()})
	plain := get(h, "GET", "/roads.json")
	text := body(t, plain)
	var got struct {
		Credit string
		Lines  [][]int
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || plain.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %v", text, err)
	}
	if got.Credit != fewRoads().Credit || len(got.Lines) != 2 || len(got.Lines[0]) != 7 {
		t.Errorf("the roads are %s", text)
	}
	if want := []int{0, 2620000, 10910000, 1, -2}; len(got.Lines[1]) != 5 || got.Lines[1][3] != want[3] || got.Lines[1][4] != want[4] {
		t.Errorf("the track is %v, want %v", got.Lines[1], want)
	}
	small := get(h, "GET", "/roads.json", "Accept-Encoding", "br, gzip")
	z, err := gzip.NewReader(small.Body)
	if err != nil || small.Header.Get("Content-Encoding") != "gzip" || small.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("packed: %v, %v", small.Header, err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != text {
		t.Errorf("packed is something else than plain: %v", err)
	}
	tag := small.Header.Get("ETag")
	if tag == plain.Header.Get("ETag") {
		t.Error("packed and plain have one tag")
	}
	if r := get(h, "GET", "/roads.json", "Accept-Encoding", "gzip", "If-None-Match", tag); r.StatusCode != http.StatusNotModified {
		t.Errorf("%d with its own tag, want 304", r.StatusCode)
	}
	if r := get(h, "POST", "/roads.json", "Accept-Encoding", "gzip"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", r.StatusCode)
	}
	if page := body(t, get(h, "GET", "/")); !strings.Contains(page, `name="roads" content="generated, seed 1; &#34;no&#34; real road &lt;b&gt;"`) {
		t.Errorf("the page does not know its roads:\n%.900s", page)
	}
	if page := body(t, get(web.Handler(web.Config{}), "GET", "/")); strings.Contains(page, `name="roads"`) {
		t.Error("a page without roads asks for some")
	}
}

// countRoad is how many pixels of the plan have the roads' colour, or nearly. It reads a copy:
// the browser complains of who reads a canvas that it draws often.
const countRoad = `(() => {
	const canvas = document.getElementById("plan");
	const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
	copy.drawImage(canvas, 0, 0);
	const hex = getComputedStyle(canvas).getPropertyValue("--road").trim();
	const want = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
	const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
	let n = 0;
	for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && want.every((c, k) => Math.abs(data[i + k] - c) < 3)) n++;
	return n;
})()`

// TestRoadsInABrowser looks for the roads on the plan, and for their credit.
func TestRoadsInABrowser(t *testing.T) {
	cfg := demo
	cfg.Roads = fewRoads()
	_, p := openBoard(t, cfg, newCounty(3, time.Now()).board(10, 6, 4, 4))
	p.await("the credit", `document.getElementById("plan-note").textContent.includes(document.querySelector('meta[name="roads"]').content)`)
	p.await("the roads", countRoad+" > 200")
	p.quiet()
}

func TestAPlanWithoutRoadsSaysSo(t *testing.T) {
	_, p := openBoard(t, demo, newCounty(3, time.Now()).board(10, 6, 4, 4))
	if got := p.text("plan-note"); !strings.Contains(got, "No roads are shown") {
		t.Errorf("the plan says %q", got)
	}
	if n := js[int](p, countRoad); n > 20 {
		t.Errorf("%d pixels of roads where there are none", n)
	}
	p.quiet()
}
