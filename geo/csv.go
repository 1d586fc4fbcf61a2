package geo

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// MaxImportBytes bounds a file that is read, CSV or GeoJSON.
const MaxImportBytes = 128 << 20

// The columns of a village file. Those of needed must be there; the order is free.
var (
	columns = []string{"id", "code", "name", "pinyin", "aliases", "lat", "lon", "pickups"}
	needed  = []string{"id", "name", "lat", "lon"}
)

// ReadCSV reads villages from CSV in UTF-8 (a byte order mark is tolerated), whose
// coordinates are in d. Lines that begin with # are comments. The first other
// line names the columns, in any order:
//
//	id       the VillageID                                         (needed)
//	code     the 12-digit statistical code, or empty
//	name     as it is written there                                (needed)
//	pinyin   syllables apart
//	aliases  other names, joined by |
//	lat,lon  of the centre, degrees                                (needed)
//	pickups  each as id;name;lat;lon, joined by |
//
// A column that is not one of these is refused. All that is wrong is told in one
// *ImportError whose rows are lines of the file; other errors are those of r, of
// ParseDatum, and of a file over MaxImportBytes.
func ReadCSV(r io.Reader, d Datum) (*Gazetteer, error) {
	if _, err := ParseDatum(string(d)); err != nil {
		return nil, err
	}
	in := &csvFile{datum: d, lines: csv.NewReader(withoutBOM(&capped{r: r, left: MaxImportBytes}))}
	in.lines.Comment = '#'
	in.lines.ReuseRecord = true
	if err := in.readHeader(); err != nil {
		return nil, err
	}
	for more := in.column != nil; more; {
		var err error
		if more, err = in.readVillage(); err != nil {
			return nil, err
		}
	}
	g := assemble(in.villages, func(i int) int { return in.rows[i] }, &in.faults)
	if err := in.faults.err(); err != nil {
		return nil, err
	}
	return g, nil
}

type csvFile struct {
	datum    Datum
	lines    *csv.Reader
	column   map[string]int // where each column stands; nil when the header is no good
	villages []Village
	rows     []int // the line each village stands in
	faults   faults
}

// readHeader notes an unfit header as a fault; its error is one of reading.
func (f *csvFile) readHeader() error {
	header, err := f.lines.Read()
	if err == io.EOF {
		f.faults.add(1, "the file is empty: want a first line that names the columns "+strings.Join(columns, ","))
		return nil
	}
	if err != nil {
		return f.unreadable(err)
	}
	line, _ := f.lines.FieldPos(0)
	at := make(map[string]int, len(header))
	for i, name := range header {
		_, twice := at[name]
		switch {
		case !slices.Contains(columns, name):
			f.faults.add(line, fmt.Sprintf("unknown column %.40q: want %s", name, strings.Join(columns, ",")))
		case twice:
			f.faults.add(line, fmt.Sprintf("column %q appears twice", name))
		}
		at[name] = i
	}
	for _, name := range needed {
		if _, there := at[name]; !there {
			f.faults.add(line, fmt.Sprintf("column %q is missing", name))
		}
	}
	if f.faults.total == 0 {
		f.column = at
	}
	return nil
}

// unreadable notes what is wrong with the form of a line; other errors, those of
// the reader beneath, it returns.
func (f *csvFile) unreadable(err error) error {
	var form *csv.ParseError
	if !errors.As(err, &form) {
		return err
	}
	f.faults.add(form.Line, form.Err.Error())
	return nil
}

// readVillage reads one line; more says whether it is worth reading on.
func (f *csvFile) readVillage() (more bool, err error) {
	record, err := f.lines.Read()
	switch {
	case err == io.EOF:
		return false, nil
	case errors.Is(err, csv.ErrFieldCount):
		return true, f.unreadable(err)
	case err != nil: // quotes that do not match: nothing after them can be trusted
		return false, f.unreadable(err)
	}
	line, _ := f.lines.FieldPos(0)
	if len(f.villages) >= MaxVillages {
		f.faults.add(line, fmt.Sprintf("more than %d villages", MaxVillages))
		return false, nil
	}
	fail := func(err error) { f.faults.add(line, strings.TrimPrefix(err.Error(), "geo: ")) }
	field := func(name string) string {
		if i, there := f.column[name]; there {
			return strings.Clone(record[i]) // the record's one long string is not kept for a short field
		}
		return ""
	}
	v := Village{ID: VillageID(field("id")), Code: field("code"), Name: field("name"), Pinyin: field("pinyin")}
	if aliases := field("aliases"); aliases != "" {
		v.Aliases = strings.Split(aliases, "|")
	}
	if v.Centre, err = f.point(field("lat"), field("lon")); err != nil {
		fail(err)
		return true, nil
	}
	if v.Pickups, err = f.pickups(field("pickups")); err != nil {
		fail(err)
		return true, nil
	}
	f.villages, f.rows = append(f.villages, v), append(f.rows, line)
	return true, nil
}

func (f *csvFile) point(lat, lon string) (Point, error) {
	north, err := strconv.ParseFloat(lat, 64)
	if err != nil {
		return Point{}, fmt.Errorf("lat %.40q is not a number", lat)
	}
	east, err := strconv.ParseFloat(lon, 64)
	if err != nil {
		return Point{}, fmt.Errorf("lon %.40q is not a number", lon)
	}
	return ToWGS84(Point{Lat: north, Lon: east}, f.datum)
}

func (f *csvFile) pickups(s string) ([]Pickup, error) {
	if s == "" {
		return nil, nil
	}
	if strings.Count(s, "|") >= maxPickups {
		return nil, fmt.Errorf("more than %d pickups", maxPickups)
	}
	var pickups []Pickup
	for one := range strings.SplitSeq(s, "|") {
		parts := strings.Split(one, ";")
		if len(parts) != 4 {
			return nil, fmt.Errorf("pickup %.80q: want id;name;lat;lon", one)
		}
		at, err := f.point(parts[2], parts[3])
		if err != nil {
			return nil, fmt.Errorf("pickup %.40q: %w", parts[0], err)
		}
		pickups = append(pickups, Pickup{ID: PickupID(parts[0]), Name: parts[1], Point: at})
	}
	return pickups, nil
}

// WriteCSV writes every village in the form ReadCSV reads, in WGS-84, so that
// reading it again gives an equal gazetteer. Its errors are those of w.
func (g *Gazetteer) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, v := range g.villages {
		pickups := make([]string, len(v.Pickups))
		for i, p := range v.Pickups {
			pickups[i] = strings.Join([]string{string(p.ID), p.Name, degrees(p.Point.Lat), degrees(p.Point.Lon)}, ";")
		}
		err := out.Write([]string{string(v.ID), v.Code, v.Name, v.Pinyin, strings.Join(v.Aliases, "|"),
			degrees(v.Centre.Lat), degrees(v.Centre.Lon), strings.Join(pickups, "|")})
		if err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func degrees(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// ErrImportTooBig says that a file is longer than MaxImportBytes.
var ErrImportTooBig = fmt.Errorf("geo: file is larger than %d MiB: import it in parts", MaxImportBytes>>20)

// capped is an io.LimitedReader that says so when there was more.
type capped struct {
	r    io.Reader
	left int
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, ErrImportTooBig
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func withoutBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	const mark = "\uFEFF"
	if head, _ := b.Peek(len(mark)); string(head) == mark {
		_, _ = b.Discard(len(mark)) // cannot fail: these bytes were just seen
	}
	return b
}
