package geo

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func zhaoxing() Village {
	return Village{
		ID: "gn1906095", Code: "522631110000", Name: "肇兴", Pinyin: "zhào xīng", Aliases: []string{"肇兴镇", "Zhaoxing Dong Village"},
		Centre: Point{25.91083, 109.17639},
		Pickups: []Pickup{
			{ID: "mouth", Name: "村口", Point: Point{25.91083, 109.17639}},
			{ID: "market", Name: "集市", Point: Point{25.912, 109.178}},
		},
	}
}

func someVillages() []Village {
	return []Village{
		zhaoxing(),
		{ID: "liping", Code: "522631001000", Name: "黎平", Pinyin: "li ping", Centre: Point{26.23111, 109.13139}},
		{ID: "lp2", Name: "黎平新村", Pinyin: "li ping xin cun", Centre: Point{26.24, 109.14}},
		{ID: "luoping", Name: "罗坪", Pinyin: "luó píng", Centre: Point{26.3, 109.0}},
		{ID: "lvtang", Name: "绿塘", Pinyin: "lü tang", Centre: Point{26.31, 109.01}},
		{ID: "xian1", Name: "西岸", Pinyin: "xi'an", Centre: Point{26.32, 109.02}},
		{ID: "xian2", Name: "县", Pinyin: "xian", Aliases: []string{"老县城"}, Centre: Point{26.33, 109.03}},
		{ID: "long-e", Name: "龙额", Pinyin: "Long E", Centre: Point{25.807, 109.2125}},
		{ID: "group3", Name: "平寨3组", Pinyin: "ping zhai san zu", Centre: Point{26.41, 108.81}},
		{ID: "lpdam", Name: "LP Dam", Centre: Point{26.42, 109.11}},
		{ID: "plain", Name: "Longlisuo", Centre: Point{26.41417, 109.10222}},
	}
}

func mustGazetteer(t testing.TB, villages []Village) *Gazetteer {
	t.Helper()
	g, err := NewGazetteer(villages)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGazetteerLookups(t *testing.T) {
	given := someVillages()
	g := mustGazetteer(t, given)
	if g.Len() != len(given) {
		t.Errorf("%d villages", g.Len())
	}
	if diff := cmp.Diff(given, slices.Collect(g.All())); diff != "" {
		t.Errorf("All: %s", diff)
	}
	given[0].Pickups[0].Name, given[0].Aliases[0] = "changed", "changed" // the gazetteer has its own
	if v, ok := g.Village("gn1906095"); !ok || v.Pickups[0].Name != "村口" || v.Aliases[0] != "肇兴镇" {
		t.Errorf("%+v, %v", v, ok)
	}
	if v, ok := g.Village("nowhere"); ok || v.ID != "" {
		t.Errorf("%+v, %v", v, ok)
	}
	for _, c := range []struct {
		village VillageID
		pickup  PickupID
		want    string
		ok      bool
	}{
		{"gn1906095", "market", "集市", true},
		{"gn1906095", "", "村口", true},
		{"gn1906095", "school", "", false},
		{"liping", "", "黎平", true}, // the centre
		{"liping", "market", "", false},
		{"nowhere", "", "", false},
	} {
		p, ok := g.Pickup(c.village, c.pickup)
		if ok != c.ok || p.Name != c.want {
			t.Errorf("pickup %q of %q: %+v, %v", c.pickup, c.village, p, ok)
		}
	}
	if p, _ := g.Pickup("liping", ""); p.Point != given[1].Centre || p.ID != "" {
		t.Errorf("the centre of Liping is %+v", p)
	}
	empty := mustGazetteer(t, nil)
	if empty.Len() != 0 || len(empty.Find("li", 5)) != 0 {
		t.Error("something is in an empty gazetteer")
	}
}

func TestNewGazetteerTellsEveryFault(t *testing.T) {
	base := Village{ID: "v", Name: "V", Centre: Point{26, 109}}
	with := func(change func(*Village)) Village {
		v := base
		change(&v)
		return v
	}
	mouth := Pickup{ID: "mouth", Name: "Mouth", Point: Point{26, 109}}
	for want, v := range map[string]Village{
		"village id \"\"":             with(func(v *Village) { v.ID = "" }),
		"village id \"a b\"":          with(func(v *Village) { v.ID = "a b" }),
		"village id \"xxx":            with(func(v *Village) { v.ID = VillageID(strings.Repeat("x", 65)) }),
		"name is missing":             with(func(v *Village) { v.Name = "" }),
		"begins or ends with a space": with(func(v *Village) { v.Name = " V" }),
		"separators":                  with(func(v *Village) { v.Name = "A|B" }),
		"control character":           with(func(v *Village) { v.Name = "A\nB" }),
		"not UTF-8":                   with(func(v *Village) { v.Name = "\xc0\xe8\xc6\xbd" }), // GBK
		"at most 100 characters":      with(func(v *Village) { v.Name = strings.Repeat("黎", 101) }),
		"code \"52263\"":              with(func(v *Village) { v.Code = "52263" }),
		"code \"52263100100x\"":       with(func(v *Village) { v.Code = "52263100100x" }),
		"no position was filled in":   with(func(v *Village) { v.Centre = Point{} }),
		"latitude 109":                with(func(v *Village) { v.Centre = Point{109, 26} }),
		"latitude NaN":                with(func(v *Village) { v.Centre = Point{math.NaN(), 26} }),
		"33 aliases":                  with(func(v *Village) { v.Aliases = slices.Repeat([]string{"A"}, 33) }),
		"alias \"a;b\"":               with(func(v *Village) { v.Aliases = []string{"a;b"} }),
		"alias is missing":            with(func(v *Village) { v.Aliases = []string{""} }),
		"33 pickups":                  with(func(v *Village) { v.Pickups = slices.Repeat([]Pickup{mouth}, 33) }),
		"pickup id \"mouth\" appears": with(func(v *Village) { v.Pickups = []Pickup{mouth, mouth} }),
		"pickup id \"!\"":             with(func(v *Village) { v.Pickups = []Pickup{{ID: "!", Name: "M", Point: mouth.Point}} }),
		"pickup name is missing":      with(func(v *Village) { v.Pickups = []Pickup{{ID: "m", Point: mouth.Point}} }),
		"pickup \"m\" is 111 km from": with(func(v *Village) { v.Pickups = []Pickup{{ID: "m", Name: "M", Point: Point{27, 109}}} }),
		"pinyin \"a|b\"":              with(func(v *Village) { v.Pinyin = "a|b" }),
	} {
		g, err := NewGazetteer([]Village{{ID: "first", Name: "First", Centre: Point{26, 109}}, v})
		var faults *ImportError
		if g != nil || !errors.As(err, &faults) || !strings.Contains(err.Error(), want) || faults.Problems[0].Row != 2 {
			t.Errorf("want …%s…, have %v", want, err)
		}
	}
}

func TestNewGazetteerCountsBeyondTen(t *testing.T) {
	villages := slices.Repeat([]Village{{ID: "v", Code: "522631001000", Name: "V", Centre: Point{26, 109}}}, 8)
	_, err := NewGazetteer(villages)
	var faults *ImportError
	if !errors.As(err, &faults) || faults.Total != 14 || len(faults.Problems) != 10 {
		t.Fatalf("%v", err)
	}
	want := `geo: 14 problem(s) in the data, the first 10 of them: row 2: id "v" is that of row 1; row 2: code "522631001000" is that of row 1; row 3: id "v" is that of row 2;`
	if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v\nwant %s", err, want)
	}
	_, err = NewGazetteer([]Village{{ID: "v", Name: "V"}})
	if want := "geo: 1 problem(s) in the data: row 1: position is 0,0: no position was filled in"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestFind(t *testing.T) {
	g := mustGazetteer(t, someVillages())
	for _, c := range []struct {
		query string
		want  string // ids
	}{
		{"gn1906095", "gn1906095"},
		{" liping ", "liping lp2"},
		{"522631110000", "gn1906095"},
		{"黎平", "liping lp2"},
		{"黎", "liping lp2"},
		{"肇兴镇", "gn1906095"},
		{"zhaoxing dong", "gn1906095"},
		{"ZHAOXING", "gn1906095"},
		{"zhào xīng", "gn1906095"},
		{"zhao4 xing1", "gn1906095"},
		{"ｚｈａｏｘｉｎｇ", "gn1906095"},
		{"zhao\u0300xi\u0304ng", "gn1906095"}, // the marks as characters of their own
		{"Li Ping", "liping lp2"},
		{"li'ping", "liping lp2"},
		{"lip", "liping lp2"},
		{"lp", "lpdam luoping liping lp2"}, // initials
		{"lpxc", "lp2"},
		{"lv", "lvtang"},
		{"lü", "lvtang"},
		{"xian", "xian2 xian1"}, // both are whole; by name
		{"xi'an", "xian2 xian1"},
		{"县", "xian2"},
		{"老县", "xian2"},
		{"long", "plain long-e"}, // a name before a pinyin

		{"longe", "long-e"},
		{"平寨3组", "group3"},
		{"平寨3", "group3"},
		{"group3", "group3"},
		{"zz", ""},
		{"", ""},
		{"   ", ""},
		{"平", "group3"},
		{strings.Repeat("x", 10_000), ""},
		{"\xff\xfe", ""},
	} {
		var got []string
		for _, v := range g.Find(c.query, 10) {
			got = append(got, string(v.ID))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%.40q: %q, want %q", c.query, s, c.want)
		}
	}
}

func TestFindLimits(t *testing.T) {
	villages := make([]Village, 300)
	for i := range villages {
		villages[i] = Village{ID: VillageID("v" + degrees(float64(i))), Name: "村" + strings.Repeat("子", i%90), Centre: Point{26, 109}}
	}
	g := mustGazetteer(t, villages)
	for limit, want := range map[int]int{-1: 0, 0: 0, 1: 1, 7: 7, 100: 100, 101: MaxFind, math.MaxInt: MaxFind} {
		if got := len(g.Find("村", limit)); got != want {
			t.Errorf("limit %d: %d villages", limit, got)
		}
	}
	first := g.Find("村", 100)
	slices.Reverse(villages)
	again := mustGazetteer(t, villages).Find("村", 100)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the order of the file shows: %s", diff)
	}
}

func FuzzFind(f *testing.F) {
	g := mustGazetteer(f, someVillages())
	f.Add("li ping", 5)
	f.Add("ｚ̄", 1)
	f.Fuzz(func(t *testing.T, query string, limit int) {
		if found := g.Find(query, limit); len(found) > max(0, min(limit, MaxFind)) {
			t.Errorf("%d villages", len(found))
		}
		if once := fold(query); fold(once) != once && !strings.ContainsAny(query, "12345") {
			t.Errorf("%q folds to %q and then to %q", query, once, fold(once))
		}
	})
}

func TestParseIDs(t *testing.T) {
	for s, ok := range map[string]bool{"gn1813033": true, "a.b_c-D": true, strings.Repeat("x", 64): true,
		"": false, "a b": false, "黎平": false, "a|b": false, strings.Repeat("x", 65): false} {
		v, err1 := ParseVillageID(s)
		p, err2 := ParsePickupID(s)
		if (err1 == nil) != ok || (err2 == nil) != ok || ok && (string(v) != s || string(p) != s) {
			t.Errorf("%q: %q %v, %q %v", s, v, err1, p, err2)
		}
	}
}
