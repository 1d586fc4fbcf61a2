package plan

import (
	"slices"
	"testing"
)

func TestNamedScenariosAreValidAndCalledByTheirNames(t *testing.T) {
	names := Names()
	for _, want := range []string{"smoke", "market-morning", "thousand-drivers", "burst"} {
		if !slices.Contains(names, want) {
			t.Errorf("no scenario %q among %v", want, names)
		}
	}
	for _, name := range names {
		s, err := Named(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.About == "" {
			t.Errorf("%s calls itself %q, about %q", name, s.Name, s.About)
		}
		if _, err := New(s, grid(t, 10), seedOf(t)); err != nil {
			t.Errorf("%s makes no plan of a county of a hundred villages: %v", name, err)
		}
	}
	for _, name := range []string{"", "no-such", "../plan", "smoke.json"} {
		if _, err := Named(name); err == nil {
			t.Errorf("%q names a scenario", name)
		}
	}
}
