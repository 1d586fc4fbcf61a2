package road

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"cuntong/geo"
)

// scattered is a random network with something of everything that a file holds.
func scattered(seed uint64, junctions, segments int) *Builder {
	rnd := rand.New(rand.NewPCG(seed, 1))
	b := NewBuilder("a test", "none")
	point := func() geo.Point { return geo.Point{Lat: 26 + rnd.Float64()/10, Lon: 108 + rnd.Float64()/10} }
	at := make([]geo.Point, junctions)
	for i := range at {
		at[i] = point()
		b.Junction(at[i])
	}
	kinds := geo.RoadKinds()
	for i := range segments {
		from, to := rnd.IntN(junctions), rnd.IntN(junctions)
		if i < junctions-1 {
			from, to = i, i+1
		}
		s := Segment{Shape: []geo.Point{at[from], at[to]}, Kind: kinds[rnd.IntN(len(kinds))], Surface: Surface(rnd.IntN(5)), Name: fmt.Sprint("road ", rnd.IntN(9))}
		for range rnd.IntN(3) {
			s.Shape = append(s.Shape[:1], append([]geo.Point{point()}, s.Shape[1:]...)...)
		}
		if rnd.IntN(5) == 0 {
			s.Flags = NoBackward
		}
		if rnd.IntN(5) == 0 {
			s.Limits, s.Seconds = Limits{MaxMass: 5000, MaxHeight: 250, MaxWidth: 220}, uint32(rnd.IntN(900))
		}
		s.SpeedForward, s.Climb, s.Descent, s.Top = uint8(rnd.IntN(80)), rnd.Float32()*50, rnd.Float32()*50, 1000
		if _, err := b.Add(JunctionID(from), JunctionID(to), s); err != nil {
			panic(err)
		}
	}
	for range segments / 10 {
		from, to := Lane(rnd.IntN(2*segments)), Lane(rnd.IntN(2*segments))
		b.Forbid(from, to) // refused where they do not meet
	}
	for from := range Lane(20) {
		for to := range Lane(2 * segments) {
			if b.end(from) == b.start(to) && to != from^1 {
				if err := b.Forbid(from, to); err != nil {
					panic(err)
				}
				break
			}
		}
	}
	return b
}

func fileOf(t testing.TB, g *Graph) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := g.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes written of %d: %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func TestFileKeepsEverything(t *testing.T) {
	for seed := range uint64(5) {
		g, _ := scattered(seed, 60, 150).BuildConnected(0)
		path := filepath.Join(t.TempDir(), "a.road")
		if err := os.WriteFile(path, fileOf(t, g), 0o644); err != nil {
			t.Fatal(err)
		}
		back, err := Open(path)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(g, back) {
			t.Fatalf("seed %d: the graph that is read is not the one that was written", seed)
		}
		if len(g.rare) == 0 || len(g.junction) == len(g.junctions) || len(g.shape) == 0 {
			t.Fatalf("seed %d: the test's network is too plain", seed)
		}
	}
}

func TestFileIsTheSameEveryTime(t *testing.T) {
	a, b := scattered(7, 60, 150).Build(), scattered(7, 60, 150).Build()
	if !bytes.Equal(fileOf(t, a), fileOf(t, b)) {
		t.Fatal("the same roads make two files")
	}
}

// TestFileCut cuts a file short everywhere.
func TestFileCut(t *testing.T) {
	data := fileOf(t, scattered(1, 20, 40).Build())
	for n := range data {
		want := ErrDamaged
		if n < len(fileMagic) {
			want = ErrNotRoads
		}
		if _, err := Read(bytes.NewReader(data[:n]), int64(n)); !errors.Is(err, want) {
			t.Fatalf("cut at %d of %d: %v, want %v", n, len(data), err, want)
		}
		if _, err := Read(bytes.NewReader(data[:n]), int64(len(data))); !errors.Is(err, want) {
			t.Fatalf("cut at %d of %d, unknown to the reader: %v, want %v", n, len(data), err, want)
		}
	}
	if _, err := Read(bytes.NewReader(append(data, 0)), int64(len(data)+1)); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a byte too many: %v", err)
	}
}

// TestFileFlipped flips every bit of a file, one at a time.
func TestFileFlipped(t *testing.T) {
	data := fileOf(t, scattered(2, 8, 12).Build())
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if _, err := Read(bytes.NewReader(data), int64(len(data))); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotRoads) && !errors.Is(err, ErrVersion) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
			data[i] ^= 1 << bit
		}
	}
}

func TestFileForeign(t *testing.T) {
	data := fileOf(t, scattered(2, 8, 12).Build())
	newer := bytes.Clone(data)
	newer[len(fileMagic)]++
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"empty":           {nil, ErrNotRoads},
		"text":            {[]byte("id,name,lat,lon\n1,a village,26,108\n"), ErrNotRoads},
		"another version": {newer, ErrVersion},
	} {
		if _, err := Read(bytes.NewReader(c.data), int64(len(c.data))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	broken := errors.New("the disk is gone")
	if _, err := Read(io.MultiReader(bytes.NewReader(data[:100]), failing{broken}), int64(len(data))); !errors.Is(err, broken) {
		t.Errorf("a disk that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// sealed puts the right checksum behind what may be nonsense.
func sealed(data []byte) []byte {
	body := data[:max(len(data)-4, 0)]
	return binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))
}

// TestFileNonsense: a file whose checksum is right and whose content is not is
// refused as well, and never leads a walk over the graph out of an array.
func TestFileNonsense(t *testing.T) {
	data := fileOf(t, scattered(3, 30, 60).Build())
	refused, step := 0, 1
	if raceDetector {
		step = 5 // nothing here is concurrent, and it takes ten times as long
	}
	for i := len(fileMagic) + 4; i < len(data)-4; i += step {
		for _, x := range []byte{0x80, 0xff} {
			bad := bytes.Clone(data)
			bad[i] ^= x
			g, err := Read(bytes.NewReader(sealed(bad)), int64(len(bad)))
			if err == nil {
				walk(g)
				continue
			}
			refused++
		}
	}
	if refused < 1000/step {
		t.Fatalf("only %d changes were refused", refused)
	}
}

// walk touches all of a graph, and has a search use it.
func walk(g *Graph) {
	for l := range Lane(len(g.head)) {
		for _, class := range geo.VehicleClasses() {
			g.drive(l, class)
		}
		s := l.Segment()
		_ = g.names[g.name[s]]
		_ = g.shape[g.shapeAt[s]:g.shapeAt[s+1]]
	}
	g.Totals()
	g.parts()
	if len(g.from) == 0 {
		return
	}
	today := NewToday(g)
	from, to := today.Locate(g.junctions[g.from[0]].point(), -1), today.Locate(g.junctions[g.to[len(g.to)-1]].point(), 90)
	today.Line(from, to, geo.Drive{Class: geo.Car})
	today.Floor(1000)
}

func FuzzRead(f *testing.F) {
	f.Add(fileOf(f, scattered(4, 8, 12).Build()))
	f.Add([]byte(fileMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range [][]byte{data, sealed(data)} {
			if g, err := Read(bytes.NewReader(d), int64(len(d))); err == nil {
				walk(g)
			}
		}
	})
}

// BenchmarkReadProvince reads a file of the size of a province.
func BenchmarkReadProvince(b *testing.B) {
	data := fileOf(b, scattered(5, 500_000, 600_000).Build())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}
