package osm

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/xml"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cuntong/geo"
	"cuntong/geo/road"
)

// TestRoutino compares the length of the shortest road between 500 random pairs of
// villages with what the Debian package routino finds in the same extract. See
// docs/routino.md. It is asked for by CUNTONG_ROUTINO=1 and skipped where routino is
// not installed; CUNTONG_ROUTINO_SEED draws other pairs than seed 1, and
// CUNTONG_ROUTINO_OUT names a file for all of them.
func TestRoutino(t *testing.T) {
	if os.Getenv("CUNTONG_ROUTINO") == "" {
		t.Skip("set CUNTONG_ROUTINO=1 to compare with routino")
	}
	for _, program := range []string{"planetsplitter", "routino-router"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("routino is not there: apt-get install routino")
		}
	}
	extract := filepath.Join(andorraFolder(t), "andorra.osm.pbf")
	oracle := newRoutino(t, extract)
	g, _, err := ReadFile(t.Context(), extract, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ours, strict := newByLength(g, nil), newByLength(g, func(s road.Segment) bool { return s.Kind == geo.Track || s.Flags&road.LocalOnly != 0 })
	villages, _, err := ReadPlaces(t.Context(), extract, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Collect(villages.All())
	const pairs = 500
	seed := uint64(1)
	if s := os.Getenv("CUNTONG_ROUTINO_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(seed, seed))
	var found []pair
	none := 0
	for len(found)+none < pairs {
		a, b := all[rnd.IntN(len(all))], all[rnd.IntN(len(all))]
		if a.ID == b.ID {
			continue
		}
		p := pair{a: a, b: b}
		var ok1, ok2, ok3 bool
		p.told, p.routino, p.from, p.to, ok1 = oracle.shortest(t, a.Centre, b.Centre)
		p.ours, ok2 = ours.shortest(a.Centre, b.Centre)
		p.same, ok3 = ours.shortest(p.from, p.to)
		p.strict, _ = strict.shortest(p.from, p.to)
		if !ok1 || !ok2 || !ok3 {
			t.Logf("no way from %s to %s: routino %v, ours %v, ours from where routino begins %v", a.Name, b.Name, ok1, ok2, ok3)
			none++
			continue
		}
		found = append(found, p)
	}
	t.Logf("%d pairs, %d without a way, seed %d", len(found), none, seed)
	report(t, "against the length that routino tells", found, pair.fromTold)
	report(t, "against the length of routino's points", found, pair.fromVillages)
	report(t, "and from where routino begins", found, pair.fromSamePoints)
	report(t, "and by routino's rules: no car on tracks and private roads", found, pair.fromStrict)
	if out := os.Getenv("CUNTONG_ROUTINO_OUT"); out != "" {
		writePairs(t, out, found)
	}
	if within := share(found, pair.fromStrict, 0.001); within < 0.99 || none > 0 {
		t.Errorf("by the same rules only %.1f %% of the pairs are within 0.1 %% of routino, %d have no way", 100*within, none)
	}
}

// pair is two villages and the road between them, in metres.
type pair struct {
	a, b          geo.Village
	from, to      geo.Point // where routino begins and ends
	told, routino float64   // as routino tells it, and as its points are apart
	ours          float64   // from village to village
	same, strict  float64   // from routino's ends; and without tracks and private roads
}

func (p pair) fromTold() float64       { return p.ours/p.told - 1 }
func (p pair) fromVillages() float64   { return p.ours/p.routino - 1 }
func (p pair) fromSamePoints() float64 { return p.same/p.routino - 1 }
func (p pair) fromStrict() float64     { return p.strict/p.routino - 1 }

func share(pairs []pair, difference func(pair) float64, most float64) float64 {
	n := 0
	for _, p := range pairs {
		if math.Abs(difference(p)) <= most {
			n++
		}
	}
	return float64(n) / float64(len(pairs))
}

func report(t *testing.T, what string, pairs []pair, difference func(pair) float64) {
	sorted := slices.SortedFunc(slices.Values(pairs), func(a, b pair) int {
		return cmp.Compare(math.Abs(difference(a)), math.Abs(difference(b)))
	})
	at := func(q float64) float64 { return 100 * math.Abs(difference(sorted[int(q*float64(len(sorted)-1))])) }
	shorter := 0
	for _, p := range pairs {
		if difference(p) < -0.001 {
			shorter++
		}
	}
	t.Logf("%s: p50 %.2f %%, p90 %.2f %%, p99 %.2f %%, max %.2f %%; within 1 %%: %.1f %%; within 0.1 %%: %.1f %%; ours shorter by more: %d", what,
		at(0.5), at(0.9), at(0.99), at(1), 100*share(pairs, difference, 0.01), 100*share(pairs, difference, 0.001), shorter)
	slices.Reverse(sorted)
	for _, p := range sorted[:min(10, len(sorted))] {
		t.Logf("  %+.2f %%: %s to %s, routino %.0f m, ours %.0f m, from the same points %.0f m, by its rules %.0f m", 100*difference(p), p.a.Name, p.b.Name, p.routino, p.ours, p.same, p.strict)
	}
}

func writePairs(t *testing.T, path string, pairs []pair) {
	var b strings.Builder
	b.WriteString("from,to,routino_m,ours_m,same_points_m,strict_m,lat1,lon1,lat2,lon2\n")
	for _, p := range pairs {
		fmt.Fprintf(&b, "%s,%s,%.0f,%.0f,%.0f,%.0f,%v,%v,%v,%v\n", p.a.Name, p.b.Name, p.routino, p.ours, p.same, p.strict, p.from.Lat, p.from.Lon, p.to.Lat, p.to.Lon)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// routino is its database of an extract.
type routino struct{ dir string }

// newRoutino hands the extract over as XML, the only form that planetsplitter is
// sure to read.
func newRoutino(t *testing.T, extract string) *routino {
	t.Helper()
	r := &routino{dir: t.TempDir()}
	path := filepath.Join(r.dir, "extract.osm")
	if err := os.WriteFile(path, asXML(t, extract), 0o644); err != nil {
		t.Fatal(err)
	}
	r.run(t, "planetsplitter", "--dir="+r.dir, "--prefix=x", "--prune-none", "--tagging=/usr/share/routino/tagging.xml", path)
	return r
}

func (r *routino) run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return out
}

// routinoFlags make every kind of road count by its length alone: routino's own
// preferences lengthen what it does not like, even when it is asked for the
// shortest way.
var routinoFlags = func() []string {
	flags := []string{"--prefix=x", "--transport=motorcar", "--shortest", "--output-text-all", "--output-stdout"}
	for kind, preference := range map[string]int{
		"motorway": 100, "trunk": 100, "primary": 100, "secondary": 100, "tertiary": 100, "unclassified": 100, "residential": 100,
		"service": 100, "track": 100, "ferry": 100, "path": 0, "cycleway": 0, "steps": 0,
	} {
		flags = append(flags, fmt.Sprintf("--highway-%s=%d", kind, preference))
	}
	for _, property := range []string{"paved", "multilane", "bridge", "tunnel"} {
		flags = append(flags, "--property-"+property+"=50")
	}
	return flags
}()

// shortest returns the length that routino tells, and that of the points it tells:
// it cuts the length of every step between two points to whole metres, which adds
// up to some percent of a winding road.
func (r *routino) shortest(t *testing.T, a, b geo.Point) (told, measured float64, from, to geo.Point, ok bool) {
	t.Helper()
	args := append([]string{"--dir=" + r.dir}, routinoFlags...)
	for i, p := range []geo.Point{a, b} {
		args = append(args, fmt.Sprintf("--lat%d=%.7f", i+1, p.Lat), fmt.Sprintf("--lon%d=%.7f", i+1, p.Lon))
	}
	out, err := exec.CommandContext(t.Context(), "routino-router", args...).Output()
	if err != nil {
		return 0, 0, from, to, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		column := strings.Split(lines.Text(), "\t")
		if len(column) < 5 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		lat, _ := strconv.ParseFloat(strings.TrimSpace(column[0]), 64)
		lon, _ := strconv.ParseFloat(strings.TrimSpace(column[1]), 64)
		step, err := strconv.ParseFloat(strings.TrimSpace(column[4]), 64)
		if err != nil {
			t.Fatalf("routino says %q", lines.Text())
		}
		told += step * 1000
		next := geo.Point{Lat: lat, Lon: lon}
		if from == (geo.Point{}) {
			from = next
		} else {
			measured += float64(geo.Distance(to, next))
		}
		to = next
	}
	return told, measured, from, to, measured > 0
}

// asXML writes an extract in OpenStreetMap's XML.
func asXML(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	quote := func(s string) string {
		var q bytes.Buffer
		xml.EscapeText(&q, []byte(s))
		return q.String()
	}
	tagged := func(element string, tags tags) {
		for _, tag := range tags {
			fmt.Fprintf(&b, `<tag k="%s" v="%s"/>`, quote(tag.key), quote(tag.value))
		}
		fmt.Fprintf(&b, "</%s>\n", element)
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<osm version="0.6">` + "\n")
	err = scan(t.Context(), f, visitor{
		node: func(id int64, lat, lon float64, tags tags) {
			fmt.Fprintf(&b, `<node id="%d" lat="%.7f" lon="%.7f">`, id, lat, lon)
			tagged("node", tags)
		},
		way: func(id int64, refs []int64, tags tags) error {
			fmt.Fprintf(&b, `<way id="%d">`, id)
			for _, ref := range refs {
				fmt.Fprintf(&b, `<nd ref="%d"/>`, ref)
			}
			tagged("way", tags)
			return nil
		},
		relation: func(id int64, members []member, tags tags) {
			fmt.Fprintf(&b, `<relation id="%d">`, id)
			for _, m := range members {
				fmt.Fprintf(&b, `<member type="%s" ref="%d" role="%s"/>`, []string{"node", "way", "relation"}[m.kind], m.ref, quote(m.role))
			}
			tagged("relation", tags)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString("</osm>\n")
	return b.Bytes()
}

// byLength finds shortest ways by Dijkstra's algorithm ("A note on two problems in
// connexion with graphs", Numerische Mathematik 1, 1959), on lengths instead of
// times. It minds one-ways; prohibited turns it does not, Andorra's extract has
// none.
type byLength struct {
	g      *road.Graph
	today  *road.Today
	leaves map[road.JunctionID][]hop
}

// hop is a lane as a step from one junction to another.
type hop struct {
	to     road.JunctionID
	metres float64
}

func newByLength(g *road.Graph, without func(road.Segment) bool) *byLength {
	d := &byLength{g: g, today: road.NewToday(g), leaves: map[road.JunctionID][]hop{}}
	for id := range road.SegmentID(g.Segments()) {
		from, to := g.Ends(id)
		s := g.Segment(id)
		if without != nil && without(s) {
			continue
		}
		if s.Flags&road.NoForward == 0 {
			d.leaves[from] = append(d.leaves[from], hop{to, float64(s.Length)})
		}
		if s.Flags&road.NoBackward == 0 {
			d.leaves[to] = append(d.leaves[to], hop{from, float64(s.Length)})
		}
	}
	return d
}

// shortest is the length of the shortest way between the places on the road that
// are nearest to two points.
func (d *byLength) shortest(a, b geo.Point) (float64, bool) {
	from, to := d.today.Locate(a, -1), d.today.Locate(b, -1)
	if from.Segment == 0 || to.Segment == 0 {
		return 0, false
	}
	first, last := road.SegmentID(from.Segment-1), road.SegmentID(to.Segment-1)
	s, z := d.g.Segment(first), d.g.Segment(last)
	along, until := float64(from.Along)*float64(s.Length), float64(to.Along)*float64(z.Length)
	best := math.Inf(1)
	if first == last {
		if until >= along && s.Flags&road.NoForward == 0 || until <= along && s.Flags&road.NoBackward == 0 {
			best = math.Abs(until - along)
		}
	}
	queue := &hops{}
	begin, end := d.g.Ends(first)
	if s.Flags&road.NoForward == 0 {
		heap.Push(queue, hop{end, float64(s.Length) - along})
	}
	if s.Flags&road.NoBackward == 0 {
		heap.Push(queue, hop{begin, along})
	}
	begin, end = d.g.Ends(last)
	done := map[road.JunctionID]bool{}
	for queue.Len() > 0 {
		at := heap.Pop(queue).(hop)
		if at.metres >= best {
			break
		}
		if done[at.to] {
			continue
		}
		done[at.to] = true
		if at.to == begin && z.Flags&road.NoForward == 0 {
			best = min(best, at.metres+until)
		}
		if at.to == end && z.Flags&road.NoBackward == 0 {
			best = min(best, at.metres+float64(z.Length)-until)
		}
		for _, next := range d.leaves[at.to] {
			heap.Push(queue, hop{next.to, at.metres + next.metres})
		}
	}
	return best, !math.IsInf(best, 1)
}

// hops is a heap, the shortest first.
type hops []hop

func (h hops) Len() int           { return len(h) }
func (h hops) Less(i, j int) bool { return h[i].metres < h[j].metres }
func (h hops) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hops) Push(x any)        { *h = append(*h, x.(hop)) }
func (h *hops) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
