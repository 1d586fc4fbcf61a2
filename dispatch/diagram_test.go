package dispatch

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"testing"
)

var arrow = regexp.MustCompile(`^\s+(\S+) --> ([a-z]+|\[\*\])`)

// TestDiagram holds the diagram of a trip's life in docs/DESIGN.md against the
// transition table.
func TestDiagram(t *testing.T) {
	f, err := os.Open("../docs/DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	drawn := map[State][]State{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := arrow.FindStringSubmatch(lines.Text())
		if m == nil || m[2] == "[*]" {
			continue
		}
		from := State(m[1])
		if from == "[*]" {
			from = ""
		}
		drawn[from] = append(drawn[from], State(m[2]))
	}
	for from, next := range transitions {
		got, want := slices.Sorted(slices.Values(drawn[from])), slices.Sorted(slices.Values(next))
		if !slices.Equal(got, want) {
			t.Errorf("from %q the diagram leads to %q, the table to %q", from, got, want)
		}
		delete(drawn, from)
	}
	if len(drawn) > 0 {
		t.Errorf("the diagram has states that the table does not know: %v", drawn)
	}
}
