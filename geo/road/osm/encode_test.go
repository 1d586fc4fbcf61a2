package osm

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cuntong/geo"
	"cuntong/geo/road"
)

// extract is OpenStreetMap data as a test writes it down. Points are named by
// letters.
type extract struct {
	nodes     []extractNode
	ways      []extractWay
	relations []extractRelation
	plain     bool // write nodes one by one, not densely
	raw       bool // do not compress
	feature   string
}

type extractNode struct {
	name     rune
	lat, lon float64
	tags     string // "key=value key=value"; + stands for a space
}

type extractWay struct {
	id    int64
	nodes string // letters
	tags  string
}

type extractRelation struct {
	members string // "from:w1 via:nB to:w2"
	tags    string
}

// town is a row of points 500 m apart, a to i, and the row north of it, A to I.
func town() *extract {
	e := &extract{}
	for i := range 9 {
		e.nodes = append(e.nodes, extractNode{'a' + rune(i), 26, 108 + 0.005*float64(i), ""}, extractNode{'A' + rune(i), 26.005, 108 + 0.005*float64(i), ""})
	}
	return e
}

func (e *extract) way(nodes, tags string) *extract {
	e.ways = append(e.ways, extractWay{int64(len(e.ways) + 1), nodes, tags})
	return e
}

func (e *extract) relation(members, tags string) *extract {
	e.relations = append(e.relations, extractRelation{members, tags})
	return e
}

// at puts tags on a point.
func (e *extract) at(name rune, tags string) *extract {
	for i := range e.nodes {
		if e.nodes[i].name == name {
			e.nodes[i].tags = tags
		}
	}
	return e
}

// table is the strings of a block.
type table []string

func (s *table) of(text string) uint64 {
	i := slices.Index(*s, text)
	if i < 0 {
		i = len(*s)
		*s = append(*s, text)
	}
	return uint64(i)
}

func (s *table) tags(text string) (keys, vals []byte) {
	for one := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(one, "=")
		keys = protowire.AppendVarint(keys, s.of(key))
		vals = protowire.AppendVarint(vals, s.of(strings.ReplaceAll(value, "+", " ")))
	}
	return keys, vals
}

func appendBytes(b []byte, num protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), data)
}

func appendNumber(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func zigzag(v int64) uint64 { return protowire.EncodeZigZag(v) }

func units(degrees float64) int64 { return int64(math.Round(degrees * 1e7)) }

// pbf is the file.
func (e *extract) pbf() []byte {
	header := appendBytes(nil, 4, []byte("OsmSchema-V0.6"))
	header = appendBytes(header, 4, []byte("DenseNodes"))
	if e.feature != "" {
		header = appendBytes(header, 4, []byte(e.feature))
	}
	out := e.block("OSMHeader", header)
	strs := table{""}
	for _, group := range [][]byte{e.nodeGroup(&strs), e.wayGroup(&strs), e.relationGroup(&strs)} {
		var texts, block []byte
		for _, s := range strs {
			texts = appendBytes(texts, 1, []byte(s))
		}
		block = appendBytes(block, 1, texts)
		block = appendBytes(block, 2, group)
		out = append(out, e.block("OSMData", block)...)
	}
	return out
}

func (e *extract) block(kind string, data []byte) []byte {
	var blob []byte
	if e.raw {
		blob = appendBytes(nil, 1, data)
	} else {
		var packed bytes.Buffer
		w := zlib.NewWriter(&packed)
		w.Write(data)
		w.Close()
		blob = appendNumber(nil, 2, uint64(len(data)))
		blob = appendBytes(blob, 3, packed.Bytes())
	}
	head := appendBytes(nil, 1, []byte(kind))
	head = appendNumber(head, 3, uint64(len(blob)))
	out := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
	return slices.Concat(out, head, blob)
}

func (e *extract) nodeGroup(strs *table) (group []byte) {
	var ids, lats, lons, keyVals []byte
	var last [3]int64
	for _, n := range e.nodes {
		now := [3]int64{int64(n.name), units(n.lat), units(n.lon)}
		keys, vals := strs.tags(n.tags)
		if e.plain {
			node := appendNumber(nil, 1, zigzag(now[0]))
			node = appendBytes(appendBytes(node, 2, keys), 3, vals)
			node = appendNumber(appendNumber(node, 8, zigzag(now[1])), 9, zigzag(now[2]))
			group = appendBytes(group, 1, node)
			continue
		}
		ids = protowire.AppendVarint(ids, zigzag(now[0]-last[0]))
		lats = protowire.AppendVarint(lats, zigzag(now[1]-last[1]))
		lons = protowire.AppendVarint(lons, zigzag(now[2]-last[2]))
		for len(keys) > 0 {
			k, _ := take(&keys)
			v, _ := take(&vals)
			keyVals = protowire.AppendVarint(protowire.AppendVarint(keyVals, k), v)
		}
		keyVals = append(keyVals, 0)
		last = now
	}
	if e.plain {
		return group
	}
	dense := appendBytes(appendBytes(nil, 1, ids), 8, lats)
	dense = appendBytes(appendBytes(dense, 9, lons), 10, keyVals)
	return appendBytes(nil, 2, dense)
}

func (e *extract) wayGroup(strs *table) (group []byte) {
	for _, w := range e.ways {
		keys, vals := strs.tags(w.tags)
		var refs []byte
		last := int64(0)
		for _, name := range w.nodes {
			refs = protowire.AppendVarint(refs, zigzag(int64(name)-last))
			last = int64(name)
		}
		way := appendBytes(appendBytes(appendNumber(nil, 1, uint64(w.id)), 2, keys), 3, vals)
		group = appendBytes(group, 3, appendBytes(way, 8, refs))
	}
	return group
}

func (e *extract) relationGroup(strs *table) (group []byte) {
	for _, r := range e.relations {
		keys, vals := strs.tags(r.tags)
		var roles, refs, kinds []byte
		last := int64(0)
		for one := range strings.FieldsSeq(r.members) {
			role, what, _ := strings.Cut(one, ":")
			ref, kind := int64([]rune(what)[1]), uint64(0)
			if what[0] == 'w' {
				fmt.Sscan(what[1:], &ref)
				kind = 1
			}
			roles = protowire.AppendVarint(roles, strs.of(role))
			refs = protowire.AppendVarint(refs, zigzag(ref-last))
			kinds = protowire.AppendVarint(kinds, kind)
			last = ref
		}
		rel := appendBytes(appendBytes(appendNumber(nil, 1, 1), 2, keys), 3, vals)
		rel = appendBytes(appendBytes(appendBytes(rel, 8, roles), 9, refs), 10, kinds)
		group = appendBytes(group, 4, rel)
	}
	return group
}

// read imports the extract; every part of it is kept.
func (e *extract) read(t testing.TB, opt Options) (*road.Graph, *Summary) {
	t.Helper()
	data := e.pbf()
	opt.Keep = max(opt.Keep, 1)
	g, sum, err := Read(context.Background(), bytes.NewReader(data), int64(len(data)), opt)
	if err != nil {
		t.Fatal(err)
	}
	return g, sum
}

func TestScanForms(t *testing.T) {
	want := ""
	for _, e := range []extract{{}, {plain: true}, {raw: true}, {plain: true, raw: true}} {
		of := town().way("abc", "highway=primary name=老+街").way("cb", "highway=track").relation("from:w1 via:nb to:w2", "type=restriction restriction=no_u_turn")
		of.at('b', "barrier=gate access=yes")
		of.plain, of.raw = e.plain, e.raw
		var got strings.Builder
		err := scan(t.Context(), bytes.NewReader(of.pbf()), visitor{
			node: func(id int64, lat, lon float64, t tags) { fmt.Fprintln(&got, id, lat, lon, t) },
			way: func(id int64, refs []int64, t tags) error {
				_, err := fmt.Fprintln(&got, id, refs, t)
				return err
			},
			relation: func(id int64, m []member, t tags) { fmt.Fprintln(&got, id, m, t) },
		})
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if want == "" {
			want = got.String()
			for _, line := range []string{"98 26 108.005 [{barrier gate} {access yes}]", "1 [97 98 99] [{highway primary} {name 老 街}]", "1 [{1 1 from} {0 98 via} {1 2 to}] [{type restriction} {restriction no_u_turn}]"} {
				if !strings.Contains(want, line+"\n") {
					t.Fatalf("%q is missing in:\n%s", line, want)
				}
			}
		}
		if got.String() != want {
			t.Errorf("%+v reads as\n%s, want\n%s", e, got.String(), want)
		}
	}
}

func TestBadExtracts(t *testing.T) {
	good := town().way("abc", "highway=primary").pbf()
	history := town()
	history.feature = "HistoricalInformation"
	for name, c := range map[string]struct {
		data []byte
		want error
		says string
	}{
		"empty":      {nil, ErrNotOSM, "empty"},
		"csv":        {[]byte("id,name,lat,lon\n1,a,26,108\n"), ErrNotOSM, "extract"},
		"xml":        {[]byte(`<?xml version="1.0"?><osm version="0.6"/>`), ErrNotOSM, "osmium cat"},
		"gzip":       {[]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0}, ErrNotOSM, "compressed"},
		"zeros":      {make([]byte, 1000), ErrNotOSM, ""},
		"history":    {history.pbf(), ErrNotOSM, "HistoricalInformation"},
		"no header":  {good[len(town().block("OSMHeader", nil))+40:], nil, ""},
		"no road":    {town().way("abc", "highway=footway").pbf(), ErrNoRoads, ""},
		"no ways":    {town().pbf(), ErrNoRoads, ""},
		"no way out": {town().way("abc", "highway=primary oneway=yes").pbf(), ErrNoRoads, "both directions"},
	} {
		_, _, err := Read(t.Context(), bytes.NewReader(c.data), int64(len(c.data)), Options{Keep: 1})
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line of %v that says %q", name, err, c.want, c.says)
		}
	}
	for n := 1; n < len(good); n++ {
		_, _, err := Read(t.Context(), bytes.NewReader(good[:n]), int64(n), Options{Keep: 1})
		between := errors.Is(err, ErrNoRoads) || err == nil // the file ends with a block, which no reader can tell from its end
		if between != slices.Contains(blockEnds(good), n) || err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotOSM) && !errors.Is(err, ErrNoRoads) {
			t.Fatalf("cut at %d of %d: %v", n, len(good), err)
		}
	}
	if _, _, err := ReadFile(t.Context(), filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := Read(stopped, bytes.NewReader(good), int64(len(good)), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFlippedExtract changes every byte of an extract without a checksum: it ends with
// an error or a network, never with a panic.
func TestFlippedExtract(t *testing.T) {
	for _, plain := range []bool{false, true} {
		e := hamlet()
		e.raw, e.plain = true, plain
		data := e.pbf()
		for i := range data {
			for _, x := range []byte{0x01, 0x80, 0xff} {
				data[i] ^= x
				readAll(data)
				data[i] ^= x
			}
		}
	}
}

// blockEnds are the bytes at which a block ends.
func blockEnds(data []byte) (ends []int) {
	in := &blocks{r: bufio.NewReader(bytes.NewReader(data))}
	for {
		if _, err := in.next(); err != nil {
			return ends
		}
		ends = append(ends, int(in.offset))
	}
}

// TestBomb: a block that inflates to more than it says, or says more than the format
// allows, is refused before it fills the memory.
func TestBomb(t *testing.T) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	w.Write(make([]byte, 4<<20))
	w.Close()
	for _, says := range []uint64{10, maxBlob, maxBlob + 1, math.MaxUint64} {
		blob := appendBytes(appendNumber(nil, 2, says), 3, packed.Bytes())
		head := appendNumber(appendBytes(nil, 1, []byte("OSMHeader")), 3, uint64(len(blob)))
		data := slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head, blob)
		in := &blocks{r: bufio.NewReader(bytes.NewReader(data))}
		if _, err := in.next(); !errors.Is(err, ErrDamaged) {
			t.Errorf("a bomb that says %d bytes: %v", says, err)
		}
		if says == 10 && in.plain.Cap() > 1<<16 {
			t.Errorf("a bomb that says 10 bytes fills %d", in.plain.Cap())
		}
	}
}

// TestWrongSize: a block that inflates to another size than it says is damaged, even
// where what comes out makes sense.
func TestWrongSize(t *testing.T) {
	whole := (&extract{}).block("OSMHeader", appendBytes(nil, 4, []byte("DenseNodes")))
	at := bytes.LastIndex(whole, []byte{0x10, 12}) // raw_size, field 2
	for size, want := range map[byte]error{12: nil, 13: ErrDamaged, 11: ErrDamaged} {
		whole[at+1] = size
		if err := scan(t.Context(), bytes.NewReader(whole), visitor{}); !errors.Is(err, want) {
			t.Errorf("12 bytes that are said to be %d: %v, want %v", size, err, want)
		}
	}
}

// FuzzScan: whatever an operator hands over, reading it ends with an error or a
// network, never with a panic.
func FuzzScan(f *testing.F) {
	for _, raw := range []bool{true, false} {
		e := hamlet()
		e.raw = raw
		f.Add(e.pbf())
		e.plain = true
		f.Add(e.pbf())
	}
	f.Fuzz(func(t *testing.T, data []byte) { readAll(data) })
}

// FuzzBlock is FuzzScan behind the frame and the compression, where most of what a
// fuzzer makes up ends.
func FuzzBlock(f *testing.F) {
	e := hamlet()
	strs := table{""}
	groups := [][]byte{e.nodeGroup(&strs), e.wayGroup(&strs), e.relationGroup(&strs)}
	e.plain = true
	groups = append(groups, e.nodeGroup(&strs))
	var texts []byte
	for _, s := range strs {
		texts = appendBytes(texts, 1, []byte(s))
	}
	block := appendBytes(nil, 1, texts)
	for _, group := range groups {
		block = appendBytes(block, 2, group)
	}
	f.Add(block)
	frame := extract{raw: true}
	header := frame.block("OSMHeader", nil)
	f.Fuzz(func(t *testing.T, data []byte) { readAll(slices.Concat(header, frame.block("OSMData", data))) })
}

func readAll(data []byte) {
	Read(context.Background(), bytes.NewReader(data), int64(len(data)), Options{Keep: 1})
	p := &places{found: map[string]int{}, dropped: map[string]int{}}
	scan(context.Background(), bytes.NewReader(data), visitor{node: p.node, way: p.way})
	geo.NewGazetteer(p.villages)
}

var rewrite = flag.Bool("rewrite", false, "write testdata/hamlet.osm.pbf anew")

// hamlet is a small extract with Chinese tags, as an operator in Guizhou may have it.
func hamlet() *extract {
	e := town().
		way("abcd", "highway=secondary ref=S308 maxspeed=40 surface=沥青").
		way("dDC", "highway=unclassified name=岩脚村组路 surface=水泥 maxweight=10吨 maxwidth=2.2").
		way("CBb", "highway=track surface=泥土 tracktype=grade4").
		way("de", "highway=construction").
		way("AB", "highway=footway").
		relation("from:w1 via:nb to:w3", "type=restriction restriction=no_left_turn")
	e.nodes = append(e.nodes,
		extractNode{'镇', 26.001, 108.003, "place=town name=岩脚镇 name:en=Yanjiao alt_name=岩脚;老岩脚"},
		extractNode{'村', 26.0055, 108.010, "place=village name=大坪村"},
		extractNode{'寨', 26.0052, 108.016, "place=hamlet"},
	)
	return e
}

// TestHamletFile keeps the file that other packages' tests import the same as hamlet.
func TestHamletFile(t *testing.T) {
	path := filepath.Join("testdata", "hamlet.osm.pbf")
	if *rewrite {
		if err := os.WriteFile(path, hamlet().pbf(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(data, hamlet().pbf()) {
		t.Fatalf("%s is not what the test says (%v); run: go test ./geo/road/osm -run Hamlet -rewrite", path, err)
	}
}

func TestHamlet(t *testing.T) {
	g, sum := hamlet().read(t, Options{})
	byName := map[string]road.Segment{}
	for id := range road.SegmentID(g.Segments()) {
		s := g.Segment(id)
		byName[s.Name] = s
	}
	village, national := byName["岩脚村组路"], byName["S308"]
	if village.Surface != road.Paved || village.Limits != (road.Limits{MaxMass: 10_000, MaxWidth: 220}) {
		t.Errorf("the village road: %+v", village)
	}
	if national.SpeedForward != 40 || national.Surface != road.Paved || sum.Turns == 0 {
		t.Errorf("the provincial road: %+v, %d turns", national, sum.Turns)
	}
	villages, places, err := ReadPlaces(t.Context(), filepath.Join("testdata", "hamlet.osm.pbf"), nil)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := villages.Village(geo.VillageID(fmt.Sprint("n", int('镇'))))
	if v.Name != "岩脚镇" || !slices.Equal(v.Aliases, []string{"Yanjiao", "岩脚", "老岩脚"}) || villages.Len() != 2 || len(places.Dropped) != 1 {
		t.Errorf("%d places, %+v, dropped %+v", villages.Len(), v, places.Dropped)
	}
}
