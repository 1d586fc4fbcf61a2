package dispatch

import (
	"fmt"
	"strings"

	"cuntong/geo"
)

// rectangle is an area between two corners.
func rectangle(id geo.AreaID, south, west, north, east float64) *geo.Area {
	return &geo.Area{ID: id, Name: string(id), Polygons: []geo.Polygon{{Outer: geo.Ring{
		{Lat: south, Lon: west}, {Lat: south, Lon: east}, {Lat: north, Lon: east}, {Lat: north, Lon: west}}}}}
}

// neighbourhood returns a world for each area, with the others as its neighbours.
func neighbourhood(rules Rules, areas []*geo.Area) map[geo.AreaID]*world {
	worlds := map[geo.AreaID]*world{}
	for _, a := range areas {
		worlds[a.ID] = newWorldIn(a, areas, rules, func() geo.Router { return geo.NewCrow() })
	}
	return worlds
}

// drawCounties begins a story of several counties.
func (s *stage) drawCounties(names []string) {
	var areas []*geo.Area
	for i, name := range names {
		areas = append(areas, rectangle(geo.AreaID(name), 25.5, 109+0.2*float64(i), 26.5, 109.2+0.2*float64(i)))
	}
	s.names = names
	for id, w := range neighbourhood(s.world.core.rules, areas) {
		s.counties[string(id)] = w
	}
}

// actAmong plays one line of a story of several counties. A line that begins with a
// county's name is about that county; otherwise
//
//	post        delivers the letters on their way, and those that follow from them
//	post one    delivers the first of them, and those that follow stay on their way
//	lose        loses the letters on their way
//	double      lets each letter on its way come twice
//	at HH:MM:SS lets time pass in all counties
func (s *stage) actAmong(words []string) (string, error) {
	var b strings.Builder
	if w := s.counties[words[0]]; w != nil {
		s.world = w
		outs, err := s.act(words[1:])
		for _, out := range outs {
			b.WriteString(s.heardIn(w, out))
		}
		return b.String(), err
	}
	switch words[0] {
	case "post":
		for n := 0; len(s.post) > 0 && (n == 0 || len(words) == 1); n++ {
			letter := s.post[0]
			s.post = s.post[1:]
			w := s.counties[string(letter.To)]
			out, err := w.step(letter.Body)
			b.WriteString(s.heardIn(w, out))
			if err != nil {
				return b.String(), err
			}
		}
	case "lose":
		s.post = nil
	case "double":
		s.post = append(s.post, s.post...)
	case "at":
		to, err := momentOf(words[1])
		if err != nil {
			return "", err
		}
		return s.passAll(to)
	default:
		return "", fmt.Errorf("no county is called %s", words[0])
	}
	return b.String(), nil
}

// passAll lets time pass in all counties, each tick in its turn.
func (s *stage) passAll(to Instant) (string, error) {
	var b strings.Builder
	for {
		var first *world
		var due Instant
		for _, name := range s.names {
			if at, ok := s.counties[name].core.NextDeadline(); ok && at <= to && (first == nil || at < due) {
				first, due = s.counties[name], at
			}
		}
		if first == nil {
			break
		}
		first.now = max(first.now, due)
		out, err := first.step(Tick{})
		b.WriteString(s.heardIn(first, out))
		if err != nil {
			return b.String(), err
		}
	}
	for _, w := range s.counties {
		w.now = to
	}
	return b.String(), nil
}

// heardIn puts the letters of an outcome on their way and tells what happened.
func (s *stage) heardIn(w *world, out Outcome) string {
	s.post = append(s.post, out.Letters...)
	var b strings.Builder
	for line := range strings.Lines(storyOf(out)) {
		fmt.Fprintf(&b, "%s: %s", w.area.ID, strings.TrimLeft(line, " "))
	}
	return b.String()
}
