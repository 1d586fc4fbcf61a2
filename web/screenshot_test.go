package web_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"cuntong/web"
)

var (
	screenshot = flag.String("screenshot", "", "write a picture of the page to this `file`, relative to the package's folder")
	pageURL    = flag.String("url", "", "the running server to take it of; empty takes it of the county of the tests")
	pageSize   = flag.String("size", "1440x900", "width and height in pixels")
	pageScheme = flag.String("scheme", "light", "light or dark")
	pageTongue = flag.String("language", "en", "en or zh-CN")
	wholePage  = flag.Bool("whole", false, "take all of the page, not only what fits")
	settled    = flag.Duration("after", 3*time.Second, "how long the page is to have been live")
)

// TestScreenshot takes the picture of the README:
//
//	go test ./web -run Screenshot -screenshot ../docs/img/demo.png -url http://127.0.0.1:8080
func TestScreenshot(t *testing.T) {
	if *screenshot == "" {
		t.Skip("no -screenshot given")
	}
	var width, height int64
	if n, err := fmt.Sscanf(*pageSize, "%dx%d", &width, &height); n != 2 {
		t.Fatalf("-size %q: want such as 1440x900: %v", *pageSize, err)
	}
	url := *pageURL
	if url == "" {
		server := newFakeServer(t, web.Config{County: "黎平县 Liping", Demo: true, OperatorToken: func() (string, error) { return "t", nil }})
		server.board = watched(newCounty(1, time.Now()).board(200, 12, 38, 50))
		url = server.url
	}
	p := openTab(t)
	view := chromedp.EmulateViewport(width, height)
	if width < 720 {
		view = chromedp.EmulateViewport(width, height, chromedp.EmulateMobile, chromedp.EmulateScale(2))
	}
	p.do(view, emulate(*pageScheme), chromedp.Navigate(url))
	if *pageTongue != js[string](p, `document.documentElement.lang`) {
		p.do(chromedp.Click(chromedp.ID("language")))
	}
	p.await("a board", `document.body.dataset.link === "live" && document.querySelector("#ended tr, #driving tr, #queue tr")`)
	<-time.After(*settled)
	take := chromedp.CaptureScreenshot()
	if *wholePage {
		take = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(p.Context, take)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(*screenshot), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*screenshot, picture, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes of %s", *screenshot, len(picture), url)
	if c := p.Unexpected(); len(c) > 0 {
		t.Errorf("the page complained: %q", c)
	}
}

// emulate makes the browser ask for a light or a dark page.
func emulate(scheme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	}
}
