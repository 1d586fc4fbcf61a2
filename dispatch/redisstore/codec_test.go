package redisstore

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"cuntong/dispatch"
	"cuntong/geo"
)

func TestPack(t *testing.T) {
	m := at("d1", rongjiang, now)
	for _, c := range []struct {
		change func(*dispatch.MirrorFix)
		want   string
	}{
		{func(m *dispatch.MirrorFix) {}, "1,25931893,108521881,1764000000000,1764000000040,270,825,125,f"},
		{func(m *dispatch.MirrorFix) { m.Free = false }, "1,25931893,108521881,1764000000000,1764000000040,270,825,125,b"},
		{func(m *dispatch.MirrorFix) { m.Fix.HeadingDegrees = 359.7 }, "1,25931893,108521881,1764000000000,1764000000040,0,825,125,f"},
		{func(m *dispatch.MirrorFix) {
			m.Fix.HeadingDegrees, m.Fix.SpeedMPS, m.Fix.AccuracyMeters = -1, math.NaN(), geo.Meters(math.Inf(1))
		}, "1,25931893,108521881,1764000000000,1764000000040,-,-,0,f"},
		{func(m *dispatch.MirrorFix) { m.Fix.Point = geo.Point{Lat: -89.99999951, Lon: 180} },
			"1,-90000000,180000000,1764000000000,1764000000040,270,825,125,f"},
	} {
		changed := m
		c.change(&changed)
		if got, err := pack(changed); err != nil || got.text != c.want {
			t.Errorf("%s, %v; want %s", got.text, err, c.want)
		}
	}
	for name, bad := range map[string]func(*dispatch.MirrorFix){
		"not on earth":    func(m *dispatch.MirrorFix) { m.Fix.Point.Lat = math.NaN() },
		"rounded to 0,0":  func(m *dispatch.MirrorFix) { m.Fix.Point = geo.Point{Lat: 1e-9} },
		"no time":         func(m *dispatch.MirrorFix) { m.Fix.At = 0 },
		"not yet had":     func(m *dispatch.MirrorFix) { m.Fix.Received = -1 },
		"end of all time": func(m *dispatch.MirrorFix) { m.Fix.At = math.MaxInt64 },
	} {
		changed := m
		bad(&changed)
		if got, err := pack(changed); err == nil {
			t.Errorf("%s: packed as %s", name, got.text)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	cell := cellAt(t, rongjiang)
	good := "1,25931893,108521881,1764000000000,1764000000040,270,825,125,f"
	if _, err := unpack("d1", cell, good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "1", good + ",", "2" + good[1:], " " + good,
		strings.Replace(good, ",f", ",x", 1), strings.Replace(good, ",f", ",", 1),
		strings.Replace(good, "270", "360", 1), strings.Replace(good, "270", "-1", 1), strings.Replace(good, "270", "+270", 1),
		strings.Replace(good, "825", "0825", 1), strings.Replace(good, "825", "30001", 1),
		strings.Replace(good, "125,f", "-,f", 1), strings.Replace(good, "1764000000000", "0", 1),
		strings.Replace(good, "1764000000000", "9999999999999999999", 1),
		strings.Replace(good, "25931893", "90000001", 1), strings.Replace(good, "25931893", "24931893", 1),
	} {
		if m, err := unpack("d1", cell, bad); err == nil {
			t.Errorf("%q was read as %+v", bad, m)
		}
	}
	if _, err := unpack("a b", cell, good); err == nil {
		t.Error("a driver whose id is none was taken")
	}
}

// FuzzUnpack holds that what is read is exactly what would be written.
func FuzzUnpack(f *testing.F) {
	f.Add("1,25931893,108521881,1764000000000,1764000000040,270,825,125,f")
	f.Add("1,-90000000,180000000,1,9007199254740992,-,-,0,b")
	f.Add("1,0,0,1,1,0,0,0,f")
	f.Fuzz(func(t *testing.T, text string) {
		cell := geo.Cell(0)
		if fields := strings.Split(text, ","); len(fields) > 2 {
			r := numbers{fields: fields}
			cell, _ = geo.CellOf(geo.Point{Lat: float64(r.at(1, -90e6, 90e6)) / 1e6, Lon: float64(r.at(2, -180e6, 180e6)) / 1e6}, CellResolution)
		}
		m, err := unpack("d1", cell, text)
		if err != nil {
			return
		}
		again, err := pack(m)
		if err != nil || again.text != text || again.cell != cell {
			t.Errorf("%q is read as %+v and written as %q in %s (%v)", text, m, again.text, again.cell, err)
		}
	})
}

func TestUnsealRefuses(t *testing.T) {
	good := sealSnapshot("a1", 7, []byte("state"))
	state, at, err := unsealSnapshot("a1", good)
	if err != nil || string(state) != "state" || at != 7 {
		t.Fatalf("%q, %d, %v", state, at, err)
	}
	for _, bad := range []string{
		"", "\n", "state", strings.Repeat("x", 1000) + "\n",
		strings.Replace(string(good), "cuntong-snapshot", "other", 1),
		strings.Replace(string(good), " 1 ", " 2 ", 1),
		strings.Replace(string(good), "a1", "a2", 1),
		strings.Replace(string(good), " 7 ", " -7 ", 1),
		strings.Replace(string(good), " 7 ", " 8 8 ", 1),
		string(good) + "x", string(good[:len(good)-1]),
		strings.Replace(string(good), "state", "stats", 1),
		"cuntong-snapshot\n",
	} {
		if _, _, err := unsealSnapshot("a1", []byte(bad)); !errors.Is(err, dispatch.ErrDamaged) {
			t.Errorf("%q: error is %v", bad, err)
		}
	}
}

// FuzzUnseal holds that nothing but what was sealed is read, and every cut or
// changed byte of it is seen.
func FuzzUnseal(f *testing.F) {
	f.Add([]byte("state"), uint64(7), 3, byte('x'))
	f.Add([]byte{}, uint64(0), 0, byte('\n'))
	f.Add([]byte("cuntong-snapshot 1 a1 3 0 00000000\n"), uint64(1<<53-1), 40, byte(' '))
	f.Fuzz(func(t *testing.T, raw []byte, n uint64, where int, change byte) {
		if state, at, err := unsealSnapshot("a1", raw); err == nil && len(sealSnapshot("a1", at, state)) > len(raw)+10 {
			t.Errorf("%q was read as %q", raw, state)
		}
		sealed := sealSnapshot("a1", dispatch.Seq(n), raw)
		state, at, err := unsealSnapshot("a1", sealed)
		if n < 1<<53 && (err != nil || !bytes.Equal(state, raw) || at != dispatch.Seq(n)) {
			t.Fatalf("sealed %q at %d, read %q at %d, %v", raw, n, state, at, err)
		}
		i := int(uint(where) % uint(len(sealed)))
		if sealed[i] == change {
			return
		}
		sealed[i] = change
		state, at, err = unsealSnapshot("a1", sealed)
		if err == nil && (!bytes.Equal(state, raw) || i >= bytes.IndexByte(sealed, '\n')) {
			t.Errorf("byte %d of %q changed: read %q at %d", i, sealed, state, at)
		}
	})
}
