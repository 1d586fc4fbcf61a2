package road

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"

	"cuntong/geo"
)

// What may be wrong with a file of roads; each says what to do. Test with errors.Is.
var (
	ErrNotRoads = errors.New("not a file of roads: make one with 'dispatchd import roads region.osm.pbf -o region.road'")
	ErrVersion  = errors.New("a file of roads in another version's form: make it anew with this program's 'import roads'")
	ErrDamaged  = errors.New("damaged file of roads: copy it again, or make it anew with 'import roads'")
)

// A file is, all numbers little-endian:
//
//	magic, version (4 bytes), the counts of fileCounts (4 bytes each)
//	the arrays of Graph, one after the other, in the order of arrays
//	what few segments have: segment, mass, height, width, seconds
//	source, licence and names: length (4 bytes) and UTF-8
//	CRC-32C of all before it (4 bytes)
//
// It holds the order of contraction, so that reading it computes nothing. Version 1
// is the first.
const (
	fileMagic   = "\x89CUNTONG-ROADS\r\n"
	fileVersion = 1
	rareBytes   = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileCounts say how long the arrays are.
type fileCounts struct {
	junctions, segments, shape, names, rare, vertices, arcs uint32
}

func (c *fileCounts) all() []*uint32 {
	return []*uint32{&c.junctions, &c.segments, &c.shape, &c.names, &c.rare, &c.vertices, &c.arcs}
}

// arrays visits every array of a graph with the length it has in the file.
func (g *Graph) arrays(c fileCounts, v arrayVisitor) {
	segments, vertices := int(c.segments), int(c.vertices)
	v.coords(&g.junctions, int(c.junctions))
	each(v, &g.from, segments)
	each(v, &g.to, segments)
	each(v, &g.length, segments)
	each(v, &g.kind, segments)
	each(v, &g.surface, segments)
	each(v, &g.flags, segments)
	each(v, &g.speed, 2*segments)
	each(v, &g.bend, segments)
	each(v, &g.climb, segments)
	each(v, &g.descent, segments)
	each(v, &g.top, segments)
	each(v, &g.island, segments)
	each(v, &g.name, segments)
	each(v, &g.shapeAt, segments+1)
	v.coords(&g.shape, int(c.shape))
	each(v, &g.head, 2*segments)
	each(v, &g.junction, vertices)
	each(v, &g.first, vertices+1)
	each(v, &g.lane, int(c.arcs))
	each(v, &g.rank, vertices)
}

// arrayVisitor writes or reads arrays.
type arrayVisitor interface {
	coords(array *[]coord, n int)
	// bytes is called with pieces of an array of n numbers of a width; convert moves
	// between numbers from to until and their bytes.
	bytes(n, width int, alloc func(), convert func(from, until int, b []byte))
	writing() bool
}

// each hands an array of numbers to a visitor.
func each[T ~uint8 | ~uint16 | ~uint32 | ~int32](v arrayVisitor, array *[]T, n int) {
	width := int(reflect.TypeFor[T]().Size())
	convert := unpack[T]
	if v.writing() {
		convert = pack[T]
	}
	v.bytes(n, width, func() { *array = make([]T, n) }, func(from, until int, b []byte) { convert((*array)[from:until], b) })
}

func pack[T ~uint8 | ~uint16 | ~uint32 | ~int32](numbers []T, b []byte) {
	switch len(b) / max(len(numbers), 1) {
	case 1:
		for i, x := range numbers {
			b[i] = byte(x)
		}
	case 2:
		for i, x := range numbers {
			binary.LittleEndian.PutUint16(b[2*i:], uint16(x))
		}
	default:
		for i, x := range numbers {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(x))
		}
	}
}

func unpack[T ~uint8 | ~uint16 | ~uint32 | ~int32](numbers []T, b []byte) {
	switch len(b) / max(len(numbers), 1) {
	case 1:
		for i := range numbers {
			numbers[i] = T(b[i])
		}
	case 2:
		for i := range numbers {
			numbers[i] = T(binary.LittleEndian.Uint16(b[2*i:]))
		}
	default:
		for i := range numbers {
			numbers[i] = T(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
}

// WriteTo writes the graph in the form that Read reads. Its errors are those of w.
func (g *Graph) WriteTo(w io.Writer) (int64, error) {
	out := &fileWriter{w: bufio.NewWriterSize(w, 1<<16)}
	c := fileCounts{
		junctions: uint32(len(g.junctions)), segments: uint32(len(g.from)), shape: uint32(len(g.shape)), names: uint32(len(g.names)),
		rare: uint32(len(g.rare)), vertices: uint32(len(g.junction)), arcs: uint32(len(g.lane)),
	}
	out.write([]byte(fileMagic))
	out.number(fileVersion)
	for _, n := range c.all() {
		out.number(*n)
	}
	g.arrays(c, out)
	for _, s := range slices.Sorted(maps.Keys(g.rare)) {
		r := g.rare[s]
		b := binary.LittleEndian.AppendUint32(nil, uint32(s))
		b = binary.LittleEndian.AppendUint32(b, r.limits.MaxMass)
		b = binary.LittleEndian.AppendUint16(b, r.limits.MaxHeight)
		b = binary.LittleEndian.AppendUint16(b, r.limits.MaxWidth)
		out.write(binary.LittleEndian.AppendUint32(b, r.seconds))
	}
	for _, text := range slices.Concat([]string{g.source, g.licence}, g.names) {
		out.number(uint32(len(text)))
		out.write([]byte(text))
	}
	out.number(out.sum)
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return out.written, out.err
}

// fileWriter keeps the first error, and the sum of what it wrote.
type fileWriter struct {
	w       *bufio.Writer
	sum     uint32
	written int64
	err     error
	buf     []byte
}

func (f *fileWriter) writing() bool { return true }

func (f *fileWriter) write(b []byte) {
	if f.err != nil {
		return
	}
	f.sum = crc32.Update(f.sum, castagnoli, b)
	n, err := f.w.Write(b)
	f.written, f.err = f.written+int64(n), err
}

func (f *fileWriter) number(n uint32) { f.write(binary.LittleEndian.AppendUint32(nil, n)) }

// pieceLen is how many numbers are converted at a time.
const pieceLen = 1 << 14

func (f *fileWriter) bytes(n, width int, _ func(), convert func(from, until int, b []byte)) {
	f.buf = slices.Grow(f.buf[:0], pieceLen*width)
	for from := 0; from < n; from += pieceLen {
		until := min(from+pieceLen, n)
		b := f.buf[:(until-from)*width]
		convert(from, until, b)
		f.write(b)
	}
}

func (f *fileWriter) coords(array *[]coord, n int) {
	f.bytes(n, 8, nil, func(from, until int, b []byte) {
		for i, c := range (*array)[from:until] {
			binary.LittleEndian.PutUint32(b[8*i:], uint32(c.lat))
			binary.LittleEndian.PutUint32(b[8*i+4:], uint32(c.lon))
		}
	})
}

// Open reads a file of roads. The errors wrap ErrNotRoads, ErrVersion, ErrDamaged, or
// are those of the file.
func Open(path string) (*Graph, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	g, err := Read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// Read reads a graph of so many bytes as WriteTo wrote it. It allocates no more than
// the size justifies, and returns no graph that could lead a search astray. Errors
// are those of Open.
func Read(r io.Reader, size int64) (*Graph, error) {
	in := &fileReader{r: bufio.NewReaderSize(r, 1<<16), left: size}
	if magic := in.take(len(fileMagic)); in.err != nil || string(magic) != fileMagic {
		if in.err != nil && !errors.Is(in.err, ErrDamaged) {
			return nil, in.err
		}
		return nil, ErrNotRoads
	}
	if version := in.number(); in.err == nil && version != fileVersion {
		return nil, fmt.Errorf("%w (it is version %d, this program reads %d)", ErrVersion, version, fileVersion)
	}
	var c fileCounts
	for _, n := range c.all() {
		*n = in.number()
	}
	g := &Graph{}
	g.arrays(c, in)
	g.rare = make(map[SegmentID]rare, min(int64(c.rare), max(in.left, 0)/rareBytes))
	for n := c.rare; n > 0 && in.err == nil; n-- {
		in.rare(g)
	}
	g.source, g.licence = in.text(), in.text()
	g.names = make([]string, 0, min(int64(c.names), max(in.left, 0)/4))
	for n := c.names; n > 0 && in.err == nil; n-- {
		g.names = append(g.names, in.text())
	}
	sum := in.sum
	if got := in.number(); in.err == nil && got != sum {
		in.fail("its checksum is %08x, not %08x", sum, got)
	}
	if in.err == nil && in.left != 0 {
		in.fail("%d bytes behind its end", in.left)
	}
	if in.err == nil {
		in.check(g)
	}
	if in.err != nil {
		return nil, in.err
	}
	return g, nil
}

// fileReader keeps the first error; after it everything reads as zero.
type fileReader struct {
	r    *bufio.Reader
	left int64 // bytes that the file still has
	sum  uint32
	err  error
	buf  []byte
}

func (f *fileReader) writing() bool { return false }

func (f *fileReader) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%w (%s)", ErrDamaged, fmt.Sprintf(format, args...))
	}
}

// take returns the next n bytes, at most a piece; they are valid until the next call.
func (f *fileReader) take(n int) []byte {
	f.buf = slices.Grow(f.buf[:0], n)[:n]
	clear(f.buf)
	if f.err == nil && int64(n) > f.left {
		f.fail("it ends too soon")
	}
	if f.err != nil {
		return f.buf
	}
	got, err := io.ReadFull(f.r, f.buf)
	f.left -= int64(got)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		f.fail("it ends too soon")
	case err != nil:
		f.err = err
	}
	f.sum = crc32.Update(f.sum, castagnoli, f.buf)
	return f.buf
}

func (f *fileReader) number() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }

// text reads a string; none is longer than what is left.
func (f *fileReader) text() string {
	n := int64(f.number())
	if n > f.left {
		f.fail("a text of %d bytes", n)
	}
	if f.err != nil {
		return ""
	}
	return string(f.take(int(n)))
}

func (f *fileReader) rare(g *Graph) {
	b := f.take(rareBytes)
	if f.err != nil {
		return
	}
	g.rare[SegmentID(binary.LittleEndian.Uint32(b))] = rare{
		limits: Limits{
			MaxMass:   binary.LittleEndian.Uint32(b[4:]),
			MaxHeight: binary.LittleEndian.Uint16(b[8:]),
			MaxWidth:  binary.LittleEndian.Uint16(b[10:]),
		},
		seconds: binary.LittleEndian.Uint32(b[12:]),
	}
}

func (f *fileReader) bytes(n, width int, alloc func(), convert func(from, until int, b []byte)) {
	if int64(n)*int64(width) > f.left {
		f.fail("it ends too soon")
	}
	if f.err != nil {
		return
	}
	alloc()
	for from := 0; from < n && f.err == nil; from += pieceLen {
		until := min(from+pieceLen, n)
		convert(from, until, f.take((until-from)*width))
	}
}

func (f *fileReader) coords(array *[]coord, n int) {
	f.bytes(n, 8, func() { *array = make([]coord, n) }, func(from, until int, b []byte) {
		for i := range until - from {
			(*array)[from+i] = coord{lat: int32(binary.LittleEndian.Uint32(b[8*i:])), lon: int32(binary.LittleEndian.Uint32(b[8*i+4:]))}
		}
	})
}

// check refuses what no Builder makes: an index that leads out of its array.
func (f *fileReader) check(g *Graph) {
	junctions, segments, vertices := len(g.junctions), len(g.from), len(g.junction)
	kinds := len(geo.RoadKinds())
	ok := len(g.names) > 0 && g.names[0] == "" && vertices >= junctions &&
		below(g.from, junctions) && below(g.to, junctions) && below(g.kind, kinds) && below(g.surface, int(Earth)+1) &&
		below(g.name, len(g.names)) && below(g.junction, junctions) && below(g.lane, len(g.head)) && below(g.rank, vertices) &&
		steps(g.shapeAt, len(g.shape)) && steps(g.first, len(g.lane)) && !slices.Contains(g.length, 0)
	for v := 0; ok && v < junctions; v++ {
		ok = int(g.junction[v]) == v
	}
	for l, head := range g.head {
		ok = ok && head >= -1 && int(head) < vertices && (head < 0 || g.junction[head] == g.start(Lane(l)^1))
	}
	for v := 0; ok && v < vertices; v++ {
		for _, l := range g.lane[g.first[v]:g.first[v+1]] {
			ok = ok && g.head[l] >= 0 && g.start(l) == g.junction[v]
		}
	}
	for s := range g.rare {
		ok = ok && s >= 0 && int(s) < segments
	}
	for _, places := range [][]coord{g.junctions, g.shape} {
		for _, c := range places {
			ok = ok && c.point().Validate() == nil
		}
	}
	if !ok || !permutation(g.rank) {
		f.fail("its parts do not fit together")
	}
}

func below[T ~uint8 | ~uint16 | ~uint32 | ~int32](numbers []T, n int) bool {
	for _, x := range numbers {
		if int64(x) < 0 || int64(x) >= int64(n) {
			return false
		}
	}
	return true
}

// steps says whether numbers rise from 0 to n.
func steps[T ~uint32 | ~int32](numbers []T, n int) bool {
	return numbers[0] == 0 && int64(numbers[len(numbers)-1]) == int64(n) && slices.IsSorted(numbers)
}

func permutation(rank []int32) bool {
	seen := make([]bool, len(rank))
	for _, r := range rank {
		if r < 0 || int(r) >= len(seen) || seen[r] {
			return false
		}
		seen[r] = true
	}
	return true
}
