package geo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const someCSV = "\uFEFF# Two villages; pickups are made up.\r\n" + `lon,lat,id,name,pickups,aliases
# the first
109.17639,25.91083,gn1906095,肇兴,mouth;村口;25.91083;109.17639|market;集市;25.912;109.178,肇兴镇|Zhaoxing

109.13139,26.23111,liping,"黎平",,
`

func TestReadCSV(t *testing.T) {
	g, err := ReadCSV(strings.NewReader(someCSV), WGS84)
	if err != nil {
		t.Fatal(err)
	}
	want := []Village{
		{ID: "gn1906095", Name: "肇兴", Aliases: []string{"肇兴镇", "Zhaoxing"}, Centre: Point{25.91083, 109.17639}, Pickups: zhaoxing().Pickups},
		{ID: "liping", Name: "黎平", Centre: Point{26.23111, 109.13139}},
	}
	if diff := cmp.Diff(want, slices.Collect(g.All())); diff != "" {
		t.Error(diff)
	}
	shifted, err := ReadCSV(strings.NewReader(someCSV), BD09)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range slices.Collect(shifted.All()) {
		centre, _ := ToWGS84(want[i].Centre, BD09)
		if v.Centre != centre {
			t.Errorf("%s is at %v, want %v", v.Name, v.Centre, centre)
		}
	}
	if p, _ := shifted.Pickup("gn1906095", "market"); Distance(p.Point, zhaoxing().Pickups[1].Point) < 100 {
		t.Error("the pickups are not converted")
	}
}

func TestReadCSVTellsEveryFault(t *testing.T) {
	const head = "id,name,lat,lon,pickups\n"
	for _, c := range []struct {
		text string
		want string
	}{
		{"", "row 1: the file is empty"},
		{"# nothing\n", "row 1: the file is empty"},
		{"id,name,lat\n", `row 1: column "lon" is missing`},
		{"a,b\n1,2\n", `unknown column "a": want id,code,name,pinyin,aliases,lat,lon,pickups`},
		{"id,name,lat,lon,county\n", `row 1: unknown column "county"`},
		{"ID,name,lat,lon\n", `unknown column "ID"`},
		{"id,name,lat,lon,id\n", `row 1: column "id" appears twice`},
		{head + "v,V,26,109\n", "row 2: wrong number of fields"},
		{head + "v,V,26,109,,\nw,W,0,0,\n", "row 2: wrong number of fields; row 3: position is 0,0"},
		{head + "v,\"V,26,109,\n", `extraneous or missing " in quoted-field`},
		{head + "v,V\"x,26,109,\n", `row 2: bare "`},
		{head + "v,V,north,109,\n", `row 2: lat "north" is not a number`},
		{head + "v,V,26,,\n", `row 2: lon "" is not a number`},
		{head + "v,V,NaN,109,\n", "row 2: not a place on earth: latitude NaN"},
		{head + "v,V,109,26,\n", "row 2: not a place on earth: latitude 109"},
		{head + "\n# c\nv,V,26,109,mouth\n", `row 4: pickup "mouth": want id;name;lat;lon`},
		{head + "v,V,26,109,m;M;26;x\n", `row 2: pickup "m": lon "x" is not a number`},
		{head + "v,V,26,109," + strings.Repeat("m;M;26;109|", 40) + "\n", "more than 32 pickups"},
		{head + "v,V,26,109,\nw,W,26,109,\n\nv,V2,26,109,\n", `row 5: id "v" is that of row 2`},
		{head + "v,\xc0\xe8\xc6\xbd,26,109,\n", "is not UTF-8"},
	} {
		g, err := ReadCSV(strings.NewReader(c.text), WGS84)
		var faults *ImportError
		if g != nil || !errors.As(err, &faults) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v\nwant …%s…", c.text, err, c.want)
		}
	}
}

func TestReadCSVOtherErrors(t *testing.T) {
	if _, err := ReadCSV(strings.NewReader(someCSV), ""); !errors.Is(err, ErrUntaggedDatum) {
		t.Errorf("without a datum: %v", err)
	}
	broken := errors.New("the disk is gone")
	for _, n := range []int64{0, 30, 100, 150} {
		r := io.MultiReader(io.LimitReader(strings.NewReader(someCSV), n), iotest.ErrReader(broken))
		if _, err := ReadCSV(r, WGS84); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	endless := io.MultiReader(strings.NewReader("id,name,lat,lon\n"), &repeating{line: "# " + strings.Repeat("x", 60) + "\n"})
	if _, err := ReadCSV(endless, WGS84); !errors.Is(err, ErrImportTooBig) {
		t.Errorf("an endless file: %v", err)
	}
	if g, err := ReadCSV(iotest.OneByteReader(strings.NewReader(someCSV)), WGS84); err != nil || g.Len() != 2 {
		t.Errorf("byte by byte: %v", err)
	}
}

// repeating is a file that does not end.
type repeating struct {
	line string
	at   int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], r.line[r.at:])
		n, r.at = n+c, (r.at+c)%len(r.line)
	}
	return n, nil
}

func TestReadCSVLimitsRows(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a million rows")
	}
	r := io.MultiReader(strings.NewReader("id,name,lat,lon\n"), io.LimitReader(&repeating{line: "v,V,26,109\n"}, 11*(MaxVillages+5)))
	_, err := ReadCSV(r, WGS84)
	var faults *ImportError
	if !errors.As(err, &faults) || faults.Total != MaxVillages {
		t.Errorf("%v", err)
	}
}

func TestWriteCSV(t *testing.T) {
	villages := append(someVillages(), Village{ID: "quoted", Name: `a "b", c`, Centre: Point{-26.000000001, -109.123456789012}})
	g := mustGazetteer(t, villages)
	var text bytes.Buffer
	if err := g.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	back, err := ReadCSV(&text, WGS84)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(villages, slices.Collect(back.All())); diff != "" {
		t.Error(diff)
	}
	if err := g.WriteCSV(failing{}); err == nil {
		t.Error("a full disk is not noticed")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func FuzzReadCSV(f *testing.F) {
	f.Add(someCSV)
	f.Add("id,name,lat,lon\nv,V,26,109\n")
	f.Add("id,name,lat,lon,pickups,aliases,code,pinyin\n\"v\",V,26,109,a;b;26;109|c;d;26;109,x|y,522631001000,li ping\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ReadCSV(strings.NewReader(text), WGS84)
		if err != nil {
			return
		}
		mustReadBack(t, g)
	})
}

// mustReadBack writes what was read and reads it again.
func mustReadBack(t *testing.T, g *Gazetteer) {
	t.Helper()
	var text bytes.Buffer
	if err := g.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	written := text.String()
	back, err := ReadCSV(&text, WGS84)
	if err != nil {
		t.Fatalf("%v in\n%s", err, written)
	}
	if diff := cmp.Diff(slices.Collect(g.All()), slices.Collect(back.All())); diff != "" {
		t.Errorf("%s in\n%s", diff, written)
	}
}

func Example() {
	g, err := ReadCSV(strings.NewReader(`# two villages
id,name,pinyin,lat,lon,pickups
liping,黎平,li ping,26.2311,109.1314,
zhaoxing,肇兴,zhao xing,25.9108,109.1764,mouth;村口;25.9110;109.1760
`), WGS84)
	if err != nil {
		fmt.Println(err)
		return
	}
	from, _ := g.Pickup("liping", "")
	drivers := NewIndex[string]()
	drivers.Put("d1", Point{Lat: 26.10, Lon: 109.15})
	drivers.Put("d2", Point{Lat: 26.22, Lon: 109.13})
	for driver, straight := range drivers.ClosestFirst(from.Point) {
		fmt.Printf("%s is %.1f km away\n", driver, straight/1000)
	}
	to := g.Find("zx", 1)[0]
	leg, _ := NewCrow().Travel(Spot{Point: from.Point}, Spot{Point: to.Centre}, Drive{Class: Minibus})
	fmt.Printf("to %s %.0f km by road, %.0f min\n", to.Name, leg.Distance/1000, leg.Duration.Minutes())
	// Output:
	// d2 is 1.2 km away
	// d1 is 14.7 km away
	// to 肇兴 65 km by road, 149 min
}
