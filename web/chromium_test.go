package web_test

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"cuntong/web/webtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	webtest.Stop()
	os.Exit(code)
}

// tab is a page of these tests.
type tab struct {
	*webtest.Tab
	t *testing.T
}

func openTab(t *testing.T) *tab {
	t.Helper()
	return &tab{webtest.Open(t), t}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	p.Do(steps...)
}

func (p *tab) await(what, expression string) {
	p.t.Helper()
	p.Await(what, expression)
}

func js[T any](p *tab, expression string) T {
	p.t.Helper()
	return webtest.JS[T](p.Tab, expression)
}

func (p *tab) text(id string) string {
	p.t.Helper()
	return p.Text(id)
}
