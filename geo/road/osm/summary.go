package osm

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"cuntong/geo"
	"cuntong/geo/road"
)

// Summary says what an import kept, what it left out, and why.
type Summary struct {
	Ways    int         // of the extract, that are roads
	Roads   road.Totals // what is in the network
	Turns   int         // turns that are forbidden
	Pruned  road.Pruned // what no road leads to and from
	Dropped []Tally     // ways left out, by reason, the longest first
	Notes   []Tally     // what else was met, by kind, the most frequent first
	Voids   int         // heights that were asked for and are not known
	Missing []string    // elevation tiles that the folder lacks
	dropped map[string]Tally
	notes   map[string]int
}

// Tally counts one thing.
type Tally struct {
	What   string
	Count  int
	Length geo.Meters // zero where it has none
}

func newSummary() *Summary {
	return &Summary{dropped: map[string]Tally{}, notes: map[string]int{}}
}

func (s *Summary) drop(why string, length geo.Meters) {
	t := s.dropped[why]
	s.dropped[why] = Tally{What: why, Count: t.Count + 1, Length: t.Length + length}
}

func (s *Summary) note(what string) { s.notes[what]++ }

// maxReasons bounds each list: values of tags are free text.
const maxReasons = 40

// finish makes the lists.
func (s *Summary) finish(g *road.Graph, pruned road.Pruned, t *terrain) {
	s.Roads, s.Pruned = g.Totals(), pruned
	for _, t := range s.dropped {
		s.Dropped = append(s.Dropped, t)
	}
	slices.SortFunc(s.Dropped, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(b.Length, a.Length), cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What))
	})
	for what, count := range s.notes {
		s.Notes = append(s.Notes, Tally{What: what, Count: count})
	}
	slices.SortFunc(s.Notes, func(a, b Tally) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What)) })
	s.Dropped, s.Notes = shorten(s.Dropped), shorten(s.Notes)
	if t != nil {
		s.Voids = t.voids
		for at := range t.missing {
			s.Missing = append(s.Missing, at.String())
		}
		slices.Sort(s.Missing)
	}
}

// shorten puts what is beyond the bound together.
func shorten(list []Tally) []Tally {
	if len(list) <= maxReasons {
		return list
	}
	rest := Tally{What: "other"}
	for _, t := range list[maxReasons-1:] {
		rest.Count, rest.Length = rest.Count+t.Count, rest.Length+t.Length
	}
	return append(list[:maxReasons-1], rest)
}

// Write writes the summary as a table for people.
func (s *Summary) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(count int, length geo.Meters, what string) {
		km := ""
		if length > 0 {
			km = fmt.Sprintf("%.1f km", length/1000)
		}
		fmt.Fprintf(table, "%d\t%s\t  %s\n", count, km, what)
	}
	fmt.Fprintf(table, "kept:\t\t\n")
	for _, k := range s.Roads.ByKind {
		row(k.Segments, k.Length, string(k.Kind))
	}
	row(s.Roads.Segments, s.Roads.Length, fmt.Sprintf("segments in all, of %d ways, between %d junctions", s.Ways, s.Roads.Junctions))
	if s.Roads.Climb > 0 {
		row(int(s.Roads.Climb), 0, "metres climbed and descended on them")
	}
	row(s.Turns, 0, "forbidden turns")
	if s.Pruned.Islands > 0 {
		row(s.Pruned.Islands, s.Pruned.IslandLength, "parts to which no road leads from the rest")
	}
	fmt.Fprintf(table, "dropped:\t\t\n")
	for _, t := range s.Dropped {
		row(t.Count, t.Length, t.What)
	}
	if s.Pruned.Segments > 0 {
		row(s.Pruned.Segments, s.Pruned.Length, dropLoneRoad)
	}
	if len(s.Notes)+len(s.Missing)+s.Voids > 0 {
		fmt.Fprintf(table, "met on the way:\t\t\n")
	}
	for _, t := range s.Notes {
		row(t.Count, t.Length, t.What)
	}
	if s.Voids > 0 {
		row(s.Voids, 0, "heights not known (taken from the road's neighbouring points)")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, tile := range s.Missing {
		if _, err := fmt.Fprintf(w, "no elevation tile %s: roads there are taken as level\n", tile); err != nil {
			return err
		}
	}
	return nil
}
