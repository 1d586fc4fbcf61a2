package geo

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// MaxVillages bounds a Gazetteer: all villages of China are about 700,000.
const MaxVillages = 1_000_000

// Gazetteer is a set of villages. It is immutable after construction and safe
// for any number of readers at once.
type Gazetteer struct {
	villages []Village // in the order given
	byID     map[VillageID]int
	byCode   map[string]int
	terms    []term // sorted, for Find
}

// NewGazetteer checks the villages and takes a copy of them. Every fault of every
// village (an id or code that appears twice, a point that is none, a code that is
// not 12 digits…) is counted in one *ImportError whose rows number the villages
// from 1.
func NewGazetteer(villages []Village) (*Gazetteer, error) {
	var faults faults
	g := assemble(villages, func(i int) int { return i + 1 }, &faults)
	if err := faults.err(); err != nil {
		return nil, err
	}
	return g, nil
}

// assemble builds a gazetteer and notes what is wrong with it; with any fault it
// is not fit for use. rowOf tells in which row of its source a village stands.
func assemble(villages []Village, rowOf func(int) int, faults *faults) *Gazetteer {
	if len(villages) > MaxVillages {
		faults.add(rowOf(MaxVillages), fmt.Sprintf("more than %d villages", MaxVillages))
		return nil
	}
	g := &Gazetteer{
		villages: make([]Village, len(villages)),
		byID:     make(map[VillageID]int, len(villages)),
		byCode:   make(map[string]int, len(villages)),
	}
	for i, v := range villages {
		for _, fault := range v.validate() {
			faults.add(rowOf(i), fault)
		}
		if first, twice := g.byID[v.ID]; twice {
			faults.add(rowOf(i), fmt.Sprintf("id %q is that of row %d", v.ID, rowOf(first)))
		}
		if first, twice := g.byCode[v.Code]; twice {
			faults.add(rowOf(i), fmt.Sprintf("code %q is that of row %d", v.Code, rowOf(first)))
		}
		v.Aliases = append([]string(nil), v.Aliases...)
		v.Pickups = append([]Pickup(nil), v.Pickups...)
		g.villages[i], g.byID[v.ID] = v, i
		if v.Code != "" {
			g.byCode[v.Code] = i
		}
		g.terms = appendTerms(g.terms, v, i)
	}
	slices.SortFunc(g.terms, term.compare)
	return g
}

// Len is the number of villages.
func (g *Gazetteer) Len() int { return len(g.villages) }

// All yields every village in the order in which they were given.
func (g *Gazetteer) All() iter.Seq[Village] { return slices.Values(g.villages) }

// Village returns the village of that id.
func (g *Gazetteer) Village(id VillageID) (Village, bool) {
	i, known := g.byID[id]
	if !known {
		return Village{}, false
	}
	return g.villages[i], true
}

// Pickup returns a pickup point of a village. The empty pickup id asks for the
// usual one: the first, or, when the village has none, its centre under the
// village's own name and no id.
func (g *Gazetteer) Pickup(village VillageID, pickup PickupID) (Pickup, bool) {
	v, known := g.Village(village)
	if !known {
		return Pickup{}, false
	}
	if pickup == "" && len(v.Pickups) == 0 {
		return Pickup{Name: v.Name, Point: v.Centre}, true
	}
	for _, p := range v.Pickups {
		if pickup == "" || p.ID == pickup {
			return p, true
		}
	}
	return Pickup{}, false
}

// Problem is one fault of imported data.
type Problem struct {
	Row  int // where: a line of the file, or the number of the feature or village, from 1
	Text string
}

// ImportError tells what is wrong with data that was to be imported, all at
// once, so that a file can be mended in one go. Nothing of it was used.
type ImportError struct {
	Problems []Problem // the first ten
	Total    int       // how many there are in all
}

// Error is one line.
func (e *ImportError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "geo: %d problem(s) in the data", e.Total)
	if e.Total > len(e.Problems) {
		fmt.Fprintf(&b, ", the first %d of them", len(e.Problems))
	}
	for i, p := range e.Problems {
		fmt.Fprintf(&b, "%c row %d: %s", ":;"[min(i, 1)], p.Row, p.Text)
	}
	return b.String()
}

// faults collects problems. It keeps the first few and counts the rest.
type faults struct {
	problems []Problem
	total    int
}

func (f *faults) add(row int, text string) {
	const shown = 10
	if f.total++; f.total <= shown {
		f.problems = append(f.problems, Problem{Row: row, Text: text})
	}
}

func (f *faults) err() error {
	if f.total == 0 {
		return nil
	}
	return &ImportError{Problems: f.problems, Total: f.total}
}
