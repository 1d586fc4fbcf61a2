package osm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"cuntong/geo"
	"cuntong/geo/road"
)

// Licence is that of OpenStreetMap's data, and what is to be shown with it.
const (
	Source  = "© OpenStreetMap contributors"
	Licence = "ODbL 1.0, https://www.openstreetmap.org/copyright"
)

// Options of an import. The zero value reads roads without elevation.
type Options struct {
	// Elevation is a folder with SRTM tiles such as N26E107.hgt, .hgt.zip or .hgt.gz; ""
	// for none.
	Elevation string
	// Keep is the least road that a part of the network must have to be kept though
	// no road leads to it from the rest; 0 stands for DefaultKeep.
	Keep geo.Meters
	// Progress is told from time to time how much of the work is done, 0 to 1; nil:
	// nobody is.
	Progress func(share float64)
}

// DefaultKeep is a valley's worth of road.
const DefaultKeep = 5 * 1000 * geo.Meters(1)

// maxPoints bounds the points of an extract's roads: a hundred times a mountain
// province.
const maxPoints = 400_000_000

// ErrNoRoads says that an extract holds nothing to drive on.
var ErrNoRoads = errors.New("no road in the extract")

// ReadFile reads the roads of an .osm.pbf file. The errors wrap ErrNotOSM,
// ErrDamaged, ErrNoRoads, ErrElevation, or are those of the file and of ctx.
func ReadFile(ctx context.Context, path string, opt Options) (*road.Graph, *Summary, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	g, sum, err := Read(ctx, f, info.Size(), opt)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, sum, nil
}

// Read reads the roads of an extract of so many bytes. It goes over it twice, first
// for the ways and then for the points that they use, so that the points of houses
// and rivers take no memory. Errors are those of ReadFile.
func Read(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*road.Graph, *Summary, error) {
	opt.Keep = cmp.Or(opt.Keep, DefaultKeep)
	tell := opt.Progress
	if tell == nil {
		tell = func(float64) {}
	}
	terrain, err := openTerrain(opt.Elevation)
	if err != nil {
		return nil, nil, err
	}
	in := &importer{sum: newSummary(), restricted: map[int64]bool{}}
	ways := visitor{way: in.way, relation: in.relation, progress: func(n int64) { tell(0.35 * float64(n) / float64(size)) }}
	if err := scan(ctx, io.NewSectionReader(r, 0, size), ways); err != nil {
		return nil, nil, err
	}
	if len(in.ways) == 0 {
		return nil, nil, ErrNoRoads
	}
	in.number()
	nodes := visitor{node: in.node, progress: func(n int64) { tell(0.35 + 0.35*float64(n)/float64(size)) }}
	if err := scan(ctx, io.NewSectionReader(r, 0, size), nodes); err != nil {
		return nil, nil, err
	}
	b := &network{importer: in, builder: road.NewBuilder(Source, Licence), terrain: terrain}
	if err := b.addAll(ctx, func(share float64) { tell(0.7 + 0.2*share) }); err != nil {
		return nil, nil, err
	}
	g, pruned := b.builder.BuildConnected(opt.Keep)
	if g.Totals().Segments == 0 {
		return nil, nil, fmt.Errorf("%w: no two places are joined in both directions", ErrNoRoads)
	}
	in.sum.finish(g, pruned, terrain)
	tell(1)
	return g, in.sum, nil
}

// importer collects what one import reads.
type importer struct {
	sum          *Summary
	ways         []way
	dropped      []way         // those that are told of with their length only
	refs         []int64       // of all ways, one way after the other
	restrictions []restriction // of turns
	restricted   map[int64]bool

	// After number, by the place of a point's id in ids.
	ids    []int64 // sorted
	points []geo.Point
	ends   []uint8 // how many roads begin or end there, or twice that pass; 255: many
	gates  map[int32]gate
}

// way is a stretch of refs with what is known of it.
type way struct {
	id    int64
	at, n int // its part of refs
	attributes
}

// way keeps a way of the file that is a road, or that would be one but for a reason.
func (in *importer) way(id int64, refs []int64, t tags) error {
	a, relevant := readWay(t)
	if !relevant {
		return nil
	}
	if len(in.refs)+len(refs) > maxPoints {
		return fmt.Errorf("more than %d points of roads: cut a smaller region out of it", maxPoints)
	}
	w := way{id: id, at: len(in.refs), n: len(refs), attributes: a}
	in.refs = append(in.refs, refs...)
	if a.dropped != "" {
		in.dropped = append(in.dropped, w)
		return nil
	}
	in.sum.Ways++
	in.ways = append(in.ways, w)
	in.noteUnread(t, a)
	return nil
}

// noteUnread counts limits that are there and could not be read.
func (in *importer) noteUnread(t tags, a attributes) {
	for _, limit := range []struct {
		key  string
		read bool
	}{
		{"maxspeed", a.SpeedForward > 0}, {"maxweight", a.Limits.MaxMass > 0}, {"maxheight", a.Limits.MaxHeight > 0}, {"maxwidth", a.Limits.MaxWidth > 0},
	} {
		switch value := t.get(limit.key); value {
		case "", "none", "no", "default", "below_default", "signals", "variable", "unsigned":
		default:
			if !limit.read {
				in.sum.note("a " + limit.key + " that cannot be read")
			}
		}
	}
	for _, key := range []string{"motor_vehicle:conditional", "access:conditional", "maxweight:conditional", "oneway:conditional"} {
		if t.get(key) != "" {
			in.sum.note(key + " (not applied)")
		}
	}
	if t.get("maxaxleload") != "" {
		in.sum.note("a maxaxleload (not applied)")
	}
}

// number gives every point of a road a small number, and counts the roads' ends.
func (in *importer) number() {
	in.ids = slices.Clone(in.refs)
	slices.Sort(in.ids)
	in.ids = slices.Clip(slices.Compact(in.ids))
	in.points = make([]geo.Point, len(in.ids))
	for i := range in.points {
		in.points[i].Lat = math.NaN()
	}
	in.ends = make([]uint8, len(in.ids))
	in.gates = map[int32]gate{}
	for _, w := range in.ways {
		for k, ref := range in.refs[w.at : w.at+w.n] {
			i := in.find(ref)
			step := uint8(2)
			if k == 0 || k == w.n-1 {
				step = 1
			}
			in.ends[i] = uint8(min(int(in.ends[i])+int(step), math.MaxUint8))
		}
	}
}

// find returns the number of a point that a way has.
func (in *importer) find(id int64) int32 {
	i, _ := slices.BinarySearch(in.ids, id)
	return int32(i)
}

// node takes the position of a point, and whether something stands there.
func (in *importer) node(id int64, lat, lon float64, t tags) {
	i, ours := slices.BinarySearch(in.ids, id)
	p := geo.Point{Lat: lat, Lon: lon}
	if !ours || p.Validate() != nil {
		return
	}
	in.points[i] = p
	if g, there := readGate(t); there && in.ends[i] > 0 {
		in.gates[int32(i)] = g
	}
}

// known says whether the extract has the point.
func (in *importer) known(i int32) bool { return !math.IsNaN(in.points[i].Lat) }
